"""PDF (ISO 32000), read with pypdf: the text of each page, links, form fields, properties, attachments.

Text in pictures is not read. A page that can't be read is a fault of its own.
"""

from __future__ import annotations

import io
import logging
from typing import IO, TYPE_CHECKING, Any

from poundlock.adapters.documents import Budget, Leaf, Unreadable, leaves, sort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypdf import PdfReader

LARGEST = 64 << 20  # bytes of a file


def pages(file: IO[bytes], budget: Budget) -> Iterator[Leaf]:
    """Yield a leaf a page, then one for what stands beside the pages. Raises: `Unreadable`."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings may quote the file
    from pypdf import PdfReader  # noqa: PLC0415 (loaded only where there is a PDF)

    if file.seek(0, io.SEEK_END) > LARGEST:
        raise Unreadable("it is larger than is read")
    file.seek(0)
    try:
        reader = PdfReader(file, strict=False)
        count = -1 if reader.is_encrypted and not reader.decrypt("") else len(reader.pages)
    except Exception:  # noqa: BLE001 (a hostile file may raise anything)
        raise Unreadable("it is damaged") from None
    if count < 0:
        raise Unreadable("it is encrypted")
    for number in range(min(count, budget.pages)):
        try:
            page = reader.pages[number]
            text = "\n".join((page.extract_text() or "", *_links(page)))
        except Exception:  # noqa: BLE001 (see above)
            yield Leaf(f"#page {number + 1}", fault="it is damaged")
            continue
        budget.spend(len(text))
        if text.strip():
            yield Leaf(f"#page {number + 1}", text)
    if count > budget.pages:
        yield Leaf("", fault=f"it has more than {budget.pages:,} pages")
    try:
        text = "\n".join(_about(reader))
        attached = [(name, data) for name, found in reader.attachments.items() for data in found]
    except Exception:  # noqa: BLE001 (see above)
        yield Leaf("#properties", fault="it is damaged")
        return
    if text.strip():
        yield Leaf("#properties", text)
    for name, data in attached:
        budget.enter()
        budget.spend(len(data))
        if sort(data[:8192], name):
            budget.depth -= 1
            for leaf in leaves(io.BytesIO(data), name, budget, 1):
                yield leaf._replace(place=f"!/{name}{leaf.place}")
            budget.depth += 1
        elif b"\0" not in data[:8192]:
            yield Leaf(f"!/{name}", stream=io.BytesIO(data))


def _links(page: Any) -> Iterator[str]:
    for reference in page.get("/Annots") or ():
        note = reference.get_object()
        for text in (note.get("/Contents"), (note.get("/A") or {}).get("/URI")):
            if isinstance(text, str):
                yield text


def _about(reader: PdfReader) -> Iterator[str]:
    for name, value in (reader.metadata or {}).items():
        if isinstance(value, str):
            yield f"{name.removeprefix('/')}: {value}"
    for name, field in (reader.get_fields() or {}).items():
        value = field.get("/V")
        if isinstance(value, str):
            yield f"{name}: {value}"
