"""A line on the terminal that says how far a long scan is.

Must never write where a program reads, nor name a file: only numbers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poundlock.cli.contents import Answer

PATIENCE = 1.0  # seconds before there is anything to see
EVERY = 0.2  # seconds between two lines


def shown(answers: Iterable[Answer], out: TextIO, clock: Callable[[], float] = time.monotonic) -> Iterator[Answer]:
    """Pass the answers on and say on `out` how many files were read and how many findings they had."""
    due = clock() + PATIENCE
    findings = 0
    written = False
    for files, answer in enumerate(answers, 1):
        findings += len(answer.found)
        if (answer.faults or answer.found) and written:
            out.write("\r\x1b[K")
        if clock() >= due:
            out.write(f"\r\x1b[K{files:,} files read, {findings:,} findings")
            out.flush()
            written = True
            due = clock() + EVERY
        yield answer
    if written:
        out.write("\r\x1b[K")
        out.flush()
