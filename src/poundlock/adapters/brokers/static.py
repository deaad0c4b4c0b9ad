"""A secret that has no short form: it stays with the gateway, which puts it on requests of those who have a lease.

What is minted is an address at the gateway; the secret itself is never part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.leases import Minted

if TYPE_CHECKING:
    from poundlock.config import Level
    from poundlock.core.leases import Lease

GATEWAY = "{gateway}"
"""Stands for the gateway's address with the task's credential, which whoever hands the lease out knows."""


class StaticBroker:
    """Leases whose end is the end of an entry: the gateway asks for a live one with every request."""

    async def mint(self, lease: Lease, level: Level) -> Minted:  # noqa: ARG002 (the level counts with each use)
        """Give the address under which the resource is reached."""
        name = lease.resource.upper().replace("-", "_")
        return Minted(variables={f"{name}_BASE_URL": f"{GATEWAY}/x/{lease.resource}"}, serial=lease.handle)

    async def revoke(self, lease: Lease) -> None:
        """Do nothing: the lease was all there was."""

    async def close(self) -> None:
        """Do nothing."""
