"""The tables, their versions, and how a connection is opened.

It never drops or rewrites a record; a migration only adds.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from pathlib import Path

BUSY_SECONDS = 5.0
"""How long another program (a backup, the sqlite3 shell) may hold the file before a commit is refused."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE record (
        seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
        prev TEXT NOT NULL, hash TEXT NOT NULL
    ) STRICT;
    CREATE INDEX record_id ON record (id);
    CREATE TABLE vault (
        scope TEXT NOT NULL, surrogate TEXT NOT NULL, kind TEXT NOT NULL, fingerprint TEXT NOT NULL,
        sealed BLOB NOT NULL, first_seq INTEGER NOT NULL, PRIMARY KEY (scope, surrogate)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE conversation_surrogate (
        scope TEXT NOT NULL, conversation TEXT NOT NULL, surrogate TEXT NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY (scope, conversation, surrogate)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE refused (
        scope TEXT NOT NULL, conversation TEXT NOT NULL, fingerprint TEXT NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY (scope, conversation, fingerprint)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE scope_key (scope TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE head (
        size INTEGER PRIMARY KEY, root TEXT NOT NULL, last TEXT NOT NULL, at INTEGER NOT NULL, key TEXT NOT NULL,
        signature TEXT NOT NULL, frontier BLOB NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE tool (
        id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, used INTEGER NOT NULL, entry TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE person (name TEXT PRIMARY KEY, entry TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE task (
        id TEXT PRIMARY KEY, credential TEXT NOT NULL UNIQUE, tool TEXT NOT NULL, human TEXT NOT NULL,
        alive INTEGER NOT NULL, ended INTEGER NOT NULL, reason TEXT NOT NULL, entry TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX task_alive ON task (alive);
    CREATE INDEX task_human ON task (human);
    CREATE TABLE denied (id TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE revision (number INTEGER NOT NULL) STRICT;
    INSERT INTO revision VALUES (0);
    """,
    """
    CREATE TABLE approval (
        id TEXT PRIMARY KEY, human TEXT NOT NULL, state TEXT NOT NULL, asked INTEGER NOT NULL, entry TEXT NOT NULL,
        sealed BLOB
    ) STRICT;
    CREATE INDEX approval_human ON approval (human, state);
    CREATE INDEX approval_state ON approval (state);
    """,
    """
    CREATE TABLE lease (
        id TEXT PRIMARY KEY, task TEXT NOT NULL, state TEXT NOT NULL, opened INTEGER NOT NULL, entry TEXT NOT NULL
    ) STRICT;
    CREATE INDEX lease_state ON lease (state);
    CREATE INDEX lease_task ON lease (task);
    """,
)
"""One script a version; `origin.version` says how many have run."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for reading and writing, in autocommit mode: transactions are begun and ended by name.

    WAL with synchronous=FULL: the log is synced at each commit (https://www.sqlite.org/pragma.html#pragma_synchronous).
    Raises: `sqlite3.Error`, `OSError`.
    """
    if not path.exists():
        # The WAL and the shared memory get the mode of the database. INVARIANT: a database that SQLite has open is
        # never opened by us: closing it would drop SQLite's POSIX locks.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    elif path.stat().st_mode & 0o077:
        path.chmod(0o600)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _require_log(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, key: str) -> None:
    """Bring the tables to this version, in one transaction, and check that they belong to the signing key `key`.

    Raises: `ConfigFault` for a newer version, or another key; `sqlite3.Error`.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS origin (version INTEGER NOT NULL, key TEXT NOT NULL) STRICT")
        row = connection.execute("SELECT version, key FROM origin").fetchone()
        if row is None:
            row = (0, key)
            connection.execute("INSERT INTO origin VALUES (0, ?)", (key,))
        version, owner = row
        _require_fit(version, owner, key)
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):  # executescript() would commit first
                connection.execute(statement)
        connection.execute("UPDATE origin SET version = ?", (len(MIGRATIONS),))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _require_log(mode: str) -> None:
    if mode != "wal":
        raise ConfigFault(
            "the state folder's file system can't hold a write-ahead log",
            advice="Use a folder on a local disk: state.directory in poundlock.toml.",
        )


def _require_fit(version: int, owner: str, key: str) -> None:
    if version > len(MIGRATIONS):
        raise ConfigFault(
            f"the state was written by a newer Poundlock (schema {version}, this one knows {len(MIGRATIONS)})",
            advice="Upgrade Poundlock, or use another state folder.",
        )
    if owner != key:
        raise ConfigFault(
            "the state belongs to another master key",
            advice="Bring back the master key it was made with, or use another state folder.",
        )
