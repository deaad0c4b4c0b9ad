"""Leases in the store's own file: what was asked for, given and ended. Every change is one transaction with its record.

It never holds a credential, only its name at the broker, and never decides when a lease ends: that is `core/leases`.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.adapters.sqlite.reading import Reading
from poundlock.adapters.sqlite.trouble import refusal
from poundlock.core import leases
from poundlock.core.leases import Held, Lease
from poundlock.core.model import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poundlock.adapters.sqlite.store import SqliteStore
    from poundlock.ports import Clock

KEPT = 400 * 86_400 * leases.SECOND
"""How long a lease that has ended stays in the table; its records stay in the log."""

_held = msgspec.json.Decoder(Held)
_OPEN = "state IN ('asked', 'live', 'ending')"


class LeaseFile:
    """The port `Leases` on the store's file. One serves one event loop. `by` is who changes it, for the records."""

    def __init__(self, store: SqliteStore, clock: Clock, *, by: str) -> None:
        """Use an open store (or one that is open when it is asked)."""
        self._store = store
        self._clock = clock
        self._by = by
        self._reading: Reading | None = None

    def close(self) -> None:
        """Let go of the file."""
        if self._reading is not None:
            self._reading.close()

    def open(self) -> Sequence[Held]:
        """Give what is not ended, the oldest first. Raises: `Fault`."""
        return self._all(f"SELECT entry FROM lease WHERE {_OPEN} ORDER BY opened", ())  # noqa: S608 (our own words)

    def find(self, id: str) -> Held | None:  # noqa: A002 (the word that records use)
        """Give one lease. Raises: `Fault`."""
        rows = self._all("SELECT entry FROM lease WHERE id = ?", (id,))
        return rows[0] if rows else None

    def newest(self, count: int) -> Sequence[Held]:
        """Give the newest leases, ended ones too. Raises: `Fault`."""
        return self._all("SELECT entry FROM lease ORDER BY opened DESC LIMIT ?", (count,))

    async def ask(self, lease: Lease) -> None:
        """Write down a lease that is about to be made, on record. Raises: `Fault`; it must not be made then."""
        held = Held(lease=lease, state="asked")

        def work(connection: sqlite3.Connection) -> tuple[bool, tuple[Draft, ...]]:
            row = (lease.id, lease.task, held.state, lease.opened, _text(held))
            connection.execute("INSERT INTO lease VALUES (?, ?, ?, ?, ?)", row)
            connection.execute("DELETE FROM lease WHERE state = 'ended' AND opened < ?", (lease.opened - KEPT,))
            return True, (self._draft(lease, {"event": "asked"}),)

        await self._store.change(work, bool)

    async def live(self, lease: Lease, serial: str) -> bool:
        """Say that it was made, on record; False when it is being ended already. Raises: `Fault`."""

        def work(connection: sqlite3.Connection) -> tuple[bool, tuple[Draft, ...]]:
            before = _find(connection, lease.id)
            if before is None or before.state != "asked":
                return False, ()
            _put(connection, msgspec.structs.replace(before, state="live"))
            return True, (self._draft(lease, {"event": "given", "serial": serial}),)

        return await self._store.change(work, bool)

    async def claim(self, id: str, reason: str) -> Held | None:  # noqa: A002 (the word that records use)
        """Take a lease to end it, unless another worker does. Raises: `Fault`."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> tuple[Held | None, tuple[Draft, ...]]:
            before = _find(connection, id)
            if before is None or before.state == "ended" or (before.state == "ending" and now < before.free):
                return None, ()
            taken = leases.claimed(before, before.reason or reason, now)
            _put(connection, taken)
            return taken, ()

        found = await self._store.change(work, object)
        return found if isinstance(found, Held) else None

    async def ended(self, held: Held) -> None:
        """Say that a lease's credential is no more, on record. Raises: `Fault`."""
        await self._settle(msgspec.structs.replace(held, state="ended"), {"event": "revoked", "why": held.reason})

    async def failed(self, held: Held, why: str) -> None:
        """Say that it could not be ended, on record; it will be tried again. Raises: `Fault`."""
        later = leases.again(held, self._clock.now())
        await self._settle(later, {"event": "not revoked", "why": why, "tries": held.tries})

    async def used(self, lease: Lease, body: Mapping[str, Any]) -> None:
        """Put a use of it, or its refusal, on record. Raises: `Fault`."""
        draft = self._draft(lease, body)
        await self._store.change(lambda _connection: (True, (draft,)), bool)

    async def _settle(self, held: Held, body: Mapping[str, Any]) -> None:
        def work(connection: sqlite3.Connection) -> tuple[bool, tuple[Draft, ...]]:
            before = _find(connection, held.lease.id)
            if before is None or before.state == "ended":
                return False, ()
            _put(connection, held)
            return True, (self._draft(held.lease, body),)

        await self._store.change(work, bool)

    def _draft(self, lease: Lease, body: Mapping[str, Any]) -> Draft:
        return Draft(kind="lease", id=lease.id, at=self._clock.now(), body={**lease.about, **body, "by": self._by})

    def _all(self, sql: str, values: tuple[object, ...]) -> list[Held]:
        try:
            if self._reading is None:
                self._reading = Reading(self._store.path)
            return [_held.decode(entry) for (entry,) in self._reading.connection.execute(sql, values)]
        except sqlite3.Error as cause:
            raise refusal(cause) from None


def _find(connection: sqlite3.Connection, id: str) -> Held | None:  # noqa: A002 (the word that records use)
    row = connection.execute("SELECT entry FROM lease WHERE id = ?", (id,)).fetchone()
    return _held.decode(row[0]) if row else None


def _put(connection: sqlite3.Connection, held: Held) -> None:
    connection.execute("UPDATE lease SET state = ?, entry = ? WHERE id = ?", (held.state, _text(held), held.lease.id))


def _text(held: Held) -> str:
    return msgspec.json.encode(held).decode()
