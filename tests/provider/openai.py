"""The OpenAI Chat Completions API as the real one speaks it: chunks, usage chunk, `[DONE]`, embeddings, models, errors.

It must never put an answer together from a client's expectations: shapes follow the public API reference
(platform.openai.com/docs/api-reference/chat) and the types of the vendor's SDK 3.52.
"""

from __future__ import annotations

import base64
import json
import random
import struct
from typing import Any

from tests.provider import cuts, figures

ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", None),
}

MODELS = ("gpt-5.2", "gpt-5.2-mini", "text-embedding-3-small")
_CREATED = 1790000000
_DIMENSIONS = 8


def _calls(blocks: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "id": block.get("id") or figures.identifier(chance, "call_", 24),
            "type": "function",
            "function": {
                "name": block["tool"],
                "arguments": block["raw"] if "raw" in block else json.dumps(block["input"], ensure_ascii=False),
            },
        }
        for block in blocks
        if "tool" in block
    ]


def _text(blocks: list[dict[str, Any]]) -> str | None:
    texts = [block["text"] for block in blocks if "text" in block]
    return "".join(texts) if texts else None


def _usage(turn: dict[str, Any], sizes: tuple[int, int]) -> dict[str, Any]:
    prompt, cached = sizes
    thoughts = sum(len(block.get("thinking", "")) for block in turn.get("blocks", []))
    output = figures.tokens(len(json.dumps(turn.get("blocks", []))))
    return {
        "prompt_tokens": figures.tokens(prompt),
        "completion_tokens": output,
        "total_tokens": figures.tokens(prompt) + output,
        "prompt_tokens_details": {"cached_tokens": figures.tokens(cached) if cached else 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": thoughts // 4,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        **turn.get("usage", {}),
    }


def _finish(turn: dict[str, Any]) -> str:
    called = any("tool" in block for block in turn.get("blocks", []))
    return str(turn.get("stop", "tool_calls" if called else "stop"))


def _frame(body: dict[str, Any], chance: random.Random, kind: str) -> dict[str, Any]:
    return {
        "id": figures.identifier(chance, "chatcmpl-", 29),
        "object": kind,
        "created": _CREATED,
        "model": body.get("model", MODELS[0]),
    }


def _tail(chance: random.Random) -> dict[str, Any]:
    return {"service_tier": "default", "system_fingerprint": f"fp_{chance.getrandbits(40):010x}"}


def completion(
    turn: dict[str, Any],
    body: dict[str, Any],
    chance: random.Random,
    sizes: tuple[int, int],
) -> dict[str, Any]:
    """Return the answer that is not streamed; `sizes` are the prompt's bytes and those found in the cache."""
    blocks = turn.get("blocks", [])
    said: dict[str, Any] = {"role": "assistant", "content": _text(blocks), "refusal": None, "annotations": []}
    if calls := _calls(blocks, chance):
        said["tool_calls"] = calls
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": _finish(turn)}
    return {
        **_frame(body, chance, "chat.completion"),
        "choices": [choice],
        "usage": _usage(turn, sizes),
        **_tail(chance),
    }


def stream(
    turn: dict[str, Any],
    body: dict[str, Any],
    chance: random.Random,
    sizes: tuple[int, int],
) -> list[bytes]:
    """Return the chunks of a streamed answer, each whole with its blank line, `[DONE]` last."""
    frame, tail = _frame(body, chance, "chat.completion.chunk"), _tail(chance)
    options = body.get("stream_options") or {}
    with_usage = bool(options.get("include_usage"))

    def chunk(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        data = {**frame, **tail, "choices": choices}
        if with_usage:
            data["usage"] = usage
        if options.get("include_obfuscation", True):
            # The real stream pads with random text, so that sizes on the wire do not tell the tokens.
            data["obfuscation"] = figures.identifier(chance, "", chance.randint(1, 14))
        return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"

    def delta(piece: dict[str, Any], finish: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": piece, "logprobs": None, "finish_reason": finish}])

    blocks = turn.get("blocks", [])
    events = [delta({"role": "assistant", "content": "" if _text(blocks) is not None else None, "refusal": None})]
    for block in blocks:
        cut = block.get("cut", turn.get("cut", "whole"))
        events += [delta({"content": piece}) for piece in cuts.deltas(block.get("text", ""), cut)]
        # Not OpenAI's own: compatible servers (DeepSeek, vLLM, llama.cpp) stream thoughts under this name.
        events += [delta({"reasoning_content": piece}) for piece in cuts.deltas(block.get("thinking", ""), cut)]
    called = [block for block in blocks if "tool" in block]
    for index, (block, call) in enumerate(zip(called, _calls(blocks, chance), strict=True)):
        arguments = call["function"]["arguments"]
        begun = {"index": index, **call, "function": {"name": call["function"]["name"], "arguments": ""}}
        events.append(delta({"tool_calls": [begun]}))
        events += [
            delta({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
            for piece in cuts.deltas(arguments, block.get("cut", turn.get("cut", "whole")))
        ]
    events.append(delta({}, _finish(turn)))
    if with_usage:
        events.append(chunk([], _usage(turn, sizes)))
    events.append(b"data: [DONE]\n\n")
    for _ in range(int(turn.get("pings", 0))):
        # A comment line, which some compatible servers send to keep the connection alive.
        events.insert(chance.randint(1, len(events) - 1), b": keep-alive\n\n")
    return events


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """Return vectors that depend on the text alone, as numbers or in base64 as the request says."""
    wanted = body.get("input", "")
    texts = wanted if isinstance(wanted, list) and not all(isinstance(item, int) for item in wanted) else [wanted]
    data = []
    for index, text in enumerate(texts):
        chance = random.Random(json.dumps(text))
        vector = [round(chance.uniform(-1, 1), 6) for _ in range(int(body.get("dimensions", _DIMENSIONS)))]
        packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        value = packed if body.get("encoding_format") == "base64" else vector
        data.append({"object": "embedding", "index": index, "embedding": value})
    size = figures.tokens(len(json.dumps(texts)))
    usage = {"prompt_tokens": size, "total_tokens": size}
    return {"object": "list", "data": data, "model": body.get("model", MODELS[-1]), "usage": usage}


def error(kind: str, text: str, code: str | None) -> dict[str, Any]:
    """Return an error body."""
    return {"error": {"message": text, "type": kind, "param": None, "code": code}}


def error_event(kind: str, text: str) -> bytes:
    """Return the event that ends a stream which failed."""
    return b"data: " + json.dumps(error(kind, text, None)).encode() + b"\n\n"


def models() -> dict[str, Any]:
    """Return the list of models."""
    data = [{"id": name, "object": "model", "created": _CREATED, "owned_by": "system"} for name in MODELS]
    return {"object": "list", "data": data}


def opening_of_endless() -> bytes:
    """Return the start of a chunk whose line never ends."""
    head = (
        '{"id":"chatcmpl-endless","object":"chat.completion.chunk","created":1,"model":"gpt-5.2","choices":[{"index":0,'
    )
    return f'data: {head}"delta":{{"content":"'.encode()
