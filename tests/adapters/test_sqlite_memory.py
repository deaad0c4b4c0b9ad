"""What the store remembers is bounded."""

from __future__ import annotations

from poundlock.adapters.sqlite.memory import Conversation, Memory
from tests.adapters.logs import surrogate


def _fill(memory: Memory, talk: str, *numbers: int) -> Conversation:
    entry = memory.get("ada", talk) or memory.begin("ada", talk)
    memory.add("ada", talk, entry, [surrogate(number) for number in numbers], ())
    return entry


def test_conversations_are_bounded() -> None:
    """The conversation that was used longest ago is forgotten first."""
    memory = Memory(conversations=2)
    _fill(memory, "a", 1)
    _fill(memory, "b", 1)
    assert memory.get("ada", "a") is not None
    _fill(memory, "c", 1)
    assert memory.get("ada", "b") is None
    assert memory.get("ada", "a") is not None


def test_values_are_bounded() -> None:
    """Too many values push out other conversations, never the one that is in use; a value counts once."""
    memory = Memory(values=4)
    _fill(memory, "a", 1, 2)
    _fill(memory, "b", 1, 2)
    _fill(memory, "b", 1, 2)
    assert memory.get("ada", "a") is not None
    _fill(memory, "b", 3)
    assert memory.get("ada", "a") is None
    entry = _fill(memory, "b", *range(50))
    assert memory.get("ada", "b") is entry
    _fill(memory, "c", 1)
    assert memory.get("ada", "b") is None


def test_forget() -> None:
    """Forgetting a scope forgets its conversations and their weight, and no other scope's."""
    memory = Memory(values=3)
    _fill(memory, "a", 1, 2, 3)
    memory.begin("bob", "a")
    memory.forget("ada")
    assert memory.get("ada", "a") is None
    assert memory.get("bob", "a") is not None
    _fill(memory, "b", 1, 2, 3)
    assert memory.get("bob", "a") is not None


def test_forgotten_entry_is_no_longer_counted() -> None:
    """Who still holds a forgotten entry may add to it; it weighs nothing any more."""
    memory = Memory(conversations=1)
    gone = memory.begin("ada", "a")
    memory.begin("ada", "b")
    memory.add("ada", "a", gone, [surrogate(1)], ("fp",))
    assert gone.remembered().issued == (surrogate(1),)
    assert gone.remembered().refused == frozenset({"fp"})
    assert memory.get("ada", "a") is None
