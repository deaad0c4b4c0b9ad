"""The snapshot in force: loaded whole, checked, swapped atomically; a bad one never replaces a good one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from poundlock.core.model import Snapshot


class Snapshots:
    """Holds the current snapshot. `load` makes one from the files; `stamp` changes when a file has changed."""

    def __init__(self, load: Callable[[], Snapshot], stamp: Callable[[], Hashable]) -> None:
        """Load the first one. Raises `ConfigFault`: without a snapshot there is no gateway."""
        self._load = load
        self._stamp = stamp
        self._seen = stamp()
        self.current = load()
        self.fault: ConfigFault | None = None

    async def refresh(self) -> bool:
        """Load anew if a file has changed; tell whether another snapshot is in force now.

        What does not load is kept as `fault`, and the old snapshot stays.
        """
        stamp = await asyncio.to_thread(self._stamp)
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            fresh = await asyncio.to_thread(self._load)
        except ConfigFault as fault:
            self.fault = fault
            return False
        self.fault = None
        changed = fresh.digest != self.current.digest
        self.current = fresh
        return changed

    async def watch(self, seconds: float = 2.0) -> None:
        """Look for changes for ever."""
        while True:
            await asyncio.sleep(seconds)
            await self.refresh()
