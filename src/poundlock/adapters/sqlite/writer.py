"""The one thread that writes: everything that waits goes into one transaction and one sync of the disk.

A batch holds the lock file (`flock`) from its first look at the chain to its commit, so that several processes make one
chain and none starves. INVARIANT: a waiter hears of success only after COMMIT returned. A batch that fails has failed
for all who waited, and the connection is thrown away; the next batch begins anew. A thread that died has failed for all
who waited, too; after a rest another one begins, and puts that on record. It never swallows a failure. When the
sync itself fails, and the machine then crashes, a record may stand for an exchange that was refused: never the reverse.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from poundlock.adapters.sqlite import schema
from poundlock.adapters.sqlite.jobs import Append, Chain, Job, Shred, Written
from poundlock.adapters.sqlite.schema import connect, migrate
from poundlock.adapters.sqlite.signing import Signing
from poundlock.adapters.sqlite.trouble import again, refusal
from poundlock.core.audit import canonical_body
from poundlock.core.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from poundlock.ports import Clock, HeadPlace, Keys

    Settle = Callable[[list["Outcome"]], None]

BATCH = 1024
"""How many jobs one transaction takes at most, so that no waiter waits for a batch without end."""

REST = 1.0
"""Seconds from the thread's death to the next one's beginning; twice as many each time that it dies again."""
LONGEST_REST = 60.0


class Waiter:
    """A job in the queue, and how to tell who waits for it. `settle` is called in the writer's thread."""

    __slots__ = ("job", "settle", "withdrawn")

    def __init__(self, job: Job, settle: Settle) -> None:
        self.job = job
        self.settle = settle
        self.withdrawn = False


class Outcome:
    """What became of a waiter: a result or a fault."""

    __slots__ = ("fault", "result", "waiter")

    def __init__(self, waiter: Waiter, result: object, fault: Fault | None) -> None:
        self.waiter = waiter
        self.result = result
        self.fault = fault


