"""Which blobs of a repository earlier scans found clean, so that history is read once and only what is new afterwards.

INVARIANT: a blob counts as clean only if nothing was found in it, nothing in it was suppressed or allowed, and all of
it was read; and only for exactly the same rules, names, registered values and families. Nothing but ids is kept.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poundlock.cli.contents import Answer, Item

SIZE = 32  # bytes of an id: a SHA-256, or a SHA-1 and zeros
GENERATION = "1"  # raised when what is read of a blob, or how, changes
MOST = 2_000_000  # ids


class Seen:
    """The ids of clean blobs, of one repository and one set of rules."""

    def __init__(self, place: str) -> None:
        """Read what an earlier scan kept at `place`; whatever can't be read is as if it had not been there."""
        self._place = place
        self._clean: set[bytes] = set()
        self._fresh: list[bytes] = []
        with suppress(OSError), open(place, "rb") as file:  # noqa: PTH123 (pathlib costs start-up)
            while len(oid := file.read(SIZE)) == SIZE and len(self._clean) < MOST:
                self._clean.add(oid)

    @classmethod
    def of(cls, repository: str, rules: str, families: Iterable[str], *, documents: bool) -> Seen:
        """Give the list for a repository's folder and the digest of what it is searched with."""
        from poundlock import __version__

        parts = (GENERATION, __version__, repository, rules, ",".join(sorted(families)), str(documents))
        name = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        return cls(f"{folder()}/seen-{name}")

    def new(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items that are not known to be clean."""
        for item in items:
            if _binary(item.oid) not in self._clean:
                yield item

    def noted(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """Pass the answers on, and keep which were clean when they have all passed."""
        for answer in answers:
            if answer.oid and answer.clean and not answer.found and not answer.faults:
                self._fresh.append(_binary(answer.oid))
            yield answer
        self._keep()

    def _keep(self) -> None:
        if not self._fresh:
            return
        folder = self._place.rpartition("/")[0]
        with suppress(OSError):
            os.makedirs(folder, exist_ok=True, mode=0o700)  # noqa: PTH103
            handle, name = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "wb") as file:
                for oid in (*self._clean, *self._fresh):
                    file.write(oid)
            os.replace(name, self._place)  # noqa: PTH105


def folder() -> str:
    """Give the folder of such lists."""
    from poundlock.adapters.rulefiles import cache_folder

    return cache_folder()


def _binary(oid: str) -> bytes:
    return bytes.fromhex(oid).ljust(SIZE, b"\0")
