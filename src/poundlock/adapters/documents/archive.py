"""Archives and compressed files: zip (with Office's and OpenDocument's documents), tar, gzip, bzip2, xz, zstd."""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, cast

from poundlock.adapters.documents import HEAD, Budget, Leaf, Unreadable, leaves, sort

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY = 6 << 20  # bytes of a zip's directory: it is held in memory, some ten times as large
RATIO = 1000
"""Text seldom packs to less than a hundredth; what packs to a thousandth is a bomb, or says nothing."""
SMALL = 16 << 20  # bytes below which no ratio is looked at
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
    UnicodeDecodeError,
    IndexError,
    KeyError,
    OverflowError,
)
"""What the readers of the standard library raise for damaged or hostile files."""


class Counted(io.RawIOBase):
    """A stream of which every byte that comes out is counted; its first bytes can be looked at."""

    def __init__(self, inner: IO[bytes], budget: Budget, packed: int = 0) -> None:
        """`packed`: the size of what the stream is unpacked from, if known."""
        super().__init__()
        self._inner = inner
        self._budget = budget
        self._most = max(SMALL, packed * RATIO) if packed else 0
        self._given = 0
        self._head = b""

    def peek(self) -> bytes:
        """Give the first bytes without taking them."""
        while len(self._head) < HEAD and (piece := self._take(HEAD - len(self._head))):
            self._head += piece
        return self._head

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Give up to `size` bytes. Raises: `Unreadable` for a bomb or a damaged stream."""
        if size < 0:
            out = bytearray()
            while piece := self.read(1 << 16):
                out += piece
                if len(out) > self._budget.single:
                    raise Unreadable("a part of it is larger than is held at once")
            return bytes(out)
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return self._take(size)

    def _take(self, size: int) -> bytes:
        if size > self._budget.single:
            raise Unreadable("a part of it is larger than is held at once")
        try:
            piece = self._inner.read(size)
        except BROKEN as fault:
            raise Unreadable(_why(fault)) from None
        self._given += len(piece)
        self._budget.spend(len(piece))
        if self._most and self._given > self._most:
            raise Unreadable("it unpacks to far more than it is")
        return piece


def members(file: IO[bytes], kind: str, name: str, budget: Budget, depth: int) -> Iterator[Leaf]:
    """Yield the leaves of an archive, and those of the archives in it. Raises: `Unreadable`."""
    try:
        if kind == "zip":
            yield from _zip(file, budget, depth)
        elif kind == "tar":
            yield from _tar(file, budget, depth)
        else:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            stream = Counted(_unpacked(file, kind), budget, size)
            if sort(stream.peek(), "") == "tar":
                yield from _tar(cast("IO[bytes]", stream), budget, depth)
            else:
                yield from _inside(stream, _stem(name), "", budget, depth)
    except BROKEN as fault:
        raise Unreadable(_why(fault)) from None


def _why(fault: BaseException) -> str:
    if isinstance(fault, RuntimeError) and "encrypted" in str(fault):
        return "it is encrypted"
    if isinstance(fault, NotImplementedError):
        return "it is packed in a way that is not known"
    return "it is damaged"


def _stem(name: str) -> str:
    base = name.replace("\\", "/").rpartition("/")[2]
    return base.rpartition(".")[0] or base


def _unpacked(file: IO[bytes], kind: str) -> IO[bytes]:
    if kind == "gzip":
        import gzip  # noqa: PLC0415 (only what a file needs is loaded)

        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if kind == "bzip2":
        import bz2  # noqa: PLC0415

        return cast("IO[bytes]", bz2.BZ2File(file))
    if kind == "xz":
        return cast("IO[bytes]", lzma.LZMAFile(file))
    import zstandard  # noqa: PLC0415

    return cast("IO[bytes]", zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file))


def _inside(stream: Counted, name: str, place: str, budget: Budget, depth: int) -> Iterator[Leaf]:
    """Yield one member's leaves: itself, or what is in it if it is a container; what is no text is passed by."""
    head = stream.peek()
    if sort(head, name):
        data = io.BytesIO(stream.read())
        for leaf in leaves(data, name, budget, depth + 1):
            yield leaf._replace(place=place + leaf.place)
    elif head and (b"\0" not in head or head[:2] in (b"\xff\xfe", b"\xfe\xff")):
        yield Leaf(place, stream=cast("IO[bytes]", stream))


def _zip(file: IO[bytes], budget: Budget, depth: int) -> Iterator[Leaf]:
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        names = {info.filename for info in infos}
        office = "[Content_Types].xml" in names or ("content.xml" in names and "mimetype" in names)
        if office:
            from poundlock.adapters.documents import office as documents  # noqa: PLC0415

            yield from documents.texts(archive, budget)
        for info in infos:
            if info.is_dir() or (office and documents.done(info.filename)):
                continue
            budget.enter()
            place = f"!/{info.filename}"
            if info.flag_bits & 1:
                yield Leaf(place, fault="it is encrypted")
                continue
            try:
                with archive.open(info) as member:
                    yield from _inside(
                        Counted(member, budget, max(1, info.compress_size)), info.filename, place, budget, depth
                    )
            except Unreadable as fault:
                yield Leaf(place, fault=str(fault))
                if budget.size < 0:
                    return
            except BROKEN as fault:
                yield Leaf(place, fault=_why(fault))


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a directory that would fill the memory. Its size stands in the last record (APPNOTE.TXT 4.3.16)."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 65_557))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        raise Unreadable("it is damaged")
    directory = struct.unpack_from("<I", tail, at + 12)[0]
    record = tail.rfind(b"PK\x06\x06", 0, at)
    if directory == 0xFFFFFFFF and record >= 0 and record + 48 <= len(tail):
        directory = struct.unpack_from("<Q", tail, record + 40)[0]
    if directory > DIRECTORY:
        raise Unreadable("it has more members than are read")
    file.seek(0)


def _tar(file: IO[bytes], budget: Budget, depth: int) -> Iterator[Leaf]:
    # As a stream: nothing is sought, and a header that points backwards leads nowhere.
    counted = file if isinstance(file, Counted) else Counted(file, budget)
    with tarfile.open(fileobj=cast("IO[bytes]", counted), mode="r|") as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined]  # else every header is kept
            budget.enter()
            if not info.isreg() or info.issparse():
                continue
            member = archive.extractfile(info)
            if member is None:
                continue
            place = f"!/{info.name}"
            # What the archive's own stream gives is counted there.
            try:
                yield from _inside(Counted(member, _Free(budget)), info.name, place, budget, depth)
            except Unreadable as fault:
                yield Leaf(place, fault=str(fault))
                if budget.size < 0:
                    return


class _Free(Budget):
    """A budget that counts nothing, for bytes that were counted on their way."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(single=budget.single)

    def spend(self, size: int) -> None:
        del size
