"""The data plane: a raw ASGI application that reads a request, hands it to the exchange and carries the answer back.

It holds no policy and no provider's format. INVARIANT: every wait on a client is bounded: a body that trickles, a
reader that stops and a client that goes away end their own exchange, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core.errors import ClientFault, Fault
from poundlock.gateway.http import Handler, Request, SocketHandler, joined
from poundlock.web import requests
from poundlock.web.sockets import ClientSocket, raw
from poundlock.wire.base import WEBSOCKET
from poundlock.wire.coding import Decoder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    from poundlock.config import Gateway

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HEALTH = "/healthz"
"""The one path that the data plane answers itself: 200 as soon as this worker serves."""
BODY_PAUSE = 30.0
"""Seconds without a byte of a request body that has begun."""
BODY_TIME = 600.0
"""Seconds for a whole request body."""
READER_PAUSE = 600.0
"""Seconds that a client may leave one piece of its answer unread."""
BODIES = 8
"""Bodies of the largest allowed size that a worker holds at a time; beyond, it asks to come back later."""
LEFTOVER = 4.0
"""Seconds for the rest of a body that is already refused, so that the client gets to read the refusal."""


class _Gone(Exception):
    """The client went away before its request was complete."""


class DataPlane:
    """The application. `startup` runs in the worker's loop before it serves and may give the handler."""

    def __init__(
        self,
        handler: Handler | None,
        settings: Gateway,
        *,
        startup: Callable[[], Awaitable[Handler | None]] | None = None,
        shutdown: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Join the exchange and the listener's settings."""
        self._handler = handler
        self._settings = settings
        self._startup = startup
        self._shutdown = shutdown
        self._active: set[_Answer | ClientSocket] = set()
        self._held = 0
        self._sweeper: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = requests.door(scope["headers"], self._settings)
        if refusal is not None:
            await _plain(send, refusal.status, {"type": "error", "error": _error(refusal)})
            return
        if scope["raw_path"] == HEALTH.encode():
            await _plain(send, 200, {"status": "ok"})
            return
        handler = self._handler
        if handler is None:
            await _plain(send, 503, {"type": "error", "error": _error(requests.Refusal(503, "Not started yet."))})
            return
        answer = _Answer(scope, send)
        self._active.add(answer)
        intake = _Intake(self)
        try:
            request = await self._request(scope, receive, intake)
            watcher = asyncio.create_task(answer.watch(receive))
            try:
                await handler(request, answer)
            finally:
                watcher.cancel()
            if not answer.ended:
                await self._failed(answer, send)
        except _Gone:
            pass
        except asyncio.CancelledError:
            # Only the watcher, the sweeper and `end_all` cancel, and each says so first. Whatever else stays raised.
            if not answer.gone:
                raise
            answer.task.uncancel()
            if not answer.closed:
                await answer.abort()
        except Exception:  # noqa: BLE001 (promise 6; the traceback could show what it must not)
            await self._failed(answer, send)
        finally:
            intake.release()
            self._active.discard(answer)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket: the same door and the same reading of the handshake as for a request."""
        await receive()
        socket = ClientSocket(receive, send, _Intake(self), self._settings.max_body)
        handler = self._handler
        refusal = requests.door(scope["headers"], self._settings, socket=True)
        if self._stopping is not None:
            refusal = refusal or requests.Refusal(503, "The gateway is stopping. Try again in a moment.")
        if refusal is not None or not isinstance(handler, SocketHandler):
            none = requests.Refusal(426, "There is no WebSocket here. Use the HTTP endpoint of the same path.")
            refusal = refusal or (none if handler else requests.Refusal(503, "Not started yet."))
            body = msgspec.json.encode({"type": "error", "error": _error(refusal)})
            headers = [("content-type", "application/json"), ("x-should-retry", "false")]
            await socket.refuse(refusal.status, headers, body)
            return
        self._active.add(socket)
        parts = requests.parts(dict(scope))
        client = scope.get("client")
        request = Request(
            method=WEBSOCKET,
            path=parts.path,
            raw_path=parts.raw_path,
            query=parts.query,
            headers=parts.headers,
            header_map=joined(parts.headers),
            token=parts.token,
            provider=parts.provider,
            peer=str(client[0]) if client else "",
            fault=parts.fault,
        )
        try:
            await handler.socket(request, socket)
        except asyncio.CancelledError:
            if not socket.gone:
                raise
            socket.task.uncancel()
        except Exception:  # noqa: BLE001 (promise 6; the traceback could show what it must not)
            await socket.abort()
        finally:
            socket.intake.release()
            self._active.discard(socket)

    async def _failed(self, answer: _Answer, send: Send) -> None:
        if answer.started:
            await answer.abort()
        else:
            await _plain(
                send,
                400,
                {"type": "error", "error": _error(requests.Refusal(400, "Poundlock failed and sent nothing."))},
            )

    async def _request(self, scope: Scope, receive: Receive, intake: _Intake) -> Request:
        """Read a request to its end. Raises: `_Gone`."""
        parts = requests.parts(scope)  # type: ignore[arg-type]
        fault, body = parts.fault, b""
        if fault is None:
            try:
                body = await self._body(receive, parts.codings, intake)
            except ClientFault as caught:
                fault = caught
        if fault is not None and not intake.whole:
            await _leftover(receive)
        client, server = scope.get("client"), scope.get("server")
        return Request(
            method=scope["method"],
            path=parts.path,
            raw_path=parts.raw_path,
            query=parts.query,
            headers=parts.headers,
            header_map=joined(parts.headers),
            body=body,
            token=parts.token,
            provider=parts.provider,
            peer=str(client[0]) if client else "",
            peer_port=int(client[1]) if client else 0,
            own_port=int(server[1]) if server and server[1] else 0,
            fault=fault,
        )

    async def _body(self, receive: Receive, codings: tuple[str, ...], intake: _Intake) -> bytes:
        """Read and decode the body. Raises: `ClientFault` (too large, too slow, undecodable), `_Gone`."""
        limit = self._settings.max_body
        chunks: list[bytes] = []
        size = 0
        loop = asyncio.get_running_loop()
        set_at = loop.time()
        last = set_at + BODY_TIME
        try:
            async with asyncio.timeout(BODY_PAUSE) as pause:
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise _Gone
                    chunk = message.get("body", b"")
                    intake.whole = not message.get("more_body", False)
                    size += len(chunk)
                    if size > limit:
                        raise ClientFault(
                            f"The request's body is larger than {limit} bytes.",
                            advice="Send less at once, or raise gateway.max_body.",
                        )
                    intake.add(len(chunk))
                    chunks.append(chunk)
                    if intake.whole:
                        break
                    now = loop.time()
                    if now - set_at > BODY_PAUSE / 30:  # not for each of a large body's pieces: it costs a timer
                        set_at = now
                        pause.reschedule(min(now + BODY_PAUSE, last))
        except TimeoutError:
            raise ClientFault("The request's body did not arrive in time.", advice="Send it again.") from None
        return await self._decoded(chunks, codings)

    async def _decoded(self, chunks: list[bytes], codings: tuple[str, ...]) -> bytes:
        if not codings:
            return b"".join(chunks)
        decoder = Decoder(codings, self._settings.max_body, ClientFault)
        out: list[bytes] = []
        for chunk in chunks:
            for at in range(0, len(chunk), 65_536):
                out.append(decoder.feed(chunk[at : at + 65_536]))
                if at:
                    await asyncio.sleep(0)  # others are served while a large body is decoded
        decoder.finish()
        return b"".join(out)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            if self._startup is not None:
                self._handler = await self._startup() or self._handler
        except Exception as fault:  # noqa: BLE001 (the server ends; the words of an unknown error stay unsaid)
            _say(fault)
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signal.SIGUSR2, self.end_all)
            loop.add_signal_handler(signal.SIGTERM, self._stop)
        self._sweeper = loop.create_task(self._sweep())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._sweeper.cancel()
        try:
            if self._shutdown is not None:
                await self._shutdown()
        except Exception as fault:  # noqa: BLE001 (as above)
            _say(fault)
            await send({"type": "lifespan.shutdown.failed", "message": ""})
            return
        await send({"type": "lifespan.shutdown.complete"})

    def _stop(self) -> None:
        """Let the WebSockets end their answers, then stop: the server waits for requests, but cuts every socket.

        The server stops at SIGINT as at SIGTERM, whose place this takes.
        """
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._last_answers())

    async def _last_answers(self) -> None:
        while sockets := [each for each in self._active if isinstance(each, ClientSocket)]:
            for each in sockets:
                each.leaving.set()
            await asyncio.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    def end_all(self) -> None:
        """End every open exchange: the time for draining is over."""
        for answer in list(self._active):
            answer.leave()

    async def _sweep(self) -> None:
        """End the exchanges whose reader has stopped for too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(READER_PAUSE / 20)
            for answer in list(self._active):
                if answer.waiting and loop.time() - answer.waiting > READER_PAUSE:
                    answer.leave()


class _Intake:
    """What one exchange's body takes of a worker's memory for bodies."""

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self.size = 0
        self.whole = False

    def add(self, size: int) -> None:
        if self.plane._held + size > BODIES * self.plane._settings.max_body:  # noqa: SLF001 (its other half)
            raise ClientFault("The gateway holds too many large requests.", advice="Try again in a moment.", status=429)
        self.size += size
        self.plane._held += size  # noqa: SLF001 (its other half)

    def release(self) -> None:
        self.plane._held -= self.size  # noqa: SLF001 (its other half)
        self.size = 0


class _Answer:
    """`Respond` over ASGI, with the watch on the client.

    The server's own queue for an answer is four pieces long; `send` waits when it is full, so nothing is kept here.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self.started = False
        self.ended = False
        self.gone = False
        self.closed = False
        self.waiting = 0.0
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (an ASGI server calls in a task)
        self.task: asyncio.Task[Any] = task
        self._scope = scope
        self._send = send
        self._time = asyncio.get_running_loop().time

    async def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": raw(headers)})

    async def send(self, chunk: bytes) -> None:
        if not chunk:
            return
        self.waiting = self._time()
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        self.waiting = 0.0

    async def end(self) -> None:
        self.ended = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def abort(self) -> None:
        if self.ended:
            return
        self.ended = True
        if self.started:
            # The server knows only one end of a body, the proper one. The pieces under way get a moment to leave.
            await asyncio.sleep(0.05)
            _cut(self._scope)

    async def watch(self, receive: Receive) -> None:
        """Wait until the client is gone, then cancel the exchange, and with it the call upstream."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.closed = True
        self.leave()

    def leave(self) -> None:
        if not self.ended and not self.gone:
            self.gone = True
            self.task.cancel()


def _cut(scope: Scope) -> None:
    """Shut the client's connection down under the server.

    The only way to tell a client of a chunked answer that it is not complete is to leave out the last chunk, and the
    server has no call for that. So the connection is found among this process's own by its two addresses.
    """
    client, server = scope.get("client"), scope.get("server")
    if not client or not server:
        return
    want = (str(client[0]), int(client[1]), int(server[1]))
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 (names only)
        try:
            copy = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with copy:
            try:
                peer, own = copy.getpeername(), copy.getsockname()
                if isinstance(peer, tuple) and (str(peer[0]), peer[1], own[1]) == want:
                    copy.shutdown(socket.SHUT_RDWR)
                    return
            except (OSError, IndexError):
                continue


async def _leftover(receive: Receive) -> None:
    """Read on for a moment, throwing away, so that a client in the middle of sending gets to read its refusal."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEFTOVER):
            while True:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return


def _error(refusal: requests.Refusal) -> dict[str, str]:
    kind = "permission_error" if refusal.status == 403 else "invalid_request_error"
    return {"type": kind, "message": f"Poundlock: {refusal.message}"}


async def _plain(send: Send, status: int, body: Any) -> None:
    headers = [(b"content-type", b"application/json"), (b"x-should-retry", b"false")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(body), "more_body": False})


def _say(fault: Exception) -> None:
    """Tell the operator what ended the worker: our own words, or the name of the error."""
    if isinstance(fault, Fault):
        text = f"{fault.message} {fault.advice}"
    else:
        text = f"an unexpected {type(fault).__name__}. Run `poundlock doctor`."
    sys.stderr.write(f"poundlock serve: {text.strip()}\n")
