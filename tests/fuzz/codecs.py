"""One case of a fuzzer: bytes become a format, a request or an answer, and the places where it is cut.

It must never accept an error that is not one of ours, nor two outcomes for the same bytes cut in two ways. Run by
Hypothesis in every run, and by atheris, which looks for new branches, in the long one
(`python -m tests.fuzz 60`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.errors import Fault
from poundlock.wire import registry
from poundlock.wire.base import EVENT_STREAM
from tests.wire.home import ISSUED, homeward

if TYPE_CHECKING:
    from poundlock.wire.base import Route, StreamCodec, Wire

FRAMES = "application/vnd.amazon.eventstream"
LINES = "application/x-ndjson"
PAIRS: list[tuple[Wire, Route]] = [
    (wire, route) for wire in registry.WIRES for route in wire.routes if route.treatment == "inspect"
]
"""Every route that is inspected, with its format."""
VALUES = [surrogate.value.encode() for surrogate in ISSUED.values()]


def one(data: bytes) -> None:
    """Try one case. Raises: `AssertionError`, or whatever a codec should not have raised."""
    if len(data) < 4:
        return
    wire, route = PAIRS[data[0] % len(PAIRS)]
    rest = data[3:]
    if data[1] % 3 == 0:
        _request(wire, route, rest)
    elif data[1] % 3 == 1:
        _whole(wire, route, rest)
    else:
        _streamed(wire, route, rest, data[2])


def _request(wire: Wire, route: Route, data: bytes) -> None:
    try:
        body = wire.decode_request(route, data, {})
    except Fault:
        return
    document = body.document
    texts = {index: "x" for index, segment in enumerate(document.segments) if not segment.opaque}
    written = body.encode(texts)
    again = wire.decode_request(route, written, {}).document
    # What was replaced is gone: nothing of a body comes from elsewhere than its segments.
    left = {segment.text for segment in again.segments if not segment.opaque}
    assert left <= {"x", *(f"x_{number}" for number in range(2, 999))}, "a text survived its replacement"


def _whole(wire: Wire, route: Route, data: bytes) -> None:
    try:
        wire.encode_answer(route, data, homeward())
    except Fault:
        return


def _streamed(wire: Wire, route: Route, data: bytes, step: int) -> None:
    kinds = (EVENT_STREAM, FRAMES, LINES, "application/json")
    for kind in kinds:
        try:
            whole = _carried(wire.stream(route, kind, homeward()), [data])
        except Fault:
            continue
        pieces = [data[at : at + step % 7 + 1] for at in range(0, len(data), step % 7 + 1)]
        assert _carried(wire.stream(route, kind, homeward()), pieces) == whole, "the cut changed what came out"


def _carried(codec: StreamCodec, pieces: list[bytes]) -> bytes:
    return b"".join(map(codec.feed, pieces)) + codec.finish()
