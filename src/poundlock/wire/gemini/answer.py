"""Answers of the Gemini API on their way home: whole, as server-sent events, and as an array that comes item by item.

Source: ai.google.dev/api/generate-content, "GenerateContentResponse". Text of a candidate goes to the reader, the
arguments of a function call to the function that it names. This module must never touch thoughts, their signatures,
usage or grounding, and never let a candidate's finish reason pass while something is held back for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.wire import framing
from poundlock.wire.arrays import ItemSplitter
from poundlock.wire.body import reparse, restored_whole, write
from poundlock.wire.events import EventCodec, Path, Steady, Typed
from poundlock.wire.gemini import calls

if TYPE_CHECKING:
    from poundlock.core.stream import Channel, Homeward

_CALLS = ("functionCall", "function_call")
_SHOWN = (
    ("executableCode", "code"),
    ("executable_code", "code"),
    ("codeExecutionResult", "output"),
    ("code_execution_result", "output"),
)
_HEAD = ("modelVersion", "responseId", "createTime")


class _Part(msgspec.Struct):
    text: str | None = None
    thought: bool | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    index: int = 0
    content: _Content | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    candidates: list[_Candidate] | None = None


_typed = Typed(_Chunk)
_typed_run = Typed(list[_Chunk])


def restored(body: bytes, homeward: Homeward) -> bytes:
    """Restore in a whole answer; the same bytes where nothing is restored.

    Raises: `UpstreamFault` for what isn't JSON.
    """
    return restored_whole(body, homeward, lambda tree: _Answer(homeward).take(tree, whole=True), calls.judge)


class _Answer:
    """One answer's candidates, each with the channel of its text; responses are changed in place."""

    def __init__(self, homeward: Homeward) -> None:
        self._homeward = homeward
        self._head: dict[str, Any] = {}
        self.open: dict[int, Channel] = {}

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return any(channel.holding for channel in self.open.values())

    def take(self, tree: Any, *, whole: bool = False) -> bool:
        """Restore in the next response, or in the `whole` answer; tell whether it changed."""
        candidates = tree.get("candidates") if isinstance(tree, dict) else None
        if not isinstance(candidates, list):
            return False
        self._head = {name: tree[name] for name in _HEAD if name in tree}
        changed = False
        for candidate in candidates:
            if isinstance(candidate, dict):
                changed |= self._candidate(candidate, whole=whole)
        return changed

    def put(self, tree: dict[str, Any], given: str) -> None:
        """Write what a channel gave for the only text of a response."""
        self._head = {name: tree[name] for name in _HEAD if name in tree}
        parts = tree["candidates"][0]["content"]["parts"]
        parts[0]["text"] = given
        if not given and len(parts[0]) == 1:
            parts.clear()

    def flush(self) -> list[dict[str, Any]]:
        """Give, as responses, all that is held back; every candidate ends."""
        held = [(index, channel.flush()) for index, channel in self.open.items()]
        self.open.clear()
        return [
            {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": index}], **self._head}
            for index, text in held
            if text
        ]

    def channel(self, index: int) -> Channel:
        """Give the channel of a candidate's text."""
        if index not in self.open:
            self.open[index] = self._homeward.text()
        return self.open[index]

    def _candidate(self, candidate: dict[str, Any], *, whole: bool) -> bool:
        index = candidate.get("index")
        index = index if type(index) is int else 0
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        given: list[Any] = []
        changed = False
        for part in parts if isinstance(parts, list) else ():
            changed |= self._part(part, index, given)
        if whole or candidate.get("finishReason") or candidate.get("finish_reason"):
            changed |= self._end(index, given)
        if changed:
            if not isinstance(content, dict):
                content = candidate["content"] = {"role": "model"}
            content["parts"] = given
        return changed

    def _part(self, part: Any, index: int, given: list[Any]) -> bool:
        """Restore in one part and add it to those `given`; tell whether anything changed."""
        text = part.get("text") if isinstance(part, dict) else None
        if isinstance(text, str) and not part.get("thought"):
            new = self.channel(index).feed(text)
            if new == text:
                given.append(part)
                return False
            part["text"] = new
            # A client may take an empty text for the end, or for a fault.
            if new or len(part) > 1:
                given.append(part)
            return True
        changed = self._end(index, given)
        if isinstance(text, str):
            self._homeward.observe(text)
        elif isinstance(part, dict):
            changed |= self._call(part) or self._show(part)
        given.append(part)
        return changed

    def _end(self, index: int, given: list[Any]) -> bool:
        """Add what is held back of a candidate's text to the parts; tell whether there was anything."""
        channel = self.open.pop(index, None)
        held = channel.flush() if channel else ""
        if not held:
            return False
        last = given[-1] if given else None
        if isinstance(last, dict) and isinstance(last.get("text"), str) and not last.get("thought"):
            last["text"] += held
        else:
            given.append({"text": held})
        return True

    def _call(self, part: dict[str, Any]) -> bool:
        """Restore in a function call; its arguments come whole."""
        changed = False
        for name in _CALLS:
            call = part.get(name)
            if not isinstance(call, dict):
                continue
            if isinstance(call.get("name"), str):
                known = self._homeward.restore_text(call["name"])
                changed |= known != call["name"]
                call["name"] = known
            if "args" in call:
                new = self._homeward.restore_arguments(str(call.get("name", "")), call["args"])
                changed |= new is not call["args"]
                call["args"] = new
        return changed

    def _show(self, part: dict[str, Any]) -> bool:
        """Restore in code that the provider ran, and in what it printed: both are shown to the reader."""
        changed = False
        for name, inner in _SHOWN:
            shown = part.get(name)
            if isinstance(shown, dict) and isinstance(shown.get(inner), str):
                new = self._homeward.restore_text(shown[inner])
                changed |= new != shown[inner]
                shown[inner] = new
        return changed


def _is_empty(tree: dict[str, Any]) -> bool:
    """Whether a response has nothing left to say: every candidate's text is held back, and nothing else was in it."""
    if "promptFeedback" in tree:
        return False
    for candidate in tree["candidates"]:
        if not isinstance(candidate, dict) or not set(candidate) <= {"content", "index"}:
            return False
        content = candidate.get("content")
        if not isinstance(content, dict) or content.get("parts") != []:
            return False
    return True


def _step(chunk: _Chunk) -> tuple[int, str] | None:
    """Say what a response adds to one candidate's text, if it does nothing else."""
    if not chunk.candidates or len(chunk.candidates) != 1:
        return None
    candidate = chunk.candidates[0]
    parts = candidate.content.parts if candidate.content else None
    if candidate.finish_reason or not parts or len(parts) != 1 or parts[0].thought or not parts[0].text:
        return None
    return candidate.index, parts[0].text


class EventAnswer(EventCodec):
    """An answer streamed as events (`alt=sse`)."""

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        super().__init__(homeward)
        self._answer = _Answer(homeward)

    def _event(self, raw: bytes) -> bytes:
        data = framing.data_of(raw)
        if data is None:
            return raw
        # Most responses only add to one text, and events that end in CR LF, as the API's do, are not read in runs.
        chunk = _typed(data)
        step = _step(chunk) if chunk else None
        if step is not None:
            given = self._answer.channel(step[0]).feed(step[1])
            self._channels = tuple(self._answer.open.values())
            if given == step[1]:
                return raw
            tree = reparse(data)
            self._answer.put(tree, given)
            return b"" if _is_empty(tree) else framing.with_data(raw, write(tree))
        try:
            tree = reparse(data)
        except (ValueError, RecursionError):
            return raw
        if isinstance(tree, dict) and "error" in tree:
            return self._flush() + raw
        changed = self._answer.take(tree)
        self._channels = tuple(self._answer.open.values())
        if not changed:
            return raw
        return b"" if _is_empty(tree) else framing.with_data(raw, write(tree))

    def _steady(self, events: bytes, datas: list[bytes]) -> Steady | None:
        parsed = _typed_run(events)
        if not parsed or len(parsed) != len(datas):
            return None
        steps = [_step(chunk) for chunk in parsed]
        first = steps[0]
        if first is None or any(step is None or step[0] != first[0] for step in steps):
            return None
        channel = self._answer.channel(first[0])
        self._channels = tuple(self._answer.open.values())
        path: Path = ("candidates", 0, "content", "parts", 0, "text")
        return Steady(channel, [step[1] for step in steps if step is not None], path)

    def _flush(self) -> bytes:
        held = self._answer.flush()
        self._channels = ()
        return b"".join(framing.event(write(tree)) for tree in held)


class ArrayAnswer:
    """An answer streamed as one JSON array (without `alt=sse`)."""

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        self._homeward = homeward
        self._answer = _Answer(homeward)
        self._splitter = ItemSplitter()
        self._opened = self._closed = False
        # Whether an item may be written now: at the beginning, and after a comma.
        self._due = True

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that may go on. Raises: `UpstreamFault` for an item past the limit."""
        if self._homeward.idle:
            return chunk
        return b"".join(
            self._item(piece.data) if piece.item else self._between(piece.data) for piece in self._splitter.feed(chunk)
        )

    def finish(self) -> bytes:
        """Give what was held back, then the bytes of an item that never became whole."""
        out = self._held()
        rest = self._splitter.rest
        self._homeward.close()
        return out + (self._separated(rest) if rest else b"")

    def broken(self, error: bytes) -> bytes:
        """Give what was held back, then the error as the array's last item, and the array's end."""
        out = self._held()
        self._homeward.close()
        if self._closed or self._homeward.idle:
            return out
        begin = b"" if self._opened else b"["
        return out + begin + self._separated(error.strip()) + b"]"

    def _between(self, data: bytes) -> bytes:
        """Give what stands between items, after what is held back when the array ends there."""
        self._opened = self._opened or b"[" in data
        if b"," in data:
            self._due = True
        before, end, after = data.partition(b"]")
        if not end:
            return data
        self._closed = True
        return before + self._held() + end + after

    def _item(self, data: bytes) -> bytes:
        """Give what goes on instead of one item."""
        try:
            tree = reparse(data)
        except (ValueError, RecursionError):
            tree = None
        if isinstance(tree, dict) and "error" in tree:
            return self._held() + self._separated(data)
        self._due = False
        changed = self._answer.take(tree, whole=not self._opened)
        return write(tree) if changed else data

    def _held(self) -> bytes:
        """Give, as items, all that is held back."""
        return b"".join(self._separated(write(tree)) for tree in self._answer.flush())

    def _separated(self, item: bytes) -> bytes:
        """Give an item of our own, after a comma where one is missing."""
        comma = b"" if self._due else b",\r\n"
        self._due = False
        return comma + item
