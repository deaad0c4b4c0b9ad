"""Requests to the Gemini API: which strings a body holds, whose they are, and which are opaque.

Source: ai.google.dev/api, "Generating content", "Counting tokens", "Embeddings", "Caching"; members in camelCase or
in snake_case, which proto3's JSON both takes. The order is that in which the model reads: tools, system instruction,
contents, then the rest. This module must never judge a text, and never leave a string out that is not a known word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from poundlock.core.errors import ClientFault
from poundlock.core.model import Document
from poundlock.wire import body, hosted
from poundlock.wire.body import Gatherer, JsonBody, Voice, words

if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple[str | int, ...]


def _both(camel: str) -> frozenset[str]:
    """Give names in both spellings."""
    return frozenset(form for name in camel.split() for form in (name, _snake(name)))


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)


NAMES = body.COMMON_NAMES | _both(
    """
    contents parts systemInstruction generationConfig safetySettings toolConfig cachedContent functionDeclarations
    functionCall functionResponse functionCallingConfig allowedFunctionNames inlineData mimeType fileData fileUri
    displayName executableCode codeExecutionResult outcome thought thoughtSignature thinkingConfig thinkingBudget
    thinkingLevel includeThoughts topP topK maxOutputTokens candidateCount stopSequences responseMimeType
    responseSchema responseJsonSchema responseModalities parametersJsonSchema responseLogprobs logprobs
    presencePenalty frequencyPenalty speechConfig mediaResolution category threshold googleSearch codeExecution
    urlContext googleMaps retrieval googleSearchRetrieval computerUse videoMetadata startOffset endOffset fps
    retrievalConfig latLng latitude longitude languageCode taskType outputDimensionality autoTruncate
    embedContentConfig generateContentRequest requests ttl expireTime labels willContinue scheduling behavior response
    propertyOrdering error result
    """
)
VALUES = body.COMMON_VALUES | words(
    """
    model OBJECT STRING NUMBER INTEGER BOOLEAN ARRAY NULL TYPE_UNSPECIFIED AUTO ANY NONE VALIDATED MODE_UNSPECIFIED
    HARM_CATEGORY_HARASSMENT HARM_CATEGORY_HATE_SPEECH HARM_CATEGORY_SEXUALLY_EXPLICIT HARM_CATEGORY_DANGEROUS_CONTENT
    HARM_CATEGORY_CIVIC_INTEGRITY HARM_BLOCK_THRESHOLD_UNSPECIFIED BLOCK_LOW_AND_ABOVE BLOCK_MEDIUM_AND_ABOVE
    BLOCK_ONLY_HIGH BLOCK_NONE OFF TEXT IMAGE AUDIO text/plain application/json text/x.enum LANGUAGE_UNSPECIFIED PYTHON
    OUTCOME_OK OUTCOME_FAILED OUTCOME_DEADLINE_EXCEEDED OUTCOME_UNSPECIFIED LOW MEDIUM HIGH MINIMAL
    RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY CLASSIFICATION CLUSTERING QUESTION_ANSWERING
    FACT_VERIFICATION CODE_RETRIEVAL_QUERY
    """
)
# Text that Gemini CLI puts into the user's mouth stands in these tags, or between these lines.
HARNESS_TAGS = words("session_context environment_context hook_context state_snapshot system-reminder")
_TAG = re.compile(r"\s*<([a-z_-]{1,32})>")
_FILES_BEGIN = "--- Content from referenced files ---"
_FILES_END = "--- End of content ---"
# Types that are no text in base64, as SVG and JSON are.
_CLOSED = re.compile(r"(?:image|audio|video)/[a-z0-9.-]{1,40}|application/pdf")
_DURATION = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?s")


def read(operation: str, model: str, data: bytes, headers: Mapping[str, str]) -> JsonBody:
    """Decode the body of a request; the path named `model`, if not the body does.

    Raises: `ClientFault` for what isn't a JSON object, and for what can't be restored in the answer.
    """
    tree, notes = body.decode_object(data)
    return _Reader(tree).read(operation, model, headers, notes)


def member(holder: Any, camel: str) -> str:
    """Give the spelling in which an object has this member; the camelCase one if it has none or both."""
    snake = _snake(camel)
    return snake if isinstance(holder, dict) and camel not in holder and snake in holder else camel


class _Reader:
    """One body's reading, top to bottom."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self._tree = tree
        self._gather = Gatherer(NAMES, VALUES)
        self._turn = 0
        self._file = False
        self._system: list[str] = []
        self._first = ""
        self._tools: list[str] = []
        self._at_home: list[str] = []

    def read(self, operation: str, model: str, headers: Mapping[str, str], notes: tuple[str, ...]) -> JsonBody:
        self._request(self._tree, ())
        named = _string(self._tree, "model")
        document = Document(
            provider="gemini",
            operation=operation,
            model=model or named.removeprefix("models/"),
            conversation=self._conversation(headers),
            tools=tuple(self._tools),
            hosted=tuple(dict.fromkeys(self._at_home)),
            stream=operation == "streamGenerateContent",
            notes=notes,
            segments=(),
        )
        return self._gather.body(self._tree, document)

    def _request(self, tree: dict[str, Any], path: Path) -> None:
        """Read a request, or one that stands within another (countTokens, batchEmbedContents)."""
        body.check_nesting(path)
        gather = self._gather
        rest = Voice("system", "prose", "tool")
        done = set()
        if "tools" in tree:
            gather.tree(tree, "tools", (*path, "tools"), rest)
            self._tools += _tools(tree["tools"])
            self._at_home += _at_home(tree["tools"])
            done.add("tools")
        for name in ("toolConfig", "tool_config"):
            _check_calls(tree.get(name))
        for name in ("systemInstruction", "system_instruction"):
            if name in tree:
                self._content(tree, name, (*path, name), rest)
                done.add(name)
        if "contents" in tree:
            self._contents(tree, (*path, "contents"))
            done.add("contents")
        if "content" in tree:
            self._content(tree, "content", (*path, "content"), Voice("user", "file", "file"))
            done.add("content")
        for name in ("generateContentRequest", "generate_content_request"):
            if isinstance(tree.get(name), dict) and not path:
                self._request(tree[name], (*path, name))
                done.add(name)
        requests = tree.get("requests")
        if isinstance(requests, list) and not path:
            for index, each in enumerate(requests):
                if isinstance(each, dict):
                    self._request(each, ("requests", index))
                else:
                    gather.tree(requests, index, ("requests", index), rest)
            done.add("requests")
        if body.is_model(_string(tree, "model")):
            done.add("model")
        if _DURATION.fullmatch(_string(tree, "ttl")):
            done.add("ttl")
        gather.members(tree, path, rest, done)

    def _contents(self, tree: dict[str, Any], path: Path) -> None:
        """Read a conversation: a list of contents, or a single one."""
        contents = tree["contents"]
        typed = Voice("user", "prose", "typed", self._turn)
        if not isinstance(contents, list):
            self._content(tree, "contents", path, typed)
            return
        for index, content in enumerate(contents):
            role = _string(content, "role")
            if role == "model":
                voice = Voice("assistant", "prose", "tool", self._turn)
            elif role == "system":
                voice = Voice("system", "prose", "tool", self._turn)
            else:
                voice = Voice("user", "prose", "typed", self._turn)
            self._content(contents, index, (*path, index), voice)
            if role == "model":
                self._turn += 1

    def _content(self, holder: Any, key: Any, path: Path, voice: Voice) -> None:
        """Read a content: an object with parts, a list of parts, a part, or a text."""
        body.check_nesting(path)
        value = holder[key]
        if isinstance(value, str):
            self._text(holder, key, path, voice)
        elif isinstance(value, list):
            self._parts(value, path, voice)
        elif isinstance(value, dict) and "parts" in value:
            if isinstance(value["parts"], list):
                self._parts(value["parts"], (*path, "parts"), voice)
            else:
                self._content(value, "parts", (*path, "parts"), voice)
            self._gather.members(value, path, voice, {"parts"})
        elif isinstance(value, dict):
            self._part(value, path, voice)
        else:
            self._gather.tree(holder, key, path, voice)

    def _parts(self, parts: list[Any], path: Path, voice: Voice) -> None:
        body.check_nesting(path)
        self._file = False
        for index, part in enumerate(parts):
            if isinstance(part, dict):
                self._part(part, (*path, index), voice)
            elif isinstance(part, str):
                self._text(parts, index, (*path, index), voice)
            else:
                self._gather.tree(parts, index, (*path, index), voice)

    def _text(self, holder: Any, key: Any, path: Path, voice: Voice, *, opaque: bool = False) -> None:
        text = holder[key]
        if voice.role == "user" and voice.origin == "typed":
            voice = self._spoken(text, voice)
            self._first = self._first or (text if voice.origin == "typed" else "")
        elif voice.role == "system":
            self._system.append(text)
        self._gather.text(holder, key, path, voice, opaque=opaque)

    def _spoken(self, text: str, voice: Voice) -> Voice:
        """Tell what a person typed from what the tool wrote, and from files that it read for a reference in it."""
        if self._file or text.strip().startswith(_FILES_BEGIN):
            self._file = not text.rstrip().endswith(_FILES_END)
            return voice._replace(kind="file", origin="file")
        tag = _TAG.match(text)
        if tag and tag[1] in HARNESS_TAGS and text.rstrip().endswith(f"</{tag[1]}>"):
            return voice._replace(origin="tool")
        return voice

    def _part(self, part: dict[str, Any], path: Path, voice: Voice) -> None:
        """Read one part; what is not named here becomes segments like everything unknown."""
        body.check_nesting(path)
        done = self._signature(part, path, voice)
        if isinstance(part.get("text"), str):
            # A thought with its signature is checked by its maker, and so it stays the same string.
            thought = bool(done) and part.get("thought") is True
            self._text(part, "text", (*path, "text"), voice, opaque=thought)
            done.add("text")
        for name in ("functionCall", "function_call", "toolCall", "tool_call"):
            if isinstance(part.get(name), dict):
                self._call(part[name], (*path, name), voice)
                done.add(name)
        for name in ("functionResponse", "function_response", "toolResponse", "tool_response"):
            if isinstance(part.get(name), dict):
                self._response(part[name], (*path, name), voice)
                done.add(name)
        for name in ("inlineData", "inline_data"):
            if isinstance(part.get(name), dict):
                self._blob(part[name], (*path, name), _filed(voice))
                done.add(name)
        for name in ("fileData", "file_data"):
            if isinstance(part.get(name), dict):
                self._gather.members(part[name], (*path, name), _filed(voice))
                done.add(name)
        for name in ("executableCode", "executable_code"):
            if isinstance(part.get(name), dict):
                self._gather.members(part[name], (*path, name), voice._replace(kind="code"))
                done.add(name)
        for name in ("codeExecutionResult", "code_execution_result"):
            if isinstance(part.get(name), dict):
                result = Voice("tool", "tool_result", "tool", voice.turn, "code_execution")
                self._gather.members(part[name], (*path, name), result)
                done.add(name)
        self._gather.members(part, path, voice, done)

    def _signature(self, part: dict[str, Any], path: Path, voice: Voice) -> set[str]:
        """Read the signature of a thought, which only the model's own parts have; give the members that are done."""
        name = member(part, "thoughtSignature")
        text = part.get(name)
        if voice.role == "assistant" and isinstance(text, str) and text and body.is_sealed(text):
            self._gather.text(part, name, (*path, name), voice, opaque=True)
            return {name}
        return set()

    def _call(self, call: dict[str, Any], path: Path, voice: Voice) -> None:
        tool = _string(call, "name")
        arguments = Voice("assistant", "tool_args", "tool", voice.turn, tool)
        done = _ids(call)
        for name in ("args", "partialArgs", "partial_args"):
            if name in call:
                self._gather.tree(call, name, (*path, name), arguments)
                done.add(name)
        self._gather.members(call, path, voice, done)

    def _response(self, response: dict[str, Any], path: Path, voice: Voice) -> None:
        result = Voice("tool", "tool_result", "tool", voice.turn, _string(response, "name"))
        done = _ids(response)
        if isinstance(response.get("parts"), list):
            self._parts(response["parts"], (*path, "parts"), result)
            done.add("parts")
        self._gather.members(response, path, result, done)

    def _blob(self, blob: dict[str, Any], path: Path, voice: Voice) -> None:
        """Read data in base64: a picture's, a sound's or a PDF's stays the same string, all else is searched."""
        said: list[str] = [name for name in ("mimeType", "mime_type") if name in blob]
        done = {name for name in said if body.is_media(_string(blob, name))}
        if isinstance(blob.get("data"), str):
            # With a type in both spellings nobody knows which one counts.
            closed = len(said) == 1 and _CLOSED.fullmatch(_string(blob, said[0])) is not None
            opaque = closed and body.is_sealed(blob["data"])
            self._gather.text(blob, "data", (*path, "data"), voice, opaque=opaque)
            done.add("data")
        self._gather.members(blob, path, voice, done)

    def _conversation(self, headers: Mapping[str, str]) -> str:
        """Name the conversation: by the client's session, else by how it began."""
        session = headers.get("x-session-id", "")
        return body.digest("session", session) if session else body.digest("beginning", self._first, *self._system)


