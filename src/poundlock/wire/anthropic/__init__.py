"""The Anthropic Messages API: routes, requests, answers, errors.

Source: platform.claude.com/docs, "API reference"; code.claude.com/docs, "LLM gateway". It must never learn another
provider's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.errors import UpstreamFault
from poundlock.wire import framing
from poundlock.wire.anthropic import answer, batches, calls, request
from poundlock.wire.base import EVENT_STREAM, Route
from poundlock.wire.body import write
from poundlock.wire.gating import gated
from poundlock.wire.scanning import beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward
    from poundlock.wire.base import Body, StreamCodec
    from poundlock.wire.passages import Shelf

# No dots in a row, whatever a server makes of encoded slashes: an id must not lead to another route.
_ID = r"(?!.*\.\.)(?:[A-Za-z0-9._:@-]|%2[Ff]|%3[Aa]){1,128}"

_BATCHES = r"/v1/messages/batches"

ROUTES = (
    Route(method="POST", path=r"/v1/messages", operation="messages"),
    Route(method="POST", path=r"/v1/messages/count_tokens", operation="count_tokens"),
    Route(method="GET", path=r"/v1/models", operation="models", treatment="pass", reason="a list without a body"),
    Route(method="GET", path=rf"/v1/models/{_ID}", operation="model", treatment="pass", reason="no body"),
    Route(method="HEAD", path=r"/|/api/hello", operation="probe", treatment="pass", reason="a client's probe"),
    Route(method="GET", path=r"/|/api/hello", operation="probe", treatment="pass", reason="a client's probe"),
    Route(method="POST", path=_BATCHES, operation="batches.create"),
    Route(method="GET", path=_BATCHES, operation="batches.list"),
    Route(method="GET", path=rf"{_BATCHES}/{_ID}", operation="batches.retrieve"),
    Route(method="POST", path=rf"{_BATCHES}/{_ID}/cancel", operation="batches.cancel"),
    Route(method="DELETE", path=rf"{_BATCHES}/{_ID}", operation="batches.delete", treatment="pass", reason="no text"),
    Route(method="GET", path=rf"{_BATCHES}/(?P<answered>{_ID})/results", operation="batches.results", streams=True),
    Route(
        method="*",
        path=r"/v1/files(?:/.*)?",
        operation="files",
        treatment="refuse",
        reason="uploads are refused until files are inspected",
    ),
    Route(
        method="*",
        path=r"/v1/complete",
        operation="complete",
        treatment="refuse",
        reason="the legacy completions are refused until their prompts are inspected; use /v1/messages",
    ),
    Route(
        method="*",
        path=r"/v1/skills(?:/.*)?",
        operation="skills",
        treatment="refuse",
        reason="skills are uploads, refused until files are inspected",
    ),
)


class Anthropic:
    """The format `anthropic`."""

    provider = "anthropic"
    routes = ROUTES
    waiting = b'event: ping\ndata: {"type": "ping"}\n\n'

    def claims(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers (lower-case names) are those that only this provider's clients send."""
        return "anthropic-version" in headers or "anthropic-beta" in headers or "x-api-key" in headers

    def decode_request(self, route: Route, body: bytes, headers: Mapping[str, str], shelf: Shelf | None = None) -> Body:
        """Decode a request body. Raises: `ClientFault`."""
        if route.operation == "batches.create":
            return batches.read(body, headers)
        return request.read(route.operation, body, headers, shelf)

    def encode_answer(self, route: Route, body: bytes, homeward: Homeward) -> bytes:
        """Restore in a whole answer. Raises: `UpstreamFault` for what isn't JSON."""
        if route.operation.startswith("batches."):
            return batches.told(body, homeward)
        return answer.restored(body, homeward) if route.operation == "messages" else body

    def stream(self, route: Route, content_type: str, homeward: Homeward) -> StreamCodec:
        """Give the codec of a streamed answer. Raises: `UpstreamFault` for an unknown content type or route."""
        if route.operation == "batches.results":
            return batches.ResultsCodec(homeward)
        if content_type.partition(";")[0].strip().lower() != EVENT_STREAM or route.operation != "messages":
            raise UpstreamFault("The provider streams in a format that is not known on this route.")
        return gated(beside(answer.AnswerCodec, homeward), calls.CallGate, homeward)

    def refusal(self, status: int, message: str, *, code: str = "") -> bytes:  # noqa: ARG002 (its errors have no code)
        """Give an error body."""
        return write(_error(status, message))

    def key_header(self, key: str) -> tuple[str, str]:
        """Give the header in which a key goes."""
        return "x-api-key", key

    def broken(self, message: str, *, code: str = "") -> bytes:
        """Give what ends a stream that broke on the way: an error event; with a code, one that is no use to retry."""
        return framing.event(write(_error(400 if code else 502, message)), "error")


# platform.claude.com/docs, "Errors".
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def _error(status: int, message: str) -> dict[str, object]:
    kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}
