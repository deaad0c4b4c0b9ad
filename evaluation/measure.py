"""Scores findings against labels: pure, so that it can be tested with made-up findings.

A label is found when a finding of its family covers at least half of it, or of one of its alternate spans. A finding is a
false alarm when it touches no label, no alternate and no neutral span; one of another family over a label is mislabelled.
Must never read a file or start a process.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Span = tuple[int, int]
FAMILIES = ("secret", "pii", "infrastructure")


@dataclass(slots=True)
class Tally:
    """What one detector did on one family."""

    found: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    surroundings: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    alarms: int = 0
    mislabelled: int = 0
    negatives: int = 0
    negatives_alarmed: int = 0
    prompts: int = 0
    prompts_alarmed: int = 0
    alarm_notes: Counter[str] = field(default_factory=Counter)

    @property
    def recall(self) -> float:
        """Return found labels over all labels."""
        return _ratio(self.found.total(), self.found.total() + self.missed.total())

    @property
    def precision(self) -> float:
        """Return found labels over found labels and false alarms."""
        return _ratio(self.found.total(), self.found.total() + self.alarms)

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall."""
        return _ratio(2 * self.precision * self.recall, self.precision + self.recall)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def overlap(one: Span, other: Span) -> int:
    """Return how many code points two spans share."""
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def _spans(label: Mapping[str, Any]) -> list[Span]:
    return [(label["start"], label["end"]), *((start, end) for start, end in label.get("alternates", ()))]


def is_found(label: Mapping[str, Any], findings: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether one of the findings is of the label's family and covers half of one of its spans."""
    spans = _spans(label)
    return any(
        2 * overlap(span, (each["start"], each["end"])) >= span[1] - span[0]
        for each in findings
        if each["family"] == label["family"]
        for span in spans
    )


def merge(spans: Iterable[Span]) -> list[Span]:
    """Merge spans that touch, so that two rules on one string are one false alarm."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start < out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def score(documents: Iterable[Mapping[str, Any]], findings: Mapping[str, list[dict[str, Any]]], family: str) -> Tally:
    """Score one family: its own documents for recall and precision, the prompts for their alarm rate only."""
    tally = Tally()
    for doc in documents:
        if doc["set"] not in (family, "prompt"):
            continue
        got = findings.get(doc["id"], [])
        labels = doc["labels"]
        alarms: list[Span] = []
        for each in got:
            span = (each["start"], each["end"])
            touched = {label["family"] for label in labels if any(overlap(span, other) for other in _spans(label))}
            if touched:
                tally.mislabelled += each["family"] not in touched and family in touched
            elif each["family"] == family and not any(overlap(span, (a, b)) for a, b in doc.get("neutral", ())):
                alarms.append(span)
        if doc["set"] == "prompt":
            tally.prompts += 1
            tally.prompts_alarmed += bool(alarms)
            continue
        alarms = merge(alarms)
        tally.alarms += len(alarms)
        tally.alarm_notes[doc["note"]] += len(alarms)
        if doc["negative"]:
            tally.negatives += 1
            tally.negatives_alarmed += bool(alarms)
        for label in labels:
            if label["family"] == family:
                hit = is_found(label, got)
                (tally.found if hit else tally.missed)[label["kind"]] += 1
                tally.surroundings[doc["note"]]["found" if hit else "missed"] += 1
    return tally


def touched_prompts(
    documents: Iterable[Mapping[str, Any]], findings: Mapping[str, list[dict[str, Any]]]
) -> tuple[int, int]:
    """Return how many prompts have any finding of any family, and how many prompts there are."""
    prompts = [doc["id"] for doc in documents if doc["set"] == "prompt"]
    return sum(bool(findings.get(name)) for name in prompts), len(prompts)


def locate(text: str, value: str, line: int) -> Span | None:
    """Return the span of `value` at or after 1-based `line`, else anywhere, else that line without its margins."""
    starts = [0]
    for piece in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(piece))
    begin = starts[min(max(line, 1), len(starts)) - 1]
    if value:
        at = text.find(value, begin)
        at = at if at >= 0 else text.find(value)
        if at >= 0:
            return at, at + len(value)
    if not 1 <= line < len(starts):
        return None
    body = text[begin : starts[line]]
    left = len(body) - len(body.lstrip())
    return (begin + left, begin + len(body.rstrip())) if body.strip() else None
