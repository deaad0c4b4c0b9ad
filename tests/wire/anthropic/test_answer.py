"""Answers of the Messages API on their way home, whole, byte by byte and cut anywhere."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.errors import UpstreamFault
from poundlock.core.model import Match, Sink, Surrogate
from poundlock.core.stream import Homeward, StreamScanner
from poundlock.wire.anthropic import Anthropic
from tests.wire.home import CUTS, HARD, ISSUED, MAIL, carried, cut, every_way, homeward, read, sse

if TYPE_CHECKING:
    from poundlock.wire.base import StreamCodec

WIRE = Anthropic()
ROUTE = WIRE.routes[0]
START = {"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": {"input_tokens": 3}}}
STOP = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}, {"type": "message_stop"}]


def codec(way: Homeward | None = None) -> StreamCodec:
    """Give a codec for an answer in which `ISSUED` may stand."""
    return WIRE.stream(ROUTE, "text/event-stream; charset=utf-8", way or homeward())


def block(index: int, kind: str, pieces: list[str], **fields: Any) -> list[dict[str, Any]]:
    """Give the events of one content block."""
    delta = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking")}.get(
        kind, ("input_json_delta", "partial_json")
    )
    opened = {"type": kind, "text": ""} if kind == "text" else {"type": kind, **fields}
    return [
        {"type": "content_block_start", "index": index, "content_block": opened},
        *({"type": "content_block_delta", "index": index, "delta": {"type": delta[0], delta[1]: p}} for p in pieces),
        {"type": "content_block_stop", "index": index},
    ]


def call(index: int, name: str, pieces: list[str]) -> list[dict[str, Any]]:
    """Give the events of one tool call."""
    return block(index, "tool_use", pieces, id=f"toolu_{index}", name=name, input={})


def stream(*blocks: list[dict[str, Any]], end: str = "\n") -> bytes:
    """Give a whole stream."""
    return sse(START, *(event for events in blocks for event in events), *STOP, end=end, named=True)


def contents(out: bytes) -> dict[int, str]:
    """Put the blocks together as a client does; nothing may come for a block that is not open."""
    texts: dict[int, str] = {}
    open_now: set[int] = set()
    for event in read(out):
        if event["type"] == "content_block_start":
            open_now.add(event["index"])
            texts[event["index"]] = event["content_block"].get("text", "")
        elif event["type"] == "content_block_stop":
            open_now.remove(event["index"])
        elif event["type"] == "content_block_delta":
            assert event["index"] in open_now
            delta = event["delta"]
            texts[event["index"]] += delta.get("text", "") + delta.get("partial_json", "") + delta.get("thinking", "")
    return texts


def letters(text: str) -> list[str]:
    """Cut a text into single characters."""
    return list(text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_is_restored_however_it_is_cut(end):
    """A surrogate in single characters, with every line end, at every cut of the bytes."""
    data = stream(block(0, "text", letters(f"to {MAIL.text}, ok")), end=end)
    assert contents(every_way(codec, data)) == {0: "to anna@example.org, ok"}


@given(st.lists(st.integers(1, 40), max_size=12), CUTS)
def test_text_is_restored_at_every_split(sizes, places):
    """Deltas of any sizes, bytes cut anywhere: the same bytes come out, and the text is exact."""
    text = f"Q {MAIL.text} q QZ_ {HARD.text.lower()}QZ_{MAIL.text} {MAIL.text.replace('_', chr(92) + '_')} QZ"
    data = stream(block(0, "text", pieces_of(text, sizes)))
    out = carried(codec(), cut(data, places))
    assert out == carried(codec(), [data])
    assert contents(out) == {0: f"Q {MAIL.value} q QZ_ {HARD.value}QZ_{MAIL.value} {MAIL.value} QZ"}


def test_tool_arguments_are_restored_and_escaped_once():
    """A value with quotes and line ends stays valid JSON."""
    arguments = json.dumps({"file_path": "/x", "content": f"p={HARD.text}"})
    out = every_way(codec, stream(call(0, "Write", letters(arguments))))
    assert json.loads(contents(out)[0]) == {"file_path": "/x", "content": f"p={HARD.value}"}


def test_arguments_cut_within_escapes_are_the_same_at_every_cut():
    """A backslash at a delta's end may become a letter: it waits, whether the deltas came together or not."""
    arguments = '{"a":"C:\\\\dir\\n\\u0416","b":"' + MAIL.text.replace("Q", "\\u0051", 1) + '"}'
    out = every_way(codec, stream(call(0, "Write", letters(arguments))))
    assert json.loads(contents(out)[0]) == {"a": "C:\\dir\n\u0416", "b": MAIL.value}


