"""What the gate adds to an MCP call of 2 kB, beside relaying its lines unread: `python bench/mcp.py`.

Prints the milliseconds of CPU for a call with its result, committed durably, and the ratio to a bare relay that decodes
and encodes each message.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path

import msgspec

from poundlock import compose, config
from poundlock.core.mcp import Server
from poundlock.core.model import Principal

ROUNDS = 500
TEXT = "The function opens the file, reads each line and checks that it is not empty. " * 12


def messages(number: int) -> tuple[bytes, bytes]:
    """Give a call and its result, about 2 kB together."""
    arguments = {"path": f"src/part{number}.py", "content": TEXT}
    call = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "write", "arguments": arguments}}
    result = {"jsonrpc": "2.0", "id": number, "result": {"content": [{"type": "text", "text": TEXT}]}}
    return json.dumps(call).encode(), json.dumps(result).encode()


async def gated(folder: Path) -> float:
    """Give the CPU milliseconds of a call and its result through a session."""
    settings = config.load(f'[state]\ndirectory = "{folder}"\n')
    line = compose.McpLine(settings)
    await line.store.open()
    server = Server(name="files", command=("x",), local=True)
    session = line.session(server, Principal(human="someone", tool="bench"), "bench")
    pairs = [messages(number) for number in range(ROUNDS + 50)]
    for call, result in pairs[:50]:
        await session.from_client(call)
        await session.from_server(result)
    began = time.process_time()
    for call, result in pairs[50:]:
        await session.from_client(call)
        await session.from_server(result)
    spent = time.process_time() - began
    await line.store.close()
    return spent / ROUNDS * 1000


def relayed() -> float:
    """Give the CPU milliseconds of decoding and encoding the same."""
    pairs = [messages(number) for number in range(ROUNDS)]
    began = time.process_time()
    for pair in pairs:
        for message in pair:
            msgspec.json.encode(msgspec.json.decode(message))
    return (time.process_time() - began) / ROUNDS * 1000


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        ours = asyncio.run(gated(Path(folder)))
    bare = relayed()
    print(f"through the gate   {ours:.3f} ms of CPU a call and its result")
    print(f"a bare relay       {bare:.3f} ms; the gate adds {ours - bare:.3f} ms")


if __name__ == "__main__":
    main()
