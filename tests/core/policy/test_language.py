"""Policy texts: every mistake is named with its file, its line, its policy and what to do."""

from __future__ import annotations

import pytest

from poundlock.adapters import policyfiles
from poundlock.core.errors import ConfigFault
from poundlock.core.policy import language
from poundlock.core.policy.decide import Policies

from .shipped import SCHEMA

HEAD = '@id("a") @reason("It is so.") @advice("Do otherwise.")\n'
FORBID = 'forbid (principal, action == Action::"send", resource)'
PERMIT = 'permit (principal, action == Action::"send", resource)'


def problems(*texts: str) -> list[tuple[str, int, str, str]]:
    """Give the problems of some files as (file, line, policy, what)."""
    sources = {f"{number}.cedar": text for number, text in enumerate(texts)}
    _, found = language.read(sources, language.schema(SCHEMA))
    assert all(problem.advice for problem in found)
    return [(problem.file, problem.line, problem.policy, problem.what) for problem in found]


def test_the_shipped_pack_has_no_problem():
    """The default pack passes its own lint, and each of its policies knows its file and line."""
    policies, found = language.read(policyfiles.sources(), language.schema(SCHEMA))
    assert found == ()
    lines = policyfiles.sources()["default.cedar"].splitlines()
    assert [lines[policy.line - 1] for policy in policies] == [f'@id("{policy.id}")' for policy in policies]


def test_a_text_that_does_not_parse_names_the_line_of_the_policy():
    """The first policy that does not parse is found, past strings and comments that hold a semicolon."""
    first = f'// first; not an end\n{HEAD}{FORBID}\nwhen {{ resource.exchange.intent == "a;b" }};\n'
    text = f"{first}\n// why\nforbid (who);\n"
    ((file, line, policy, what),) = problems(text)
    assert (file, line, policy) == ("0.cedar", 7, "")
    assert what.startswith("does not parse: ")


def test_a_text_that_ends_too_early_does_not_parse():
    """A policy without its semicolon is told by its line."""
    ((_, line, _, what),) = problems(f"{HEAD}{FORBID}")
    assert line == 1
    assert what.startswith("does not parse: ")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("resource.tear == 3", "attribute `tear` on entity type `Part` not found"),
        ('resource.tier == Tier::"secret"', '"secret"` is not declared'),
        ('resource in Kin::"secret"', "Kin"),
        ('resource.values == "ten"', "String"),
        ("context.network", "network"),
    ],
)
def test_a_word_that_the_schema_does_not_know_is_a_problem(body, what):
    """A misspelt attribute, a tier that there is not, a wrong type: none passes as a policy that never applies."""
    found = problems(f"{HEAD}{FORBID} when {{ {body} }};")
    assert found
    assert {(file, line, policy) for file, line, policy, _ in found} == {("0.cedar", 1, "a")}
    assert any(what in said for *_, said in found)
    assert not any("policy0" in said for *_, said in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'@reason("r") @advice("a")\n{FORBID};', [("", "a forbid has no @id")]),
        (f'@id("a") @advice("a")\n{FORBID};', [("a", "a forbid has no @reason")]),
        (f'@id("a") @reason("r")\n{FORBID};', [("a", "a forbid has no @advice")]),
        (f'@id("a")\n{PERMIT};', [("a", "a permit has no @reason")]),
        ('@id("a") permit (principal, action == Action::"restore", resource);', []),
        (f'@id("A b") @reason("r")\n{PERMIT};', [("A b", "its @id is not a name")]),
        (f'@id("no-permit") @reason("r")\n{PERMIT};', [("no-permit", "its @id is taken by Poundlock itself")]),
        (f'@id("a") @reason("r") @advise("x")\n{PERMIT};', [("a", "@advise is not known")]),
        (f'{HEAD}@monitor("open")\n{FORBID};', [("a", "@monitor has a value that is not known")]),
    ],
)
def test_annotations_are_linted(text, expected):
    """A refusal without a name, a reason or an advice, and an annotation that nobody reads, are problems."""
    assert [(policy, what) for _, _, policy, what in problems(text)] == expected


