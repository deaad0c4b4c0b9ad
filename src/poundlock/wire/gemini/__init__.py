"""The Gemini API, and the same methods in the path forms of Vertex AI: routes, requests, answers, errors.

Sources: ai.google.dev/api (generate-content, tokens, embeddings, caching, models); cloud.google.com, "Vertex AI REST
reference", publishers.models. It must never learn another provider's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.errors import UpstreamFault
from poundlock.wire.base import EVENT_STREAM, Route, RouteTreatment
from poundlock.wire.body import write
from poundlock.wire.gating import gated
from poundlock.wire.gemini import answer, calls, request
from poundlock.wire.scanning import beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward
    from poundlock.wire.base import Body, StreamCodec
    from poundlock.wire.passages import Shelf

_VERSION = r"/v1(?:alpha|beta[0-9]?)?"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"
_PROJECT = rf"(?:/projects/(?:{_NAME}(?::|%3[Aa]))?{_NAME}/locations/{_NAME})?"
_MODELS = rf"{_VERSION}{_PROJECT}(?:/publishers/google)?/(?:models|tunedModels|endpoints)"
_CACHES = rf"{_VERSION}{_PROJECT}/cachedContents"


def _method(name: str, treatment: RouteTreatment = "inspect", reason: str = "") -> Route:
    path = rf"{_MODELS}/(?P<model>{_NAME})(?::|%3[Aa]){name}"
    streams = name == "streamGenerateContent"
    return Route(method="POST", path=path, operation=name, treatment=treatment, reason=reason, streams=streams)


def _refused(path: str, operation: str, reason: str) -> Route:
    return Route(method="*", path=path, operation=operation, treatment="refuse", reason=reason)


def _read(path: str, operation: str, reason: str, method: str = "GET") -> Route:
    return Route(method=method, path=path, operation=operation, treatment="pass", reason=reason)


_ANSWERS = frozenset({"generateContent", "streamGenerateContent"})
_BATCH = "batches are refused until the requests in them are inspected"
_FILES = "uploads are refused until files are inspected"

ROUTES = (
    *map(
        _method,
        (
            "generateContent",
            "streamGenerateContent",
            "countTokens",
            "computeTokens",
            "embedContent",
            "batchEmbedContents",
        ),
    ),
    Route(method="POST", path=_CACHES, operation="cachedContents.create"),
    Route(method="PATCH", path=rf"{_CACHES}/{_NAME}", operation="cachedContents.patch"),
    _read(_CACHES, "cachedContents.list", "a list without a body; it tells names, models and times, no content"),
    _read(rf"{_CACHES}/{_NAME}", "cachedContents.get", "no body; it tells name, model and times, no content"),
    _read(rf"{_CACHES}/{_NAME}", "cachedContents.delete", "no body", "DELETE"),
    _read(_MODELS, "models", "a list without a body"),
    _read(rf"{_MODELS}/{_NAME}", "model", "no body"),
    _method("batchGenerateContent", "refuse", _BATCH),
    _method("asyncBatchEmbedContent", "refuse", _BATCH),
    _method("predict(?:LongRunning)?", "refuse", "predictions are refused until their instances are inspected"),
    _method("generateAnswer", "refuse", "grounded answers are refused until their passages are inspected"),
    _method("bidiGenerateContent", "refuse", "live sessions are refused until their frames are inspected"),
    _refused(rf"{_VERSION}{_PROJECT}/(?:batches|batchPredictionJobs)(?:/.*)?", "batches", _BATCH),
    _refused(r"/ws/.*", "live", "live sessions are refused until their frames are inspected"),
    _refused(r"/(?:resumable/)?upload/.*", "files", _FILES),
    _refused(r"/v1(?:alpha|beta)/files(?:/.*)?|/v1(?:alpha|beta)/files:.*", "files", _FILES),
    _refused(r"/v1(?:alpha|beta)/interactions(?:/.*)?", "interactions", "interactions are refused until inspected"),
    _refused(
        r"/v1(?:alpha|beta)/(?:fileSearchStores|corpora)(?:/.*)?",
        "stores",
        "stores of files are refused until files are inspected",
    ),
)


class Gemini:
    """The format `gemini`."""

    provider = "gemini"
    routes = ROUTES
    waiting = b""

    def claims(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers (lower-case names) are those that only this provider's clients send."""
        return "x-goog-api-key" in headers or "x-goog-api-client" in headers or "x-goog-user-project" in headers

    def decode_request(
        self,
        route: Route,
        body: bytes,
        headers: Mapping[str, str],
        shelf: Shelf | None = None,  # noqa: ARG002 (its bodies are read as a whole)
    ) -> Body:
        """Decode a request body. Raises: `ClientFault`."""
        return request.read(route.operation, route.model, body, headers)

    def encode_answer(self, route: Route, body: bytes, homeward: Homeward) -> bytes:
        """Restore in a whole answer. Raises: `UpstreamFault` for what isn't JSON."""
        return answer.restored(body, homeward) if route.operation in _ANSWERS else body

    def stream(self, route: Route, content_type: str, homeward: Homeward) -> StreamCodec:
        """Give the codec of a streamed answer. Raises: `UpstreamFault` for an unknown content type or route."""
        kind = content_type.partition(";")[0].strip().lower()
        if route.operation in _ANSWERS and kind == EVENT_STREAM:
            return gated(beside(answer.EventAnswer, homeward), calls.CallGate, homeward)
        if route.operation in _ANSWERS and kind == "application/json":
            return gated(answer.ArrayAnswer(homeward), calls.ItemGate, homeward)
        raise UpstreamFault("The provider streams in a format that is not known on this route.")

    def refusal(self, status: int, message: str, *, code: str = "") -> bytes:
        """Give an error body."""
        return write(_error(status, message, code))

    def key_header(self, key: str) -> tuple[str, str]:
        """Give the header in which a key goes."""
        return "x-goog-api-key", key

    def broken(self, message: str, *, code: str = "") -> bytes:
        """Give what ends a stream that broke on the way: an error body, which is no event.

        So the API does it, and so Google's SDKs look for it: as an event, they would take it for an empty answer.
        """
        return write(_error(502, message, code)) + b"\n"


# google.rpc.Code, as google.aip.dev/193 maps it to HTTP.
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _error(status: int, message: str, code: str) -> dict[str, object]:
    name = _STATUS.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")
    error: dict[str, object] = {"code": status, "message": message, "status": name}
    if code:
        # google.aip.dev/193: an ErrorInfo's reason is a constant in capitals.
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code.upper(), "domain": "poundlock"}
        error["details"] = [info]
    return {"error": error}