class Writer:
    """The writer's thread with its queue. `start` once, then `put`; `stop` writes what is queued and signs a head.

    Every record up to `foreign` may be another process's, and every one after it up to `ours` is this writer's. Both
    are set before the commit they speak of, so that a reader who looks at the file first never takes a foreign record
    for ours.
    """

    def __init__(
        self, path: Path, keys: Keys, *, place: HeadPlace | None, every: int, seconds: float, clock: Clock
    ) -> None:
        self.path = path
        self.keys = keys
        self.signing = Signing(keys, place, every=every, clock=clock)
        self.seconds = seconds
        self._lock_path = path.with_name(path.name + "-lock")
        self._wal_path = path.with_name(path.name + "-wal")
        self._lock_file = -1
        self._connection: sqlite3.Connection | None = None
        self._files: tuple[tuple[int, int] | None, tuple[int, int] | None] = (None, None)
        self._end: tuple[int, str] | None = None
        self._severed = False
        self._queue: deque[Waiter] = deque()
        self._ready = threading.Condition()
        self._stopping = False
        self._dead: Fault | None = None
        self._thread = self._new_thread()
        self._clock = clock
        self._rest = REST
        self._rested = 0.0
        self._due = float("inf")
        self.foreign = 0
        self.ours = 0

    def start(self) -> None:
        """Open the file, bring its tables up to date, compare with the second place, and start the thread.

        Raises: `Fault`, `ConfigFault`.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._lock_at_start()
            try:
                connection = connect(self.path)
                self._connection = connection
                migrate(connection, self.keys.public)
                self.signing.reconcile(connection)
                self.foreign = self.ours = Chain(connection).seq
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
        except BaseException as cause:
            self._drop()
            self._unlock_file()
            if isinstance(cause, sqlite3.Error | OSError):
                raise refusal(cause) from None
            raise
        self._thread.start()

    def _lock_at_start(self) -> None:
        """Take the lock file, or say after some seconds who is in the way: nobody waits for us with a deadline yet."""
        deadline = time.monotonic() + schema.BUSY_SECONDS
        while True:
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Fault(
                        "another process holds the lock of the audit log",
                        advice=f"End the Poundlock that hangs. Type: fuser {self._lock_path}",
                        status=500,
                    ) from None
                time.sleep(0.01)
            else:
                return

    def put(self, *waiters: Waiter) -> None:
        """Queue jobs, for one transaction if it has room. Raises `Fault` (status 500) when nobody would ever do it."""
        with self._ready:
            if self._dead is not None:
                self._begin_again(self._dead)
            if self._dead is None and self._thread.is_alive() and not self._stopping:
                self._queue.extend(waiters)
                self._ready.notify()
                return
        if self._dead is not None:
            raise again(self._dead)
        ending = "closed" if self._stopping else "dead"
        raise Fault(f"nothing was sent: the audit log is {ending}", advice="Start Poundlock again.", status=500)

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="poundlock-writer", daemon=True)

    def _begin_again(self, fault: Fault) -> None:
        """Start another thread in the place of one that died, when it has rested; the queue is held."""
        if self._stopping or self._thread.is_alive() or time.monotonic() < self._rested:
            return
        body = canonical_body({"restarted": True, "message": fault.message})
        record = Append(Written(self._clock.now(), "writer", "writer", body), "", "", b"", (), ())
        self._dead = None
        self._queue.append(Waiter(record, _unheard))
        self._thread = self._new_thread()
        self._thread.start()

    def withdraw(self, waiter: Waiter) -> bool:
        """Take a job out of the queue again; False when it is being done, or done."""
        with self._ready:
            if waiter in self._queue:
                waiter.withdrawn = True
                return True
            return False

    def stop(self, patience: float) -> bool:
        """Write what is queued, sign a last head, close. False when that did not end within `patience` seconds."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        if self._thread.ident is not None:
            self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            if self._lock_file < 0:  # the thread before this one let go of it
                self._lock_file = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            while self._wait():
                self._batch(closing=False)
            self._batch(closing=True)
        except BaseException as cause:  # noqa: BLE001 (whatever ended the thread: everyone who waits must hear of it)
            self._rested = time.monotonic() + self._rest
            self._rest = min(self._rest * 2, LONGEST_REST)
            self._die(refusal(cause))
        finally:
            self._die(Fault("nothing was sent: the audit log is closed", advice="Start Poundlock again.", status=500))
            self._drop()
            self._unlock_file()

    def _wait(self) -> bool:
        """Sleep until there is work (True) or the end (False)."""
        with self._ready:
            while not self._queue:
                if self._stopping:
                    return False
                now = time.monotonic()
                if self._due <= now:
                    return True
                self._ready.wait(None if self._due == float("inf") else self._due - now)
            return True

    def _take(self) -> list[Waiter]:
        with self._ready:
            taken: list[Waiter] = []
            while self._queue and len(taken) < BATCH:
                waiter = self._queue.popleft()
                if not waiter.withdrawn:
                    taken.append(waiter)
            return taken

    def _batch(self, *, closing: bool) -> None:
        """Do one transaction. What fails in it fails everyone in it."""
        taken: list[Waiter] | None = None
        outcomes: list[Outcome] = []
        durable = False
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                connection = self._open()
                self.signing.flush()
                self._begin(connection)
                chain = Chain(connection)
                self._compare(chain)
                if self._end is None or chain.seq != self._end[0]:
                    self.foreign = chain.seq
                taken = self._take()
                for waiter in taken:
                    try:
                        outcomes.append(Outcome(waiter, waiter.job.apply(connection, chain), None))
                    except Fault as fault:
                        outcomes.append(Outcome(waiter, None, fault))
                chain.write(connection)
                self.signing.prepare(connection, chain.seq, chain.hash, force=closing or self._due <= time.monotonic())
                self._note_files()
                self.ours = chain.seq
                self._commit(connection)
                durable = True
                self._rest = REST
                self._end = (chain.seq, chain.hash)
                self._settle(outcomes)
                self._after(connection, taken, chain.seq)
            finally:
                if not durable:
                    self.ours = self._end[0] if self._end else self.foreign
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
        except BaseException as cause:
            self._drop()
            self._due = time.monotonic() + self.seconds
            if not durable:
                self.signing.forget()
                refused = refusal(cause)
                taken = self._take() if taken is None else taken
                self._settle([Outcome(waiter, None, refused) for waiter in taken])
            if not isinstance(cause, Exception):
                raise

    def _after(self, connection: sqlite3.Connection, taken: list[Waiter], seq: int) -> None:
        """Do what follows a commit. Whoever waited has been told: a failure here is met again by the next batch."""
        with contextlib.suppress(Fault):  # the head stays pending: the next batch refuses until it is in its place
            self.signing.flush()
        if any(isinstance(waiter.job, Shred) for waiter in taken):
            with contextlib.suppress(sqlite3.Error):  # the old pages leave the log at a later checkpoint instead
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if seq <= self.signing.size:
            self._due = float("inf")
        elif self._due == float("inf") or self._due <= time.monotonic():
            self._due = time.monotonic() + self.seconds

    def _begin(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")

    def _commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        """Give the connection; refuse when the files under it were taken away, since writes to those are lost."""
        if self._severed:
            raise _severed()
        if self._connection is None:
            self._connection = connect(self.path)
            migrate(self._connection, self.keys.public)
            self._files = (None, None)
            return self._connection
        database, log = self._files
        if (database is not None and _identity(self.path) != database) or (
            log is not None and _identity(self._wal_path) != log
        ):
            self._severed = True
            if _identity(self._wal_path) is None and _identity(self.path) == database:
                # Only the write-ahead log's name is gone: bring what it holds into the database. We hold the lock
                # file, and nobody has begun another log yet, so the shared index still belongs to it.
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raise _severed()
        return self._connection

    def _note_files(self) -> None:
        if None in self._files:
            self._files = (_identity(self.path), _identity(self._wal_path))

    def _compare(self, chain: Chain) -> None:
        """Refuse to go on from a log that is shorter than, or other than, what we committed ourselves."""
        if self._end is None:
            return
        seq, end = self._end
        if chain.seq < seq or (chain.seq == seq and chain.hash != end):
            raise Fault(
                "nothing was sent: records of the audit log disappeared or changed while it was open",
                advice="Type: poundlock audit verify. Then restore a copy, or begin anew.",
                status=500,
            )

    def _settle(self, outcomes: list[Outcome]) -> None:
        groups: dict[int, tuple[Settle, list[Outcome]]] = {}
        for outcome in outcomes:
            settle = outcome.waiter.settle
            groups.setdefault(id(settle), (settle, []))[1].append(outcome)
        for settle, group in groups.values():
            with contextlib.suppress(RuntimeError):  # the waiters' event loop is closed: nobody is left to hear
                settle(group)

    def _die(self, fault: Fault) -> None:
        with self._ready:
            self._dead = self._dead or fault
            left = [waiter for waiter in self._queue if not waiter.withdrawn]
            self._queue.clear()
        self._settle([Outcome(waiter, None, self._dead) for waiter in left])

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _unlock_file(self) -> None:
        file, self._lock_file = self._lock_file, -1
        if file >= 0:
            os.close(file)


def _unheard(outcomes: list[Outcome]) -> None:
    """Settle what nobody waits for."""


def _severed() -> Fault:
    return Fault(
        "nothing was sent: files of the audit log were removed or replaced while it was open",
        advice="Stop every Poundlock on this state folder, type `poundlock audit verify`, and start again.",
        status=500,
    )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = os.stat(path)  # noqa: PTH116 (called at each batch: a third of the time)
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino
