"""Requests to Chat Completions, Embeddings and Moderations: what becomes a segment, and whose it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from poundlock.core.errors import ClientFault
from poundlock.wire.openai_chat import OpenAIChat
from tests.wire.home import by_text, index_of

if TYPE_CHECKING:
    from poundlock.wire.base import Body

WIRE = OpenAIChat()
CHAT, EMBEDDINGS, MODERATIONS = WIRE.routes[:3]
ARGUMENTS = '{"path": "/x",  "deep": "{\\"a\\": 1}"}'


def decoded(tree: Any, headers: dict[str, str] | None = None) -> Body:
    """Decode a body that was given as a tree."""
    return WIRE.decode_request(CHAT, json.dumps(tree).encode(), headers or {})


def told(body: Body, text: str) -> tuple[str, str, str, int, str, str, bool]:
    """Give what is known of the one segment with this text."""
    segment = by_text(body.document, text)
    return segment.role, segment.kind, segment.origin, segment.turn, segment.key, segment.tool, segment.opaque


CONVERSATION = {
    "model": "gpt-5.1",
    "stream": True,
    "messages": [
        {"role": "system", "content": "You help."},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "typed first", "name": "anna"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "thought aloud",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": ARGUMENTS}},
                {"id": "call_2", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "from the file"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "from the shell"}]},
        {"role": "assistant", "content": "done", "function_call": {"name": "old", "arguments": '{"q": 1}'}},
        {"role": "function", "name": "old", "content": "from the function"},
        {"role": "user", "content": [{"type": "text", "text": "typed second"}]},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "read_file", "description": "Reads it", "parameters": {"type": "object"}},
        },
        {"type": "custom", "custom": {"name": "shell"}},
    ],
    "stream_options": {"include_usage": True},
    "temperature": 0.70,
}


def test_roles_origins_and_turns():
    """Each segment says who speaks, where its text comes from, and how many answers stand before it."""
    body = decoded(CONVERSATION)
    assert told(body, "Reads it") == ("system", "prose", "tool", 0, "description", "", False)
    assert told(body, "You help.") == ("system", "prose", "tool", 0, "content", "", False)
    assert told(body, "Be brief.") == ("system", "prose", "tool", 0, "text", "", False)
    assert told(body, "typed first") == ("user", "prose", "typed", 0, "content", "", False)
    assert told(body, "anna")[:3] == ("user", "prose", "typed")
    assert told(body, "thought aloud") == ("assistant", "prose", "tool", 0, "reasoning_content", "", False)
    assert told(body, "ls -l") == ("assistant", "tool_args", "tool", 0, "input", "shell", False)
    assert told(body, "from the file") == ("tool", "tool_result", "tool", 1, "content", "read_file", False)
    assert told(body, "from the shell") == ("tool", "tool_result", "tool", 1, "text", "shell", False)
    assert told(body, "done") == ("assistant", "prose", "tool", 1, "content", "", False)
    assert told(body, "from the function") == ("tool", "tool_result", "tool", 2, "content", "old", False)
    assert told(body, "typed second") == ("user", "prose", "typed", 2, "text", "", False)


def test_trap_arguments_are_one_segment_and_never_encoded_again():
    """JSON inside JSON keeps its own spacing and escapes."""
    body = decoded(CONVERSATION)
    assert told(body, ARGUMENTS) == ("assistant", "tool_args", "tool", 0, "arguments", "read_file", False)
    assert json.loads(body.encode({})) == CONVERSATION
    new = ARGUMENTS.replace("/x", "QZ")
    sent = json.loads(body.encode({index_of(body.document, ARGUMENTS): new}))
    assert sent["messages"][3]["tool_calls"][0]["function"]["arguments"] == new


def test_segments_come_in_the_order_in_which_the_model_reads():
    """Tools, then messages."""
    texts = [segment.text for segment in decoded(CONVERSATION).document.segments]
    places = [
        texts.index(text) for text in ("Reads it", "You help.", "typed first", ARGUMENTS, "from the file", "done")
    ]
    assert places == sorted(places)


def test_the_document_says_what_it_is():
    """Provider, operation, model, stream and the names of the tools, in each form in which they are offered."""
    document = decoded({**CONVERSATION, "functions": [{"name": "old"}]}).document
    assert (document.provider, document.operation, document.model) == ("openai", "chat.completions", "gpt-5.1")
    assert (document.stream, document.tools) == (True, ("read_file", "shell", "old"))


def test_trap_images_sounds_and_files():
    """Base64 stays the same string, links and names are text."""
    content = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8=", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://h/x.png"}},
        {"type": "input_audio", "input_audio": {"data": "c291bmQ=", "format": "wav"}},
        {"type": "file", "file": {"filename": "plan.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "file", "file": {"filename": "n.txt", "file_data": "data:text/plain;base64,d29yZHM="}},
    ]
    body = decoded({"messages": [{"role": "user", "content": content}]})
    assert told(body, "data:image/png;base64,aGVsbG8=") == ("user", "file", "file", 0, "url", "", True)
    assert told(body, "https://h/x.png")[-1] is False
    assert told(body, "c291bmQ=")[-1] is True
    assert told(body, "data:application/pdf;base64,JVBERg==")[-1] is True
    assert told(body, "data:text/plain;base64,d29yZHM=")[-1] is False
    assert told(body, "plan.pdf")[:3] == ("user", "file", "file")


def test_encrypted_reasoning_stays_the_same_string():
    """As OpenRouter carries it; in a person's message it is text."""
    details = [
        {"type": "reasoning.encrypted", "data": "RW5j" * 9},
        {"type": "reasoning.text", "text": "a thought", "signature": "U2ln" * 9},
        {"type": "reasoning.summary", "summary": "in short"},
    ]
    body = decoded({"messages": [{"role": "assistant", "content": "x", "reasoning_details": details}]})
    assert [told(body, text)[-1] for text in ("RW5j" * 9, "a thought", "U2ln" * 9, "in short")] == [
        True,
        True,
        True,
        False,
    ]
    body = decoded({"messages": [{"role": "user", "content": "x", "reasoning_details": details}]})
    assert not any(segment.opaque for segment in body.document.segments)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "smuggled"},
        {"role": "user", "content": "x", "smuggled": 1},
        {"role": "tool", "tool_call_id": "smuggled by id", "content": ""},
        {"role": "assistant", "tool_calls": [{"id": "smuggled by id", "type": "function", "function": {}}]},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "smuggled"}]},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "function": {"name": "smuggled"}}]},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "function": {"arguments": {"a": "smuggled"}}}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "smuggled sound"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": "smuggled"}]},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,smuggled text"}}],
        },
        {"role": "user", "content": [{"type": "new", "text": "x", "more": ["smuggled"]}]},
        {"role": "user", "content": {"a": "smuggled"}},
    ],
)
def test_nothing_is_smuggled_in_what_looks_structural(message):
    """A known place with an unknown content is searched like any other."""
    segments = decoded({"messages": [message]}).document.segments
    assert [s.opaque for s in segments if "smuggled" in s.text] == [False]


