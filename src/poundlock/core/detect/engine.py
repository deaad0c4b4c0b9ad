"""The engine: candidates from the first stage, each verified in a window of fixed width, then validated and settled.

Immutable after it was built, and safe to share between threads. Must never keep a text or a value after `detect`
returned, and never do work that grows faster than its text.
"""

from __future__ import annotations

import bisect
import re
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.detect import columns, keyed, lexical, readings, scoring, validators, views
from poundlock.core.detect.compilation import LEXICAL, SEGMENT, STATEMENT, TABLE, VIEW
from poundlock.core.detect.rules import expression
from poundlock.core.detect.sources import Hyperscan, Keywords
from poundlock.core.matches import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poundlock.core.detect.compilation import Compiled
    from poundlock.core.detect.known import Known
    from poundlock.core.detect.names import Names
    from poundlock.core.detect.rules import Rule
    from poundlock.core.detect.sources import Source

DEEPEST = 3
PAIR_REACH = 300  # characters between the two secrets of a pair
KNOWN, CANARY = -1, -2  # numbers of the rules that are no rules: a registered value, a registered canary
KINDS = {KNOWN: "secret.known.value", CANARY: "secret.known.canary"}
FORWARD = 400
TRIED = -1000  # TRIED - n: up to where the keywords of the n-th rule were tried, and had no value
USUAL_KEY = 32
USUAL_KEYS = 4096
NARROW = 96
"""Up to so many places, trying each costs less than a search that would run on through the whole window."""


class Span(NamedTuple):
    """A candidate that was verified: a span of the text at hand, its confidence, its rule's number and its value."""

    start: int
    end: int
    confidence: float
    rule: int
    value: str


