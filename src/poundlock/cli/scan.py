"""`poundlock scan`: files, folders, standard input, or what Git holds; what was found, and what to do about it.

Must never print a value: excerpts are redacted. An inline suppression serves `scan` alone and never opens the gate.
"""

from __future__ import annotations

import os
import re
import sys
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from poundlock.cli.detect import add_family, plain
from poundlock.cli.detector import sources

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from poundlock.adapters.git import Blobs
    from poundlock.cli.detector import Sources
    from poundlock.core.detect.engine import Detector
    from poundlock.core.model import Match

PIECE = 4 << 20
OVERLAP = 16_384
ALLOWED = re.compile(r"poundlock:allow|gitleaks:allow|pragma:\s*allowlist\s+secret|nosecret", re.IGNORECASE)
ALLOWED_NEXT = re.compile(r"pragma:\s*allowlist\s+nextline\s+secret|poundlock:allow-next", re.IGNORECASE)
IGNORE_FILES = (".gitignore", ".poundlockignore")
SKIPPED = frozenset((".git", ".hg", ".svn"))
FORMATS = ("text", "json", "jsonl", "sarif", "github", "gitlab", "junit")
SEVERAL = 200  # files from which on several processes pay
LISTED = ".gitleaksignore"


class Located(NamedTuple):
    """A finding in a file: its place (lines and columns from 1, its end exclusive) and its line with values masked.

    `commit` and `date` (of its author) say what added it, where that is known.
    """

    path: str
    line: int
    column: int
    match: Match
    excerpt: str
    caret: int
    width: int
    end_line: int = 0
    end_column: int = 0
    fingerprint: str = ""
    commit: str = ""
    date: str = ""

    def without_value(self) -> Located:
        """Give the same finding without the value that it is about."""
        return self._replace(match=self.match._replace(value=""))


class Item(NamedTuple):
    """Something to read: a file or `-`; or a blob of Git."""

    path: str
    oid: str = ""
    commit: str = ""
    date: str = ""


class Answer(NamedTuple):
    """What one item held, or why it could not be read."""

    path: str
    found: list[Located]
    fault: str = ""


class Job:
    """How to scan: the detector and git are started when they are first asked for, in each process."""

    def __init__(self, families: frozenset[str], sources: Sources, *, suppress: bool) -> None:
        self.families = families
        self.suppress = suppress
        self._sources = sources
        self._detector: Detector | None = None
        self._blobs: Blobs | None = None

    def detector(self) -> Detector:
        """Give the detector. Raises: `ConfigFault` for a bad rule file."""
        if self._detector is None:
            import gc

            from poundlock.cli import detector

            # Nothing of this ends before the process: collections on the way and at the end take 6 ms to find that out.
            gc.disable()
            try:
                self._detector = detector.load(self._sources, self.families)
            finally:
                gc.freeze()
                gc.enable()
        return self._detector

    def content(self, oid: str) -> bytes:
        """Give a blob's bytes. Raises: `Unread`."""
        if self._blobs is None:
            from poundlock.adapters.git import Blobs

            self._blobs = Blobs()
        return self._blobs.read(oid)

    def close(self) -> None:
        """End git, if it was started."""
        if self._blobs is not None:
            self._blobs.close()


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
    parser.add_argument("--no-ignore", action="store_true", help="read what .gitignore and .poundlockignore leave out")
    parser.add_argument(
        "--no-suppress", action="store_true", help="report what a comment or .gitleaksignore suppresses too"
    )
    parser.set_defaults(run=run)


