"""The rule lint: a rule proves itself before it is used. Part of the tests and of loading a user's rules.

Must never run a pattern for longer than a bounded text allows, and never show an example's expansion in a problem.
"""

from __future__ import annotations

import re
from re import _constants as codes  # type: ignore[attr-defined]  # the parser of `re` is the one source of its grammar
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from poundlock.core.detect import keyed, templates, validators
from poundlock.core.detect.compilation import compile_rules
from poundlock.core.detect.engine import Detector
from poundlock.core.detect.rules import Rule, expression
from poundlock.core.detect.triggers import Unsupported, derive
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEEDS = ("1", "2", "3")
REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)
LEXICAL_KINDS = ("password", "token", "api-key", "secret", "other")


def lint(rules: Sequence[Rule], detector: Detector | None = None) -> list[str]:
    """Give what is wrong with the rules, a sentence each, naming the rule; nothing if all is well.

    `detector` is one that was built from these rules among others; without it, one is built from these alone.
    """
    problems: list[str] = []
    for rule in rules:
        problems.extend(f"rule {rule.id}: {problem}" for problem in _form(rule))
    if problems:
        return problems
    try:
        detector = detector or Detector(compile_rules([*rules, *_lexical(rules)]))
    except ConfigFault as fault:
        return [fault.message]
    for rule in rules:
        problems.extend(f"rule {rule.id}: {problem}" for problem in _proof(rule, detector))
    return problems


def _lexical(rules: Sequence[Rule]) -> list[Rule]:
    """Give stand-ins for the lexical layer, which rules with a context need."""
    present = {rule.lexical for rule in rules}
    return [
        Rule(id=f"secret.generic.{kind}", kind=f"secret.generic.{kind}", lexical=kind)
        for kind in LEXICAL_KINDS
        if kind not in present
    ]


def require(rules: Sequence[Rule]) -> None:
    """Prove rules. Raises: `ConfigFault` naming the first rule that fails the lint, and the problem."""
    problems = lint(rules)
    if problems:
        raise ConfigFault(problems[0], advice="`poundlock rules --check` lists every problem")


def _form(rule: Rule) -> Iterator[str]:
    """Check what a rule says of itself."""
    if len(rule.examples) < 2:
        yield "needs two examples or more"
    if len(rule.counter_examples) < 2:
        yield "needs two counter-examples or more"
    if not rule.source:
        yield "needs a source"
    for name in rule.validators:
        try:
            validators.find(name)
        except KeyError:
            yield f"there is no validator `{name}`"
    for example in rule.examples:
        if "«" not in example:
            yield "an example does not mark its value with « and »"
    if rule.lexical and rule.lexical not in keyed.MODES:
        if rule.lexical not in LEXICAL_KINDS:
            yield f"there is no lexical kind `{rule.lexical}`"
        return
    try:
        parser.parse(rule.pattern, re.ASCII)
        tree = parser.parse(expression(rule), re.ASCII)
        if _leading(tree):
            yield "begins with a repeat of anything: its context is not bounded"
            return
        derive(keyed.trigger(rule) if rule.lexical else expression(rule), ignore_case=rule.ignore_case)
        if rule.trigger:
            derive(rule.trigger, ignore_case=rule.ignore_case)
    except (re.error, Unsupported) as fault:
        yield f"its pattern can't be used: {fault}"
        return
    if not rule.context and "value" not in tree.state.groupdict:
        yield "its pattern has no group `value`"
    if _nested(tree, inside=False):
        yield "repeats a repeat: it could backtrack without end"


def _leading(tree: Any) -> bool:
    """Say whether a pattern begins with a wide repeat, so that a match could begin far before what it needs."""
    for op, argument in tree:
        if op in (codes.ASSERT, codes.ASSERT_NOT, codes.AT):
            continue
        if op is codes.SUBPATTERN:
            return _leading(argument[3])
        if op in REPEATS:
            inner = argument[2][0][0]
            return bool(argument[1] > 150 and (inner is codes.ANY or argument[0] == 0))
        return False
    return False


def _nested(tree: Any, *, inside: bool) -> bool:
    """Say whether an unbounded repeat stands in an unbounded repeat without a fixed character between rounds."""
    for op, argument in tree:
        if op in REPEATS:
            unbounded = argument[1] is codes.MAXREPEAT
            inner = argument[2]
            if unbounded and inside:
                return True
            alone = len(inner) == 1
            if _nested(inner, inside=unbounded and alone):
                return True
        elif op is codes.SUBPATTERN:
            if _nested(argument[3], inside=inside):
                return True
        elif op is codes.BRANCH:
            if any(_nested(branch, inside=inside) for branch in argument[1]):
                return True
        elif op is codes.ATOMIC_GROUP and _nested(argument, inside=inside):
            return True
    return False


def _proof(rule: Rule, detector: Detector) -> Iterator[str]:
    """Run a rule's examples and counter-examples."""
    for number, template in enumerate(rule.examples, 1):
        for seed in SEEDS:
            try:
                text, values = templates.example(template, seed)
            except KeyError as fault:
                yield f"example {number} asks for a maker that there is not: {fault}"
                return
            if rule.keywords and not any(word in text.lower() for word in rule.keywords):
                yield f"example {number} holds none of its keywords"
                return
            matches = [match for match in detector.detect(text) if match.rule_id == rule.id]
            found = {match.value for match in matches} | {text[match.start : match.end] for match in matches}
            if not set(values) <= found:
                yield f"example {number} is not matched with exactly its value"
                return
    for number, template in enumerate(rule.counter_examples, 1):
        for seed in SEEDS:
            text = templates.expand(template, seed)
            if any(match.rule_id == rule.id for match in detector.detect(text)):
                yield f"counter-example {number} is matched"
                return
