"""`poundlock scan`: files, folders, standard input, or what Git holds; what was found, and what to do about it.

Must never print a value: excerpts are redacted. An inline suppression serves `scan` alone and never opens the gate.
"""

from __future__ import annotations

import os
import sys
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from poundlock.cli.contents import Answer, Item, Job, examine
from poundlock.cli.detect import add_family
from poundlock.cli.detector import sources
from poundlock.cli.location import NEXT, STAND_INS, row
from poundlock.cli.suppressions import Policy
from poundlock.cli.tree import files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from poundlock.cli.location import Located

FORMATS = ("text", "json", "jsonl", "sarif", "github", "gitlab", "junit")
SEVERAL = 200  # files from which on several processes pay
LISTED = ".gitleaksignore"
GITLEAKS = (".gitleaks.toml", "gitleaks.toml")


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "scan",
        help="look for sensitive values in files, folders or standard input",
        description="Exit 0: nothing found. 1: findings. 2: something could not be read.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="a file, a folder, or - (default: .)")
    add_family(parser, "secret", "secret; `--family secret,pii,…` for more")
    parser.add_argument("--staged", action="store_true", help="read what the next commit of this repository changes")
    parser.add_argument(
        "--git", metavar="RANGE", nargs="?", const="HEAD", help="read what the commits of a range added (default: HEAD)"
    )
    parser.add_argument("--all", action="store_true", help="read what the commits of all branches and tags added")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--baseline", metavar="FILE", help="leave out the findings that this file lists")
    parser.add_argument("--write-baseline", metavar="FILE", help="write the findings there instead of reporting them")
    parser.add_argument("--jobs", metavar="N", type=int, default=0, help="processes (default: one a processor)")
    parser.add_argument(
        "--no-cache", action="store_true", help="read again what an earlier scan of history found clean"
    )
    parser.add_argument(
        "--gitleaks-config", metavar="FILE", help="allow-lists of gitleaks (default: .gitleaks.toml of this folder)"
    )
    parser.add_argument(
        "--stand-ins", action="store_true", help="report stand-ins of Poundlock (QZ_…) too; --staged always does"
    )
    parser.add_argument("--plain", action="store_true", help="don't look inside archives, notebooks, Office files, PDF")
    parser.add_argument(
        "--require-reason", action="store_true", help="a suppression without a reason counts for nothing"
    )
    parser.add_argument("--no-ignore", action="store_true", help="read what .gitignore and .poundlockignore leave out")
    parser.add_argument(
        "--no-suppress", action="store_true", help="report what a comment or .gitleaksignore suppresses too"
    )
    parser.set_defaults(run=run)


def _printable(path: str) -> str:
    """Give a path that can't move a terminal's cursor or start a line of its own."""
    return "".join(char if char.isprintable() else "?" for char in path)


def _text(found: Iterable[Located], out: Any) -> int:
    families: dict[str, None] = {}
    paths: set[str] = set()
    number = 0
    for item in found:
        number += 1
        paths.add(item.path)
        families[item.match.family] = None
        sure = round(item.match.confidence * 100)
        by = f" in commit {item.commit[:12]} of {item.date[:10]}" if item.commit else ""
        note = f"; {item.note}" if item.note else ""
        out.write(f"{_printable(item.path)}:{item.line}:{item.column}: {item.match.kind} ({sure} %){by}{note}\n")
        out.write(f"    {item.excerpt}\n    {' ' * item.caret}{'^' * item.width}\n")
    if number:
        out.write(f"\n{number} finding{'s' * (number > 1)} in {len(paths)} file{'s' * (len(paths) > 1)}.\n")
        for family in families:
            out.write(f"{family}: {NEXT.get(family, 'See `poundlock rules`.')}\n")
        out.write("Not one? Put `poundlock:allow` on its line.\n")
    return number


def _json(found: list[Located], unread: list[str], out: Any) -> None:
    import msgspec

    out.write(msgspec.json.encode({"findings": [row(one) for one in found], "unread": unread}).decode() + "\n")


def _items(args: argparse.Namespace) -> Iterable[Item]:
    """Give what is to be read, as it is found. Raises: `ConfigFault` for what git can't do."""
    if args.staged or args.all or args.git is not None:
        from poundlock.cli import revisions

        yield from (Item(*blob) for blob in revisions.blobs(args))
        return
    for path in args.paths or ["."]:
        for name in ["-"] if path == "-" else files(path, ignores=not args.no_ignore):
            yield Item(name)


