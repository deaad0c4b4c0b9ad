"""A WebSocket over ASGI: the client's side of a session, with the same bounds as a request's body.

It holds no policy and no provider's format, and never lets a message in that is larger than a body may be.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from poundlock.core.errors import ClientFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Intake(Protocol):
    """What is taken of a worker's memory for bodies."""

    def add(self, size: int) -> None:
        """Take so many bytes. Raises: `ClientFault` when there is no room."""

    def release(self) -> None:
        """Give all of it back."""


def raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Give headers as an ASGI server takes them."""
    return [(name.encode("ascii"), value.encode("utf-8", "surrogateescape")) for name, value in headers]


class ClientSocket:
    """`Socket` over ASGI. A message counts against the worker's memory for bodies until the next one is asked for."""

    def __init__(self, receive: Receive, send: Send, intake: Intake, limit: int) -> None:
        """Speak by `receive` and `send` of an ASGI server; a message has at most `limit` bytes."""
        self.gone = False
        self.waiting = 0.0
        self.leaving = asyncio.Event()
        self.intake = intake
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (an ASGI server calls in a task)
        self.task: asyncio.Task[Any] = task
        self._receive = receive
        self._send = send
        self._limit = limit
        self._time = asyncio.get_running_loop().time
        self._accepted = False
        self._closed = False

    async def accept(self, headers: Iterable[tuple[str, str]]) -> None:
        """Agree to the handshake, with these headers besides."""
        self._accepted = True
        await self._send({"type": "websocket.accept", "headers": raw(headers)})

    async def refuse(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Answer the handshake with an HTTP error."""
        self._closed = True
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": raw(headers)})
        await self._send({"type": "websocket.http.response.body", "body": body, "more_body": False})

    async def receive(self) -> bytes | None:
        """Wait for the client's next message; None when it is gone. Raises: `ClientFault` for one that is no text."""
        self.intake.release()
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._closed = True
            return None
        text = message.get("text")
        if text is None:
            raise ClientFault("A message over the WebSocket is not a text.", advice="Send JSON as a text message.")
        data: bytes = text.encode("utf-8", "replace")
        if len(data) > self._limit:
            raise ClientFault(
                f"The message is larger than {self._limit} bytes.",
                advice="Send less at once, or raise gateway.max_body.",
            )
        self.intake.add(len(data))
        return data

    async def send(self, message: bytes) -> None:
        """Send a message, and wait until there is room for it."""
        self.waiting = self._time()
        await self._send({"type": "websocket.send", "text": message.decode("utf-8", "replace")})
        self.waiting = 0.0

    async def close(self, code: int = 1000) -> None:
        """Close it, with a code of RFC 6455."""
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": code})

    async def abort(self) -> None:
        """End it where nothing else did."""
        if self._accepted:
            with contextlib.suppress(Exception):
                await self.close(1011)
        elif not self._closed:
            await self.refuse(400, [("content-type", "application/json")], b"{}")

    def leave(self) -> None:
        """Cancel what serves it."""
        if not self.gone:
            self.gone = True
            self.task.cancel()
