"""CPU a relayed request: a bare relay, Poundlock with inspection on, LiteLLM's proxy and Portkey's gateway relaying.

    python bench/relay.py [--requests 250] [--size 200000] [--events 100] [--pace 0] [--only bare,poundlock,portkey]

Each gateway runs with one worker before the same loopback provider, and gets the same requests from the same client.
What is counted is the CPU (user and system) of the gateway's process tree. Two kinds of traffic: `new`, where every
request is text that was never seen, and `turns`, where a conversation is resent with 2 kB added, as agents do. LiteLLM
(PyPI) and Portkey's gateway (npm) are installed into a cache folder on first use.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poundlock-bench"
ROUTES = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}
LAST = {"anthropic": b"message_stop", "openai": b"[DONE]"}
"""What the last event of a stream holds."""
KEY = "sk-" + secrets.token_hex(32)
"""The client's key: LiteLLM wants one of its own, the others hand it on."""
EXTRA: dict[int, str] = {}
"""Header lines that the gateway at a port wants."""
WORDS = (  # noqa: SIM905 (sixty lines otherwise)
    "def return class import self value index result request response buffer table order line field count "
    "total please look at this function and tell me why the test fails when the list is empty or has one "
    "element only async await for in range if else try except raise with open as file json load dump str "
    "int float bool none "
).split()


# The provider: scripted answers over raw asyncio, so that it costs little beside what is measured.


def events(route: str, count: int) -> list[bytes]:
    """Give the events of one streamed answer in the provider's shape."""

    def event(name: str, body: dict[str, Any]) -> bytes:
        head = f"event: {name}\n" if name else ""
        return f"{head}data: {json.dumps(body)}\n\n".encode()

    text = "Here is what I would change first, "
    if route == ROUTES["anthropic"]:
        usage = {"input_tokens": 50_000, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "bench-model", "content": []}
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}
        message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
        return [
            event("message_start", {"type": "message_start", "message": message}),
            event("content_block_start", start),
            *[event("content_block_delta", delta)] * (count - 5),
            event("content_block_stop", {"type": "content_block_stop", "index": 0}),
            event("message_delta", stop),
            event("message_stop", {"type": "message_stop"}),
        ]

    def chunk(delta: dict[str, Any], end: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "bench-model"}
        return event("", {**base, "choices": [choice]})

    return [
        chunk({"role": "assistant", "content": ""}),
        *[chunk({"content": text})] * (count - 3),
        chunk({}, "stop"),
        b"data: [DONE]\n\n",
    ]


async def provide(count: int, pace: float) -> asyncio.Server:
    """Serve both providers' streams on a free port."""
    answers = {route: events(route, count) for route in ROUTES.values()}
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                fields = request.lower().split(b"\r\n")
                length = next((int(field[15:]) for field in fields if field[:15] == b"content-length:"), 0)
                await reader.readexactly(length)
                writer.write(head)
                for data in answers[ROUTES["openai" if b"chat/completions" in fields[0] else "anthropic"]]:
                    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
                    await writer.drain()
                    await asyncio.sleep(pace)
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)


# The client: keep-alive connections that send prepared bodies and read to the end.


def bodies(size: int, count: int, *, turns: bool, seed: int) -> Iterator[bytes]:
    """Give request bodies of about `size` bytes: all new each time, or one conversation, 2 kB longer each time."""
    rng = random.Random(seed)

    def message(number: int, words: int = 360) -> dict[str, Any]:
        text = " ".join(rng.choices(WORDS, k=words))
        return {"role": "user" if number % 2 == 0 else "assistant", "content": f"{rng.random()} {text}"}

    many = size // len(json.dumps(message(0))) | 1
    history = [message(number) for number in range(many)]
    for _ in range(count):
        yield json.dumps({"model": "bench-model", "max_tokens": 1024, "stream": True, "messages": history}).encode()
        if turns:
            history += [message(1, 180), message(0, 180)]
        else:
            history = [message(number) for number in range(many)]


async def send(port: int, route: str, payloads: Iterator[bytes], at_a_time: int, last: bytes) -> list[float]:
    """Send every payload, `at_a_time` at once; give the seconds that each took."""
    took: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        for body in payloads:
            begun = time.perf_counter()
            writer.write(
                f"POST {route} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"anthropic-version: 2023-06-01\r\nx-api-key: {KEY}\r\nAuthorization: Bearer {KEY}\r\n"
                f"{EXTRA.get(port, '')}Content-Length: {len(body)}\r\n\r\n".encode()
            )
            writer.write(body)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{head[:40]!r} {(await reader.read(600))!r}")
            if b"transfer-encoding: chunked" not in head.lower():
                raise RuntimeError("the answer is not streamed")
            answer = b""
            while not answer.endswith(b"0\r\n\r\n"):
                piece = await reader.read(1 << 20)
                if not piece:
                    raise RuntimeError("the answer broke off")
                answer += piece
            if last not in answer:
                raise RuntimeError("the answer is not complete")
            took.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*(client() for _ in range(at_a_time)))
    return took


