"""The Responses API over a WebSocket: one JSON text a message, on its way out and on its way home.

Source: platform.openai.com/docs/guides/websocket-mode, and Codex as recorded. A client's message is a request as it is
over HTTP with a `type`; an answer is the same events, a message each, in their order and with their numbers. This
module must never let through a message of a type that it does not know, and never add one to an answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from poundlock.core.errors import ClientFault, UpstreamFault
from poundlock.wire import body, framing
from poundlock.wire.base import Message
from poundlock.wire.events import Typed
from poundlock.wire.gating import gated
from poundlock.wire.openai_responses import calls, request
from poundlock.wire.openai_responses.answer import AnswerCodec
from poundlock.wire.scanning import beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward

_TYPES = {
    "response.create": "responses",
    "response.processed": "responses.processed",
    "response.cancel": "responses.cancel",
}
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"})
# In JSON a line end stands between tokens only; as an event's data it would end the line.
_LINES = re.compile(rb"[\r\n]+")


class _Kind(msgspec.Struct):
    type: str = ""


_typed = Typed(_Kind)


def read(data: bytes, headers: Mapping[str, str]) -> Message:
    """Decode a client's message. Raises: `ClientFault`, also for a type that is not known."""
    tree, notes = body.decode_object(data)
    kind = tree.get("type")
    operation = _TYPES.get(kind) if isinstance(kind, str) else None
    if operation is None:
        raise ClientFault(
            "A message of this type is not known on this WebSocket, so it is refused.",
            advice="Send `response.create`, or ask over HTTP.",
        )
    return Message(request.read_tree(operation, tree, notes, headers), kind == "response.create")


def refusal(status: int, message: str, code: str) -> bytes:
    """Give the message that tells a client of an error, in the shape that Codex reads."""
    error = {"type": "invalid_request_error" if status < 500 else "server_error", "code": code, "message": message}
    return body.write({"type": "error", "status": status, "error": {**error, "param": None}})


class MessageCodec:
    """One answer's messages on their way home; `ended` says that its last one has come."""

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        self.ended = False
        self._events = gated(beside(AnswerCodec, homeward), calls.CallGate, homeward)

    def feed(self, message: bytes) -> list[bytes]:
        """Take the provider's next message and give those that may go on. Raises: `UpstreamFault` for what no JSON is.

        A message that needs no change goes on as the text that it was.
        """
        kind = _typed(message)
        if kind is None:
            raise UpstreamFault("The provider sent a message over the WebSocket that is not a JSON object.")
        self.ended = self.ended or kind.type in _ENDS
        data = _LINES.sub(b" ", message) if b"\n" in message or b"\r" in message else message
        return _messages(self._events.feed(framing.event(data)))

    def finish(self) -> list[bytes]:
        """Give what was held back; the answer has ended, properly or not."""
        return _messages(self._events.finish())


def _messages(events: bytes) -> list[bytes]:
    return [data for event in framing.events(events) if (data := framing.data_of(event)) is not None]
