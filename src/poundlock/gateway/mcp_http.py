"""MCP over streamable HTTP: one request from a client to a server and back, every message through the session's line.

Source: modelcontextprotocol.io/specification, "Transports". The client's own authorization is Poundlock's and ends
here; the server gets the one that the register holds. It must never pass a body on that is no JSON-RPC message.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from poundlock.core.errors import ClientFault, Fault, UpstreamFault
from poundlock.gateway import http
from poundlock.gateway.mcp_session import failure
from poundlock.wire import framing
from poundlock.wire.arrays import ItemSplitter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from poundlock.core.mcp import Server
    from poundlock.core.model import Principal
    from poundlock.gateway.http import Handler, Request, Respond
    from poundlock.gateway.mcp_session import Session
    from poundlock.ports import Upstream, UpstreamResponse

PREFIX = "/mcp/"
SESSIONS = 4096
"""How many sessions are known at a time; one that was used longest ago begins anew, with nothing pending."""
LARGEST = 64 * 1024 * 1024
"""Bytes of the longest message."""
_SESSION = "mcp-session-id"
_METHODS = frozenset({"GET", "POST", "DELETE"})


class Line(Protocol):
    """What sessions share."""

    def server(self, name: str) -> Server:
        """Give a server of the register as it now is. Raises: `ConfigFault`."""

    async def caller(self, request: Request) -> Principal:
        """Say who calls. Raises: `ClientFault`."""

    def session(self, server: Server, principal: Principal, name: str) -> Session:
        """Begin a session."""


class McpExchange:
    """One object a worker; called once a request."""

    def __init__(self, line: Line, upstream: Upstream, *, new_id: Callable[[], str]) -> None:
        """Join the parts."""
        self._line = line
        self._upstream = upstream
        self._new_id = new_id
        self._sessions: OrderedDict[tuple[str, str, str], Session] = OrderedDict()
        self._posted: set[asyncio.Task[None]] = set()

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Take one request to its end: an answer, or a refusal in JSON-RPC. A client that goes away cancels this."""
        try:
            await self._line_of(request, respond)
        except UpstreamFault as fault:
            await self._refuse(request, respond, fault, fault.status)
        except Fault as fault:
            await self._refuse(request, respond, fault, 400)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 (promise 6: whatever it is, nothing may leave)
            own = Fault("Poundlock met an error of its own and sent nothing.", advice="Run `poundlock doctor`.")
            await self._refuse(request, respond, own, 500)

    async def _line_of(self, request: Request, respond: Respond) -> None:
        """Follow the line."""
        if request.fault is not None:
            raise request.fault
        if request.method not in _METHODS:
            raise ClientFault("MCP speaks POST, GET and DELETE.", advice="Check the client's URL.")
        principal = await self._line.caller(request)
        server = self._line.server(request.path.removeprefix(PREFIX).strip("/"))
        if not server.url:
            raise ClientFault(
                "This MCP server speaks over standard input and output.",
                advice=f"Give the client the command: poundlock mcp serve {server.name}",
            )
        session = self._session(server, principal, request)
        extra: bytes | None = None
        body: bytes | None = None
        if request.method == "POST":
            if not http.is_json(request.headers):
                raise ClientFault("The body is not JSON in UTF-8.", advice="Send `content-type: application/json`.")
            passed = await session.from_client(request.body)
            body, extra = passed.on, passed.back
            if body is None:
                await _whole(respond, 200 if extra else 202, extra or b"")
                return
        headers = http.forwarded(request.headers, anonymous=True)
        headers = [(name, value) for name, value in headers if name not in server.headers]
        headers += list(server.headers.items())
        response = await self._upstream.send(request.method, server.url, headers, body)
        try:
            await self._home(request, response, respond, session, server, extra)
        finally:
            await response.close()

    async def _home(
        self,
        request: Request,
        response: UpstreamResponse,
        respond: Respond,
        session: Session,
        server: Server,
        extra: bytes | None,
    ) -> None:
        """Bring the server's answer home."""
        if response.status in {401, 403} and server.headers:
            raise UpstreamFault(
                f"The MCP server {server.name} refused the credential that Poundlock holds for it.",
                advice=f"Replace it: poundlock mcp add {server.name} --url … --header 'Authorization: …'",
                status=502,
            )
        headers = [*http.returned(response.headers)]
        named = dict(headers).get(_SESSION)
        if named:
            self._keep((server.name, session.principal.human, named), session)
        kind = http.content_type(response.headers)
        if kind == "text/event-stream":
            await respond.start(response.status, headers)
            if extra is not None:
                await respond.send(framing.event(extra, "message"))
            await self._stream(response, respond, session, server, request)
            await respond.end()
            return
        if kind != "application/json" and response.status < 400 and request.method == "POST" and response.status != 202:
            raise UpstreamFault(f"The MCP server {server.name} answered with something that is not JSON.")
        await respond.start(response.status, headers)
        if extra is not None:
            await respond.send(b"[" + extra + b",")
        if kind == "application/json":
            await self._objects(response, respond, session, server, request)
        if extra is not None:
            await respond.send(b"]")
        await respond.end()

    async def _objects(
        self, response: UpstreamResponse, respond: Respond, session: Session, server: Server, request: Request
    ) -> None:
        """Carry a JSON body object by object: a message, a batch, or messages one after another as they come."""
        splitter = ItemSplitter(LARGEST)
        async for chunk in response.chunks():
            for piece in splitter.feed(chunk):
                if not piece.item:
                    await respond.send(piece.data)
                    continue
                passed = await session.from_server(piece.data)
                self._post(passed.back, server, request)
                if passed.on is not None:
                    await respond.send(passed.on)

    async def _stream(
        self, response: UpstreamResponse, respond: Respond, session: Session, server: Server, request: Request
    ) -> None:
        """Carry a stream of events, one message after another."""
        splitter = framing.EventSplitter()
        async for chunk in response.chunks():
            for event in framing.events(splitter.feed(chunk)):
                data = framing.data_of(event)
                if not data:
                    await respond.send(event)  # a comment, or an id to go on from
                    continue
                passed = await session.from_server(data)
                self._post(passed.back, server, request)
                if passed.on is not None:
                    await respond.send(framing.with_data(event, passed.on))

    def _post(self, message: bytes | None, server: Server, request: Request) -> None:
        """Tell the server what answers a request of its own that was refused."""
        if message is None:
            return

        async def told() -> None:
            headers = [*http.forwarded(request.headers, anonymous=True), *server.headers.items()]
            with contextlib.suppress(Fault):
                response = await self._upstream.send("POST", server.url, headers, message)
                await response.close()

        task = asyncio.create_task(told())
        self._posted.add(task)
        task.add_done_callback(self._posted.discard)

    def _session(self, server: Server, principal: Principal, request: Request) -> Session:
        """Give the session that a request belongs to; without an id of the server's, one for each caller."""
        key = (server.name, principal.human, request.header_map.get(_SESSION, ""))
        session = self._sessions.get(key)
        if session is None or (request.method == "POST" and not key[2] and b'"initialize"' in request.body):
            session = self._line.session(server, principal, key[2] or self._new_id())
        session.server = server
        session.principal = principal
        self._keep(key, session)
        return session

    def _keep(self, key: tuple[str, str, str], session: Session) -> None:
        self._sessions[key] = session
        self._sessions.move_to_end(key)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)

    async def _refuse(self, request: Request, respond: Respond, fault: Fault, status: int) -> None:
        """Answer in JSON-RPC; where an answer has begun already, end it."""
        if respond.started:
            await respond.abort()
            return
        await _whole(respond, status, failure(request.body, fault) or b"")


async def _whole(respond: Respond, status: int, data: bytes) -> None:
    await respond.start(status, [("content-type", "application/json")] if data else [])
    if data:
        await respond.send(data)
    await respond.end()


class Front:
    """What a worker serves: MCP and hooks under paths of their own, the straight line for all else."""

    def __init__(self, line: Handler, own: Mapping[str, Handler], socket: Callable[..., Awaitable[None]]) -> None:
        """Join them; `own` is by what a path begins with, and `socket` takes WebSockets."""
        self._line = line
        self._own = own
        self.socket = socket

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Take one request to its end."""
        for prefix, handler in self._own.items():
            if request.path.startswith(prefix):
                await handler(request, respond)
                return
        await self._line(request, respond)
