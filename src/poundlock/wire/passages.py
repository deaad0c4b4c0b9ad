"""Bodies whose long list (of messages) was mostly read before: what was read from the same bytes is not read again.

An agent resends its whole conversation at each turn. An item of the list is known by all its bytes, by its place and
by whose it is; then its segments are the very objects of before, and what is sent for it is what was encoded from the
tree that these segments were read from. This module must never send bytes that came in, and never take two items for
one another: the bytes are compared, not a digest of them.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from poundlock.core.model import Passage
from poundlock.wire import body
from poundlock.wire.body import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from poundlock.core.model import Document
    from poundlock.wire.body import Gatherer, Slot

WORTHWHILE = 8192
"""Shorter bodies are read as a whole, in bytes."""
BEGINNING = 1024
"""By so many bytes at its beginning a body is taken for one that comes again; a wrong guess costs time only."""
BEGINNINGS = 4096

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])


class Calls:
    """The names of the tools that were called, by the call's id; and which of them one item told or asked for."""

    def __init__(self) -> None:
        """Know no call."""
        self._names: dict[str, str] = {}
        self.told: dict[str, str] = {}
        self.asked: dict[str, str] = {}

    def tell(self, call: str, tool: str) -> None:
        """Take note of a call."""
        self._names[call] = self.told[call] = tool

    def ask(self, call: str) -> str:
        """Give the tool that was called, empty for an unknown call."""
        tool = self._names.get(call, "")
        if call not in self.told:
            self.asked[call] = tool
        return tool

    def begin(self) -> None:
        """Begin an item."""
        self.told, self.asked = {}, {}

    def repeat(self, kept: Kept) -> bool:
        """Take note of the calls of an item that was read before; False where it asked for one that is another now."""
        names = self._names
        for call, tool in kept.asked.items():
            if names.get(call, "") != tool:
                return False
        names.update(kept.told)
        return True


class Kept:
    """One item as it was read: its segments, what the reader learned of it, and its bytes as they are sent."""

    __slots__ = ("_changed", "_holder", "_plain", "_slots", "asked", "cost", "learned", "passage", "told")

    def __init__(self, holder: list[Any], passage: Passage, slots: Sequence[Slot], calls: Calls, learned: Any) -> None:
        """Keep the tree, the only item of `holder`, with what was read from it."""
        self._holder = holder
        self._slots = slots
        self._plain = b""
        self._changed: tuple[Mapping[int, str], bytes] | None = None
        self.passage = passage
        self.told = calls.told
        self.asked = calls.asked
        self.learned = learned
        self.cost = 0

    def encoded(self, texts: Mapping[int, str] | None = None) -> bytes:
        """Give the item's bytes with the texts of these segments (by index in the passage) replaced."""
        if not texts:
            self._plain = self._plain or self._encode({})
            return self._plain
        if self._changed is None or self._changed[0] != texts:
            self._changed = texts, self._encode(texts)
        return self._changed[1]

    def _encode(self, texts: Mapping[int, str]) -> bytes:
        return body.encode(self._holder, self.passage.segments, self._slots, texts)[1:-1]


Name = tuple[Any, ...]


class Passages:
    """The items that one worker remembers, bounded by bytes; the one not used for longest goes first."""

    def __init__(self, limit: int) -> None:
        """Keep at most about `limit` bytes."""
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[Name, Kept] = OrderedDict()
        self._beginnings: OrderedDict[int, None] = OrderedDict()

    def shelf(self, owner: str) -> Shelf:
        """Give the items of one scope: nobody can tell, from how long it takes, what another one has sent."""
        return Shelf(self, owner)

    def get(self, name: Name) -> Kept | None:
        """Give the item of this name, if it is still known."""
        kept = self._kept.get(name)
        if kept is not None:
            self._kept.move_to_end(name)
        return kept

    def put(self, name: Name, kept: Kept, size: int) -> None:
        """Remember an item of `size` bytes, and forget the oldest where that is too much."""
        # Its bytes three times: in the name, in the texts and encoded, with what each segment and its slot take.
        texts = sum(len(each.text) * (1 if each.text.isascii() else 4) for each in kept.passage.segments)
        kept.cost = 1000 + 2 * size + texts + 800 * len(kept.passage.segments)
        if kept.cost > self.limit // 4:
            return
        before = self._kept.pop(name, None)
        self._kept[name] = kept
        self.size += kept.cost - (before.cost if before else 0)
        while self.size > self.limit:
            self.size -= self._kept.popitem(last=False)[1].cost

    def expected(self, beginning: bytes, owner: str) -> bool:
        """Tell whether a body began like this before, and remember that one did."""
        name = hash((owner, beginning))
        if name in self._beginnings:
            self._beginnings.move_to_end(name)
            return True
        self._beginnings[name] = None
        if len(self._beginnings) > BEGINNINGS:
            self._beginnings.popitem(last=False)
        return False


