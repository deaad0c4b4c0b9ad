"""Checksums of key formats that few rules need: loaded when the first of those rules has a candidate.

Each check gives a factor like those of `validators`; `made` makes examples that pass. Must never look anything up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from poundlock.core.detect.templates import Dice

REJECT, WRONG, SURE = 0.0, 0.75, 1.5
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
RIPPLE58 = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
# Base 58 prefixes (version bytes) of the keys that examples are made of: Bitcoin wiki and Tezos protocol source.
VERSIONS = {"5": "80", "bip38": "0142c0", "edsk": "0d0f3a07", "edesk": "075a3cb329"}
SIZES = {"5": 32, "bip38": 36, "edsk": 32, "edesk": 56}


def _unbase32(text: str) -> bytes:
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except (ValueError, binascii.Error):
        return b""


def _framed(value: str) -> bool:
    """Say whether base 32 ends in the CRC-16 (XMODEM, little-endian) of what is before it."""
    data = _unbase32(value)
    return len(data) > 2 and binascii.crc_hqx(data[:-2], 0).to_bytes(2, "little") == data[-2:]


def nkey(value: str, _: str = "") -> float:
    """Check a seed of NATS (ADR-14: nkeys), two prefix bytes and 32 of seed."""
    return SURE if _framed(value) else REJECT


def stellar(value: str, _: str = "") -> float:
    """Check a secret seed of Stellar (SEP-23: strkeys), a version byte and 32 of seed."""
    return SURE if _framed(value) else REJECT


def _number(value: str, alphabet: str) -> bytes:
    number = 0
    for char in value:
        place = alphabet.find(char)
        if place < 0:
            return b""
        number = number * 58 + place
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return b"\0" * (len(value) - len(value.lstrip(alphabet[0]))) + data


def _double(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]


def ripple(value: str, _: str = "") -> float:
    """Check a family seed of the XRP Ledger: base 58 in its own order, with four bytes of double SHA-256."""
    data = _number(value, RIPPLE58)
    return SURE if len(data) > 4 and _double(data[:-4]) == data[-4:] else REJECT


def _polymod(prefix: str, places: list[int]) -> int:
    state = 1
    values = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix] + places
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                state ^= term
    return state


def bech32(value: str, _: str = "") -> float:
    """Check Bech32 (BIP 173) or Bech32m (BIP 350); lower case only."""
    prefix, _, data = value.rpartition("1")
    places = [BECH32.find(char) for char in data]
    if not prefix or -1 in places:
        return REJECT
    return SURE if _polymod(prefix, places) in (1, 0x2BC830A3) else WRONG


CHECKS: dict[str, Callable[[str, str], float]] = {
    "nkey": nkey,
    "stellar": stellar,
    "ripple": ripple,
    "bech32": bech32,
}


def _wrap(data: bytes) -> str:
    framed = data + binascii.crc_hqx(data, 0).to_bytes(2, "little")
    return base64.b32encode(framed).decode().rstrip("=")


def _base58(data: bytes, alphabet: str) -> str:
    number, out = int.from_bytes(data + _double(data), "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = alphabet[rest] + out
    return out


def made(name: str, argument: str, dice: Dice) -> str:
    """Make an example: `nkey:SU`, `stellar:S`, `ripple:s`, `bech32:prefix:places`, `base58:name`.

    Raises: `KeyError` for a maker that there is not.
    """

    def draw(size: int) -> bytes:
        return bytes(dice.below(256) for _ in range(size))

    if name == "nkey":
        kind = BASE32.index(argument[1]) << 3
        return _wrap(bytes([18 << 3 | kind >> 5, (kind & 31) << 3]) + draw(32))
    if name == "stellar":
        return _wrap(bytes([18 << 3]) + draw(32))
    if name == "ripple":
        return _base58(b"\x21" + draw(16), RIPPLE58)
    if name == "bech32":
        prefix, _, size = argument.partition(":")
        places = [dice.below(32) for _ in range(int(size))]
        check = _polymod(prefix, places + [0] * 6) ^ 1
        return f"{prefix}1" + "".join(
            BECH32[place] for place in [*places, *(check >> 5 * (5 - i) & 31 for i in range(6))]
        )
    if name == "base58":
        return _base58(bytes.fromhex(VERSIONS[argument]) + draw(SIZES[argument]), BASE58)
    raise KeyError(name)