def _answers(args: argparse.Namespace, job: Job) -> Iterator[Answer]:
    """Examine what is to be read; of history, only what is not known to be clean."""
    items = iter(_items(args))
    if (args.all or args.git is not None) and not args.no_cache:
        from poundlock.adapters import git
        from poundlock.cli import revisions
        from poundlock.cli.seen import Seen

        revisions.check(args)
        seen = Seen.of(git.root(), job.state(), job.families, documents=job.documents)
        yield from seen.noted(_examined(args, job, seen.new(items)))
        return
    yield from _examined(args, job, items)


def _examined(args: argparse.Namespace, job: Job, items: Iterator[Item]) -> Iterator[Answer]:
    """Examine the items, in several processes if there are many."""
    if args.jobs != 1 and "-" not in args.paths:
        first = list(islice(items, SEVERAL))
        items = chain(first, items)
        if len(first) == SEVERAL:
            from poundlock.cli import pool

            jobs = args.jobs or pool.cores()
            if jobs > 1:
                yield from pool.answers(items, job, jobs)
                return
    for item in items:
        yield examine(job, item)


def _found(args: argparse.Namespace, job: Job, unread: list[str]) -> Iterator[Located]:
    """Yield the findings as they come; what can't be read is said at once, and listed."""
    answers: Iterable[Answer] = _answers(args, job)
    if sys.stderr.isatty():
        from poundlock.cli.progress import shown

        answers = shown(answers, sys.stderr)
    try:
        for answer in answers:
            for path, why in answer.faults:
                unread.append(path)
                sys.stderr.write(f"poundlock scan: {_printable(path)} can't be read: {why}\n")
            yield from answer.found
    finally:
        job.close()


def _job(args: argparse.Namespace) -> Job:
    narrowed = args.family if isinstance(args.family, frozenset) else frozenset(("secret",))
    import time

    policy = Policy(not args.no_suppress, args.require_reason, time.strftime("%Y-%m-%d", time.gmtime()))
    allowances = None
    config = args.gitleaks_config or next(filter(os.path.exists, GITLEAKS), None)
    if config and not args.no_suppress:
        from poundlock.cli.allowances import read

        allowances = read(config, sys.stderr)
    if args.staged or args.stand_ins:
        narrowed |= {STAND_INS}
    return Job(
        narrowed,
        sources(args.config, args.rules),
        policy=policy,
        documents=not args.plain,
        allowances=allowances,
    )


def run(args: argparse.Namespace) -> int:
    """Scan, and report what was found."""
    job = _job(args)
    known: frozenset[str] = frozenset()
    if args.baseline:
        from poundlock.cli import baseline

        before = baseline.read(args.baseline)
        if isinstance(before, baseline.Baseline):
            known = frozenset(entry.fingerprint for entry in before.findings)
        else:
            job.allowances = before.joined(job.allowances)
    began = _now(args)
    unread: list[str] = []
    found: Iterable[Located] = _found(args, job, unread)
    folder = os.getcwd()  # noqa: PTH109 (pathlib costs start-up)
    if job.policy.honoured and os.path.exists(LISTED):  # noqa: PTH110
        from poundlock.cli import baseline

        found = baseline.unlisted(found, baseline.listed(LISTED), folder)
    if args.baseline or args.write_baseline or args.format != "text":
        from poundlock.cli import baseline

        found = baseline.fingerprinted(found, folder)
    if args.write_baseline:
        number = baseline.write(args.write_baseline, found, folder)
        sys.stderr.write(f"poundlock scan: {number} findings are in the baseline now.\n")
        return 2 if unread else 0
    if known:
        found = (one for one in found if one.fingerprint not in known)
    if args.format == "text":
        # As they are found: a long scan keeps none of them.
        return _code(_text(found, sys.stdout), unread)
    told = list(found)
    if args.format == "json":
        _json(told, unread, sys.stdout)
    else:
        from poundlock.cli import reports

        for piece in reports.written(args.format, told, unread, job.detector().rules, began, _now(args)):
            sys.stdout.write(piece)
    return _code(len(told), unread)


def _code(number: int, unread: list[str]) -> int:
    return 2 if unread else int(bool(number))


def _now(args: argparse.Namespace) -> str:
    """Give the time (UTC) where a report says it."""
    if args.format not in {"sarif", "gitlab", "junit"}:
        return ""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
