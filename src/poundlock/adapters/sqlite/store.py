"""The ports `Vault` and `AuditLog` on one SQLite file.

It awaits and hands over: writing is the writer's thread, reading the reader's, and nothing here blocks the event loop
longer than a look at the last record's place. One store serves one event loop. It never holds policy.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, TypeVar

from poundlock.adapters.sqlite.jobs import Append, Change, NewScope, Shred, Written
from poundlock.adapters.sqlite.memory import Memory, marks
from poundlock.adapters.sqlite.reading import Reading
from poundlock.adapters.sqlite.trouble import again, refusal
from poundlock.adapters.sqlite.writer import Outcome, Waiter, Writer
from poundlock.core.audit import canonical_body
from poundlock.core.errors import Fault
from poundlock.ports import Committed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from poundlock.adapters.sqlite.jobs import Job
    from poundlock.core.model import Draft, Record, ScopeKey, Surrogate
    from poundlock.ports import Clock, Entry, HeadPlace, Keys, Remembered, Sealing

T = TypeVar("T")

FILE = "poundlock.db"
"""The file's name in the state folder."""

PATIENCE = 10.0
"""Seconds that an entry may wait for its turn (another worker hangs, the file is locked) until it is refused."""

LATER = 0.2
"""Seconds after which records that nobody waits for are written, when no commit took them along before."""

_SCOPES = 4096
_LATE = 256
_UNKNOWN = 2**63


