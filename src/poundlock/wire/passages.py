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
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from poundlock.core import conversation
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

UNSETTLED = 24
"""Of so many items that came again one by one the older half is joined to one piece."""
JOINED = 262_144
"""Bytes of a piece that was joined, at most."""
GROWING = JOINED // 4
"""Bytes up to which a piece that was joined grows by the next items: so each of these is joined a few times at most."""

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


class State(NamedTuple):
    """How far a reader of messages is: the turn, whether the conversation has begun, and the texts that began it.

    Of an item read before, `beginning` has only its own texts.
    """

    turn: int = 0
    begun: bool = False
    beginning: tuple[str, ...] = ()


class Kept:
    """A piece of a body as it was read: its segments, what the reader learned besides, its bytes as they are sent.

    A piece is a member, an item of the list, or several items that follow one another (`count`). `settled` items stay
    as they are: they were joined, or are too large for it.
    """

    __slots__ = (
        "__weakref__",
        "_changed",
        "_plain",
        "asked",
        "cost",
        "count",
        "learned",
        "name",
        "passage",
        "settled",
        "slots",
        "told",
        "trees",
        "where",
        "written",
    )

    def __init__(
        self, name: Name, holder: list[Any], passage: Passage, slots: Sequence[Slot], calls: Calls, learned: Any
    ) -> None:
        """Keep the trees in `holder` with what was read from them.

        `name` is whose it is, all else that the outcome depends on, and the bytes that it came in.
        """
        self.trees = holder
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
        self.count = len(holder)
        self.settled = self.count > 1
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

    def joined(self, others: list[Kept], separator: bytes) -> Kept | None:
        """Give this item and those that follow it as one piece, None where one of them is no object."""
        parts = [self, *others]
        trees = [tree for part in parts for tree in part.trees]
        if not all(isinstance(tree, dict) for tree in trees):
            return None  # the text of a bare string stands in the holder itself
        calls = Calls()
        for part in parts:
            calls.asked |= {call: tool for call, tool in part.asked.items() if call not in calls.told}
            calls.told |= part.told
        last: State = parts[-1].learned
        learned = last._replace(beginning=tuple(text for part in parts for text in part.learned.beginning))
        name = (self.name[0], self.where, separator.join([part.written for part in parts]))
        slots = [slot for part in parts for slot in part.slots]
        return Kept(name, trees, conversation.joined([part.passage for part in parts]), slots, calls, learned)

    def _encode(self, texts: Mapping[int, str]) -> bytes:
        return body.encode(self.trees, self.passage.segments, self.slots, texts)[1:-1]


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

    def opened(self, form: str, data: bytes, listed: str, members: tuple[str, ...] = ()) -> Opened | None:
        """Give a body's members, if one of the same `form` began like it before; `listed` is read item by item.

        That one and the other `members` are not decoded yet. None is given for whatever is not as it should be, too:
        then the body is read as a whole, and refused if need be.

        Raises: `ValueError`, `RecursionError` for what isn't JSON.
        """
        if len(data) < WORTHWHILE:
            return None
        name = (self.owner, form, hash(data[:BEGINNING]))
        try:
            past = self.store.past(name)
        except KeyError:
            self.store.passed(name, None)
            return None
        known, rest = _parted(data, past, self.store)
        raws = _members.decode(rest)
        found = raws.get(listed)
        if found is None or bytes(memoryview(found)[:1]) != b"[":
            return None
        new = _items.decode(found)
        if known and (not new or bytes(new.pop(0)) != _MARK):
            return None
        tree = {each: None if each == listed or each in members else parse(raw) for each, raw in raws.items()}
        return Opened(
            self.store, name, listed, tree, raws, [*known, *new], _Source(rest, past if known else None, len(known))
        )


