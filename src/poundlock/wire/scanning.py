"""Scanning a streamed answer beside its way home: what is only counted needs no event's bytes at once.

Events are small and come one by one; read together they cost a fifth. So the bytes on their way home are kept, and read
by a second codec, a piece at a time, for the scanner alone. It must never change, hold or delay what goes home, and
never keep more than a piece beside the event that is not whole yet.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from poundlock.core.errors import UpstreamFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from poundlock.core.stream import Homeward
    from poundlock.wire.base import StreamCodec

PIECE = 16_384
"""So many bytes are read at once."""


def beside(make: Callable[[Homeward], StreamCodec], homeward: Homeward) -> StreamCodec:
    """Make a format's codec; where answers are scanned, with a second one beside it that does only that."""
    scans = homeward.apart()
    return make(homeward) if scans is None else Scanned(make(homeward), make(scans), homeward)


class Scanned:
    """A codec, and the reader of the same bytes. What `homeward` counts is whole once it was closed."""

    def __init__(self, codec: StreamCodec, reader: StreamCodec, homeward: Homeward) -> None:
        """Join the two; the reader ends with the way home, however that ends."""
        self._codec = codec
        self._reader: StreamCodec | None = reader
        self._kept: list[bytes] = []
        self._size = 0
        homeward.closing = self._end

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that the client may have now. Raises: `UpstreamFault`."""
        self._kept.append(chunk)
        self._size += len(chunk)
        if self._size >= PIECE:
            self._read()
        return self._codec.feed(chunk)

    def finish(self) -> bytes:
        """Give what was held back; the upstream has ended."""
        return self._codec.finish()

    def broken(self, error: bytes) -> bytes:
        """Give what was held back, then the error."""
        return self._codec.broken(error)

    def _read(self) -> None:
        """Read what was kept. Raises: `UpstreamFault`, and reads no more."""
        piece = b"".join(self._kept)
        self._kept.clear()
        self._size = 0
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.feed(piece)
            self._reader = reader

    def _end(self) -> None:
        """Read the rest; the answer has ended, or was given up."""
        with contextlib.suppress(UpstreamFault):
            self._read()
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.finish()
