"""Minting and recognising surrogates."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core import surrogates
from poundlock.core.model import ScopeKey
from poundlock.core.surrogates import ALPHABET, SURROGATE, Found, find, fingerprint, label, mint, unfinished

KEY = ScopeKey(scope="someone", mint=b"m" * 32, fingerprint=b"f" * 32)
OTHER = ScopeKey(scope="someone-else", mint=b"n" * 32, fingerprint=b"g" * 32)
CODE = "7Q3K9M2XV4TB"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("secret.aws.secret-key", "AWS_SECRET_KEY"),
        ("secret.private-key.pem", "PRIVATE_KEY"),
        ("secret.private-key", "PRIVATE_KEY"),
        ("secret.generic.password", "PASSWORD"),
        ("secret.stripe", "STRIPE_SECRET"),
        ("secret.jwt", "JWT"),
        ("secret.azure.storage-account-key", "AZURE_STORAGE_KEY"),
        ("pii.email", "EMAIL"),
        ("pii.date_of_birth", "DATE_OF_BIRTH"),
        ("infrastructure.host.internal", "INTERNAL_HOST"),
        ("identifier.name", "INTERNAL_NAME"),
        ("secret.generic", "SECRET"),
        ("code", "CODE"),
        ("identifier.qz", "QX"),
        ("", "VALUE"),
        ("é", "VALUE"),
    ],
)
def test_label(kind: str, expected: str) -> None:
    """A label says what a value is in few words."""
    assert label(kind) == expected


@given(st.text(alphabet=string.ascii_letters + string.digits + ".-_é", max_size=80))
def test_label_of_any_kind(kind: str) -> None:
    """Any kind has a label that can't be read as a code and can't hold the beginning of a surrogate.

    Mutants: words of 12 characters; words ending in QZ; no limit on the length.
    """
    words = label(kind).split("_")
    assert 1 <= len(label(kind)) <= 24
    assert len(words) <= 4
    assert all(re.fullmatch("[A-Z0-9]{1,11}", word) and not word.endswith("QZ") for word in words)


def test_mint_is_stable() -> None:
    """The same value, label and scope give the same text in every process; the text is a promise to old vaults."""
    minted = mint("secret.aws.secret-key", "value", KEY)
    assert minted.text == "QZ_AWS_SECRET_KEY_" + minted.text[-12:]
    assert minted == mint("secret.aws.secret-key", "value", KEY)
    assert (minted.kind, minted.scope, minted.value) == ("secret.aws.secret-key", "someone", "value")
    assert minted.fingerprint == fingerprint("value", KEY)
    assert set(minted.text[-12:]) <= set(ALPHABET)
    assert mint("pii.email", "a@b.example", KEY).text == "QZ_EMAIL_MPNFZAXFF49Q"


def test_mint_tells_apart() -> None:
    """Another value, label or scope gives another code."""
    texts = {
        mint(kind, value, key).text[-12:]
        for kind in ("pii.email", "pii.phone")
        for value in ("a", "b", "", "\0", "#1.0\0a")
        for key in (KEY, OTHER)
    }
    assert len(texts) == 20


def test_mint_avoids_what_is_taken() -> None:
    """A text that stands for something else is passed over, the same way each time. Mutant: `taken` not asked."""
    first = mint("pii.email", "value", KEY).text
    second = mint("pii.email", "value", KEY, {first}).text
    third = mint("pii.email", "value", KEY, {first, second}).text
    assert len({first, second, third}) == 3
    assert second == mint("pii.email", "value", KEY, {first}).text
    assert find(third) == [Found(0, len(third), third)]


def test_codes_are_even() -> None:
    """Each of the 30 symbols is as likely as another. Mutant: every byte taken modulo 30."""
    counts = dict.fromkeys(ALPHABET, 0)
    for number in range(10_000):
        for symbol in mint("pii.email", str(number), KEY).text[-12:]:
            counts[symbol] += 1
    # 4,000 each are expected, with a standard deviation of 62; a byte modulo 30 would give the first 16 symbols 4,219.
    assert max(counts.values()) < 4_000 + 5 * 62
    assert min(counts.values()) > 4_000 - 5 * 62
    assert abs(sum(counts[symbol] for symbol in ALPHABET[:16]) - 64_000) < 5 * 173


def test_values_of_any_characters() -> None:
    """Lone surrogate code points neither fail nor collide."""
    assert mint("pii.person", "\ud800", KEY).text != mint("pii.person", "\udfff", KEY).text
    assert fingerprint("\ud800", KEY) != fingerprint("\udfff", KEY)


def test_fingerprint() -> None:
    """A fingerprint is 32 hex digits, keyed, and not the code's HMAC."""
    assert re.fullmatch("[0-9a-f]{32}", fingerprint("value", KEY))
    assert fingerprint("value", KEY) != fingerprint("value", OTHER)
    swapped = ScopeKey(scope="someone", mint=KEY.fingerprint, fingerprint=KEY.mint)
    assert fingerprint("value", KEY) != fingerprint("value", swapped)


