"""Completions, legacy and of a gap in a file: what is searched, and how the answer comes home."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.errors import ClientFault, UpstreamFault
from poundlock.core.stream import Homeward, StreamScanner
from poundlock.wire.openai_completions import OpenAICompletions
from tests.wire.home import CUTS, HARD, MAIL, by_text, carried, cut, every_way, homeward, read, sse

WIRE = OpenAICompletions()
LEGACY, MISTRAL, DEEPSEEK = WIRE.routes


def decoded(tree: Any, route: Any = LEGACY, headers: dict[str, str] | None = None) -> Any:
    """Decode a body that was given as a tree."""
    return WIRE.decode_request(route, json.dumps(tree).encode(), headers or {})


def codec(way: Homeward | None = None) -> Any:
    """Give a codec for an answer in which the fixture's surrogates may stand."""
    return WIRE.stream(LEGACY, "text/event-stream", way or homeward())


def chunk(text: str | None, index: int = 0, finish: str | None = None, *, chat: bool = False) -> dict[str, Any]:
    """Give one event with one choice."""
    said = {"delta": {} if text is None else {"content": text}} if chat else {} if text is None else {"text": text}
    return {"id": "cmpl-1", "model": "m", "choices": [{"index": index, **said, "finish_reason": finish}]}


def contents(out: bytes) -> dict[int, str]:
    """Put the texts together as a client does; nothing may come for a choice that has finished."""
    found: dict[int, str] = defaultdict(str)
    finished = set()
    for event in read(out):
        for choice in event["choices"] if isinstance(event, dict) else ():
            assert choice["index"] not in finished
            found[choice["index"]] += choice.get("text") or choice.get("delta", {}).get("content") or ""
            if choice["finish_reason"]:
                finished.add(choice["index"])
    return dict(found)


@pytest.mark.parametrize("prompt", ["one text", ["one text", "two"]])
def test_prompts_are_searched(prompt):
    """One or several; a person typed them."""
    tree = {"model": "m-1", "prompt": prompt, "max_tokens": 9, "temperature": 0.70, "user": "some one", "stop": ["a b"]}
    body = decoded(tree)
    segment = by_text(body.document, "one text")
    assert (segment.role, segment.kind, segment.origin) == ("user", "prose", "typed")
    assert {"some one", "a b"} <= {each.text for each in body.document.segments}
    assert (body.document.provider, body.document.operation, body.document.model) == ("openai", "completions", "m-1")
    assert json.loads(body.encode({})) == tree
    assert json.loads(body.encode({0: "QZ"}))["prompt"] == json.loads(json.dumps(prompt).replace("one text", "QZ"))


@pytest.mark.parametrize(
    ("route", "tree"),
    [
        (MISTRAL, {"prompt": "def f(", "suffix": "return x"}),
        (DEEPSEEK, {"prompt": "def f("}),
        (LEGACY, {"prompt": "def f(", "suffix": "return x"}),
        (LEGACY, {"prompt": "<|fim_prefix|>def f(<|fim_suffix|>return x<|fim_middle|>"}),
        (LEGACY, {"prompt": "<fim_prefix>def f(<fim_suffix>return x<fim_middle>"}),
        (LEGACY, {"prompt": "<PRE> def f( <SUF>return x <MID>"}),
        (
            LEGACY,
            {"prompt": "<\uff5cfim\u2581begin\uff5c>f<\uff5cfim\u2581hole\uff5c>x<\uff5cfim\u2581end\uff5c>"},
        ),
    ],
)
def test_what_stands_around_a_gap_is_of_a_file(route, tree):
    """Nobody typed it."""
    segments = decoded(tree, route).document.segments
    assert {(each.kind, each.origin) for each in segments} == {("file", "file")}
    assert [each.text for each in segments] == list(tree.values())


@pytest.mark.parametrize("prompt", [[1, 2], [[1, 2], [3]], ["text", [1]], 7])
def test_prompts_of_token_numbers_are_refused(prompt):
    """They are text that can't be inspected."""
    with pytest.raises(ClientFault, match="token numbers"):
        decoded({"prompt": prompt})


@pytest.mark.parametrize("value", [None, True, "words", [], ["words", None], {}, {"a": ["words"]}])
@pytest.mark.parametrize("name", ["prompt", "suffix", "logit_bias", "new", "model"])
def test_odd_shapes_are_searched_and_sent(name, value):
    """Strings are segments, and the body is sent as it came."""
    body = decoded({"n": 1, name: value})
    assert json.loads(body.encode({})) == {"n": 1, name: value}
    texts = [segment.text for segment in body.document.segments]
    assert ("words" in json.dumps(value)) == ("words" in texts) or (name, value) == ("model", "words")


def test_a_body_that_is_no_object_is_refused():
    """The API knows none."""
    with pytest.raises(ClientFault, match="not a JSON object"):
        decoded([])


