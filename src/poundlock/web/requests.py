"""From an ASGI scope to a request: the door's checks, the prefixes of the path, and Poundlock's own credential.

It decides nothing about content, reads no body, and never logs a path or a query: both can hold a credential.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from poundlock.core.errors import ClientFault
from poundlock.gateway.http import joined
from poundlock.wire import coding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poundlock.config import Gateway

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_CREDENTIAL = re.compile(r"pl_[\x21-\x7e]+")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/t/(?P<token>[^/]+))?(?:/p/(?P<provider>[^/]+))?(?P<rest>/.*)?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PLAIN_PATH = re.compile(r"(?:[!$&'()*+,;=:@/A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+")
_DECODABLE = re.compile(r"%(?:3[Aa]|40|2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
"""Percent-encodings that mean the same as the plain character: unreserved ones (RFC 3986 §2.3), `:` and `@`."""


class Refusal(NamedTuple):
    """A request that doesn't come through the door: it is not a client of ours that asks."""

    status: int
    message: str


class Parts(NamedTuple):
    """A request without its body."""

    path: str
    raw_path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    token: str | None
    provider: str | None
    codings: tuple[str, ...]
    fault: ClientFault | None


def door(headers: Iterable[tuple[bytes, bytes]], settings: Gateway, *, socket: bool = False) -> Refusal | None:
    """Check `Host`, `Origin` and `Sec-Fetch-Site`, so that a web page can't speak to the port.

    A name of the attacker's that resolves to 127.0.0.1 shows in `Host`. A page that posts across origins shows in
    `Origin`; one that loads an image, in `Sec-Fetch-Site` (Fetch standard; W3C Fetch Metadata). No tool sends these.
    """
    hosts: list[str] = []
    origins: list[str] = []
    site = ""
    upgrade = False
    for name, value in headers:
        if name == b"host":
            hosts.append(value.decode("latin-1").lower())
        elif name == b"origin":
            origins.append(value.decode("latin-1"))
        elif name == b"sec-fetch-site":
            site = value.decode("latin-1").strip().lower()
        elif name == b"upgrade":
            upgrade = upgrade or value.strip().lower() == b"websocket"
    if len(hosts) != 1 or not (found := _HOST.fullmatch(hosts[0])):
        return Refusal(400, "The request has no Host header, or more than one, or one that can't be read.")
    if found["name"] not in LOOPBACK and found["name"] not in settings.hosts:
        return Refusal(403, "This Host is not a name of the gateway. Add it to gateway.hosts if it is one.")
    if origins:
        own = f"http://{hosts[0]}"  # serves no pages; MCP clients name the server's own origin
        if len(origins) > 1 or (origins[0] not in settings.origins and origins[0].lower() != own):
            return Refusal(403, "A web page may not use the gateway. Add its origin to gateway.origins if it may.")
    elif site not in {"", "none"}:
        return Refusal(403, "A web page may not use the gateway.")
    if upgrade and not socket:
        return Refusal(426, "This is no WebSocket handshake (RFC 6455). Use the HTTP endpoint of the same path.")
    return None


def parts(scope: dict[str, Any]) -> Parts:
    """Take a scope apart. What can't be accepted is told in `fault`, with the rest as good as it gets."""
    fault: ClientFault | None = None
    try:
        path, raw_path, path_token, provider = split_path(scope["raw_path"].decode("ascii", "replace"))
    except ClientFault as caught:
        fault, path, raw_path, path_token, provider = caught, "/", "/", None, None
    try:
        headers, tokens = _take_credentials(_decoded(scope["headers"]))
    except ClientFault as caught:
        fault, headers, tokens = fault or caught, (), []
    query, query_token = _take_from_query(scope["query_string"].decode("latin-1"))
    tokens += [token for token in (path_token, query_token) if token is not None]
    if len(set(tokens)) > 1:
        fault = fault or ClientFault(
            "The request carries two different Poundlock credentials.", advice="Send one, in one place."
        )
    known = joined(pair for pair in headers if pair[0] in {"content-encoding", "transfer-encoding"})
    if known.get("transfer-encoding", "chunked").strip().lower() != "chunked":
        fault = fault or ClientFault("The request has a transfer coding besides chunked.", advice="Send it chunked.")
    codings = coding.parse(known.get("content-encoding", ""))
    return Parts(path, raw_path, query, headers, tokens[0] if tokens else None, provider, codings, fault)


def split_path(raw: str) -> tuple[str, str, str | None, str | None]:
    """Split a path as the client wrote it into (path to match, path to forward, token, provider name).

    What another reader could take for another path (dot segments, empty segments, odd characters) is not accepted:
    the route that was inspected must be the route that is used. Raises: `ClientFault`.
    """
    found = _PREFIX.fullmatch(raw)
    if found is None or not raw:  # CONNECT has no path
        raise ClientFault("The path of the request does not begin with '/'.")
    rest = found["rest"] or "/"
    if not _PLAIN_PATH.fullmatch(rest):
        raise ClientFault("The path of the request has characters that must be percent-encoded.")
    path = _DECODABLE.sub(lambda hit: chr(int(hit[0][1:], 16)), rest)
    segments = path[1:].split("/")
    if any(segment in {".", ".."} for segment in segments) or "" in segments[:-1]:
        raise ClientFault("The path of the request has an empty segment, '.' or '..'.")
    provider = found["provider"]
    if provider is not None and not _NAME.fullmatch(provider):
        raise ClientFault(
            "The provider's name in the path is not a name.", advice="Use /p/NAME/ with [providers.NAME]."
        )
    return path, rest, found["token"], provider


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Give the headers as text. UTF-8 only: the client library upstream writes UTF-8, so the bytes stay the same."""
    try:
        return [(name.decode("ascii"), value.decode()) for name, value in headers]
    except UnicodeDecodeError:
        raise ClientFault("A header of the request is not UTF-8.") from None


def _take_credentials(headers: Sequence[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """Give the headers without Poundlock's credential, and the credentials that were found."""
    kept: list[tuple[str, str]] = []
    tokens: list[str] = []
    for name, value in headers:
        if name == "x-poundlock-token" or (
            name in {"x-api-key", "x-goog-api-key", "api-key"} and _CREDENTIAL.fullmatch(value.strip())
        ):
            tokens.append(value.strip())
        elif name == "authorization" and (token := _bearer(value)) is not None:
            tokens.append(token)
        else:
            kept.append((name, value))
    return tuple(kept), tokens


def _bearer(value: str) -> str | None:
    scheme, _, token = value.strip().partition(" ")
    token = token.strip()
    if scheme.lower() == "dpop":  # a token that is bound to a key (RFC 9449 §7.1): no provider's client uses it
        return token
    return token if scheme.lower() == "bearer" and _CREDENTIAL.fullmatch(token) else None


def _take_from_query(query: str) -> tuple[str, str | None]:
    """Give the query without `key=pl_…` (Gemini's clients may put a key there), and that credential."""
    if "key=pl_" not in query:
        return query, None
    token: str | None = None
    kept: list[str] = []
    for part in query.split("&"):
        if part.startswith("key=pl_"):
            token = part[4:]
        else:
            kept.append(part)
    return "&".join(kept), token
