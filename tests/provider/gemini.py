"""The Gemini API as the real one speaks it: events or an array, counts, embeddings, caches, models, errors.

It must never put an answer together from a client's expectations: shapes follow the public API reference
(ai.google.dev/api) and the types of the vendor's SDK 3.4.
"""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING, Any

from tests.provider import cuts, figures
from tests.provider.streamed import Streamed

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADERS = {"server-timing": "gfet4t7; dur=321", "vary": "Origin, X-Origin, Referer"}
MODELS = ("gemini-3-pro-preview", "gemini-2.5-flash", "gemini-embedding-001")
STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
STATUS |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
_PATH = re.compile(
    r"/v1[a-z0-9]*(?:/projects/[^/]+/locations/[^/]+)?(?:/publishers/google)?/"
    r"(?:models(?:/(?P<model>[^/:?]+)(?::(?P<call>\w+))?)?|(?P<cache>cachedContents)(?:/(?P<name>[^/?]+))?)"
    r"(?:\?(?P<query>.*))?"
)
_DIMENSIONS = 8


def asks(method: str, target: str, headers: Mapping[str, str]) -> str | None:
    """Return what a request asks for, `array` or `events` with it for a stream; None if it isn't for this API."""
    found = _PATH.fullmatch(target)
    # Other vendors have a list of models at the same path.
    if found is None or (method == "GET" and target.startswith("/v1/models") and "x-goog-api-client" not in headers):
        return None
    if found["cache"]:
        return f"cache {method} {found['name'] or ''}".strip()
    if method == "GET":
        return "models"
    how = ("events" if "alt=sse" in (found["query"] or "") else "array") if found["call"] else ""
    return f"{found['call']} {found['model']} {how}"


def asked(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request as scripts look at it: with messages."""
    contents = body.get("contents") or (body.get("generateContentRequest") or {}).get("contents") or []
    contents = contents if isinstance(contents, list) else [contents]
    roles = {"model": "assistant"}
    messages = [{**each, "role": roles.get(each.get("role", ""), "user")} for each in contents]
    return {"system": body.get("systemInstruction"), "tools": body.get("tools") or [], "messages": messages}


def _parts(turn: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an answer's parts, each text cut as the script says."""
    parts: list[dict[str, Any]] = []
    signature = ""
    for block in turn.get("blocks", []):
        cut = block.get("cut", turn.get("cut", "whole"))
        signature = block.get("signature", signature)
        parts += [{"text": piece, "thought": True} for piece in cuts.deltas(block.get("thinking", ""), cut)]
        parts += [{"text": piece} for piece in cuts.deltas(block.get("text", ""), cut)]
        if "tool" in block:
            call: dict[str, Any] = {"functionCall": {"name": block["tool"], "args": block["input"]}}
            if signature:
                call["thoughtSignature"], signature = signature, ""
            parts.append(call)
    # Where no call carries the signature, a last part without text does.
    return [*parts, {"text": "", "thoughtSignature": signature}] if signature or not parts else parts


def _usage(turn: dict[str, Any], sizes: tuple[int, int]) -> dict[str, Any]:
    prompt, output = figures.tokens(sizes[0]), figures.tokens(len(json.dumps(turn.get("blocks", []))))
    usage: dict[str, Any] = {"promptTokenCount": prompt, "candidatesTokenCount": output}
    usage |= {"totalTokenCount": prompt + output, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}]}
    if sizes[1]:
        usage["cachedContentTokenCount"] = figures.tokens(sizes[1])
    return {**usage, **turn.get("usage", {})}


def _response(parts: list[dict[str, Any]], finish: str, tail: dict[str, Any]) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [{**candidate, "index": 0}], **tail}


def answer(
    asks_for: str, turn: dict[str, Any], body: dict[str, Any], chance: random.Random, sizes: tuple[int, int]
) -> dict[str, Any] | Streamed:
    """Return the answer; `sizes` are the prompt's bytes and those found in the cache."""
    call, _, rest = asks_for.partition(" ")
    model, _, how = rest.partition(" ")
    if call == "models":
        methods = ["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"]
        known = {"version": "001", "inputTokenLimit": 1048576, "supportedGenerationMethods": methods}
        described = [{"name": f"models/{name}", "displayName": name, **known} for name in MODELS]
        return {"models": described}
    if call == "cache":
        named = {"name": "cachedContents/a1b2c3d4", "model": body.get("model", f"models/{MODELS[0]}")}
        return named | {"createTime": "2026-01-02T03:04:05Z", "expireTime": "2026-01-02T04:04:05Z"}
    if call == "countTokens":
        counted = figures.tokens(sizes[0])
        return {"totalTokens": counted, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": counted}]}
    if call == "embedContent":
        return {"embedding": {"values": _vector(body.get("content"))}}
    if call == "batchEmbedContents":
        return {"embeddings": [{"values": _vector(each.get("content"))} for each in body.get("requests", [])]}
    tail = {"usageMetadata": _usage(turn, sizes), "modelVersion": model}
    tail["responseId"] = figures.identifier(chance, "", 22)
    parts, finish = _parts(turn), str(turn.get("stop", "STOP"))
    if call != "streamGenerateContent":
        return _response(_joined(parts), finish, tail)
    responses = [_response([part], "" if part is not parts[-1] else finish, tail) for part in parts]
    if how == "events":
        # With the line ends of the real one, and its spaces.
        lines = [json.dumps(each, ensure_ascii=False, separators=(",", ": ")) for each in responses]
        return Streamed("text/event-stream", [f"data: {line}\r\n\r\n".encode() for line in lines])
    items = [json.dumps(each, ensure_ascii=False, indent=2).encode() for each in responses]
    return Streamed(
        "application/json; charset=UTF-8", [b"[" + items[0], *(b",\r\n" + item for item in items[1:]), b"]\n"]
    )


def _joined(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return parts with texts that follow each other as one."""
    out: list[dict[str, Any]] = []
    for part in parts:
        alike = out and set(part) == set(out[-1]) and set(part) <= {"text", "thought"}
        if alike:
            out[-1] = {**part, "text": out[-1]["text"] + part["text"]}
        else:
            out.append(part)
    return out


def _vector(content: Any) -> list[float]:
    chance = random.Random(json.dumps(content))
    return [round(chance.uniform(-1, 1), 6) for _ in range(_DIMENSIONS)]


def error(status: int, text: str, kind: str = "") -> dict[str, Any]:
    """Return an error body."""
    return {"error": {"code": status, "message": text, "status": kind or STATUS.get(status, "UNKNOWN")}}


def error_event(kind: str, text: str) -> bytes:
    """Return what ends a stream which failed: a body, no event."""
    return json.dumps(error(503, text, kind if kind.isupper() else "UNAVAILABLE"), indent=2).encode() + b"\n"


def opening_of_endless() -> bytes:
    """Return the start of an event whose line never ends."""
    return b'data: {"candidates": [{"content": {"parts": [{"text": "'
