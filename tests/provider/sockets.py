"""The Responses API over a WebSocket, as the real provider speaks it: a message a request, a message an event.

Each message is logged, durably, as a request of the method `MESSAGE`, before it is answered. It must never answer two
at a time. Source: platform.openai.com/docs/guides/websocket-mode; what Codex 0.169 sends was recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from tests.provider import responses, script

if TYPE_CHECKING:
    from tests.provider.server import Provider

PATHS = frozenset({"/v1/responses", "/backend-api/codex/responses"})


def asked(request: web.Request) -> bool:
    """Whether a request is the handshake of a WebSocket that is served here."""
    return request.path in PATHS and request.headers.get("upgrade", "").lower() == "websocket"


async def serve(
    provider: Provider, request: web.Request, headers: list[list[str]], book: script.Script
) -> web.StreamResponse:
    """Serve one WebSocket until either side closes it."""
    number = provider.journal.request("HANDSHAKE", request.raw_path, headers, b"")
    if not book.raw.get("sockets", True):
        provider.journal.answer(number, status=426, bytes=0, end="complete", prompt=0, cached=0)
        return web.json_response({"error": {"message": "no sockets here"}}, status=426)
    socket = web.WebSocketResponse(heartbeat=30, max_msg_size=1 << 28)
    socket.headers["x-codex-turn-state"] = "turn-state-1"
    await socket.prepare(request)
    provider.journal.answer(number, status=101, bytes=0, end="complete", prompt=0, cached=0)
    kept: dict[str, list[Any]] = {}
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            break
        number = provider.journal.request("MESSAGE", request.raw_path, headers, message.data.encode())
        if not await _answer(provider, request, socket, number, json.loads(message.data), kept):
            break
    await socket.close()
    return socket


async def _answer(
    provider: Provider,
    request: web.Request,
    socket: web.WebSocketResponse,
    number: int,
    body: dict[str, Any],
    kept: dict[str, list[Any]],
) -> bool:
    """Answer one message; tell whether the socket stays open."""
    book = provider.script()
    chance = random.Random(book.seed * 1_000_003 + number)
    if body.get("type") != "response.create":
        provider.journal.answer(number, status=200, bytes=0, end="complete", prompt=0, cached=0)
        return True
    if isinstance(body.get("input"), str):
        body["input"] = [{"role": "user", "content": body["input"]}]
    previous = body.get("previous_response_id")
    if previous is not None and previous not in kept:
        await _error(socket, 404, "previous_response_not_found", "the previous response is not here")
        provider.journal.answer(number, status=404, bytes=0, end="complete", prompt=0, cached=0)
        return True
    whole = {**body, "input": [*kept.get(previous or "", []), *body.get("input", [])]}
    # Codex asks so before its first prompt, to have the beginning in the cache.
    turn: dict[str, Any] = {"blocks": []} if body.get("generate") is False else book.answer(_ask(request, whole))
    sizes = provider.cache(request.path).look_up(whole)
    if "error" in turn:
        wrong = turn["error"]
        await _error(socket, int(wrong["status"]), wrong.get("type", "server_error"), wrong.get("message", "scripted"))
        provider.journal.answer(number, status=wrong["status"], bytes=0, end="complete", prompt=0, cached=0)
        return True
    events = responses.stream(turn, whole, chance, sizes)
    drop = turn.get("drop")
    sent = 0
    for event in events[: drop["events"] if drop else None]:
        data = event.partition(b"\ndata: ")[2].strip()
        if "dribble" in turn:
            await asyncio.sleep(float(turn["dribble"]))
        with contextlib.suppress(ConnectionError):
            await socket.send_str(data.decode())
        sent += len(data)
    final = json.loads(events[-1].partition(b"\ndata: ")[2])["response"]
    kept[final["id"]] = [*whole["input"], *final["output"]]
    end = "dropped" if drop else "complete"
    provider.journal.answer(number, status=101, bytes=sent, end=end, prompt=sizes[0], cached=sizes[1])
    if drop and request.transport is not None:
        await asyncio.sleep(0.05)
        request.transport.abort()
    return not drop


async def _error(socket: web.WebSocketResponse, status: int, code: str, message: str) -> None:
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
    await socket.send_str(json.dumps({"type": "error", "status": status, "error": error}))


def _ask(request: web.Request, body: dict[str, Any]) -> script.Ask:
    return script.Ask(request.path, body)