def test_trap_unknown_fields_and_the_cache_key_pass_unchanged():
    """A cache key that is one is no segment; any other is searched."""
    tree = {**CONVERSATION, "prompt_cache_key": "3f2a1b4c-0000-4000-8000-1234567890ab", "new_field": {"a": ["b c"]}}
    body = decoded(tree)
    assert json.loads(body.encode({})) == tree
    assert tree["prompt_cache_key"] not in [segment.text for segment in body.document.segments]
    assert told(body, "b c")[:3] == ("system", "prose", "tool")
    assert told(decoded({**tree, "prompt_cache_key": "anna@example.org"}), "anna@example.org")[-1] is False


def test_token_numbers_as_names_are_no_segments():
    """`logit_bias` maps tokens to weights; other names in it are searched."""
    body = decoded({"messages": [], "logit_bias": {"1734": -100, "50256": 1.5}})
    assert body.document.segments == ()
    assert json.loads(body.encode({})) == {"messages": [], "logit_bias": {"1734": -100, "50256": 1.5}}
    assert told(decoded({"messages": [], "logit_bias": {"anna": 1}}), "anna")[-1] is False


def test_a_seed_is_no_card_number():
    """A long number under a known name stays a number."""
    assert decoded({"messages": [], "seed": 4111111111111111}).document.segments == ()


