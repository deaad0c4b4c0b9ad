"""aimock, the mock that others wrote, as a process: a second opinion on what the providers' streams look like.

It must never be the only mock that a promise rests on: its log is in memory, and it does not say when it wrote.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from scripts import clients

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def aimock(folder: Path, fixtures: list[dict[str, Any]]) -> Iterator[str]:
    """Run aimock with fixtures and yield its URL.

    Raises:
        RuntimeError: it did not begin to listen.

    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(clients.install("node22")), str(clients.install("aimock").parents[2] / ".bin" / "llmock")]
    command += ["--port", str(port), "--fixtures", str(folder / "fixtures.json"), "--log-level", "warn"]
    with (folder / "aimock.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                yield f"http://127.0.0.1:{port}"
                return
            time.sleep(0.05)
        raise RuntimeError(f"aimock did not start: {(folder / 'aimock.log').read_text()[-500:]}")
    finally:
        process.terminate()
        process.wait(10)


def journal(url: str) -> bytes:
    """Return everything that aimock says it received, as the bytes of its own report."""
    with urllib.request.urlopen(f"{url}/__aimock/journal", timeout=10) as answer:
        return bytes(answer.read())
