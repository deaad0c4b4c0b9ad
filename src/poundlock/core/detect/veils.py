"""Disguises of a text that people see through and patterns don't.

Look-alike letters, spaced letters, digits for letters, letters turned round, characters that nobody sees, encodings.

Each undoing gives another reading of a text, or of a piece of it with its place. It must never judge what it reads.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = 400
_PIECES = 16
_LONG = 40
"""An encoded order has at least so many characters."""
_MOST = 8192


class Reading(NamedTuple):
    """Another reading of the text from `start` to `end`, and what was done to it: `disguised` or `encoded`."""

    kind: str
    text: str
    start: int
    end: int


class _Folding(dict[int, int]):
    """Lower case and the compatibility form of each character that has one of one character; made when first met."""

    def __missing__(self, code: int) -> int:
        folded = unicodedata.normalize("NFKC", chr(code)).lower()
        self[code] = value = ord(folded) if len(folded) == 1 else code
        return value


_FOLDING = _Folding()
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
_MIXED = re.compile("[a-z][\u0370-\u03ff\u0400-\u052f]|[\u0370-\u03ff\u0400-\u052f][a-z]")
_LOOKALIKE = str.maketrans("аеорсхуіѕјԁһӏνοαρεικτ", "aeopcxyisjdhlvoapeikt")
_LEET = str.maketrans("0134578@$", "oieastbas")
_ROT13 = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")
_LEET_ANCHORS = (
    "gn0r3",
    "gnor3",
    "r3g4rd",
    "r3gard",
    "f0rg3",
    "pr0mp",
    "syst3",
    "5y5t3",
    "5y573",
    "57ruct",
    "1n57r",
    "1nstr",
    "rul35",
    "rul3s",
    "p455",
    "pr3v",
    "p4ssw",
)
_SPACED = tuple(
    (frozenset(each.encode() for each in word), tuple(by.join(word) for by in (" ", "-", ".", "_")))
    for word in ("ignore", "disregard", "forget", "instruct", "system", "prompt", "assistant")
)
_ROT_ANCHORS = tuple(
    word.translate(_ROT13) for word in ("ignore", "disregard", "instructions", "prompt", "system", "assistant")
)
_BACK_ANCHORS = tuple(
    word[::-1] for word in ("ignore", "disregard", "instructions", "system", "assistant", "without asking")
)
_LETTER = re.compile(r"(?<![a-z])(?:[a-z][ ._-]){2,}[a-z](?![a-z])")
_JOIN = re.compile(r"[\"']\s*[;,+&]*\s*(?:(?:const|let|var)?\s*\w{1,20}\s*[=:]\s*)?[\"']")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){20,}")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_ENTITY = re.compile(r"&#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}));?")
_PERCENT_LETTERS = ("%6", "%7")
_ENOUGH = 8


_SEPARATE = bytes(byte if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789" else 0x20 for byte in range(256))
_SIZES = (2, 3, 4, 5, 6)
_RUN = re.compile("[a-z0-9]{2,}")
_FIRST = _SIZES[-1]


class Vocabulary:
    """The words of a text, to tell quickly which literals can't stand in it."""

    def __init__(self, low: str) -> None:
        """Take the words of a text in lower case; letters beyond ASCII part them."""
        self.words = frozenset(low.encode("utf-8", "replace").translate(_SEPARATE).split())
        self._starts = frozenset(word[:size] for size in _SIZES for word in self.words if len(word) >= size)

    def may_hold(self, needs: Iterable[bytes]) -> bool:
        """Tell whether each of these starts of words is the start of a word here."""
        return self._starts.issuperset(needs)


def needs(anchor: str) -> tuple[bytes, ...]:
    """Give the starts of words that a text must have to hold an anchor, which starts where a word does."""
    return tuple(run[:_FIRST].encode() for run in _RUN.findall(anchor.encode("utf-8").decode("latin-1")))


def folded(text: str) -> str:
    """Give a text in lower case with compatibility forms folded, as long as it was (INVARIANT)."""
    if text.isascii():
        return text.lower()
    return text.translate(_FOLDING)


