"""Leases: a credential that is made for one task, and undone with it. Values in, values out.

A grant names what a task asks for (`postgres:orders:read`). A lease is one that was given. INVARIANT: a lease is
written down before its credential is made, and its name tells a broker what to undo, so that a crash at any moment
leaves nothing that nobody ends. It must never hold the credential.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from poundlock.core.errors import ClientFault
from poundlock.core.model import TIERS, Value, covers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.model import Principal, Tier

Backend = Literal["postgres", "ssh", "x509", "static"]
State = Literal["asked", "live", "ending", "ended"]

SECOND = 1_000_000_000
SCOPE = "lease"
"""What the scopes begin with that let a task ask: `lease:postgres:orders:read`, or wider, `lease:postgres`."""
MAKING = 60 * SECOND
"""How long making a credential may take, in nanoseconds; who takes longer has died."""
CLAIM = 20 * SECOND
"""For how long one worker alone tries to end a lease."""
SLOWEST = 60 * SECOND
"""The longest pause between two attempts to end a lease."""

_GRANT = re.compile(r"([a-z0-9]{2,16}):([A-Za-z0-9][A-Za-z0-9_-]{0,63}):([A-Za-z0-9][A-Za-z0-9_-]{0,31})")


class Grant(Value, frozen=True, kw_only=True):
    """What is asked for: a resource of the configuration, by which kind of broker, and how much of it."""

    backend: str
    resource: str
    level: str

    @property
    def name(self) -> str:
        """It as people write it."""
        return f"{self.backend}:{self.resource}:{self.level}"

    @property
    def scope(self) -> str:
        """The scope that a task needs to ask for it."""
        return f"{SCOPE}:{self.name}"


class Asked(Value, frozen=True, kw_only=True):
    """What policy may see of a question for a lease: the grant, and what the configuration says of the resource."""

    grant: Grant
    tier: Tier = "internal"
    environment: str = ""
    writes: bool = True


class Lease(Value, frozen=True, kw_only=True):
    """One lease. `handle` is the credential's name at the broker; times are nanoseconds since the epoch."""

    id: str
    task: str
    tool: str
    human: str
    owner: str = ""
    backend: str
    resource: str
    level: str
    handle: str
    opened: int
    expires: int
    approval: str = ""

    @property
    def grant(self) -> Grant:
        """What it was given for."""
        return Grant(backend=self.backend, resource=self.resource, level=self.level)

    @property
    def about(self) -> dict[str, object]:
        """What a record says of it."""
        return {
            "lease": self.id,
            "task": self.task,
            "tool": self.tool,
            "human": self.human,
            "owner": self.owner,
            "grant": self.grant.name,
            "handle": self.handle,
            "expires": self.expires,
            "approval": self.approval,
        }


class Held(Value, frozen=True, kw_only=True):
    """A lease as the store has it. `free`: from when on a worker may try to end it; `tries`: how often one did."""

    lease: Lease
    state: State
    free: int = 0
    tries: int = 0
    reason: str = ""


class Minted(Value, frozen=True, kw_only=True):
    """What a broker made: variables and files for the tool's environment, given once and never kept.

    In a variable `{NAME}` stands for the path of the file with this name. `serial` is the credential's number, where
    the broker gives one.
    """

    _hidden = frozenset({"variables", "files"})

    variables: Mapping[str, str] = {}
    files: Mapping[str, str] = {}
    serial: str = ""


def grant(text: str) -> Grant:
    """Read what is asked for. Raises `ClientFault` for what is no grant."""
    match = _GRANT.fullmatch(text)
    if match is None:
        raise ClientFault(
            "A grant is a kind of broker, a resource and a level.", advice="For example: --grant postgres:orders:read."
        )
    return Grant(backend=match[1], resource=match[2], level=match[3])


def granted(principal: Principal, asked: Asked) -> bool:
    """Tell whether the task and all tools of its chain may ask for it: by scope, by tier, by list of destinations."""
    reach = principal.reach
    if TIERS.index(asked.tier) > TIERS.index(reach.max_tier):
        return False
    if reach.destinations and not {asked.grant.resource, asked.grant.name} & set(reach.destinations):
        return False
    return covers(principal.scopes, asked.grant.scope)


def handle(id: str, task: str) -> str:  # noqa: A002 (the word that records use)
    """Give the name of a lease's credential at its broker: a name that no person has, and that says whose it is."""
    return f"poundlock_{task}_{id}"


def over(held: Held, ended: str, now: int) -> str:
    """Say why a lease is to be ended now, or nothing. `ended` is why its task may not act any more, or nothing."""
    if held.state == "ended":
        return ""
    if held.state == "ending":
        return held.reason if now >= held.free else ""
    if ended:
        return ended
    if now >= held.lease.expires:
        return "The lease's time is over."
    if held.state == "asked" and now >= held.lease.opened + MAKING:
        return "It was never handed out."
    return ""


def claimed(held: Held, reason: str, now: int) -> Held:
    """Give a lease as one worker takes it to end it: no other one tries for a while."""
    return msgspec.structs.replace(held, state="ending", reason=reason, free=now + CLAIM, tries=held.tries + 1)


def again(held: Held, now: int) -> Held:
    """Give a lease that could not be ended: it is tried again, after a pause that grows."""
    pause = min(SECOND * 2 ** min(held.tries, 8), SLOWEST)
    return msgspec.structs.replace(held, free=now + pause)


def life(minutes: int, asked: int, now: int, until: int) -> int:
    """Give when a lease ends: after what was asked for (seconds, 0 for all), never later than resource and task."""
    longest = minutes * 60
    return min(now + (min(asked, longest) if asked > 0 else longest) * SECOND, until)
