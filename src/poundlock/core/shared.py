"""What left, where to, and why: from records alone.

It must never count what was stopped or stayed inside as shared, and never know more than the records do: sizes, kinds,
origins, policies; files by keyed hash, and by name only where the settings had names recorded.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poundlock.core.model import Record

_LEAVES = frozenset({"send", "sendDisguised"})
FILES_KEPT = 50
"""So many files of a destination are named; all are counted."""


class Content(NamedTuple):
    """Findings of one kind that left in one way: how often, how many different values, from where, in which tier."""

    kind: str
    treatment: str
    origin: str
    tier: str
    findings: int
    values: int


class Shared(NamedTuple):
    """What one destination got.

    `reasons` are the policies that had a say, `approvals` how many exchanges left because a person said so, `files`
    keyed hashes (or names) with how many exchanges opened them.
    """

    destination: str
    vendor: str
    plan: str
    exchanges: int
    characters: int
    first: int
    last: int
    content: tuple[Content, ...]
    people: dict[str, int]
    tools: dict[str, int]
    repositories: dict[str, int]
    tiers: dict[str, int]
    intents: dict[str, int]
    accounts: dict[str, int]
    reasons: dict[str, int]
    approvals: int
    files: dict[str, int]


class Wanted(NamedTuple):
    """Which exchanges are asked for; an empty word asks for all."""

    since: int = 0
    person: str = ""
    destination: str = ""
    repository: str = ""


class Report(NamedTuple):
    """What was shared, by destination, and how many exchanges were stopped or stayed inside."""

    shared: tuple[Shared, ...]
    stopped: int
    inside: int


def shared(records: Iterable[Record], wanted: Wanted) -> Report:
    """Sum up records; of an exchange that was held, only its last record counts."""
    exchanges = {record.id: record for record in records if record.kind == "exchange" and _asked_for(record, wanted)}
    by: dict[tuple[str, str, str], list[Record]] = {}
    stopped = inside = 0
    for record in exchanges.values():
        rung, to = record.body["decision"]["rung"], record.body["destination"]
        if rung == "sendLocal" or (rung in _LEAVES and to["local"]):
            inside += 1
        elif rung in _LEAVES:
            by.setdefault((to["name"], to["vendor"], to["plan"]), []).append(record)
        else:
            stopped += 1
    return Report(tuple(_summed(name, rows) for name, rows in sorted(by.items())), stopped, inside)


def _asked_for(record: Record, wanted: Wanted) -> bool:
    body = record.body
    return (
        record.at >= wanted.since
        and wanted.person in ("", body["principal"]["human"])
        and wanted.destination in ("", body["destination"]["name"])
        and wanted.repository in ("", _facts(body).get("repository", ""))
    )


def _facts(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("facts", {})
    return found if isinstance(found, dict) else {}


def _summed(name: tuple[str, str, str], rows: list[Record]) -> Shared:
    bodies = [record.body for record in rows]
    counts: Counter[tuple[str, str, str, str]] = Counter()
    values: dict[tuple[str, str, str, str], set[str]] = {}
    for body in bodies:
        # The record tells what was wanted of each finding: where only watched, it left as it was.
        watched = body["decision"]["mode"] == "monitor"
        for found in body["findings"]:
            key = (found["kind"], "clear" if watched else found["treatment"], found["origin"], found["tier"])
            counts[key] += found["count"]
            values.setdefault(key, set()).update(found["fingerprints"])
    files = Counter(file for body in bodies for file in dict.fromkeys(body.get("files", ())))
    return Shared(
        destination=name[0],
        vendor=name[1],
        plan=name[2],
        exchanges=len(rows),
        characters=sum(body["sizes"].get("new", body["sizes"]["characters"]) for body in bodies),
        first=min(record.at for record in rows),
        last=max(record.at for record in rows),
        content=tuple(Content(*key, count, len(values[key])) for key, count in counts.most_common()),
        people=_counted(body["principal"]["human"] for body in bodies),
        tools=_counted(body["principal"]["tool"] for body in bodies),
        repositories=_counted(_facts(body).get("repository", "") for body in bodies),
        tiers=_counted(body["tier"] for body in bodies),
        intents=_counted(_facts(body).get("intent", "") for body in bodies),
        accounts=_counted(_facts(body).get("account", "") for body in bodies),
        reasons=_counted(policy for body in bodies for policy in body["decision"]["reasons"]),
        approvals=sum(bool(body.get("approvals")) for body in bodies),
        files=dict(files.most_common(FILES_KEPT)),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(name for name in names if name).most_common())