def pieces_of(text: str, sizes: list[int]) -> list[str]:
    """Cut a text into pieces of these sizes, and the rest."""
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    return [*pieces, text]


@pytest.mark.parametrize("tool", ["Write", "Bash"])
@given(sizes=st.lists(st.integers(0, 9), max_size=60), places=CUTS)
def test_arguments_are_restored_at_every_split(tool, sizes, places):
    """Also JSON inside JSON, escapes that a delta cuts, and backslashes: the same bytes, and exact values."""
    inner = json.dumps({"deep": f"{HARD.text} C:\\new q Q é", "again": MAIL.text})
    arguments = json.dumps({"a": "C:\\dir\\", "content": inner, "u": "\u0416 Q"}).replace("QZ", "\\u0051Z", 1)
    data = stream(call(0, tool, pieces_of(arguments, sizes)))
    out = carried(codec(), cut(data, places))
    assert out == carried(codec(), [data])
    found = json.loads(contents(out)[0])
    assert json.loads(found.pop("content")) == {"deep": f"{HARD.value} C:\\new q Q é", "again": MAIL.value}
    assert found == {"a": "C:\\dir\\", "u": "\u0416 Q"}


def test_arguments_are_judged_by_their_own_tool():
    """Each index has the name that its block's start gave it."""
    asked: list[tuple[str, str]] = []

    def permit(_surrogate: Surrogate, sink: Sink) -> bool:
        asked.append((sink.kind, sink.tool))
        return sink.kind == "file"

    arguments = json.dumps({"command": MAIL.text})
    data = stream(block(0, "text", [MAIL.text]), call(1, "Write", [arguments]), call(2, "Bash", [arguments]))
    got = contents(carried(codec(homeward(permit)), [data]))
    assert got[0] == MAIL.text
    assert json.loads(got[1]) == {"command": MAIL.value}
    assert json.loads(got[2]) == {"command": MAIL.text}
    assert asked == [("display", ""), ("file", "Write"), ("command", "Bash")]


def test_interleaved_blocks_do_not_disturb_each_other():
    """Two blocks that are open at once hold back each for itself."""
    half = len(MAIL.text) // 2
    first, second = block(0, "text", [MAIL.text[:half], MAIL.text[half:]]), block(1, "text", ["QZ", MAIL.text])
    woven = [first[0], first[1], second[0], second[1], first[2], second[2], first[3], second[3]]
    assert contents(every_way(codec, stream(woven))) == {0: MAIL.value, 1: "QZ" + MAIL.value}


def test_trap_thinking_passes_as_the_same_bytes():
    """Thinking and signatures are not restored, though a surrogate stands in them."""
    events = block(0, "thinking", [f"say {MAIL.text}"], thinking="", signature="")
    events.insert(
        2, {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "QZ_x"}}
    )
    redacted = block(1, "redacted_thinking", [], data=MAIL.text)
    data = stream(events, redacted)
    assert every_way(codec, data) == data


def test_trap_what_is_held_is_flushed_before_that_block_stops():
    """An extra delta of the same kind and index stands before the stop, and only there."""
    events = read(carried(codec(), [stream(block(0, "text", ["so Q"]), call(1, "Bash", ['{"a":"QZ']))]))
    kinds = [(event["type"], event.get("index"), event.get("delta")) for event in events]
    assert kinds[3:5] == [
        ("content_block_delta", 0, {"type": "text_delta", "text": "Q"}),
        ("content_block_stop", 0, None),
    ]
    assert kinds[-4:-2] == [
        ("content_block_delta", 1, {"type": "input_json_delta", "partial_json": "QZ"}),
        ("content_block_stop", 1, None),
    ]


