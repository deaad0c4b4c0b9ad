"""Requests to the Anthropic Messages API: which strings a body holds, who said them, and what stays the same string.

Source: platform.claude.com/docs, "Messages", "Count message tokens", "Extended thinking", "PDF support", "MCP
connector"; origins as recorded from Claude Code. The order is that in which the model reads: tools, system, messages,
then the rest. This module must never judge a text, and never leave a string out that is not a known word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from poundlock.core.model import Document, Origin
from poundlock.wire import body, hosted
from poundlock.wire.anthropic.answer import is_call
from poundlock.wire.body import Gatherer, JsonBody, Voice, words
from poundlock.wire.passages import Calls, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poundlock.wire.base import Body
    from poundlock.wire.passages import Opened, Shelf

Path = tuple[str | int, ...]

SESSION_HEADER = "x-claude-code-session-id"
NAMES = body.COMMON_NAMES | words(
    """
    cache_control ttl tool_use_id is_error source media_type input_schema tool_choice disable_parallel_tool_use
    thinking signature budget_tokens display citations stop_sequences service_tier container mcp_servers
    context_management edits keep output_config effort user_id cited_text document_index document_title
    start_char_index end_char_index start_page_number end_page_number start_block_index end_block_index
    encrypted_content encrypted_index page_age context file_id max_uses user_location city region country timezone
    authorization_token tool_configuration allowed_tools betas inference_geo speed defer_loading allowed_callers caller
    clear_at_least trigger exclude_tools clear_tool_inputs display_width_px display_height_px
    """
)
VALUES = body.COMMON_VALUES | words(
    """
    image document thinking redacted_thinking tool_use tool_result server_tool_use mcp_tool_use mcp_tool_result
    web_search_tool_result web_search_result search_result custom base64 url file content omitted summarized max xhigh
    all clear_thinking_20251015 clear_tool_uses_20250919 char_location page_location content_block_location
    web_search_result_location standard_only standard
    https://json-schema.org/draft/2020-12/schema http://json-schema.org/draft-07/schema#
    """
)

# Claude Code's first system block says who is billed; it must arrive unmodified (code.claude.com, "LLM gateway").
_ATTRIBUTION = re.compile(r"x-anthropic-billing-header:(?: ?[a-z_]{1,24}=[A-Za-z0-9._-]{1,32};){1,8}\s{0,4}")
# Account and session of the person, in the two forms that Claude Code has used.
_USER_ID = re.compile(
    r"user_[0-9a-f]{64}_account_(?:[0-9a-f-]{36})?_session_(?P<session>[0-9a-f-]{36})"
    r'|\{"device_id":"[0-9a-f]{64}","account_uuid":"(?:[0-9a-f-]{36})?","session_id":"(?P<id>[0-9a-f-]{36})"\}'
)
# Text that a tool puts into the user's mouth stands in these tags.
HARNESS_TAGS = words(
    """
    system-reminder local-command-stdout local-command-stderr bash-stdout bash-stderr task-notification ide_selection
    ide_opened_file ide_diagnostics new-diagnostics persisted-output user-prompt-submit-hook teammate-message
    environment_details
    """
)
_TAG = re.compile(r"\s*<([a-z_-]{1,32})>")
_SYSTEM = Voice("system", "prose", "tool")
_UNTRUSTED = ("web_search_", "web_fetch_")
_CONTENT = frozenset({"content"})
_IDS = ("id", "tool_use_id", "file_id")
# Members that only the provider can read, by the type of the object that they stand in: there, and nowhere else.
_SEALED_MEMBERS = {
    "thinking": "signature",
    "redacted_thinking": "data",
    "web_search_result": "encrypted_content",
    "web_search_result_location": "encrypted_index",
    "encrypted_code_execution_result": "encrypted_stdout",
    "compaction": "encrypted_content",
}


def origin_of(text: str) -> Origin:
    """Say of a text block of a user's message whether a person typed it, or the tool wrote it (all in its tags)."""
    at = 0
    while match := _TAG.match(text, at):
        tag = match[1]
        end = text.find(f"</{tag}>", match.end())
        if tag not in HARNESS_TAGS or end < 0:
            return "typed"
        at = end + len(tag) + 3
    return "tool" if at and not text[at:].strip() else "typed"


def read(operation: str, data: bytes, headers: Mapping[str, str], shelf: Shelf | None = None) -> Body:
    """Decode the body of a request; messages that are on the `shelf` are not read again. Raises: `ClientFault`."""
    if shelf is not None:
        try:
            if (opened := shelf.opened("anthropic", data, "messages", ("tools", "system"))) is not None:
                return _Reader(opened.tree, opened).read(operation, headers, ())
        except (ValueError, RecursionError):  # read as a whole, it is put right, or refused with a reason
            pass
    tree, notes = body.decode_object(data, "Send what the Messages API describes.")
    return _Reader(tree).read(operation, headers, notes)


