"""The way to the providers: one pool of connections a worker, over aiohttp.

It never logs or shows a URL or a header, follows no redirect, keeps no cookie, sends nothing a second time, and
looks at no proxy variable of the environment: where a request goes is what the configuration says.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Literal

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from poundlock.core.errors import ConfigFault, UpstreamFault
from poundlock.wire import coding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from aiohttp.abc import AbstractStreamWriter

_HEAD = 65_536
"""Longest line and longest header of an answer, in bytes."""
_PIECE = 1 << 18
"""Bytes of a body that are sent at once: between two pieces the client may slow us down, and others are served."""
_MESSAGE = 16 << 20
"""Longest message over a WebSocket, in bytes: as long as an event of a stream may be."""
_HEARTBEAT = 60.0
"""Seconds between the pings to a provider whose WebSocket is open."""
_SKIPPED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that aiohttp would add where the client sent none."""
_CLOSED = "The connection to the provider ended before its answer was complete."
_AGAIN = "Try again; if it goes on, look at the provider's status page."


class HttpUpstream:
    """`Upstream` over HTTP/1.1.

    `connect`, `first_byte` and `between` are seconds: to a connection, to the head of an answer, and from one piece
    to the next. `connections` is the most at a time. `proxy` is the URL of an HTTP proxy. `ca_files` are PEM files by
    origin (`https://host:port`), trusted besides the system's. `largest` caps an encoded answer, decoded, in bytes.
    """

    def __init__(
        self,
        *,
        connect: float = 10.0,
        first_byte: float = 600.0,
        between: float = 300.0,
        connections: int = 1000,
        proxy: str | None = None,
        ca_files: Mapping[str, str] | None = None,
        largest: int = 256 << 20,
    ) -> None:
        """Read the certificates; connections are made when they are needed.

        Raises: `ConfigFault` when a certificate file can't be used.
        """
        # sock_read stands for the first byte until the head is here, and is then set to `between`.
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=connect * 2, sock_connect=connect, sock_read=first_byte
        )
        self._between = between
        self._connections = connections
        self._proxy = proxy
        self._largest = largest
        self._session: aiohttp.ClientSession | None = None
        self._trust = {URL(origin).origin(): _trusting(file) for origin, file in (ca_files or {}).items()}

    async def send(
        self, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes | None
    ) -> HttpUpstreamResponse:
        """Send one request as it is and wait for the head of its answer.

        `url` is used as written, percent-encodings and all. Raises: `UpstreamFault` when there is no answer.
        """
        target = URL(url, encoded=True)
        session = self._session or self._open()
        data = _Pieces(body) if body is not None and len(body) > _PIECE else body
        with _told():
            response = await session.request(
                method,
                target,
                headers=CIMultiDict(headers),
                data=data,
                allow_redirects=False,
                proxy=self._proxy,
                ssl=self._trust.get(target.origin(), True) if self._trust else True,
            )
        try:
            return HttpUpstreamResponse(response, self._between, self._largest)
        except UpstreamFault:
            response.close()
            raise

    async def connect(self, url: str, headers: Iterable[tuple[str, str]]) -> HttpUpstreamSocket:
        """Open a WebSocket. Raises: `UpstreamFault`, with the provider's own status where it refused."""
        target = URL(url, encoded=True)
        session = self._session or self._open()
        try:
            with _told():
                socket = await session.ws_connect(
                    target,
                    headers=CIMultiDict(headers),
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                    heartbeat=_HEARTBEAT,
                    max_msg_size=_MESSAGE,
                    decode_text=False,
                    proxy=self._proxy,
                    ssl=self._trust.get(target.origin(), True) if self._trust else True,
                )
        except aiohttp.WSServerHandshakeError as refused:
            status = refused.status if 400 <= refused.status < 600 else 502
            raise UpstreamFault(
                "The provider refused the WebSocket.", advice="Ask it over HTTP.", status=status
            ) from None
        return HttpUpstreamSocket(socket)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections, ttl_dns_cache=60, keepalive_timeout=30, enable_cleanup_closed=False
            ),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_SKIPPED,
            trust_env=False,
            max_line_size=_HEAD,
            max_field_size=_HEAD,
            requote_redirect_url=False,
        )
        return self._session