@pytest.mark.parametrize("last", [STOP[0], STOP[1], {"type": "error", "error": {"type": "overloaded_error"}}])
def test_trap_what_is_held_is_flushed_before_the_message_ends(last):
    """Also where a block never stopped: before message_delta, message_stop and error."""
    opened = block(0, "text", ["so QZ"])[:2]
    events = read(carried(codec(), [sse(START, *opened, last)]))
    assert events[-2]["delta"] == {"type": "text_delta", "text": "QZ"}
    assert events[-1] == last


def test_an_upstream_that_dies_within_a_surrogate_loses_nothing():
    """What was held comes with finish, as an event; the torn event's bytes come after it."""
    data = stream(block(0, "text", [MAIL.text[:9], MAIL.text[9:]]))
    at = data.index(MAIL.text[9:].encode())
    for place in range(at - 60, at + 4):
        out = carried(codec(), [data[:place]])
        assert b"anna@" not in out
        torn = out.rpartition(b"\n\n")[0] + b"\n\n"
        assert contents(torn + b'data: {"type":"content_block_stop","index":0}\n\n') == {0: MAIL.text[:9]}


def test_a_last_event_without_its_blank_line_is_still_read():
    """Some servers leave it out."""
    data = stream(block(0, "text", ["Q", "Z"]))
    assert contents(every_way(codec, data.removesuffix(b"\n\n"))) == {0: "QZ"}
    cut_short = sse(START, *block(0, "text", ["to Q", f"Z{MAIL.text[2:]} Q"])[:-1])
    out = carried(codec(), [cut_short.removesuffix(b"\n\n")])
    assert contents(out + b"\n\n")[0] == f"to {MAIL.value} Q"


def test_trap_pings_comments_and_unknown_events_pass_as_the_same_bytes():
    """Padding, odd spacing, fields and events nobody knows."""
    data = (
        b'\xef\xbb\xbfevent: ping\ndata: {"type": "ping"       }\n\n: keep-alive QZ_\n\nid: 5\nretry: 10\n\n'
        b'event: brand_new\ndata: {"type":"brand_new","text":"QZ_"}\n\ndata: not json Q"\n\n'
        b'data: {"type":"content_block_delta","index":"odd","delta":{"type":"text_delta","text":"Q"}}\n\n'
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":5,"x":"QZ"}}\n\n'
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"brand_delta","text":"QZ"}}\n\n'
    )
    assert every_way(codec, data) == data


def test_an_event_that_needs_no_change_keeps_its_bytes():
    """Only the data of a changed event is written anew; its other lines stay."""
    data = (
        b'event: content_block_delta\nid: 1\ndata: {"type":"content_block_delta", "index":0,'
        b' "delta":{"type":"text_delta","text":"Quick \\u0051uestion"} }\n\n'
        b'event: content_block_delta\nid: 2\ndata: {"type":"content_block_delta", "index":0, "n":1.50,'
        b' "delta":{"type":"text_delta","text":"' + MAIL.text.encode() + b'"} }\n\n'
    )
    first, _, _ = data.partition(b"\n\n")
    out = carried(codec(), [data])
    assert out.startswith(first + b"\n\nevent: content_block_delta\nid: 2\ndata: ")
    assert out.endswith(
        b'{"type":"content_block_delta","index":0,"n":1.50,"delta":{"type":"text_delta","text":"anna@example.org"}}\n\n'
    )


def test_a_surrogate_written_with_escapes_is_found():
    r"""`\u0051Z_` in the event's JSON is the same text."""
    escaped = MAIL.text.replace("Q", "\\u0051", 1).replace("Z", "\\u005a", 1)
    data = stream(block(0, "text", ["@@"])).replace(b"@@", escaped.encode())
    assert contents(every_way(codec, data)) == {0: MAIL.value}


def test_half_surrogate_pairs_in_an_event_are_no_obstacle():
    """A server that cuts an emoji into two deltas: its events keep their bytes, and restoring goes on."""
    events = block(0, "text", ["a", "@1", "@2", MAIL.text + "@1"])
    data = stream(events).replace(b"@1", rb"\ud83d").replace(b"@2", rb"\ude00")
    out = every_way(codec, data)
    assert rb'"text":"\ud83d"' in out
    assert contents(out)[0].endswith(f"{MAIL.value}\ufffd")