class Ignores:
    """The patterns of the ignore files of one folder, in the syntax of gitignore(5)."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules: list[tuple[re.Pattern[str], bool, bool]] = []
        for raw in lines:
            line = raw.rstrip("\n").rstrip()
            if not line or line.startswith("#"):
                continue
            negated = line.startswith("!")
            line = line.removeprefix("!").removeprefix("\\")
            folder = line.endswith("/")
            line = line.rstrip("/")
            anchored = "/" in line
            self._rules.append((re.compile(_glob(line.removeprefix("/"), anchored=anchored)), folder, negated))

    def ignored(self, relative: str, *, folder: bool) -> bool | None:
        """Say whether a path relative to the folder is left out; None if no pattern speaks of it."""
        answer = None
        for pattern, folders_only, negated in self._rules:
            if (folder or not folders_only) and pattern.fullmatch(relative):
                answer = not negated
        return answer


def _glob(glob: str, *, anchored: bool) -> str:
    out = "" if anchored else "(?:.*/)?"
    i = 0
    while i < len(glob):
        char = glob[i]
        if glob.startswith("**/", i):
            out += "(?:.*/)?"
            i += 3
            continue
        if glob.startswith("**", i):
            out += ".*"
            i += 2
            continue
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[" and "]" in glob[i + 2 :]:
            end = glob.index("]", i + 2)
            body = glob[i + 1 : end].replace("\\", "\\\\")
            out += "[" + ("^" + body[1:] if body[0] in "!^" else body) + "]"
            i = end
        else:
            out += re.escape(char)
        i += 1
    return out


def files(path: str, *, ignores: bool) -> Iterator[str]:
    """Yield the files under a path in name order; symbolic links are not followed."""
    if not os.path.isdir(path):  # noqa: PTH112 (pathlib costs start-up)
        yield path
        return
    yield from _walk(path, [], ignores=ignores)


def _walk(folder: str, above: list[tuple[str, Ignores]], *, ignores: bool) -> Iterator[str]:
    known = above
    if ignores:
        lines: list[str] = []
        for name in IGNORE_FILES:
            try:
                with open(f"{folder}/{name}", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                    lines += file
            except OSError:
                continue
        if lines:
            known = [*above, (folder, Ignores(lines))]
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name in SKIPPED or entry.is_symlink():
            continue
        path = f"{folder}/{entry.name}" if folder != "." else entry.name
        left_out = None
        for base, patterns in known:
            relative = path if base == "." else path[len(base) + 1 :]
            answer = patterns.ignored(relative, folder=is_folder)
            left_out = left_out if answer is None else answer
        if left_out:
            continue
        if is_folder:
            yield from _walk(path, known, ignores=ignores)
        elif entry.is_file(follow_symlinks=False):
            yield path


def decode(data: bytes) -> str | None:
    """Give a file's text: UTF-8, or UTF-16 with a mark; None if it is not text."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:8192]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def locate(detector: Detector, path: str, text: str, families: frozenset[str], *, suppress: bool) -> list[Located]:
    """Find what a text holds, with lines, columns and redacted excerpts."""
    matches: list[Match] = []
    at = 0
    while True:
        piece = text[at : at + PIECE] if len(text) > PIECE else text
        for match in detector.detect(piece, path=path, families=families):
            start, end = match.start + at, match.end + at
            if not matches or start >= matches[-1].end:
                matches.append(_moved(match, start, end) if at else match)
        if at + PIECE >= len(text):
            break
        at += PIECE - OVERLAP
    out: list[Located] = []
    line, seen = 1, 0
    for number, match in enumerate(matches):
        line += text.count("\n", seen, match.start)
        seen = match.start
        first = text.rfind("\n", 0, match.start) + 1
        last = text.find("\n", match.start)
        last = len(text) if last < 0 else last
        if suppress and _suppressed(text, first, last):
            continue
        excerpt, caret, width = _masked(text, first, last, matches, number)
        end_line = line + text.count("\n", match.start, match.end)
        end_column = match.end - text.rfind("\n", 0, match.end)
        out.append(Located(path, line, match.start - first + 1, match, excerpt, caret, width, end_line, end_column))
    return out


def _moved(match: Match, start: int, end: int) -> Match:
    from poundlock.core.model import Match

    return Match(
        rule_id=match.rule_id,
        family=match.family,
        kind=match.kind,
        tier=match.tier,
        start=start,
        end=end,
        confidence=match.confidence,
        value=match.value,
    )


def _suppressed(text: str, first: int, last: int) -> bool:
    if ALLOWED.search(text, first, last):
        return True
    before = text.rfind("\n", 0, max(0, first - 1)) + 1
    return first > 0 and ALLOWED_NEXT.search(text, before, first) is not None


def _masked(text: str, first: int, last: int, matches: list[Match], number: int) -> tuple[str, int, int]:
    """Give a line with all values masked, where the mask of finding `number` stands in it, and how wide it is."""
    match = matches[number]
    low = max(first, match.start - 60)
    high = min(last, match.end + 40)
    out = ""
    caret = width = 0
    at = low
    near = [m for m in matches[max(0, number - 20) : number + 20] if m.end > low and m.start < max(high, match.end)]
    for other in near:
        start, end = max(other.start, at), other.end
        out += text[at:start]
        mask = "*" * min(12, max(4, end - other.start))
        if other is match:
            caret, width = len(out), len(mask)
        out += mask
        at = max(at, end)
    if at < high:
        out += text[at:high]
    lead = len(out) - len(out.lstrip())
    shown = "".join(char if char.isprintable() else " " for char in out.strip())
    return shown, caret - lead, width


NEXT = {
    "secret": "Revoke it where it was issued, put the new one in a secret store, and read it from there.",
    "pii": "Remove it, or replace it with made-up data.",
    "infrastructure": "Replace it with a placeholder if this leaves the company.",
}


def row(one: Located) -> dict[str, Any]:
    """Give a finding as a JSON object, without its value."""
    known = {"path": one.path, "line": one.line, "column": one.column, **plain(one.match, values=False)}
    more = (("fingerprint", one.fingerprint), ("commit", one.commit), ("author_date", one.date))
    return known | {name: value for name, value in more if value}


