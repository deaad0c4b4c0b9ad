"""Answers of Chat Completions on their way home, whole, byte by byte and cut anywhere."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.errors import UpstreamFault
from poundlock.core.model import Match, Sink, Surrogate
from poundlock.core.stream import Homeward, StreamScanner
from poundlock.wire.openai_chat import OpenAIChat
from tests.wire.home import CUTS, HARD, MAIL, carried, cut, every_way, homeward, read, sse

if TYPE_CHECKING:
    from poundlock.wire.base import StreamCodec

WIRE = OpenAIChat()
ROUTE = WIRE.routes[0]
USAGE = {"id": "c-1", "object": "chat.completion.chunk", "choices": [], "usage": {"total_tokens": 9}}


def codec(way: Homeward | None = None) -> StreamCodec:
    """Give a codec for an answer in which the fixture's surrogates may stand."""
    return WIRE.stream(ROUTE, "text/event-stream", way or homeward())


def chunk(delta: dict[str, Any], index: int = 0, finish: str | None = None) -> dict[str, Any]:
    """Give one event with one choice."""
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1764000000, "model": "gpt-5.1"}
    return {**head, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]}


def texts(pieces: list[str], index: int = 0, name: str = "content") -> list[dict[str, Any]]:
    """Give the events of one text."""
    return [chunk({name: piece}, index) for piece in pieces]


def call(position: int, name: str, pieces: list[str], index: int = 0) -> list[dict[str, Any]]:
    """Give the events of one tool call, as the API sends them: the name first."""
    opened = {
        "index": position,
        "id": f"call_{position}",
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    return [
        chunk({"tool_calls": [opened]}, index),
        *(chunk({"tool_calls": [{"index": position, "function": {"arguments": piece}}]}, index) for piece in pieces),
    ]


def stream(*parts: list[dict[str, Any]], end: str = "\n") -> bytes:
    """Give a whole stream of choice 0."""
    first = chunk({"role": "assistant", "content": ""})
    return sse(first, *(each for part in parts for each in part), chunk({}, finish="stop"), USAGE, "[DONE]", end=end)


def contents(out: bytes) -> dict[Any, str]:
    """Put the answer together as a client does; nothing may come for a choice that has finished."""
    found: dict[Any, str] = defaultdict(str)
    finished = set()
    events = read(out)
    for event in events[:-1] if events[-1] == "[DONE]" else events:
        for choice in event.get("choices", []):
            at, delta = choice["index"], choice["delta"]
            assert at not in finished
            for name in ("content", "refusal", "reasoning_content"):
                found[at, name] += delta.get(name) or ""
            for each in delta.get("tool_calls", []):
                found[at, each["index"]] += each.get("function", {}).get("arguments") or ""
            found[at, "function_call"] += delta.get("function_call", {}).get("arguments", "")
            if choice["finish_reason"]:
                finished.add(at)
    return {place: text for place, text in found.items() if text}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_is_restored_however_it_is_cut(end):
    """A surrogate in single characters, with every line end, at every cut of the bytes."""
    out = every_way(codec, stream(texts(list(f"to {MAIL.text}, ok")), end=end))
    assert contents(out) == {(0, "content"): "to anna@example.org, ok"}
    assert read(out)[-2:] == [USAGE, "[DONE]"]


@given(st.lists(st.integers(1, 40), max_size=12), CUTS)
def test_text_is_restored_at_every_split(sizes, places):
    """Deltas of any sizes, bytes cut anywhere: the same bytes come out, and the text is exact."""
    text = f"Q {MAIL.text} q {HARD.text.lower()}QZ_{MAIL.text}{MAIL.text.replace('_', chr(92) + '_')} QZ"
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    data = stream(texts([*pieces, text]))
    out = carried(codec(), cut(data, places))
    assert out == carried(codec(), [data])
    assert contents(out) == {(0, "content"): f"Q {MAIL.value} q {HARD.value}QZ_{MAIL.value}{MAIL.value} QZ"}


def test_trap_arguments_are_keyed_by_choice_and_index():
    """Two calls of two choices, woven together, each with its own tool's name and state."""
    asked: list[tuple[str, str]] = []

    def permit(_surrogate: Surrogate, sink: Sink) -> bool:
        asked.append((sink.kind, sink.tool))
        return True

    arguments = json.dumps({"content": f"p={HARD.text}"})
    woven = zip(
        call(0, "Write", list(arguments)),
        call(1, "Bash", list(arguments)),
        call(0, "mcp__far__send", list(arguments), index=1),
        strict=True,
    )
    data = sse(*(each for three in woven for each in three), chunk({}, 0, "tool_calls"), chunk({}, 1, "tool_calls"))
    got = contents(every_way(lambda: codec(homeward(permit)), data))
    assert json.loads(got[0, 0]) == {"content": f"p={HARD.value}"}
    assert json.loads(got[0, 1]) == {"content": f"p={HARD.value}"}
    assert got[1, 0] == arguments
    assert set(asked) == {("file", "Write"), ("command", "Bash")}


@given(sizes=st.lists(st.integers(0, 9), max_size=60), places=CUTS)
def test_arguments_are_restored_at_every_split(sizes, places):
    """Deltas of any sizes, bytes cut anywhere: the same bytes come out, and the values are exact."""
    rest = json.dumps({"a": "C:\\dir\\", "content": f"{HARD.text} q Q", "u": "\u0416"}).replace("QZ", "\\u0051Z", 1)
    pieces = []
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    data = stream(call(0, "Write", [*pieces, rest]))
    out = carried(codec(), cut(data, places))
    assert out == carried(codec(), [data])
    assert json.loads(contents(out)[0, 0]) == {"a": "C:\\dir\\", "content": f"{HARD.value} q Q", "u": "\u0416"}


def test_several_choices_hold_back_each_for_itself():
    """With n > 1, also with several choices in one event."""
    half = len(MAIL.text) // 2
    both = chunk({"content": MAIL.text[:half]})
    both["choices"].append({"index": 1, "delta": {"content": "QZ"}, "finish_reason": None})
    data = sse(both, *texts([MAIL.text], 1), *texts([MAIL.text[half:]]), chunk({}, 1, "stop"), chunk({}, 0, "stop"))
    assert contents(every_way(codec, data)) == {(0, "content"): MAIL.value, (1, "content"): "QZ" + MAIL.value}


def test_trap_reasoning_passes_as_the_same_bytes():
    """`reasoning_content` is not restored, though a surrogate stands in it."""
    data = stream(texts(["QZ", MAIL.text], name="reasoning_content"))
    assert every_way(codec, data) == data


def test_a_refusal_is_text():
    """It is shown to the reader."""
    assert contents(every_way(codec, stream(texts(list(MAIL.text), name="refusal")))) == {(0, "refusal"): MAIL.value}


def test_trap_what_is_held_is_flushed_before_finish_reason():
    """An extra event of the same head stands before it, with the choice and place that held it."""
    events = read(carried(codec(), [stream(texts(["so Q"]), call(0, "Bash", ['{"a":"QZ']))]))
    extra, finish = events[4:6], events[6]
    assert [event["choices"] for event in extra] == [
        [{"index": 0, "delta": {"content": "Q"}, "finish_reason": None}],
        [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "QZ"}}]}, "finish_reason": None}],
    ]
    assert {name: extra[0][name] for name in ("id", "object", "created", "model")} == {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": "gpt-5.1",
    }
    assert finish["choices"][0]["finish_reason"] == "stop"


def test_a_last_delta_with_its_finish_reason_holds_nothing_back():
    """Some servers send both in one event."""
    data = sse(*texts(["to Q"]), chunk({"content": f"Z{MAIL.text[2:]} Q"}, finish="stop"), "[DONE]")
    assert contents(every_way(codec, data)) == {(0, "content"): f"to {MAIL.value} Q"}
    assert len(read(carried(codec(), [data]))) == 3


@pytest.mark.parametrize("last", ["[DONE]", " [DONE] ", {"error": {"message": "overloaded"}}])
def test_trap_what_is_held_is_flushed_before_done_and_errors(last):
    """Also where no finish_reason came."""
    events = read(carried(codec(), [sse(*texts(["so QZ"]), last)]))
    assert events[-2]["choices"][0]["delta"] == {"content": "QZ"}
    assert events[-1] == last


def test_trap_the_usage_chunk_with_no_choices_passes():
    """It comes after the finish reason, as the same bytes."""
    data = sse(*texts(["Q"]), chunk({}, finish="stop"), {**USAGE, "choices": None}, USAGE, "[DONE]")
    assert read(every_way(codec, data))[-3:] == [{**USAGE, "choices": None}, USAGE, "[DONE]"]


def test_the_legacy_function_call_is_restored():
    """One call without an index."""
    arguments = json.dumps({"content": HARD.text})
    parts = [chunk({"function_call": {"name": "Write", "arguments": ""}})]
    parts += [chunk({"function_call": {"arguments": piece}}) for piece in arguments]
    got = contents(every_way(codec, stream(parts)))
    assert json.loads(got[0, "function_call"]) == {"content": HARD.value}
    held = read(carried(codec(), [sse(parts[0], chunk({"function_call": {"arguments": '{"a":"Q'}}), "[DONE]")]))
    assert held[-2]["choices"][0]["delta"] == {"function_call": {"arguments": "Q"}}


def test_a_custom_tool_s_input_is_free_text():
    """It is restored as it is: no JSON, no escapes."""
    opened = {"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "write_file", "input": ""}}
    parts = [chunk({"tool_calls": [opened]})]
    parts += [chunk({"tool_calls": [{"index": 0, "custom": {"input": piece}}]}) for piece in f"p={HARD.text}\n"]
    out = every_way(codec, stream(parts))
    inputs = [
        each["custom"]["input"]
        for event in read(out)[:-1]
        for choice in event["choices"]
        for each in choice["delta"].get("tool_calls", [])
    ]
    assert "".join(inputs) == f"p={HARD.value}\n"


def test_servers_that_leave_the_index_out_or_count_from_zero_each_time():
    """A call with another id is another call, whatever index it has."""
    arguments = json.dumps({"content": MAIL.text})
    whole = [
        chunk({"tool_calls": [{"id": name, "index": 0, "function": {"name": tool, "arguments": arguments}}]})
        for name, tool in (("a", "Write"), ("b", "mcp__far__send"))
    ]
    out = read(every_way(codec, stream(whole)))
    given = [event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for event in out[1:3]]
    assert given == [json.dumps({"content": MAIL.value}), arguments]
    for event in whole:
        del event["choices"][0]["delta"]["tool_calls"][0]["index"]
    out = read(every_way(codec, stream(whole)))
    given = [event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for event in out[1:3]]
    assert given == [json.dumps({"content": MAIL.value}), arguments]


def test_a_call_that_another_one_ends_gives_what_it_held():
    """Its remainder stands before the new call's first event."""
    first = call(0, "Write", ['{"content":"Q'])
    second = call(0, "Write", ["{}"])
    second[0]["choices"][0]["delta"]["tool_calls"][0]["id"] = "call_other"
    events = read(every_way(codec, stream(first, second)))
    assert events[3]["choices"][0]["delta"]["tool_calls"] == [{"index": 0, "function": {"arguments": "Q"}}]
    assert events[4] == second[0]


def test_a_disguised_tool_name_is_restored():
    """The client knows its tool by its own name."""
    (event,) = read(carried(codec(), [sse(call(0, f"ask_{MAIL.text}", [])[0])]))
    assert event["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == f"ask_{MAIL.value}"


def test_an_answer_without_surrogates_passes_as_the_same_bytes():
    """Odd spacing, comments, unknown fields and events that nobody knows."""
    data = (
        b": OPENROUTER PROCESSING Q\n\n"
        b'data: {"choices": [ {"index":0, "delta":{"content":"Quick qa qz."}, "x":1.50 } ], "y": "QZ_"}\n\n'
        b'data: {"choices": "odd QZ"}\n\ndata: {"choices":[5,"QZ"]}\n\ndata: QZ not json\n\n'
        b'data: {"choices":[{"index":0,"delta":null,"text":"QZ"}]}\n\ndata: {"error":null,"choices":[]}\n\n'
    ) + stream(texts(["q ", 'the "q" and q\\', " Q?"]), call(0, "Write", ['{"content":"q\\\\"', "}"]))
    assert every_way(codec, data) == data


def test_an_event_that_is_changed_keeps_its_numbers_and_fields():
    """Only the text is new."""
    data = (
        b'id: 3\ndata: {"choices":[{"index":0,"delta":{"content":"'
        + MAIL.text.encode()
        + b'"},"p":1.50}],"n":1e400}\n\n'
    )
    assert carried(codec(), [data]) == (
        b'id: 3\ndata: {"choices":[{"index":0,"delta":{"content":"anna@example.org"},"p":1.50}],"n":1e400}\n\n'
    )


def test_an_upstream_that_dies_within_a_surrogate_loses_nothing():
    """What was held comes with finish, before the torn event's bytes."""
    data = sse(*texts([MAIL.text[:9], MAIL.text[9:]]))
    torn = data[: data.index(MAIL.text[9:].encode()) + 3]
    out = carried(codec(), [torn])
    assert contents(out.rpartition(b"\n\n")[0] + b"\n\n") == {(0, "content"): MAIL.text[:9]}
    assert torn.endswith(out.rpartition(b"\n\n")[2])


def test_no_event_is_delayed_when_nothing_is_held():
    """Each event comes out with its own last byte."""
    one = codec()
    for event in [*texts(["plain", "Q", "uick"]), *call(0, "Write", ['{"a":', '"b"}'])]:
        data = sse(event)
        assert one.feed(data[:-1]) == b""
        assert one.feed(data[-1:])


def test_with_a_scanner_every_text_is_seen():
    """Content, arguments and reasoning, and the bytes stay the same."""

    def detect(text: str) -> tuple[Match, ...]:
        at = text.find("leak")
        found = Match(
            rule_id="r", family="secret", kind="k", tier="internal", start=at, end=at + 4, confidence=1.0, value="leak"
        )
        return (found,) if at >= 0 else ()

    data = stream(
        texts(["a le", "ak"]), texts(["b le", "ak"], name="reasoning_content"), call(0, "T", ['{"c":"l', 'eak"}'])
    )
    scanner = StreamScanner(detect)
    assert carried(codec(Homeward({}, lambda _surrogate, _sink: True, scanner)), [data]) == data
    assert scanner.counts == Counter({"r": 3})


def test_an_idle_way_home_is_not_read():
    """Nothing issued, nothing scanned: bytes pass in the moment that they come."""
    one = codec(Homeward({}, lambda _surrogate, _sink: False))
    assert one.feed(b"data: {half") == b"data: {half"
    assert one.finish() == b""


WHOLE = {
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": f"to {MAIL.text}",
                "refusal": MAIL.text,
                "reasoning_content": MAIL.text,
                "tool_calls": [
                    {"id": "c", "function": {"name": "Write", "arguments": json.dumps({"content": HARD.text})}},
                    {"id": "d", "function": {"name": "mcp__far__send", "arguments": json.dumps({"a": MAIL.text})}},
                    {"id": "e", "custom": {"name": "write_file", "input": HARD.text}},
                    {"id": "f", "function": {"name": "Write", "arguments": {"content": MAIL.text}}},
                ],
                "function_call": {"name": "Write", "arguments": json.dumps({"content": MAIL.text})},
            },
        },
        {"index": 1, "message": {"content": [{"type": "text", "text": MAIL.text}]}},
        "odd",
    ],
    "usage": {"total_tokens": 123456789012345678901},
}


