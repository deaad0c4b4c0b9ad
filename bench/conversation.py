"""Cost that follows the new text: a coding conversation of 200 turns that grows to 1.4 MB, resent at every turn.

    python bench/conversation.py [--turns 200] [--size 1400000] [--secrets 5] [--last 20]

First, inside one process, what inspecting costs (decode, inspect, encode): the sum over all turns beside inspecting
the last body once, cold. Then through the gateways: the CPU of the last turns beside a bare relay of the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from poundlock.adapters import policyfiles, rulefiles
from poundlock.core import conversation, pipeline
from poundlock.core.model import Context, Principal, ScopeKey, Snapshot
from poundlock.wire import registry
from poundlock.wire.passages import Passages
from relay import LAST, ROUTES, WORDS, Measured, cpu, gateway, provide, ready, send

Turn = dict[str, Any]


def turns(count: int, size: int, secrets: int, seed: int = 7) -> list[Turn]:
    """Give the messages of a conversation, two a turn: a tool call, and what the tool read."""
    rng = random.Random(seed)
    messages: list[Turn] = [{"role": "user", "content": "Find out why the test fails, and repair it."}]
    length = size // count - 330
    for number in range(count):
        text = f"{rng.getrandbits(48):x} " + " ".join(rng.choices(WORDS, k=length // 5 + 1))
        text = "\n".join(text[at : at + 72] for at in range(0, length, 72))
        if secrets and number % max(1, count // secrets) == count // secrets // 2:
            text += "\nGITHUB_TOKEN=ghp" + "_" + "".join(rng.choices("abcdefghijkmnpqrstuvwxyzABCDEFGH23456789", k=36))
        call = {
            "type": "tool_use",
            "id": f"toolu_{number:024d}",
            "name": "Read",
            "input": {"file_path": f"{number}.py"},
        }
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": text}
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    return messages


def bodies(messages: list[Turn]) -> list[bytes]:
    """Give the request of every turn: all messages so far."""
    parts = [json.dumps(message) for message in messages]
    head = '{"model": "bench-model", "max_tokens": 1024, "stream": true, "messages": ['
    out, so_far = [], head + parts[0]
    for number in range(1, len(parts), 2):
        so_far += f", {parts[number]}, {parts[number + 1]}"
        out.append(f"{so_far}]}}".encode())
    return out


class Inspection:
    """Decode, inspect and encode inside this process, as the gateway does."""

    def __init__(self) -> None:
        detector = rulefiles.load_detector()
        self._snapshot = Snapshot(detector=detector, policies=policyfiles.load((), default=True), digest="bench")
        self._key = ScopeKey(scope="bench", mint=bytes(32), fingerprint=bytes(range(32)))
        self._wire, self._route = registry.resolve("POST", ROUTES["anthropic"], {}, "anthropic")
        self._where = policyfiles.register().destination(
            name="anthropic", vendor="anthropic", plan="", model="bench-model", endpoint="", approved=False,
            local=False, day="2026-01-01",
        )  # fmt: skip
        self.forget()

    def forget(self) -> None:
        """Know no string and no conversation."""
        self._memo = conversation.Memo(16 << 20)
        self._shelf = Passages(48 << 20).shelf("bench")
        self._issued: dict[str, Any] = {}

    def __call__(self, data: bytes) -> float:
        """Inspect one body; give the milliseconds of CPU."""
        begun = time.process_time()
        body = self._wire.decode_request(self._route, data, {}, self._shelf)
        context = Context(principal=Principal(human="bench"), destination=self._where, issued=self._issued)
        verdict = pipeline.inspect(body.document, context, self._snapshot, self._key, 1, id="b", memo=self._memo)
        body.encode(verdict.texts)
        self._issued.update({surrogate.text: surrogate for surrogate in verdict.fresh})
        return (time.process_time() - begun) * 1000


def inside(requests: list[bytes]) -> None:
    """Print what inspecting costs over the turns."""
    inspect = Inspection()
    inspect(requests[0])
    cold = []
    for _ in range(3):
        inspect.forget()
        cold.append(inspect(requests[-1]))
    inspect.forget()
    each = [inspect(data) for data in requests]
    half = len(each) // 2
    total = sum(len(data) for data in requests)
    print(f"{len(requests)} turns, the last body {len(requests[-1]) / 1e6:.2f} MB, all bodies {total / 1e6:.0f} MB")
    resent = min(cold) * total / len(requests[-1])
    print(f"inspected once, cold: {min(cold):.1f} ms; every turn anew would take {resent:.0f} ms")
    print(
        f"all turns: {sum(each):.0f} ms of CPU; first half {sum(each[:half]):.0f}, second half {sum(each[half:]):.0f}"
    )
    print(
        f"last turn: {sorted(each[-9:])[4]:.2f} ms (median of nine), of which {len(requests[-1]) / 1e6:.2f} MB of JSON"
    )


async def through(requests: list[bytes], last: int) -> None:
    """Print what the last turns cost in the gateways."""
    provider = "anthropic"
    server = await provide(20, 0)
    upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    options = argparse.Namespace(size=200_000)
    with contextlib.ExitStack() as stack:
        running: dict[str, Measured] = {}
        for name in ("bare", "poundlock"):
            at = running[name] = Measured(*stack.enter_context(gateway(name, provider, upstream)))
            await ready(name, provider, at, options)
            await send(at.port, ROUTES[provider], iter(requests[:-last]), 1, LAST[provider])
        rounds = 5
        for number in range(rounds):
            mine = requests[-last:][number * last // rounds : (number + 1) * last // rounds]
            for at in running.values():
                await asyncio.sleep(0.3)
                before = cpu(at.pid)
                # Each body three times: the clock of processes ticks a hundred times a second.
                await send(at.port, ROUTES[provider], iter(mine * 3), 1, LAST[provider])
                await asyncio.sleep(0.3)
                at.used.append((cpu(at.pid) - before) / len(mine) / 3 * 1000)
    server.close()
    bare, ours = running["bare"].best, running["poundlock"].best
    more = f"{ours - bare:.2f} ms more, {ours / bare:.1f} x"
    print(f"a turn at the end: bare relay {bare:.2f} ms, Poundlock {ours:.2f} ms: {more}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--size", type=int, default=1_400_000, help="bytes of the last body")
    parser.add_argument("--secrets", type=int, default=5, help="tool results that hold a credential")
    parser.add_argument("--last", type=int, default=20, help="turns at the end that are measured")
    options = parser.parse_args()
    requests = bodies(turns(options.turns, options.size, options.secrets))
    inside(requests)
    asyncio.run(through(requests, options.last))
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
