"""Approvals in the store: on record, one answer counts, excerpts are sealed and shredded, questions are limited."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING

import msgspec
import pytest

from poundlock.adapters.sqlite import ApprovalFile, Reading
from poundlock.core import approvals
from poundlock.core.approvals import Approval, Needs, Wait
from poundlock.core.errors import ClientFault, Fault
from poundlock.core.model import Destination, Principal
from tests.adapters.logs import Ticking, checked, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

START = 1_700_000_000_000_000_000
TEXTS = ("Write to [email] about the parcel from the canal.",)


def question(id: str = "a1", *needs: str, human: str = "ada", at: int = START) -> Approval:  # noqa: A002 (as records have it)
    """Make a question about these needs."""
    wanted = Needs(needs or ("v1",), (("pii.email", 1),), (0,))
    there = Destination(name="anthropic", vendor="anthropic", plan="api")
    who = Principal(human=human, tool="claude-code")
    return approvals.ask(who, "c1", there, wanted, ["p"], "Why.", id=id, at=at, minutes=60, needed=1)


def waits(exchange: str = "e1", process: int = 0) -> Wait:
    """Say that an exchange waits in this process, or another one."""
    return Wait(exchange=exchange, process=process or os.getpid(), until=START + 150 * approvals.SECOND)


@contextlib.asynccontextmanager
async def file(folder: Path) -> AsyncIterator[ApprovalFile]:
    """Open the approvals of a folder."""
    async with opened(folder) as store:
        known = ApprovalFile(store, Ticking())
        try:
            yield known
        finally:
            known.close()


def kinds(folder: Path) -> list[str]:
    """Give the kinds of the records, in order; the log must verify."""
    assert checked(folder).sound
    reading = Reading(folder / "poundlock.db")
    try:
        return [row.kind for row in reading.rows()]
    finally:
        reading.close()


def yes(known: ApprovalFile, id: str = "a1", by: str = "grace"):  # type: ignore[no-untyped-def]  # noqa: A002 (a coroutine)
    """Answer with yes."""
    return known.answer(id, by=by, yes=True, scope="once", reason="", approvers=())


async def test_from_the_question_to_its_use(tmp_path: Path) -> None:
    """Each step is a record; excerpts are there until the answer, and then nowhere in the files."""
    async with file(tmp_path) as known:
        await known.ask(question(), TEXTS, waits(), limit=8)
        found = known.find("a")
        assert found is not None
        assert await known.excerpts(found) == TEXTS
        assert (await yes(known)).state == "approved"
        assert await known.excerpts(found) == ()
        with pytest.raises(ClientFault, match="approved already"):
            await yes(known, by="joan")
        await known.use(["a1"], "e1")
        with pytest.raises(ClientFault, match="used already"):
            await known.use(["a1"], "e2")
    assert kinds(tmp_path) == ["asked", "answered", "used"]
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"parcel" not in held
    connection = sqlite3.connect(tmp_path / "poundlock.db")
    assert connection.execute("SELECT sealed FROM approval").fetchall() == [(None,)]
    connection.close()


async def test_of_two_answers_at_once_one_counts(tmp_path: Path) -> None:
    """Two approvers press at the same moment: the second is told that it was answered."""
    async with file(tmp_path) as known:
        await known.ask(question(), TEXTS, waits(), limit=8)
        done = await asyncio.gather(*(yes(known, by=by) for by in ("grace", "joan")), return_exceptions=True)
        assert sorted(type(each).__name__ for each in done) == ["Approval", "ClientFault"]
    assert kinds(tmp_path) == ["asked", "answered"]


async def test_one_approval_is_used_once_by_two_exchanges_at_once(tmp_path: Path) -> None:
    """Two retries race for one yes: one leaves."""
    async with file(tmp_path) as known:
        await known.ask(question(), TEXTS, waits(), limit=8)
        await yes(known)
        done = await asyncio.gather(known.use(["a1"], "e1"), known.use(["a1"], "e2"), return_exceptions=True)
        assert [each is None for each in done].count(True) == 1
        # All or none: an approval that is there is not used up by an exchange that lacks another one.
        await known.ask(question("b1", "v2"), TEXTS, waits("e3"), limit=8)
        await yes(known, "b1")
        with pytest.raises(ClientFault):
            await known.use(["b1", "a1"], "e4")
        left = known.find("b1")
        assert left is not None
        assert left.state == "approved"
    assert kinds(tmp_path).count("used") == 1


async def test_equal_questions_are_one_and_open_ones_are_limited(tmp_path: Path) -> None:
    """The second exchange joins the first one's question; another person has a limit of their own."""
    async with file(tmp_path) as known:
        await known.ask(question(), TEXTS, waits(), limit=2)
        joined = await known.ask(question("a2"), TEXTS, waits("e2"), limit=2)
        assert (joined.id, joined.times, len(joined.waits)) == ("a1", 2, 2)
        await known.ask(question("b1", "v2"), TEXTS, waits("e3"), limit=2)
        with pytest.raises(ClientFault, match="2 questions of yours wait") as fault:
            await known.ask(question("c1", "v3"), TEXTS, waits("e4"), limit=2)
        assert fault.value.advice
        await known.ask(question("d1", "v3", human="joan"), TEXTS, waits("e5"), limit=2)
        assert [row.id for row in known.pending()] == ["a1", "b1", "d1"]


