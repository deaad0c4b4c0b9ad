"""Applying a decision's treatments to a document: surrogates and one-way markers in the place of findings.

It must never decide a treatment, and never write a value anywhere. What it can't apply exactly, it refuses to apply.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from poundlock.core import surrogates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poundlock.core.model import Document, Finding, Surrogate, Treatment


def apply(
    document: Document,
    findings: Sequence[Finding],
    treatments: Sequence[Treatment],
    surrogate_of: Mapping[str, Surrogate],
) -> dict[int, str]:
    """Give the new texts, by segment index, of the segments that change; `surrogate_of` is keyed by fingerprint.

    `treatments` stand beside `findings`, in the same order.

    Raises: `ValueError` when the findings overlap, leave their segment, lie in an opaque one or lack a surrogate: a
    mistake in the program, for which the exchange is refused.
    """
    replaced: dict[int, list[tuple[int, int, str]]] = {}
    for finding, treatment in zip(findings, treatments, strict=True):
        span = (finding.start, finding.end, _stand_in(finding, treatment, surrogate_of))
        replaced.setdefault(finding.segment, []).append(span)
    texts = {}
    for index, spans in replaced.items():
        if not 0 <= index < len(document.segments) or document.segments[index].opaque:
            raise ValueError(f"findings in segment {index}, which has no text to search")
        old = document.segments[index].text
        new = _spliced(old, sorted(spans), index)
        if new != old:
            texts[index] = new
    return texts


def marker(kind: str) -> str:
    """Give the one-way marker of an impounded value: words for its kind, and nothing that depends on the value."""
    return f"[impounded: {surrogates.label(kind).replace('_', ' ').lower()}]"


def _stand_in(finding: Finding, treatment: Treatment, surrogate_of: Mapping[str, Surrogate]) -> str:
    """Give what stands in the finding's place; the empty string leaves it as it is."""
    if treatment == "clear":
        return ""
    if treatment == "impound":
        return marker(finding.kind)
    if treatment != "disguise":
        raise ValueError(f"unknown treatment of a finding in segment {finding.segment}")
    surrogate = surrogate_of.get(finding.fingerprint)
    if surrogate is None:
        raise ValueError(f"a finding of {finding.rule_id} in segment {finding.segment} has no surrogate")
    return surrogate.text


def _spliced(text: str, spans: Sequence[tuple[int, int, str]], index: int) -> str:
    """Give `text` with each span replaced; spans are sorted, code points, and may touch but not overlap."""
    # INVARIANT: also a span left clear may not overlap another one: which of both was meant would be a guess.
    if spans[0][0] < 0 or any(start >= end for start, end, _ in spans) or max(end for _, end, _ in spans) > len(text):
        raise ValueError(f"a finding leaves segment {index}")
    if any(left[1] > right[0] for left, right in pairwise(spans)):
        raise ValueError(f"findings overlap in segment {index}")
    pieces: list[str] = []
    at = 0
    for start, end, stand_in in spans:
        if stand_in:
            pieces += text[at:start], stand_in
            at = end
    pieces.append(text[at:])
    return "".join(pieces)
