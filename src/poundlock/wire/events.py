"""An answer streamed as events, on its way home: most of it passes as the bytes it came in, unread.

A provider's codec says what one event means; this module finds the few events that must be looked at. An event must
be when something is held back, when a tool call is open, when answers are scanned, or when its bytes may hold the
beginning of a surrogate or a word that opens a tool call. It must never touch an event that needs no change.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from poundlock.wire import framing
from poundlock.wire.body import reparse, without_lone_surrogates, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poundlock.core.stream import Channel, Homeward

# A surrogate begins with QZ in any case. In a JSON string its letters may be cut off by the string's end, or escaped.
# INVARIANT: each pattern begins with a literal, which the engine finds with memchr; one alternation is 20 times slower.
_SUSPECTS = (re.compile(rb'q[zZ"\\]'), re.compile(rb'Q[zZ"\\]'), re.compile(rb"\\u00"))

# Within arguments a letter may be escaped once more, and an event may end within that escape.
_ENDS = (re.compile(rb'\\\\"'), re.compile(rb'\\\\u[0-9a-fA-F]{0,3}"'))

Path = tuple[str | int, ...]
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


class Steady(NamedTuple):
    """A run of events that all add to one text: its channel, what each adds, and where that stands in each."""

    channel: Channel
    texts: list[str]
    path: Path


def _places(patterns: tuple[re.Pattern[bytes], ...], whole: bytes, at: int) -> list[int]:
    """Give where the patterns stand in `whole[at:]`, in order."""
    return sorted([match.start() for pattern in patterns for match in pattern.finditer(whole, at)])


def _next_event(whole: bytes, at: int, places: list[int]) -> int:
    """Give where the first event from `at` on begins that one of these places lies in, or the end."""
    following = bisect_left(places, at)
    return framing.event_start(whole, at, places[following]) if following < len(places) else len(whole)


def changed(raw: bytes, data: bytes, changes: Iterable[tuple[Path, str]]) -> bytes:
    """Give the event with the texts at these paths changed."""
    tree = reparse(data)
    for path, text in changes:
        holder = tree
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = text
    return framing.with_data(raw, write(tree))


class EventCodec:
    """The base of the codecs of streamed answers: `feed` and `finish` of `wire.base.StreamCodec`."""

    marks: ClassVar[tuple[re.Pattern[bytes], ...]] = ()
    """What stands in every event that opens a tool call."""
    breaks: ClassVar[tuple[re.Pattern[bytes], ...]] = ()
    """What stands in events that add to no text: where they are known, the others are read in longer runs."""

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        self._homeward = homeward
        self._splitter = framing.EventSplitter()
        self._idle = homeward.idle
        self._scanning = homeward.scanning
        self._unchanging = homeward.unchanging
        self._channels: Sequence[Channel] = ()
        self._calls = 0
        self._holding = False
        self._when_not = (*_SUSPECTS, *self.marks)
        self._when_read = (*_SUSPECTS, *_ENDS, *self.breaks)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that may go on. Raises: `UpstreamFault` for an event past the limit."""
        if self._idle:
            return chunk
        whole = self._splitter.feed(chunk)
        return self._relayed(whole) if whole and not self._unchanging else whole

    def finish(self) -> bytes:
        """Give what was held back, then the bytes of an event that never became whole (a client ignores it)."""
        rest = self._splitter.rest
        last = self._event(rest) if rest else b""
        held = self._flush()
        self._homeward.close()
        if last == rest:
            return held + rest
        return last + b"\n\n" + held

    def broken(self, error: bytes) -> bytes:
        """Give what was held back, then the error; an event that never became whole is left out."""
        return framing.whole(self.finish()) + error

    def _relayed(self, whole: bytes) -> bytes:
        """Give what goes on instead of some whole events."""
        plain = b"\r" not in whole
        places: dict[bool, list[int]] = {}
        out: list[bytes] = []
        at = singly = 0
        while at < len(whole):
            read = bool(self._calls or self._scanning)
            if at >= singly and not (self._holding and not read):
                if read not in places:
                    places[read] = _places(self._when_read if read else self._when_not, whole, at)
                stop = _next_event(whole, at, places[read])
                if stop > at:
                    run: bytes | None = whole[at:stop]
                    if read and (run := self._run(whole[at:stop]) if plain else None) is None:
                        singly = stop
                    else:
                        out.append(run or b"")
                        at = stop
                    continue
            found = whole.find(b"\n\n", at) if plain else -1
            # Three line ends in a row: the third is no blank line, and ends what is left.
            end = found + 2 if found >= 0 else framing.next_blank(whole, at)
            out.append(self._event(whole[at:end]))
            at = end
            if not (self._calls or self._scanning):
                self._holding = any(channel.holding for channel in self._channels)
        return b"".join(out) if len(out) != 1 else out[0]

    def _run(self, run: bytes) -> bytes | None:
        """Give what goes on instead of a run of events in which no surrogate begins; None if they must be read singly.

        They are parsed and fed at once, which says the same as one by one and costs a fifth.
        """
        head = run[: run.find(b"{")]
        if not head.endswith(b"data: ") or not run.endswith(b"\n\n"):
            return None
        datas = run[len(head) : -2].split(b"\n\n" + head)
        joined = b",".join(datas)
        steady = None if b"\n" in joined else self._steady(b"[" + joined + b"]", datas)
        if steady is None or len(steady.texts) != len(datas) or steady.channel.holding:
            return None
        text = "".join(steady.texts)
        given = steady.channel.feed(text)
        if given == text and not steady.channel.holding:
            return run
        # The channel kept something although nothing seemed to begin: what it gave goes into the first event.
        given_each = [given, *([""] * (len(datas) - 1))]
        return b"".join(
            changed(head + data + b"\n\n", data, [(steady.path, each)])
            for data, each in zip(datas, given_each, strict=True)
        )

    def _steady(self, events: bytes, datas: list[bytes]) -> Steady | None:
        """Say what a run of events (their data, as a JSON array and one by one) adds to, if it is one text."""
        raise NotImplementedError

    def _event(self, raw: bytes) -> bytes:
        """Give what goes on instead of one event: often the event itself."""
        raise NotImplementedError

    def _flush(self) -> bytes:
        """Give, as events, all that is held back; every channel ends."""
        raise NotImplementedError
