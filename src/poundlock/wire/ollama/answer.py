"""Answers of the Ollama API on their way home: whole, and as JSON lines.

Source: github.com/ollama/ollama, docs/api.md, "Generate a completion", "Generate a chat completion". Content goes to
the reader, a call's arguments, which come whole, to the tool that it names. This module must never touch thinking,
context or counts, and never let the line with `done` pass while something is held back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from poundlock.wire import framing
from poundlock.wire.body import reparse, restored_whole, write
from poundlock.wire.ollama import calls

if TYPE_CHECKING:
    from poundlock.core.stream import Channel, Homeward

OPERATIONS = frozenset({"chat", "generate"})
_HEAD = ("model", "created_at", "remote_model", "remote_host")
# As a surrogate can begin in a JSON string: plainly, cut off by the string's end, or escaped.
_SUSPECTS = re.compile(rb'[qQ][zZ"\\]|\\u00')


def restored(body: bytes, homeward: Homeward) -> bytes:
    """Restore in a whole answer; the same bytes where nothing is restored.

    Raises: `UpstreamFault` for what isn't JSON.
    """
    return restored_whole(body, homeward, lambda tree: _Answer(homeward).take(tree, whole=True), calls.judge)


class _Answer:
    """One answer with the channel of its text; lines are changed in place."""

    def __init__(self, homeward: Homeward) -> None:
        self._homeward = homeward
        self._channel: Channel | None = None
        self._last: dict[str, Any] = {}
        self._chat = False

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return self._channel is not None and self._channel.holding

    def take(self, tree: Any, *, whole: bool = False) -> bool:
        """Restore in the next line, or in the `whole` answer; tell whether it changed."""
        if not isinstance(tree, dict):
            return False
        self._last = {name: tree[name] for name in _HEAD if name in tree}
        ended = whole or bool(tree.get("done"))
        message = tree.get("message")
        if self._chat and message is None and ended and self.holding:
            message = tree["message"] = {"role": "assistant"}
        if isinstance(message, dict):
            self._chat = True
            calls = message.get("tool_calls")
            changed = self._text(message, "content", ended=ended or bool(calls))
            self._thinking(message)
            for call in calls if isinstance(calls, list) else ():
                function = call.get("function") if isinstance(call, dict) else None
                changed |= isinstance(function, dict) and self._call(function)
            return changed
        self._chat = False
        self._thinking(tree)
        return self._text(tree, "response", ended=ended)

    def flush(self) -> dict[str, Any] | None:
        """Give, as a line, what is held back."""
        held = self._channel.flush() if self._channel else ""
        self._channel = None
        if not held:
            return None
        said = {"message": {"role": "assistant", "content": held}} if self._chat else {"response": held}
        return {**self._last, **said, "done": False}

    def _text(self, holder: dict[str, Any], name: str, *, ended: bool) -> bool:
        text = holder.get(name)
        if not isinstance(text, str | None):
            return False
        new = ""
        if text:
            self._channel = self._channel or self._homeward.text()
            new = self._channel.feed(text)
        if ended and self._channel:
            new += self._channel.flush()
            self._channel = None
        if new == (text or ""):
            return False
        holder[name] = new
        return True

    def _thinking(self, holder: dict[str, Any]) -> None:
        if isinstance(holder.get("thinking"), str):
            self._homeward.observe(holder["thinking"])

    def _call(self, function: dict[str, Any]) -> bool:
        changed = False
        if isinstance(function.get("name"), str):
            known = self._homeward.restore_text(function["name"])
            changed = known != function["name"]
            function["name"] = known
        if "arguments" in function:
            new = self._homeward.restore_arguments(str(function.get("name", "")), function["arguments"])
            changed |= new is not function["arguments"]
            function["arguments"] = new
        return changed


class LineAnswer:
    """An answer streamed as JSON lines."""

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        self._homeward = homeward
        self._splitter = framing.LineSplitter()
        self._answer = _Answer(homeward)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that may go on. Raises: `UpstreamFault` for a line past the limit."""
        if self._homeward.idle:
            return chunk
        return b"".join(map(self._line, self._splitter.feed(chunk)))

    def finish(self) -> bytes:
        """Give what was held back; a last line without its end is given as one, if it is whole."""
        rest = self._splitter.rest
        last = self._line(rest) if rest else b""
        held = self._flush()
        self._homeward.close()
        return held + rest if last == rest else last + b"\n" + held

    def broken(self, error: bytes) -> bytes:
        """Give what was held back, then the error; a line that never became whole is left out."""
        held = self._flush()
        self._homeward.close()
        # Unread bytes may have gone out up to the middle of a line.
        return held + (b"\n" if self._homeward.idle else b"") + error

    def _line(self, line: bytes) -> bytes:
        """Give what goes on instead of one line: often the line itself."""
        if not (self._homeward.scanning or self._answer.holding or _SUSPECTS.search(line)):
            return line
        data = line.rstrip(b"\r\n")
        try:
            tree = reparse(data)
        except (ValueError, RecursionError):
            return line
        if isinstance(tree, dict) and "error" in tree:
            return self._flush() + line
        return write(tree) + line[len(data) :] if self._answer.take(tree) else line

    def _flush(self) -> bytes:
        tree = self._answer.flush()
        return b"" if tree is None else write(tree) + b"\n"
