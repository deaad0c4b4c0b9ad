"""What the writer does inside its transaction: append a record with its vault rows, make a scope's key, shred one.

INVARIANT: a job that raises a `Fault` has written nothing, so that the other jobs of its batch can go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from poundlock.core.audit import GENESIS, Row, canonical_body, chained
from poundlock.core.errors import Fault
from poundlock.ports import Committed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from poundlock.core.model import Draft


class Chain:
    """The end of the chain inside one transaction."""

    __slots__ = ("hash", "rows", "seq")

    def __init__(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1").fetchone()
        self.seq: int = row[0] if row else 0
        self.hash: str = row[1] if row else GENESIS
        self.rows: list[tuple[int, int, str, str, str, str, str]] = []

    def append(self, written: Written) -> Row:
        """Give the next record its place."""
        row = chained(self.seq + 1, self.hash, at=written.at, kind=written.kind, id=written.id, body=written.body)
        self.seq, self.hash = row.seq, row.hash
        self.rows.append((row.seq, row.at, row.kind, row.id, row.body.decode(), row.prev, row.hash))
        return row

    def write(self, connection: sqlite3.Connection) -> None:
        """Insert the rows that were appended."""
        connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", self.rows)


class Written(msgspec.Struct, frozen=True):
    """A draft whose body is canonical JSON already."""

    at: int
    kind: str
    id: str
    body: bytes


class Job(Protocol):
    """One thing to do in a transaction."""

    def apply(self, connection: sqlite3.Connection, chain: Chain) -> object:
        """Do it, and give what its waiter gets once the transaction is durable."""


class Append(msgspec.Struct):
    """Append a record, with the rows of an `Entry`: `vault` has (surrogate, kind, fingerprint, sealed value)."""

    written: Written
    scope: str
    conversation: str
    sealed_key: bytes
    vault: tuple[tuple[str, str, str, bytes], ...]
    refused: tuple[str, ...]

    def apply(self, connection: sqlite3.Connection, chain: Chain) -> Committed:
        """Check against the vault, then write."""
        if self.vault:
            self._check(connection)
        row = chain.append(self.written)
        for text, kind, fingerprint, sealed in self.vault:
            connection.execute(
                "INSERT INTO vault VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (self.scope, text, kind, fingerprint, sealed, row.seq),
            )
            connection.execute(
                "INSERT INTO conversation_surrogate VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (self.scope, self.conversation, text, row.seq),
            )
        for fingerprint in self.refused:
            connection.execute(
                "INSERT INTO refused VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (self.scope, self.conversation, fingerprint, row.seq),
            )
        return Committed(seq=row.seq, hash=row.hash)

    def _check(self, connection: sqlite3.Connection) -> None:
        if not connection.execute(
            "SELECT 1 FROM scope_key WHERE scope = ? AND sealed = ?", (self.scope, self.sealed_key)
        ).fetchone():
            raise Fault("this scope's key was destroyed meanwhile", advice="Send the request again.", status=500)
        for text, _, fingerprint, _ in self.vault:
            known = connection.execute(
                "SELECT fingerprint FROM vault WHERE scope = ? AND surrogate = ?", (self.scope, text)
            ).fetchone()
            if known is not None and known[0] != fingerprint:
                # Restoring would give one value for the other: rather nothing is sent.
                raise Fault("two values have the same surrogate", advice="Please report this.", status=500)


class Change(msgspec.Struct):
    """Change tables of another part of the store, with the records of the change in the same transaction.

    `work` gives a result and the drafts; it must take its time from outside. What it raises undoes all of it.
    """

    work: Callable[[sqlite3.Connection], tuple[object, tuple[Draft, ...]]]

    def apply(self, connection: sqlite3.Connection, chain: Chain) -> object:
        """Do the work, then append its records."""
        connection.execute("SAVEPOINT change")
        try:
            result, drafts = self.work(connection)
            written = [Written(draft.at, draft.kind, draft.id, canonical_body(draft.body)) for draft in drafts]
        except Fault:
            connection.execute("ROLLBACK TO change")
            raise
        finally:
            connection.execute("RELEASE change")
        for each in written:
            chain.append(each)
        return result


class NewScope(msgspec.Struct):
    """Keep a new scope's sealed key, unless another worker was first: gives the key that stands."""

    scope: str
    sealed: bytes

    def apply(self, connection: sqlite3.Connection, chain: Chain) -> bytes:  # noqa: ARG002 (makes no record)
        """Write the key, and read what stands."""
        connection.execute("INSERT INTO scope_key VALUES (?, ?) ON CONFLICT DO NOTHING", (self.scope, self.sealed))
        sealed: bytes = connection.execute("SELECT sealed FROM scope_key WHERE scope = ?", (self.scope,)).fetchone()[0]
        return sealed


class Shred(msgspec.Struct):
    """Destroy a scope's key and everything that it sealed, on record."""

    written: Written
    scope: str

    def apply(self, connection: sqlite3.Connection, chain: Chain) -> Committed:
        """Delete the rows; `secure_delete` overwrites them in the file."""
        row = chain.append(self.written)
        for table in ("scope_key", "vault", "conversation_surrogate", "refused"):
            connection.execute(f"DELETE FROM {table} WHERE scope = ?", (self.scope,))  # noqa: S608 (our own names)
        return Committed(seq=row.seq, hash=row.hash)
