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
    """A decoded text that stood at `start` to `stop`; `locate` gives the origin of a span of it, in whole units."""

    text: str
    start: int
    stop: int
    locate: Callable[[int, int], tuple[int, int]]


class View(NamedTuple):
    """An encoding: the pattern whose first stretch gives it away, and its reader (text, end of hit, not before)."""

    name: str
    pattern: str
    open: Callable[[str, int, int], Opened | None]


LINE64 = Expression(r"[^\s]+")
RUN64 = Expression(r"(?:[A-Za-z0-9+/_-]+={0,2}(?:\r?\n[ \t]{0,12}(?=[A-Za-z0-9+/_-]{40}))?)+")
TOKEN64 = Expression(r"[A-Za-z0-9+/_-]{20,}={0,2}")


def _base64(text: str, end: int, before: int) -> Opened | None:
    low = max(before, end - 40)
    start = end
    while start > low and text[start - 1].isascii() and (text[start - 1].isalnum() or text[start - 1] in "+/_-"):
        start -= 1
    found = RUN64.match(text, start, start + LONGEST)
    if found is None:
        return None
    stop = found.end()
    raw = found.group()
    lines: list[tuple[int, int]] = []  # where a line begins: in the joined characters, and in the text
    if "\n" in raw:
        size = 0
        for line in LINE64.finditer(raw):
            lines.append((size, start + line.start()))
            size += len(line.group())
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
        return Opened(unzipped.decode("utf-8", "replace"), start, stop, lambda _first, _last: (start, stop))
    encoding = "utf-8"
    if data[1:2] == b"\0" and data[3:4] == b"\0":
        encoding = "utf-16-le"
    elif data[:1] == b"\0" and data[2:3] == b"\0":
        encoding = "utf-16-be"
    try:
        decoded = data.decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
        decoded = data.decode(encoding)
    readable = PRINTABLE.match(decoded)
    if readable is None or readable.end() < min(len(decoded), 12):
        return None
    flat = encoding == "latin-1" or (encoding == "utf-8" and len(decoded) == len(data))
    offsets: list[int] = []

    def byte(place: int) -> int:
        """Give the place of a character in the decoded bytes."""
        if flat:
            return place
        if not offsets:
            # Built once, for the first finding in a text with wide characters.
            total = 0
            for char in decoded:
                offsets.append(total)
                total += len(char.encode(encoding, "surrogatepass"))
            offsets.append(total)
        return offsets[place]

    def place(index: int) -> int:
        """Give the place in the text of a base64 character."""
        if not lines:
            return start + index
        line = bisect.bisect_right(lines, (index, LONGEST * 4)) - 1
        return lines[line][1] + index - lines[line][0]

    def locate(first: int, last: int) -> tuple[int, int]:
        until = byte(last)
        # Padding belongs to the last unit.
        ending = stop if until >= len(data) - 1 else place((until - 1) // 3 * 4 + 3) + 1
        return place(byte(first) // 3 * 4), ending

    return Opened(decoded, start, stop, locate)


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
    origin = found.start(1)
    return Opened(decoded, start, found.end(), lambda first, last: (origin + 2 * first, origin + 2 * last))


ESCAPE = Expression(
    r"\\+u\{?([0-9a-fA-F]{4})\}?|\\+x([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})|&#x([0-9a-fA-F]{1,5});|&#([0-9]{1,6});"
    r"|&(quot|apos|amp|lt|gt);|\\+([\"'/\\])|\\+([nrt])"
    r"|(?:0x([0-9a-fA-F]{2})(?:, ?|$|(?=[\]})])))"
)
NAMED = {"quot": '"', "apos": "'", "amp": "&", "lt": "<", "gt": ">"}
CONTROL = {"n": "\n", "r": "\r", "t": "\t"}
AROUND = 600
# A decoded line is worth a look only if it names something or holds something long.
TELLING = Expression(r"pass|pwd|secret|token|key|auth|cred|session|sid|://|@|[A-Za-z0-9_+/-]{16}|-----B", re.IGNORECASE)


def _unescape(found: re.Match[str]) -> str:
    point = found.group(1) or found.group(2) or found.group(3) or found.group(4) or found.group(9)
    if point:
        return chr(int(point, 16))
    if found.group(5):
        return chr(min(int(found.group(5)), 0x10FFFF))
    if found.group(6):
        return NAMED[found.group(6)]
    return found.group(7) or CONTROL[found.group(8)]


def _escapes(text: str, end: int, before: int) -> Opened | None:
    """Read the escapes of a line or of the surroundings of the hit."""
    low = max(before, end - 200)
    line = text.rfind("\n", low, end)
    low = line + 1 if line >= 0 else low
    stop = text.find("\n", end, end + AROUND)
    stop = min(len(text), end + AROUND) if stop < 0 else stop
    source = text[low:stop]
    decoded = ESCAPE.sub(_unescape, source)
    if decoded == source or TELLING.search(decoded) is None:
        return Opened("", low, stop, lambda _first, _last: (low, stop))

    seen: list[int] = []  # where an escape stands in the decoded text; where it begins, and ends, in the text
    begins: list[int] = []
    ends: list[int] = []

    def locate(first: int, last: int) -> tuple[int, int]:
        """Look the span up among the escapes, which are walked again once, for the first finding."""
        if not seen:
            shift = low  # text offset minus decoded offset, after the escapes so far
            for escape in ESCAPE.finditer(text, low, stop):
                begin, end = escape.span()
                seen.append(begin - shift)
                begins.append(begin)
                ends.append(end)
                shift += end - begin - 1
            seen.append(len(decoded))
            begins.append(stop)
            ends.append(stop)
        one = bisect.bisect_left(seen, first)
        other = bisect.bisect_left(seen, last - 1)
        inside = seen[other] == last - 1  # the span ends with an escape
        return first - seen[one] + begins[one], ends[other] if inside else last - seen[other] + begins[other]

    return Opened(decoded, low, stop, locate)


JOINT = Expression(r"""\\{0,3}["'`]\s{0,4}(?:[+.&]|\\\n|\.\.|~)?\s{0,60}\\{0,3}[rbfuRBFU@]?["'`]|\\\r?\n[ \t]{0,20}""")


def _joined(text: str, end: int, before: int) -> Opened | None:
    """Read string parts that are joined in code as one."""
    low = max(before, text.rfind("\n", max(0, end - 300), max(0, end - 81)) + 1, end - 300)
    stop = min(len(text), end + AROUND)
    pieces: list[tuple[int, int]] = []  # where a piece begins: in the joined text, and in the text
    out: list[str] = []
    at, size = low, 0
    for found in JOINT.finditer(text, low, stop):
        joint = found.group()
        if "\n" not in joint and " " not in joint and not any(char in joint for char in "+.&~"):
            continue
        pieces.append((size, at))
        out.append(text[at : found.start()])
        size += found.start() - at
        at = found.end()
    if not out:
        return None
    pieces.append((size, at))
    out.append(text[at:stop])

    def place(index: int) -> int:
        piece = bisect.bisect_right(pieces, (index, len(text))) - 1
        return pieces[piece][1] + index - pieces[piece][0]

    return Opened("".join(out), low, stop, lambda first, last: (place(first), place(last - 1) + 1))


# Four characters that stand for three printable bytes; the later ones for tabs and line ends, too. The first is kept
# strict: the cost of the whole first stage hangs on it.
_QUAD = r"[I-Za-f][C-HS-Xi-ny-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
_QUADS = rf"{_QUAD}(?:[CDI-Za-f][AC-HQS-Xgi-nwy-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]){{3}}"
VIEWS: tuple[View, ...] = (
    View("base64", rf"(?:[^A-Za-z0-9+/=_-])(?:{_QUADS})", _base64),
    View(
        "base64-utf16",
        r"(?:[^A-Za-z0-9+/=_-])(?:[I-Za-f][AQgw][AB][A-Za-z0-9+/_-]A[C-HS-Xi-n][AEIMQUYcgkosw048]A){2}",
        _base64,
    ),
    View("base64-gzip", r"(?:[^A-Za-z0-9+/=_-])H4sI[A-Za-z0-9+/_-]{16}", _base64),
    View("hex", r"(?:[^0-9A-Za-z])(?:0x)?(?:[2-7][0-9a-fA-F]){10}", _hex),
    View(
        "unicode",
        # The characters before keep a long run from being a hit at each of its escapes.
        r"(?:[^\\]{6}|[\"'=:(\s])(?:\\u00[2-7][0-9a-fA-F]){3}|(?:[^\\]{4}|[\"'=:(\s])(?:\\x[2-7][0-9a-fA-F]){4}"
        r"|(?:[^x]{5}|[\[({])(?:0x[2-7][0-9a-fA-F], ?){6}|\n0x[2-7][0-9a-fA-F], ?0x[2-7][0-9a-fA-F], ?0x[2-7]",
        _escapes,
    ),
    View(
        "percent",
        r"[^Dd]%3[AaDd]|[^2]%22|(?:[^%]{3}|[\s\"'=])(?:%[2-7][0-9A-Fa-f]){5}|&#(?:x[2-7][0-9a-fA-F]|[0-9]{2,3});"
        r"|\\u003[ad]|&quot;:|\\\\\"",
        _escapes,
    ),
    View(
        # A text within a string: its lines and quotes are escaped.
        "lines",
        r"\\n(?:[ ]{0,12}\\\"|[A-Za-z0-9#+>|{*.-])|\\\"[ ]?[:,=][ ]?\\\"",
        _escapes,
    ),
    View(
        "joined",
        r"[A-Za-z0-9+/_=-]{3}[\"'] ?[+.&] ?[\"'][A-Za-z0-9+/_=-]{3}"
        r"|[A-Za-z0-9][\"'](?: ?[+.&\\])?\n[ \t]{0,24}(?:[+.&] ?)?[\"'][A-Za-z0-9+/_=-]{8}"
        r"|[A-Za-z0-9+/_=-]{2}\\\n",
        _joined,
    ),
)
