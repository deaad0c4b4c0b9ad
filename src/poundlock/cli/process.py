"""Starting a gateway as a process of its own, and running Poundlock's own commands."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from poundlock.core.errors import ConfigFault

START_SECONDS = 75  # after an update the rules are compiled first, which a busy machine takes its time for


class Gateway:
    """A running `poundlock serve`."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, folder: str) -> None:
        """Hold a process that said it is ready."""
        self.process = process
        self.url = url
        self._folder = folder

    @classmethod
    def start(cls, config: Path | None, *, port: int = 0) -> Gateway:
        """Start a gateway and wait until it serves. Raises `ConfigFault` with its own words when it doesn't."""
        folder = tempfile.mkdtemp(prefix="poundlock-")
        ready = Path(folder) / "ready.json"
        arguments = ["serve", "--port", str(port), "--ready-file", str(ready)]
        arguments += ["--config", str(config)] if config else []
        said = (Path(folder) / "said").open("w+b")
        process = subprocess.Popen(  # noqa: S603 (our own interpreter, our own arguments)
            [sys.executable, "-m", "poundlock", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        gateway = cls(process, "", folder)
        until = time.monotonic() + START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > until:
                said.seek(0)
                words = said.read().decode(errors="replace").strip()
                said.close()
                gateway.stop()
                raise ConfigFault(
                    f"The gateway did not start. It said: {words or 'nothing'}", advice="Run `poundlock doctor`."
                )
            time.sleep(0.02)
        said.close()
        told: dict[str, Any] = json.loads(ready.read_text())
        gateway.url = str(told["url"])
        return gateway

    def stop(self, seconds: float = 10) -> None:
        """End it: ask first, insist later."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for path in Path(self._folder).glob("*"):
            path.unlink()
        with contextlib.suppress(OSError):
            Path(self._folder).rmdir()


def healthy(url: str) -> bool:
    """Tell whether a gateway answers at `url`."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/healthz", timeout=2) as answer:
            return bool(json.load(answer).get("status") == "ok")
    except (OSError, ValueError):
        return False


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of Poundlock's own commands and give what it said."""
    return subprocess.run(  # noqa: S603 (our own interpreter, our own arguments)
        [sys.executable, "-m", "poundlock", *arguments], capture_output=True, text=True, check=False
    )
