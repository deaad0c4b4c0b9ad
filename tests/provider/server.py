"""The mock provider's HTTP server: log the request, durably, then answer as the script says.

It must never answer before the log line is on disk, nor decode a body before it is logged: whatever reached this
server is in its log, and that is what the tests grade.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import random
import re
import zlib
from typing import TYPE_CHECKING, Any

import brotli
import zstandard
from aiohttp import web

from tests.provider import anthropic, bedrock, cuts, figures, gemini, ollama, openai, responses, script, sockets
from tests.provider.journal import Journal
from tests.provider.streamed import Streamed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MAX_BODY = 1 << 30
_ENDLESS_PIECE = 4096


class Provider:
    """One mock provider: a script file (read again when it changes), a log, a prompt cache."""

    def __init__(self, script_path: Path, log_path: Path) -> None:
        """Read the script and open the log."""
        self._path = script_path
        self._stamp = 0
        self._script = self.script()
        self.journal = Journal(log_path)
        self._caches: dict[str, figures.PromptCache] = {}
        self.batches: dict[str, list[dict[str, Any]]] = {}
        self.stored: dict[str, tuple[list[Any], dict[str, Any]]] = {}

    def script(self) -> script.Script:
        """Return the script as it is now."""
        stamp = self._path.stat().st_mtime_ns
        if stamp != self._stamp:
            self._script, self._stamp = script.parse(self._path.read_bytes()), stamp
        return self._script

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Log a request and answer it."""
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers]
        if sockets.asked(request):
            return await sockets.serve(self, request, headers, self.script())
        body = await request.read()
        number = self.journal.request(request.method, request.raw_path, headers, body)
        answer = _Answer(self, request, number)
        try:
            return await answer.give(_plain(request, body), self.script())
        except (ConnectionError, asyncio.CancelledError):
            answer.end = "client gone"
            raise
        finally:
            facts = {"status": answer.status, "bytes": answer.sent, "end": answer.end}
            self.journal.answer(number, **facts, prompt=answer.sizes[0], cached=answer.sizes[1])

    def cache(self, path: str) -> figures.PromptCache:
        """Return the prompt cache of one endpoint."""
        return self._caches.setdefault(path, figures.PromptCache())


def _plain(request: web.Request, body: bytes) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "gzip":
        return zlib.decompress(body, 31)
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding == "br":
        return bytes(brotli.decompress(body))
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body


def _compressor(name: str) -> tuple[Callable[[bytes], bytes], Callable[[], bytes], Callable[[], bytes]]:
    """Return (feed, flush after each write, finish) of a content encoding."""
    if name == "gzip":
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        return packer.compress, lambda: packer.flush(zlib.Z_SYNC_FLUSH), packer.flush
    if name == "br":
        squeezer = brotli.Compressor(quality=4)
        return squeezer.process, squeezer.flush, squeezer.finish
    writer = zstandard.ZstdCompressor().compressobj()
    return writer.compress, lambda: writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK), writer.flush


