"""Amazon Bedrock's runtime: Converse, and a model's own format through `invoke`. Routes, requests, answers, errors.

Source: docs.aws.amazon.com/bedrock, "API reference"; code.claude.com/docs, "Claude Code on Amazon Bedrock". The formats
of models are given to it; it must never learn one, and it refuses a body of a format that it was not given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from poundlock.core.errors import ClientFault, UpstreamFault
from poundlock.wire import body
from poundlock.wire.base import EVENT_STREAM, Route
from poundlock.wire.bedrock import answer, request
from poundlock.wire.bedrock.streams import FrameCodec, exception
from poundlock.wire.events import Typed
from poundlock.wire.gating import gated
from poundlock.wire.scanning import beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward
    from poundlock.wire.base import Body, StreamCodec, Wire
    from poundlock.wire.passages import Shelf

FRAMES = "application/vnd.amazon.eventstream"
# A model's id, or the ARN of a profile; no dots in a row, whatever a server makes of encoded slashes.
_MODEL = r"(?P<model>(?!.*\.\.)(?:[A-Za-z0-9._:@-]|%2[Ff]|%3[Aa]){1,256})"
_ID = r"(?!.*\.\.)(?:[A-Za-z0-9._:@-]|%2[Ff]|%3[Aa]){1,256}"
_INVOKED = frozenset({"invoke", "invoke-with-response-stream"})
_STREAMED = frozenset({"invoke-with-response-stream", "converse-stream"})

ROUTES = (
    *(
        Route(method="POST", path=rf"/model/{_MODEL}/{name}", operation=name)
        for name in ("invoke", "invoke-with-response-stream", "converse", "converse-stream")
    ),
    Route(
        method="GET",
        path=rf"/(?:inference-profiles|foundation-models)(?:/{_ID})?",
        operation="models",
        treatment="pass",
        reason="lists of models and profiles; no body",
    ),
    Route(
        method="*",
        path=rf"/model/{_MODEL}/(?:invoke-with-bidirectional-stream|count-tokens)",
        operation="other",
        treatment="refuse",
        reason="this operation is refused until its frames and nested bodies are inspected",
    ),
    Route(
        method="*",
        path=r"/(?:async-invoke|guardrail|agents|knowledgebases|flows|sessions|retrieveAndGenerate)(?:/.*)?",
        operation="other",
        treatment="refuse",
        reason="what else Bedrock serves is refused until it is inspected",
    ),
)


class Bedrock:
    """The format `bedrock`."""

    provider = "bedrock"
    routes = ROUTES
    waiting = b""

    def __init__(self, anthropic: Wire) -> None:
        """Read and answer in `anthropic` what is invoked in that format."""
        self._anthropic = anthropic
        self._inner = next(route for route in anthropic.routes if route.operation == "messages")

    def claims(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers (lower-case names) are those that only this provider's clients send."""
        return any(name.startswith("x-amz") for name in headers)

    def decode_request(self, route: Route, body: bytes, headers: Mapping[str, str], shelf: Shelf | None = None) -> Body:
        """Decode a request body. Raises: `ClientFault`."""
        model = unquote(route.model)
        if route.operation not in _INVOKED:
            return request.read(route.operation, model, body, headers)
        _check_format(body)
        inner = self._anthropic.decode_request(self._inner, body, headers, shelf)
        stream = route.operation in _STREAMED
        return _Invoked(inner, model, route.operation, stream=stream)

    def encode_answer(self, route: Route, body: bytes, homeward: Homeward) -> bytes:
        """Restore in a whole answer. Raises: `UpstreamFault` for what isn't JSON."""
        if route.operation in _INVOKED:
            return self._anthropic.encode_answer(self._inner, body, homeward)
        return answer.restored(body, homeward) if route.operation == "converse" else body

    def stream(self, route: Route, content_type: str, homeward: Homeward) -> StreamCodec:
        """Give the codec of a streamed answer. Raises: `UpstreamFault` for an unknown content type or route."""
        if content_type.partition(";")[0].strip().lower() != FRAMES or route.operation not in _STREAMED:
            raise UpstreamFault("The provider streams in a format that is not known on this route.")
        if route.operation in _INVOKED:
            return FrameCodec(self._anthropic.stream(self._inner, EVENT_STREAM, homeward), chunked=True)
        return FrameCodec(gated(beside(answer.AnswerCodec, homeward), answer.CallGate, homeward), chunked=False)

    def refusal(self, status: int, message: str, *, code: str = "") -> bytes:  # noqa: ARG002 (its errors have no code)
        """Give an error body."""
        return body.write({"message": message})

    def key_header(self, key: str) -> tuple[str, str]:
        """Give the header in which a key goes: a Bedrock API key."""
        return "authorization", f"Bearer {key}"

    def broken(self, message: str, *, code: str = "") -> bytes:  # noqa: ARG002 (its errors have no code)
        """Give what ends a stream that broke on the way: an exception's message."""
        return exception("modelStreamErrorException", message)


class _Invoked:
    """A body in a model's own format, of which the path tells the model and the operation."""

    def __init__(self, inner: Body, model: str, operation: str, *, stream: bool) -> None:
        self._inner = inner
        self.document = msgspec.structs.replace(
            inner.document, provider="bedrock", operation=operation, model=model, stream=stream
        )

    def encode(self, texts: Mapping[int, str]) -> bytes:
        """Give the body's bytes with the texts of these segments (by index) replaced."""
        return self._inner.encode(texts)


class _Format(msgspec.Struct):
    anthropic_version: str = ""


_format = Typed(_Format)


def _check_format(data: bytes) -> None:
    """Refuse a body that is not in the format of Anthropic's models. Raises: `ClientFault`."""
    told = _format(data.removeprefix(body.BOM))
    if told is None or not told.anthropic_version:
        raise ClientFault(
            "Through `invoke` only the format of Anthropic's models is inspected.",
            advice="Use Converse, which is the same for all models.",
        )
