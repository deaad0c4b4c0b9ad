"""Office (ECMA-376) and OpenDocument (ISO 26300) files: the text of a document's parts, in the order they are read.

A document type declaration is refused, so that there are no entities to expand and nothing outside to fetch.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.parsers import expat

from poundlock.adapters.documents import Budget, Leaf, Unreadable

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

PARTS = re.compile(
    r"word/(?:document|header\d*|footer\d*|comments\w*|footnotes|endnotes|glossary/document)\.xml"
    r"|ppt/(?:slides|notesSlides|comments|slideMasters)/[\w.-]+\.xml"
    r"|xl/(?:worksheets/[\w.-]+|comments\d*|threadedComments/[\w.-]+)\.xml"
    r"|docProps/[\w.-]+\.xml|customXml/item\d+\.xml|content\.xml|meta\.xml"
)
ELSEWHERE = re.compile(
    r"(?:word|ppt|xl|docProps|customXml|_rels|META-INF|\[Content_Types\])[^!]*\.xml|styles\.xml|settings\.xml"
)
"""Parts about looks and structure; relations stay, since they hold the targets of links."""
NUMBER = re.compile(r"(\d+)")
ENDS = frozenset(("p", "h", "row", "table-row", "tr", "si", "comment", "property", "title", "creator", "subject", "br"))
STEPS = frozenset(("c", "tc", "table-cell", "tab", "s"))
SHOWN = frozenset(("t", "v", "instrText", "f"))
SHARED = 4_000_000  # characters of a workbook's shared texts
PLAIN = ("docProps/", "customXml/", "content.xml", "meta.xml")


def done(name: str) -> bool:
    """Say whether a member of an Office file was read as a part of the document, or only says how it looks."""
    return PARTS.fullmatch(name) is not None or ELSEWHERE.fullmatch(name) is not None


def texts(archive: zipfile.ZipFile, budget: Budget) -> Iterator[Leaf]:
    """Yield a leaf a part. Raises: `Unreadable`."""
    names = sorted(filter(PARTS.fullmatch, archive.namelist()), key=_order)
    shared: list[str] = []
    if "xl/sharedStrings.xml" in archive.namelist():
        shared = _text(archive, "xl/sharedStrings.xml", budget, []).split("\x1e")
    for name in names:
        budget.enter()
        try:
            text = _text(archive, name, budget, shared)
        except Unreadable as fault:
            yield Leaf(f"!/{name}", fault=str(fault))
            if budget.size < 0:
                return
            continue
        if text.strip():
            yield Leaf(f"!/{name}", text)


def _order(name: str) -> list[object]:
    return [int(part) if part.isdigit() else part for part in NUMBER.split(name)]


def _text(archive: zipfile.ZipFile, name: str, budget: Budget, shared: list[str]) -> str:
    from poundlock.adapters.documents.archive import BROKEN, Counted  # noqa: PLC0415 (which loads this module)

    reader = _Reader(shared, plain=name.startswith(PLAIN), strings=name == "xl/sharedStrings.xml")
    info = archive.getinfo(name)
    try:
        with archive.open(info) as member:
            stream = Counted(member, budget, max(1, info.compress_size))
            while piece := stream.read(1 << 16):
                reader.feed(piece)
                if reader.size > budget.single:
                    raise Unreadable("a part of it is larger than is held at once")
        return reader.close()
    except expat.ExpatError:
        raise Unreadable("it is damaged") from None
    except BROKEN as fault:
        raise Unreadable("it is encrypted" if "encrypted" in str(fault) else "it is damaged") from None


class _Reader:
    """Takes the text out of one XML part: lines for paragraphs and rows, tabs between cells."""

    def __init__(self, shared: list[str], *, plain: bool, strings: bool) -> None:
        """`shared` are a workbook's texts, to which cells point; `plain`: text stands anywhere."""
        self.size = 0
        self._out: list[str] = []
        self._shared = shared
        self._plain = plain
        self._strings = strings
        self._depth = 0
        self._points = False
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = _refuse

    def feed(self, data: bytes) -> None:
        self._parser.Parse(data, False)

    def close(self) -> str:
        self._parser.Parse(b"", True)
        return "".join(self._out)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        if name in SHOWN:
            self._depth += 1
        elif name == "c":
            self._points = attributes.get("t") == "s"

    def _end(self, tag: str) -> None:
        name = tag.rpartition(" ")[2]
        if name in SHOWN and self._depth:
            self._depth -= 1
        if self._strings:
            if name == "si":
                self._put("\x1e")
        elif name in ENDS:
            self._put("\n")
        elif name in STEPS:
            self._put("\t")

    def _data(self, text: str) -> None:
        if not (self._depth or self._plain):
            return
        if self._points and self._depth and text.isdigit():
            number = int(text[:9])
            text = self._shared[number] if number < len(self._shared) else ""
        self._put(text)

    def _put(self, text: str) -> None:
        self.size += len(text)
        self._out.append(text)


def _refuse(*_: object) -> None:
    raise Unreadable("it declares a document type, which is not read")
