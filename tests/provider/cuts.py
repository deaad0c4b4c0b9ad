"""Cutting texts into deltas and event bytes into writes, in the ways that a script names.

It must never lose or add anything: the pieces joined are the whole, whatever the way.
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

Piece = TypeVar("Piece", str, bytes)


def _at(whole: Piece, marks: Iterable[int]) -> list[Piece]:
    edges = sorted({0, len(whole), *(mark for mark in marks if 0 < mark < len(whole))})
    return [whole[a:b] for a, b in itertools.pairwise(edges)]


def _common(whole: Piece, cut: Any) -> list[Piece] | None:
    if isinstance(cut, dict) and "every" in cut:
        return _at(whole, range(0, len(whole), int(cut["every"])))
    if isinstance(cut, dict) and "random" in cut:
        chance, marks, position = random.Random(int(cut["random"])), [], 0
        while position < len(whole):
            position += chance.randint(1, int(cut.get("most", 12)))
            marks.append(position)
        return _at(whole, marks)
    return None


def deltas(text: str, cut: Any) -> list[str]:
    """Cut the text of one block into the pieces that its deltas carry; an empty text gives no piece.

    Raises:
        ValueError: the script names a way that does not exist.

    """
    if cut == "whole":
        return [text] if text else []
    if cut == "characters":
        return list(text)
    if isinstance(cut, dict) and "inside" in cut:
        marks: set[int] = set()
        for wanted in cut["inside"]:
            start = text.find(wanted)
            while start >= 0 and wanted:
                marks.update(range(start, start + len(wanted) + 1))
                start = text.find(wanted, start + 1)
        return _at(text, marks)
    pieces = _common(text, cut)
    if pieces is None:
        raise ValueError(f"unknown cut: {cut!r}")
    return pieces


def writes(events: list[bytes], cut: Any) -> list[bytes]:
    """Cut a stream's events into the pieces that are written to the socket one at a time.

    Raises:
        ValueError: the script names a way that does not exist.

    """
    if cut == "events":
        return events
    whole = b"".join(events)
    if cut == "whole":
        return [whole]
    if cut == "bytes":
        return [whole[n : n + 1] for n in range(len(whole))]
    pieces = _common(whole, cut)
    if pieces is None:
        raise ValueError(f"unknown wire cut: {cut!r}")
    return pieces
