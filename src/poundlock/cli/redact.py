"""`poundlock redact`: a filter. Text in, the same text with stable placeholders out.

Must never let a part of a value through because it was read in two pieces: what could be the beginning of one is held.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from poundlock.core.detect.engine import Detector

HOLD = 16_384
OPEN_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?![\s\S]*-----END [A-Z ]{0,40}PRIVATE KEY)"
    r"|PuTTY-User-Key-File-(?![\s\S]*Private-(?:MAC|Hash):)"
)


class Redactor:
    """Replaces values in a stream of text; one value has one placeholder for as long as the redactor lives."""

    def __init__(self, detector: Detector, families: frozenset[str] | None = None) -> None:
        self._detector = detector
        self._families = families
        self._held = ""
        self._numbers: dict[tuple[str, str], int] = {}
        self._counts: dict[str, int] = {}
        self.replaced = 0

    def placeholder(self, kind: str, value: str) -> str:
        """Give the placeholder of a value, such as `[aws.access-key.1]`."""
        number = self._numbers.get((kind, value))
        if number is None:
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            self._numbers[kind, value] = number
        return f"[{kind.partition('.')[2]}.{number}]"

    def feed(self, text: str) -> str:
        """Take text; give what is settled: whole lines, and no block that is still open."""
        held = self._held + text
        cut = held.rfind("\n") + 1
        block = OPEN_BLOCK.search(held, max(0, cut - HOLD), cut)
        if block:
            cut = held.rfind("\n", 0, block.start()) + 1
        elif cut == 0 and len(held) > 4 * HOLD:
            cut = len(held) - HOLD
        # A value over several lines keeps its lines together; a name and its value stand at most two lines apart.
        for _ in range(2):
            back = held.rfind("\n", 0, max(0, cut - 1)) + 1
            if cut and held[back:cut].rstrip().endswith((":", "=", "\\", "+", ",", "(")):
                cut = back
        self._held = held[cut:]
        return self._redact(held[:cut])

    def flush(self) -> str:
        """Give what was held."""
        held, self._held = self._held, ""
        return self._redact(held)

    def _redact(self, text: str) -> str:
        if not text:
            return ""
        out = []
        at = 0
        for match in self._detector.detect(text, families=self._families):
            out.append(text[at : match.start])
            out.append(self.placeholder(match.kind, match.value))
            at = match.end
            self.replaced += 1
        out.append(text[at:])
        return "".join(out)


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    from poundlock.cli.detect import add_family

    parser = subparsers.add_parser(
        "redact",
        help="a filter: text in, safe text out",
        description="Copies standard input (or files) to standard output with placeholders for sensitive values.",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="files to read instead of standard input; - is it")
    add_family(parser, None, "all")
    parser.set_defaults(run=run)


def _chunks(files: list[str]) -> Iterator[bytes]:
    for name in files or ["-"]:
        if name == "-":
            # What is there, without waiting for more: a log that is followed comes out as it comes in.
            while data := os.read(sys.stdin.fileno(), 1 << 16):
                yield data
        else:
            with open(name, "rb") as file:  # noqa: PTH123 (pathlib costs start-up)
                while data := file.read(1 << 20):
                    yield data


def run(args: argparse.Namespace) -> int:
    """Copy with placeholders; exit 0 whether or not there was something to replace, 2 if a file can't be read."""
    from poundlock.cli.detector import load, sources

    redactor = Redactor(load(sources(args.config, args.rules), args.family), args.family)
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    out = sys.stdout.buffer
    try:
        for data in _chunks(args.files):
            out.write(redactor.feed(decode(data)).encode("utf-8", "surrogateescape"))
            out.flush()
    except OSError as fault:
        sys.stderr.write(f"poundlock redact: {fault.filename or 'input'} can't be read: {fault.strerror}\n")
        return 2
    rest = redactor.feed(decode(b"", final=True)) + redactor.flush()
    out.write(rest.encode("utf-8", "surrogateescape"))
    out.flush()
    return 0
