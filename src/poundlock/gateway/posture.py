"""How an exchange is taken before policy is asked: in which mode, with what on trial, and in which environment.

It reads settings and holds no policy. It must never loosen beyond what the settings say: a sandbox that is over, or a
step of a rollout that is for somebody else, does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from poundlock.core.declared import Declaration

if TYPE_CHECKING:
    from poundlock.config import Mode, Settings
    from poundlock.core.model import Principal

SANDBOX = "sandbox/"
"""What the environment of a sandbox begins with; policies look for it."""


class Posture(NamedTuple):
    """The mode (None: the snapshot's), the policies and rules on trial, and the environment."""

    mode: Mode | None
    trial: frozenset[str]
    environment: str


class _Selection(Protocol):
    """Whom and what a table of the settings is for."""

    @property
    def people(self) -> tuple[str, ...]: ...

    @property
    def tools(self) -> tuple[str, ...]: ...

    @property
    def providers(self) -> tuple[str, ...]: ...


def of(settings: Settings, principal: Principal, provider: str, day: str) -> Posture:
    """Give the posture for one exchange on a day (`2026-11-21`); of several modes the first that fits counts."""
    fitting = [step for step in settings.rollout if _fits(step, principal, provider)]
    mode = next((step.mode for step in fitting if not step.only), None)
    trial: set[str] = set()
    decided: set[str] = set()
    for step in fitting:
        new = set(step.only) - decided
        decided |= new
        if step.mode == "monitor":
            trial |= new
    environment = ""
    for sandbox in settings.sandboxes:
        if day <= sandbox.until and _fits(sandbox, principal, provider):
            environment = SANDBOX + sandbox.name
            break
    return Posture(mode, frozenset(trial), environment)


def declarations(settings: Settings) -> tuple[Declaration, ...]:
    """Give what the settings declare of repositories."""
    return tuple(
        Declaration(name=name, tier=row.tier, protected=row.protected, paths=row.paths)
        for name, row in settings.repositories.items()
    )


def _fits(row: _Selection, principal: Principal, provider: str) -> bool:
    # A name that is only claimed must not choose a lighter posture.
    tool = "" if principal.tool_claimed else principal.tool
    return all(
        not wanted or name in wanted
        for wanted, name in ((row.people, principal.human), (row.tools, tool), (row.providers, provider))
    )