# What is measured.


def tree(pid: int) -> list[int]:
    """Give a process and its descendants."""
    out = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                out += tree(int(child))
    return out


def cpu(pid: int) -> float:
    """Give the CPU seconds (user and system) that a process tree has used, exact to the nanosecond.

    The clock of another process has this number (Linux, include/linux/posix-timers_types.h); /proc/PID/stat counts
    ticks of 10 ms, which is longer than most requests.
    """
    total = 0.0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            total += time.clock_gettime((~member << 3) | 2)
    return total


def memory(pid: int) -> float:
    """Give the resident memory of a process tree in MB."""
    pages = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    """Give a port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def bare(folder: Path, port: int, upstream: str) -> list[str]:
    """Give the command of the bare relay."""
    del folder
    return [sys.executable, str(HERE / "bare_relay.py"), str(port), upstream]


def poundlock(folder: Path, port: int, upstream: str) -> list[str]:
    """Write Poundlock's settings and give its command."""
    settings = folder / "poundlock.toml"
    settings.write_text(
        f'[state]\ndirectory = "{folder / "state"}"\n'
        f'[providers.anthropic]\nupstream = "{upstream}"\nformat = "anthropic"\n'
        f'[providers.openai]\nupstream = "{upstream}"\nformat = "openai"\n'
    )
    return [sys.executable, "-m", "poundlock", "serve", "--config", str(settings), "--port", str(port)]


def litellm(folder: Path, port: int, upstream: str) -> list[str]:
    """Install LiteLLM if it is not there, write its settings and give its command."""
    venv = CACHE / "litellm"
    if not (venv / "bin" / "litellm").exists():
        print(f"installing litellm[proxy] into {venv} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "-q", "litellm[proxy]"], check=True)
    settings = folder / "litellm.json"  # YAML reads JSON
    models = [
        {"model_name": "*", "litellm_params": {"model": "openai/*", "api_base": f"{upstream}/v1", "api_key": "bench"}},
        {
            "model_name": "bench-model",
            "litellm_params": {"model": "openai/bench-model", "api_base": f"{upstream}/v1", "api_key": "bench"},
        },
    ]
    if "anthropic" in folder.name:
        params = {"model": "anthropic/bench-model", "api_base": upstream, "api_key": "bench"}
        models = [{"model_name": "bench-model", "litellm_params": params}]
    settings.write_text(json.dumps({"model_list": models, "litellm_settings": {"telemetry": False}}))
    arguments = ["--config", str(settings), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return [str(venv / "bin" / "litellm"), *arguments]


def portkey(folder: Path, port: int, upstream: str) -> list[str]:
    """Install Portkey's gateway if it is not there and give its command; where it sends to is said in headers."""
    home = CACHE / "portkey-gateway"
    main = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not main.exists():
        print(f"installing @portkey-ai/gateway into {home} …", flush=True)
        home.mkdir(parents=True, exist_ok=True)
        # Newer servers than this one, which its package would let in, make it fail (Portkey-AI/gateway, issue 1389).
        wanted = {"dependencies": {"@portkey-ai/gateway": "1.15.2"}, "overrides": {"@hono/node-server": "1.3.3"}}
        (home / "package.json").write_text(json.dumps({"private": True, **wanted}))
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=home, check=True)
    provider = "anthropic" if "anthropic" in folder.name else "openai"
    EXTRA[port] = f"x-portkey-provider: {provider}\r\nx-portkey-custom-host: {upstream}/v1\r\n"
    return ["node", str(main), f"--port={port}", "--headless"]


GATEWAYS: dict[str, Callable[[Path, int, str], list[str]]] = {
    "bare": bare,
    "poundlock": poundlock,
    "litellm": litellm,
    "portkey": portkey,
}


PEERS = ("litellm", "portkey")


@contextlib.contextmanager
def gateway(name: str, provider: str, upstream: str) -> Iterator[tuple[int, int]]:
    """Run a gateway; give its process id and port."""
    with tempfile.TemporaryDirectory(prefix=f"{provider}-") as place:
        folder, port = Path(place), free_port()
        env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY}
        env["TRUSTED_CUSTOM_HOSTS"] = "127.0.0.1,localhost"  # Portkey sends nowhere else on this machine
        env |= {"XDG_CONFIG_HOME": place, "XDG_STATE_HOME": place}
        with (folder / "log").open("wb") as log:
            command = GATEWAYS[name](folder, port, upstream)
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=folder, process_group=0)
        try:
            end = time.monotonic() + 120
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{name} did not start: {(folder / 'log').read_text()[-600:]}")
                time.sleep(0.1)
            yield process.pid, port
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


