"""Requests to the Gemini API: every string is a segment, in its role, or one of the words that are known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from poundlock.core.errors import ClientFault
from poundlock.wire import registry
from poundlock.wire.gemini import Gemini
from tests.wire.home import by_text, index_of

WIRE = Gemini()
BASE = "/v1beta/models/gemini-3-pro"
SIGNATURE = "c2lnbmF0dXJl" * 4
PICTURE = "iVBORw0KGgoAAAANSUhEUg=="


def decoded(tree: Any, operation: str = "generateContent", headers: dict[str, str] | None = None) -> Any:
    """Decode a body as a request of this operation."""
    wire, route = registry.resolve("POST", f"{BASE}:{operation}", {})
    assert wire.provider == "gemini"
    return wire.decode_request(route, json.dumps(tree).encode(), headers or {})


def told(body: Any, text: str) -> tuple[Any, ...]:
    """Give what is known of the one segment with this text."""
    segment = by_text(body.document, text)
    return segment.role, segment.kind, segment.origin, segment.turn, segment.tool, segment.opaque


CONVERSATION = {
    "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
    "tools": [{"functionDeclarations": [{"name": "read_file", "description": "Reads it.", "parameters": {}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    "contents": [
        {"role": "user", "parts": [{"text": "<session_context>\nOn Linux.\n</session_context>"}]},
        {"role": "user", "parts": [{"text": "Read it, please."}]},
        {
            "role": "model",
            "parts": [
                {"text": "thinking aloud", "thought": True, "thoughtSignature": SIGNATURE},
                {"functionCall": {"name": "read_file", "args": {"path": "a b"}, "id": "call_1"}},
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "read_file", "id": "call_1", "response": {"output": "its text"}}}],
        },
        {"role": "user", "parts": [{"text": "And now?"}]},
    ],
    "generationConfig": {"temperature": 0.5, "maxOutputTokens": 100, "stopSequences": ["END of it"]},
}


def snaked(tree: Any) -> Any:
    """Give a tree with its names in snake_case."""
    if isinstance(tree, dict):
        return {
            "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name): snaked(each)
            for name, each in tree.items()
        }
    return [snaked(each) for each in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize("tree", [CONVERSATION, snaked(CONVERSATION)], ids=["camel", "snake"])
def test_every_text_is_in_its_role(tree):
    """In either spelling: system, typed, the tool's own words, calls, results, thoughts."""
    body = decoded(tree)
    assert told(body, "Be brief.") == ("system", "prose", "tool", 0, "", False)
    assert told(body, "Reads it.") == ("system", "prose", "tool", 0, "", False)
    assert told(body, "<session_context>\nOn Linux.\n</session_context>")[:3] == ("user", "prose", "tool")
    assert told(body, "Read it, please.") == ("user", "prose", "typed", 0, "", False)
    assert told(body, "thinking aloud") == ("assistant", "prose", "tool", 0, "", True)
    assert told(body, SIGNATURE)[-1] is True
    assert told(body, "a b") == ("assistant", "tool_args", "tool", 0, "read_file", False)
    assert told(body, "its text") == ("tool", "tool_result", "tool", 1, "read_file", False)
    assert told(body, "And now?") == ("user", "prose", "typed", 1, "", False)
    assert told(body, "END of it")[0] == "system"
    document = body.document
    assert (document.provider, document.operation, document.model) == ("gemini", "generateContent", "gemini-3-pro")
    assert (document.stream, document.tools) == (False, ("read_file",))
    assert json.loads(body.encode({})) == tree
    assert {segment.text for segment in document.segments} & {"AUTO", "functionCall", "function_call", "user"} == set()


def test_what_is_replaced_is_sent():
    """In its place, and nothing else changes."""
    body = decoded(CONVERSATION)
    sent = json.loads(body.encode({index_of(body.document, "a b"): "QZ"}))
    assert sent == json.loads(json.dumps(CONVERSATION).replace("a b", "QZ"))


def test_files_that_a_reference_brought_are_no_typed_text():
    """Between the two lines that Gemini CLI writes around them."""
    parts = [
        {"text": "Look at @a.txt, please."},
        {"text": "\n--- Content from referenced files ---"},
        {"text": "\nContent from @a.txt:\n"},
        {"text": "the file's text"},
        {"text": "\n--- End of content ---"},
        {"text": "typed again"},
    ]
    body = decoded({"contents": [{"role": "user", "parts": parts}]})
    assert [segment.origin for segment in body.document.segments] == ["typed", *["file"] * 4, "typed"]


@pytest.mark.parametrize(
    ("part", "text", "opaque"),
    [
        ({"inlineData": {"mimeType": "image/png", "data": PICTURE}}, PICTURE, True),
        ({"inline_data": {"mime_type": "image/png", "data": PICTURE}}, PICTURE, True),
        ({"inlineData": {"mimeType": "text/plain", "data": PICTURE}}, PICTURE, False),
        ({"inlineData": {"mimeType": "image/png", "data": "some words"}}, "some words", False),
        ({"inlineData": {"data": PICTURE}}, PICTURE, False),
        ({"inlineData": {"mimeType": "application/pdf", "data": PICTURE}}, PICTURE, True),
        ({"inlineData": {"mimeType": "image/svg+xml", "data": PICTURE}}, PICTURE, False),
        ({"inlineData": {"mimeType": "application/json", "data": PICTURE}}, PICTURE, False),
        ({"inlineData": {"mimeType": "image/png", "mime_type": "text/plain", "data": PICTURE}}, PICTURE, False),
        ({"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/f.pdf"}}, "gs://b/f.pdf", False),
    ],
)
def test_trap_files_and_pictures(part, text, opaque):
    """Base64 stays the same string unless it is a text's; links are text."""
    body = decoded({"contents": [{"role": "user", "parts": [part]}]})
    assert told(body, text) == ("user", "file", "file", 0, "", opaque)
    answered = {"functionResponse": {"name": "look", "response": {}, "parts": [part]}}
    body = decoded({"contents": [{"role": "user", "parts": [answered]}]})
    assert told(body, text) == ("tool", "tool_result", "tool", 0, "look", opaque)


def test_code_that_ran_is_code_and_its_output_a_result():
    """Both come back with the conversation."""
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "print(1 + 1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "two of them"}},
    ]
    body = decoded({"contents": [{"role": "model", "parts": parts}]})
    assert told(body, "print(1 + 1)")[:3] == ("assistant", "code", "tool")
    assert told(body, "two of them")[:3] == ("tool", "tool_result", "tool")
    assert len(body.document.segments) == 2