class HttpUpstreamSocket:
    """An open WebSocket. It answers the provider's pings, and gives up on one that answers none."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[Literal[False]]) -> None:
        """Take over the socket."""
        self._socket = socket
        # aiohttp keeps the handshake's answer to itself, and Codex reads headers of it.
        answer = socket._response  # noqa: SLF001
        self.headers: Sequence[tuple[str, str]] = [(name.lower(), value) for name, value in answer.headers.items()]

    async def send(self, message: bytes) -> None:
        """Send a text, in UTF-8. Raises: `UpstreamFault` when the connection is gone."""
        try:
            await self._socket.send_frame(message, aiohttp.WSMsgType.TEXT)
        except (aiohttp.ClientError, OSError, RuntimeError):
            raise UpstreamFault(_CLOSED, advice=_AGAIN) from None

    async def receive(self) -> bytes | None:
        """Wait for the next text; None when the provider closed in order. Raises: `UpstreamFault` when it broke."""
        try:
            message = await self._socket.receive()
        except (aiohttp.ClientError, OSError, RuntimeError):
            raise UpstreamFault(_CLOSED, advice=_AGAIN) from None
        if message.type is aiohttp.WSMsgType.TEXT:
            data: bytes = message.data
            return data
        if message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED}:
            return None
        raise UpstreamFault(_CLOSED, advice=_AGAIN)

    async def close(self) -> None:
        """Close it; it may be closed already."""
        await self._socket.close()


class HttpUpstreamResponse:
    """An answer whose head is here. Its headers are as the provider sent them, but for a coding that is undone."""

    def __init__(self, response: aiohttp.ClientResponse, between: float, largest: int) -> None:
        """Take over the response. Raises: `UpstreamFault` for a content coding that is not known."""
        self.status = response.status
        codings = coding.parse(",".join(response.headers.getall("Content-Encoding", ())))
        self._decoder = coding.Decoder(codings, largest, UpstreamFault) if codings else None
        dropped = {"content-encoding", "content-length"} if codings else frozenset[str]()
        self.headers: Sequence[tuple[str, str]] = [
            (name.lower(), value) for name, value in response.headers.items() if name.lower() not in dropped
        ]
        self._response = response
        self._closed: asyncio.Future[None] | None = None
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = between
            self._closed = connection.protocol.closed
        if self._closed is not None:
            self._closed.add_done_callback(self._lost)
            self._closed.remove_done_callback(_heard)  # once a connection, not once a request
            self._closed.add_done_callback(_heard)

    def _lost(self, _closed: asyncio.Future[None]) -> None:
        """Wake who reads when the connection is gone.

        aiohttp 3.14 closes the connection over a chunk that it can't parse, but doesn't tell the body's reader, who
        would wait for ever: it has stopped the timer of `sock_read` too.
        """
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError())

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, content codings undone. Raises: `UpstreamFault` when the connection breaks."""
        decoder = self._decoder
        try:
            async for chunk in self._response.content.iter_any():
                piece = decoder.feed(chunk) if decoder is not None else chunk
                if piece:
                    yield piece
        except TimeoutError:
            raise UpstreamFault("The provider has been silent for too long.", advice=_AGAIN) from None
        except (aiohttp.ClientError, OSError, RuntimeError, asyncio.IncompleteReadError):
            # RuntimeError is what aiohttp says to who reads on a connection that is gone.
            raise UpstreamFault(_CLOSED, advice=_AGAIN) from None
        if decoder is not None:
            decoder.finish()

    async def close(self) -> None:
        """End the call. A connection with an answer read to its end is kept for the next; any other is closed."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
        if self._response.content.is_eof():
            self._response.release()
        else:
            self._response.close()


def _heard(closed: asyncio.Future[None]) -> None:
    """Take note of how a connection ended, which asyncio would otherwise log as an error that nobody took."""
    if not closed.cancelled():
        closed.exception()


class _Pieces(aiohttp.payload.Payload):
    """A body that is sent in pieces. A file in memory would be, too, with a thread's help for each."""

    _autoclose = True
    _value: bytes

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 (its signature)
        return self._value

    async def write(self, writer: AbstractStreamWriter) -> None:
        view = memoryview(self._value)
        for at in range(0, len(view), _PIECE):
            await writer.write(view[at : at + _PIECE])

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002
        # The length is always the whole body's: it is never sent a second time, nor a part of it.
        await self.write(writer)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tell in our own words why there is no answer. Raises: `UpstreamFault`."""
    try:
        yield
    except aiohttp.WSServerHandshakeError:
        raise  # an answer, if no welcome one
    except TimeoutError as caught:
        raise _slow(caught) from None
    except aiohttp.ClientConnectorCertificateError:
        raise UpstreamFault(
            "The provider's certificate is not trusted.",
            advice="If a proxy of your organisation answers in its place, set its certificate as `ca_file`.",
        ) from None
    except aiohttp.ClientConnectorDNSError:
        raise UpstreamFault(
            "The provider's name can't be resolved.", advice="Check `upstream` in poundlock.toml, and the network."
        ) from None
    except (aiohttp.ClientConnectorError, aiohttp.ClientProxyConnectionError):
        raise UpstreamFault(
            "The provider can't be reached.", advice="Check `upstream` in poundlock.toml, and the network."
        ) from None
    except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError):
        raise UpstreamFault("The provider closed the connection without an answer.", advice=_AGAIN) from None


def _slow(fault: TimeoutError) -> UpstreamFault:
    if isinstance(fault, aiohttp.ConnectionTimeoutError):
        return UpstreamFault("No connection to the provider came about in time.", advice=_AGAIN)
    return UpstreamFault("The provider did not begin to answer in time.", advice=_AGAIN)


def _trusting(file: str) -> ssl.SSLContext:
    """Give a context that trusts the system's certificates and those of `file`. Raises: `ConfigFault`."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=file)
    except (OSError, ssl.SSLError):
        raise ConfigFault(
            "A ca_file can't be read as certificates (PEM).", advice="Check `ca_file` in poundlock.toml."
        ) from None
    return context
