"""Requests to the OpenAI Responses API: which strings a body holds, whose they are, and what stays the same string.

Source: platform.openai.com/docs/api-reference/responses; roles and sessions as recorded from Codex. The order is that
in which the model reads: instructions, tools, input, then the rest. A call's `arguments` are JSON inside JSON: one
segment, as it is. This module must never judge a text, and never leave a string out that is not a known word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from poundlock.core.model import Document, Origin
from poundlock.wire import body, hosted
from poundlock.wire.body import Gatherer, JsonBody, Voice, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]

SESSION_HEADERS = ("session_id", "conversation_id", "x-session-id", "session-id")
NAMES = body.COMMON_NAMES | words(
    """
    instructions input include store previous_response_id conversation prompt_cache_key prompt_cache_retention
    prompt_cache_options safety_identifier service_tier background truncation max_output_tokens max_tool_calls
    parallel_tool_calls tool_choice reasoning effort summary verbosity top_logprobs stream_options include_obfuscation
    include_usage context_management compact_threshold moderation client_metadata variables version
    call_id encrypted_content internal_chat_message_metadata_passthrough phase annotations logprobs refusal
    image_url file_id file_url file_data detail input_audio audio tools defer_loading namespace output_schema
    json_schema schema grammar syntax definition search_context_size user_location approximate city region country
    timezone filters external_web_access search_content_types container file_ids memory_limit vector_store_ids
    max_num_results ranking_options ranker score_threshold display_width display_height environment
    action operation diff commands max_output_length timeout_ms working_directory workdir env cmd justification
    sandbox_permissions prefix_rule yield_time_ms max_output_tokens tty shell login session_id chars
    queries query results sources code container_id outputs logs result revised_prompt background quality size
    output_format output_compression partial_images input_fidelity mask pending_safety_checks
    acknowledged_safety_checks server_label approval_request_id approve reason execution exit_code stdout stderr
    outcome caller caller_id created_by plan step explanation generate response_id event_id
    """
)
VALUES = body.COMMON_VALUES | words(
    """
    message developer input_text input_image input_file output_text refusal reasoning summary_text reasoning_text
    function_call function_call_output custom_tool_call custom_tool_call_output local_shell_call
    local_shell_call_output shell_call shell_call_output apply_patch_call apply_patch_call_output item_reference
    web_search_call file_search_call code_interpreter_call computer_call computer_call_output image_generation_call
    mcp_list_tools mcp_call mcp_approval_request mcp_approval_response tool_search_call tool_search_output compaction
    compaction_trigger compaction_summary context_compaction additional_tools program program_output
    web_search web_search_preview web_search_2025_08_26 file_search code_interpreter image_generation local_shell shell
    computer computer_use_preview custom namespace tool_search apply_patch programmatic_tool_calling
    grammar lark regex json_object json_schema completed in_progress incomplete failed searching exec url_citation
    file_citation container_file_citation file_path logs image search open_page find_in_page create_file update_file
    delete_file exit timeout direct minimal xhigh concise detailed default flex priority scale required disabled
    reasoning.encrypted_content message.output_text.logprobs web_search_call.action.sources file_search_call.results
    code_interpreter_call.outputs computer_call_output.output.image_url message.input_image.image_url
    24h in_memory in-memory original commentary final_answer server client approximate cached live
    response.create response.processed response.cancel
    """
)
# Identifiers of items, as the API and Codex make them: a known prefix, then letters and digits.
_ITEM_ID = re.compile(
    r"(?:msg|rs|fc|fco|ctc|ctco|lsh|lsho|sh|sho|apc|apco|ws|fs|ci|cu|cuo|ig|mcp|mcpl|mcpr|mcpa|conv|cmp|resp|call|item|"
    r"file|cntr|pmpt|vs)[_-][A-Za-z0-9_-]{1,64}"
)
_IDS = ("id", "call_id", "previous_response_id", "approval_request_id", "file_id", "container_id")
_CACHE_KEY = re.compile(r"(?:[A-Za-z0-9]{1,16}[-_:]){0,4}[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")
# What Codex puts into the user's mouth stands wholly in these tags; the project's instructions come from a file.
_HARNESS = re.compile(
    r"\s*<(environment_context|user_instructions|skills_instructions|turn_aborted|user_shell_command|"
    r"subagent_notification|model_switch|permissions|plugins_instructions|apps_instructions)[ >]"
)
_PROJECT = "# AGENTS.md instructions"
_CALLS = frozenset({"function_call", "custom_tool_call", "mcp_call", "mcp_approval_request"})
# Calls whose name is their type; what stands in the member goes to that tool.
_NAMED_CALLS = {
    "local_shell_call": ("action", "local_shell"),
    "shell_call": ("action", "shell"),
    "apply_patch_call": ("operation", "apply_patch"),
    "code_interpreter_call": ("code", "code_interpreter"),
    "computer_call": ("action", "computer"),
    "program": ("code", "program"),
    "tool_search_call": ("arguments", "tool_search"),
}
_OUTPUTS = frozenset(
    {
        "function_call_output",
        "custom_tool_call_output",
        "local_shell_call_output",
        "shell_call_output",
        "apply_patch_call_output",
        "computer_call_output",
        "tool_search_output",
        "mcp_approval_response",
        "program_output",
    }
)
# Items that the model or the provider made.
_MADE = frozenset(
    {
        *_CALLS,
        *_NAMED_CALLS,
        "reasoning",
        "web_search_call",
        "file_search_call",
        "image_generation_call",
        "mcp_list_tools",
        "compaction",
        "compaction_summary",
        "context_compaction",
    }
)
# The member of an item that only the provider can read.
_SEALED = {
    "reasoning": "encrypted_content",
    "compaction": "encrypted_content",
    "compaction_summary": "encrypted_content",
    "context_compaction": "encrypted_content",
    "image_generation_call": "result",
}
# Types of tools, by how they begin; an empty kind runs at the client's, and one that is not here is `other`.
_TYPES = (
    ("function", ""),
    ("custom", ""),
    ("local_shell", ""),
    ("apply_patch", ""),
    ("computer", ""),
    ("namespace", ""),
    ("programmatic_tool_calling", ""),
    ("web_search", "web_search"),
    ("file_search", "file_search"),
    ("code_interpreter", "code_execution"),
    ("image_generation", "image_generation"),
    ("tool_search", "tool_search"),
)


def read(operation: str, data: bytes, headers: Mapping[str, str]) -> JsonBody:
    """Decode the body of a request. Raises: `ClientFault`."""
    tree, notes = body.decode_object(data)
    return read_tree(operation, tree, notes, headers)


def read_tree(operation: str, tree: dict[str, Any], notes: tuple[str, ...], headers: Mapping[str, str]) -> JsonBody:
    """Read a body that is decoded."""
    return _Reader(tree).read(operation, headers, notes)


class _Reader:
    """One body's reading, top to bottom."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self._tree = tree
        self._gather = Gatherer(NAMES, VALUES)
        self._turn = 0
        self._calls: dict[str, str] = {}
        self._beginning: list[str] = []

    def read(self, operation: str, headers: Mapping[str, str], notes: tuple[str, ...]) -> JsonBody:
        tree, gather = self._tree, self._gather
        system = Voice("system", "prose", "tool")
        done = {"instructions", "tools", "input"}
        if isinstance(tree.get("instructions"), str):
            self._begin(tree["instructions"], system)
        elif isinstance(tree.get("instructions"), list):
            self._items("instructions")
            done.discard("instructions")
        if "instructions" in tree and "instructions" in done:
            gather.tree(tree, "instructions", ("instructions",), system)
        if "tools" in tree:
            self._tools(system)
        done.add("instructions")
        if isinstance(tree.get("input"), list):
            self._items("input")
        elif "input" in tree:
            typed = Voice("user", "prose", "typed")
            if isinstance(tree["input"], str):
                self._begin(tree["input"], typed)
            gather.tree(tree, "input", ("input",), typed)
        done |= self._plain()
        gather.members(tree, (), system, done)
        model = tree.get("model")
        document = Document(
            provider="openai",
            operation=operation,
            model=model if isinstance(model, str) else "",
            conversation=self._conversation(headers),
            tools=tuple(filter(None, (_name(tool) for tool in _offered(tree)))),
            hosted=tuple(dict.fromkeys(filter(None, map(_at_home, _offered(tree))))),
            stream=tree.get("stream") is True,
            stored=tree.get("store") is not False,
            notes=notes,
            segments=(),
        )
        return gather.body(tree, document)

    def _tools(self, voice: Voice) -> None:
        """Read the offered tools; the token that the provider shall present to a server passes untouched."""
        tools = self._tree["tools"]
        for index, tool in enumerate(tools if isinstance(tools, list) else ()):
            token = _string(tool, "authorization")
            if _string(tool, "type") == "mcp" and token and len(token) <= 8192 and not re.search(r"\s", token):
                self._gather.text(tool, "authorization", ("tools", index, "authorization"), voice, opaque=True)
                self._gather.members(tool, ("tools", index), voice, {"authorization"})
            else:
                self._gather.tree(tools, index, ("tools", index), voice)
        if not isinstance(tools, list):
            self._gather.tree(self._tree, "tools", ("tools",), voice)

    def _items(self, member: str) -> None:
        items = self._tree[member]
        made = False
        for index, item in enumerate(items):
            path: Path = (member, index)
            if not isinstance(item, dict):
                self._gather.tree(items, index, path, Voice("user", "prose", "typed", self._turn))
                continue
            kind = _string(item, "type")
            mine = kind in _MADE or _string(item, "role") == "assistant"
            if made and not mine:
                self._turn += 1
            made = mine
            self._item(item, kind, path)
        if made:
            self._turn += 1

    def _item(self, item: dict[str, Any], kind: str, path: Path) -> None:
        voice = self._voice(item, kind)
        done = {name for name in _IDS if _is_id(_string(item, name))}
        gather = self._gather
        sealed = _SEALED.get(kind, "")
        if (text := _string(item, sealed)) and body.is_sealed(text):
            gather.text(item, sealed, (*path, sealed), voice, opaque=True)
            done.add(sealed)
        if kind in _CALLS or kind in _NAMED_CALLS:
            done |= self._call(item, kind, path, voice)
        for name in ("content", "output"):
            if name in item:
                self._content(item, name, (*path, name), voice)
                done.add(name)
        gather.members(item, path, voice, done)

    def _voice(self, item: dict[str, Any], kind: str) -> Voice:
        role = _string(item, "role")
        if kind in _OUTPUTS:
            tool = self._calls.get(_string(item, "call_id"), "") or _string(item, "name")
            return Voice("tool", "tool_result", "tool", self._turn, tool)
        if kind in _MADE or role == "assistant":
            return Voice("assistant", "prose", "tool", self._turn)
        if role in {"system", "developer"}:
            return Voice("system", "prose", "tool", self._turn)
        return Voice("user", "prose", "typed", self._turn)

    def _call(self, item: dict[str, Any], kind: str, path: Path, voice: Voice) -> set[str]:
        """Read what a tool was asked; give the members that were read."""
        names, tool = ("arguments", "input"), _string(item, "name")
        if kind in _NAMED_CALLS:
            names, tool = (_NAMED_CALLS[kind][0], ""), _NAMED_CALLS[kind][1]
        if isinstance(item.get("call_id"), str):
            self._calls[item["call_id"]] = tool
        arguments = Voice("assistant", "tool_args", "tool", voice.turn, tool)
        done = set()
        for name in names:
            if name in item:
                self._gather.tree(item, name, (*path, name), arguments)
                done.add(name)
        return done

    def _content(self, holder: dict[str, Any], name: str, path: Path, voice: Voice) -> None:
        content = holder[name]
        if isinstance(content, str):
            self._text(holder, name, path, voice)
        elif isinstance(content, list):
            for index, part in enumerate(content):
                if isinstance(part, dict):
                    self._part(part, (*path, index), voice)
                else:
                    self._gather.tree(content, index, (*path, index), voice)
        elif isinstance(content, dict):
            self._part(content, path, voice)
        else:
            self._gather.tree(holder, name, path, voice)

    def _part(self, part: dict[str, Any], path: Path, voice: Voice) -> None:
        """Read one part of a content: base64 of images and files stays the same string, links and names are text."""
        done = {name for name in ("file_id",) if _is_id(_string(part, name))}
        if isinstance(part.get("text"), str):
            self._text(part, "text", (*path, "text"), voice)
            done.add("text")
        media = voice._replace(kind="file", origin="file") if voice.kind == "prose" else voice
        for name in ("image_url", "file_data"):
            text = part.get(name)
            if isinstance(text, str):
                self._gather.text(part, name, (*path, name), media, opaque=body.is_data_url(text))
                done.add(name)
        if "filename" in part or "file_url" in part:
            voice = media
        self._gather.members(part, path, voice, done)

    def _text(self, holder: dict[str, Any], name: str, path: Path, voice: Voice) -> None:
        """Read a text of a message; what the tool wrote there itself is not typed."""
        if voice.role == "user":
            voice = voice._replace(origin=origin_of(holder[name]))
        self._begin(holder[name], voice)
        self._gather.text(holder, name, path, voice)

    def _begin(self, text: str, voice: Voice) -> None:
        """Remember how the conversation began, up to its first user text."""
        begun = any(text.startswith("user\n") for text in self._beginning)
        if not begun and voice.role in {"system", "user"}:
            self._beginning.append(f"{voice.role}\n{text}")

    def _plain(self) -> set[str]:
        """Give the members at the top that hold what they should and nothing else."""
        done = set()
        if body.is_model(_string(self._tree, "model")):
            done.add("model")
        if _CACHE_KEY.fullmatch(_string(self._tree, "prompt_cache_key")):
            done.add("prompt_cache_key")
        names = ("previous_response_id", "response_id", "conversation")
        done |= {name for name in names if _is_id(_string(self._tree, name))}
        return done

    def _conversation(self, headers: Mapping[str, str]) -> str:
        """Name the conversation: by the client's session, else by the answer that it follows, else by how it began."""
        tree = self._tree
        named = [_string(tree, "conversation"), _string(tree.get("conversation"), "id")]
        named += [headers.get(name, "") for name in SESSION_HEADERS]
        named += [_string(tree, "prompt_cache_key"), _string(tree.get("metadata"), "session_id")]
        for session in named:
            if session:
                return body.digest("session", session)
        if previous := _string(tree, "previous_response_id"):
            return body.answered(previous)
        return body.digest("beginning", *self._beginning)


