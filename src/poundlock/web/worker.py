"""What one worker process serves: the data plane, joined and opened."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from poundlock import compose
from poundlock.adapters import keys, places
from poundlock.gateway.hooks import PREFIX as HOOKS
from poundlock.gateway.hooks import HookExchange
from poundlock.gateway.injection import Hatch
from poundlock.gateway.issuing import Wicket
from poundlock.gateway.leasing import Counter
from poundlock.gateway.mcp_http import PREFIX as MCP
from poundlock.gateway.mcp_http import Front, McpExchange
from poundlock.web.data_plane import DataPlane

if TYPE_CHECKING:
    from poundlock.gateway.http import Handler


def data_plane() -> DataPlane:
    """Give the worker's application; its configuration is the file that `POUNDLOCK_CONFIG` names, or the user's.

    Raises: `ConfigFault` when it can't be joined.
    """
    keys.disable_core_dumps()
    settings = places.read_settings()
    line, store = compose.exchange(settings)
    brokers = compose.brokers(settings)
    running: list[asyncio.Task[None]] = []

    async def startup() -> Wicket:
        await store.open()
        running.append(asyncio.create_task(line.snapshots.watch()))
        running.append(asyncio.create_task(line.presence.watch()))
        running.append(asyncio.create_task(line.desk.watch()))
        desk, reaper, file = compose.leasing(settings, line, store, brokers)
        running.append(asyncio.create_task(reaper.watch()))
        mcp = McpExchange(compose.McpLine(settings, line, store), line.upstream, new_id=line.new_id)
        own: dict[str, Handler] = {MCP: mcp, HOOKS: HookExchange(line)}
        inner = Hatch(compose.injection(settings, line, file), Front(line, own, line.socket))
        return Wicket(compose.issuing(settings, line, store), Counter(desk, inner))

    async def shutdown() -> None:
        for task in running:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await brokers.close()
        await store.close()
        await line.upstream.close()

    return DataPlane(None, settings.gateway, startup=startup, shutdown=shutdown)
