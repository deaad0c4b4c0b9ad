"""What a scan reads: files, standard input, blobs of Git, and what is inside those that aren't text.

Must never hold a whole large file, and never say of one that it is clean when it was not read to its end.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from poundlock.cli import location, suppressions

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from poundlock.adapters.git import Blobs
    from poundlock.cli.allowances import Allowances
    from poundlock.cli.detector import Sources
    from poundlock.cli.location import Located
    from poundlock.core.detect.engine import Detector

WHOLE = 2 << 20  # bytes up to which a text is read in one piece
HEAD = 8192
MOST = 20_000  # findings that are told of one file
PATIENCE = 120  # seconds for a file that is unpacked or laid out
STREAM = 256 << 20  # bytes of an archive on standard input


class Item(NamedTuple):
    """Something to read: a file or `-`; or a blob of Git."""

    path: str
    oid: str = ""
    commit: str = ""
    date: str = ""


class Answer(NamedTuple):
    """What one item held; and for each part of it that could not be read, its path and why.

    `clean`: nothing of it was left out by a suppression or an allow-list. `oid` is that of a blob.
    """

    path: str
    found: list[Located]
    faults: tuple[tuple[str, str], ...] = ()
    oid: str = ""
    clean: bool = True


class Job:
    """How to scan: the detector and git are started when they are first asked for, in each process."""

    def __init__(
        self,
        families: frozenset[str],
        sources: Sources,
        *,
        policy: suppressions.Policy = suppressions.USUAL,
        documents: bool = True,
        allowances: Allowances | None = None,
    ) -> None:
        """`documents`: whether to look inside files that aren't text; `allowances`: a repository's own list."""
        self.families = families
        self.policy = policy
        self.documents = documents
        self.allowances = allowances
        self._sources = sources
        self._detector: Detector | None = None
        self._blobs: Blobs | None = None

    def detector(self) -> Detector:
        """Give the detector. Raises: `ConfigFault` for a bad rule file."""
        if self._detector is None:
            import gc

            from poundlock.cli import detector

            # Nothing of this ends before the process: collections on the way and at the end take 6 ms to find that out.
            gc.disable()
            try:
                self._detector = detector.load(self._sources, self.families - {location.STAND_INS})
            finally:
                gc.freeze()
                gc.enable()
        return self._detector

    def state(self) -> str:
        """Name all that a finding depends on: rules, engine, names, registered values. Raises: `ConfigFault`."""
        from poundlock.adapters.rulefiles import state

        return state(self._sources.rules) + self.detector().digest

    def content(self, oid: str) -> bytes:
        """Give a blob's bytes. Raises: `Unread`."""
        if self._blobs is None:
            from poundlock.adapters.git import Blobs

            self._blobs = Blobs()
        return self._blobs.read(oid)

    def close(self) -> None:
        """End git, if it was started."""
        if self._blobs is not None:
            self._blobs.close()


def examine(job: Job, item: Item) -> Answer:
    """Read one item and find what it holds."""
    # A name that is not UTF-8 could not be printed.
    path = item.path if item.path.isascii() else os.fsencode(item.path).decode("utf-8", "replace")
    found: list[Located] = []
    faults: list[tuple[str, str]] = []
    clean = True
    try:
        with _opened(job, item) as file, closing(_found(job, path, file, faults)) as coming:
            for one in coming:
                if one.suppressed or (job.allowances is not None and job.allowances.allowed(one, item.commit)):
                    clean = False
                    continue
                if len(found) == MOST:
                    faults.append((path, f"it has more than {MOST:,} findings"))
                    break
                found.append(one._replace(commit=item.commit, date=item.date) if item.commit else one)
    except OSError as fault:
        faults.append((path, fault.strerror or str(fault)))
    except _TooLong:
        faults.append((path, f"it takes longer than {PATIENCE} seconds to read"))
    return Answer(path, found, tuple(faults), item.oid, clean)


def _opened(job: Job, item: Item) -> IO[bytes]:
    if item.oid:
        return io.BytesIO(job.content(item.oid))
    if item.path == "-":
        return _given()
    return open(item.path, "rb", buffering=0)  # noqa: PTH123 (pathlib costs start-up; the caller closes it)


def _given() -> IO[bytes]:
    """Give standard input, which stays open afterwards."""
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):
        return io.BytesIO(sys.stdin.buffer.read())


def _found(job: Job, path: str, file: IO[bytes], faults: list[tuple[str, str]]) -> Generator[Located, None, None]:
    head = _head(file)
    if job.documents and head:
        from poundlock.adapters import documents

        if documents.sort(head, path):
            yield from _inside(job, path, _seekable(file, head), faults)
            return
    yield from _text(job, path, head, file)


def _head(file: IO[bytes]) -> bytes:
    head = file.read(HEAD) or b""
    while 0 < len(head) < HEAD and (piece := file.read(HEAD - len(head))):
        head += piece
    return head


def _seekable(file: IO[bytes], head: bytes) -> IO[bytes]:
    if file.seekable():
        file.seek(0)
        return file
    data = head + file.read(STREAM)
    return io.BytesIO(data)


def _inside(job: Job, path: str, file: IO[bytes], faults: list[tuple[str, str]]) -> Iterator[Located]:
    """Find what a container holds; one that takes too long is left with a fault."""
    from poundlock.adapters import documents

    raw = io.BufferedReader(file) if isinstance(file, io.RawIOBase) else None
    file = raw or file
    try:
        with _Patience(PATIENCE):
            for leaf in documents.leaves(file, path):
                place = path + "".join(char if char.isprintable() else "?" for char in leaf.place)
                if leaf.fault:
                    faults.append((place, leaf.fault))
                elif leaf.stream is not None:
                    try:
                        yield from _text(job, place, _head(leaf.stream), leaf.stream)
                    except documents.Unreadable as fault:
                        faults.append((place, str(fault)))
                else:
                    yield from location.locate(job.detector(), place, leaf.text, job.families, job.policy)
    finally:
        if raw is not None:
            raw.detach()  # who opened the file closes it


def _text(job: Job, path: str, head: bytes, file: IO[bytes]) -> Iterator[Located]:
    if not head or (b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff")):
        return iter(())
    data, ended = head, len(head) < HEAD
    while not ended and len(data) < WHOLE:
        piece = file.read(WHOLE - len(data))
        data += piece or b""
        ended = not piece
    if ended:
        return location.locate(job.detector(), path, decode(data) or "", job.families, job.policy)
    return location.locate_pieces(job.detector(), path, _pieces(data, file), job.families, job.policy)


def decode(data: bytes) -> str | None:
    """Give a file's text: UTF-8, or UTF-16 with a mark; None if it is not text."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:HEAD]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _pieces(data: bytes, file: IO[bytes]) -> Iterator[str]:
    """Yield a long text as it is read."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    reader = codecs.getincrementaldecoder("utf-16" if wide else "utf-8")("replace")
    while data:
        text = reader.decode(data)
        if text:
            yield text
        data = file.read(location.PIECE) or b""
    if rest := reader.decode(b"", final=True):
        yield rest


class _TooLong(BaseException):
    """A file took too long. No `Exception`: a reader of hostile files catches all of those."""


class _Patience:
    """Ends what takes too long, where signals allow it: in the main thread of a POSIX process."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._set = False
        self._before: Any = None

    def __enter__(self) -> None:
        import signal
        import threading

        if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, self._seconds, 1)
            self._set = True

    def __exit__(self, *_: object) -> None:
        import signal

        if self._set:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before or signal.SIG_DFL)

    @staticmethod
    def _ring(*_: object) -> None:
        raise _TooLong
