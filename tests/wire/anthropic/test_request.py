"""Requests to the Messages API: what becomes a segment, whose it is, and what stays the same string."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from poundlock.core.errors import ClientFault
from poundlock.wire.anthropic import Anthropic, request
from tests.wire.home import by_text, index_of

if TYPE_CHECKING:
    from poundlock.wire.base import Body

WIRE = Anthropic()
MESSAGES, COUNT = WIRE.routes[0], WIRE.routes[1]
SIGNATURE = base64.b64encode(b"a signature of reasoning" * 4).decode()
SESSION = "3f2a1b4c-0000-4000-8000-1234567890ab"


def decoded(tree: Any, headers: dict[str, str] | None = None) -> Body:
    """Decode a body that was given as a tree."""
    return WIRE.decode_request(MESSAGES, json.dumps(tree).encode(), headers or {})


def user(*content: Any) -> dict[str, Any]:
    """Give a body with one user message."""
    return {"model": "claude-opus-4-6", "messages": [{"role": "user", "content": list(content)}]}


def told(body: Body, text: str) -> tuple[str, str, str, int, str, str, bool]:
    """Give what is known of the one segment with this text."""
    segment = by_text(body.document, text)
    return segment.role, segment.kind, segment.origin, segment.turn, segment.key, segment.tool, segment.opaque


CONVERSATION = {
    "model": "claude-opus-4-6",
    "max_tokens": 8192,
    "stream": True,
    "messages": [
        {"role": "user", "content": "typed first"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "secret thought", "signature": SIGNATURE},
                {"type": "redacted_thinking", "data": SIGNATURE + "AAAA"},
                {"type": "text", "text": "I look"},
                {"type": "tool_use", "id": "toolu_01A", "name": "Bash", "input": {"command": "cat x", "n": [1, "y"]}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_01A", "content": "from the shell", "is_error": False},
                {"type": "tool_result", "tool_use_id": "toolu_01Z", "content": [{"type": "text", "text": "orphan"}]},
                {"type": "text", "text": "<system-reminder>\nby the tool\n</system-reminder>\n"},
                {"type": "text", "text": "typed second"},
            ],
        },
        {"role": "system", "content": "said between"},
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": [{"type": "text", "text": "typed third", "cache_control": {"type": "ephemeral"}}]},
    ],
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.329.092; cc_entrypoint=sdk-cli;"},
        {"type": "text", "text": "You help.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
    "tools": [
        {
            "name": "Bash",
            "description": "Runs it",
            "input_schema": {"type": "object", "properties": {"command": {"type": "string", "description": "what"}}},
        }
    ],
}


def test_segments_come_in_the_order_in_which_the_model_reads():
    """Tools, then system, then messages, though the body has them otherwise."""
    texts = [segment.text for segment in decoded(CONVERSATION).document.segments]
    order = ["Bash", "Runs it", "what", "You help.", "typed first", "secret thought", "I look", "cat x"]
    places = [texts.index(text) for text in [*order, "from the shell", "typed second", "done", "typed third"]]
    assert places == sorted(places)


def test_roles_origins_and_turns():
    """Each segment says who speaks, where its text comes from, and how many answers stand before it."""
    body = decoded(CONVERSATION)
    assert told(body, "Runs it") == ("system", "prose", "tool", 0, "description", "", False)
    assert told(body, "You help.") == ("system", "prose", "tool", 0, "text", "", False)
    assert told(body, "typed first") == ("user", "prose", "typed", 0, "content", "", False)
    assert told(body, "I look") == ("assistant", "prose", "tool", 0, "text", "", False)
    assert told(body, "cat x") == ("assistant", "tool_args", "tool", 0, "command", "Bash", False)
    assert told(body, "y") == ("assistant", "tool_args", "tool", 0, "n", "Bash", False)
    assert told(body, "from the shell") == ("tool", "tool_result", "tool", 1, "content", "Bash", False)
    assert told(body, "orphan") == ("tool", "tool_result", "tool", 1, "text", "", False)
    assert told(body, "typed second") == ("user", "prose", "typed", 1, "text", "", False)
    assert told(body, "said between") == ("system", "prose", "tool", 1, "content", "", False)
    assert told(body, "done") == ("assistant", "prose", "tool", 1, "content", "", False)
    assert told(body, "typed third") == ("user", "prose", "typed", 2, "text", "", False)


def test_the_document_says_what_it_is():
    """Provider, operation, model, stream and the names of the tools."""
    document = decoded(CONVERSATION).document
    assert (document.provider, document.operation, document.model) == ("anthropic", "messages", "claude-opus-4-6")
    assert (document.stream, document.tools, document.direction) == (True, ("Bash",), "outbound")


def test_trap_thinking_and_signatures_stay_the_same_strings():
    """`thinking`, `signature` and redacted thinking are opaque: neither searched nor changed."""
    body = decoded(CONVERSATION)
    assert told(body, "secret thought")[-1]
    assert told(body, SIGNATURE)[-1]
    assert told(body, SIGNATURE + "AAAA")[-1]
    sent = json.loads(body.encode({index_of(body.document, "typed third"): "x"}))
    assert sent["messages"][1]["content"][:2] == CONVERSATION["messages"][1]["content"][:2]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": "smuggled"},
        {"type": "thinking", "thinking": "smuggled", "signature": ""},
        {"type": "thinking", "thinking": "smuggled", "signature": "not base64 at all"},
        {"type": "redacted_thinking", "data": "smuggled data"},
        {"type": "text", "text": "x", "signature": "smuggled"},
        {"type": "text", "text": "x", "encrypted_content": "smuggled"},
        {"type": "smuggled"},
        {"type": "text", "text": "x", "id": "smuggled-by-id"},
        {"type": "text", "text": "x", "cache_control": {"type": "smuggled"}},
        {"type": "tool_use", "id": "toolu_1", "name": "smuggled", "input": {}},
        {"type": "tool_use", "id": "toolu_1", "name": "T", "input": {"smuggled": 1}},
        {"type": "never seen", "deep": [{"er": ["smuggled"]}]},
    ],
)
def test_nothing_is_smuggled_in_what_looks_structural(block):
    """A known place with an unknown content is searched like any other."""
    tree = {"messages": [{"role": "assistant", "content": [block]}]}
    segments = decoded(tree).document.segments
    assert [s.opaque for s in segments if "smuggled" in s.text] == [False]


def test_thinking_in_a_person_s_message_is_searched():
    """Only an assistant thinks; a provider would refuse this, and no text rides in it."""
    body = decoded(user({"type": "thinking", "thinking": "smuggled", "signature": SIGNATURE}))
    assert told(body, "smuggled")[-1] is False


def test_trap_the_attribution_block_stays_unmodified():
    """The first system block is opaque when it has its exact shape; with anything else in it it is text."""
    billing = CONVERSATION["system"][0]["text"]
    assert told(decoded(CONVERSATION), billing)[-1] is True
    longer = billing + " and a password"
    assert told(decoded({**CONVERSATION, "system": [{"type": "text", "text": longer}]}), longer)[-1] is False
    assert told(decoded(user({"type": "text", "text": billing})), billing)[-1] is False


def test_trap_cache_control_stays_where_it_is():
    """On tools, blocks and results it is sent as it came."""
    tree = {
        **user(
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "r", "cache_control": {"type": "ephemeral"}}
        ),
        "tools": [
            {"name": "T", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral", "ttl": "5m"}}
        ],
    }
    body = decoded(tree)
    assert json.loads(body.encode({index_of(body.document, "r"): "changed"})) == json.loads(
        json.dumps(tree).replace('"r"', '"changed"')
    )
    assert "ephemeral" not in [segment.text for segment in body.document.segments]


def test_trap_unknown_fields_pass_unchanged_and_are_searched():
    """What a beta adds is sent as it came; its strings are segments."""
    tree = {**user({"type": "text", "text": "t"}), "beta_thing": {"mode": "brand new", "n": 1.50, "on": None}}
    body = decoded(tree)
    assert json.loads(body.encode({})) == tree
    assert told(body, "brand new")[:3] == ("system", "prose", "tool")


def test_trap_the_mcp_server_s_token_passes_untouched():
    """It is opaque; with a blank in it it is no token, and its server's other members are text."""
    servers = [{"type": "url", "url": "https://mcp.example/sse", "name": "n", "authorization_token": "tok-123"}]
    body = decoded({**user({"type": "text", "text": "t"}), "mcp_servers": servers})
    assert told(body, "tok-123")[-1] is True
    assert told(body, "https://mcp.example/sse")[-1] is False
    servers[0]["authorization_token"] = "tok and more"
    assert told(decoded({**user(), "mcp_servers": servers}), "tok and more")[-1] is False


