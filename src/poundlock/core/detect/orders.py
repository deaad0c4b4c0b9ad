"""Text that gives orders to an assistant: instructions hidden in what an agent reads.

Signs are counted by what they are for (setting its instructions aside, speaking to it, keeping something from its
person, carrying something out, being invisible); most are ordinary alone, and near each other they are not. Text that
talks *about* injection, and orders in quotes, count less. Patterns run only near literal words, so the cost is linear.
It must never look at what a person typed, and never keep or tell a piece of the text.
"""

# ruff: noqa: E501, RUF001 (a pattern reads best in one piece; quotation marks are the matter)

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core import matches as found_matches
from poundlock.core.detect import veils
from poundlock.core.detect.signs import FOREIGN, PATTERNS, REACH, REASONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poundlock.core.detect.signs import Pattern

LONGEST = 262_144
"""Characters of a text that are looked at."""
ORDERED = 60
"""A score from which a text counts as one that gives orders. Scores go from 0 to 100."""
_NEAR = 700
"""Signs that stand so near each other count together."""
_MOST = 64
"""Signs of one kind and places of one anchor that are looked at in a text."""
_ABOUT_IT = 0.45
"""What a score counts in a text whose subject is injection itself."""
_TOLD = 0.35
"""What an order in quotes counts."""
_HIDDEN = 30.0
_AGAIN = 15.0
"""What a second sign counts that the reader's task be another one."""
_VEILED = frozenset(
    {
        "takeover",
        "persona",
        "persist",
        "reach",
        "override",
        "address",
        "conceal",
        "carry",
        "role",
        "act",
        "leak",
        "consent",
        "deceive",
        "steal",
    }
)
_PARTNERS = frozenset(
    {
        "override",
        "takeover",
        "address",
        "conceal",
        "consent",
        "leak",
        "role",
        "persona",
        "persist",
        "carry",
        "steal",
        "deceive",
    }
)


class Sign(NamedTuple):
    """One sign: what it is for, and where it stands, in code points of the text as it was given."""

    kind: str
    start: int
    end: int


class Orders(NamedTuple):
    """What was found: a score, its signs in order, and why in words."""

    score: int
    signs: tuple[Sign, ...]
    reasons: tuple[str, ...]


NONE = Orders(0, (), ())

