"""The wire formats beside the least that anybody could do: a bare splitter of events, and bare msgspec.

    python bench/wire.py

Prints MB/s of bytes on the wire, and milliseconds a body, each with its ratio to the bare row above it. One process,
one core; the best of several runs counts, taken in turns, so that a busy machine disturbs all rows alike.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core.model import ScopeKey
from poundlock.core.stream import Homeward
from poundlock.core.surrogates import mint
from poundlock.wire import framing, registry

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = ScopeKey(scope="bench", mint=b"m" * 32, fingerprint=b"f" * 32)
MAIL = mint("pii.email", "anna@example.org", KEY)
SENTENCE = "the quick answer to a question about queues, equal parts and required quality, is quite short."
WORDS = SENTENCE.split()
EVENTS, CHUNK, RUNS = 40_000, 16_384, 5


def message(text: str) -> dict[str, Any]:
    """Give one event of a text block of the Messages API."""
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def argument(text: str) -> dict[str, Any]:
    """Give one event of a tool call's arguments."""
    return {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": text}}


def chunk(text: str) -> dict[str, Any]:
    """Give one event of Chat Completions."""
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1764000000, "model": "gpt-5.1"}
    return {**head, "system_fingerprint": "fp_1", "choices": [choice]}


def stream(event: Callable[[str], dict[str, Any]], percent: int, before: tuple[dict[str, Any], ...] = ()) -> bytes:
    """Write a stream in which `percent` of the events hold a surrogate."""
    texts = (" ".join(WORDS[(at + word) % len(WORDS)] for word in range(4)) for at in range(EVENTS))
    events = [
        event(f"to {MAIL.text} " if percent and at % (100 // percent) == 0 else text) for at, text in enumerate(texts)
    ]
    return b"".join(framing.event(json.dumps(each, separators=(",", ":")).encode()) for each in (*before, *events))


def split(chunks: list[bytes]) -> None:
    """Cut a stream into events, one by one."""
    splitter = framing.EventSplitter()
    for piece in chunks:
        for _ in framing.events(splitter.feed(piece)):
            pass


def carry(path: str, chunks: list[bytes]) -> None:
    """Bring a stream home."""
    wire, route = registry.resolve("POST", path, {})
    codec = wire.stream(route, "text/event-stream", Homeward({MAIL.text: MAIL}, lambda _surrogate, _sink: True))
    for piece in chunks:
        codec.feed(piece)
    codec.finish()


def best(works: list[Callable[[], object]]) -> list[float]:
    """Give the best time of each piece of work, in seconds."""
    times = [float("inf")] * len(works)
    for _ in range(RUNS):
        for index, work in enumerate(works):
            began = time.perf_counter()
            work()
            times[index] = min(times[index], time.perf_counter() - began)
    return times


def streams() -> None:
    """Print the streams' rows."""
    opened = {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {}}
    call = ({"type": "content_block_start", "index": 1, "content_block": opened}, argument('{"content":"'))
    cases = [
        ("Messages, text, nothing held back", "/v1/messages", stream(message, 0)),
        ("Messages, text, surrogates in 1 % of events", "/v1/messages", stream(message, 1)),
        ("Messages, arguments, nothing held back", "/v1/messages", stream(argument, 0, call)),
        ("Messages, arguments, surrogates in 1 %", "/v1/messages", stream(argument, 1, call)),
        ("Chat, text, nothing held back", "/v1/chat/completions", stream(chunk, 0)),
        ("Chat, text, surrogates in 1 % of events", "/v1/chat/completions", stream(chunk, 1)),
    ]
    print(f"{'streams of events, chunks of 16 KiB':48} {'bare splitter':>15} {'codec':>15} {'ratio':>7}")
    for name, path, data in cases:
        pieces = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
        bare, codec = best([lambda pieces=pieces: split(pieces), lambda path=path, pieces=pieces: carry(path, pieces)])
        size = len(data) / 1e6
        print(f"{name:48} {size / bare:10.0f} MB/s {size / codec:10.0f} MB/s {bare / codec:7.2f}")


def body(segments: int, size: int) -> bytes:
    """Write a conversation with this many strings, and about `size` bytes."""
    text = "x y z " * (size // segments // 6)
    messages: list[dict[str, Any]] = []
    for turn in range(segments // 4):
        name = f"toolu_01{turn}"
        call = {"type": "tool_use", "id": name, "name": "Read", "input": {"file_path": f"/a/{turn}"}}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": text}, call]})
        messages.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": name, "content": text * 2}]}
        )
    return json.dumps({"model": "claude-opus-4-6", "messages": messages}, separators=(",", ":")).encode()


def bodies() -> None:
    """Print the bodies' rows."""
    wire, route = registry.resolve("POST", "/v1/messages", {})
    print(f"\n{'bodies':48} {'bare msgspec':>15} {'wire':>15} {'ratio':>7}")
    for segments, size in ((50, 200_000), (500, 200_000), (10_000, 2_000_000)):
        data = body(segments, size)
        tree = msgspec.json.decode(data)
        decoded = wire.decode_request(route, data, {})
        few = dict.fromkeys(range(0, segments, max(1, segments // 10)), MAIL.text)
        times = best(
            [
                lambda data=data: msgspec.json.decode(data),
                lambda data=data: wire.decode_request(route, data, {}),
                lambda tree=tree: msgspec.json.encode(tree),
                lambda decoded=decoded, few=few: decoded.encode(few),
            ]
        )
        for name, bare, ours in (("decode and gather", *times[:2]), ("replace 10 and encode", *times[2:])):
            label = f"{name}, {len(decoded.document.segments)} segments, {len(data) // 1000} kB"
            print(f"{label:48} {bare * 1e3:12.2f} ms {ours * 1e3:12.2f} ms {ours / bare:7.2f}")


if __name__ == "__main__":
    streams()
    bodies()
