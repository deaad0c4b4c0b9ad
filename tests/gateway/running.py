"""A real `poundlock serve` between a test and the mock provider, with what a test asks of both.

When a gateway ends, all that it wrote, and all that the provider received, is searched for every value that was made
up in this process: each test is a test of promise 3, too.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from poundlock.adapters.credentials import Credentials
from poundlock.adapters.sqlite import Reading
from tests.gateway import canary
from tests.provider.running import Running, provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.gateway.dialects import Dialect
    from tests.provider.journal import Seen

ROOT = Path(__file__).resolve().parents[2]
SURROGATE = re.compile(r"QZ_(?:[A-Z0-9]{1,11}_){1,4}[2-9A-HJKMNP-TV-Z]{12}")
PLAIN: dict[str, Any] = {"turns": [{"blocks": [{"text": "Well."}]}]}
"""A provider's script that says one word."""
ECHO: dict[str, Any] = {
    "copy": {"name": {"pattern": f"({SURROGATE.pattern})"}},
    "turns": [{"blocks": [{"text": "It is {{name}}."}], "cut": "characters"}],
}
"""A script that says the newest surrogate of the request, a character at a time."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The decision's id."""
        return self.headers["x-poundlock-decision"]


class Gate:
    """A running gateway."""

    def __init__(self, folder: Path, mock: Running, settings: str, top: str, arguments: Sequence[str]) -> None:
        self.folder = folder
        self.mock = mock
        self.state = folder / "state"
        self.config = folder / "poundlock.toml"
        self.arguments = list(arguments)
        self.before = len(canary.made)
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.account = mock  # a second provider, for tests that have one
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = [top, f'[state]\ndirectory = "{self.state}"', settings]
        lines += [f'[audit]\nheads = "{folder / "heads.jsonl"}"\nhead_every = 8'] if "[audit]" not in settings else []
        for name in ("anthropic", "openai"):
            lines.append(f'[providers.{name}]\nupstream = "{mock.url}"\nformat = "{name}"\napproved = true')
        self.config.write_text("\n".join(lines) + "\n")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    def start(self, *before: str, mutant: str = "") -> Gate:
        """Start the process, `before` it perhaps a tracer, and wait until it serves; a mutant by its name."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        for name in ("tmp", "cwd"):
            (self.folder / name).mkdir(exist_ok=True)
        program = ["tests.gateway.mutant_worker", mutant] if mutant else ["poundlock"]
        command = [sys.executable, "-m", *program, "serve", "--config", str(self.config), "--port", "0"]
        with (self.folder / "output.log").open("ab") as output:
            self.process = subprocess.Popen(
                [*before, *command, "--ready-file", str(ready), *self.arguments],
                cwd=self.folder / "cwd",
                env={
                    **os.environ,
                    "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
                    "TMPDIR": str(self.folder / "tmp"),
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        until = time.monotonic() + 60
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the gateway did not start: {(self.folder / 'output.log').read_text()[-2000:]}")
            time.sleep(0.01)
        self.url = json.loads(ready.read_text())["url"]
        return self

    def pid(self) -> int:
        """Give the parent's process id, also under a tracer."""
        assert self.process is not None
        ready = self.folder / "ready.json"
        return int(json.loads(ready.read_text())["pid"]) if ready.exists() else self.process.pid

    def workers(self) -> list[int]:
        """Give the workers' process ids."""
        pid = self.pid()
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def memory(self) -> int:
        """Give the workers' resident memory in bytes."""
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 for pid in self.workers())

    def cpu(self) -> float:
        """Give the seconds of processor time that the workers took so far."""
        ticks = 0
        for pid in self.workers():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it, and give the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                if number == signal.SIGKILL:
                    os.killpg(self.process.pid, number)
                else:
                    os.kill(self.pid(), number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        return self.process.returncode

    def restart(self) -> Gate:
        """Stop it and start it anew."""
        assert self.stop() == 0
        return self.start()

    def raw(self, path: str, data: bytes, headers: dict[str, str], method: str = "POST", limit: float = 60) -> Answer:
        """Send bytes and give what came back."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        try:
            connection.request(method, path, body=data or None, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def ask(
        self, dialect: Dialect, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None, path: str = ""
    ) -> Answer:
        """Send a request in a provider's format."""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        sent = {"content-type": "application/json", **dialect.headers, **(headers or {})}
        return self.raw(path or dialect.path, data, sent)

    def open(self, dialect: Dialect, body: dict[str, Any], *, receive: int = 0) -> socket.socket:
        """Send a request and give the connection, nothing read yet; `receive` is the size of the receive buffer."""
        client = socket.socket()
        if receive:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        client.connect(("127.0.0.1", self.port))
        client.settimeout(20)
        data = json.dumps(body).encode()
        head = {"host": "localhost", "content-type": "application/json", "content-length": len(data), **dialect.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        client.sendall(f"POST {dialect.path} HTTP/1.1\r\n{lines}\r\n".encode() + data)
        return client

    def sent(self) -> list[dict[str, Any]]:
        """Give the decoded bodies of what the provider received."""
        return [seen.json() for seen in self.mock.requests() if seen.body]

    def newest(self) -> dict[str, Any]:
        """Give the decoded body of the last request that the provider received."""
        return self.mock.requests()[-1].json()

    def records(self, id: str = "") -> list[Any]:  # noqa: A002 (the word that records use)
        """Give the audit log's records, all or those of a decision."""
        reading = Reading(self.state / "poundlock.db")
        try:
            return [row for row in map(_read, reading.rows()) if not id or row["id"] == id]
        finally:
            reading.close()

    def record(self, id: str, kind: str = "exchange") -> dict[str, Any]:  # noqa: A002 (the word that records use)
        """Give the body of one record of a decision, waiting for it a moment: nobody waits for the closing record."""
        until = time.monotonic() + 10
        while True:
            rows = [row for row in self.records(id) if row["kind"] == kind]
            if rows:
                return dict(rows[0]["body"])
            assert time.monotonic() < until, f"no {kind} record for {id}"
            time.sleep(0.02)

    def verify(self) -> tuple[int, str]:
        """Give the exit code and the words of `poundlock audit verify`."""
        heads = ["--heads", str(self.folder / "heads.jsonl")] if (self.folder / "heads.jsonl").exists() else []
        return self.command("audit", "verify", *heads)

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run one of Poundlock's commands on this state; give its exit code and words."""
        done = subprocess.run(
            [sys.executable, "-m", "poundlock", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        return done.returncode, done.stdout + done.stderr

    def credential(self, human: str) -> dict[str, str]:
        """Make a credential for a person, and give the header that carries it."""
        token = Credentials(self.state / "credentials.json").add(name=human, human=human)
        return {"x-poundlock-token": token}

    def revoke(self, human: str) -> None:
        """End a person's credential."""
        assert Credentials(self.state / "credentials.json").remove(human)

    def leaks(self) -> list[str]:
        """Give what holds a made-up value: files that the gateway wrote, and requests that the provider received."""
        values = canary.made[self.before :]  # what was made up before can't be here
        places = canary.sweep(self.folder, values)
        if self.state.is_symlink():
            places += canary.sweep(self.state.resolve(), values)
        received = {f"request {seen.number}": _spelt(seen) for seen in self.mock.requests()}
        if canary.found(b"\0".join(received.values()), values):
            places += [name for name, data in received.items() if canary.found(data, values)][:5]
        return places


def _spelt(seen: Seen) -> bytes:
    """Give all of a request, its body also with its escapes undone, so that no spelling of a string hides a value."""
    data = seen.body + json.dumps(seen.headers).encode() + seen.path.encode()
    with contextlib.suppress(ValueError):
        data += json.dumps(json.loads(seen.body), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return data


def _read(row: Any) -> dict[str, Any]:
    body = row.body if isinstance(row.body, dict) else json.loads(row.body)
    return {"seq": row.seq, "id": row.id, "kind": row.kind, "body": body, "at": row.at}


@contextlib.contextmanager
def running(
    folder: Path,
    settings: str = "",
    *,
    top: str = "",
    workers: int = 1,
    mutant: str = "",
    state: Path | None = None,
) -> Iterator[Gate]:
    """Run a gateway and its provider in a folder, and search what they wrote at the end; a mutant may leak.

    `top` and `settings` are keys and tables of its configuration; `state` is an existing folder for its state.
    """
    with prepared(folder, settings, top=top, workers=workers, mutant=mutant, state=state) as gate:
        yield gate.start(mutant=mutant)


@contextlib.contextmanager
def prepared(
    folder: Path,
    settings: str = "",
    *,
    top: str = "",
    workers: int = 1,
    mutant: str = "",
    state: Path | None = None,
) -> Iterator[Gate]:
    """Make all ready for a gateway; the test starts it."""
    home = folder / "gateway"
    home.mkdir(parents=True)
    if state is not None:
        (home / "state").symlink_to(state)
    with provider(folder / "provider", PLAIN) as mock:
        gate = Gate(home, mock, settings, top, ["--workers", str(workers)])
        try:
            yield gate
        finally:
            gate.stop(signal.SIGKILL if mutant else signal.SIGTERM)
        if not mutant:
            assert gate.leaks() == []


def encoded(text: str) -> str:
    """Give a text in base64."""
    return base64.b64encode(text.encode()).decode()


def until(holds: Any, seconds: float = 10) -> None:
    """Wait until something holds. Raises: `AssertionError` when it doesn't in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)
