"""A conversation as a whole: which spans of which segments hold something, and the surrogate for each value.

An agent sends the whole conversation anew at each turn, and what was restored on the way home comes back without the
surroundings that gave it away. So a value that was found anywhere is matched exactly everywhere: in what the client
sends (aider, for one, moves files behind the history) and, by what the vault remembers, after the text that gave it
away is gone. The result follows from the request and the vault alone: a restart and another worker see the same, and
turns keep their bytes. Only a value that gives itself away later than it first stood changes an old turn: a
tightening, which is counted.

INVARIANT: cost follows the new text. What was found in a string, under one scope and snapshot, is remembered by the
string's keyed digest; matching of known values is linear in the text, whatever their number.
"""

from __future__ import annotations

import bisect
import hashlib
from collections import OrderedDict
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, cast

import ahocorasick

from poundlock.core import surrogates
from poundlock.core.json_levels import JsonLevels, plain_value
from poundlock.core.model import Finding, Value
from poundlock.core.nesting import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from poundlock.core.detect.engine import Detector
    from poundlock.core.model import Document, Family, Match, ScopeKey, Segment, Surrogate, Tier

SHORTEST_KNOWN = 6
"""Shorter values are not matched exactly: they stand in too many words by chance."""
UNBOUNDED_KNOWN = 16
"""From this length on a value is matched inside a longer word, too."""
SHORTEST_PIECE = 4
"""What is left of a span beside a surrogate is kept from this length on."""
MATCHED_EXACTLY = frozenset({"secret", "pii"})
"""Families whose values are matched exactly; the others are recognised wherever they stand."""


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


class Seen(NamedTuple):
    """What one string holds: recognised spans, and the surrogates that already stand in it (canonical texts)."""

    spans: tuple[Span, ...]
    surrogates: tuple[tuple[int, int, str], ...]


NOTHING = Seen((), ())
"""What most strings hold."""


class Memo:
    """What was found in which string, bounded by bytes; the oldest goes first. Keys are digests, never text."""

    def __init__(self, limit: int) -> None:
        """Keep at most about `limit` bytes."""
        self.limit = limit
        self.size = 0
        self.hits = 0
        self.misses = 0
        self._seen: OrderedDict[bytes, tuple[Seen, int]] = OrderedDict()

    def get(self, key: bytes) -> Seen | None:
        """Give what was found under this key, if it is still known."""
        entry = self._seen.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        try:  # noqa: SIM105 (asked for each string: `suppress` takes longer than all the rest)
            self._seen.move_to_end(key)
        except KeyError:  # another thread let it go meanwhile; the answer is right all the same
            pass
        return entry[0]

    def put(self, key: bytes, seen: Seen) -> None:
        """Remember what was found, and forget the oldest where that is too much."""
        cost = 200
        if seen is not NOTHING:
            cost += sum(300 + 2 * len(span.value) for span in seen.spans) + 150 * len(seen.surrogates)
        if cost > self.limit or key in self._seen:  # two exchanges may have looked at the same string at a time
            return
        self._seen[key] = (seen, cost)
        self.size += cost
        while self.size > self.limit and self._seen:
            try:
                _, (_, old) = self._seen.popitem(last=False)
            except KeyError:
                break
            self.size -= old


class Recognised(Value, frozen=True, kw_only=True):
    """The outcome of the fold.

    `surrogates`: the stand-in for each value, by fingerprint, in the order first seen. `present`: surrogates issued
    in this conversation that stand in the text already. `late`: places in old turns at which a value stands that only
    this turn gave away (a tightening of an old turn).
    """

    _hidden = frozenset({"surrogates"})

    findings: tuple[Finding, ...]
    surrogates: Mapping[str, Surrogate]
    present: frozenset[str]
    late: int = 0


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

    def __contains__(self, value: str) -> bool:
        return value in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def add(self, span: Span) -> None:
        """Match this span's value from now on."""
        if span.value in self._values:
            return
        self._values[span.value] = span
        self.digest = hashlib.blake2b(self.digest + span.fingerprint.encode() + span.rule_id.encode()).digest()
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


def recognise(
    document: Document,
    detector: Detector,
    key: ScopeKey,
    issued: Mapping[str, Surrogate],
    memo: Memo,
    salt: bytes = b"",
) -> Recognised:
    """Find what each segment of `document` holds, and mint a surrogate for each value.

    `issued` are the surrogates that the vault remembers of this conversation, by text. `salt` names the snapshot, so
    that a new one sees everything anew.

    A surrogate's text that a person typed before Poundlock issued it in this conversation means itself, and nothing
    else: a value whose surrogate it would have been gets another one.
    """
    salt = hashlib.blake2b(key.fingerprint + salt, digest_size=32).digest()
    segments = document.segments
    readable = [i for i, segment in enumerate(segments) if segment.text and not segment.opaque]
    minted = {surrogate.fingerprint: surrogate for surrogate in issued.values()}
    ours = set(issued)
    taken: set[str] = set()
    present: set[str] = set()
    found: dict[str, Surrogate] = {}
    turns = [segment.turn for segment in segments]
    seen, digests = dict[int, Seen](), dict[int, bytes]()
    for i in readable:
        digest = digests[i] = _digest(segments[i], salt)
        seen[i] = memo.get(digest) or _look(segments[i], detector, key, memo, digest)
    last = max((turns[i] for i in readable), default=0)
    known, fresh = KnownValues(), list[Span]()
    for _, turn in groupby(readable, key=turns.__getitem__):
        indexes = [i for i in turn if seen[i] is not NOTHING]
        for i in indexes:
            for _start, _end, canonical in seen[i].surrogates:
                if canonical in ours:
                    present.add(canonical)
                elif segments[i].origin == "typed":
                    taken.add(canonical)
        for i in indexes:
            for span in seen[i].spans:
                if span.fingerprint not in found:
                    surrogate = minted.get(span.fingerprint) or surrogates.mint(span.kind, span.value, key, taken)
                    found[span.fingerprint] = surrogate
                    ours.add(surrogate.text)
                if span.family not in MATCHED_EXACTLY or len(span.value) < SHORTEST_KNOWN:
                    continue
                if turns[i] < last:
                    known.add(span)
                elif span.value not in known:
                    fresh.append(span)
    for surrogate in issued.values():
        if surrogate.fingerprint not in found and len(surrogate.value) >= SHORTEST_KNOWN:
            known.add(_span_of(surrogate))
    # What an earlier exchange knew comes first, what is new in this turn second: an old string is then searched for
    # the new values only.
    late = 0
    for values in (known, known.also(fresh)):
        for i in readable if values else ():
            before = len(seen[i].spans)
            seen[i] = _match(segments[i].text, seen[i], values, key, memo, digests[i])
            late += len(seen[i].spans) - before if values is not known and turns[i] < last else 0
    findings = []
    for i in readable:
        for span in seen[i].spans:
            if span.fingerprint not in found:  # a remembered value, or one in another written form
                found[span.fingerprint] = minted.get(span.fingerprint) or surrogates.mint(
                    span.kind, span.value, key, taken
                )
            findings.append(span.finding(i))
    return Recognised(findings=tuple(findings), surrogates=found, present=frozenset(present), late=late)


