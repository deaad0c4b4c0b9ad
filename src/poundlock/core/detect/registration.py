"""Which values are worth registering: a weak one would be found everywhere, and hide what matters.

Pure judgement on one name and one value. INVARIANT: an answer never holds any part of the value.
"""

from __future__ import annotations

from typing import NamedTuple

from poundlock.core.detect import lexical, scoring
from poundlock.core.detect.known import LONGEST

SHORTEST = 8
CHOSEN_SHORTEST = 6
"""A value that somebody chose by naming its column or line may be this short."""
RANDOM_LENGTH = 16
DISTINCT = 4
ORDINARY = frozenset(("number", "version", "date", "url", "path", "file", "color", "reference", "arn", "sealed"))
"""Shapes (`scoring.shape`) that an environment is full of and that give nothing away by themselves."""


class Named(NamedTuple):
    """A value with the name under which it stood. Never printed."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"Named(name={self.name!r})"


def refusal(value: str, *, chosen: bool) -> str:
    """Say why a value is too weak to be looked for, or nothing.

    `chosen`: somebody named just this value or its column, so a number or a name may be meant.
    """
    plain = value.strip()
    least = CHOSEN_SHORTEST if chosen else SHORTEST
    if len(plain) < least:
        return f"shorter than {least} characters"
    if len(plain) > LONGEST:
        return f"longer than {LONGEST:,} characters"
    if len(set(plain.lower())) < DISTINCT:
        return f"fewer than {DISTINCT} different characters"
    if scoring.made_up(plain):
        return "a placeholder"
    if plain.isalpha() and (plain.islower() or plain.isupper() or plain.istitle()) and len(plain) < RANDOM_LENGTH:
        return "a single word"
    if not chosen and scoring.shape(plain) in ORDINARY:
        return "an ordinary path, address, number or reference"
    return ""


def secretive(name: str, value: str) -> bool:
    """Say whether a name promises a secret, or else the value has the looks of one."""
    if lexical.strength(name) >= lexical.SECRET:
        return True
    plain = value.strip()
    if len(plain) < RANDOM_LENGTH or " " in plain or scoring.shape(plain):
        return False
    return scoring.classes(plain) >= 3 and not scoring.wordlike(plain)
