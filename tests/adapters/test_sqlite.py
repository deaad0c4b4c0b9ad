"""The store on SQLite: what it keeps, how it refuses, and what it never does."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from poundlock.adapters.heads import HeadFile
from poundlock.adapters.keys import Keys
from poundlock.adapters.sqlite import Reading, SqliteStore
from poundlock.adapters.sqlite import writer as writer_module
from poundlock.adapters.sqlite.writer import Writer
from poundlock.core.errors import ConfigFault, Fault
from poundlock.core.model import Draft
from poundlock.ports import AuditLog, Remembered, Vault
from tests.adapters.logs import MASTER, SCOPE, TALK, Ticking, checked, entry, mode, named, opened, sql, surrogate

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_both_ports(tmp_path: Path) -> None:
    """One store is the vault and the audit log."""
    store = SqliteStore(tmp_path / "s" / "poundlock.db", Keys(MASTER), heads=None, clock=Ticking())
    vault: Vault = store
    log: AuditLog = store
    assert vault is log


async def test_commit_and_find(tmp_path: Path) -> None:
    """A record is found by its id, oldest first, chained, with its body; its seq and hash are the proof given."""
    async with opened(tmp_path) as store:
        first = await store.commit(entry(1))
        await store.commit(entry(2))
        third = await store.commit(entry(1))
        assert (first.seq, third.seq) == (1, 3)
        found = await store.find("d1")
        assert [(record.seq, record.hash, record.kind, record.body) for record in found] == [
            (1, first.hash, "exchange", {"n": 1}),
            (3, third.hash, "exchange", {"n": 1}),
        ]
        assert found[0].prev == "0" * 64
        assert await store.find("d9") == []
    assert checked(tmp_path).sound


async def test_close_leaves_one_file(tmp_path: Path) -> None:
    """After closing, all is in the database: no write-ahead log is left; files are 0600 and a made folder is 0700."""
    folder = tmp_path / "state"
    async with opened(folder) as store:
        await store.commit(entry(1))
        names = {path.name: mode(path) for path in folder.iterdir()}
        assert names.keys() >= {"poundlock.db", "poundlock.db-wal", "poundlock.db-shm", "poundlock.db-lock"}
        assert set(names.values()) == {0o600}
    assert {path.name for path in folder.iterdir()} == {"poundlock.db", "poundlock.db-lock", "heads.jsonl"}
    assert mode(folder) == 0o700
    assert (tmp_path / "state" / "heads.jsonl").read_bytes().count(b"\n") == 1


async def test_loose_file_is_tightened(tmp_path: Path) -> None:
    """A database that others could read is closed to them before anything is written."""
    async with opened(tmp_path):
        pass
    (tmp_path / "poundlock.db").chmod(0o644)
    async with opened(tmp_path):
        assert mode(tmp_path / "poundlock.db") == 0o600


async def test_scope_key_stays(tmp_path: Path) -> None:
    """A scope's keys are the same in this store, after a restart, and for whoever asks at the same time."""
    async with opened(tmp_path) as store:
        keys = await asyncio.gather(*(store.scope_key(SCOPE) for _ in range(5)))
        other = await store.scope_key("bob")
    async with opened(tmp_path) as store:
        assert {key.mint for key in keys} == {(await store.scope_key(SCOPE)).mint}
    assert other.mint != keys[0].mint
    assert sql(tmp_path, "SELECT count(*) FROM scope_key") == [(2,)]


async def test_remembered(tmp_path: Path) -> None:
    """A conversation gives back what it issued and was refused: its own, with values, also after a restart."""
    async with opened(tmp_path) as store:
        assert await store.remembered(SCOPE, TALK) == Remembered()
        await store.commit(entry(1, surrogate(1), surrogate(2)))
        await store.commit(entry(2, surrogate(3), refused=("fp9",)))
        await store.commit(entry(3, surrogate(4), talk="conversation-2"))
        await store.commit(entry(4, surrogate(5, scope="bob"), scope="bob"))
        now = await store.remembered(SCOPE, TALK)
        assert now.issued == (surrogate(1), surrogate(2), surrogate(3))
        assert now.refused == frozenset({"fp9"})
        assert await store.remembered(SCOPE, TALK) is now
        assert (await store.remembered("bob", TALK)).issued == (surrogate(5, scope="bob"),)
    async with opened(tmp_path) as store:
        assert await store.remembered(SCOPE, TALK) == now