def readings(text: str, low: str, vocabulary: Vocabulary) -> Iterator[Reading]:
    """Give the other readings of a text, of which `low` is the folded form; each in bounded pieces."""
    for letters, spaced in _SPACED:
        if letters <= vocabulary.words:
            for start, end in _around(low, spaced):
                yield Reading("disguised", _closed(low[start:end]), start, end)
    if any(word.isalnum() and not word.isalpha() and not word.isdigit() for word in vocabulary.words):
        joined = b" ".join(vocabulary.words).decode()
        for start, end in _around(low, tuple(filter(joined.__contains__, _LEET_ANCHORS))):
            yield Reading("disguised", low[start:end].translate(_LEET), start, end)
    if not text.isascii():
        if len(bare := _UNSEEN.sub("", low)) != len(low):
            yield Reading("disguised", bare, 0, len(text))
        if _MIXED.search(low):
            yield Reading("disguised", low.translate(_LOOKALIKE), 0, len(text))
    for start, end in _around(low, _present(_ROT_ANCHORS, vocabulary)):
        yield Reading("encoded", low[start:end].translate(_ROT13), start, end)
    for start, end in _around(low, _present(_BACK_ANCHORS, vocabulary)):
        yield Reading("encoded", low[start:end][::-1], start, end)
    for start, end in _around(low, _present(("concatenate", "join a", "a+b", "a + b"), vocabulary)):
        yield Reading("encoded", _JOIN.sub("", low[start:end]), start, end)
    yield from _escaped(text)
    yield from _decoded(text)


def _present(anchors: tuple[str, ...], vocabulary: Vocabulary) -> tuple[str, ...]:
    return tuple(anchor for anchor in anchors if vocabulary.may_hold(needs(anchor)))


def unseen(text: str) -> int:
    """Count the characters that nobody sees."""
    return 0 if text.isascii() else len(_UNSEEN.findall(text))


def _around(low: str, anchors: tuple[str, ...]) -> list[tuple[int, int]]:
    """Give the merged pieces around the first places of each anchor."""
    found: list[tuple[int, int]] = []
    for anchor in anchors:
        at = low.find(anchor)
        while at >= 0 and len(found) < _PIECES:
            found.append((max(0, at - _PIECE), min(len(low), at + _PIECE)))
            at = low.find(anchor, at + _PIECE)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _closed(low: str) -> str:
    """Close up letters that stand apart; two spaces between them part words."""
    parts = re.split(r"\s{2,}", low)
    return " ".join(_LETTER.sub(lambda match: re.sub(r"[ ._-]", "", match[0]), part) for part in parts)


def _escaped(text: str) -> Iterator[Reading]:
    """Undo percent and entity escapes of letters, which need none."""
    if sum(map(text.count, _PERCENT_LETTERS)) >= _ENOUGH:
        yield Reading("encoded", folded(_PERCENT.sub(lambda match: chr(int(match[1], 16)), text)), 0, len(text))
    if text.count("&#") >= _ENOUGH:
        yield Reading("encoded", folded(_ENTITY.sub(_character, text)), 0, len(text))


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16) if match[1] else int(match[2])
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def _decoded(text: str) -> Iterator[Reading]:
    """Decode base64 and hexadecimal words that hold readable text."""
    at, count = 0, 0
    for word in text.split():
        if len(word) < _LONG:
            continue
        at = text.find(word, at)
        for match in _BASE64.finditer(word):
            count += 1
            if count > _PIECES * 4:
                return
            piece = match[0][:_MOST]
            if inner := (_from_hex(piece) if _HEX.fullmatch(piece) else _from_base64(piece)):
                yield Reading("encoded", folded(inner), at + match.start(), at + match.end())
        at += len(word)


def _from_base64(text: str) -> str:
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    text = text[: len(text) - 1] if len(text) % 4 == 1 else text
    try:
        return _readable(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _from_hex(text: str) -> str:
    return _readable(bytes.fromhex(text[: len(text) & ~1]))


def _readable(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    printable = sum(character.isprintable() or character in "\n\t" for character in text)
    return text if printable >= 0.95 * len(text) else ""