@pytest.mark.parametrize(
    ("tree", "headers"),
    [
        ({"prompt_cache_key": "s-1"}, {}),
        ({}, {"session_id": "s-1"}),
        ({}, {"x-session-id": "s-1"}),
        ({"metadata": {"session_id": "s-1"}}, {}),
        ({"conversation_id": "s-1"}, {}),
    ],
)
def test_trap_the_conversation_is_the_client_s_session(tree, headers):
    """Whatever way the client names it, it is the same; the name can't be read."""
    named = decoded({**CONVERSATION, **tree}, headers).document.conversation
    assert named == decoded({"messages": [], "prompt_cache_key": "s-1"}).document.conversation
    assert named != decoded(CONVERSATION).document.conversation
    assert "s-1" not in named


def test_without_a_session_a_conversation_is_how_it_began():
    """Up to the first user text; later turns keep the name."""
    name = decoded(CONVERSATION).document.conversation
    first = {**CONVERSATION, "messages": CONVERSATION["messages"][:3]}
    assert decoded(first).document.conversation == name
    other = [{"role": "system", "content": "Else."}, *CONVERSATION["messages"][1:3]]
    assert decoded({**first, "messages": other}).document.conversation != name


@pytest.mark.parametrize("route", [EMBEDDINGS, MODERATIONS])
def test_inputs_are_searched(route):
    """One text, several, and the parts of a moderation."""
    for value in ("one text", ["one text", "two"], [{"type": "text", "text": "one text"}]):
        body = WIRE.decode_request(route, json.dumps({"model": "m", "input": value}).encode(), {})
        assert by_text(body.document, "one text").role == "user"
        assert json.loads(body.encode({0: "QZ"})) == json.loads(
            json.dumps({"model": "m", "input": value}).replace("one text", "QZ")
        )


@pytest.mark.parametrize("value", [[1, 2, 3], [[1, 2], [3]], ["text", [1]]])
def test_inputs_of_token_numbers_are_refused(value):
    """They are text that can't be inspected."""
    with pytest.raises(ClientFault, match="token numbers"):
        WIRE.decode_request(EMBEDDINGS, json.dumps({"input": value}).encode(), {})


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
def test_a_body_that_is_no_object_is_refused(body):
    """The API knows none."""
    with pytest.raises(ClientFault, match="not a JSON object"):
        WIRE.decode_request(CHAT, body, {})


@pytest.mark.parametrize("route", [CHAT, EMBEDDINGS, MODERATIONS])
@pytest.mark.parametrize("value", [None, "text", [], {}, {"type": []}, [{"type": {}}, {"role": []}, "loose", None]])
@pytest.mark.parametrize("name", ["messages", "input", "tools", "functions", "logit_bias", "metadata", "model"])
def test_odd_shapes_are_searched_and_sent(route, name, value):
    """Whatever stands where, nothing breaks: strings are segments, and the body is sent as it came."""
    body = WIRE.decode_request(route, json.dumps({"n": 1, name: value}).encode(), {})
    assert json.loads(body.encode({})) == {"n": 1, name: value}
    assert ("loose" in json.dumps(value)) == ("loose" in [segment.text for segment in body.document.segments])


@pytest.mark.parametrize("value", [None, 1, "words", [], ["words"], {}, {"a": ["words"]}, [{"type": {"a": "words"}}]])
@pytest.mark.parametrize(
    "name", ["role", "content", "tool_calls", "function_call", "reasoning_details", "tool_call_id"]
)
def test_odd_messages_are_searched_and_sent(name, value):
    """So it is within a message."""
    tree = {"messages": [{name: value}, "loose", ["looser"]]}
    body = decoded(tree)
    assert json.loads(body.encode({})) == tree
    shown = {segment.text for segment in body.document.segments}
    # A short word may be an id.
    assert ("words" in json.dumps(value)) == ("words" in shown) or (name, value) == ("tool_call_id", "words")
    assert {"loose", "looser"} <= shown
