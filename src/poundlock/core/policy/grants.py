"""What a tool's entry in the register and its task grant: places, classes of data, calls. An empty list is no limit.

It never widens: what is not known (a repository, a scope) is not granted where there is a limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.model import TIERS, covers

if TYPE_CHECKING:
    from poundlock.core.model import Principal, Tier


def reaches(principal: Principal, destination: str, repository: str) -> bool:
    """Tell whether an exchange may go to this destination with this repository's content."""
    reach = principal.reach
    if reach.destinations and destination not in reach.destinations:
        return False
    if reach.repositories and not any(_within(repository, pattern) for pattern in reach.repositories):
        return False
    return not principal.scopes or covers(principal.scopes, f"send:{destination}")


def handles(principal: Principal, kind: str, family: str, tier: Tier) -> bool:
    """Tell whether findings of this kind, family and tier may be handled."""
    reach = principal.reach
    if TIERS.index(tier) > TIERS.index(reach.max_tier):
        return False
    names = (kind, family)
    return not reach.classes or any(
        name == each or name.startswith(f"{each}.") for each in reach.classes for name in names
    )


def calls(principal: Principal, tool: str, server: str) -> bool:
    """Tell whether this tool may be called: by its name, its server's, or both joined with `/`."""
    allowed = principal.reach.tools
    if allowed and not {tool, server, f"{server}/{tool}"} & (set(allowed) - {""}):
        return False
    return not server or not principal.scopes or covers(principal.scopes, f"mcp:{server}:{tool}")


def _within(repository: str, pattern: str) -> bool:
    """Tell whether a repository is the one that is named, or stands under `NAME/*`."""
    return bool(repository) and (
        repository == pattern or (pattern.endswith("/*") and repository.startswith(pattern[:-1]))
    )
