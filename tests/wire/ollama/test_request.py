"""Requests to the Ollama API: every string is a segment, in its role, or one of the words that are known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from poundlock.core.errors import ClientFault
from poundlock.wire import registry
from poundlock.wire.ollama import Ollama
from tests.wire.home import by_text, index_of

WIRE = Ollama()
PICTURE = "iVBORw0KGgoAAAANSUhEUg=="


def decoded(tree: Any, operation: str = "chat", headers: dict[str, str] | None = None) -> Any:
    """Decode a body as a request of this operation."""
    wire, route = registry.resolve("POST", f"/api/{operation}", {})
    assert (wire.provider, route.operation, route.treatment) == ("ollama", operation, "inspect")
    return wire.decode_request(route, json.dumps(tree).encode(), headers or {})


def told(body: Any, text: str) -> tuple[Any, ...]:
    """Give what is known of the one segment with this text."""
    segment = by_text(body.document, text)
    return segment.role, segment.kind, segment.origin, segment.turn, segment.tool, segment.opaque


CONVERSATION = {
    "model": "qwen3:8b",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Read it, please.", "images": [PICTURE]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "I had better look",
            "tool_calls": [
                {"id": "call_1", "function": {"index": 0, "name": "read_file", "arguments": {"path": "a b"}}}
            ],
        },
        {"role": "tool", "content": "its text", "tool_name": "read_file"},
        {"role": "tool", "content": "no name here"},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [{"type": "function", "function": {"name": "read_file", "description": "Reads it.", "parameters": {}}}],
    "options": {"num_ctx": 4096, "temperature": 0.5, "stop": ["END of it"]},
    "keep_alive": "5m",
    "stream": True,
}


def test_every_text_is_in_its_role():
    """System, typed, thinking, calls, results, options."""
    body = decoded(CONVERSATION)
    assert told(body, "Be brief.") == ("system", "prose", "tool", 0, "", False)
    assert told(body, "Reads it.") == ("system", "prose", "tool", 0, "", False)
    assert told(body, "Read it, please.") == ("user", "prose", "typed", 0, "", False)
    assert told(body, PICTURE) == ("user", "file", "file", 0, "", True)
    assert told(body, "I had better look") == ("assistant", "prose", "tool", 0, "", False)
    assert told(body, "a b") == ("assistant", "tool_args", "tool", 0, "read_file", False)
    assert told(body, "its text") == ("tool", "tool_result", "tool", 1, "read_file", False)
    assert told(body, "no name here")[4] == "read_file"
    assert told(body, "And now?") == ("user", "prose", "typed", 1, "", False)
    assert told(body, "END of it")[0] == "system"
    document = body.document
    assert (document.provider, document.operation, document.model) == ("ollama", "chat", "qwen3:8b")
    assert (document.stream, document.tools) == (True, ("read_file",))
    assert json.loads(body.encode({})) == CONVERSATION
    sent = json.loads(body.encode({index_of(document, "a b"): "QZ"}))
    assert sent == json.loads(json.dumps(CONVERSATION).replace("a b", "QZ"))


def test_a_generation_is_searched():
    """Prompt, suffix, system and template; the context's numbers pass."""
    tree = {
        "model": "m",
        "system": "Be brief.",
        "prompt": "Go on, please.",
        "suffix": "the end of it",
        "template": "{{ .Prompt }} x",
        "context": [1, 151644, 872],
        "images": [PICTURE],
        "raw": False,
    }
    body = decoded(tree, "generate")
    assert told(body, "Be brief.")[:3] == ("system", "prose", "tool")
    assert told(body, "Go on, please.")[:3] == ("user", "prose", "typed")
    assert told(body, "the end of it")[:3] == ("user", "prose", "typed")
    assert told(body, "{{ .Prompt }} x")[0] == "system"
    assert len(body.document.segments) == 5
    assert json.loads(body.encode({})) == tree


@pytest.mark.parametrize(
    ("operation", "tree"),
    [
        ("embed", {"model": "m", "input": "one text"}),
        ("embed", {"model": "m", "input": ["one text"]}),
        ("embeddings", {"model": "m", "prompt": "one text"}),
        ("show", {"model": "m", "system": "one text"}),
        ("generate", {"model": "m", "prompt": "one text", "stream": False}),
    ],
)
def test_every_operation_is_searched(operation, tree):
    """And none of these streams."""
    body = decoded(tree, operation)
    assert [segment.text for segment in body.document.segments] == ["one text"]
    assert json.loads(body.encode({0: "QZ"})) == json.loads(json.dumps(tree).replace("one text", "QZ"))
    assert body.document.stream is False


@pytest.mark.parametrize(("stream", "streams"), [(None, True), (True, True), (False, False)])
def test_trap_streaming_is_what_happens_unless_it_is_told_not_to(stream, streams):
    """Without a word it streams."""
    tree = {"model": "m", "messages": []} | ({} if stream is None else {"stream": stream})
    assert decoded(tree).document.stream is streams


