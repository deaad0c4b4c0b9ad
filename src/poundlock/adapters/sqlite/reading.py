"""Reading the file: for the gateway beside its writer, and for commands that only look.

It never writes. For the gateway it runs in one reader thread of its own; a WAL reader never waits for the writer.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import quote

from poundlock.adapters.sqlite.trouble import refusal
from poundlock.core.audit import Head, Row, record_of
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poundlock.core.model import Record

_RECORD = "seq, at, kind, id, body, prev, hash"
Sealed = tuple[str, str, str, bytes]
_NOTHING = (
    "SELECT (SELECT seq FROM record ORDER BY seq DESC LIMIT 1), (SELECT sealed FROM scope_key WHERE scope = ?1), "
    "EXISTS (SELECT 1 FROM conversation_surrogate WHERE scope = ?1 AND conversation = ?2 AND seq > ?3) "
    "OR EXISTS (SELECT 1 FROM refused WHERE scope = ?1 AND conversation = ?2 AND seq > ?3)"
)


class Reading:
    """A read-only connection; it waits `patience` seconds for a lock.

    Raises: `ConfigFault` when there is no file, `Fault` for anything that SQLite refuses.
    """

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        self.path = path
        if not path.exists():
            raise ConfigFault(f"there is no audit log at {path}", advice="Type: poundlock doctor")
        # A copy on a medium that can't be written has no room for SQLite's shared memory, and no writer either.
        still = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
        name = f"file:{quote(str(path.absolute()))}?mode=ro" + ("&immutable=1" if still else "")
        try:
            self._connection = sqlite3.connect(
                name, uri=True, timeout=patience, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA trusted_schema = OFF")
        except sqlite3.Error as cause:
            raise refusal(cause) from None

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for other tables of the same file: to read only."""
        return self._connection

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def last(self) -> int:
        """Give the last record's place, 0 when there is none: some microseconds. Raises `sqlite3.Error`."""
        row = self._connection.execute("SELECT seq FROM record ORDER BY seq DESC LIMIT 1").fetchone()
        return int(row[0]) if row else 0

    def sealed_key(self, scope: str) -> bytes | None:
        """Give a scope's sealed data key. Raises `sqlite3.Error`."""
        row = self._connection.execute("SELECT sealed FROM scope_key WHERE scope = ?", (scope,)).fetchone()
        return bytes(row[0]) if row else None

    def conversation(
        self, scope: str, conversation: str, after: int
    ) -> tuple[int, bytes | None, list[Sealed], list[str]]:
        """Give what was written for a conversation after record `after`, as of one moment.

        The last record's place, the scope's sealed key, the sealed surrogates in the order they were issued, and
        the refused fingerprints. Raises `sqlite3.Error`.
        """
        connection = self._connection
        connection.execute("BEGIN")
        try:
            last, key = self.last(), self.sealed_key(scope)
            issued = connection.execute(
                "SELECT v.surrogate, v.kind, v.fingerprint, v.sealed FROM conversation_surrogate AS c "
                "JOIN vault AS v ON v.scope = c.scope AND v.surrogate = c.surrogate "
                "WHERE c.scope = ? AND c.conversation = ? AND c.seq > ? ORDER BY c.seq, c.surrogate",
                (scope, conversation, after),
            ).fetchall()
            refused = connection.execute(
                "SELECT fingerprint FROM refused WHERE scope = ? AND conversation = ? AND seq > ?",
                (scope, conversation, after),
            ).fetchall()
        finally:
            connection.execute("COMMIT")
        return last, key, issued, [fingerprint for (fingerprint,) in refused]

    def issued(self, scope: str, texts: tuple[str, ...]) -> list[Sealed]:
        """Give the sealed surrogates of a scope with these texts. Raises `sqlite3.Error`."""
        found: list[Sealed] = []
        for text in texts:
            found += self._connection.execute(
                "SELECT surrogate, kind, fingerprint, sealed FROM vault WHERE scope = ? AND surrogate = ?",
                (scope, text),
            ).fetchall()
        return found

    def nothing(self, scope: str, conversation: str, after: int) -> tuple[int, bytes | None] | None:
        """Give the last record's place and the scope's sealed key; None if a conversation has more after `after`.

        Some microseconds: a few look-ups in one statement, and so as of one moment. Raises `sqlite3.Error`.
        """
        last, key, found = self._connection.execute(_NOTHING, (scope, conversation, after)).fetchone()
        return None if found else (last or 0, key)

    def find(self, id: str) -> list[Record]:  # noqa: A002 (the word that records use)
        """Give the records with this id, oldest first. Raises `sqlite3.Error`, `Fault`."""
        cursor = self._connection.execute(
            f"SELECT {_RECORD} FROM record WHERE id = ? ORDER BY seq",  # noqa: S608 (our own names)
            (id,),
        )
        return [record_of(_row(row)) for row in cursor]

    def rows(self, after: int = 0, limit: int = -1) -> Iterator[Row]:
        """Give the records after place `after`, in order, as they are stored, whatever was done to them.

        Raises `sqlite3.Error` when the file is damaged.
        """
        cursor = self._connection.cursor()
        # CAST: whatever stands in a column comes as bytes, so that invalid UTF-8 is a finding and not an end.
        cursor.execute(
            "SELECT seq, at, CAST(kind AS BLOB), CAST(id AS BLOB), CAST(body AS BLOB), CAST(prev AS BLOB), "
            "CAST(hash AS BLOB) FROM record WHERE seq > ? ORDER BY seq LIMIT ?",
            (after or -(2**63), limit),
        )
        return map(_row, cursor)

    def newest(self, count: int) -> list[Row]:
        """Give the last `count` records, oldest first. Raises `sqlite3.Error`."""
        return list(self.rows(max(0, self.last() - count), count))

    def heads(self) -> list[Head]:
        """Give the signed heads that stand in the file, smallest first. Raises `sqlite3.Error`."""
        cursor = self._connection.execute("SELECT size, root, last, at, key, signature FROM head ORDER BY size")
        return [
            Head(size=size, root=_text(root), last=_text(last), at=at, key=_text(key), signature=_text(signature))
            for size, root, last, at, key, signature in cursor
        ]

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """Read everything inside as of one moment, while others go on writing. Raises `sqlite3.Error`."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _row(row: tuple[int, int, object, object, object, object, object]) -> Row:
    seq, at, kind, id_, body, prev, hash_ = row
    return Row(
        seq,
        at,
        _text(kind),
        _text(id_),
        body if isinstance(body, bytes) else str(body).encode(),
        _text(prev),
        _text(hash_),
    )
