"""A JSON array whose items arrive in pieces: cut anywhere, given item by item, with what stands between them.

It must never change a byte, never look into an item, and never keep more than one item of at most `LIMIT` bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from poundlock.core.errors import UpstreamFault
from poundlock.wire.framing import LIMIT

_OUTSIDE = re.compile(rb'[{}"]')
_INSIDE = re.compile(rb'["\\]')


class Piece(NamedTuple):
    """Some bytes of an array: a whole item, which is an object, or what stands between items."""

    data: bytes
    item: bool


class ItemSplitter:
    """The items of an array, incremental: bytes in, whole items out; an object without an array is an item, too."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Refuse items longer than `limit` bytes."""
        self._limit = limit
        self._rest = bytearray()
        self._depth = 0
        self._string = False
        self._escaped = False

    @property
    def rest(self) -> bytes:
        """The bytes of an item that isn't whole yet."""
        return bytes(self._rest)

    def feed(self, chunk: bytes) -> list[Piece]:
        """Give the items that now are whole, and what stands between them, in order.

        Raises: `UpstreamFault` when an item is longer than the limit.
        """
        out: list[Piece] = []
        at = start = 0
        while at < len(chunk):
            if not self._depth:
                found = chunk.find(b"{", at)
                found = len(chunk) if found < 0 else found
                if found > start:
                    out.append(Piece(chunk[start:found], item=False))
                start, at = found, found + 1
                self._depth = int(found < len(chunk))
                continue
            at = self._step(chunk, at)
            if not self._depth:
                self._check(at - start)
                out.append(Piece(bytes(self._rest) + chunk[start:at], item=True))
                self._rest.clear()
                start = at
        if self._depth:
            self._check(len(chunk) - start)
            self._rest += chunk[start:]
        return out

    def _step(self, chunk: bytes, at: int) -> int:
        """Read on to the next byte that matters; give where it ends."""
        if self._escaped:
            self._escaped = False
            return at + 1
        found = (_INSIDE if self._string else _OUTSIDE).search(chunk, at)
        if found is None:
            return len(chunk)
        if found[0] == b'"':
            self._string = not self._string
        elif found[0] == b"\\":
            self._escaped = True
        else:
            self._depth += 1 if found[0] == b"{" else -1
        return found.end()

    def _check(self, more: int) -> None:
        if len(self._rest) + more > self._limit:
            raise UpstreamFault(
                f"The provider sent an item longer than {self._limit} bytes.",
                advice="Ask the provider for a plain answer.",
            )
