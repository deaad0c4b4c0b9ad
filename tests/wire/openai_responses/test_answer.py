"""Answers of the Responses API on their way home, whole, byte by byte and cut anywhere."""

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
from poundlock.wire.openai_responses import OpenAIResponses, answer
from tests.wire.home import CUTS, HARD, ISSUED, MAIL, carried, cut, every_way, homeward, read, sse

if TYPE_CHECKING:
    from poundlock.wire.base import StreamCodec

WIRE = OpenAIResponses()
ROUTE = WIRE.routes[0]
FRAME: dict[str, Any] = {"id": "resp_1", "object": "response", "status": "in_progress", "error": None, "output": []}
SEALED = "gAAAAQZ" + MAIL.text
PAST = "Q"  # a text that ends with what may begin a surrogate


def codec(way: Homeward | None = None) -> StreamCodec:
    """Give a codec for an answer in which the fixture's surrogates may stand."""
    return WIRE.stream(ROUTE, "text/event-stream", way or homeward())


def message(text: str, kind: str = "output_text") -> dict[str, Any]:
    """Give a finished message with one part."""
    part = {"type": kind, "refusal" if kind == "refusal" else "text": text}
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": [part]}


def function(text: str, name: str = "Write", **more: Any) -> dict[str, Any]:
    """Give a finished call of a function."""
    return {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": name, "arguments": text, **more}


def custom(text: str, name: str = "apply_patch") -> dict[str, Any]:
    """Give a finished call of a custom tool."""
    return {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_1", "name": name, "input": text}


def reasoning(text: str, kind: str = "summary_text") -> dict[str, Any]:
    """Give finished reasoning, in short or in full, with its encrypted form."""
    member = "summary" if kind == "summary_text" else "content"
    item = {"id": "rs_1", "type": "reasoning", "summary": [], member: [{"type": kind, "text": text}]}
    return {**item, "encrypted_content": SEALED}


PARTS = {
    "output_text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning_text": ("response.reasoning_text", "text"),
}
CALLS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "mcp_call": ("response.mcp_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
    "code_interpreter_call": ("response.code_interpreter_call_code", "code"),
}


def said(stem: str, member: str, text: str, sizes: list[int], at: dict[str, Any]) -> list[dict[str, Any]]:
    """Give a text in deltas of these sizes (the rest in one), then as a whole."""
    rest, pieces = text, []
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    deltas = [{"type": f"{stem}.delta", **at, "delta": piece} for piece in [*pieces, rest]]
    return [*deltas, {"type": f"{stem}.done", **at, member: text}]


def events_of(item: dict[str, Any], output: int, sizes: list[int]) -> list[dict[str, Any]]:
    """Give the events of one item."""
    at = {"item_id": item["id"], "output_index": output}
    emptied = {name: [] for name in ("content", "summary") if name in item}
    emptied |= {name: "" for name in ("arguments", "input", "code") if name in item}
    out = [{"type": "response.output_item.added", "output_index": output, "item": {**item, **emptied}}]
    for number, part in enumerate(item.get("content", [])):
        here = {**at, "content_index": number}
        stem, member = PARTS[part["type"]]
        out.append({"type": "response.content_part.added", **here, "part": {**part, member: ""}})
        out += said(stem, member, part[member], sizes, here)
        out.append({"type": "response.content_part.done", **here, "part": part})
    for number, part in enumerate(item.get("summary", [])):
        here = {**at, "summary_index": number}
        out.append({"type": "response.reasoning_summary_part.added", **here, "part": {**part, "text": ""}})
        out += said("response.reasoning_summary_text", "text", part["text"], sizes, here)
        out.append({"type": "response.reasoning_summary_part.done", **here, "part": part})
    if item["type"] in CALLS:
        stem, member = CALLS[item["type"]]
        out += said(stem, member, item[member], sizes, at)
    return [*out, {"type": "response.output_item.done", "output_index": output, "item": item}]


def numbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the events with their numbers."""
    return [{"type": each["type"], "sequence_number": at, **each} for at, each in enumerate(events)]


def whole(*items: dict[str, Any], sizes: list[int] | None = None, last: str = "completed") -> list[dict[str, Any]]:
    """Give all events of an answer, numbered; deltas of one character unless `sizes` says otherwise."""
    out = [{"type": "response.created", "response": FRAME}, {"type": "response.in_progress", "response": FRAME}]
    for output, item in enumerate(items):
        out += events_of(item, output, [1] * 200 if sizes is None else sizes)
    final = {**FRAME, "status": last, "output": list(items), "usage": {"total_tokens": 9}}
    return numbered([*out, {"type": f"response.{last}", "response": final}])


def stream(events: list[dict[str, Any]], end: str = "\n") -> bytes:
    """Write events as the API does."""
    return sse(*events, end=end, named=True)


def deltas(events: list[dict[str, Any]]) -> dict[Any, str]:
    """Put the texts together from the deltas alone, as some clients do; none may come after its text is done."""
    found: dict[Any, str] = defaultdict(str)
    done = set()
    for event in events:
        stem, _, ending = event["type"].rpartition(".")
        place = (event.get("output_index"), stem, event.get("content_index", event.get("summary_index", 0)))
        assert place not in done
        if ending == "delta":
            found[place] += event["delta"]
        elif ending == "done" and stem in {name for name, _ in [*PARTS.values(), *CALLS.values()]}:
            done.add(place)
    return dict(found)


def items_of(events: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    """Give the items as each was done, and as the response has them at last."""
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    return done, events[-1]["response"]["output"]


def same_skeleton(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """Fail unless every event is there, once, in its order and with its number."""
    assert [(each["sequence_number"], each["type"]) for each in after] == [
        (each["sequence_number"], each["type"]) for each in before
    ]


JSON_TEXT = json.dumps({"file_path": "/x", "content": f"p={HARD.text}; {MAIL.text}"})
RESTORED_JSON = json.dumps({"file_path": "/x", "content": f"p={HARD.value}; {MAIL.value}"})
CASES = [
    pytest.param(message(f"to {MAIL.text}, ok"), message(f"to {MAIL.value}, ok"), id="text"),
    pytest.param(message(f"{HARD.text} FAQ"), message(f"{HARD.value} FAQ"), id="text that ends in a Q"),
    pytest.param(message(f"no {MAIL.text}", "refusal"), message(f"no {MAIL.value}", "refusal"), id="refusal"),
    pytest.param(reasoning(f"think {MAIL.text}"), reasoning(f"think {MAIL.value}"), id="summary"),
    pytest.param(
        reasoning(f"so {MAIL.text}", "reasoning_text"), reasoning(f"so {MAIL.value}", "reasoning_text"), id="reasoning"
    ),
    pytest.param(function(JSON_TEXT), function(RESTORED_JSON), id="function call"),
    pytest.param(
        function(json.dumps({"cmd": f"echo {MAIL.text}"}), "exec_command"),
        function(json.dumps({"cmd": f"echo {MAIL.value}"}), "exec_command"),
        id="command",
    ),
    pytest.param(custom(f"+p={HARD.text}\n"), custom(f"+p={HARD.value}\n"), id="custom tool"),
    pytest.param(
        {"id": "ci_1", "type": "code_interpreter_call", "code": f"print('{MAIL.text}')", "outputs": None},
        {"id": "ci_1", "type": "code_interpreter_call", "code": f"print('{MAIL.value}')", "outputs": None},
        id="code",
    ),
]


@pytest.mark.parametrize("last", ["completed", "incomplete", "failed"])
@pytest.mark.parametrize(("item", "restored"), CASES)
def test_trap_one_text_is_restored_the_same_in_every_event(item, restored, last):
    """In deltas, `.done`, `content_part.done`, `output_item.done` and the final response, with every event in place."""
    events = whole(item, last=last)
    out = read(every_way(codec, stream(events)))
    same_skeleton(events, out)
    wanted = whole(restored, last=last)
    assert deltas(out) == deltas(wanted)
    rest = [each for each in out if not each["type"].endswith(".delta")]
    assert [{**each, "sequence_number": 0} for each in rest] == [
        {**each, "sequence_number": 0} for each in wanted if not each["type"].endswith(".delta")
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end(end):
    """The same comes out, with the server's own line ends."""
    events = whole(message(f"to {MAIL.text} Q"), function(JSON_TEXT))
    out = read(every_way(codec, stream(events, end)))
    same_skeleton(events, out)
    assert items_of(out) == (items := [message(f"to {MAIL.value} Q"), function(RESTORED_JSON)], items)


@given(st.lists(st.integers(0, 40), max_size=12), CUTS)
def test_texts_are_restored_at_every_split(sizes, places):
    """Deltas of any sizes, bytes cut anywhere: the same bytes come out, and each text is exact everywhere."""
    text = f"Q {MAIL.text} q {HARD.text.lower()}QZ_{MAIL.text}{MAIL.text.replace('_', chr(92) + '_')} QZ"
    plain = f"Q {MAIL.value} q {HARD.value}QZ_{MAIL.value}{MAIL.value} QZ"
    events = whole(message(text), custom(text, "Write"), reasoning(text), sizes=sizes)
    data = stream(events)
    out = carried(codec(), cut(data, places))
    assert out == carried(codec(), [data])
    got = read(out)
    same_skeleton(events, got)
    wanted = [message(plain), custom(plain, "Write"), reasoning(plain)]
    assert items_of(got) == (wanted, wanted)
    assert set(deltas(got).values()) == {plain}


@given(sizes=st.lists(st.integers(0, 9), max_size=60), places=CUTS, name=st.sampled_from(["Write", "Bash"]))
def test_arguments_are_restored_at_every_split(sizes, places, name):
    """For a tool whose sink is known at once, and for one that is judged by all of its arguments."""
    text = json.dumps({"a": "C:\\dir\\", "content": f"{HARD.text} q Q", "u": "\u0416"}).replace("QZ", "\\u0051Z", 1)
    events = whole(function(text, name), sizes=sizes)
    data = stream(events)
    out = carried(codec(), cut(data, places))
    assert out == carried(codec(), [data])
    got = read(out)
    same_skeleton(events, got)
    (streamed,) = deltas(got).values()
    done, final = items_of(got)
    assert streamed == done[0]["arguments"] == final[0]["arguments"]
    assert json.loads(streamed) == {"a": "C:\\dir\\", "content": f"{HARD.value} q Q", "u": "\u0416"}


def test_a_call_s_sink_is_its_tool():
    """The name stands in the item that opens; a namespace and a server's tool are remote, Codex's own agents aren't."""
    asked: list[tuple[str, str]] = []

    def permit(_surrogate: Surrogate, sink: Sink) -> bool:
        asked.append((sink.kind, sink.tool))
        return True

    text = json.dumps({"content": MAIL.text})
    plain = json.dumps({"content": MAIL.value})
    remote = {"id": "mcp_1", "type": "mcp_call", "name": "Write", "server_label": "s", "arguments": text}
    items = [
        function(text),
        function(text, "Write", namespace="mcp__far"),
        function(text, "mcp__far__send"),
        remote,
        function(text, "spawn_agent", namespace="multi_agent_v1"),
    ]
    wanted = [
        function(plain),
        *items[1:4],
        function(plain, "spawn_agent", namespace="multi_agent_v1"),
    ]
    got = read(every_way(lambda: codec(homeward(permit)), stream(whole(*items))))
    assert items_of(got) == (wanted, wanted)
    assert set(asked) == {("file", "Write"), ("function", "spawn_agent")}


def test_what_policy_leaves_is_left_everywhere():
    """A command that reaches out keeps its surrogates in every event."""
    events = whole(function(json.dumps({"cmd": f"curl h/?{MAIL.text}"}), "exec_command"))
    out = every_way(lambda: codec(homeward(lambda _surrogate, sink: not sink.network)), stream(events))
    got = read(out)
    same_skeleton(events, got)
    assert (deltas(got), items_of(got)) == (deltas(events), items_of(events))


@pytest.mark.parametrize(
    ("item", "restored"),
    [
        (
            {"type": "local_shell_call", "action": {"type": "exec", "command": ["echo", HARD.text], "env": {}}},
            {"type": "local_shell_call", "action": {"type": "exec", "command": ["echo", HARD.value], "env": {}}},
        ),
        (
            {"type": "shell_call", "action": {"commands": [f"echo {MAIL.text}", f"curl {MAIL.text}"]}},
            {"type": "shell_call", "action": {"commands": [f"echo {MAIL.value}", f"curl {MAIL.text}"]}},
        ),
        (
            {"type": "apply_patch_call", "operation": {"type": "create_file", "path": "/x", "diff": f"+{HARD.text}"}},
            {"type": "apply_patch_call", "operation": {"type": "create_file", "path": "/x", "diff": f"+{HARD.value}"}},
        ),
        (
            {"type": "function_call", "name": "Write", "arguments": {"content": MAIL.text}},
            {"type": "function_call", "name": "Write", "arguments": {"content": MAIL.value}},
        ),
        ({"type": "web_search_call", "action": {"query": MAIL.text}},) * 2,
        ({"type": "computer_call", "action": {"type": "type", "text": MAIL.text}},) * 2,
        ({"type": "compaction", "encrypted_content": SEALED},) * 2,
        ({"type": "image_generation_call", "result": SEALED},) * 2,
        ({"type": "mcp_approval_request", "name": "Write", "arguments": f'{{"a":"{MAIL.text}"}}'},) * 2,
        ({"type": "new_item", "text": MAIL.text},) * 2,
    ],
)
def test_items_that_come_whole(item, restored):
    """Local commands and files are restored into; what the provider runs, and what is sealed, is the same."""
    way = lambda: codec(homeward(lambda _surrogate, sink: not sink.network))  # noqa: E731
    opened = {"type": "response.output_item.added", "output_index": 0, "item": item}
    events = numbered(
        [
            opened,
            {**opened, "type": "response.output_item.done"},
            {"type": "response.completed", "response": {**FRAME, "output": [item]}},
        ]
    )
    got = read(every_way(way, stream(events)))
    same_skeleton(events, got)
    assert [got[0]["item"], got[1]["item"], got[2]["response"]["output"][0]] == [restored] * 3


def test_commands_that_are_streamed():
    """Each command of a shell call has its own deltas, and its own sink."""
    item = {"id": "sh_1", "type": "shell_call", "action": {"commands": [f"echo {MAIL.text}", f"curl {MAIL.text}"]}}
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "action": {}}}
    ]
    for at, command in enumerate(item["action"]["commands"]):
        place = {"output_index": 0, "command_index": at}
        events.append({"type": "response.shell_call_command.added", **place, "command": ""})
        events += said("response.shell_call_command", "command", command, [3] * 20, place)
    events += [{"type": "response.output_item.done", "output_index": 0, "item": item}]
    events = numbered(events)
    got = read(every_way(lambda: codec(homeward(lambda _surrogate, sink: not sink.network)), stream(events)))
    same_skeleton(events, got)
    found: dict[int, str] = defaultdict(str)
    for event in got:
        if event["type"].endswith(".delta"):
            found[event["command_index"]] += event["delta"]
    commands = [f"echo {MAIL.value}", f"curl {MAIL.text}"]
    assert [found[0], found[1]] == got[-1]["item"]["action"]["commands"] == commands
    assert [event["command"] for event in got if event["type"].endswith("command.done")] == commands


