"""Decoded views: a stretch of text that is an encoding of another text, with the way back to the original offsets.

Must never decode more than its stretch, and never go deeper than the engine allows.
"""

from __future__ import annotations

import bisect
import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.detect.expressions import Expression
from poundlock.core.detect.validators import decode64

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 1 << 20
PRINTABLE = Expression(r"[\t\n\r -~\u00a0-\uffff]*")


class Opened(NamedTuple):
    """A decoded text. Position i of it came from `starts[i]` on; `ends[i]` is where the origin of character i ends.

    Where `starts` is None, `quads` says that characters came in groups (base64): three characters of `unit` bytes
    each from four; the whole view stands at `start` to `stop`.
    """

    text: str
    start: int
    stop: int
    starts: list[int] | None
    ends: list[int] | None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Give the span of the original text that decodes to `text[start:end]`, widened to whole units."""
        if self.starts is None or self.ends is None:
            return self.start, self.stop
        return self.starts[start], self.ends[end - 1]


class View(NamedTuple):
    """An encoding: the pattern whose first stretch gives it away, and its reader (text, end of hit, not before)."""

    name: str
    pattern: str
    open: Callable[[str, int, int], Opened | None]


RUN64 = Expression(r"(?:[A-Za-z0-9+/_-]+={0,2}(?:\r?\n[ \t]{0,12}(?=[A-Za-z0-9+/_-]{40}))?)+")
TOKEN64 = Expression(r"[A-Za-z0-9+/_-]{20,}={0,2}")


def _base64(text: str, end: int, before: int) -> Opened | None:
    low = max(before, end - 40)
    start = end
    while start > low and (text[start - 1].isalnum() or text[start - 1] in "+/_-") and text[start - 1].isascii():
        start -= 1
    found = RUN64.match(text, start, start + LONGEST)
    if found is None:
        return None
    stop = found.end()
    raw = found.group()
    places: list[int] | None = None
    if "\n" in raw:
        places = [start + i for i, char in enumerate(raw) if char not in "\r\n \t"]
        raw = "".join(raw.split())
    data = decode64(raw)
    if data is None and len(raw.rstrip("=")) % 4 == 1:
        data = decode64(raw.rstrip("=")[:-1])
    if data is None:
        return None
    if data[:2] == b"\x1f\x8b":
        try:
            unzipped = zlib.decompressobj(31).decompress(data, LONGEST)
        except zlib.error:
            return None
        return Opened(unzipped.decode("utf-8", "replace"), start, stop, None, None)
    unit = 1
    if data[1:2] == b"\0" and data[3:4] == b"\0":
        unit, decoded = 2, data.decode("utf-16-le", "replace")
    elif data[:1] == b"\0" and data[2:3] == b"\0":
        unit, decoded = 2, data.decode("utf-16-be", "replace")
    else:
        try:
            decoded = data.decode()
        except UnicodeDecodeError:
            decoded = data.decode("latin-1")
    readable = PRINTABLE.match(decoded)
    if readable is None or readable.end() < min(len(decoded), 12):
        return None
    width = [len(char.encode("utf-8", "replace")) if unit == 1 else 2 * (1 + (char > "\uffff")) for char in decoded]
    if unit == 1 and sum(width) != len(data):
        width = [1] * len(decoded)
    starts, ends, at = [], [], 0
    for size in width:
        first, last = at // 3 * 4, min((at + size - 1) // 3 * 4 + 4, len(raw))
        starts.append(places[first] if places else start + first)
        ends.append(places[last - 1] + 1 if places else start + last)
        at += size
    # Padding belongs to the last unit.
    if ends and at >= len(data) - 1:
        ends[-1] = stop
    return Opened(decoded, start, stop, starts, ends)


HEXRUN = Expression(r"(?:0x)?((?:[0-9a-fA-F]{2})+)")


def _hex(text: str, end: int, before: int) -> Opened | None:
    low = max(before, end - 64)
    start = end
    while start > low and text[start - 1] in "0123456789abcdefABCDEF":
        start -= 1
    found = HEXRUN.match(text, start, start + LONGEST)
    if found is None:
        return None
    data = bytes.fromhex(found.group(1))
    try:
        decoded = data.decode("ascii")
    except UnicodeDecodeError:
        return None
    if not decoded.isprintable() and PRINTABLE.fullmatch(decoded) is None:
        return None
    first = found.start(1)
    starts = [first + 2 * i for i in range(len(decoded))]
    return Opened(decoded, start, found.end(), starts, [place + 2 for place in starts])


ESCAPE = Expression(
    r"\\+u\{?([0-9a-fA-F]{4})\}?|\\+x([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})|&#x([0-9a-fA-F]{1,5});|&#([0-9]{1,6});"
    r"|&(quot|apos|amp|lt|gt);|\\+([\"'/\\])|\\+([nrt])"
    r"|(?:0x([0-9a-fA-F]{2})(?:, ?|$|(?=[\]})])))"
)
NAMED = {"quot": '"', "apos": "'", "amp": "&", "lt": "<", "gt": ">"}
CONTROL = {"n": "\n", "r": "\r", "t": "\t"}
AROUND = 600


def _escapes(text: str, end: int, before: int) -> Opened | None:
    """Read the escapes of a line or of the surroundings of the hit."""
    low = max(before, end - 200)
    line = text.rfind("\n", low, end)
    low = line + 1 if line >= 0 else low
    stop = text.find("\n", end, end + AROUND)
    stop = min(len(text), end + AROUND) if stop < 0 else stop
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = low
    for found in ESCAPE.finditer(text, low, stop):
        plain = text[at : found.start()]
        out.append(plain)
        starts.extend(range(at, found.start()))
        ends.extend(range(at + 1, found.start() + 1))
        point = found.group(1) or found.group(2) or found.group(3) or found.group(4) or found.group(9)
        if point:
            char = chr(int(point, 16))
        elif found.group(5):
            char = chr(min(int(found.group(5)), 0x10FFFF))
        elif found.group(6):
            char = NAMED[found.group(6)]
        elif found.group(7):
            char = found.group(7)
        else:
            char = CONTROL[found.group(8)]
        out.append(char)
        starts.append(found.start())
        ends.append(found.end())
        at = found.end()
    if not out:
        return None
    out.append(text[at:stop])
    starts.extend(range(at, stop))
    ends.extend(range(at + 1, stop + 1))
    return Opened("".join(out), low, stop, starts, ends)


JOINT = Expression(r"""\\{0,3}["'`]\s{0,4}(?:[+.&]|\\\n|\.\.|~)?\s{0,60}\\{0,3}[rbfuRBFU@]?["'`]|\\\r?\n[ \t]{0,20}""")


def _joined(text: str, end: int, before: int) -> Opened | None:
    """Read string parts that are joined in code as one."""
    low = max(before, text.rfind("\n", max(0, end - 300), end - 1 - 80) + 1, end - 300)
    stop = min(len(text), end + AROUND)
    out: list[str] = []
    starts: list[int] = []
    at = low
    for found in JOINT.finditer(text, low, stop):
        if "\n" not in found.group() and not re.search(r"[+.&~]", found.group()) and " " not in found.group():
            continue
        out.append(text[at : found.start()])
        starts.extend(range(at, found.start()))
        at = found.end()
    if not out:
        return None
    out.append(text[at:stop])
    starts.extend(range(at, stop))
    return Opened("".join(out), low, stop, starts, [place + 1 for place in starts])


_QUAD = r"[I-Za-f][C-HS-Xi-ny-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
VIEWS: tuple[View, ...] = (
    View("base64", rf"(?:[^A-Za-z0-9+/=_-])(?:{_QUAD}){{4}}", _base64),
    View(
        "base64-utf16",
        r"(?:[^A-Za-z0-9+/=_-])(?:[I-Za-f][AQgw][AB][A-Za-z0-9+/_-]A[C-HS-Xi-n][AEIMQUYcgkosw048]A){2}",
        _base64,
    ),
    View("base64-gzip", r"(?:[^A-Za-z0-9+/=_-])H4sI[A-Za-z0-9+/_-]{16}", _base64),
    View("hex", r"(?:[^0-9A-Za-z])(?:0x)?(?:[2-7][0-9a-fA-F]){10}", _hex),
    View("unicode", r"(?:\\u00[2-7][0-9a-fA-F]){3}|(?:\\x[2-7][0-9a-fA-F]){4}|(?:0x[2-7][0-9a-fA-F], ?){6}", _escapes),
    View(
        "percent",
        r"%3[AaDd]|%22|(?:%[2-7][0-9A-Fa-f]){5}|&#(?:x[2-7][0-9a-fA-F]|[0-9]{2,3});|\\u003[ad]|&quot;:|\\\\\"",
        _escapes,
    ),
    View(
        "joined",
        r"[A-Za-z0-9+/_=-][\"'] ?[+.&] ?[\"'][A-Za-z0-9+/_=-]|[A-Za-z0-9][\"'](?: ?[+.&\\])?\n[ \t]{0,24}(?:[+.&] ?)?[\"'][A-Za-z0-9+/_=-]{8}"
        r"|[A-Za-z0-9+/_=-]{2}\\\n",
        _joined,
    ),
)
