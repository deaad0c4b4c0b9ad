"""What has entered a conversation, as labels: private data, text from strangers, and what its tools can do.

Labels only grow, and are remembered with the conversation, so that compacting its history takes none away. Policy reads
them: private data, untrusted text and a way out are a danger only together. This module must never keep a
piece of a text, and never take a label away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core import passages, sinks
from poundlock.core.detect import orders as ordering

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poundlock.core.model import Document, Finding, Segment

PRIVATE = "private"
"""A credential, personal data or anything else restricted is in the conversation, be it disguised."""
UNTRUSTED = "untrusted"
"""Text that strangers may have written was read: pages, results of remote tools, what a command fetched."""
ORDERS = "orders"
"""Something that was read gives orders to the assistant."""
NETWORK = "network"
"""The client offers tools that reach out."""
EXECUTE = "execute"
"""The client offers tools that run commands."""
WRITE = "write"
"""The client offers tools that write files."""

_OFFERED = {"remote": NETWORK, "command": EXECUTE, "file": WRITE}
_READ = frozenset({"file", "tool", "untrusted"})
_FETCHED = 65_536
"""So much of a command is looked at for a network program."""


def orders(document: Document, before: Iterable[str]) -> tuple[str, ...]:
    """Say why something that was read gives orders to the assistant; nothing where none of the new texts does.

    Looked at is what stands after the last answer but one, or all of a conversation that nothing is known of. What a
    person typed, what the model said and what the client itself instructs are not looked at.
    """
    reasons: dict[str, None] = {}

    def gives(segment: Segment) -> bool:
        # A client's own instructions and its tools' descriptions speak to the assistant: that is what they are for.
        if segment.origin not in _READ or segment.role in {"assistant", "system"} or segment.opaque:
            return False
        found = ordering.find(segment.text)
        if found.score >= ordering.ORDERED:
            reasons.update(dict.fromkeys(found.reasons))
        return found.score >= ordering.ORDERED

    passages.some(document, "orders", gives, passages.last_turn(document) - 1 if set(before) else 0)
    return tuple(reasons)


def labels(
    document: Document, findings: Sequence[Finding], before: Iterable[str], *, ordered: bool = False
) -> tuple[str, ...]:
    """Give the labels of a conversation: those from `before`, and what this document adds, in order of their names.

    `ordered` tells that `orders` found something.

    Only what stands after the last answer but one is looked at once there are labels from before: the rest gave its
    labels when it was new.
    """
    found = set(before)
    known = bool(found)
    if ordered or any(finding.family == "injection" for finding in findings):
        found.add(ORDERS)
    if PRIVATE not in found and any(_is_private(finding) for finding in findings):
        found.add(PRIVATE)
    found.update(_OFFERED[kind] for kind in map(sinks.classify, document.tools) if kind in _OFFERED)
    if UNTRUSTED not in found:
        since = passages.last_turn(document) - 1 if known else 0
        if passages.some(document, "untrusted", _is_untrusted, since):
            found.add(UNTRUSTED)
    return tuple(sorted(found))


def _is_private(finding: Finding) -> bool:
    return finding.tier == "restricted" and finding.family in {"secret", "pii", "code", "identifier"}


def _is_untrusted(segment: Segment) -> bool:
    """Whether a segment came from strangers, or is a call whose result will."""
    if segment.origin == "untrusted":
        return True
    if not segment.tool or segment.kind not in {"tool_result", "tool_args"}:
        return False
    kind = sinks.classify(segment.tool)
    if kind == "remote":
        return segment.kind == "tool_result"
    # What a command fetched comes back as its result, in which nothing shows where it came from.
    return segment.kind == "tool_args" and kind == "command" and sinks.fetches(segment.text[:_FETCHED])
