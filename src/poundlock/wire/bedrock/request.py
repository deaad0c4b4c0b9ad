"""Requests to Amazon Bedrock's Converse: which strings a body holds, whose they are, and what stays the same string.

Source: docs.aws.amazon.com/bedrock, "Converse" and "CountTokens". The order is that in which the model reads: tools,
system, messages, then the rest. This module must never leave a string out that is not a known word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from poundlock.core.model import Document
from poundlock.wire import body
from poundlock.wire.body import Gatherer, JsonBody, Voice, words

if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple[str | int, ...]

NAMES = body.COMMON_NAMES | words(
    """
    inferenceConfig maxTokens stopSequences temperature topP toolConfig toolChoice toolSpec inputSchema json strict
    toolUse toolUseId toolResult cachePoint ttl guardContent qualifiers guardrailConfig guardrailIdentifier
    guardrailVersion trace streamProcessingMode additionalModelRequestFields additionalModelResponseFieldPaths
    promptVariables requestMetadata performanceConfig latency serviceTier outputConfig textFormat structure
    reasoningContent reasoningText redactedContent signature image document video audio source bytes s3Location uri
    bucketOwner format context citations citationsContent location documentChar documentPage documentChunk
    documentIndex start end sourceContent searchResult converse invokeModel
    """
)
VALUES = body.COMMON_VALUES | words(
    """
    default success error any auto png jpeg gif webp pdf csv doc docx xls xlsx html txt md mkv mov mp4 webm
    grounding_source query guard_content enabled disabled enabled_full sync async standard optimized priority flex
    json_schema 5m 1h
    """
)
_SESSION_HEADERS = ("x-claude-code-session-id", "x-session-id")
# Formats whose base64 is no text: it stays the same string, unread. The base64 of the others is searched like a text.
_BINARY = words("png jpeg gif webp pdf doc docx xls xlsx mkv mov mp4 webm flv mpeg mpg wmv three_gp mp3 wav")
_MEDIA = ("image", "document", "video", "audio")
_CALL_ID = re.compile(r"tooluse_[A-Za-z0-9_-]{1,64}")
_SYSTEM_TOOLS = {"nova_grounding": "web_search", "nova_code_interpreter": "code_execution"}
_SYSTEM = Voice("system", "prose", "tool")


def read(operation: str, model: str, data: bytes, headers: Mapping[str, str]) -> JsonBody:
    """Decode the body of a request; `model` stood in its path. Raises: `ClientFault`."""
    tree, notes = body.decode_object(data, "Send what the Converse API describes.")
    return _Reader(tree).read(operation, model, headers, notes)


class _Reader:
    """One body's reading, top to bottom."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self._tree = tree
        self._gather = Gatherer(NAMES, VALUES)
        self._turn = 0
        self._calls: dict[str, str] = {}
        self._beginning: list[str] = []

    def read(self, operation: str, model: str, headers: Mapping[str, str], notes: tuple[str, ...]) -> JsonBody:
        tree, gather = self._tree, self._gather
        tools, at_home = self._tools()
        if "toolConfig" in tree:
            gather.tree(tree, "toolConfig", ("toolConfig",), _SYSTEM)
        if "system" in tree:
            self._content(tree, "system", ("system",), _SYSTEM)
        self._messages()
        gather.members(tree, (), _SYSTEM, {"toolConfig", "system", "messages"})
        document = Document(
            provider="bedrock",
            operation=operation,
            model=model,
            conversation=self._conversation(headers),
            tools=tools,
            hosted=at_home,
            stream=operation == "converse-stream",
            notes=notes,
            segments=(),
        )
        return gather.body(tree, document)

    def _tools(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give the names of the tools that are offered, and what of them runs at the provider's."""
        config = self._tree.get("toolConfig")
        offered = config.get("tools") if isinstance(config, dict) else None
        names: list[str] = []
        at_home: list[str] = []
        for tool in offered if isinstance(offered, list) else ():
            if not isinstance(tool, dict):
                continue
            if "systemTool" in tool:
                at_home.append(_SYSTEM_TOOLS.get(_string(tool["systemTool"], "name"), "other"))
            spec = tool.get("toolSpec")
            if name := _string(spec, "name"):
                names.append(name)
        return tuple(names), tuple(dict.fromkeys(at_home))

    def _messages(self) -> None:
        messages = self._tree.get("messages")
        if not isinstance(messages, list):
            if "messages" in self._tree:
                self._gather.tree(self._tree, "messages", ("messages",), Voice("user", "prose", "typed"))
            return
        for index, message in enumerate(messages):
            path: Path = ("messages", index)
            if not isinstance(message, dict):
                self._gather.tree(messages, index, path, Voice("user", "prose", "typed", self._turn))
                continue
            mine = _string(message, "role") == "assistant"
            voice = Voice("assistant" if mine else "user", "prose", "tool" if mine else "typed", self._turn)
            if "content" in message:
                self._content(message, "content", (*path, "content"), voice)
            self._gather.members(message, path, voice, {"content"})
            self._turn += mine

    def _content(self, holder: dict[str, Any], key: str, path: Path, voice: Voice) -> None:
        """Read a list of blocks."""
        blocks = holder[key]
        if not isinstance(blocks, list):
            self._gather.tree(holder, key, path, voice)
            return
        body.check_nesting(path)
        for index, block in enumerate(blocks):
            if isinstance(block, dict):
                self._block(block, (*path, index), voice)
            else:
                self._gather.tree(blocks, index, (*path, index), voice)

    def _block(self, block: dict[str, Any], path: Path, voice: Voice) -> None:
        """Read one block; what is not named here becomes segments like everything unknown."""
        body.check_nesting(path)
        done: set[str] = set()
        if isinstance(block.get("text"), str):
            if len(self._beginning) < 2 and voice.role in {"system", "user"}:
                self._beginning.append(f"{voice.role}\n{block['text']}")
            self._gather.text(block, "text", (*path, "text"), voice)
            done.add("text")
        if isinstance(block.get("toolUse"), dict):
            self._call(block["toolUse"], (*path, "toolUse"), voice)
            done.add("toolUse")
        if isinstance(block.get("toolResult"), dict):
            self._result(block["toolResult"], (*path, "toolResult"), voice)
            done.add("toolResult")
        if isinstance(block.get("reasoningContent"), dict) and voice.role == "assistant":
            self._reasoning(block["reasoningContent"], (*path, "reasoningContent"), voice)
            done.add("reasoningContent")
        for name in _MEDIA:
            if isinstance(block.get(name), dict):
                self._media(block[name], (*path, name), voice)
                done.add(name)
        self._gather.members(block, path, voice, done)

    def _call(self, call: dict[str, Any], path: Path, voice: Voice) -> None:
        tool = _string(call, "name")
        done = self._ids(call)
        if isinstance(call.get("toolUseId"), str):
            self._calls[call["toolUseId"]] = tool
        if "input" in call:
            arguments = Voice("assistant", "tool_args", "tool", voice.turn, tool)
            self._gather.tree(call, "input", (*path, "input"), arguments)
            done.add("input")
        self._gather.members(call, path, voice, done)

    def _result(self, result: dict[str, Any], path: Path, voice: Voice) -> None:
        tool = self._calls.get(_string(result, "toolUseId"), "")
        voice = Voice("tool", "tool_result", "tool", voice.turn, tool)
        done = self._ids(result)
        if "content" in result:
            self._content(result, "content", (*path, "content"), voice)
            done.add("content")
        self._gather.members(result, path, voice, done)

    @staticmethod
    def _ids(holder: dict[str, Any]) -> set[str]:
        called = _string(holder, "toolUseId")
        return {"toolUseId"} if body.is_id(called) or _CALL_ID.fullmatch(called) else set()

    def _reasoning(self, reasoning: dict[str, Any], path: Path, voice: Voice) -> None:
        """Read the model's thoughts: what is signed, and what only the provider can read, stays the same string."""
        done: set[str] = set()
        text = reasoning.get("reasoningText")
        if isinstance(text, dict) and (sealed := _string(text, "signature")) and body.is_sealed(sealed):
            inner = (*path, "reasoningText")
            self._gather.text(text, "signature", (*inner, "signature"), voice, opaque=True)
            if isinstance(text.get("text"), str):
                self._gather.text(text, "text", (*inner, "text"), voice, opaque=True)
            self._gather.members(text, inner, voice, {"signature", "text"} if _string(text, "text") else {"signature"})
            done.add("reasoningText")
        if (sealed := _string(reasoning, "redactedContent")) and body.is_sealed(sealed):
            self._gather.text(reasoning, "redactedContent", (*path, "redactedContent"), voice, opaque=True)
            done.add("redactedContent")
        self._gather.members(reasoning, path, voice, done)

    def _media(self, media: dict[str, Any], path: Path, voice: Voice) -> None:
        """Read an image or a file: base64 of what is no text stays the same string."""
        if voice.kind == "prose":
            voice = voice._replace(kind="file", origin="file")
        source = media.get("source")
        done: set[str] = set()
        if isinstance(source, dict):
            inner = (*path, "source")
            read: set[str] = set()
            if data := _string(source, "bytes"):
                opaque = _string(media, "format") in _BINARY and body.is_sealed(data)
                self._gather.text(source, "bytes", (*inner, "bytes"), voice, opaque=opaque)
                read.add("bytes")
            if "content" in source:
                self._content(source, "content", (*inner, "content"), voice)
                read.add("content")
            self._gather.members(source, inner, voice, read)
            done.add("source")
        self._gather.members(media, path, voice, done)

    def _conversation(self, headers: Mapping[str, str]) -> str:
        """Name the conversation: by the client's session, else by how it began."""
        for name in _SESSION_HEADERS:
            if session := headers.get(name, ""):
                return body.digest("session", session)
        return body.digest("beginning", *self._beginning)


def _string(holder: Any, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""
