"""What both codecs of streamed answers share: nothing that comes breaks them, and cuts never matter."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.stream import Homeward, StreamScanner
from poundlock.wire import registry
from tests.wire.home import CUTS, ISSUED, MAIL, carried, cut, homeward, read

MESSAGES = registry.resolve("POST", "/v1/messages", {})
CHAT = registry.resolve("POST", "/v1/chat/completions", {})
BOTH = pytest.mark.parametrize("pair", [MESSAGES, CHAT], ids=["anthropic", "openai"])

TEXTS = st.sampled_from(
    ["Q", "QZ", MAIL.text, MAIL.text[:7], MAIL.text[7:], "\\", '{"a":"', "plain", "\ud83d", "", "q"]
)
ODD = st.none() | st.integers(-2, 2) | st.booleans() | TEXTS | st.lists(TEXTS, max_size=2) | st.just({"type": "odd"})
FIELDS = st.dictionaries(
    st.sampled_from(["type", "text", "partial_json", "thinking", "citation", "name", "input", "content", "refusal"])
    | st.sampled_from(["arguments", "index", "id", "function", "tool_calls", "function_call", "finish_reason"]),
    TEXTS | ODD | st.sampled_from(["text_delta", "input_json_delta", "citations_delta", "tool_use", "text", "stop"]),
    max_size=5,
)
CALLS = st.lists(st.fixed_dictionaries({}, optional={"index": ODD, "id": ODD, "function": FIELDS, "custom": FIELDS}))
EVENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["content_block_start", "content_block_delta", "content_block_stop", "message_stop", "error"]
        )
    },
    optional={
        "index": st.integers(0, 2) | ODD,
        "delta": FIELDS | ODD,
        "content_block": FIELDS | ODD,
        "error": ODD,
        "choices": ODD
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": st.integers(0, 2) | ODD,
                    "delta": FIELDS | st.fixed_dictionaries({"tool_calls": CALLS}) | ODD,
                    "finish_reason": st.sampled_from(["stop", None]) | ODD,
                },
            ),
            max_size=2,
        ),
    },
)


def written(event: object) -> bytes:
    """Write one event; a lone surrogate goes as an escape."""
    return b"data: " + json.dumps(event).encode() + b"\n\n"


@BOTH
@given(events=st.lists(EVENTS, max_size=8), places=CUTS)
def test_events_of_any_shape_are_carried_and_cuts_do_not_matter(pair, events, places):
    """A server may send what it likes: nothing is raised, and no event is lost."""
    wire, route = pair
    data = b"".join(map(written, events))
    out = carried(wire.stream(route, "text/event-stream", homeward()), [data])
    assert out.count(b"\n\n") >= len(events)
    assert carried(wire.stream(route, "text/event-stream", homeward()), cut(data, places)) == out


@BOTH
@given(
    data=st.binary(max_size=200)
    | st.lists(st.sampled_from([b"data: ", b"\r", b"\n", b"{", b'Q"', b"\\u00"])).map(b"".join)
)
def test_any_bytes_pass(pair, data):
    """What is no event of the format passes as it came, also torn at its end."""
    wire, route = pair
    assert carried(wire.stream(route, "text/event-stream", homeward()), [data]) == data
    assert (
        carried(wire.stream(route, "text/event-stream", homeward()), [data[at : at + 1] for at in range(len(data))])
        == data
    )


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1/completions"])
def test_line_ends_in_a_row_end(path):
    """Whatever follows a blank line, also where every event is read: an endless loop would hold up the worker."""
    wire, route = registry.resolve("POST", path, {})
    for count in range(2, 9):
        data = b"event: message_x\ndata: {}" + b"\n" * count + b"data: "
        way = homeward(scanner=StreamScanner(lambda _text: ()))
        assert carried(wire.stream(route, "text/event-stream", way), [data]) == data


class Lagging:
    """A channel that always keeps the last character, whatever it is."""

    def __init__(self):
        self.kept = ""

    @property
    def holding(self):
        """Whether it has one."""
        return bool(self.kept)

    def feed(self, text):
        """Give all but the last."""
        text = self.kept + text
        self.kept = text[-1:]
        return text[:-1]

    def flush(self):
        """Give the last."""
        text, self.kept = self.kept, ""
        return text


class LaggingHome(Homeward):
    """A way home with such channels."""

    def text(self):
        """Give one."""
        return Lagging()

    def tool(self, name, *, free=False):
        """Give one."""
        return Lagging()


def test_a_channel_that_keeps_what_nobody_expects_loses_nothing():
    """A run of events is fed at once; if the channel doesn't give it all back, the text is still whole."""
    wire, route = MESSAGES
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "T", "input": {}}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}}
        for text in ("ab", "cd", "ef")
    ]
    data = b"".join(map(written, [start, *deltas, {"type": "content_block_stop", "index": 0}]))
    codec = wire.stream(route, "text/event-stream", LaggingHome(ISSUED, lambda _surrogate, _sink: True))
    assert joined(codec.feed(data[: data.index(b"ef") - 9]) + codec.feed(data[data.index(b"ef") - 9 :])) == "abcdef"
    codec = wire.stream(route, "text/event-stream", LaggingHome(ISSUED, lambda _surrogate, _sink: True))
    two = b"".join(map(written, [start, *deltas[:2]]))
    assert joined(codec.feed(two)) == "abc"
    assert joined(codec.finish()) == "d"


def joined(out: bytes) -> str:
    """Put the arguments together."""
    return "".join(event.get("delta", {}).get("partial_json", "") for event in read(out))


def test_a_run_of_arguments_is_fed_at_once():
    """Many events of one call cost one feed, and pass as the very same bytes."""
    fed = []

    class Watched(Homeward):
        def tool(self, name, *, free=False):
            channel = super().tool(name, free=free)
            feed = channel.feed

            class Watching:
                holding = False

                def feed(self, text):
                    fed.append(text)
                    return feed(text)

                flush = channel.flush

            return Watching()

    wire, route = CHAT
    call = {"index": 0, "id": "call_1", "function": {"name": "Write", "arguments": ""}}
    parts = [{"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}]
    parts += [
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}}]}
        for text in ('{"content":"', "one ", "two ", "three")
    ]
    data = b"".join(map(written, parts))
    codec = wire.stream(route, "text/event-stream", Watched(ISSUED, lambda _surrogate, _sink: True))
    assert codec.feed(data) == data
    assert fed == ['{"content":"one two three']


@BOTH
def test_deep_nesting_in_an_event_is_no_trap(pair):
    """It passes as it came."""
    wire, route = pair
    data = b'data: {"delta":' + b"[" * 100_000 + b'"Q"' + b"]" * 100_000 + b',"type":"content_block_delta"}\n\n'
    assert carried(wire.stream(route, "text/event-stream", homeward()), [data]) == data
