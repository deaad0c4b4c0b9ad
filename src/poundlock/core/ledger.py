"""Checks a whole audit log from its first record: the chain, the tree, and every signed head against them.

It names what was done to a log: altered, reordered, deleted, inserted, rewritten, truncated, rolled back, or a head
whose signature is wrong. It never repairs, and never trusts a stored hash that it did not compute itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from poundlock.core.audit import GENESIS, Frontier, Head, Row, key_fingerprint, leaf_hash, statement
from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

BreachName = Literal[
    "altered",
    "reordered",
    "deleted",
    "inserted",
    "rewritten",
    "truncated",
    "rolled back",
    "wrong signature",
    "unreadable",
]
Place = Literal["log", "second place"]

SUSPECTS = 512
"""How many broken records are looked at closely; the rest are counted."""

REACH = 16
"""How far a record may have been moved along with its neighbours and still be recognised as moved."""


class Breach(Value, frozen=True, kw_only=True):
    """One thing that is wrong: its name, the records it concerns (both inclusive), and a sentence."""

    name: BreachName
    first: int
    last: int
    detail: str


class Report(Value, frozen=True, kw_only=True):
    """What a check found. `at` is nanoseconds since the epoch; `signed` is the size of the last good signed head."""

    records: int
    first_at: int
    last_at: int
    heads: int
    signed: int
    keys: tuple[str, ...]
    breaches: tuple[Breach, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.breaches


class _Suspect(Value, frozen=True, kw_only=True):
    row: Row
    own: bool


def verify(
    rows: Iterable[Row],
    heads: Sequence[tuple[Place, Head]],
    check: Callable[[str, bytes, str], bool],
) -> Report:
    """Check the records (in order of `seq`) and the heads (each place's in the order they were written).

    `check(key, message, signature)` says whether a signature is good and of a key that is trusted.
    """
    breaches: list[Breach] = []
    good: list[tuple[Place, Head]] = []
    for place, head in heads:
        if check(head.key, statement(head), head.signature):
            good.append((place, head))
        else:
            breaches.append(
                _breach("wrong signature", head.size, head.size, f"a head in the {place} for {head.size} records")
            )
    breaches += _backward(good)

    expected: dict[int, list[tuple[Place, Head]]] = {}
    for place, head in good:
        expected.setdefault(head.size, []).append((place, head))

    tree = Frontier()
    suspects: list[_Suspect] = []
    gaps: list[tuple[int, int]] = []
    mismatched: list[tuple[Place, Head]] = []
    early: list[int] = []
    broken = uncounted = records = first_at = last_at = signed = 0
    upcoming, before, before_suspect = 1, GENESIS, False
    for row in rows:
        records += 1
        first_at = first_at or row.at
        last_at = row.at
        if row.seq < 1:
            early.append(row.seq)
            broken += 1
            continue
        gap = row.seq > upcoming
        if gap:
            gaps.append((upcoming, row.seq - 1))
            broken += 1
        computed = _computed(row)
        own = computed == row.hash
        linked = gap or row.prev == before
        suspect = not own or (not linked and not before_suspect)
        if suspect:
            broken += 1
            if len(suspects) < SUSPECTS:
                suspects.append(_Suspect(row=row, own=own))
            else:
                uncounted += 1
        upcoming, before, before_suspect = row.seq + 1, row.hash, not own
        if not broken:
            tree.add(bytes.fromhex(computed))
            for place, head in expected.get(row.seq, ()):
                if head.root == tree.root() and head.last == computed:
                    signed = row.seq
                else:
                    mismatched.append((place, head))

    last = upcoming - 1
    breaches += [_breach("inserted", seq, seq, f"a record stands at {seq}, before the first") for seq in early]
    breaches += _diagnose(suspects, gaps, uncounted)
    breaches += _rewritten(mismatched, good, signed)
    breaches += _truncated(good, last)
    return Report(
        records=records,
        first_at=first_at,
        last_at=last_at,
        heads=len(good),
        signed=signed,
        keys=tuple(dict.fromkeys(key_fingerprint(head.key) for _, head in good)),
        breaches=tuple(breaches),
    )


def _breach(name: BreachName, first: int, last: int, detail: str) -> Breach:
    return Breach(name=name, first=first, last=last, detail=detail)


def _span(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"


def _computed(row: Row, seq: int | None = None) -> str:
    try:
        return leaf_hash(row, seq)
    except (ValueError, TypeError, OverflowError):
        return ""


def _backward(good: list[tuple[Place, Head]]) -> list[Breach]:
    """Find heads of one place that go back, and good signatures on different roots for one size: two histories."""
    breaches: list[Breach] = []
    before: dict[Place, int] = {}
    roots: dict[int, Head] = {}
    for place, head in good:
        if head.size < before.get(place, 0):
            detail = f"heads in the {place} go back from {before[place]} to {head.size} records"
            breaches.append(_breach("rolled back", head.size + 1, before[place], detail))
        before[place] = head.size
        other = roots.setdefault(head.size, head)
        if other.root != head.root:
            detail = f"two signed heads for {head.size} records disagree: an older copy of the log was continued"
            breaches.append(_breach("rolled back", head.size, head.size, detail))
    return breaches


def _diagnose(suspects: list[_Suspect], gaps: list[tuple[int, int]], uncounted: int) -> list[Breach]:
    """Name what happened to the records that don't fit."""
    breaches: list[Breach] = []
    candidates = {suspect.row.seq for suspect in suspects if not suspect.own}
    for first, last in gaps:
        candidates.update(range(first, min(last, first + REACH) + 1))
    moved: list[tuple[int, int]] = []
    altered: list[int] = []
    for suspect in suspects:
        seq = suspect.row.seq
        if suspect.own:
            # It is whole, but names another predecessor than the one that stands there now.
            altered.append(seq - 1 if seq > 1 else seq)
            continue
        near = range(max(1, seq - REACH), seq + REACH + 1)
        origin = next(
            (at for at in (*near, *sorted(candidates)) if at != seq and _computed(suspect.row, at) == suspect.row.hash),
            None,
        )
        if origin is None:
            altered.append(seq)
        else:
            moved.append((seq, origin))

    standing = {seq for seq, _ in moved}
    shifts = {seq - origin for seq, origin in moved}
    shift = shifts.pop() if len(shifts) == 1 and not gaps and _contiguous(standing) else 0
    if shift > 0:
        first = min(standing) - shift
        breaches.append(
            _breach(
                "inserted", first, min(standing) - 1, f"{_span(min(standing), max(standing))} were moved up by {shift}"
            )
        )
        altered = [seq for seq in altered if not first - 1 <= seq < min(standing)]
    elif shift < 0:
        first, count = min(standing), -shift
        breaches.append(
            _breach("deleted", first, first + count - 1, "the records after were renumbered to close the gap")
        )
        altered = [seq for seq in altered if seq not in standing and seq != first - 1]
    else:
        breaches += [
            _breach("reordered", seq, seq, f"the record at {seq} was written as {origin}") for seq, origin in moved
        ]
        # A gap where a moved record came from is no deletion, and neither is one before a record that moved to the end.
        origins = {origin for _, origin in moved}
        gaps = [
            (first, last)
            for first, last in gaps
            if last + 1 not in standing
            and not all(seq in origins for seq in range(first, min(last, first + REACH) + 1))
        ]
    breaches += [_breach("deleted", first, last, f"{_span(first, last)} missing") for first, last in gaps]
    breaches += [
        _breach("altered", first, last, f"{_span(first, last)}: content and hash don't agree with the chain")
        for first, last in _runs(altered, uncounted)
    ]
    return sorted(breaches, key=lambda breach: breach.first)


def _contiguous(numbers: set[int]) -> bool:
    return max(numbers) - min(numbers) + 1 == len(numbers)


def _runs(numbers: list[int], uncounted: int) -> list[tuple[int, int]]:
    """Join neighbouring numbers to runs; what was not looked at closely lengthens the last run."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    if runs and uncounted:
        runs[-1] = (runs[-1][0], runs[-1][1] + uncounted)
    return runs


def _rewritten(mismatched: list[tuple[Place, Head]], good: list[tuple[Place, Head]], signed: int) -> list[Breach]:
    """Name a chain that is whole but is not the one that was signed."""
    if not mismatched:
        return []
    place, head = mismatched[0]
    agreed = max((other.size for _, other in good if other.size <= signed and other.size < head.size), default=0)
    detail = f"{_span(agreed + 1, head.size)} are not those that a signed head in the {place} stands for"
    return [_breach("rewritten", agreed + 1, head.size, detail)]


def _truncated(good: list[tuple[Place, Head]], last: int) -> list[Breach]:
    """Find a signed head that knows of more records than there are."""
    if not good:
        return []
    place, head = max(good, key=lambda item: item[1].size)
    if head.size <= last:
        return []
    detail = (
        f"a signed head in the {place} stands for {head.size} records, the log ends at {last}: cut off or rolled back"
    )
    return [_breach("truncated", last + 1, head.size, detail)]
