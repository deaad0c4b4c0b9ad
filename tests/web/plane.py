"""A gateway to test against: the real server and data plane, with a handler that echoes, streams, waits or breaks.

It is started as a process of its own with `python -m tests.web.plane`, and stops with the test that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poundlock.adapters.upstream import HttpUpstream
from poundlock.cli.serve import Plan, serve
from poundlock.config import Gateway
from poundlock.core.errors import ConfigFault, UpstreamFault
from poundlock.gateway import http
from poundlock.web.data_plane import DataPlane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poundlock.gateway.http import Request, Respond

ROOT = Path(__file__).parents[2]
PLAIN = [("content-type", "text/plain")]
STREAM = [("content-type", "text/event-stream")]


class Scripted:
    """The handler: what it does is in the path. It writes what happens to it into the journal, a line each."""

    def __init__(self) -> None:
        self.journal = Path(os.environ["PLANE_JOURNAL"])
        self.upstream = HttpUpstream(connect=2, first_byte=5, between=5)

    def note(self, **what: Any) -> None:
        """Write one line into the journal."""
        with self.journal.open("a") as file:
            file.write(json.dumps({"pid": os.getpid(), **what}) + "\n")

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Do what the path says."""
        if request.fault is not None:
            await respond.start(400, PLAIN)
            await respond.send(request.fault.message.encode())
            await respond.end()
            return
        self.note(saw=request.path, method=request.method, size=len(request.body))
        await getattr(self, request.path.strip("/").partition("/")[0] or "echo")(request, respond)

    async def echo(self, request: Request, respond: Respond) -> None:
        """Tell what was read."""
        seen = {name: getattr(request, name) for name in ("method", "path", "raw_path", "query", "token", "provider")}
        seen |= {"headers": request.headers, "size": len(request.body), "body": request.body[:200].decode("latin-1")}
        await respond.start(200, [("content-type", "application/json")])
        await respond.send(json.dumps(seen).encode())
        await respond.end()

    async def stream(self, request: Request, respond: Respond) -> None:
        """Stream events of `size` bytes for ever, and note how far it got when it ends."""
        size = int(request.query or "100")
        event = b"data: " + b"x" * (size - 8) + b"\n\n"
        sent = 0
        try:
            await respond.start(200, STREAM)
            while True:
                await respond.send(event)
                sent += 1
                self.note(sent=sent, size=size)
                await asyncio.sleep(0 if size >= 1000 else 0.01)
        except asyncio.CancelledError:
            self.note(ended="cancelled", sent=sent, size=size)
            raise

    async def slow(self, request: Request, respond: Respond) -> None:
        """Stream ten events over `query` seconds, then end."""
        await respond.start(200, STREAM)
        for number in range(10):
            await respond.send(b"data: %d\n\n" % number)
            await asyncio.sleep(float(request.query) / 10)
        await respond.end()
        self.note(ended="complete")

    async def abort(self, request: Request, respond: Respond) -> None:
        """Begin an answer and break it off."""
        await respond.start(200, STREAM)
        await respond.send(b"data: begun\n\n")
        await respond.abort()

    async def crash(self, request: Request, respond: Respond) -> None:
        """Raise, with or without an answer begun."""
        if request.query:
            await respond.start(200, STREAM)
            await respond.send(b"data: begun\n\n")
        raise RuntimeError("a value that nobody may see")

    async def forget(self, request: Request, respond: Respond) -> None:
        """Return without an answer."""

    async def relay(self, request: Request, respond: Respond) -> None:
        """Relay to the port in the query."""
        try:
            response = await self.upstream.send(
                request.method,
                f"http://127.0.0.1:{request.query}/up",
                http.forwarded(request.headers),
                request.body or None,
            )
            try:
                await respond.start(response.status, http.returned(response.headers))
                async for chunk in response.chunks():
                    await respond.send(chunk)
                await respond.end()
            finally:
                await response.close()
        except UpstreamFault as fault:
            if respond.started:
                await respond.abort()
                return
            await respond.start(400, PLAIN)
            await respond.send(fault.message.encode())
            await respond.end()

    async def close(self) -> None:
        """Note that the worker ended in order."""
        await self.upstream.close()
        self.note(ended="shutdown")


def data_plane() -> DataPlane:
    """Give the application of a worker."""
    if os.environ.get("PLANE_BROKEN"):
        raise ConfigFault("The settings are broken.", advice="Mend them.")
    handler = Scripted()
    settings = Gateway(
        max_body=int(os.environ.get("PLANE_BODY", "67108864")),
        hosts=("gateway.example",),
        origins=("https://tools.example",),
    )

    async def startup() -> Scripted:
        handler.note(started=True)
        return handler

    return DataPlane(None, settings, startup=startup, shutdown=handler.close)


class Plane:
    """A running gateway."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, url: str) -> None:
        self.process = process
        self.folder = folder
        self.url = url
        self.port = int(url.rpartition(":")[2])

    def journal(self) -> list[dict[str, Any]]:
        """Give what the handlers noted so far."""
        path = self.folder / "journal"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def until(self, found: Any, seconds: float = 10) -> dict[str, Any]:
        """Wait for a line of the journal."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.journal():
                if found(line):
                    return line
            time.sleep(0.02)
        raise AssertionError(f"not in the journal: {self.journal()[-3:]}")

    def workers(self) -> list[int]:
        """Give the workers' process ids."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children]

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Stop, and give the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def running(*, workers: int = 1, drain: float = 5, env: dict[str, str] | None = None) -> Iterator[Plane]:
    """Run a gateway for the length of a test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = launch(folder, ["0", str(workers), str(drain)], env)
        try:
            ready = folder / "ready"
            end = time.monotonic() + 20
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"the gateway did not start: {(folder / 'err').read_text()}")
                time.sleep(0.02)
            said = json.loads(ready.read_text())
            assert said["pid"] == process.pid
            yield Plane(process, folder, said["url"])
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(drain + 10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def launch(folder: Path, arguments: Sequence[str], env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a gateway's process."""
    path = f"{ROOT / 'src'}:{ROOT}"
    with (folder / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.web.plane", str(folder / "ready"), *arguments],
            env={**os.environ, "PYTHONPATH": path, "PLANE_JOURNAL": str(folder / "journal"), **(env or {})},
            cwd=folder,
            stdout=err,
            stderr=err,
            process_group=0,
        )


if __name__ == "__main__":
    if method := os.environ.get("PLANE_PROCESSES"):
        multiprocessing.set_start_method(method)
    ready, port, workers, drain = sys.argv[1:5]
    plan = Plan(
        "127.0.0.1",
        int(port),
        int(workers),
        float(drain),
        ready_file=ready,
        target="tests.web.plane:data_plane",
        head_time=int(os.environ.get("PLANE_HEAD_TIME", "30000")),
    )
    try:
        sys.exit(serve(plan))
    except ConfigFault as fault:
        sys.stderr.write(fault.message)
        sys.exit(2)
