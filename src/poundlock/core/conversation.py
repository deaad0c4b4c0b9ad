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

from poundlock.core import surrogates
from poundlock.core.json_levels import JsonLevels, plain_value
from poundlock.core.known_values import KnownValues, Span
from poundlock.core.model import Passage, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from poundlock.core.detect.engine import Detector
    from poundlock.core.model import Document, Family, Finding, Match, ScopeKey, Segment, Surrogate

SHORTEST_KNOWN = 6
"""Shorter values are not matched exactly: they stand in too many words by chance."""
SHORTEST_PIECE = 4
"""What is left of a span beside a surrogate is kept from this length on."""
NOTES = 4
"""Under how many scopes and snapshots a passage is remembered."""
NOTED_SPANS = 64
"""How many spans and surrogates a passage may hold to be remembered as a whole; else its strings are, one by one."""
MATCHED_EXACTLY = frozenset({"secret", "pii"})
"""Families whose values are matched exactly; the others are recognised wherever they stand."""


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
    minted = {surrogate.fingerprint: surrogate for surrogate in issued.values()}
    ours = set(issued)
    taken: set[str] = set()
    present: set[str] = set()
    found: dict[str, Surrogate] = {}
    reading = _Reading(document, detector, key, memo, salt)
    seen, last = reading.seen, reading.last
    known, fresh = KnownValues(), list[Span]()
    for _, turn in groupby(sorted(seen), key=lambda i: segments[i].turn):
        indexes = list(turn)
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
                if segments[i].turn < last:
                    known.add(span)
                elif span.value not in known:
                    fresh.append(span)
    for surrogate in issued.values():
        if surrogate.fingerprint not in found and len(surrogate.value) >= SHORTEST_KNOWN:
            known.add(_span_of(surrogate))
    # What an earlier exchange knew comes first, what is new in this turn second: an old string is then searched for
    # the new values only.
    reading.match(known)
    late = reading.match_new(known, fresh) if fresh else 0
    findings = []
    for i in sorted(seen):
        for span in seen[i].spans:
            if span.fingerprint not in found:  # a remembered value, or one in another written form
                found[span.fingerprint] = minted.get(span.fingerprint) or surrogates.mint(
                    span.kind, span.value, key, taken
                )
            findings.append(span.finding(i))
    return Recognised(findings=tuple(findings), surrogates=found, present=frozenset(present), late=late)


class Note(NamedTuple):
    """What is remembered of a passage: what each segment holds by itself, and with the values `known`."""

    seen: tuple[Seen, ...]
    known: bytes
    matched: tuple[Seen, ...]