@pytest.mark.parametrize(
    "tree",
    [
        {"messages": [{"role": "smuggled"}]},
        {"messages": [{"role": "user", "content": "x", "images": ["smuggled"]}]},
        {"messages": [{"role": "user", "content": "x", "images": ["iVBORw0KGgo smuggled"]}]},
        {"messages": [{"role": "user", "images": [{"a": "smuggled"}]}]},
        {"messages": [{"role": "user", "images": "smuggled"}]},
        {"messages": [{"role": "tool", "tool_name": "smuggled", "content": ""}]},
        {"messages": [{"role": "tool", "tool_call_id": "smuggled by id", "content": ""}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "smuggled"}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "smuggled"}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {}, "id": "smuggled by id"}]}]},
        {"messages": [{"role": "assistant", "tool_calls": ["smuggled"]}]},
        {"messages": [{"role": "assistant", "tool_calls": {"a": "smuggled"}}]},
        {"messages": [{"role": "user", "content": {"a": "smuggled"}}]},
        {"messages": ["smuggled"]},
        {"messages": "smuggled"},
        {"context": [1, "smuggled"]},
        {"system": ["smuggled"]},
        {"prompt": {"a": "smuggled"}},
        {"options": {"smuggled": 1}},
        {"model": "smuggled: words"},
    ],
)
@pytest.mark.parametrize("operation", ["chat", "generate"])
def test_nothing_is_smuggled_in_what_looks_structural(operation, tree):
    """A known place with an unknown content is searched like any other."""
    body = decoded(tree, operation)
    assert [s.opaque for s in body.document.segments if "smuggled" in s.text] == [False]
    assert json.loads(body.encode({})) == tree


@pytest.mark.parametrize("value", [None, 1, "loose words", [], {}, [None, {"role": {}}, {"tool_calls": [{}, None]}]])
@pytest.mark.parametrize("name", ["messages", "tools", "images", "prompt", "system", "input", "context", "options"])
def test_odd_shapes_are_searched_and_sent(name, value):
    """Whatever stands where, nothing breaks: strings are segments, and the body is sent as it came."""
    body = decoded({"n": 1, name: value})
    assert json.loads(body.encode({})) == {"n": 1, name: value}
    assert ("loose" in json.dumps(value)) == ("loose words" in [segment.text for segment in body.document.segments])


def test_trap_the_conversation_is_named_by_how_it_began():
    """Up to the first user text, or by the client's session; the name can't be read."""
    name = decoded(CONVERSATION).document.conversation
    assert decoded({**CONVERSATION, "messages": CONVERSATION["messages"][:2]}).document.conversation == name
    assert decoded({**CONVERSATION, "messages": CONVERSATION["messages"][:1]}).document.conversation != name
    first, second = (decoded(tree, headers={"x-session-id": "s-1"}) for tree in (CONVERSATION, {"messages": []}))
    assert first.document.conversation == second.document.conversation
    assert "s-1" not in first.document.conversation


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
def test_a_body_that_is_no_object_is_refused(body):
    """The API knows none."""
    with pytest.raises(ClientFault, match="not a JSON object"):
        WIRE.decode_request(WIRE.routes[0], body, {})


@pytest.mark.parametrize(
    ("method", "path", "headers", "found"),
    [
        ("GET", "/api/tags", {}, ("ollama", "tags", "pass")),
        ("GET", "/api/ps", {}, ("ollama", "ps", "pass")),
        ("GET", "/api/version", {}, ("ollama", "version", "pass")),
        ("HEAD", "/", {}, ("anthropic", "probe", "pass")),
        ("HEAD", "/", {"user-agent": "ollama/0.12.3 (amd64 linux)"}, ("ollama", "probe", "pass")),
        ("GET", "/", {"user-agent": "ollama-python/0.6.3"}, ("ollama", "probe", "pass")),
        ("POST", "/api/pull", {}, ("ollama", "pull", "refuse")),
        ("DELETE", "/api/delete", {}, ("ollama", "delete", "refuse")),
        ("HEAD", "/api/blobs/sha256:00", {}, ("ollama", "blobs", "refuse")),
        ("POST", "/api/web_search", {}, ("ollama", "web", "refuse")),
    ],
)
def test_routes(method, path, headers, found):
    """What is passed and what is refused; a probe of the root is told by its User-Agent."""
    wire, route = registry.resolve(method, path, headers)
    assert (wire.provider, route.operation, route.treatment) == found
    assert WIRE.key_header("k") == ("authorization", "Bearer k")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/chat"), ("POST", "/api/chat/"), ("POST", "/api/x"), ("PUT", "/")]
)
def test_what_no_row_names_is_refused(method, path):
    """Nothing is guessed."""
    with pytest.raises(ClientFault, match="This route is not known"):
        registry.resolve(method, path, {"user-agent": "ollama-python/0.6.3"})
