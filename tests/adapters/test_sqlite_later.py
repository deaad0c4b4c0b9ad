"""Records that nobody waits for: when they are written, in what order, and what is said of those that can't be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from poundlock.adapters.sqlite import Reading, SqliteStore, store
from poundlock.adapters.sqlite.writer import Writer
from poundlock.core.model import Draft
from tests.adapters.logs import checked, entry, opened

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    import pytest


class _Counting(Writer):
    """A writer that counts its commits."""

    commits = 0

    def _commit(self, connection: sqlite3.Connection) -> None:
        type(self).commits += 1
        super()._commit(connection)


class _Counted(SqliteStore):
    writer_type = _Counting


def _closing(number: int) -> Draft:
    return Draft(kind="closing", id=f"d{number}", at=1_700_000_000_000_000_000 + number, body={"n": number})


def _kinds(folder: Path) -> list[tuple[str, str]]:
    reading = Reading(folder / "poundlock.db")
    try:
        return [(row.id, row.kind) for row in reading.rows()]
    finally:
        reading.close()


async def test_taken_along_by_the_next_commit(tmp_path: Path) -> None:
    """Two records that nobody waits for share the next commit's transaction and stand before its record.

    Mutants: a transaction for each; the commit first.
    """
    async with opened(tmp_path, _Counted) as log:
        await log.commit(entry(1))
        before = _Counting.commits
        log.later(_closing(1))
        log.later(_closing(2))
        await log.commit(entry(3))
        assert _Counting.commits - before == 1
        assert _kinds(tmp_path)[1:] == [("d1", "closing"), ("d2", "closing"), ("d3", "exchange")]
        assert log.lost == 0
    assert checked(tmp_path).sound


async def test_written_after_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no commit comes, they are written all the same, and in one transaction."""
    monkeypatch.setattr(store, "LATER", 0.01)
    async with opened(tmp_path, _Counted) as log:
        before = _Counting.commits
        log.later(_closing(1))
        log.later(_closing(2))
        async with asyncio.timeout(5):
            while len(await log.find("d2")) == 0:
                await asyncio.sleep(0.01)
        assert _Counting.commits - before == 1
        assert _kinds(tmp_path) == [("d1", "closing"), ("d2", "closing")]


async def test_many_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a bounded number is ever kept back."""
    monkeypatch.setattr(store, "LATER", 3600.0)
    monkeypatch.setattr(store, "_LATE", 3)
    async with opened(tmp_path) as log:
        for number in range(3):
            log.later(_closing(number))
        async with asyncio.timeout(5):
            while len(await log.find("d2")) == 0:
                await asyncio.sleep(0.01)


async def test_written_at_close(tmp_path: Path) -> None:
    """Closing the log writes what waits; a record after that is counted as lost, and nothing is raised."""
    async with opened(tmp_path) as log:
        log.later(_closing(1))
    assert _kinds(tmp_path) == [("d1", "closing")]
    assert checked(tmp_path).sound
    for _ in range(store._LATE):
        log.later(_closing(2))
    assert log.lost == store._LATE
    assert _kinds(tmp_path) == [("d1", "closing")]


async def test_what_fails_is_counted(tmp_path: Path) -> None:
    """A record whose commit fails, and one that can't be a record, are counted; the next ones are written."""

    class Failing(Writer):
        broken = True

        def _commit(self, connection: sqlite3.Connection) -> None:
            if self.broken:
                raise OSError(28, "canary")
            super()._commit(connection)

    class Store(SqliteStore):
        writer_type = Failing

    async with opened(tmp_path, Store) as log:
        log.later(Draft(kind="closing", id="d1", at=-1, body={}))
        assert log.lost == 1
        log.later(_closing(1))
        log._write_late()
        async with asyncio.timeout(5):
            while log.lost == 1:
                await asyncio.sleep(0.01)
        assert log.lost == 2
        Failing.broken = False
        log.later(_closing(3))
    assert _kinds(tmp_path) == [("d3", "closing")]
