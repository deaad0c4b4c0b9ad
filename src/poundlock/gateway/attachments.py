"""Attached files on their way out: what they hold is read and inspected, and pictures are what the settings say.

Must never hold more than a bounded number of texts, nor let pass what the settings don't let pass unread.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING

from poundlock.core.errors import ClientFault
from poundlock.ports import ReadDocument
from poundlock.wire import attachments
from poundlock.wire.attachments import Attached, Text

if TYPE_CHECKING:
    from poundlock.config import Documents
    from poundlock.ports import DocumentSource
    from poundlock.wire.attachments import Attachment
    from poundlock.wire.base import Body

KEPT = 64  # documents
KEPT_TEXT = 32 << 20  # characters of them
IMAGE = "[an image stood here: this gateway lets none pass]"


class Attachments:
    """One object a worker. An agent sends its files anew at each turn: what was read is kept for a while."""

    def __init__(self, settings: Documents, source: DocumentSource) -> None:
        """Read by these settings."""
        self._settings = settings
        self._source = source
        self._kept: OrderedDict[bytes, ReadDocument] = OrderedDict()
        self._size = 0

    async def read(self, body: Body) -> Body:
        """Give the body with its files' texts as segments. Raises: `ClientFault` for a file that may not pass."""
        found = attachments.find(body.document)
        if not found:
            return body
        texts: list[Text] = []
        notes: dict[str, None] = {}
        for each in found:
            kind = self._source.sort(each.head)
            if kind == "image":
                texts += self._image(each)
            elif kind and self._settings.read:
                await self._document(each, texts, notes)
        return Attached(body, texts, tuple(notes)) if texts or notes else body

    def _image(self, each: Attachment) -> list[Text]:
        if self._settings.images == "refuse":
            raise ClientFault(
                "This request holds an image, and images may not be sent.",
                advice="Describe it in words, or paste its text.",
            )
        return [Text(each, IMAGE, always=True)] if self._settings.images == "remove" else []

    async def _document(self, each: Attachment, texts: list[Text], notes: dict[str, None]) -> None:
        read = await self._text(each)
        if read.fault:
            if self._settings.unread == "refuse":
                raise ClientFault(
                    f"An attached file can't be read: {read.fault}.", advice="Send what you need of it as text."
                )
            notes[f"attached file not read: {read.fault}"] = None
        if read.text:
            texts.append(Text(each, read.text))

    async def _text(self, each: Attachment) -> ReadDocument:
        name = hashlib.sha256(each.text.encode("utf-8", "surrogatepass")).digest()
        known = self._kept.get(name)
        if known is not None:
            self._kept.move_to_end(name)
            return known
        data = each.data
        if len(data) > self._settings.largest:
            read = ReadDocument(fault="it is larger than documents.largest")
        else:
            read = await self._source.read(data)
        self._kept[name] = read
        self._size += len(read.text)
        while len(self._kept) > KEPT or (self._size > KEPT_TEXT and len(self._kept) > 1):
            _, old = self._kept.popitem(last=False)
            self._size -= len(old.text)
        return read
