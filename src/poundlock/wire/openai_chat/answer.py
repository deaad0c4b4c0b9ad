"""Answers of the OpenAI Chat Completions API on their way home, whole and streamed.

Source: platform.openai.com/docs/api-reference, "Chat", "Chat streaming". Content and refusals go to the reader,
`arguments` to the tool that the call names. This module must never touch reasoning, log probabilities or usage, and
never let `finish_reason` or `[DONE]` pass while something is held back for that choice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from poundlock.wire import framing
from poundlock.wire.body import reparse, restored_member, restored_whole, write
from poundlock.wire.events import NOTHING, EventCodec, Path, Steady, Typed, changed
from poundlock.wire.openai_chat import calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poundlock.core.stream import Channel, Homeward


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    error: msgspec.Raw = NOTHING


_typed = Typed(_Chunk)
_typed_run = Typed(list[_Chunk])
_TEXTS = ("content", "refusal")


def restored(body: bytes, homeward: Homeward) -> bytes:
    """Restore in a whole answer; the same bytes where nothing is restored.

    Raises: `UpstreamFault` for what isn't JSON.
    """
    return restored_whole(body, homeward, lambda tree: _restore(tree, homeward), calls.judge)


def _restore(tree: Any, homeward: Homeward) -> bool:
    """Restore in an answer's tree in place; tell whether it changed."""
    changed = False
    choices = tree.get("choices") if isinstance(tree, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict):
            changed |= _restore_message(message, homeward)
    return changed


def _restore_message(message: dict[str, Any], homeward: Homeward) -> bool:
    """Restore in one message in place; tell whether it changed."""
    changed = False
    for name in _TEXTS:
        changed |= restored_member(message, name, homeward)
    if isinstance(message.get("reasoning_content"), str):
        homeward.observe(message["reasoning_content"])
    parts = message.get("content")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict):
            changed |= restored_member(part, "text", homeward)
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        for name in ("function", "custom"):
            if isinstance(call, dict) and isinstance(call.get(name), dict):
                changed |= _restore_function(call[name], homeward)
    if isinstance(message.get("function_call"), dict):
        changed |= _restore_function(message["function_call"], homeward)
    return changed


def _restore_function(function: dict[str, Any], homeward: Homeward) -> bool:
    changed = restored_member(function, "name", homeward)
    for member in ("arguments", "input"):
        given = function.get(member)
        tool = str(function.get("name", ""))
        if isinstance(given, str):
            free = member == "input"
            function[member] = homeward.restore_argument_text(tool, given, free=free)
        elif given is not None:  # Some servers give a tree where the API has a text.
            function[member] = homeward.restore_arguments(tool, given)
        changed |= function.get(member) != given
    return changed


class _Place(NamedTuple):
    """Where a channel's text stands: the choice, a text's name or a call's kind, the call's index, its member."""

    choice: int
    kind: str
    call: int = -1
    member: str = ""

    def delta(self, text: str) -> dict[str, Any]:
        """Give the delta that adds `text` in this place."""
        if self.call >= 0:
            return {"tool_calls": [{"index": self.call, self.kind: {self.member: text}}]}
        return {self.kind: {self.member: text} if self.member else text}


class _Part(NamedTuple):
    """A text in an event: whose channel takes it, where it stands, and the tool's name where it is said."""

    place: _Place
    path: Path
    text: str
    tool: str = ""


def _step(chunk: _Chunk) -> tuple[_Place, str] | None:
    """Say what an event adds to one text and where, if it does nothing else."""
    if not chunk.choices or len(chunk.choices) != 1 or bytes(chunk.error) not in {b"", b"null"}:
        return None
    choice = chunk.choices[0]
    delta = choice.delta
    if delta is None or choice.finish_reason is not None or delta.refusal or delta.reasoning_content:
        return None
    if delta.function_call is not None:
        return None
    if not delta.tool_calls:
        return (_Place(choice.index, "content"), delta.content) if delta.content else None
    call = delta.tool_calls[0]
    function = call.function
    if len(delta.tool_calls) != 1 or delta.content or call.id or call.custom is not None:
        return None
    if function is None or function.name or function.arguments is None or function.input is not None:
        return None
    return _Place(choice.index, "function", call.index or 0, "arguments"), function.arguments


