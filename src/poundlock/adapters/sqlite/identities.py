"""The register of tools, people, tasks and what was revoked, in the store's own file.

Every change is one transaction with its record. A question is answered from the file each time, never from a memory, so
that all workers agree at once. It never holds a credential, only digests, and never decides who may act: the rules are
those of `core/identity`.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.adapters.sqlite.reading import Reading
from poundlock.adapters.sqlite.trouble import refusal
from poundlock.core.errors import ClientFault, ConfigFault
from poundlock.core.identity import registry, tasks
from poundlock.core.identity.registry import EVERYBODY, Person, Seen, Tool
from poundlock.core.identity.tasks import Standing, Task
from poundlock.core.model import Draft

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from poundlock.adapters.sqlite.store import SqliteStore
    from poundlock.ports import Clock

KEPT = 400 * registry.DAY
"""How long a task that has ended stays in the table; its records stay in the log."""

_TASK = (
    "SELECT t.entry, t.alive, t.ended, t.reason, l.entry, l.epoch, o.entry, p.entry, a.entry FROM task AS t "
    "LEFT JOIN tool AS l ON l.id = t.tool "
    "LEFT JOIN person AS o ON o.name = json_extract(l.entry, '$.owner') "
    "LEFT JOIN person AS p ON p.name = t.human "
    "LEFT JOIN person AS a ON a.name = '*' WHERE "
)
_task = msgspec.json.Decoder(Task)
_tool = msgspec.json.Decoder(Tool)
_person = msgspec.json.Decoder(Person)


class Questions:
    """What may be asked of the tables; each answer takes some microseconds. Raises: `Fault` for a file that fails."""

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        """Open `path` for reading, waiting `patience` seconds for a lock."""
        self._reading = Reading(path, patience=patience)
        self._connection = self._reading.connection

    def close(self) -> None:
        """Let go of the file."""
        self._reading.close()

    def revision(self) -> int:
        """Give a number that rises with each change of these tables."""
        row = self._one("SELECT number FROM revision", ())
        return int(row[0]) if row else -1

    def by_credential(self, digest: str) -> tuple[Standing, ...]:
        """Give the task of a credential, then its parents up to the root; nothing when it is not known."""
        return self._up(self._one(_TASK + "t.credential = ?", (digest,)))

    def by_id(self, task: str) -> tuple[Standing, ...]:
        """Give a task, then its parents up to the root; nothing when it is not known."""
        return self._up(self._one(_TASK + "t.id = ?", (task,)))

    def denied(self, token: str) -> bool:
        """Tell whether the token with this id was revoked by itself."""
        return self._one("SELECT 1 FROM denied WHERE id = ?", (token,)) is not None

    def tool(self, id: str) -> Seen | None:  # noqa: A002 (the word of the register)
        """Give a tool's entry."""
        row = self._one("SELECT entry, epoch, used FROM tool WHERE id = ?", (id,))
        return Seen(tool=_tool.decode(row[0]), epoch=row[1], used=row[2]) if row else None

    def tools(self) -> list[Seen]:
        """Give the whole register, by id."""
        rows = self._all("SELECT entry, epoch, used FROM tool ORDER BY id", ())
        return [Seen(tool=_tool.decode(entry), epoch=epoch, used=used) for entry, epoch, used in rows]

    def person(self, name: str) -> Person | None:
        """Give what is known of a person; `EVERYBODY` is one."""
        row = self._one("SELECT entry FROM person WHERE name = ?", (name,))
        return _person.decode(row[0]) if row else None

    def people(self) -> list[Person]:
        """Give everybody of whom something is known, by name."""
        return [_person.decode(entry) for (entry,) in self._all("SELECT entry FROM person ORDER BY name", ())]

    def works(self, human: str) -> bool:
        """Tell whether a task was opened for this person."""
        return self._one("SELECT 1 FROM task WHERE human = ? LIMIT 1", (human,)) is not None

    def newest(self, count: int, *, alive_at: int = 0) -> list[Standing]:
        """Give tasks, the newest first; only those that live at a time when one is given."""
        where = "t.ended = 0 AND t.alive > ?" if alive_at else "? = 0"
        rows = self._all(_TASK + where + " ORDER BY t.alive DESC LIMIT ?", (alive_at, count))
        found = [_standing(row) for row in rows]
        return sorted(found, key=lambda standing: -standing.task.opened)

    def _up(self, row: tuple[Any, ...] | None) -> tuple[Standing, ...]:
        found: list[Standing] = []
        while row is not None:
            found.append(_standing(row))
            parent = found[-1].task.parent
            row = self._one(_TASK + "t.id = ?", (parent,)) if parent and len(found) <= tasks.DEPTH else None
        return tuple(found)

    def _one(self, sql: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
        except sqlite3.Error as cause:
            raise refusal(cause) from None
        return row

    def _all(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as cause:
            raise refusal(cause) from None


class Identities:
    """The tables, to ask and to change. `by` is who changes them, for the records. The store is open already."""

    def __init__(self, store: SqliteStore, clock: Clock, *, by: str) -> None:
        self._store = store
        self._clock = clock
        self._by = by
        self.ask = Questions(store.path)

    def now(self) -> int:
        """Give the time that changes are made at, nanoseconds since the epoch."""
        return self._clock.now()

    def seen(self, id: str) -> Seen | None:  # noqa: A002 (the word of the register)
        """Give a tool's entry."""
        return self.ask.tool(id)

    def task(self, id: str) -> tuple[Standing, ...]:  # noqa: A002 (the word of the register)
        """Give a task, then its parents up to the root."""
        return self.ask.by_id(id)

    def close(self) -> None:
        """Let go of the file; the store is closed by whoever opened it."""
        self.ask.close()

    # --- Tools -------------------------------------------------------------------------------------------------------

    async def keep_tool(self, tool: Tool, *, what: str = "changed", new: bool = False) -> Tool:
        """Write an entry of the register, on record. `new`: only if there is none yet, else give the one there is.

        Raises: `ConfigFault` for an entry that means nothing.
        """
        registry.checked(tool)
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> tuple[Tool, tuple[Draft, ...]]:
            row = connection.execute("SELECT entry FROM tool WHERE id = ?", (tool.id,)).fetchone()
            before = _tool.decode(row[0]) if row else None
            if before is not None and new:
                return before, ()
            unowned = 0 if tool.owner else (before.unowned if before is not None and before.unowned else now)
            kept = registry.replaced(tool, added=before.added if before else now, unowned=unowned)
            connection.execute(
                "INSERT INTO tool VALUES (?, 0, 0, ?) ON CONFLICT (id) DO UPDATE SET entry = excluded.entry",
                (kept.id, _text(kept)),
            )
            _changed(connection)
            drafts = [self._draft("tool", kept.id, now, {"what": what if before else "added", **_plain(kept)})]
            privileges = (before.privilege if before else "drafts", kept.privilege)
            if privileges[0] != privileges[1]:
                change = {"tool": kept.id, "owner": kept.owner, "from": privileges[0], "to": privileges[1]}
                drafts.append(self._draft("privilege", kept.id, now, change))
            return kept, tuple(drafts)

        return await self._store.change(work, Tool)

    async def raise_privilege(self, tool: str, privilege: registry.Privilege) -> None:
        """Keep that a tool was given at least this privilege, on record when it is more than it had."""
        seen = self.ask.tool(tool)
        if seen is not None:
            after = registry.raised(seen.tool, privilege, self._clock.now())
            if after is not seen.tool:
                await self.keep_tool(after)

    # --- Tasks -------------------------------------------------------------------------------------------------------

    async def open_task(self, task: Task, digest: str, *, what: str = "issued", life: int = tasks.LIFE) -> Task:
        """Open a task under the digest of its credential, on record, if all that it hangs on stands now.

        It is stamped with the epochs of this moment, in the same transaction: a revocation comes either before, and
        refuses, or after, and ends it. Raises: `ClientFault` with the reason, which goes on record, too.
        """
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> tuple[Task | registry.Refusal, tuple[Draft, ...]]:
            row = connection.execute("SELECT entry, epoch FROM tool WHERE id = ?", (task.tool,)).fetchone()
            person, everybody = _who(connection, task.human), _who(connection, EVERYBODY)
            stamped = msgspec.structs.replace(
                task,
                tool_epoch=row[1] if row else 0,
                person_epoch=person.epoch if person else 0,
                all_epoch=everybody.epoch if everybody else 0,
            )
            tool = _tool.decode(row[0]) if row else None
            own = Standing(
                task=stamped,
                alive=now + life,
                tool=tool,
                tool_epoch=stamped.tool_epoch,
                owner=_who(connection, tool.owner) if tool else None,
                person=person,
                everybody=everybody,
            )
            above: list[Standing] = []
            at: str = task.parent
            while at and len(above) <= tasks.DEPTH:
                found = connection.execute(_TASK + "t.id = ?", (at,)).fetchone()
                if found is None:
                    break
                above.append(_standing(found))
                at = above[-1].task.parent
            why = tasks.refused([own, *above], now=now)
            owner = tool.owner if tool else ""
            if why is not None:
                body = {"event": "refused", "why": why.message, "owner": owner, **stamped.about}
                return why, (self._draft("task", task.id, now, body),)
            connection.execute(
                "INSERT INTO task VALUES (?, ?, ?, ?, ?, 0, '', ?)",
                (task.id, digest, task.tool, task.human, min(now + life, task.expires), _text(stamped)),
            )
            connection.execute("UPDATE tool SET used = max(used, ?) WHERE id = ?", (now, task.tool))
            connection.execute("DELETE FROM task WHERE alive < ?", (now - KEPT,))
            connection.execute("DELETE FROM denied WHERE until < ?", (now,))
            _changed(connection)
            return stamped, (self._draft("task", task.id, now, {"event": what, "owner": owner, **stamped.about}),)

        opened = await self._store.change(work, object)
        if isinstance(opened, registry.Refusal):
            raise ClientFault(opened.message, advice=opened.advice)
        assert isinstance(opened, Task)  # noqa: S101 (the only other thing that `work` gives)
        return opened

    async def renew(self, task: str, *, life: int = tasks.LIFE) -> bool:
        """Let a task live on, if it stands; False when it doesn't any more."""
        now = self._clock.now()
        if tasks.refused(self.ask.by_id(task), now=now) is not None:
            return False

        def work(connection: sqlite3.Connection) -> tuple[bool, tuple[Draft, ...]]:
            done = connection.execute(
                "UPDATE task SET alive = min(?, json_extract(entry, '$.expires')) WHERE id = ? AND ended = 0",
                (now + life, task),
            )
            return done.rowcount == 1, ()

        return await self._store.change(work, bool)

    async def end_task(self, task: str, *, reason: str) -> bool:
        """End a task, and with it all that descends from it, on record; False when it has ended or is not known."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> tuple[bool, tuple[Draft, ...]]:
            done = connection.execute(
                "UPDATE task SET ended = ?, reason = ? WHERE id = ? AND ended = 0", (now, reason, task)
            )
            if done.rowcount != 1:
                return False, ()
            _changed(connection)
            (entry,) = connection.execute("SELECT entry FROM task WHERE id = ?", (task,)).fetchone()
            about = _task.decode(entry).about
            return True, (self._draft("task", task, now, {"event": "ended", "why": reason, **about}),)

        return await self._store.change(work, bool)

    async def note(self, kind: str, id: str, body: Mapping[str, Any]) -> None:  # noqa: A002 (the word that records use)
        """Put something on record that changes no table."""
        draft = self._draft(kind, id, self._clock.now(), dict(body))
        await self._store.change(lambda _connection: (True, (draft,)), bool)

    # --- Revocation --------------------------------------------------------------------------------------------------

    async def end_tool(self, tool: str, *, reason: str) -> None:
        """End every task of a tool, and of whatever descends from them, and suspend it. Raises: `ConfigFault`."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> tuple[bool, tuple[Draft, ...]]:
            row = connection.execute("SELECT entry FROM tool WHERE id = ?", (tool,)).fetchone()
            if row is None:
                return False, ()
            entry = registry.replaced(_tool.decode(row[0]), state="suspended")
            connection.execute("UPDATE tool SET epoch = epoch + 1, entry = ? WHERE id = ?", (_text(entry), tool))
            _changed(connection)
            body = {"what": "tool", "name": tool, "owner": entry.owner, "why": reason}
            return True, (self._draft("revoked", tool, now, body),)

        if not await self._store.change(work, bool):
            raise ConfigFault("The register has no such tool.", advice="`poundlock tools list` shows them.")

    async def set_person(self, name: str, *, gone: bool, reason: str) -> Person:
        """End all that a person began and let them in no more, or let them in again; `EVERYBODY` stops everything."""
        if name != EVERYBODY:
            registry.name(name, "person")
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> tuple[Person, tuple[Draft, ...]]:
            before = _who(connection, name) or Person(name=name)
            after = Person(name=name, epoch=before.epoch + gone, gone=gone, since=now, reason=reason)
            connection.execute("INSERT OR REPLACE INTO person VALUES (?, ?)", (name, _text(after)))
            _changed(connection)
            word = "everything" if name == EVERYBODY else "person"
            body = {"what": word, "name": name, "why": reason}
            return after, (self._draft("revoked" if gone else "lifted", name, now, body),)

        return await self._store.change(work, Person)

    async def present(self, names: Iterable[str], *, reason: str) -> tuple[list[str], list[str]]:
        """Take over a list of who is there: whoever is missing has left. Gives those that left and those that came."""
        there = {registry.name(name, "person") for name in names}
        known = {person.name: person for person in self.ask.people() if person.name != EVERYBODY}
        owners = {seen.tool.owner for seen in self.ask.tools() if seen.tool.owner}
        left = sorted(name for name in (known.keys() | owners) - there if not (name in known and known[name].gone))
        came = sorted(name for name in there if name in known and known[name].gone)
        for name in left:
            await self.set_person(name, gone=True, reason=reason)
        for name in came:
            await self.set_person(name, gone=False, reason=reason)
        return left, came

    async def deny(self, tokens: Sequence[tuple[str, int]], *, reason: str) -> None:
        """Revoke tokens by their ids, each until its own end (nanoseconds), on record."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> tuple[bool, tuple[Draft, ...]]:
            connection.executemany("INSERT OR REPLACE INTO denied VALUES (?, ?)", tokens)
            _changed(connection)
            body = {"what": "token", "count": len(tokens), "why": reason}
            return True, (self._draft("revoked", tokens[0][0] if len(tokens) == 1 else "tokens", now, body),)

        await self._store.change(work, bool)

    def _draft(self, kind: str, id: str, at: int, body: dict[str, Any]) -> Draft:  # noqa: A002 (as records have it)
        return Draft(kind=kind, id=id, at=at, body={**body, "by": self._by})


def _standing(row: tuple[Any, ...]) -> Standing:
    entry, alive, ended, reason, tool, epoch, owner, person, everybody = row
    return Standing(
        task=_task.decode(entry),
        alive=alive,
        ended=ended,
        reason=reason,
        tool=_tool.decode(tool) if tool else None,
        tool_epoch=epoch or 0,
        owner=_person.decode(owner) if owner else None,
        person=_person.decode(person) if person else None,
        everybody=_person.decode(everybody) if everybody else None,
    )


def _who(connection: sqlite3.Connection, name: str) -> Person | None:
    row = connection.execute("SELECT entry FROM person WHERE name = ?", (name,)).fetchone()
    return _person.decode(row[0]) if row else None


def _changed(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE revision SET number = number + 1")


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()


def _plain(tool: Tool) -> dict[str, Any]:
    return {"tool": tool.id, **{name: _json(getattr(tool, name)) for name in tool.__struct_fields__ if name != "id"}}


def _json(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
