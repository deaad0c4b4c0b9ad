"""The mock provider itself: its cuts lose nothing, its log is ahead of its answers, its faults are real ones."""

from __future__ import annotations

import base64
import gzip
import json
import time
import urllib.error
import urllib.request
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Any

import pytest

from tests.provider import cuts, figures, journal, script
from tests.provider.running import Running, provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMPACT: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":")}
_TEXT = 'a "quoted"\\ wörd — 你好 🔒\n\tend'


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[Running]:
    """Run a mock provider that has one thing to say."""
    with provider(tmp_path, {"turns": [{"blocks": [{"text": _TEXT}]}]}) as running:
        yield running


def _post(url: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> bytes:
    data = json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return bytes(answer.read())


def _asks(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hé"}], **more}


@pytest.mark.parametrize(
    "cut",
    ["whole", "characters", {"every": 3}, {"random": 4, "most": 5}, {"inside": ["quoted", "你好", "absent"]}],
)
def test_deltas_join_to_the_text(cut: Any) -> None:
    """However a text is cut, its pieces are not empty and joined they are the text."""
    pieces = cuts.deltas(_TEXT, cut)
    assert "".join(pieces) == _TEXT
    assert all(pieces)


def test_inside_cuts_every_symbol_of_a_text() -> None:
    """The cut "inside" lets no two symbols of the named text share a piece, and leaves the rest whole."""
    assert cuts.deltas("xxabcyy", {"inside": ["abc"]}) == ["xx", "a", "b", "c", "yy"]


@pytest.mark.parametrize("cut", ["events", "whole", "bytes", {"every": 7}, {"random": 1, "most": 9}])
def test_writes_join_to_the_stream(cut: Any) -> None:
    """However a stream is cut into writes, joined they are the stream."""
    events = ["data: ü\n\n".encode(), b"data: 2\n\n"]
    assert b"".join(cuts.writes(events, cut)) == b"".join(events)


@pytest.mark.parametrize(
    "wrong",
    [{"turns": []}, {"turns": [{"block": []}]}, {"turns": [{"blocks": [{"txt": "a"}]}]}, {"turn": [], "turns": [{}]}],
)
def test_a_misspelt_script_is_refused(wrong: dict[str, Any]) -> None:
    """A script with a key that nobody reads is an error, not a script that does less."""
    with pytest.raises(ValueError, match=r"unknown keys|at least one turn"):
        script.parse(json.dumps(wrong))


def test_templates_copy_out_of_the_request() -> None:
    """A template takes the newest match of its pattern, and says so when there is none."""
    raw = {
        "copy": {"key": {"pattern": r"K=(\w+)"}, "none": {"pattern": "absent"}},
        "turns": [{"blocks": [{"tool": "T", "input": {"{{key}}": ["{{key}} {{none}} {{other}}"]}}]}],
    }
    asked = script.Ask("/", {"messages": [{"role": "user", "content": [{"text": "K=one K=two"}]}]})
    turn = script.parse(json.dumps(raw)).answer(asked)
    assert turn["blocks"][0]["input"] == {"{{key}}": ["two MISSING(none) {{other}}"]}


def test_prompt_cache_ignores_breakpoints_and_notations() -> None:
    """A prompt that goes on from another holds all of it, whichever way the clients wrote a lone text."""
    cache = figures.PromptCache()
    block = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    first, _ = cache.look_up({"messages": [{"role": "user", "content": [block]}]})
    more = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert cache.look_up({"messages": more})[1] >= first
    changed = [{"role": "user", "content": "other"}, *more[1:]]
    assert cache.look_up({"messages": changed})[1] < first


@pytest.mark.parametrize(("path", "end"), [("/v1/messages", "message_stop"), ("/v1/chat/completions", "[DONE]")])
def test_streams_carry_the_text_at_every_cut(mock: Running, path: str, end: str) -> None:
    """A stream's deltas joined are the scripted text, byte by byte on the wire and in one piece."""
    for wire in ("bytes", "whole"):
        mock.play({"turns": [{"blocks": [{"text": _TEXT}], "cut": "characters", "wire": wire, "pings": 3}]})
        lines = _post(mock.url + path, _asks(stream=True)).decode().split("\n")
        data = [line[6:] for line in lines if line.startswith("data: ")]
        events = [json.loads(line) for line in data if line != "[DONE]"]
        texts = [event["delta"].get("text", "") for event in events if event.get("type") == "content_block_delta"]
        texts += [choice["delta"].get("content") or "" for event in events for choice in event.get("choices", [])]
        assert "".join(texts) == _TEXT
        assert end in data[-1]


def test_the_log_has_the_request_as_it_came(mock: Running) -> None:
    """The log holds the compressed bytes that came, with the headers in order and the query."""
    packed = gzip.compress(json.dumps(_asks()).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip", "x-Marker": "é"}
    asked = urllib.request.Request(f"{mock.url}/v1/messages?beta=true", packed, headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert json.loads(answer.read())["content"] == [{"type": "text", "text": _TEXT}]
    seen = mock.requests()[-1]
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/messages?beta=true", packed)
    assert seen.header("content-encoding") == "gzip"
    assert seen.answer["end"] == "complete"


def test_the_log_line_is_there_before_the_answer_begins(mock: Running) -> None:
    """While the first byte of an answer is held back, its request is in the log already."""
    mock.play({"turns": [{"first_delay": 30}]})
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(
            urllib.request.Request(f"{mock.url}/v1/messages", json.dumps(_asks()).encode()), timeout=0.5
        )
    assert json.loads(mock.requests()[0].body) == _asks()


def test_a_client_that_leaves_is_noticed(mock: Running) -> None:
    """The log says that the client went while the answer was under way."""
    mock.play({"turns": [{"blocks": [{"text": "x"}], "endless": {"how": "no_newline"}}]})
    asked = urllib.request.Request(f"{mock.url}/v1/messages", json.dumps(_asks(stream=True)).encode())
    with urllib.request.urlopen(asked, timeout=10) as answer:
        piece = answer.read(100_000)
    assert b"\n" not in piece[-50_000:]
    limit = time.monotonic() + 10
    while "end" not in mock.requests()[0].answer and time.monotonic() < limit:
        time.sleep(0.02)
    assert mock.requests()[0].answer["end"] == "client gone"


def test_a_scripted_drop_breaks_the_stream(mock: Running) -> None:
    """A dropped answer ends within an event, and its end is an error, not an end of file."""
    mock.play({"turns": [{"blocks": [{"text": _TEXT}], "cut": "characters", "drop": {"events": 6, "bytes": 21}}]})
    with pytest.raises((IncompleteRead, ConnectionError)) as caught:
        _post(f"{mock.url}/v1/messages", _asks(stream=True))
    if isinstance(caught.value, IncompleteRead):
        assert caught.value.partial.count(b"\n\n") == 6
    assert mock.requests()[0].answer["end"] == "dropped"


def _responses(mock: Running, **more: Any) -> bytes:
    return _post(f"{mock.url}/v1/responses", {"model": "m", "input": "hé", **more})


def test_the_responses_api_numbers_its_events_and_says_each_text_as_often_as_the_real_one(mock: Running) -> None:
    """Numbers without gaps, and the same text in deltas, `.done`, part, item and final response."""
    call = {"tool": "read", "input": {"path": _TEXT}}
    mock.play({"turns": [{"blocks": [{"thinking": _TEXT}, {"text": _TEXT}, call], "cut": {"every": 2}}]})
    data = _responses(mock, stream=True).decode()
    events = [json.loads(line.removeprefix("data: ")) for line in data.split("\n") if line.startswith("data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [line[7:] for line in data.split("\n") if line.startswith("event: ")] == [e["type"] for e in events]
    for stem, member in (
        ("output_text", "text"),
        ("reasoning_summary_text", "text"),
        ("function_call_arguments", "arguments"),
    ):
        joined = "".join(event["delta"] for event in events if event["type"] == f"response.{stem}.delta")
        (done,) = [event for event in events if event["type"] == f"response.{stem}.done"]
        assert joined == done[member] == (_TEXT if member == "text" else json.dumps({"path": _TEXT}, **_COMPACT))
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call"]
    assert events[-1]["response"]["output"] == items


def test_the_responses_api_keeps_answers(mock: Running) -> None:
    """They can be fetched, and followed up; what is not stored can't."""
    mock.play({"turns": [{"blocks": [{"text": "one"}]}, {"blocks": [{"text": "two"}]}]})
    first = json.loads(_responses(mock))
    with urllib.request.urlopen(f"{mock.url}/v1/responses/{first['id']}", timeout=10) as answer:
        assert json.load(answer)["output"] == first["output"]
    second = json.loads(_responses(mock, previous_response_id=first["id"], store=False))
    assert second["output"][0]["content"][0]["text"] == "two"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _responses(mock, previous_response_id=second["id"])


def test_errors_have_their_vendors_shape(mock: Running) -> None:
    """A scripted error comes with its status, headers and shape, as often as it is wanted."""
    error = {"status": 429, "message": "slow down", "headers": {"retry-after": "7", "x-should-retry": "true"}}
    turns = [{"blocks": [{"text": "fine"}]}]
    mock.play({"rules": [{"times": 1, "error": error}], "turns": turns})
    with pytest.raises(urllib.error.HTTPError) as caught:
        _post(f"{mock.url}/v1/messages", _asks())
    with caught.value as fault:
        assert (fault.code, fault.headers["retry-after"], fault.headers["x-should-retry"]) == (429, "7", "true")
        assert json.loads(fault.read())["error"] == {"type": "rate_limit_error", "message": "slow down"}
    assert b"fine" in _post(f"{mock.url}/v1/messages", _asks())


def test_compressed_answers(mock: Running) -> None:
    """An answer is compressed when the script says so and the client can read it."""
    mock.play({"turns": [{"blocks": [{"text": _TEXT}], "compress": "gzip"}]})
    packed = _post(f"{mock.url}/v1/messages", _asks(stream=True), {"accept-encoding": "gzip, br"})
    assert b"message_stop" in gzip.decompress(packed)
    assert b"message_stop" in _post(f"{mock.url}/v1/messages", _asks(stream=True))


def test_raw_replies(mock: Running) -> None:
    """A scripted reply is sent as it is, whatever bytes it holds."""
    reply = {"headers": {"content-type": "text/event-stream"}, "base64": base64.b64encode(b"data: \xff\xfe\n").decode()}
    mock.play({"turns": [{"reply": reply}]})
    assert _post(f"{mock.url}/v1/messages", _asks(stream=True)) == b"data: \xff\xfe\n"


def test_the_log_survives_a_restart(tmp_path: Path) -> None:
    """A second run on the same log goes on counting, and a torn last line is left out."""
    for _ in range(2):
        with provider(tmp_path, {"turns": [{}]}) as running:
            _post(f"{running.url}/v1/messages", _asks())
    with running.log.open("ab") as log:
        log.write(b'{"kind": "request", "num')
    assert [seen.number for seen in journal.read(running.log)] == [1, 2]