def test_tokens_as_names_and_the_conversation():
    """`logit_bias` maps tokens to weights; a session is a conversation, else the prompt is."""
    assert [each.text for each in decoded({"prompt": "x y", "logit_bias": {"50256": -100}}).document.segments] == [
        "x y"
    ]
    named = decoded({"prompt": "x"}, headers={"x-session-id": "s-1"}).document.conversation
    assert named == decoded({"prompt": "y"}, headers={"session_id": "s-1"}).document.conversation
    assert decoded({"prompt": "x"}).document.conversation != decoded({"prompt": "y"}).document.conversation != named


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("last", ["", None, " Q"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_is_restored_however_it_is_cut(chat, last, end):
    """Two choices woven together; the last event of a choice has an empty text, none, or one."""
    events = [chunk(piece, at, chat=chat) for piece in f"to {MAIL.text} Q" for at in (0, 1)]
    events += [chunk(last, at, "stop", chat=chat) for at in (0, 1)]
    usage = {"id": "cmpl-1", "choices": [], "usage": {"total_tokens": 9}}
    out = every_way(codec, sse(*events, usage, "[DONE]", end=end))
    text = f"to {MAIL.value} Q{last or ''}"
    assert contents(out) == {0: text, 1: text}
    assert read(out)[-2:] == [usage, "[DONE]"]


@given(st.lists(st.integers(0, 40), max_size=12), CUTS, st.booleans())
def test_text_is_restored_at_every_split(sizes, places, chat):
    """Deltas of any sizes, bytes cut anywhere: the same bytes come out, and the text is exact."""
    text = f"Q {MAIL.text} q {HARD.text.lower()}QZ_{MAIL.text} QZ"
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    data = sse(*(chunk(piece, chat=chat) for piece in [*pieces, text]), chunk("", 0, "stop", chat=chat), "[DONE]")
    out = carried(codec(), cut(data, places))
    assert out == carried(codec(), [data])
    assert contents(out) == {0: f"Q {MAIL.value} q {HARD.value}QZ_{MAIL.value} QZ"}


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("last", ["[DONE]", {"error": {"message": "overloaded"}, "choices": []}])
def test_what_is_held_comes_before_the_end(chat, last):
    """Also where no finish_reason came, and where the stream just ends."""
    events = read(every_way(codec, sse(chunk("so QZ", chat=chat), last)))
    assert events[-1] == last
    assert contents(sse(*events[:-1])) == {0: "so QZ"}
    assert contents(every_way(codec, sse(chunk("so QZ", chat=chat)))) == {0: "so QZ"}


@pytest.mark.parametrize("odd", ["not json QZ", {"choices": "QZ"}, {"choices": [{"index": "QZ"}]}, {"q": "QZ"}])
def test_odd_events_pass_as_the_same_bytes(odd):
    """What is not understood goes on unchanged."""
    data = sse(odd, chunk("x", 0, "stop"))
    assert every_way(codec, data) == data


def test_a_stream_without_surrogates_passes_as_the_same_bytes():
    """Also when answers are scanned."""
    data = sse(*(chunk(f"word {at} ") for at in range(300)), chunk("", 0, "stop"), "[DONE]")
    for way in (homeward, lambda: homeward(scanner=StreamScanner(lambda _text: ()))):
        assert carried(codec(way()), [data]) == data


@pytest.mark.parametrize("route", WIRE.routes)
def test_whole_answers_are_restored(route):
    """In both forms; others are the same bytes."""
    legacy, chat = {"index": 0, "text": MAIL.text}, {"index": 1, "message": {"role": "assistant", "content": HARD.text}}
    got = json.loads(WIRE.encode_answer(route, json.dumps({"choices": [legacy, chat, None]}).encode(), homeward()))
    assert [got["choices"][0]["text"], got["choices"][1]["message"]["content"]] == [MAIL.value, HARD.value]
    plain = b'{ "choices": [ {"text" :"hi"} ] }'
    assert WIRE.encode_answer(route, plain, homeward()) == plain
    assert WIRE.encode_answer(route, b"nope", Homeward({}, lambda _surrogate, _sink: True)) == b"nope"
    with pytest.raises(UpstreamFault, match="not valid JSON"):
        WIRE.encode_answer(route, b"nope", homeward())


def test_errors_and_unknown_streams():
    """Refusals have the API's shape, a broken stream ends with one."""
    assert json.loads(WIRE.refusal(400, "No."))["error"]["type"] == "invalid_request_error"
    assert read(WIRE.broken("It broke."))[0]["error"] == {
        "message": "It broke.",
        "type": "server_error",
        "param": None,
        "code": None,
    }
    with pytest.raises(UpstreamFault, match="not known on this route"):
        WIRE.stream(LEGACY, "application/x-ndjson", homeward())
