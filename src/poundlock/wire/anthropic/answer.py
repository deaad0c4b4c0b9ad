"""Answers of the Anthropic Messages API on their way home, whole and streamed.

Source: platform.claude.com/docs, "Messages" and "Streaming messages". Text goes to the reader, `input` and
`partial_json` to the tool that the block names. This module must never touch thinking, its signatures, redacted
thinking, or an event that it does not know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from poundlock.wire import framing
from poundlock.wire.anthropic import calls
from poundlock.wire.body import reparse, restored_member, restored_whole, write
from poundlock.wire.events import NOTHING, EventCodec, Steady, Typed

if TYPE_CHECKING:
    from poundlock.core.stream import Channel, Homeward

_EMPTY = (b"", b"{}", b"null")
_CITED = ("cited_text", "title", "document_title", "source")


class _Delta(msgspec.Struct):
    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    citation: msgspec.Raw = NOTHING


class _Block(msgspec.Struct):
    type: str = ""
    name: str | None = None
    text: str | None = None
    input: msgspec.Raw = NOTHING


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: _Block | None = None


_typed = Typed(_Event)
_typed_run = Typed(list[_Event])


def is_call(kind: object) -> bool:
    """Whether a block of this type calls a tool: `tool_use`, `server_tool_use`, `mcp_tool_use`."""
    return isinstance(kind, str) and (kind == "tool_use" or kind.endswith("_tool_use"))


def restored(body: bytes, homeward: Homeward) -> bytes:
    """Restore in a whole answer; the same bytes where nothing is restored.

    Raises: `UpstreamFault` for what isn't JSON.
    """
    return restored_whole(body, homeward, lambda tree: restore(tree, homeward), calls.judge)


def restore(tree: Any, homeward: Homeward) -> bool:
    """Restore in an answer's tree in place; tell whether it changed."""
    changed = False
    if isinstance(tree, dict) and isinstance(tree.get("content"), list):
        for block in tree["content"]:
            if isinstance(block, dict):
                changed |= _restore_block(block, homeward)
    return changed


def _restore_block(block: dict[str, Any], homeward: Homeward) -> bool:
    """Restore in one block in place; tell whether it changed."""
    kind = block.get("type")
    if is_call(kind):
        changed = restored_member(block, "name", homeward)
        if "input" in block:
            arguments = homeward.restore_arguments(str(block.get("name", "")), block["input"])
            changed |= arguments is not block["input"]
            block["input"] = arguments
        return changed
    if kind == "text":
        changed = restored_member(block, "text", homeward)
        citations = block.get("citations")
        for citation in citations if isinstance(citations, list) else ():
            changed |= _restore_citation(citation, homeward)
        return changed
    if kind == "thinking" and isinstance(block.get("thinking"), str):
        homeward.observe(block["thinking"])
    return False


def _restore_citation(citation: Any, homeward: Homeward) -> bool:
    changed = False
    for name in _CITED if isinstance(citation, dict) else ():
        changed |= restored_member(citation, name, homeward)
    return changed


