"""What the tests of the wire formats share: a way home, ways to cut a stream, and a reader of events of its own."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from poundlock.core.model import ScopeKey, Sink, Surrogate
from poundlock.core.stream import Homeward, StreamScanner
from poundlock.core.surrogates import mint

if TYPE_CHECKING:
    from collections.abc import Callable

    from poundlock.core.model import Document, Segment
    from poundlock.wire.base import StreamCodec

KEY = ScopeKey(scope="someone", mint=b"m" * 32, fingerprint=b"f" * 32)
MAIL = mint("pii.email", "anna@example.org", KEY)
# A value that must be escaped in JSON.
HARD = mint("secret.generic.password", 'pa"ss\\wo\nrd', KEY)
ISSUED = {each.text: each for each in (MAIL, HARD)}
CUTS = st.lists(st.integers(0, 4000), max_size=12)


def everywhere(_surrogate: Surrogate, _sink: Sink) -> bool:
    """Permit all that is left to policy."""
    return True


class Quick(Homeward):
    """A way home that reads only what it must, as one does on which no value is written differently inside JSON.

    `HARD` is such a value: with it every text is read, and the quick way would stand untested.
    """

    @property
    def scanning(self) -> bool:
        """Whether every text must be fed: for the scanner alone."""
        return self._scanner is not None


def homeward(permit: Callable[[Surrogate, Sink], bool] = everywhere, scanner: StreamScanner | None = None) -> Homeward:
    """Give a way home on which `ISSUED` was issued."""
    return Quick(ISSUED, permit, scanner)


def careful(permit: Callable[[Surrogate, Sink], bool] = everywhere) -> Homeward:
    """Give the way home that the gateway takes with `ISSUED`: every text is read."""
    return Homeward(ISSUED, permit)


def carried(codec: StreamCodec, pieces: list[bytes]) -> bytes:
    """Feed the pieces and give all that came out."""
    return b"".join(map(codec.feed, pieces)) + codec.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut `data` at these places, counted on from the beginning where they are past the end."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


def every_way(make: Callable[[], StreamCodec], data: bytes) -> bytes:
    """Carry `data` whole, byte by byte and in halves; the same must come out. Give it."""
    whole = carried(make(), [data])
    assert carried(make(), [data[at : at + 1] for at in range(len(data))]) == whole
    for half in range(0, len(data), max(1, len(data) // 23)):
        assert carried(make(), [data[:half], data[half:]]) == whole
    return whole


def sse(*events: dict[str, Any] | str, end: str = "\n", named: bool = False) -> bytes:
    """Write events as a server does: data as JSON (a text as it is), with this line end."""
    out = []
    for event in events:
        if named and isinstance(event, dict):
            out.append(f"event: {event['type']}{end}")
        text = event if isinstance(event, str) else json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        out.append(f"data: {text}{end}{end}")
    return "".join(out).encode()


def read(stream: bytes) -> list[Any]:
    """Read events as a client does, with the standard library: each event's data, decoded where it is JSON."""
    found = []
    data: list[str] = []
    for line in stream.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            text = "\n".join(data)
            found.append(json.loads(text) if text.startswith("{") else text)
            data = []
    return found


def by_text(document: Document, text: str) -> Segment:
    """Give the one segment with this text."""
    (segment,) = [segment for segment in document.segments if segment.text == text]
    return segment


def index_of(document: Document, text: str) -> int:
    """Give the index of the one segment with this text."""
    (index,) = [index for index, segment in enumerate(document.segments) if segment.text == text]
    return index
