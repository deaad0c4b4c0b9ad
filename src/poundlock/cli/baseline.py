"""Fingerprints of findings, baselines of known ones, and the place list of `.gitleaksignore`.

INVARIANT: a fingerprint is made of a finding's kind, path and masked surroundings, never of its value: a baseline is
committed, and a hash of a weak password could be guessed.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poundlock.cli.scan import Located

VERSION = 1
MASK = re.compile(r"\*{4,12}")
PLACE = re.compile(r"(?:(?P<commit>[0-9a-f]{7,64}):)?(?P<path>.+):[^:]*:(?P<line>[0-9]+)\Z")
"""A line of `.gitleaksignore`: `commit:path:rule:line`, or the same without the commit (gitleaks' README)."""


class Entry(msgspec.Struct, frozen=True):
    """A known finding; only its fingerprint counts, the rest is for those who read the file."""

    fingerprint: str
    kind: str = ""
    path: str = ""


class Baseline(msgspec.Struct, frozen=True):
    """A baseline file."""

    version: int
    findings: tuple[Entry, ...]


def relative(path: str, folder: str) -> str:
    """Give a path below `folder` relative to it, with slashes, and any other as it is; always valid Unicode."""
    told = os.fsencode(path).decode("utf-8", "replace").replace(os.sep, "/")
    base = f"{os.fsencode(folder).decode('utf-8', 'replace')}/".replace(os.sep, "/")
    return told.removeprefix(base).removeprefix("./")


def fingerprinted(found: Iterable[Located], folder: str) -> list[Located]:
    """Give the findings with their fingerprints (16 hex digits, a colon, and which of its equals it is from 1)."""
    counts: Counter[str] = Counter()
    out = []
    for item in found:
        around = "".join(MASK.sub("*", item.excerpt).split())
        path = relative(item.path, folder)
        text = f"{item.match.kind}\0{path}\0{around}".encode("utf-8", "replace")
        name = hashlib.blake2b(text, digest_size=8, person=b"poundlock-scan-1").hexdigest()
        # The same lines come again in later commits: there each blob counts from 1.
        counts[f"{name} {item.commit}"] += 1
        out.append(item._replace(fingerprint=f"{name}:{counts[f'{name} {item.commit}']}"))
    return out


def read(path: str) -> frozenset[str]:
    """Give the fingerprints of a baseline. Raises: `ConfigFault` if it can't be read or is none."""
    try:
        data = Path(path).read_bytes()
    except OSError as fault:
        raise ConfigFault(
            f"the baseline can't be read: {fault.strerror}",
            advice="Make one with `poundlock scan --write-baseline FILE`.",
        ) from fault
    try:
        known = msgspec.json.decode(data, type=Baseline)
    except (msgspec.MsgspecError, ValueError) as fault:
        raise ConfigFault("the baseline is not one of `poundlock scan --write-baseline`") from fault
    if known.version != VERSION:
        raise ConfigFault(f"the baseline is of version {known.version}, and this reads version {VERSION}")
    return frozenset(entry.fingerprint for entry in known.findings)


def write(path: str, found: Iterable[Located], folder: str) -> int:
    """Write a baseline of fingerprinted findings, in one step, and give how many it holds. Raises: `ConfigFault`."""
    known = {one.fingerprint: Entry(one.fingerprint, one.match.kind, relative(one.path, folder)) for one in found}
    entries = sorted(known.values(), key=lambda entry: (entry.path, entry.kind, entry.fingerprint))
    plain: Any = Baseline(VERSION, tuple(entries))
    try:
        handle, name = tempfile.mkstemp(dir=Path(path).parent)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(plain)) + b"\n")
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as fault:
        raise ConfigFault(f"the baseline can't be written: {fault.strerror}") from fault
    return len(entries)


def places(lines: Iterable[str]) -> frozenset[tuple[str, str, int]]:
    """Read `.gitleaksignore`: commit (or nothing), path and line of each entry. Its rule names are not ours."""
    out = set()
    for line in lines:
        entry = PLACE.match(line.strip())
        if entry and not line.startswith("#"):
            out.add((entry["commit"] or "", entry["path"].removeprefix("./"), int(entry["line"])))
    return frozenset(out)


def listed(path: str) -> frozenset[tuple[str, str, int]]:
    """Read the places of a `.gitleaksignore`. Raises: `ConfigFault` if it can't be read."""
    try:
        return places(Path(path).read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError as fault:
        raise ConfigFault(f"{path} can't be read: {fault.strerror}") from fault


def unlisted(found: Iterable[Located], listed: frozenset[tuple[str, str, int]], folder: str) -> list[Located]:
    """Leave out the findings at listed places; an entry without a commit speaks of all."""
    out = []
    for one in found:
        path = relative(one.path, folder)
        if not listed & {("", path, one.line), (one.commit, path, one.line)}:
            out.append(one)
    return out
