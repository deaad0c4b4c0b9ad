"""The register of tools: what an entry may say, and when a tool stands."""

import pytest

from poundlock.core.errors import ConfigFault
from poundlock.core.identity import registry
from poundlock.core.identity.registry import DAY, GRACE, Person, Tool, checked, person_refused, raised, tool_refused

NOW = 1_800_000_000_000_000_000
ACTIVE = Tool(id="claude-code", owner="ada", state="active")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "a b"}, "no name of a tool"),
        ({"id": ""}, "no name of a tool"),
        ({"owner": "a\nb"}, "no name of a person"),
        ({"state": "on"}, "state"),
        ({"sort": "robot"}, "sort"),
        ({"privilege": "all"}, "privilege"),
        ({"max_tier": "top"}, "max_tier"),
        ({"review": "soon"}, "review"),
        ({"review": "2027-13-01"}, "review"),
    ],
)
def test_an_entry_says_only_what_means_something(change, said):
    """A word that nobody knows is refused by the name of its field."""
    with pytest.raises(ConfigFault) as fault:
        checked(registry.replaced(ACTIVE, **change))
    assert said in fault.value.message


def test_an_entry_that_means_something_is_kept_as_it_is():
    """Nothing is changed by the check."""
    full = registry.replaced(ACTIVE, review="2027-03-31", destinations=("openai",), classes=("pii.email",))
    assert checked(full) is full


@pytest.mark.parametrize("state", ["suspended", "retired"])
def test_a_tool_that_was_put_aside_is_refused(state):
    """By its state, in words, with what to type."""
    why = tool_refused(registry.replaced(ACTIVE, state=state), None, now=NOW)
    assert why is not None
    assert why.message == f"The tool claude-code is {state}."
    assert "poundlock tools set" in why.advice


@pytest.mark.parametrize("state", ["proposed", "active"])
def test_a_tool_with_an_owner_stands(state):
    """Proposed ones, too: policy says what that means."""
    assert tool_refused(registry.replaced(ACTIVE, state=state), Person(name="ada"), now=NOW) is None


@pytest.mark.parametrize(("since", "stands"), [(GRACE - 1, True), (GRACE, False), (GRACE + DAY, False)])
def test_a_tool_that_nobody_owns_has_its_grace(since, stands):
    """To the nanosecond."""
    why = tool_refused(registry.replaced(ACTIVE, owner="", unowned=NOW - since), None, now=NOW)
    assert (why is None) is stands


@pytest.mark.parametrize(("since", "stands"), [(0, True), (GRACE - 1, True), (GRACE, False)])
def test_a_tool_whose_owner_has_left_has_its_grace(since, stands):
    """And an owner who came back counts as there."""
    owner = Person(name="ada", gone=True, since=NOW - since)
    assert (tool_refused(ACTIVE, owner, now=NOW) is None) is stands
    assert tool_refused(ACTIVE, Person(name="ada", since=NOW - since), now=NOW) is None


def test_a_person_who_was_stopped_is_refused():
    """And so is everybody when everything was."""
    assert person_refused(None, None) is None
    assert person_refused(Person(name="ada"), Person(name="*")) is None
    assert person_refused(Person(name="ada", gone=True), None).message == "This person's access has ended."
    assert person_refused(Person(name="ada"), Person(name="*", gone=True)).message == "Everything was stopped."


def test_a_privilege_only_rises_and_the_first_one_is_dated():
    """From drafting to holding a credential is the first; what follows keeps that day."""
    holds = raised(ACTIVE, "holds", NOW)
    assert (holds.privilege, holds.privileged) == ("holds", NOW)
    acts = raised(holds, "acts", NOW + DAY)
    assert (acts.privilege, acts.privileged) == ("acts", NOW)
    assert raised(acts, "holds", NOW + 2 * DAY) is acts
