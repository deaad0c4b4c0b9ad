"""Which values are worth registering."""

import pytest

from poundlock.core.detect.registration import Named, refusal, secretive


@pytest.mark.parametrize(
    ("value", "chosen", "why"),
    [
        ("plum-and-Quince/72", False, ""),
        ("Quince7", False, "shorter than 8 characters"),
        ("Quince7", True, ""),
        ("abab1", True, "shorter than 6 characters"),
        ("a" * 5000, False, "longer than 4,096 characters"),
        ("abababab", False, "fewer than 4 different characters"),
        ("changeme-now", False, "a placeholder"),
        ("production", False, "a single word"),
        ("4711081542", False, "an ordinary path, address, number or reference"),
        ("4711081542", True, ""),
        ("/usr/local/lib/python", False, "an ordinary path, address, number or reference"),
        ("https://docs.corp.net/x", False, "an ordinary path, address, number or reference"),
    ],
)
def test_weak_values_are_refused_with_a_reason(value: str, chosen: bool, why: str) -> None:
    """What would be found everywhere is left out; a value that somebody chose may be a number or shorter."""
    assert refusal(value, chosen=chosen) == why


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DB_PASSWORD", "x", True),
        ("API_TOKEN", "x", True),
        ("PORT", "3000", False),
        ("GREETING", "Welcome to the lock keeper", False),
        ("COOKIE_SALT", "x9K2qLw7Zt4Rv8Pm3Hs6", True),
        ("SERVICE", "order-service-production", False),
    ],
)
def test_names_and_looks_say_what_is_secret(name: str, value: str, said: bool) -> None:
    """A name that promises a secret, or else a long value that no word explains."""
    assert secretive(name, value) is said


def test_a_named_value_is_not_shown() -> None:
    """Its `repr` has the name alone."""
    assert repr(Named("DB", "plum-and-Quince/72")) == "Named(name='DB')"
