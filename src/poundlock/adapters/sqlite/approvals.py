"""Approvals in the store's own file: what was asked, who waits, what was answered.

Every change is one transaction with its record. What an answer means is decided in `core/approvals`, inside that
transaction, so that of two answers only one counts. Excerpts are sealed with the key of the person who asked, and
overwritten as soon as nobody needs them. It never holds a value in clear.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from poundlock.adapters.sqlite.reading import Reading
from poundlock.adapters.sqlite.trouble import refusal
from poundlock.core import approvals
from poundlock.core.approvals import Approval, Wait
from poundlock.core.errors import ClientFault
from poundlock.core.model import Draft, Surrogate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poundlock.adapters.sqlite.store import SqliteStore
    from poundlock.core.approvals import Scope, Waiting
    from poundlock.ports import Clock

KEPT = 400 * approvals.DAY
"""How long an approval stays after it was asked for: a conversation may go on as long. Its records stay in the log."""
RECENT = 64
"""How many of a person's approvals are looked at; older ones have long ended."""
_OPEN = "('pending', 'approved', 'used', 'denied')"
_approval = msgspec.json.Decoder(Approval)
_texts = msgspec.json.Decoder(tuple[str, ...])
_Work = tuple[object, tuple[Draft, ...]]


class ApprovalFile:
    """The port `Approvals` on the store's file. One serves one event loop."""

    def __init__(self, store: SqliteStore, clock: Clock) -> None:
        """Use an open store (or one that is open when it is asked)."""
        self._store = store
        self._clock = clock
        self._reading: Reading | None = None

    def close(self) -> None:
        """Let go of the file."""
        if self._reading is not None:
            self._reading.close()

    def of(self, human: str) -> list[Approval]:
        """Give what counts of a person's approvals, the newest first. Raises: `Fault`."""
        sql = f"SELECT entry FROM approval WHERE human = ? AND state IN {_OPEN} ORDER BY asked DESC LIMIT ?"  # noqa: S608 (our own words)
        return self._all(sql, (human, RECENT))

    def find(self, id: str) -> Approval | None:  # noqa: A002 (the word that records use)
        """Give one approval by its id, or by the beginning of it where that says which. Raises: `Fault`."""
        rows = self._all("SELECT entry FROM approval WHERE id >= ? AND id < ? LIMIT 2", (id, id + "~")) if id else []
        return rows[0] if len(rows) == 1 or (rows and rows[0].id == id) else None

    def pending(self) -> list[Approval]:
        """Give what waits for an answer, the oldest first. Raises: `Fault`."""
        now = self._clock.now()
        rows = self._all("SELECT entry FROM approval WHERE state = 'pending' ORDER BY asked LIMIT 500", ())
        return [row for row in rows if approvals.expired(row, now).state == "pending"]

    def newest(self, count: int) -> list[Approval]:
        """Give the newest approvals, as they stand now. Raises: `Fault`."""
        now = self._clock.now()
        rows = self._all("SELECT entry FROM approval ORDER BY asked DESC LIMIT ?", (count,))
        return [approvals.expired(row, now) for row in rows]

    def alive(self, approval: Approval) -> frozenset[int]:
        """Give those of the processes in which its exchanges wait that are there: all of them are on this machine."""
        return frozenset(each.process for each in approval.waits if _lives(each.process))

    def link(self, approval: Approval, by: str) -> str:
        """Give the path of the page where this approver answers, signed; it ends with the question."""
        signature = self._store._keys.sign(approvals.linked(approval.id, by, approval.until))  # noqa: SLF001 (of the same package)
        return f"/approvals/{approval.id}?by={quote(by)}&until={approval.until}&sig={signature}"

    def good_link(self, id: str, by: str, until: int, signature: str) -> bool:  # noqa: A002 (the word that records use)
        """Tell whether a link is one of `link`, and has not ended."""
        keys = self._store._keys  # noqa: SLF001 (of the same package)
        return self._clock.now() < until and keys.check(keys.public, approvals.linked(id, by, until), signature)

    async def excerpts(self, approval: Approval) -> tuple[str, ...]:
        """Open what was sealed of the surroundings; nothing once it was shredded. Raises: `Fault`."""
        row = self._read("SELECT sealed FROM approval WHERE id = ?", (approval.id,))
        if not row or not row[0][0]:
            return ()
        _, sealing = await self._store._sealing(approval.human)  # noqa: SLF001 (of the same package)
        return _texts.decode(sealing.unseal(approval.id, "approval", approval.conversation, bytes(row[0][0])).value)

    async def ask(self, asked: Approval, excerpts: Sequence[str], wait: Wait, *, limit: int) -> Approval:
        """Put a question on record and give it, or the equal one that waits already, joined by this exchange.

        Raises: `ClientFault` when this person has too many open questions (`limit`).
        """
        _, sealing = await self._store._sealing(asked.human)  # noqa: SLF001 (of the same package)
        value = msgspec.json.encode(list(excerpts)).decode()
        sealed = sealing.seal(
            Surrogate(text=asked.id, kind="approval", scope=asked.human, fingerprint=asked.conversation, value=value)
        )

        def work(connection: sqlite3.Connection) -> _Work:
            rows = connection.execute(
                "SELECT entry FROM approval WHERE human = ? AND state = 'pending' ORDER BY asked", (asked.human,)
            ).fetchall()
            waiting = [_approval.decode(entry) for (entry,) in rows]
            waiting = [row for row in waiting if approvals.expired(row, asked.asked).state == "pending"]
            found = next((row for row in waiting if approvals.same(row, asked)), None)
            if found is None and len(waiting) >= limit:
                raise ClientFault(
                    f"{len(waiting)} questions of yours wait for an approval already.",
                    advice="Have them answered first: `poundlock approve` lists them.",
                )
            joined = approvals.joined(found or asked, wait)
            if found is None:
                connection.execute(
                    "INSERT INTO approval VALUES (?, ?, ?, ?, ?, ?)",
                    (joined.id, joined.human, joined.state, joined.asked, _text(joined), sealed),
                )
                connection.execute("DELETE FROM approval WHERE asked < ?", (asked.asked - KEPT,))
            else:
                _put(connection, joined)
            body = {**approvals.stake(joined), "exchange": wait.exchange, "times": joined.times}
            return joined, (Draft(kind="asked", id=joined.id, at=asked.asked, body=body),)

        return await self._store.change(work, Approval)

    async def left(self, id: str, exchange: str, how: Waiting) -> Approval:  # noqa: A002 (as above)
        """Say that an exchange waits no longer: it was told the id, or its client has gone. Raises: `Fault`."""
        now = self._clock.now()

        def change(found: Approval) -> tuple[Approval, dict[str, object]]:
            changed = approvals.left(found, exchange, how)
            return changed, {"exchange": exchange, "left": how, "state": changed.state}

        return await self._change(id, "waited", now, change)

    async def answer(
        self,
        id: str,  # noqa: A002 (as above)
        *,
        by: str,
        yes: bool,
        scope: Scope,
        reason: str,
        approvers: Sequence[str],
        glass: int = 0,
        through: str = "command line",
    ) -> Approval:
        """Take one person's answer, on record. Raises: `ClientFault` when it does not count."""
        now = self._clock.now()

        def change(found: Approval) -> tuple[Approval, dict[str, object]]:
            changed = approvals.answered(
                found,
                by=by,
                yes=yes,
                scope=scope,
                reason=reason,
                at=now,
                alive=self.alive(found),
                approvers=approvers,
                glass=glass,
            )
            told = {"by": by, "yes": yes, "reason": reason, "through": through, "state": changed.state}
            return changed, {**told, "scope": changed.scope, "valid": changed.valid, "broke_glass": changed.glass}

        return await self._change(id, "answered", now, change)

    async def use(self, ids: Sequence[str], exchange: str) -> None:
        """Use approvals for one exchange, all or none, on record. Raises: `ClientFault` when one admits no longer."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> _Work:
            drafts = []
            for id_ in ids:
                changed = approvals.used(_get(connection, id_), now)
                _put(connection, changed)
                body = {"approval": id_, "exchange": exchange, "state": changed.state, "broke_glass": changed.glass}
                drafts.append(Draft(kind="used", id=id_, at=now, body=body))
            return True, tuple(drafts)

        await self._store.change(work, bool)

    async def sweep(self) -> int:
        """End what is over: expired questions and answers, and questions whose asker is gone. Gives how many."""
        now = self._clock.now()
        rows = self._all("SELECT entry FROM approval WHERE state IN ('pending', 'approved') LIMIT 1000", ())
        over = [row.id for row in rows if self._ended(row, now) is not None]
        if not over:
            return 0

        def work(connection: sqlite3.Connection) -> _Work:
            drafts = []
            for id_ in over:
                changed = self._ended(_get(connection, id_), now)
                if changed is None:
                    continue
                _put(connection, changed)
                body = {"approval": id_, "state": changed.state, "human": changed.human}
                drafts.append(Draft(kind="ended", id=id_, at=now, body=body))
            return len(drafts), tuple(drafts)

        return await self._store.change(work, int)

    def _ended(self, row: Approval, now: int) -> Approval | None:
        changed = approvals.expired(row, now)
        if changed is row and approvals.abandoned(row, now, self.alive(row)):
            changed = msgspec.structs.replace(row, state="withdrawn")
        return changed if changed is not row else None

    async def _change(
        self,
        id: str,  # noqa: A002 (as above)
        kind: str,
        now: int,
        change: Callable[[Approval], tuple[Approval, dict[str, object]]],
    ) -> Approval:
        def work(connection: sqlite3.Connection) -> _Work:
            changed, told = change(_get(connection, id))
            _put(connection, changed)
            return changed, (Draft(kind=kind, id=id, at=now, body={"approval": id, "human": changed.human, **told}),)

        return await self._store.change(work, Approval)

    def _all(self, sql: str, values: tuple[object, ...]) -> list[Approval]:
        return [_approval.decode(row[0]) for row in self._read(sql, values)]

    def _read(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if self._reading is None:
            self._reading = Reading(self._store.path)
        try:
            return self._reading.connection.execute(sql, values).fetchall()
        except sqlite3.Error as cause:
            raise refusal(cause) from None


def _get(connection: sqlite3.Connection, id: str) -> Approval:  # noqa: A002 (as above)
    row = connection.execute("SELECT entry FROM approval WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise ClientFault("There is no approval of this id.", advice="`poundlock approve` lists what waits.")
    return _approval.decode(row[0])


def _put(connection: sqlite3.Connection, changed: Approval) -> None:
    """Keep an approval as it is now; its excerpts are shredded once it is answered (`secure_delete` overwrites)."""
    connection.execute(
        "UPDATE approval SET state = ?, entry = ?, sealed = CASE WHEN ? = 'pending' THEN sealed END WHERE id = ?",
        (changed.state, _text(changed), changed.state, changed.id),
    )


def _text(approval: Approval) -> str:
    return msgspec.json.encode(approval).decode()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
