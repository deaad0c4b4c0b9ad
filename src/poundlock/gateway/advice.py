"""Advice to a developer beside the answer, in a response header: once for each kind and person a day.

It never holds a text or a value, only who was told of which kind and when, and it forgets when there is too much.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from poundlock.core.model import Rung

if TYPE_CHECKING:
    from poundlock.core.pipeline import Verdict

REMEMBERED = 8192
"""How many people and kinds are remembered; who was told longest ago may be told again."""
LONGEST = 400
"""Characters of a header."""


class Advice:
    """What a worker has told today."""

    def __init__(self) -> None:
        """Begin: nobody was told anything."""
        self._told: OrderedDict[tuple[str, str], str] = OrderedDict()

    def of(self, verdict: Verdict, day: str) -> str:
        """Give the advice for what this person was not told of today, on one line of ASCII; it may be empty."""
        kinds = sorted(
            {
                verdict.findings[index].kind
                for index, treatment in enumerate(verdict.decision.treatments)
                if treatment != "clear"
            }
        )
        new = [kind for kind in kinds if self._told.get((verdict.facts.principal.human, kind)) != day]
        if not new or not verdict.decision.advice:
            return ""
        for kind in new:
            self._told[verdict.facts.principal.human, kind] = day
            self._told.move_to_end((verdict.facts.principal.human, kind))
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        text = f"{', '.join(new)}: {verdict.decision.advice[0]}"
        return " ".join(text.encode("ascii", "ignore").decode().split())[:LONGEST]


def told(verdict: Verdict, advice: str) -> list[tuple[str, str]]:
    """Give what a developer may want to hear, out of protocol: response headers."""
    counted = [treatment for treatment in verdict.decision.treatments if treatment != "clear"]
    out = [("x-poundlock-rung", verdict.decision.rung.value)]
    out += [("x-poundlock-advice", advice)] if advice else []
    out += [("x-poundlock-would", verdict.decision.would)] if verdict.decision.would else []
    out += [("x-poundlock-approval", ", ".join(verdict.used))] if verdict.used else []
    if verdict.decision.rung is Rung.SEND_LOCAL:
        out.append(("x-poundlock-local", verdict.facts.destination.name))
    if verdict.facts.environment:
        out.append(("x-poundlock-environment", verdict.facts.environment))
    if verdict.orders:
        out.append(("x-poundlock-orders", "; ".join(verdict.orders)[:LONGEST]))
    if counted:
        out.append(("x-poundlock-treated", f"disguise={counted.count('disguise')}, impound={counted.count('impound')}"))
    return out
