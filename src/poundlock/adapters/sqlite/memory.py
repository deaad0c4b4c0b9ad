"""What this worker remembers of conversations, so that a turn need not read and unseal what it knows.

It is bounded by conversations and by values, holds values in clear only in memory, and never decides what is true:
the store says whether an entry may be behind.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from poundlock.ports import Remembered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poundlock.core.model import Surrogate

CONVERSATIONS = 512
VALUES = 65_536
_LABEL = "label:"  # a label stands among the fingerprints, which are hex


def marks(refused: Iterable[str], labels: Iterable[str]) -> tuple[str, ...]:
    """Give what is kept of a conversation beside its surrogates: the refused fingerprints and its labels."""
    return (*refused, *(_LABEL + label for label in labels))


class Conversation:
    """One conversation: everything written up to record `seq` is in it. It only grows."""

    __slots__ = ("_given", "issued", "refused", "sealed_key", "seq")

    def __init__(self) -> None:
        self.sealed_key: bytes | None = None
        self.issued: dict[str, Surrogate] = {}
        self.refused: set[str] = set()
        self.seq = -1  # nothing was read yet
        self._given: Remembered | None = None

    def add(self, issued: Iterable[Surrogate], refused: Iterable[str]) -> int:
        """Take in what was committed; what is there already stays in its place. Gives how many were new."""
        before = self.size
        for surrogate in issued:
            self.issued.setdefault(surrogate.text, surrogate)
        self.refused.update(refused)
        if before != self.size:
            self._given = None
        return self.size - before

    @property
    def size(self) -> int:
        """How many values and fingerprints are held."""
        return len(self.issued) + len(self.refused)

    def remembered(self) -> Remembered:
        """Give it as the port says: the same object as long as nothing was added."""
        if self._given is None:
            labels = {mark for mark in self.refused if mark.startswith(_LABEL)}
            self._given = Remembered(
                issued=tuple(self.issued.values()),
                refused=frozenset(self.refused - labels),
                labels=frozenset(mark.removeprefix(_LABEL) for mark in labels),
            )
        return self._given


class Memory:
    """The conversations used last. Not for more than one thread."""

    def __init__(self, conversations: int = CONVERSATIONS, values: int = VALUES) -> None:
        self._entries: OrderedDict[tuple[str, str], Conversation] = OrderedDict()
        self._conversations = conversations
        self._values = values
        self._held = 0

    def get(self, scope: str, conversation: str) -> Conversation | None:
        """Give what is remembered, and count it as used."""
        entry = self._entries.get((scope, conversation))
        if entry is not None:
            self._entries.move_to_end((scope, conversation))
        return entry

    def begin(self, scope: str, conversation: str) -> Conversation:
        """Remember a conversation that nothing was read of yet."""
        entry = self._entries[scope, conversation] = Conversation()
        self._shrink()
        return entry

    def add(
        self, scope: str, conversation: str, entry: Conversation, issued: Iterable[Surrogate], refused: Iterable[str]
    ) -> None:
        """Add to a conversation. Those used longest ago are forgotten when there is too much."""
        grown = entry.add(issued, refused)
        if self._entries.get((scope, conversation)) is entry:
            self._held += grown
            self._entries.move_to_end((scope, conversation))
            self._shrink()

    def _shrink(self) -> None:
        while len(self._entries) > 1 and (len(self._entries) > self._conversations or self._held > self._values):
            _, gone = self._entries.popitem(last=False)
            self._held -= gone.size

    def forget(self, scope: str) -> None:
        """Forget everything of one scope."""
        for key in [key for key in self._entries if key[0] == scope]:
            self._held -= self._entries.pop(key).size
