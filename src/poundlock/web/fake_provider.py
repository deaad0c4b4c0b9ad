"""A provider for the demo: speaks Anthropic Messages on loopback, streams, and keeps what it received for showing.

It answers with what a coding model would make of the prompt: it repeats the stand-ins that it was given, cut in
awkward places, so that restoring has something to do. It must never be reachable from another machine.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

_STAND_IN = re.compile(r"QZ_[A-Z0-9_]+_[2-9A-HJKMNP-TV-Z]{12}")
PIECE = 7
"""Characters in one delta: shorter than any stand-in, so that each arrives in pieces."""


class FakeProvider:
    """The server, and the bodies that it received."""

    def __init__(self, *, pause: float = 0.0) -> None:
        """Wait `pause` seconds between two events, as a model does."""
        self.received: list[bytes] = []
        self.url = ""
        self._pause = pause
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free loopback port."""
        application = web.Application(client_max_size=64 << 20)
        application.router.add_post("/v1/messages", self._messages)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.received.append(body)
        answer = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-cache"})
        await answer.prepare(request)
        for event in _events(_reply(_prompt(body))):
            await answer.write(event)
            await asyncio.sleep(self._pause)
        await answer.write_eof()
        return answer


def _prompt(body: bytes) -> str:
    """Give the text of the last message."""
    content = msgspec.json.decode(body)["messages"][-1]["content"]
    return content if isinstance(content, str) else "\n".join(block.get("text", "") for block in content)


def _reply(prompt: str) -> str:
    """Answer with the stand-ins that the prompt holds, as a model that was asked for a settings file would."""
    names = list(dict.fromkeys(_STAND_IN.findall(prompt)))
    lines = [f"{name.removeprefix('QZ_').rsplit('_', 1)[0]}={name}" for name in names]
    return "\n".join(["Here is the .env file:", "", "```", *lines, "```", "", "Keep it out of version control."])


def _events(text: str) -> Iterator[bytes]:
    """Give the server-sent events of one streamed answer, in the order and shape of the Messages API."""

    def event(name: str, data: dict[str, Any]) -> bytes:
        return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode({"type": name, **data}))

    usage = {"input_tokens": 1, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_demo",
        "type": "message",
        "role": "assistant",
        "model": "demo-model",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield event("message_start", {"message": message})
    yield event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
    yield event("ping", {})
    for at in range(0, len(text), PIECE):
        delta = {"type": "text_delta", "text": text[at : at + PIECE]}
        yield event("content_block_delta", {"index": 0, "delta": delta})
    yield event("content_block_stop", {"index": 0})
    yield event("message_delta", {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage})
    yield event("message_stop", {})