class Detector:
    """Finds sensitive values in a text.

    Built from compiled rules; `source` replaces the first stage (tests compare both). `names` and `known` are a
    company's own dictionary and registered values.
    """

    def __init__(
        self,
        compiled: Compiled,
        *,
        source: Source | None = None,
        names: Names | None = None,
        known: Known | None = None,
    ) -> None:
        self.rules = compiled.rules
        self.digest = compiled.digest + (names.digest if names else "") + (known.digest if known else "")
        self._triggers = compiled.triggers
        self._purposes = compiled.purposes
        self._source = source or (Hyperscan(compiled.database) if compiled.database else Keywords(compiled.triggers))
        self._families = [rule.family for rule in compiled.rules]
        # The last two are those of CANARY and KNOWN, which index from the end.
        self._ranks = [*map(_rank, compiled.rules), 9, 9]
        self._vendors = [_vendor(rule) for rule in compiled.rules] + ["", ""]
        self._names = names
        self._keys: dict[str, bool] = {}
        self._known = known
        # Filled on first use: most runs need few of the rules. Writing the same value twice is harmless.
        self._patterns: dict[int, re.Pattern[str]] = {}
        self._thens: dict[int, re.Pattern[str]] = {}
        self._columns: columns.Columns | None = None
        self._finders: dict[int, keyed.Finder] = {}
        self._checks: dict[int, tuple[tuple[Callable[[str, str], float], str], ...]] = {}
        self._lexical = {rule.lexical: number for number, rule in enumerate(compiled.rules) if rule.lexical}
        self._context: dict[str, list[int]] = {}
        for number, rule in enumerate(compiled.rules):
            for word in rule.context:
                self._context.setdefault(word, []).append(number)

    def detect(
        self, text: str, *, key: str = "", path: str = "", families: frozenset[str] | None = None
    ) -> tuple[Match, ...]:
        """Find the sensitive values of a text, in order and without overlaps.

        `key` is the name under which the text stands (as if `key = ` stood before it); `path` a file name, if known;
        `families` narrows what is looked for. Offsets are code points of `text`; a value is given fully decoded.
        """
        del path
        spans: list[Span] = []
        hits = self._source.scan(text)
        if hits:
            self._collect(text, hits, families, 0, spans)
        if self._known and (families is None or "secret" in families):
            spans.extend(self._registered(text))
        if key:
            self._keyed(text, key, families, spans)
        found = tuple(self._match(span) for span in self._paired(self._settle(spans))) if spans else ()
        found = self._names.add(text, found, families) if self._names else found
        if families is not None and "injection" in families:
            # Only where it is asked for by name: it is no value that could be disguised.
            from poundlock.core.detect import orders  # noqa: PLC0415 (its patterns take a while to compile)

            return tuple(sorted((*found, *orders.matches(text)), key=lambda match: match.start))
        return found

    def first_stage(self, text: str) -> list[tuple[int, int]]:
        """Give the places that a second look is for, as (end, trigger): what benchmarks tell apart."""
        return self._source.scan(text)

    def _paired(self, spans: list[Span]) -> list[Span]:
        """Raise the confidence of two different secrets of one vendor that stand close to each other: a pair."""
        vendors, rules = self._vendors, self.rules
        for number in range(1, len(spans)):
            first, second = spans[number - 1], spans[number]
            vendor = vendors[second.rule]
            if not vendor or vendor != vendors[first.rule] or second.start - first.end >= PAIR_REACH:
                continue
            if rules[first.rule].kind != rules[second.rule].kind:
                for place, one in ((number - 1, first), (number, second)):
                    spans[place] = one._replace(confidence=min(0.99, one.confidence + (1 - one.confidence) / 2))
        return spans

    def _registered(self, text: str) -> list[Span]:
        """Give the registered values of a text; they count more than anything that a rule finds."""
        if self._known is None:
            return []
        return [
            Span(hit.start, hit.end, 1.0, CANARY if hit.canary else KNOWN, hit.value) for hit in self._known.find(text)
        ]

    def _match(self, span: Span) -> Match:
        if span.rule < 0:
            kind = KINDS[span.rule]
            return Match(
                rule_id=kind,
                family="secret",
                kind=kind,
                tier="internal",
                start=span.start,
                end=span.end,
                confidence=span.confidence,
                value=span.value,
            )
        rule = self.rules[span.rule]
        return Match(
            rule_id=rule.id,
            family=self._families[span.rule],
            kind=rule.kind,
            tier=rule.tier,
            start=span.start,
            end=span.end,
            confidence=span.confidence,
            value=span.value,
        )

    def _collect(
        self, text: str, hits: list[tuple[int, int]], families: frozenset[str] | None, depth: int, spans: list[Span]
    ) -> None:
        purposes = self._purposes
        done: dict[int, int] = {}
        if len(hits) > lexical.BULK_HITS and len(hits) * lexical.BULK_DENSITY > len(text):
            count = sum(purposes[trigger] == LEXICAL for _, trigger in hits)
            if count > lexical.BULK_HITS and count * lexical.BULK_DENSITY > len(text):
                if families is None or "secret" in families:
                    self._bulk(text, spans)
                hits = [hit for hit in hits if purposes[hit[1]] != LEXICAL]
        for end, trigger in hits:
            purpose = purposes[trigger]
            if purpose >= 0:
                if end <= done.get(purpose, 0):
                    continue
                if families is None or self._families[purpose] in families:
                    self._verify(text, end, trigger, purpose, done, spans)
            elif purpose == LEXICAL:
                if end > done.get(LEXICAL, 0) and (families is None or "secret" in families):
                    self._read(text, end, done, spans)
            elif purpose in (TABLE, STATEMENT, SEGMENT):
                if end > done.get(purpose, 0) and (families is None or "pii" in families or "secret" in families):
                    self._tabled(text, end, purpose, families, done, spans)
            elif depth < DEEPEST and end > done.get(purpose, 0):
                self._view(text, end, purpose, families, depth, done, spans)

    def _verify(self, text: str, end: int, number: int, which: int, done: dict[int, int], spans: list[Span]) -> None:
        trigger = self._triggers[number]
        low = end - trigger.most
        before = done.get(which, 0)
        mode = self.rules[which].lexical
        if mode:
            if mode == "under":
                behind = keyed.BEHIND.match(text, end)
                if behind is None:
                    return
                end = behind.end(1)
            if end > before:
                self._beside(text, max(low, before, 0), end, which, done, spans)
            return
        if trigger.then:
            then = self._thens.get(which)
            if then is None:
                flags = re.ASCII | (re.IGNORECASE if self.rules[which].ignore_case else 0)
                then = self._thens[which] = re.compile(trigger.then, flags)
            if then.match(text, end) is None:
                return
        pattern = self._patterns.get(which)
        if pattern is None:
            rule = self.rules[which]
            pattern = re.compile(expression(rule), re.ASCII | (re.IGNORECASE if rule.ignore_case else 0))
            self._patterns[which] = pattern
        if trigger.fixed:
            if low < before:
                return
            found = pattern.match(text, low)
        else:
            if end <= before:
                return
            low = max(low, before)
            high = end + FORWARD
            for space in trigger.without:
                low = max(low, text.rfind(space, low, end - 1) + 1)
            if end - low <= NARROW:
                # A later start has a hit of its own, so the few places before this one's end are all there is to try.
                found, match = None, pattern.match
                for at in range(low, end):
                    if found := match(text, at, high):
                        break
            else:
                found = pattern.search(text, low, high)
            if found is None:
                # Every start that had room to end within the window has been tried for good.
                done[which] = max(before, high - max(trigger.most, FORWARD))
                return
            if found.end() == high:
                found = pattern.match(text, found.start()) or found
        if found is None:
            return
        start, stop = found.span("value")
        done[which] = stop
        value = found["value"]
        confidence = self._confidence(which, value)
        if confidence:
            spans.append(Span(start, stop, confidence, which, value))

    def _beside(self, text: str, low: int, end: int, which: int, done: dict[int, int], spans: list[Span]) -> None:
        """Look for a rule's keyword and the value beside it."""
        finder = self._finders.get(which)
        if finder is None:
            finder = self._finders[which] = keyed.Finder(self.rules[which])
        found = finder.search(text, low, end, done.get(TRIED - which, 0))
        if found is None:
            done[TRIED - which] = end
            if self.rules[which].lexical != "under":
                # A keyword may end in the next hit and have begun before this one: with a value behind it, there alone.
                done[which] = max(done.get(which, 0), end - 1)
            return
        start, stop = found.span("value")
        done[which] = stop
        confidence = self._confidence(which, found["value"])
        if confidence:
            spans.append(Span(start, stop, confidence, which, found["value"]))

    def _known_columns(self) -> columns.Columns:
        if self._columns is None:
            self._columns = columns.Columns(self.rules)
        return self._columns

    def _tabled(
        self,
        text: str,
        end: int,
        purpose: int,
        families: frozenset[str] | None,
        done: dict[int, int],
        spans: list[Span],
    ) -> None:
        """Read the table or the segment that the hit at `end` begins."""
        known = self._known_columns()
        if purpose == SEGMENT:
            cells, done[purpose] = known.segment(text, end)
        else:
            before = done.get(TABLE, 0)
            if purpose == TABLE:
                end = text.rfind("\n", 0, end)  # the hit ends in the line below the header
            if end <= before:
                return
            cells, done[TABLE] = known.read(text, end, before)
        for cell in cells:
            if not cell.name:
                if families is None or "pii" in families:
                    self._cell(text, cell, spans)
            elif families is None or "secret" in families:
                reading = readings.Reading(
                    cell.name, cell.start, cell.end, quoted=True, how="assign", line=f" {cell.name}"
                )
                self._judge(reading, text[cell.start : cell.end], "", spans)

    def _cell(self, text: str, cell: columns.Cell, spans: list[Span]) -> None:
        """Judge what stands under a name by the rules that the name means; the first that it fits counts."""
        value = text[cell.start : cell.end]
        for which in cell.rules:
            if self._families[which] != "pii":
                continue
            if cell.whole:
                spans.append(Span(cell.start, cell.end, self.rules[which].confidence, which, value))
                return
            if value and self._columns is not None and self._columns.fits(which, value):
                confidence = self._confidence(which, value)
                if confidence:
                    spans.append(Span(cell.start, cell.end, confidence, which, value))
                    return

    def _confidence(self, which: int, value: str) -> float:
        """Give the confidence of a rule's candidate, 0 to drop it."""
        rule = self.rules[which]
        confidence = rule.confidence
        if self._families[which] == "secret" and not rule.placeholders and scoring.made_up(value):
            return 0.0
        checks = self._checks.get(which)
        if checks is None:
            checks = tuple(validators.find(name) for name in rule.validators)
            self._checks[which] = checks
        for check, argument in checks:
            confidence *= check(value, argument)
            if not confidence:
                return 0.0
        return min(confidence, 0.99)

    def _bulk(self, text: str, spans: list[Span]) -> None:
        """Read names and values in one pass, where there are so many that each alone would cost too much."""
        which = self._lexical["other"]
        for found in lexical.BULK.finditer(text):
            start, stop = found.span("value")
            spans.append(Span(start, stop, 0.6, which, text[start:stop]))

    def _read(self, text: str, end: int, done: dict[int, int], spans: list[Span]) -> None:
        word = text[max(0, end - 3) : end]
        if word in readings.MODEST:
            if readings.IDLE.match(text, end):
                return
        elif word[-1] in ":=" and "key" in text[max(0, end - 6) : end].lower() and readings.IDLE_VALUE.match(text, end):
            return
        reading = readings.read(text, end)
        if reading is None:
            return
        value = text[reading.start : reading.end]
        done[LEXICAL] = max(end, reading.start) if len(value) < 40 else reading.end
        self._judge(reading, value, text[reading.end : reading.end + 1], spans)

    def _judge(self, reading: readings.Reading, value: str, following: str, spans: list[Span]) -> None:
        if not lexical.plausible(reading, value):
            return
        level = lexical.level(reading.name, reading.line)
        if not level or (level < lexical.PASSWORD and len(value) < 20 and value.isalpha()):
            return
        for which in self._candidates(reading) if len(value) >= 12 else ():
            pattern = self._patterns.get(which)
            if pattern is None:
                pattern = self._patterns[which] = re.compile(self.rules[which].pattern, re.ASCII)
            if pattern.fullmatch(value):
                confidence = self._confidence(which, value)
                if confidence:
                    spans.append(Span(reading.start, reading.end, confidence, which, value))
                    return
        confidence = lexical.judge(reading, value, level, following)
        if confidence:
            which = self._lexical[lexical.sort(reading.name, level)]
            spans.append(Span(reading.start, reading.end, confidence, which, value))

    def _candidates(self, reading: readings.Reading) -> Iterable[int]:
        """Give the rules whose context word stands in the name or before it on its line."""
        if not self._context:
            return ()
        words = dict.fromkeys(lexical.words(reading.line[-60:]))
        words[re.sub(r"[^a-z0-9]", "", reading.name.lower())] = None
        return [which for word in words for which in self._context.get(word, ())]

    def _keyed(self, text: str, key: str, families: frozenset[str] | None, spans: list[Span]) -> None:
        """Read a text as the value of `key`."""
        if len(text) < columns.WIDEST and (families is None or "pii" in families):
            meaning = self._known_columns().meaning(key)
            if meaning:
                inner = text.strip()
                start = text.find(inner)
                self._cell(text, columns.Cell(start, start + len(inner), meaning), spans)
        if (families is not None and "secret" not in families) or len(text) > 700 or "\n" in text.strip():
            return
        if not self._telling(key):
            return
        value = text.strip()
        start = text.find(value)
        reading = readings.Reading(key, start, start + len(value), quoted=True, how="assign", line=f" {key}")
        self._judge(reading, value, "", spans)

    def _telling(self, key: str) -> bool:
        """Whether a name is one of those behind which a secret may stand; the usual names are asked once."""
        known = self._keys.get(key)
        if known is None:
            hits = self._source.scan(f" {key}=")
            known = any(self._purposes[trigger] == LEXICAL for _, trigger in hits)
            if len(key) <= USUAL_KEY and len(self._keys) < USUAL_KEYS:
                self._keys[key] = known
        return known

    def _view(
        self,
        text: str,
        end: int,
        purpose: int,
        families: frozenset[str] | None,
        depth: int,
        done: dict[int, int],
        spans: list[Span],
    ) -> None:
        view = views.VIEWS[VIEW - purpose]
        opened = view.open(text, end, done.get(purpose, 0))
        if opened is None:
            return
        done[purpose] = opened.stop
        hits = self._source.scan(opened.text) if opened.text else []
        if not hits and not self._known:
            return
        inner: list[Span] = self._registered(opened.text)
        self._collect(opened.text, hits, families, depth + 1, inner)
        for span in self._settle(inner):
            start, stop = opened.locate(span.start, span.end)
            spans.append(span._replace(start=start, end=stop))

    def _settle(self, spans: list[Span]) -> list[Span]:
        """Choose among overlapping spans: by family and shape, then the surer, the longer, the earlier; in order."""
        if len(spans) < 2:
            return spans
        spans.sort(key=_start)
        last = -1
        for span in spans:
            if span.start < last:
                break
            last = span.end
        else:
            return spans
        chosen: list[Span] = []
        group: list[Span] = []
        reach = -1
        for span in spans:
            if span.start >= reach and group:
                chosen.extend(self._best(group))
                group = []
            group.append(span)
            reach = max(reach, span.end)
        chosen.extend(self._best(group))
        return chosen

    def _best(self, group: list[Span]) -> list[Span]:
        """Choose among spans of which each overlaps the one before."""
        if len(group) == 1:
            return group
        ranks = self._ranks
        kept: list[Span] = []
        for span in sorted(group, key=lambda span: (-ranks[span.rule], -span.confidence, span.start - span.end)):
            place = bisect.bisect(kept, span.start, key=_start)
            if (place and kept[place - 1].end > span.start) or (place < len(kept) and kept[place].start < span.end):
                continue
            kept.insert(place, span)
        return kept


def _start(span: Span) -> int:
    return span.start


def _vendor(rule: Rule) -> str:
    """Give the vendor of a secret's kind; nothing for what is no vendor's, or no secret."""
    family, _, rest = rule.kind.partition(".")
    vendor = rest.partition(".")[0]
    return vendor if family == "secret" and "." in rest and vendor not in ("generic", "command", "http", "url") else ""


def _rank(rule: Rule) -> int:
    """Rank rules for overlaps: a secret of a known shape, any secret, then personal data, then the rest."""
    if rule.id.startswith("secret."):
        return 3 if rule.pattern else 2
    return 1 if rule.id.startswith("pii.") else 0