_HIDDEN_MARKUP = re.compile(
    r"<!--.{1,4000}?-->|<\w+[^<>]{0,200}(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[01](?:px)?\b|"
    r"opacity\s*:\s*0(?:\D|$)|color\s*:\s*(?:white|#fff(?:fff)?|transparent)\b|left\s*:\s*-\d{3,})[^<>]{0,200}>[^<]{1,4000}"
    r"|^\[(?:comment|//|_|#)\]:\s*(?:#|<>)\s*[\"'(][^\n]{1,2000}|!\[[^\]\n]{30,1000}\]\(|(?:aria-label|alt|title)=\"[^\"\n]{30,1000}\"|content:\s*\"[^\"\n]{30,1000}\"",
    re.DOTALL | re.MULTILINE,
)
_HIDDEN_ANCHORS = ("<!--", "style=", "]: #", "]: <>", "![", "aria-label", "alt=", "title=", "content:")
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{4,6}\U000e007f")
_ZERO_RUN = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff]{16,}")
_SELECTORS = re.compile("[\ufe00-\ufe0e\U000e0100-\U000e01ef]{6,}")
_TURNED = re.compile("[\u202d\u202e]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff]")
# Words of those who write about it. Each counts once.
_ABOUT = re.compile(
    r"prompt[- ]injection|injection attack|jailbreak\w*|red[- ]team\w*|adversarial|attackers?|malicious(?:ly)?|vulnerab\w+|"
    r"exploit\w*|mitigat\w+|defen[cs]e\w*|\bdetect(?:s|ed|ing|ion|or)\b|owasp|payloads?|threat model|for example|\be\.g\.|"
    r"sanitiz\w+|guardrails?|benchmark|classifier|security (?:research|advisory|policy)|\bcve-\d|proof of concept|"
    r"untrusted|hidden text|injections?\b|quiz|expected"
)
_SUBJECT = re.compile(
    r"prompt[- ]injection|jailbreak|injection attack|injections?\b|owasp|red[- ]team|\bcve-\d|hidden instruction"
)
_QUOTED = re.compile(
    r"`[^`\n]{4,400}`|[\"“«„‘][^\"“”«»’\n]{8,400}[\"”»“’]|^\s{0,3}>[^\n]{8,400}|^\s{0,8}(?:-\w, )?--[a-z][^\n]{8,400}",
    re.MULTILINE,
)
_FENCED = re.compile(r"^```[^\n]*\n.{1,20000}?^```|<code>.{1,4000}?</code>", re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(r"(?:[:=]\s*\(?|^|\"\"|content:\s*)$")
"""What stands before a quote that is a value (`"note": "…"`), not somebody's words."""
_COUNTERED = re.compile(
    r"(?:\bnever|\bmust not|\bmay not|\bcannot|\bshould not|\bdo not|\bdon't|\brefuse|\b(?:asks?|asked|told|tells?|instructed|tries|attempts?|try|wants?|trying)(?: \w+){0,2}(?: to)?|"
    r"\bsuch as|\be\.g\.|\bfor example|\blike|\bhow|\bwhy|\bwhich|\bthat|\bmodels|\b(?:not|to) reveal|\bagainst|\bdoes not|\bwill not|\bit|\bagent (?:tried|did)|\bpatterns? of|\bcan|\bmay)\s+(?:\w+[ ,]+){0,3}[\"'`‘“(]?$"
)
_TURNABLE = frozenset({"steal", "persona", "takeover", "override", "leak", "carry", "act", "role", "deceive"})


def find(text: str) -> Orders:
    """Look for orders in a text that an agent reads. Linear in its length, up to `LONGEST`."""
    text = text[:LONGEST]
    low = veils.folded(text)
    vocabulary = veils.Vocabulary(low)
    found = _scored(low, vocabulary)
    score, signs, kinds = found.score, list(found.signs), set(found.kinds)
    for reading in veils.readings(text, low, vocabulary):
        inner = _scored(reading.text, veils.Vocabulary(reading.text))
        if inner.score >= 40 and inner.score > (0 if reading.kind == "encoded" else found.score):
            kinds |= inner.kinds | {reading.kind}
            # A text about injection shows samples, also encoded ones.
            score = max(score, (inner.score + _HIDDEN) * (_ABOUT_IT if _SUBJECT.search(low) else 1.0))
            signs.append(Sign(reading.kind, reading.start, reading.end))
    if not text.isascii():
        for start, end, weight in _invisible(text, bool(kinds)):
            score = max(score, weight) if weight >= ORDERED else score + weight
            kinds.add("invisible")
            signs.append(Sign("invisible", start, end))
    if not signs:
        return NONE
    reasons = tuple(words for kind, words in REASONS.items() if kind in kinds)
    return Orders(min(100, round(score)), tuple(sorted(signs, key=lambda sign: sign.start)), reasons)


def matches(text: str) -> tuple[found_matches.Match, ...]:
    """Give the signs of a text that gives orders as findings of the family `injection`; none of one that does not.

    A text is looked at in pieces of `LONGEST`. Findings don't overlap; their confidence is the piece's score.
    """
    out: list[found_matches.Match] = []
    for begin in range(0, len(text), LONGEST):
        found = find(text[begin : begin + LONGEST])
        if found.score < ORDERED:
            continue
        reached = 0
        for sign in found.signs:
            if sign.start < reached:
                continue
            reached = sign.end
            kind = f"injection.{sign.kind}"
            start, end = begin + sign.start, begin + sign.end
            value = text[start:end]
            out.append(found_matches.Match(kind, "injection", kind, "internal", start, end, found.score / 100, value))
    return tuple(out)


class _Weighed(NamedTuple):
    score: float
    signs: tuple[Sign, ...]
    kinds: frozenset[str]


_NOTHING = _Weighed(0.0, (), frozenset())
_ANCHORED = tuple(
    (pattern, tuple((anchor, anchor.isascii(), veils.needs(anchor)) for anchor in pattern.anchors))
    for pattern in (*PATTERNS, *FOREIGN)
    if pattern.anchors
)


def _scored(low: str, vocabulary: veils.Vocabulary) -> _Weighed:
    """Weigh a text in lower case."""
    signs: list[tuple[Sign, int]] = []
    ascii_only = low.isascii()
    for pattern, anchors in _ANCHORED:
        present = [
            anchor for anchor, plain, needed in anchors if (plain or not ascii_only) and vocabulary.may_hold(needed)
        ]
        if present:
            signs += _signs(low, pattern, _windows(low, present))
    if not any(sign.kind in _PARTNERS or weight >= ORDERED for sign, weight in signs):
        return _NOTHING
    regions = _merged([(max(0, sign.start - _NEAR), min(len(low), sign.end + _NEAR)) for sign, _ in signs])
    for pattern in PATTERNS if ascii_only else (*PATTERNS, *FOREIGN):
        signs += _signs(low, pattern, regions)
    signs = sorted(dict.fromkeys(signs))
    quoted = _spans(low, regions, (_FENCED, _QUOTED))
    hidden = _spans(low, regions, (_HIDDEN_MARKUP,)) if any(map(low.__contains__, _HIDDEN_ANCHORS)) else []
    weighed = [(sign, *_weigh(low, sign, weight, quoted, hidden)) for sign, weight in signs]
    best, kinds = 0.0, frozenset[str]()
    first = 0
    for last, (sign, _, _) in enumerate(weighed):
        while weighed[first][0].start < sign.end - _NEAR and first < last:
            first += 1
        each: dict[str, float] = {}
        for other, weight, veiled in weighed[first : last + 1]:
            if weight > 0:
                if other.kind == "takeover" and other.kind in each:
                    each["again"] = _AGAIN
                each[other.kind] = max(each.get(other.kind, 0.0), weight)
            if veiled and weight > 0:
                each["hidden"] = _HIDDEN
        if (joined := _joined(each)) > best:
            best, kinds = joined, frozenset(each)
    about = {match[0] for low_, high in regions for match in _ABOUT.finditer(low, low_, high)}
    if _SUBJECT.search(low):
        best *= _ABOUT_IT
    elif len(about) >= 2:
        best *= max(0.4, 1.0 - 0.14 * len(about))
    return _Weighed(best, tuple(sign for sign, _ in signs), kinds)


def _joined(each: dict[str, float]) -> float:
    """Join kinds that stand near each other: what is ordinary by itself does not reach far."""
    score = sum(each.values())
    if not _PARTNERS & each.keys() and max(each.values(), default=0.0) < ORDERED:
        return min(score, 45.0)
    return score


def _weigh(
    low: str, sign: Sign, weight: float, quoted: Sequence[tuple[int, int]], hidden: Sequence[tuple[int, int]]
) -> tuple[float, bool]:
    """Give what a sign counts where it stands, and whether people don't see it there."""
    veiled = sign.kind in _VEILED and any(start <= sign.start and sign.end <= end + 2 for start, end in hidden)
    if sign.kind in _TURNABLE and _COUNTERED.search(low[max(0, sign.start - 48) : sign.start]):
        return 0.0, False
    if sign.kind in {"carry", "reach", "steal"} and ".pub" in low[sign.start : sign.end + 24]:
        return 0.0, False  # a public key
    if veiled:
        return weight, True
    for start, end in quoted:
        if start <= sign.start and sign.end <= end:
            # A command in code marks is an order's object; in other quotes somebody is cited.
            if low[start] == "`" and not low.startswith("```", start) and sign.kind in {"act", "steal", "carry"}:
                break
            if low[start] in "\"'" and _MEMBER.search(low[max(0, start - 12) : start]):
                break
            return weight * _TOLD, False
    return weight, False


def _signs(low: str, pattern: Pattern, windows: Iterable[tuple[int, int]]) -> list[tuple[Sign, int]]:
    """Give the signs of a pattern in windows of a text."""
    found: list[tuple[Sign, int]] = []
    for start, end in windows:
        for match in pattern.expression.finditer(low, start, end):
            if pattern.also is not None and not pattern.also.search(low, *_sentence(low, match, pattern)):
                continue
            found.append((Sign(pattern.kind, match.start(), match.end()), pattern.weight))
            if len(found) >= _MOST:
                return found
    return found


def _sentence(low: str, match: re.Match[str], pattern: Pattern) -> tuple[int, int]:
    """Give where what a pattern must also hold may stand: in its match; for what is carried, to the end of the line."""
    if pattern.kind not in {"carry", "steal"}:
        return match.start(), match.end()
    stop = low.find("\n", match.end(), match.end() + REACH)
    return match.start(), stop if stop >= 0 else min(len(low), match.end() + REACH)


def _windows(low: str, anchors: Iterable[str]) -> list[tuple[int, int]]:
    """Give the merged windows around the anchors of a pattern."""
    found = []
    for anchor in anchors:
        at = low.find(anchor)
        count = 0
        while at >= 0 and count < _MOST:
            found.append((max(0, at - REACH), min(len(low), at + len(anchor) + REACH)))
            at = low.find(anchor, at + REACH)
            count += 1
    return _merged(found)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _spans(low: str, regions: Iterable[tuple[int, int]], patterns: Iterable[re.Pattern[str]]) -> list[tuple[int, int]]:
    return [
        match.span() for pattern in patterns for start, end in regions for match in pattern.finditer(low, start, end)
    ]


def _invisible(text: str, signs: bool) -> Iterable[tuple[int, int, float]]:
    """Give what people can't see: text in tag characters, long runs of nothing, turned directions."""
    flags = {match.start() + 1 for match in _FLAG.finditer(text)}
    for match in _TAGS.finditer(text):
        if match.start() not in flags:
            yield *match.span(), 80.0
    for pattern in (_ZERO_RUN, _SELECTORS):
        if (found := pattern.search(text)) is not None:
            yield *found.span(), 65.0
    if (turned := _TURNED.search(text)) is not None and not _RIGHT_TO_LEFT.search(text):
        yield *turned.span(), 60.0
    elif signs and veils.unseen(text) >= 3 and not _RIGHT_TO_LEFT.search(text):
        yield 0, len(text), 15.0
