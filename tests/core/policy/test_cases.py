"""Cases: they pass for what they want, fail with what differs, and take no key that nobody knows."""

from __future__ import annotations

import pytest

from poundlock.adapters import policyfiles
from poundlock.core.errors import ConfigFault
from poundlock.core.policy import cases

from .shipped import mutant, pack

SHIPPED = [(source, case) for source, text in policyfiles.cases().items() for case in cases.read(text, source=source)]


@pytest.mark.parametrize(("source", "case"), SHIPPED, ids=[case.note for _, case in SHIPPED])
def test_the_shipped_cases_pass(source, case):
    """Each row of the default pack's table does what it says."""
    assert cases.run(pack(), case, source=source).differences == ()


@pytest.mark.parametrize("policy", sorted(policy.id for policy in pack().policies if policy.effect == "forbid"))
def test_every_forbid_has_a_case_that_fails_without_it(policy):
    """No forbid of the pack is without a case that tells whether it is there."""
    without = mutant(without=(policy,))
    assert any(cases.run(without, case, source=source).differences for source, case in SHIPPED)


def one(text: str):
    """Run the only case of a text against the pack."""
    (case,) = cases.read(text, source="x.cases.toml")
    return cases.run(pack(), case, source="x.cases.toml")


def test_a_difference_is_told():
    """Rung, treatments and reasons that differ are named with what was wanted."""
    result = one("""
        [[case]]
        note = "n"
        facts.found = [{ kind = "pii.email" }]
        want = { rung = "send", treatments = ["clear"], reasons = ["other"] }
    """)
    assert result.differences == (
        "rung is sendDisguised, wanted send",
        "treatments are disguise, wanted clear",
        "other is not among the reasons (disguise, pii.disguised, send.approved)",
    )


def test_a_restore_that_differs_is_told():
    """A wanted answer about a sink is compared, too."""
    result = one('[[case]]\nnote = "n"\nfacts.sink = { kind = "remote" }\nwant.restore = true')
    assert result.differences == ("restore is no, wanted yes",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[case]", "x.cases.toml: "),
        ('[[case]]\nnote = "n"\nwant = {}', "case 1 wants nothing"),
        ('[[case]]\nnote = "n"\nfacts.hunan = "a"\nwant.rung = "send"', "hunan"),
        ('[[case]]\nnote = "n"\nwant.rung = "sent"', "sent"),
        ('[[case]]\nnote = "n"\nwant.restore = true', "a sink and `restore` belong together"),
        ('[[case]]\nnote = "n"\nfacts.sink = { kind = "file" }\nwant.rung = "send"', "belong together"),
        ('[[case]]\nnote = "n"\nfacts.found = [{ kind = "sekret.x" }]\nwant.rung = "send"', "no family has the kind"),
    ],
)
def test_a_case_that_is_wrong_is_a_fault(text, said):
    """The fault names the file and what is wrong."""
    with pytest.raises(ConfigFault) as fault:
        cases.read(text, source="x.cases.toml")
    assert fault.value.message.startswith("x.cases.toml: ")
    assert said in fault.value.message
