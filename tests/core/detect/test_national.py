"""Check digits: every register accepts what was made for it, and refuses the same number with one digit changed."""

from __future__ import annotations

import pytest

from poundlock.core.detect import fiscal, national, personal, templates

MADE = {
    "ar": "20#########",
    "at": "1###150685",
    "au-tfn": "#########",
    "be": "850615#####",
    "bg": "850615####",
    "br-cpf": "###########",
    "br-cnpj": "########0001##",
    "ca": "4########",
    "ch": "756##########",
    "cn": "11010519850615####",
    "cz": "850615####",
    "de-tax": "65#########",
    "ee": "385061#####",
    "fr": "1850675########",
    "gb-nhs": "##########",
    "gr-amka": "150685#####",
    "hr": "###########",
    "hu-tax": "8#########",
    "il": "#########",
    "in-aadhaar": "2###########",
    "jp": "############",
    "lv": "150685#####",
    "nl": "1########",
    "no": "150685#####",
    "pl": "850615#####",
    "pl-nip": "5#########",
    "pt": "2########",
    "ro": "185061512####",
    "ru-inn": "77##########",
    "se": "850615####",
    "th": "1############",
    "tr": "1##########",
    "ua": "2#########",
    "za": "850615####08#",
}
"""Registers whose check catches any single digit that is wrong in the last place."""


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_changed_last_digit_is_refused(name: str) -> None:
    """A number made for a register passes; at most one other last digit could, and for these none does."""
    number = templates.expand(f"{{=register:{name}:{MADE[name]}}}", "seed")
    assert personal.register(number, name) > 1
    others = [number[:-1] + digit for digit in "0123456789" if digit != number[-1]]
    assert [other for other in others if personal.register(other, name)] == []


def test_published_examples_pass() -> None:
    """Numbers that registers print as examples in their own descriptions satisfy the arithmetic."""
    assert national.verhoeff("2363")
    assert national.luhn("79927398713")
    assert national.es("12345678Z")
    assert national.gb_nhs("9434765919")
    assert national.fi("131052-308T".replace("-", ""))
    assert national.hk("G123456A")
    assert national.hk("A1234563")
    assert national.sg("S1234567D")
    assert national.tw("A123456789")
    assert fiscal.de_tax("86095742719")
    assert fiscal.gr_afm("094259216")


def test_registers_of_both_modules_have_names_of_their_own() -> None:
    """No name stands for two registers, and there are more than sixty."""
    assert not set(national.CHECKS) & set(fiscal.CHECKS)
    assert len(personal.REGISTERS) >= 60


def test_letters_in_the_wrong_place_are_no_fault() -> None:
    """What has another register's form is refused, never an error."""
    for name in personal.REGISTERS:
        for text in ("A", "", "ABCDEFGHIJK", "12", "1234567890123456789"):
            assert personal.register(text, name) in (0.0, 1.5)


def test_dates_are_days_of_the_calendar() -> None:
    """A thirtieth of February is none, a leap day may be."""
    assert national.day(84, 2, 29)
    assert not national.day(85, 2, 29)
    assert not national.day(85, 4, 31)
    assert not national.day(85, 13, 1)
