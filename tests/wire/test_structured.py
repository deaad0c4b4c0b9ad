"""A streamed answer that is a JSON document stays one, whatever is restored in it, also when nothing is scanned."""

import json

import pytest

from poundlock.wire import registry
from tests.wire.home import HARD, MAIL, careful, carried, every_way, read, sse

TEXT = json.dumps({"mail": MAIL.text, "note": "q" * 40, "password": HARD.text, "more": [HARD.text, "end"]})
EXPECTED = {"mail": MAIL.value, "note": "q" * 40, "password": HARD.value, "more": [HARD.value, "end"]}


def anthropic(pieces):
    """Give the events of a text in pieces, and how to read the text again."""
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in pieces
    ]
    return sse(start, *deltas, {"type": "content_block_stop", "index": 0}, named=True)


def openai(pieces):
    """Give the events of a text in pieces."""
    chunks = [{"id": "c", "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    return sse(*chunks, {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]")


def text_of(name, out):
    """Give the text that a client puts together from the events."""
    found = [event for event in read(out) if isinstance(event, dict)]
    if name == "anthropic":
        return "".join(event.get("delta", {}).get("text", "") for event in found)
    return "".join(choice["delta"].get("content") or "" for event in found for choice in event["choices"])


@pytest.mark.parametrize("size", [1, 7, 30, 1000])
@pytest.mark.parametrize(("name", "path"), [("anthropic", "/v1/messages"), ("openai", "/v1/chat/completions")])
def test_a_structured_answer_stays_json(name, path, size):
    """A value with quotes and line ends comes home escaped, at every cut of the text and of the stream."""
    pieces = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    stream = {"anthropic": anthropic, "openai": openai}[name](pieces)
    wire, route = registry.resolve("POST", path, {}, name)

    def codec():
        return wire.stream(route, "text/event-stream", careful())

    out = every_way(codec, stream) if size == 30 else carried(codec(), [stream])
    assert json.loads(text_of(name, out)) == EXPECTED
