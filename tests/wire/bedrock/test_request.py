"""Requests to Amazon Bedrock: which strings are segments, whose they are, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from poundlock.core.errors import ClientFault
from poundlock.wire import registry
from poundlock.wire.anthropic import Anthropic
from poundlock.wire.bedrock import Bedrock
from tests.wire.home import MAIL, by_text, homeward, index_of

WIRE = Bedrock(Anthropic())


def read(body: dict[str, Any], operation: str = "converse", model: str = "anthropic.claude-sonnet-4-6-v1%3A0") -> Any:
    """Read a body."""
    _, route = registry.resolve("POST", f"/model/{model}/{operation}", {}, "bedrock")
    return WIRE.decode_request(route, json.dumps(body).encode(), {})


BODY: dict[str, Any] = {
    "system": [{"text": "You are kind."}, {"cachePoint": {"type": "default"}}],
    "messages": [
        {"role": "user", "content": [{"text": "Read it."}]},
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "A thought.", "signature": "c2lnbmF0dXJl"}}},
                {"reasoningContent": {"redactedContent": "cmVkYWN0ZWQ="}},
                {"toolUse": {"toolUseId": "tooluse_abc", "name": "Read", "input": {"path": "a.txt"}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "tooluse_abc", "content": [{"text": "It says so."}], "status": "success"}},
                {"text": "And now?"},
            ],
        },
    ],
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "Read", "description": "Reads.", "inputSchema": {"json": {"type": "object"}}}}]
    },
    "inferenceConfig": {"maxTokens": 100},
}


def test_every_text_is_a_segment() -> None:
    """Texts have the role, kind, origin and turn of who said them; what only the provider can read stays the same."""
    document = read(BODY).document

    found = [
        (each.text, each.role, each.kind, each.origin, each.turn, each.opaque, each.tool) for each in document.segments
    ]
    assert found == [
        ("Read", "system", "prose", "tool", 0, False, ""),
        ("Reads.", "system", "prose", "tool", 0, False, ""),
        ("You are kind.", "system", "prose", "tool", 0, False, ""),
        ("Read it.", "user", "prose", "typed", 0, False, ""),
        ("c2lnbmF0dXJl", "assistant", "prose", "tool", 0, True, ""),
        ("A thought.", "assistant", "prose", "tool", 0, True, ""),
        ("cmVkYWN0ZWQ=", "assistant", "prose", "tool", 0, True, ""),
        ("a.txt", "assistant", "tool_args", "tool", 0, False, "Read"),
        ("Read", "assistant", "prose", "tool", 0, False, ""),
        ("It says so.", "tool", "tool_result", "tool", 1, False, "Read"),
        ("And now?", "user", "prose", "typed", 1, False, ""),
    ]
    assert (document.provider, document.operation, document.tools) == ("bedrock", "converse", ("Read",))
    assert document.model == "anthropic.claude-sonnet-4-6-v1:0"


def test_what_is_written_is_what_was_read() -> None:
    """A body without a change is the same value; a changed text is changed where it stands."""
    body = read(BODY)
    index = index_of(body.document, "It says so.")

    assert json.loads(body.encode({})) == BODY
    changed = json.loads(body.encode({index: "It does not."}))
    assert changed["messages"][2]["content"][0]["toolResult"]["content"] == [{"text": "It does not."}]


def test_base64_of_a_text_is_searched() -> None:
    """A picture's base64 stays the same string; that of a text file could hide one, and is a segment to search."""
    picture, note = base64.b64encode(b"\x89PNG").decode(), base64.b64encode(b"a note").decode()
    content = [
        {"image": {"format": "png", "source": {"bytes": picture}}},
        {"document": {"format": "txt", "name": "note", "source": {"bytes": note}}},
    ]

    document = read({"messages": [{"role": "user", "content": content}]}).document

    assert by_text(document, picture).opaque
    assert not by_text(document, note).opaque
    assert by_text(document, note).kind == "file"


@pytest.mark.parametrize(("name", "told"), [("nova_grounding", "web_search"), ("new", "other")])
def test_a_tool_of_the_providers_is_told(name: str, told: str) -> None:
    """A `systemTool` runs before anyone can gate it."""
    body = {"messages": [], "toolConfig": {"tools": [{"systemTool": {"name": name}}]}}

    assert read(body).document.hosted == (told,)


def test_invoke_reads_anthropics_format() -> None:
    """Through `invoke` a body of Anthropic's format is read as that format reads it; the path tells the model."""
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Hello there."}],
    }

    document = read(body, "invoke-with-response-stream").document

    assert by_text(document, "Hello there.").origin == "typed"
    assert (document.provider, document.operation) == ("bedrock", "invoke-with-response-stream")
    assert (document.model, document.stream) == ("anthropic.claude-sonnet-4-6-v1:0", True)


@pytest.mark.parametrize("body", [{"inputText": "Hello."}, {"prompt": "Hello."}, {"anthropic_version": 1}])
def test_invoke_of_other_formats_is_refused(body: dict[str, Any]) -> None:
    """A format that is not known is refused, with the advice to use the one that is the same for all models."""
    with pytest.raises(ClientFault) as caught:
        read(body, "invoke", "amazon.titan-text-express-v1")

    assert "Converse" in caught.value.advice


@pytest.mark.parametrize(
    ("path", "treatment"),
    [
        ("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic/converse", "inspect"),
        ("/model/us.anthropic.claude-sonnet-4-6-v1:0/invoke", "inspect"),
        ("/model/m/count-tokens", "refuse"),
        ("/async-invoke", "refuse"),
        ("/guardrail/g/version/1/apply", "refuse"),
    ],
)
def test_routes(path: str, treatment: str) -> None:
    """Models may be named by an ARN; what is not inspected is refused."""
    wire, route = registry.resolve("POST", path, {})

    assert (wire.provider, route.treatment) == ("bedrock", treatment)


@pytest.mark.parametrize("path", ["/model/a..b/converse", "/model//converse", "/model/a%2F..%2Fb/converse"])
def test_a_path_that_another_reader_could_take_for_another(path: str) -> None:
    """Dots in a row are in no route."""
    with pytest.raises(ClientFault):
        registry.resolve("POST", path, {}, "bedrock")


def test_whole_answers_are_restored() -> None:
    """Text, and a call's arguments, come home restored."""
    content = [
        {"text": f"Ask {MAIL.text}."},
        {"toolUse": {"toolUseId": "t", "name": "Write", "input": {"to": MAIL.text}}},
        {"reasoningContent": {"reasoningText": {"text": MAIL.text, "signature": "c2ln"}}},
    ]
    _, route = registry.resolve("POST", "/model/m/converse", {}, "bedrock")
    body = json.dumps({"output": {"message": {"role": "assistant", "content": content}}}).encode()

    home = json.loads(WIRE.encode_answer(route, body, homeward()))["output"]["message"]["content"]

    assert home[0] == {"text": f"Ask {MAIL.value}."}
    assert home[1]["toolUse"]["input"] == {"to": MAIL.value}
    assert home[2] == content[2]
