"""Given names as evidence: with and without accents, and never a word of business."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from poundlock.core.detect.given import GIVEN, given

if TYPE_CHECKING:
    from poundlock.core.detect.engine import Detector


def test_accents_do_not_matter() -> None:
    """A name is known with its accents and without them."""
    assert given("Aurélie")
    assert given("Jürgen")
    assert given("maria")
    assert not given("Visual")


def test_every_name_is_plain_lower_case() -> None:
    """The list holds single words of small letters, each once."""
    assert all(name.isascii() and name.islower() and name.isalpha() for name in GIVEN)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"name": "Elena Vorhaus", "active": true}', "Elena Vorhaus"),
        ("On Tue, Martin Vorhaus wrote:\n> x", "Martin Vorhaus"),
        ("text\n-- \nTomasz Wilkmann\n", "Tomasz Wilkmann"),
        ("| created_by | Xandor Vorhaus |", "Xandor Vorhaus"),
        ("Approved-by: Xandor Vorhaus", "Xandor Vorhaus"),
        ("team:\n- Laura Vorhaus (manager)", "Laura Vorhaus"),
    ],
)
def test_a_weak_sign_and_a_common_name(detector: Detector, text: str, value: str) -> None:
    """A key or a verb that could mean anything counts with a common given name, a strong one without."""
    assert [(match.kind, match.value) for match in detector.detect(text)] == [("pii.person", value)]


@pytest.mark.parametrize("text", ['"name": "Visual Studio"', "name: Xandor Widgets", "opened by Security Team"])
def test_a_weak_sign_alone_is_nothing(detector: Detector, text: str) -> None:
    """Without a common name, a weak sign proves nothing."""
    assert detector.detect(text) == ()
