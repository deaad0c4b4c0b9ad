"""The second place for signed heads, when it is a file of JSON Lines: appended, synced, never rewritten.

It never reads what a head says, and never makes one. Best on another disk, or in a folder that is copied away.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TAIL = 4096  # a head is about 420 bytes


class HeadFile:
    """A file of heads, one a line; made (0600) with the first head. It is opened for each head, so it may be moved."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def append(self, line: bytes) -> None:
        """Write one line at the end and sync it; a torn line that a crash left is cut away. Raises `OSError`."""
        new = not self.path.exists()
        if new:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(file).st_size
            tail = os.pread(file, _TAIL, max(0, size - _TAIL))
            torn = len(tail) - (tail.rfind(b"\n") + 1)
            if torn:
                os.ftruncate(file, size - torn)
            written = 0
            while written < len(line):
                written += os.write(file, line[written:])
            os.fsync(file)
        finally:
            os.close(file)
        if new:
            _sync_directory(self.path.parent)

    def last(self) -> bytes:
        """Give the last whole line without its newline, or nothing. Raises `OSError`, but not for a missing file."""
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        try:
            size = os.fstat(file).st_size
            tail = os.pread(file, _TAIL, max(0, size - _TAIL))
        finally:
            os.close(file)
        whole, newline, _ = tail.rpartition(b"\n")
        return whole.rpartition(b"\n")[2] if newline else b""


def read_lines(path: Path) -> list[bytes]:
    """Give every whole line that isn't empty; a torn last line (a crash while it was written) is no head yet.

    Raises: `OSError`.
    """
    lines = path.read_bytes().split(b"\n")
    return [line for line in lines[:-1] if line]


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems can't sync a directory
            os.fsync(directory)
    finally:
        os.close(directory)
