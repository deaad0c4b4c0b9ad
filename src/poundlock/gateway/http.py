"""What a request and its answer are for the gateway, and which headers may cross it. It knows no server and no client.

It never lets a header of the connection, or one of Poundlock's own, cross to the other side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import unquote_plus

from poundlock.core.model import Value

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping, Sequence

    from poundlock.core.errors import ClientFault

READABLE = frozenset(
    {"application/json", "text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream"}
)
"""Content types of answers that Poundlock can read, and so restore in."""

_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "sec-websocket-accept",
    }
)
"""Headers that speak of one connection only: RFC 9110 §7.6.1, RFC 6455 §11.3, and the older ones still seen."""
_NOT_FORWARDED = _CONNECTION | {"host", "content-length", "content-encoding", "expect", "accept-encoding", "dpop"}
_NOT_RETURNED = _CONNECTION | {"content-length", "content-encoding", "alt-svc"}
_CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key"})
_CREDENTIAL_PARAMETERS = frozenset({"key", "access_token"})


class Request(Value, frozen=True, kw_only=True):
    """One request, read to its end.

    `path` is what routes are matched on: without the prefixes `/t/TOKEN` and `/p/NAME`, plain characters decoded.
    `raw_path` is the same part as the client wrote it, for forwarding. `query` is without its `?`, as written.
    `headers` have lower-case names and keep order and duplicates; `header_map` joins duplicates with a comma.
    `body` is free of content codings. `token` is Poundlock's own credential, which `headers` and `query` no longer
    hold. `fault` says that the request could not be read; the rest is then only good for shaping the refusal.
    """

    _hidden = frozenset(
        {"path", "raw_path", "query", "headers", "header_map", "body", "token", "peer_port", "own_port"}
    )

    method: str
    path: str
    raw_path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    header_map: Mapping[str, str] = {}
    body: bytes = b""
    token: str | None = None
    provider: str | None = None
    peer: str = ""
    peer_port: int = 0
    own_port: int = 0
    fault: ClientFault | None = None


class Respond(Protocol):
    """The way back to the client. A reader that stops reading holds up `send`, and nothing else."""

    started: bool

    async def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Send the head."""

    async def send(self, chunk: bytes) -> None:
        """Send a piece of the body, and wait until there is room for it."""

    async def end(self) -> None:
        """Say that the body is complete."""

    async def abort(self) -> None:
        """End the connection without completing the body, so that the client can tell."""


class Socket(Protocol):
    """A client that asked for a WebSocket. Its messages are texts, in UTF-8."""

    leaving: asyncio.Event
    """Set when the server stops: an answer under way may end, and nothing new begins."""

    async def accept(self, headers: Iterable[tuple[str, str]]) -> None:
        """Agree to the handshake, with these headers besides."""

    async def refuse(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Answer the handshake with an HTTP error."""

    async def receive(self) -> bytes | None:
        """Wait for the client's next message; None when it is gone. Raises: `ClientFault` for one that is no text."""

    async def send(self, message: bytes) -> None:
        """Send a message, and wait until there is room for it."""

    async def close(self, code: int = 1000) -> None:
        """Close it, with a code of RFC 6455 §7.4."""


@runtime_checkable
class SocketHandler(Protocol):
    """What takes a WebSocket: the exchange that keeps a session."""

    async def socket(self, request: Request, socket: Socket) -> None:
        """Take one WebSocket to its end. A client that goes away is told by `Socket.receive`."""


class Handler(Protocol):
    """What answers a request: the exchange."""

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Take one request to its end. A client that goes away cancels this call, once."""


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give the headers by name, duplicates joined with a comma (RFC 9110 §5.3)."""
    out: dict[str, str] = {}
    for name, value in headers:
        out[name] = f"{out[name]}, {value}" if name in out else value
    return out


def forwarded(
    headers: Sequence[tuple[str, str]], credential: tuple[str, str] | None = None, *, anonymous: bool = False
) -> list[tuple[str, str]]:
    """Give the headers that go upstream, in order, duplicates kept.

    `credential` is a header with a key that Poundlock holds: it takes the place of the client's own; `anonymous` leaves
    the client's own out anyway, where it was meant for somebody else. An unencoded answer is asked for, since every
    byte of it is read.
    """
    dropped = _NOT_FORWARDED | _named(headers)
    if credential is not None or anonymous:
        dropped |= _CREDENTIALS
    out = [(name, value) for name, value in headers if name not in dropped and not name.startswith("x-poundlock-")]
    if credential is not None:
        out.append(credential)
    out.append(("accept-encoding", "identity"))
    return out


def returned(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Give the headers that go back to the client, in order, duplicates kept; the body is framed anew."""
    lowered = [(name.lower(), value) for name, value in headers]
    dropped = _NOT_RETURNED | _named(lowered)
    return [(name, value) for name, value in lowered if name not in dropped and not name.startswith("x-poundlock-")]


def _named(headers: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Give the headers that `Connection` names: they belong to that connection."""
    return frozenset(
        part.strip().lower() for name, value in headers if name == "connection" for part in value.split(",")
    )


def content_type(headers: Iterable[tuple[str, str]]) -> str:
    """Give the content type in lower case, without parameters; empty if there is none."""
    for name, value in headers:
        if name.lower() == "content-type":
            return value.partition(";")[0].strip().lower()
    return ""


def is_json(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether a request says of its body what Poundlock reads: JSON in UTF-8 (RFC 8259 §8.1), or nothing.

    Another charset, or a list of types, may make the other side read another text than the one that was inspected.
    """
    said = [value.lower() for name, value in headers if name.lower() == "content-type"]
    if not said:
        return True
    kind, *parameters = (part.strip() for part in said[0].split(";"))
    charsets = [part[8:].strip(' "') for part in parameters if part.startswith("charset=")]
    plain = all(not part or part.startswith("charset=") for part in parameters)
    return len(said) == 1 and kind == "application/json" and plain and all(c in {"utf-8", "utf8"} for c in charsets)


def restorable(kind: str) -> bool:
    """Whether Poundlock can read an answer of this content type, and so restore in it."""
    return kind in READABLE


def query_values(query: str) -> list[str]:
    """Give the names and values of a query, decoded, without the client's own provider credential."""
    out: list[str] = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name in _CREDENTIAL_PARAMETERS:
            continue
        out += [text for text in (name, unquote_plus(value)) if text]
    return out
