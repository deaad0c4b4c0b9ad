"""Findings and where they stand become a tier and groups: what policy sees of a document.

It must never look at a text, nor let a repository or a comment lower a tier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core import passages
from poundlock.core.model import TIERS, Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poundlock.core.model import Document, Family, Finding, Origin, Segment, Tier

_HEIGHT: dict[Tier, int] = {tier: height for height, tier in enumerate(TIERS)}


def tier(
    findings: Sequence[Finding], document: Document, unknown: Tier, declared: Sequence[tuple[Tier, str]] = ()
) -> tuple[Tier, tuple[str, ...]]:
    """Give a document's tier and what gave it: the strictest of its findings and of what is declared, else `public`.

    A file that can't be read (an image, an archive) may hold anything: it counts as `unknown`.
    """
    reached: Tier = "public"
    reasons: dict[str, None] = {}
    for found, reason in (*_tiers(findings, document, unknown), *declared):
        if _HEIGHT[found] > _HEIGHT[reached]:
            reached = found
            reasons.clear()
        if found == reached and found != "public":
            reasons[reason] = None
    return reached, tuple(reasons)


def groups(
    document: Document, findings: Sequence[Finding], newly: Sequence[bool]
) -> tuple[tuple[Group, ...], tuple[int, ...]]:
    """Gather findings that are equal in kind, tier, origin and newness; give the groups, and each finding's group.

    `newly` tells of each finding whether it is new in this turn. Indexes count from 0.
    """
    index: dict[tuple[Family, str, Tier, Origin, bool], int] = {}
    members: list[list[Finding]] = []
    group_of: list[int] = []
    segments = document.segments
    for finding, new in zip(findings, newly, strict=True):
        key = (finding.family, finding.kind, finding.tier, segments[finding.segment].origin, new)
        position = index.setdefault(key, len(members))
        if position == len(members):
            members.append([])
        members[position].append(finding)
        group_of.append(position)
    return tuple(_group(key, members[position]) for key, position in index.items()), tuple(group_of)


def _tiers(findings: Sequence[Finding], document: Document, unknown: Tier) -> list[tuple[Tier, str]]:
    found = [(finding.tier, f"{finding.kind} is {finding.tier}") for finding in findings]
    if passages.some(document, "unread file", _is_unread):
        found.append((unknown, f"a file that can't be read counts as {unknown}"))
    return found


def _is_unread(segment: Segment) -> bool:
    return segment.opaque and segment.kind == "file"


def _group(key: tuple[Family, str, Tier, Origin, bool], members: Sequence[Finding]) -> Group:
    family, kind, tier_, origin, new = key
    return Group(
        family=family,
        kind=kind,
        tier=tier_,
        origin=origin,
        new=new,
        count=len(members),
        values=len({finding.fingerprint for finding in members}),
        confidence=round(max(finding.confidence for finding in members) * 100),
    )
