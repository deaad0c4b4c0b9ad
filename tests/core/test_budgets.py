"""Budgets: what counts, for whom, and when it has left the period."""

from __future__ import annotations

from typing import Any

import pytest

from poundlock.core.budgets import BROKEN, FEWEST, HOUR, PATTERN, Budget, Tally, Who
from poundlock.core.model import Record

ADA = Who("ada", "agent", "anthropic", "acme/app")


def record(at: int, **changes: Any) -> Record:
    """Give the record of an exchange of Ada's that left disguised."""
    body = {
        "decision": {"rung": "sendDisguised"},
        "destination": {"name": "anthropic", "local": False},
        "principal": {"human": "ada", "tool": "agent"},
        "facts": {"repository": "acme/app"},
        "sizes": {"characters": 1000, "new": 100},
        "findings": [
            {"kind": "pii.email", "treatment": "disguise", "fingerprints": ["a", "b"]},
            {"kind": "pii.phone", "treatment": "impound", "fingerprints": ["c"]},
            {"kind": "identifier.name", "treatment": "clear", "fingerprints": ["d"]},
        ],
        **changes,
    }
    return Record(seq=1, at=at, kind="exchange", id="x", body=body, prev="", hash="")


@pytest.mark.parametrize(
    ("measure", "spent"), [("exchanges", 2), ("characters", 200), ("people", 2), ("names", 1), ("secrets", 0)]
)
def test_measures(measure, spent):
    """Exchanges and new characters add up; different values are counted once; what was impounded did not leave."""
    tally = Tally((Budget(name="b", measure=measure, limit=200),))
    tally.add(record(1))
    tally.add(record(2))
    assert tally.spent(ADA, 3) == {"b": (spent, 200)}
    assert tally.used_up(ADA, 3) == (("b",) if spent >= 200 else ())


@pytest.mark.parametrize(
    "changes",
    [
        {"decision": {"rung": "blocked"}},
        {"decision": {"rung": "sendLocal"}},
        {"decision": {"rung": "sendApproved"}},
        {"destination": {"name": "inside", "local": True}},
    ],
)
def test_what_stays_does_not_count(changes):
    """Nothing is spent by what was stopped, waits, or stayed inside."""
    tally = Tally((Budget(name="b", measure="exchanges", limit=1, per=()),))
    tally.add(record(1, **changes))
    assert tally.spent(ADA, 2) == {"b": (0, 1)}


def test_each_has_a_budget_of_its_own():
    """A budget a person and repository; one for all; one that is for other repositories is not spoken of."""
    tally = Tally(
        (
            Budget(name="own", measure="exchanges", limit=1, per=("person", "repository")),
            Budget(name="all", measure="exchanges", limit=1, per=()),
            Budget(name="other", measure="exchanges", limit=1, repositories=("else/*",)),
            Budget(name="acme", measure="exchanges", limit=2, repositories=("acme/*",), providers=("anthropic",)),
        )
    )
    tally.add(record(1))
    assert tally.used_up(ADA, 2) == ("own", "all")
    assert tally.used_up(ADA._replace(person="joan"), 2) == ("all",)
    assert tally.used_up(ADA._replace(repository="acme/lib"), 2) == ("all",)
    assert tally.spent(ADA._replace(destination="openai"), 2).keys() == {"own", "all"}


def test_the_period_slides():
    """What left 24 hours ago is not counted any more, values neither."""
    day = 24 * HOUR
    tally = Tally((Budget(name="b", measure="people", limit=2), Budget(name="h", measure="exchanges", limit=2)))
    tally.add(record(HOUR))
    tally.add(record(2 * HOUR))
    assert tally.spent(ADA, 3 * HOUR) == {"b": (2, 2), "h": (2, 2)}
    assert tally.spent(ADA, day + HOUR + 1) == {"b": (2, 2), "h": (1, 2)}
    assert tally.spent(ADA, day + 2 * HOUR + 1) == {"b": (0, 2), "h": (0, 2)}


def test_a_pattern_that_breaks():
    """An hour far above any of the hours before breaks the pattern; a first busy day does not."""
    tally = Tally((Budget(name="b", measure="exchanges", limit=10**9),))
    now = 30 * HOUR
    many = max(FEWEST, BROKEN * 3 + 1)
    for index in range(many):
        tally.add(record(now + index))
    assert tally.used_up(ADA, now + many) == ()
    for hour in range(8):
        for _ in range(3):
            tally.add(record(hour * HOUR))
    assert tally.used_up(ADA, now + many) == (PATTERN,)
    assert tally.used_up(ADA._replace(tool="other"), now + many) == ()
    assert tally.used_up(ADA, now + HOUR) == ()
