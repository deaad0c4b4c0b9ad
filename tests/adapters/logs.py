"""Stores, entries and damage, for tests of the audit log."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from typing import TYPE_CHECKING, Any

from poundlock.adapters.heads import HeadFile, read_lines
from poundlock.adapters.keys import Keys
from poundlock.adapters.sqlite import Reading, SqliteStore
from poundlock.core.audit import read_head
from poundlock.core.ledger import Report, verify
from poundlock.core.model import Draft, Surrogate
from poundlock.ports import Entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from poundlock.core.audit import Head
    from poundlock.core.ledger import Place

MASTER = bytes(range(32))
SCOPE = "ada"
TALK = "conversation-1"


class Ticking:
    """A clock that goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self._ticks = itertools.count(1_700_000_000_000_000_000, 1_000_000)

    def now(self) -> int:
        """Give the next time."""
        return next(self._ticks)


def surrogate(number: int, *, scope: str = SCOPE, value: str = "") -> Surrogate:
    """Make a surrogate whose text and fingerprint come from its number."""
    return Surrogate(
        text=f"QZ_KEY_{number:012d}",
        kind="secret.test",
        scope=scope,
        fingerprint=f"fp{number}",
        value=value or f"value-{number}",
    )


def entry(number: int, *surrogates: Surrogate, scope: str = SCOPE, talk: str = TALK, **more: Any) -> Entry:
    """Make an entry whose id comes from its number."""
    draft = Draft(kind="exchange", id=f"d{number}", at=1_700_000_000_000_000_000 + number, body={"n": number})
    return Entry(draft=draft, scope=scope, conversation=talk, surrogates=surrogates, **more)


@contextlib.asynccontextmanager
async def opened(folder: Path, kind: type[SqliteStore] = SqliteStore, **more: Any) -> AsyncIterator[SqliteStore]:
    """Open a store in `folder`, with heads beside it, and close it in the end."""
    settings: dict[str, Any] = {"heads": HeadFile(folder / "heads.jsonl"), "clock": Ticking(), **more}
    store = kind(folder / "poundlock.db", settings.pop("keys", None) or Keys(MASTER), **settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def checked(folder: Path, *, heads: bool = True) -> Report:
    """Verify the log in `folder` from its first record, with or without the second place."""
    keys = Keys(MASTER)
    reading = Reading(folder / "poundlock.db")
    try:
        signed: list[tuple[Place, Head]] = [("log", head) for head in reading.heads()]
        if heads and (folder / "heads.jsonl").exists():
            for line in read_lines(folder / "heads.jsonl"):
                head = read_head(line)
                assert head is not None
                signed.append(("second place", head))
        return verify(reading.rows(), signed, keys.check)
    finally:
        reading.close()


def named(folder: Path, *, heads: bool = True) -> list[tuple[str, int, int]]:
    """Verify, and give the breaches as (name, first, last)."""
    return [(breach.name, breach.first, breach.last) for breach in checked(folder, heads=heads).breaches]


def sql(folder: Path, *statements: str) -> list[Any]:
    """Run statements on the file as someone who can write it would; give the last one's rows."""
    with contextlib.closing(sqlite3.connect(folder / "poundlock.db", isolation_level=None)) as connection:
        rows: list[Any] = []
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        return rows


def mode(path: Path) -> int:
    """Give a file's permission bits."""
    return path.stat().st_mode & 0o777
