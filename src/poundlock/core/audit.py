"""The audit log's mathematics: canonical record bytes, the hash chain, the Merkle tree and its signed heads.

A record's hash is its RFC 6962 leaf hash, SHA-256 of 0x00 and the canonical bytes, and those bytes hold the hash of the
record before: one hash makes both the chain and the tree. It never reads a file, a clock or a key, and never decides
whether something is recorded. Checking a log against all this is the business of `core/ledger.py`.
"""

from __future__ import annotations

import enum
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from poundlock.core.errors import Fault
from poundlock.core.model import Record, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GENESIS = "0" * 64
"""What stands as `prev` in the first record."""

DEPTH = 32
"""How deep a record's body may be nested: our own bodies need five levels."""

_LARGEST = 2**63 - 1
_TEXT = frozenset({str})
_LEAVES = frozenset({str, bool, type(None)})
_HEAD_DOMAIN = b"poundlock audit head 1\n"
_encoder = msgspec.json.Encoder(order="sorted")


class Row(NamedTuple):
    """A record as it is stored: `body` is canonical JSON, `prev` and `hash` are hex."""

    seq: int
    at: int
    kind: str
    id: str
    body: bytes
    prev: str
    hash: str


class _Leaf(msgspec.Struct):
    """The canonical form of a record: compact JSON, keys sorted (here by the order of the fields)."""

    at: int
    body: msgspec.Raw
    id: str
    kind: str
    prev: str
    seq: int


class Head(Value, frozen=True, kw_only=True):
    """A signed statement of the log's state: after `size` records the tree's root was `root`.

    `root` and `last` (the last record's hash) are hex, `at` is nanoseconds since the epoch, `key` is the Ed25519
    public key in hex, `signature` is hex over `statement(head)`.
    """

    size: int
    root: str
    last: str
    at: int
    key: str
    signature: str = ""


def canonical_body(body: Mapping[str, Any]) -> bytes:
    """Encode a record's body as canonical JSON: UTF-8, compact, keys sorted, integers only.

    Raises: `Fault` (status 500) for a value of a type that no record has; its message names types and key names only
    where they are ours, never a value.
    """
    _check(body, 0)
    try:
        return _encoder.encode(dict(body))
    except (UnicodeEncodeError, msgspec.MsgspecError):
        raise _refused("text that is not Unicode") from None


def leaf_hash(row: Row, seq: int | None = None) -> str:
    """Give the hash that the stored record must have; `seq` asks what it would be at another place.

    Raises: `ValueError` when a column holds what no record can hold.
    """
    leaf = _Leaf(
        at=row.at,
        body=msgspec.Raw(row.body),
        id=row.id,
        kind=row.kind,
        prev=row.prev,
        seq=row.seq if seq is None else seq,
    )
    return hashlib.sha256(b"\x00" + _encoder.encode(leaf)).hexdigest()


def chained(seq: int, prev: str, *, at: int, kind: str, id: str, body: bytes) -> Row:  # noqa: A002 (the word that records use)
    """Give the row of a new record at place `seq`, after the record whose hash is `prev`."""
    row = Row(seq, at, kind, id, body, prev, "")
    return row._replace(hash=leaf_hash(row))


def record_of(row: Row) -> Record:
    """Give the record that a row holds. Raises `Fault` (status 500) when the body is not JSON any more."""
    try:
        body = msgspec.json.decode(row.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Fault(
            f"record {row.seq} of the audit log can't be read", advice="Type: poundlock audit verify", status=500
        ) from None
    return Record(seq=row.seq, at=row.at, kind=row.kind, id=row.id, body=body, prev=row.prev, hash=row.hash)


class Frontier:
    """The Merkle tree hash of RFC 6962 §2.1, grown leaf by leaf; it keeps the roots of the full subtrees only."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Start empty, or from what `pack` gave. Raises `ValueError` when the two don't fit."""
        self.size = size
        self.peaks = list(peaks)
        if size < 0 or len(self.peaks) != size.bit_count() or any(len(peak) != 32 for peak in self.peaks):
            raise ValueError("these are not the peaks of a tree of this size")

    def add(self, leaf: bytes) -> None:
        """Append one leaf hash of 32 bytes."""
        size = self.size
        while size & 1:
            leaf = hashlib.sha256(b"\x01" + self.peaks.pop() + leaf).digest()
            size >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> str:
        """Give the root in hex; the root of no leaves is the hash of no bytes."""
        if not self.peaks:
            return hashlib.sha256(b"").hexdigest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = hashlib.sha256(b"\x01" + peak + root).digest()
        return root.hex()

    def pack(self) -> bytes:
        """Give the peaks as bytes, 32 each, largest subtree first."""
        return b"".join(self.peaks)

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Frontier:
        """Read what `pack` gave. Raises `ValueError` when it can't be of a tree of this size."""
        return cls(size, [packed[at : at + 32] for at in range(0, len(packed), 32)])


def statement(head: Head) -> bytes:
    """Give the bytes that are signed: a fixed first line, so that the key can't be lent to another purpose."""
    return _HEAD_DOMAIN + _encoder.encode(
        {"at": head.at, "key": head.key, "last": head.last, "root": head.root, "size": head.size}
    )


def head_line(head: Head) -> bytes:
    """Give a head as one line of JSON, with its newline."""
    return _encoder.encode(head) + b"\n"


def read_head(line: bytes) -> Head | None:
    """Read a line that `head_line` gave, or None when it is something else."""
    try:
        return msgspec.json.decode(line, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def key_fingerprint(key: str) -> str:
    """Give the name under which people compare a public key (hex): the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _check(branch: object, depth: int) -> None:
    """Refuse what no record has. Leaves are looked at in their branch: most of a body are texts."""
    if depth > DEPTH:
        raise _refused("nesting that is too deep")
    items: Iterable[Any]
    if not isinstance(branch, list | tuple):
        branch = cast("Mapping[Any, Any]", branch)
        if not _TEXT.issuperset(map(type, branch)):
            raise _refused("a key that is not a text")
        items = branch.values()
    else:
        items = branch
    if _LEAVES.issuperset(map(type, items)):
        return
    for item in items:
        kind = type(item)
        if kind in _LEAVES:
            continue
        if kind is int:
            if not -_LARGEST <= item <= _LARGEST:
                raise _refused("an integer of more than 63 bits")
        elif kind is dict or kind is list or kind is tuple:
            _check(item, depth + 1)
        elif not isinstance(item, enum.StrEnum):
            raise _refused(f"a value of the type {kind.__name__}")


def _refused(what: str) -> Fault:
    return Fault(
        f"a record's body held {what}; it was not written",
        advice="This is a defect of Poundlock: please report it.",
        status=500,
    )
