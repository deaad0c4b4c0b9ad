"""A recording forwarder: it passes each exchange to an upstream unchanged and keeps both sides' bytes.

It must never change a byte of either side, nor be used for anything but making goldens.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}


@dataclass(slots=True)
class Recorded:
    """One exchange as it went over the wire."""

    method: str
    path: str
    request_headers: list[tuple[str, str]]
    request: bytes
    status: int = 0
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    response: bytes = b""


async def _forward(request: web.Request, upstream: str, tape: list[Recorded]) -> web.StreamResponse:
    body = await request.read()
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    entry = Recorded(request.method, request.raw_path, headers, body)
    tape.append(entry)
    passed = [(name, value) for name, value in headers if name.lower() not in _HOP]
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["User-Agent", "Accept"]) as session,
        session.request(request.method, upstream + request.raw_path, headers=passed, data=body) as answer,
    ):
        entry.status = answer.status
        entry.response_headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_headers
        ]
        response = web.StreamResponse(status=answer.status)
        for name, value in entry.response_headers:
            if name.lower() not in _HOP:
                response.headers.add(name, value)
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            entry.response += piece
            await response.write(piece)
        await response.write_eof()
        return response


@contextlib.contextmanager
def recording(upstream: str) -> Iterator[tuple[str, list[Recorded]]]:
    """Run a forwarder to an upstream in a thread; yield its URL and the tape that it fills."""
    tape: list[Recorded] = []
    loop = asyncio.new_event_loop()
    started: list[str] = []
    up = threading.Event()

    async def begin() -> web.AppRunner:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await _forward(request, upstream, tape)

        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{anything:.*}", handle)
        runner = web.AppRunner(application, auto_decompress=False, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=0.2).start()
        started.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        up.set()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(begin())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    up.wait(10)
    try:
        yield started[0], tape
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
