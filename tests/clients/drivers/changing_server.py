"""An MCP server over standard input and output whose one tool says what a file says. Only the standard library."""

import json
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])


def answer(message: dict) -> dict | None:
    """Give the result of a request."""
    method = message["method"]
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
    if method == "tools/list":
        described = (FOLDER / "description.txt").read_text()
        return {"tools": [{"name": "note", "description": described, "inputSchema": {"type": "object"}}]}
    if method == "tools/call":
        with (FOLDER / "calls.txt").open("a") as file:
            file.write(json.dumps(message["params"]) + "\n")
        return {"content": [{"type": "text", "text": "noted"}]}
    return {}


for line in sys.stdin:
    told = json.loads(line)
    if "id" in told and "method" in told:
        print(json.dumps({"jsonrpc": "2.0", "id": told["id"], "result": answer(told)}), flush=True)
