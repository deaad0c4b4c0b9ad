"""Events and lines, cut anywhere."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.errors import UpstreamFault
from poundlock.wire import framing
from tests.wire.home import CUTS, cut

STREAMS = {
    "LF": b"event: a\ndata: 1\n\ndata: 2\n\n: note\n\ndata: 3\ndata: 4\n\n",
    "CRLF": b"event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n: note\r\n\r\ndata: 3\r\ndata: 4\r\n\r\n",
    "CR": b"event: a\rdata: 1\r\rdata: 2\r\r: note\r\rdata: 3\rdata: 4\r\r",
    "mixed": b"event: a\rdata: 1\n\r\ndata: 2\r\n\n: note\n\rdata: 3\ndata: 4\r\n\r",
}


def whole_events(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """Split the pieces; give the events' data, and what is left."""
    splitter = framing.EventSplitter()
    out = [event for piece in pieces for event in framing.events(splitter.feed(piece))]
    rest = splitter.rest
    if rest.endswith((b"\r\r", b"\n\r")):
        return [*out, rest], b""
    return out, rest


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_events_are_the_same_whole_and_byte_by_byte(stream):
    """All three line ends and their mixture give the same data; every byte comes out."""
    for pieces in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        events, rest = whole_events(pieces)
        assert [framing.data_of(event) for event in events] == [b"1", b"2", None, b"3\n4"]
        assert b"".join(events) + rest == stream


@given(st.sampled_from(sorted(STREAMS)), CUTS)
def test_events_are_the_same_at_every_cut(name, places):
    """The slices themselves are equal, also where a cut lies between CR and LF."""
    stream = STREAMS[name]
    assert whole_events(cut(stream, places)) == whole_events([stream])


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_events_are_the_same_cut_in_two(stream):
    """At each place, so also between CR and LF."""
    for at in range(len(stream)):
        assert whole_events([stream[:at], stream[at:]]) == whole_events([stream])


def test_whole_events_pass_as_the_same_object():
    """A chunk that ends with an event is not copied."""
    chunk = b"data: 1\n\n"
    assert framing.EventSplitter().feed(chunk) is chunk


def test_an_event_comes_out_with_its_last_byte():
    """Nothing waits for the next event."""
    splitter = framing.EventSplitter()
    assert splitter.feed(b"data: 1\n") == b""
    assert splitter.feed(b"\n") == b"data: 1\n\n"
    assert splitter.rest == b""


def test_an_endless_stream_without_a_newline_is_refused_at_the_limit():
    """Memory is bounded, and the time is linear in the bytes."""
    splitter = framing.EventSplitter(limit=1 << 20)
    began = time.process_time()
    for _ in range(1 << 14):
        assert splitter.feed(b"data: no end ever" * 3 + b".............") == b""
    with pytest.raises(UpstreamFault, match="longer than"):
        splitter.feed(b"x")
    assert len(splitter.rest) == (1 << 20) + 1
    assert time.process_time() - began < 2


def test_a_long_event_in_small_pieces_costs_linear_time():
    """Four times the bytes take about four times the time."""

    def cost(size: int) -> float:
        splitter = framing.EventSplitter()
        piece = b"x" * 64
        began = time.process_time()
        for _ in range(size // 64):
            splitter.feed(piece)
        return time.process_time() - began

    small = min(cost(1 << 19) for _ in range(3))
    assert min(cost(1 << 21) for _ in range(3)) < 12 * small


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"event: data:\ndata: x\n\n", b"x"),
        (b": data: no\nid: 1\ndata: x\nretry: 5\n\n", b"x"),
        (b"\xef\xbb\xbfdata: x\n\n", b"x"),
        (b"data: x\r\ndata: y\r\n\r\n", b"x\ny"),
        (b"\ndata: x\n\n", b"x"),
        (b"data\n\n", b""),
        (b": only a comment\n\n", None),
        (b"database: x\n\n", None),
        (b"\n", None),
        (b"data: x", b"x"),
    ],
)
def test_data_is_read_as_the_standard_says(event, data):
    """One blank after the colon, several lines, comments, other fields, a byte order mark."""
    assert framing.data_of(event) == data


@pytest.mark.parametrize(
    ("event", "changed"),
    [
        (b"event: e\ndata: old\n\n", b"event: e\ndata: new\n\n"),
        (b"data:old\r\nid: 1\r\n\r\n", b"data: new\r\nid: 1\r\n\r\n"),
        (b"data: o\nid: 7\ndata: ld\n\n", b"data: new\nid: 7\n\n"),
        (b"\xef\xbb\xbfdata: old\n\n", b"\xef\xbb\xbfdata: new\n\n"),
        (b": note\rdata: old\r\r", b": note\rdata: new\r\r"),
    ],
)
def test_changing_the_data_changes_nothing_else(event, changed):
    """Other lines and all line ends stay."""
    assert framing.with_data(event, b"new") == changed


def test_an_event_of_our_own_is_read_back():
    """Name and data."""
    assert framing.event(b"{}", "error") == b"event: error\ndata: {}\n\n"
    assert framing.event(b"{}") == b"data: {}\n\n"


@given(st.lists(st.sampled_from([b"a\n", b"\n", b"bc\r\n", b"\r", b"d"])), CUTS)
def test_lines_are_the_same_at_every_cut(parts, places):
    """JSON lines end with LF and with nothing else; every byte comes out."""
    stream = b"".join(parts)
    splitter = framing.LineSplitter()
    lines = [line for piece in cut(stream, places) for line in splitter.feed(piece)]
    assert lines == [line + b"\n" for line in stream.split(b"\n")[:-1]]
    assert b"".join(lines) + splitter.rest == stream


def test_a_line_without_an_end_is_refused_at_the_limit():
    """Memory is bounded here, too."""
    splitter = framing.LineSplitter(limit=100)
    assert splitter.feed(b"x" * 100) == []
    with pytest.raises(UpstreamFault, match="longer than"):
        splitter.feed(b"x")


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_whole(end):
    """The event at the end that is not whole is left out; where none is, a blank line ends what went before."""
    assert framing.whole(b"data: 1" + end + b"data: 2" + end + b"data: 3") == b"data: 1" + end + b"data: 2" + end
    assert framing.whole(b"data: 1" + end) == b"data: 1" + end
    assert framing.whole(b"data: 1\n") == b"\n\n"
    assert framing.whole(b"") == b"\n\n"
