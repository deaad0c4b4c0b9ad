"""The Responses API over a WebSocket: what a client's message is, and an answer's messages on their way home."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.errors import ClientFault, UpstreamFault
from poundlock.wire.base import SocketWire
from poundlock.wire.openai_responses import OpenAIResponses
from tests.wire.home import HARD, MAIL, by_text, carried, homeward, read, sse

WIRE = OpenAIResponses()
TOLD = f"Ask {MAIL.text}, with {HARD.text}."
TRUE = f"Ask {MAIL.value}, with {HARD.value}."


def events(*pieces: str) -> list[dict[str, Any]]:
    """Give an answer's events, its text in these deltas."""
    text = "".join(pieces)
    item = {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": text}]}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    found = [
        {"type": "response.created", "response": {"id": "resp_1", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *({"type": "response.output_text.delta", **at, "delta": piece} for piece in pieces),
        {"type": "response.output_text.done", **at, "text": text},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "resp_1", "object": "response", "output": [item]}},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(found)]


def carry(sent: list[bytes]) -> list[Any]:
    """Carry messages home, and give them decoded."""
    codec = WIRE.messages(homeward())
    out = [message for each in sent for message in codec.feed(each)] + codec.finish()
    assert codec.ended
    return [json.loads(each) for each in out]


@given(st.lists(st.integers(0, len(TOLD)), max_size=8))
def test_an_answer_is_the_same_over_both(places: list[int]) -> None:
    """However the text is cut, the messages say what the events of a stream say: restored, numbered, none lost."""
    marks = [0, *sorted(places), len(TOLD)]
    told = events(*(TOLD[a:b] for a, b in itertools.pairwise(marks)))
    stream = WIRE.stream(WIRE.routes[0], "text/event-stream", homeward())

    home = carry([json.dumps(event).encode() for event in told])

    assert home == read(carried(stream, [sse(*told, named=True)]))
    assert [event["sequence_number"] for event in home] == list(range(len(told)))
    assert "".join(event["delta"] for event in home if "delta" in event) == TRUE
    assert home[-1]["response"]["output"][0]["content"][0]["text"] == TRUE


def test_line_ends_between_tokens() -> None:
    """A message that is written over several lines is read as one."""
    told = [json.dumps(event, indent=1).replace("\n", "\r\n").encode() for event in events(TOLD)]

    assert carry(told)[-1]["response"]["output"][0]["content"][0]["text"] == TRUE


def test_what_needs_no_change_stays_as_it_is() -> None:
    """A message without a surrogate goes on as the same bytes."""
    message = b'{"type": "codex.rate_limits",  "plan":"x" }'

    assert WIRE.messages(homeward()).feed(message) == [message]


@pytest.mark.parametrize("message", [b"", b"no", b"[1]", b'"text"', b'{"type":'])
def test_what_is_no_message_ends_it(message: bytes) -> None:
    """What the provider sends must be a JSON object."""
    with pytest.raises(UpstreamFault):
        WIRE.messages(homeward()).feed(message)


def test_a_cut_answer_gives_what_was_held_back() -> None:
    """When the provider is gone in the middle, the client gets the text that waited for its rest."""
    told = events("It is QZ")[:3]
    codec = WIRE.messages(homeward())
    out = [message for event in told for message in codec.feed(json.dumps(event).encode())] + codec.finish()

    assert [json.loads(each).get("delta") for each in out] == [None, None, "It is QZ"]
    assert not codec.ended


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed", "cancelled"])
def test_every_end_is_known(kind: str) -> None:
    """An answer ends in one of these ways, or with an error."""
    codec = WIRE.messages(homeward())

    codec.feed(json.dumps({"type": f"response.{kind}", "response": {}}).encode())

    assert codec.ended


def test_a_message_is_read_as_a_request() -> None:
    """All that a request over HTTP may hold is read the same way; an answer follows."""
    text = "My address is somewhere."
    sent = {"type": "response.create", "model": "gpt-5.2", "generate": False, "input": text, "store": False}

    message = WIRE.decode_message(json.dumps(sent).encode(), {"session_id": "session"})

    document = message.body.document
    assert message.answered
    assert (document.operation, document.stored, document.model) == ("responses", False, "gpt-5.2")
    assert [segment.text for segment in document.segments] == [text]
    assert json.loads(message.body.encode({0: "elsewhere"}))["input"] == "elsewhere"
    assert by_text(document, text).origin == "typed"


def test_the_acknowledgement_holds_no_text() -> None:
    """`response.processed` names an answer; nothing of it must be inspected, and no answer follows."""
    message = WIRE.decode_message(b'{"type":"response.processed","response_id":"resp_12ab"}', {})

    assert (message.answered, message.body.document.segments) == (False, ())


def test_an_odd_identifier_is_text() -> None:
    """What does not look like an answer's id is inspected like any other text."""
    message = WIRE.decode_message(b'{"type":"response.processed","response_id":"hello there, you"}', {})

    assert [segment.text for segment in message.body.document.segments] == ["hello there, you"]


@pytest.mark.parametrize("sent", [{}, {"type": None}, {"type": "session.update"}, {"type": ["response.create"]}])
def test_other_messages_are_refused(sent: dict[str, Any]) -> None:
    """A type that is not known is refused, whatever else the message holds."""
    with pytest.raises(ClientFault):
        WIRE.decode_message(json.dumps(sent).encode(), {})


def test_an_error_is_a_message() -> None:
    """A refusal has the shape in which the API tells of an error over a WebSocket."""
    told = json.loads(WIRE.refused_message(400, "No.", code="poundlock_refused"))

    assert (told["type"], told["status"]) == ("error", 400)
    assert told["error"] == {
        "type": "invalid_request_error",
        "code": "poundlock_refused",
        "message": "No.",
        "param": None,
    }
    assert isinstance(WIRE, SocketWire)
