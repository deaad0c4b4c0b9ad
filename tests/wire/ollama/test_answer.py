"""Answers of the Ollama API on their way home, whole, byte by byte and cut anywhere."""

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
from poundlock.wire.ollama import Ollama
from tests.wire.home import CUTS, HARD, MAIL, carried, cut, every_way, homeward

if TYPE_CHECKING:
    from poundlock.wire.base import Route, StreamCodec

WIRE = Ollama()
HEAD = {"model": "qwen3:8b", "created_at": "2026-01-02T03:04:05.6789Z"}
COUNTS = {"done_reason": "stop", "total_duration": 4883583458, "eval_count": 26}


def route(operation: str) -> Route:
    """Give the route of an operation."""
    return next(each for each in WIRE.routes if each.operation == operation)


CHAT, GENERATE = route("chat"), route("generate")


def codec(way: Homeward | None = None) -> StreamCodec:
    """Give a codec for lines in which the fixture's surrogates may stand."""
    return WIRE.stream(CHAT, "application/x-ndjson", way or homeward())


def chat(text: str, done: bool = False, **more: Any) -> dict[str, Any]:
    """Give one line of a chat."""
    line = {**HEAD, "message": {"role": "assistant", "content": text, **more}, "done": done}
    return {**line, **COUNTS} if done else line


def generated(text: str, done: bool = False, **more: Any) -> dict[str, Any]:
    """Give one line of a generation."""
    line = {**HEAD, "response": text, "done": done, **more}
    return {**line, **COUNTS, "context": [1, 2, 3]} if done else line


def lines(*trees: dict[str, Any], end: str = "\n") -> bytes:
    """Write lines as the server does."""
    return "".join(json.dumps(each, separators=(",", ":"), ensure_ascii=False) + end for each in trees).encode()


def read(out: bytes) -> list[Any]:
    """Read lines as a client does."""
    return [json.loads(line) for line in out.decode().splitlines() if line]


def contents(trees: list[Any]) -> dict[str, Any]:
    """Put the answer together as a client does; nothing may come after the end."""
    found: dict[str, Any] = defaultdict(str)
    for number, line in enumerate(trees):
        message = line.get("message", {})
        found["text"] += message.get("content", "") + line.get("response", "")
        found["thinking"] += message.get("thinking", "") + line.get("thinking", "")
        found["calls"] = [*(found["calls"] or []), *message.get("tool_calls", [])]
        assert line["done"] is (number == len(trees) - 1)
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize("make", [chat, generated])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_is_restored_however_it_is_cut(make, end):
    """A surrogate in single characters, with both line ends, at every cut of the bytes."""
    data = lines(*map(make, f"to {MAIL.text}, ok"), make("", done=True), end=end)
    out = every_way(codec, data)
    assert contents(read(out)) == {"text": "to anna@example.org, ok"}
    assert read(out)[-1] == make("", done=True)
    assert out.endswith(end.encode())


@given(st.lists(st.integers(0, 40), max_size=12), CUTS)
def test_text_is_restored_at_every_split(sizes, places):
    """Lines of any sizes, bytes cut anywhere: the same bytes come out, and the text is exact."""
    text = f"Q {MAIL.text} q {HARD.text.lower()}QZ_{MAIL.text}{MAIL.text.replace('_', chr(92) + '_')} QZ"
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    data = lines(*map(chat, [*pieces, text]), chat("", done=True))
    out = carried(codec(), cut(data, places))
    assert out == carried(codec(), [data])
    assert contents(read(out)) == {"text": f"Q {MAIL.value} q {HARD.value}QZ_{MAIL.value}{MAIL.value} QZ"}


@pytest.mark.parametrize("make", [chat, generated])
def test_trap_done_waits_for_what_is_held(make):
    """It comes in the same line; where that has no text, it gets one."""
    last = make("", done=True)
    assert read(every_way(codec, lines(make("so Q"), last))) == [make("so "), make("Q", done=True)]
    last.pop("response", None)
    out = read(every_way(codec, lines(make("so Q"), last)))
    assert contents(out) == {"text": "so Q"}
    last.pop("message", None)
    assert contents(read(every_way(codec, lines(make("so Q"), last)))) == {"text": "so Q"}


