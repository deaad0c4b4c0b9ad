"""How many levels of JSON a place in a text sits in, told by the text itself.

Text is at level 0. Where a text is, lexically and as far as one has read, a JSON document, what stands inside one of
its strings is a level deeper, and that string may hold a JSON document again. A value is unescaped by the levels in
which it was found, and escaped by the levels to which it comes home: it is exact in both places.

Linear in the text, whatever the number of places that are asked for.
"""

from __future__ import annotations

import bisect
import re

import msgspec

DEEPEST = 8
"""JSON inside JSON is followed to this level."""

_TOKEN = re.compile(
    r'[\s{}\[\]:,]++|"(?P<string>(?:[^"\\\x00-\x1f]|\\.)*+)(?P<closed>"?)|-?\d[\d.eE+-]*+|true|false|null', re.DOTALL
)
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL)


class JsonLevels:
    """The levels of one text; strings inside it are opened when a place in them is asked for."""

    def __init__(self, text: str, deepest: int = DEEPEST) -> None:
        """Read `text`, and what it holds down to `deepest` levels."""
        self._text = text
        self._deepest = deepest
        self._spans: list[tuple[int, int]] | None = None
        self._inner: dict[int, tuple[JsonLevels, list[int], list[int]]] = {}

    def at(self, place: int) -> int:
        """Give the level of the character at `place` (code points from the start)."""
        if self._deepest == 0:
            return 0
        spans = self._strings()
        found = bisect.bisect_right(spans, (place, len(self._text) + 1)) - 1
        if found < 0 or not spans[found][0] <= place < spans[found][1]:
            return 0
        inner, escapes, lost = self._open(found)
        before = bisect.bisect_left(escapes, place)
        return 1 + inner.at(place - spans[found][0] - (lost[before - 1] if before else 0))

    def _strings(self) -> list[tuple[int, int]]:
        """Give where the document's strings begin and end, without their quotes; none if it isn't JSON."""
        if self._spans is None:
            self._spans = []
            if self._text.lstrip()[:1] in {"{", "["}:
                reached = 0
                while found := _TOKEN.match(self._text, reached):
                    if found["string"] is not None:
                        self._spans.append(found.span("string"))
                    reached = found.end()
        return self._spans

    def _open(self, found: int) -> tuple[JsonLevels, list[int], list[int]]:
        """Give the levels inside a string, where its escapes end, and how many characters they cost until there."""
        if found not in self._inner:
            start, end = self._strings()[found]
            raw = self._text[start:end]
            ends: list[int] = []
            lost: list[int] = []
            total = 0
            for escape in _ESCAPE.finditer(raw):
                total += len(escape[0]) - 1
                ends.append(start + escape.end() - 1)
                lost.append(total)
            self._inner[found] = (JsonLevels(unescape(raw), self._deepest - 1), ends, lost)
        return self._inner[found]


def unescape(raw: str) -> str:
    """Undo one level of JSON escapes; text that isn't the inside of a JSON string is given as it is."""
    if "\\" not in raw:
        return raw
    try:
        return msgspec.json.decode(f'"{raw}"', type=str)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return raw


def plain_value(text: str, start: int, end: int, levels: JsonLevels) -> str:
    """Give what stands at `text[start:end]`, less the JSON levels in which it stands."""
    raw = text[start:end]
    if "\\" in raw:
        for _ in range(levels.at(start)):
            raw = unescape(raw)
    return raw
