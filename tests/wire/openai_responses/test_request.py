"""Requests to the Responses API: what becomes a segment, whose it is, and what stays the same string."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from poundlock.core.errors import ClientFault
from poundlock.wire import body
from poundlock.wire.openai_responses import OpenAIResponses, request
from tests.wire.home import by_text, index_of

if TYPE_CHECKING:
    from poundlock.wire.base import Body

WIRE = OpenAIResponses()
ROUTE = WIRE.routes[0]
ARGUMENTS = '{"path": "/x",  "deep": "{\\"a\\": 1}"}'
SEALED = "gAAAAABo" + "QmFzZTY0" * 9
SESSION = "01a1fbba-2841-7b41-94e0-ffd063adc5d7"


def decoded(tree: Any, headers: dict[str, str] | None = None) -> Body:
    """Decode a body that was given as a tree."""
    return WIRE.decode_request(ROUTE, json.dumps(tree).encode(), headers or {})


def told(body: Body, text: str) -> tuple[str, str, str, int, str, str, bool]:
    """Give what is known of the one segment with this text."""
    segment = by_text(body.document, text)
    return segment.role, segment.kind, segment.origin, segment.turn, segment.key, segment.tool, segment.opaque


def shown(tree: Any) -> list[str]:
    """Give the texts of all segments."""
    return [segment.text for segment in decoded(tree).document.segments]


def said(role: str, text: str, kind: str = "input_text") -> dict[str, Any]:
    """Give a message in its long form."""
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


CONVERSATION = {
    "model": "gpt-5.2",
    "instructions": "You help.",
    "stream": True,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": SESSION,
    "input": [
        said("developer", "Be brief."),
        said("user", "<environment_context>\n  <cwd>/home/anna</cwd>\n</environment_context>"),
        said("user", "# AGENTS.md instructions for /home/anna\n\n<INSTRUCTIONS>\nTabs.\n</INSTRUCTIONS>"),
        {"role": "user", "content": "typed first"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "thought in short"}],
            "content": None,
            "encrypted_content": SEALED,
        },
        {**said("assistant", "I look", "output_text"), "id": "msg_1", "status": "completed"},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "read_file", "arguments": ARGUMENTS},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "apply_patch", "input": "*** Begin"},
        {"type": "function_call_output", "call_id": "call_1", "output": "from the file"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "patched"}]},
        {
            "type": "local_shell_call",
            "id": "lsh_1",
            "call_id": "call_3",
            "status": "completed",
            "action": {"type": "exec", "command": ["bash", "-lc", "echo hi"], "env": {"KEY": "of env"}},
        },
        {"type": "local_shell_call_output", "id": "lsho_1", "call_id": "call_3", "output": "from the shell"},
        {"type": "shell_call", "call_id": "call_4", "action": {"commands": ["ls -l"], "timeout_ms": 9000}},
        {
            "type": "shell_call_output",
            "call_id": "call_4",
            "output": [{"stdout": "of stdout", "stderr": "of stderr", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        {
            "type": "apply_patch_call",
            "call_id": "call_5",
            "operation": {"type": "update_file", "path": "/y", "diff": "+z"},
        },
        {"type": "apply_patch_call_output", "call_id": "call_5", "status": "completed", "output": "of the patch"},
        {"type": "item_reference", "id": "msg_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b"},
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {"type": "search", "query": "asked"},
        },
        {"type": "mcp_call", "id": "mcp_1", "name": "find", "server_label": "s", "arguments": "{}", "output": "of mcp"},
        said("user", "typed second"),
    ],
    "tools": [
        {"type": "function", "name": "read_file", "description": "Reads it", "parameters": {"type": "object"}},
        {
            "type": "custom",
            "name": "apply_patch",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
        },
        {
            "type": "namespace",
            "name": "agents",
            "tools": [{"type": "function", "name": "spawn", "description": "Spawns"}],
        },
        {"type": "web_search", "search_context_size": "low"},
    ],
    "reasoning": {"effort": "high", "summary": "auto"},
    "temperature": 0.70,
}


def test_roles_origins_and_turns():
    """Each segment says who speaks, where its text comes from, and how many answers stand before it."""
    body = decoded(CONVERSATION)
    assert told(body, "You help.") == ("system", "prose", "tool", 0, "instructions", "", False)
    assert told(body, "Reads it") == ("system", "prose", "tool", 0, "description", "", False)
    assert told(body, "start: x")[:3] == ("system", "prose", "tool")
    assert told(body, "Be brief.") == ("system", "prose", "tool", 0, "text", "", False)
    assert told(body, "typed first") == ("user", "prose", "typed", 0, "content", "", False)
    assert told(body, "thought in short") == ("assistant", "prose", "tool", 0, "text", "", False)
    assert told(body, SEALED) == ("assistant", "prose", "tool", 0, "encrypted_content", "", True)
    assert told(body, "I look") == ("assistant", "prose", "tool", 0, "text", "", False)
    assert told(body, "*** Begin") == ("assistant", "tool_args", "tool", 0, "input", "apply_patch", False)
    assert told(body, "from the file") == ("tool", "tool_result", "tool", 1, "output", "read_file", False)
    assert told(body, "patched") == ("tool", "tool_result", "tool", 1, "text", "apply_patch", False)
    assert told(body, "echo hi") == ("assistant", "tool_args", "tool", 1, "command", "local_shell", False)
    assert told(body, "of env") == ("assistant", "tool_args", "tool", 1, "KEY", "local_shell", False)
    assert told(body, "from the shell") == ("tool", "tool_result", "tool", 2, "output", "local_shell", False)
    assert told(body, "ls -l") == ("assistant", "tool_args", "tool", 2, "commands", "shell", False)
    assert told(body, "of stderr") == ("tool", "tool_result", "tool", 3, "stderr", "shell", False)
    assert told(body, "+z") == ("assistant", "tool_args", "tool", 3, "diff", "apply_patch", False)
    assert told(body, "of the patch") == ("tool", "tool_result", "tool", 4, "output", "apply_patch", False)
    assert told(body, "asked")[:4] == ("assistant", "prose", "tool", 4)
    assert told(body, "of mcp")[:4] == ("assistant", "prose", "tool", 4)
    assert told(body, "typed second") == ("user", "prose", "typed", 5, "text", "", False)


def test_what_codex_puts_into_the_user_s_mouth_was_not_typed():
    """Its own notes are a tool's, the project's instructions are a file's; around them everything is typed."""
    body = decoded(CONVERSATION)
    origins = {segment.text[:5]: segment.origin for segment in body.document.segments}
    assert (origins["<envi"], origins["# AGE"]) == ("tool", "file")
    for text in ("<environment_context>", "<environment_context> </environment_context> x", "<b>x</b>", "x"):
        assert request.origin_of(text) == "typed"