def origin_of(text: str) -> Origin:
    """Say of a text of a user's message whether a person typed it, the tool wrote it, or it is a project's file."""
    if text.startswith(_PROJECT):
        return "file"
    match = _HARNESS.match(text)
    return "tool" if match and text.rstrip().endswith(f"</{match[1]}>") else "typed"


def _is_id(text: str) -> bool:
    return body.is_id(text) or _ITEM_ID.fullmatch(text) is not None


def _string(holder: Any, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""


def _offered(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give every tool that a request offers: at the top, in namespaces, and among the items of its input."""
    items = tree.get("input")
    holders = [tree, *(item for item in (items if isinstance(items, list) else ()) if isinstance(item, dict))]
    while holders:
        holder = holders.pop(0)
        tools = holder.get("tools")
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict):
                yield tool
                if "tools" in tool:
                    holders.append(tool)


def _name(tool: dict[str, Any]) -> str:
    return _string(tool, "name") or _string(tool.get("function"), "name") or _string(tool, "type")


def _at_home(tool: dict[str, Any]) -> str:
    """Give what runs at the provider's when this tool is called; nothing for a tool of the client's."""
    kind = _string(tool, "type")
    if kind == "mcp":
        return hosted.server(tool["server_url"]) if "server_url" in tool else hosted.connector(tool.get("connector_id"))
    if kind == "shell":
        return "" if _string(tool.get("environment"), "type") == "local" else "shell"
    return next((ours for begin, ours in _TYPES if kind.startswith(begin)), "other") if kind else ""