class AnswerCodec(EventCodec):
    """A streamed answer: one channel for each open content block."""

    marks: ClassVar[tuple[re.Pattern[bytes], ...]] = (re.compile(rb"tool_use"),)
    breaks: ClassVar[tuple[re.Pattern[bytes], ...]] = (re.compile(rb"event: (?:content_block_st|message|ping)"),)

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        super().__init__(homeward)
        self._texts: dict[int, Channel] = {}
        self._tools: dict[int, Channel] = {}

    def _event(self, raw: bytes) -> bytes:
        data = framing.data_of(raw)
        event = _typed(data) if data else None
        if data is None or event is None:
            return raw
        if event.type == "content_block_delta" and event.delta is not None:
            return self._delta(raw, data, event.index, event.delta)
        if event.type == "content_block_start" and event.content_block is not None:
            return self._flush(event.index) + self._start(raw, data, event.index, event.content_block)
        if event.type == "content_block_stop":
            return self._flush(event.index) + raw
        if event.type in {"message_delta", "message_stop", "error"}:
            return self._flush() + raw
        return raw

    def _delta(self, raw: bytes, data: bytes, index: int, delta: _Delta) -> bytes:
        if delta.type == "text_delta" and delta.text is not None:
            text = self._text(index).feed(delta.text)
            return raw if text == delta.text else _changed(raw, data, "delta", {"text": text})
        if delta.type == "input_json_delta" and delta.partial_json is not None:
            part = self._tool(index, "").feed(delta.partial_json)
            return raw if part == delta.partial_json else _changed(raw, data, "delta", {"partial_json": part})
        if delta.type == "thinking_delta" and delta.thinking is not None:
            self._homeward.observe(delta.thinking)
        elif delta.type == "citations_delta" and (given := bytes(delta.citation)):
            citation = reparse(given)
            if _restore_citation(citation, self._homeward):
                return _changed(raw, data, "delta", {"citation": citation})
        return raw

    def _steady(self, events: bytes, datas: list[bytes]) -> Steady | None:
        parsed = _typed_run(events)
        if not parsed or len(parsed) != len(datas) or parsed[0].delta is None:
            return None
        index, kind = parsed[0].index, parsed[0].delta.type
        member = {"text_delta": "text", "input_json_delta": "partial_json"}.get(kind)
        if member is None or (member == "partial_json" and index not in self._tools):
            return None
        texts: list[str] = []
        for each in parsed:
            delta = each.delta
            if each.type != "content_block_delta" or each.index != index or delta is None or delta.type != kind:
                return None
            text = delta.text if member == "text" else delta.partial_json
            if text is None:
                return None
            texts.append(text)
        channel = self._text(index) if member == "text" else self._tools[index]
        return Steady(channel, texts, ("delta", member))

    def _start(self, raw: bytes, data: bytes, index: int, block: _Block) -> bytes:
        changes: dict[str, Any] = {}
        if is_call(block.type):
            name = block.name or ""
            known = self._homeward.restore_text(name)
            if known != name:
                changes["name"] = known
            self._tool(index, known)
            if (given := bytes(block.input)) not in _EMPTY:
                arguments = reparse(given)
                restored_arguments = self._homeward.restore_arguments(known, arguments)
                if restored_arguments is not arguments:
                    changes["input"] = restored_arguments
        elif block.type == "text" and block.text:
            text = self._text(index).feed(block.text)
            if text != block.text:
                changes["text"] = text
        return _changed(raw, data, "content_block", changes) if changes else raw

    def _text(self, index: int) -> Channel:
        if index not in self._texts:
            self._texts[index] = self._homeward.text()
            self._open()
        return self._texts[index]

    def _tool(self, index: int, name: str) -> Channel:
        if index not in self._tools:
            self._tools[index] = self._homeward.tool(name)
            self._open()
        return self._tools[index]

    def _open(self) -> None:
        """Tell the base what is open."""
        self._calls = len(self._tools)
        self._channels = (*self._texts.values(), *self._tools.values())

    def _flush(self, index: int | None = None) -> bytes:
        """End the channels of one block, or of all; give what they held as deltas of the same kind."""
        out: list[bytes] = []
        for channels, kind, name in (
            (self._texts, "text_delta", "text"),
            (self._tools, "input_json_delta", "partial_json"),
        ):
            for at in [at for at in channels if index is None or at == index]:
                if held := channels.pop(at).flush():
                    delta = {"type": kind, name: held}
                    block = {"type": "content_block_delta", "index": at, "delta": delta}
                    out.append(framing.event(write(block), "content_block_delta"))
        self._open()
        return b"".join(out)


def _changed(raw: bytes, data: bytes, member: str, changes: dict[str, Any]) -> bytes:
    """Give the event with these members of one of its objects changed."""
    tree = reparse(data)
    tree[member].update(changes)
    return framing.with_data(raw, write(tree))
