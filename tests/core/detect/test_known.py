"""Known values: found exactly, in every form, and never held."""

from __future__ import annotations

import base64
import pickle
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from poundlock.core.detect.engine import Detector
from poundlock.core.detect.known import Known, register

if TYPE_CHECKING:
    from poundlock.core.detect.compilation import Compiled

KEY = bytes(range(32))
VALUE = "plum-and-Quince/72"


def known(*values: str, canary: bool = False) -> Known:
    """Register some values."""
    return Known([entry for value in values for entry in register(value, KEY, canary=canary)], KEY)


FORMS = {
    "plain": VALUE,
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64url": base64.urlsafe_b64encode(VALUE.encode()).decode(),
    "hex": VALUE.encode().hex(),
    "percent": quote(VALUE, safe=""),
}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_value_is_found_in_each_form(form: str) -> None:
    """The span is that of the form, the value is the plain one."""
    text = f"a x={FORMS[form]}; b"
    (hit,) = known(VALUE).find(text)
    assert (text[hit.start : hit.end], hit.value, hit.canary) == (FORMS[form], VALUE, False)


def test_a_value_with_spaces_and_quotes_is_found() -> None:
    """Words do not bound a value: its length does."""
    value = 'over the "old" lock gates'
    (hit,) = known(value).find(f"note: {value}.")
    assert hit.value == value


def test_a_part_of_a_word_is_not_the_value() -> None:
    """Neither a longer word that begins with the value, nor one that ends with it."""
    assert known("quince72").find("quince723 xquince72 quince7") == []


def test_too_short_values_are_refused() -> None:
    """Four characters would be found everywhere."""
    with pytest.raises(ValueError, match="5 to 4096"):
        register("abcd", KEY)


def test_another_key_finds_nothing() -> None:
    """Entries mean nothing without their key."""
    other = Known(register(VALUE, KEY), bytes(32))
    assert other.find(VALUE) == []


def test_entries_hold_no_value() -> None:
    """Neither the value nor one of its forms, nor four characters of it, stand in what is stored."""
    stored = pickle.dumps([tuple(getattr(e, f) for f in e.__struct_fields__) for e in register(VALUE, KEY)])
    for text in FORMS.values():
        assert text[:4].encode() not in stored


def test_the_engine_reports_known_values(compiled: Compiled) -> None:
    """A registered value wins over rules, is found in base64, and a canary says that it is one."""
    detector = Detector(compiled, known=known(VALUE))
    text = f'password = "{VALUE}"'
    (match,) = detector.detect(text)
    assert (match.kind, match.value, text[match.start : match.end]) == ("secret.known.value", VALUE, VALUE)
    blob = base64.b64encode(f"some words about {VALUE} here".encode()).decode()
    assert [m.value for m in detector.detect(blob)] == [VALUE]
    trap = Detector(compiled, known=known(VALUE, canary=True))
    assert [m.kind for m in trap.detect(f"see {VALUE}")] == ["secret.known.canary"]
    assert detector.digest != Detector(compiled).digest


def test_cost_is_linear_in_the_text_and_not_in_the_number_of_values() -> None:
    """A thousand registered values cost less than eight times what one costs."""
    text = "def walk(tree, depth): return [item for item in tree if item.depth < depth]\n" * 3000
    one, many = known("walnut-tree-9"), known(*(f"walnut-{n}-tree" for n in range(1000)))

    def cost(values: Known) -> float:
        begin = time.process_time()
        assert values.find(text) == []
        return time.process_time() - begin

    assert min(cost(many) for _ in range(3)) < 8 * min(cost(one) for _ in range(3)) + 0.05