def test_a_whole_answer_is_restored():
    """Content, refusal, every kind of call; reasoning stays, numbers keep their value."""
    answer = json.loads(WIRE.encode_answer(ROUTE, json.dumps(WHOLE).encode(), homeward()))
    message = answer["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (f"to {MAIL.value}", MAIL.value)
    assert message["reasoning_content"] == MAIL.text
    first, second, third, fourth = message["tool_calls"]
    assert first["function"]["arguments"] == json.dumps({"content": HARD.value})
    assert second == WHOLE["choices"][0]["message"]["tool_calls"][1]
    assert third["custom"]["input"] == HARD.value
    assert fourth["function"]["arguments"] == {"content": MAIL.value}
    assert json.loads(message["function_call"]["arguments"]) == {"content": MAIL.value}
    assert answer["choices"][1]["message"]["content"][0]["text"] == MAIL.value
    assert answer["usage"] == WHOLE["usage"]


@pytest.mark.parametrize(
    "data", [b'{ "choices": [ {"message": {"content": "none" } } ] }', b'{"error": {"message": "QZ_"} }', b"[1.50]"]
)
def test_a_whole_answer_without_surrogates_passes_as_the_same_bytes(data):
    """Spacing and all."""
    assert WIRE.encode_answer(ROUTE, data, homeward()) == data


def test_a_whole_answer_that_is_no_json_is_the_provider_s_fault():
    """And its text is not in the message."""
    with pytest.raises(UpstreamFault, match=r"^The provider's answer is not valid JSON\.$"):
        WIRE.encode_answer(ROUTE, b"<html>", homeward())


def test_other_operations_answers_pass():
    """Embeddings hold no text."""
    assert WIRE.encode_answer(WIRE.routes[1], b'{"data": []}', homeward()) == b'{"data": []}'
    with pytest.raises(UpstreamFault, match="format that is not known"):
        WIRE.stream(WIRE.routes[1], "text/event-stream", homeward())


def test_an_error_has_the_shape_of_the_api():
    """Whole and within a stream."""
    assert json.loads(WIRE.refusal(400, 'no "x"', code="poundlock_refused")) == {
        "error": {"message": 'no "x"', "type": "invalid_request_error", "param": None, "code": "poundlock_refused"}
    }
    assert json.loads(WIRE.refusal(503, ""))["error"] == {
        "message": "",
        "type": "server_error",
        "param": None,
        "code": None,
    }
    (event,) = read(WIRE.broken("gone"))
    assert event["error"]["message"] == "gone"
