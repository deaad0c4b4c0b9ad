"""The register for one command: opened, asked or changed, and closed; and how times and lists are shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from poundlock.adapters.sqlite import Identities
    from poundlock.config import Settings

T = TypeVar("T")


def within(settings: Settings, work: Callable[[Identities], Awaitable[T]]) -> T:
    """Open the register, do the work, close it. Raises: `Fault`, `ConfigFault`."""
    from poundlock import compose

    async def run() -> T:
        async with compose.identities(settings) as known:
            return await work(known)

    return asyncio.run(run())


def when(at: int) -> str:
    """Give a time as people read it, to the minute, UTC."""
    return datetime.fromtimestamp(at / 1e9, UTC).strftime("%Y-%m-%d %H:%M") if at else "never"


def columns(rows: Iterable[Sequence[str]]) -> str:
    """Give rows as lines whose columns stand below each other."""
    known = [[str(cell) for cell in row] for row in rows]
    if not known:
        return ""
    widths = [max(len(row[at]) for row in known) for at in range(len(known[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in known)
    return "\n".join(lines) + "\n"
