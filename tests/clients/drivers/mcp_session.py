"""Drives one MCP session with the official SDK for Python, as an order on standard input says; prints what came back.

The order: `command` (a list) or `url`, `env`, and `calls`, each `[tool, arguments]`.
"""

import asyncio
import contextlib
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


@contextlib.asynccontextmanager
async def opened(order: dict):
    """Open the transport."""
    if "url" in order:
        async with streamable_http_client(order["url"]) as streams:
            yield streams[0], streams[1]
    else:
        command, *arguments = order["command"]
        env = {**os.environ, **order.get("env", {})}
        async with stdio_client(StdioServerParameters(command=command, args=arguments, env=env)) as streams:
            yield streams


async def main() -> None:
    """Follow the order."""
    order = json.load(sys.stdin)
    async with opened(order) as (reads, writes), ClientSession(reads, writes) as session:
        await session.initialize()
        tools = [tool.name for tool in (await session.list_tools()).tools]
        told = []
        for tool, arguments in order["calls"]:
            result = await session.call_tool(tool, arguments)
            texts = [part.text for part in result.content if part.type == "text"]
            told.append({"error": bool(result.is_error), "text": "\n".join(texts)})
    print(json.dumps({"tools": tools, "told": told}))


asyncio.run(main())
