"""Message batches: every request in a body is read, and every line of the results restored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from poundlock.core.errors import UpstreamFault
from poundlock.wire import registry
from poundlock.wire.anthropic.batches import ResultsCodec, told
from tests.wire.home import CUTS, HARD, MAIL, by_text, carried, cut, every_way, homeward, index_of


def decoded(tree: Any) -> Any:
    """Decode the body of a new batch."""
    wire, route = registry.resolve("POST", "/v1/messages/batches", {})
    return wire.decode_request(route, json.dumps(tree).encode(), {})


def row(name: str, text: str, **more: Any) -> dict[str, Any]:
    """Give a request of a batch."""
    params = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": name, "params": params}


BATCH = {"requests": [row("a-long-name-of-one", "First."), row("b", "Second.", system="Be kind.")]}


def test_every_request_is_read() -> None:
    """The texts of all requests are segments, each with its place; a name that could be anything is one, too."""
    document = decoded(BATCH).document

    assert [segment.text for segment in document.segments] == [
        "First.",
        "a-long-name-of-one",
        "Be kind.",
        "Second.",
        "b",
    ]
    assert by_text(document, "Second.").path == ("requests", 1, "params", "messages", 0, "content")
    assert by_text(document, "Second.").origin == "typed"
    assert (document.stored, document.model) == (True, "claude-sonnet-4-6")


def test_what_is_written_is_what_was_read() -> None:
    """A change stands where it belongs, and nothing else is changed."""
    body = decoded(BATCH)

    changed = json.loads(body.encode({index_of(body.document, "Second."): "Other."}))

    assert json.loads(body.encode({})) == BATCH
    assert changed["requests"][1]["params"]["messages"] == [{"role": "user", "content": "Other."}]
    assert changed["requests"][0] == BATCH["requests"][0]


@pytest.mark.parametrize(
    "tree",
    [
        {"requests": "words of somebody"},
        {"requests": ["words of somebody"]},
        {"requests": [{"params": "words of somebody"}]},
        {"more": "words of somebody"},
    ],
)
def test_no_shape_hides_a_text(tree: dict[str, Any]) -> None:
    """Where something else stands than a request, its texts are segments all the same."""
    assert "words of somebody" in [segment.text for segment in decoded(tree).document.segments]


def test_what_runs_at_the_providers_is_told() -> None:
    """A server in any of the requests counts for the whole."""
    servers = [{"type": "url", "url": "https://mcp.example/sse", "name": "n"}]

    assert decoded({"requests": [row("a", "t"), row("b", "t", mcp_servers=servers)]}).document.hosted == (
        "mcp:mcp.example",
    )


def line(name: str, *blocks: dict[str, Any]) -> bytes:
    """Write a line of results."""
    result = {"type": "succeeded", "message": {"role": "assistant", "content": list(blocks)}}
    return json.dumps({"custom_id": name, "result": result}).encode() + b"\n"


LINES = b"".join(
    [
        line(MAIL.text, {"type": "text", "text": f"It is {HARD.text}."}),
        line("b", {"type": "tool_use", "id": "t", "name": "Write", "input": {"to": MAIL.text}}),
        json.dumps({"custom_id": "c", "result": {"type": "errored", "error": {"message": "no"}}}).encode() + b"\n",
        line("d", {"type": "text", "text": "Nothing."}),
    ]
)


@given(CUTS)
def test_results_are_restored(places: list[int]) -> None:
    """Each line's message and name are restored, however the bytes are cut; other lines stay the same bytes."""
    home = carried(ResultsCodec(homeward()), cut(LINES, places))

    rows = [json.loads(each) for each in home.splitlines()]
    assert rows[0]["custom_id"] == MAIL.value
    assert rows[0]["result"]["message"]["content"][0]["text"] == f"It is {HARD.value}."
    assert rows[1]["result"]["message"]["content"][0]["input"] == {"to": MAIL.value}
    assert home.endswith(b"".join(LINES.splitlines(keepends=True)[2:]))


def test_bytes_may_come_in_any_pieces() -> None:
    """Whole, byte by byte and in halves the same comes out, with or without an end of the last line."""
    assert every_way(lambda: ResultsCodec(homeward()), LINES).count(b"\n") == 4
    assert every_way(lambda: ResultsCodec(homeward()), LINES.rstrip(b"\n")).count(b"\n") == 3


def test_the_results_stand_at_a_path() -> None:
    """The address of the results becomes a path, so that they come through the gateway; the batch's id is kept."""
    way = homeward()
    url = "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
    batch = {"id": "msgbatch_1", "type": "message_batch", "results_url": url}

    assert json.loads(told(json.dumps(batch).encode(), way))["results_url"] == "/v1/messages/batches/msgbatch_1/results"
    assert way.answer == "msgbatch_1"
    with pytest.raises(UpstreamFault):
        told(b"<html>", way)
