"""Bodies of which the most was read before: what was read from the same bytes is not read again.

An agent resends its whole conversation at each turn. A message is known by all its bytes, by its place and by whose it
is; then its segments are the very objects of before, and what is sent for it is what was encoded from the tree that
these segments were read from. This module must never send bytes that came in, and never take two messages for one
another: the bytes are compared, not a digest of them.
"""

from __future__ import annotations

import bisect
import weakref
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

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_SEPARATORS = (b",", b", ")
_MARK = b'"poundlock: what stands here was read before"'


class Calls:
    """The names of the tools that were called, by the call's id; and which of them one piece told or asked for."""

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
        """Begin a piece."""
        self.told, self.asked = {}, {}

    def repeat(self, kept: Kept) -> bool:
        """Take note of the calls of a piece that was read before; False where it asked for one that is another now."""
        names = self._names
        for call, tool in kept.asked.items():
            if names.get(call, "") != tool:
                return False
        names.update(kept.told)
        return True


Name = tuple[Any, ...]


class Kept:
    """A piece of a body as it was read: its segments, what the reader learned besides, its bytes as they are sent."""

    __slots__ = (
        "__weakref__",
        "_changed",
        "_holder",
        "_plain",
        "asked",
        "cost",
        "learned",
        "name",
        "passage",
        "slots",
        "told",
        "where",
        "written",
    )

    def __init__(
        self, name: Name, holder: list[Any], passage: Passage, slots: Sequence[Slot], calls: Calls, learned: Any
    ) -> None:
        """Keep the tree, the only item of `holder`, with what was read from it.

        `name` is whose it is, all else that the outcome depends on, and the bytes that it came in.
        """
        self._holder = holder
        self._plain = b""
        self._changed: tuple[Mapping[int, str], bytes] | None = None
        self.name = name
        self.where: Name = name[1]
        self.written: bytes = name[2]
        self.passage = passage
        self.slots = slots
        self.told = calls.told
        self.asked = calls.asked
        self.learned = learned
        # Its bytes twice, as they came and as they are sent; its texts; what each segment and its slot take.
        texts = sum(len(each.text) * (1 if each.text.isascii() else 4) for each in passage.segments)
        self.cost = 1000 + 2 * len(self.written) + texts + 800 * len(passage.segments)

    def encoded(self, texts: Mapping[int, str] | None = None) -> bytes:
        """Give the piece's bytes with the texts of these segments (by index in the passage) replaced."""
        if not texts:
            self._plain = self._plain or self._encode({})
            return self._plain
        if self._changed is None or self._changed[0] != texts:
            self._changed = texts, self._encode(texts)
        return self._changed[1]

    def _encode(self, texts: Mapping[int, str]) -> bytes:
        return body.encode(self._holder, self.passage.segments, self.slots, texts)[1:-1]


class Past(NamedTuple):
    """The last body that began in some way: its bytes up to its list, what stands between the items, the items.

    The items are held weakly: what the memory lets go is gone.
    """

    head: bytes
    separator: bytes
    items: list[weakref.ref[Kept]]


class Passages:
    """The pieces that one worker remembers, bounded by bytes; the one not used for longest goes first."""

    def __init__(self, limit: int) -> None:
        """Keep at most about `limit` bytes."""
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[Name, Kept] = OrderedDict()
        self._pasts: OrderedDict[Name, Past | None] = OrderedDict()
        self._past_size = 0

    def shelf(self, owner: str) -> Shelf:
        """Give the pieces of one scope: nobody can tell, from how long it takes, what another one has sent."""
        return Shelf(self, owner)

    def get(self, name: Name) -> Kept | None:
        """Give the piece of this name, if it is still known."""
        kept = self._kept.get(name)
        if kept is not None:
            self._kept.move_to_end(name)
        return kept

    def put(self, kept: Kept) -> None:
        """Remember a piece, and forget the oldest where that is too much."""
        if kept.cost > self.limit // 4:
            return
        before = self._kept.pop(kept.name, None)
        self._kept[kept.name] = kept
        self.size += kept.cost - (before.cost if before else 0)
        while self.size > self.limit:
            self.size -= self._kept.popitem(last=False)[1].cost

    def touch(self, kept: Kept) -> bool:
        """Tell whether a piece is still remembered; it was used."""
        try:
            self._kept.move_to_end(kept.name)
        except KeyError:
            return False
        return True

    def past(self, name: Name) -> Past | None:
        """Give the last body that began like this. Raises: `KeyError` when there was none."""
        past = self._pasts[name]
        self._pasts.move_to_end(name)
        return past

    def passed(self, name: Name, past: Past | None) -> None:
        """Remember a body by how it began."""
        self._past_size += _cost(past) - _cost(self._pasts.pop(name, None))
        self._pasts[name] = past
        while self._past_size > self.limit // 8:
            self._past_size -= _cost(self._pasts.popitem(last=False)[1])


