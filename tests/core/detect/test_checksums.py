"""Checksums of key formats: made examples pass, one changed character is noticed, published vectors hold."""

from __future__ import annotations

import pytest

from poundlock.core.detect import checksums, templates, validators

MAKERS = {
    "nkey": "{=nkey:SU}",
    "stellar": "{=stellar:S}",
    "ripple": "{=ripple:s}",
    "bech32": "{=bech32:nsec:52}",
    "base58check": "{=base58:5}",
}


def changed(value: str) -> str:
    """Give the value with its eleventh character from the end replaced by another that the value holds."""
    at = len(value) - 11
    other = next(char for char in value[5:] if char != value[at])
    return value[:at] + other + value[at + 1 :]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_made_key_passes_and_a_changed_one_does_not(name: str) -> None:
    """A checksum that holds raises confidence; one that fails rejects, or lowers where old forms may exist."""
    check, argument = validators.find(name)
    for seed in ("1", "2", "3"):
        value = templates.expand(MAKERS[name], seed)
        assert check(value, argument) == checksums.SURE
        assert check(changed(value), argument) == (checksums.WRONG if name == "bech32" else checksums.REJECT)


@pytest.mark.parametrize("value", ["A12UEL5L".lower(), "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w"])
def test_bech32_holds_for_the_vectors_of_bip_173(value: str) -> None:
    """The first and the longest readable valid strings of BIP 173 pass."""
    assert checksums.bech32(value) == checksums.SURE


def test_bech32m_holds_for_the_vector_of_bip_350() -> None:
    """The same text under the other constant passes with its own checksum only."""
    assert checksums.bech32("a1lqfn3a") == checksums.SURE
    assert checksums.bech32("a1lqfn3q") == checksums.WRONG


@pytest.mark.parametrize("value", ["", "S", "1", "SUA!", "s0OIl", "nsec1b1o", "日本"])
@pytest.mark.parametrize("name", sorted(checksums.CHECKS))
def test_what_is_no_key_is_not_sure(name: str, value: str) -> None:
    """Texts of a wrong alphabet or length never pass, and never fail with an error."""
    assert checksums.CHECKS[name](value, "") != checksums.SURE


def test_sizes_of_made_keys() -> None:
    """Made keys have the lengths and beginnings of their formats."""
    made = {name: templates.expand(template, "9") for name, template in MAKERS.items()}
    assert {name: len(value) for name, value in made.items()} == {
        "nkey": 58,
        "stellar": 56,
        "ripple": 29,
        "bech32": 63,
        "base58check": 51,
    }
    assert made["nkey"][:2] == "SU"
    assert made["stellar"][0] == "S"
    assert made["ripple"][0] == "s"
    assert made["base58check"][0] == "5"


def test_a_maker_that_there_is_not() -> None:
    """An unknown maker is a `KeyError`, which the lint turns into a problem."""
    with pytest.raises(KeyError):
        templates.expand("{=nothing:1}", "1")
