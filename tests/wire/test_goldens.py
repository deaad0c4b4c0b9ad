"""Recorded traffic of real clients goes through unchanged, and what stands in it is known for what it is."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from poundlock.wire import registry
from tests.wire.home import MAIL, carried, every_way, homeward, read

GOLDENS = Path(__file__).parent / "goldens"
METAS = sorted(GOLDENS.glob("*/*.meta.json"))
PROVIDERS = {"anthropic": "anthropic", "openai_chat": "openai", "openai_responses": "openai"}
PROVIDERS |= {"gemini": "gemini", "ollama": "ollama"}
# Where a text begins in a recorded stream, in the formats that have no field for it alone.
TEXTS = (
    re.compile(rb'"type":"response\.output_text\.delta"[^\n]*?"delta":"'),
    re.compile(rb'"parts": \[\{"text": "(?=[^"]+"\}\])'),
    re.compile(rb'"(?:response|content)":"(?=[^"]+"[^\n]*"done":false)'),
)


def of(kind: str) -> list[Any]:
    """Give the cases that have a file of this kind."""
    found = [(meta, Path(str(meta).replace(".meta.json", kind))) for meta in METAS]
    return [pytest.param(meta, file, id=f"{meta.parent.name}/{file.name}") for meta, file in found if file.exists()]


def resolved(meta: Path) -> tuple[Any, Any, dict[str, str]]:
    """Find the route of a case from its own path and headers."""
    told = json.loads(meta.read_text())
    headers = {name.lower(): value for name, value in told["request_headers"]}
    wire, route = registry.resolve(told["method"], told["path"].partition("?")[0], headers)
    assert wire.provider == PROVIDERS[meta.parent.name]
    return wire, route, headers


def test_there_are_goldens_of_every_format():
    """A missing folder would make the other tests pass over nothing."""
    assert len(of(".request.json")) > 40
    assert len(of(".response.sse")) > 20
    assert {meta.parent.name for meta in METAS} == set(PROVIDERS)


@pytest.mark.parametrize(("meta", "file"), of(".request.json"))
def test_a_recorded_request_is_sent_as_it_came(meta, file):
    """Compact bodies keep their bytes; all keep their value, and every long text is a segment."""
    wire, route, headers = resolved(meta)
    data = file.read_bytes()
    body = wire.decode_request(route, data, headers)
    sent = body.encode({})
    if b'": ' not in data and b"\\u" not in data:
        assert sent == data.rstrip(b"\n")
    assert json.loads(sent) == json.loads(data)
    assert body.document.notes == ()
    shown = {segment.text for segment in body.document.segments}
    assert {text for text in texts(json.loads(data)) if " " in text} <= shown


@pytest.mark.parametrize(("meta", "file"), of(".request.json"))
def test_in_a_recorded_request_every_segment_has_its_place(meta, file):
    """Replaced one by one, each changes what its path leads to and nothing else."""
    wire, route, headers = resolved(meta)
    data = file.read_bytes()
    body = wire.decode_request(route, data, headers)
    tree = json.loads(data)
    for index, segment in list(enumerate(body.document.segments))[:: max(1, len(body.document.segments) // 40)]:
        if segment.opaque:
            continue
        holder: Any = tree
        for step in segment.path[:-1]:
            holder = holder[step]
        sent = json.loads(body.encode({index: "REPLACED"}))
        there: Any = sent
        for step in segment.path[:-1]:
            there = there[step]
        if segment.text == segment.path[-1] and holder[segment.path[-1]] != segment.text:
            assert "REPLACED" in there
        else:
            # A long number is a segment, too.
            assert str(holder[segment.path[-1]]) == segment.text
            assert there[segment.path[-1]] == "REPLACED"
    assert json.loads(body.encode({})) == tree


def texts(tree: object) -> list[str]:
    """Give every string of a tree."""
    if isinstance(tree, str):
        return [tree]
    items = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [text for item in items for text in texts(item)]


def assembled(out: bytes) -> tuple[dict[Any, str], list[Any]]:
    """Put an answer together as a client does: its texts and arguments by place, and everything else in order."""
    found: dict[Any, str] = defaultdict(str)
    rest: list[Any] = []
    for event in read(out) or [json.loads(line) for line in out.decode().splitlines()]:
        if isinstance(event, str):
            rest.append(event)
        elif "candidates" in event:
            for candidate in event["candidates"]:
                for part in candidate["content"]["parts"]:
                    if set(part) == {"text"}:
                        found[candidate["index"], "text"] += part["text"]
                    else:
                        rest.append(part)
                rest += [candidate["finishReason"]] if "finishReason" in candidate else []
        elif "done" in event:
            said = event.get("message", event)
            found["text"] += said.get("content", "") + said.get("response", "")
            rest += [said[name] for name in ("thinking", "tool_calls", "context") if name in said]
            rest += [event["done_reason"]] if event["done"] else []
        elif event.get("type") == "content_block_delta" and event["delta"]["type"] in {
            "text_delta",
            "input_json_delta",
        }:
            found[event["index"]] += event["delta"].get("text", "") + event["delta"].get("partial_json", "")
        elif event.get("type", "").startswith("response.") and "delta" in event:
            # Every event stays; only what each adds to its text may move on.
            found[event["output_index"], event["type"]] += event["delta"]
            rest.append({name: value for name, value in event.items() if name != "delta"})
        elif event.get("choices"):
            for choice in event["choices"]:
                found[choice["index"], "content"] += choice["delta"].get("content") or ""
                for call in choice["delta"].get("tool_calls", []):
                    found[choice["index"], call["index"]] += call["function"].get("arguments") or ""
                    rest += [call["function"]["name"]] if "name" in call["function"] else []
                rest += [choice["finish_reason"]] if choice["finish_reason"] else []
        else:
            rest.append(event)
    return found, rest


@pytest.mark.parametrize(("meta", "file"), [*of(".response.sse"), *of(".response.ndjson")])
def test_a_recorded_stream_passes_as_the_same_bytes(meta, file):
    """However it is cut, with a way home that has something to restore.

    Only where a delta ends with a `Q`, or within an escape of a tool's arguments (it may become one), that character
    moves on to the next delta.
    """
    wire, route, _ = resolved(meta)
    told = json.loads(meta.read_text())
    kind = next(value for name, value in told["response_headers"] if name.lower() == "content-type")
    data = file.read_bytes()
    if told["status"] != 200:
        pytest.fail("a stream was recorded for an error")
    whole = carried(wire.stream(route, kind, homeward()), [data])
    if not re.search(rb'[qQ][zZ]?"|\\\\"', data):
        assert whole == data
    assert assembled(whole) == assembled(data)
    assert carried(wire.stream(route, kind, homeward()), [data[at : at + 1] for at in range(len(data))]) == whole


@pytest.mark.parametrize(("meta", "file"), [*of(".response.sse"), *of(".response.ndjson")])
def test_a_surrogate_in_a_recorded_stream_comes_home(meta, file):
    """A surrogate that is put into a recorded answer's text is restored there, and all else is the same value."""
    wire, route, _ = resolved(meta)
    data = file.read_bytes()
    marks = (b'"text_delta","text":"', b'"content":"')
    mark = next((mark for mark in marks if data.count(mark) > (mark == marks[1])), None)
    streamed = next(filter(None, (pattern.search(data) for pattern in TEXTS)), None)
    if mark is None and streamed is None:
        assert b"tool" in data or b"functionCall" in data
        return
    at = streamed.end() if streamed else data.index(mark, data.index(mark) + 1 if mark == marks[1] else 0) + len(mark)
    planted = data[:at] + MAIL.text.encode() + data[at:]
    told = json.loads(meta.read_text())
    kind = next(value for name, value in told["response_headers"] if name.lower() == "content-type")
    out = every_way(lambda: wire.stream(route, kind, homeward()), planted)
    expected = data[:at] + MAIL.value.encode() + data[at:]
    assert assembled(out) == assembled(expected)


@pytest.mark.parametrize(("meta", "file"), of(".response.json"))
def test_a_recorded_answer_passes_as_the_same_bytes(meta, file):
    """Whole answers, errors too."""
    wire, route, _ = resolved(meta)
    data = file.read_bytes()
    assert wire.encode_answer(route, data, homeward()) == data