def test_several_data_lines_are_one_event():
    """As the standard has it; a changed one is written on one line."""
    data = (
        b'data: {"type":"content_block_delta","index":0,\ndata: "delta":{"type":"text_delta","text":"'
        + MAIL.text.encode()
        + b'"}}\n\n'
    )
    assert read(every_way(codec, data))[0]["delta"]["text"] == MAIL.value


def test_trap_a_citation_is_restored_as_text():
    """What a citation quotes is shown to the reader."""
    citation = {"type": "char_location", "cited_text": f"by {MAIL.text}", "document_title": None, "start_char_index": 1}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": citation}}
    (event,) = read(every_way(codec, sse(delta)))
    assert event["delta"]["citation"] == {**citation, "cited_text": f"by {MAIL.value}"}


def test_a_block_s_start_may_hold_text_arguments_and_a_disguised_name():
    """All three are restored."""
    opened = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": f"{MAIL.text} Q"}},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t", "name": "Write", "input": {"content": MAIL.text}},
        },
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "t", "name": f"ask_{MAIL.text}", "input": {}},
        },
    ]
    events = read(carried(codec(), [sse(*opened)]))
    assert events[0]["content_block"]["text"] == f"{MAIL.value} "
    assert events[1]["content_block"]["input"] == {"content": MAIL.value}
    assert events[2]["content_block"]["name"] == f"ask_{MAIL.value}"
    assert events[3]["delta"]["text"] == "Q"


def test_no_event_is_delayed_when_nothing_is_held():
    """Each event comes out with its own last byte, in text and in arguments."""
    one = codec()
    for event in [*block(0, "text", ["plain", "Q", "uick"]), *call(1, "Write", ['{"a":', '"b"}'])]:
        data = sse(event)
        assert one.feed(data[:-1]) == b""
        assert one.feed(data[-1:])


def test_an_answer_without_surrogates_passes_as_the_same_bytes():
    """Text, arguments, everything; also with words that begin like one."""
    data = stream(
        block(0, "text", ["Quick QA, quiz Qz.", 'the "q" and q\\']), call(1, "Write", ['{"content":"q\\\\"}'])
    )
    assert every_way(codec, data) == data


def test_a_surrogate_that_was_not_issued_stays():
    """Somebody else's is nobody's here."""
    data = stream(block(0, "text", ["QZ_EMAIL_", "22222222222A end"]))
    assert contents(every_way(codec, data)) == {0: "QZ_EMAIL_22222222222A end"}


def test_trap_fine_grained_arguments_may_be_no_json():
    """A call that was cut off, or was never JSON, passes whole, and is judged with care."""
    for arguments in ('{"command": "echo ', '{"a": "b" oops', "not json", '{"a":"\\', ""):
        data = stream(call(0, "Bash", [arguments, MAIL.text]))
        asked: list[bool] = []

        def permit(_surrogate: Surrogate, sink: Sink, asked: list[bool] = asked) -> bool:
            asked.append(sink.network)
            return False

        assert contents(every_way(lambda permit=permit: codec(homeward(permit)), data)) == {0: arguments + MAIL.text}
        assert False not in asked
        assert asked or not arguments.startswith('{"command')


def test_an_idle_way_home_is_not_read():
    """Nothing issued, nothing scanned: bytes pass in the moment that they come."""
    one = codec(Homeward({}, lambda _surrogate, _sink: False))
    assert one.feed(b"data: {half") == b"data: {half"
    assert one.finish() == b""


def test_with_a_scanner_every_text_is_seen():
    """Text, arguments and thinking, however they are cut, and the bytes stay the same."""

    def detect(text: str) -> tuple[Match, ...]:
        at = text.find("leak")
        found = Match(
            rule_id="r", family="secret", kind="k", tier="internal", start=at, end=at + 4, confidence=1.0, value="leak"
        )
        return (found,) if at >= 0 else ()

    data = stream(
        block(0, "thinking", ["a le", "ak"], thinking=""),
        block(1, "text", ["another l", "eak"]),
        call(2, "Bash", ['{"c":"le', 'ak"}']),
    )
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        scanner = StreamScanner(detect)
        assert carried(codec(Homeward({}, lambda _surrogate, _sink: True, scanner)), pieces) == data
        assert scanner.counts == Counter({"r": 3})