def test_what_the_answer_repeats_of_the_request_is_restored_and_not_counted():
    """The client sent its instructions with true values."""
    frame = {**FRAME, "instructions": f"Mail {MAIL.text}.", "tools": [{"name": "x", "description": HARD.text}]}
    frame |= {"metadata": {"who": MAIL.text}, "error": {"code": "x", "message": MAIL.text}}
    way = homeward()
    got = read(carried(codec(way), [stream(numbered([{"type": "response.created", "response": frame}]))]))
    assert got[0]["response"] == {
        **frame,
        "instructions": f"Mail {MAIL.value}.",
        "tools": [{"name": "x", "description": HARD.value}],
        "metadata": {"who": MAIL.value},
    }
    assert (way.restored, way.left) == (0, 0)


def test_trap_each_surrogate_is_counted_and_scanned_once():
    """Though its text stands in up to five events."""
    scanner = StreamScanner(
        lambda text: tuple(
            Match(
                rule_id="r",
                family="secret",
                kind="secret.x",
                tier="internal",
                start=at,
                end=at + 5,
                confidence=1.0,
                value="x",
            )
            for at in [text.find("leak!")]
            if at >= 0
        )
    )
    way = Homeward(ISSUED, lambda _surrogate, _sink: True, scanner)
    events = whole(message(f"leak! {MAIL.text}"), function(json.dumps({"content": f"leak! {MAIL.text}"})))
    got = read(carried(codec(way), [stream(events)]))
    same_skeleton(events, got)
    assert way.restored_kinds == Counter({"pii.email": 2})
    assert scanner.counts == Counter({"r": 2})