def test_trap_arguments_are_one_segment_and_never_encoded_again():
    """JSON inside JSON keeps its own spacing and escapes."""
    body = decoded(CONVERSATION)
    assert told(body, ARGUMENTS) == ("assistant", "tool_args", "tool", 0, "arguments", "read_file", False)
    assert json.loads(body.encode({})) == CONVERSATION
    sent = json.loads(body.encode({index_of(body.document, ARGUMENTS): '{"path": "QZ"}'}))
    assert sent["input"][6]["arguments"] == '{"path": "QZ"}'


def test_segments_come_in_the_order_in_which_the_model_reads():
    """Instructions, tools, then the input."""
    texts = shown(CONVERSATION)
    order = ("You help.", "Reads it", "Be brief.", "typed first", SEALED, ARGUMENTS, "from the file", "typed second")
    places = [texts.index(text) for text in order]
    assert places == sorted(places)


def test_the_document_says_what_it_is():
    """Provider, operation, model, stream and the names of the tools, those of a namespace, too."""
    document = decoded(CONVERSATION).document
    assert (document.provider, document.operation, document.model) == ("openai", "responses", "gpt-5.2")
    assert document.stream is True
    assert sorted(document.tools) == ["agents", "apply_patch", "read_file", "spawn", "web_search"]


def test_known_words_and_ids_are_no_segments():
    """Types, states and the ids that the API makes; anything else in their places is searched."""
    texts = set(shown(CONVERSATION))
    assert not texts & {SESSION, "rs_1", "call_1", "fc_1", "lsho_1", "completed", "message", "high", "gpt-5.2"}
    assert CONVERSATION["input"][16]["id"] not in texts
    for name in ("id", "call_id", "status", "type", "role", "name", "phase"):
        assert "smuggled words" in shown({"input": [{"type": "message", name: "smuggled words"}]})


