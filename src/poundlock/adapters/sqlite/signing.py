"""Signed heads: when one is due, how it is made inside the transaction, and how it reaches the second place.

INVARIANT: a head goes to the second place only after the transaction that holds it was committed; else a failed commit
would leave a head that knows of records which never were, and a sound log would look cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.audit import Frontier, Head, head_line, read_head, statement
from poundlock.core.errors import ConfigFault, Fault

if TYPE_CHECKING:
    import sqlite3

    from poundlock.ports import Clock, HeadPlace, Keys

_COLUMNS = "size, root, last, at, key, signature, frontier"


class Signing:
    """The heads of one writer. `size` is how many records the last head that it knows stands for."""

    def __init__(self, keys: Keys, place: HeadPlace | None, *, every: int, clock: Clock) -> None:
        self.keys = keys
        self.place = place
        self.every = every
        self.clock = clock
        self.size = 0
        self._prepared: Head | None = None
        self._pending: list[Head] = []

    def reconcile(self, connection: sqlite3.Connection) -> None:
        """Compare the second place with the log, and bring it what a crash kept back.

        Raises: `ConfigFault` when the second place knows of more than the log has, or of another log; `OSError`,
        `sqlite3.Error`.
        """
        head = _newest(connection)
        self.size = head[0].size if head else 0
        if self.place is None:
            return
        line = self.place.last()
        kept = read_head(line)
        if line and (kept is None or not self.keys.check(kept.key, statement(kept), kept.signature)):
            raise ConfigFault(
                f"the last line of {self.place.name} is no head that this master key signed",
                advice=f"Bring back the right key or file. To begin anew, move {self.place.name} away.",
            )
        if kept is not None:
            self._require_same_history(connection, kept, self.place.name)
        if head is not None and (kept is None or kept.size < head[0].size):
            self.place.append(head_line(head[0]))

    def prepare(self, connection: sqlite3.Connection, seq: int, last: str, *, force: bool) -> None:
        """Sign a head for the chain's end and insert it, when one is due. Raises `sqlite3.Error`."""
        self._prepared = None
        if seq == self.size or (seq - self.size < self.every and not force):
            return
        newest = _newest(connection)
        if newest is not None:
            self.size = newest[0].size  # another worker may have signed meanwhile
            if seq == self.size or (seq - self.size < self.every and not force):
                return
        tree = self._tree(newest)
        rows = connection.execute("SELECT hash FROM record WHERE seq > ? ORDER BY seq", (tree.size,))
        for (leaf,) in rows:
            tree.add(bytes.fromhex(leaf))
        if tree.size != seq:
            raise Fault(
                "nothing was sent: records are missing from the audit log",
                advice="Type: poundlock audit verify. Then restore a copy, or begin anew.",
                status=500,
            )
        head = Head(size=seq, root=tree.root(), last=last, at=self.clock.now(), key=self.keys.public)
        signature = self.keys.sign(statement(head))
        head = Head(size=seq, root=head.root, last=last, at=head.at, key=head.key, signature=signature)
        connection.execute(
            f"INSERT INTO head ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 (our own names)
            (head.size, head.root, head.last, head.at, head.key, head.signature, tree.pack()),
        )
        self._prepared = head

    def forget(self) -> None:
        """Drop a head whose transaction failed."""
        self._prepared = None

    def flush(self) -> None:
        """Bring committed heads to the second place. Raises `Fault` (status 500) when it can't take them."""
        if self._prepared is not None:
            self.size = self._prepared.size
            self._pending.append(self._prepared)
            self._prepared = None
        if self.place is None:
            self._pending.clear()
            return
        while self._pending:
            head = self._pending[0]
            try:
                kept = read_head(self.place.last())
                if kept is None or kept.size < head.size:  # else another worker has signed more records meanwhile
                    self.place.append(head_line(head))
            except OSError as cause:
                raise Fault(
                    f"nothing was sent: a signed head can't be written to {self.place.name} ({cause.strerror})",
                    advice="Make that place writable again (disk full, removed, read-only?), then just go on.",
                    status=500,
                ) from None
            self._pending.pop(0)

    def _require_same_history(self, connection: sqlite3.Connection, kept: Head, place: str) -> None:
        records = connection.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()[0]
        other = connection.execute("SELECT 1 FROM head WHERE size = ? AND root <> ?", (kept.size, kept.root)).fetchone()
        if kept.size > records or other is not None:
            raise ConfigFault(
                f"the audit log was cut off or rolled back: it has {records} records, and a signed head in {place} "
                f"stands for {kept.size}" + (" other ones" if other else ""),
                advice=f"Restore the log. If it was removed on purpose, move {place} away to begin anew.",
            )

    def _tree(self, newest: tuple[Head, bytes] | None) -> Frontier:
        """Take up the tree where the last signed head left it; from the first record when that head is not sound."""
        if newest is None:
            return Frontier()
        head, packed = newest
        try:
            tree = Frontier.unpack(head.size, packed)
        except ValueError:
            return Frontier()
        if tree.root() != head.root or not self.keys.check(head.key, statement(head), head.signature):
            return Frontier()
        return tree


def _newest(connection: sqlite3.Connection) -> tuple[Head, bytes] | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM head ORDER BY size DESC LIMIT 1"  # noqa: S608 (our own names)
    ).fetchone()
    if row is None:
        return None
    size, root, last, at, key, signature, packed = row
    return Head(size=size, root=root, last=last, at=at, key=key, signature=signature), packed
