"""Reading the name that a TLS client asks for (RFC 8446 §4.1.2, RFC 6066 §3) out of its first bytes.

It never takes part in the handshake and keeps nothing. What is no TLS, or names nothing, has no name.
"""

from __future__ import annotations

from typing import NamedTuple

LIMIT = 16_384
"""Bytes in which a client's first message must be there; a longer one has no name that counts."""
_HANDSHAKE = 22
_CLIENT_HELLO = 1
_SERVER_NAME = 0


class Hello(NamedTuple):
    """What is known so far: whether more bytes could tell more, and the name that was asked for, in lower case.

    With fewer than `needs` bytes, reading again would tell nothing new.
    """

    complete: bool
    name: str = ""
    needs: int = 0


def read(data: bytes) -> Hello:
    """Read the beginning of what a client sends; give the name as soon as the whole message is there."""
    message = bytearray()
    at = 0
    while len(data) - at >= 1:
        if data[at] != _HANDSHAKE:
            return Hello(complete=True)
        size = int.from_bytes(data[at + 3 : at + 5])
        if len(data) - at < 5 + size:
            break
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if message and message[0] != _CLIENT_HELLO:
            return Hello(complete=True)
        if len(message) >= 4 and len(message) - 4 >= int.from_bytes(message[1:4]):
            return Hello(complete=True, name=_name(bytes(message[4 : 4 + int.from_bytes(message[1:4])])))
    if len(data) >= LIMIT:
        return Hello(complete=True)
    whole = len(data) - at >= 5
    return Hello(complete=False, needs=min(LIMIT, at + 5 + (int.from_bytes(data[at + 3 : at + 5]) if whole else 0)))


def _name(body: bytes) -> str:
    """Give the name in a whole ClientHello without its header, or nothing."""
    at = 34  # version and random
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        at += width + int.from_bytes(body[at : at + width])
    end = at + 2 + int.from_bytes(body[at : at + 2])
    at += 2
    while at + 4 <= min(end, len(body)):
        kind, size = int.from_bytes(body[at : at + 2]), int.from_bytes(body[at + 2 : at + 4])
        if kind == _SERVER_NAME:
            # A list of one: its length, the kind of name (0), the name's length, the name.
            held = body[at + 4 : at + 4 + size]
            return held[5 : 5 + int.from_bytes(held[3:5])].decode("ascii", "replace").lower()
        at += 4 + size
    return ""
