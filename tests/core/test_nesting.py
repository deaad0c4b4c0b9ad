"""JSON inside JSON, character by character."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poundlock.core.nesting import BREAK, LEVELS, PENDING, Lexer, escaped


def depths(text: str, *, embedded: bool = False, levels: int = LEVELS) -> str:
    """Give for each character its depth, `|` for a break, `.` for a character of an unfinished escape."""
    lexer = Lexer(embedded=embedded, levels=levels)
    return "".join({BREAK: "|", PENDING: "."}.get(event, str(event)) for event in map(lexer.step, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1}', "||1||||"),
        (' "a b"', "0|111|"),
        ("plain", "00000"),
        ("[true,null,-1.5e+3]", "|||||||||||||||||||"),
        ("[trux", "|||||"),  # broken: no depth from here on
        ('[tru,"a"]', "|||||||||"),
        ('["\\n"]', "||.1||"),
        ('["\\u0041"]', "||.....1||"),
        ('["\\u00x"]', "||....|||"),
        ('["\\u00"]', "||....||"),
        ('["[\\"a\\"]"]', "|||.|2.||||"),
        ('["[\\"\\\\n\\"]"]', "|||.|..2.||||"),
        ('["[x]"]', "|||11||"),
        ('["\\u005b\\"a\\""]', "||.....|.|2.|||"),
        ('["\x01"]', "||1||"),
    ],
)
def test_depths(text: str, expected: str) -> None:
    """Each character has the depth of the string literals it sits in.

    Mutants: a broken escape that swallows the closing quote; a nested text that is never JSON; a keyword cut short.
    """
    assert depths(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a"', "000"),
        ('{"a":x "b"', "||1||00000"),
        ('["a\n"b', "||1000"),
        ("[ -f x ]", "|||00000"),
        ("[ -1 ]", "||||||"),
        ("[1]x", "|||0"),
    ],
)
def test_embedded(text: str, expected: str) -> None:
    """A text that stands for itself is plain from where its tokens are not JSON's any more."""
    assert depths(text, embedded=True) == expected


def test_levels() -> None:
    """JSON is followed as deep as asked, and no deeper."""
    assert depths('["[\\"a\\"]"]', levels=1) == "||1.11.11||"
    assert depths('["a"]', levels=0) == "00000"


@given(st.text(), st.integers(0, 4))
def test_escaped_is_what_json_writes(value: str, depth: int) -> None:
    """Escaping is what another writer of JSON does, and what a reader undoes, once for each level."""
    expected = value
    for _ in range(depth):
        expected = json.dumps(expected, ensure_ascii=False)[1:-1]
    assert escaped(value, depth) == expected


PIECES = st.sampled_from(
    ['{"a":"', '["', '[\\"', '"', "\\", "\\\\", "\\\\\\", "\\u", "0051", "Q", "q", "Z", "z", "n", "\x01", "\n"]
)


@given(st.lists(PIECES | st.sampled_from('{}[]:,"\\u01 eEx-'), max_size=40).map("".join), st.booleans())
@settings(max_examples=400)
def test_runs_change_nothing(text: str, embedded: bool) -> None:
    """Skipping a stretch leaves the state that reading it would have left, and skips no beginning of a surrogate.

    Mutants: runs that skip an escaped Q, a q before a z, or a control character.
    """
    read, skipped = Lexer(embedded=embedded), Lexer(embedded=embedded)
    at = 0
    pending = False
    while at < len(text):
        end = at if pending else skipped.run(text, at)
        for position in range(at, end):
            event = read.step(text[position])
            follows = text[position + 1 : position + 2]
            begins = ("", "z", "Z", "\\") if event else ("", "z", "Z")
            assert event < 0 or read.char not in "Qq" or follows not in begins
            pending = event == PENDING
        assert not pending or end == at
        if end == at:
            event = read.step(text[at])
            assert skipped.step(text[at]) == event
            assert event < 0 or skipped.char == read.char
            pending = event == PENDING
            end = at + 1
        at = end
