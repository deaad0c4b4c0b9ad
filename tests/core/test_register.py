"""The vendor register: verified rows count until their day, everything else counts as the worst."""

from __future__ import annotations

import pytest

from poundlock.adapters import policyfiles
from poundlock.core.errors import ConfigFault
from poundlock.core.register import Register, Terms

ROW = """
[[row]]
vendor = "v"
plan = "p"
trains = false
zero_retention = true
dpa = true
retention = "30 days"
confidence = "official"
checked = "2026-01-01"
valid_until = "2026-04-01"
evidence = ["example.com/terms"]
"""
GOOD = Terms(trains=False, zero_retention=True, dpa=True, baa=False, retention="30 days", standing="verified")


def test_a_verified_row_counts_through_its_last_day():
    """On the day of `valid_until` the row holds; a day later it counts as the worst."""
    register = Register.load(ROW)
    assert register.terms("v", "p", "any", "2026-04-01") == GOOD
    assert register.terms("v", "p", "any", "2026-04-02") == Terms(standing="expired")


@pytest.mark.parametrize("key", [("v", ""), ("v", "q"), ("w", "p"), ("", "")])
def test_an_unknown_vendor_or_plan_counts_as_the_worst(key):
    """Nobody gets the terms of another plan."""
    assert Register.load(ROW).terms(*key, "m", "2026-02-01") == Terms()


@pytest.mark.parametrize("confidence", ["secondary", "none"])
def test_an_unverified_row_counts_as_the_worst(confidence):
    """What other people say of a vendor is no evidence."""
    register = Register.load(ROW.replace("official", confidence))
    assert register.terms("v", "p", "m", "2026-02-01") == Terms(standing="unverified")


def test_a_cell_left_out_counts_as_the_worst():
    """A row without a word on training trains."""
    register = Register.load(ROW.replace("trains = false\n", "").replace("dpa = true\n", ""))
    given = register.terms("v", "p", "m", "2026-02-01")
    assert (given.trains, given.dpa, given.zero_retention, given.standing) == (True, False, True, "verified")


def test_the_longest_model_name_wins():
    """A model's own row goes before its class, and the class before the plan, in whatever order they stand."""
    special = ROW.replace('plan = "p"', 'plan = "p"\nmodel = "{}"').replace("30 days", "{}")
    text = ROW + special.format("big-*", "class") + special.format("big-one", "model")
    register = Register.load(text)
    assert [register.terms("v", "p", model, "2026-02-01").retention for model in ("big-one", "big-two", "small")] == [
        "model",
        "class",
        "30 days",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[row]]", "[[row]", "vendors.toml: "),
        ('vendor = "v"', 'vendor = "V v"', "small letters"),
        ('plan = "p"', 'plan = "p"\nmodel = "a*b"', "followed by `*`"),
        ("2026-04-01", "2026-04-31x", "are days such as"),
        ("2026-04-01", "2025-04-01", "valid_until lies before checked"),
        ("trains = false", 'trains = "no"', "trains"),
        ("trains = false", "train = false", "train"),
        ('evidence = ["example.com/terms"]', "", "names its evidence"),
        ("[[row]]", ROW + "[[row]]", "it stands twice"),
    ],
)
def test_a_row_that_is_wrong_is_a_fault(old, new, said):
    """The fault names the file, and the row where there is one."""
    with pytest.raises(ConfigFault) as fault:
        Register.load(ROW.replace(old, new))
    assert fault.value.message.startswith("vendors.toml: ")
    assert said in fault.value.message


def test_the_shipped_register_reads_and_is_careful():
    """Personal plans never count as safe, a class of models has terms of its own, and a year later nothing counts."""
    register = policyfiles.register()
    day = "2026-12-01"
    assert register.terms("anthropic", "commercial", "claude-x", day).dpa
    assert register.terms("anthropic", "commercial", "claude-fable-5", day).retention == "30 days, mandatory"
    for vendor, plan in (("anthropic", "consumer"), ("github-copilot", "individual"), ("deepseek", "api")):
        assert register.terms(vendor, plan, "", day) == Terms(standing="unverified")
    assert {register.terms(row.vendor, row.plan, row.model, "2027-12-01").trains for row in register.rows} == {True}


def test_a_destination_takes_its_terms_from_the_register():
    """Name, account and model come from the caller; what the vendor does comes from the row."""
    register = Register.load(ROW)
    given = register.destination(name="n", vendor="v", plan="p", model="m", day="2026-02-01", approved=True)
    assert (given.name, given.vendor, given.plan, given.model) == ("n", "v", "p", "m")
    assert (given.trains, given.dpa, given.approved, given.local, given.retention) == (
        False,
        True,
        True,
        False,
        "30 days",
    )


def test_what_runs_inside_the_boundary_trains_nobody_else():
    """A local model needs no row; without a row and outside, a destination trains and its plan is unknown."""
    register = Register()
    inside = register.destination(name="n", vendor="ollama", plan="", model="m", day="2026-02-01", local=True)
    outside = register.destination(name="n", vendor="x", plan="", model="m", day="2026-02-01")
    assert (inside.local, inside.trains, inside.dpa) == (True, False, False)
    assert (outside.plan, outside.trains, outside.approved) == ("unknown", True, False)


def test_plans_are_listed_once():
    """A plan with rows for several models is one plan."""
    assert policyfiles.register().plans("anthropic") == ("commercial", "consumer")
