"""Attached files of a request: where they stand, and how the text that was read from one takes its place.

A file's text joins the document as a segment of its own. Where nothing in it is to be changed, the file is sent as it
is, the same string; else its text is sent in its place, as inspected. Never a file of which a value must not leave.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from poundlock.core import passages
from poundlock.core.model import Segment
from poundlock.wire.body import parse, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poundlock.core.model import Document
    from poundlock.wire.base import Body

Path = tuple[str | int, ...]
ASKED = "holds a file"
HEAD = 8192
"""Bytes by which a file is recognised."""
_URLSAFE = str.maketrans("-_", "+/")


class Attachment(NamedTuple):
    """An attached file: the index of its segment, and its base64."""

    segment: int
    text: str

    def __repr__(self) -> str:
        return f"Attachment(segment={self.segment})"

    @property
    def head(self) -> bytes:
        """Its first bytes, none for what is no base64."""
        return self._bytes(HEAD // 3 * 4)

    @property
    def data(self) -> bytes:
        """All its bytes, none for what is no base64."""
        return self._bytes(len(self.text))

    def _bytes(self, most: int) -> bytes:
        text = self.text[:most].translate(_URLSAFE).rstrip("=")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return b""


class Text(NamedTuple):
    """What is to stand for a file: a text to be inspected, or one that takes its place in any case."""

    attachment: Attachment
    text: str
    always: bool = False


def find(document: Document) -> tuple[Attachment, ...]:
    """Give the files of a document that are sent in it as base64, where a text can take their place."""
    if not passages.some(document, ASKED, _holds):
        return ()
    out = []
    for index, segment in enumerate(document.segments):
        if _holds(segment):
            head, comma, data = segment.text.partition(",")
            out.append(Attachment(index, data if comma and head.startswith("data:") else segment.text))
    return tuple(out)


def _holds(segment: Segment) -> bool:
    return segment.opaque and bool(_place(segment.path))


class Attached:
    """A body with the texts of its files as segments behind all others."""

    def __init__(self, body: Body, texts: Sequence[Text], notes: Sequence[str] = ()) -> None:
        """Join the body with what was read from its files."""
        self._body = body
        self._texts = tuple(texts)
        before = body.document
        self._count = len(before.segments)
        segments = tuple(_segment(before.segments[each.attachment.segment], each) for each in self._texts)
        self.document = msgspec.structs.replace(
            before, segments=(*before.segments, *segments), notes=(*before.notes, *notes)
        )

    def encode(self, texts: Mapping[int, str]) -> bytes:
        """Give the body's bytes; a file of which the text is to be changed is its text from now on."""
        inner = {index: text for index, text in texts.items() if index < self._count}
        data = self._body.encode(inner)
        changed = {
            number: texts.get(self._count + number, each.text)
            for number, each in enumerate(self._texts)
            if each.always or self._count + number in texts
        }
        if not changed:
            return data
        tree = parse(data)
        for number, text in changed.items():
            path = self.document.segments[self._texts[number].attachment.segment].path
            _replace(tree, path, text)
        return write(tree)


def _segment(file: Segment, each: Text) -> Segment:
    return Segment(
        text=each.text,
        path=(*file.path, "text"),
        role=file.role,
        kind="file",
        origin="file" if file.origin == "typed" else file.origin,
        turn=file.turn,
        tool=file.tool,
    )


def _place(path: Path) -> str:
    """Say in which way a file stands at a path; nothing for a way in which no text can stand."""
    last, before = path[-1], path[-2] if len(path) > 1 else ""
    if before in ("source", "file", "image_url", "inlineData", "inline_data"):
        names = {"source": "data", "file": "file_data", "image_url": "url"}
        return str(before) if last == names.get(str(before), "data") else ""
    return str(last) if last in ("file_data", "image_url") else ""


def _replace(tree: Any, path: Path, text: str) -> None:
    """Put a text in the place of the part that holds a file. The shapes are those of the formats' references."""
    way = _place(path)
    above = path[:-1] if way == path[-1] else path[:-2]
    holder = tree
    for step in above[:-1]:
        holder = holder[step]
    part = holder[above[-1]]
    if way == "source" and part.get("type") == "document":
        part["source"] = {"type": "text", "media_type": "text/plain", "data": text}
        return
    fresh: dict[str, Any]
    if way in ("inlineData", "inline_data"):
        fresh = {"text": text}
    elif way == path[-1]:
        fresh = {"type": "input_text", "text": text}
    else:
        fresh = {"type": "text", "text": text}
    if "cache_control" in part:
        fresh["cache_control"] = part["cache_control"]
    holder[above[-1]] = fresh