def test_an_input_may_be_one_text():
    """Then it is what a person typed."""
    body = decoded({"model": "gpt-5.2", "input": "typed"})
    assert told(body, "typed") == ("user", "prose", "typed", 0, "input", "", False)
    assert json.loads(body.encode({index_of(body.document, "typed"): "QZ"}))["input"] == "QZ"


def test_trap_images_and_files():
    """Base64 stays the same string, links and names are text."""
    content = [
        {"type": "input_image", "image_url": "data:image/png;base64,aGVsbG8=", "detail": "low"},
        {"type": "input_image", "image_url": "https://h/x.png"},
        {"type": "input_image", "file_id": "file-abc"},
        {"type": "input_file", "filename": "plan.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_file", "filename": "n.txt", "file_data": "data:text/plain;base64,d29yZHM="},
    ]
    body = decoded({"input": [{"role": "user", "content": content}]})
    assert told(body, "data:image/png;base64,aGVsbG8=") == ("user", "file", "file", 0, "image_url", "", True)
    assert told(body, "https://h/x.png")[-1] is False
    assert told(body, "data:application/pdf;base64,JVBERg==")[-1] is True
    assert told(body, "data:text/plain;base64,d29yZHM=")[-1] is False
    assert told(body, "plan.pdf")[:3] == ("user", "file", "file")
    output = [{"type": "input_image", "image_url": "data:image/png;base64,aGVsbG8="}]
    body = decoded({"input": [{"type": "function_call_output", "call_id": "call_1", "output": output}]})
    assert told(body, "data:image/png;base64,aGVsbG8=")[-1] is True


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "user", "encrypted_content": SEALED},
        {"type": "function_call", "encrypted_content": SEALED},
        {"type": "reasoning", "encrypted_content": "words, not sealed"},
        {"type": "reasoning", "encrypted_content": ["words"]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "encrypted_content": SEALED}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "encrypted_content": SEALED}]},
        {"type": "web_search_call", "result": SEALED},
    ],
)
def test_nothing_is_smuggled_in_what_looks_sealed(item):
    """Only the items that the provider seals have a sealed member, and it must look like one."""
    segments = decoded({"input": [item]}).document.segments
    assert segments
    assert not any(segment.opaque for segment in segments)


@pytest.mark.parametrize(
    "tree",
    [
        {"tools": [{"type": "mcp"}]},
        {"tools": [{"type": "function", "name": "x"}, {"type": "mcp", "server_url": "https://a@h"}]},
        {"tools": [{"type": "namespace", "tools": [{"type": "mcp"}]}]},
        {"input": [{"type": "additional_tools", "role": "developer", "tools": [{"type": "mcp"}]}]},
        {"input": [{"type": "x", "tools": [{"tools": [{"type": "mcp"}]}]}]},
    ],
)
def test_a_server_that_the_provider_would_call_is_told(tree):
    """Wherever the tool is offered."""
    assert decoded(tree).document.hosted == ("mcp",)


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ({"type": "mcp", "server_url": "https://MCP.example.com:8443/sse?x=1"}, ("mcp:mcp.example.com",)),
        ({"type": "mcp", "server_url": "https://evil.example\\@mcp.example.com/"}, ("mcp",)),
        ({"type": "mcp", "server_url": 1}, ("mcp",)),
        ({"type": "mcp", "connector_id": "connector_dropbox"}, ("mcp:connector_dropbox",)),
        ({"type": "mcp", "connector_id": "something else"}, ("mcp",)),
        ({"type": "web_search_preview"}, ("web_search",)),
        ({"type": "code_interpreter", "container": {}}, ("code_execution",)),
        ({"type": "shell", "environment": {"type": "container_auto"}}, ("shell",)),
        ({"type": "shell", "environment": {"type": "local"}}, ()),
        ({"type": "function", "name": "web_search"}, ()),
        ({"type": "local_shell"}, ()),
        ({"type": "a_new_one"}, ("other",)),
    ],
)
def test_what_runs_at_the_provider_s_is_told(tool, told):
    """A kind for each tool; a server by its host, where nobody can take it for another."""
    assert decoded({"tools": [tool]}).document.hosted == told


def test_a_server_s_token_passes_untouched():
    """What the provider is to present to a server is that server's, and stays the same string."""
    document = decoded({"tools": [{"type": "mcp", "server_url": "https://h", "authorization": "tok-123"}]}).document
    (segment,) = [segment for segment in document.segments if segment.text == "tok-123"]
    assert segment.opaque


