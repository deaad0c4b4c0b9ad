"""Answers of Amazon Bedrock's Converse on their way home, whole and streamed.

Source: docs.aws.amazon.com/bedrock, "Converse" and "ConverseStream". A streamed message is an event here: its name is
the message's type, its data the payload. This module must never touch reasoning, its signatures, or an event that it
does not know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from poundlock.core.gate import REFUSED
from poundlock.wire import framing
from poundlock.wire.body import reparse, restored_whole, write
from poundlock.wire.events import EventCodec, Steady, Typed, changed
from poundlock.wire.gating import EventGate

if TYPE_CHECKING:
    from poundlock.core.gate import Gate
    from poundlock.core.stream import Channel, Homeward


class _Call(msgspec.Struct):
    name: str | None = None
    input: str | None = None


class _Thought(msgspec.Struct):
    text: str | None = None


class _Delta(msgspec.Struct):
    text: str | None = None
    toolUse: _Call | None = None  # noqa: N815 (the API's name)
    reasoningContent: _Thought | None = None  # noqa: N815 (the API's name)


class _Event(msgspec.Struct):
    contentBlockIndex: int = 0  # noqa: N815 (the API's name)
    delta: _Delta | None = None
    start: _Delta | None = None


_typed = Typed(_Event)


def _blocks(tree: Any) -> list[dict[str, Any]]:
    for name in ("output", "message"):
        tree = tree.get(name) if isinstance(tree, dict) else None
    blocks = tree.get("content") if isinstance(tree, dict) else None
    return [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []


def restored(body: bytes, homeward: Homeward) -> bytes:
    """Restore in a whole answer; the same bytes where nothing is restored. Raises: `UpstreamFault`."""
    return restored_whole(body, homeward, lambda tree: _restore(tree, homeward), _judge)


def _judge(tree: Any, gate: Gate) -> bool:
    """Judge the calls in a whole answer's tree, in place; tell whether it changed."""
    new = False
    for block in _blocks(tree):
        call = block.get("toolUse")
        if isinstance(call, dict):
            ruling = gate.rule(str(call.get("name", "")), call.get("input"))
            if not ruling.allowed:
                call.update(name=REFUSED, input=ruling.arguments)
                new = True
    return new


def _restore(tree: Any, homeward: Homeward) -> bool:
    """Restore in a whole answer's tree in place; tell whether it changed."""
    new = False
    for block in _blocks(tree):
        call, thought = block.get("toolUse"), block.get("reasoningContent")
        if isinstance(block.get("text"), str):
            new |= _text(block, "text", homeward)
        if isinstance(call, dict):
            if isinstance(call.get("name"), str):
                new |= _text(call, "name", homeward)
            if "input" in call:
                arguments = homeward.restore_arguments(str(call.get("name", "")), call["input"])
                new |= arguments is not call["input"]
                call["input"] = arguments
        if isinstance(thought, dict) and isinstance(thought.get("reasoningText"), dict):
            told = thought["reasoningText"].get("text")
            homeward.observe(told if isinstance(told, str) else "")
    return new


def _text(holder: dict[str, Any], name: str, homeward: Homeward) -> bool:
    text = holder[name]
    holder[name] = homeward.restore_text(text)
    return bool(holder[name] != text)


class AnswerCodec(EventCodec):
    """A streamed answer: one channel for each open content block."""

    marks: ClassVar[tuple[re.Pattern[bytes], ...]] = (re.compile(rb"toolUse"),)
    breaks: ClassVar[tuple[re.Pattern[bytes], ...]] = (re.compile(rb"event: (?:contentBlockSt|message|metadata)"),)

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
        name = raw.partition(b"\n")[0]
        if name == b"event: contentBlockDelta" and event.delta is not None:
            return self._delta(raw, data, event.contentBlockIndex, event.delta)
        if name == b"event: contentBlockStart":
            return self._flush(event.contentBlockIndex) + self._start(raw, data, event)
        if name == b"event: contentBlockStop":
            return self._flush(event.contentBlockIndex) + raw
        return (self._flush() + raw) if name.startswith((b"event: message", b"event: metadata")) else raw

    def _start(self, raw: bytes, data: bytes, event: _Event) -> bytes:
        call = event.start.toolUse if event.start else None
        if call is None:
            return raw
        known = self._homeward.restore_text(call.name or "")
        self._tool(event.contentBlockIndex, known)
        return raw if known == call.name else changed(raw, data, [(("start", "toolUse", "name"), known)])

    def _delta(self, raw: bytes, data: bytes, index: int, delta: _Delta) -> bytes:
        if delta.text is not None:
            text = self._text(index).feed(delta.text)
            return raw if text == delta.text else changed(raw, data, [(("delta", "text"), text)])
        if delta.toolUse is not None and delta.toolUse.input is not None:
            part = self._tool(index, "").feed(delta.toolUse.input)
            return raw if part == delta.toolUse.input else changed(raw, data, [(("delta", "toolUse", "input"), part)])
        if delta.reasoningContent is not None and delta.reasoningContent.text is not None:
            self._homeward.observe(delta.reasoningContent.text)
        return raw

    def _steady(self, events: bytes, datas: list[bytes]) -> Steady | None:  # noqa: ARG002 (read one by one)
        return None

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
        for channels in (self._texts, self._tools):
            for at in [at for at in channels if index is None or at == index]:
                if held := channels.pop(at).flush():
                    delta = {"text": held} if channels is self._texts else {"toolUse": {"input": held}}
                    out.append(framing.event(write({"contentBlockIndex": at, "delta": delta}), "contentBlockDelta"))
        self._open()
        return b"".join(out)


class CallGate(EventGate):
    """Holds one tool call after the other; the events of a block follow one another."""

    opens: ClassVar[re.Pattern[bytes]] = re.compile(rb"toolUse")

    def __init__(self, gate: Gate) -> None:
        """Judge with `gate`."""
        super().__init__(gate)
        self._start: _Event | None = None
        self._parts: list[str] = []

    def _event(self, raw: bytes) -> bytes:
        data = framing.data_of(raw)
        event = _typed(data) if data else None
        if event is None:
            return raw
        if event.start is not None and event.start.toolUse is not None:
            before = self._release()
            self._start = event
            return before + self._hold(raw)
        if not self.holding or self._start is None:
            return raw
        call = event.delta.toolUse if event.delta else None
        if call is not None and event.contentBlockIndex == self._start.contentBlockIndex:
            self._parts.append(call.input or "")
            return self._hold(raw)
        return self._release() + raw

    def _release(self) -> bytes:
        held, start, parts = self._taken(), self._start, self._parts
        self._start, self._parts = None, []
        if not held or start is None or start.start is None or start.start.toolUse is None:
            return b"".join(held)
        ruling = self._gate.rule(start.start.toolUse.name or "", "".join(parts))
        if ruling.allowed:
            return b"".join(held)
        opened = reparse(framing.data_of(held[0]) or b"{}")
        opened["start"]["toolUse"]["name"] = REFUSED
        delta = {"contentBlockIndex": start.contentBlockIndex, "delta": {"toolUse": {"input": ruling.text}}}
        return framing.with_data(held[0], write(opened)) + framing.event(write(delta), "contentBlockDelta")
