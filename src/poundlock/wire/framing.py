"""Cutting a stream of bytes into events, wherever it was cut on the way: server-sent events and JSON lines.

Sources: the WHATWG HTML standard, "Server-sent events" (line ends LF, CRLF, CR; comments; several data lines; a byte
order mark at the beginning); ndjson. This module must never change a byte that it was not asked to change, never
look into an event's data, and never keep more than one event of at most `LIMIT` bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poundlock.core.errors import UpstreamFault

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 16 * 1024 * 1024
"""The longest event, in bytes."""

# A blank line: two line ends in a row. A pair CR LF is one line end.
_BLANK = re.compile(rb"\n\n|[\n\r]\r\n?")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


def _too_long() -> UpstreamFault:
    return UpstreamFault(
        f"The provider sent an event longer than {LIMIT} bytes.", advice="Ask the provider for a plain answer."
    )


def last_blank(data: bytes | bytearray, start: int = 0, stop: int | None = None) -> int:
    """Give the end of the last blank line in `data[start:stop]`, and so of the last whole event; -1 for none."""
    stop = len(data) if stop is None else stop
    end = data.rfind(b"\n\n", start, stop)
    end = end + 2 if end >= 0 else -1
    if data.find(b"\r", start, stop) < 0:
        return end
    for pair in (b"\n\r", b"\r\r"):
        at = data.rfind(pair, start, stop)
        if at >= 0:
            end = max(end, at + (3 if data[at + 2 : min(at + 3, stop)] == b"\n" else 2))
    return end


def whole(data: bytes) -> bytes:
    """Give `data` without the event at its end that is not whole; what went out before may be cut, so it is ended."""
    return data[: max(last_blank(data), 0)] or b"\n\n"


def _certain(data: bytes | bytearray) -> int:
    """Give how far `data` can be judged: a CR at its end may still become CR LF."""
    return len(data) - data.endswith(b"\r")


def next_blank(data: bytes, start: int) -> int:
    """Give the end of the first blank line in `data[start:]`, or the end of `data`."""
    match = _BLANK.search(data, start)
    return match.end() if match else len(data)


def event_start(data: bytes, start: int, at: int) -> int:
    """Give where the event begins in which `at` lies; an event begins at `start`, too."""
    return max(start, last_blank(data, start, at))


class EventSplitter:
    """Server-sent events, incremental: bytes in, whole events out as one slice."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Refuse events longer than `limit` bytes."""
        self._limit = limit
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """The bytes of an event that isn't whole yet."""
        return bytes(self._rest)

    def feed(self, chunk: bytes) -> bytes:
        """Give the whole events that now are there, as they were sent, in one piece.

        Raises: `UpstreamFault` when an event is longer than the limit.
        """
        rest = self._rest
        if not rest:
            end = last_blank(chunk, 0, _certain(chunk))
            if end == len(chunk):
                return chunk
            whole = chunk[: max(end, 0)]
            rest += chunk[len(whole) :]
        else:
            # Only what is new is searched, so that a long event in small pieces costs linear time.
            start = max(0, len(rest) - 2)
            rest += chunk
            end = last_blank(rest, start, _certain(rest))
            whole = bytes(rest[: max(end, 0)])
            if whole:
                del rest[: len(whole)]
        if len(rest) > self._limit:
            raise _too_long()
        return whole


class LineSplitter:
    """JSON lines, incremental: bytes in, whole lines out, each with its line end."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Refuse lines longer than `limit` bytes."""
        self._limit = limit
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """The bytes of a line that isn't whole yet."""
        return bytes(self._rest)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Give the lines that now are whole.

        Raises: `UpstreamFault` when a line is longer than the limit.
        """
        head, found, tail = chunk.partition(b"\n")
        self._rest += head
        lines: list[bytes] = []
        if found:
            lines.append(bytes(self._rest) + b"\n")
            *whole, rest = tail.split(b"\n")
            lines += (line + b"\n" for line in whole)
            self._rest = bytearray(rest)
        if len(self._rest) > self._limit:
            raise _too_long()
        return lines


def events(data: bytes) -> Iterator[bytes]:
    """Give one by one the events in a slice of whole events."""
    at = 0
    while at < len(data):
        end = next_blank(data, at)
        yield data[at:end]
        at = end


def _lines(event: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the lines of an event, each with its line end."""
    at = 0
    for match in _LINE_END.finditer(event):
        yield event[at : match.start()], match[0]
        at = match.end()
    if at < len(event):
        yield event[at:], b""


def _field(line: bytes) -> tuple[bytes, bytes]:
    """Give a line's field name and value; one blank after the colon does not count."""
    name, _, value = line.removeprefix(_BOM).partition(b":")
    return name, value.removeprefix(b" ")


def data_of(event: bytes) -> bytes | None:
    """Give an event's data, several lines joined by LF; None if it has none."""
    start = event.find(b"data: ")
    if start == 0 or (start > 0 and event[start - 1] == 0x0A):
        # One data line, the last before the blank line, is what all providers send.
        end = event.find(b"\n", start)
        if end == len(event) - 2 and event[end + 1] == 0x0A and b"\r" not in event:
            return event[start + 6 : end]
    values = [value for name, value in map(_field, (line for line, _ in _lines(event))) if name == b"data"]
    return b"\n".join(values) if values else None


def with_data(event: bytes, data: bytes) -> bytes:
    """Give the event with other data, which has no line end in it; all else stays as it was."""
    out: list[bytes] = []
    written = False
    for line, end in _lines(event):
        if _field(line)[0] != b"data":
            out += line, end
        elif not written:
            written = True
            out += line[: line.index(b":") + 1] if b":" in line else line + b":", b" ", data, end
    return b"".join(out)


def event(data: bytes, name: str = "") -> bytes:
    """Make an event of our own, with the line ends LF."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + data + b"\n\n"
