"""Promise 2: nothing leaves without a durable record. Here: what a commit said to be durable is so, whatever happens.

The order of commit and connection is the gateway's to prove; this is the log's half.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from poundlock.adapters.sqlite import Reading, SqliteStore
from poundlock.adapters.sqlite.writer import Writer
from poundlock.core.errors import Fault
from tests.adapters.logs import checked, entry, opened

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def start(folder: Path, name: str, count: int, *before: str, mutant: str = "") -> subprocess.Popen[bytes]:
    """Start a process that commits."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "tests.promises.committing", str(folder), name, str(count), mutant],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if before else None,
    )


def acknowledged(output: bytes) -> dict[str, int]:
    """Give what was said to be durable: id → seq. A line that was cut off by a kill counts for nothing."""
    found = re.findall(rb"^ACK (\d+) (\S+)\n", output, re.MULTILINE)
    return {name.decode(): int(seq) for seq, name in found}


def kept(folder: Path) -> dict[str, int]:
    """Give what is in the log: id → seq."""
    reading = Reading(folder / "poundlock.db")
    try:
        return {row.id: row.seq for row in reading.rows()}
    finally:
        reading.close()


def test_kill_9(tmp_path: Path) -> None:
    """Everything acknowledged before a `kill -9` is found, the chain and every head hold, round after round."""
    dice = random.Random(7)
    said: dict[str, int] = {}
    interrupted = 0
    for number in range(12):
        process = start(tmp_path, f"round{number}", 100_000)
        assert process.stdout is not None
        assert process.stdout.readline() == b"OPEN\n"
        time.sleep(dice.uniform(0.0, 0.25))
        process.send_signal(signal.SIGKILL)
        said |= acknowledged(process.stdout.read())
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        interrupted += 1
        found = kept(tmp_path)
        assert {name: found.get(name) for name in said} == said
        report = checked(tmp_path)
        assert report.sound, report.breaches
        assert report.records == len(found)
    assert interrupted == 12
    assert len(said) > 300


def test_acknowledged_too_early_is_caught(tmp_path: Path) -> None:
    """The mutant that acknowledges before it commits is caught by the same comparison."""
    missing: set[str] = set()
    for number in range(20):
        process = start(tmp_path, f"round{number}", 100_000, mutant="early")
        assert process.stdout is not None
        assert process.stdout.readline() == b"OPEN\n"
        time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        said = acknowledged(process.stdout.read())
        process.stdout.close()
        process.wait()
        missing |= said.keys() - kept(tmp_path).keys()
        if missing:
            return
    pytest.fail("a mutant that acknowledges before it commits was not noticed in 20 kills")


@pytest.mark.parametrize("workers", [2, 4])
def test_several_processes(tmp_path: Path, workers: int) -> None:
    """Several processes on one file make one chain without a gap; every proof is right, and nobody starves."""
    count = 160
    running = [start(tmp_path, f"worker{number}", count) for number in range(workers)]
    outputs = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * workers
    found = kept(tmp_path)
    assert sorted(found.values()) == list(range(1, workers * count + 1))
    for output in outputs:
        said = acknowledged(output)
        assert len(said) == count
        assert {name: found[name] for name in said} == said
        (slowest,) = re.findall(rb"SLOWEST (\d+)", output)
        assert int(slowest) < 3000  # ms; SQLite's own waiting was seen to keep one worker out for as long as it lasts
    report = checked(tmp_path)
    assert report.sound, report.breaches
    assert report.signed == workers * count


def test_one_of_several_is_killed(tmp_path: Path) -> None:
    """A worker that is killed, perhaps inside its transaction, keeps no lock: the others go on."""
    victim, other = start(tmp_path, "victim", 100_000), start(tmp_path, "other", 200)
    assert victim.stdout is not None
    victim.stdout.readline()
    time.sleep(0.1)
    victim.kill()
    said = acknowledged(victim.stdout.read())
    victim.stdout.close()
    victim.wait()
    said |= acknowledged(other.communicate(timeout=60)[0])
    assert other.returncode == 0
    found = kept(tmp_path)
    assert {name: found.get(name) for name in said} == said
    assert checked(tmp_path).sound


def _traced(folder: Path, *, mutant: str = "") -> list[str]:
    """Trace a process that commits one entry at a time; give in order `open`, `log` (it is written), `sync`, `ack`."""
    if shutil.which("strace") is None:
        pytest.skip("test_strace_order: strace is missing")
    trace = folder / "trace"
    calls = "trace=fsync,fdatasync,pwrite64,write"
    process = start(folder, "alone", 12, "strace", "-f", "-y", "-e", calls, "-o", str(trace), mutant=mutant)
    output, _ = process.communicate(timeout=60)
    if process.returncode != 0 and not trace.exists():
        pytest.skip("test_strace_order: the kernel forbids tracing")
    assert len(acknowledged(output)) == 12
    events = []
    for line in trace.read_text(errors="replace").splitlines():
        if "unfinished" in line and "sync" in line:
            continue  # it counts when it returns
        if re.search(r"(fsync|fdatasync).*(-wal>\)|resumed>\)).* = 0", line):
            events.append("sync")
        elif re.search(r"pwrite64\(\d+<[^>]*-wal>", line):
            events.append("log")
        elif re.search(r'write\(1<[^>]*>, "ACK', line):
            events.append("ack")
        elif re.search(r'write\(1<[^>]*>, "OPEN', line):
            events.append("open")
    return events