class _Reading:
    """What each segment of a document holds: `seen`, by index, has those that hold something.

    Of a passage that came before, the outcome is remembered as a whole: its strings need not even be named.
    """

    def __init__(self, document: Document, detector: Detector, key: ScopeKey, memo: Memo, salt: bytes) -> None:
        self._segments = document.segments
        self._detector = detector
        self._key = key
        self._memo = memo
        self._salt = salt
        self._digests: dict[int, bytes] = {}
        self._alone: list[int] = []
        self._passages: list[tuple[int, Passage, Note]] = []
        self.seen: dict[int, Seen] = {}
        self.last = 0
        at = 0
        for start, passage in document.passages:
            self._read_alone(at, start)
            at = start + len(passage.segments)
            note = passage.notes.get(salt) or self._noted(start, passage)
            self._passages.append((start, passage, note))
            self.last = max(self.last, passage.turn)
            if note.seen:
                self.seen.update((start + i, held) for i, held in enumerate(note.seen) if held is not NOTHING)
        self._read_alone(at, len(self._segments))

    def match(self, known: KnownValues) -> None:
        """Add the places where a value stands that an earlier turn, or the vault, knew."""
        if not known:
            return
        for i in self._alone:
            self._take(i, self._matched(i, known))
        for start, passage, note in self._passages:
            if note.known != known.digest:
                matched = self._again(start, passage, note, known)
                note = _keep(passage, self._salt, note._replace(known=known.digest, matched=matched))  # noqa: PLW2901
            if note.matched is not note.seen:
                for i, held in enumerate(note.matched):
                    self._take(start + i, held)

    def match_new(self, known: KnownValues, fresh: list[Span]) -> int:
        """Add the places of values that only this turn gave away; give how many of them stand in old turns."""
        late = 0
        more = known.also(fresh)
        changed = [
            start + i
            for start, passage, _ in self._passages
            for i, segment in enumerate(passage.segments)
            if _readable(segment) and more.stands_in(segment.text)
        ]
        for i in (*self._alone, *changed):
            before = len(self.seen.get(i, NOTHING).spans)
            self._take(i, self._matched(i, more))
            if self._segments[i].turn < self.last:
                late += len(self.seen.get(i, NOTHING).spans) - before
        return late

    def _read_alone(self, start: int, end: int) -> None:
        """Read segments that stand in no passage."""
        for i in range(start, end):
            segment = self._segments[i]
            if _readable(segment):
                self._alone.append(i)
                self.last = max(self.last, segment.turn)
                self._take(i, self._look(i))

    def _look(self, i: int) -> Seen:
        digest = self._digests[i] = _digest(self._segments[i], self._salt)
        return self._memo.get(digest) or _look(self._segments[i], self._detector, self._key, self._memo, digest)

    def _matched(self, i: int, values: KnownValues) -> Seen:
        segment = self._segments[i]
        digest = self._digests.get(i) or _digest(segment, self._salt)
        return _match(segment.text, self.seen.get(i, NOTHING), values, self._key, self._memo, digest)

    def _take(self, i: int, held: Seen) -> None:
        if held is not NOTHING:
            self.seen[i] = held

    def _noted(self, start: int, passage: Passage) -> Note:
        """Read a passage that was not read before, under this scope and snapshot."""
        seen = _held(
            self._look(start + i) if _readable(segment) else NOTHING for i, segment in enumerate(passage.segments)
        )
        return _keep(passage, self._salt, Note(seen, b"", seen))

    def _again(self, start: int, passage: Passage, note: Note, known: KnownValues) -> tuple[Seen, ...]:
        """Give what a passage holds with these known values: as before, where those that are more stand nowhere."""
        more = known.since(note.known)
        if more is not None and not any(_readable(each) and more.stands_in(each.text) for each in passage.segments):
            return note.matched
        return _held(
            self._matched(start + i, known) if _readable(segment) else NOTHING
            for i, segment in enumerate(passage.segments)
        )


def joined(parts: list[Passage]) -> Passage:
    """Give passages that follow one another as one, with what is remembered of each under the same scope."""
    whole = Passage(tuple(segment for part in parts for segment in part.segments))
    for salt in set.intersection(*(set(part.notes) for part in parts)):
        notes = [part.notes[salt] for part in parts]
        seen = _held(held for part, note in zip(parts, notes, strict=True) for held in _each(part, note.seen))
        known = {note.known for note in notes}
        if len(known) == 1:
            matched = _held(held for part, note in zip(parts, notes, strict=True) for held in _each(part, note.matched))
            _keep(whole, salt, Note(seen, known.pop(), seen if matched == seen else matched))
        else:
            _keep(whole, salt, Note(seen, b"", seen))
    return whole


def _each(passage: Passage, held: tuple[Seen, ...]) -> tuple[Seen, ...]:
    return held or (NOTHING,) * len(passage.segments)


def _readable(segment: Segment) -> bool:
    return bool(segment.text) and not segment.opaque


def _held(held: Iterable[Seen]) -> tuple[Seen, ...]:
    """Give what segments hold, none at all where it is nothing."""
    all_held = tuple(held)
    return () if all(each is NOTHING for each in all_held) else all_held


def _keep(passage: Passage, salt: bytes, note: Note) -> Note:
    """Remember a note, unless it is large; of a passage that many scopes or snapshots have read, only some are kept."""
    if sum(len(held.spans) + len(held.surrogates) for held in note.matched) <= NOTED_SPANS:
        notes = passage.notes
        if len(notes) >= NOTES and salt not in notes:
            notes.clear()
        notes[salt] = note
    return note


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