def _cost(past: Past | None) -> int:
    return 200 + (len(past.head) + 100 * len(past.items) if past is not None else 0)


class Shelf(NamedTuple):
    """What is remembered of one scope's bodies."""

    store: Passages
    owner: str

    def opened(self, data: bytes, listed: str, members: tuple[str, ...] = ()) -> Opened | None:
        """Give a body's members, if a body began like it before; `listed` is a list, read item by item.

        That one and the other `members` are not decoded yet. None is given for whatever is not as it should be, too:
        then the body is read as a whole, and refused if need be.

        Raises: `ValueError`, `RecursionError` for what isn't JSON.
        """
        if len(data) < WORTHWHILE:
            return None
        name = (self.owner, listed, hash(data[:BEGINNING]))
        try:
            past = self.store.past(name)
        except KeyError:
            self.store.passed(name, None)
            return None
        known, rest = _parted(data, past)
        raws = _members.decode(rest)
        found = raws.get(listed)
        if found is None or bytes(memoryview(found)[:1]) != b"[":
            return None
        new = _items.decode(found)
        if known and (not new or bytes(new.pop(0)) != _MARK):
            return None
        tree = {each: None if each == listed or each in members else parse(raw) for each, raw in raws.items()}
        return Opened(
            self, name, listed, tree, raws, [*known, *new], _Source(rest, past if known else None, len(known))
        )


def _parted(data: bytes, past: Past | None) -> tuple[list[Kept], bytes]:
    """Give the items at the beginning of the list that stood there before, and the body with a mark in their place.

    The mark is a value where values stood: the body with it is JSON if, and only if, the body is, and means the same
    but for those items. If the list that is found then begins with the mark, which stands nowhere else in the rest, it
    is the same list: no later member of the same name took its place.
    """
    if past is None or not data.startswith(past.head):
        return [], data
    known: list[Kept] = []
    at = end = len(past.head)
    separator = past.separator
    for item in past.items:
        kept = item()
        if kept is None or not data.startswith(kept.written, at):
            break
        known.append(kept)
        end = at + len(kept.written)
        if not data.startswith(separator, end):
            break
        at = end + len(separator)
    rest = data[end:]
    # What follows shows that the last value ended there: `12` begins with the bytes of `1`.
    if not known or rest[:1] not in {b",", b"]"} or _MARK in rest:
        return [], data
    return known, past.head + _MARK + rest


class _Source(NamedTuple):
    """Where a body's items came from: the bytes that were parsed, and how many items were known from a past body."""

    data: bytes
    past: Past | None
    known: int


