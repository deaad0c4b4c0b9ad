"""Messages of Amazon's event stream encoding, incremental: bytes in, whole messages out, and the way back.

Source: the encoding's public description (smithy.io, "Amazon Event Stream specification"): a prelude of two lengths
with a CRC-32, headers, a payload, a CRC-32 of all before it. This module must never look into a payload, and never let
a message through whose checksums don't fit.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.errors import UpstreamFault

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 24 * 1024 * 1024
"""The longest message, in bytes (16 MiB by the specification, and more where a payload has grown)."""
_HEADERS = 128 * 1024
_PRELUDE = 12
_TEXT = 7
# The sizes of the other types of values; those of -1 (bytes and text) tell their own length.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 6: -1, 7: -1, 8: 8, 9: 16}


class Frame(NamedTuple):
    """One message: its bytes as they came, the headers that are texts, and where headers and payload stand in it."""

    raw: bytes
    headers: dict[str, str]
    head: bytes
    payload: bytes

    def with_payload(self, payload: bytes) -> bytes:
        """Give the message with another payload; the headers stay the same bytes."""
        return _written(self.head, payload)


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Make a message of our own, its headers texts."""
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _TEXT, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    return _written(head, payload)


def _written(head: bytes, payload: bytes) -> bytes:
    prelude = struct.pack("!II", _PRELUDE + len(head) + len(payload) + 4, len(head))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack("!I", zlib.crc32(body))


def _broken() -> UpstreamFault:
    return UpstreamFault("The provider's event stream can't be read.", advice="Try again.")


class FrameSplitter:
    """An event stream, cut anywhere, as messages."""

    def __init__(self) -> None:
        """Begin at the beginning of a message."""
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """The bytes of a message that isn't whole yet."""
        return bytes(self._rest)

    def feed(self, chunk: bytes) -> list[Frame]:
        """Give the messages that now are whole. Raises: `UpstreamFault` for what is not in this encoding."""
        rest = self._rest
        rest += chunk
        out: list[Frame] = []
        at = 0
        while len(rest) - at >= _PRELUDE:
            total, head, crc = struct.unpack_from("!III", rest, at)
            if crc != zlib.crc32(rest[at : at + 8]) or head > _HEADERS or not _PRELUDE + head + 4 <= total <= LIMIT:
                raise _broken()
            if len(rest) - at < total:
                break
            out.append(_read(bytes(rest[at : at + total]), head))
            at += total
        del rest[:at]
        return out


def _read(raw: bytes, head: int) -> Frame:
    if struct.unpack("!I", raw[-4:])[0] != zlib.crc32(raw[:-4]):
        raise _broken()
    block = raw[_PRELUDE : _PRELUDE + head]
    return Frame(raw, _texts(block), block, raw[_PRELUDE + head : -4])


def _texts(block: bytes) -> dict[str, str]:
    """Give the headers that are texts. Raises: `UpstreamFault`."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(block):
            size = block[at]
            name = block[at + 1 : at + 1 + size].decode()
            kind = block[at + 1 + size]
            at += 2 + size
            length = _SIZES[kind]
            if length < 0:
                (length,) = struct.unpack_from("!H", block, at)
                at += 2
            if at + length > len(block):
                raise _broken()
            if kind == _TEXT:
                found[name] = block[at : at + length].decode()
            at += length
    except (KeyError, IndexError, struct.error, UnicodeDecodeError):
        raise _broken() from None
    return found
