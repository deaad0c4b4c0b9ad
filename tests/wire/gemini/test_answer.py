"""Answers of the Gemini API on their way home, whole, byte by byte and cut anywhere, as events and as an array."""

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
from poundlock.wire.gemini import Gemini
from tests.wire.home import CUTS, HARD, MAIL, carried, cut, every_way, homeward, read, sse

if TYPE_CHECKING:
    from poundlock.wire.base import Route, StreamCodec

WIRE = Gemini()
SIGNATURE = "c2lnbmF0dXJl" * 4


def route(operation: str) -> Route:
    """Give the route of an operation."""
    return next(each for each in WIRE.routes if each.operation == operation)


STREAM = route("streamGenerateContent")


def codec(way: Homeward | None = None) -> StreamCodec:
    """Give a codec for events in which the fixture's surrogates may stand."""
    return WIRE.stream(STREAM, "text/event-stream", way or homeward())


def array(way: Homeward | None = None) -> StreamCodec:
    """Give a codec for an array in which the fixture's surrogates may stand."""
    return WIRE.stream(STREAM, "application/json; charset=UTF-8", way or homeward())


def chunk(*parts: dict[str, Any], index: int = 0, finish: str = "") -> dict[str, Any]:
    """Give one response with one candidate."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 4, "totalTokenCount": 9}
    named = {"modelVersion": "gemini-3-pro", "responseId": "r-1"}
    return {"candidates": [{**candidate, "index": index}], "usageMetadata": usage, **named}


def texts(pieces: list[str], index: int = 0) -> list[dict[str, Any]]:
    """Give the responses of one text."""
    return [chunk({"text": piece}, index=index) for piece in pieces]


def listed(items: list[dict[str, Any]]) -> bytes:
    """Write an array as the API does."""
    return b"[" + b",\r\n".join(json.dumps(item, indent=1, ensure_ascii=False).encode() for item in items) + b"]"


def contents(responses: list[Any]) -> dict[Any, Any]:
    """Put the answer together as a client does; nothing may come for a candidate that has finished, none be empty."""
    found: dict[Any, Any] = defaultdict(str)
    finished = set()
    for response in responses:
        for candidate in response.get("candidates", []):
            at = candidate["index"]
            assert at not in finished
            for part in candidate.get("content", {}).get("parts", []):
                if "functionCall" in part:
                    found[at, "calls"] = [*(found[at, "calls"] or []), part["functionCall"]]
                elif "text" in part:
                    assert part["text"] or len(part) > 1
                    found[at, "thought" if part.get("thought") else "text"] += part["text"]
            if candidate.get("finishReason"):
                finished.add(at)
    return {place: value for place, value in found.items() if value}


STOP = chunk({"text": ""}, finish="STOP") | {"candidates": [{"finishReason": "STOP", "index": 0}]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_is_restored_however_it_is_cut(end):
    """A surrogate in single characters, with every line end, at every cut of the bytes."""
    out = every_way(codec, sse(*texts(list(f"to {MAIL.text}, ok")), STOP, end=end))
    assert contents(read(out)) == {(0, "text"): "to anna@example.org, ok"}
    assert read(out)[-1] == STOP


@given(st.lists(st.integers(1, 40), max_size=12), CUTS)
def test_text_is_restored_at_every_split(sizes, places):
    """Responses of any sizes, bytes cut anywhere: the same bytes come out of events and arrays, the text is exact."""
    text = f"Q {MAIL.text} q {HARD.text.lower()}QZ_{MAIL.text}{MAIL.text.replace('_', chr(92) + '_')} QZ"
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    responses = [*texts([each for each in [*pieces, text] if each]), STOP]
    expected = {(0, "text"): f"Q {MAIL.value} q {HARD.value}QZ_{MAIL.value}{MAIL.value} QZ"}
    data = sse(*responses)
    out = carried(codec(), cut(data, places))
    assert out == carried(codec(), [data])
    assert contents(read(out)) == expected
    data = listed(responses)
    out = carried(array(), cut(data, places))
    assert out == carried(array(), [data])
    found = {place: text for place, text in contents_of_array(json.loads(out)).items() if text}
    assert found == expected


def contents_of_array(responses: list[Any]) -> dict[Any, Any]:
    """Put an array together; there, a text that is held back leaves a response without parts."""
    assert all(response["candidates"] for response in responses)
    return contents(responses)


def test_trap_a_finish_reason_waits_for_what_is_held():
    """It comes in the same response: behind its last text, or in a part of its own."""
    (first, last) = read(carried(codec(), [sse(*texts(["so Q"]), STOP)]))
    assert first["candidates"][0]["content"]["parts"] == [{"text": "so "}]
    assert last["candidates"] == [
        {"finishReason": "STOP", "index": 0, "content": {"role": "model", "parts": [{"text": "Q"}]}}
    ]
    assert last["usageMetadata"] == STOP["usageMetadata"]
    data = sse(*texts(["to Q"]), chunk({"text": f"Z{MAIL.text[2:]} Q"}, finish="STOP"))
    assert read(every_way(codec, data))[1]["candidates"][0]["content"]["parts"] == [{"text": f"{MAIL.value} Q"}]


def test_trap_what_is_held_stands_before_a_call_and_a_thought():
    """The order of the parts stays."""
    call = {"functionCall": {"name": "read_file", "args": {"path": "a"}}, "thoughtSignature": SIGNATURE}
    thought = {"text": "QZ", "thought": True}
    data = sse(*texts(["so Q"]), chunk(call), *texts(["an QZ"]), chunk(thought), STOP)
    parts = [each["candidates"][0].get("content", {}).get("parts") for each in read(every_way(codec, data))]
    assert parts == [[{"text": "so "}], [{"text": "Q"}, call], [{"text": "an "}], [{"text": "QZ"}, thought], None]


def test_trap_no_response_is_left_with_an_empty_text():
    """Gemini CLI takes one for a fault: what is held back leaves no trace but its usage in later responses."""
    out = read(every_way(codec, sse(*texts(["Q", "Z", MAIL.text[2:]]), STOP)))
    assert [each["candidates"][0].get("content", {}).get("parts") for each in out] == [[{"text": MAIL.value}], None]
    signed = chunk({"text": "Q", "thoughtSignature": SIGNATURE})
    out = read(carried(codec(), [sse(signed, STOP)]))
    assert out[0]["candidates"][0]["content"]["parts"] == [{"text": "", "thoughtSignature": SIGNATURE}]


@pytest.mark.parametrize("extra", [{"promptFeedback": {"blockReason": "X"}}, {"candidates": [{"safetyRatings": []}]}])
def test_a_response_that_says_more_is_not_left_out(extra):
    """Only one without anything else is."""
    said = chunk({"text": "Q"})
    if "candidates" in extra:
        said["candidates"][0] |= extra["candidates"][0]
    else:
        said |= extra
    out = read(carried(codec(), [sse(said, STOP)]))
    assert len(out) == 2
    assert out[0]["candidates"][0]["content"]["parts"] == []


def test_trap_arguments_are_trees_and_sinks_are_told_by_the_name():
    """Values come home as they are into a file, stay surrogates in a remote tool, and the signature is untouched."""
    asked: list[tuple[str, str]] = []

    def permit(_surrogate: Surrogate, sink: Sink) -> bool:
        asked.append((sink.kind, sink.tool))
        return True

    args = {"content": f"p={HARD.text}", "deep": [{"n": 1.50, HARD.text: 12345678901234567890}]}
    calls = [
        {"functionCall": {"name": name, "args": args, "id": "x1"}, "thoughtSignature": SIGNATURE}
        for name in ("write_file", "mcp__far__send")
    ]
    got = contents(read(every_way(lambda: codec(homeward(permit)), sse(chunk(*calls), STOP))))[0, "calls"]
    assert got[0]["args"] == {"content": f"p={HARD.value}", "deep": [{"n": 1.50, HARD.value: 12345678901234567890}]}
    assert got[1] == calls[1]["functionCall"]
    assert ("file", "write_file") in asked
    assert {kind for kind, _ in asked} == {"file"}
    out = read(carried(codec(), [sse(chunk(*calls))]))
    assert [part["thoughtSignature"] for part in out[0]["candidates"][0]["content"]["parts"]] == [SIGNATURE] * 2


def test_a_disguised_function_name_is_restored():
    """The client knows its function by its own name, in either spelling."""
    for spelling in ("functionCall", "function_call"):
        (out,) = read(carried(codec(), [sse(chunk({spelling: {"name": f"ask_{MAIL.text}", "args": {}}}))]))
        assert out["candidates"][0]["content"]["parts"][0][spelling]["name"] == f"ask_{MAIL.value}"


def test_trap_thoughts_and_signatures_pass_as_the_same_bytes():
    """Though a surrogate stands in them."""
    thought = {"text": f"of {MAIL.text} Q", "thought": True, "thoughtSignature": MAIL.text}
    data = sse(chunk(thought), chunk({"text": "", "thoughtSignature": MAIL.text}), STOP)
    assert every_way(codec, data) == data
    whole = json.dumps(chunk(thought, finish="STOP")).encode()
    assert WIRE.encode_answer(route("generateContent"), whole, homeward()) == whole


def test_code_that_ran_and_its_output_are_shown():
    """They are for the reader."""
    parts = [
        {"executableCode": {"language": "PYTHON", "code": f"x='{MAIL.text}'"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": MAIL.text}},
    ]
    (out,) = read(every_way(codec, sse(chunk(*parts))))
    given = out["candidates"][0]["content"]["parts"]
    assert given[0]["executableCode"] == {"language": "PYTHON", "code": "x='anna@example.org'"}
    assert given[1]["codeExecutionResult"]["output"] == MAIL.value


def test_several_candidates_hold_back_each_for_itself():
    """Also in one response; one without an index is the first."""
    half = len(MAIL.text) // 2
    both = chunk({"text": MAIL.text[:half]})
    both["candidates"].append({"content": {"parts": [{"text": "QZ"}]}, "index": 1})
    unnamed = chunk({"text": MAIL.text[half:]})
    del unnamed["candidates"][0]["index"]
    data = sse(both, *texts([MAIL.text], 1), unnamed, chunk(index=1, finish="STOP"), STOP)
    out = read(every_way(codec, data))
    for response in out:
        response["candidates"][0].setdefault("index", 0)
    assert contents(out) == {(0, "text"): MAIL.value, (1, "text"): "QZ" + MAIL.value}


def test_a_stream_without_a_finish_reason_loses_nothing():
    """What was held comes as a response of its own, like the last one in all but its usage."""
    *_, last = read(every_way(codec, sse(*texts(["so QZ"]))))
    assert last == {
        "candidates": [{"content": {"parts": [{"text": "QZ"}], "role": "model"}, "index": 0}],
        "modelVersion": "gemini-3-pro",
        "responseId": "r-1",
    }
    out = json.loads(every_way(array, listed(texts(["so QZ"]))))
    assert out[1] == last


@pytest.mark.parametrize("error", [{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}])
def test_what_is_held_comes_before_an_error(error):
    """Within a stream, as an event, as a bare body, and as an item."""
    assert [each.get("error") for each in read(carried(codec(), [sse(*texts(["a Q"]), error)]))[1:]] == [
        None,
        error["error"],
    ]
    bare = json.dumps(error).encode()
    out = carried(codec(), [sse(*texts(["a Q"])) + bare])
    assert out.endswith(b"\n\n" + bare)
    assert contents(read(out)[:2]) == {(0, "text"): "a Q"}
    out = json.loads(every_way(array, listed([*texts(["a Q"]), error])))
    assert contents(out[:2]) == {(0, "text"): "a Q"}
    assert out[2] == error


def test_trap_an_error_after_a_broken_stream_is_no_event():
    """Google's SDKs look for a bare body; in an array it is the last item; what was torn is left out."""
    data = sse(*texts(["a Q", "more"]))
    one = codec()
    one.feed(data[:-9])
    end = one.broken(WIRE.broken("gone"))
    assert read(end)[0]["candidates"][0]["content"]["parts"] == [{"text": "Q"}]
    assert json.loads(end.rpartition(b"\n\n")[2])["error"] == {"code": 502, "message": "gone", "status": "INTERNAL"}


