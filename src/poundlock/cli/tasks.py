"""`poundlock tasks`: what each task is, had, did and cost, from the register and the audit log."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from poundlock.adapters.sqlite import Identities
    from poundlock.config import Settings
    from poundlock.core.identity.tasks import Standing
    from poundlock.core.model import Record

NEWEST = 50
_LIVES = "lives"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser("tasks", help="show tasks: what they may do, did and cost")
    parser.add_argument("id", nargs="?", help="one task, with all of its records")
    parser.add_argument("--all", action="store_true", help="also those that have ended")
    parser.add_argument("--json", action="store_true", help="print JSON Lines")
    parser.add_argument("--config", help="configuration file")


def run(args: argparse.Namespace) -> int:
    """Print them. Raises: `ConfigFault` for a task that is not known."""
    settings = places.read_settings(args.config)
    return _one(args, settings) if args.id else _many(args, settings)


def _many(args: argparse.Namespace, settings: Settings) -> int:
    from poundlock.cli import register

    async def work(known: Identities) -> list[tuple[Standing, str]]:
        found = known.ask.newest(NEWEST, alive_at=0 if args.all else known.now())
        told = [(standing, _state(known, standing)) for standing in found]
        return [(standing, state) for standing, state in told if args.all or state == _LIVES]

    rows = register.within(settings, work)
    if args.json:
        _lines({**standing.task.about, "opened": standing.task.opened, "state": state} for standing, state in rows)
        return 0
    head = ("task", "tool", "for", "since", "scopes", "state")
    body = [
        (
            "  " * min(standing.task.depth, 4) + standing.task.id,
            standing.task.tool,
            standing.task.human,
            register.when(standing.task.opened),
            " ".join(standing.task.scopes),
            state,
        )
        for standing, state in rows
    ]
    none = "No task lives. `poundlock tasks --all` shows those that have ended.\n"
    sys.stdout.write(register.columns([head, *body]) if body else none)
    return 0


def _one(args: argparse.Namespace, settings: Settings) -> int:
    from poundlock.adapters.sqlite import Reading
    from poundlock.cli import register
    from poundlock.core.audit import record_of

    async def work(known: Identities) -> tuple[Standing, str]:
        standings = known.ask.by_id(args.id)
        if not standings:
            raise ConfigFault("There is no such task.", advice="`poundlock tasks --all` shows them.")
        return standings[0], _state(known, standings[0])

    standing, state = register.within(settings, work)
    reading = Reading(places.database(places.state_folder(settings)))
    try:
        records = story(args.id, (record_of(row) for row in reading.rows() if row.kind in _TOLD))
    finally:
        reading.close()
    sums = account(records)
    if args.json:
        _lines([{**standing.task.about, "opened": standing.task.opened, "state": state, **sums}])
        return 0
    task, tool = standing.task, standing.tool
    rows = [
        ("task", f"{task.id}, {state}"),
        ("tool", f"{' > '.join(task.chain) or task.tool}, owned by {(tool.owner if tool else '') or 'nobody'}"),
        ("for", f"{task.human}, known by {task.known}{' ' + task.subject if task.subject else ''}"),
        ("from", f"{register.when(task.opened)}, at the longest until {register.when(task.expires)}"),
        ("may", f"{' '.join(task.scopes)}, up to {task.max_tier}{', bound to a key' if task.key else ''}"),
        ("did", _did(sums)),
        (
            "cost",
            f"{sums['characters']:,} characters out, {sums['received']:,} bytes back, {sums['milliseconds']:,} ms",
        ),
    ]
    sys.stdout.write(register.columns(rows))
    for record in records:
        sys.stdout.write(f"  {register.when(record.at)}  {_line(record)}\n")
    return 0


_TOLD = frozenset({"task", "exchange", "closing", "refused", "lease"})


def story(task: str, records: Iterable[Record]) -> list[Record]:
    """Give the records of a task and of all that descends from it, in order."""
    family = {task}
    exchanges: set[str] = set()
    found: list[Record] = []
    for record in records:
        body = record.body
        if record.kind == "task" and (record.id in family or body.get("parent") in family):
            family.add(record.id)
            found.append(record)
        elif record.kind == "exchange" and body["principal"]["task"] in family:
            exchanges.add(record.id)
            found.append(record)
        elif (record.kind == "closing" and record.id in exchanges) or (
            record.kind in {"refused", "lease"} and (body.get("who") or body).get("task") in family
        ):
            found.append(record)
    return found


def account(records: Iterable[Record]) -> dict[str, Any]:
    """Add up what a task did and cost: exchanges by rung, findings by kind, sizes and times."""
    rungs: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    models: set[str] = set()
    sums = {"characters": 0, "received": 0, "milliseconds": 0, "refused": 0}
    for record in records:
        body = record.body
        if record.kind == "exchange":
            rungs[body["decision"]["rung"]] += 1
            models.add(body["destination"]["model"] or body["destination"]["name"])
            sums["characters"] += body["sizes"]["characters"]
            for row in body["findings"]:
                if row["treatment"] != "clear":
                    kinds[row["kind"]] += row["count"]
        elif record.kind == "closing":
            sums["received"] += body["received"]
            sums["milliseconds"] += body["milliseconds"]
        elif record.kind == "refused":
            sums["refused"] += 1
    return {"exchanges": dict(rungs), "kinds": dict(kinds), "models": sorted(models), **sums}


def _did(sums: dict[str, Any]) -> str:
    parts = [f"{count} × {rung}" for rung, count in sorted(sums["exchanges"].items())]
    parts += [f"{sums['refused']} refused"] if sums["refused"] else []
    parts += [f"with {', '.join(sums['models'])}"] if sums["models"] else []
    parts += ["treated " + ", ".join(f"{n} × {kind}" for kind, n in sorted(sums["kinds"].items()))] * bool(
        sums["kinds"]
    )
    return ", ".join(parts) or "nothing yet"


def _line(record: Record) -> str:
    body = record.body
    if record.kind == "exchange":
        return f"exchange {record.id} to {body['destination']['name']}: {body['decision']['rung']}"
    if record.kind == "closing":
        return f"answer   {record.id}: {body['ended']}, HTTP {body['status']}"
    if record.kind == "refused":
        return f"refused  {record.id}: {body['message']}"
    if record.kind == "task":
        why = f": {body['why']}" if body.get("why") else ""
        return f"task     {record.id} {body['event']}{why} (by {body['by']})"
    if record.kind == "lease":
        why = f": {body['why']}" if body.get("why") else ""
        return f"lease    {record.id} {body['grant']} {body['event']}{why} (by {body['by']})"
    return f"{record.kind:<8} {record.id}"


def _state(known: Identities, standing: Standing) -> str:
    from poundlock.core.identity import tasks

    why = tasks.refused(known.ask.by_id(standing.task.id), now=known.now())
    return _LIVES if why is None else why.message


def _lines(rows: Iterable[dict[str, Any]]) -> None:
    import msgspec

    for row in rows:
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
