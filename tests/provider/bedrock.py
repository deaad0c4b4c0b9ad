"""Amazon Bedrock's runtime as the real one speaks it: Converse and `invoke`, whole and in its event stream encoding.

It must never put an answer together from a client's expectations: shapes follow docs.aws.amazon.com/bedrock
("Converse", "ConverseStream", "InvokeModelWithResponseStream") and the encoding's public specification.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.provider import anthropic, cuts, figures
from tests.provider.streamed import Streamed

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

_PATH = re.compile(r"/model/(?P<model>[^/]+)/(?P<operation>invoke|converse)(?P<stream>-with-response-stream|-stream)?")
KIND = "application/vnd.amazon.eventstream"
HEADERS = {"x-amzn-requestid": "00000000-0000-4000-8000-000000000000"}


def asks(method: str, target: str, headers: Mapping[str, str]) -> str | None:
    """Return what a request asks for, None for what is none of this API."""
    path = target.partition("?")[0]
    if method == "GET" and path.startswith("/inference-profiles"):
        return path
    return path if method == "POST" and _PATH.fullmatch(path) else None


def asked(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request as the script looks at it: Converse's blocks in the shape of Anthropic's."""
    if "anthropic_version" in body:
        return body
    messages = [{**each, "content": [_seen(block) for block in each.get("content", [])]} for each in body["messages"]]
    return {**body, "messages": messages, "tools": body.get("toolConfig", {}).get("tools")}


def _seen(block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "text" if "text" in block else "other", **block}


def message(name: str, payload: bytes, kind: str = "event") -> bytes:
    """Return one message of an event stream."""
    pairs = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    head = b""
    for key, value in pairs.items():
        head += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    begin = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    begin += struct.pack(">I", binascii.crc32(begin))
    whole = begin + head + payload
    return whole + struct.pack(">I", binascii.crc32(whole))


def read(stream: bytes) -> list[tuple[str, Any]]:
    """Return the messages of an event stream: the type of each and its decoded payload, checksums checked."""
    found = []
    while stream:
        total, size = struct.unpack(">II", stream[:8])
        assert struct.unpack(">I", stream[8:12])[0] == binascii.crc32(stream[:8])
        assert struct.unpack(">I", stream[total - 4 : total])[0] == binascii.crc32(stream[: total - 4])
        head, names = stream[12 : 12 + size], {}
        while head:
            length = head[0]
            (value,) = struct.unpack(">H", head[length + 2 : length + 4])
            names[head[1 : length + 1].decode()] = head[length + 4 : length + 4 + value].decode()
            head = head[length + 4 + value :]
        kind = names.get(":event-type") or names[":exception-type"]
        found.append((kind, json.loads(stream[12 + size : total - 4])))
        stream = stream[total:]
    return found


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _content(blocks: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for block in blocks:
        if "tool" in block:
            call = {"toolUseId": figures.identifier(chance, "tooluse_", 22), "name": block["tool"]}
            out.append({"toolUse": {**call, "input": block.get("input", {})}})
        elif "thinking" in block:
            sealed = base64.b64encode(chance.randbytes(60)).decode()
            out.append({"reasoningContent": {"reasoningText": {"text": block["thinking"], "signature": sealed}}})
        else:
            out.append({"text": block["text"]})
    return out


def _stream(turn: dict[str, Any], content: list[dict[str, Any]], end: dict[str, Any]) -> list[bytes]:
    events = [message("messageStart", _json({"p": "abc", "role": "assistant"}))]
    for index, (asked_for, block) in enumerate(zip(turn["blocks"], content, strict=True)):
        cut = asked_for.get("cut", turn.get("cut", "whole"))
        if "toolUse" in block:
            call = {"toolUseId": block["toolUse"]["toolUseId"], "name": block["toolUse"]["name"]}
            events.append(message("contentBlockStart", _json({"contentBlockIndex": index, "start": {"toolUse": call}})))
            pieces = [
                {"toolUse": {"input": piece}} for piece in cuts.deltas(json.dumps(block["toolUse"]["input"]), cut)
            ]
        elif "reasoningContent" in block:
            thought = block["reasoningContent"]["reasoningText"]
            pieces = [{"reasoningContent": {"text": piece}} for piece in cuts.deltas(thought["text"], cut)]
            pieces.append({"reasoningContent": {"signature": thought["signature"]}})
        else:
            pieces = [{"text": piece} for piece in cuts.deltas(block["text"], cut)]
        events += [
            message("contentBlockDelta", _json({"contentBlockIndex": index, "delta": piece, "p": "abcdef"}))
            for piece in pieces
        ]
        events.append(message("contentBlockStop", _json({"contentBlockIndex": index, "p": "ab"})))
    events.append(message("messageStop", _json({"stopReason": end["stopReason"]})))
    events.append(message("metadata", _json({"usage": end["usage"], "metrics": end["metrics"]})))
    return events


def answer(
    asks_for: str, turn: dict[str, Any], body: dict[str, Any], chance: random.Random, sizes: tuple[int, int]
) -> Any:
    """Return the answer: a body, or the messages of a stream."""
    found = _PATH.fullmatch(asks_for)
    if found is None:
        return {"inferenceProfileSummaries": []}
    if found["operation"] == "invoke":
        model = {**body, "model": unquote(found["model"])}
        if not found["stream"]:
            return anthropic.message(turn, model, chance, sizes)
        datas = [event.partition(b"\ndata: ")[2].strip() for event in anthropic.stream(turn, model, chance, sizes)]
        chunks = [
            {"bytes": base64.b64encode(data).decode(), "p": "abcdefgh"} for data in datas if b'"ping"' not in data
        ]
        return Streamed(KIND, [message("chunk", _json(chunk)) for chunk in chunks])
    content = _content(turn["blocks"], chance)
    usage = {"inputTokens": figures.tokens(sizes[0]), "outputTokens": 7, "totalTokens": figures.tokens(sizes[0]) + 7}
    reason = "tool_use" if any("toolUse" in block for block in content) else "end_turn"
    end = {"stopReason": reason, "usage": usage, "metrics": {"latencyMs": 12}}
    if found["stream"]:
        return Streamed(KIND, _stream(turn, content, end))
    return {"output": {"message": {"role": "assistant", "content": content}}, **end}


def error(status: int, text: str, kind: str = "") -> dict[str, Any]:
    """Return the body of an error."""
    return {"message": text}


def error_event(kind: str, text: str) -> bytes:
    """Return the message that ends a stream which failed."""
    return message(kind, _json({"message": text}), "exception")


def opening_of_endless() -> bytes:
    """Return the start of a message that never ends."""
    return message("contentBlockDelta", b"{}")[:20]
