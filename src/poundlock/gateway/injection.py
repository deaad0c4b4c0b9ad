"""`/x/NAME/…`: a request to a declared place, on which the gateway puts a secret that the tool never has.

INVARIANT: the secret goes to the resource's own address and to no other, for a task with a live lease, after its use
is on record; and it is taken off whatever comes back. It follows no redirect: where to go is the tool's to see.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from poundlock.core.errors import ClientFault, Fault, UpstreamFault
from poundlock.gateway import http

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poundlock.config import Resource, Settings
    from poundlock.core.leases import Held
    from poundlock.gateway.auth import Presence
    from poundlock.gateway.http import Handler, Request, Respond
    from poundlock.ports import Clock, Leases, Upstream, UpstreamResponse

PREFIX = "/x/"
MARK = b"[poundlock: taken off]"
READS = frozenset({"GET", "HEAD", "OPTIONS"})
"""What a level that does not write may do (RFC 9110 §9.2.1)."""


class Injection:
    """One object a worker; called once a request below `PREFIX`."""

    def __init__(
        self,
        settings: Settings,
        *,
        presence: Presence,
        leases: Leases,
        upstream: Upstream,
        secret: Callable[[str], str],
        clock: Clock,
    ) -> None:
        """Join the parts; `secret` gives the value of a variable of the gateway."""
        self._resources: Mapping[str, Resource] = settings.resources
        self._presence = presence
        self._leases = leases
        self._upstream = upstream
        self._secret = secret
        self._clock = clock

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Answer one request. A revocation ends it, also while an answer is under way."""
        try:
            await self._answer(request, respond)
        except asyncio.CancelledError:
            if self._presence.ended() is None:
                raise
            await respond.abort()
        finally:
            self._presence.leave()

    async def _answer(self, request: Request, respond: Respond) -> None:
        try:
            answer, taken = await self._sent(request)
        except Fault as fault:
            status = 502 if isinstance(fault, UpstreamFault) else 403
            error = {"error": {"message": f"Poundlock: {fault.message}", "advice": fault.advice}}
            await respond.start(status, [("content-type", "application/json"), ("cache-control", "no-store")])
            await respond.send(msgspec.json.encode(error))
            await respond.end()
            return
        try:
            head = [(name, taken.whole(value)) for name, value in http.returned(answer.headers)]
            await respond.start(answer.status, head)
            async for chunk in answer.chunks():
                if piece := taken.feed(chunk):
                    await respond.send(piece)
            if rest := taken.flush():
                await respond.send(rest)
            await respond.end()
        except UpstreamFault:
            await respond.abort()
        finally:
            await answer.close()

    async def _sent(self, request: Request) -> tuple[UpstreamResponse, Echo]:
        if request.fault is not None:
            raise request.fault
        name, _, rest = request.raw_path.removeprefix(PREFIX).partition("/")
        principal = (
            await self._presence.admit(request.token, request.header_map, request.peer) if request.token else None
        )
        if principal is None or principal.authenticated not in {"task", "token"}:
            raise ClientFault("Only a task with a lease gets through here.", advice="poundlock run --grant static:…")
        held = self._held(principal.task, name)
        row = self._resources[name]
        level = row.level(held.lease.level)
        if level is None or (not level.writes and request.method not in READS):
            raise ClientFault(
                f"The lease {held.lease.grant.name} only reads.", advice="Ask for a level that may write."
            )
        secret = self._secret(row.secret_env)
        if not secret:
            raise ClientFault(
                f"The gateway's environment has no {row.secret_env}.", advice="Set it where the gateway is started."
            )
        await self._leases.used(held.lease, {"event": "used", "method": request.method, "sent": len(request.body)})
        header = (row.header.lower(), f"{row.prefix}{secret}")
        headers = [each for each in http.forwarded(request.headers, header) if each == header or each[0] != header[0]]
        url = f"{row.upstream.rstrip('/')}/{rest}" + (f"?{request.query}" if request.query else "")
        answer = await self._upstream.send(request.method, url, headers, request.body or None)
        return answer, Echo(secret, f"{row.prefix}{secret}")

    def _held(self, task: str, resource: str) -> Held:
        """Give a live lease of this task on this resource. Raises: `ClientFault`."""
        now = self._clock.now()
        for held in self._leases.open():
            lease = held.lease
            if (lease.task, lease.backend, lease.resource) == (task, "static", resource) and (
                held.state == "live" and lease.expires > now and resource in self._resources
            ):
                return held
        raise ClientFault(
            "This task has no lease on that.", advice=f"Start the tool with --grant static:{resource}:LEVEL."
        )


class Echo:
    """Takes a secret off bytes that arrive in pieces, however it is spelt: as it is, escaped, or in base64."""

    def __init__(self, *values: str) -> None:
        """Know the secret, and what it was put on with."""
        spelt: set[bytes] = set()
        for value in values:
            data = value.encode()
            spelt |= {data, quote(value, safe="").encode(), msgspec.json.encode(value)[1:-1]}
            spelt |= {text.rstrip(b"=") for text in (base64.b64encode(data), base64.urlsafe_b64encode(data))}
        self._values = sorted((each for each in spelt if each), key=len, reverse=True)
        self._kept = b""

    def whole(self, text: str) -> str:
        """Give a text without it."""
        return self._off(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece, and give what can't be the beginning of it any more."""
        data = self._off(self._kept + chunk)
        at = len(data) - self._begun(data)
        self._kept = data[at:]
        return data[:at]

    def flush(self) -> bytes:
        """Give what is left."""
        kept, self._kept = self._kept, b""
        return kept

    def _off(self, data: bytes) -> bytes:
        for value in self._values:
            data = data.replace(value, MARK)
        return data

    def _begun(self, data: bytes) -> int:
        """Give the length of the longest end of `data` that begins a value."""
        for length in range(min(len(self._values[0]) - 1, len(data)), 0, -1):
            end = data[-length:]
            if any(value.startswith(end) for value in self._values):
                return length
        return 0


class Hatch:
    """A handler with the injection beside it."""

    def __init__(self, injection: Injection, inner: Handler) -> None:
        """Lead what is below `PREFIX` to the injection and everything else, WebSockets too, to `inner`."""
        self._injection = injection
        self._inner = inner
        self.socket = getattr(inner, "socket", None)

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Take one request to its end."""
        own = request.provider is None and request.path.startswith(PREFIX)
        await (self._injection if own else self._inner)(request, respond)
