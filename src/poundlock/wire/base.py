"""The contract of a wire format: what a provider's module gives, and nothing else may learn a provider's name.

A body is decoded once (msgspec, the only JSON), its string leaves become segments, and what is sent is encoded from
the very tree that was inspected. INVARIANT: no raw splice, no second parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

from poundlock.core.model import Document, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward
    from poundlock.wire.passages import Shelf

RouteTreatment = Literal["inspect", "pass", "refuse"]

EVENT_STREAM = "text/event-stream"
WEBSOCKET = "WEBSOCKET"
"""What stands as the method of a route that is a WebSocket: its handshake is a GET, and then no HTTP."""


class Route(Value, frozen=True, kw_only=True):
    """One row of the route table. `path` is a regular expression on the whole path, without the query.

    `method` may be `*`. The first row that fits counts.

    `treatment` says what is done: body inspected, passed with `reason`, or refused with `reason`.

    Where the path names the model, it does so in a group `model`, and a resolved route has it in its field `model`.
    Where the path names a stored answer, it does so in a group `answered`, and a resolved route has the conversation
    that goes on from there in `conversation`.
    `home` is the provider's name where the path is not that of the provider named after the format.
    `streams` says that an answer in JSON is a stream, too: an array whose items come one by one.
    """

    method: str
    path: str
    operation: str
    treatment: RouteTreatment = "inspect"
    reason: str = ""
    model: str = ""
    conversation: str = ""
    streams: bool = False
    home: str = ""


class Body(Protocol):
    """A decoded body: its document, and the way back to bytes."""

    @property
    def document(self) -> Document:
        """What was decoded."""

    def encode(self, texts: Mapping[int, str]) -> bytes:
        """Give the body's bytes with the texts of these segments (by index) replaced."""


class StreamCodec(Protocol):
    """An answer on its way home, incremental: framing, restoring in text and tool calls, framing again."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes from upstream, cut anywhere, and give those that the client may have now.

        Raises: `UpstreamFault` for what can't be framed (an event past the limit, say).
        """

    def finish(self) -> bytes:
        """Give what was held back; the upstream has ended, properly or not."""

    def broken(self, error: bytes) -> bytes:
        """Give instead of `finish`, when the upstream broke: what was held back, then `Wire.broken`'s bytes, framed.

        What never became whole is left out: it would take the error in, and the client would miss it.
        """


class Wire(Protocol):
    """One provider's format."""

    @property
    def provider(self) -> str:
        """The format's name."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """The route table."""

    @property
    def waiting(self) -> bytes:
        """What keeps a stream alive before its first event, without saying anything; empty where nothing does."""

    def claims(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers (lower-case names) are those that only this provider's clients send."""

    def decode_request(self, route: Route, body: bytes, headers: Mapping[str, str], shelf: Shelf | None = None) -> Body:
        """Decode a request body; header names are lower case. Raises `ClientFault`.

        `shelf` has what was read from earlier bodies of the same scope: a format may use it, or read all anew.
        """

    def encode_answer(self, route: Route, body: bytes, homeward: Homeward) -> bytes:
        """Restore in a whole (not streamed) JSON answer; bytes are returned unchanged where nothing is restored."""

    def stream(self, route: Route, content_type: str, homeward: Homeward) -> StreamCodec:
        """Give the codec of a streamed answer of this content type. Raises `UpstreamFault` for an unknown one."""

    def refusal(self, status: int, message: str, *, code: str = "") -> bytes:
        """Give an error body in the provider's own shape."""

    def key_header(self, key: str) -> tuple[str, str]:
        """Give the header in which this format carries a provider's key."""

    def broken(self, message: str, *, code: str = "") -> bytes:
        """Give what tells the client that a stream broke on the way, for `StreamCodec.broken`: as an event."""


class Message(NamedTuple):
    """A client's message over a WebSocket, decoded; `answered` says that an answer follows it."""

    body: Body
    answered: bool


class MessageCodec(Protocol):
    """One answer over a WebSocket on its way home, message by message."""

    ended: bool
    """Whether the answer's last message has come."""

    def feed(self, message: bytes) -> list[bytes]:
        """Take the provider's next message and give those that the client may have now. Raises: `UpstreamFault`."""

    def finish(self) -> list[bytes]:
        """Give what was held back; the answer has ended, properly or not."""


@runtime_checkable
class SocketWire(Protocol):
    """What a format that is also spoken over a WebSocket gives besides, for its routes of the method `WEBSOCKET`."""

    def decode_message(self, data: bytes, headers: Mapping[str, str]) -> Message:
        """Decode a client's message; the handshake's headers name its session. Raises: `ClientFault`."""

    def messages(self, homeward: Homeward) -> MessageCodec:
        """Give the codec of one answer."""

    def refused_message(self, status: int, message: str, *, code: str = "") -> bytes:
        """Give an error as a message."""