def test_a_waiting_event_holds_up_what_follows_it():
    """Two items woven together: nothing overtakes, and each text is its own."""
    one, two = events_of(message(f"a {MAIL.text} Q"), 0, [1] * 99), events_of(message(f"b {HARD.text} q"), 1, [2] * 99)
    woven = [each for pair in zip(one, two, strict=False) for each in pair]
    woven += one[len(two) :] + two[len(one) :]
    events = numbered(woven)
    got = read(every_way(codec, stream(events)))
    same_skeleton(events, got)
    texts = deltas(got)
    assert set(texts.values()) == {f"a {MAIL.value} Q", f"b {HARD.value} q"}


def test_the_wait_is_bounded(monkeypatch):
    """An answer that never ends a text can't make the gateway keep everything: what it held is given up."""
    monkeypatch.setattr(answer, "WAITING", 2000)
    at = {"output_index": 0, "content_index": 0}
    first = {"type": "response.output_text.delta", **at, "delta": "so QZ"}
    noise = [{"type": "response.web_search_call.searching", "output_index": 1} for _ in range(60)]
    events = numbered([first, *noise, {"type": "response.output_text.done", **at, "text": "so QZ"}])
    way = codec()
    early = way.feed(stream(events[:50]))
    assert read(early) == events[: len(read(early))]
    assert len(read(early)) > 20
    assert read(early + way.feed(stream(events[50:])) + way.finish()) == events


