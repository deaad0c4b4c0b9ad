"""What judging an answer's tool calls adds, beside the same answer without a gate: `python bench/gate.py`.

Prints the milliseconds of CPU for each call with policy asked anew and remembered, and the ratio of a streamed answer's
cost with the gate to that without it.
"""

import json
import time

from poundlock.adapters import policyfiles
from poundlock.core.calls import describe
from poundlock.core.gate import Gate
from poundlock.core.model import Destination, Facts, Principal
from poundlock.core.policy.decide import Policies
from poundlock.core.stream import Homeward
from poundlock.wire.anthropic import Anthropic
from poundlock.wire.base import EVENT_STREAM, Route

ROUTE = Route(method="POST", path="/v1/messages", operation="messages")
COMMANDS = (
    "ls -la src && cat README.md | head -50",
    "git add -A && git commit -m \"$(cat <<'EOF'\nRename it\n\nIt was wrong.\nEOF\n)\"",
    "for f in src/*.py; do sed -i 's/old/new/g' \"$f\"; done && python3 -m pytest -q tests | tail -20",
    "npm install && npm run build 2>&1 | tee build.log",
    "curl -s https://example.org/api/v1/items?page=2 | jq '.items[] | .name'",
)
ROUNDS = 200


def answer(command: str) -> bytes:
    """Write a streamed answer with a text and one call, cut as a provider cuts it."""
    events = [{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I look at it now. "}}
    ] * 200
    events.append({"type": "content_block_stop", "index": 0})
    block = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
    events.append({"type": "content_block_start", "index": 1, "content_block": block})
    text = json.dumps({"command": command, "description": "Do it"})
    for at in range(0, len(text), 12):
        delta = {"type": "input_json_delta", "partial_json": text[at : at + 12]}
        events.append({"type": "content_block_delta", "index": 1, "delta": delta})
    events += [{"type": "content_block_stop", "index": 1}, {"type": "message_stop"}]
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def milliseconds(work: object, rounds: int = ROUNDS) -> float:
    """Give the CPU time of one round."""
    assert callable(work)
    began = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - began) / rounds * 1000


def main() -> None:
    """Measure, and print."""
    facts = Facts(
        principal=Principal(human="someone", tool="claude-code", tool_claimed=False),
        destination=Destination(name="anthropic", vendor="anthropic", approved=True),
        labels=("execute", "private"),
    )
    policies = policyfiles.load()
    actions = [describe("Bash", {"command": command}) for command in COMMANDS]

    def described() -> None:
        for command in COMMANDS:
            describe("Bash", {"command": command})

    def asked() -> None:
        fresh = Policies(policies.policies, policies._schema, policies.digest)  # noqa: SLF001 (what remembers is new)
        for action in actions:
            fresh.call(facts, action)

    def remembered() -> None:
        for action in actions:
            policies.call(facts, action)

    print(f"reading a command   {milliseconds(described) / len(COMMANDS):.3f} ms")
    print(f"asking policy anew  {milliseconds(asked, 30) / len(COMMANDS):.3f} ms")
    print(f"asking it again     {milliseconds(remembered) / len(COMMANDS):.4f} ms")

    streams = [answer(command) for command in COMMANDS]

    def carried(gated: bool) -> None:
        for stream in streams:
            gate = (
                Gate(lambda action: policies.call(facts, action), decision="b", offered=frozenset()) if gated else None
            )
            codec = Anthropic().stream(ROUTE, EVENT_STREAM, Homeward({}, lambda *_: True, None, gate))
            for at in range(0, len(stream), 400):
                codec.feed(stream[at : at + 400])
            codec.finish()

    plain, gated = milliseconds(lambda: carried(False), 50), milliseconds(lambda: carried(True), 50)
    print(f"an answer with a call: {(gated - plain) / len(streams):.3f} ms more than without a gate, all in all")


if __name__ == "__main__":
    main()
