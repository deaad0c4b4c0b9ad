"""The Ollama API: routes, requests, answers, errors.

Source: github.com/ollama/ollama, docs/api.md. It must never learn another provider's name. What Ollama speaks under
`/v1` are other providers' formats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.errors import UpstreamFault
from poundlock.wire.base import Route
from poundlock.wire.body import write
from poundlock.wire.gating import gated
from poundlock.wire.ollama import answer, calls, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward
    from poundlock.wire.base import Body, StreamCodec
    from poundlock.wire.passages import Shelf

LINES = "application/x-ndjson"


def _inspected(operation: str) -> Route:
    return Route(method="POST", path=f"/api/{operation}", operation=operation)


def _read(path: str, operation: str, reason: str) -> Route:
    return Route(method="GET", path=path, operation=operation, treatment="pass", reason=reason)


def _refused(path: str, operation: str, reason: str) -> Route:
    return Route(method="*", path=path, operation=operation, treatment="refuse", reason=reason)


_MANAGED = "models are changed at the server itself, refused here until policy can say who may"

ROUTES = (
    *map(_inspected, ("chat", "generate", "embed", "embeddings", "show")),
    _read("/api/tags", "tags", "a list without a body"),
    _read("/api/ps", "ps", "a list without a body"),
    _read("/api/version", "version", "no body"),
    _read("/", "probe", "a client's probe"),
    Route(method="HEAD", path="/", operation="probe", treatment="pass", reason="a client's probe"),
    *(_refused(f"/api/{name}", name, _MANAGED) for name in ("pull", "push", "create", "copy", "delete")),
    _refused(r"/api/blobs(?:/.*)?", "blobs", "uploads are refused until files are inspected"),
    _refused(r"/api/(?:experimental/)?web_(?:search|fetch)", "web", "searches are refused until they are inspected"),
    _refused(r"/api/(?:me|signin|signout)", "account", "the server's account is its owner's, refused until asked for"),
)


class Ollama:
    """The format `ollama`."""

    provider = "ollama"
    routes = ROUTES
    waiting = b""

    def claims(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers (lower-case names) are those that only this provider's clients send."""
        return headers.get("user-agent", "").startswith(("ollama/", "ollama-python/", "ollama-js/"))

    def decode_request(
        self,
        route: Route,
        body: bytes,
        headers: Mapping[str, str],
        shelf: Shelf | None = None,  # noqa: ARG002 (its bodies are read as a whole)
    ) -> Body:
        """Decode a request body. Raises: `ClientFault`."""
        return request.read(route.operation, body, headers)

    def encode_answer(self, route: Route, body: bytes, homeward: Homeward) -> bytes:
        """Restore in a whole answer. Raises: `UpstreamFault` for what isn't JSON."""
        return answer.restored(body, homeward) if route.operation in answer.OPERATIONS else body

    def stream(self, route: Route, content_type: str, homeward: Homeward) -> StreamCodec:
        """Give the codec of a streamed answer. Raises: `UpstreamFault` for an unknown content type or route."""
        if content_type.partition(";")[0].strip().lower() != LINES or route.operation not in answer.OPERATIONS:
            raise UpstreamFault("The provider streams in a format that is not known on this route.")
        return gated(answer.LineAnswer(homeward), calls.LineGate, homeward)

    def refusal(self, status: int, message: str, *, code: str = "") -> bytes:  # noqa: ARG002 (it has only a text)
        """Give an error body."""
        return write({"error": message})

    def key_header(self, key: str) -> tuple[str, str]:
        """Give the header in which a key goes."""
        return "authorization", f"Bearer {key}"

    def broken(self, message: str, *, code: str = "") -> bytes:
        """Give what ends a stream that broke on the way: a line with an error."""
        return self.refusal(502, message, code=code) + b"\n"
