"""Streamed answers of Amazon Bedrock on their way home: whole, byte by byte and cut anywhere; broken frames."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.errors import UpstreamFault
from poundlock.wire.anthropic import Anthropic
from poundlock.wire.bedrock import FRAMES, Bedrock
from tests.provider.bedrock import message, read
from tests.wire.home import CUTS, HARD, MAIL, carried, cut, every_way, homeward

if TYPE_CHECKING:
    from poundlock.core.model import Sink, Surrogate
    from poundlock.core.stream import Homeward
    from poundlock.wire.base import Route, StreamCodec

WIRE = Bedrock(Anthropic())
TOLD = f"Ask {MAIL.text}, with {HARD.text}."
TRUE = f"Ask {MAIL.value}, with {HARD.value}."
CALL = json.dumps({"to": MAIL.text, "with": HARD.text})


def route(operation: str) -> Route:
    """Give a route of the table."""
    return next(each for each in WIRE.routes if each.operation == operation)


def codec(operation: str, way: Homeward | None = None) -> StreamCodec:
    """Give a codec for an answer in which the fixture's surrogates may stand."""
    return WIRE.stream(route(operation), FRAMES, way or homeward())


def say(name: str, **payload: Any) -> bytes:
    """Write a message of Converse."""
    return message(name, json.dumps(payload).encode())


def converse(text: list[str], arguments: list[str], tool: str = "Write") -> bytes:
    """Give an answer with a text, a thought and a call, in these deltas."""
    thought = {"reasoningContent": {"text": f"Hm, {MAIL.text}."}}
    call = {"toolUseId": "tooluse_1", "name": tool}
    return b"".join(
        [
            say("messageStart", role="assistant", p="abc"),
            *(say("contentBlockDelta", contentBlockIndex=0, delta={"text": piece}, p="ab") for piece in text),
            say("contentBlockStop", contentBlockIndex=0),
            say("contentBlockDelta", contentBlockIndex=1, delta=thought),
            say("contentBlockStop", contentBlockIndex=1),
            say("contentBlockStart", contentBlockIndex=2, start={"toolUse": call}),
            *(
                say("contentBlockDelta", contentBlockIndex=2, delta={"toolUse": {"input": piece}})
                for piece in arguments
            ),
            say("contentBlockStop", contentBlockIndex=2),
            say("messageStop", stopReason="tool_use"),
            say("metadata", usage={"inputTokens": 1}, metrics={"latencyMs": 2}),
        ]
    )


def invoked(text: list[str]) -> bytes:
    """Give an answer in the format of Anthropic's models, its text in these deltas."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in text
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}},
    ]
    return b"".join(
        say("chunk", bytes=base64.b64encode(json.dumps(event).encode()).decode(), p="abcd") for event in events
    )


def texts(stream: bytes) -> dict[int, str]:
    """Give what each block of a Converse stream says: text, thought or arguments."""
    out: dict[int, str] = {}
    for name, payload in read(stream):
        if name == "contentBlockDelta":
            delta = payload["delta"]
            piece = delta.get("text") or delta.get("toolUse", {}).get("input", "")
            piece = piece or delta.get("reasoningContent", {}).get("text", "")
            out[payload["contentBlockIndex"]] = out.get(payload["contentBlockIndex"], "") + piece
    return out


def pieces(text: str, places: list[int]) -> list[str]:
    """Cut a text."""
    return [part.decode() for part in cut(text.encode(), places)]


@given(CUTS, CUTS, CUTS)
def test_converse_is_restored(at: list[int], within: list[int], wire: list[int]) -> None:
    """Text and arguments are restored wherever deltas and bytes are cut; a thought stays as it is."""
    stream = converse(pieces(TOLD, at), pieces(CALL, within))

    home = b"".join([carried(codec("converse-stream"), cut(stream, wire))])

    said = texts(home)
    assert said[0] == TRUE
    assert said[1] == f"Hm, {MAIL.text}."
    assert json.loads(said[2]) == {"to": MAIL.value, "with": HARD.value}
    names = [name for name, _ in read(home)]
    assert [name for name in names if name != "contentBlockDelta"] == [
        name for name, _ in read(stream) if name != "contentBlockDelta"
    ]


@given(CUTS, CUTS)
def test_a_models_own_format_is_restored(at: list[int], wire: list[int]) -> None:
    """Within the chunks of `invoke` the events of a model's own format are restored."""
    home = carried(codec("invoke-with-response-stream"), cut(invoked(pieces(TOLD, at)), wire))

    events = [json.loads(base64.b64decode(payload["bytes"])) for _, payload in read(home)]
    assert "".join(event["delta"].get("text", "") for event in events if "delta" in event) == TRUE
    assert events[-1]["amazon-bedrock-invocationMetrics"] == {"inputTokenCount": 1}


