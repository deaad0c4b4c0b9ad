"""The straight line for a WebSocket: each message that asks for something is an exchange of its own.

The handshake and every message go inspected and on record before the connection upstream is used for them; the
session keeps what it was issued, since a later message names an answer instead of repeating it. It must never let a
message overtake the record of it, and never send one while another one's answer is under way.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from poundlock.core.errors import ClientFault, Fault, UpstreamFault
from poundlock.core.model import Document, Rung
from poundlock.gateway import http
from poundlock.gateway.exchange import SENT, Exchange, Judged
from poundlock.gateway.way_home import Held, Home
from poundlock.wire import registry
from poundlock.wire.base import SocketWire

if TYPE_CHECKING:
    from poundlock.core.model import Surrogate
    from poundlock.gateway.http import Request, Socket
    from poundlock.gateway.ways import Way
    from poundlock.ports import UpstreamSocket
    from poundlock.wire.base import Message, MessageCodec

SWITCHED = 101
NORMAL = 1000
GOING_AWAY = 1001
VIOLATION = 1008
BROKEN = 1011
"""Codes of RFC 6455 §7.4.1: an end in order, one of somebody who may not go on, one that the provider broke."""


class SocketExchange(Exchange):
    """The exchange that also takes WebSockets."""

    async def socket(self, request: Request, socket: Socket) -> None:
        """Take one WebSocket to its end: a session, or a refusal in place of the handshake."""
        held = Held(self.new_id(), registry.shape(request.raw_path, request.header_map, self._format(request.provider)))
        try:
            session = await self._opened(request, socket, held)
        except UpstreamFault as fault:
            await self._refuse_handshake(socket, held, fault, fault.status)
        except _Stopped as stopped:
            await self._refuse_handshake(socket, held, stopped)
        except Fault as fault:
            await self._record_refusal(held, fault)
            await self._refuse_handshake(socket, held, fault)
        except Exception as error:  # noqa: BLE001 (promise 6: whatever it is, nothing may leave)
            own = Fault("Poundlock met an error of its own and sent nothing.", advice="Run `poundlock doctor`.")
            await self._record_refusal(held, own, type(error).__name__)
            await self._refuse_handshake(socket, held, own)
        else:
            await self._carried(session)
        finally:
            self.presence.leave()

    async def _carried(self, session: Session) -> None:
        """Carry a session to its end; a revocation ends it, and is no cancellation for the server to know of."""
        try:
            await session.run()
        except asyncio.CancelledError:
            if self.presence.ended() is None:
                raise

    async def _opened(self, request: Request, socket: Socket, held: Held) -> Session:
        """Follow the line for the handshake, and agree to it once the provider has. Raises: `Fault`."""
        principal = await self._caller(request)
        way = self._way(request)
        wire = way.wire
        if not isinstance(wire, SocketWire):
            raise ClientFault("This route is no WebSocket.", advice="See `poundlock doctor --coverage`.")
        self._search_query(request)
        held.account = self.accounts.sign(way.name, request.header_map, principal)
        empty = registry.Empty(Document(provider=way.wire.provider, operation=way.route.operation, segments=()))
        judged = await self._judged(empty, way, principal, held, 0, movable=False)
        if judged.verdict.decision.rung not in SENT:
            reasons = judged.verdict.decision.reasons
            why = next((reason.reason for reason in reasons if reason.reason), "Policy stopped this request.")
            raise _Stopped(why, advice=next(iter(judged.verdict.decision.advice), ""))
        headers = http.forwarded(request.headers, self._credential(way, principal))
        link = await self.upstream.connect(self._url(way, request), headers)
        self.accounts.learn(way.name, held.account, link.headers)
        try:
            await socket.accept([*http.returned(link.headers), ("x-poundlock-decision", held.id)])
        except BaseException:
            await link.close()
            raise
        return Session(self, request, way, wire, socket, link)

    async def _refuse_handshake(self, socket: Socket, held: Held, fault: Fault, status: int = 400) -> None:
        text = " ".join(
            part for part in ("Poundlock:", fault.message, fault.advice, f"(poundlock explain {held.id})") if part
        )
        headers = [("content-type", "application/json"), ("x-poundlock-decision", held.id)]
        with contextlib.suppress(ConnectionError):
            await socket.refuse(status, headers, held.wire.refusal(status, text, code="poundlock_refused"))

    async def judge_message(
        self, session: Session, message: Message, held: Held, size: int
    ) -> tuple[Judged, bytes | None, Home | None]:
        """Inspect a message and put it on record. Give its verdict, what is to be sent, and its answer's way home.

        Nothing is to be sent where policy stopped it. Raises: `Fault`.
        """
        # A credential may have been revoked since the last message.
        principal = await self._caller(session.request)
        held.account = self.accounts.sign(session.way.name, session.request.header_map, principal)
        body = await self.attachments.read(message.body)
        judged = await self._judged(body, session.way, principal, held, size, session.issued, movable=False)
        if judged.verdict.decision.rung is Rung.SEND_APPROVED:
            await self._admitted(judged, session.way, None, held)
            judged = await self._judged(body, session.way, principal, held, size, session.issued, movable=False)
        verdict = judged.verdict
        if verdict.decision.rung not in SENT:
            return judged, None, None
        home = self._homeward(held, verdict, judged.snapshot, judged.context, judged.key)
        home.status = SWITCHED
        home.follow = judged.key if message.body.document.stored and verdict.issued else None
        return judged, body.encode(verdict.texts), home if message.answered else None

    async def remember(self, home: Home) -> None:
        """Make durable what a stored answer is restored with."""
        await self._remember(home)

    def close_record(self, home: Home) -> None:
        """Queue an answer's closing record."""
        self._close_record(home)

    async def record_refusal(self, held: Held, fault: Fault) -> None:
        """Put on record what was refused before it was inspected."""
        await self._record_refusal(held, fault)