async def test_remembered_follows_another_worker(tmp_path: Path) -> None:
    """What another store on the same file wrote is seen by the very next look, from both sides, in turns."""
    async with opened(tmp_path) as one, opened(tmp_path) as two:
        for number in range(0, 20, 2):
            await one.commit(entry(number, surrogate(number)))
            assert len((await two.remembered(SCOPE, TALK)).issued) == number + 1
            await two.commit(entry(number + 1, surrogate(number + 1), refused=(f"r{number}",)))
            seen = await one.remembered(SCOPE, TALK)
            assert {item.text for item in seen.issued} == {surrogate(n).text for n in range(number + 2)}
            assert len(seen.refused) == number // 2 + 1
    assert checked(tmp_path).sound


async def test_remembered_while_committing(tmp_path: Path) -> None:
    """Looking while commits are under way never loses one that had returned."""
    async with opened(tmp_path) as store:
        done: set[str] = set()

        async def write(number: int) -> None:
            await store.commit(entry(number, surrogate(number)))
            done.add(surrogate(number).text)

        async def look() -> None:
            for _ in range(40):
                before = set(done)
                seen = {item.text for item in (await store.remembered(SCOPE, TALK)).issued}
                assert before <= seen
                await asyncio.sleep(0)

        await asyncio.gather(*(write(number) for number in range(100)), look(), look())


async def test_same_surrogate_again(tmp_path: Path) -> None:
    """Committing the same surrogate again, in this or another conversation, is no conflict."""
    async with opened(tmp_path) as store:
        await store.commit(entry(1, surrogate(1)))
        await store.commit(entry(2, surrogate(1)))
        await store.commit(entry(3, surrogate(1), talk="conversation-2"))
        assert (await store.remembered(SCOPE, "conversation-2")).issued == (surrogate(1),)
    assert sql(tmp_path, "SELECT count(*), min(first_seq) FROM vault") == [(1, 1)]


async def test_two_values_one_surrogate(tmp_path: Path) -> None:
    """A surrogate that stands for another value already is refused; nothing of that entry stays, and others go on."""
    clash = surrogate(1, value="other")
    clash = type(clash)(text=clash.text, kind=clash.kind, scope=SCOPE, fingerprint="fp-other", value="other")
    async with opened(tmp_path) as store:
        await store.commit(entry(1, surrogate(1)))
        results = await asyncio.gather(
            store.commit(entry(2)),
            store.commit(entry(3, surrogate(7), clash, refused=("no",))),
            store.commit(entry(4)),
            return_exceptions=True,
        )
        assert isinstance(results[1], Fault)
        assert results[1].status == 500
        assert await store.find("d3") == []
        assert (await store.remembered(SCOPE, TALK)).issued == (surrogate(1),)
        assert (await store.remembered(SCOPE, TALK)).refused == frozenset()
    assert named(tmp_path) == []
    assert checked(tmp_path).records == 3


async def test_surrogate_of_another_scope(tmp_path: Path) -> None:
    """An entry with somebody else's surrogate is refused."""
    async with opened(tmp_path) as store:
        with pytest.raises(Fault, match="another scope"):
            await store.commit(entry(1, surrogate(1, scope="bob")))
    assert checked(tmp_path).records == 0


async def test_body_guard(tmp_path: Path) -> None:
    """A draft with an unexpected value is refused before anything is written."""
    async with opened(tmp_path) as store:
        with pytest.raises(Fault, match="float"):
            await store.commit(type(entry(1))(draft=Draft(kind="k", id="i", at=1, body={"x": 0.5})))
        with pytest.raises(Fault, match="time"):
            await store.commit(type(entry(1))(draft=Draft(kind="k", id="i", at=-1, body={})))
    assert checked(tmp_path).records == 0


async def test_group_commit(tmp_path: Path) -> None:
    """Entries that wait together share a transaction: a hundred need only a few commits."""
    commits = 0

    class Counting(Writer):
        def _commit(self, connection: sqlite3.Connection) -> None:
            nonlocal commits
            commits += 1
            super()._commit(connection)

    class Store(SqliteStore):
        writer_type = Counting

    async with opened(tmp_path, Store) as store:
        proofs = await asyncio.gather(*(store.commit(entry(number)) for number in range(100)))
        assert sorted(proof.seq for proof in proofs) == list(range(1, 101))
        assert commits <= 5
    assert checked(tmp_path).sound


