"""The proofs that were used, shared by the workers of one machine, so that none is used twice.

Nothing is synced: what a crash of the machine loses is older than a proof's minute when it is up again. It keeps hashes
of ids, and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING

from poundlock.adapters.sqlite.trouble import refusal

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 2.0
"""Seconds to wait for another worker; then the exchange is refused."""
_SWEEP = 4096


class ProofFile:
    """The file at `path`, opened at the first question."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._asked = 0

    def first(self, id: str, until: int) -> bool:  # noqa: A002 (as in `jti`)
        """Remember a proof until a time (nanoseconds); False when it was used before. Raises: `Fault`."""
        name = hashlib.sha256(id.encode("utf-8", "surrogatepass")).digest()
        try:
            connection = self._connection or self._open()
            self._asked += 1
            if self._asked % _SWEEP == 0:
                connection.execute("DELETE FROM proof WHERE until < ?", (time.time_ns(),))
            done = connection.execute("INSERT INTO proof VALUES (?, ?) ON CONFLICT DO NOTHING", (name, until))
        except (sqlite3.Error, OSError) as cause:
            self.close()
            raise refusal(cause) from None
        return done.rowcount == 1

    def close(self) -> None:
        """Let go of the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _open(self) -> sqlite3.Connection:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS proof (id BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID"
        )
        connection.execute("DELETE FROM proof WHERE until < ?", (time.time_ns(),))
        self._connection = connection
        return connection
