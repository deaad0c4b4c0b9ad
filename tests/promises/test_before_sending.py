"""Promise 2: nothing leaves without a durable record. Here the whole gateway; the log alone is in `test_durability`."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.gateway import canary
from tests.gateway.dialects import ANTHROPIC, DIALECTS
from tests.gateway.running import Gate, prepared, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXCHANGES = 5


def traced(folder: Path, mutant: str = "") -> tuple[list[tuple[float, str]], list[float]]:
    """Trace a gateway for some exchanges; give `wrote`, `synced` and `sent` with their times, and when each began."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing")
    trace = folder / "trace"
    begun: list[float] = []
    with prepared(folder, mutant=mutant) as gate:
        calls = "trace=fsync,fdatasync,pwrite64,write,writev,connect,sendto,sendmsg"
        strace = ("strace", "-f", "-yy", "-ttt", "-s", "0", "-e", calls, "-o", str(trace))
        try:
            gate.start(*strace, mutant=mutant)
        except AssertionError:
            if not trace.exists() or not trace.stat().st_size:
                pytest.skip("the kernel forbids tracing with strace")
            raise
        for number in range(EXCHANGES + 1):
            begun.append(time.time())
            answer = gate.ask(DIALECTS[number % 2], DIALECTS[number % 2].body(f"{number}: {canary.access_key()}"))
            assert answer.status == 200
            gate.record(answer.id, "closing")  # so that its sync is not taken for the next one's
        port = gate.mock.url.rpartition(":")[2]
    found = []
    syncing: set[str] = set()
    for line in trace.read_text(errors="replace").splitlines():
        process, at, call = line.split(None, 2)
        if re.match(r"pwrite64\(\d+<[^>]*-wal>", call):
            found.append((float(at), "wrote"))
        elif re.match(r"f(data)?sync\(\d+<[^>]*-wal>", call):
            if "unfinished" in call:
                syncing.add(process)  # it counts when it returns
            elif call.endswith("= 0") or "= 0 " in call:
                found.append((float(at), "synced"))
        elif "sync resumed" in call and process in syncing:
            syncing.discard(process)
            found.append((float(at), "synced"))
        elif f"->127.0.0.1:{port}]" in call or f"htons({port})" in call:
            found.append((float(at), "sent"))
    return found, begun[1:]  # the first exchange also makes a key


def ordered(events: list[tuple[float, str]], begun: list[float]) -> bool:
    """Whether each exchange wrote, then synced, then used the connection upstream."""
    for start, end in zip(begun, [*begun[1:], float("inf")], strict=True):
        names = [name for at, name in events if start <= at < end]
        assert "sent" in names, "the trace shows no call upstream"
        before = names[: names.index("sent")]
        if "wrote" not in before or before[-1] != "synced":
            return False
    return True


def test_strace_sync_then_send(tmp_path: Path) -> None:
    """The system calls of each exchange: the log is written, synced, and only then is the provider spoken to."""
    assert ordered(*traced(tmp_path))


def test_strace_sync_then_send_mutant(tmp_path: Path) -> None:
    """A gateway that sends first is caught."""
    assert not ordered(*traced(tmp_path, "sends_before_commit"))


def kill_under_load(folder: Path, mutant: str = "") -> None:
    """Kill workers, then the whole gateway, while requests run: all that the provider saw must be on record."""
    dice = random.Random(11)
    with prepared(folder, mutant=mutant) as gate:
        gate.arguments[-1] = "2"
        gate.start(mutant=mutant)
        count = 0
        values = [canary.access_key() for _ in range(40)]
        lock = threading.Lock()
        ending = threading.Event()

        def load() -> None:
            nonlocal count
            while not ending.is_set():
                with lock:
                    count += 1
                    name = f"load-{count}"
                # The model's name is on record: the mark by which an exchange is known on both sides.
                body = {**ANTHROPIC.body(f"{name} {values[count % len(values)]}"), "model": name}
                with contextlib.suppress(OSError, ValueError, Exception):
                    gate.ask(ANTHROPIC, body)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(4):
                time.sleep(dice.uniform(0.2, 0.5))
                for worker in gate.workers()[:1]:
                    os.kill(worker, signal.SIGKILL)
            for _ in range(2):
                time.sleep(dice.uniform(0.2, 0.5))
                process = gate.process
                assert process is not None
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                gate.start(mutant=mutant)
            time.sleep(0.3)
        finally:
            ending.set()
            for thread in threads:
                thread.join(60)
        gate.stop()
        seen = {request.json()["model"] for request in gate.mock.requests()}
        kept = {row["body"]["destination"]["model"] for row in gate.records() if row["kind"] == "exchange"}
        assert len(seen) > 30
        assert seen - kept == set()
        code, said = gate.verify()
        assert code == 0, said


