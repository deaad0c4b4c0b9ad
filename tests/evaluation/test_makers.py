"""The structured values of the set carry true check digits, checked by code that shares nothing with the makers."""

import base64
import random
import re
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from evaluation.samples import sample  # noqa: E402

from evaluation import accounts, checkdigits, makers  # noqa: E402  # not in the wheel

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_crc_token():
    """The last six symbols are the CRC-32 of the thirty before, in base62."""
    token = makers.crc_token(random.Random(1), "gh" + "p_")
    value = 0
    for char in token[-6:]:
        value = value * 62 + ALPHABET.index(char)
    assert len(token) == 40
    assert value == zlib.crc32(token[4:-6].encode())


def test_luhn_of_cards():
    """Every card passes the Luhn sum whatever its network and spelling."""
    rng = random.Random(2)
    for _ in range(200):
        digits = [int(char) for char in accounts.card(rng) if char.isdigit()]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
        assert (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def test_iban_modulus():
    """Every IBAN gives 1 modulo 97."""
    rng = random.Random(3)
    for _ in range(200):
        number = accounts.iban(rng).replace(" ", "")
        assert int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1


def test_verhoeff_published_example():
    """The published example 236 has the check digit 3."""
    assert checkdigits.verhoeff("236") == "3"


def test_mnemonic_length_and_table():
    """A phrase has the words that were asked for, and the table is complete and sorted."""
    assert len(makers.mnemonic(random.Random(4), 12).split()) == 12
    assert len(makers._WORDS) == 2048
    assert sorted(makers._WORDS) == makers._WORDS


def test_bech32_published_example():
    """The checksum function accepts a valid string of BIP-0173."""
    text = "A12UEL5L".lower()
    data = [makers._BECH.index(char) for char in text.rsplit("1", 1)[1]]
    assert makers._polymod([ord("a") >> 5, 0, ord("a") & 31, *data]) == 1


def test_pem_body_is_der():
    """A key's body is one DER sequence whose length is right."""
    body = "".join(makers.pem(random.Random(5), "rsa").splitlines()[1:-1])
    data = base64.b64decode(body)
    assert data[0] == 0x30
    assert int.from_bytes(data[2 : 2 + (data[1] & 0x7F)], "big") == len(data) - 2 - (data[1] & 0x7F)


def test_sample_matches_its_pattern():
    """A drawn string matches the regular expression it is drawn from."""
    rng = random.Random(6)
    for pattern in ("[A-Z]{3}(ab|c){2}\\d{1,4}", "x-[a-f0-9]{8}_y", "(a|[0-9]{2}|)z"):
        for _ in range(50):
            assert re.fullmatch(pattern, sample(pattern, rng))
