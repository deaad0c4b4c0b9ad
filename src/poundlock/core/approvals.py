"""Approvals: what is asked of a person, what they answered, and what an answer admits. Values in, values out.

A question is about needs: keyed hashes of values that may leave only with a person's consent, and one for a document
that may not leave as a whole. An approval admits its needs to one destination, for an exchange, a conversation or a
day. It must never hold a value or a text (excerpts are sealed apart), and never let anybody approve their own request.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from poundlock.core import surrogates, transform
from poundlock.core.errors import ClientFault
from poundlock.core.model import Rung, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from poundlock.core.model import Destination, Document, Finding, Group, Principal, ScopeKey, Treatment
    from poundlock.core.policy.decide import Answer

State = Literal["pending", "approved", "denied", "expired", "withdrawn", "used"]
Scope = Literal["once", "task", "day"]
Waiting = Literal["waiting", "told", "gone"]

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
SCOPES: tuple[Scope, ...] = ("once", "task", "day")
AROUND = 48
"""Characters on each side of a value in an excerpt."""
EXCERPTS = 6
LONGEST = 320
"""Excerpts of a question, and the longest of one, in characters."""
WHOLE = "document"
"""The kind that stands for a document as a whole."""


class Needs(NamedTuple):
    """What a person would have to admit: keyed hashes, kinds with their counts, and findings by index."""

    values: tuple[str, ...] = ()
    kinds: tuple[tuple[str, int], ...] = ()
    findings: tuple[int, ...] = ()


class Settled(NamedTuple):
    """What policy's answer comes to with what people admitted: the rung, a treatment a finding, and what is needed.

    `used` are the needs that a standing approval met.
    """

    rung: Rung
    treatments: tuple[Treatment, ...]
    needs: Needs
    used: frozenset[str]


class Standing(Value, frozen=True, kw_only=True):
    """What people have admitted in this conversation to this destination.

    `admitted`: needs with the approval that meets them. `carried`: values that left with one, so that they keep their
    treatment where they stand in the history. `denied`: needs that somebody refused lately, with the approval's id.
    """

    admitted: Mapping[str, str] = {}
    carried: frozenset[str] = frozenset()
    denied: Mapping[str, str] = {}


NOTHING = Standing()


class Wait(Value, frozen=True, kw_only=True):
    """An exchange that waits for an answer, or waited: in which process, and until when at the most."""

    exchange: str
    process: int
    until: int
    state: Waiting = "waiting"


class Said(Value, frozen=True, kw_only=True):
    """One person's answer."""

    by: str
    yes: bool
    reason: str
    at: int


class Approval(Value, frozen=True, kw_only=True):
    """A question to people, and all that came of it. Times are nanoseconds since the epoch.

    `valid`: until when an answer admits; `needed`: how many must say yes; `glass`: who asked broke the glass.
    """

    id: str
    human: str
    tool: str
    task: str
    conversation: str
    destination: str
    needs: tuple[str, ...]
    kinds: tuple[tuple[str, int], ...]
    policies: tuple[str, ...]
    why: str
    asked: int
    until: int
    needed: int = 1
    state: State = "pending"
    scope: Scope = "once"
    valid: int = 0
    said: tuple[Said, ...] = ()
    waits: tuple[Wait, ...] = ()
    glass: bool = False
    times: int = 1


def place(destination: Destination) -> str:
    """Name a destination as an approval has it: another account or vendor is another question."""
    return f"{destination.name} ({destination.vendor}, {destination.plan})"


def settle(
    answer: Answer,
    groups: Sequence[Group],
    findings: Sequence[Finding],
    group_of: Sequence[int],
    standing: Standing,
    key: ScopeKey,
) -> Settled:
    """Join policy's answer with what people admitted. What is admitted leaves disguised, and never in clear."""
    treatments: list[Treatment] = [answer.treatments[group] for group in group_of]
    waits = [climb.rung is Rung.SEND_APPROVED for climb in answer.climbs]
    wanted: dict[str, None] = {}
    kinds: Counter[str] = Counter()
    asking: list[int] = []
    used: set[str] = set()
    for index, (finding, of) in enumerate(zip(findings, group_of, strict=True)):
        if not waits[of]:
            continue
        group, value = groups[of], finding.fingerprint
        newly_typed = group.new and group.origin == "typed"
        if value in standing.admitted:
            treatments[index] = "disguise"
            used.add(value)
        elif not newly_typed:
            treatments[index] = "disguise" if value in standing.carried else "impound"
        else:
            wanted[value] = None
            kinds[group.kind] += 1
            asking.append(index)
    if answer.rung is not Rung.SEND_APPROVED:
        if any(treatment != "clear" for treatment in treatments) and answer.rung is Rung.SEND:
            return Settled(Rung.SEND_DISGUISED, tuple(treatments), Needs(), frozenset(used))
        return Settled(answer.rung, tuple(treatments), Needs(), frozenset(used))
    if answer.whole.rung is Rung.SEND_APPROVED:
        need = surrogates.fingerprint("\0".join(("whole", *answer.whole.denied)), key)
        if need in standing.admitted:
            used.add(need)
        else:
            wanted[need] = None
            kinds[WHOLE] += 1
    if wanted:
        needs = Needs(tuple(sorted(wanted)), tuple(sorted(kinds.items())), tuple(asking))
        return Settled(Rung.SEND_APPROVED, tuple(treatments), needs, frozenset(used))
    rungs = {answer.whole.rung} | {climb.rung for climb in answer.climbs}
    if Rung.SEND_LOCAL in rungs:
        return Settled(Rung.SEND_LOCAL, tuple(treatments), Needs(), frozenset(used))
    changed = any(treatment != "clear" for treatment in treatments)
    return Settled(Rung.SEND_DISGUISED if changed else Rung.SEND, tuple(treatments), Needs(), frozenset(used))


