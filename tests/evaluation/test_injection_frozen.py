"""The frozen evaluation of text that gives orders."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation.injection import generate
from evaluation.injection.score import recall_at

FROZEN = dict(
    line.split() for line in (Path(generate.__file__).parent / "FROZEN").read_text(encoding="ascii").splitlines()
)


@pytest.mark.parametrize("split", ["dev", "heldout"])
def test_the_split_is_the_one_that_was_frozen(split: str) -> None:
    """Whoever changes a family, a surrounding or the generator sees it here."""
    assert generate.digest(split) == FROZEN[split]


def test_no_family_is_in_both_halves() -> None:
    """What is held out is unseen: neither a family nor a surrounding stands in both halves."""
    for file in ("injections.txt", "benign.txt", "carriers.txt"):
        halves = generate.halves(generate.families(file))
        names = {half: {family.name for family in members} for half, members in halves.items()}
        assert not names["dev"] & names["heldout"]
        assert len(names["dev"] | names["heldout"]) == len(generate.families(file))


def test_recall_is_taken_where_false_alarms_are_one_in_a_hundred() -> None:
    """With a hundred benign texts one may be above the threshold, and equal scores count as alarms."""
    benign = [0.0] * 98 + [50.0, 90.0]
    assert recall_at(benign, [51.0, 50.0, 95.0, 10.0], 0.01) == (0.5, 50.0)
