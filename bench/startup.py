"""How long a command takes to start: `poundlock scan` and `detect` of one small file beside a bare Python.

    python bench/startup.py [--runs 15]

The first run compiles the rules' database into the cache; it is shown by itself. The others are medians of wall time
and of CPU, taken in turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Run a command; give milliseconds of wall time and of CPU."""
    before = os.times()
    begun = time.perf_counter()
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    wall = time.perf_counter() - begun
    after = os.times()
    if done.returncode not in {0, 1}:
        raise RuntimeError(done.stderr.decode()[-300:])
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall * 1000, used * 1000


def main() -> int:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "settings.py"
        file.write_text("HOST = 'db.example.com'\nDEBUG = True\n\n\ndef connect(host=HOST):\n    return open(host)\n")
        env = {**os.environ, "XDG_CACHE_HOME": place}
        poundlock = [sys.executable, "-m", "poundlock"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "poundlock scan FILE": [*poundlock, "scan", str(file)],
            "poundlock --version": [*poundlock, "--version"],
        }
        first, _ = run(commands["poundlock scan FILE"], env)
        print(f"first scan, which compiles the database: {first:.0f} ms")
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(options.runs):
            for name, command in commands.items():
                found[name].append(run(command, env))
        bare = 0.0
        for name, rows in found.items():
            wall, used = (sorted(column)[len(rows) // 2] for column in zip(*rows, strict=True))
            bare = bare or wall
            print(f"{name:<22} {wall:>7.1f} ms  {used:>7.1f} ms of CPU  {wall / bare:>5.1f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
