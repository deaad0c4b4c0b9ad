"""Levels of JSON: told from the text alone, exactly, in linear work."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.json_levels import DEEPEST, JsonLevels, plain_value, unescape
from poundlock.core.nesting import escaped

AWKWARD = 'p"a\\ss\nw😀x'


def nested(value: str, levels: int) -> str:
    """Give a text in which `value` stands `levels` levels of JSON deep."""
    text = value
    for _ in range(levels):
        text = msgspec.json.encode({"k": "é\\u\n😀", "a": [1, -2.5e3, True], "content": text, "z": None}).decode()
    return text


@pytest.mark.parametrize("levels", range(6))
def test_a_value_is_found_at_its_level_and_read_plainly(levels):
    """What stands `levels` deep is at that level, from its first character to its last."""
    text = nested(AWKWARD, levels)
    written = escaped(AWKWARD, levels)
    start = text.index(written)
    found = JsonLevels(text)
    assert [found.at(start), found.at(start + len(written) - 1)] == [levels, levels]
    assert plain_value(text, start, start + len(written), found) == AWKWARD


def test_text_that_is_no_json_is_at_level_0():
    """Source code, prose and a JSON document with a broken token have no levels."""
    for text in ('x = {"a": "b\\"c"}', "plain", '{broken "a": "b"}'):
        assert JsonLevels(text).at(len(text) - 3) == 0


def test_a_document_that_is_cut_off_counts_as_far_as_it_goes():
    """An unfinished string is a string: arguments arrive in pieces."""
    assert JsonLevels('{"content": "KEY=abc').at(16) == 1
    assert JsonLevels('{"content": "{\\"k\\": \\"abc').at(24) == 2


def test_outside_of_strings_a_document_is_at_level_0():
    """A number or a brace of the document stands at the text's own level."""
    text = '{"a": 12345, "b": "x"}'
    assert [JsonLevels(text).at(place) for place in (0, 7, 19)] == [0, 0, 1]


def test_levels_end_somewhere():
    """JSON inside JSON is followed to a fixed level, and what is deeper is taken as it is."""
    text = nested("v", DEEPEST + 2)
    assert JsonLevels(text).at(text.index("v", text.rindex("content"))) == DEEPEST


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 4))
def test_escape_and_unescape_are_inverse(value, levels):
    """What was escaped so many times is itself after as many steps back."""
    written = escaped(value, levels)
    for _ in range(levels):
        written = unescape(written)
    assert written == value


def test_what_is_no_json_string_is_left_as_it_is():
    """A stray backslash (a Windows path, a regular expression) is no escape."""
    assert unescape("C:\\path\\x") == "C:\\path\\x"


def test_many_places_cost_one_reading():
    """Every place of a large text may be asked for: strings are opened once."""
    inner = msgspec.json.encode({"x": 'q\\"w' * 3}).decode()
    text = msgspec.json.encode({"a": [inner] * 2000}).decode()
    levels = JsonLevels(text)
    assert sum(levels.at(place) for place in range(0, len(text), 7)) > 0
    assert len(levels._inner) == 2000
