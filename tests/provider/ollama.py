"""The Ollama API as the real server speaks it: JSON lines, embeddings, models, errors.

It must never put an answer together from a client's expectations: shapes follow the server's own documentation
(github.com/ollama/ollama, docs/api.md) and the types of its SDK 0.6.
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

HEADERS: dict[str, str] = {}
MODELS = ("qwen3:8b", "nomic-embed-text:latest")
_PATH = re.compile(r"/api/(chat|generate|embed|embeddings|show|tags|ps|version)")
_CREATED = "2026-01-02T03:04:05.678901Z"
_DIMENSIONS = 8


def asks(method: str, target: str, _headers: Mapping[str, str]) -> str | None:
    """Return what a request asks for; None if it isn't for this API."""
    found = _PATH.fullmatch(target)
    return found[1] if found and (method == "GET") == (found[1] in {"tags", "ps", "version"}) else None


def asked(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request as scripts look at it: with messages."""
    messages = body.get("messages", [{"role": "user", "content": body.get("prompt", body.get("input", ""))}])
    return {"system": body.get("system"), "tools": body.get("tools") or [], "messages": messages}


def answer(
    asks_for: str, turn: dict[str, Any], body: dict[str, Any], chance: random.Random, sizes: tuple[int, int]
) -> dict[str, Any] | Streamed:
    """Return the answer; `sizes` are the prompt's bytes and those found in the cache."""
    head = {"model": body.get("model", MODELS[0])}
    if asks_for == "version":
        return {"version": "0.12.3"}
    if asks_for in {"tags", "ps"}:
        details = {"format": "gguf", "family": "qwen3", "parameter_size": "8.2B", "quantization_level": "Q4_K_M"}
        known = {"modified_at": _CREATED, "size": 5225388164, "digest": "0" * 64, "details": details}
        return {"models": [{"name": name, "model": name, **known} for name in MODELS]}
    if asks_for == "show":
        return {
            "modelfile": "# a model",
            "template": "{{ .Prompt }}",
            "capabilities": ["completion", "tools"],
            "model_info": {},
        }
    if asks_for == "embed":
        wanted = body.get("input", "")
        texts = wanted if isinstance(wanted, list) else [wanted]
        counts = {"total_duration": 14143917, "load_duration": 1019500, "prompt_eval_count": figures.tokens(sizes[0])}
        return {**head, "embeddings": [_vector(text) for text in texts], **counts}
    if asks_for == "embeddings":
        return {"embedding": _vector(body.get("prompt"))}
    head["created_at"] = _CREATED
    lines = [{**head, **each, "done": False} for each in _said(turn, chance, chat=asks_for == "chat")]
    ended = {"done": True, "done_reason": str(turn.get("stop", "stop")), **_counts(turn, sizes)}
    nothing = _text("", chat=asks_for == "chat")
    if asks_for == "generate":
        ended["context"] = [151644, 872, 198]
    if body.get("stream", True):
        written = [
            json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in [*lines, head | nothing | ended]
        ]
        # Go's encoder writes these three as escapes.
        for letter in "<>&":
            written = [line.replace(letter, f"\\u{ord(letter):04x}") for line in written]
        return Streamed("application/x-ndjson", [f"{line}\n".encode() for line in written])
    if asks_for == "generate":
        whole = {name: "".join(line.get(name, "") for line in lines) for name in ("response", "thinking")}
        return head | {name: text for name, text in whole.items() if text or name == "response"} | ended
    messages = [line["message"] for line in lines]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(each["content"] for each in messages)}
    thinking = "".join(each.get("thinking", "") for each in messages)
    calls = [call for each in messages for call in each.get("tool_calls", [])]
    message |= ({"thinking": thinking} if thinking else {}) | ({"tool_calls": calls} if calls else {})
    return head | {"message": message} | ended


def _text(text: str, *, chat: bool, **more: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text, **more}} if chat else {"response": text, **more}


def _said(turn: dict[str, Any], chance: random.Random, *, chat: bool) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for block in turn.get("blocks", []):
        cut = block.get("cut", turn.get("cut", "whole"))
        out += [_text("", chat=chat, thinking=piece) for piece in cuts.deltas(block.get("thinking", ""), cut)]
        out += [_text(piece, chat=chat) for piece in cuts.deltas(block.get("text", ""), cut)]
    called = [block for block in turn.get("blocks", []) if "tool" in block]
    for index, block in enumerate(called):
        function = {"index": index, "name": block["tool"], "arguments": block["input"]}
        call = {"id": figures.identifier(chance, "call_", 8).lower(), "function": function}
        out.append(_text("", chat=chat, tool_calls=[call]))
    return out


def _counts(turn: dict[str, Any], sizes: tuple[int, int]) -> dict[str, Any]:
    output = figures.tokens(len(json.dumps(turn.get("blocks", []))))
    spent = {"total_duration": 4883583458, "load_duration": 1334875, "prompt_eval_duration": 342546000}
    return spent | {"prompt_eval_count": figures.tokens(sizes[0]), "eval_count": output, "eval_duration": 4535599000}


def _vector(text: Any) -> list[float]:
    chance = random.Random(json.dumps(text))
    return [round(chance.uniform(-1, 1), 6) for _ in range(_DIMENSIONS)]


def error(status: int, text: str, kind: str = "") -> dict[str, Any]:
    """Return an error body."""
    return {"error": text}


def error_event(kind: str, text: str) -> bytes:
    """Return the line that ends a stream which failed."""
    return json.dumps({"error": text}).encode() + b"\n"


def opening_of_endless() -> bytes:
    """Return the start of a line that never ends."""
    return b'{"model":"qwen3:8b","message":{"role":"assistant","content":"'