def _printable(path: str) -> str:
    """Give a path that can't move a terminal's cursor or start a line of its own."""
    return "".join(char if char.isprintable() else "?" for char in path)


def _text(found: list[Located], out: Any) -> None:
    families = []
    for item in found:
        sure = round(item.match.confidence * 100)
        by = f" in commit {item.commit[:12]} of {item.date[:10]}" if item.commit else ""
        out.write(f"{_printable(item.path)}:{item.line}:{item.column}: {item.match.kind} ({sure} %){by}\n")
        out.write(f"    {item.excerpt}\n    {' ' * item.caret}{'^' * item.width}\n")
        if item.match.family not in families:
            families.append(item.match.family)
    if found:
        paths = len({item.path for item in found})
        out.write(f"\n{len(found)} finding{'s' * (len(found) > 1)} in {paths} file{'s' * (paths > 1)}.\n")
        for family in families:
            out.write(f"{family}: {NEXT.get(family, 'See `poundlock rules`.')}\n")
        out.write("Not one? Put `poundlock:allow` on its line.\n")


def _json(found: list[Located], unread: list[str], out: Any) -> None:
    import msgspec

    out.write(msgspec.json.encode({"findings": [row(one) for one in found], "unread": unread}).decode() + "\n")


def examine(job: Job, item: Item) -> Answer:
    """Read one item and find what it holds."""
    # A name that is not UTF-8 could not be printed.
    path = item.path if item.path.isascii() else os.fsencode(item.path).decode("utf-8", "replace")
    try:
        if item.oid:
            data = job.content(item.oid)
        elif item.path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(item.path, "rb") as file:  # noqa: PTH123
                data = file.read()
    except OSError as fault:
        return Answer(path, [], fault.strerror or str(fault))
    text = decode(data)
    if not text:
        return Answer(path, [])
    found = locate(job.detector(), path, text, job.families, suppress=job.suppress)
    if item.commit:
        found = [one._replace(commit=item.commit, date=item.date) for one in found]
    return Answer(path, found)


def _items(args: argparse.Namespace) -> Iterable[Item]:
    """Give what is to be read, as it is found. Raises: `ConfigFault` for what git can't do."""
    if args.staged or args.all or args.git is not None:
        from poundlock.cli.revisions import blobs

        yield from (Item(*blob) for blob in blobs(args))
        return
    for path in args.paths or ["."]:
        for name in ["-"] if path == "-" else files(path, ignores=not args.no_ignore):
            yield Item(name)


def _answers(args: argparse.Namespace, job: Job) -> Iterator[Answer]:
    """Examine the items, in several processes if there are many."""
    items = iter(_items(args))
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


def run(args: argparse.Namespace) -> int:
    """Scan, and report what was found."""
    narrowed = args.family if isinstance(args.family, frozenset) else frozenset(("secret",))
    job = Job(narrowed, sources(args.config, args.rules), suppress=not args.no_suppress)
    known: frozenset[str] = frozenset()
    if args.baseline:
        from poundlock.cli import baseline

        known = baseline.read(args.baseline)
    answers: Iterable[Answer] = _answers(args, job)
    if sys.stderr.isatty():
        from poundlock.cli.progress import shown

        answers = shown(answers, sys.stderr)
    began = _now(args)
    found: list[Located] = []
    unread: list[str] = []
    try:
        for answer in answers:
            if answer.fault:
                unread.append(answer.path)
                sys.stderr.write(f"poundlock scan: {_printable(answer.path)} can't be read: {answer.fault}\n")
            found += answer.found
    finally:
        job.close()
    if found and job.suppress and os.path.exists(LISTED):  # noqa: PTH110 (pathlib costs start-up)
        from poundlock.cli import baseline

        found = baseline.unlisted(found, baseline.listed(LISTED), os.getcwd())  # noqa: PTH109
    if args.baseline or args.write_baseline or args.format != "text":
        from poundlock.cli import baseline

        found = baseline.fingerprinted(found, os.getcwd())  # noqa: PTH109
    if args.write_baseline:
        number = baseline.write(args.write_baseline, found, os.getcwd())  # noqa: PTH109
        sys.stderr.write(f"poundlock scan: {number} findings are in the baseline now.\n")
        return 2 if unread else 0
    found = [one for one in found if one.fingerprint not in known]
    if args.format == "text":
        _text(found, sys.stdout)
    elif args.format == "json":
        _json(found, unread, sys.stdout)
    else:
        from poundlock.cli import reports

        for piece in reports.written(args.format, found, unread, job.detector().rules, began, _now(args)):
            sys.stdout.write(piece)
    return 2 if unread else int(bool(found))


def _now(args: argparse.Namespace) -> str:
    """Give the time (UTC) where a report says it."""
    if args.format not in {"sarif", "gitlab", "junit"}:
        return ""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
