"""`poundlock audit`: verify, show and export the audit log.

It only reads, also while gateways write. Exit 0: sound. Exit 1: something was done to the log, and it is named.
Exit 2: there is nothing to check, or it can't be read. What a record holds is free of user text, so it may be shown.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from poundlock.adapters.sqlite import Reading
    from poundlock.core.audit import Head
    from poundlock.core.ledger import Place, Report
    from poundlock.core.model import Record
    from poundlock.core.shared import Shared

Trust = tuple["Callable[[str, bytes, str], bool]", str]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser("audit", help="verify, show and export the audit log", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    verify = actions.add_parser("verify", help="check every record, the chain and the signed heads")
    _common(verify)
    verify.add_argument("--heads", metavar="FILE", help="the second place of the signed heads (default: as configured)")
    verify.add_argument(
        "--key",
        metavar="FINGERPRINT",
        help="trust only heads signed with this key (default: this machine's master key)",
    )
    verify.add_argument("--json", action="store_true", help="one JSON object")

    show = actions.add_parser("show", help="show records, a line each")
    _common(show)
    show.add_argument("id", nargs="?", help="only those of this decision, in full")
    show.add_argument("--last", type=int, default=20, metavar="N", help="how many (default: 20)")

    export = actions.add_parser("export", help="write all records")
    _common(export)
    export.add_argument("--format", choices=("jsonl",), default="jsonl", help="JSON Lines, a record a line")
    export.add_argument("--after", type=int, default=0, metavar="SEQ", help="only records after this one")

    shared = actions.add_parser("shared", help="say what left, where to and why, from the records alone")
    _common(shared)
    shared.add_argument("--days", type=int, default=30, metavar="N", help="how many days (default: 30)")
    shared.add_argument("--person", default="", help="only of this person")
    shared.add_argument("--destination", default="", help="only to this provider")
    shared.add_argument("--repository", default="", help="only of work on this repository")
    shared.add_argument("--json", action="store_true", help="one JSON object a destination")


def run(args: argparse.Namespace) -> int:
    """Run the action and give the exit code. Raises: `Fault`, `ConfigFault`."""
    return {"verify": _verify, "show": _show, "export": _export, "shared": _shared}[args.action](args)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="settings (default: $POUNDLOCK_CONFIG, else the user's own)")
    parser.add_argument("--log", metavar="FILE", help="the database itself, a copy from elsewhere for example")


def _open(args: argparse.Namespace) -> tuple[Reading, Path | None, Path | None]:
    """Give the log, and where the configured heads and the master key are; None with `--log`."""
    from poundlock.adapters.sqlite import Reading

    if args.log:
        return Reading(Path(args.log)), None, None
    from poundlock.adapters import places

    settings = places.read_settings(args.config)
    folder = places.state_folder(settings)
    return Reading(places.database(folder)), places.heads(settings, folder), folder / "master.key"


def _verify(args: argparse.Namespace) -> int:
    reading, configured, key_file = _open(args)
    try:
        place = Path(args.heads) if args.heads else configured
        # The second place first: heads that are signed while we read the log are then no riddle.
        elsewhere, unreadable = _second_place(place, required=bool(args.heads))
        check, trusted = _trust(args, key_file)
        report, own = _checked(reading, elsewhere, unreadable, check)
    finally:
        reading.close()
    if args.json:
        _write_json(report, trusted)
    else:
        _write(report, reading.path, place if elsewhere else None, (own, len(elsewhere)), trusted)
    return 0 if report.sound else 1


def _checked(
    reading: Reading, elsewhere: list[Head], unreadable: int, check: Callable[[str, bytes, str], bool]
) -> tuple[Report, int]:
    """Check the log as of one moment; damage of the file itself is a finding, too. Gives also its number of heads."""
    from poundlock.core.ledger import Breach, Report, verify

    try:
        with reading.moment():
            own = reading.heads()
            heads: list[tuple[Place, Head]] = [("log", head) for head in own]
            heads += [("second place", head) for head in elsewhere]
            report = verify(reading.rows(), heads, check)
    except sqlite3.Error as cause:
        name = getattr(cause, "sqlite_errorname", "SQLITE_ERROR")
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_IOERR", "SQLITE_PERM")):
            raise _unreadable(cause) from None
        damaged = Breach(name="unreadable", first=0, last=0, detail=f"the database file is damaged ({name})")
        empty = Report(records=0, first_at=0, last_at=0, heads=0, signed=0, keys=(), breaches=(damaged,))
        return empty, 0
    if unreadable:
        torn = Breach(name="unreadable", first=0, last=0, detail=f"{unreadable} lines of the second place are no heads")
        report = Report(
            records=report.records,
            first_at=report.first_at,
            last_at=report.last_at,
            heads=report.heads,
            signed=report.signed,
            keys=report.keys,
            breaches=(*report.breaches, torn),
        )
    return report, len(own)


def _second_place(path: Path | None, *, required: bool) -> tuple[list[Head], int]:
    """Read the heads of the second place, and count the lines that are none."""
    from poundlock.adapters.heads import read_lines
    from poundlock.core.audit import read_head

    if path is None or (not required and not path.exists()):
        return [], 0
    try:
        heads = [read_head(line) for line in read_lines(path)]
    except OSError as cause:
        raise ConfigFault(f"the heads at {path} can't be read: {cause.strerror}", advice="Check --heads.") from None
    return [head for head in heads if head is not None], sum(head is None for head in heads)


def _trust(args: argparse.Namespace, key_file: Path | None) -> Trust:
    """Give the check of signatures, and what it trusts, for the reader."""
    from poundlock.adapters import keys
    from poundlock.core.audit import key_fingerprint

    if args.key:
        wanted = args.key.lower()
        return (
            lambda key, message, signature: (
                key_fingerprint(key) == wanted and keys.check_signature(key, message, signature)
            )
        ), "the key that was named"
    if key_file is not None:
        from poundlock.adapters import places

        own = keys.existing(key_file, os.environ, place=places.read_settings(args.config).state.master_key)
        if own is not None:
            return own.check, "this machine's master key"
    return keys.check_signature, ""


def _write(report: Report, path: Path, place: Path | None, heads: tuple[int, int], trusted: str) -> None:
    say = sys.stdout.write
    say(f"audit log    {path}\n")
    span = f", {_time(report.first_at)} to {_time(report.last_at)}" if report.records else ""
    say(f"records      {report.records}{span}\n")
    say(f"signed       up to record {report.signed}; heads: {heads[0]} in the log, {heads[1]} in the second place\n")
    if report.keys:
        note = trusted or "taken from the heads themselves: compare it with the one you know, or give --key"
        say(f"head key     {', '.join(report.keys)} ({note})\n")
    if place is None:
        say("note         without heads from a second place, nobody can see that a log's end was cut off\n")
    elif report.sound and report.records > report.signed:
        say(f"note         no signed head covers the last {report.records - report.signed} records yet\n")
    for breach in report.breaches:
        where = (
            "" if not breach.first else f" {breach.first}" + (f"-{breach.last}" if breach.last > breach.first else "")
        )
        say(f"{breach.name.upper()}{where}: {breach.detail}\n")
    say("The audit log is sound.\n" if report.sound else "The audit log is NOT sound.\n")


def _write_json(report: Report, trusted: str) -> None:
    import msgspec

    tree = {
        "sound": report.sound,
        "records": report.records,
        "first_at": report.first_at,
        "last_at": report.last_at,
        "heads": report.heads,
        "signed": report.signed,
        "keys": report.keys,
        "trusted": trusted,
        "breaches": report.breaches,
    }
    sys.stdout.write(msgspec.json.encode(tree).decode() + "\n")


def _show(args: argparse.Namespace) -> int:
    from poundlock.core.audit import record_of

    reading, _, _ = _open(args)
    try:
        found = reading.find(args.id) if args.id else [record_of(row) for row in reading.newest(max(0, args.last))]
    except sqlite3.Error as cause:
        raise _unreadable(cause) from None
    finally:
        reading.close()
    for record in found:
        sys.stdout.write(_json(record) if args.id else _line(record))
    if args.id and not found:
        sys.stderr.write(f"poundlock: there is no record {args.id!r}\n")
        return 1
    return 0


def _line(record: Record) -> str:
    """Give a record on one line."""
    named = f"{_plain(record.kind):<9} {_plain(record.id):<16}  {_plain(_gist(record))}"
    return f"{record.seq:>8}  {_time(record.at)}  {named}".rstrip() + "\n"


def _gist(record: Record) -> str:
    """Give a record in a few words; one of an unknown kind, or an altered one, has none."""
    body = record.body
    try:
        if record.kind == "exchange":
            treated = Counter[str]()
            for row in body["findings"]:
                treated[row["treatment"]] += row["count"]
            counts = [f"{treated[name]} {word}" for name, word in _TREATED if treated[name]]
            return " · ".join([body["principal"]["tool"], body["operation"], body["decision"]["rung"], *counts])
        if record.kind == "closing":
            return f"{body['ended']}, HTTP {body['status']}, {body['milliseconds']} ms"
        if record.kind in {"asked", "waited", "answered", "used", "ended"}:
            return " · ".join(
                str(body[name]) for name in ("human", "by", "destination", "exchange", "state") if name in body
            )
        return str(body["message"])
    except (KeyError, TypeError):
        return ""


_TREATED = (("disguise", "disguised"), ("impound", "impounded"), ("clear", "clear"))


def _export(args: argparse.Namespace) -> int:
    from poundlock.core.audit import record_of

    reading, _, _ = _open(args)
    try:
        with reading.moment():
            for row in reading.rows(args.after):
                sys.stdout.write(_json(record_of(row)))
    except sqlite3.Error as cause:
        raise _unreadable(cause) from None
    finally:
        reading.close()
    return 0


def _shared(args: argparse.Namespace) -> int:
    import time

    import msgspec

    from poundlock.core.audit import record_of
    from poundlock.core.shared import Wanted, shared

    since = time.time_ns() - max(1, args.days) * 86_400_000_000_000
    reading, _, _ = _open(args)
    try:
        wanted = Wanted(since, args.person, args.destination, args.repository)
        told = shared((record_of(row) for row in reading.rows() if row.kind == "exchange"), wanted)
    except sqlite3.Error as cause:
        raise _unreadable(cause) from None
    finally:
        reading.close()
    for row in told.shared:
        if args.json:
            sys.stdout.write(msgspec.json.encode({**row._asdict(), "content": row.content}).decode() + "\n")
        else:
            sys.stdout.write(_told(row))
    if not args.json:
        sys.stdout.write(f"{told.stopped} exchanges were stopped, {told.inside} stayed inside the boundary.\n")
    return 0


def _told(row: Shared) -> str:
    """Give what a destination got, as text."""
    lines = [
        f"{_plain(row.destination)}: {row.vendor}, plan {row.plan}",
        f"  exchanges     {row.exchanges}, {row.characters:,} new characters, {_time(row.first)} to {_time(row.last)}",
    ]
    named = (
        ("by", row.people),
        ("with", row.tools),
        ("repositories", row.repositories),
        ("tiers", row.tiers),
        ("about", row.intents),
        ("accounts", row.accounts),
        ("because", row.reasons),
        ("files", row.files),
    )
    lines += [
        f"  {name:<13} {', '.join(f'{_plain(each)} ({count})' for each, count in counts.items())}"
        for name, counts in named
        if counts
    ]
    lines += [f"  approved      {row.approvals} exchanges left because a person said so"] if row.approvals else []
    lines += [
        f"  {dict(_TREATED)[each.treatment]:<13} {each.findings} × {_plain(each.kind)}, {each.values} values, "
        f"{each.origin}, {each.tier}"
        for each in row.content
    ]
    return "\n".join(lines) + "\n"


def _json(record: Record) -> str:
    import msgspec

    return msgspec.json.encode(record).decode() + "\n"


def _unreadable(cause: sqlite3.Error) -> ConfigFault:
    name = getattr(cause, "sqlite_errorname", "SQLITE_ERROR")
    return ConfigFault(
        f"the audit log can't be read ({name})",
        advice="Copy it, with its -wal file, to a folder of your own.",
    )


def _plain(text: str) -> str:
    """Give a text without what a terminal would obey: an altered record may hold anything."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _time(at: int) -> str:
    """Give a time (nanoseconds since the epoch) as UTC, to the second; a damaged one as the number that it is."""
    try:
        return datetime.fromtimestamp(at // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(at)
