"""A lease for tests of brokers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from poundlock.core import leases
from poundlock.core.leases import Lease

if TYPE_CHECKING:
    from collections.abc import Coroutine

TASK = "0123456789ab"


def lease(number: int, *, seconds: int = 600, backend: Any = "postgres") -> Lease:
    """Give a lease of which the number is the id."""
    now = time.time_ns()
    id_ = f"{number:012x}"
    return Lease(
        id=id_,
        task=TASK,
        tool="claude-code",
        human="ada",
        backend=backend,
        resource="orders",
        level="read",
        handle=leases.handle(id_, TASK),
        opened=now,
        expires=now + seconds * leases.SECOND,
    )


def done(work: Coroutine[Any, Any, Any]) -> Any:
    """Run one piece of a broker's work to its end."""
    return asyncio.run(work)
