"""The rule lint: every shipped rule proves itself, and every kind of bad rule is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from poundlock.adapters.rulefiles import load_rules
from poundlock.core.detect import lint
from poundlock.core.detect.rules import Rule, read_rule, read_rules
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from poundlock.core.detect.engine import Detector


def rule(**changes: Any) -> Rule:
    """Make a rule that passes, with changes."""
    plain: dict[str, Any] = {
        "id": "secret.corp.token",
        "pattern": "corp_[a-z0-9]{20}",
        "source": "https://corp.test/docs",
        "examples": ["key «corp_{a-z0-9:20}»", "x=«corp_{a-z0-9:20}»"],
        "counter_examples": ["corp_{a-z0-9:4}", "corp_ration"],
    }
    return read_rule({**plain, **changes})


def test_every_shipped_rule_passes(detector: Detector) -> None:
    """All examples are found with exactly their value under three seeds, and no counter-example is."""
    assert lint.lint(load_rules(), detector) == []


def test_there_are_four_hundred_secret_kinds() -> None:
    """At least 400 kinds of secrets, each with a source."""
    rules = [rule for rule in load_rules() if rule.family == "secret"]
    assert len({rule.kind for rule in rules}) >= 400
    assert all(rule.source for rule in rules)


def test_a_good_rule_passes_alone() -> None:
    """The base of the tests below is a rule without problems."""
    assert lint.lint([rule()]) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"examples": ["«corp_{a-z0-9:20}»"]}, "needs two examples"),
        ({"counter_examples": []}, "needs two counter-examples"),
        ({"source": ""}, "needs a source"),
        ({"validators": ["magic"]}, "no validator `magic`"),
        ({"examples": ["corp_x", "«corp_{a-z0-9:20}»"]}, "does not mark its value"),
        ({"examples": ["«corp_{a-z0-9:12}»", "«corp_{a-z0-9:20}»"]}, "example 1 is not matched"),
        ({"examples": ["a «key corp_{a-z0-9:20}»", "«corp_{a-z0-9:20}»"]}, "example 1 is not matched"),
        ({"counter_examples": ["a", "corp_{a-z0-9:20}"]}, "counter-example 2 is matched"),
        ({"keywords": ["korp"]}, "none of its keywords"),
        ({"pattern": r"(?P<value>[\s\S]{0,900}corp_[a-z0-9]{20})"}, "context is not bounded"),
        ({"pattern": r"corp_(?P<value>(?:[a-z0-9]+)+)!"}, "could backtrack"),
        ({"pattern": r"(corp)_\1"}, "can't be used"),
        ({"pattern": r"corp_["}, "can't be used"),
        ({"examples": ["«{=nothing:x}»", "«corp_{a-z0-9:20}»"]}, "a maker that there is not"),
    ],
)
def test_a_bad_rule_is_named_with_its_problem(changes: dict[str, Any], problem: str) -> None:
    """Each kind of mistake is said in words, with the rule's id."""
    problems = lint.lint([rule(**changes)])
    assert problems
    assert problems[0].startswith("rule secret.corp.token: ")
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "Secret.X"}, "no valid `id`"),
        ({"tier": "secret"}, "`tier` must be"),
        ({"confidence": 2}, "`confidence` must be"),
        ({"patern": "x"}, "unknown field `patern`"),
        ({"kind": "pii.email"}, "own family"),
        ({"pattern": ""}, "needs a `pattern`"),
        ({"examples": "x"}, "`examples` must be a list"),
        ({"pattern": 3}, "`pattern` must be a text"),
    ],
)
def test_a_malformed_rule_is_a_config_fault(changes: dict[str, Any], problem: str) -> None:
    """A rule file that can't be understood is refused when it is read."""
    with pytest.raises(ConfigFault, match=problem):
        rule(**changes)


def test_an_id_stands_once() -> None:
    """Two rules with one id are refused, naming the id and the second file."""
    entry = {"id": "secret.corp.token", "pattern": "x{5}"}
    with pytest.raises(ConfigFault, match=r"rule secret\.corp\.token: stands twice, the second time in b"):
        read_rules([("a", {"rule": [entry]}), ("b", {"rule": [entry]})])


def test_require_raises_the_first_problem() -> None:
    """Loading a user's rules refuses the set with the first problem."""
    with pytest.raises(ConfigFault, match="needs a source"):
        lint.require([rule(source="")])