@pytest.mark.parametrize("cut_at", range(0, 400, 7))
def test_trap_a_broken_array_is_still_an_array(cut_at):
    """Wherever it broke: closed, with the error in it."""
    data = listed(texts(["a Q", "b", f"c {MAIL.text}"]))
    one = array()
    out = one.feed(data[:cut_at])
    items = json.loads(out + one.broken(WIRE.broken("gone")))
    assert items[-1]["error"]["message"] == "gone"
    assert "".join(contents(items[:-1]).values()).startswith("a Q"[: 3 if len(items) > 1 else 0])


def test_a_broken_array_that_was_complete_stays_complete():
    """Nothing stands behind its end."""
    one = array()
    out = one.feed(listed(texts(["a Q"])))
    assert contents(json.loads(out + one.broken(WIRE.broken("gone")))) == {(0, "text"): "a Q"}


def test_a_torn_array_keeps_its_bytes():
    """An upstream that ends early gives what it gave, after what was held back."""
    data = listed(texts(["a Q", "b"]))
    out = carried(array(), [data[:-5]])
    assert out.endswith(data[data.index(b"]") + 1 :][-60:-5])
    assert b'{"text":"Q"}' in out


def test_an_object_where_an_array_was_due_is_restored_whole():
    """Some servers give one."""
    data = json.dumps(chunk({"text": f"to {MAIL.text} Q"})).encode()
    assert contents([json.loads(every_way(array, data))]) == {(0, "text"): f"to {MAIL.value} Q"}