class _Answer:
    """One answer under way, with what the log will say of it."""

    def __init__(self, provider: Provider, request: web.Request, number: int) -> None:
        self.provider = provider
        self.request = request
        self.number = number
        self.status = 0
        self.sent = 0
        self.end = "failed"
        self.sizes = (0, 0)

    async def give(self, body: bytes, book: script.Script) -> web.StreamResponse:
        method = self.request.method
        path = self.request.path.replace("/backend-api/codex/", "/v1/")  # for the login of a ChatGPT account
        path = re.sub(r"^/openai(?:/deployments/[^/]+|/v1)?/", "/v1/", path)  # as Azure has them
        chance = random.Random(book.seed * 1_000_003 + self.number)
        for speaker in (gemini, ollama, bedrock):
            if (asks_for := speaker.asks(method, self.request.raw_path, self.request.headers)) is not None:
                return await self._other(speaker, asks_for, body, book, chance)
        as_anthropic = "anthropic-version" in self.request.headers or path.startswith("/v1/messages")
        self.headers = self._usual(as_anthropic, chance)
        if method in {"GET", "HEAD"} and path in {"/", "/api/hello"}:
            return await self._whole(200, {"message": "hello"})
        if method in {"GET", "HEAD"} and path.startswith("/v1/models"):
            return await self._whole(200, anthropic.models() if as_anthropic else openai.models())
        if method == "GET" and path.startswith("/v1/responses/"):
            kept = self.provider.stored.get(path.removeprefix("/v1/responses/"))
            if kept is not None:
                return await self._whole(200, kept[1])
        if path.startswith("/v1/messages/batches"):
            return await self._batch(method, path, body, book, chance)
        known = {"/v1/messages", "/v1/messages/count_tokens", "/v1/chat/completions", "/v1/embeddings", "/v1/responses"}
        if path not in known or method != "POST":
            return await self._error(404, {"message": f"{method} {path} is not here"}, as_anthropic=as_anthropic)
        try:
            decoded = json.loads(body)
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            return await self._error(400, {"message": "the body is not a JSON object"}, as_anthropic=as_anthropic)
        if path == "/v1/responses" and not self._remember(decoded):
            return await self._error(404, {"message": "the previous response is not here"}, as_anthropic=False)
        turn = book.answer(script.Ask(path, decoded))
        self.sizes = self.provider.cache(path).look_up(decoded)
        await asyncio.sleep(float(turn.get("first_delay", 0)))
        if "reply" in turn:
            reply = turn["reply"]
            return await self._bytes(int(reply.get("status", 200)), reply.get("headers", {}), reply["base64"], turn)
        if "error" in turn:
            return await self._error(int(turn["error"]["status"]), turn["error"], as_anthropic=as_anthropic)
        if path == "/v1/messages/count_tokens":
            return await self._whole(200, {"input_tokens": figures.tokens(self.sizes[0])})
        if path == "/v1/embeddings":
            return await self._whole(200, openai.embeddings(decoded))
        if path == "/v1/responses":
            self._keep(decoded, responses.response(turn, decoded, copy.deepcopy(chance), self.sizes))
            if not decoded.get("stream"):
                return await self._whole(200, responses.response(turn, decoded, chance, self.sizes), turn)
            return await self._stream(responses.stream(turn, decoded, chance, self.sizes), turn, responses)
        build = (anthropic.message, anthropic.stream) if as_anthropic else (openai.completion, openai.stream)
        if not decoded.get("stream"):
            return await self._whole(200, build[0](turn, decoded, chance, self.sizes), turn)
        speaker = anthropic if as_anthropic else openai
        return await self._stream(build[1](turn, decoded, chance, self.sizes), turn, speaker)

    async def _batch(
        self, method: str, path: str, body: bytes, book: script.Script, chance: random.Random
    ) -> web.StreamResponse:
        """Keep a batch, tell of it, or give its results."""
        if method == "POST" and path.endswith("batches"):
            name = figures.identifier(chance, "msgbatch_01", 22)
            self.provider.batches[name] = json.loads(body)["requests"]
            return await self._whole(200, anthropic.batch(name, str(self.request.url.origin()), ended=False))
        name, _, more = path.removeprefix("/v1/messages/batches/").partition("/")
        kept = self.provider.batches.get(name)
        if kept is None:
            return await self._error(404, {"message": "no such batch"}, as_anthropic=True)
        if more != "results":
            return await self._whole(200, anthropic.batch(name, str(self.request.url.origin()), ended=True))
        lines = []
        for row in kept:
            turn = book.answer(script.Ask(path, row["params"]))
            result = {"type": "succeeded", "message": anthropic.message(turn, row["params"], chance, (0, 0))}
            lines.append(json.dumps({"custom_id": row["custom_id"], "result": result}).encode() + b"\n")
        encoded = base64.b64encode(b"".join(lines)).decode()
        return await self._bytes(200, {"content-type": "application/x-jsonl"}, encoded, {})

    async def _other(
        self, speaker: Any, asks_for: str, body: bytes, book: script.Script, chance: random.Random
    ) -> web.StreamResponse:
        """Answer for the Gemini and the Ollama API."""
        self.headers = dict(speaker.HEADERS)
        try:
            decoded = json.loads(body or b"{}")
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            return await self._whole(400, speaker.error(400, "the body is not a JSON object"))
        seen = speaker.asked(decoded)
        turn = book.answer(script.Ask(self.request.path, seen))
        self.sizes = self.provider.cache(self.request.path).look_up(seen)
        await asyncio.sleep(float(turn.get("first_delay", 0)))
        if "reply" in turn:
            reply = turn["reply"]
            return await self._bytes(int(reply.get("status", 200)), reply.get("headers", {}), reply["base64"], turn)
        if "error" in turn:
            wrong = turn["error"]
            status, text = int(wrong["status"]), str(wrong.get("message", "scripted error"))
            self.headers |= wrong.get("headers", {})
            return await self._whole(status, wrong.get("body", speaker.error(status, text, wrong.get("type", ""))))
        answer = speaker.answer(asks_for, turn, decoded, chance, self.sizes)
        if isinstance(answer, Streamed):
            return await self._stream(answer.events, turn, speaker, answer.kind)
        return await self._whole(200, answer, turn)

    def _remember(self, body: dict[str, Any]) -> bool:
        """Put what came before in front of a request's input; tell whether that is known."""
        if isinstance(body.get("input"), str):
            body["input"] = [{"role": "user", "content": body["input"]}]
        previous = body.get("previous_response_id")
        if previous is None:
            return True
        kept = self.provider.stored.get(previous)
        if kept is not None:
            body["input"] = [*kept[0], *body["input"]]
        return kept is not None

    def _keep(self, body: dict[str, Any], answer: dict[str, Any]) -> None:
        if body.get("store", True):
            self.provider.stored[answer["id"]] = ([*body["input"], *answer["output"]], answer)

    def _usual(self, as_anthropic: bool, chance: random.Random) -> dict[str, str]:
        if as_anthropic:
            return {
                "request-id": figures.identifier(chance, "req_011", 21),
                "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
            }
        return {
            "x-request-id": f"req_{chance.getrandbits(128):032x}",
            "openai-organization": "mock",
            "openai-version": "2020-10-01",
        }

    async def _whole(self, status: int, value: Any, turn: dict[str, Any] | None = None) -> web.StreamResponse:
        data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"content-type": "application/json"}
        return await self._bytes(status, headers, base64.b64encode(data).decode(), turn or {})

    async def _bytes(self, status: int, headers: dict[str, str], encoded: str, turn: dict[str, Any]) -> web.Response:
        data = base64.b64decode(encoded)
        headers = {**self.headers, **headers}
        packing = self._packing(turn)
        if packing:
            feed, _, finish = _compressor(packing)
            data = feed(data) + finish()
            headers["content-encoding"] = packing
        self.status, self.sent, self.end = status, len(data), "complete"
        return web.Response(status=status, headers=headers, body=data)

    def _packing(self, turn: dict[str, Any]) -> str | None:
        wanted: str | None = turn.get("compress")
        return wanted if wanted and wanted in self.request.headers.get("accept-encoding", "") else None

    async def _error(self, status: int, error: dict[str, Any], *, as_anthropic: bool) -> web.StreamResponse:
        self.headers |= {"x-should-retry": "false"} if status < 429 else {}
        self.headers |= error.get("headers", {})
        text = str(error.get("message", "scripted error"))
        if isinstance(error.get("body"), str):
            data = base64.b64encode(error["body"].encode()).decode()
            return await self._bytes(status, {"content-type": "text/html"}, data, {})
        if "body" in error:
            return await self._whole(status, error["body"])
        if as_anthropic:
            kind = error.get("type", anthropic.ERROR_TYPES.get(status, "api_error"))
            return await self._whole(status, anthropic.error(kind, text, self.headers["request-id"]))
        default = openai.ERROR_TYPES.get(status, ("server_error", None))
        return await self._whole(status, openai.error(error.get("type", default[0]), text, default[1]))

    async def _stream(
        self, events: list[bytes], turn: dict[str, Any], speaker: Any, kind: str = "text/event-stream; charset=utf-8"
    ) -> web.StreamResponse:
        if "fail" in turn:
            fail = turn["fail"]
            failure = speaker.error_event(fail.get("type", "overloaded_error"), fail.get("message", "Overloaded"))
            events = [*events[: int(fail["events"])], failure]
        drop: dict[str, Any] | None = turn.get("drop")
        if drop is not None:
            kept = int(drop.get("events", 0))
            rest = b"".join(events[kept : kept + 1])[: int(drop.get("bytes", 0))]
            events = [*events[:kept], rest] if rest else events[:kept]
        response = web.StreamResponse(headers=self.headers)
        response.headers["content-type"] = kind
        response.headers["cache-control"] = "no-cache"
        packing = self._packing(turn)
        if packing:
            response.headers["content-encoding"] = packing
        self.status = 200
        await response.prepare(self.request)
        feed, flush, finish = _compressor(packing) if packing else (bytes, bytes, bytes)

        async def write(data: bytes) -> None:
            packed = feed(data) + flush()
            await response.write(packed)
            self.sent += len(packed)

        endless: dict[str, Any] | None = turn.get("endless")
        if endless is not None:
            await self._pour(endless, events, write, speaker.opening_of_endless())
        for number, piece in enumerate(cuts.writes(events, turn.get("wire", "events"))):
            if number and "dribble" in turn:
                await asyncio.sleep(float(turn["dribble"]))
            await write(piece)
        if drop is not None:
            self.end = "dropped"
            # One turn of the loop, so that what was written is on its way before the connection is reset.
            await asyncio.sleep(0.05)
            if self.request.transport is not None:
                self.request.transport.abort()
            return response
        if last := finish():
            await response.write(last)
        await response.write_eof()
        self.end = "complete"
        return response

    async def _pour(self, endless: dict[str, Any], events: list[bytes], write: Any, opening: bytes) -> None:
        limit, pause = int(endless.get("bytes", 1 << 40)), float(endless.get("pause", 0))
        if endless.get("how") == "no_newline":
            await write(b"".join(events[:2]) + opening)
            piece = b"a" * _ENDLESS_PIECE
        else:
            await write(b"".join(events[:2]))
            piece = next((event for event in events if b"delta" in event[:60] or b'"content":"' in event), events[1])
        while self.sent < limit:
            await write(piece)
            await asyncio.sleep(pause)


async def listening(provider: Provider, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Start the server on a port (0 for any free one) and return it with its URL."""
    # Bodies are logged as they came, so nothing may unpack them on the way in.
    application = web.Application(client_max_size=_MAX_BODY)
    application.router.add_route("*", "/{anything:.*}", provider.handle)
    runner = web.AppRunner(application, auto_decompress=False, handler_cancellation=True, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port, shutdown_timeout=0.2)
    await site.start()
    bound: tuple[str, int] = runner.addresses[0][:2]
    return runner, f"http://{bound[0]}:{bound[1]}"