async def test_heads_are_signed(tmp_path: Path) -> None:
    """A head is signed after every so many records and at close, in the log and in the second place alike."""
    async with opened(tmp_path, head_every=4) as store:
        for number in range(10):
            await store.commit(entry(number))
    report = checked(tmp_path)
    assert report.sound
    assert (report.records, report.signed, report.heads) == (10, 10, 6)
    assert sql(tmp_path, "SELECT size FROM head ORDER BY size") == [(4,), (8,), (10,)]


async def test_head_after_some_seconds(tmp_path: Path) -> None:
    """A record that no head covers gets one after a while, without any further record."""
    async with opened(tmp_path, head_seconds=0.05) as store:
        await store.commit(entry(1))
        for _ in range(100):
            if checked(tmp_path).signed == 1:
                break
            await asyncio.sleep(0.02)
        assert checked(tmp_path).signed == 1


async def test_heads_of_two_workers(tmp_path: Path) -> None:
    """Two workers sign one tree, and the second place never goes back."""
    async with opened(tmp_path, head_every=3) as one, opened(tmp_path, head_every=3) as two:
        for number in range(30):
            await (one if number % 2 else two).commit(entry(number))
    report = checked(tmp_path)
    assert report.sound
    assert (report.records, report.signed) == (30, 30)


async def test_altered_frontier_is_not_signed(tmp_path: Path) -> None:
    """A stored tree that was altered is not believed: the next head is made from the records and is right."""
    async with opened(tmp_path, head_every=4) as store:
        for number in range(7):
            await store.commit(entry(number))
    sql(tmp_path, "UPDATE head SET frontier = zeroblob(length(frontier))")
    async with opened(tmp_path, head_every=4) as store:
        for number in range(7):
            await store.commit(entry(number))
    report = checked(tmp_path)
    assert report.sound
    assert report.signed == 14


async def test_second_place_fails(tmp_path: Path) -> None:
    """When heads can't be anchored, the entries that follow are refused, saying where; then it is made up for."""
    place = tmp_path / "else"
    async with opened(tmp_path, heads=HeadFile(place / "heads.jsonl"), head_every=2) as store:
        await store.commit(entry(1))
        shutil.rmtree(place, ignore_errors=True)
        place.write_bytes(b"")  # a file where the folder should be
        await store.commit(entry(2))  # is durable: its head is due, and kept back
        with pytest.raises(Fault, match="signed head can't be written") as caught:
            await store.commit(entry(3))
        assert str(place) in str(caught.value)
        assert await store.find("d3") == []
        place.unlink()
        await store.commit(entry(4))
        await store.commit(entry(5))
    (tmp_path / "heads.jsonl").write_bytes((place / "heads.jsonl").read_bytes())
    report = checked(tmp_path)
    assert report.sound
    assert (report.records, report.signed) == (4, 4)


