"""The values that a conversation is known to hold, and where they stand in a text.

Matching is exact, also in the forms that a value has inside JSON. It must never decide what is a value, and its cost
is linear in the text, whatever the number of values.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import ahocorasick

from poundlock.core.model import Finding
from poundlock.core.nesting import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poundlock.core.model import Family, Tier

UNBOUNDED_KNOWN = 16
"""From this length on a value is matched inside a longer word, too."""


class Span(NamedTuple):
    """A recognised span of a segment, with the value that a surrogate for it stands for."""

    start: int
    end: int
    rule_id: str
    family: Family
    kind: str
    tier: Tier
    confidence: float
    value: str
    fingerprint: str

    def finding(self, segment: int) -> Finding:
        """Give the finding for this span of segment `segment`: all but the value."""
        return Finding(
            rule_id=self.rule_id,
            family=self.family,
            kind=self.kind,
            tier=self.tier,
            segment=segment,
            start=self.start,
            end=self.end,
            confidence=self.confidence,
            fingerprint=self.fingerprint,
        )


class KnownValues:
    """Exact matching of a growing set of values.

    The automata are kept like the digits of a binary counter (one of 1, 2, 4, 8 … values), so that adding `n` values
    one by one costs n log n and a text is searched by log n automata at the most.
    """

    def __init__(self) -> None:
        self.digest = b""
        self._values: dict[str, Span] = {}
        self._levels: list[list[Span]] = []
        self._automata: dict[int, ahocorasick.Automaton] = {}
        self._counts: dict[bytes, int] = {b"": 0}  # how many values there were when the digest was this one
        self._later: dict[int, KnownValues] = {}

    def __contains__(self, value: str) -> bool:
        return value in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def add(self, span: Span) -> None:
        """Match this span's value from now on."""
        if span.value in self._values:
            return
        self._values[span.value] = span
        self._later.clear()
        self.digest = hashlib.blake2b(self.digest + span.fingerprint.encode() + span.rule_id.encode()).digest()
        self._counts[self.digest] = len(self._values)
        carry = [span]
        level = 0
        while level < len(self._levels) and self._levels[level]:
            carry += self._levels[level]
            self._levels[level] = []
            self._automata.pop(level, None)
            level += 1
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level] = carry
        self._automata.pop(level, None)

    def also(self, spans: list[Span]) -> KnownValues:
        """Give the set of these values, named as what follows on this one."""
        more = KnownValues()
        more.digest = self.digest
        for span in spans:
            more.add(span)
        return more

    def since(self, digest: bytes) -> KnownValues | None:
        """Give the values that were added after the set had this digest, None if it never had."""
        count = self._counts.get(digest)
        if count is None:
            return None
        later = self._later.get(count)
        if later is None:
            later = self._later[count] = KnownValues()
            for span in list(self._values.values())[count:]:
                later.add(span)
        return later

    def stands_in(self, text: str) -> bool:
        """Tell whether any of the values stands in `text`."""
        return next(self.find(text), None) is not None

    def find(self, text: str) -> Iterator[Span]:
        """Give the places where a known value stands in `text`, in any order, perhaps overlapping."""
        for level, spans in enumerate(self._levels):
            if not spans:
                continue
            if len(spans) <= 2:  # below this `str.find` is faster than an automaton
                hits = ((at, form, span) for span in spans for form in _forms(span.value) for at in _places(text, form))
            else:
                automaton = self._automata.get(level)
                if automaton is None:
                    automaton = self._automata[level] = _automaton(spans)
                hits = ((end - len(form) + 1, form, span) for end, (form, span) in automaton.iter(text))
            for start, form, span in hits:
                end = start + len(form)
                if len(form) >= UNBOUNDED_KNOWN or _bounded(text, start, end):
                    yield span._replace(start=start, end=end)


def _forms(value: str) -> tuple[str, ...]:
    """Give a value as it stands at no, one and two levels of JSON, each form once."""
    return tuple(dict.fromkeys(escaped(value, levels) for levels in range(3)))


def _places(text: str, form: str) -> Iterator[int]:
    at = text.find(form)
    while at >= 0:
        yield at
        at = text.find(form, at + len(form))


def _bounded(text: str, start: int, end: int) -> bool:
    """Tell whether a place is not a part of a longer word or number."""
    before = start > 0 and text[start].isalnum() and text[start - 1].isalnum()
    return not before and not (end < len(text) and text[end - 1].isalnum() and text[end].isalnum())


def _automaton(spans: list[Span]) -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for span in spans:
        for form in _forms(span.value):
            automaton.add_word(form, (form, span))
    automaton.make_automaton()
    return automaton
