"""An answer streamed as events, on its way home: most of it passes as the bytes it came in, unread.

A provider's codec says what one event means; this module finds the few events that must be looked at. An event must
be when something is held back, when a tool call is open, when answers are scanned, or when its bytes may hold the
beginning of a surrogate or a word that opens a tool call. It must never touch an event that needs no change.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

from poundlock.wire import framing
from poundlock.wire.body import parse, without_lone_surrogates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poundlock.core.stream import Channel, Homeward

# A surrogate begins with QZ in any case. In a JSON string its letters may be cut off by the string's end, or escaped.
# INVARIANT: each pattern begins with a literal, which the engine finds with memchr; one alternation is 20 times slower.
_SUSPECTS = (re.compile(rb'q[zZ"\\]'), re.compile(rb'Q[zZ"\\]'), re.compile(rb"\\u00"))

T = TypeVar("T")

NOTHING = msgspec.Raw(b"")
"""A raw member that is not there. (msgspec takes no object for `Raw | None`.)"""


class Typed(Generic[T]):
    """A decoder of an event's data into the fields that matter; None for what has another shape."""

    def __init__(self, shape: type[T]) -> None:
        """Decode into `shape`, a struct."""
        self._decoder = msgspec.json.Decoder(shape)

    def __call__(self, data: bytes) -> T | None:
        """Decode one event's data; half surrogate pairs are read as U+FFFD."""
        try:
            try:
                return self._decoder.decode(data)
            except msgspec.DecodeError:
                return self._decoder.decode(without_lone_surrogates(data))
        except (ValueError, RecursionError):
            return None


def reparse(data: bytes) -> Any:
    """Give an event's data, which a `Typed` could decode, as a tree to change."""
    try:
        return parse(data)
    except msgspec.DecodeError:
        return parse(without_lone_surrogates(data))


class EventCodec:
    """The base of the codecs of streamed answers: `feed` and `finish` of `wire.base.StreamCodec`."""

    marks: ClassVar[tuple[re.Pattern[bytes], ...]] = ()
    """What stands in every event that opens a tool call."""

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        self._homeward = homeward
        self._splitter = framing.EventSplitter()
        self._idle = homeward.idle
        self._scanning = homeward.scanning
        self._channels: Sequence[Channel] = ()
        self._calls = 0
        self._holding = False
        self._patterns = (*_SUSPECTS, *self.marks)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that may go on. Raises: `UpstreamFault` for an event past the limit."""
        if self._idle:
            return chunk
        whole = self._splitter.feed(chunk)
        return self._relayed(whole) if whole else b""

    def finish(self) -> bytes:
        """Give what was held back, then the bytes of an event that never became whole (a client ignores it)."""
        rest = self._splitter.rest
        last = self._event(rest) if rest else b""
        held = self._flush()
        self._homeward.close()
        if last == rest:
            return held + rest
        return last + b"\n\n" + held if held else last

    def _relayed(self, whole: bytes) -> bytes:
        suspects: list[int] | None = None
        out: list[bytes] = []
        at = 0
        while at < len(whole):
            if not (self._holding or self._calls or self._scanning):
                if suspects is None:
                    suspects = sorted([m.start() for p in self._patterns for m in p.finditer(whole, at)])
                following = bisect_left(suspects, at)
                if following == len(suspects):
                    out.append(whole[at:] if at else whole)
                    break
                start = framing.event_start(whole, at, suspects[following])
                if start > at:
                    out.append(whole[at:start])
                    at = start
            end = framing.next_blank(whole, at)
            out.append(self._event(whole[at:end]))
            self._holding = any(channel.holding for channel in self._channels)
            at = end
        return b"".join(out) if len(out) != 1 else out[0]

    def _event(self, raw: bytes) -> bytes:
        """Give what goes on instead of one event: often the event itself."""
        raise NotImplementedError

    def _flush(self) -> bytes:
        """Give, as events, all that is held back; every channel ends."""
        raise NotImplementedError