def test_an_answer_without_surrogates_passes_as_the_same_bytes():
    """Odd spacing, comments, unknown fields and events that nobody knows."""
    data = (
        b': note Q\r\n\r\ndata: {"candidates": [ {"content": {"parts": [{"text": "Quick qa."}, 5, {}]}, "x":1.50 } ]}'
        b'\r\n\r\ndata: {"candidates": "odd QZ"}\n\ndata: {"candidates":[5,"QZ"]}\n\ndata: QZ not json\n\ndata: ["QZ"]'
        b'\n\ndata: {"candidates":[{"content":null,"index":"QZ"}]}\n\ndata: {"candidates":[{"content":{"parts":"Q"}}]}'
        b"\n\n"
    ) + sse(*texts(["q ", 'the "q" and q\\', " Q?"]), STOP)
    assert every_way(codec, data) == data
    data = b'[\n {"candidates": [{"content": {"parts": [{"text": "a quick"}]}, "n": 1e400}]} ,["QZ"], 5\n]'
    assert every_way(array, data) == data


def test_an_event_that_is_changed_keeps_its_numbers_and_fields():
    """Only the text is new."""
    data = (
        b'id: 3\r\ndata: {"candidates":[{"content":{"parts":[{"text":"'
        + MAIL.text.encode()
        + b'","p":1.50}]}}],"n":1e400}\r\n\r\n'
    )
    assert carried(codec(), [data]) == data.replace(MAIL.text.encode(), b"anna@example.org")