def _order_holds(events: list[str]) -> bool:
    """Whether before each acknowledgement the log was written, and synced after its last write."""
    assert events.count("ack") == 12
    unsynced = written = False
    for event in events:
        if event == "log":
            unsynced = written = True
        elif event == "sync":
            unsynced = False
        elif event == "open":
            written = False  # what was written to make the tables is no entry
        else:
            if unsynced or not written:
                return False
            written = False
    return True


def test_strace_order(tmp_path: Path) -> None:
    """The log is synced after it was written and before the commit is acknowledged, each time."""
    assert _order_holds(_traced(tmp_path))


@pytest.mark.parametrize("mutant", ["unsynced", "early"])
def test_strace_order_mutant(tmp_path: Path, mutant: str) -> None:
    """A store that does not sync, and one that acknowledges first, are both caught."""
    assert not _order_holds(_traced(tmp_path, mutant=mutant))


def test_strace_failing_sync(tmp_path: Path) -> None:
    """When the disk fails to sync, nothing is acknowledged from then on, and every waiter is refused with 500."""
    if shutil.which("strace") is None:
        pytest.skip("test_strace_failing_sync: strace is missing")
    inject = "inject=fdatasync,fsync:error=EIO:when=20+"
    process = start(tmp_path, "alone", 60, "strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-e", inject)
    output, _ = process.communicate(timeout=60)
    said = acknowledged(output)
    faults = re.findall(rb"^FAULT (\S+) (\d+) (.*)$", output, re.MULTILINE)
    if not faults and len(said) == 60:
        pytest.skip("test_strace_failing_sync: the kernel forbids tracing")
    assert 0 < len(said) < 60
    assert len(said) + len(faults) == 60
    assert {status for _, status, _ in faults} == {b"500"}
    assert any(b"the disk failed" in message for _, _, message in faults)
    assert set(acknowledged(output[output.index(b"FAULT") :])) == set()
    found = kept(tmp_path)
    assert {name: found.get(name) for name in said} == said
    assert checked(tmp_path).sound


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("test_full_disk: mounting a small disk needs root")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("test_full_disk: this machine can't mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(small_disk: Path) -> None:
    """On a full disk every commit is refused, saying so; what was acknowledged is there; with space, it goes on."""
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 500_000)
    process = start(small_disk, "full", 4000)
    output, _ = process.communicate(timeout=60)
    said = acknowledged(output)
    faults = re.findall(rb"^FAULT (\S+) (\d+) (.*)$", output, re.MULTILINE)
    assert len(said) > 50
    assert len(faults) > 50
    assert len(said) + len(faults) == 4000
    assert {status for _, status, _ in faults} == {b"500"}
    assert any(b"the disk is full" in message for _, _, message in faults)
    filler.unlink()
    again = start(small_disk, "after", 80)
    more = acknowledged(again.communicate(timeout=60)[0])
    assert len(more) == 80
    found = kept(small_disk)
    assert {name: found.get(name) for name in said | more} == said | more
    assert not {name.decode() for name, _, _ in faults} & found.keys()
    assert checked(small_disk).sound


def test_file_size_limit(tmp_path: Path) -> None:
    """The same without root: the log may not grow any more, so commits are refused; later ones work again."""
    code = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)); "
    code += "sys.argv = sys.argv[:1] + sys.argv[1:]; runpy.run_module('tests.promises.committing', run_name='__main__')"
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "limited", "2000"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    said = acknowledged(process.stdout)
    faults = re.findall(rb"^FAULT (\S+) (\d+) (.*)$", process.stdout, re.MULTILINE)
    assert len(said) > 50
    assert len(faults) > 50
    assert {status for _, status, _ in faults} == {b"500"}
    found = kept(tmp_path)
    assert {name: found.get(name) for name in said} == said
    again = start(tmp_path, "after", 80)
    assert len(acknowledged(again.communicate(timeout=60)[0])) == 80
    assert checked(tmp_path).sound


def test_read_only_database() -> None:
    """A store that can't write its files refuses to open, and says what to do."""
    folder = Path(tempfile.mkdtemp(prefix="poundlock-test-"))  # whose parents another user may enter
    start(folder, "first", 8).communicate(timeout=60)
    code = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from tests.promises.committing import main\n"
        "from poundlock.core.errors import Fault\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: asyncio.run(main(Path(sys.argv[1]), 'second', 8, ''))\n"
        "except Fault as fault: print('REFUSED', fault.status, fault.message, fault.advice)\n"
    )
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
        assert len(kept(folder)) == 8
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert "REFUSED 500 nothing was sent: the audit log is read-only" in done.stdout, done.stdout + done.stderr
    assert "Make the state folder and its files writable" in done.stdout
    assert "ACK" not in done.stdout


def test_log_turns_read_only(tmp_path: Path) -> None:
    """A store whose file turns read-only while it is open refuses, and goes on when it is writable again."""
    asyncio.run(_turning_read_only(tmp_path))


async def _turning_read_only(folder: Path) -> None:
    class Store(SqliteStore):
        writer_type = ReadOnly

    async with opened(folder, Store) as store:
        await store.commit(entry(1))
        ReadOnly.now = True
        try:
            for number in (2, 3):
                with pytest.raises(Fault, match="read-only"):
                    await store.commit(entry(number))
        finally:
            ReadOnly.now = False
        await store.commit(entry(4))
    assert set(kept(folder)) == {"d1", "d4"}
    assert checked(folder).sound


class ReadOnly(Writer):
    """SQLite's own refusal to write, switched on and off."""

    now = False

    def _begin(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA query_only = {int(self.now)}")
        super()._begin(connection)
