"""Answers of the OpenAI Responses API on their way home, whole and streamed.

Source: platform.openai.com/docs/api-reference/responses-streaming. Every event goes on, once, in its order and with
its own `sequence_number`: where a delta may end within a surrogate, that event waits for the next one of the same
text, and takes with it what was held back when the text ends. This module must never add or drop an event, and never
let an event overtake one that waits.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from poundlock.wire import framing
from poundlock.wire.body import reparse, restored_whole, write
from poundlock.wire.events import EventCodec, Steady, Typed, changed
from poundlock.wire.openai_responses import calls
from poundlock.wire.openai_responses.items import CALLED, Answer, Place, tool_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from poundlock.core.stream import Channel, Homeward

WAITING = 1 << 20
"""So many bytes of events may wait for one; then what it holds is given up."""


class _Kind(NamedTuple):
    """A kind of text that is streamed: its name, the member that says which one it is, the member with all of it."""

    name: str
    number: str
    whole: str


_KINDS = {
    "response.output_text": _Kind("text", "content_index", "text"),
    "response.refusal": _Kind("refusal", "content_index", "refusal"),
    "response.reasoning_summary_text": _Kind("summary", "summary_index", "text"),
    "response.reasoning_text": _Kind("reasoning", "content_index", "text"),
    "response.function_call_arguments": _Kind("arguments", "", "arguments"),
    "response.mcp_call_arguments": _Kind("arguments", "", "arguments"),
    "response.custom_tool_call_input": _Kind("input", "", "input"),
    "response.code_interpreter_call_code": _Kind("code", "", "code"),
    "response.shell_call_command": _Kind("command", "command_index", "command"),
}
_NUMBER = re.compile(rb'"sequence_number": ?([0-9]{1,15})')
# The answer's own id stands in its first event; it is looked for in the first pieces only.
_ANSWER = re.compile(rb'"response": ?\{"id": ?"([A-Za-z0-9_-]{1,160})"')
_FIRST = 64
_ENDS = frozenset({"completed", "incomplete", "failed", "cancelled"})


class _Event(msgspec.Struct):
    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    command_index: int = 0
    delta: str | None = None


_typed = Typed(_Event)
_typed_run = Typed(list[_Event])


class _Waiting:
    """An event on its way: as it came, and for a delta the text that it had and the text that it gets."""

    __slots__ = ("data", "given", "raw", "text", "waits")

    def __init__(self, raw: bytes, data: bytes = b"", text: str = "", given: str = "") -> None:
        self.raw = raw
        self.data = data
        self.text = text
        self.given = given
        self.waits = False

    def written(self) -> bytes:
        if self.given == self.text:
            return self.raw
        return changed(self.raw, self.data, [(("delta",), self.given)])


def restored(body: bytes, homeward: Homeward) -> bytes:
    """Restore in a whole answer (a response, or a list of items); the same bytes where nothing is restored.

    Raises: `UpstreamFault` for what isn't JSON.
    """
    return restored_whole(body, homeward, lambda tree: _restore(tree, homeward), calls.judge)


def _restore(tree: Any, homeward: Homeward) -> bool:
    """Restore in an answer's tree in place; tell whether it changed."""
    answer = Answer(homeward)
    new = False
    if isinstance(tree, dict):
        if tree.get("object") == "response" and isinstance(tree.get("id"), str):
            homeward.answer = tree["id"]
        new = answer.items(tree.get("data")) if tree.get("object") == "list" else answer.response(tree)
    return new


