"""The audit log beside plain SQLite inserts: commits a second and CPU a commit, alone and in groups of 64.

Each way runs on the same disk in turns (so that a neighbour disturbs all alike), with the same body; the medians are
compared. `plain` is one INSERT and COMMIT in WAL with synchronous=FULL on the calling thread: no chain, no vault, no
waiting for another thread, so it is what the disk and SQLite themselves cost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock.adapters.heads import HeadFile
from poundlock.adapters.keys import Keys
from poundlock.adapters.sqlite import Reading, SqliteStore
from poundlock.core.ledger import verify
from poundlock.core.model import Draft, Surrogate
from poundlock.ports import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = 64
BODY = {
    "principal": {"human": "ada", "tool": "claude-code"},
    "destination": {"name": "anthropic", "model": "model-1"},
    "rung": "sendDisguised",
    "findings": [
        {"rule": f"rule-{number}", "kind": "secret.x", "count": 1, "fingerprints": ["f" * 32]} for number in range(4)
    ],
    "sizes": {"request": 200_000, "segments": 120},
}


class Now:
    """The machine's clock."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()


def entry(number: int, *, surrogates: int) -> Entry:
    """Make an entry of a usual size, with new surrogates."""
    return Entry(
        draft=Draft(kind="exchange", id=f"d{number:012d}", at=time.time_ns(), body=BODY),
        scope="ada",
        conversation=f"c{number % 16}",
        surrogates=tuple(
            Surrogate(
                text=f"QZ_KEY_{number:08d}{nth:04d}",
                kind="k",
                scope="ada",
                fingerprint=f"f{number}{nth}",
                value="v" * 40,
            )
            for nth in range(surrogates)
        ),
    )


class Measured:
    """Samples of one way: seconds of wall and of CPU for one commit."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def row(self) -> dict[str, float]:
        """Give the medians: commits a second, and microseconds of CPU a commit."""
        return {
            "commits_per_second": round(1 / statistics.median(self.wall)),
            "cpu_us": round(statistics.median(self.cpu) * 1e6, 1),
        }


def plain(folder: Path, group: int) -> Callable[[int], None]:
    """Prepare plain inserts, `group` of them a transaction."""
    connection = sqlite3.connect(folder / f"plain{group}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, at INTEGER, kind TEXT, id TEXT, body TEXT)")
    body = json.dumps(BODY)

    def write(number: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO record (at, kind, id, body) VALUES (?, ?, ?, ?)",
            [(time.time_ns(), "exchange", f"d{number + nth:012d}", body) for nth in range(group)],
        )
        connection.execute("COMMIT")

    return write


async def measure(folder: Path, rounds: int, each: int) -> dict[str, dict[str, float]]:
    """Run all ways in turns and give each one's figures."""
    found = {name: Measured() for name in ("plain alone", "audit alone", "plain group", "audit group", "audit vault")}
    store = SqliteStore(folder / "audit.db", Keys(os.urandom(32)), heads=HeadFile(folder / "heads.jsonl"), clock=Now())
    await store.open()
    await store.scope_key("ada")
    alone, together = plain(folder, 1), plain(folder, GROUP)
    number = 0

    def note(name: str, began: tuple[float, float], commits: int) -> None:
        found[name].wall.append((time.perf_counter() - began[0]) / commits)
        found[name].cpu.append((time.process_time() - began[1]) / commits)

    for _ in range(rounds):
        began = time.perf_counter(), time.process_time()
        for _ in range(each):
            alone(number)
        note("plain alone", began, each)
        began = time.perf_counter(), time.process_time()
        for _ in range(each):
            number += 1
            await store.commit(entry(number, surrogates=0))
        note("audit alone", began, each)
        began = time.perf_counter(), time.process_time()
        for _ in range(each // 8):
            together(number)
        note("plain group", began, each // 8 * GROUP)
        for name, surrogates in (("audit group", 0), ("audit vault", 2)):
            began = time.perf_counter(), time.process_time()
            for _ in range(each // 8):
                await asyncio.gather(
                    *(store.commit(entry(number + nth, surrogates=surrogates)) for nth in range(GROUP))
                )
                number += GROUP
            note(name, began, each // 8 * GROUP)
    values = sum([len((await store.remembered("ada", f"c{nth}")).issued) for nth in range(16)])  # reads and unseals
    looks = 2000
    clock = time.perf_counter()
    for nth in range(looks):
        await store.remembered("ada", f"c{nth % 16}")
    remembered = (time.perf_counter() - clock) / looks
    assert values
    await store.close()
    reading = Reading(folder / "audit.db")
    clock = time.perf_counter()
    report = verify(reading.rows(), [], lambda *_: False)
    verified = report.records / (time.perf_counter() - clock)
    reading.close()
    assert report.sound
    rows = {name: samples.row() for name, samples in found.items()}
    rows["other"] = {"remembered_us": round(remembered * 1e6, 1), "verified_per_second": round(verified)}
    return rows


def main() -> None:
    """Print the figures and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--each", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd() if os.access(".", os.W_OK) else None, prefix=".bench-") as folder:
        rows = asyncio.run(measure(Path(folder), args.rounds, args.each))
    ratios = {
        "alone, CPU, audit/plain": round(rows["audit alone"]["cpu_us"] / rows["plain alone"]["cpu_us"], 1),
        "group, CPU, audit/plain": round(rows["audit group"]["cpu_us"] / rows["plain group"]["cpu_us"], 1),
        "audit, CPU, alone/group": round(rows["audit alone"]["cpu_us"] / rows["audit group"]["cpu_us"], 1),
    }
    if args.json:
        print(json.dumps({"rows": rows, "ratios": ratios}))
        return
    for name, row in rows.items():
        print(f"{name:<12} " + "  ".join(f"{value:>9} {key}" for key, value in row.items()))
    for name, ratio in ratios.items():
        print(f"{name:<24} {ratio}")


if __name__ == "__main__":
    main()