def test_trap_arguments_are_trees_and_sinks_are_told_by_the_name():
    """Values come home as they are into a file, stay surrogates in a remote tool; what is held stands before a call."""
    asked: list[tuple[str, str]] = []

    def permit(_surrogate: Surrogate, sink: Sink) -> bool:
        asked.append((sink.kind, sink.tool))
        return True

    arguments = {"content": f"p={HARD.text}", "deep": [{"n": 1.50, HARD.text: 12345678901234567890}]}
    calls = [{"function": {"name": name, "arguments": arguments}} for name in ("write_file", "mcp__far__send")]
    out = read(
        every_way(lambda: codec(homeward(permit)), lines(chat("so Q"), chat("", tool_calls=calls), chat("", done=True)))
    )
    got = contents(out)
    assert got["text"] == "so Q"
    assert out[1]["message"]["content"] == "Q"
    restored = {"content": f"p={HARD.value}", "deep": [{"n": 1.50, HARD.value: 12345678901234567890}]}
    assert got["calls"] == [{"function": {"name": "write_file", "arguments": restored}}, calls[1]]
    assert {kind for kind, _ in asked} == {"file"}


def test_a_disguised_tool_name_is_restored():
    """The client knows its tool by its own name."""
    named = [{"function": {"name": f"ask_{MAIL.text}", "arguments": {}}}]
    (out,) = read(carried(codec(), [lines(chat("", tool_calls=named))]))
    assert out["message"]["tool_calls"][0]["function"]["name"] == f"ask_{MAIL.value}"


@pytest.mark.parametrize(
    "line", [chat("", thinking=f"of {MAIL.text} Q"), generated("", thinking=MAIL.text), generated("", context=[1, 2])]
)
def test_trap_thinking_and_context_pass_as_the_same_bytes(line):
    """Though a surrogate stands in them."""
    data = lines(line, chat("", done=True))
    assert every_way(codec, data) == data


def test_a_stream_without_an_end_loses_nothing():
    """What was held comes as a line of its own; a last line without its end is read, a torn one is given as it is."""
    data = lines(chat("so QZ"))
    assert read(carried(codec(), [data])) == [chat("so "), chat("QZ")]
    assert read(carried(codec(), [lines(generated("so QZ"))]))[1] == {**HEAD, "response": "QZ", "done": False}
    assert contents(read(every_way(codec, data + lines(chat("_", done=True))[:-1]))) == {"text": "so QZ_"}
    out = carried(codec(), [data + b'{"model":"q'])
    assert out.endswith(lines(chat("QZ")) + b'{"model":"q')


@pytest.mark.parametrize("end", [b"\n", b""])
def test_what_is_held_comes_before_an_error(end):
    """Within a stream an error is a line."""
    out = every_way(codec, lines(chat("a Q")) + b'{"error":"gone"}' + end)
    assert read(out) == [chat("a "), chat("Q"), {"error": "gone"}]


@pytest.mark.parametrize("cut_at", range(0, 330, 7))
def test_trap_after_a_broken_stream_the_error_is_a_line(cut_at):
    """What was torn is left out, so that the client can read every line."""
    data = lines(chat("a Q"), chat("b"), chat("c"))
    one = codec()
    out = read(one.feed(data[:cut_at]) + one.broken(WIRE.broken("broke")))
    assert out[-1] == {"error": "broke"}
    assert "".join(line["message"]["content"] for line in out[:-1]) in {"", "a Q", "a Qb", "a Qbc"}


def test_an_answer_without_surrogates_passes_as_the_same_bytes():
    """Odd spacing, blank lines, unknown fields and lines that nobody knows."""
    data = (
        b'\n{"model": "q", "message" : {"content": "Quick qa qz."}, "x": 1.50, "done": false}\r\n{"message": ["QZ"]}\n'
        b'QZ not json\n["QZ"]\n"QZ"\n{"response": ["QZ"]}\n{"message": {"content": {"a": "QZ"}, "tool_calls": "QZ"}}\n'
        b'{"message": {"content": "", "tool_calls": [5, {"function": "QZ"}, {"function": {"arguments": 1}}]}, "n": 1e9}'
        b"\n"
    ) + lines(chat("q "), chat('the "q" and q\\'), chat(" Q?"), chat("", done=True))
    assert every_way(codec, data) == data


