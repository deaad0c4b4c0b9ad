"""Completions without a conversation: OpenAI's legacy API, and the fill-in-the-middle forms of Mistral and DeepSeek.

Source: platform.openai.com/docs/api-reference/completions; docs.mistral.ai, "FIM"; api-docs.deepseek.com, "FIM
Completion (Beta)". It must never learn another provider's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.errors import UpstreamFault
from poundlock.wire import framing
from poundlock.wire.base import EVENT_STREAM, Route
from poundlock.wire.body import write
from poundlock.wire.openai_completions import answer, request
from poundlock.wire.scanning import beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward
    from poundlock.wire.base import Body, StreamCodec
    from poundlock.wire.passages import Shelf

ROUTES = (
    Route(
        method="POST",
        path=r"(?:/openai(?:/deployments/[A-Za-z0-9._-]{1,64})?)?(?:/v1)?/completions",
        operation="completions",
    ),
    Route(method="POST", path=r"(?:/v1)?/fim/completions", operation="completions.fim"),
    Route(method="POST", path=r"/beta(?:/v1)?/completions", operation="completions.fim"),
)


class OpenAICompletions:
    """The format `openai`, its completions."""

    provider = "openai"
    routes = ROUTES
    waiting = b": waiting for a person\n\n"

    def claims(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers (lower-case names) are those that only this provider's clients send."""
        return "openai-organization" in headers or "openai-project" in headers

    def decode_request(
        self,
        route: Route,
        body: bytes,
        headers: Mapping[str, str],
        shelf: Shelf | None = None,  # noqa: ARG002 (its bodies are read as a whole)
    ) -> Body:
        """Decode a request body. Raises: `ClientFault`."""
        return request.read(route.operation, body, headers)

    def encode_answer(self, route: Route, body: bytes, homeward: Homeward) -> bytes:  # noqa: ARG002 (one form for all)
        """Restore in a whole answer. Raises: `UpstreamFault` for what isn't JSON."""
        return answer.restored(body, homeward)

    def stream(self, route: Route, content_type: str, homeward: Homeward) -> StreamCodec:  # noqa: ARG002
        """Give the codec of a streamed answer. Raises: `UpstreamFault` for an unknown content type."""
        if content_type.partition(";")[0].strip().lower() != EVENT_STREAM:
            raise UpstreamFault("The provider streams in a format that is not known on this route.")
        return beside(answer.AnswerCodec, homeward)

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
