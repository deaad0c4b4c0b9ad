"""Streams that arrive as a model writes them: CPU an event with 64 at once, and what a gateway adds to each event.

    python bench/streams.py [--at-a-time 64] [--events 100] [--pace 0.02] [--rounds 3]

The provider writes an event, waits `pace` seconds, writes the next. Beside a bare relay: the CPU an event, the delay
from the provider's writing to the client's reading (one stream alone, and all at once), and how many events the
provider had written beyond the one that the client was just given (0: no event is held back).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time

import relay
from relay import ROUTES, Measured, bodies, cpu, gateway, ready

Stamps = dict[str, list[float]]


async def provide(count: int, pace: float, written: Stamps) -> asyncio.Server:
    """Serve streams on a free port; note when each event was written, by the name in a header."""
    answer = relay.events(ROUTES["anthropic"], count)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                fields = request.lower().split(b"\r\n")
                length = next((int(field[15:]) for field in fields if field[:15] == b"content-length:"), 0)
                await reader.readexactly(length)
                name = next((field[9:].decode() for field in fields if field[:9] == b"x-bench: "), "")
                stamps = written.setdefault(name, [])
                writer.write(head)
                for data in answer:
                    stamps.append(time.perf_counter())
                    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
                    await asyncio.sleep(pace if name else 0)
                writer.write(b"0\r\n\r\n")
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)


async def stream(port: int, name: str, body: bytes, written: Stamps) -> tuple[list[float], list[int]]:
    """Take one stream; give each event's delay in seconds, and how far the provider was ahead of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(
        f"POST {ROUTES['anthropic']} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"x-bench: {name}\r\nanthropic-version: 2023-06-01\r\nx-api-key: {relay.KEY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
    )
    writer.write(body)
    delays: list[float] = []
    ahead: list[int] = []
    answer = b""
    while not answer.endswith(b"0\r\n\r\n"):
        piece = await reader.read(1 << 16)
        if not piece:
            raise RuntimeError("the answer broke off")
        answer += piece
        now = time.perf_counter()
        stamps = written.get(name, [])
        delays += [now - stamp for stamp in stamps[len(delays) : answer.count(b"\n\n")]]
        if delays:
            ahead.append(len(stamps) - len(delays))
    writer.close()
    return delays, ahead


def middle(values: list[float], share: float = 0.5) -> float:
    """Give the value below which `share` of them are."""
    return sorted(values)[int(len(values) * share)]


async def main() -> int:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-a-time", type=int, default=64)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--pace", type=float, default=0.02)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    written: Stamps = {}
    server = await provide(options.events, options.pace, written)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with contextlib.ExitStack() as stack:
        running: dict[str, Measured] = {}
        alone: dict[str, tuple[list[float], list[int]]] = {}
        for name in ("bare", "poundlock"):
            at = running[name] = Measured(*stack.enter_context(gateway(name, "anthropic", upstream)))
            await ready(name, "anthropic", at, argparse.Namespace(size=20_000))
            alone[name] = await stream(at.port, f"{name}-alone", next(bodies(2000, 1, turns=False, seed=1)), written)
        for number in range(options.rounds):
            prepared = list(bodies(2000, options.at_a_time, turns=False, seed=10 + number))
            for name, at in running.items():
                before = cpu(at.pid)
                told = await asyncio.gather(
                    *(stream(at.port, f"{name}-{number}-{i}", body, written) for i, body in enumerate(prepared))
                )
                await asyncio.sleep(0.3)
                at.used.append((cpu(at.pid) - before) / options.at_a_time / options.events * 1e6)
                at.took += [delay for delays, _ in told for delay in delays]
    server.close()
    bare = running["bare"].best
    print(f"{options.at_a_time} streams at once, {options.events} events each, one every {options.pace * 1000:g} ms")
    print("gateway    CPU us/event  x bare  alone: first ms   each  held  all: p50    p99")
    for name, at in running.items():
        delays, ahead = alone[name]
        cost = f"{at.best:>12.1f} {at.best / bare:>7.1f}"
        one = f"{delays[0] * 1000:>16.2f} {middle(delays) * 1000:>6.2f} {max(ahead):>5}"
        print(f"{name:<10} {cost} {one} {middle(at.took) * 1000:>9.2f} {middle(at.took, 0.99) * 1000:>6.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
