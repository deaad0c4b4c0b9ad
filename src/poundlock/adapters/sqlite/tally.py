"""Budgets of all workers: each reads what was recorded since it last looked, its own exchanges and the others'.

It must never let an exchange pass uncounted because the log could not be read: then it refuses.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

from poundlock.adapters.sqlite.reading import Reading
from poundlock.adapters.sqlite.trouble import refusal
from poundlock.core.audit import record_of
from poundlock.core.budgets import HOUR, Tally

if TYPE_CHECKING:
    from pathlib import Path

    from poundlock.core.budgets import Budget, Who
    from poundlock.ports import Clock

AT_ONCE = 64
"""Up to so many new records are read on the event loop; the first reading, of weeks, goes to a thread."""


class TallyFile:
    """The tally of one worker, from the audit log at a path."""

    def __init__(self, path: Path, budgets: tuple[Budget, ...], clock: Clock) -> None:
        """Begin: nothing is read before it is asked."""
        self._path = path
        self._clock = clock
        self._tally = Tally(budgets)
        self._reading: Reading | None = None
        self._seen = 0
        self._lock = threading.Lock()

    async def used_up(self, who: Who) -> tuple[str, ...]:
        """Name the budgets that have nothing left for an exchange. Raises: `Fault`."""
        if not self._tally.budgets:
            return ()
        now = self._clock.now()
        try:
            if self._reading is None:
                self._reading = Reading(self._path)
            if self._reading.last() - self._seen > AT_ONCE:
                await asyncio.to_thread(self._catch_up, now)
            else:
                self._catch_up(now)
        except sqlite3.Error as cause:
            raise refusal(cause) from None
        return self._tally.used_up(who, now)

    def _catch_up(self, now: int) -> None:
        assert self._reading is not None  # noqa: S101 (`used_up` opened it)

        since = now - max(self._tally.since, 14 * 24 * HOUR)
        with self._lock:
            for row in self._reading.rows(self._seen):
                if row.kind == "exchange" and row.at >= since:
                    self._tally.add(record_of(row))
                self._seen = row.seq