def test_an_event_past_the_limit_ends_the_stream():
    """An endless event is the provider's fault; what was held before can still be given."""
    one = codec()
    one.feed(sse(*block(0, "text", ["Q"])[:2]))
    one.feed(b"x" * (1 << 24))
    with pytest.raises(UpstreamFault, match="longer than"):
        one.feed(b"x")
    assert b'"text":"Q"' in one.finish()


def test_counts_for_the_closing_record():
    """Restored and left are counted by kind."""
    way = homeward(lambda _surrogate, sink: sink.kind == "display")
    arguments = json.dumps({"content": MAIL.text})
    carried(codec(way), [stream(block(0, "text", [MAIL.text, HARD.text]), call(1, "Write", [arguments]))])
    assert way.restored_kinds == {MAIL.kind: 1, HARD.kind: 1}
    assert way.left_kinds == {MAIL.kind: 1}


WHOLE = {
    "type": "message",
    "content": [
        {"type": "thinking", "thinking": MAIL.text, "signature": "c2ln"},
        {"type": "text", "text": f"to {MAIL.text}", "citations": [{"cited_text": MAIL.text}]},
        {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {"content": f"{HARD.text}", "n": 1.0}},
        {"type": "brand_new", "text": MAIL.text},
    ],
    "usage": {"input_tokens": 12345678901234567890123, "cost": 1.10},
}


def test_a_whole_answer_is_restored():
    """Text, citations and arguments; thinking and what is not known stay, numbers keep their text."""
    data = json.dumps(WHOLE).replace("1.1}", "1.10}").encode()
    out = WIRE.encode_answer(ROUTE, data, homeward())
    content = json.loads(out)["content"]
    assert content[0] == WHOLE["content"][0]
    assert content[1] == {"type": "text", "text": f"to {MAIL.value}", "citations": [{"cited_text": MAIL.value}]}
    assert content[2]["input"] == {"content": HARD.value, "n": 1.0}
    assert content[3] == WHOLE["content"][3]
    assert out.endswith(b'"usage":{"input_tokens":12345678901234567890123,"cost":1.10}}')


@pytest.mark.parametrize(
    "data",
    [
        b'{ "content": [ {"type": "text", "text": "no surrogate" } ] }',
        b'{ "type": "error", "error": {"message": "QZ_ in it"} }',
        b"[1, 2.50]",
        b'{"content": ["odd", 1, null, {"type": 5, "text": {}}]}',
    ],
)
def test_a_whole_answer_without_surrogates_passes_as_the_same_bytes(data):
    """Spacing and all."""
    assert WIRE.encode_answer(ROUTE, data, homeward()) == data


def test_a_whole_answer_that_is_no_json_is_the_provider_s_fault():
    """And its text is not in the message."""
    with pytest.raises(UpstreamFault, match=r"^The provider's answer is not valid JSON\.$"):
        WIRE.encode_answer(ROUTE, b"<html>", homeward())


def test_counted_tokens_pass():
    """They hold no text."""
    assert WIRE.encode_answer(WIRE.routes[1], b'{"input_tokens": 5}', homeward()) == b'{"input_tokens": 5}'


def test_an_unknown_kind_of_stream_is_refused():
    """What can't be framed can't be restored."""
    with pytest.raises(UpstreamFault, match="format that is not known"):
        WIRE.stream(ROUTE, "application/vnd.amazon.eventstream", homeward())


def test_an_error_has_the_shape_of_the_api():
    """Whole and within a stream."""
    assert json.loads(WIRE.refusal(400, 'no "x"')) == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": 'no "x"'},
        "request_id": None,
    }
    assert json.loads(WIRE.refusal(529, ""))["error"]["type"] == "overloaded_error"
    assert json.loads(WIRE.refusal(503, ""))["error"]["type"] == "api_error"
    (event,) = read(WIRE.broken("gone"))
    assert event["error"] == {"type": "api_error", "message": "gone"}
    assert WIRE.broken("gone").startswith(b"event: error\n")


def test_every_issued_surrogate_is_restored():
    """The fixture's own surrogates, each alone."""
    for surrogate in ISSUED.values():
        assert contents(every_way(codec, stream(block(0, "text", [surrogate.text])))) == {0: surrogate.value}