def test_trap_images_and_documents():
    """Base64 of an image or a PDF is opaque; a text document is a file's text; a link and a title are text."""
    data = base64.b64encode(b"\x89PNG picture").decode()
    body = decoded(
        user(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE" + data}},
            {
                "type": "document",
                "title": "plan",
                "source": {"type": "text", "media_type": "text/plain", "data": "words"},
            },
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
            {"type": "image", "source": {"type": "url", "url": "https://h/x.png"}},
        )
    )
    assert told(body, data) == ("user", "file", "file", 0, "data", "", True)
    assert told(body, "JVBE" + data)[-1] is True
    assert told(body, "words") == ("user", "file", "file", 0, "data", "", False)
    assert told(body, "plan") == ("user", "file", "file", 0, "title", "", False)
    assert told(body, "inner") == ("user", "file", "file", 0, "text", "", False)
    assert told(body, "https://h/x.png")[-1] is False
    assert not [segment for segment in body.document.segments if "image/" in segment.text]


@pytest.mark.parametrize(
    "source",
    [
        {"type": "base64", "media_type": "image/png", "data": "not base64: smuggled"},
        {"type": "base64", "media_type": "text/plain", "data": "c211Z2dsZWQ="},
        {"type": "base64", "media_type": "smuggled type", "data": "c211Z2dsZWQ="},
        {"type": "base64", "data": "c211Z2dsZWQ="},
        {"type": "url", "data": "c211Z2dsZWQ="},
    ],
)
def test_no_text_rides_in_an_image(source):
    """What does not have the shape of an image is searched."""
    segments = decoded(user({"type": "image", "source": source})).document.segments
    assert segments
    assert not any(segment.opaque for segment in segments)