class AnswerCodec(EventCodec):
    """A streamed answer: one channel for each text of each item."""

    marks: ClassVar[tuple[re.Pattern[bytes], ...]] = (re.compile(rb'_call"'),)
    breaks: ClassVar[tuple[re.Pattern[bytes], ...]] = (re.compile(rb"event: response\.(?![a-z_]{1,40}\.delta\r?\n)"),)

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        super().__init__(homeward)
        self._answer = Answer(homeward)
        self._open: dict[Place, Channel] = {}
        self._tools: dict[int, str] = {}
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._awaiting: dict[Place, _Waiting] = {}
        self._tail = b""
        self._unnamed = _FIRST

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that may go on. Raises: `UpstreamFault` for an event past the limit."""
        out = super().feed(chunk)
        self._tail = out or self._tail
        if self._unnamed and out and not self._idle:
            named = _ANSWER.search(out)
            self._homeward.answer = named[1].decode() if named else ""
            self._unnamed -= 1 if named is None else self._unnamed
        return out

    def broken(self, error: bytes) -> bytes:
        """Give what was held back, then the error with the number that is next."""
        held = framing.whole(self.finish())
        numbers = [*_NUMBER.findall(self._tail), *_NUMBER.findall(held)]
        tree = reparse(framing.data_of(error) or b"{}")
        tree["sequence_number"] = int(numbers[-1]) + 1 if numbers else 0
        return held + framing.with_data(error, write(tree))

    def finish(self) -> bytes:
        """Give what was held back, then the bytes of an event that never became whole (a client ignores it)."""
        held = self._flush()
        rest = self._splitter.rest
        last = self._event(rest) + self._flush() if rest else b""
        self._homeward.close()
        return held + last

    def _event(self, raw: bytes) -> bytes:
        data = framing.data_of(raw)
        event = _typed(data) if data else None
        if data is None or event is None:
            return self._passed(_Waiting(raw))
        stem, _, ending = event.type.rpartition(".")
        kind = _KINDS.get(stem)
        if kind is not None and ending == "delta" and event.delta is not None:
            return self._delta(raw, data, event.delta, self._place(event, kind))
        self._close(event, kind, stem, ending)
        tree = reparse(data)
        new = self._whole(tree, event, kind, stem, ending)
        if ending == "done" and stem == "response.output_item":
            self._tools.pop(event.output_index, None)
        self._tell()
        return self._passed(_Waiting(framing.with_data(raw, write(tree)) if new else raw))

    @staticmethod
    def _place(event: _Event, kind: _Kind) -> Place:
        return Place(event.output_index, kind.name, getattr(event, kind.number) if kind.number else 0)

    def _delta(self, raw: bytes, data: bytes, text: str, place: Place) -> bytes:
        """Take one delta: what it holds back goes on with the next delta of this text, or stays with it at the end."""
        channel = self._channel(place)
        entry = _Waiting(raw, data, text, channel.feed(text))
        earlier = self._awaiting.pop(place, None)
        if earlier is not None:
            earlier.waits = False
        if channel.holding:
            entry.waits = True
            self._awaiting[place] = entry
        return self._passed(entry)

    def _passed(self, entry: _Waiting) -> bytes:
        """Give what may go on now that this event has come."""
        if not self._queue and not entry.waits:
            return entry.written()
        self._queue.append(entry)
        self._queued += len(entry.raw)
        if self._queued > WAITING:
            for place in list(self._awaiting):
                self._settle(place, self._open[place].flush())
        out: list[bytes] = []
        while self._queue and not self._queue[0].waits:
            gone = self._queue.popleft()
            self._queued -= len(gone.raw)
            out.append(gone.written())
        return b"".join(out)

    def _settle(self, place: Place, held: str) -> None:
        """Give the text that was held back to the event that waits for it."""
        entry = self._awaiting.pop(place, None)
        if entry is not None:
            entry.given += held
            entry.waits = False

    def _close(self, event: _Event, kind: _Kind | None, stem: str, ending: str) -> None:
        """End the texts that end with this event."""
        if kind is not None and ending == "done":
            self._end(lambda place: place == self._place(event, kind))
        elif stem == "response.output_item":
            self._end(lambda place: place.output == event.output_index)
        elif event.type == "error" or (stem == "response" and ending in _ENDS):
            self._end(lambda _place: True)
            self._tools.clear()

    def _end(self, ends: Callable[[Place], bool]) -> None:
        """End these texts; what each held back goes to the event that waits for it."""
        for place in [place for place in self._open if ends(place)]:
            self._settle(place, self._open.pop(place).flush())

    def _whole(self, tree: Any, event: _Event, kind: _Kind | None, stem: str, ending: str) -> bool:
        """Restore in an event that is no delta; tell whether it changed."""
        output = event.output_index
        if kind is not None:
            return self._answer.member(tree, kind.whole, self._place(event, kind), self._tools.get(output, ""))
        if stem == "response" and isinstance(tree.get("response"), dict):
            return self._answer.response(tree["response"])
        if stem == "response.output_item" and isinstance(tree.get("item"), dict):
            new = self._answer.item(tree["item"], output)
            tool = tool_of(tree["item"]) if ending == "added" else None
            if tool is not None:
                self._tools[output] = tool
            return new
        if stem in {"response.content_part", "response.reasoning_summary_part"}:
            index = event.content_index if stem == "response.content_part" else event.summary_index
            return self._answer.part(tree.get("part"), output, index)
        return False

    def _steady(self, events: bytes, datas: list[bytes]) -> Steady | None:
        parsed = None if self._queue else _typed_run(events)
        if not parsed or len(parsed) != len(datas):
            return None
        first = parsed[0]
        stem, _, ending = first.type.rpartition(".")
        kind = _KINDS.get(stem)
        if kind is None or ending != "delta":
            return None
        place = self._place(first, kind)
        if place.kind in CALLED and place.output not in self._tools:
            return None
        texts: list[str] = []
        for each in parsed:
            if each.type != first.type or each.delta is None or self._place(each, kind) != place:
                return None
            texts.append(each.delta)
        return Steady(self._channel(place), texts, ("delta",))

    def _run(self, run: bytes) -> bytes | None:
        out = super()._run(run)
        holding = [place for place, channel in self._open.items() if channel.holding and place not in self._awaiting]
        if out is None or not holding:
            return out
        # The run's last event waits, although nothing seemed to begin in it.
        at = max(framing.last_blank(out, 0, len(out) - 1), 0)
        data = framing.data_of(out[at:]) or b""
        text = reparse(data)["delta"]
        entry = _Waiting(out[at:], data, text, text)
        entry.waits = True
        self._awaiting[holding[0]] = entry
        return out[:at] + self._passed(entry)

    def _channel(self, place: Place) -> Channel:
        channel = self._open.get(place)
        if channel is None:
            channel = self._open[place] = self._answer.channel(place, self._tools.get(place.output, ""))
            self._tell()
        return channel

    def _flush(self) -> bytes:
        self._end(lambda _place: True)
        self._tools.clear()
        self._tell()
        out = b"".join(entry.written() for entry in self._queue)
        self._queue.clear()
        self._queued = 0
        return out

    def _tell(self) -> None:
        """Tell the base what is open."""
        self._channels = tuple(self._open.values())
        self._calls = len(self._tools)