def test_bytes_may_come_in_any_pieces() -> None:
    """Whole, byte by byte and in halves the same comes out."""
    told = converse([TOLD], [CALL])

    assert texts(every_way(lambda: codec("converse-stream"), told))[0] == TRUE


def test_what_needs_no_change_is_the_same_bytes() -> None:
    """A stream without surrogates goes on unchanged, padding included."""
    for operation, stream in (
        ("converse-stream", converse(["Hi."], ["{}"])),
        ("invoke-with-response-stream", invoked(["Hi."])),
    ):
        assert carried(codec(operation), [stream]) == stream


def test_a_remote_tool_gets_no_value() -> None:
    """What policy does not allow into a tool stays a surrogate there."""

    def nowhere(_surrogate: Surrogate, sink: Sink) -> bool:
        return sink.kind == "display"

    said = texts(carried(codec("converse-stream", homeward(nowhere)), [converse([TOLD], [CALL])]))

    assert (said[0], json.loads(said[2])) == (TRUE, json.loads(CALL))


@pytest.mark.parametrize("at", [0, 4, 8, 11, 20, -5, -1])
def test_a_broken_frame_ends_the_stream(at: int) -> None:
    """A bit that fell over is found by a checksum, and nothing of that message goes on."""
    frame = bytearray(say("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hello."}))
    frame[at] ^= 0x20

    with pytest.raises(UpstreamFault):
        codec("converse-stream").feed(bytes(frame))


@pytest.mark.parametrize(
    "stream",
    [
        message("contentBlockDelta", b"not JSON"),
        message("chunk", b'{"bytes": "!!"}'),
        message("chunk", b'{"bytes": 1}'),
        message("chunk", base64.b64encode(b"{}")),
        message("odd name", b"{}"),
    ],
)
def test_what_can_not_be_read_in_a_chunk_ends_the_stream(stream: bytes) -> None:
    """A chunk that is no event in base64 could hold anything."""
    with pytest.raises(UpstreamFault):
        codec("invoke-with-response-stream").feed(stream)


def test_a_length_past_the_limit_is_not_waited_for() -> None:
    """A message that says that it is huge is refused at its first bytes."""
    begin = struct.pack(">II", 1 << 30, 10)

    with pytest.raises(UpstreamFault):
        codec("converse-stream").feed(begin + struct.pack(">I", binascii.crc32(begin)))


def test_an_exception_ends_the_answer() -> None:
    """What was held back comes before the exception, which stays the provider's own bytes."""
    told = say("contentBlockDelta", contentBlockIndex=0, delta={"text": "It is QZ"})
    failed = message("throttlingException", b'{"message":"slow down"}', "exception")

    home = carried(codec("converse-stream"), [told + failed])

    assert home.endswith(failed)
    assert texts(home)[0] == "It is QZ"


def test_a_stream_that_broke_says_so() -> None:
    """A client is told of a broken stream by an exception of the API's own."""
    way = codec("converse-stream")
    told = way.feed(say("contentBlockDelta", contentBlockIndex=0, delta={"text": "It is QZ"}))

    names = [name for name, _ in read(told + way.broken(WIRE.broken("It broke.")))]

    assert names == ["contentBlockDelta", "contentBlockDelta", "modelStreamErrorException"]


@given(st.binary(max_size=200))
def test_noise_never_crashes(noise: bytes) -> None:
    """Whatever bytes come, they are refused or waited for."""
    way = codec("converse-stream")
    try:
        way.feed(noise)
    except UpstreamFault:
        return
    assert way.finish() == noise