def test_nothing_is_delayed_that_needs_no_wait():
    """A delta that can't end within a surrogate goes on at once; one that can waits for the next."""
    events = whole(message("abcQde"), sizes=[1, 1, 1, 1, 1])
    way = codec()
    given = [len(read(way.feed(sse(each, named=True)))) for each in events]
    waits = next(at for at, each in enumerate(events) if each.get("delta") == "Q")
    assert given == [1] * waits + [0, 2] + [1] * (len(events) - waits - 2)


@pytest.mark.parametrize("error", [b"", b"event: error\n"])
def test_trap_what_is_held_comes_out_when_the_answer_is_cut_off(error):
    """Every whole event, then the bytes of the one that never became whole."""
    events = whole(message(f"a {MAIL.text} Q"))
    at = next(at for at, each in enumerate(events) if each["type"].endswith("text.done"))
    data = stream(events[:at])
    out = every_way(codec, data + error)
    assert out.endswith(error)
    got = read(out.removesuffix(error) if error else out)
    same_skeleton(events[:at], got)
    assert set(deltas(got).values()) == {f"a {MAIL.value} Q"}


def test_a_broken_stream_ends_with_a_numbered_error():
    """What was held back, then the API's own error event, with the number that is next."""
    events = whole(message("a Q"))
    at = next(at for at, each in enumerate(events) if each["type"].endswith("text.done"))
    way = codec()
    out = way.feed(stream(events[:at]) + b"event: response.output_text.done\ndata: {") + way.broken(
        WIRE.broken("It broke.")
    )
    got = read(out)
    same_skeleton(events[:at], got[:-1])
    assert got[-1] == {
        "type": "error",
        "code": "server_error",
        "message": "It broke.",
        "param": None,
        "sequence_number": at,
    }
    assert read(codec().broken(WIRE.broken("x")))[0]["sequence_number"] == 0


