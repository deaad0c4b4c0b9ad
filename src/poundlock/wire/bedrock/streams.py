"""Answers of Amazon Bedrock that are streamed: each message of the event stream becomes an event, and back.

The codecs of this and of other formats speak of events with a name and data in JSON. Here a message's payload is such
data: as it is (Converse), or in base64 within a `chunk` (a model's own format). A message that needs no change goes on
as the bytes that it came in. This module must never let a payload pass that it could not read.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core.errors import UpstreamFault
from poundlock.wire import framing
from poundlock.wire.bedrock.frames import Frame, FrameSplitter, frame
from poundlock.wire.body import parse, write

if TYPE_CHECKING:
    from poundlock.wire.base import StreamCodec

_NAME = re.compile(r"[A-Za-z_]{1,64}")
_JSON = "application/json"


class _Typed(msgspec.Struct):
    type: str = ""


_type = msgspec.json.Decoder(_Typed)


class FrameCodec:
    """A streamed answer in messages; `chunked` says that each holds an event of a model's own format."""

    def __init__(self, events: StreamCodec, *, chunked: bool) -> None:
        """Bring the events home with `events`."""
        self._splitter = FrameSplitter()
        self._events = events
        self._chunked = chunked
        self._ended = False

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give those that the client may have now. Raises: `UpstreamFault`."""
        return b"".join(map(self._frame, self._splitter.feed(chunk)))

    def finish(self) -> bytes:
        """Give what was held back, then the bytes of a message that never became whole (a client ignores it)."""
        return self._flush() + self._splitter.rest

    def broken(self, error: bytes) -> bytes:
        """Give what was held back, then the error."""
        return self._flush() + error

    def _flush(self) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        return self._framed(self._events.finish(), None, b"")

    def _frame(self, got: Frame) -> bytes:
        kind = got.headers.get(":message-type", "")
        if kind != "event":
            # An exception, or an error: it ends the answer, and its words are the provider's own.
            return self._flush() + got.raw
        if self._ended:
            return got.raw
        name = got.headers.get(":event-type", "")
        data = self._data(got, name)
        if not _NAME.fullmatch(name) or data is None:
            raise UpstreamFault("The provider's event stream holds a message that can't be read.")
        flat = data.replace(b"\r", b" ").replace(b"\n", b" ")  # in JSON they stand between tokens only
        return self._framed(self._events.feed(framing.event(flat, self._named(name, flat))), got, flat)

    def _data(self, got: Frame, name: str) -> bytes | None:
        if not self._chunked:
            return got.payload
        try:
            tree: Any = parse(got.payload)
            inside = tree.get("bytes") if name == "chunk" and isinstance(tree, dict) else None
            return base64.b64decode(inside, validate=True) if isinstance(inside, str) else None
        except (ValueError, RecursionError, binascii.Error):
            return None

    def _named(self, name: str, data: bytes) -> str:
        """Give the name that an event has where it is no message."""
        if not self._chunked:
            return name
        try:
            kind = _type.decode(data).type
        except (ValueError, RecursionError):
            raise UpstreamFault("The provider's event stream holds a message that can't be read.") from None
        return kind if _NAME.fullmatch(kind) else ""

    def _framed(self, events: bytes, got: Frame | None, same: bytes) -> bytes:
        """Write events as messages; the one that says the same as the message that came is that message."""
        out: list[bytes] = []
        for event in framing.events(events):
            data = framing.data_of(event)
            if data is None:
                continue
            if got is not None and data == same:
                out.append(got.raw)
                got = None
            elif self._chunked:
                inside = write({"bytes": base64.b64encode(data).decode()})
                out.append(frame(_headers("chunk"), inside))
            else:
                out.append(frame(_headers(_name_of(event)), data))
        return b"".join(out)


def _headers(name: str) -> dict[str, str]:
    return {":event-type": name, ":content-type": _JSON, ":message-type": "event"}


def _name_of(event: bytes) -> str:
    line = event.partition(b"\n")[0]
    return line.removeprefix(b"event:").strip().decode()


def exception(name: str, message: str) -> bytes:
    """Give the message that tells a client that a stream broke."""
    headers = {":exception-type": name, ":content-type": _JSON, ":message-type": "exception"}
    return frame(headers, write({"message": message}))
