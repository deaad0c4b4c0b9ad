"""The OpenAI API as far as Chat Completions, Embeddings, Moderations and Models go, and what else speaks it.

Source: platform.openai.com/docs/api-reference. It must never learn another provider's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.errors import UpstreamFault
from poundlock.wire import framing
from poundlock.wire.base import EVENT_STREAM, Route
from poundlock.wire.body import write
from poundlock.wire.gating import gated
from poundlock.wire.openai_chat import answer, calls, request
from poundlock.wire.scanning import beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward
    from poundlock.wire.base import Body, StreamCodec
    from poundlock.wire.passages import Shelf

# No dots in a row, whatever a server makes of encoded slashes: an id must not lead to another route.
_ID = r"(?!/|.*(?:\.\.|//))(?:[A-Za-z0-9._:@/-]|%2[Ff]|%3[Aa]){1,160}"
# Servers that speak this format stand at /v1, at /openai/v1 or at no prefix at all; Azure's (learn.microsoft.com,
# "Azure OpenAI REST API reference") also at /openai/deployments/NAME.
_V1 = r"(?:/openai(?:/deployments/[A-Za-z0-9._-]{1,64})?)?(?:/v1)?"


def _refused(path: str, operation: str, reason: str) -> Route:
    return Route(method="*", path=_V1 + path, operation=operation, treatment="refuse", reason=reason)


ROUTES = (
    Route(method="POST", path=rf"{_V1}/chat/completions", operation="chat.completions"),
    Route(method="POST", path=rf"{_V1}/embeddings", operation="embeddings"),
    Route(method="POST", path=rf"{_V1}/moderations", operation="moderations"),
    Route(method="GET", path=rf"{_V1}/models", operation="models", treatment="pass", reason="a list without a body"),
    Route(method="GET", path=rf"{_V1}/models/{_ID}", operation="model", treatment="pass", reason="no body"),
    _refused(r"/files(?:/.*)?", "files", "uploads are refused until files are inspected"),
    _refused(r"/uploads(?:/.*)?", "uploads", "uploads are refused until files are inspected"),
    _refused(r"/batches(?:/.*)?", "batches", "batches are refused until the requests in them are inspected"),
    _refused(r"/chat/completions/.*", "stored", "stored completions are refused until their answers are inspected"),
    _refused(r"/images(?:/.*)?", "images", "images are refused until their prompts are inspected"),
    _refused(r"/audio(?:/.*)?", "audio", "audio is refused until it is inspected"),
    _refused(r"/fine_tuning(?:/.*)?", "fine_tuning", "fine-tuning is refused until its files are inspected"),
    _refused(r"/vector_stores(?:/.*)?", "vector_stores", "vector stores are refused until files are inspected"),
    _refused(r"/(?:assistants|threads)(?:/.*)?", "assistants", "assistants are refused until threads are inspected"),
    _refused(r"/realtime(?:/.*)?", "realtime", "realtime sessions are refused until their frames are inspected"),
)


class OpenAIChat:
    """The format `openai`."""

    provider = "openai"
    routes = ROUTES
    waiting = b": waiting for a person\n\n"

    def claims(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers (lower-case names) are those that only this provider's clients send."""
        return "openai-organization" in headers or "openai-project" in headers or "openai-beta" in headers

    def decode_request(self, route: Route, body: bytes, headers: Mapping[str, str], shelf: Shelf | None = None) -> Body:
        """Decode a request body. Raises: `ClientFault`."""
        return request.read(route.operation, body, headers, shelf)

    def encode_answer(self, route: Route, body: bytes, homeward: Homeward) -> bytes:
        """Restore in a whole answer. Raises: `UpstreamFault` for what isn't JSON."""
        return answer.restored(body, homeward) if route.operation == "chat.completions" else body

    def stream(self, route: Route, content_type: str, homeward: Homeward) -> StreamCodec:
        """Give the codec of a streamed answer. Raises: `UpstreamFault` for an unknown content type or route."""
        if content_type.partition(";")[0].strip().lower() != EVENT_STREAM or route.operation != "chat.completions":
            raise UpstreamFault("The provider streams in a format that is not known on this route.")
        return gated(beside(answer.AnswerCodec, homeward), calls.CallGate, homeward)

    def refusal(self, status: int, message: str, *, code: str = "") -> bytes:
        """Give an error body."""
        return write(_error(status, message, code))

    def key_header(self, key: str) -> tuple[str, str]:
        """Give the header in which a key goes."""
        return "authorization", f"Bearer {key}"

    def broken(self, message: str, *, code: str = "") -> bytes:
        """Give what ends a stream that broke on the way: an event with an error."""
        return framing.event(write(_error(400 if code else 502, message, code)))


def _error(status: int, message: str, code: str) -> dict[str, object]:
    # platform.openai.com/docs, "Error codes".
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
        status, "server_error" if status >= 500 else "invalid_request_error"
    )
    return {"error": {"message": message, "type": kind, "param": None, "code": code or None}}
