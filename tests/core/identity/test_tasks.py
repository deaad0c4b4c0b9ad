"""Tasks: what is handed on narrows, and what a task hangs on ends it."""

import itertools

import msgspec
import pytest

from poundlock.core.errors import ClientFault
from poundlock.core.identity import tasks
from poundlock.core.identity.registry import Person, Tool
from poundlock.core.identity.tasks import DEPTH, Standing, Task, narrowed, reach, refused, scopes
from poundlock.core.model import TIERS, Reach, covers

NOW = 1_800_000_000_000_000_000
HOUR = 3_600_000_000_000
ROOT = Task(id="a" * 12, tool="claude-code", human="ada", opened=NOW, expires=NOW + HOUR, scopes=("send:openai", "mcp"))
TOOL = Tool(id="claude-code", owner="ada", state="active")


def standing(task=ROOT, **more):
    """Give a task that stands, with something changed."""
    return Standing(**{"task": task, "alive": NOW + HOUR, "tool": TOOL, **more})


def child(parent=ROOT, **more):
    """Give a child of a task."""
    return narrowed(parent, **{"id": "b" * 12, "now": NOW, **more})


@pytest.mark.parametrize(
    ("held", "asked", "yes"),
    [
        (("send",), "send", True),
        (("send",), "send:openai", True),
        (("send:openai",), "send", False),
        (("send:openai",), "send:openai", True),
        (("send:openai",), "send:openai-eu", False),
        (("send",), "sender", False),
        ((), "send", False),
        (("mcp", "lease:postgres:orders"), "lease:postgres:orders:read", True),
        (("lease:postgres:orders:read",), "lease:postgres:orders:write", False),
    ],
)
def test_a_scope_covers_itself_and_what_it_is_the_beginning_of(held, asked, yes):
    """Word by word, never letter by letter."""
    assert covers(held, asked) is yes


@pytest.mark.parametrize("text", ["", "Send", "send:", "send openai", "send:a b", ":", "send:" + "a" * 200])
def test_what_is_no_scope_is_refused(text):
    """And so is one of many."""
    with pytest.raises(ClientFault):
        scopes(["send", text])


def test_a_child_has_all_of_its_parent_where_nothing_is_asked():
    """But its own id, its place in the chain, and one generation more."""
    made = child()
    assert (made.scopes, made.max_tier, made.expires) == (ROOT.scopes, ROOT.max_tier, ROOT.expires)
    assert (made.parent, made.depth, made.human) == (ROOT.id, 1, "ada")
    assert made.chain == ("claude-code", "claude-code")


def test_a_child_has_what_it_asks_for():
    """Narrower scope, lower tier, shorter time, a tool of its own, a key of its own."""
    made = child(tool="sub", asked=["send:openai:gpt"], max_tier="internal", seconds=60, key="k")
    assert (made.tool, made.scopes, made.max_tier, made.expires - NOW, made.key) == (
        "sub",
        ("send:openai:gpt",),
        "internal",
        60_000_000_000,
        "k",
    )
    assert made.chain == ("claude-code", "sub")


@pytest.mark.parametrize(
    "wider",
    [
        {"asked": ["send"]},
        {"asked": ["send:anthropic"]},
        {"asked": ["send:openai", "lease"]},
        {"seconds": 3601},
    ],
)
def test_a_widened_exchange_is_refused(wider):
    """More than the parent has is no part of it."""
    with pytest.raises(ClientFault):
        child(**wider)


@pytest.mark.parametrize(("held", "asked"), list(itertools.product(TIERS, TIERS)))
def test_a_tier_only_falls(held, asked):
    """For each pair of tiers."""
    parent = msgspec.structs.replace(ROOT, max_tier=held)
    if TIERS.index(asked) > TIERS.index(held):
        with pytest.raises(ClientFault):
            child(parent, max_tier=asked)
    else:
        assert child(parent, max_tier=asked).max_tier == asked


def test_there_is_an_end_to_handing_on():
    """The last generation hands on nothing."""
    task = ROOT
    for number in range(DEPTH):
        task = child(task, id=f"{number:012d}")
    with pytest.raises(ClientFault):
        child(task, id="f" * 12)


def test_a_task_that_stands():
    """Alone, and with its parent."""
    assert refused([standing()], now=NOW) is None
    assert refused([standing(child()), standing()], now=NOW) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ended": NOW - 1, "reason": "it is enough"}, "it is enough"),
        ({"alive": NOW}, "time is over"),
        ({"task": msgspec.structs.replace(ROOT, expires=NOW)}, "time is over"),
        ({"tool_epoch": 1}, "of the tool claude-code were ended"),
        ({"person": Person(name="ada", epoch=1)}, "this person had begun"),
        ({"person": Person(name="ada", gone=True, epoch=1)}, "access has ended"),
        ({"everybody": Person(name="*", epoch=1)}, "All tasks were ended"),
        ({"everybody": Person(name="*", epoch=1, gone=True)}, "Everything was stopped"),
        ({"tool": None}, "not in the register"),
        ({"tool": Tool(id="claude-code", owner="ada", state="suspended")}, "suspended"),
        ({"tool": Tool(id="claude-code", state="active")}, "Nobody owns"),
        ({"owner": Person(name="ada", gone=True)}, "has left"),
    ],
)
def test_what_ends_a_task_ends_its_children(change, said):
    """A child outlives nothing that its parent hangs on."""
    why = refused([standing(**change)], now=NOW)
    assert why is not None
    assert said in why.message
    assert refused([standing(child()), standing(**change)], now=NOW) == why


def test_a_child_without_its_parents_is_refused():
    """A parent that is gone, that is another, or that works for somebody else."""
    other = msgspec.structs.replace(ROOT, id="c" * 12)
    stranger = msgspec.structs.replace(ROOT, human="bob")
    assert "is gone" in refused([standing(child())], now=NOW).message
    assert "not belong" in refused([standing(child()), standing(other)], now=NOW).message
    assert "not belong" in refused([standing(child()), standing(stranger)], now=NOW).message
    assert "not known" in refused([], now=NOW).message


def test_a_task_reaches_what_all_of_its_tools_may():
    """An empty list is no limit, and limits that have nothing in common let nothing through."""
    one = Tool(id="a", destinations=("openai", "anthropic"), classes=("pii",), max_tier="restricted")
    two = Tool(id="b", destinations=("openai",), repositories=("r",), max_tier="internal")
    assert reach(ROOT, [one, two]) == Reach(
        destinations=("openai",), repositories=("r",), classes=("pii",), max_tier="internal"
    )
    assert reach(ROOT, [one, Tool(id="c", destinations=("ollama",))]).destinations == ("",)
    assert reach(msgspec.structs.replace(ROOT, max_tier="public"), [None]).max_tier == "public"


def test_ids_of_tasks():
    """Hexadecimal, so that they are told from names."""
    assert tasks.is_id("0123456789ab")
    assert not tasks.is_id("claude-code")
    assert not tasks.is_id("0123456789ab\n")