def _parted(data: bytes, past: Past | None, store: Passages) -> tuple[list[Kept], bytes]:
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
        if kept is None or not data.startswith(kept.written, at) or not store.touch(kept):
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
        store: Passages,
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
        self._store = store
        self._name = name
        self._owner, self._form = name[:2]
        self._listed = listed
        self._raws = raws
        self._source = source
        self._members: dict[str, int] = {}
        self._kept: list[tuple[int, Kept]] = []

    def messages(self, gather: Gatherer, calls: Calls, reader: Callable[[int, State, list[Any]], State]) -> State:
        """Read the list's items, or take what was read from them; give the state at the end.

        `reader` takes an item's index, the state before it and a list with its tree alone; these and the calls that it
        asks for are all that the outcome may depend on. It gives the state after the item.

        Raises: `ClientFault`, `ValueError`, `RecursionError`.
        """
        index, state, beginning = 0, State(), list[str]()
        for item in self.items:
            where = (self._form, index, state.turn, state.begun)
            read = partial(reader, index, state)
            state = self._read(where, item, gather, calls, read)
            beginning += state.beginning
            index += self._kept[-1][1].count
        return state._replace(beginning=tuple(beginning))

    def member(self, name: str, gather: Gatherer, calls: Calls, reader: Callable[[list[Any]], Any]) -> Any:
        """Read a member like an item, if it is there; give what the reader learned of it."""
        raw = self._raws.get(name)
        if raw is None:
            return None
        self._members[name] = len(self._kept)
        return self._read((self._form, name), raw, gather, calls, reader)

    def _read(
        self, where: Name, piece: Kept | msgspec.Raw, gather: Gatherer, calls: Calls, reader: Callable[[list[Any]], Any]
    ) -> Any:
        start = len(gather.segments)
        kept: Kept | None
        if isinstance(piece, Kept):
            # INVARIANT: the pieces before it are the same, too, and so is all that follows from them.
            if piece.where != where or not calls.repeat(piece):
                raise ValueError("what is remembered of a body does not fit it")
            kept = piece
        else:
            written = bytes(piece)
            kept = self._store.get((self._owner, where, written))
            if kept is None or not calls.repeat(kept):
                calls.begin()
                holder = [parse(written)]
                learned = reader(holder)
                passage = Passage(tuple(gather.segments[start:]))
                kept = Kept((self._owner, where, written), holder, passage, gather.slots[start:], calls, learned)
                self._store.put(kept)
                self._kept.append((start, kept))
                return kept.learned
        gather.segments += kept.passage.segments
        gather.slots += kept.slots
        self._kept.append((start, kept))
        return kept.learned

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
            self._store.passed(self._name, Past(past.head, past.separator, self._settled(items[:known], past) + refs))
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

    def _settled(self, items: list[Kept], past: Past) -> list[weakref.ref[Kept]]:
        """Give the items with those that have come again for a while joined: there is less to go through."""
        loose = next((at for at in range(len(items) - 1, -1, -1) if items[at].settled), -1) + 1
        if len(items) - loose < UNSETTLED:
            return past.items[: len(items)]
        end = loose + UNSETTLED // 2
        before = items[loose - 1] if loose else None
        # Of one that is not remembered as a whole its strings are read one by one: it stays as small as it is.
        grows = before is not None and before.count > 1 and len(before.written) <= GROWING and before.passage.notes
        at = loose - 1 if grows else loose
        refs = past.items[:at]
        while at < end:
            after = at + 1
            size = len(items[at].written)
            while after < end and size + len(items[after].written) <= JOINED:
                size += len(items[after].written)
                after += 1
            whole = items[at].joined(items[at + 1 : after], past.separator) if after > at + 1 else None
            if whole is None:
                for item in items[at:after]:
                    item.settled = True
                refs += past.items[at:after]
            else:
                self._store.put(whole)
                refs.append(weakref.ref(whole))
            at = after
        return refs + past.items[end : len(items)]


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
        parts = [pieces[at] for at in items] or [b""]
        parts[0] = b"[" + parts[0]
        parts[-1] += b"]"  # the brackets by themselves would take two copies of the whole
        tree[listed] = msgspec.Raw(b",".join(parts))
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
