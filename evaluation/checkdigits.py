"""Check-digit schemes and the small draws that numbered identities share.

Must never draw a number that is known to be somebody's: all digits are random but the checks.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from evaluation.samples import sample

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence


def digits(rng: random.Random, count: int) -> str:
    """Draw `count` digits, the first one not zero."""
    return str(rng.randint(1, 9)) + sample(f"\\d{{{count - 1}}}", rng)


def weighted(number: str, weights: Sequence[int]) -> int:
    """Return the sum of digits times weights."""
    return sum(int(char, 36) * weight for char, weight in zip(number, weights, strict=False))


def luhn(number: str) -> str:
    """Return the Luhn check digit (ISO/IEC 7812-1) of `number`."""
    total = 0
    for at, char in enumerate(reversed(number)):
        value = int(char) * (2 if at % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def mod11_10(number: str) -> str:
    """Return the ISO/IEC 7064 MOD 11,10 check digit."""
    product = 10
    for char in number:
        total = (int(char) + product) % 10 or 10
        product = total * 2 % 11
    return str((11 - product) % 10)


_VERHOEFF_P = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)


_VERHOEFF_D = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)


def verhoeff(number: str) -> str:
    """Return the Verhoeff check digit."""
    check = 0
    for at, char in enumerate(reversed(number), start=1):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[at % 8][int(char)])])
    return "0432156789"[check]


def birthday(rng: random.Random) -> dt.date:
    """Draw a day of birth between 1945 and 2006."""
    return dt.date(1945, 1, 1) + dt.timedelta(days=rng.randint(0, 22600))


def until(rng: random.Random, draw: Callable[[random.Random], str | None]) -> str:
    """Draw until the rules allow the number."""
    while (out := draw(rng)) is None:
        pass
    return out


def mod11(number: str, weights: Sequence[int], *, ten: str | None = None) -> str | None:
    """Return 11 minus the weighted sum mod 11 as a digit; `ten` when that is 10 (None: not allowed)."""
    check = 11 - weighted(number, weights) % 11
    return {11: "0", 10: ten}.get(check, str(check))


def drawn(pattern: str) -> Callable[[random.Random], str]:
    """Return a draw of one pattern."""
    return lambda rng: sample(pattern, rng)