class Shelf(NamedTuple):
    """What is remembered of one scope's bodies."""

    store: Passages
    owner: str

    def opened(self, data: bytes, member: str) -> Opened | None:
        """Give a body's members, those of the list `member` unread, if some of them may have come before.

        None is given for whatever is not as it should be, too: then the body is read as a whole, and refused if need
        be. Raises: `ValueError`, `RecursionError` for what isn't JSON.
        """
        if len(data) < WORTHWHILE or not self.store.expected(data[:BEGINNING], self.owner):
            return None
        members = _members.decode(data)
        listed = members.get(member)
        if listed is None or bytes(memoryview(listed)[:1]) != b"[":
            return None
        tree = {name: None if name == member else parse(raw) for name, raw in members.items()}
        return Opened(self, tree, member, _items.decode(listed))


class Opened:
    """A body whose list is read item by item."""

    def __init__(self, shelf: Shelf, tree: dict[str, Any], member: str, items: list[msgspec.Raw]) -> None:
        """Hold the body's tree, without the list, and the list's items."""
        self.tree = tree
        self.items = items
        self._member = member
        self._store, self._owner = shelf
        self._kept: list[tuple[int, Kept]] = []

    def read(
        self, where: Name, item: msgspec.Raw, gather: Gatherer, calls: Calls, reader: Callable[[list[Any]], Any]
    ) -> Any:
        """Read one item, or take what was read from it; give what the reader learned of it besides.

        `where` is all that the outcome depends on besides the item's bytes and the calls that it asks for. `reader`
        takes a list with the item's tree alone. Raises: `ClientFault`, `ValueError`, `RecursionError`.
        """
        written = bytes(item)
        name = (self._owner, where, written)
        kept = self._store.get(name)
        start = len(gather.segments)
        if kept is not None and calls.repeat(kept):
            gather.segments += kept.passage.segments
            gather.slots += kept._slots  # noqa: SLF001 (its other half)
        else:
            calls.begin()
            holder = [parse(item)]
            learned = reader(holder)
            passage = Passage(tuple(gather.segments[start:]))
            kept = Kept(holder, passage, gather.slots[start:], calls, learned)
            self._store.put(name, kept, len(written))
        self._kept.append((start, kept))
        return kept.learned

    def body(self, gather: Gatherer, document: Document) -> PassageBody:
        """Give the decoded body with what was gathered; `document` has all but its segments."""
        passages = tuple((start, kept.passage) for start, kept in self._kept)
        document = msgspec.structs.replace(document, segments=tuple(gather.segments), passages=passages)
        return PassageBody(document, self.tree, gather.slots, self._member, self._kept)


class PassageBody:
    """A decoded body, some of whose items may have come before."""

    def __init__(
        self, document: Document, tree: dict[str, Any], slots: list[Slot], member: str, kept: list[tuple[int, Kept]]
    ) -> None:
        """Join a document with its tree, in which `member` is the list of the items `kept`."""
        self.document = document
        self._tree = tree
        self._slots = slots
        self._member = member
        self._kept = kept

    def encode(self, texts: Mapping[int, str]) -> bytes:
        """Give the body's bytes with the texts of these segments (by index) replaced; the body stays as it is.

        Raises: `ValueError` for a new text of an opaque segment: a mistake in the program.
        """
        rest, of_items = self._parted(texts) if texts else ({}, {})
        items = [kept.encoded(of_items.get(at)) for at, (_, kept) in enumerate(self._kept)]
        self._tree[self._member] = msgspec.Raw(b"[" + b",".join(items) + b"]")
        try:
            return body.encode(self._tree, self.document.segments, self._slots, rest)
        finally:
            self._tree[self._member] = None

    def _parted(self, texts: Mapping[int, str]) -> tuple[dict[int, str], dict[int, dict[int, str]]]:
        """Part the new texts into those outside the list, and those of each item, by its place in the list."""
        rest: dict[int, str] = {}
        of_items: dict[int, dict[int, str]] = {}
        starts = [start for start, _ in self._kept]
        for index, text in texts.items():
            # Items without segments begin where the next one does: the last that begins there is the one.
            at = bisect.bisect_right(starts, index) - 1
            if at >= 0 and index - starts[at] < len(self._kept[at][1].passage.segments):
                of_items.setdefault(at, {})[index - starts[at]] = text
            else:
                rest[index] = text
        return rest, of_items