class AnswerCodec(EventCodec):
    """A streamed answer: one channel for each text and each call of each choice."""

    marks: ClassVar[tuple[re.Pattern[bytes], ...]] = (re.compile(rb"tool_calls"), re.compile(rb"function_call"))

    breaks: ClassVar[tuple[re.Pattern[bytes], ...]] = (re.compile(rb'"name"'), re.compile(rb'"finish_reason": ?"'))

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        super().__init__(homeward)
        self._open: dict[_Place, Channel] = {}
        self._ids: dict[tuple[int, int], str] = {}
        self._last = b"{}"
        # Of the event at hand: what goes before it, and the new texts in it by path.
        self._before: list[bytes] = []
        self._changes: list[tuple[Path, str]] = []

    def _event(self, raw: bytes) -> bytes:
        data = framing.data_of(raw)
        if data is None:
            return raw
        if data.strip() == b"[DONE]":
            return self._flush() + raw
        chunk = _typed(data)
        if chunk is None:
            return raw
        if bytes(chunk.error) not in {b"", b"null"}:
            return self._flush() + raw
        if not chunk.choices:
            return raw
        self._last = data
        self._before, self._changes = [], []
        for at, choice in enumerate(chunk.choices):
            self._choice(choice, ("choices", at, "delta"))
        self._tell()
        return b"".join(self._before) + (changed(raw, data, self._changes) if self._changes else raw)

    def _steady(self, events: bytes, datas: list[bytes]) -> Steady | None:
        parsed = _typed_run(events)
        if not parsed or len(parsed) != len(datas):
            return None
        steps = [_step(chunk) for chunk in parsed]
        first = steps[0]
        if first is None or any(step is None or step[0] != first[0] for step in steps):
            return None
        place = first[0]
        if place.call >= 0 and place not in self._open:
            return None
        channel = self._channel(place, "")
        self._tell()
        self._last = datas[-1]
        path: Path = ("choices", 0, "delta", "content")
        if place.call >= 0:
            path = ("choices", 0, "delta", "tool_calls", 0, "function", "arguments")
        return Steady(channel, [step[1] for step in steps if step is not None], path)

    def _choice(self, choice: _Choice, path: Path) -> None:
        """Restore in one choice's part of an event."""
        delta = choice.delta or _Delta()
        fed: dict[_Place, tuple[Path, str, str]] = {}
        for part in self._parts(choice.index, delta, path):
            channel = self._channel(part.place, part.tool)
            if part.text:
                fed[part.place] = (part.path, part.text, channel.feed(part.text))
        if delta.reasoning_content:
            self._homeward.observe(delta.reasoning_content)
        if choice.finish_reason is not None:
            for place in [place for place in self._open if place.choice == choice.index]:
                held = self._open.pop(place).flush()
                if place in fed:
                    where, old, given = fed[place]
                    fed[place] = (where, old, given + held)
                elif held:
                    self._before.append(self._extra(place, held))
            self._ids = {key: value for key, value in self._ids.items() if key[0] != choice.index}
        self._changes += [(where, given) for where, old, given in fed.values() if given != old]

    def _parts(self, choice: int, delta: _Delta, path: Path) -> Iterator[_Part]:
        """Give the texts in one choice's delta, and the calls that it opens."""
        for name, text in (("content", delta.content), ("refusal", delta.refusal)):
            if text:
                yield _Part(_Place(choice, name), (*path, name), text)
        if delta.function_call is not None:
            place = _Place(choice, "function_call", member="arguments")
            yield from self._function(delta.function_call, place, (*path, "function_call"))
        for position, call in enumerate(delta.tool_calls or ()):
            index = call.index if call.index is not None else position
            self._begin(choice, index, call.id)
            where = (*path, "tool_calls", position)
            if call.function is not None:
                place = _Place(choice, "function", index, "arguments")
                yield from self._function(call.function, place, (*where, "function"))
            if call.custom is not None:
                yield from self._function(call.custom, _Place(choice, "custom", index, "input"), (*where, "custom"))

    def _function(self, function: _Function, place: _Place, path: Path) -> Iterator[_Part]:
        """Give the part of a call that a delta holds; only the first has the tool's name."""
        name = function.name or ""
        known = self._homeward.restore_text(name) if name else ""
        if known != name:
            self._changes.append(((*path, "name"), known))
        text = function.arguments if place.member == "arguments" else function.input
        if known or text:
            yield _Part(place, (*path, place.member), text or "", known)

    def _begin(self, choice: int, call: int, name: str | None) -> None:
        """End the call that had this index, where a server counts each of its calls from 0 and tells them by id."""
        if not name or self._ids.setdefault((choice, call), name) == name:
            return
        self._ids[choice, call] = name
        for place in [each for each in self._open if each.choice == choice and each.call == call]:
            held = self._open.pop(place).flush()
            self._before += [self._extra(place, held)] if held else []

    def _channel(self, place: _Place, tool: str) -> Channel:
        channel = self._open.get(place)
        if channel is None:
            free = place.member == "input"
            channel = self._homeward.tool(tool, free=free) if place.member else self._homeward.text()
            self._open[place] = channel
        return channel

    def _flush(self) -> bytes:
        out = [self._extra(place, held) for place, channel in self._open.items() if (held := channel.flush())]
        self._open.clear()
        self._ids.clear()
        self._tell()
        return b"".join(out)

    def _tell(self) -> None:
        """Tell the base what is open."""
        self._channels = tuple(self._open.values())
        self._calls = sum(bool(place.member) for place in self._open)

    def _extra(self, place: _Place, held: str) -> bytes:
        """Make an event for what was held back, like the last one in all but its choices."""
        tree = reparse(self._last)
        tree = {name: value for name, value in tree.items() if name not in {"choices", "usage", "obfuscation"}}
        tree["choices"] = [{"index": place.choice, "delta": place.delta(held), "finish_reason": None}]
        return framing.event(write(tree))