def test_a_line_that_is_changed_keeps_its_numbers_and_fields():
    """Only the text is new."""
    data = b'{"message":{"content":"' + MAIL.text.encode() + b'","p":1.50},"n":1e400,"done":true}\n'
    assert carried(codec(), [data]) == b'{"message":{"content":"anna@example.org","p":1.50},"n":1e400,"done":true}\n'


def test_no_line_is_delayed_when_nothing_is_held():
    """Each line comes out with its own last byte."""
    one = codec()
    for line in (chat("plain"), chat("uick"), generated("x")):
        data = lines(line)
        assert one.feed(data[:-1]) == b""
        assert one.feed(data[-1:]) == data


def test_with_a_scanner_every_text_is_seen():
    """Text over lines, thinking and arguments, and the bytes stay the same."""

    def detect(text: str) -> tuple[Match, ...]:
        at = text.find("leak")
        found = Match(
            rule_id="r", family="secret", kind="k", tier="internal", start=at, end=at + 4, confidence=1.0, value="leak"
        )
        return (found,) if at >= 0 else ()

    call = {"function": {"name": "T", "arguments": {"c": ["leak"]}}}
    data = lines(
        chat("a le"), chat("ak"), chat("", thinking="b leak"), chat("", tool_calls=[call]), chat("", done=True)
    )
    scanner = StreamScanner(detect)
    assert carried(codec(Homeward({}, lambda _surrogate, _sink: True, scanner)), [data]) == data
    assert scanner.counts == Counter({"r": 3})


def test_an_idle_way_home_is_not_read():
    """Nothing issued, nothing scanned: bytes pass in the moment that they come."""
    one = codec(Homeward({}, lambda _surrogate, _sink: False))
    assert one.feed(b'{"half') == b'{"half'
    assert one.broken(WIRE.broken("x")) == b'\n{"error":"x"}\n'


def test_whole_answers_are_restored():
    """Text and arguments of a chat, and the text of a generation."""
    call = {"function": {"name": "write_file", "arguments": {"a": HARD.text}}}
    whole = chat(f"to {MAIL.text} Q", done=True, tool_calls=[call])
    out = json.loads(WIRE.encode_answer(CHAT, lines(whole), homeward()))
    assert out["message"]["content"] == f"to {MAIL.value} Q"
    assert out["message"]["tool_calls"][0]["function"]["arguments"] == {"a": HARD.value}
    out = json.loads(WIRE.encode_answer(GENERATE, lines(generated(f"{MAIL.text} QZ", done=True)), homeward()))
    assert out == generated(f"{MAIL.value} QZ", done=True)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'"QZ"', b'{"message": "QZ"}', b'{"error": "QZ"}'])
def test_a_whole_answer_of_another_shape_passes(body):
    """As the same bytes."""
    assert WIRE.encode_answer(CHAT, body, homeward()) == body


def test_a_whole_answer_that_is_no_json_is_a_fault():
    """It can't be restored; where nothing is restored, nothing is read."""
    with pytest.raises(UpstreamFault, match="not valid JSON"):
        WIRE.encode_answer(CHAT, b"<html>", homeward())
    assert WIRE.encode_answer(route("embed"), b"<html>", homeward()) == b"<html>"


@pytest.mark.parametrize(("operation", "kind"), [("chat", "text/event-stream"), ("embed", "application/x-ndjson")])
def test_an_unknown_stream_is_a_fault(operation, kind):
    """Nothing is relayed that isn't understood."""
    with pytest.raises(UpstreamFault, match="not known on this route"):
        WIRE.stream(route(operation), kind, homeward())


def test_a_refusal_has_ollamas_shape():
    """A text."""
    assert json.loads(WIRE.refusal(400, "no", code="c")) == {"error": "no"}


def test_an_escaped_or_lower_case_surrogate_is_read():
    """However the server writes its letters."""
    for written in (MAIL.text.lower(), MAIL.text.replace("Q", "\\u0051", 1), MAIL.text.replace("Z", "\\u005a", 1)):
        data = b'{"message":{"content":"' + written.encode() + b'"},"done":true}\n'
        (line,) = read(every_way(codec, data))
        assert line["message"]["content"] == MAIL.value
