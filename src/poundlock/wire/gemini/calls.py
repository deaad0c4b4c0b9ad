"""Function calls in answers of the Gemini API, judged before the agent gets them; they always come whole.

This module must never touch text, thoughts or their signatures.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from poundlock.core.gate import REFUSED
from poundlock.wire import framing
from poundlock.wire.arrays import ItemSplitter
from poundlock.wire.body import reparse, write
from poundlock.wire.gating import EventGate

if TYPE_CHECKING:
    from poundlock.core.gate import Gate

OPENS = re.compile(rb"function_?[cC]all")


def judge(tree: Any, gate: Gate) -> bool:
    """Judge the calls in a response's tree, in place; tell whether it changed."""
    changed = False
    candidates = tree.get("candidates") if isinstance(tree, dict) else None
    for candidate in candidates if isinstance(candidates, list) else ():
        content = candidate.get("content") if isinstance(candidate, dict) else None
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            for name in ("functionCall", "function_call"):
                call = part.get(name) if isinstance(part, dict) else None
                if isinstance(call, dict):
                    ruling = gate.rule(str(call.get("name", "")), call.get("args") or {})
                    if not ruling.allowed:
                        call.update(name=REFUSED, args=ruling.arguments)
                        changed = True
    return changed


def _judged(data: bytes, gate: Gate) -> bytes:
    """Give a response's bytes with its calls judged: the same bytes where all go on."""
    try:
        tree = reparse(data)
    except (ValueError, RecursionError):
        return data
    return write(tree) if judge(tree, gate) else data


class CallGate(EventGate):
    """Judges in a stream of events."""

    opens: ClassVar[re.Pattern[bytes]] = OPENS

    def _event(self, raw: bytes) -> bytes:
        data = framing.data_of(raw)
        if data is None or not OPENS.search(data):
            return raw
        judged = _judged(data, self._gate)
        return raw if judged is data else framing.with_data(raw, judged)

    def _release(self) -> bytes:
        return b""

    def finish(self) -> bytes:
        """Give the last event, judged, also when its end is missing."""
        rest = self._splitter.rest
        return self._event(rest) if rest else b""


class ItemGate:
    """Judges in an array that comes item by item."""

    def __init__(self, gate: Gate) -> None:
        """Judge with `gate`."""
        self._gate = gate
        self._splitter = ItemSplitter()

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that may go on. Raises: `UpstreamFault` for an item past the limit."""
        return b"".join(
            _judged(piece.data, self._gate) if piece.item and OPENS.search(piece.data) else piece.data
            for piece in self._splitter.feed(chunk)
        )

    def finish(self) -> bytes:
        """Give what never became whole."""
        return self._splitter.rest
