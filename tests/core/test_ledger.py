"""What is done to a log is detected, and named with the records that it concerns."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.audit import GENESIS, Frontier, Head, Row, chained, key_fingerprint, leaf_hash, statement
from poundlock.core.ledger import verify

if TYPE_CHECKING:
    from poundlock.core.ledger import Place

KEY = "ab" * 32


def sign(key: str, message: bytes) -> str:
    """Sign, for tests: a keyed hash does."""
    return hashlib.sha256(key.encode() + message).hexdigest()


def check(key: str, message: bytes, signature: str) -> bool:
    """Check what `sign` made, of our key only."""
    return key == KEY and signature == sign(key, message)


def log(count: int, *, flavour: str = "x", start: list[Row] | None = None) -> list[Row]:
    """Make a sound log of `count` records, after those of `start`."""
    rows = list(start or [])
    while len(rows) < count:
        prev = rows[-1].hash if rows else GENESIS
        seq = len(rows) + 1
        body = f'{{"n":{seq},"v":"{flavour}"}}'.encode()
        rows.append(chained(seq, prev, at=1000 + seq, kind="exchange", id=f"d{seq}", body=body))
    return rows


def head(rows: list[Row], size: int) -> Head:
    """Sign a head for the first `size` records."""
    tree = Frontier()
    for row in rows[:size]:
        tree.add(bytes.fromhex(row.hash))
    bare = Head(size=size, root=tree.root(), last=rows[size - 1].hash, at=5000 + size, key=KEY)
    return Head(size=size, root=bare.root, last=bare.last, at=bare.at, key=KEY, signature=sign(KEY, statement(bare)))


def heads(rows: list[Row], *sizes: int, place: Place = "second place") -> list[tuple[Place, Head]]:
    """Sign heads for these sizes, as they stand in one place."""
    return [(place, head(rows, size)) for size in sizes]


def named(rows: list[Row], signed: list[tuple[Place, Head]] | None = None) -> list[tuple[str, int, int]]:
    """Verify, and give the breaches as (name, first, last)."""
    return [(breach.name, breach.first, breach.last) for breach in verify(rows, signed or [], check).breaches]


def renumbered(rows: list[Row], by: int) -> list[Row]:
    """Move records to other places without hashing them again."""
    return [row._replace(seq=row.seq + by) for row in rows]


def test_sound() -> None:
    """A sound log gives its span, its heads and the last signed size, and no breach."""
    rows = log(10)
    report = verify(rows, heads(rows, 4, 8, place="log") + heads(rows, 4, 8), check)
    assert report.sound
    assert (report.records, report.first_at, report.last_at) == (10, 1001, 1010)
    assert (report.heads, report.signed, report.keys) == (4, 8, (key_fingerprint(KEY),))


def test_empty() -> None:
    """A log without records is sound."""
    assert verify([], [], check).sound


@pytest.mark.parametrize(
    "change",
    [
        {"at": 1},
        {"kind": "closing"},
        {"id": "other"},
        {"body": b'{"n":5,"v":"y"}'},
        {"body": b'{"n": 5,"v":"x"}'},
        {"body": b"not json"},
        {"prev": "00" * 32},
        {"hash": "00" * 32},
        {"hash": "odd"},
        {"id": "\udcff"},
        {"at": 2**70},
    ],
    ids=repr,
)
def test_altered(change: dict[str, object]) -> None:
    """A change in any column is an alteration of that record and of no other."""
    rows = log(9)
    rows[4] = rows[4]._replace(**change)
    assert named(rows, heads(rows[:3], 3)) == [("altered", 5, 5)]


@pytest.mark.parametrize("seq", [1, 2, 9])
def test_altered_anywhere(seq: int) -> None:
    """The first and the last record are no exceptions."""
    rows = log(9)
    rows[seq - 1] = rows[seq - 1]._replace(body=b"{}")
    assert named(rows) == [("altered", seq, seq)]


def test_altered_and_hashed_again() -> None:
    """A record that was altered together with its own hash doesn't fit the record after."""
    rows = log(9)
    row = rows[4]._replace(body=b"{}")
    rows[4] = row._replace(hash=leaf_hash(row))
    assert named(rows) == [("altered", 5, 5)]


def test_altered_neighbours_are_one_breach() -> None:
    """Neighbouring records that were altered are told as one run."""
    rows = log(9)
    for at in (3, 4, 6):
        rows[at] = rows[at]._replace(at=7)
    assert named(rows) == [("altered", 4, 5), ("altered", 7, 7)]


def test_swapped() -> None:
    """Two records that changed places are told as reordered, each with where it was written."""
    rows = log(9)
    rows[2], rows[6] = rows[6]._replace(seq=3), rows[2]._replace(seq=7)
    report = verify(rows, [], check)
    assert [(breach.name, breach.first) for breach in report.breaches] == [("reordered", 3), ("reordered", 7)]
    assert report.breaches[0].detail == "the record at 3 was written as 7"


def test_moved_to_the_end() -> None:
    """A record that was moved away from its place is reordered, and its place is no deletion."""
    rows = log(9)
    rows = [*rows[:3], *rows[4:], rows[3]._replace(seq=10)]
    assert named(rows) == [("reordered", 10, 10)]


