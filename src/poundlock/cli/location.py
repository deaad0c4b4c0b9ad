"""Where in a text a finding stands, and how it is shown: lines, columns, excerpts in which every value is masked.

Must never give an excerpt with a value in it, nor hold more of a long text than two pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from poundlock.cli import suppressions
from poundlock.cli.detect import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poundlock.cli.suppressions import Policy
    from poundlock.core.detect.engine import Detector
    from poundlock.core.model import Match

PIECE = 4 << 20
OVERLAP = 16_384


STAND_INS = "stand-in"
"""Said beside the families: stand-ins of Poundlock that a tool has written into a file are reported."""
STAND_IN = "identifier.stand-in"
_REPAIR = "`poundlock repair PATH` puts the value back"


class Located(NamedTuple):
    """A finding in a file: its place (lines and columns from 1, its end exclusive) and its line with values masked.

    `commit` and `date` (of its author) say what added it, where that is known; `note` what else is to be said.
    One that is `suppressed` is not to be told: it only says that its text is not clean.
    """

    path: str
    line: int
    column: int
    match: Match
    excerpt: str
    caret: int
    width: int
    end_line: int = 0
    end_column: int = 0
    fingerprint: str = ""
    commit: str = ""
    date: str = ""
    note: str = ""
    suppressed: bool = False

    def without_value(self) -> Located:
        """Give the same finding without the value that it is about."""
        return self._replace(match=self.match._replace(value=""))


class Start(NamedTuple):
    """Where a piece of a text begins: its line from 1, how many characters of that line stand before it, and of all."""

    line: int = 1
    column: int = 0
    offset: int = 0


def _matches(detector: Detector, path: str, text: str, families: frozenset[str]) -> tuple[Match, ...]:
    """Find what a text holds; with `STAND_INS` among the families, stand-ins of Poundlock that were left in it, too."""
    found = detector.detect(text, path=path, families=families)
    if STAND_INS not in families:
        return found
    from poundlock.core import matches, surrogates

    own = [
        matches.Match(STAND_IN, "identifier", STAND_IN, "internal", mark.start, mark.end, 1.0, mark.canonical)
        for mark in surrogates.find(text)
        if not any(match.start < mark.end and mark.start < match.end for match in found)
    ]
    return tuple(sorted((*found, *own), key=lambda match: match.start)) if own else found


def locate(
    detector: Detector, path: str, text: str, families: frozenset[str], policy: Policy = suppressions.USUAL
) -> Iterator[Located]:
    """Find what a text holds, with lines, columns and redacted excerpts."""
    if len(text) > PIECE:
        pieces = (text[at : at + PIECE] for at in range(0, len(text), PIECE))
        return locate_pieces(detector, path, pieces, families, policy)
    matches = _matches(detector, path, text, families)
    return _located(path, text, matches, Start(), policy) if matches else iter(())


def locate_pieces(
    detector: Detector, path: str, pieces: Iterable[str], families: frozenset[str], policy: Policy
) -> Iterator[Located]:
    """Do so for a text that comes in pieces: what stands on the border of two is found once.

    Each piece is searched with the end of the one before it. A value is found whole if it and its surroundings are
    not longer than `OVERLAP` characters.
    """
    held, start, floor = "", Start(), 0
    coming = iter(pieces)
    piece = next(coming, "")
    while piece or held:
        following = next(coming, "")
        text = held + piece
        limit = len(text) - OVERLAP if following else len(text)
        matches = _matches(detector, path, text, families)
        settled = tuple(match for match in matches if floor <= match.start < limit)
        yield from _located(path, text, settled, start, policy)
        if not following:
            return
        cut = max(0, limit - OVERLAP)
        last = text.rfind("\n", 0, cut) + 1
        start = Start(
            start.line + text.count("\n", 0, cut), cut - last if last else start.column + cut, start.offset + cut
        )
        floor = max((limit, *(match.end for match in settled[-1:]))) - cut
        held, piece = text[cut:], following


def _located(path: str, text: str, matches: tuple[Match, ...], start: Start, policy: Policy) -> Iterator[Located]:
    line, seen = start.line, 0
    for number, match in enumerate(matches):
        line += text.count("\n", seen, match.start)
        seen = match.start
        first = text.rfind("\n", 0, match.start) + 1
        last = text.find("\n", match.start)
        last = len(text) if last < 0 else last
        ruling = suppressions.ruling(text, first, last, match.kind, policy)
        excerpt, caret, width = _masked(text, first, last, matches, number)
        end_line = line + text.count("\n", match.start, match.end)
        back = text.rfind("\n", 0, match.end)
        yield Located(
            path,
            line,
            match.start - first + 1 + (0 if first else start.column),
            match._replace(start=match.start + start.offset, end=match.end + start.offset) if start.offset else match,
            excerpt,
            caret,
            width,
            end_line,
            match.end - back + (start.column if back < 0 else 0),
            note=ruling.note or (_REPAIR if match.rule_id == STAND_IN else ""),
            suppressed=ruling.suppressed,
        )


def _masked(text: str, first: int, last: int, matches: tuple[Match, ...], number: int) -> tuple[str, int, int]:
    """Give a line with all values masked, where the mask of finding `number` stands in it, and how wide it is."""
    match = matches[number]
    low = max(first, match.start - 60)
    high = min(last, match.end + 40)
    out = ""
    caret = width = 0
    at = low
    near = [m for m in matches[max(0, number - 20) : number + 20] if m.end > low and m.start < max(high, match.end)]
    for other in near:
        start, end = max(other.start, at), other.end
        out += text[at:start]
        mask = "*" * min(12, max(4, end - other.start))
        if other is match:
            caret, width = len(out), len(mask)
        out += mask
        at = max(at, end)
    if at < high:
        out += text[at:high]
    lead = len(out) - len(out.lstrip())
    shown = "".join(char if char.isprintable() else " " for char in out.strip())
    return shown, caret - lead, width


NEXT = {
    "secret": "Revoke it where it was issued, put the new one in a secret store, and read it from there.",
    "pii": "Remove it, or replace it with made-up data.",
    "infrastructure": "Replace it with a placeholder if this leaves the company.",
}


def row(one: Located) -> dict[str, Any]:
    """Give a finding as a JSON object, without its value."""
    known = {"path": one.path, "line": one.line, "column": one.column, **plain(one.match, values=False)}
    more = (
        ("fingerprint", one.fingerprint),
        ("commit", one.commit),
        ("author_date", one.date),
        ("note", one.note),
    )
    return known | {name: value for name, value in more if value}
