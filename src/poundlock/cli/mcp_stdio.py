"""The gate between a client and a server that speak over standard input and output, one JSON text a line.

The server is a child of this process and ends with it. Must never write anything but messages to standard output.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from typing import TYPE_CHECKING

from poundlock import compose
from poundlock.cli.mcp import environment
from poundlock.core.errors import ClientFault, ConfigFault, Fault
from poundlock.gateway.mcp_session import failure, unanswered

if TYPE_CHECKING:
    from poundlock.config import Settings
    from poundlock.core.mcp import Server
    from poundlock.core.model import Principal
    from poundlock.gateway.mcp_session import Session

_OWN = Fault("Poundlock met an error of its own and passed nothing on.", advice="Run `poundlock doctor`.")
LONGEST = 64 * 1024 * 1024
"""Bytes of the longest message."""
PATIENCE = 2.0
"""Seconds that a server has to end by itself when its input is closed, and again after a SIGTERM."""


async def serve(settings: Settings, name: str) -> int:
    """Be the server `name` until the client or the server is gone. Raises: `Fault`, `ConfigFault`."""
    line = compose.McpLine(settings)
    server = line.servers.server(name)
    if not server.command:
        raise ConfigFault(
            f"{name} is reached over HTTP.", advice=f"Give the client this URL: {_url(settings)}/mcp/{name}"
        )
    await line.store.open()
    try:
        principal = await _caller(line)
        process = await _started(server)
        session = line.session(server, principal, uuid.uuid4().hex)
        return await _Bridge(session, process).run()
    finally:
        await line.store.close()


def _url(settings: Settings) -> str:
    return f"http://{settings.gateway.host}:{settings.gateway.port}"


async def _caller(line: compose.McpLine) -> Principal:
    token = os.environ.get("POUNDLOCK_TOKEN") or None
    principal = await line.identity.authenticate(token, {}, "127.0.0.1")
    if principal is None:
        raise ClientFault("Poundlock does not know this caller.", advice="Start the tool with `poundlock run -- TOOL`.")
    return principal


async def _started(server: Server) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *server.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment(server),
            cwd=server.cwd or None,
            limit=LONGEST,
        )
    except OSError as fault:
        raise ConfigFault(
            f"The MCP server {server.name} can't be started: {fault.strerror}.",
            advice="Check its command: `poundlock mcp list`; `poundlock mcp add` replaces it.",
        ) from None


class _Bridge:
    """Carries lines both ways, each in its order."""

    def __init__(self, session: Session, process: asyncio.subprocess.Process) -> None:
        self._session = session
        self._process = process
        self._out = sys.stdout.buffer
        if process.stdin is None or process.stdout is None:
            raise ValueError("a server without pipes")
        self._server_in = process.stdin
        self._server_out = process.stdout

    async def run(self) -> int:
        """Carry until one side is gone; give the server's exit code."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LONGEST)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, reader.feed_eof)
        outbound = asyncio.create_task(self._outbound(reader))
        homebound = asyncio.create_task(self._homebound())
        await asyncio.wait({outbound, homebound}, return_when=asyncio.FIRST_COMPLETED)
        # A client that closes its end may still read what is under way.
        await self._end(homebound)
        outbound.cancel()
        with contextlib.suppress(asyncio.CancelledError, BrokenPipeError):
            await asyncio.gather(outbound, homebound)
        code = self._process.returncode or 0
        return max(code, 0)

    async def _outbound(self, reader: asyncio.StreamReader) -> None:
        while data := await _line(reader):
            try:
                passed = await self._session.from_client(data)
            except Fault as fault:
                self._give(failure(data, fault))
                continue
            except Exception:  # noqa: BLE001 (promise 6; the traceback could show what it must not)
                self._give(failure(data, _OWN))
                continue
            self._give(passed.back)
            if passed.on is not None:
                await self._send(passed.on)

    async def _homebound(self) -> None:
        while data := await _line(self._server_out):
            try:
                passed = await self._session.from_server(data)
            except Exception as fault:  # noqa: BLE001 (as above)
                answer = unanswered(data, fault if isinstance(fault, Fault) else _OWN)
                if answer is not None:
                    self._give(answer)
                    continue
                # What is no message can't be relayed, and a client would only stumble over it.
                sys.stderr.write(f"poundlock: a message of the MCP server {self._session.server.name} was dropped.\n")
                continue
            if passed.back is not None:
                await self._send(passed.back)
            self._give(passed.on)

    async def _send(self, message: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._server_in.write(message + b"\n")
            await self._server_in.drain()

    def _give(self, message: bytes | None) -> None:
        if message is not None:
            self._out.write(message + b"\n")
            self._out.flush()

    async def _end(self, homebound: asyncio.Task[None]) -> None:
        """End the server as the specification says: close its input, then SIGTERM, then SIGKILL."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._server_in.close()
        for stop in (None, signal.SIGTERM, signal.SIGKILL):
            if stop is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(stop)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._process.wait()), PATIENCE)
                break
        await asyncio.wait({homebound}, timeout=PATIENCE)
        homebound.cancel()


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Give the next line that is not blank, without its end; nothing at the end."""
    while True:
        try:
            data = await reader.readline()
        except ValueError:
            raise ClientFault("A message is longer than 64 MiB.") from None
        if not data:
            return b""
        if stripped := data.strip():
            return stripped
