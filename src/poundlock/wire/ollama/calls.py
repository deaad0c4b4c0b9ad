"""Tool calls in answers of the Ollama API, judged before the agent gets them; they always come whole in a line.

This module must never touch content or thinking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poundlock.core.gate import REFUSED
from poundlock.wire import framing
from poundlock.wire.body import reparse, write

if TYPE_CHECKING:
    from poundlock.core.gate import Gate

_OPENS = b"tool_calls"


def judge(tree: Any, gate: Gate) -> bool:
    """Judge the calls in a line's tree or a whole answer's, in place; tell whether it changed."""
    message = tree.get("message") if isinstance(tree, dict) else None
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    changed = False
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            ruling = gate.rule(str(function.get("name", "")), function.get("arguments") or {})
            if not ruling.allowed:
                function.update(name=REFUSED, arguments=ruling.arguments)
                changed = True
    return changed


class LineGate:
    """Judges in a stream of JSON lines."""

    def __init__(self, gate: Gate) -> None:
        """Judge with `gate`."""
        self._gate = gate
        self._splitter = framing.LineSplitter()

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that may go on. Raises: `UpstreamFault` for a line past the limit."""
        return b"".join(map(self._line, self._splitter.feed(chunk)))

    def finish(self) -> bytes:
        """Give the last line, judged, also when its end is missing."""
        return self._line(self._splitter.rest)

    def _line(self, line: bytes) -> bytes:
        if _OPENS not in line:
            return line
        data = line.rstrip(b"\r\n")
        try:
            tree = reparse(data)
        except (ValueError, RecursionError):
            return line
        return write(tree) + line[len(data) :] if judge(tree, self._gate) else line