def test_no_repr_shows_the_value() -> None:
    """The value is in no repr."""
    assert "hunter" not in repr(mint("secret.generic.password", "hunter", KEY))


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        (f"QZ_EMAIL_{CODE}", [(0, 21)]),
        (f"fooQZ_EMAIL_{CODE}bar", [(3, 24)]),
        (f"QZ_EMAIL_{CODE}QZ_PHONE_{CODE}", [(0, 21), (21, 42)]),
        (f"QZ_EMAIL_{CODE}_QZ_PHONE_{CODE}", [(0, 21), (22, 43)]),
        (f"https://h.example/?k=QZ_EMAIL_{CODE}&x=1", [(21, 42)]),
        (f"qz_email_{CODE.lower()}", [(0, 21)]),
        (f"Qz_eMail_{CODE}", [(0, 21)]),
        (f"QZ\\_EMAIL\\_{CODE}", [(0, 23)]),
        (f"QZ%5FEMAIL%5f{CODE}", [(0, 25)]),
        (f"QZ_QZ_EMAIL_{CODE}", [(3, 24)]),
        (f"QZ_FOOQZ_EMAIL_{CODE}", [(6, 27)]),
        (f"QZ_EMAIL_7Q3KQZ_EMAIL_{CODE}", [(13, 34)]),
        (f"QZ_A_B_C_D_{CODE}", [(0, 23)]),
        (f"QZ_ABCDEFGHJKI_{CODE}", [(0, 27)]),
    ],
)
def test_find(text: str, spans: list[tuple[int, int]]) -> None:
    """A surrogate is found with its exact span in whatever surrounds it, and has one canonical text.

    Mutants: a boundary demanded on the right; IGNORECASE left out; labels that may hold QZ_.
    """
    found = find(text)
    assert [(each.start, each.end) for each in found] == spans
    for each in found:
        written = text[each.start : each.end]
        assert each.canonical == written.replace("\\", "").replace("%5F", "_").replace("%5f", "_").upper()


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"QZ_{CODE}",
        f"QZ__{CODE}",
        f"QZ_EMAIL{CODE}",
        f"QZ_EMAIL_{CODE[:-1]}",
        f"QZ_EMAIL_{CODE[:-1]}I",
        f"QZ_A_B_C_D_E_{CODE}",
        f"QZ_ABCDEFGHIJKL_{CODE}",
        f"QZ-EMAIL-{CODE}",
        f"QZ_É_{CODE}",
        f"QZ_EMAIL_{CODE[:-1]}\u212a",  # the Kelvin sign, which is a K in another case
        f"QZ_EMAIL_{CODE[:-1]}\u017f",  # the long s
        f"QZ_EMAIL_{CODE[:-1]}\uff12",  # a full-width digit
        f"QZ\\\\_EMAIL_{CODE}",
    ],
)
def test_look_alikes(text: str) -> None:
    """What isn't a surrogate isn't found. Mutant: Unicode case folding."""
    assert find(text) == []


# Continuations that make a whole of every beginning: the rest of a separator, a word or none, the rest of a code.
RESTS = [end + word + CODE[:size] for end in ("", "_", "5F", "F", "Z_") for word in ("", "A_") for size in range(13)]


@given(st.text(alphabet="QZqz_\\%5FAEI27K", max_size=90))
def test_unfinished_is_what_a_continuation_completes(text: str) -> None:
    """The suffix that is held back is the longest that some continuation makes a surrogate of: no less, no more.

    Mutants: LONGEST too small; a partial separator forgotten; labels that may hold QZ_.
    """
    seen = max((found.end for found in find(text)), default=0)
    completed = (
        start
        for start in range(seen, len(text))
        if any((match := SURROGATE.match(text + rest, start)) and match.end() > len(text) for rest in RESTS)
    )
    assert unfinished(text, seen) == next(completed, len(text))


def test_every_prefix_is_unfinished() -> None:
    """Each prefix of the longest surrogate is held back, and nothing before it; the whole is not."""
    whole = "QZ%5F" + "ABCDEFGHIJK%5F" * 4 + CODE
    assert len(whole) == surrogates.LONGEST
    assert find(whole) == [Found(0, len(whole), whole.replace("%5F", "_"))]
    for size in range(1, len(whole)):
        assert unfinished("a query " + whole[:size]) == 8
    assert unfinished(whole) == len(whole)
