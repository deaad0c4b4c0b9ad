"""Holding a tool call in a streamed answer until it is whole and judged, for formats that stream events.

It works on the answer as it came, before anything is restored in it. It must never hold text, a comment or a ping that
is not part of a call, and never let an event of a call pass before its ruling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from poundlock.core.errors import UpstreamFault
from poundlock.wire import framing

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from poundlock.core.gate import Gate
    from poundlock.core.stream import Homeward
    from poundlock.wire.base import StreamCodec


class Stage(Protocol):
    """What holds calls: bytes in, bytes out."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that may go on. Raises `UpstreamFault`."""

    def finish(self) -> bytes:
        """Give what was held; the upstream has ended."""


class Gated:
    """A codec behind a gate: what the gate lets through is restored."""

    def __init__(self, stage: Stage, codec: StreamCodec) -> None:
        """Join the two."""
        self._stage = stage
        self._codec = codec

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that the client may have now. Raises: `UpstreamFault`."""
        return self._codec.feed(self._stage.feed(chunk))

    def finish(self) -> bytes:
        """Give what was held back; the upstream has ended."""
        return self._codec.feed(self._stage.finish()) + self._codec.finish()

    def broken(self, error: bytes) -> bytes:
        """Give what was held back, then the error."""
        try:
            rest = self._codec.feed(self._stage.finish())
        except UpstreamFault:  # what was held back is what broke the answer: an event that is too long
            rest = b""
        return rest + self._codec.broken(error)


def gated(codec: StreamCodec, stage: Callable[[Gate], Stage], homeward: Homeward) -> StreamCodec:
    """Put the format's gate before a codec, where calls are judged."""
    return codec if homeward.gate is None else Gated(stage(homeward.gate), codec)


HELD = 16 * 1024 * 1024
"""A call of more bytes than this is judged as one that can't be read."""


class EventGate:
    """The base of the formats' gates: bytes in, the same bytes out, but for calls."""

    opens: ClassVar[re.Pattern[bytes]]
    """What stands in every event that opens a call."""

    def __init__(self, gate: Gate) -> None:
        """Judge with `gate`."""
        self._gate = gate
        self._splitter = framing.EventSplitter()
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that may go on. Raises: `UpstreamFault` for an event past the limit."""
        whole = self._splitter.feed(chunk)
        if not whole or (not self.holding and not self.opens.search(whole)):
            return whole
        return b"".join(map(self._event, framing.events(whole)))

    def finish(self) -> bytes:
        """Give what is held; a call that never became whole is judged by what there is of it."""
        rest = self._splitter.rest
        return self._release() + rest

    @property
    def holding(self) -> bool:
        """Whether a call is being held."""
        return bool(self._held)

    def _hold(self, raw: bytes) -> bytes:
        self._held.append(raw)
        self._size += len(raw)
        return self._release() if self._size > HELD else b""

    def _taken(self) -> list[bytes]:
        """Give the held events and begin anew."""
        held, self._held, self._size = self._held, [], 0
        return held

    def _event(self, raw: bytes) -> bytes:
        """Give what goes on now that this event has come."""
        raise NotImplementedError

    def _release(self) -> bytes:
        """Judge what is held and give what goes on instead."""
        raise NotImplementedError
