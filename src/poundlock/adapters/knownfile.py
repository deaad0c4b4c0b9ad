"""The registered values at rest: keyed hashes in one sealed file of the state folder.

The key of the hashes and the key of the seal both come from the master key, so that a copy of the file gives nothing
to guess on. INVARIANT: a value is hashed on its way in and never kept; names and sources are sealed with the hashes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from typing import TYPE_CHECKING, Protocol

import msgspec

from poundlock.core.detect.known import Entry, Known, register
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from poundlock.core.detect.registration import Named

MAGIC = b"PLKNOWN1"
LARGEST = 1 << 30  # bytes


class ValueKeys(Protocol):
    """What is needed of the master key."""

    known: bytes

    def seal_known(self, data: bytes) -> bytes:
        """Seal the list."""

    def open_known(self, sealed: bytes) -> bytes:
        """Open the list. Raises: `Fault`."""


class Registered(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One registered value: what it is called, where it came from, when (nanoseconds since the epoch), its hashes."""

    name: str
    source: str
    at: int
    canary: bool
    entries: tuple[Entry, ...]


class KnownFile:
    """The file of registered values."""

    def __init__(self, path: Path, keys: ValueKeys) -> None:
        """Use the file at `path`; it need not exist yet."""
        self._path = path
        self._keys = keys

    def rows(self) -> tuple[Registered, ...]:
        """Give what is registered. Raises: `ConfigFault` for a file that is damaged or of another master key."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as fault:
            raise ConfigFault(f"the registered values can't be read: {fault.strerror}") from fault
        if not data.startswith(MAGIC):
            raise _damaged(self._path)
        try:
            plain = self._keys.open_known(data[len(MAGIC) :])
            return msgspec.msgpack.decode(plain, type=tuple[Registered, ...])
        except msgspec.MsgspecError:
            raise _damaged(self._path) from None

    def known(self) -> Known | None:
        """Give the set to look for; None if nothing is registered. Raises: `ConfigFault`."""
        rows = self.rows()
        return Known((entry for row in rows for entry in row.entries), self._keys.known) if rows else None

    def add(
        self, values: Iterable[Named], *, source: str, at: int, canary: bool = False, replace: bool = False
    ) -> tuple[int, int]:
        """Register values; give how many were new, and how many were registered already.

        With `replace`, what the same source brought before is forgotten. A value that is registered again as a canary
        becomes one. Raises: `ConfigFault`.
        """
        fresh: dict[bytes, Registered] = {}
        for name, value in values:
            entries = register(value, self._keys.known, name=name, canary=canary)
            row = Registered(name=name, source=source, at=at, canary=canary, entries=entries)
            fresh.setdefault(entries[0].digest, row)
        before = 0

        def change(rows: tuple[Registered, ...]) -> tuple[Registered, ...]:
            nonlocal before
            kept = [row for row in rows if not (replace and row.source == source)]
            there = {row.entries[0].digest: row for row in kept}
            before = sum(digest in there for digest in fresh)
            for digest, row in fresh.items():
                if digest not in there or (canary and not there[digest].canary):
                    there[digest] = row
            return tuple(there.values())

        self._change(change)
        return len(fresh) - before, before

    def forget(self, wanted: Callable[[Registered], bool]) -> int:
        """Take away the rows that are `wanted`; give how many. Raises: `ConfigFault`."""
        gone = 0

        def change(rows: tuple[Registered, ...]) -> tuple[Registered, ...]:
            nonlocal gone
            kept = tuple(row for row in rows if not wanted(row))
            gone = len(rows) - len(kept)
            return kept

        self._change(change)
        return gone

    def forget_values(self, values: Iterable[str]) -> int:
        """Take these values away; give how many were registered. Raises: `ConfigFault`."""
        digests = set()
        for value in values:
            with contextlib.suppress(ValueError):
                digests.add(register(value, self._keys.known)[0].digest)
        return self.forget(lambda row: row.entries[0].digest in digests)

    def _change(self, change: Callable[[tuple[Registered, ...]], tuple[Registered, ...]]) -> None:
        try:
            with self._alone():
                rows = change(self.rows())
                if rows:
                    self._write(MAGIC + self._keys.seal_known(msgspec.msgpack.encode(rows)))
                else:
                    self._path.unlink(missing_ok=True)
        except OSError as fault:
            raise ConfigFault(f"the registered values can't be written: {fault.strerror}") from fault

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep two commands from losing each other's values."""
        lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, data: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self._path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)  # noqa: PTH105 (a text is what mkstemp gives)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108 (see above)
            raise


def _damaged(path: Path) -> ConfigFault:
    return ConfigFault(
        "the registered values are damaged", advice=f"Bring back {path.name}, or delete it and register them again."
    )
