"""Content codings (gzip, deflate, br, zstd), undone piece by piece and with a cap on what may come out.

It never gives more than the cap plus one piece, so that a small body can't become a large one, and it never guesses:
an unknown coding, a body that ends early and bytes behind the end are faults.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

import brotli
import zstandard

if TYPE_CHECKING:
    from poundlock.core.errors import Fault

_PIECE = 1024
"""Input bytes a step. A zstd block of 4 bytes can stand for 128 KiB, so a step gives 32 MiB at the most."""
_STEP = 1 << 20
"""Output bytes a step, where the library can be told."""
_WINDOW = 8 << 20
"""Largest zstd window in bytes, as RFC 9659 §3 sets for this coding."""
_MOST = 3
"""Codings on top of each other. Nobody has a reason for more."""


class _Broken(Exception):
    """The body is not what its coding says."""


class _Stage(Protocol):
    def feed(self, data: bytes, room: int) -> bytes: ...
    def finish(self) -> None: ...


class _Zlib:
    """gzip (several members may follow each other, RFC 1952 §2.2) and deflate (with or without its zlib head)."""

    def __init__(self, *, gzip: bool) -> None:
        self.gzip = gzip
        self.machine: zlib._Decompress | None = None
        self.head = b""
        self.done = False

    def feed(self, data: bytes, room: int) -> bytes:
        out: list[bytes] = []
        while data:
            if self.machine is None:
                if self.done and not self.gzip:
                    raise _Broken
                self.head += data
                if len(self.head) < 2:
                    break
                data, self.head = self.head, b""
                self.machine, self.done = zlib.decompressobj(self._window(data)), False
            try:
                piece = self.machine.decompress(data, _STEP)
            except zlib.error:
                raise _Broken from None
            out.append(piece)
            room -= len(piece)
            if room < 0:
                break
            data = self.machine.unconsumed_tail
            if self.machine.eof:
                data, self.machine, self.done = self.machine.unused_data, None, True
        return b"".join(out)

    def _window(self, data: bytes) -> int:
        if self.gzip:
            return 31
        # RFC 1950 §2.2: method 8, and the two bytes are a multiple of 31. Some clients send bare deflate instead.
        return 15 if data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0 else -15

    def finish(self) -> None:
        if self.machine is not None or self.head or not self.done:
            raise _Broken


class _Brotli:
    """br, RFC 7932."""

    def __init__(self) -> None:
        self.machine = brotli.Decompressor()

    def feed(self, data: bytes, room: int) -> bytes:
        out: list[bytes] = []
        try:
            while True:
                if self.machine.is_finished():
                    if data:
                        raise _Broken
                    break
                piece = self.machine.process(data, output_buffer_limit=_STEP)
                data = b""
                out.append(piece)
                room -= len(piece)
                if room < 0 or (not piece and self.machine.can_accept_more_data()):
                    break
        except brotli.error:
            raise _Broken from None
        return b"".join(out)

    def finish(self) -> None:
        if not self.machine.is_finished():
            raise _Broken


class _Zstd:
    """zstd, RFC 8878; several frames may follow each other."""

    def __init__(self) -> None:
        self.context = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self.machine: zstandard.ZstdDecompressionObj | None = None
        self.done = False

    def feed(self, data: bytes, room: int) -> bytes:
        out: list[bytes] = []
        at = 0
        while at < len(data):
            if self.machine is None:
                self.machine, self.done = self.context.decompressobj(), False
            piece = data[at : at + _PIECE]
            at += len(piece)
            try:
                made = self.machine.decompress(piece)
            except zstandard.ZstdError:
                raise _Broken from None
            if made:
                out.append(made)
                room -= len(made)
                if room < 0:
                    break
            if self.machine.eof:
                at -= len(self.machine.unused_data)
                self.machine, self.done = None, True
        return b"".join(out)

    def finish(self) -> None:
        if self.machine is not None or not self.done:
            raise _Broken


def parse(header: str) -> tuple[str, ...]:
    """Give the codings that a `Content-Encoding` header names, in the order they were applied, without `identity`."""
    names = (name.strip().lower() for name in header.split(","))
    return tuple(name for name in names if name and name != "identity")


class Decoder:
    """Undoes the codings of one body. `limit` caps the bytes out of each coding; `fault` is what is raised."""

    def __init__(self, codings: tuple[str, ...], limit: int, fault: type[Fault]) -> None:
        """Prepare for `codings` in the order they were applied. Raises: `fault` for one that is not known."""
        if len(codings) > _MOST:
            raise fault(f"A body has more than {_MOST} content codings.", advice="Send it with one, or with none.")
        self._limit, self._fault = limit, fault
        self._stages: list[_Stage] = []
        self._made = [0] * len(codings)
        self._fed = False
        for name in reversed(codings):
            match name:
                case "gzip" | "x-gzip":
                    self._stages.append(_Zlib(gzip=True))
                case "deflate":
                    self._stages.append(_Zlib(gzip=False))
                case "br":
                    self._stages.append(_Brotli())
                case "zstd":
                    self._stages.append(_Zstd())
                case _:
                    raise fault(
                        "A body has a content coding that Poundlock does not know.",
                        advice="Send it as gzip, deflate, br or zstd, or without a coding.",
                    )

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and give what they decode to.

        Raises: the fault when a coding is broken, or when more comes out than the limit.
        """
        if not data:
            return b""
        self._fed = True
        for number, stage in enumerate(self._stages):
            try:
                data = stage.feed(data, self._limit - self._made[number])
            except _Broken:
                raise self._broken() from None
            self._made[number] += len(data)
            if self._made[number] > self._limit:
                raise self._fault(
                    f"A compressed body becomes larger than {self._limit} bytes.",
                    advice="Send less at once, or raise gateway.max_body.",
                )
        return data

    def finish(self) -> None:
        """Say that the body has ended. Raises: the fault when a coding is not at its end; an empty body is whole."""
        if not self._fed:
            return
        for stage in self._stages:
            try:
                stage.finish()
            except _Broken:
                raise self._broken() from None

    def _broken(self) -> Fault:
        return self._fault(
            "A compressed body is broken: it can't be decoded to its end.", advice="Send it without a content coding."
        )
