"""Claude Code at a terminal of its own: prompts typed or pasted one after another, as a person does.

It must never hand the client the machine's own terminal or home.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING

from scripts import clients

from tests.clients.launch import KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_START_LIMIT = 30.0
_QUIET = 0.6  # seconds without output after which the screen counts as settled
_CONTROL = re.compile(rb"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b[()][AB0]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>78]")
_SIZE = struct.pack("HHHH", 50, 160, 0, 0)


class Terminal:
    """A session at a pseudo-terminal; `screen` is everything that was written to it."""

    def __init__(self, url: str, home: Path, folder: Path, version: str = "claude-code") -> None:
        """Start Claude Code with its first-run questions answered."""
        home.mkdir(parents=True, exist_ok=True)
        trusted = {str(folder): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}}
        settings = {"hasCompletedOnboarding": True, "theme": "dark", "projects": trusted}
        settings["customApiKeyResponses"] = {"approved": [KEY], "rejected": []}
        (home / ".claude.json").write_text(json.dumps(settings))
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }
        self.screen = b""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execve(clients.executable(version), ["claude", "--allowedTools", "Read,Write,Bash"], environment)  # noqa: S606
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, _SIZE)
        self._settle(_START_LIMIT)

    def text(self) -> str:
        """Return everything that was shown, without colours and cursor movements."""
        return _CONTROL.sub(b"", self.screen).decode("utf-8", "replace")

    def _pump(self, seconds: float) -> bool:
        """Read what there is for up to so long; return whether there was anything."""
        if not select.select([self._terminal], [], [], seconds)[0]:
            return False
        try:
            self.screen += os.read(self._terminal, 65536)
        except OSError:  # the client has ended
            return False
        return True

    def _settle(self, limit: float) -> None:
        until = time.monotonic() + limit
        while not self.screen and time.monotonic() < until:
            self._pump(0.1)
        while time.monotonic() < until and self._pump(_QUIET):
            pass

    def ask(self, prompt: str, answered: Callable[[], bool], limit: float = 30.0) -> bool:
        """Paste a prompt, press return, and wait until it is answered; return whether it was."""
        os.write(self._terminal, b"\x1b[200~" + prompt.encode() + b"\x1b[201~")
        self._settle(5)
        os.write(self._terminal, b"\r")
        until = time.monotonic() + limit
        while not answered() and time.monotonic() < until:
            self._pump(0.1)
        done = answered()
        self._settle(5)
        return done

    def close(self) -> None:
        """End the session."""
        os.kill(self._pid, signal.SIGTERM)
        until = time.monotonic() + 5
        while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            self._pump(0.05)
            if time.monotonic() > until:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                break
        os.close(self._terminal)
