"""The ladder: its rungs in order, and climbing them until one is permitted.

It must never step past an evaluation error: whatever could not be evaluated ends the climb, and blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.model import Reason, Rung, Value

if TYPE_CHECKING:
    from collections.abc import Callable

OUTBOUND: tuple[Rung, ...] = (Rung.SEND, Rung.SEND_DISGUISED, Rung.SEND_LOCAL, Rung.SEND_APPROVED)
"""The rungs of an outbound exchange, loosest first."""

TOOL_CALL: tuple[Rung, ...] = (Rung.CALL, Rung.CALL_DISGUISED, Rung.CALL_APPROVED)
"""The rungs of a tool call, loosest first."""
LEASE: tuple[Rung, ...] = (Rung.LEASE, Rung.LEASE_APPROVED)
"""The rungs of a lease, loosest first."""
RESTORE = "restore"
RELEASE = "release"

ACTIONS: frozenset[str] = frozenset(
    {*(rung.value for rung in OUTBOUND), *(rung.value for rung in (*TOOL_CALL, *LEASE)), RESTORE, RELEASE}
)
"""Every action that a policy may name."""

STRICTNESS: dict[Rung, int] = {rung: height for height, rung in enumerate((*OUTBOUND, Rung.BLOCKED))}
STRICTNESS[Rung.SEND_DISGUISED] = STRICTNESS[Rung.SEND]
# The exchange takes the strictest *route*: blocked, approved, local, cloud. Send and sendDisguised are both cloud.

NO_PERMIT = Reason(
    policy="no-permit",
    effect="forbid",
    reason="No policy permits it.",
    advice="Leave it out, or ask the owner of the policies; `poundlock policy show` lists what is in force.",
)
FAULT = Reason(
    policy="evaluation-error",
    effect="forbid",
    reason="A policy could not be evaluated, so nothing was sent.",
    advice="Run `poundlock policy check`, and mend the policy that the record names.",
)
STAYS = Reason(
    policy="stays-local",
    effect="forbid",
    reason="This conversation was moved to a model inside the boundary, and it stays there.",
    advice="For a cloud model, begin a new conversation without what was restricted.",
)
"""Why an exchange that could go to a cloud does not: what was restricted may stand in its history."""

GONE = Reason(
    policy="local-unavailable",
    effect="forbid",
    reason="This conversation was moved to a model inside the boundary, and none can take it here.",
    advice="Set [local] provider in poundlock.toml, or begin a new conversation without what was restricted.",
)


class Step(Value, frozen=True, kw_only=True):
    """The answer for one rung: permitted or not, by which policies, and what could not be evaluated."""

    permitted: bool
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class Climb(Value, frozen=True, kw_only=True):
    """Where a part of the exchange ended: its rung, the policies that denied the rungs below, and those that permit."""

    rung: Rung
    denied: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def climb(ask: Callable[[Rung], Step], rungs: tuple[Rung, ...] = OUTBOUND) -> Climb:
    """Ask for each rung in order, no further than needed, and give the first that is permitted.

    `denied` names the policies that closed the highest rung first: what weighs most is said first.
    """
    denied: list[str] = []
    for rung in rungs:
        step = ask(rung)
        if step.errors:
            return Climb(rung=Rung.BLOCKED, denied=_once(denied), errors=step.errors)
        if step.permitted:
            return Climb(rung=rung, denied=_once(denied), applied=step.policies)
        denied = [*step.policies, *denied]
    return Climb(rung=Rung.BLOCKED, denied=_once(denied))


def strictest(rungs: list[Rung]) -> Rung:
    """Give the strictest route among rungs; send and sendDisguised weigh the same."""
    return max(rungs, key=STRICTNESS.__getitem__)


def _once(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