def test_no_event_is_delayed_when_nothing_is_held():
    """Each event comes out with its own last byte, and each item."""
    one, other = codec(), array()
    other.feed(b"[")
    for response in [*texts(["plain", "uick"]), chunk({"functionCall": {"name": "a", "args": {}}})]:
        data = sse(response)
        assert one.feed(data[:-1]) == b""
        assert one.feed(data[-1:])
        data = json.dumps(response).encode()
        assert other.feed(data[:-1]) == b""
        assert other.feed(data[-1:]) == data
        other.feed(b",")


def detect(text: str) -> tuple[Match, ...]:
    """Find the word `leak`."""
    at = text.find("leak")
    found = Match(
        rule_id="r", family="secret", kind="k", tier="internal", start=at, end=at + 4, confidence=1.0, value="leak"
    )
    return (found,) if at >= 0 else ()


@pytest.mark.parametrize("make", [codec, array])
def test_with_a_scanner_every_text_is_seen(make):
    """Text over responses, thoughts and arguments, and the bytes stay the same."""
    responses = [*texts(["a le", "ak"]), chunk({"text": "b leak", "thought": True}), STOP]
    responses.insert(3, chunk({"functionCall": {"name": "T", "args": {"c": ["leak"]}}}))
    data = sse(*responses) if make is codec else listed(responses)
    scanner = StreamScanner(detect)
    assert carried(make(Homeward({}, lambda _surrogate, _sink: True, scanner)), [data]) == data
    assert scanner.counts == Counter({"r": 3})


