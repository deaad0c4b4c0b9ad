"""JSON inside JSON, character by character: at which depth of string literals the next character sits.

The arguments of a tool call are a JSON text that arrives cut anywhere. A string in it may itself hold a JSON text (a
file's content, say), and so on. The lexer says of each character of the outermost text whether it completes a
character of the innermost one, which one, and in how many string literals that one is. It must never raise on
malformed text, never look ahead, and never remember more than a state for each level.
"""

from __future__ import annotations

import re

# What `step` gives instead of a depth.
BREAK = -1  # a quote or other structure: nothing that could be part of a surrogate, and the depth may change after it
PENDING = -2  # the character belongs to an escape that isn't complete

LEVELS = 8

_START, _PLAIN, _OUTSIDE, _STRING, _BROKEN = range(5)

_STRUCTURE = frozenset('{}[]:,"')
_HEX = frozenset("0123456789abcdefABCDEF")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}  # any other character stands for itself
_KEYWORDS = ("true", "false", "null")
_DIGITS = frozenset("0123456789+-.eE")
_NUMBER = "0"

# Stretches of plain text in which no surrogate can begin and no state can change, by the depth of the plain text. A
# control character may stand in arguments as such (models write them), but ends what is JSON in them.
_Q = r"[Qq](?=[^Zz\\])"
_ESCAPED = r"\\[^uQq]|\\u(?!00[57]1)[0-9A-Fa-f]{4}"
_ESCAPED_TWICE = r"\\\\(?:[^uQq\"\\\x00-\x1f]|\\[\"\\])"
_OPEN = r'[^"\\Qq]++'
_STRICT = r'[^"\\Qq\x00-\x1f]++'
_DEEPER = re.compile(rf"(?:{_STRICT}|{_Q})++")
_ARGUMENT_RUNS = (
    re.compile(r"(?:[^Qq]++|[Qq](?=[^Zz]))++"),
    re.compile(rf"(?:{_OPEN}|{_ESCAPED}|{_Q})++"),
    re.compile(rf"(?:{_STRICT}|{_ESCAPED_TWICE}|{_Q})++"),
)
_EMBEDDED_RUNS = (_ARGUMENT_RUNS[0], re.compile(rf"(?:{_STRICT}|{_ESCAPED}|{_Q})++"), _ARGUMENT_RUNS[2])


class Lexer:
    """The state of one text. `char` is the innermost character, after a `step` that gave a depth.

    An `embedded` text is one that stands for itself: it is JSON only if it begins with `{` or `[`, and as soon as its
    tokens are not JSON's any more it is plain text. One that isn't embedded ought to be JSON: it may begin with a
    quote, and once it is broken nothing in it has a depth any more, since no two readers would read the same in it.
    """

    __slots__ = ("_embedded", "_escapes", "_levels", "_modes", "_spoiled", "_words", "char")

    def __init__(self, *, embedded: bool = False, levels: int = LEVELS) -> None:
        self.char = ""
        self._embedded = embedded
        self._levels = levels
        # For each level: its mode, the escape begun in it, the bare word begun in it.
        self._modes = [_START]
        self._escapes = [""]
        self._words = [""]
        self._spoiled = False

    def step(self, char: str) -> int:
        """Take the next character; give the depth of `self.char` (0: in no string literal), `BREAK` or `PENDING`."""
        event = self._step(0, char)
        if self._spoiled and event != PENDING:
            # A broken escape and what follows can't be told apart: they are passed on together.
            self._spoiled = False
            return BREAK
        return event

    def run(self, text: str, start: int) -> int:
        """Give the end of the stretch from `start` that can be passed on unread, `start` if there is none.

        Only to be asked when the last `step` was not `PENDING`; the stretch needs no `step` then.
        """
        depth = len(self._modes) - 1
        mode = self._modes[depth]
        if mode == _BROKEN:
            return len(text)
        if mode != _PLAIN:
            return start
        runs = _EMBEDDED_RUNS if self._embedded else _ARGUMENT_RUNS
        match = (runs[depth] if depth < len(runs) else _DEEPER).match(text, start)
        return match.end() if match else start

    def _step(self, level: int, char: str) -> int:
        mode = self._modes[level]
        if mode == _PLAIN:
            self.char = char
            return level
        if mode == _STRING:
            return self._in_string(level, char)
        if mode == _OUTSIDE:
            return self._outside(level, char)
        if mode == _START:
            return self._begin(level, char)
        return BREAK

    def _begin(self, level: int, char: str) -> int:
        if not char.isspace():
            if char in "{[" and level < self._levels:
                self._modes[level] = _OUTSIDE
                return BREAK
            if char == '"' and level == 0 and not self._embedded:
                self._open(level)
                return BREAK
            self._modes[level] = _PLAIN
        self.char = char
        return level

    def _outside(self, level: int, char: str) -> int:
        word = self._words[level]
        if char in _STRUCTURE or char.isspace():
            if not word or word == _NUMBER or word in _KEYWORDS:
                self._words[level] = ""
                if char == '"':
                    self._open(level)
                return BREAK
        elif word in ("", _NUMBER) and char in _DIGITS and (word or char in "-0123456789"):
            self._words[level] = _NUMBER
            return BREAK
        elif word != _NUMBER and any(keyword.startswith(word + char) for keyword in _KEYWORDS):
            self._words[level] = word + char
            return BREAK
        if level == 0 and not self._embedded:
            self._modes[level] = _BROKEN
            return BREAK
        self._modes[level] = _PLAIN
        self.char = char
        return level

    def _open(self, level: int) -> None:
        self._modes[level] = _STRING
        self._modes.append(_START)
        self._escapes.append("")
        self._words.append("")

    def _close(self, level: int, mode: int) -> None:
        self._modes[level] = mode
        del self._modes[level + 1 :], self._escapes[level + 1 :], self._words[level + 1 :]

    def _in_string(self, level: int, char: str) -> int:
        escape = self._escapes[level]
        if not escape:
            if char == "\\":
                self._escapes[level] = char
                return PENDING
            if char == '"':
                self._close(level, _OUTSIDE)
                return BREAK
            if char < " " and (level or self._embedded):
                self._close(level, _PLAIN)  # such a character must be escaped in JSON: this is something else
                self.char = char
                return level
            return self._step(level + 1, char)
        if escape == "\\":
            if char == "u":
                self._escapes[level] = "\\u"
                return PENDING
            self._escapes[level] = ""
            return self._step(level + 1, _ESCAPES.get(char, char))
        if char not in _HEX:
            self._escapes[level] = ""
            self._step(level + 1, "\ufffd")
            self._spoiled = True
            return self._step(level, char)
        if len(escape) < len("\\u000"):
            self._escapes[level] = escape + char
            return PENDING
        self._escapes[level] = ""
        return self._step(level + 1, chr(int(escape[2:] + char, 16)))


_SPECIAL = re.compile(r'["\\\x00-\x1f]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


def escaped(value: str, depth: int) -> str:
    """Give `value` as it is written inside `depth` string literals, one in the other (RFC 8259, section 7)."""
    for _ in range(depth):
        value = _SPECIAL.sub(lambda match: _SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}", value)
    return value
