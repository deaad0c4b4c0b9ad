"""`poundlock baseline`: go through what a baseline lists, say of each whether it is real, and keep it in order.

Must never show a value: excerpts are masked, as in a scan.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from poundlock.cli.baseline import Entry
    from poundlock.cli.location import Located

KEYS = {"y": "real", "n": "false"}
HELP = "y: it is real · n: it is none · s: skip · b: back · q: stop\n"


def add_parser(subparsers: Any) -> None:
    """Add the command and its actions to the command line."""
    parser = subparsers.add_parser("baseline", help="judge what a baseline lists")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    audit = actions.add_parser("audit", help="go through what nobody judged yet, and keep the answers")
    audit.add_argument("file", metavar="FILE")
    audit.add_argument("--again", action="store_true", help="also what was judged before")
    audit.add_argument(
        "--mark",
        metavar="FINGERPRINT=VERDICT",
        action="append",
        default=[],
        help="without asking: `real` or `false`; a path may stand for all fingerprints in it",
    )
    audit.add_argument("--note", metavar="TEXT", default="", help="why, for those that --mark names")
    show = actions.add_parser("show", help="count what was judged, by kind")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--check", action="store_true", help="exit 1 unless all is judged, and nothing is real")
    prune = actions.add_parser("prune", help="take away what a scan of the listed files finds no more")
    prune.add_argument("file", metavar="FILE")
    for action in (audit, prune):
        action.add_argument("--family", metavar="LIST", help="families that the baseline was made with", default="")
        action.add_argument("--rules", metavar="PATH", action="append", default=[], help="more rule files (TOML)")
        action.add_argument("--config", metavar="FILE", help="the configuration (default: the user's)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do one of these."""
    from poundlock.cli import baseline

    entries = list(baseline.own(args.file).findings)
    if args.action == "show":
        return _show(entries, check=args.check)
    if args.action == "prune":
        return _prune(args, entries)
    if args.mark:
        return _mark(args, entries)
    return _audit(args, entries)


def _show(entries: list[Entry], *, check: bool) -> int:
    counts: dict[str, list[int]] = {}
    for entry in entries:
        row = counts.setdefault(entry.kind, [0, 0, 0])
        row[("", "real", "false").index(entry.judged)] += 1
    width = max(map(len, counts), default=4)
    sys.stdout.write(f"{'kind':{width}}  open  real  false\n")
    for kind, (waiting, real, false) in sorted(counts.items()):
        sys.stdout.write(f"{kind:{width}}  {waiting:>4}  {real:>4}  {false:>5}\n")
    return int(check and any(entry.judged != "false" for entry in entries))


def _mark(args: argparse.Namespace, entries: list[Entry]) -> int:
    import msgspec

    from poundlock.cli import baseline
    from poundlock.core.errors import ConfigFault

    verdicts: dict[str, str] = {}
    for mark in args.mark:
        name, _, verdict = mark.rpartition("=")
        if verdict not in KEYS.values():
            raise ConfigFault("a verdict is `real` or `false`", advice="Type: --mark FINGERPRINT=false")
        verdicts[name] = verdict
    used: set[str] = set()
    out = []
    for entry in entries:
        name = entry.fingerprint if entry.fingerprint in verdicts else entry.path
        if name in verdicts:
            used.add(name)
            out.append(msgspec.structs.replace(entry, judged=verdicts[name], note=args.note or entry.note))
        else:
            out.append(entry)
    unknown = sorted(set(verdicts) - used)
    if unknown:
        raise ConfigFault(f"the baseline lists no {unknown[0]}", advice="Fingerprints and paths stand in the file.")
    baseline.keep(args.file, out)
    changed = sum(new is not old for new, old in zip(out, entries, strict=True))
    sys.stdout.write(f"{changed} of {len(entries)} judged.\n")
    return 0


def _prune(args: argparse.Namespace, entries: list[Entry]) -> int:
    from poundlock.cli import baseline

    there = _located(args, entries)
    kept = [entry for entry in entries if entry.fingerprint in there]
    baseline.keep(args.file, kept)
    sys.stdout.write(f"{len(entries) - len(kept)} taken away, {len(kept)} stay.\n")
    return 0


def _audit(args: argparse.Namespace, entries: list[Entry]) -> int:
    from poundlock.cli import baseline

    waiting = [number for number, entry in enumerate(entries) if args.again or not entry.judged]
    if not waiting:
        sys.stdout.write("All is judged.\n")
        return 0
    there = _located(args, entries)
    try:
        judge(entries, waiting, there, input, sys.stdout)
    finally:
        baseline.keep(args.file, entries)
    left = sum(not entry.judged for entry in entries)
    real = sum(entry.judged == "real" for entry in entries)
    sys.stdout.write(f"{len(entries)} findings: {real} real, {left} open.\n")
    return 0


def judge(
    entries: list[Entry],
    waiting: list[int],
    there: dict[str, Located],
    ask: Callable[[str], str],
    out: TextIO,
) -> None:
    """Ask of each that waits what it is, and put the answers into `entries`; the end of input is `q`."""
    import msgspec

    at = 0
    while at < len(waiting):
        entry = entries[waiting[at]]
        one = there.get(entry.fingerprint)
        out.write(f"\n{at + 1} of {len(waiting)}  {entry.kind}  {entry.path}")
        if one is None:
            out.write("\n    (not found there any more: `poundlock baseline prune` takes it away)\n")
        else:
            out.write(f":{one.line}:{one.column}\n    {one.excerpt}\n    {' ' * one.caret}{'^' * one.width}\n")
        try:
            answer = ask("Is it real? (y/n/s/b/q) ").strip().lower()[:1]
        except EOFError:
            answer = "q"
        if answer == "q":
            return
        if answer == "b":
            at = max(0, at - 1)
        elif answer == "s":
            at += 1
        elif answer in KEYS:
            entries[waiting[at]] = msgspec.structs.replace(entry, judged=KEYS[answer])
            at += 1
        else:
            out.write(HELP)


def _located(args: argparse.Namespace, entries: Iterable[Entry]) -> dict[str, Located]:
    """Find again what is listed, by fingerprint: in the files where it stood."""
    from poundlock.cli import baseline
    from poundlock.cli.contents import Item, Job, examine
    from poundlock.cli.detect import families
    from poundlock.cli.detector import sources

    every = list(entries)
    named = families(args.family) if args.family else frozenset(entry.kind.partition(".")[0] for entry in every)
    job = Job(named or frozenset(("secret",)), sources(args.config, args.rules))
    # What is inside a file is found with the file.
    paths = dict.fromkeys(entry.path.partition("!/")[0].partition("#")[0] for entry in every)
    found = [
        one
        for path in paths
        if os.path.isfile(path)  # noqa: PTH113 (a text)
        for one in examine(job, Item(path)).found
    ]
    folder = os.getcwd()  # noqa: PTH109
    return {one.fingerprint: one for one in baseline.fingerprinted(found, folder)}