@pytest.mark.parametrize("make", [codec, array])
def test_an_idle_way_home_is_not_read(make):
    """Nothing issued, nothing scanned: bytes pass in the moment that they come."""
    one = make(Homeward({}, lambda _surrogate, _sink: False))
    assert one.feed(b"[{half") == b"[{half"
    assert one.finish() == b""
    assert one.broken(b'{"error":{}}') in {b"", b'\n\n{"error":{}}'}


def test_a_whole_answer_is_restored():
    """Text, arguments, code; whether it says that it finished or not."""
    parts = [{"text": f"to {MAIL.text} Q"}, {"functionCall": {"name": "write_file", "args": {"a": HARD.text}}}]
    for finish in ("STOP", ""):
        whole = json.dumps(chunk(*parts, finish=finish)).encode()
        out = json.loads(WIRE.encode_answer(route("generateContent"), whole, homeward()))
        assert contents([out]) == {
            (0, "text"): f"to {MAIL.value} Q",
            (0, "calls"): [{"name": "write_file", "args": {"a": HARD.value}}],
        }


@pytest.mark.parametrize("body", [b"{}", b"[]", b'"QZ"', b'{"candidates": {"a": "QZ"}}', b'{"promptFeedback": {}}'])
def test_a_whole_answer_of_another_shape_passes(body):
    """As the same bytes."""
    assert WIRE.encode_answer(route("generateContent"), body, homeward()) == body


def test_a_whole_answer_that_is_no_json_is_a_fault():
    """It can't be restored."""
    with pytest.raises(UpstreamFault, match="not valid JSON"):
        WIRE.encode_answer(route("generateContent"), b"<html>", homeward())
    assert WIRE.encode_answer(route("countTokens"), b"<html>", homeward()) == b"<html>"


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("streamGenerateContent", "application/x-ndjson"), ("countTokens", "text/event-stream"), ("models", "text/html")],
)
def test_an_unknown_stream_is_a_fault(operation, kind):
    """Nothing is relayed that isn't understood."""
    with pytest.raises(UpstreamFault, match="not known on this route"):
        WIRE.stream(route(operation), kind, homeward())


def test_a_refusal_has_googles_shape():
    """With the reason in a detail that SDKs know."""
    assert json.loads(WIRE.refusal(400, "no", code="poundlock_refused")) == {
        "error": {
            "code": 400,
            "message": "no",
            "status": "INVALID_ARGUMENT",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "POUNDLOCK_REFUSED",
                    "domain": "poundlock",
                }
            ],
        }
    }
    assert json.loads(WIRE.refusal(429, "no"))["error"] == {
        "code": 429,
        "message": "no",
        "status": "RESOURCE_EXHAUSTED",
    }
