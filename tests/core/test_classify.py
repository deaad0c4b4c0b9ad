"""Tiers and groups: the strictest tier wins, and equal findings are one group."""

from __future__ import annotations

from poundlock.core.classify import groups, tier
from poundlock.core.model import Document, Finding, Group, Segment


def document(*segments: Segment) -> Document:
    """Give a document of these segments."""
    return Document(provider="p", operation="o", segments=segments)


def finding(kind: str, tier_: str, segment: int = 0, fingerprint: str = "f", confidence: float = 0.9) -> Finding:
    """Give a finding at the start of a segment."""
    return Finding(
        rule_id="r",
        family=kind.partition(".")[0],
        kind=kind,
        tier=tier_,
        segment=segment,
        start=0,
        end=1,
        confidence=confidence,
        fingerprint=fingerprint,
    )


TYPED = Segment(text="a")
READ = Segment(text="b", origin="tool", role="tool", kind="tool_result")


def test_a_document_without_findings_is_public():
    """Unknown has no say where everything was read and nothing was found."""
    assert tier((), document(TYPED), "restricted") == ("public", ())


def test_the_strictest_finding_gives_the_tier_and_the_reasons():
    """Only what reached the tier is a reason, each kind once, in order."""
    found = (
        finding("pii.email", "internal"),
        finding("secret.b", "restricted"),
        finding("secret.a", "restricted"),
        finding("secret.b", "restricted"),
        finding("pii.phone", "internal"),
    )
    assert tier(found, document(TYPED), "internal") == (
        "restricted",
        ("secret.b is restricted", "secret.a is restricted"),
    )


def test_a_public_finding_gives_no_reason():
    """What is public needs no explaining."""
    assert tier((finding("pii.email", "public"),), document(TYPED), "internal") == ("public", ())


def test_a_file_that_cannot_be_read_counts_as_unknown():
    """An image may hold anything; an opaque signature, which is no file, changes nothing."""
    image = Segment(text="x", kind="file", opaque=True)
    signature = Segment(text="x", opaque=True)
    assert tier((), document(image), "restricted") == (
        "restricted",
        ("a file that can't be read counts as restricted",),
    )
    assert tier((), document(signature), "restricted") == ("public", ())
    assert tier((finding("secret.a", "restricted"),), document(image), "internal")[0] == "restricted"


def test_findings_are_grouped_by_kind_tier_origin_and_newness():
    """Counts are occurrences, values are distinct, confidence is the highest, 0 to 100."""
    found = (
        finding("pii.email", "internal", 0, "one", 0.5),
        finding("pii.email", "internal", 0, "one", 0.755),
        finding("pii.email", "internal", 1, "one"),
        finding("pii.email", "restricted", 0, "two"),
        finding("pii.email", "internal", 0, "three", 0.6),
        finding("pii.email", "internal", 0, "four"),
    )
    given, group_of = groups(document(TYPED, READ), found, (True, True, True, True, True, False))
    assert group_of == (0, 0, 1, 2, 0, 3)
    assert given[0] == Group(
        family="pii",
        kind="pii.email",
        tier="internal",
        origin="typed",
        new=True,
        count=3,
        values=2,
        confidence=76,
    )
    assert [(each.origin, each.tier, each.new, each.count, each.values) for each in given[1:]] == [
        ("tool", "internal", True, 1, 1),
        ("typed", "restricted", True, 1, 1),
        ("typed", "internal", False, 1, 1),
    ]


def test_nothing_found_is_no_group():
    """No findings, no groups."""
    assert groups(document(TYPED), (), ()) == ((), ())
