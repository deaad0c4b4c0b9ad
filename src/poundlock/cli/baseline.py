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
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poundlock.cli.allowances import Allowances
    from poundlock.cli.location import Located

VERSION = 1
MASK = re.compile(r"\*{4,12}")
PLACE = re.compile(r"(?:(?P<commit>[0-9a-f]{7,64}):)?(?P<path>.+):[^:]*:(?P<line>[0-9]+)\Z")
"""A line of `.gitleaksignore`: `commit:path:rule:line`, or the same without the commit (gitleaks' README)."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A known finding; only its fingerprint counts, the rest is for those who read the file.

    `judged` is what an audit said: `real` or `false`, or nothing yet; `note` is why.
    """

    fingerprint: str
    kind: str = ""
    path: str = ""
    judged: Literal["", "real", "false"] = ""
    note: str = ""


class Baseline(msgspec.Struct, frozen=True):
    """A baseline file."""

    version: int
    findings: tuple[Entry, ...]


def relative(path: str, folder: str) -> str:
    """Give a path below `folder` relative to it, with slashes, and any other as it is; always valid Unicode."""
    told = os.fsencode(path).decode("utf-8", "replace").replace(os.sep, "/")
    base = f"{os.fsencode(folder).decode('utf-8', 'replace')}/".replace(os.sep, "/")
    return told.removeprefix(base).removeprefix("./")


class Foreign(msgspec.Struct, frozen=True):
    """What is needed of a detect-secrets baseline."""

    results: dict[str, Any]
    plugins_used: list[Any]
    version: str = ""


def fingerprinted(found: Iterable[Located], folder: str) -> Iterator[Located]:
    """Yield the findings with their fingerprints (16 hex digits, a colon, and which of its equals it is from 1)."""
    counts: Counter[str] = Counter()
    for item in found:
        around = "".join(MASK.sub("*", item.excerpt).split())
        path = relative(item.path, folder)
        text = f"{item.match.kind}\0{path}\0{around}".encode("utf-8", "replace")
        name = hashlib.blake2b(text, digest_size=8, person=b"poundlock-scan-1").hexdigest()
        # The same lines come again in later commits: there each blob counts from 1.
        counts[f"{name} {item.commit}"] += 1
        yield item._replace(fingerprint=f"{name}:{counts[f'{name} {item.commit}']}")


def read(path: str) -> Baseline | Allowances:
    """Read a baseline, ours or detect-secrets'. Raises: `ConfigFault` if it can't be read or is none."""
    data = _content(path)
    try:
        foreign = msgspec.json.decode(data, type=Foreign)
    except (msgspec.MsgspecError, ValueError):
        return _own(data)
    from poundlock.cli.allowances import Allowances, hashed

    return Allowances(hashed=hashed(foreign.results))


def own(path: str) -> Baseline:
    """Read a baseline of ours. Raises: `ConfigFault`."""
    return _own(_content(path))


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as fault:
        raise ConfigFault(
            f"the baseline can't be read: {fault.strerror}",
            advice="Make one with `poundlock scan --write-baseline FILE`.",
        ) from fault


def _own(data: bytes) -> Baseline:
    try:
        known = msgspec.json.decode(data, type=Baseline)
    except (msgspec.MsgspecError, ValueError) as fault:
        raise ConfigFault("the baseline is not one of `poundlock scan --write-baseline`") from fault
    if known.version != VERSION:
        raise ConfigFault(f"the baseline is of version {known.version}, and this reads version {VERSION}")
    return known


def write(path: str, found: Iterable[Located], folder: str) -> int:
    """Write a baseline of fingerprinted findings and give how many it holds; what an audit said before is kept.

    Raises: `ConfigFault`.
    """
    judged = {}
    if os.path.exists(path):  # noqa: PTH110 (a text)
        judged = {entry.fingerprint: entry for entry in own(path).findings if entry.judged}
    known = {one.fingerprint: Entry(one.fingerprint, one.match.kind, relative(one.path, folder)) for one in found}
    entries = [judged.get(name, entry) for name, entry in known.items()]
    keep(path, entries)
    return len(entries)


def keep(path: str, entries: Iterable[Entry]) -> None:
    """Write a baseline of these entries, in one step. Raises: `ConfigFault`."""
    ordered = sorted(entries, key=lambda entry: (entry.path, entry.kind, entry.fingerprint))
    plain: Any = Baseline(VERSION, tuple(ordered))
    try:
        handle, name = tempfile.mkstemp(dir=Path(path).parent)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(plain)) + b"\n")
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as fault:
        raise ConfigFault(f"the baseline can't be written: {fault.strerror}") from fault


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


def unlisted(found: Iterable[Located], listed: frozenset[tuple[str, str, int]], folder: str) -> Iterator[Located]:
    """Leave out the findings at listed places; an entry without a commit speaks of all."""
    for one in found:
        path = relative(one.path, folder)
        if not listed & {("", path, one.line), (one.commit, path, one.line)}:
            yield one