def _digest(segment: Segment, salt: bytes) -> bytes:
    """Name a string together with all that its inspection depends on."""
    # SHA-256, for which processors have instructions: half the time of BLAKE2. The key's length is told, so that no key
    # with a text can be taken for another one with another text; the salt's length is always the same.
    key = segment.key
    named = f"{segment.kind}\0{segment.role}\0{len(key)}\0{key}{segment.text}"
    return hashlib.sha256(salt + named.encode("utf-8", "surrogatepass")).digest()[:16]


def _look(segment: Segment, detector: Detector, key: ScopeKey, memo: Memo, digest: bytes) -> Seen:
    """Find what one string holds by itself, and remember it."""
    text = segment.text
    held = tuple((place.start, place.end, place.canonical) for place in surrogates.find(text))
    matches = detector.detect(text, key=segment.key)
    seen = NOTHING
    if held or matches:
        levels = JsonLevels(text)
        spans = (_span(text, match, key, levels) for match in matches)
        seen = Seen(tuple(_unmasked(spans, held, text, key)), held)
    memo.put(digest, seen)
    return seen


def _match(text: str, seen: Seen, known: KnownValues, key: ScopeKey, memo: Memo, digest: bytes) -> Seen:
    """Add the places where a known value stands; what is recognised already wins, then the longer place."""
    name = digest + known.digest
    matched = memo.get(name)
    if matched is not None:
        return matched
    extra = []
    if places := sorted(known.find(text), key=lambda place: (place.start - place.end, place.start)):
        free = _Free([*((s.start, s.end) for s in seen.spans), *((s, e) for s, e, _ in seen.surrogates)])
        levels = JsonLevels(text)
    for place in places:
        if free.take(place.start, place.end):
            value = plain_value(text, place.start, place.end, levels)
            print_ = place.fingerprint if value == place.value else surrogates.fingerprint(value, key)
            extra.append(place._replace(value=value, fingerprint=print_))
    matched = Seen(tuple(sorted([*seen.spans, *extra])), seen.surrogates) if extra else seen
    memo.put(name, matched)
    return matched


class _Free:
    """Which stretches of a text are not spoken for."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(spans):
            self._starts.append(start)
            self._ends.append(end)

    def take(self, start: int, end: int) -> bool:
        """Claim a stretch, unless some of it is claimed already."""
        at = bisect.bisect_left(self._starts, end)
        if at and self._ends[at - 1] > start:
            return False
        self._starts.insert(at, start)
        self._ends.insert(at, end)
        return True


def _span(text: str, match: Match, key: ScopeKey, levels: JsonLevels) -> Span:
    """Give a match its value: what stands there, less the JSON levels in which it stands.

    Other encodings (base64, percent) stay: what comes home must fit where it stood.
    """
    value = plain_value(text, match.start, match.end, levels)
    return Span(
        match.start,
        match.end,
        match.rule_id,
        match.family,
        match.kind,
        match.tier,
        match.confidence,
        value,
        surrogates.fingerprint(value, key),
    )


def _unmasked(
    spans: Iterable[Span], held: tuple[tuple[int, int, str], ...], text: str, key: ScopeKey
) -> Iterator[Span]:
    """Leave surrogates out of what was recognised: what remains on either side of one is recognised by itself."""
    for span in spans:
        start = span.start
        inside = [(s, e) for s, e, _ in held if s < span.end and e > span.start]
        if not inside:
            yield span
            continue
        for s, e in [*inside, (span.end, span.end)]:
            piece = text[start : max(s, start)]
            if len(piece.strip()) >= SHORTEST_PIECE:
                yield span._replace(
                    start=start, end=start + len(piece), value=piece, fingerprint=surrogates.fingerprint(piece, key)
                )
            start = max(start, e)


def _span_of(surrogate: Surrogate) -> Span:
    """Give the span (of no place yet) for a value that the vault remembers."""
    family = cast("Family", surrogate.kind.partition(".")[0])
    return Span(0, 0, surrogate.kind, family, surrogate.kind, "internal", 1.0, surrogate.value, surrogate.fingerprint)


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
