"""The posture of an exchange: whose mode, what is on trial, and which sandbox."""

import pytest

from poundlock import config
from poundlock.core.errors import ConfigFault
from poundlock.core.model import Principal
from poundlock.gateway import posture

ADA = Principal(human="ada", tool="claude-code", tool_claimed=False)
SETTINGS = config.load(
    """
[[rollout]]
mode = "enforce"
people = ["joan"]

[[rollout]]
mode = "enforce"
tools = ["claude-code"]
only = ["pii.bulk"]

[[rollout]]
mode = "monitor"
only = ["pii.disguised", "pii.bulk"]

[[rollout]]
mode = "monitor"
providers = ["gemini"]

[[sandboxes]]
name = "demo"
until = "2026-12-31"
tools = ["claude-code"]
"""
)


@pytest.mark.parametrize(
    ("who", "provider", "expected"),
    [
        (ADA, "openai", (None, frozenset({"pii.disguised"}), "sandbox/demo")),
        (ADA, "gemini", ("monitor", frozenset({"pii.disguised"}), "sandbox/demo")),
        (Principal(human="joan"), "gemini", ("enforce", frozenset({"pii.disguised", "pii.bulk"}), "")),
        (Principal(human="ada", tool="claude-code"), "openai", (None, frozenset({"pii.disguised", "pii.bulk"}), "")),
    ],
)
def test_who_is_taken_how(who, provider, expected):
    """The first step that fits counts, for each policy by itself; a tool's mere claim chooses nothing."""
    assert posture.of(SETTINGS, who, provider, "2026-12-31") == expected


def test_a_sandbox_ends_by_itself():
    """The day after its last one it is as if it were not there."""
    assert posture.of(SETTINGS, ADA, "openai", "2027-01-01").environment == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[sandboxes]]\nname = "x"\nuntil = "2026-12-31"', "never for everything"),
        ('[[sandboxes]]\nname = "x"\nuntil = "soon"\ntools = ["a"]', "until"),
        ('[local]\nprovider = "openai"', "local = true"),
        ("[approvals]\nwait_seconds = 151", "wait_seconds"),
    ],
)
def test_settings_that_are_refused(text, said):
    """A sandbox for all, one without an end, a cloud inside the boundary, and a wait beyond what tools bear."""
    with pytest.raises(ConfigFault, match=said):
        config.load(text)