def test_an_image_in_a_tool_result():
    """A result's own images are opaque, its texts are results."""
    content = [
        {"type": "text", "text": "seen"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}},
    ]
    tree = {
        "messages": [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": content}]},
        ]
    }
    body = decoded(tree)
    assert told(body, "seen") == ("tool", "tool_result", "tool", 1, "text", "Read", False)
    assert told(body, "aGVsbG8=")[1:] == ("tool_result", "tool", 1, "data", "Read", True)


def test_search_results_are_untrusted_and_their_sealed_parts_opaque():
    """What a provider's own search found was written by anybody; the encrypted content must come back exactly."""
    found = {"type": "web_search_result", "title": "T!", "url": "https://h", "encrypted_content": "RW5j" * 9}
    cited = {
        "type": "web_search_result_location",
        "cited_text": "cited!",
        "encrypted_index": "SW5k" * 9,
        "url": "https://h2",
    }
    tree = {
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q?"}},
                    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]},
                    {"type": "text", "text": "says", "citations": [cited]},
                ],
            }
        ]
    }
    body = decoded(tree)
    assert told(body, "T!")[:3] == ("tool", "tool_result", "untrusted")
    assert told(body, "T!")[5] == "web_search"
    assert told(body, "RW5j" * 9)[-1] is True
    assert told(body, "SW5k" * 9)[-1] is True
    assert told(body, "cited!")[-1] is False
    assert told(body, "q?") == ("assistant", "tool_args", "tool", 0, "query", "web_search", False)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("<system-reminder>x</system-reminder>", "tool"),
        ("\n <system-reminder>x</system-reminder>\n<ide_selection>y</ide_selection> \n", "tool"),
        ("<bash-stdout>x</bash-stdout><bash-stderr></bash-stderr>", "tool"),
        ("<system-reminder>x</system-reminder> and typed", "typed"),
        ("typed <system-reminder>x</system-reminder>", "typed"),
        ("<system-reminder>x", "typed"),
        ("<own-tag>x</own-tag>", "typed"),
        ("<system-reminder>x</system-reminder><b>y</b>", "typed"),
        ("", "typed"),
        ("  ", "typed"),
    ],
)
def test_text_in_a_tool_s_tags_was_not_typed(text, origin):
    """Only a block that is nothing but such tags; what a person adds makes it typed."""
    assert request.origin_of(text) == origin


def test_origins_are_told_in_linear_time():
    """Many tags, none closed or all closed, are no trap."""
    assert request.origin_of("<system-reminder>" * 100_000) == "typed"
    assert request.origin_of("<system-reminder></system-reminder>" * 50_000) == "tool"


def test_a_system_prompt_may_be_a_string():
    """And count_tokens has the same body."""
    body = WIRE.decode_request(COUNT, b'{"model":"m","system":"be kind","messages":[]}', {})
    assert told(body, "be kind") == ("system", "prose", "tool", 0, "system", "", False)
    assert body.document.operation == "count_tokens"