@pytest.mark.parametrize(
    "content",
    [
        {"role": "smuggled"},
        {"role": "user", "parts": [{"text": "x", "thoughtSignature": "smuggled"}]},
        {"role": "user", "parts": [{"text": "smuggled", "thought": True, "thoughtSignature": SIGNATURE}]},
        {"role": "model", "parts": [{"text": "smuggled", "thought": True}]},
        {"role": "model", "parts": [{"text": "x", "thoughtSignature": "smuggled with blanks"}]},
        {"role": "model", "parts": [{"functionCall": {"id": "smuggled by id", "name": "f"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "smuggled"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": "smuggled"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "partialArgs": [{"stringValue": "smuggled"}]}}]},
        {"role": "user", "parts": [{"inlineData": {"mimeType": "smuggled", "data": ""}}]},
        {"role": "user", "parts": [{"inlineData": "smuggled"}]},
        {"role": "user", "parts": [{"videoMetadata": {"startOffset": "smuggled"}}]},
        {"role": "user", "parts": {"text": "smuggled"}},
        {"role": "user", "parts": "smuggled"},
        {"role": "user", "parts": ["smuggled", 1]},
        {"role": "user", "parts": [{"new": {"smuggled": 1}}]},
        {"smuggled": []},
        "smuggled",
    ],
)
def test_nothing_is_smuggled_in_what_looks_structural(content):
    """A known place with an unknown content is searched like any other."""
    body = decoded({"contents": [content]})
    assert [s.opaque for s in body.document.segments if "smuggled" in s.text] == [False]
    assert json.loads(body.encode({})) == {"contents": [content]}


@pytest.mark.parametrize(
    ("operation", "tree"),
    [
        ("countTokens", {"contents": [{"parts": [{"text": "one text"}]}]}),
        (
            "countTokens",
            {"generateContentRequest": {"model": "models/m", "contents": [{"parts": [{"text": "one text"}]}]}},
        ),
        ("computeTokens", {"contents": [{"parts": [{"text": "one text"}]}]}),
        ("embedContent", {"model": "models/m", "content": {"parts": [{"text": "one text"}]}}),
        ("batchEmbedContents", {"requests": [{"model": "models/m", "content": {"parts": [{"text": "one text"}]}}, 5]}),
        ("streamGenerateContent", {"contents": {"parts": [{"text": "one text"}]}}),
        ("generateContent", {"contents": "one text"}),
        ("generateContent", {"contents": [], "systemInstruction": "one text"}),
        ("generateContent", {"contents": [], "system_instruction": {"parts": {"text": "one text"}}}),
        ("generateContent", {"contents": [], "generationConfig": {"responseSchema": {"description": "one text"}}}),
    ],
)
def test_every_operation_is_searched(operation, tree):
    """Also a request within a request."""
    body = decoded(tree, operation)
    assert [segment.text for segment in body.document.segments] == ["one text"]
    assert json.loads(body.encode({0: "QZ"})) == json.loads(json.dumps(tree).replace("one text", "QZ"))
    assert body.document.stream is (operation == "streamGenerateContent")


def test_a_cached_content_is_searched():
    """Its creation brings a prompt."""
    tree = {"model": "models/gemini-3-pro", **CONVERSATION, "ttl": "300s", "displayName": "my own cache"}
    wire, route = registry.resolve("POST", "/v1beta/cachedContents", {})
    body = wire.decode_request(route, json.dumps(tree).encode(), {})
    assert (body.document.operation, body.document.model) == ("cachedContents.create", "gemini-3-pro")
    assert told(body, "Read it, please.")[0] == "user"
    assert told(body, "my own cache")[-1] is False
    assert "300s" not in {segment.text for segment in body.document.segments}


@pytest.mark.parametrize("spelling", ["streamFunctionCallArguments", "stream_function_call_arguments"])
@pytest.mark.parametrize("outer", [("toolConfig", "functionCallingConfig"), ("tool_config", "function_calling_config")])
def test_arguments_in_pieces_are_refused(outer, spelling):
    """They could not be restored; asked not to, nothing is refused."""
    tree = {"contents": [], outer[0]: {outer[1]: {spelling: True}}}
    with pytest.raises(ClientFault, match="streamed in pieces"):
        decoded(tree)
    decoded({"contents": [], outer[0]: {outer[1]: {spelling: False}}})


def test_trap_the_conversation_is_named_by_how_it_began():
    """By its first typed text and its system prompt, or by the client's session; the name can't be read."""
    name = decoded(CONVERSATION).document.conversation
    assert decoded({**CONVERSATION, "contents": CONVERSATION["contents"][:2]}).document.conversation == name
    assert decoded({**CONVERSATION, "contents": CONVERSATION["contents"][:1]}).document.conversation != name
    assert decoded({**CONVERSATION, "systemInstruction": "Else."}).document.conversation != name
    first, second = (decoded(tree, headers={"x-session-id": "s-1"}) for tree in (CONVERSATION, {"contents": []}))
    assert first.document.conversation == second.document.conversation
    assert "s-1" not in first.document.conversation


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
def test_a_body_that_is_no_object_is_refused(body):
    """The API knows none."""
    with pytest.raises(ClientFault, match="not a JSON object"):
        WIRE.decode_request(WIRE.routes[0], body, {})


@pytest.mark.parametrize("value", [None, 1, "loose words", [], {}, {"parts": {}}, [{"parts": [None, {"text": {}}]}]])
@pytest.mark.parametrize(
    "name", ["contents", "content", "tools", "systemInstruction", "toolConfig", "requests", "generateContentRequest"]
)
def test_odd_shapes_are_searched_and_sent(name, value):
    """Whatever stands where, nothing breaks: strings are segments, and the body is sent as it came."""
    body = decoded({"n": 1, name: value})
    assert json.loads(body.encode({})) == {"n": 1, name: value}
    assert ("loose" in json.dumps(value)) == ("loose words" in [segment.text for segment in body.document.segments])


def test_deep_nesting_is_refused():
    """Parts within parts, however they are nested."""
    tree: Any = {"text": "x"}
    for _ in range(130):
        tree = {"functionResponse": {"parts": [tree]}}
    with pytest.raises(ClientFault, match="nested deeper"):
        decoded({"contents": [{"parts": [tree]}]})
    tree = "x"
    for _ in range(300):
        tree = {"parts": tree}
    with pytest.raises(ClientFault, match="nested deeper"):
        decoded({"contents": [tree]})


VERTEX = "/v1/projects/my-project/locations/us-central1"


@pytest.mark.parametrize(
    ("method", "path", "operation", "treatment", "model"),
    [
        ("POST", f"{BASE}:generateContent", "generateContent", "inspect", "gemini-3-pro"),
        (
            "POST",
            "/v1/models/gemini-2.5-flash:streamGenerateContent",
            "streamGenerateContent",
            "inspect",
            "gemini-2.5-flash",
        ),
        ("POST", "/v1alpha/models/m%3AcountTokens", "countTokens", "inspect", "m"),
        ("POST", "/v1beta/tunedModels/mine:generateContent", "generateContent", "inspect", "mine"),
        ("POST", f"{VERTEX}/publishers/google/models/g-3:generateContent", "generateContent", "inspect", "g-3"),
        (
            "POST",
            "/v1beta1/projects/a.com:p/locations/eu/endpoints/12:streamGenerateContent",
            "streamGenerateContent",
            "inspect",
            "12",
        ),
        ("POST", "/v1beta1/publishers/google/models/g-3:embedContent", "embedContent", "inspect", "g-3"),
        ("POST", f"{BASE}:batchEmbedContents", "batchEmbedContents", "inspect", "gemini-3-pro"),
        ("POST", "/v1beta/cachedContents", "cachedContents.create", "inspect", ""),
        ("POST", f"{VERTEX}/cachedContents", "cachedContents.create", "inspect", ""),
        ("PATCH", "/v1beta/cachedContents/ab12", "cachedContents.patch", "inspect", ""),
        ("GET", "/v1beta/cachedContents", "cachedContents.list", "pass", ""),
        ("GET", "/v1beta/cachedContents/ab12", "cachedContents.get", "pass", ""),
        ("DELETE", "/v1beta/cachedContents/ab12", "cachedContents.delete", "pass", ""),
        ("GET", "/v1beta/models", "models", "pass", ""),
        ("GET", "/v1beta/models/gemini-3-pro", "model", "pass", ""),
        ("POST", f"{BASE}:batchGenerateContent", "batchGenerateContent", "refuse", "gemini-3-pro"),
        ("POST", f"{BASE}:predict", "predict(?:LongRunning)?", "refuse", "gemini-3-pro"),
        ("GET", "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", "live", "refuse", ""),
        ("POST", "/upload/v1beta/files", "files", "refuse", ""),
        ("GET", "/v1beta/files/abc", "files", "refuse", ""),
        ("POST", "/v1beta/interactions", "interactions", "refuse", ""),
    ],
)
def test_routes(method, path, operation, treatment, model):
    """Each path in each of its forms, with the model that it names."""
    wire, route = registry.resolve(method, path, {})
    assert (wire.provider, route.operation, route.treatment, route.model) == ("gemini", operation, treatment, model)


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}:generatecontent",
        f"{BASE}:generateContent/",
        f"{BASE}:generateContent:streamGenerateContent",
        "/v1beta/models/../models/m:generateContent",
        "/v1beta/models/a..b:generateContent",
        "/v1beta/models/a%2Fb:generateContent",
        "/v1beta/models/:generateContent",
        "/v9/models/m:generateContent",
        "/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict",
        "/v1/projects/p/locations/l/publishers/anthropic/models/m:generateContent",
        "/v1internal:streamGenerateContent",
    ],
)
def test_what_no_row_names_is_refused(path):
    """Nothing is guessed."""
    with pytest.raises(ClientFault, match="This route is not known"):
        registry.resolve("POST", path, {})


def test_only_the_streaming_method_streams_an_array():
    """Every other answer in JSON is whole."""
    assert {route.operation for route in WIRE.routes if route.streams} == {"streamGenerateContent"}


def test_a_list_of_models_is_told_by_the_headers():
    """At /v1 three providers have one."""
    for headers, provider in (
        ({"x-goog-api-key": "k"}, "gemini"),
        ({"x-goog-api-client": "c"}, "gemini"),
        ({}, "openai"),
    ):
        assert registry.resolve("GET", "/v1/models", headers)[0].provider == provider
    assert WIRE.key_header("k") == ("x-goog-api-key", "k")


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ({"googleSearch": {}}, ("web_search",)),
        ({"google_search": {}}, ("web_search",)),
        ({"url_context": {}}, ("web_fetch",)),
        ({"codeExecution": {}}, ("code_execution",)),
        ({"functionDeclarations": [{"name": "f"}]}, ()),
        ({"mcpServers": [{"streamableHttpTransport": {"url": "https://mcp.example/x"}}]}, ("mcp:mcp.example",)),
        ({"mcp_servers": [{"name": "x"}]}, ("mcp",)),
        ({"aNewOne": {}}, ("other",)),
    ],
)
def test_what_runs_at_the_provider_s_is_told(tool, told):
    """A kind for each tool that runs there, in both spellings, and each server by its host."""
    body = {"contents": [{"role": "user", "parts": [{"text": "t"}]}], "tools": [tool]}
    assert decoded(body).document.hosted == told
