"""The Anthropic Messages API as the real one speaks it: event order, fields, padding, errors, models.

It must never put a whole answer together from a client's expectations: shapes follow the public API reference
(platform.claude.com/docs: "Streaming messages", "Errors", "Models") and the types of the vendor's SDK 2.11.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.provider import cuts, figures

if TYPE_CHECKING:
    import random

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}

MODELS = ("claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5-20251001")


def _event(name: str, data: dict[str, Any], padding: int) -> bytes:
    # The real stream pads events with spaces before the last brace, so that sizes on the wire do not tell the tokens.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text[:-1]}{' ' * padding}}}\n\n".encode()


def _content(blocks: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for block in blocks:
        if "text" in block:
            content.append({"type": "text", "text": block["text"]})
        elif "thinking" in block:
            content.append({"type": "thinking", "thinking": block["thinking"], "signature": block["signature"]})
        elif "redacted_thinking" in block:
            content.append({"type": "redacted_thinking", "data": block["redacted_thinking"]})
        else:
            arguments = block.get("input") if "raw" not in block else json.loads(block["raw"])
            name = block.get("id") or figures.identifier(chance, "toolu_01", 22)
            content.append({"type": "tool_use", "id": name, "name": block["tool"], "input": arguments})
    return content


def _usage(turn: dict[str, Any], prompt: int, cached: int, output: int) -> dict[str, Any]:
    read = figures.tokens(cached) if cached else 0
    fresh = figures.tokens(prompt - cached)
    return {
        "input_tokens": 3,
        "cache_creation_input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": fresh, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
        "inference_geo": "not_available",
        **turn.get("usage", {}),
    }


def _stop(turn: dict[str, Any]) -> str:
    called = any("tool" in block for block in turn.get("blocks", []))
    return str(turn.get("stop", "tool_use" if called else "end_turn"))


def _output(turn: dict[str, Any]) -> int:
    return figures.tokens(len(json.dumps(turn.get("blocks", []))))


def message(
    turn: dict[str, Any],
    body: dict[str, Any],
    chance: random.Random,
    sizes: tuple[int, int],
) -> dict[str, Any]:
    """Return the answer that is not streamed; `sizes` are the prompt's bytes and those found in the cache."""
    return {
        "model": body.get("model", MODELS[0]),
        "id": figures.identifier(chance, "msg_01", 22),
        "type": "message",
        "role": "assistant",
        "content": _content(turn.get("blocks", []), chance),
        "stop_reason": _stop(turn),
        "stop_sequence": None,
        "stop_details": None,
        "usage": _usage(turn, *sizes, _output(turn)),
    }


def stream(
    turn: dict[str, Any],
    body: dict[str, Any],
    chance: random.Random,
    sizes: tuple[int, int],
) -> list[bytes]:
    """Return the events of a streamed answer, each whole with its blank line."""

    def event(data: dict[str, Any]) -> bytes:
        return _event(data["type"], data, chance.randint(0, 14))

    blocks = turn.get("blocks", [])
    opening = message({**turn, "blocks": []}, body, chance, sizes)
    opening |= {"stop_reason": None, "usage": _usage(turn, *sizes, 1)}
    events = [event({"type": "message_start", "message": opening})]
    for index, (block, whole) in enumerate(zip(blocks, _content(blocks, chance), strict=True)):
        empty, pieces = _begin(block, whole, block.get("cut", turn.get("cut", "whole")))
        events.append(event({"type": "content_block_start", "index": index, "content_block": empty}))
        if index == 0:
            events.append(event({"type": "ping"}))
        events += [event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in pieces]
        events.append(event({"type": "content_block_stop", "index": index}))
    usage = _usage(turn, *sizes, _output(turn))
    figures_at_end = {
        name: usage[name]
        for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    }
    delta = {"stop_reason": _stop(turn), "stop_sequence": None}
    events.append(event({"type": "message_delta", "delta": delta, "usage": figures_at_end}))
    events.append(event({"type": "message_stop"}))
    for _ in range(int(turn.get("pings", 0))):
        events.insert(chance.randint(1, len(events) - 1), event({"type": "ping"}))
    return events


def _begin(block: dict[str, Any], whole: dict[str, Any], cut: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the block as its start event shows it, and its deltas."""
    if whole["type"] == "text":
        texts = cuts.deltas(whole["text"], cut)
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in texts]
    if whole["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": text} for text in cuts.deltas(whole["thinking"], cut)]
        signature = {"type": "signature_delta", "signature": whole["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signature]
    if whole["type"] == "redacted_thinking":
        return whole, []
    arguments = block["raw"] if "raw" in block else json.dumps(whole["input"], ensure_ascii=False)
    # The real stream opens every tool call with one empty piece.
    pieces = ["", *cuts.deltas(arguments, cut)]
    return {**whole, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def error(kind: str, text: str, request_id: str) -> dict[str, Any]:
    """Return an error body."""
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": request_id}


def error_event(kind: str, text: str) -> bytes:
    """Return the event that ends a stream which failed."""
    return _event("error", {"type": "error", "error": {"type": kind, "message": text}}, 0)


def models() -> dict[str, Any]:
    """Return the list of models."""
    data = [
        {
            "type": "model",
            "id": name,
            "display_name": name.replace("-", " ").title(),
            "created_at": "2026-01-05T00:00:00Z",
            "lifecycle": "active",
            "max_input_tokens": 200000,
            "max_tokens": 64000,
        }
        for name in MODELS
    ]
    return {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}


def opening_of_endless() -> bytes:
    """Return the start of an event whose line never ends."""
    data = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'
    return f"event: content_block_delta\ndata: {data}".encode()


def batch(name: str, origin: str, *, ended: bool) -> dict[str, Any]:
    """Return what is told of a message batch."""
    return {
        "id": name,
        "type": "message_batch",
        "processing_status": "ended" if ended else "in_progress",
        "request_counts": {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0},
        "ended_at": "2026-11-21T00:10:00Z" if ended else None,
        "created_at": "2026-11-21T00:00:00Z",
        "expires_at": "2026-11-22T00:00:00Z",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"{origin}/v1/messages/batches/{name}/results" if ended else None,
    }
