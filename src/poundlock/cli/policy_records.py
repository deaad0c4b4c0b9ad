"""`poundlock policy replay|explain|render|acknowledge`: policies beside the records and the people they are for.

It reads records, and writes one kind: that somebody acknowledged a page.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from poundlock.adapters import places, policyfiles
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from poundlock.config import Settings
    from poundlock.core.model import Facts, Record
    from poundlock.core.policy.decide import Policies
    from poundlock.core.policy.ladder import Climb
    from poundlock.core.policy.sheet import Sheet

DAY = 86_400_000_000_000
SHOWN = 20
"""So many changes are told one by one; `--json` gives all."""


def add_actions(actions: Any) -> None:
    """Add these actions to those of `policy`."""
    replay = actions.add_parser(
        "replay",
        help="say what other policies would have changed",
        description="Ask these policies for the recorded facts of some days, and tell what they answer otherwise than "
        "those in force. Exit 0: nothing. Exit 1: something.",
    )
    replay.add_argument("files", nargs="*", metavar="FILE", help="policy file or folder, beside those in force")
    replay.add_argument("--instead", action="store_true", help="in place of the configured files, not beside them")
    replay.add_argument("--no-default", action="store_true", help="leave the default pack out")
    replay.add_argument("--days", type=int, default=7, metavar="N", help="how many days of records (default: 7)")
    explain = actions.add_parser(
        "explain", help="name the lines that decide: of a policy, or of a recorded decision asked again"
    )
    explain.add_argument("name", metavar="ID", help="the id of a policy, or of a decision")
    render = actions.add_parser("render", help="write the page for people: what may go where, in plain words")
    render.add_argument("--format", choices=("markdown", "html"), default="markdown", help="default: markdown")
    acknowledge = actions.add_parser("acknowledge", help="put on record that you have read the page")
    acknowledge.add_argument("--list", action="store_true", help="list who has, for the page as it now is")
    bundle = actions.add_parser(
        "bundle", help="put policies, cases and rules into one file, signed with this machine's key"
    )
    bundle.add_argument("out", metavar="OUT", help="the file to write")
    bundle.add_argument("files", nargs="+", metavar="FILE", help="*.cedar and *.toml files")
    verify = actions.add_parser("verify", help="check a bundle's signature, and unpack it")
    verify.add_argument("bundle", metavar="BUNDLE", help="the file that `bundle` wrote")
    verify.add_argument("--key", required=True, metavar="FINGERPRINT", help="the key that must have signed it")
    verify.add_argument("--out", metavar="FOLDER", help="where to put its files")
    for action in (replay, explain, render, acknowledge, bundle):
        action.add_argument("--config", metavar="FILE", help="configuration file")
    for action in (replay, explain):
        action.add_argument("--json", action="store_true", help="print JSON, one object a line")


def run(args: argparse.Namespace) -> int:
    """Run one action and give its exit code. Raises: `Fault`, `ConfigFault`."""
    return {
        "replay": _replay,
        "explain": _explain,
        "render": _render,
        "acknowledge": _acknowledge,
        "bundle": _bundle,
        "verify": _verify,
    }[args.action](args)


def _in_force(settings: Settings) -> Policies:
    return policyfiles.load(settings.policy.files, default=settings.policy.default_pack)


def _records(settings: Settings, days: int) -> Iterator[Record]:
    from poundlock.adapters.sqlite import Reading
    from poundlock.core.audit import record_of

    since = time.time_ns() - days * DAY
    database = places.database(places.state_folder(settings))
    if not database.exists():
        return  # nothing was sent yet
    reading = Reading(database)
    try:
        yield from (record_of(row) for row in reading.rows() if row.at >= since)
    finally:
        reading.close()


def _replay(args: argparse.Namespace) -> int:
    from poundlock.core.policy.replay import replay

    if args.days < 1:
        raise ConfigFault("--days is at least 1.")
    settings = places.read_settings(args.config)
    kept = () if args.instead else settings.policy.files
    default = settings.policy.default_pack and not args.no_default
    candidate = policyfiles.load((*kept, *args.files), default=default)
    told = replay(_records(settings, args.days), _in_force(settings), candidate)
    if args.json:
        for change in told.changes:
            _json(change._asdict())
        _json({"exchanges": told.exchanges, "lacking": told.lacking, "changed": len(told.changes)})
        return int(bool(told.changes))
    lines = [f"{told.exchanges} exchanges of {args.days} days were asked again; {len(told.changes)} change."]
    lines += [f"  {count:>6}  {way}" for way, count in told.rungs.items()]
    lines += [f"  {count:>6}  of {human}" for human, count in told.people.items()]
    for change in told.changes[:SHOWN]:
        lines.append(f"{change.id}  {change.human} with {change.tool} to {change.destination}")
        lines.append(f"  {change.before} → {change.after}  {', '.join((*change.policies, *change.kinds))}")
    if len(told.changes) > SHOWN:
        lines.append(f"… and {len(told.changes) - SHOWN} more: --json gives all.")
    if told.lacking:
        lines.append(f"{told.lacking} records are of an older version and lack facts: they were not asked.")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(bool(told.changes))


def _explain(args: argparse.Namespace) -> int:
    settings = places.read_settings(args.config)
    policies = _in_force(settings)
    policy = next((policy for policy in policies.policies if policy.id == args.name), None)
    if policy is None:
        return _explain_decision(args, settings, policies)
    from poundlock.core.policy import language

    source = policyfiles.sources(settings.policy.files, default=settings.policy.default_pack)[policy.file]
    if args.json:
        _json({"id": policy.id, "file": policy.file, "line": policy.line, "effect": policy.effect})
    else:
        text = language.statement(source, policy.line).strip()
        sys.stdout.write(f"{policy.file}:{policy.line}\n\n{text}\n")
    return 0


def _explain_decision(args: argparse.Namespace, settings: Settings, policies: Policies) -> int:
    from poundlock.adapters.sqlite import Reading
    from poundlock.core.policy import recorded

    reading = Reading(places.database(places.state_folder(settings)))
    try:
        found = [record for record in reading.find(args.name) if record.kind == "exchange"]
    finally:
        reading.close()
    if not found:
        raise ConfigFault(
            "No policy in force and no exchange on record has this id.",
            advice="`poundlock policy show` lists the policies, `poundlock audit show` the latest decisions.",
        )
    facts = recorded.facts(found[-1].body)
    if facts is None:
        raise ConfigFault(
            "The record is of an older version and does not hold all facts.",
            advice="`poundlock explain` tells what it does hold.",
        )
    answer = policies.decide(facts)
    parts = [("the exchange as a whole", answer.whole), *zip(_groups(facts), answer.climbs, strict=True)]
    if args.json:
        for name, climb in parts:
            _json({"part": name, "rung": climb.rung.value, "denied": climb.denied, "applied": climb.applied})
        return 0
    where = {policy.id: f"{policy.file}:{policy.line}" for policy in policies.policies}
    lines = [f"{args.name}: asked again of the policies in force, it is {answer.rung.value}."]
    if found[-1].body["decision"]["rung"] != answer.rung.value:
        lines.append(f"On record it was {found[-1].body['decision']['rung']}: approvals, trials or other policies.")
    for name, climb in parts:
        lines += _told(name, climb, where)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _groups(facts: Facts) -> list[str]:
    return [
        f"{group.count} × {group.kind}, {group.tier}, {group.origin}{', new' if group.new else ''}"
        for group in facts.groups
    ]


def _told(name: str, climb: Climb, where: dict[str, str]) -> list[str]:
    lines = [f"{name}: {climb.rung.value}"]
    lines += [f"  error      {error}" for error in climb.errors]
    lines += [f"  closed by  {policy}  {where[policy]}" for policy in climb.denied]
    return lines + [f"  opened by  {policy}  {where[policy]}" for policy in climb.applied]


def _page(settings: Settings) -> Sheet:
    from poundlock.core.policy.sheet import sheet

    return sheet(
        _in_force(settings),
        profile=settings.profile,
        mode=settings.mode,
        inside=bool(settings.local.provider),
    )


def _render(args: argparse.Namespace) -> int:
    from poundlock.core.policy import sheet

    page = _page(places.read_settings(args.config))
    sys.stdout.write(sheet.page_of_html(page) if args.format == "html" else sheet.markdown(page))
    return 0


def _acknowledge(args: argparse.Namespace) -> int:
    settings = places.read_settings(args.config)
    version = _page(settings).version
    if args.list:
        lines = [
            f"{datetime.fromtimestamp(record.at / 1e9, UTC):%Y-%m-%d}  {record.body['by']}"
            for record in _records(settings, 36_500)
            if record.kind == "acknowledged" and record.body["version"] == version
        ]
        sys.stdout.write("\n".join(lines or [f"Nobody has acknowledged version {version}."]) + "\n")
        return 0
    import asyncio
    import getpass
    import uuid

    from poundlock import compose
    from poundlock.core.model import Draft
    from poundlock.ports import Entry

    by = getpass.getuser()

    async def put() -> None:
        async with compose.opened(settings) as (store, clock):
            body = {"by": by, "version": version, "policies": _in_force(settings).digest}
            draft = Draft(kind="acknowledged", id=uuid.uuid4().hex[:16], at=clock.now(), body=body)
            await store.commit(Entry(draft=draft))

    asyncio.run(put())
    sys.stdout.write(f"It is on record that {by} has read version {version}.\n")
    return 0


def _bundle(args: argparse.Namespace) -> int:
    import os
    from pathlib import Path

    from poundlock.adapters import keys
    from poundlock.core.audit import key_fingerprint
    from poundlock.core.policy import bundle

    settings = places.read_settings(args.config)
    policyfiles.load([name for name in args.files if name.endswith(".cedar")])  # what does not compile is not signed
    master = keys.load(places.state_folder(settings) / "master.key", os.environ, place=settings.state.master_key)
    files = {Path(name).name: policyfiles.text(Path(name)) for name in args.files}
    if len(files) < len(args.files):
        raise ConfigFault("Two of the files have the same name.", advice="Rename one of them.")
    Path(args.out).write_bytes(bundle.made(files, time.time_ns(), master.public, master.sign))
    sys.stdout.write(f"{args.out}: {len(files)} files, signed with the key {key_fingerprint(master.public)}\n")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from pathlib import Path

    from poundlock.adapters import keys
    from poundlock.core.audit import key_fingerprint
    from poundlock.core.policy import bundle

    wanted = args.key.lower()
    try:
        data = Path(args.bundle).read_bytes()
    except OSError as fault:
        raise ConfigFault(f"{args.bundle} can't be read: {fault.strerror}.", advice="Check the path.") from None
    found = bundle.opened(data, lambda key: key_fingerprint(key) == wanted, keys.check_signature)
    for name, text in found.files.items():
        if args.out:
            Path(args.out).mkdir(parents=True, exist_ok=True)
            (Path(args.out) / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}\n")
    sys.stdout.write(f"The signature is good, of {datetime.fromtimestamp(found.at / 1e9, UTC):%Y-%m-%d %H:%M} UTC.\n")
    return 0


def _json(row: dict[str, Any]) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