async def test_head_that_a_crash_kept_back(tmp_path: Path) -> None:
    """A head that is in the log but did not reach the second place gets there when the store opens again."""
    async with opened(tmp_path, head_every=2) as store:
        for number in range(4):
            await store.commit(entry(number))
    lines = (tmp_path / "heads.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "heads.jsonl").write_bytes(lines[0] + lines[1][:20])
    async with opened(tmp_path):
        pass
    assert (tmp_path / "heads.jsonl").read_bytes().splitlines(keepends=True) == lines
    assert checked(tmp_path).sound


async def test_rolled_back_log_is_not_continued(tmp_path: Path) -> None:
    """A store refuses to go on from an older copy than a signed head of the second place knows."""
    async with opened(tmp_path) as store:
        await store.commit(entry(1))
    shutil.copy(tmp_path / "poundlock.db", tmp_path / "older")
    async with opened(tmp_path) as store:
        await store.commit(entry(2))
    shutil.copy(tmp_path / "older", tmp_path / "poundlock.db")
    with pytest.raises(ConfigFault, match="rolled back") as caught:
        async with opened(tmp_path):
            pass
    assert "heads.jsonl" in caught.value.advice
    assert named(tmp_path) == [("truncated", 2, 2)]


async def test_other_log_of_the_same_length(tmp_path: Path) -> None:
    """A log that was exchanged for another one of the same length is noticed by its head."""
    for name, number in (("one", 1), ("two", 2)):
        async with opened(tmp_path / name) as store:
            await store.commit(entry(number))
    shutil.copy(tmp_path / "two" / "poundlock.db", tmp_path / "one" / "poundlock.db")
    with pytest.raises(ConfigFault, match=r"1 records, and a signed head in .* stands for 1 other ones"):
        async with opened(tmp_path / "one"):
            pass
    assert ("rolled back", 1, 1) in named(tmp_path / "one")


@pytest.mark.parametrize("line", [b"garbled\n", b'{"at":1,"key":"","last":"","root":"","signature":"","size":0}\n'])
async def test_second_place_that_is_not_ours(tmp_path: Path, line: bytes) -> None:
    """A store does not go on beside a second place whose last line no key of ours signed."""
    async with opened(tmp_path) as store:
        await store.commit(entry(1))
    with (tmp_path / "heads.jsonl").open("ab") as file:
        file.write(line)
    with pytest.raises(ConfigFault, match="no head that this master key signed"):
        async with opened(tmp_path):
            pass


async def test_another_master_key(tmp_path: Path) -> None:
    """A state folder whose master key was lost is refused at once, before anything is written."""
    async with opened(tmp_path) as store:
        await store.commit(entry(1))
    with pytest.raises(ConfigFault, match="the state belongs to another master key"):
        async with opened(tmp_path, keys=Keys(b"\x01" * 32)):
            pass
    assert checked(tmp_path).sound


async def test_newer_schema(tmp_path: Path) -> None:
    """A file of a newer Poundlock is refused, not guessed at."""
    async with opened(tmp_path):
        pass
    sql(tmp_path, "UPDATE origin SET version = 99")
    with pytest.raises(ConfigFault, match="newer"):
        async with opened(tmp_path):
            pass


async def test_shred(tmp_path: Path) -> None:
    """Shredding a scope leaves none of its rows or its key in any file, is on record, and spares other scopes."""
    async with opened(tmp_path) as store:
        old = await store.scope_key(SCOPE)
        await store.commit(entry(1, surrogate(1), refused=("fp9",)))
        await store.commit(entry(2, surrogate(2, scope="bob"), scope="bob"))
        ((sealed,),) = sql(tmp_path, "SELECT sealed FROM scope_key WHERE scope = 'ada'")
        ((value,),) = sql(tmp_path, "SELECT sealed FROM vault WHERE scope = 'ada'")
        await store.shred(SCOPE, Draft(kind="shred", id="s1", at=1, body={}))
        assert await store.remembered(SCOPE, TALK) == Remembered()
        assert (await store.remembered("bob", TALK)).issued == (surrogate(2, scope="bob"),)
        assert (await store.scope_key(SCOPE)).mint != old.mint
        assert [record.kind for record in await store.find("s1")] == ["shred"]
        for path in tmp_path.iterdir():
            assert sealed not in path.read_bytes(), path.name
            assert value not in path.read_bytes(), path.name
    assert checked(tmp_path).sound


async def test_shredded_by_another_worker(tmp_path: Path) -> None:
    """A worker that still holds a shredded key can't seal with it any more, and forgets what it remembered."""
    async with opened(tmp_path) as one, opened(tmp_path) as two:
        await one.commit(entry(1, surrogate(1)))
        assert (await one.remembered(SCOPE, TALK)).issued == (surrogate(1),)
        await two.shred(SCOPE, Draft(kind="shred", id="s1", at=1, body={}))
        with pytest.raises(Fault, match="destroyed"):
            await one.commit(entry(2, surrogate(2)))
        assert await one.remembered(SCOPE, TALK) == Remembered()
        await one.commit(entry(3, surrogate(3)))
        assert (await two.remembered(SCOPE, TALK)).issued == (surrogate(3),)


async def test_no_value_in_any_file(tmp_path: Path) -> None:
    """No sensitive value is in any byte of any file: while open, after closing, and in no `repr`."""
    values = [f"canary-{number}-{'x' * number}" for number in range(50)]

    def sweep() -> None:
        for path in tmp_path.iterdir():
            data = path.read_bytes()
            for encoding in ("utf-8", "utf-16-le"):
                assert "canary".encode(encoding) not in data, path.name

    async with opened(tmp_path, head_every=5) as store:
        for number, value in enumerate(values):
            item = surrogate(number, value=value)
            await store.commit(entry(number, item))
            assert "canary" not in repr(entry(number, item))
        assert [item.value for item in (await store.remembered(SCOPE, TALK)).issued] == values
        sweep()
    sweep()


class _Failing(Writer):
    """A writer whose commit fails as long as there is a cause."""

    cause: BaseException | None = None

    def _commit(self, connection: sqlite3.Connection) -> None:
        if self.cause is not None:
            raise self.cause
        super()._commit(connection)


class _FailingStore(SqliteStore):
    writer_type = _Failing


def _sqlite(name: str) -> sqlite3.OperationalError:
    cause = sqlite3.OperationalError("text with a canary")
    cause.sqlite_errorname = name  # type: ignore[misc]
    return cause


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (_sqlite("SQLITE_FULL"), "the disk is full"),
        (_sqlite("SQLITE_READONLY_DBMOVED"), "read-only"),
        (_sqlite("SQLITE_BUSY"), "locked by another program"),
        (_sqlite("SQLITE_CORRUPT"), "damaged"),
        (_sqlite("SQLITE_IOERR_FSYNC"), "the disk failed"),
        (_sqlite("SQLITE_ODD"), "SQLITE_ODD"),
        (OSError(errno.ENOSPC, "canary"), "the disk is full"),
        (OSError(errno.EROFS, "canary"), "read-only"),
        (OSError(errno.EIO, "canary"), "state folder failed"),
        (MemoryError("canary"), "MemoryError"),
    ],
    ids=lambda value: getattr(value, "sqlite_errorname", type(value).__name__),
)
async def test_failed_batch(tmp_path: Path, cause: BaseException, said: str) -> None:
    """A batch that fails refuses everyone in it with status 500, saying why and what to do; then all goes on."""
    async with opened(tmp_path, _FailingStore) as store:
        await store.commit(entry(0, surrogate(0)))
        await store.remembered(SCOPE, TALK)
        _Failing.cause = cause
        results = await asyncio.gather(
            *(store.commit(entry(number, surrogate(number))) for number in (1, 2, 3)), return_exceptions=True
        )
        _Failing.cause = None
        assert len({id(result) for result in results}) == 3
        for result in results:
            assert isinstance(result, Fault)
            assert result.status == 500
            assert said in result.message
            assert result.message.startswith("nothing was sent")
            assert result.advice
            assert "canary" not in result.message + result.advice
        assert (await store.remembered(SCOPE, TALK)).issued == (surrogate(0),)
        await store.commit(entry(4, surrogate(4)))
        assert (await store.remembered(SCOPE, TALK)).issued == (surrogate(0), surrogate(4))
    assert checked(tmp_path).records == 2
    assert checked(tmp_path).sound


