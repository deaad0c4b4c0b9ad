"""What a hook costs an agent, from the start of its client to the answer: `python bench/hook.py`.

Starts a gateway of its own. Medians of wall time over runs taken in turn: `python3 -I -S -c pass`, the client before a
harmless call, and after a tool that gave back 4 kB.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock.cli import hook_client, hooking

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 60
LINE = "The function opens the file, reads each line and checks that it is not empty.\n"


@contextlib.contextmanager
def gateway(folder: Path) -> Iterator[int]:
    """Run a gateway and give its port."""
    config, ready = folder / "poundlock.toml", folder / "ready.json"
    config.write_text(f'[state]\ndirectory = "{folder / "state"}"\n')
    command = [sys.executable, "-m", "poundlock", "serve", "--config", str(config), "--port", "0"]
    process = subprocess.Popen([*command, "--ready-file", str(ready)], stderr=subprocess.DEVNULL)
    try:
        while not ready.exists():
            time.sleep(0.05)
        yield int(json.loads(ready.read_text())["url"].rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


def timed(command: list[str], given: bytes) -> float:
    """Give the milliseconds of one run."""
    begun = time.perf_counter()
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    spent = (time.perf_counter() - begun) * 1000
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-300:])
    return spent


def main() -> int:
    """Measure and print the ratios."""
    with tempfile.TemporaryDirectory() as place, gateway(Path(place)) as port:
        note = Path(place) / "note"
        note.write_text(hooking.told("claude-code", port, "", "deny"))
        python = os.path.realpath(sys.executable)
        client = [python, "-I", "-S", hook_client.__file__, str(note)]
        event = {"session_id": "bench", "tool_name": "Bash", "tool_input": {"command": "ls -la src"}}
        before = {**event, "hook_event_name": "PreToolUse"}
        after = {**event, "hook_event_name": "PostToolUse", "tool_response": {"stdout": LINE * 50, "stderr": ""}}
        runs = {
            "python3 -I -S -c pass": ([python, "-I", "-S", "-c", "pass"], b""),
            "before a call": ([*client, "PreToolUse"], json.dumps(before).encode()),
            "after a tool, 4 kB": ([*client, "PostToolUse"], json.dumps(after).encode()),
        }
        found: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(RUNS):
            for name, (command, given) in runs.items():
                found[name].append(timed(command, given))
    bare = statistics.median(found["python3 -I -S -c pass"])
    for name, times in found.items():
        middle = statistics.median(times)
        print(f"{name:<24} {middle:6.1f} ms   {middle / bare:4.2f} x   fastest {min(times):5.1f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