@pytest.mark.parametrize(("first", "last"), [(1, 1), (4, 4), (3, 6), (8, 8)])
def test_deleted(first: int, last: int) -> None:
    """A gap is a deletion of exactly the records that are missing."""
    rows = log(9)
    assert named([*rows[: first - 1], *rows[last:]]) == [("deleted", first, last)]


@pytest.mark.parametrize(("first", "count"), [(1, 1), (4, 1), (4, 3)])
def test_deleted_and_closed_up(first: int, count: int) -> None:
    """A gap that was closed by renumbering is still a deletion."""
    rows = log(12)
    rows = [*rows[: first - 1], *renumbered(rows[first - 1 + count :], -count)]
    assert named(rows) == [("deleted", first, first + count - 1)]


@pytest.mark.parametrize("forged_prev", [True, False])
def test_inserted(forged_prev: bool) -> None:
    """A record that was put between others, which moved up, is an insertion."""
    rows = log(9)
    prev = rows[3].hash if forged_prev else "11" * 32
    forged = chained(5, prev, at=1, kind="exchange", id="forged", body=b"{}")
    assert named([*rows[:4], forged, *renumbered(rows[4:], 1)]) == [("inserted", 5, 5)]


def test_inserted_before_the_first() -> None:
    """Nothing can stand before the first record."""
    rows = log(3)
    forged = chained(0, GENESIS, at=1, kind="exchange", id="forged", body=b"{}")
    assert named([forged, *rows]) == [("inserted", 0, 0)]


def test_rewritten() -> None:
    """A log that was hashed again from the altered record on is sound in itself; the signed head tells."""
    rows = log(12)
    signed = heads(rows, 4, 8)
    other = log(12, flavour="y", start=rows[:5])
    assert named(other) == []
    assert named(other, signed) == [("rewritten", 5, 8)]


def test_truncated() -> None:
    """A cut tail is invisible in the chain, and seen with heads from the second place."""
    rows = log(12)
    assert named(rows[:9]) == []
    assert named(rows[:9], heads(rows, 4, 8)) == []
    assert named(rows[:9], heads(rows, 4, 8, 12)) == [("truncated", 10, 12)]
    assert named([], heads(rows, 12)) == [("truncated", 1, 12)]


def test_rolled_back() -> None:
    """An older copy that was continued gives two good signatures for one size, or heads that go back."""
    rows = log(12)
    other = log(12, flavour="y", start=rows[:6])
    breaches = named(other, heads(other, 4, 8, 12, place="log") + heads(rows, 4, 8, 12))
    assert ("rolled back", 8, 8) in breaches
    assert ("rolled back", 12, 12) in breaches
    assert ("rewritten", 5, 8) in breaches
    assert named(other, [*heads(rows, 4, 10), *heads(other, 8)])[0] == ("rolled back", 9, 10)


def test_wrong_signature() -> None:
    """A head whose signature is wrong or of another key is named, and believed in nothing."""
    rows = log(5)
    good = head(rows, 4)
    forged = Head(size=9, root=good.root, last=good.last, at=1, key=KEY, signature=good.signature)
    other = Head(size=4, root=good.root, last=good.last, at=1, key="cd" * 32)
    other = Head(
        size=4, root=good.root, last=good.last, at=1, key=other.key, signature=sign(other.key, statement(other))
    )
    report = verify(rows, [("log", good), ("log", forged), ("second place", other)], check)
    assert [(breach.name, breach.first) for breach in report.breaches] == [
        ("wrong signature", 9),
        ("wrong signature", 4),
    ]
    assert (report.heads, report.signed) == (1, 4)


def test_long_damage_is_counted() -> None:
    """Damage of thousands of records costs linear time and is still told as one run."""
    rows = [row._replace(at=7) for row in log(3000)]
    assert named(rows) == [("altered", 1, 3000)]


@given(st.data())
def test_no_change_is_missed(data: st.DataObject) -> None:
    """Whatever one change is made to a signed log, something is named."""
    rows = log(8)
    signed = heads(rows, 8)
    kind = data.draw(st.sampled_from(["bit", "drop", "swap", "repeat", "rehash"]))
    at = data.draw(st.integers(0, 7))
    other = data.draw(st.integers(0, 7).filter(lambda n: n != at))
    if kind == "bit":
        column = data.draw(st.sampled_from(["at", "kind", "id", "body", "prev", "hash"]))
        value = getattr(rows[at], column)
        if isinstance(value, int):
            changed: object = value ^ 1
        elif isinstance(value, bytes):
            spot = data.draw(st.integers(0, len(value) - 1))
            changed = value[:spot] + bytes([value[spot] ^ 1]) + value[spot + 1 :]
        else:
            spot = data.draw(st.integers(0, len(value) - 1))
            changed = value[:spot] + chr(ord(value[spot]) ^ 1) + value[spot + 1 :]
        rows[at] = rows[at]._replace(**{column: changed})
    elif kind == "drop":
        del rows[at]
    elif kind == "swap":
        rows[at], rows[other] = rows[other]._replace(seq=at + 1), rows[at]._replace(seq=other + 1)
    elif kind == "repeat":
        rows = [*rows[: at + 1], *renumbered(rows[at:], 1)]
    else:
        rows = log(8, flavour="y", start=rows[:at])
    assert named(rows, signed)