async def test_dead_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the writer's thread dies, who waits is refused, and so is everyone until it has rested; then all goes on."""
    monkeypatch.setattr(writer_module, "REST", 0.5)
    async with opened(tmp_path, _FailingStore) as store:
        await store.commit(entry(0))
        _Failing.cause = SystemExit()
        with pytest.raises(Fault, match="nothing was sent"):
            await store.commit(entry(1))
        store._writer._thread.join(5)
        _Failing.cause = None
        with pytest.raises(Fault, match="nothing was sent") as caught:
            await asyncio.wait_for(store.commit(entry(2)), 1)
        assert caught.value.status == 500
        assert len(await store.find("d0")) == 1
        await asyncio.sleep(1.1)
        assert (await store.commit(entry(3))).seq == 3
        (told,) = await store.find("writer")
        assert (told.kind, told.seq, told.body["restarted"]) == ("writer", 2, True)
        assert "SystemExit" in told.body["message"]
    assert checked(tmp_path).records == 3
    assert checked(tmp_path).sound


async def test_a_writer_that_dies_again_rests_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each death doubles the rest, and a batch that is done ends that."""
    monkeypatch.setattr(writer_module, "REST", 0.05)
    async with opened(tmp_path, _FailingStore) as store:
        writer = store._writer
        _Failing.cause = SystemExit()
        rests = []
        for number in range(3):
            with pytest.raises(Fault, match="nothing was sent"):
                await store.commit(entry(number))
            writer._thread.join(5)
            rests.append(writer._rest)
            await asyncio.sleep(max(0.0, writer._rested - time.monotonic()) + 0.01)
        assert rests == pytest.approx([0.1, 0.2, 0.4])
        _Failing.cause = None
        await store.commit(entry(9))
        assert writer._rest == writer_module.REST


async def test_closed_store(tmp_path: Path) -> None:
    """A closed store refuses."""
    async with opened(tmp_path) as store:
        await store.commit(entry(0, surrogate(0)))
    for number in (1, 2):
        with pytest.raises(Fault, match="closed"):
            await store.commit(entry(number))


async def test_close_writes_what_is_queued(tmp_path: Path) -> None:
    """Entries that wait when the store closes are written and told."""
    store = SqliteStore(tmp_path / "poundlock.db", Keys(MASTER), heads=None, clock=Ticking())
    await store.open()
    waiting = [asyncio.ensure_future(store.commit(entry(number))) for number in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert sorted(proof.seq for proof in await asyncio.gather(*waiting)) == list(range(1, 51))


async def test_locked_by_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program holds the file, commits are refused; when it lets go, they work again."""
    monkeypatch.setattr("poundlock.adapters.sqlite.schema.BUSY_SECONDS", 0.1)
    async with opened(tmp_path) as store:
        await store.commit(entry(0))
        with contextlib.closing(sqlite3.connect(tmp_path / "poundlock.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Fault, match="locked by another program"):
                await store.commit(entry(1))
            other.execute("ROLLBACK")
        await store.commit(entry(2))
    assert named(tmp_path) == []
    assert checked(tmp_path).records == 2


async def test_another_worker_hangs(tmp_path: Path) -> None:
    """When another worker keeps the lock, an entry is refused after a while, and is not written later."""
    import fcntl

    async with opened(tmp_path, patience=0.1) as store:
        await store.commit(entry(0))
        with (tmp_path / "poundlock.db-lock").open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(Fault, match=r"not free for 0\.1 seconds"):
                await store.commit(entry(1))
        await store.commit(entry(2))
        assert await store.find("d1") == []
        assert len(await store.find("d2")) == 1


async def test_lock_is_held_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that can't get the lock to open says so after a while, and opens when the lock is free."""
    import fcntl

    monkeypatch.setattr("poundlock.adapters.sqlite.schema.BUSY_SECONDS", 0.1)
    with (tmp_path / "poundlock.db-lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Fault, match="holds the lock"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path) as store:
        await store.commit(entry(1))


async def test_cancelled_waiter(tmp_path: Path) -> None:
    """A waiter that is cancelled disturbs nobody; its record may stand."""
    async with opened(tmp_path) as store:
        task = asyncio.ensure_future(store.commit(entry(1)))
        await asyncio.sleep(0)
        task.cancel()
        await store.commit(entry(2))
        assert len(await store.find("d2")) == 1
    assert checked(tmp_path).sound


@pytest.mark.parametrize("name", ["poundlock.db", "poundlock.db-wal"])
async def test_file_taken_away(tmp_path: Path, name: str) -> None:
    """When the database or its log is removed under a running store, it refuses; what it had said stays true."""
    async with opened(tmp_path, heads=None) as store:
        await store.commit(entry(1))
        (tmp_path / name).unlink()
        for number in (2, 3):
            with pytest.raises(Fault, match="removed or replaced") as caught:
                await store.commit(entry(number))
            assert "start again" in caught.value.advice
    if name == "poundlock.db-wal":
        async with opened(tmp_path, heads=None) as store:
            assert len(await store.find("d1")) == 1
            await store.commit(entry(4))
        assert checked(tmp_path).sound
        assert checked(tmp_path).records == 2


async def test_records_that_disappear(tmp_path: Path) -> None:
    """A running store notices that its last record was cut off or altered with its hash, and refuses to go on."""
    async with opened(tmp_path, heads=None) as store:
        for number in range(3):
            await store.commit(entry(number))
        sql(tmp_path, "DELETE FROM record WHERE seq = 3")
        with pytest.raises(Fault, match="disappeared or changed"):
            await store.commit(entry(4))


async def test_damaged_file(tmp_path: Path) -> None:
    """A file that is no database is refused when it is opened, and left as it is."""
    (tmp_path / "poundlock.db").write_bytes(b"not a database at all" * 400)
    with pytest.raises(Fault, match="not a database") as caught:
        async with opened(tmp_path):
            pass
    assert caught.value.status == 500
    assert (tmp_path / "poundlock.db").read_bytes() == b"not a database at all" * 400


async def test_altered_vault_row(tmp_path: Path) -> None:
    """A sealed value that was altered or exchanged is a fault when it is read, and never a wrong value."""
    async with opened(tmp_path) as store:
        await store.commit(entry(1, surrogate(1), surrogate(2)))
    sql(tmp_path, "UPDATE vault SET sealed = (SELECT sealed FROM vault LIMIT 1)")
    async with opened(tmp_path) as store:
        with pytest.raises(Fault, match="altered"):
            await store.remembered(SCOPE, TALK)


@pytest.mark.parametrize(
    ("damage", "breach"),
    [
        ("UPDATE record SET at = at + 1 WHERE seq = 3", ("altered", 3, 3)),
        ("UPDATE record SET kind = 'closing' WHERE seq = 3", ("altered", 3, 3)),
        ("UPDATE record SET id = 'd7' WHERE seq = 3", ("altered", 3, 3)),
        ("UPDATE record SET body = replace(body, '2', '3') WHERE seq = 3", ("altered", 3, 3)),
        ("UPDATE record SET prev = hash WHERE seq = 3", ("altered", 3, 3)),
        ("UPDATE record SET hash = prev WHERE seq = 3", ("altered", 3, 3)),
        ("UPDATE record SET body = CAST(x'7bff7d' AS TEXT) WHERE seq = 3", ("altered", 3, 3)),
        ("UPDATE record SET seq = 20 WHERE seq = 3", ("reordered", 20, 20)),
        ("DELETE FROM record WHERE seq = 3", ("deleted", 3, 3)),
        ("DELETE FROM record WHERE seq > 6", ("truncated", 7, 8)),
        ("UPDATE head SET signature = '00' || substr(signature, 3) WHERE size = 8", ("wrong signature", 8, 8)),
        ("UPDATE head SET root = last WHERE size = 8", ("wrong signature", 8, 8)),
    ],
)
async def test_damage_is_named(tmp_path: Path, damage: str, breach: tuple[str, int, int]) -> None:
    """What someone does to the file with SQL is named, with the records that it concerns."""
    async with opened(tmp_path, head_every=4) as store:
        for number in range(8):
            await store.commit(entry(number))
    assert named(tmp_path) == []
    sql(tmp_path, damage)
    assert named(tmp_path)[0] == breach


async def test_swapped_rows(tmp_path: Path) -> None:
    """Two rows that changed places are named."""
    async with opened(tmp_path) as store:
        for number in range(8):
            await store.commit(entry(number))
    sql(
        tmp_path,
        "UPDATE record SET seq = 100 WHERE seq = 3",
        "UPDATE record SET seq = 3 WHERE seq = 6",
        "UPDATE record SET seq = 6 WHERE seq = 100",
    )
    assert named(tmp_path) == [("reordered", 3, 3), ("reordered", 6, 6)]


async def test_cut_tail_with_its_heads(tmp_path: Path) -> None:
    """Whoever cuts the tail and its heads from the log is not seen in the log, and is seen with the second place."""
    async with opened(tmp_path, head_every=4) as store:
        for number in range(8):
            await store.commit(entry(number))
    sql(tmp_path, "DELETE FROM record WHERE seq > 4", "DELETE FROM head WHERE size > 4")
    assert named(tmp_path, heads=False) == []
    assert named(tmp_path) == [("truncated", 5, 8)]


async def test_reading_beside_a_writer(tmp_path: Path) -> None:
    """A log that is being written to is verified as of one moment, and found sound each time."""
    async with opened(tmp_path, head_every=3) as store:
        ending = threading.Event()
        reports: list[Any] = []

        def verify_again() -> None:
            while not ending.is_set():
                reports.append(_as_of_one_moment(tmp_path))

        looking = asyncio.create_task(asyncio.to_thread(verify_again))
        for number in range(150):
            await store.commit(entry(number))
        ending.set()
        await looking
    assert len(reports) > 1
    assert all(report.sound for report in reports)


def _as_of_one_moment(folder: Path) -> Any:
    from poundlock.adapters.heads import read_lines
    from poundlock.core.audit import read_head
    from poundlock.core.ledger import verify

    path = folder / "heads.jsonl"
    heads = [read_head(line) for line in read_lines(path)] if path.exists() else []
    reading = Reading(folder / "poundlock.db")
    try:
        with reading.moment():
            signed = [("second place", head) for head in heads if head] + [("log", head) for head in reading.heads()]
            return verify(reading.rows(), signed, Keys(MASTER).check)  # type: ignore[arg-type]
    finally:
        reading.close()
