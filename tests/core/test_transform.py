"""Applying treatments to a document."""

import pytest

from poundlock.core import transform
from poundlock.core.model import Document, Finding, ScopeKey, Segment, Treatment
from poundlock.core.surrogates import fingerprint, mint

KEY = ScopeKey(scope="someone", mint=b"m" * 32, fingerprint=b"f" * 32)
EMAIL = mint("pii.email", "ann@corp.example", KEY)
PHONE = mint("pii.phone", "555 0100", KEY)
SURROGATES = {each.fingerprint: each for each in (EMAIL, PHONE)}


def document(*texts: str) -> Document:
    """Give a document with a segment for each text."""
    return Document(provider="any", operation="chat", segments=tuple(Segment(text=text) for text in texts))


def finding(segment: int, start: int, end: int, value: str = "ann@corp.example", kind: str = "pii.email") -> Finding:
    """Give a finding with the fingerprint of `value`."""
    return Finding(
        rule_id=kind,
        family="pii",
        kind=kind,
        tier="internal",
        segment=segment,
        start=start,
        end=end,
        confidence=1.0,
        fingerprint=fingerprint(value, KEY),
    )


def test_each_treatment() -> None:
    """Spans are disguised, impounded or left, and only changed segments are given.

    Mutants: spans replaced from left to right; clear findings disguised.
    """
    text = "mail ann@corp.example or call 555 0100, ann@corp.example"
    findings = [
        finding(1, 40, 56),
        finding(1, 30, 38, "555 0100", "pii.phone"),
        finding(1, 5, 21),
        finding(2, 0, 16),
        finding(3, 0, 3, "KEY", "secret.private-key.pem"),
    ]
    treatments: list[Treatment] = ["clear", "disguise", "disguise", "clear", "impound"]
    changed = transform.apply(document("nothing", text, "ann@corp.example", "KEY!"), findings, treatments, SURROGATES)
    assert changed == {
        1: f"mail {EMAIL.text} or call {PHONE.text}, ann@corp.example",
        3: "[impounded: private key]!",
    }


def test_touching_spans_and_wide_characters() -> None:
    """Spans may touch; offsets are code points."""
    text = "\U0001f600ann@corp.example555 0100\U0001f600"
    findings = [finding(0, 1, 17), finding(0, 17, 25, "555 0100", "pii.phone")]
    changed = transform.apply(document(text), findings, ["disguise", "disguise"], SURROGATES)
    assert changed == {0: f"\U0001f600{EMAIL.text}{PHONE.text}\U0001f600"}


@pytest.mark.parametrize(
    ("kind", "marker"),
    [
        ("secret.private-key.pem", "[impounded: private key]"),
        ("pii.credit_card", "[impounded: credit card]"),
        ("secret.generic.password", "[impounded: password]"),
    ],
)
def test_marker(kind: str, marker: str) -> None:
    """A marker says the kind in words, and is the same bytes each turn."""
    assert transform.marker(kind) == marker


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([finding(0, 0, 16), finding(0, 15, 17)], "overlap"),
        ([finding(0, 0, 16), finding(0, 3, 5)], "overlap"),
        ([finding(0, 0, 16), finding(0, 0, 16)], "overlap"),
        ([finding(0, -1, 5)], "leaves"),
        ([finding(0, 5, 5)], "leaves"),
        ([finding(0, 7, 5)], "leaves"),
        ([finding(0, 5, 99)], "leaves"),
        ([finding(0, 0, 30), finding(0, 30, 99)], "leaves"),
        ([finding(4, 0, 1)], "no text"),
        ([finding(-1, 0, 1)], "no text"),
        ([finding(1, 0, 1)], "no text"),
        ([finding(0, 0, 4, "unknown value")], "no surrogate"),
    ],
)
def test_refuses_what_it_can_not_apply(findings: list[Finding], words: str) -> None:
    """A mistake in the spans refuses the exchange, in words that hold nothing of the text.

    Mutants: overlaps spliced anyway; a span cut to the text's end; a missing surrogate left in clear.
    """
    opaque = Segment(text="opaque", opaque=True)
    held = Document(provider="any", operation="chat", segments=(Segment(text="ann@corp.example and more text"), opaque))
    with pytest.raises(ValueError, match=words) as caught:
        transform.apply(held, findings, ["disguise"] * len(findings), SURROGATES)
    assert "corp" not in str(caught.value)


def test_overlap_with_a_clear_span() -> None:
    """A span that stays clear may not overlap one that is disguised."""
    with pytest.raises(ValueError, match="overlap"):
        transform.apply(
            document("ann@corp.example"), [finding(0, 0, 16), finding(0, 0, 3)], ["disguise", "clear"], SURROGATES
        )


def test_every_finding_has_a_treatment() -> None:
    """A treatment too few is a mistake, not a finding in clear. Mutant: `strict` left out."""
    with pytest.raises(ValueError, match="shorter"):
        transform.apply(document("ann@corp.example"), [finding(0, 0, 16)], [], SURROGATES)


def test_unknown_treatment() -> None:
    """A treatment that isn't known is refused, not taken for clear."""
    with pytest.raises(ValueError, match="unknown treatment"):
        transform.apply(document("ann@corp.example"), [finding(0, 0, 16)], ["send"], SURROGATES)  # type: ignore[list-item]
