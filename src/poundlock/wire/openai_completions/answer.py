"""Completions on their way home, whole and streamed: one text for each choice.

A choice has its text in `text` (OpenAI, DeepSeek), or as chat answers have it (Mistral). This module must never touch
log probabilities or usage, and never let `finish_reason` or `[DONE]` pass while something is held back for that choice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from poundlock.wire import framing
from poundlock.wire.body import reparse, restored_member, restored_whole, write
from poundlock.wire.events import NOTHING, EventCodec, Path, Steady, Typed, changed

if TYPE_CHECKING:
    from poundlock.core.stream import Channel, Homeward


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    text: str | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None

    @property
    def said(self) -> tuple[str | None, Path]:
        """What it adds, and where that stands in it."""
        if self.text is None and self.delta is not None:
            return self.delta.content, ("delta", "content")
        return self.text, ("text",)


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    error: msgspec.Raw = NOTHING


_typed = Typed(_Chunk)
_typed_run = Typed(list[_Chunk])


def restored(body: bytes, homeward: Homeward) -> bytes:
    """Restore in a whole answer; the same bytes where nothing is restored.

    Raises: `UpstreamFault` for what isn't JSON.
    """
    return restored_whole(body, homeward, lambda tree: _restore(tree, homeward))


def _restore(tree: Any, homeward: Homeward) -> bool:
    """Restore in an answer's tree in place; tell whether it changed."""
    new = False
    choices = tree.get("choices") if isinstance(tree, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        new |= restored_member(choice, "text", homeward) | restored_member(message, "content", homeward)
    return new


class AnswerCodec(EventCodec):
    """A streamed answer: one channel for each choice."""

    breaks: ClassVar[tuple[re.Pattern[bytes], ...]] = (re.compile(rb'"finish_reason": ?"'),)

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        super().__init__(homeward)
        self._open: dict[int, Channel] = {}
        self._where: dict[int, Path] = {}
        self._last = b"{}"

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
        before: list[bytes] = []
        changes: list[tuple[Path, str]] = []
        for at, choice in enumerate(chunk.choices):
            text, where = choice.said
            given = self._channel(choice.index, where).feed(text) if text else ""
            if choice.finish_reason is not None:
                held = self._end(choice.index)
                if text is None and held:
                    before.append(self._extra(choice.index, held))
                given += held
            if text is not None and given != text:
                changes.append((("choices", at, *where), given))
        self._tell()
        return b"".join(before) + (changed(raw, data, changes) if changes else raw)

    def _steady(self, events: bytes, datas: list[bytes]) -> Steady | None:
        parsed = _typed_run(events)
        if not parsed or len(parsed) != len(datas):
            return None
        texts: list[str] = []
        places = set()
        for chunk in parsed:
            if not chunk.choices or len(chunk.choices) != 1 or bytes(chunk.error) not in {b"", b"null"}:
                return None
            text, where = chunk.choices[0].said
            if text is None or chunk.choices[0].finish_reason is not None:
                return None
            texts.append(text)
            places.add((chunk.choices[0].index, where))
        if len(places) != 1:
            return None
        ((index, where),) = places
        channel = self._channel(index, where)
        self._tell()
        self._last = datas[-1]
        return Steady(channel, texts, ("choices", 0, *where))

    def _channel(self, index: int, where: Path) -> Channel:
        if index not in self._open:
            self._open[index] = self._homeward.text()
            self._where[index] = where
        return self._open[index]

    def _end(self, index: int) -> str:
        channel = self._open.pop(index, None)
        return channel.flush() if channel else ""

    def _flush(self) -> bytes:
        out = [self._extra(index, held) for index in list(self._open) if (held := self._end(index))]
        self._tell()
        return b"".join(out)

    def _tell(self) -> None:
        """Tell the base what is open."""
        self._channels = tuple(self._open.values())

    def _extra(self, index: int, held: str) -> bytes:
        """Make an event for what was held back, like the last one in all but its choices."""
        tree = reparse(self._last)
        tree = {name: value for name, value in tree.items() if name not in {"choices", "usage", "obfuscation"}}
        said: dict[str, Any] = {"text": held} if self._where[index] == ("text",) else {"delta": {"content": held}}
        tree["choices"] = [{"index": index, **said, "logprobs": None, "finish_reason": None}]
        return framing.event(write(tree))
