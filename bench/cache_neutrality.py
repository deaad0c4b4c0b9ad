"""Does a provider's prompt cache notice Poundlock? A session of 50 turns in whose middle secrets arrive.

    python bench/cache_neutrality.py [--turns 50] [--secrets 6]

A provider caches by prefix: what counts is how many bytes of a request are those of the request before, up to the end
of its messages. Printed is that share over all turns, as the client sends them and as they reach the provider: with
one worker, with a gateway that is stopped and started again in the middle, and with two workers. From its turn on the
client sends a secret's true value, as an agent does: what the model wrote was restored on the way home.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from relay import KEY, ROUTES, WORDS, free_port

Turn = dict[str, Any]
END = b"]}"
ROUTE = ROUTES["anthropic"]
ANSWER = json.dumps(
    {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "ok"}],
     "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
).encode()  # fmt: skip


def session(turns: int, secrets: int, seed: int = 11) -> list[bytes]:
    """Give the request of every turn, compact, the messages last: each holds all of the one before."""
    rng = random.Random(seed)
    messages: list[Turn] = [{"role": "user", "content": "Find out why the deployment fails, and repair it."}]
    known: list[str] = []
    bodies = []
    for number in range(turns):
        text = "\n".join(" ".join(rng.choices(WORDS, k=12)) for _ in range(40))
        if number % max(1, turns // (secrets + 1)) == turns // (secrets + 1) - 1 and len(known) < secrets:
            value = "ghp" + "_" + "".join(rng.choices("abcdefghijkmnpqrstuvwxyzABCDEFGH23456789", k=36))
            text += f"\nGITHUB_TOKEN={value}\n"
            known.append(value)
        elif known and number % 3 == 0:
            text += f"\nthe log says {known[-1]} was used\n"  # bare: nothing beside it gives it away
        call = {"type": "tool_use", "id": f"toolu_{number:024d}", "name": "Read", "input": {"file_path": f"{number}"}}
        if known and number % 4 == 0:
            call["input"] = {"command": f"deploy --token {known[0]}"}
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": text}
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
        body = {"model": "bench-model", "max_tokens": 1024, "messages": messages}
        bodies.append(json.dumps(body, separators=(",", ":")).encode())
    return bodies


def shares(bodies: list[bytes]) -> list[float]:
    """Give for each turn the share of the request before, up to the end of its messages, that stands there again."""
    out = []
    for before, now in pairwise(bodies):
        cached = before[: before.rindex(END)]
        alike = next((at for at, pair in enumerate(zip(cached, now, strict=False)) if pair[0] != pair[1]), len(cached))
        out.append(min(alike, len(now)) / len(cached))
    return out


async def capture(seen: list[bytes]) -> asyncio.Server:
    """Serve a provider that keeps what it is sent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                length = next((int(line[15:]) for line in head if line.startswith(b"content-length:")), 0)
                seen.append(await reader.readexactly(length))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)
                )
                writer.write(ANSWER)
                await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)


@contextlib.contextmanager
def gateway(folder: Path, upstream: str, workers: int) -> Any:
    """Run Poundlock on a state folder; give its port."""
    settings = folder / "poundlock.toml"
    settings.write_text(
        f'[state]\ndirectory = "{folder / "state"}"\n'
        f'[providers.anthropic]\nupstream = "{upstream}"\nformat = "anthropic"\n'
    )
    port = free_port()
    command = [sys.executable, "-m", "poundlock", "serve", "--config", str(settings), "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--workers", str(workers)], stdout=log, stderr=log, cwd=folder)
    try:
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                import urllib.request  # noqa: PLC0415

                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                    break
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the gateway did not start: {(folder / 'log').read_text()[-600:]}")
            time.sleep(0.2)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


async def send(port: int, body: bytes) -> None:
    """Send one request on a connection of its own, so that any worker may get it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"anthropic-version: 2023-06-01\r\nx-api-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    writer.write(body)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{head[:40]!r} {(await reader.read(600))!r}")
    await reader.read()
    writer.close()


async def through(requests: list[bytes], parts: int, workers: int) -> list[bytes]:
    """Send a session through gateways on one state folder, started anew for each part; give what the provider got."""
    seen: list[bytes] = []
    server = await capture(seen)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with tempfile.TemporaryDirectory() as place:
        each = -(-len(requests) // parts)
        for at in range(0, len(requests), each):
            with gateway(Path(place), upstream, workers) as port:
                for body in requests[at : at + each]:
                    await send(port, body)
    server.close()
    return seen


async def main() -> int:
    """Measure and print; 1 when the cache would notice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--secrets", type=int, default=6)
    options = parser.parse_args()
    requests = session(options.turns, options.secrets)
    plain = shares(requests)
    print(f"{options.turns} turns, the last request {len(requests[-1]):,} B, {options.secrets} secrets")
    print(f"{'':28} prefix kept   worst turn   turns below the client's own   requests changed")
    print(f"{'as the client sends it':28} {sum(plain) / len(plain):>10.4%} {min(plain):>12.4%}")
    failed = 0
    for name, parts, workers in (("one worker", 1, 1), ("stopped and started again", 2, 1), ("two workers", 1, 2)):
        seen = await through(requests, parts, workers)
        kept = shares(seen)
        worse = sum(ours < theirs for ours, theirs in zip(kept, plain, strict=True))
        changed = sum(ours != theirs for ours, theirs in zip(seen, requests, strict=True))
        print(f"{name:28} {sum(kept) / len(kept):>10.4%} {min(kept):>12.4%} {worse:>20} {changed:>30}")
        failed += worse
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
