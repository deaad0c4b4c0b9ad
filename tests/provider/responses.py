"""The OpenAI Responses API as the real one speaks it: typed events, numbered, each text in up to five of them.

It must never put an answer together from a client's expectations: shapes follow the public API reference
(platform.openai.com/docs/api-reference/responses, responses-streaming) and the types of the vendor's SDK 3.52.
"""

from __future__ import annotations

import base64
import copy
import json
from typing import TYPE_CHECKING, Any

from tests.provider import cuts, figures, openai

if TYPE_CHECKING:
    import random

_CREATED = 1790000000
# Longer instructions and tools are not repeated as the real API does: a recording must not hold a client's own texts.
_ECHO = 4000


def _usage(turn: dict[str, Any], sizes: tuple[int, int]) -> dict[str, Any]:
    prompt, cached = sizes
    thoughts = sum(len(block.get("thinking", "")) for block in turn.get("blocks", []))
    output = figures.tokens(len(json.dumps(turn.get("blocks", []))))
    return {
        "input_tokens": figures.tokens(prompt),
        "input_tokens_details": {"cached_tokens": figures.tokens(cached) if cached else 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": thoughts // 4},
        "total_tokens": figures.tokens(prompt) + output,
        **turn.get("usage", {}),
    }


def _item(block: dict[str, Any], body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return the finished item of one block."""
    if "item" in block:
        return dict(copy.deepcopy(block["item"]))
    if "thinking" in block:
        item: dict[str, Any] = {"id": figures.identifier(chance, "rs_", 48), "type": "reasoning"}
        item["summary"] = [{"type": "summary_text", "text": block["thinking"]}]
        if "reasoning.encrypted_content" in (body.get("include") or []):
            sealed = base64.urlsafe_b64encode(chance.randbytes(90)).decode()
            item["encrypted_content"] = block.get("signature", "gAAAA" + sealed)
        return item
    if "tool" not in block:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": block.get("text", "")}
        return {
            "id": figures.identifier(chance, "msg_", 48),
            "type": "message",
            "status": "completed",
            "content": [part],
            "role": "assistant",
        }
    call = block.get("id") or figures.identifier(chance, "call_", 24)
    custom = any(tool.get("type") == "custom" and tool.get("name") == block["tool"] for tool in body.get("tools") or [])
    if custom:
        text = block["raw"] if "raw" in block else block["input"]["input"]
        item = {"id": figures.identifier(chance, "ctc_", 48), "type": "custom_tool_call", "status": "completed"}
        return {**item, "call_id": call, "input": text, "name": block["tool"]}
    text = block["raw"] if "raw" in block else json.dumps(block["input"], ensure_ascii=False, separators=(",", ":"))
    item = {"id": figures.identifier(chance, "fc_", 48), "type": "function_call", "status": "completed"}
    return {**item, "arguments": text, "call_id": call, "name": block["tool"]}


def _frame(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return a response that has said nothing yet; it repeats what was asked of it."""

    def echoed(name: str, instead: Any) -> Any:
        value = body.get(name, instead)
        return value if len(json.dumps(value)) < _ECHO else instead

    return {
        "id": figures.identifier(chance, "resp_", 48),
        "object": "response",
        "created_at": _CREATED,
        "status": "in_progress",
        "background": bool(body.get("background", False)),
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": echoed("instructions", None),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "model": body.get("model", openai.MODELS[0]),
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": "medium", "summary": "detailed"},
        "safety_identifier": None,
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": echoed("tools", []),
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": body.get("metadata") or {},
    }


def response(
    turn: dict[str, Any],
    body: dict[str, Any],
    chance: random.Random,
    sizes: tuple[int, int],
) -> dict[str, Any]:
    """Return the answer that is not streamed; `sizes` are the prompt's bytes and those found in the cache."""
    output = [_item(block, body, chance) for block in turn.get("blocks", [])]
    done = {"status": "completed", "completed_at": _CREATED + 1, "output": output, "usage": _usage(turn, sizes)}
    if turn.get("stop") == "max_output_tokens":
        done |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    return {**_frame(body, chance), **done}


class _Script:
    """The events of one answer, numbered as they are made."""

    def __init__(self, body: dict[str, Any], chance: random.Random) -> None:
        self.events: list[bytes] = []
        self._chance = chance
        self._padded = (body.get("stream_options") or {}).get("include_obfuscation", True)

    def say(self, kind: str, **members: Any) -> None:
        data = {"type": kind, "sequence_number": len(self.events), **members}
        if kind.endswith(".delta") and self._padded:
            # The real stream pads with random text, so that sizes on the wire do not tell the tokens.
            data["obfuscation"] = figures.identifier(self._chance, "", self._chance.randint(1, 14))
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        self.events.append(f"event: {kind}\ndata: {text}\n\n".encode())

    def text(self, stem: str, member: str, text: str, cut: Any, **where: Any) -> None:
        """Say a text in deltas, then as a whole."""
        extra = {"logprobs": []} if stem == "response.output_text" else {}
        for piece in cuts.deltas(text, cut):
            self.say(f"{stem}.delta", **where, delta=piece, **extra)
        self.say(f"{stem}.done", **where, **{member: text}, **extra)


def stream(
    turn: dict[str, Any],
    body: dict[str, Any],
    chance: random.Random,
    sizes: tuple[int, int],
) -> list[bytes]:
    """Return the events of a streamed answer, each whole with its blank line."""
    final = response(turn, body, chance, sizes)
    begun = {**final, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    begun["incomplete_details"] = None
    out = _Script(body, chance)
    out.say("response.created", response=begun)
    out.say("response.in_progress", response=begun)
    for index, (block, item) in enumerate(zip(turn.get("blocks", []), final["output"], strict=True)):
        cut = block.get("cut", turn.get("cut", "whole"))
        where = {"item_id": item.get("id", ""), "output_index": index}
        kind = item["type"]
        opened = {name: value for name, value in item.items() if name != "encrypted_content"}
        opened |= {"status": "in_progress"} if "status" in item else {}
        opened |= {name: [] for name in ("content", "summary") if name in item}
        opened |= {name: "" for name in ("arguments", "input") if name in item}
        out.say("response.output_item.added", output_index=index, item=opened)
        if kind == "message":
            for number, part in enumerate(item["content"]):
                at = {**where, "content_index": number}
                out.say("response.content_part.added", **at, part={**part, "text": ""})
                out.text("response.output_text", "text", part["text"], cut, **at)
                out.say("response.content_part.done", **at, part=part)
        elif kind == "reasoning":
            for number, part in enumerate(item["summary"]):
                at = {**where, "summary_index": number}
                out.say("response.reasoning_summary_part.added", **at, part={**part, "text": ""})
                out.text("response.reasoning_summary_text", "text", part["text"], cut, **at)
                out.say("response.reasoning_summary_part.done", **at, part=part)
        elif kind == "function_call":
            out.text("response.function_call_arguments", "arguments", item["arguments"], cut, **where)
        elif kind == "custom_tool_call":
            out.text("response.custom_tool_call_input", "input", item["input"], cut, **where)
        out.say("response.output_item.done", output_index=index, item=item)
    out.say(f"response.{final['status']}", response=final)
    return out.events


def error_event(kind: str, text: str) -> bytes:
    """Return the event that ends a stream which failed."""
    data = {"type": "error", "sequence_number": 0, "code": kind, "message": text, "param": None}
    return b"event: error\ndata: " + json.dumps(data).encode() + b"\n\n"


def opening_of_endless() -> bytes:
    """Return the start of an event whose line never ends."""
    return b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"'
