"""`poundlock protect`: register values that must not leave, whatever their shape. Only keyed hashes of them are kept.

Must never print a value, nor any part of one: names, sources and counts only.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from poundlock.adapters.knownfile import KnownFile
    from poundlock.core.detect.registration import Named

FORMS = ("env", "json", "csv", "toml", "sqlite", "1pux", "pgpass", "netrc", "lines")
SHOWN = 12  # names that a summary tells


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "protect",
        help="register values that must not leave, whatever their shape",
        description="Only keyed hashes are kept. The gateway, scan, detect and redact find the values from then on.",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="what holds values; - reads one value a line")
    parser.add_argument("--env", action="store_true", help="also the environment's values that look secret")
    parser.add_argument("--all", action="store_true", help="every value, whatever its name says")
    parser.add_argument(
        "--column",
        metavar="NAME",
        action="append",
        default=[],
        help="a column of a CSV file, or TABLE.COLUMN of SQLite",
    )
    parser.add_argument("--as", dest="form", choices=FORMS, default="", help="what the file is (default: looked at)")
    parser.add_argument("--name", metavar="TEXT", default="", help="what the values are called in --list")
    parser.add_argument("--canary", action="store_true", help="these are bait: whoever uses one should be noticed")
    parser.add_argument("--replace", action="store_true", help="forget what the same source brought before")
    parser.add_argument("--list", action="store_true", help="say what is registered: names and sources, never values")
    parser.add_argument(
        "--forget", metavar="NAME", help="forget the values of this name or source; - reads values a line; * is all"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how --list prints")
    parser.add_argument("--config", metavar="FILE", help="the configuration (default: the user's)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Register, list or forget. Exit 0: done. 1: there was nothing to register or forget. 2: a fault."""
    from poundlock.adapters import places
    from poundlock.cli.detector import known_file
    from poundlock.core.errors import ConfigFault

    if args.forget is not None and (args.files or args.env or args.list):
        raise ConfigFault("--forget stands alone", advice="Type: poundlock protect --forget NAME")
    if not (args.files or args.env or args.list or args.forget is not None):
        raise ConfigFault(
            "there is nothing to protect",
            advice="Name a file with values, type `poundlock protect -` and one value a line, or use --env.",
        )
    if "-" in args.files and sys.stdin.isatty():
        sys.stderr.write("poundlock protect: one value a line, then Ctrl-D.\n")
    file = known_file(places.read_settings(args.config))
    if args.forget is not None:
        return _forget(file, args.forget)
    code = _register(file, args) if args.files or args.env else 0
    if args.list:
        _list(file, json=args.format == "json")
    return code


def _register(file: KnownFile, args: argparse.Namespace) -> int:
    import time

    from poundlock.core.detect import registration

    fresh = again = 0
    for source, found in _sources(args):
        taken: list[Named] = []
        refused: dict[str, list[str]] = {}
        seen: set[str] = set()
        for item, chosen in found:
            if not (chosen or args.all or registration.secretive(item.name, item.value)):
                continue
            why = registration.refusal(item.value, chosen=chosen)
            if why:
                refused.setdefault(why, []).append(item.name)
            elif item.value not in seen:
                seen.add(item.value)
                taken.append(registration.Named(args.name or item.name, item.value))
        new, old = file.add(taken, source=source, at=time.time_ns(), canary=args.canary, replace=args.replace)
        fresh += new
        again += old
        for why, names in sorted(refused.items()):
            told = ", ".join(sorted({_printable(name) for name in names if name})[:SHOWN])
            sys.stderr.write(f"poundlock protect: left out {len(names)} as {why}{f': {told}' if told else ''}\n")
    sys.stdout.write(f"{fresh} value{'s' * (fresh != 1)} registered, {again} known before.\n")
    if fresh + again == 0:
        sys.stderr.write("poundlock protect: nothing here looks secret; --all takes every value, --column a column.\n")
    return 0 if fresh + again else 1


def _sources(args: argparse.Namespace) -> Iterator[tuple[str, Iterable[tuple[Named, bool]]]]:
    from poundlock.adapters import valuefiles
    from poundlock.core.errors import ConfigFault

    for name in args.files:
        if name == "-":
            data = sys.stdin.buffer.read(valuefiles.LARGEST + 1)
            source = "standard input"
        else:
            source = os.path.abspath(name)  # noqa: PTH100 (a text is what is kept)
            try:
                with open(name, "rb") as file:  # noqa: PTH123
                    data = file.read(valuefiles.LARGEST + 1)
            except OSError as fault:
                raise ConfigFault(f"{name} can't be read: {fault.strerror}") from None
        if data.startswith(valuefiles.SQLITE) and name != "-":
            yield source, valuefiles.database(name, args.column)
            continue
        if len(data) > valuefiles.LARGEST:
            raise ConfigFault(f"{name} is larger than {valuefiles.LARGEST >> 20} MB", advice="Split it.")
        form: valuefiles.Form = args.form
        if name == "-":
            form = form or ("csv" if args.column else "lines")
        yield source, valuefiles.values(data, name, form, args.column)
    if args.env:
        yield "environment", valuefiles.environment(os.environ, everything=args.all)


def _forget(file: KnownFile, what: str) -> int:
    if what == "-":
        gone = file.forget_values(line.strip() for line in sys.stdin.read().splitlines())
    else:
        path = os.path.abspath(what)  # noqa: PTH100 (as it was kept)
        gone = file.forget(lambda row: what in {"*", row.name, row.source} or row.source == path)
    sys.stdout.write(f"{gone} value{'s' * (gone != 1)} forgotten.\n")
    return 0 if gone else 1


def _list(file: KnownFile, *, json: bool) -> None:
    import time

    rows = sorted(file.rows(), key=lambda row: (row.source, row.name))
    if json:
        import msgspec

        plain = [{"name": row.name, "source": row.source, "at": row.at, "canary": row.canary} for row in rows]
        sys.stdout.write(msgspec.json.encode(plain).decode() + "\n")
        return
    for row in rows:
        day = time.strftime("%Y-%m-%d", time.gmtime(row.at / 1e9))
        mark = "  canary" if row.canary else ""
        sys.stdout.write(f"{day}  {_printable(row.name) or '-'}  {_printable(row.source)}{mark}\n")
    sys.stdout.write(f"{len(rows)} value{'s' * (len(rows) != 1)}\n")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