def test_an_error_event_passes_as_it_is():
    """After what was held back; its words are the provider's."""
    at = {"output_index": 0, "content_index": 0}
    events = numbered(
        [
            {"type": "response.output_text.delta", **at, "delta": "so Q"},
            {"type": "error", "code": "x", "message": MAIL.text, "param": None},
        ]
    )
    assert read(every_way(codec, stream(events))) == events


@pytest.mark.parametrize(
    "odd",
    [
        "not json QZ",
        "[DONE]",
        {"type": "response.new.delta", "delta": "QZ"},
        {"type": "response.output_text.delta", "delta": {"a": "QZ"}},
        {"type": "response.output_text.delta", "delta": "", "output_index": "QZ"},
        {"type": "response.output_text.delta", "q": "QZ"},
        {"type": "response.output_item.done", "item": "QZ"},
        {"type": "response.output_item.added", "item": {"type": "message", "content": "QZ"}},
        {
            "type": "response.output_item.added",
            "item": {"type": "message", "content": ["QZ", {"type": 1}, {"text": "QZ"}]},
        },
        {"type": "response.output_item.added", "item": {"type": "shell_call", "action": {"commands": [1, "QZ", None]}}},
        {"type": "response.output_item.added", "item": {"type": "local_shell_call", "action": None, "q": "QZ"}},
        {"type": "response.output_item.added", "item": {"type": "function_call", "name": 1, "arguments": 1, "q": "QZ"}},
        {"type": "response.content_part.done", "part": ["QZ"]},
        {"type": "response.completed", "response": ["QZ"]},
        {"type": "response.completed", "response": {"output": {"QZ": 1}, "instructions": [1, None, {"a": ["QZ"]}]}},
    ],
)
def test_odd_events_pass_as_the_same_bytes(odd):
    """Whatever stands where, nothing breaks, and events that are not understood go on unchanged."""
    data = sse(odd, *whole(message("to you"))[-1:])
    assert every_way(codec, data) == data