def test_trap_the_conversation_is_the_client_s_session():
    """The header, or either form of the user id, name the same session; none of it can be read from the name."""
    by_header = decoded(CONVERSATION, {"x-claude-code-session-id": SESSION}).document.conversation
    old = {"user_id": f"user_{'0' * 64}_account_{SESSION}_session_{SESSION}"}
    new = {"user_id": f'{{"device_id":"{"0" * 64}","account_uuid":"","session_id":"{SESSION}"}}'}
    assert decoded({**CONVERSATION, "metadata": old}).document.conversation == by_header
    assert decoded({**CONVERSATION, "metadata": new}).document.conversation == by_header
    assert SESSION not in by_header
    body = decoded({**CONVERSATION, "metadata": new})
    assert told(body, new["user_id"])[-1] is True


def test_a_user_id_of_another_shape_is_searched():
    """An application may put an e-mail address there."""
    body = decoded({**CONVERSATION, "metadata": {"user_id": "anna@example.org"}})
    assert told(body, "anna@example.org")[-1] is False


def test_without_a_session_a_conversation_is_how_it_began():
    """Later turns keep the name, another beginning has another; the attribution block does not count."""
    name = decoded(CONVERSATION).document.conversation
    first = {**CONVERSATION, "messages": CONVERSATION["messages"][:1]}
    assert decoded(first).document.conversation == name
    assert decoded({**first, "system": CONVERSATION["system"][1:]}).document.conversation == name
    assert decoded({**first, "system": "other"}).document.conversation != name
    assert decoded({**first, "messages": [{"role": "user", "content": "else"}]}).document.conversation != name


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
def test_a_body_that_is_no_object_is_refused(body):
    """The API knows none."""
    with pytest.raises(ClientFault, match="not a JSON object"):
        WIRE.decode_request(MESSAGES, body, {})


@pytest.mark.parametrize("value", [None, 1, "text", [], [[]], {}, {"type": []}, [{"type": {}}, {"role": []}, 5, None]])
@pytest.mark.parametrize("name", ["messages", "system", "tools", "metadata", "mcp_servers", "model"])
def test_odd_shapes_are_searched_and_sent(name, value):
    """Whatever stands where, nothing breaks: strings are segments, and the body is sent as it came."""
    body = decoded({"max_tokens": 1, name: value})
    assert json.loads(body.encode({})) == {"max_tokens": 1, name: value}


@pytest.mark.parametrize(
    "value", [None, 1, "words", [], ["words"], {}, {"type": ["words"]}, [{"type": {"a": "words"}}]]
)
@pytest.mark.parametrize("role", ["user", "assistant", ["odd"], None])
def test_odd_contents_are_searched_and_sent(role, value):
    """So it is within a message."""
    tree = {"messages": [{"role": role, "content": value}, "loose", ["looser"]]}
    body = decoded(tree)
    assert json.loads(body.encode({})) == tree
    assert ("words" in json.dumps(value)) == ("words" in [segment.text for segment in body.document.segments])
    assert {"loose", "looser"} <= {segment.text for segment in body.document.segments}


def test_blocks_within_blocks_end_at_the_limit():
    """Results may nest, and the walk through them is limited like every other."""
    block: dict[str, Any] = {"type": "text", "text": "deep"}
    for _ in range(200):
        block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [block]}
    with pytest.raises(ClientFault, match="nested deeper than 256"):
        decoded(user(block))


def test_ten_thousand_segments():
    """All are there, in order."""
    body = decoded(user(*({"type": "text", "text": f"t{number}"} for number in range(10_000))))
    assert [s.text for s in body.document.segments] == [f"t{number}" for number in range(10_000)]
    sent = json.loads(body.encode({9_999: "last"}))
    assert sent["messages"][0]["content"][-1] == {"type": "text", "text": "last"}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, ("web_search",)),
        ({"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}, ("web_fetch",)),
        ({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, ("code_execution",)),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}, {"name": "Read", "input_schema": {}}]}, ()),
        ({"tools": [{"type": "a_new_one", "name": "x"}]}, ("other",)),
        ({"mcp_servers": [{"type": "url", "url": "https://mcp.example/sse"}]}, ("mcp:mcp.example",)),
        ({"mcp_servers": [{"type": "url", "url": "https://a@b/"}, 1]}, ("mcp",)),
        ({"mcp_servers": {"url": "https://mcp.example"}}, ("mcp:mcp.example",)),
    ],
)
def test_what_runs_at_the_provider_s_is_told(more, told):
    """A kind for each tool that runs there, and each server by its host."""
    assert decoded({**user({"type": "text", "text": "t"}), **more}).document.hosted == told