async def test_sweeping_ends_what_is_over(tmp_path: Path) -> None:
    """A question that is too old, and one whose process is gone: ended, on record, their excerpts shredded."""
    gone = 2**22 + 1  # beyond the largest process id of Linux
    async with file(tmp_path) as known:
        await known.ask(question("a1", at=START - 3600 * approvals.SECOND), TEXTS, waits(), limit=8)
        await known.ask(question("b1", "v2"), TEXTS, waits("e2", gone), limit=8)
        await known.ask(question("c1", "v3"), TEXTS, waits("e3"), limit=8)
        assert await known.sweep() == 2
        states = {row.id: row.state for row in known.newest(9)}
        assert states == {"a1": "expired", "b1": "withdrawn", "c1": "pending"}
        for row in known.newest(9):
            assert bool(await known.excerpts(row)) is (row.id == "c1")
        assert await known.sweep() == 0
    assert kinds(tmp_path) == ["asked", "asked", "asked", "ended", "ended"]


async def test_excerpts_are_bound_to_their_question(tmp_path: Path) -> None:
    """Sealed text that was moved to another question does not open."""
    async with file(tmp_path) as known:
        await known.ask(question(), TEXTS, waits(), limit=8)
        await known.ask(question("b1", "v2"), ("Other.",), waits("e2"), limit=8)
        connection = sqlite3.connect(tmp_path / "poundlock.db")
        connection.execute("UPDATE approval SET sealed = (SELECT sealed FROM approval WHERE id = 'a1') WHERE id = 'b1'")
        connection.commit()
        connection.close()
        moved = known.find("b1")
        assert moved is not None
        with pytest.raises(Fault):
            await known.excerpts(moved)


async def test_links(tmp_path: Path) -> None:
    """A link is good for its question, approver and time, and for nothing else."""
    async with file(tmp_path) as known:
        asked = await known.ask(question(), TEXTS, waits(), limit=8)
        path = known.link(asked, "grace hopper")
        assert path.startswith("/approvals/a1?by=grace%20hopper&until=")
        signature = path.rpartition("sig=")[2]
        assert known.good_link("a1", "grace hopper", asked.until, signature)
        assert not known.good_link("a1", "joan", asked.until, signature)
        assert not known.good_link("a2", "grace hopper", asked.until, signature)
        assert not known.good_link("a1", "grace hopper", asked.until + 1, signature)
        old = msgspec.structs.replace(asked, until=START - 1)
        assert not known.good_link("a1", "grace", START - 1, known.link(old, "grace").rpartition("sig=")[2])
