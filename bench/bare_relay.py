"""A relay that does nothing else: granian, raw ASGI and aiohttp, with no inspection. What every gateway must pay.

Run with `python bench/bare_relay.py PORT UPSTREAM`; `relay.py` does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import aiohttp

session: aiohttp.ClientSession | None = None
DROPPED = {b"host", b"content-length", b"connection", b"transfer-encoding", b"accept-encoding"}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Relay one request, streaming the answer."""
    global session  # noqa: PLW0603 (one a worker)
    if scope["type"] == "lifespan":
        session = aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await session.close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    chunks = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    headers = {name.decode(): value.decode() for name, value in scope["headers"] if name not in DROPPED}
    url = os.environ["BARE_UPSTREAM"] + scope["raw_path"].decode()
    assert session is not None
    async with session.request(scope["method"], url, headers=headers, data=b"".join(chunks)) as answer:
        kept = [
            (name.lower().encode(), value.encode())
            for name, value in answer.headers.items()
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": kept})
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


if __name__ == "__main__":
    from granian import Granian

    port, os.environ["BARE_UPSTREAM"] = sys.argv[1:3]
    Granian(
        "bare_relay:app",
        port=int(port),
        interface="asgi",  # type: ignore[arg-type]
        http="1",  # type: ignore[arg-type]
        websockets=False,
        log_enabled=False,
        working_dir=Path(__file__).parent,
    ).serve()
