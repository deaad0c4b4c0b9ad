"""What a PostgreSQL lease costs: made and ended through the broker, on a server of its own on the loopback address.

    python -m bench.leases [COUNT]

It prints the median and the 95th percentile in milliseconds. The first one also opens the connection and is left out.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from tests.adapters.brokers.leasing import lease
from tests.postgres import Postgres, programs

from poundlock.adapters.brokers.postgres import PostgresBroker
from poundlock.config import Level

LEVEL = Level(writes=False, schemas=("shop",))


async def measured(address: str, count: int) -> tuple[list[float], list[float]]:
    """Make and end leases one after the other, and give the milliseconds of each."""
    broker = PostgresBroker(address)
    made: list[float] = []
    ended: list[float] = []
    for number in range(count + 1):
        one = lease(number)
        began = time.perf_counter()
        await broker.mint(one, LEVEL)
        between = time.perf_counter()
        await broker.revoke(one)
        made.append((between - began) * 1000)
        ended.append((time.perf_counter() - between) * 1000)
    await broker.close()
    return made[1:], ended[1:]


def main() -> int:
    """Measure and print. Exit 2 without a server."""
    if programs() is None:
        sys.stderr.write("There is no PostgreSQL server on this machine.\n")
        return 2
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    server = Postgres()
    try:
        made, ended = asyncio.run(measured(server.address, count))
    finally:
        server.stop()
    for name, times in (("mint", made), ("revoke", ended)):
        p95 = statistics.quantiles(times, n=20)[-1]
        sys.stdout.write(f"{name:8} p50 {statistics.median(times):6.1f} ms  p95 {p95:6.1f} ms  of {count}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