@pytest.mark.parametrize("length", [1, 3, 5000])
def test_a_stream_without_surrogates_passes_as_the_same_bytes(length):
    """Also while a call is open and answers are scanned."""
    items = [message("word " * length + "end."), function(json.dumps({"cmd": "ls " * length}), "exec_command")]
    data = stream(whole(*items, sizes=[7] * (length * 2)))
    for way in (homeward, lambda: homeward(scanner=StreamScanner(lambda _text: ()))):
        assert carried(codec(way()), [data]) == data


def test_answers_on_an_idle_way_pass_unread():
    """Nothing was issued and nothing is scanned."""
    assert carried(codec(Homeward({}, lambda _surrogate, _sink: True)), [b"any bytes"]) == b"any bytes"


@pytest.mark.parametrize(("item", "restored"), CASES)
def test_whole_answers_are_restored(item, restored):
    """JSON instead of events, and a stored answer's."""
    body = json.dumps({**FRAME, "output": [item]}).encode()
    for route in (WIRE.routes[0], WIRE.routes[4]):
        assert json.loads(WIRE.encode_answer(route, body, homeward())) == {**FRAME, "output": [restored]}
    assert WIRE.encode_answer(WIRE.routes[1], body, homeward()) == body


def test_a_list_of_stored_items_is_restored():
    """What the client sent, and what was answered."""
    items = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": MAIL.text}]}]
    body = json.dumps({"object": "list", "data": items}).encode()
    got = json.loads(WIRE.encode_answer(WIRE.routes[5], body, homeward()))
    assert got["data"][0]["content"][0]["text"] == MAIL.value


def test_whole_answers_without_surrogates_are_the_same_bytes():
    """Spacing and all; what isn't JSON is the provider's fault."""
    body = b'{ "object" :"response", "output":[ {"type":"message","content":[{"type":"output_text","text":"hi"}]} ] }'
    assert WIRE.encode_answer(ROUTE, body, homeward()) == body
    assert WIRE.encode_answer(ROUTE, b"nope", Homeward({}, lambda _surrogate, _sink: True)) == b"nope"
    with pytest.raises(UpstreamFault, match="not valid JSON"):
        WIRE.encode_answer(ROUTE, b"nope", homeward())


@pytest.mark.parametrize(("route", "kind"), [(0, "application/x-ndjson"), (1, "text/event-stream")])
def test_unknown_streams_are_refused(route, kind):
    """Another format, or a route that has no stream."""
    with pytest.raises(UpstreamFault, match="not known on this route"):
        WIRE.stream(WIRE.routes[route], kind, homeward())
