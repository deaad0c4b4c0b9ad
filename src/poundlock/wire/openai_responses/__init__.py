"""The OpenAI Responses API over HTTP, and what else speaks it. It must never learn another provider's name.

Source: platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.errors import UpstreamFault
from poundlock.wire import framing
from poundlock.wire.base import EVENT_STREAM, WEBSOCKET, Route
from poundlock.wire.body import write
from poundlock.wire.gating import gated
from poundlock.wire.openai_responses import answer, calls, messages, request
from poundlock.wire.scanning import beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward
    from poundlock.wire.base import Body, Message, StreamCodec
    from poundlock.wire.passages import Shelf

# Servers that speak this format stand at /v1, at /openai/v1 (Azure's: /openai, too) or at no prefix at all.
_AT = r"(?:/openai)?(?:/v1)?/responses"
# Codex with the login of a ChatGPT account (codex-rs, `chatgpt_base_url`).
_CHATGPT = r"/backend-api"
_ID = r"[A-Za-z0-9_-]{1,160}"
_RESTORED = frozenset({"responses", "responses.compact", "responses.retrieve", "responses.input_items"})

ROUTES = (
    Route(method="POST", path=_AT, operation="responses"),
    Route(method="POST", path=rf"{_AT}/input_tokens", operation="responses.input_tokens"),
    Route(method="POST", path=rf"{_AT}/compact", operation="responses.compact"),
    Route(
        method=WEBSOCKET,
        path=_AT,
        operation="responses.websocket",
        reason="each message is inspected as a request of its own",
    ),
    Route(method="GET", path=rf"{_AT}/(?P<answered>{_ID})", operation="responses.retrieve"),
    Route(method="GET", path=rf"{_AT}/(?P<answered>{_ID})/input_items", operation="responses.input_items"),
    Route(method="DELETE", path=rf"{_AT}/{_ID}", operation="responses.delete", treatment="pass", reason="no text"),
    Route(
        method="POST",
        path=rf"{_AT}/{_ID}/cancel",
        operation="responses.cancel",
        treatment="pass",
        reason="takes no body; its answer keeps its surrogates",
    ),
    Route(
        method="*",
        path=r"(?:/openai)?(?:/v1)?/conversations(?:/.*)?",
        operation="conversations",
        treatment="refuse",
        reason="stored conversations are refused until their items are inspected",
    ),
    Route(method="POST", path=f"{_CHATGPT}/codex/responses", operation="responses", home="chatgpt"),
    Route(method="POST", path=f"{_CHATGPT}/codex/responses/compact", operation="responses.compact", home="chatgpt"),
    Route(
        method=WEBSOCKET,
        path=f"{_CHATGPT}/codex/responses",
        operation="responses.websocket",
        reason="each message is inspected as a request of its own",
        home="chatgpt",
    ),
    Route(
        method="GET",
        path=rf"{_CHATGPT}/(?:codex/models|(?:wham|codex|api/codex)/usage|wham/accounts/check)",
        operation="chatgpt.account",
        treatment="pass",
        reason="models and limits of the account; takes no body",
        home="chatgpt",
    ),
    Route(
        method="*",
        path=rf"{_CHATGPT}/.*",
        operation="chatgpt",
        treatment="refuse",
        reason="what else Codex asks of the account is refused until it is inspected",
        home="chatgpt",
    ),
)


class OpenAIResponses:
    """The format `openai`, its Responses API."""

    provider = "openai"
    routes = ROUTES
    waiting = b": waiting for a person\n\n"

    def claims(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers (lower-case names) are those that only this provider's clients send."""
        return "openai-organization" in headers or "openai-project" in headers or "openai-beta" in headers

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
        return answer.restored(body, homeward) if route.operation in _RESTORED else body

    def stream(self, route: Route, content_type: str, homeward: Homeward) -> StreamCodec:
        """Give the codec of a streamed answer. Raises: `UpstreamFault` for an unknown content type or route."""
        if content_type.partition(";")[0].strip().lower() != EVENT_STREAM or route.operation not in _RESTORED:
            raise UpstreamFault("The provider streams in a format that is not known on this route.")
        return gated(beside(answer.AnswerCodec, homeward), calls.CallGate, homeward)

    def decode_message(self, data: bytes, headers: Mapping[str, str]) -> Message:
        """Decode a client's message over a WebSocket; the headers are the handshake's. Raises: `ClientFault`."""
        return messages.read(data, headers)

    def messages(self, homeward: Homeward) -> messages.MessageCodec:
        """Give the codec of an answer over a WebSocket."""
        return messages.MessageCodec(homeward)

    def refused_message(self, status: int, message: str, *, code: str = "") -> bytes:
        """Give an error as a message over a WebSocket."""
        return messages.refusal(status, message, code)

    def refusal(self, status: int, message: str, *, code: str = "") -> bytes:
        """Give an error body."""
        # platform.openai.com/docs, "Error codes".
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
            status, "server_error" if status >= 500 else "invalid_request_error"
        )
        return write({"error": {"message": message, "type": kind, "param": None, "code": code or None}})

    def key_header(self, key: str) -> tuple[str, str]:
        """Give the header in which a key goes."""
        return "authorization", f"Bearer {key}"

    def broken(self, message: str, *, code: str = "") -> bytes:
        """Give what ends a stream that broke on the way: the API's own event for an error; the codec numbers it."""
        event = {"type": "error", "code": code or "server_error", "message": message, "param": None}
        return framing.event(write(event), "error")