def test_kill_9_under_load(tmp_path: Path) -> None:
    """Every request that the provider logged is in the audit log, and the chain verifies, kill after kill."""
    kill_under_load(tmp_path)


def test_kill_9_under_load_mutant(tmp_path: Path) -> None:
    """A gateway that sends before it commits is caught."""
    with pytest.raises(AssertionError, match="load-"):
        kill_under_load(tmp_path, "sends_before_commit")


def refused(gate: Gate, words: str) -> None:
    """Ask in each format: refused with 400 and a next step, and nothing reaches the provider."""
    before = len(gate.mock.requests())
    for dialect in DIALECTS:
        for stream in (False, True):
            answer = gate.ask(dialect, dialect.body(f"My key is {canary.access_key()}.", stream=stream))
            assert answer.status == 400, answer.body
            assert answer.headers["x-should-retry"] == "false"
            message = dialect.message(answer.body)
            assert message.startswith("Poundlock: nothing was sent: ")
            assert words in message
    assert len(gate.mock.requests()) == before


def works(gate: Gate) -> None:
    """Ask in each format: served, and on record."""
    for dialect in DIALECTS:
        answer = gate.ask(dialect, dialect.body(f"My key is {canary.access_key()}."))
        assert answer.status == 200, answer.body
        assert gate.record(answer.id)["decision"]["rung"] == "sendDisguised"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small disk needs root")
    options = "size=2m,mode=700"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("this machine can't mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


def full_disk(folder: Path, disk: Path, mutant: str = "") -> None:
    """Fill the disk of the state folder, and make room again."""
    with running(folder / "full", state=disk, mutant=mutant) as gate:
        works(gate)
        filler = fill(disk)
        refused(gate, "the disk is full")
        filler.unlink()
        works(gate)
        assert gate.verify()[0] == 0


def test_full_disk_of_the_gateway(tmp_path: Path, small_disk: Path) -> None:
    """On a full disk nothing is sent and the client is told; with room again it works again."""
    full_disk(tmp_path, small_disk)


def test_full_disk_of_the_gateway_mutant(tmp_path: Path, small_disk: Path) -> None:
    """A gateway that does without a record it can't write is caught."""
    with pytest.raises(AssertionError):
        full_disk(tmp_path, small_disk, "sends_without_record")


def test_database_turns_read_only(tmp_path: Path) -> None:
    """While the database can't be written nothing is sent; afterwards it works again."""
    with running(tmp_path, mutant="turns_read_only") as gate:
        works(gate)
        fault = gate.folder / "cwd" / "fault"
        fault.touch()
        refused(gate, "read-only")
        fault.unlink()
        works(gate)
        assert gate.verify()[0] == 0
        assert gate.leaks() == []


def test_writer_dies(tmp_path: Path) -> None:
    """When the writer is dead nothing is sent; another one begins by itself, and a new start works, too."""
    with running(tmp_path, mutant="loses_its_writer") as gate:
        works(gate)
        fault = gate.folder / "cwd" / "fault"
        fault.touch()
        refused(gate, "")
        fault.unlink()
        time.sleep(5)
        works(gate)
        gate.stop()
        gate.start()
        works(gate)
        assert gate.verify()[0] == 0
        assert gate.leaks() == []


def test_database_taken_away(tmp_path: Path) -> None:
    """A database that is replaced under a running gateway, or whose records were cut off, is not written on."""
    with running(tmp_path) as gate:
        works(gate)
        (gate.state / "poundlock.db").rename(gate.state / "elsewhere.db")
        refused(gate, "removed or replaced")
        assert len(gate.mock.requests()) == 2


def test_refusals_are_told_apart(tmp_path: Path) -> None:
    """A provider that can't be reached is no fault of the log: it is on record, and told with its own status."""
    with running(tmp_path) as gate:
        gate.mock.process.terminate()
        gate.mock.process.wait()
        for dialect in DIALECTS:
            answer = gate.ask(dialect, dialect.body(f"My key is {canary.access_key()}."))
            assert answer.status == 502
            assert "can't be reached" in dialect.message(answer.body)
            assert gate.record(answer.id, "closing")["ended"] == "upstream broke"
