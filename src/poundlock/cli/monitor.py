"""`poundlock monitor`: what enforcement would have done, how often and to whom, and whether it is time to enforce.

It reads records and changes nothing. It must never call a rollout ready of which too little was seen.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from poundlock.core.model import Record

DAY = 86_400_000_000_000
ENOUGH_DAYS = 5
ENOUGH = 100
STOPPED = 0.02
"""What a rollout must have seen before it is called ready: days, exchanges, and how few of them would be stopped."""
_STOPS = frozenset({"blocked", "sendApproved"})


class Policy(NamedTuple):
    """What one policy would have done: in how many exchanges it had a say, how many of those stop, whose they are."""

    id: str
    exchanges: int
    stopped: int
    people: int


class Report(NamedTuple):
    """What the records of some days tell. `changed`: would have gone another way; `rungs`: the ways, by name."""

    days: int
    exchanges: int
    changed: int
    rungs: dict[str, int]
    policies: tuple[Policy, ...]
    asked: int
    answered: dict[str, int]
    unanswered: int
    sandboxes: dict[str, int]
    missing: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing speaks against enforcing what is on trial."""
        return not self.missing


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "monitor",
        help="what enforcing would have done, and whether to begin",
        description="Tell from the records what enforcing would have done. Exit 0: ready to enforce. Exit 1: not yet.",
    )
    parser.add_argument("--days", type=int, default=7, help="how many days of records (default: 7)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--config", help="configuration file")


def run(args: argparse.Namespace) -> int:
    """Print the report: 0 when it is time to enforce, 1 when not. Raises: `ConfigFault`."""
    from poundlock.adapters.sqlite import Reading
    from poundlock.core.audit import record_of

    if args.days < 1:
        raise ConfigFault("--days is at least 1.")
    settings = places.read_settings(args.config)
    reading = Reading(places.database(places.state_folder(settings)))
    since = time.time_ns() - args.days * DAY
    try:
        told = report(record for record in map(record_of, reading.rows()) if record.at >= since)
    finally:
        reading.close()
    if args.json:
        import msgspec

        row = {**told._asdict(), "policies": [policy._asdict() for policy in told.policies], "ready": told.ready}
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
    else:
        sys.stdout.write(words(told))
    return int(not told.ready)


def report(records: Iterable[Record]) -> Report:
    """Count what some records tell; of an exchange that was held, only its last word counts."""
    exchanges: dict[str, dict[str, Any]] = {}
    days: set[int] = set()
    asked: set[str] = set()
    answers: dict[str, str] = {}
    for record in records:
        if record.kind == "exchange":
            exchanges[record.id] = dict(record.body)
            days.add(record.at // DAY)
        elif record.kind == "asked":
            asked.add(record.id)
        elif record.kind == "answered":
            answers[record.id] = str(record.body["state"])
    trials = [body for body in exchanges.values() if body["decision"]["would"]]
    rungs = Counter(str(body["decision"]["would"]) for body in trials)
    had: Counter[str] = Counter()
    stops: Counter[str] = Counter()
    people: dict[str, set[str]] = {}
    for body in trials:
        for policy in body["decision"]["reasons"]:
            had[policy] += 1
            stops[policy] += body["decision"]["would"] in _STOPS
            people.setdefault(policy, set()).add(body["principal"]["human"])
    changed = len(trials) - rungs["send"]
    stopped = sum(rungs[rung] for rung in _STOPS)
    open_ = len(asked - set(answers))
    missing = []
    if not trials:
        missing.append("nothing is in monitor mode or on trial: set mode, or [[rollout]], in poundlock.toml")
    elif len(days) < ENOUGH_DAYS or len(trials) < ENOUGH:
        missing.append(
            f"{len(trials)} exchanges on {len(days)} days were seen; {ENOUGH} on {ENOUGH_DAYS} days are a beginning"
        )
    if trials and stopped > STOPPED * len(trials):
        missing.append(f"{stopped} of {len(trials)} exchanges would be stopped: look at the policies that do it")
    if open_:
        missing.append(f"{open_} questions to approvers were not answered")
    return Report(
        days=len(days),
        exchanges=len(exchanges),
        changed=changed,
        rungs=dict(sorted(rungs.items())),
        policies=tuple(Policy(name, had[name], stops[name], len(people[name])) for name, _ in had.most_common()),
        asked=len(asked),
        answered=dict(sorted(Counter(answers.values()).items())),
        unanswered=open_,
        sandboxes=dict(sorted(Counter(b["environment"] for b in exchanges.values() if b.get("environment")).items())),
        missing=tuple(missing),
    )


def words(told: Report) -> str:
    """Give the report as text."""
    lines = [f"{told.exchanges} exchanges on {told.days} days; {told.changed} would have gone another way."]
    lines += [f"  {count:>6}  would be {rung}" for rung, count in told.rungs.items()]
    if told.policies:
        lines.append("Policies that had a say:")
        lines += [
            f"  {policy.exchanges:>6}  {policy.id}: {policy.stopped} stopped, {policy.people} people"
            for policy in told.policies
        ]
    if told.asked:
        said = ", ".join(f"{count} {state}" for state, count in told.answered.items())
        lines.append(f"Approvals: {told.asked} asked, {said or 'none answered'}, {told.unanswered} open.")
    lines += [f"Environment {name}: {count} exchanges." for name, count in told.sandboxes.items()]
    lines.append("Ready to enforce." if told.ready else "Not ready to enforce yet:")
    lines += [f"  {reason}" for reason in told.missing]
    return "\n".join(lines) + "\n"
