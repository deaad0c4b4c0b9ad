"""Questions to all segments of a document, answered for each passage once.

An agent resends its conversation at each turn: whatever loops over all segments costs more than the new text. It must
never remember an answer that depends on more than the segments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from poundlock.core.model import Document, Segment


def some(document: Document, name: str, question: Callable[[Segment], bool], since: int = 0) -> bool:
    """Tell whether a question, remembered under its `name`, is answered yes for a segment of turn `since` or later.

    The answer must depend on the segment alone.
    """
    for _, passage in document.passages:
        if passage.last < since:
            continue
        answer = passage.answers.get(name)
        if answer is None:
            answer = passage.answers[name] = any(map(question, passage.segments))
        if answer and any(each.turn >= since and question(each) for each in passage.segments):
            return True
    return any(each.turn >= since and question(each) for each in _others(document))


def last_turn(document: Document) -> int:
    """Give the turn that a document's segments reach, 0 without any."""
    inside = max((passage.last for _, passage in document.passages), default=0)
    return max(0, inside, max((each.turn for each in _others(document)), default=0))


def characters(document: Document, since: int = 0) -> int:
    """Give how many characters the segments of turn `since` and later have."""
    if not since:
        inside = sum(passage.characters for _, passage in document.passages)
        return inside + sum(len(each.text) for each in _others(document))
    late = [each for _, passage in document.passages if passage.last >= since for each in passage.segments]
    return sum(len(each.text) for each in (*late, *_others(document)) if each.turn >= since)


def _others(document: Document) -> Iterator[Segment]:
    """Give the segments that stand in no passage."""
    at = 0
    for start, passage in document.passages:
        if at < start:
            yield from document.segments[at:start]
        at = start + len(passage.segments)
    yield from document.segments[at:]
