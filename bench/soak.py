"""Memory: a thousand streams that stand still, then steady load for some minutes.

    python bench/soak.py [--streams 1000] [--minutes 10] [--settle 2] [--size 20000] [--at-a-time 8]

One worker. Printed is the resident memory of the gateway's process tree: at rest, with all streams open and idle, and
while conversations of 2 to 40 turns come and go, with the slope after the first `settle` minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import resource
import sys
import time
from typing import TYPE_CHECKING

import relay
from relay import KEY, LAST, ROUTES, Measured, gateway, memory, ready, send

if TYPE_CHECKING:
    from collections.abc import Iterator

PROVIDER = "anthropic"


async def provide(idle: asyncio.Event) -> asyncio.Server:
    """Serve streams on a free port; one that is asked for with `x-idle` stands still after its third event."""
    events = relay.events(ROUTES[PROVIDER], 30)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                fields = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                length = next((int(field[15:]) for field in fields if field.startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                writer.write(head)
                for number, data in enumerate(events):
                    if number == 3 and any(field.startswith(b"x-idle:") for field in fields):
                        await idle.wait()
                    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20, backlog=1024)


async def stand(port: int, body: bytes) -> asyncio.StreamWriter:
    """Open one stream, read its first event, and leave it open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST {ROUTES[PROVIDER]} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nx-idle: 1\r\n"
        f"anthropic-version: 2023-06-01\r\nx-api-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    writer.write(body)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{head[:60]!r}")
    await reader.readuntil(b"content_block_start")
    return writer


def load(until: float, size: int) -> Iterator[bytes]:
    """Give the bodies of conversations that come and go, until it is time."""
    rng = random.Random(4)
    seed = 0
    while time.monotonic() < until:
        seed += 1
        for body in relay.bodies(size, rng.randint(2, 40), turns=True, seed=seed):
            if time.monotonic() >= until:
                return
            yield body


def slope(points: list[tuple[float, float]]) -> float:
    """Give the slope of a straight line through points (seconds, MB), in MB a minute."""
    if len(points) < 2:
        return 0.0
    x = sum(at for at, _ in points) / len(points)
    y = sum(size for _, size in points) / len(points)
    over = sum((at - x) ** 2 for at, _ in points)
    return 60 * sum((at - x) * (size - y) for at, size in points) / over


async def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--settle", type=float, default=2, help="minutes at the beginning that don't count")
    parser.add_argument("--size", type=int, default=20_000, help="bytes of a conversation's first body")
    parser.add_argument("--at-a-time", type=int, default=8)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65_536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    idle = asyncio.Event()
    server = await provide(idle)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with gateway("poundlock", PROVIDER, upstream) as (pid, port):
        at = Measured(pid, port)
        await ready("poundlock", PROVIDER, at, argparse.Namespace(size=2000))
        print(f"at rest: {memory(pid):.0f} MB")
        writers: list[asyncio.StreamWriter] = []
        for number in range(0, options.streams, 20):
            bodies = relay.bodies(2000, min(20, options.streams - number), turns=False, seed=number)
            writers += await asyncio.gather(*(stand(port, body) for body in bodies))
        await asyncio.sleep(2)
        print(f"{len(writers)} streams open and idle: {memory(pid):.0f} MB")
        idle.set()
        await asyncio.sleep(1)
        for writer in writers:
            writer.close()
        await asyncio.sleep(2)
        print(f"when they have ended: {memory(pid):.0f} MB")
        begun = time.monotonic()
        points: list[tuple[float, float]] = []
        work = asyncio.ensure_future(
            send(
                port,
                ROUTES[PROVIDER],
                load(begun + options.minutes * 60, options.size),
                options.at_a_time,
                LAST[PROVIDER],
            )
        )
        while not work.done():
            await asyncio.wait([work], timeout=max(1.0, options.minutes))
            points.append((time.monotonic() - begun, memory(pid)))
        took = await work
        late = [point for point in points if point[0] >= options.settle * 60]
        print(
            f"{options.minutes:g} minutes of load, {len(took)} requests: {points[0][1]:.0f} MB at first, "
            f"{max(size for _, size in points):.0f} at most, {points[-1][1]:.0f} at the end; "
            f"after {options.settle:g} minutes {slope(late):+.2f} MB a minute"
        )
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