class _Stopped(ClientFault):
    """A handshake that policy stopped; its verdict is on record."""


class _Turn:
    """One message and the answer that is under way to it."""

    def __init__(self, home: Home, codec: MessageCodec) -> None:
        self.home = home
        self.codec = codec


class Session:
    """An open WebSocket: two directions, each a task, and what was issued so far."""

    def __init__(
        self, line: SocketExchange, request: Request, way: Way, wire: SocketWire, socket: Socket, link: UpstreamSocket
    ) -> None:
        """Join a client's socket with the provider's; the handshake has named both."""
        self.request = request
        self.way = way
        self.issued: dict[str, Surrogate] = {}
        self._line = line
        self._wire = wire
        self._socket = socket
        self._link = link
        self._turn: _Turn | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Carry messages both ways until one side is gone."""
        out = asyncio.create_task(self._outbound())
        home = asyncio.create_task(self._homebound())
        last = asyncio.create_task(self._last())
        code = NORMAL
        try:
            await asyncio.wait({out, home, last}, return_when=asyncio.FIRST_COMPLETED)
            if out.cancelled():
                code = VIOLATION  # what came in last was asked for by somebody who may not go on
            elif home.done():
                code = home.result()
            elif last.done():
                code = GOING_AWAY
        except asyncio.CancelledError:
            code = VIOLATION
            raise
        except Exception:  # noqa: BLE001 (an error of our own: nothing more may leave, and nothing is said of it)
            code = BROKEN
        finally:
            for task in (out, home, last):
                task.cancel()
            await asyncio.gather(out, home, last, return_exceptions=True)
            ended = "revoked" if code == VIOLATION else "client gone"
            self._end(ended if self._turn else "complete")
            await self._link.close()
            with contextlib.suppress(Exception):
                await self._socket.close(code)

    async def _last(self) -> None:
        """Wait until the server stops, and then for the answer that is under way."""
        await self._socket.leaving.wait()
        await self._idle.wait()

    async def _outbound(self) -> None:
        """Take the client's messages, one after another, until it is gone."""
        while True:
            held = Held(self._line.new_id(), self.way.wire)
            try:
                data = await self._socket.receive()
                if data is None:
                    return
                await self._message(data, held)
            except UpstreamFault:
                return
            except Fault as fault:
                await self._line.record_refusal(held, fault)
                await self._told(held, fault.status if fault.status >= 500 else 400, fault.message, fault.advice)

    async def _message(self, data: bytes, held: Held) -> None:
        """Follow the line for one message. Raises: `Fault`."""
        message = self._wire.decode_message(data, self.request.header_map)
        if message.answered:
            # The provider answers one at a time, and each answer has its own way home.
            await self._idle.wait()
        judged, sent, home = await self._line.judge_message(self, message, held, len(data))
        if sent is None:
            decision = judged.verdict.decision
            why = next((reason.reason for reason in decision.reasons if reason.reason), "Policy stopped this request.")
            await self._told(held, 400, why, next(iter(decision.advice), ""))
            return
        self.issued.update(judged.verdict.issued)
        if home is not None:
            self._turn = _Turn(home, self._wire.messages(home.homeward))
            self._idle.clear()
        await self._link.send(sent)

    async def _homebound(self) -> int:
        """Bring the provider's messages home until it closes; give the code to close the client's socket with."""
        while True:
            try:
                data = await self._link.receive()
                if data is None:
                    return await self._over(GOING_AWAY if self._turn else NORMAL)
                turn = self._turn
                if turn is None:
                    await self._socket.send(data)
                    continue
                turn.home.received += len(data)
                messages = turn.codec.feed(data)
            except UpstreamFault:
                return await self._over(BROKEN)
            await self._line.remember(turn.home)
            await turn.home.settle()
            for message in messages:
                turn.home.given += len(message)
                await self._socket.send(message)
            if turn.codec.ended:
                for message in turn.codec.finish():
                    await self._socket.send(message)
                self._end("complete")

    async def _over(self, code: int) -> int:
        """Give the client what was held back of an answer that is not complete."""
        if self._turn is not None:
            for message in self._turn.codec.finish():
                await self._socket.send(message)
            self._end("upstream broke")
        return code

    def _end(self, how: str) -> None:
        """End the answer that is under way, if one is."""
        turn, self._turn = self._turn, None
        self._idle.set()
        if turn is not None:
            turn.home.ended = how
            self._line.close_record(turn.home)

    async def _told(self, held: Held, status: int, message: str, advice: str) -> None:
        text = " ".join(part for part in ("Poundlock:", message, advice, f"(poundlock explain {held.id})") if part)
        await self._socket.send(self._wire.refused_message(status, text, code="poundlock_refused"))
