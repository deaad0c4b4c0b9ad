"""The intercepting proxy, for tools that take no base URL.

It opens the TLS of AI services and sends their requests to the gateway; everything else it tunnels, unread. Nobody
uses it without a Poundlock credential in `Proxy-Authorization`, and the gateway gets that credential with each request.
One connection carries one request, so that nothing can hide behind it. It decides nothing about content and never
logs a host, a path or a header. INVARIANT: a host of the table is never tunnelled.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import re
import ssl
import urllib.request
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from poundlock.core.errors import ClientFault, ConfigFault, Fault
from poundlock.web import hello

if TYPE_CHECKING:
    from collections.abc import Callable

    from poundlock.core.services import Service, Services

HEAD = 131_072
"""Largest request head, in bytes."""
HEAD_TIME = 30.0
"""Seconds for a request head, and for a TLS handshake, to arrive."""
CONNECT_TIME = 20.0
"""Seconds for a connection to a host that is tunnelled."""
CONNECTIONS = 512
"""Connections at a time; further ones wait."""
_PIECE = 65_536
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_ABSOLUTE = re.compile(r"http://(?P<authority>[^/?#@]+)(?P<path>[/?][^#]*)?")
_CONNECTION = frozenset({"connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"})
_BROWSER = frozenset({"origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"})
"""What the gateway knows web pages by. A page can't use this proxy: it has not the credential."""


class Contexts(Protocol):
    """What gives the TLS context for a host."""

    def context(self, host: str) -> ssl.SSLContext:
        """Give the server's context, with a certificate for this host."""


class Head(NamedTuple):
    """A request's head: header names in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Give the values of every header of this name."""
        return [value for key, value in self.headers if key == name]


class Parent(NamedTuple):
    """The proxy of the surroundings, for what is tunnelled; `bypass` is a list as in NO_PROXY."""

    host: str
    port: int
    authorization: str = ""
    bypass: str = ""

    @classmethod
    def of(cls, url: str, bypass: str = "") -> Parent | None:
        """Read a proxy's URL; none for an empty one. Raises: `ConfigFault` for one that is not `http://`."""
        if not url:
            return None
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname:
            raise ConfigFault(
                "The proxy of the environment can't be used: only http:// is supported.",
                advice="Set HTTPS_PROXY to an http:// proxy, or unset it for this command.",
            )
        known = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
        secret = f"Basic {base64.b64encode(known.encode()).decode()}" if known else ""
        return cls(parts.hostname, parts.port or 80, secret, bypass)

    def serves(self, host: str) -> bool:
        """Tell whether requests to this host go through it."""
        return not urllib.request.proxy_bypass_environment(host, {"no": self.bypass})  # type: ignore[attr-defined]