class Measured:
    """What one gateway used and took so far."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port
        self.used: list[float] = []
        self.took: list[float] = []

    @property
    def best(self) -> float:
        """Milliseconds of CPU a request: the median of the rounds."""
        return sorted(self.used)[len(self.used) // 2]


async def ready(name: str, provider: str, at: Measured, options: argparse.Namespace) -> None:
    """Wait until a gateway answers, and warm it up."""
    last = LAST[provider]
    for attempt in range(60):  # an open port is not yet a gateway that answers
        try:
            await send(at.port, ROUTES[provider], bodies(2000, 1, turns=False, seed=attempt), 1, last)
            break
        except (OSError, RuntimeError, asyncio.IncompleteReadError):
            if attempt == 59:
                raise
            await asyncio.sleep(0.5)
    await send(
        at.port, ROUTES[provider], bodies(options.size, 3 if name == "litellm" else 20, turns=False, seed=1), 2, last
    )


async def measure(
    found: dict[str, Measured], provider: str, options: argparse.Namespace, *, turns: bool
) -> dict[str, Measured]:
    """Send the same requests to every gateway in turn, some rounds, so that all meet the machine in all its moods."""
    out = {name: Measured(at.pid, at.port) for name, at in found.items()}
    share = max(1, options.requests // options.rounds)
    payloads = list(bodies(options.size, share * options.rounds, turns=turns, seed=2 + turns))
    for number in range(options.rounds):
        for name, at in out.items():
            mine = payloads[number * share : (number + 1) * share]
            mine = mine[: max(4, share // 4)] if name == "litellm" else mine
            await asyncio.sleep(0.3)
            before = cpu(at.pid)
            at.took += await send(at.port, ROUTES[provider], iter(mine), options.at_a_time, LAST[provider])
            await asyncio.sleep(0.3)
            at.used.append((cpu(at.pid) - before) / len(mine) * 1000)
    return out


async def main() -> int:
    """Measure everything and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=5, help="turns that the gateways take with each other")
    parser.add_argument("--size", type=int, default=200_000, help="bytes of a body")
    parser.add_argument("--events", type=int, default=100, help="events of a stream")
    parser.add_argument("--at-a-time", type=int, default=4)
    parser.add_argument("--pace", type=float, default=0, help="seconds from one event of the provider to the next")
    parser.add_argument("--only", default=",".join(GATEWAYS))
    parser.add_argument("--providers", default=",".join(ROUTES))
    options = parser.parse_args()
    server = await provide(options.events, options.pace)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(f"bodies of {options.size} B, streams of {options.events} events, {options.at_a_time} at a time, one worker")
    print(f"{'provider':<10} {'traffic':<7} {'gateway':<10} {'CPU ms':>8} {'x bare':>7} {'median ms':>10} {'MB':>6}")
    failed = 0
    for provider in options.providers.split(","):
        with contextlib.ExitStack() as stack:
            running: dict[str, Measured] = {}
            for name in options.only.split(","):
                try:
                    at = Measured(*stack.enter_context(gateway(name, provider, upstream)))
                    await ready(name, provider, at, options)
                except (RuntimeError, OSError, asyncio.IncompleteReadError) as fault:
                    failed += 1
                    print(f"{provider:<10} {name:<10} failed: {fault}", flush=True)
                    continue
                running[name] = at
            for traffic in ("new", "turns"):
                found = await measure(running, provider, options, turns=traffic == "turns")
                bare = found["bare"].best if "bare" in found else 0
                for name, at in found.items():
                    ratio = f"{at.best / bare:.1f}" if bare else "-"
                    median = sorted(at.took)[len(at.took) // 2] * 1000
                    row = f"{at.best:>8.2f} {ratio:>7} {median:>10.1f} {memory(at.pid):>6.0f}"
                    print(f"{provider:<10} {traffic:<7} {name:<10} {row}", flush=True)
                if {"bare", "poundlock"} <= found.keys():
                    ours = found["poundlock"].best
                    others = [
                        f"{name} takes {found[name].best / ours:.1f} x Poundlock" for name in found if name in PEERS
                    ]
                    said = "; ".join([f"Poundlock takes {ours / bare:.1f} x bare", *others])
                    print(f"{provider} {traffic}: {said}.", flush=True)
    server.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
