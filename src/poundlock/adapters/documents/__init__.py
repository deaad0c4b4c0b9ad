"""Reads files that aren't plain text: notebooks, archives, Office documents, PDF. What is inside comes as leaves.

INVARIANT: what a file unpacks to is counted while it is unpacked, and the count has an end: a bomb is a fault, never a
full memory. Must never write to a disk, follow a link of an archive, resolve an XML entity, or run what a document
carries.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = 8192
"""Bytes that tell what a file is."""
MAGIC = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"(\xb5/\xfd", "zstd"),
    (b"%PDF-", "pdf"),
)
TAR = (b"ustar", 257)


class Unreadable(Exception):
    """A document can't be read, or not to its end; the message says why, and nothing of its content."""


class Leaf(NamedTuple):
    """A text inside a file: where it stands, and its text, or a stream of bytes to be decoded; or why it can't be read.

    A stream is to be read before the next leaf is asked for; it raises `Unreadable` where it can't be read on.
    """

    place: str
    text: str = ""
    stream: IO[bytes] | None = None
    fault: str = ""

    def __repr__(self) -> str:
        return f"Leaf(place={self.place!r}, fault={self.fault!r})"


class Budget:
    """How much one file may unpack to, and how deep: shared by all that is inside it."""

    def __init__(
        self, *, size: int = 512 << 20, members: int = 20_000, depth: int = 4, single: int = 64 << 20, pages: int = 2000
    ) -> None:
        """`size` bytes in all, `members` in all, `depth` containers in one another, `single` bytes held at once."""
        self.size = size
        self.members = members
        self.depth = depth
        self.single = single
        self.pages = pages

    def spend(self, size: int) -> None:
        """Count bytes. Raises: `Unreadable` where there were too many."""
        self.size -= size
        if self.size < 0:
            raise Unreadable("it unpacks to more than is read")

    def enter(self) -> None:
        """Count a member. Raises: `Unreadable` where there were too many."""
        self.members -= 1
        if self.members < 0:
            raise Unreadable("it has more members than are read")


def sort(head: bytes, name: str) -> str:
    """Tell by a file's first bytes (and a notebook by its name) how to read it; nothing for plain text or unknown."""
    for magic, kind in MAGIC:
        if head.startswith(magic):
            return kind
    if head[TAR[1] : TAR[1] + 5] == TAR[0]:
        return "tar"
    # A PDF may begin with up to a kilobyte of something else (ISO 32000-1, annex H).
    if b"%PDF-1." in head[:1024]:
        return "pdf"
    if name.endswith(".ipynb") and head.lstrip()[:1] == b"{":
        return "notebook"
    return ""


def leaves(file: IO[bytes], name: str, budget: Budget | None = None, depth: int = 0) -> Iterator[Leaf]:
    """Yield what a file holds that `sort` knows, to the end or to the first fault that ends it.

    The file must be seekable, at its beginning. What can't be read comes as a leaf with a fault.
    """
    budget = budget or Budget()
    kind = sort(file.read(HEAD), name)
    file.seek(0)
    try:
        if depth > budget.depth:
            yield Leaf("", fault="it is nested too deep")
        elif kind == "pdf":
            from poundlock.adapters.documents.pdf import pages  # noqa: PLC0415 (only what a file needs is loaded)

            yield from pages(file, budget)
        elif kind == "notebook":
            from poundlock.adapters.documents.notebook import cells  # noqa: PLC0415

            yield from cells(file, budget)
        else:
            from poundlock.adapters.documents.archive import members  # noqa: PLC0415

            yield from members(file, kind, name, budget, depth)
    except Unreadable as fault:
        yield Leaf("", fault=str(fault))
