"""`poundlock repair`: the values of stand-ins that were written into files, put back.

Only this person's own stand-ins, from the vault of this machine, and only into files that are named or lie in a folder
that is. It must never print a value, and never touch Git's index: what is committed is its owner's decision.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from poundlock.cli.tree import files
from poundlock.core import surrogates
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from poundlock.core.model import Surrogate
    from poundlock.ports import AuditLog

MOST = 64 << 20
"""Bytes of the largest file that is repaired."""


class Marked(NamedTuple):
    """A file with stand-ins: its text, and for each stand-in its line (from 1) and its canonical text."""

    path: str
    text: str
    found: tuple[tuple[int, str], ...]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "repair",
        help="put the values of stand-ins (QZ_…) back into files",
        description="Exit 0: nothing is left. 1: stand-ins are left. 2: something could not be read or written.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="a file, or a folder without what Git ignores")
    parser.add_argument(
        "--staged", action="store_true", help="the files that the next commit of this repository changes"
    )
    parser.add_argument("--check", action="store_true", help="only tell of them")
    parser.add_argument("--config", help="configuration file")


def run(args: argparse.Namespace) -> int:
    """Tell of stand-ins, or put their values back. Raises: `ConfigFault`, `Fault`."""
    if bool(args.paths) == args.staged:
        raise ConfigFault("Which files?", advice="Give paths, or --staged alone.")
    faults: list[str] = []
    marked = list(_staged(faults) if args.staged else _read(args.paths, faults))
    left = 0
    if marked:
        left = asyncio.run(_repaired(marked, args, faults))
    for path in faults:
        sys.stderr.write(f"poundlock repair: {path}\n")
    return 2 if faults else int(left > 0)


def _read(paths: Iterable[str], faults: list[str]) -> Iterator[Marked]:
    for path in paths:
        for name in files(path, ignores=True):
            place = Path(name)
            try:
                if place.stat().st_size > MOST:
                    continue
                data = place.read_bytes()
            except OSError as fault:
                faults.append(f"{name} can't be read: {fault.strerror}")
                continue
            if found := _marked(name, data):
                yield found


def _staged(faults: list[str]) -> Iterator[Marked]:
    """Give the files of the index with stand-ins, by their text in the index."""
    from poundlock.adapters import git

    root = Path(git.root())
    with contextlib.closing(git.Blobs()) as blobs:
        for blob in git.staged():
            try:
                data = blobs.read(blob.oid)
            except OSError:
                faults.append(f"{blob.path} can't be read from the index")
                continue
            if found := _marked(str(root / blob.path), data):
                yield found


def _marked(path: str, data: bytes) -> Marked | None:
    if b"QZ" not in data and b"qz" not in data and b"Qz" not in data and b"qZ" not in data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None  # no stand-in is ever written into anything but text
    found = surrogates.find(text)
    rows = tuple((text.count("\n", 0, each.start) + 1, each.canonical) for each in found)
    return Marked(path, text, rows) if rows else None


async def _repaired(marked: list[Marked], args: argparse.Namespace, faults: list[str]) -> int:
    """Tell of the stand-ins and put back what may be; give how many are left."""
    from poundlock import compose
    from poundlock.adapters import places

    async with compose.opened(places.read_settings(args.config)) as (store, clock):
        human = getpass.getuser()
        key = await store.scope_key(human)
        wanted = tuple(sorted({text for each in marked for _, text in each.found}))
        known = {each.text: each for each in await store.known(key.scope, wanted)}
        if not args.check:
            await _record(store, clock.now(), human, marked, known)
        left = 0
        for each in marked:
            unknown = sum(text not in known for _, text in each.found)
            for line, text in each.found:
                note = "" if text in known else ": not of this person, or not of this machine"
                sys.stdout.write(f"{each.path}:{line}: {text}{note}\n")
            if args.check or unknown == len(each.found):
                left += len(each.found)
                continue
            try:
                put = _written(each, known, staged=args.staged)
            except ConfigFault as fault:
                faults.append(fault.message)
                continue
            left += unknown if put else len(each.found)
            word = "put back" if put else "the file is not what is staged: look at it"
            sys.stdout.write(f"{each.path}: {word}\n")
        if args.staged and not args.check:
            sys.stdout.write(
                "Git's index is as it was: look at the files, run `poundlock scan`, then `git add` them.\n"
            )
            left += sum(len(each.found) for each in marked) if left == 0 else 0
    return left


def _written(marked: Marked, known: Mapping[str, Surrogate], *, staged: bool) -> bool:
    """Write a file with its values; False for one that differs from what is staged."""
    from poundlock.cli import attach
    from poundlock.core.stream import Homeward

    place = Path(marked.path)
    data, mode = attach.read(place)
    if data is None or (staged and data.decode("utf-8", "replace") != marked.text):
        return False
    # In a JSON document a value is escaped as its string wants it.
    text = Homeward(known, lambda *_: True).restore_text(marked.text)
    attach.write(place, text.encode(), mode)
    return True


async def _record(store: AuditLog, at: int, human: str, marked: list[Marked], known: Mapping[str, Surrogate]) -> None:
    """Put on record how many values of which kinds go back; no path and no value."""
    import uuid
    from collections import Counter

    from poundlock.core.model import Draft
    from poundlock.ports import Entry

    kinds = Counter(known[text].kind for each in marked for _, text in each.found if text in known)
    body = {"human": human, "files": len(marked), "restored": dict(kinds)}
    await store.commit(Entry(draft=Draft(kind="repair", id=uuid.uuid4().hex[:16], at=at, body=body)))
