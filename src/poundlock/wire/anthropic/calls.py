"""Tool calls in answers of the Anthropic Messages API, judged before the agent gets them.

Calls of `tool_use` blocks only: what the provider's own tools and connectors did has happened already. This module must
never touch any other block.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from poundlock.core.gate import REFUSED
from poundlock.wire import framing
from poundlock.wire.body import reparse, write
from poundlock.wire.gating import EventGate

if TYPE_CHECKING:
    from poundlock.core.gate import Gate


def judge(tree: Any, gate: Gate) -> bool:
    """Judge the calls in a whole answer's tree, in place; tell whether it changed."""
    blocks = tree.get("content") if isinstance(tree, dict) else None
    changed = False
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, dict) and block.get("type") == "tool_use":
            ruling = gate.rule(str(block.get("name", "")), block.get("input"))
            if not ruling.allowed:
                block.update(name=REFUSED, input=ruling.arguments)
                changed = True
    return changed


class CallGate(EventGate):
    """Holds one `tool_use` block after the other; a block's events follow one another."""

    opens: ClassVar[re.Pattern[bytes]] = re.compile(rb"tool_use")

    def __init__(self, gate: Gate) -> None:
        """Judge with `gate`."""
        super().__init__(gate)
        self._start: dict[str, Any] = {}
        self._parts: list[str] = []

    def _event(self, raw: bytes) -> bytes:
        data = framing.data_of(raw)
        if data is None:
            return raw
        if not self.holding and not self.opens.search(data):
            return raw
        try:
            event = reparse(data)
        except (ValueError, RecursionError):
            event = None
        kind = event.get("type") if isinstance(event, dict) else None
        if kind == "content_block_start" and _is_call(event):
            before = self._release()
            self._start = event
            return before + self._hold(raw)
        if not self.holding or kind == "ping":
            return raw
        same = isinstance(event, dict) and event.get("index") == self._start.get("index")
        if kind == "content_block_delta" and same:
            delta = event.get("delta")
            part = delta.get("partial_json") if isinstance(delta, dict) else None
            self._parts.append(part if isinstance(part, str) else "")
            return self._hold(raw)
        return self._release() + raw

    def _release(self) -> bytes:
        held = self._taken()
        if not held:
            return b""
        event, parts = self._start, self._parts
        self._start, self._parts = {}, []
        block = event["content_block"]
        text = "".join(parts)
        ruling = self._gate.rule(str(block.get("name", "")), text or block.get("input"))
        if ruling.allowed:
            return b"".join(held)
        block.update(name=REFUSED, input={})
        delta = {
            "type": "content_block_delta",
            "index": event.get("index", 0),
            "delta": {"type": "input_json_delta", "partial_json": ruling.text},
        }
        return framing.with_data(held[0], write(event)) + framing.event(write(delta), "content_block_delta")


def _is_call(event: dict[str, Any]) -> bool:
    block = event.get("content_block")
    return isinstance(block, dict) and block.get("type") == "tool_use"