def excerpts(document: Document, findings: Sequence[Finding], needs: Needs) -> tuple[str, ...]:
    """Give what an approver sees of the surroundings, every found value masked: for sealing, never for a record."""
    out: list[str] = []
    for index in needs.findings[:EXCERPTS]:
        finding = findings[index]
        out.append(_around(document, findings, finding.segment, finding.start - AROUND, finding.end + AROUND))
    if not out and needs.values:
        typed = [
            i for i, s in enumerate(document.segments) if s.origin == "typed" and s.role == "user" and not s.opaque
        ]
        out += [_around(document, findings, i, 0, LONGEST) for i in typed[-1:]]
    return tuple(dict.fromkeys(out))


def _around(document: Document, findings: Sequence[Finding], segment: int, start: int, end: int) -> str:
    text = document.segments[segment].text
    start, end = max(start, 0), min(end, len(text))
    pieces: list[str] = []
    at = start
    for finding in sorted((f for f in findings if f.segment == segment), key=lambda f: f.start):
        if finding.end <= start or finding.start >= end:
            continue
        pieces += text[at : max(finding.start, at)], transform.marker(finding.kind).replace("impounded: ", "")
        at = finding.end
    pieces.append(text[at:end])
    return " ".join("".join(pieces).split())[:LONGEST]


def ask(
    principal: Principal,
    conversation: str,
    destination: Destination,
    needs: Needs,
    answer_policies: Sequence[str],
    why: str,
    *,
    id: str,  # noqa: A002 (the word that records use)
    at: int,
    minutes: int,
    needed: int,
) -> Approval:
    """Make the question about what an exchange needs; nobody has answered it yet."""
    return Approval(
        id=id,
        human=principal.human,
        tool=principal.tool,
        task=principal.task,
        conversation=conversation,
        destination=place(destination),
        needs=needs.values,
        kinds=needs.kinds,
        policies=tuple(answer_policies),
        why=why,
        asked=at,
        until=at + minutes * 60 * SECOND,
        needed=needed,
    )


def same(asked: Approval, other: Approval) -> bool:
    """Tell whether two questions are one: same person, conversation, destination and needs."""
    return (asked.human, asked.conversation, asked.destination, asked.needs) == (
        other.human,
        other.conversation,
        other.destination,
        other.needs,
    )


def joined(approval: Approval, wait: Wait) -> Approval:
    """Add an exchange that waits for the answer."""
    kept = tuple(each for each in approval.waits if each.exchange != wait.exchange)
    return msgspec.structs.replace(approval, waits=(*kept, wait), times=approval.times + bool(kept or approval.waits))


def left(approval: Approval, exchange: str, how: Waiting) -> Approval:
    """Say that an exchange no longer waits: it was told the approval's id, or its client has gone.

    A question for which nobody waits, and of which nobody was told, is withdrawn.
    """
    waits = tuple(
        msgspec.structs.replace(each, state=how) if each.exchange == exchange else each for each in approval.waits
    )
    changed = msgspec.structs.replace(approval, waits=waits)
    if approval.state == "pending" and all(each.state == "gone" for each in waits):
        return msgspec.structs.replace(changed, state="withdrawn")
    return changed


def abandoned(approval: Approval, at: int, alive: frozenset[int]) -> bool:
    """Tell whether whoever asked is gone without a word: no exchange waits in a process that lives."""
    return approval.state == "pending" and not any(
        each.state == "told" or (each.state == "waiting" and each.until > at and each.process in alive)
        for each in approval.waits
    )


def expired(approval: Approval, at: int) -> Approval:
    """Give an approval as it stands at a time: a question that nobody answered, and an answer, both have an end."""
    over = approval.until if approval.state == "pending" else approval.valid if approval.state == "approved" else 0
    return msgspec.structs.replace(approval, state="expired") if 0 < over <= at else approval


