"""What knowing a caller costs, with little and with much in the register: `python bench/tokens.py [TASKS] [DENIED]`.

Prints microseconds of CPU a call (median of the rounds): a task's credential, a sub-agent's two generations down, a
signed token with its proof (a proof is made anew each time and not counted), and what each costs when 10,000 tasks live
and 1,000,000 token ids are revoked. Beside them: one Ed25519 and one ES256 verification alone.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.gateway.callers import ASKED, NOW, Holder, Place, place

from poundlock.core.identity.tasks import Task

ROUNDS = 7
CALLS = 300


async def microseconds(calls: Callable[[Any], Awaitable[None]], ready: Callable[[], Any] | None = None) -> float:
    """Give the CPU time of one call, the median of several rounds; `ready` prepares a round and is not counted."""
    taken = []
    for _ in range(ROUNDS):
        given = [ready() for _ in range(CALLS)] if ready else [None] * CALLS
        begun = time.process_time()
        for each in given:
            await calls(each)
        taken.append((time.process_time() - begun) / CALLS * 1e6)
    return statistics.median(taken)


async def alone() -> None:
    """Print what the two verifications cost by themselves."""
    message = b"x" * 600
    one = Ed25519PrivateKey.generate()
    signature, public = one.sign(message), one.public_key()
    two = ec.generate_private_key(ec.SECP256R1())
    other, key = two.sign(message, ec.ECDSA(SHA256())), two.public_key()

    async def ed25519(_: object) -> None:
        public.verify(signature, message)

    async def es256(_: object) -> None:
        key.verify(other, message, ec.ECDSA(SHA256()))

    print(f"alone: Ed25519 {await microseconds(ed25519):.0f} µs, ES256 {await microseconds(es256):.0f} µs")


async def measured(at: Place, label: str, credential: str, lowest: str, task: Task, holder: Holder) -> None:
    """Print one line for a register as it is now."""
    token = at.signed(task)
    headers = {"user-agent": "claude-cli/2"}

    async def own(_: object) -> None:
        assert await at.callers.admit(credential, headers, "127.0.0.1", ASKED)

    async def below(_: object) -> None:
        assert await at.callers.admit(lowest, headers, "127.0.0.1", ASKED)

    async def proven(proof: str) -> None:
        assert await at.callers.admit(token, {"dpop": proof}, "127.0.0.1", ASKED)

    async def fresh(given: tuple[str, str]) -> None:
        signed, proof = given
        assert await at.callers.admit(signed, {"dpop": proof}, "127.0.0.1", ASKED)

    def new() -> tuple[str, str]:
        signed = at.signed(task)
        return signed, holder.proof(signed)

    print(
        f"{label}: credential {await microseconds(own):.0f} µs,"
        f" two generations down {await microseconds(below):.0f} µs,"
        f" token and proof {await microseconds(proven, lambda: holder.proof(token)):.0f} µs"
        f" (first time {await microseconds(fresh, new):.0f} µs)"
    )


async def main(tasks: int, denied: int) -> None:
    """Measure, fill the register, and measure again."""
    await alone()
    with tempfile.TemporaryDirectory() as folder:
        async with place(Path(folder)) as at:
            await at.tool()
            credential, root = await at.task()
            _, child = await at.child(root)
            lowest, _ = await at.child(child)
            holder = Holder()
            _, bound = await at.task(key=holder.thumbprint)
            await measured(at, "small register", credential, lowest, bound, holder)
            begun = time.perf_counter()
            for begin in range(0, tasks, 500):
                await asyncio.gather(*(at.task(human=f"person{n % 97}") for n in range(begin, min(begin + 500, tasks))))
            for begin in range(0, denied, 50_000):
                rows = [(f"denied-{n:07d}", NOW + 10**15) for n in range(begin, min(begin + 50_000, denied))]
                await at.known.deny(rows, reason="bench")
            print(f"filled: {tasks:,} tasks, {denied:,} revoked ids in {time.perf_counter() - begun:.0f} s")
            await measured(at, "large register", credential, lowest, bound, holder)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]] or [10_000, 1_000_000]
    asyncio.run(main(*given))
