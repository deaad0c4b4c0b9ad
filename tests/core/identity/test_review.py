"""The standing access review: what is listed, with the command that mends it, and what is not."""

import pytest

from poundlock.core.identity import registry
from poundlock.core.identity.registry import DAY, Person, Seen, Tool
from poundlock.core.identity.review import Finding, Key, Use, review

NOW = 1_800_000_000_000_000_000
TODAY = "2027-01-15"
TOOL = Tool(id="ci", owner="ada", state="active", added=NOW - DAY)


def found(tool=TOOL, *, used=NOW - DAY, people=(), use=None, keys=(), dotfiles=()):
    """Review one tool, and give the findings as (what, said)."""
    rows = review(
        [Seen(tool=tool, used=used)],
        {person.name: person for person in people},
        {"ci": use} if use else {},
        keys,
        dotfiles,
        now=NOW,
        today=TODAY,
    )
    return [(row.what, row.command) for row in rows]


def test_a_tool_in_use_with_an_owner_is_not_listed():
    """Nor is one that was retired."""
    assert found() == []
    assert found(registry.replaced(TOOL, state="retired", owner="")) == []


@pytest.mark.parametrize(
    ("tool", "people", "expected"),
    [
        ({"owner": ""}, (), ("owner", "poundlock tools set ci --owner PERSON")),
        ({}, (Person(name="ada", gone=True),), ("owner", "poundlock tools set ci --owner PERSON")),
        ({"state": "proposed"}, (), ("proposed", "poundlock tools set ci --state active")),
        ({"review": "2027-01-14"}, (), ("review", "poundlock tools set ci --review DAY")),
    ],
)
def test_what_needs_a_person(tool, people, expected):
    """No owner, an owner who left, a tool that waits, a review that is due."""
    assert found(registry.replaced(TOOL, **tool), people=people) == [expected]


def test_a_review_that_is_due_today_is_not_late():
    """The day itself is in time."""
    assert found(registry.replaced(TOOL, review=TODAY)) == []


@pytest.mark.parametrize(("days", "listed"), [(89, False), (90, True)])
def test_a_tool_without_use(days, listed):
    """By its last task, its last exchange, or the day that it was added: the latest counts."""
    old = registry.replaced(TOOL, added=NOW - 500 * DAY)
    assert found(old, used=NOW - days * DAY) == ([("idle", "poundlock tools retire ci")] if listed else [])
    assert found(old, used=0, use=Use(exchanges=1, last=NOW - DAY)) == []


def test_what_was_never_used():
    """Destinations and scopes, with the command that keeps the rest."""
    tool = registry.replaced(TOOL, destinations=("openai", "ollama"), scopes=("send:openai", "send:gemini", "mcp"))
    use = Use(exchanges=3, destinations=frozenset({"openai"}), last=NOW)
    assert found(tool, use=use) == [
        ("destination", "poundlock tools set ci --destination openai"),
        ("scope", "poundlock tools set ci --scope send:openai --scope mcp"),
    ]
    assert found(tool, use=Use()) == [], "nothing was looked at yet"
    wide = registry.replaced(TOOL, scopes=("send",))
    assert found(wide, use=use) == []


def test_keys_and_files():
    """Old ones, ones of no known age, shared ones, and files."""
    keys = [
        Key(name="new", human="ada", tool="ci", made=NOW - DAY),
        Key(name="old", human="ada", tool="ci", made=NOW - 90 * DAY),
        Key(name="me", human="ada", made=NOW, used_by=("aider", "claude-code")),
        Key(name="lost", human="ada", tool="ci"),
    ]
    rows = review([], {}, {}, keys, ["~/.netrc"], now=NOW, today=TODAY)
    assert [(row.what, row.name, row.said) for row in rows] == [
        ("key", "old", "It is 90 days old and does not end by itself."),
        ("shared", "me", "Several tools use it: aider, claude-code."),
        ("key", "lost", "It does not end by itself."),
        ("dotfile", "~/.netrc", "A long-lived credential lies in a file that every program of this user can read."),
    ]
    assert isinstance(rows[0], Finding)
