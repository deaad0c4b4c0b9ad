"""Requests to the OpenAI Chat Completions, Embeddings and Moderations API: which strings a body holds, and whose.

Source: platform.openai.com/docs/api-reference, "Chat", "Embeddings", "Moderations". The order is that in which the
model reads: tools, messages, then the rest. A tool call's `arguments` are JSON inside JSON: one segment, as it is.
This module must never judge a text, and never leave a string out that is not a known word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from poundlock.core.errors import ClientFault
from poundlock.core.model import Document, Origin
from poundlock.wire import body
from poundlock.wire.body import Gatherer, Voice, words
from poundlock.wire.passages import Calls, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.wire.base import Body
    from poundlock.wire.passages import Opened, Shelf

Path = tuple[str | int, ...]

SESSION_HEADERS = ("session_id", "x-session-id", "session-id", "conversation_id")
_SESSION_MEMBERS = ("prompt_cache_key", "session_id", "conversation_id", "conversation")
NAMES = body.COMMON_NAMES | words(
    """
    tool_calls tool_call_id function_call functions tool_choice parallel_tool_calls refusal reasoning_content
    reasoning_effort reasoning verbosity image_url detail input_audio file_data file_id filename audio voice
    response_format json_schema schema stream_options include_usage include_obfuscation max_completion_tokens n
    presence_penalty frequency_penalty logit_bias logprobs top_logprobs store modalities prediction service_tier
    prompt_cache_key prompt_cache_retention safety_identifier web_search_options search_context_size user_location
    approximate city region country timezone dimensions encoding_format cache_control grammar syntax definition custom
    """
)
VALUES = body.COMMON_VALUES | words(
    """
    developer image_url input_audio file input_text input_image refusal json_object json_schema base64 float wav mp3
    minimal xhigh default flex priority scale required custom grammar lark regex 24h in-memory content allowed_tools
    """
)
_TOKEN = re.compile(r"[0-9]{1,7}")
_CACHE_KEY = re.compile(r"(?:[A-Za-z0-9]{1,16}[-_:]){0,4}[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")


def read(operation: str, data: bytes, headers: Mapping[str, str], shelf: Shelf | None = None) -> Body:
    """Decode the body of a request; messages that are on the `shelf` are not read again. Raises: `ClientFault`."""
    if shelf is not None and operation == "chat.completions":
        try:
            if (opened := shelf.opened("openai", data, "messages", ("tools", "functions"))) is not None:
                return _Reader(opened.tree, opened).read(operation, headers, ())
        except (ValueError, RecursionError):  # read as a whole, it is put right, or refused with a reason
            pass
    tree, notes = body.decode_object(data)
    return _Reader(tree).read(operation, headers, notes)


class _Reader:
    """One body's reading, top to bottom."""

    def __init__(self, tree: dict[str, Any], opened: Opened | None = None) -> None:
        self._tree = tree
        self._opened = opened
        self._gather = Gatherer(NAMES, VALUES)
        self._turn = 0
        self._calls = Calls()
        self._beginning: list[str] = []
        self._begun = False

    def read(self, operation: str, headers: Mapping[str, str], notes: tuple[str, ...]) -> Body:
        tree, gather = self._tree, self._gather
        rest = Voice("system", "prose", "tool")
        done = {"tools", "functions", "messages", "input", "logit_bias"}
        tools = (*self._tools("tools", rest), *self._tools("functions", rest))
        if self._opened is not None:
            state = self._opened.messages(gather, self._calls, self._learned)
            self._turn, self._begun, self._beginning = state.turn, state.begun, [*state.beginning]
        elif operation == "chat.completions":
            self._messages()
        elif "messages" in tree:
            gather.tree(tree, "messages", ("messages",), Voice("user", "prose", "typed"))
        if "input" in tree:
            self._input()
        bias = tree.get("logit_bias")
        if isinstance(bias, dict) and all(_TOKEN.fullmatch(token) for token in bias):
            for token in bias:
                gather.tree(bias, token, ("logit_bias", token), rest)
        elif "logit_bias" in tree:
            gather.tree(tree, "logit_bias", ("logit_bias",), rest)
        done |= self._plain()
        gather.members(tree, (), rest, done)
        model = tree.get("model")
        document = Document(
            provider="openai",
            operation=operation,
            model=model if isinstance(model, str) else "",
            conversation=self._conversation(headers),
            tools=tools,
            hosted=_at_home(tree),
            stream=tree.get("stream") is True,
            notes=notes,
            segments=(),
        )
        return gather.body(tree, document) if self._opened is None else self._opened.body(gather, document)

    def _tools(self, member: str, voice: Voice) -> tuple[str, ...]:
        """Read the tools that are offered in a member; give their names."""

        def reader(holder: Any, key: Any = 0) -> tuple[str, ...]:
            self._gather.tree(holder, key, (member,), voice)
            names: list[str] = []
            for tool in holder[key] if isinstance(holder[key], list) else ():
                called = (tool.get("function") or tool.get("custom") or tool) if isinstance(tool, dict) else None
                names.append(_string(called, "name"))
            return tuple(name for name in names if name)

        if self._opened is not None:
            return self._opened.member(member, self._gather, self._calls, reader) or ()
        return reader(self._tree, member) if member in self._tree else ()

    def _messages(self) -> None:
        messages = self._tree.get("messages")
        if not isinstance(messages, list):
            if messages is not None:
                self._gather.tree(self._tree, "messages", ("messages",), Voice("user", "prose", "typed"))
            return
        for index in range(len(messages)):
            self._message(messages, index, index)

    def _learned(self, index: int, state: State, holder: list[Any]) -> State:
        """Read a message in this state."""
        self._turn, self._begun, self._beginning = state.turn, state.begun, []
        self._message(holder, 0, index)
        return State(self._turn, self._begun, tuple(self._beginning))

    def _message(self, holder: list[Any], key: int, index: int) -> None:
        """Read `holder[key]`, the message that stands at `index`."""
        message = holder[key]
        path: Path = ("messages", index)
        if not isinstance(message, dict):
            self._gather.tree(holder, key, path, Voice("user", "prose", "typed", self._turn))
            return
        role = _string(message, "role")
        voice = self._voice(message, role)
        done = set()
        if isinstance(message.get("tool_call_id"), str) and body.is_id(message["tool_call_id"]):
            done.add("tool_call_id")
        if "content" in message:
            self._content(message, (*path, "content"), voice)
            done.add("content")
        if isinstance(message.get("reasoning_details"), list):
            self._reasoning(message["reasoning_details"], (*path, "reasoning_details"), voice)
            done.add("reasoning_details")
        if isinstance(message.get("function_call"), dict):
            self._function(message, "function_call", (*path, "function_call"), voice)
            done.add("function_call")
        if isinstance(message.get("tool_calls"), list):
            calls = message["tool_calls"]
            for number, call in enumerate(calls):
                self._call(calls, number, call, (*path, "tool_calls", number), voice)
            done.add("tool_calls")
        self._gather.members(message, path, voice, done)
        if role == "assistant":
            self._turn += 1

    def _voice(self, message: dict[str, Any], role: str) -> Voice:
        if role == "assistant":
            return Voice("assistant", "prose", "tool", self._turn)
        if role in {"system", "developer"}:
            return Voice("system", "prose", "tool", self._turn)
        if role == "tool":
            tool = self._calls.ask(_string(message, "tool_call_id")) or _string(message, "name")
            return Voice("tool", "tool_result", "tool", self._turn, tool)
        if role == "function":
            return Voice("tool", "tool_result", "tool", self._turn, _string(message, "name"))
        return Voice("user", "prose", "typed", self._turn)

    def _content(self, message: dict[str, Any], path: Path, voice: Voice) -> None:
        content = message["content"]
        if isinstance(content, str):
            self._begin(content, voice)
            self._gather.text(message, "content", path, voice)
        elif isinstance(content, list):
            for index, part in enumerate(content):
                if isinstance(part, dict):
                    self._part(part, (*path, index), voice)
                else:
                    self._gather.tree(content, index, (*path, index), voice)
        else:
            self._gather.tree(message, "content", path, voice)

    def _begin(self, text: str, voice: Voice) -> None:
        """Remember how the conversation began, up to its first user text."""
        if not self._begun and voice.role in {"system", "user"}:
            self._beginning.append(f"{voice.role}\n{text}")
            self._begun = voice.role == "user"

    def _part(self, part: dict[str, Any], path: Path, voice: Voice) -> None:
        """Read one part of a content."""
        done = set()
        kind = part.get("type")
        if isinstance(part.get("text"), str):
            self._begin(part["text"], voice)
            self._gather.text(part, "text", (*path, "text"), voice)
            done.add("text")
        elif kind == "image_url" and isinstance(part.get("image_url"), dict):
            self._media(part["image_url"], "url", (*path, "image_url"), _file(voice))
            done.add("image_url")
        elif kind == "input_audio" and isinstance(part.get("input_audio"), dict):
            self._media(part["input_audio"], "data", (*path, "input_audio"), _file(voice))
            done.add("input_audio")
        elif kind == "file" and isinstance(part.get("file"), dict):
            self._media(part["file"], "file_data", (*path, "file"), _file(voice))
            done.add("file")
        self._gather.members(part, path, voice, done)

    def _media(self, holder: dict[str, Any], name: str, path: Path, voice: Voice) -> None:
        """Read an image, a sound or a file: base64 stays the same string, a link is text."""
        done = set()
        text = holder.get(name)
        if isinstance(text, str):
            audio = name == "data" and body.is_sealed(text)
            self._gather.text(holder, name, (*path, name), voice, opaque=audio or body.is_data_url(text))
            done.add(name)
        if body.is_id(_string(holder, "file_id")):
            done.add("file_id")
        self._gather.members(holder, path, voice, done)

    def _reasoning(self, details: list[Any], path: Path, voice: Voice) -> None:
        """Read reasoning as OpenRouter carries it: encrypted reasoning and signatures stay the same strings."""
        for index, detail in enumerate(details):
            where: Path = (*path, index)
            if not isinstance(detail, dict):
                self._gather.tree(details, index, where, voice)
                continue
            done = set()
            sealed = {"reasoning.encrypted": "data", "reasoning.text": "signature"}.get(_string(detail, "type"))
            if sealed and voice.role == "assistant" and (text := _string(detail, sealed)) and body.is_sealed(text):
                self._gather.text(detail, sealed, (*where, sealed), voice, opaque=True)
                done.add(sealed)
                if sealed == "signature" and isinstance(detail.get("text"), str):
                    self._gather.text(detail, "text", (*where, "text"), voice, opaque=True)
                    done.add("text")
            self._gather.members(detail, where, voice, done)

    def _call(self, calls: list[Any], index: int, call: Any, path: Path, voice: Voice) -> None:
        if not isinstance(call, dict):
            self._gather.tree(calls, index, path, voice)
            return
        done = set()
        if isinstance(call.get("id"), str) and body.is_id(call["id"]):
            done.add("id")
        for name in ("function", "custom"):
            if isinstance(call.get(name), dict):
                tool = self._function(call, name, (*path, name), voice)
                if isinstance(call.get("id"), str):
                    self._calls.tell(call["id"], tool)
                done.add(name)
        self._gather.members(call, path, voice, done)

    def _function(self, holder: dict[str, Any], name: str, path: Path, voice: Voice) -> str:
        """Read one called function; give its name."""
        function = holder[name]
        tool = _string(function, "name")
        arguments = Voice("assistant", "tool_args", "tool", voice.turn, tool)
        done = set()
        for member in ("arguments", "input"):
            if member in function:
                self._gather.tree(function, member, (*path, member), arguments)
                done.add(member)
        self._gather.members(function, path, voice, done)
        return tool

    def _input(self) -> None:
        """Read what shall be embedded or moderated.

        Raises: `ClientFault` for numbers, which are tokens: text that can't be inspected.
        """
        tree = self._tree
        value = tree["input"]
        voice = Voice("user", "file", "file")
        if isinstance(value, str):
            self._gather.text(tree, "input", ("input",), voice)
            return
        for index, item in enumerate(value if isinstance(value, list) else ()):
            if isinstance(item, str):
                self._gather.text(value, index, ("input", index), voice)
            elif isinstance(item, dict):
                self._part(item, ("input", index), voice)
            elif isinstance(item, (int, list)):
                raise ClientFault(
                    "The input is made of token numbers, which can't be inspected.", advice="Send the input as text."
                )
            else:
                self._gather.tree(value, index, ("input", index), voice)
        if not isinstance(value, list):
            self._gather.tree(tree, "input", ("input",), voice)

    def _plain(self) -> set[str]:
        """Give the members at the top that hold what they should and nothing else."""
        done = set()
        if body.is_model(_string(self._tree, "model")):
            done.add("model")
        if _CACHE_KEY.fullmatch(_string(self._tree, "prompt_cache_key")):
            done.add("prompt_cache_key")
        return done

    def _conversation(self, headers: Mapping[str, str]) -> str:
        """Name the conversation: by the client's session, else by how it began."""
        named = [*(headers.get(name, "") for name in SESSION_HEADERS)]
        named += [_string(self._tree, name) for name in _SESSION_MEMBERS]
        named += [_string(self._tree.get("metadata"), name) for name in _SESSION_MEMBERS[1:]]
        for session in named:
            if session:
                return body.digest("session", session)
        return body.digest("beginning", *self._beginning)


def _file(voice: Voice) -> Voice:
    origin: Origin = "file"
    return voice._replace(kind="file", origin=origin) if voice.kind == "prose" else voice


def _string(holder: Any, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""


def _at_home(tree: dict[str, Any]) -> tuple[str, ...]:
    """Give what runs at the provider's: a search by OpenAI's models, and OpenRouter's plug-ins."""
    found = ["web_search"] if tree.get("web_search_options") is not None else []
    plugins = tree.get("plugins")
    for plugin in plugins if isinstance(plugins, list) else ():
        name = plugin.get("id") if isinstance(plugin, dict) else None
        found.append("web_search" if name == "web" else "other")
    return tuple(dict.fromkeys(found))