@pytest.mark.parametrize(
    "conditions",
    [
        "when { false }",
        "unless { true }",
        "when { resource.new && !true }",
        "unless { resource.new || true }",
        'when { resource.tier == Tier::"public" && resource.tier == Tier::"internal" }',
        "when { resource.values == 1 } when { resource.new && resource.values == 2 }",
    ],
)
def test_a_policy_that_can_never_apply_is_a_problem(conditions):
    """Constants, and one value that should be two at once, are seen."""
    assert problems(f"{HEAD}{FORBID} {conditions};") == [
        ("0.cedar", 1, "a", "it can never apply: its conditions exclude each other")
    ]


@pytest.mark.parametrize(
    "conditions",
    [
        "when { true }",
        "unless { false }",
        "when { resource.new || false }",
        'when { resource.tier == Tier::"public" || resource.tier == Tier::"internal" }',
        'unless { resource.tier == Tier::"public" && resource.tier == Tier::"internal" }',
        'when { resource.tier == Tier::"public" } when { resource.origin == Origin::"typed" }',
    ],
)
def test_a_policy_that_can_apply_is_none(conditions):
    """Nothing that some facts satisfy is called unreachable."""
    assert problems(f"{HEAD}{FORBID} {conditions};") == []


def test_a_permit_under_an_unconditional_forbid_is_a_problem():
    """A forbid of everything closes the permits of its actions, also of another file, and no others."""
    shut = f"{HEAD}{FORBID} when {{ true }};"
    over = f'@id("b") @reason("r") {PERMIT};\n@id("c") @reason("r") permit (principal, action, resource);'
    assert problems(shut, over) == [("0.cedar", 1, "a", "it always applies, so that these never can: b")]


def test_an_id_is_taken_once():
    """Two policies of one name, in two files, are a problem of the second."""
    assert problems(f"{HEAD}{FORBID};", f"\n{HEAD}{FORBID} when {{ resource.new }};") == [
        ("1.cedar", 2, "a", "the @id is taken by a policy of 0.cedar:1")
    ]


def test_a_template_is_a_problem():
    """A policy with a slot would be applied to nothing."""
    found = problems(f'{HEAD}forbid (principal == ?principal, action == Action::"send", resource);')
    assert [what for *_, what in found] == ["a template (`?principal`, `?resource`) is not applied to anything"]


def test_compiling_raises_the_first_problem_with_its_advice():
    """The fault names file, line, policy and how many more there are."""
    text = f'@id("a")\n{FORBID};'
    with pytest.raises(ConfigFault) as fault:
        Policies.compile({"team.cedar": text}, SCHEMA)
    assert fault.value.message == (
        "team.cedar:1: a: a forbid has no @reason (and 1 more; `poundlock policy check` lists them)"
    )
    assert fault.value.advice == 'Say in one sentence why: @reason("…").'


def test_a_schema_that_does_not_parse_is_a_fault():
    """A broken schema never becomes an empty one."""
    with pytest.raises(ConfigFault, match="schema does not parse"):
        Policies.compile({}, "entity {")


@pytest.mark.parametrize(
    ("scope", "actions"),
    [
        ('action == Action::"send"', {"send"}),
        ('action in [Action::"send", Action::"sendLocal"]', {"send", "sendLocal"}),
        ('action in Action::"restore"', {"restore"}),
    ],
)
def test_a_policy_is_put_into_the_sets_of_its_actions(scope, actions):
    """The head of a policy tells which actions it can speak of."""
    policies, _ = language.read({"a": f"{HEAD}forbid (principal, {scope}, resource);"}, language.schema(SCHEMA))
    assert policies[0].actions == actions


def test_a_policy_without_an_action_is_in_every_set():
    """A head that names no action can speak of each."""
    policies, _ = language.read({"a": f"{HEAD}forbid (principal, action, resource);"}, language.schema(SCHEMA))
    assert policies[0].actions == language.ladder.ACTIONS