class SqliteStore:
    """Vault and audit log in the file `path`; `heads` is the second place for signed heads.

    A head is signed after every `head_every` records, `head_seconds` after a record that none covers, and at close.
    """

    writer_type: ClassVar[type[Writer]] = Writer

    def __init__(
        self,
        path: Path,
        keys: Keys,
        *,
        heads: HeadPlace | None,
        clock: Clock,
        head_every: int = 64,
        head_seconds: float = 60.0,
        patience: float = PATIENCE,
    ) -> None:
        self.path = path
        self._keys = keys
        self._patience = patience
        self._writer = self.writer_type(path, keys, place=heads, every=head_every, seconds=head_seconds, clock=clock)
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="poundlock-reader")
        self._memory = Memory()
        self._sealings: OrderedDict[str, tuple[bytes, Sealing]] = OrderedDict()
        self._late: list[Waiter] = []
        self._alarm: asyncio.TimerHandle | None = None
        self.lost = 0

    async def open(self) -> None:
        """Make or open the file, bring it up to date, and start the writer. Raises: `Fault`, `ConfigFault`."""
        self._loop = asyncio.get_running_loop()
        self._settle: Callable[[list[Outcome]], None] = self._tell
        try:
            await self._loop.run_in_executor(self._readers, self._writer.start)
        except BaseException:
            self._readers.shutdown(wait=False)
            raise
        self._reader = Reading(self.path)
        self._glance = Reading(self.path, patience=0.0)

    async def close(self) -> None:
        """Write what is queued, sign a last head, close the file. Raises: `Fault` when the writer doesn't end."""
        self._write_late()
        # Readers first: the last connection to close moves the write-ahead log into the database, if it may write.
        await asyncio.to_thread(self._readers.shutdown)
        self._reader.close()
        self._glance.close()
        ended = await asyncio.to_thread(self._writer.stop, self._patience + 5.0)
        if not ended:
            raise Fault("the audit log could not be closed: another process holds its lock", status=500)

    async def commit(self, entry: Entry) -> Committed:
        """Write vault rows and record in one transaction; return only when they are on the disk.

        Raises: `Fault` (status 500) when they could not be made durable. Nothing of the entry is stored then.
        """
        written = _written(entry.draft)
        sealed_key = b""
        vault: tuple[tuple[str, str, str, bytes], ...] = ()
        if entry.surrogates:
            if any(surrogate.scope != entry.scope for surrogate in entry.surrogates):
                raise Fault("nothing was sent: a surrogate of another scope in this entry", status=500)
            sealed_key, sealing = await self._sealing(entry.scope)
            vault = tuple((item.text, item.kind, item.fingerprint, sealing.seal(item)) for item in entry.surrogates)
        job = Append(written, entry.scope, entry.conversation, sealed_key, vault, marks(entry.refused, entry.labels))
        try:
            committed = await self._write(job, Committed, entry)
        except Fault:
            if vault:
                self._sealings.pop(entry.scope, None)  # it may have been destroyed by another worker: look again
            raise
        return committed

    def later(self, draft: Draft) -> None:
        """Write a record that nobody waits for: with the next commit, after `LATER` seconds, or at close.

        A sync of its own for each would double what an exchange costs. It never raises: see `lost`.
        """
        try:
            job = Append(_written(draft), "", "", b"", (), ())
        except Fault:
            self.lost += 1
            return
        self._late.append(Waiter(job, self._settle))
        if len(self._late) >= _LATE:
            self._write_late()
        elif self._alarm is None:
            self._alarm = self._loop.call_later(LATER, self._write_late)

    def _write_late(self) -> None:
        """Queue the records that nobody waits for."""
        late = self._taken_along()
        if not late:
            return
        try:
            self._writer.put(*late)
        except Fault:
            self.lost += len(late)

    def _taken_along(self) -> list[Waiter]:
        """Give the records that nobody waits for, no longer kept here."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        late, self._late = self._late, []
        return late

    async def scope_key(self, scope: str) -> ScopeKey:
        """Give the keys of `scope`, making and sealing them durably on first use. Raises: `Fault`."""
        return (await self._sealing(scope))[1].key

    async def remembered(self, scope: str, conversation: str) -> Remembered:
        """Give what this conversation has issued and been refused, by any worker. Raises: `Fault`."""
        entry = self._memory.get(scope, conversation)
        if entry is not None and entry.seq >= self._foreign():
            return entry.remembered()
        if entry is None:
            # Stands there before the file is read, so that our own commits told meanwhile get into it.
            entry = self._memory.begin(scope, conversation)
        glanced = self._nothing(scope, conversation, entry.seq)
        seq, sealed_key, rows, refused = (
            (*glanced, [], [])
            if glanced is not None
            else await self._read(lambda: self._reader.conversation(scope, conversation, entry.seq))
        )
        if entry.sealed_key is not None and entry.sealed_key != sealed_key:
            self._forget(scope)  # shredded by another worker, and perhaps begun anew
            return await self.remembered(scope, conversation)
        issued: list[Surrogate] = []
        if sealed_key is not None:
            _, sealing = await self._sealing(scope)
            if rows:
                issued = await self._read(lambda: [sealing.unseal(*row) for row in rows])
            entry.sealed_key = sealed_key
        self._memory.add(scope, conversation, entry, issued, refused)
        entry.seq = max(entry.seq, seq)
        return entry.remembered()

    async def known(self, scope: str, texts: tuple[str, ...]) -> tuple[Surrogate, ...]:
        """Give those of these surrogates that were issued to this scope, whatever the conversation. Raises: `Fault`."""
        rows = await self._read(lambda: self._reader.issued(scope, texts))
        if not rows:
            return ()
        _, sealing = await self._sealing(scope)
        return tuple(await self._read(lambda: [sealing.unseal(*row) for row in rows]))

    def _nothing(self, scope: str, conversation: str, after: int) -> tuple[int, bytes | None] | None:
        """Look whether a conversation has nothing new, as most have; None where it has, or where a look can't tell."""
        try:
            return self._glance.nothing(scope, conversation, after)
        except sqlite3.Error:
            return None  # the reader's thread will wait, or say what is wrong

    def _foreign(self) -> int:
        """Give the last record that may be another worker's. The file is looked at first: see `Writer`."""
        try:
            last = self._glance.last()
        except sqlite3.Error:
            return _UNKNOWN  # the reader's thread will wait, or say what is wrong
        return last if last > self._writer.ours else self._writer.foreign

    async def find(self, id: str) -> Sequence[Record]:  # noqa: A002 (the word that records use)
        """Give the records with this decision id, oldest first. Raises: `Fault`."""
        return await self._read(lambda: self._reader.find(id))

    async def shred(self, scope: str, draft: Draft) -> Committed:
        """Destroy the scope's key and all that it sealed, on record. Raises: `Fault`; nothing is destroyed then."""
        committed = await self._write(Shred(_written(draft), scope), Committed, None)
        self._forget(scope)
        return committed

    async def change(self, work: Callable[[sqlite3.Connection], tuple[object, tuple[Draft, ...]]], kind: type[T]) -> T:
        """Change tables of another part of the store, on record, in one durable transaction.

        `work` runs in the writer's thread and gives a result of `kind` with the records to write. Raises: `Fault`;
        nothing is changed then.
        """
        return await self._write(Change(work), kind, None)

    async def _sealing(self, scope: str) -> tuple[bytes, Sealing]:
        found = self._sealings.get(scope)
        if found is not None:
            self._sealings.move_to_end(scope)
            return found
        sealed = await self._read(lambda: self._reader.sealed_key(scope))
        if sealed is None:
            offered, sealing = self._keys.new_scope(scope)
            sealed = await self._write(NewScope(scope, offered), bytes, None)
            if sealed != offered:
                sealing = self._keys.open_scope(scope, sealed)
        else:
            sealing = self._keys.open_scope(scope, sealed)
        self._sealings[scope] = (sealed, sealing)
        if len(self._sealings) > _SCOPES:
            self._sealings.popitem(last=False)
        return sealed, sealing

    async def _read(self, read: Callable[[], T]) -> T:
        try:
            return await self._loop.run_in_executor(self._readers, read)
        except sqlite3.Error as cause:
            raise refusal(cause) from None
        except RuntimeError:
            raise Fault("nothing was sent: the audit log is closed", status=500) from None

    async def _write(self, job: Job, kind: type[T], entry: Entry | None) -> T:
        """Queue a job and wait until it is durable, or refused."""
        future: asyncio.Future[object] = self._loop.create_future()
        waiter = _Waiting(job, self._settle, future, entry)
        late = self._taken_along()
        try:
            self._writer.put(*late, waiter)
        except Fault:
            self.lost += len(late)
            raise
        timer = self._loop.call_later(self._patience, self._lose_patience, waiter)
        try:
            result = await future
        finally:
            timer.cancel()
        if not isinstance(result, kind):
            raise Fault("nothing was sent: the writer gave something else", status=500)
        return result

    def _lose_patience(self, waiter: _Waiting) -> None:
        if not waiter.future.done() and self._writer.withdraw(waiter):
            waiter.future.set_exception(
                Fault(
                    f"nothing was sent: the audit log was not free for {self._patience:g} seconds",
                    advice="Another Poundlock or program on this state folder hangs: end it. Type: poundlock doctor",
                    status=500,
                )
            )

    def _tell(self, outcomes: list[Outcome]) -> None:
        """Bring outcomes from the writer's thread to the event loop."""
        self._loop.call_soon_threadsafe(self._told, outcomes)

    def _told(self, outcomes: list[Outcome]) -> None:
        # Remember first, then wake: who waited sees its own commit.
        for outcome in outcomes:
            waiter = outcome.waiter
            if not isinstance(waiter, _Waiting):
                self.lost += outcome.fault is not None
                continue
            if outcome.fault is None and waiter.entry is not None:
                self._remember(waiter.entry)
            if waiter.future.done():
                continue
            if outcome.fault is not None:
                waiter.future.set_exception(again(outcome.fault))
            else:
                waiter.future.set_result(outcome.result)

    def _remember(self, entry: Entry) -> None:
        known = self._memory.get(entry.scope, entry.conversation)
        if known is not None:
            kept = marks(entry.refused, entry.labels)
            self._memory.add(entry.scope, entry.conversation, known, entry.surrogates, kept)

    def _forget(self, scope: str) -> None:
        self._sealings.pop(scope, None)
        self._memory.forget(scope)


class _Waiting(Waiter):
    """A waiter with the future of the coroutine that waits, and the entry to remember."""

    __slots__ = ("entry", "future")

    def __init__(
        self, job: Job, settle: Callable[[list[Outcome]], None], future: asyncio.Future[object], entry: Entry | None
    ) -> None:
        super().__init__(job, settle)
        self.future = future
        self.entry = entry


def _written(draft: Draft) -> Written:
    if not 0 <= draft.at < 2**63:
        raise Fault("a record's time is out of range; it was not written", status=500)
    return Written(draft.at, draft.kind, draft.id, canonical_body(draft.body))
