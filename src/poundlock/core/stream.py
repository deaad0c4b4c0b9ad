"""The way home: restoring surrogates and scanning the answer, in text that arrives cut anywhere.

`Homeward` is what one exchange gives to its wire format; a `Channel` carries one block of text or one tool call. The
same text comes out wherever the incoming text was cut, and none is held back but what may be a surrogate's beginning.
This module must never restore what this exchange was not given as issued, never look at restored text again, and
never raise on malformed text.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from poundlock.core import sinks
from poundlock.core.model import Sink, Surrogate
from poundlock.core.nesting import LEVELS, Lexer, escaped
from poundlock.core.restorers import ArgumentRestorer, StreamRestorer
from poundlock.core.surrogates import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from poundlock.core.gate import Gate
    from poundlock.core.model import Match

# Arguments that are judged as a whole before anything in them is restored; longer ones count as bound for a network.
_JUDGED = 1 << 20
_NESTING = 256
_LITERAL = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class Channel(Protocol):
    """One block of an answer: text in, text out."""

    @property
    def holding(self) -> bool:
        """Whether text was taken that has not come out yet."""

    def feed(self, text: str) -> str:
        """Take the next text and give what may go on now."""

    def flush(self) -> str:
        """Give what was held back: at the block's end, and when the answer is cut off."""