def answered(
    approval: Approval,
    *,
    by: str,
    yes: bool,
    scope: Scope,
    reason: str,
    at: int,
    alive: frozenset[int],
    approvers: Sequence[str],
    glass: int = 0,
    hours: int = 8,
) -> Approval:
    """Take one person's answer. `approvers` may answer (nobody named: anybody else than who asked).

    `glass` is for how many minutes a person alone may approve for themselves; 0 is not at all.

    Raises: `ClientFault` for an answer that does not count, with what to do instead; nothing is admitted then.
    """
    now = expired(approval, at)
    if now.state != "pending":
        raise ClientFault(f"Approval {approval.id} {_OVER[now.state]}", advice=_NEXT.get(now.state, _ASK_AGAIN))
    if abandoned(now, at, alive):
        raise ClientFault(f"Who asked for approval {approval.id} has gone, so nothing was sent.", advice=_ASK_AGAIN)
    if any(each.by == by for each in now.said):
        raise ClientFault(f"{by} has answered approval {approval.id} already.", advice="Another approver must answer.")
    if yes and by == now.human and not glass:
        raise ClientFault(
            "Nobody approves their own request.",
            advice="Ask another approver. Where you work alone: `poundlock approve ID --break-glass --reason WHY`.",
        )
    if approvers and by not in approvers and not (glass and by == now.human):
        raise ClientFault(f"{by} is not an approver.", advice=f"Ask one of: {', '.join(approvers)}.")
    if glass and not reason.strip():
        raise ClientFault("To break the glass you have to say why.", advice="Add --reason WHY.")
    said = (*now.said, Said(by=by, yes=yes, reason=reason, at=at))
    if not yes:
        return msgspec.structs.replace(now, said=said, state="denied", valid=at + hours * 3600 * SECOND)
    enough = bool(glass) or sum(each.yes for each in said) >= now.needed
    if not enough:
        return msgspec.structs.replace(now, said=said, scope=_narrower(now, scope))
    end = at + (glass * 60 * SECOND if glass else DAY if scope == "day" else hours * 3600 * SECOND)
    return msgspec.structs.replace(
        now, said=said, state="approved", scope=_narrower(now, scope), valid=end, glass=bool(glass)
    )


def used(approval: Approval, at: int) -> Approval:
    """Use an approval for one exchange. Raises: `ClientFault` when it no longer admits anything."""
    now = expired(approval, at)
    if now.state != "approved":
        raise ClientFault(f"Approval {approval.id} {_OVER[now.state]}", advice=_NEXT.get(now.state, _ASK_AGAIN))
    return msgspec.structs.replace(now, state="used") if now.scope == "once" else now


def standing(rows: Iterable[Approval], conversation: str, task: str, destination: str, at: int) -> Standing:
    """Say what one person's approvals admit in a conversation (or task) to a destination at a time."""
    admitted: dict[str, str] = {}
    carried: set[str] = set()
    denied: dict[str, str] = {}
    for row in rows:
        if row.destination != destination:
            continue
        here = row.conversation == conversation
        now = expired(row, at)
        if now.state == "approved" and (
            now.scope == "day" or here or (now.scope == "task" and bool(task) and row.task == task)
        ):
            admitted.update(dict.fromkeys(row.needs, row.id))
        elif now.state == "denied" and here and now.valid > at:
            denied.update(dict.fromkeys(row.needs, row.id))
        if here and (row.state in {"used", "approved"}):
            carried.update(row.needs)
    return Standing(admitted=admitted, carried=frozenset(carried), denied=denied)


def linked(id: str, by: str, until: int) -> bytes:  # noqa: A002 (the word that records use)
    """Give what the signature of a link is made on: the approval, who may answer with it, and until when."""
    return msgspec.json.encode(("approval link 1", id, by, until))


def stake(approval: Approval) -> dict[str, object]:
    """Give what a record tells of a question: names, counts and keyed hashes of our own."""
    return {
        "approval": approval.id,
        "human": approval.human,
        "tool": approval.tool,
        "task": approval.task,
        "conversation": approval.conversation,
        "destination": approval.destination,
        "kinds": [{"kind": kind, "count": count} for kind, count in approval.kinds],
        "policies": list(approval.policies),
        "needed": approval.needed,
        "until": approval.until,
    }


def _narrower(approval: Approval, scope: Scope) -> Scope:
    """Of several approvers the most careful one counts."""
    if not any(each.yes for each in approval.said):
        return scope
    return min(scope, approval.scope, key=SCOPES.index)


_ASK_AGAIN = "Whoever asked has to send it again; the question then comes anew."
_OVER: dict[str, str] = {
    "pending": "has not been answered yet.",
    "approved": "was approved already.",
    "used": "was approved and used already.",
    "denied": "was denied already.",
    "expired": "has expired.",
    "withdrawn": "was withdrawn: the client that asked has gone, so nothing was sent.",
}
_NEXT: dict[str, str] = {
    "pending": "`poundlock approve` shows what waits.",
    "approved": "Nothing is to be done: what was asked for may be sent again.",
    "denied": "Leave out what it was asked for, or wait until the denial ends.",
}
