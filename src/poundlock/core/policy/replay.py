"""What another set of policies would have answered: recorded facts, asked twice.

It compares with the policies in force and not with what was done then: what people approved, and what was on trial,
is not asked again. It must never count a record whose facts are not all there as unchanged.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.policy import recorded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poundlock.core.model import Facts, Record
    from poundlock.core.policy.decide import Answer, Policies


class Change(NamedTuple):
    """One exchange that would go another way: whose, where to, the rungs, and what became of its groups.

    `policies` have a say now and had none, or the other way round; `kinds` are those that are treated differently.
    """

    id: str
    human: str
    tool: str
    destination: str
    before: str
    after: str
    kinds: tuple[str, ...]
    policies: tuple[str, ...]


class Report(NamedTuple):
    """What a replay found: exchanges that were asked again, records that lack facts, and the changes."""

    exchanges: int
    lacking: int
    changes: tuple[Change, ...]

    @property
    def rungs(self) -> dict[str, int]:
        """Give the changes by way: `send → blocked`; `send: treatments` where only those differ."""
        ways = Counter(
            f"{change.before} → {change.after}" if change.before != change.after else f"{change.after}, otherwise"
            for change in self.changes
        )
        return dict(ways.most_common())

    @property
    def people(self) -> dict[str, int]:
        """Give the changes by person."""
        return dict(Counter(change.human for change in self.changes).most_common())


def replay(records: Iterable[Record], current: Policies, candidate: Policies) -> Report:
    """Ask both sets for the facts of each exchange; of one that was held, only its last record counts."""
    exchanges = {record.id: record for record in records if record.kind == "exchange"}
    changes: list[Change] = []
    lacking = 0
    for record in exchanges.values():
        facts = recorded.facts(record.body)
        if facts is None:
            lacking += 1
            continue
        change = _compared(record.id, facts, current.decide(facts), candidate.decide(facts))
        if change is not None:
            changes.append(change)
    return Report(exchanges=len(exchanges) - lacking, lacking=lacking, changes=tuple(changes))


def _compared(id_: str, facts: Facts, before: Answer, after: Answer) -> Change | None:
    if (before.rung, before.treatments) == (after.rung, after.treatments):
        return None
    kinds = (
        group.kind
        for group, was, is_ in zip(facts.groups, before.treatments, after.treatments, strict=True)
        if was != is_
    )
    told = {reason.policy for reason in before.reasons} ^ {reason.policy for reason in after.reasons}
    return Change(
        id=id_,
        human=facts.principal.human,
        tool=facts.principal.tool,
        destination=facts.destination.name,
        before=before.rung.value,
        after=after.rung.value,
        kinds=tuple(dict.fromkeys(kinds)),
        policies=tuple(sorted(told)),
    )