class Opened:
    """A body whose list is read item by item."""

    def __init__(
        self,
        shelf: Shelf,
        name: Name,
        listed: str,
        tree: dict[str, Any],
        raws: dict[str, msgspec.Raw],
        items: list[Kept | msgspec.Raw],
        source: _Source,
    ) -> None:
        """Hold the body's tree, without what is not decoded yet, and the list's items."""
        self.tree = tree
        self.items = items
        self._store, self._owner = shelf
        self._name = name
        self._listed = listed
        self._raws = raws
        self._source = source
        self._members: dict[str, int] = {}
        self._kept: list[tuple[int, Kept]] = []

    def read(
        self, where: Name, item: Kept | msgspec.Raw, gather: Gatherer, calls: Calls, reader: Callable[[list[Any]], Any]
    ) -> Any:
        """Read one item, or take what was read from it; give what the reader learned of it besides.

        `where` is all that the outcome depends on besides the item's bytes and the calls that it asks for. `reader`
        takes a list with the item's tree alone. Raises: `ClientFault`, `ValueError`, `RecursionError`.
        """
        start = len(gather.segments)
        kept: Kept | None
        if isinstance(item, Kept):
            kept = item if item.where == where and self._store.touch(item) else None
            written = item.written
        else:
            written = bytes(item)
            kept = self._store.get((self._owner, where, written))
        if kept is not None and calls.repeat(kept):
            gather.segments += kept.passage.segments
            gather.slots += kept.slots
        else:
            calls.begin()
            holder = [parse(written)]
            learned = reader(holder)
            passage = Passage(tuple(gather.segments[start:]))
            kept = Kept((self._owner, where, written), holder, passage, gather.slots[start:], calls, learned)
            self._store.put(kept)
        self._kept.append((start, kept))
        return kept.learned

    def member(self, where: Name, gather: Gatherer, calls: Calls, reader: Callable[[list[Any]], Any]) -> Any:
        """Read a member, whose name ends `where`, like an item; give what the reader learned of it."""
        name = where[-1]
        raw = self._raws.get(name)
        if raw is None:
            return None
        self._members[name] = len(self._kept)
        return self.read(where, raw, gather, calls, reader)

    def body(self, gather: Gatherer, document: Document) -> PassageBody:
        """Give the decoded body with what was gathered; `document` has all but its segments."""
        passages = tuple((start, kept.passage) for start, kept in self._kept)
        document = msgspec.structs.replace(document, segments=tuple(gather.segments), passages=passages)
        places = set(self._members.values())
        items = [at for at in range(len(self._kept)) if at not in places]
        self._pass([self._kept[at][1] for at in items])
        return PassageBody(document, self.tree, gather.slots, self._kept, (self._listed, items), self._members)

    def _pass(self, items: list[Kept]) -> None:
        """Remember this body's list for the next one that begins in the same way."""
        data, past, known = self._source
        new = [kept.written for kept in items[known:]]
        refs = [weakref.ref(kept) for kept in items[known:]]
        found = bytes(self._raws[self._listed])
        if past is not None:
            # Items that are parted otherwise are left out; those before them stay.
            if new and found != b"[" + past.separator.join([_MARK, *new]) + b"]":
                refs = []
            self._store.passed(self._name, Past(past.head, past.separator, past.items[:known] + refs))
            return
        separator = next((each for each in _SEPARATORS if found == b"[" + each.join(new) + b"]"), None)
        at = data.find(found[:BEGINNING])
        if separator is None or at < 0 or _MARK in data:
            return
        head = data[: at + 1]
        # INVARIANT: after `head` the parser is at the beginning of the list, and nowhere else.
        marked = _members.decode(head + _MARK + data[at + len(found) - 1 :])
        if bytes(marked.get(self._listed, b"")) == b"[" + _MARK + b"]":
            self._store.passed(self._name, Past(head, separator, refs))


class PassageBody:
    """A decoded body, some of whose pieces may have come before."""

    def __init__(
        self,
        document: Document,
        tree: dict[str, Any],
        slots: list[Slot],
        kept: list[tuple[int, Kept]],
        listed: tuple[str, list[int]],
        members: dict[str, int],
    ) -> None:
        """Join a document with its tree; `listed` and `members` say where the pieces `kept` stand in it."""
        self.document = document
        self._tree = tree
        self._slots = slots
        self._kept = kept
        self._listed = listed
        self._members = members

    def encode(self, texts: Mapping[int, str]) -> bytes:
        """Give the body's bytes with the texts of these segments (by index) replaced; the body stays as it is.

        Raises: `ValueError` for a new text of an opaque segment: a mistake in the program.
        """
        rest, of_pieces = self._parted(texts) if texts else ({}, {})
        pieces = [kept.encoded(of_pieces.get(at)) for at, (_, kept) in enumerate(self._kept)]
        listed, items = self._listed
        tree = self._tree
        for member, at in self._members.items():
            tree[member] = msgspec.Raw(pieces[at])
        tree[listed] = msgspec.Raw(b"[" + b",".join([pieces[at] for at in items]) + b"]")
        try:
            return body.encode(tree, self.document.segments, self._slots, rest)
        finally:
            for member in (listed, *self._members):
                tree[member] = None

    def _parted(self, texts: Mapping[int, str]) -> tuple[dict[int, str], dict[int, dict[int, str]]]:
        """Part the new texts into those that stand in no piece, and those of each piece, by its number."""
        rest: dict[int, str] = {}
        of_pieces: dict[int, dict[int, str]] = {}
        starts = [start for start, _ in self._kept]
        for index, text in texts.items():
            # Pieces without segments begin where the next one does: the last that begins there is the one.
            at = bisect.bisect_right(starts, index) - 1
            if at >= 0 and index - starts[at] < len(self._kept[at][1].passage.segments):
                of_pieces.setdefault(at, {})[index - starts[at]] = text
            else:
                rest[index] = text
        return rest, of_pieces