def _check_calls(config: Any) -> None:
    """Refuse arguments in pieces. Raises: `ClientFault`."""
    for name in ("functionCallingConfig", "function_calling_config"):
        calling = config.get(name) if isinstance(config, dict) else None
        for wish in ("streamFunctionCallArguments", "stream_function_call_arguments"):
            if isinstance(calling, dict) and calling.get(wish):
                raise ClientFault(
                    "Function call arguments that are streamed in pieces can't be restored.",
                    advice="Leave streamFunctionCallArguments out.",
                )


def _filed(voice: Voice) -> Voice:
    return voice._replace(kind="file", origin="file") if voice.kind == "prose" else voice


def _ids(holder: dict[str, Any]) -> set[str]:
    return {"id"} if body.is_id(_string(holder, "id")) else set()


def _string(holder: Any, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""


def _tools(tools: Any) -> list[str]:
    """Give the names of the functions that a request declares."""
    names: list[str] = []
    for tool in tools if isinstance(tools, list) else ():
        declared = tool.get(member(tool, "functionDeclarations")) if isinstance(tool, dict) else None
        names += [_string(each, "name") for each in declared] if isinstance(declared, list) else []
    return [name for name in names if name]


# Each member of a tool is one (ai.google.dev/api, "Tool"); an empty kind runs at the client's.
_TOOLS = {
    "functionDeclarations": "",
    "computerUse": "",
    "googleSearch": "web_search",
    "googleSearchRetrieval": "web_search",
    "enterpriseWebSearch": "web_search",
    "urlContext": "web_fetch",
    "codeExecution": "code_execution",
    "fileSearch": "file_search",
    "retrieval": "file_search",
    "googleMaps": "maps",
}


def _at_home(tools: Any) -> list[str]:
    """Give what of the offered tools runs at the provider's."""
    found: list[str] = []
    for tool in tools if isinstance(tools, list) else [tools]:
        for name, value in tool.items() if isinstance(tool, dict) else ():
            head, *rest = name.split("_")
            camel = head + "".join(part.title() for part in rest)
            if camel == "mcpServers":
                found += [_server(row) for row in (value if isinstance(value, list) else [value])]
            elif kind := _TOOLS.get(camel, "other"):
                found.append(kind)
    return found


def _server(row: Any) -> str:
    transport = None
    if isinstance(row, dict):
        transport = row.get("streamableHttpTransport") or row.get("streamable_http_transport")
    return hosted.server(transport.get("url") if isinstance(transport, dict) else None)
