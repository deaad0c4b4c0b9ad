"""A process that commits in a loop and says on its standard output what was made durable: for tests that kill it.

Usage: python -m tests.promises.committing FOLDER NAME COUNT [unsynced | early]. A line is written to descriptor 1, at
once, after each commit returned: `ACK seq id`. `unsynced` and `early` are mutants: the first doesn't sync the log, the
second says so before it is true.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock.adapters.heads import HeadFile
from poundlock.adapters.keys import Keys
from poundlock.adapters.sqlite import SqliteStore
from poundlock.adapters.sqlite.writer import Writer
from poundlock.core.errors import Fault
from tests.adapters.logs import MASTER, Ticking, entry, surrogate

if TYPE_CHECKING:
    import sqlite3


class Unsynced(Writer):
    """A mutant: SQLite is told not to wait for the disk."""

    def _begin(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        super()._begin(connection)


class UnsyncedStore(SqliteStore):
    """The store with the mutant."""

    writer_type = Unsynced


async def main(folder: Path, name: str, count: int, mutant: str) -> None:
    """Commit `count` entries, eight at a time, and tell of each."""
    kind = UnsyncedStore if mutant == "unsynced" else SqliteStore
    heads = HeadFile(folder / "heads.jsonl")
    store = kind(folder / "poundlock.db", Keys(MASTER), heads=heads, clock=Ticking(), head_every=16)
    await store.open()
    os.write(1, b"OPEN\n")
    slowest = 0.0
    talk = f"talk-{name}"

    async def one(number: int) -> None:
        nonlocal slowest
        item = entry(number, surrogate(number % 50), talk=talk)
        draft = type(item.draft)(kind="exchange", id=f"{name}-{number}", at=number, body={"n": number})
        item = type(item)(
            draft=draft, scope=item.scope, conversation=talk, surrogates=item.surrogates, refused=item.refused
        )
        began = time.perf_counter()
        if mutant == "early":
            os.write(1, b"ACK 0 %s\n" % draft.id.encode())
        try:
            proof = await store.commit(item)
        except Fault as fault:
            os.write(1, f"FAULT {draft.id} {fault.status} {fault.message}\n".encode())
            return
        if mutant != "early":
            os.write(1, b"ACK %d %s\n" % (proof.seq, draft.id.encode()))
        slowest = max(slowest, time.perf_counter() - began)

    width = 1 if mutant or name == "alone" else 8
    for number in range(0, count, width):
        await asyncio.gather(*(one(number + more) for more in range(width)))
    os.write(1, b"SLOWEST %d\n" % (slowest * 1000))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else ""))
