"""Requests to the Ollama API: which strings a body holds, whose they are, and which are opaque.

Source: github.com/ollama/ollama, docs/api.md. The order is that in which the model reads: tools, system prompt,
messages or prompt, then the rest. This module must never judge a text, and never leave a string out that is not a
known word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poundlock.core.model import Document
from poundlock.wire import body
from poundlock.wire.body import Gatherer, JsonBody, Voice, words

if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple[str | int, ...]

NAMES = body.COMMON_NAMES | words(
    """
    images tool_calls tool_name tool_call_id thinking think keep_alive context raw suffix template truncate dimensions
    options num_ctx num_predict num_keep num_batch num_gpu num_thread main_gpu use_mmap numa min_p tfs_z typical_p
    repeat_last_n repeat_penalty presence_penalty frequency_penalty mirostat mirostat_tau mirostat_eta penalize_newline
    verbose logprobs top_logprobs response
    """
)
VALUES = body.COMMON_VALUES | words("json max")
# How the base64 of a picture begins: PNG, JPEG, GIF, WebP (RIFF). There is no media type beside it to go by.
_PICTURES = ("iVBORw0KGgo", "/9j/", "R0lGODdh", "R0lGODlh", "UklGR")


def read(operation: str, data: bytes, headers: Mapping[str, str]) -> JsonBody:
    """Decode the body of a request. Raises: `ClientFault`."""
    tree, notes = body.decode_object(data)
    return _Reader(tree).read(operation, headers, notes)


class _Reader:
    """One body's reading, top to bottom."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self._tree = tree
        self._gather = Gatherer(NAMES, VALUES)
        self._turn = 0
        self._last = ""
        self._begun = False
        self._beginning: list[str] = []

    def read(self, operation: str, headers: Mapping[str, str], notes: tuple[str, ...]) -> JsonBody:
        tree, gather = self._tree, self._gather
        rest = Voice("system", "prose", "tool")
        done = set()
        if "tools" in tree:
            gather.tree(tree, "tools", ("tools",), rest)
            done.add("tools")
        if isinstance(tree.get("system"), str):
            self._said(tree, "system", ("system",), rest)
            done.add("system")
        if isinstance(tree.get("messages"), list):
            self._messages(tree["messages"])
            done.add("messages")
        embeds = operation in {"embed", "embeddings"}
        voice = Voice("user", "file", "file") if embeds else Voice("user", "prose", "typed")
        for name in ("prompt", "suffix", "input"):
            if isinstance(tree.get(name), str):
                self._said(tree, name, (name,), voice)
                done.add(name)
            elif name in tree:
                gather.tree(tree, name, (name,), voice)
                done.add(name)
        done |= self._images(tree, (), voice)
        context = tree.get("context")
        if isinstance(context, list) and all(type(token) is int for token in context):
            # What an earlier answer gave: the conversation so far, as numbers. It left through here before.
            done.add("context")
        model = tree.get("model")
        if isinstance(model, str) and body.is_model(model):
            done.add("model")
        gather.members(tree, (), rest, done)
        document = Document(
            provider="ollama",
            operation=operation,
            model=model if isinstance(model, str) else "",
            conversation=self._conversation(headers),
            tools=_tools(tree),
            # Streaming is what Ollama does unless it is told not to.
            stream=operation in {"chat", "generate"} and tree.get("stream") is not False,
            notes=notes,
            segments=(),
        )
        return gather.body(tree, document)

    def _messages(self, messages: list[Any]) -> None:
        for index, message in enumerate(messages):
            path: Path = ("messages", index)
            if isinstance(message, dict):
                self._message(message, path)
            else:
                self._gather.tree(messages, index, path, Voice("user", "prose", "typed", self._turn))

    def _message(self, message: dict[str, Any], path: Path) -> None:
        role = _string(message, "role")
        voice = self._voice(message, role)
        done = self._images(message, path, voice)
        if isinstance(message.get("content"), str):
            self._said(message, "content", (*path, "content"), voice)
            done.add("content")
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            for index, call in enumerate(calls):
                self._call(calls, index, call, (*path, "tool_calls", index), voice)
            done.add("tool_calls")
        if body.is_id(_string(message, "tool_call_id")):
            done.add("tool_call_id")
        self._gather.members(message, path, voice, done)
        if role == "assistant":
            self._turn += 1

    def _voice(self, message: dict[str, Any], role: str) -> Voice:
        if role == "assistant":
            return Voice("assistant", "prose", "tool", self._turn)
        if role == "system":
            return Voice("system", "prose", "tool", self._turn)
        if role == "tool":
            tool = _string(message, "tool_name") or _string(message, "name") or self._last
            return Voice("tool", "tool_result", "tool", self._turn, tool)
        return Voice("user", "prose", "typed", self._turn)

    def _said(self, holder: dict[str, Any], key: str, path: Path, voice: Voice) -> None:
        """Read a text, and remember how the conversation began, up to its first user text."""
        text = holder[key]
        if not self._begun and voice.role in {"system", "user"}:
            self._beginning.append(f"{voice.role}\n{text}")
            self._begun = voice.role == "user"
        self._gather.text(holder, key, path, voice)

    def _images(self, holder: dict[str, Any], path: Path, voice: Voice) -> set[str]:
        """Read pictures: their base64 stays the same string; what doesn't begin as one is searched."""
        images = holder.get("images")
        if not isinstance(images, list):
            return set()
        voice = voice._replace(kind="file", origin="file")
        for index, image in enumerate(images):
            where = (*path, "images", index)
            if isinstance(image, str):
                opaque = image.startswith(_PICTURES) and body.is_sealed(image)
                self._gather.text(images, index, where, voice, opaque=opaque)
            else:
                self._gather.tree(images, index, where, voice)
        return {"images"}

    def _call(self, calls: list[Any], index: int, call: Any, path: Path, voice: Voice) -> None:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            self._gather.tree(calls, index, path, voice)
            return
        tool = self._last = _string(function, "name")
        done = set()
        if "arguments" in function:
            arguments = Voice("assistant", "tool_args", "tool", voice.turn, tool)
            self._gather.tree(function, "arguments", (*path, "function", "arguments"), arguments)
            done.add("arguments")
        self._gather.members(function, (*path, "function"), voice, done)
        ids = {"id"} if body.is_id(_string(call, "id")) else set()
        self._gather.members(call, path, voice, {"function", *ids})

    def _conversation(self, headers: Mapping[str, str]) -> str:
        """Name the conversation: by the client's session, else by how it began."""
        session = headers.get("x-session-id", "")
        return body.digest("session", session) if session else body.digest("beginning", *self._beginning)


def _string(holder: Any, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""


def _tools(tree: dict[str, Any]) -> tuple[str, ...]:
    """Give the names of the tools that a request offers."""
    tools = tree.get("tools")
    named = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return tuple(name for name in (_string(function, "name") for function in named) if name)
