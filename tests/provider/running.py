"""The mock provider as a process of its own, for fixtures: start it, read its log, change its script, stop it.

It must never share an event loop with a test: a provider that stalls because its reader stalls would hide bugs.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.provider import journal

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).resolve().parents[2]
_START_LIMIT = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A mock provider that listens at `url` and logs to `log`."""

    url: str
    script: Path
    log: Path
    process: subprocess.Popen[bytes]

    def requests(self, path: str = "") -> list[journal.Seen]:
        """Return the requests that it received, in order; with `path`, those whose target begins so."""
        return [seen for seen in journal.read(self.log) if seen.path.startswith(path)]

    def play(self, script: dict[str, Any]) -> None:
        """Give it another script, from the next request on."""
        part = self.script.with_suffix(".part")
        part.write_text(json.dumps(script))
        part.replace(self.script)


@contextlib.contextmanager
def provider(folder: Path, script: dict[str, Any], port: int = 0) -> Iterator[Running]:
    """Run a mock provider with its script, log and output in a folder, and stop it at the end.

    Raises:
        RuntimeError: it did not begin to listen; the message holds what it printed.

    """
    folder.mkdir(parents=True, exist_ok=True)
    script_path, log, ready = folder / "script.json", folder / "requests.jsonl", folder / "ready.json"
    script_path.write_text(json.dumps(script))
    ready.unlink(missing_ok=True)
    arguments = ["--port", str(port), "--script", str(script_path), "--log", str(log), "--ready-file", str(ready)]
    with (folder / "provider.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.provider", *arguments],
            cwd=_ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        limit = time.monotonic() + _START_LIMIT
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"the mock provider did not start: {(folder / 'provider.log').read_text()[-2000:]}")
            time.sleep(0.02)
        yield Running(json.loads(ready.read_text())["url"], script_path, log, process)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