def test_tools_of_the_provider_are_inspected():
    """Those that run at the provider are sent, and what they were told is searched."""
    tools = [
        {"type": "file_search", "vector_store_ids": ["of the store"]},
        {"type": "code_interpreter", "container": {}},
    ]
    body = decoded({"input": "x", "tools": tools})
    assert told(body, "of the store")[:3] == ("system", "prose", "tool")
    assert body.document.tools == ("file_search", "code_interpreter")


def test_trap_unknown_fields_pass_unchanged():
    """They are searched like any other."""
    tree = {**CONVERSATION, "new_field": {"a": ["b c"]}, "safety_identifier": "anna@example.org"}
    body = decoded(tree)
    assert json.loads(body.encode({})) == tree
    assert told(body, "b c")[:3] == ("system", "prose", "tool")
    assert told(body, "anna@example.org")[-1] is False
    assert b'"temperature":0.7,' not in WIRE.decode_request(ROUTE, b'{"temperature":0.70}', {}).encode({})


@pytest.mark.parametrize(
    ("tree", "headers"),
    [
        ({"prompt_cache_key": "s-1"}, {}),
        ({"conversation": "s-1"}, {}),
        ({"conversation": {"id": "s-1"}}, {}),
        ({"prompt_cache_key": "other"}, {"session_id": "s-1"}),
        ({"previous_response_id": "resp_1"}, {"session-id": "s-1"}),
        ({"metadata": {"session_id": "s-1"}}, {}),
    ],
)
def test_trap_the_conversation_is_the_client_s_session(tree, headers):
    """Whatever way the client names it, it is the same; the name can't be read."""
    without = {name: value for name, value in CONVERSATION.items() if name != "prompt_cache_key"}
    named = decoded({**without, **tree}, headers).document.conversation
    assert named == decoded({"prompt_cache_key": "s-1"}).document.conversation
    assert named != decoded(without).document.conversation
    assert "s-1" not in named


def test_without_a_session_a_conversation_is_what_it_follows_or_how_it_began():
    """The answer before, by its id; else all up to the first user text."""
    first = {"instructions": "You help.", "input": "hello"}
    name = decoded(first).document.conversation
    more = [said("assistant", "yes", "output_text"), said("user", "more")]
    assert decoded({**first, "input": [said("user", "hello"), *more]}).document.conversation == name
    assert decoded({**first, "instructions": "Else."}).document.conversation != name
    follows = decoded({"input": "more", "previous_response_id": "resp_1"}).document.conversation
    assert follows == body.answered("resp_1") != name


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
def test_a_body_that_is_no_object_is_refused(body):
    """The API knows none."""
    with pytest.raises(ClientFault, match="not a JSON object"):
        WIRE.decode_request(ROUTE, body, {})


VALUES = [None, 1, "words", [], ["words"], {}, {"a": ["words"]}, [{"type": {"a": "words"}}], [None, 1, {"tools": 1}]]


@pytest.mark.parametrize("route", WIRE.routes[:3])
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", ["input", "instructions", "tools", "conversation", "metadata", "model", "include"])
def test_odd_shapes_are_searched_and_sent(route, name, value):
    """Whatever stands where, nothing breaks: strings are segments, and the body is sent as it came."""
    body = WIRE.decode_request(route, json.dumps({"n": 1, name: value}).encode(), {})
    assert json.loads(body.encode({})) == {"n": 1, name: value}
    plain = name in {"model", "conversation"} and value == "words"  # a short word may be one
    assert ("words" in json.dumps(value)) == ("words" in [s.text for s in body.document.segments]) or plain


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "name", ["role", "content", "output", "summary", "arguments", "input", "action", "operation", "result", "tools"]
)
@pytest.mark.parametrize(
    "kind", ["message", "reasoning", "function_call", "local_shell_call", "shell_call_output", None]
)
def test_odd_items_are_searched_and_sent(name, value, kind):
    """So it is within an item."""
    tree = {"input": [{"type": kind, name: value}, "loose", ["looser"]]}
    body = decoded(tree)
    assert json.loads(body.encode({})) == tree
    texts = {segment.text for segment in body.document.segments}
    assert ("words" in json.dumps(value)) == ("words" in texts)
    assert {"loose", "looser"} <= texts