class Homeward:
    """What one exchange restores and scans on its way home, and the counts for its closing record.

    `issued` maps canonical surrogate texts to surrogates with their values; `permit` is policy's answer for a
    surrogate into a sink, asked once for each pair; `gate` judges the answer's tool calls, where calls are limited.
    Nothing is ever restored into a remote tool, whatever it says.
    """

    def __init__(
        self,
        issued: Mapping[str, Surrogate],
        permit: Callable[[Surrogate, Sink], bool],
        scanner: StreamScanner | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.restored_kinds: Counter[str] = Counter()
        self.left_kinds: Counter[str] = Counter()
        self.gate = gate
        self.answer = ""  # the id that the provider gave to the answer, where a wire format met it
        self._issued = issued
        self._permit = permit
        self._scanner = scanner
        self._answers: dict[tuple[str, Sink], bool] = {}
        self._observed = scanner.lane() if scanner else None
        self._apart = False
        self.closing: Callable[[], None] | None = None  # what reads on for the scanner, if another way home does
        # Only such a value is written differently inside JSON, so only for such a one a text's levels are followed.
        self._awkward = any(escaped(surrogate.value, 1) != surrogate.value for surrogate in issued.values())

    @property
    def idle(self) -> bool:
        """Whether everything may pass unread: nothing was issued, and nothing is scanned."""
        return not self._issued and self._scanner is None and not self._apart

    @property
    def unchanging(self) -> bool:
        """Whether whole events may pass unread: nothing was issued, and what is scanned is read elsewhere."""
        return self._apart and not self._issued

    @property
    def scanning(self) -> bool:
        """Whether every text must be fed, also such as holds nothing to restore.

        A text's beginning says whether it is a JSON document, in which some values are written differently.
        """
        return self._scanner is not None or self._awkward

    @property
    def restored(self) -> int:
        """How many surrogates were restored."""
        return self.restored_kinds.total()

    @property
    def left(self) -> int:
        """How many issued surrogates stayed as they were, because their sink was not allowed."""
        return self.left_kinds.total()

    def again(self) -> Homeward:
        """Give a way home for what this answer says once more: it restores the same, and counts and scans nothing."""
        return Homeward(self._issued, self._permit)

    def apart(self) -> Homeward | None:
        """Give a way on which this answer is only scanned, and scan no more on this one; None if it isn't scanned."""
        if self._scanner is None:
            return None
        scans = Homeward({}, self._permit, self._scanner)
        self._scanner = self._observed = None
        self._apart = True
        return scans

    def text(self) -> Channel:
        """Give a channel for text that is shown to the reader.

        Text that is a JSON document (a structured answer) gets its values escaped, so that it stays one.
        """
        shown = Sink(kind="display")
        if self._awkward:
            return self._channel(ArgumentRestorer(self.find, self.allows, Lexer(embedded=True), shown))
        return self._channel(StreamRestorer(self.find, self.allows, shown))

    def tool(self, name: str, *, free: bool = False) -> Channel:
        """Give a channel for the arguments of one call of the tool `name`: JSON text, or `free` text as it is."""
        return self._channel(self._arguments(name, Lexer(embedded=free), free=free))

    def restore_text(self, text: str) -> str:
        """Restore in a whole text that is shown to the reader."""
        channel = self.text()
        return channel.feed(text) + channel.flush()

    def restore_argument_text(self, tool: str, text: str, *, free: bool = False) -> str:
        """Restore in a tool call's whole arguments: JSON text, or `free` text as it is."""
        channel = self.tool(tool, free=free)
        return channel.feed(text) + channel.flush()

    def restore_arguments(self, tool: str, arguments: Any) -> Any:
        """Restore in a tool call's arguments given as a JSON tree; the same object where nothing is restored."""
        texts = list(_strings(arguments, _NESTING))
        if self._scanner:
            for text in texts:
                lane = self._scanner.lane()
                lane.feed(text)
                lane.flush()
        if not self._issued or not any(map(_may_hold, texts)):
            return arguments
        return self._rebuilt(arguments, sinks.judge(tool, texts), _NESTING)

    def observe(self, text: str) -> None:
        """Take text that is only scanned, never restored."""
        if self._observed:
            self._observed.feed(text)

    def close(self) -> None:
        """Scan what the scanner still waits with; the answer has ended."""
        closing, self.closing = self.closing, None
        if closing is not None:
            closing()
        if self._scanner:
            self._scanner.flush()

    def find(self, written: str) -> Surrogate | None:
        """Give the issued surrogate that was `written` in some way, None if it wasn't issued."""
        return self._issued.get(canonical(written))

    def allows(self, surrogate: Surrogate, sink: Sink) -> bool:
        """Whether this surrogate, met in an answer, is restored into `sink`; counts it."""
        asked = (surrogate.text, sink)
        answer = self._answers.get(asked)
        if answer is None:
            answer = sink.kind != "remote" and self._permit(surrogate, sink)
            self._answers[asked] = answer
        (self.restored_kinds if answer else self.left_kinds)[surrogate.kind] += 1
        return answer

    def _channel(self, restorer: Channel) -> Channel:
        if self._scanner:
            return _Scanned(restorer if self._issued else _Unread(), self._scanner.lane())
        return restorer if self._issued else _Unread()

    def _arguments(self, tool: str, lexer: Lexer, *, free: bool) -> Channel:
        kind = sinks.classify(tool)
        if kind == "remote":
            return _Counted(ArgumentRestorer(self.find, self.allows, lexer, Sink(kind=kind, tool=tool, network=True)))
        if kind == "file":
            return ArgumentRestorer(self.find, self.allows, lexer, Sink(kind=kind, tool=tool))
        return _Judged(ArgumentRestorer(self.find, self.allows, lexer, None), tool, free=free)

    def _rebuilt(self, node: Any, sink: Sink, levels: int) -> Any:
        """Give `node` with its strings and keys restored, the same object where there were none."""
        if isinstance(node, str):
            if not _may_hold(node):
                return node
            # The leaf is a string literal of the whole: one level of nesting is used up.
            restorer = ArgumentRestorer(self.find, self.allows, Lexer(embedded=True, levels=LEVELS - 1), sink)
            restored = restorer.feed(node) + restorer.flush()
            return node if restored == node else restored
        if not levels:
            return node
        if isinstance(node, list):
            items = [self._rebuilt(item, sink, levels - 1) for item in node]
            return node if all(new is old for new, old in zip(items, node, strict=True)) else items
        if isinstance(node, dict):
            members: dict[str, Any] = {}
            for old, item in node.items():
                key = self._rebuilt(old, sink, 0)
                # No member is dropped for another one that has its key already.
                members[old if key in node or key in members else key] = self._rebuilt(item, sink, levels - 1)
            same = all(key in members and members[key] is item for key, item in node.items())
            return node if same else members
        return node


def _may_hold(text: str) -> bool:
    """Whether a surrogate may be written somewhere in `text`, plainly or with JSON escapes."""
    return "Q" in text or "q" in text or "\\u" in text


def _strings(node: Any, levels: int) -> Iterator[str]:
    """Give every string of a JSON tree in its order, keys too."""
    if isinstance(node, str):
        yield node
    elif levels and isinstance(node, list):
        for item in node:
            yield from _strings(item, levels - 1)
    elif levels and isinstance(node, dict):
        for key, item in node.items():
            yield key
            yield from _strings(item, levels - 1)


class _Judged:
    """Arguments whose sink is only known when they are complete."""

    def __init__(self, restorer: ArgumentRestorer, tool: str, *, free: bool) -> None:
        self._restorer = restorer
        self._tool = tool
        self._free = free
        self._whole: list[str] | None = []
        self._size = 0

    @property
    def holding(self) -> bool:
        return self._restorer.holding

    def feed(self, text: str) -> str:
        ready = self._restorer.feed(text)
        if self._whole is not None:
            self._whole.append(text)
            self._size += len(text)
            if self._size > _JUDGED:
                ready += self._settle(sinks.in_doubt(self._tool))
        return ready

    def flush(self) -> str:
        ready = ""
        if self._whole is not None and self._restorer.waiting:
            texts = self._texts("".join(self._whole))
            ready = self._settle(sinks.in_doubt(self._tool) if texts is None else sinks.judge(self._tool, texts))
        return ready + self._restorer.flush()

    def _settle(self, sink: Sink) -> str:
        self._whole = None
        return self._restorer.settle(sink)

    def _texts(self, whole: str) -> list[str] | None:
        """Give the strings in complete arguments, None for such as can't be read."""
        if self._free:
            return [whole]
        try:
            msgspec.json.decode(whole)
            # Decoded one by one: a reader may take the first of two equal keys, where the tree has the last.
            return [msgspec.json.decode(literal, type=str) for literal in _LITERAL.findall(whole)]
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None


class _Counted:
    """Arguments that pass unchanged and at once; the surrogates in them are counted as left."""

    holding = False

    def __init__(self, restorer: ArgumentRestorer) -> None:
        self._restorer = restorer

    def feed(self, text: str) -> str:
        self._restorer.feed(text)
        return text

    def flush(self) -> str:
        self._restorer.flush()
        return ""


class _Unread:
    """Text in which nothing can be restored."""

    holding = False

    def feed(self, text: str) -> str:
        return text

    def flush(self) -> str:
        return ""


class _Scanned:
    """A channel whose text is scanned as it arrives, before anything is restored in it."""

    def __init__(self, channel: Channel, lane: Lane) -> None:
        self._channel = channel
        self._lane = lane

    @property
    def holding(self) -> bool:
        return self._channel.holding

    def feed(self, text: str) -> str:
        self._lane.feed(text)
        return self._channel.feed(text)

    def flush(self) -> str:
        self._lane.flush()
        return self._channel.flush()


class StreamScanner:
    """Counts what `detect` finds in an answer, by rule id, each finding once wherever the text was cut.

    Text is searched in pieces of `window` + `overlap` characters; a finding that needs at most `overlap` characters
    around its beginning, before and after, is seen whole in one of them.
    """

    def __init__(self, detect: Callable[[str], tuple[Match, ...]], *, window: int = 4096, overlap: int = 512) -> None:
        if not 0 <= overlap < window:
            raise ValueError("the overlap must be smaller than the window")
        self.counts: Counter[str] = Counter()
        self.detect = detect
        self.window = window
        self.overlap = overlap
        self._lanes: list[Lane] = []
        self._own: Lane | None = None

    def lane(self) -> Lane:
        """Give a lane: texts of different blocks are never searched as if they were one."""
        lane = Lane(self)
        self._lanes.append(lane)
        return lane

    def feed(self, text: str) -> None:
        """Take the next text of the scanner's own lane."""
        if self._own is None:
            self._own = self.lane()
        self._own.feed(text)

    def flush(self) -> None:
        """Search what every lane still waits with."""
        for lane in self._lanes:
            lane.flush()
        self._lanes.clear()
        self._own = None


class Lane:
    """One block's text on its way to the scanner; it keeps less than `window` + `overlap` characters."""

    def __init__(self, scanner: StreamScanner) -> None:
        self._scanner = scanner
        self._parts: list[str] = []
        self._size = 0
        self._counted = 0  # where in the kept text the first finding would begin that wasn't counted before

    def feed(self, text: str) -> None:
        """Take the next text."""
        self._parts.append(text)
        self._size += len(text)
        window, overlap = self._scanner.window, self._scanner.overlap
        if self._size < window + overlap:
            return
        kept = "".join(self._parts)
        at = 0
        while len(kept) - at >= window + overlap:
            self._search(kept[at : at + window + overlap], window)
            at += window - overlap
            self._counted = overlap
        self._parts = [kept[at:]]
        self._size = len(kept) - at

    def flush(self) -> None:
        """Search what is left; the block has ended."""
        kept = "".join(self._parts)
        if len(kept) > self._counted:
            self._search(kept, len(kept))
        self._parts.clear()
        self._size = self._counted = 0

    def _search(self, text: str, end: int) -> None:
        """Count the findings that begin before `end` and were not counted before."""
        for match in self._scanner.detect(text):
            if self._counted <= match.start < end:
                self._scanner.counts[match.rule_id] += 1
