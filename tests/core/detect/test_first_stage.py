"""What keeps detection quick must never lose a finding: databases by group, windows, second looks, idle lines."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from poundlock.adapters.rulefiles import load_rules
from poundlock.core.detect import readings
from poundlock.core.detect.compilation import FIGURES, LINES, LITERAL, RUNS, TABLE, VIEW, plan
from poundlock.core.detect.rules import Rule
from poundlock.core.detect.templates import example
from poundlock.core.detect.triggers import derive

if TYPE_CHECKING:
    from poundlock.core.detect.compilation import Compiled
    from poundlock.core.detect.engine import Detector

IDLE = [
    ('{"input_', "token", '": "Marker",\n'),
    ("the private ", "key", ".\n"),
    ("def read(", "token", "):\n"),
    ("    client_", "token", "=client_token,\n"),
    ("class Private", "Key", "(metaclass=abc.ABCMeta):\n"),
]
BUSY = [
    ("api_", "token", " = 'aB3dE6gH9jK2mN5p'\n"),
    ("- name: API_", "TOKEN", "\n  value: aB3dE6gH9jK2mN5p\n"),
    ("auth_", "token", ": qWxZvBnMkLpRtYsD\n"),
    ("secret_", "key", " =\n    'aB3dE6gH9jK2mN5p'\n"),
    ("define('AUTH_", "KEY", "',\n  'aB3dE6gH9jK2mN5p');\n"),
    ('variable "api_', "token", '" {\n  default = "aB3dE6gH9jK2mN5p"\n}\n'),
]


@pytest.mark.parametrize(("before", "word", "behind"), IDLE)
def test_a_line_of_code_about_a_token_is_passed_by(before: str, word: str, behind: str) -> None:
    """What follows the word holds no figure and no long run of letters, and does not go on."""
    assert word[-3:] in readings.MODEST
    assert readings.IDLE.match(before + word + behind, len(before + word))


@pytest.mark.parametrize(("before", "word", "behind"), BUSY)
def test_what_may_hold_a_value_is_read(before: str, word: str, behind: str) -> None:
    """A figure, a long run of letters, or a connector at the line's end."""
    assert readings.IDLE.match(before + word + behind, len(before + word)) is None


def test_an_idle_place_never_holds_a_finding(detector: Detector) -> None:
    """No example of a rule is found under a name whose last word stands at an idle place."""
    words = re.compile("|".join(sorted(readings.MODEST)))
    for rule in load_rules():
        for template in rule.examples:
            text, _ = example(template, "idle")
            found = [match for match in detector.detect(text) if match.rule_id.startswith("secret.generic")]
            for match in found:
                names = [word.end() for word in words.finditer(text, max(0, match.start - 40), match.start)]
                assert not names or any(readings.IDLE.match(text, end) is None for end in names), rule.id


def test_triggers_are_grouped_by_what_they_step_through(compiled: Compiled) -> None:
    """Runs of base64, figures and lines have databases of their own; most triggers are literal."""
    groups = {trigger.group for trigger in compiled.triggers}
    assert groups == {LITERAL, RUNS, FIGURES, LINES}
    by_purpose = dict(zip(compiled.purposes, compiled.triggers, strict=True))
    assert by_purpose[TABLE].group == LINES
    assert by_purpose[VIEW].group == RUNS
    assert sum(trigger.group == LITERAL for trigger in compiled.triggers) > len(compiled.triggers) * 0.9


@pytest.mark.parametrize(
    ("pattern", "without"),
    [
        (r"abc[A-Z]{4}", "\n "),
        (r"abc[^\s,]{4}", "\n "),
        (r"abc [A-Z]{4}", "\n"),
        (r"abc[^,]{4}", ""),
        (r"abc\s[A-Z]", ""),
        (r"abc(?= \n)x", "\n "),
        (r"abc.{3}", "\n"),
        (r"a(?:b|c d)", "\n"),
        (r"abc[\w-]d", "\n "),
    ],
)
def test_a_window_ends_at_white_space_that_no_match_holds(pattern: str, without: str) -> None:
    """What a pattern can't hold is known from the pattern; what only looks around holds nothing."""
    assert derive(pattern).without == without


def test_a_long_repeat_has_no_bound_in_the_first_stage() -> None:
    """The expression is loose, the width of the window is not."""
    trigger = derive(r"abc[a-z]{2,40}:[0-9]{3}")
    assert (trigger.expression, trigger.most) == (r"abc[\x61-\x7a]{2,}\x3a[\x30-\x39]{3}", 47)


def test_a_second_look_stands_behind_a_costly_word() -> None:
    """What a rule's trigger says behind `(?#then)` is no part of the first stage."""
    rule = Rule(
        id="pii.test.said",
        kind="pii.test.said",
        pattern=r"hello (?P<value>[A-Z][a-z]{2,9} [A-Z])",
        trigger=r"hello [A-Z\x80-\xff](?#then)[a-z\x80-\xff]{2,9} [A-Z]",
    )
    (trigger,), _ = plan([rule])
    assert trigger.expression.startswith("hello")
    assert trigger.then == r"[a-z\x80-\U0010ffff]{2,9} [A-Z]"


@pytest.mark.parametrize("indent", ["", "    "])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_a_table_is_found_by_its_shape(detector: Detector, mark: str, indent: str) -> None:
    """A header of names and the rows below it are read at any indentation."""
    rows = [("id", "passport number", "city"), ("7", "X1234567", "Rome"), ("8", "X7654321", "Oslo")]
    text = "see\n" + "".join(indent + mark.join(row) + "\n" for row in rows)
    found = [match.value for match in detector.detect(text) if match.kind == "pii.passport"]
    assert found == ["X1234567", "X7654321"]


def test_a_long_line_about_tokens_costs_no_square(detector: Detector) -> None:
    """Passing by looks only so far: four times the line costs about four times the time."""

    def spent(count: int) -> float:
        line = ("the token of one and the same " + "word and " * 5) * count
        begin = time.process_time()
        assert detector.detect(line) == ()
        return time.process_time() - begin

    spent(100)
    assert spent(4000) < 12 * min(spent(1000), spent(1000))