def read_tree(operation: str, tree: dict[str, Any], headers: Mapping[str, str]) -> JsonBody:
    """Read a body that stands in another one, decoded."""
    read_body = _Reader(tree).read(operation, headers, ())
    assert isinstance(read_body, JsonBody)  # noqa: S101 (nothing of it was on a shelf)
    return read_body


class _Reader:
    """One body's reading, top to bottom."""

    def __init__(self, tree: dict[str, Any], opened: Opened | None = None) -> None:
        self._tree = tree
        self._opened = opened
        self._gather = Gatherer(NAMES, VALUES)
        self._turn = 0
        self._calls = Calls()
        self._first = ""

    def read(self, operation: str, headers: Mapping[str, str], notes: tuple[str, ...]) -> Body:
        tree, gather = self._tree, self._gather
        done = {"tools", "system", "messages", "model", "metadata", "mcp_servers"}
        (tools, at_home), beginning = self._tools(), self._system()
        if self._opened is not None:
            state = self._opened.messages(gather, self._calls, self._learned)
            self._turn, self._first = state.turn, next(iter(state.beginning), "")
        elif "messages" in tree:
            self._messages(tree["messages"])
        self._model()
        self._metadata()
        self._servers(_SYSTEM)
        gather.members(tree, (), _SYSTEM, done)
        model = tree.get("model")
        document = Document(
            provider="anthropic",
            operation=operation,
            model=model if isinstance(model, str) else "",
            conversation=self._conversation(headers, beginning),
            tools=tools,
            hosted=(*at_home, *_connected(tree.get("mcp_servers"))),
            stream=tree.get("stream") is True,
            notes=notes,
            segments=(),
        )
        return gather.body(tree, document) if self._opened is None else self._opened.body(gather, document)

    def _tools(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Read the tools that are offered; give their names, and what of them runs at the provider's."""

        def reader(holder: Any, key: Any = 0) -> tuple[tuple[str, ...], tuple[str, ...]]:
            self._gather.tree(holder, key, ("tools",), _SYSTEM)
            tools = holder[key]
            names = [_string(tool, "name") for tool in tools] if isinstance(tools, list) else []
            return tuple(name for name in names if name), _at_home(tools)

        if self._opened is not None:
            return self._opened.member("tools", self._gather, self._calls, reader) or ((), ())
        return reader(self._tree, "tools") if "tools" in self._tree else ((), ())

    def _system(self) -> list[str]:
        """Read the system prompt; give its texts, without the attribution (it changes from request to request)."""

        def reader(holder: Any, key: Any = 0) -> list[str]:
            self._content(holder, key, ("system",), _SYSTEM)
            system = holder[key]
            if isinstance(system, str):
                return [system]
            blocks = system if isinstance(system, list) else []
            return [text for text in (_string(block, "text") for block in blocks) if not _ATTRIBUTION.fullmatch(text)]

        if self._opened is not None:
            return self._opened.member("system", self._gather, self._calls, reader) or []
        return reader(self._tree, "system") if "system" in self._tree else []

    def _messages(self, messages: Any) -> None:
        if not isinstance(messages, list):
            self._gather.tree(self._tree, "messages", ("messages",), Voice("user", "prose", "typed"))
            return
        for index in range(len(messages)):
            self._message(messages, index, index)

    def _learned(self, index: int, state: State, holder: list[Any]) -> State:
        """Read a message in this state."""
        self._turn, self._first = state.turn, "-" if state.begun else ""
        self._message(holder, 0, index)
        return State(self._turn, bool(self._first), () if state.begun or not self._first else (self._first,))

    def _message(self, holder: list[Any], key: int, index: int) -> None:
        """Read `holder[key]`, the message that stands at `index`."""
        message = holder[key]
        path: Path = ("messages", index)
        if not isinstance(message, dict):
            self._gather.tree(holder, key, path, Voice("user", "prose", "typed", self._turn))
            return
        role = _string(message, "role")
        if role == "assistant":
            voice = Voice("assistant", "prose", "tool", self._turn)
        elif role == "system":
            voice = Voice("system", "prose", "tool", self._turn)
        else:
            voice = Voice("user", "prose", "typed", self._turn)
        if "content" in message:
            self._content(message, "content", (*path, "content"), voice)
        if len(message) > 2 or role not in VALUES or "content" not in message:
            self._gather.members(message, path, voice, _CONTENT)
        if role == "assistant":
            self._turn += 1

    def _content(self, holder: Any, key: Any, path: Path, voice: Voice) -> None:
        """Read content: a string, a block, or a list of blocks."""
        value = holder[key]
        if isinstance(value, str):
            self._text(holder, key, path, voice)
        elif isinstance(value, dict):
            self._block(value, path, voice)
        elif isinstance(value, list):
            body.check_nesting(path)
            for index, block in enumerate(value):
                if isinstance(block, dict):
                    self._block(block, (*path, index), voice)
                else:
                    self._gather.tree(value, index, (*path, index), voice)
        else:
            self._gather.tree(holder, key, path, voice)

    def _text(self, holder: Any, key: Any, path: Path, voice: Voice) -> None:
        text = holder[key]
        if voice.role == "user" and voice.origin == "typed":
            voice = voice._replace(origin=origin_of(text))
            self._first = self._first or (text if voice.origin == "typed" else "")
        attribution = voice.role == "system" and path[0] == "system" and _ATTRIBUTION.fullmatch(text) is not None
        self._gather.text(holder, key, path, voice, opaque=attribution)

    def _block(self, block: dict[str, Any], path: Path, voice: Voice) -> None:
        """Read one block; what is not named here becomes segments like everything unknown."""
        if len(path) >= body.NESTING:
            body.check_nesting(path)
        kind = block.get("type")
        if not isinstance(kind, str):
            kind = ""
        if self._common(block, kind, path, voice):
            return
        done = self._sealed(block, kind, path, voice) if len(block) > 2 or kind != "text" else set()
        if kind == "text" and isinstance(block.get("text"), str):
            self._text(block, "text", (*path, "text"), voice)
            done.add("text")
            if isinstance(block.get("citations"), list):
                self._content(block, "citations", (*path, "citations"), voice)
                done.add("citations")
        elif kind == "thinking" and "signature" in done and isinstance(block.get("thinking"), str):
            self._gather.text(block, "thinking", (*path, "thinking"), voice, opaque=True)
            done.add("thinking")
        elif is_call(kind):
            name = block.get("name")
            tool = name if isinstance(name, str) else ""
            if isinstance(block.get("id"), str):
                self._calls.tell(block["id"], tool)
            if "input" in block:
                arguments = Voice("assistant", "tool_args", "tool", voice.turn, tool)
                self._gather.tree(block, "input", (*path, "input"), arguments)
                done.add("input")
        elif kind.endswith("tool_result"):
            origin: Origin = "untrusted" if kind.startswith(_UNTRUSTED) else "tool"
            voice = Voice("tool", "tool_result", origin, voice.turn, self._calls.ask(_string(block, "tool_use_id")))
            if "content" in block:
                self._content(block, "content", (*path, "content"), voice)
                done.add("content")
        elif kind in {"image", "document", "search_result"}:
            if voice.kind == "prose":
                voice = voice._replace(kind="file", origin="file")
            done |= self._source(block, path, voice)
            if isinstance(block.get("content"), list):
                self._content(block, "content", (*path, "content"), voice)
                done.add("content")
        if len(done) + 1 < len(block) or kind not in VALUES:
            self._gather.members(block, path, voice, done)

    def _common(self, block: dict[str, Any], kind: str, path: Path, voice: Voice) -> bool:
        """Read a block that has just the usual members, as hundreds in a long conversation: the same, sooner."""
        size = len(block)
        if kind == "text" and size == 2:
            if type(block.get("text")) is str:
                self._text(block, "text", (*path, "text"), voice)
                return True
        elif kind == "tool_result" and size == 3:
            called = block.get("tool_use_id")
            if type(called) is str and type(block.get("content")) is str and body.is_id(called):
                voice = Voice("tool", "tool_result", "tool", voice.turn, self._calls.ask(called))
                self._gather.text(block, "content", (*path, "content"), voice)
                return True
        elif kind == "tool_use" and size == 4 and "input" in block:
            called, name = block.get("id"), block.get("name")
            if type(called) is str and type(name) is str and body.is_id(called):
                self._calls.tell(called, name)
                arguments = Voice("assistant", "tool_args", "tool", voice.turn, name)
                self._gather.tree(block, "input", (*path, "input"), arguments)
                self._gather.tree(block, "name", (*path, "name"), voice)
                return True
        return False

    def _sealed(self, block: dict[str, Any], kind: str, path: Path, voice: Voice) -> set[str]:
        """Read what only its maker can read, and identifiers; give the members that are done."""
        done = set()
        sealed = _SEALED_MEMBERS.get(kind)
        if sealed and (text := _string(block, sealed)) and body.is_sealed(text) and voice.role != "user":
            self._gather.text(block, sealed, (*path, sealed), voice, opaque=True)
            done.add(sealed)
        for name in _IDS:
            if name in block and isinstance(block[name], str) and body.is_id(block[name]):
                done.add(name)
        return done

    def _source(self, block: dict[str, Any], path: Path, voice: Voice) -> set[str]:
        """Read the source of an image or a document: base64 stays the same string, text is a file's text."""
        source = block.get("source")
        if not isinstance(source, dict):
            return set()
        path = (*path, "source")
        done = set()
        media = source.get("media_type")
        if isinstance(media, str) and body.is_media(media):
            done.add("media_type")
        data = source.get("data")
        if source.get("type") == "base64" and isinstance(data, str) and "media_type" in done:
            # Base64 of a text can be read, so it is no opaque file; the engine's decoded views look into it.
            opaque = not str(media).startswith("text/") and body.is_sealed(data)
            self._gather.text(source, "data", (*path, "data"), voice, opaque=opaque)
            done.add("data")
        elif isinstance(source.get("content"), (str, list)):
            self._content(source, "content", (*path, "content"), voice)
            done.add("content")
        self._gather.members(source, path, voice, done)
        return {"source"}

    def _model(self) -> None:
        model = self._tree.get("model")
        if not (isinstance(model, str) and body.is_model(model)) and "model" in self._tree:
            self._gather.tree(self._tree, "model", ("model",), Voice("system", "prose", "tool"))

    def _metadata(self) -> None:
        metadata = self._tree.get("metadata")
        voice = Voice("user", "prose", "tool")
        if not isinstance(metadata, dict):
            if metadata is not None:
                self._gather.tree(self._tree, "metadata", ("metadata",), voice)
            return
        done = set()
        user = metadata.get("user_id")
        if isinstance(user, str) and _USER_ID.fullmatch(user):
            self._gather.text(metadata, "user_id", ("metadata", "user_id"), voice, opaque=True)
            done.add("user_id")
        self._gather.members(metadata, ("metadata",), voice, done)

    def _servers(self, voice: Voice) -> None:
        """Read the MCP connector's servers; the token that the provider shall present to them passes untouched."""
        servers = self._tree.get("mcp_servers")
        if not isinstance(servers, list):
            if servers is not None:
                self._gather.tree(self._tree, "mcp_servers", ("mcp_servers",), voice)
            return
        for index, server in enumerate(servers):
            path: Path = ("mcp_servers", index)
            if not isinstance(server, dict):
                self._gather.tree(servers, index, path, voice)
                continue
            done = set()
            token = server.get("authorization_token")
            if isinstance(token, str) and len(token) <= 8192 and not re.search(r"\s", token):
                self._gather.text(server, "authorization_token", (*path, "authorization_token"), voice, opaque=True)
                done.add("authorization_token")
            self._gather.members(server, path, voice, done)

    def _conversation(self, headers: Mapping[str, str], beginning: Sequence[str]) -> str:
        """Name the conversation: by the client's session, else by how it began."""
        session = headers.get(SESSION_HEADER, "")
        if not session:
            user = _USER_ID.fullmatch(_string(self._tree.get("metadata"), "user_id"))
            session = (user["session"] or user["id"]) if user else ""
        if session:
            return body.digest("session", session)
        return body.digest("beginning", self._first, *beginning)


def _string(holder: Any, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""


# Types of tools (platform.claude.com/docs, "Tool reference"), by how they begin; an empty kind runs at the client's.
_TYPES = (
    ("custom", ""),
    ("bash_", ""),
    ("text_editor_", ""),
    ("computer_", ""),
    ("memory_", ""),
    ("web_search_", "web_search"),
    ("web_fetch_", "web_fetch"),
    ("code_execution_", "code_execution"),
    ("tool_search_tool", "tool_search"),
    ("mcp_toolset", ""),  # of a server that is named among the servers
)


def _at_home(tools: Any) -> tuple[str, ...]:
    """Give the kinds of the offered tools that run at the provider's."""
    found: dict[str, None] = {}
    for tool in tools if isinstance(tools, list) else ():
        kind = _string(tool, "type")
        if isinstance(tool, dict) and kind:
            found[next((ours for begin, ours in _TYPES if kind.startswith(begin)), "other")] = None
    return tuple(kind for kind in found if kind)


def _connected(servers: Any) -> tuple[str, ...]:
    """Give the servers that the provider connects to."""
    if servers is None:
        return ()
    rows = servers if isinstance(servers, list) else [servers]
    return tuple(dict.fromkeys(hosted.server(row.get("url")) if isinstance(row, dict) else "mcp" for row in rows))
