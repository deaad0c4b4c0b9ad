"""The restorers: text in, text out, in which issued surrogates became their values.

The same text comes out wherever the incoming text was cut, and none is held back but what may be a surrogate's
beginning. A restorer must never decide whether to restore, never look at restored text again, and never raise on
malformed text.
"""

from __future__ import annotations

from collections.abc import Callable

from poundlock.core.model import Sink, Surrogate
from poundlock.core.nesting import BREAK, PENDING, Lexer, escaped
from poundlock.core.surrogates import SHORTEST, SURROGATE, UNFINISHED, unfinished

# The issued surrogate that was written in some way, or None.
Find = Callable[[str], Surrogate | None]
# Whether a surrogate, met in an answer, is restored into a sink.
Allows = Callable[[Surrogate, Sink], bool]

# A surrogate in eight levels of JSON may need hundreds of characters; written longer than this, it isn't recognised.
_HELD = 4096


class StreamRestorer:
    """Restores in text that is shown as it is: a value is inserted unchanged."""

    def __init__(self, find: Find, allows: Allows, sink: Sink) -> None:
        self._find = find
        self._allows = allows
        self._sink = sink
        self._held = ""

    @property
    def holding(self) -> bool:
        """Whether a surrogate may have begun."""
        return bool(self._held)

    def feed(self, text: str) -> str:
        """Take the next text and give what may go on now: all but at most `LONGEST` characters."""
        if self._held:
            text = self._held + text
        elif "Q" not in text and "q" not in text:
            return text
        pieces: list[str] = []
        at = seen = 0
        for match in SURROGATE.finditer(text):
            seen = match.end()
            surrogate = self._find(match[0])
            if surrogate and self._allows(surrogate, self._sink):
                pieces += text[at : match.start()], surrogate.value
                at = seen
        cut = unfinished(text, seen)
        self._held = text[cut:]
        pieces.append(text[at:cut])
        return "".join(pieces)

    def flush(self) -> str:
        """Give what was held back."""
        held, self._held = self._held, ""
        return held


class ArgumentRestorer:
    """Restores in the JSON text of arguments: a value is escaped once for each string literal it comes to sit in.

    Without a sink it stops at the first issued surrogate and holds everything from there, until `settle` names one.
    """

    def __init__(self, find: Find, allows: Allows, lexer: Lexer, sink: Sink | None) -> None:
        self._find = find
        self._allows = allows
        self._lexer = lexer
        self._sink = sink
        self._ready: list[str] = []
        self._waiting: list[str | tuple[Surrogate, str, int]] | None = None
        # The candidate: its innermost characters, the text they are written in, and where in that each ends.
        self._inner = ""
        self._outer = ""
        self._ends: list[int] = []
        self._depth = 0
        # The text of the character that is not complete yet, and whether its beginning is gone.
        self._partial = ""
        self._beheaded = False

    @property
    def holding(self) -> bool:
        """Whether a surrogate may have begun, or a sink is awaited."""
        return bool(self._outer or self._partial) or self.waiting

    @property
    def waiting(self) -> bool:
        """Whether a surrogate awaits a sink."""
        return self._waiting is not None

    def feed(self, text: str) -> str:
        """Take the next text and give what may go on now."""
        lexer = self._lexer
        at = 0
        if not self._outer and not self._partial and self._waiting is None and not self._beheaded:
            at = lexer.run(text, 0)
            if at == len(text):
                return text
            self._emit(text[:at])
        while at < len(text):
            if not self._outer and not self._partial and not self._beheaded:
                end = lexer.run(text, at)
                if end > at:
                    self._emit(text[at:end])
                    at = end
                    continue
                # A whole surrogate in plain text needs no look at each of its letters: none changes the lexer's state.
                whole = SURROGATE.match(text, at)
                if whole is not None and "\\" not in whole[0]:
                    depth = lexer.step(text[at])
                    if depth >= 0:
                        self._whole(whole[0], depth)
                        at = whole.end()
                    else:
                        self._take(depth, text[at])
                        at += 1
                    continue
            char = text[at]
            at += 1
            self._take(lexer.step(char), char)
        return self._drained()

    def flush(self) -> str:
        """Give what was held back; surrogates that still await a sink stay as they are."""
        self._release()
        for piece in self._waiting or ():
            self._ready.append(piece if isinstance(piece, str) else piece[1])
        self._waiting = None
        return self._drained()

    def settle(self, sink: Sink) -> str:
        """Name the sink, and give what waited for it."""
        self._sink = sink
        waiting, self._waiting = self._waiting, None
        for piece in waiting or ():
            self._ready.append(piece if isinstance(piece, str) else self._answered(*piece, sink))
        return self._drained()

    def _drained(self) -> str:
        ready = "".join(self._ready)
        self._ready.clear()
        return ready

    def _take(self, event: int, char: str) -> None:
        """Take one character of the outermost text with what the lexer says of it."""
        self._partial += char
        if len(self._outer) + len(self._partial) > _HELD:
            self._release()
            self._beheaded = event == PENDING
        elif event == PENDING:
            return
        elif event == BREAK or self._beheaded:
            self._release()
            self._beheaded = False
        else:
            self._extend(event)

    def _extend(self, depth: int) -> None:
        """Add the innermost character that is complete now to the candidate, if there is one or it begins one."""
        if not self._inner:
            if self._lexer.char not in "Qq":
                self._release()
                return
            self._depth = depth
        self._inner += self._lexer.char
        self._outer += self._partial
        self._partial = ""
        self._ends.append(len(self._outer))
        if len(self._inner) >= SHORTEST and SURROGATE.match(self._inner):
            surrogate = self._find(self._inner)
            if surrogate is None:
                self._release()
                return
            written = self._outer
            self._drop(len(self._inner))
            self._meet(surrogate, written)
        elif not UNFINISHED.match(self._inner):
            cut = unfinished(self._inner, 1)
            self._emit(self._outer[: self._ends[cut - 1]])
            self._drop(cut)

    def _whole(self, written: str, depth: int) -> None:
        """Take a surrogate that stands whole in plain text."""
        surrogate = self._find(written)
        if surrogate is None:
            self._emit(written)
        else:
            self._depth = depth
            self._meet(surrogate, written)

    def _meet(self, surrogate: Surrogate, written: str) -> None:
        """Restore a surrogate, or wait with it."""
        if self._sink is not None:
            self._emit(self._answered(surrogate, written, self._depth, self._sink))
            return
        if self._waiting is None:
            self._waiting = []
        self._waiting.append((surrogate, written, self._depth))

    def _answered(self, surrogate: Surrogate, written: str, depth: int, sink: Sink) -> str:
        return escaped(surrogate.value, depth) if self._allows(surrogate, sink) else written

    def _emit(self, text: str) -> None:
        (self._ready if self._waiting is None else self._waiting).append(text)

    def _release(self) -> None:
        """Give up the candidate and what follows it."""
        self._emit(self._outer + self._partial)
        self._inner = self._outer = self._partial = ""
        self._ends.clear()

    def _drop(self, count: int) -> None:
        """Forget the candidate's first `count` characters."""
        gone = self._ends[count - 1]
        self._inner = self._inner[count:]
        self._outer = self._outer[gone:]
        self._ends = [end - gone for end in self._ends[count:]]