class Interception:
    """The proxy. `known` tells whether a credential is one of Poundlock's."""

    def __init__(
        self,
        *,
        services: Services,
        contexts: Contexts,
        known: Callable[[str], bool],
        gateway: tuple[str, int],
        parent: Parent | None = None,
    ) -> None:
        """Join the parts. `gateway` is the host and port of the data plane."""
        self._services = services
        self._contexts = contexts
        self._known = known
        self._gateway = gateway
        self._parent = parent
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection to its end; `asyncio.start_server` calls this."""
        try:
            async with self._room:
                await self._serve(reader, writer)
        except Fault as fault:
            await _refuse(writer, fault)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, ssl.SSLError):
            pass  # one side is gone, or was never there
        except Exception:  # noqa: BLE001 (promise 6; the words of an unknown error stay unsaid)
            await _refuse(writer, Fault("Poundlock failed and sent nothing.", advice="Run `poundlock doctor`."))
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await _head(reader)
        token = _token(head)
        if token is None or not self._known(token):
            await _answer(
                writer,
                407,
                "Poundlock does not know this caller. Start the tool with `poundlock run --intercept -- TOOL`.",
                ('Proxy-Authenticate: Basic realm="poundlock"',),
            )
            return
        if head.method != "CONNECT":
            await self._plain(head, token, reader, writer)
            return
        host, port = _authority(head.target, 443)
        service = self._services.find(host)
        if service is None:
            await self._tunnel(host, port, reader, writer)
            return
        context = self._contexts.context(host.lower().removesuffix("."))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.drain()
        async with asyncio.timeout(HEAD_TIME):
            await writer.start_tls(context)
        await self._line(await _head(reader), host, service, token, reader, writer)

    async def _line(
        self,
        head: Head,
        host: str,
        service: Service,
        token: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Send one request of an AI service to the gateway, and its answer back. Raises: `ClientFault`."""
        named = head.all("host")
        if len(named) != 1 or _authority(named[0], 443)[0].lower() != host.lower():
            raise ClientFault("The request is for another host than the connection.", status=421)
        path = service.path(head.target) if head.target.startswith("/") else None
        if path is None:
            raise ClientFault(
                "This path of an AI service is none that Poundlock can send to the gateway.",
                advice="See `poundlock doctor --coverage`.",
            )
        near, far = await asyncio.open_connection(*self._gateway)
        try:
            far.write(_toward_gateway(head, f"/p/{service.provider}{path}", token, self._gateway))
            await _relay(reader, writer, near, far)
        finally:
            far.close()

    async def _plain(self, head: Head, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a request for an `http://` URL: to the gateway for a host of the table, else to where it is for."""
        found = _ABSOLUTE.fullmatch(head.target)
        if found is None:
            raise ClientFault("This is a proxy: ask it for a whole URL, or for a tunnel with CONNECT.")
        host, port = _authority(found["authority"], 80)
        path = found["path"] or "/"
        path = path if path.startswith("/") else f"/{path}"
        if service := self._services.find(host):
            await self._line(head._replace(target=path), host, service, token, reader, writer)
            return
        parent = self._parent if self._parent and self._parent.serves(host) else None
        target = head.target if parent else path
        kept = [(name, value) for name, value in head.headers if name not in _CONNECTION]
        if parent and parent.authorization:
            kept.append(("proxy-authorization", parent.authorization))
        near, far = await _connected(parent.host if parent else host, parent.port if parent else port)
        try:
            far.write(_written(head.method, target, [*kept, ("connection", "close")]))
            await _relay(reader, writer, near, far)
        finally:
            far.close()

    async def _tunnel(self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join the client with a host, byte for byte. Raises: `Fault` where it can't be reached."""
        parent = self._parent if self._parent and self._parent.serves(host) else None
        near, far = await _connected(parent.host if parent else host, parent.port if parent else port)
        try:
            if parent:
                shown = f"[{host}]" if ":" in host else host
                own = [("host", f"{shown}:{port}")]
                own += [("proxy-authorization", parent.authorization)] if parent.authorization else []
                far.write(_written("CONNECT", f"{shown}:{port}", own))
                async with asyncio.timeout(CONNECT_TIME):
                    said = await near.readuntil(b"\r\n\r\n")
                if not re.match(rb"HTTP/1\.[01] 2\d\d\b", said):
                    raise Fault("The proxy of the surroundings refused the tunnel.", status=502)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _relay(reader, writer, near, far, self._ours)
        finally:
            far.close()

    def _ours(self, name: str) -> bool:
        """Tell whether the name that a tunnelled client asks for is an AI service's: by address it gets no further."""
        return self._services.find(name) is not None


async def _connected(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(CONNECT_TIME):
            return await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        raise Fault("The host can't be reached.", advice="Check the network.", status=502) from None


async def _head(reader: asyncio.StreamReader) -> Head:
    """Read a request's head. Raises: `ClientFault` for one that two readers could take in two ways."""
    async with asyncio.timeout(HEAD_TIME):
        try:
            raw = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise ClientFault("The request's head is too long.", status=431) from None
    try:
        first, *rest = raw[:-4].decode("utf-8").split("\r\n")
    except UnicodeDecodeError:
        raise ClientFault("The request's head is not UTF-8.") from None
    words = first.split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or words[2] not in {"HTTP/1.1", "HTTP/1.0"}:
        raise ClientFault("The request's first line can't be read.")
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in words[1]):
        raise ClientFault("The request's target can't be read.")
    headers = []
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or any(letter in value for letter in "\r\n\0"):
            raise ClientFault("A header of the request can't be read.")
        headers.append((name.lower(), value.strip(" \t")))
    return Head(words[0], words[1], tuple(headers))


def _authority(text: str, default: int) -> tuple[str, int]:
    """Give host and port. Raises: `ClientFault`."""
    found = _AUTHORITY.fullmatch(text)
    if found is None or int(found["port"] or default) > 65_535:
        raise ClientFault("The request's host can't be read.")
    return found["host"].strip("[]"), int(found["port"] or default)


def _token(head: Head) -> str | None:
    """Give Poundlock's credential: the password of `Basic`, or what follows `Bearer`."""
    given = head.all("proxy-authorization")
    if len(given) != 1:
        return None
    scheme, _, rest = given[0].partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return None


def _toward_gateway(head: Head, target: str, token: str, gateway: tuple[str, int]) -> bytes:
    """Write the head that the gateway gets: its own host, the caller's credential, and nothing of this connection."""
    upgrade = "upgrade" in {part.strip().lower() for value in head.all("connection") for part in value.split(",")}
    named = {part.strip().lower() for value in head.all("connection") for part in value.split(",")} - {"upgrade"}
    dropped = _CONNECTION | _BROWSER | named | {"host", "x-poundlock-token"}
    kept = [(name, value) for name, value in head.headers if name not in dropped and (name != "upgrade" or upgrade)]
    host = f"[{gateway[0]}]" if ":" in gateway[0] else gateway[0]
    own = [("host", f"{host}:{gateway[1]}"), ("x-poundlock-token", token)]
    return _written(head.method, target, [*own, *kept, ("connection", "upgrade" if upgrade else "close")])


def _written(method: str, target: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


async def _relay(
    client_in: asyncio.StreamReader,
    client_out: asyncio.StreamWriter,
    far_in: asyncio.StreamReader,
    far_out: asyncio.StreamWriter,
    ours: Callable[[str], bool] | None = None,
) -> None:
    """Carry bytes both ways until the far side has ended, or either is gone.

    With `ours`, a client that begins TLS with a name that is ours is cut off before the far side has read it.
    """

    async def outward() -> None:
        if ours is not None:
            await _opening(client_in, far_out, ours)
        await _carry(client_in, far_out)
        # The client says that it has no more: an answer may still come.
        if far_out.can_write_eof():
            with contextlib.suppress(OSError):
                far_out.write_eof()

    upward, downward = asyncio.create_task(outward()), asyncio.create_task(_carry(far_in, client_out))
    try:
        waiting = {upward, downward}
        # A far side that answers without reading to the end is still heard to the end.
        while not downward.done() and not (upward.done() and isinstance(upward.exception(), PermissionError)):
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (upward, downward):
            task.cancel()
        await asyncio.gather(upward, downward, return_exceptions=True)


async def _opening(source: asyncio.StreamReader, target: asyncio.StreamWriter, ours: Callable[[str], bool]) -> None:
    """Carry a client's first bytes once it is known whom it asks for. Raises: `PermissionError` for a name of ours."""
    held = b""
    known = hello.Hello(complete=False)
    while not known.complete and (piece := await source.read(_PIECE)):
        held += piece
        if len(held) >= known.needs:
            known = hello.read(held)
    if known.name and ours(known.name):
        raise PermissionError
    target.write(held)
    await target.drain()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(_PIECE):
        target.write(piece)
        await target.drain()


async def _refuse(writer: asyncio.StreamWriter, fault: Fault) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        await _answer(writer, fault.status, " ".join(filter(None, (fault.message, fault.advice))))


async def _answer(writer: asyncio.StreamWriter, status: int, message: str, more: tuple[str, ...] = ()) -> None:
    body = msgspec.json.encode({"type": "error", "error": {"type": "poundlock", "message": f"Poundlock: {message}"}})
    lines = [
        f"HTTP/1.1 {status} Refused",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *more,
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
