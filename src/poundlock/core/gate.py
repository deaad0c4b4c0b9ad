"""The tool-call gate: each call in an answer is judged before the agent gets it.

A call that policy refuses goes on as a call of a tool that nobody has, with the reason in its arguments: every agent
answers such a call with an error of its own, in its own protocol, and goes on. It must never let a call go on that it
has not judged, and never keep its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from poundlock.core import calls
from poundlock.core.model import Rung, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from poundlock.core.calls import Action
    from poundlock.core.policy.decide import CallAnswer

REFUSED = "poundlock_refused"
"""The name under which a refused call goes on. No client has a tool of this name, so none runs it."""
KEPT = 256
"""A record tells of at most this many calls of one answer; the counts are always whole."""
_OTHER = "other"


class Ruling(NamedTuple):
    """What becomes of one call: it goes on, or its name and arguments are replaced."""

    allowed: bool
    message: str = ""

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments of the call that goes on instead."""
        return {"message": self.message}

    @property
    def text(self) -> str:
        """The same as JSON."""
        return msgspec.json.encode(self.arguments).decode()


class Consent(NamedTuple):
    """Whether a person has admitted a call, by the approval `id`; else the id under which they may, if they may."""

    admitted: bool
    id: str


class Judged(Value, frozen=True, kw_only=True):
    """What a record keeps of one call: names from tables, never an argument."""

    tool: str
    rung: str
    would: str
    classes: tuple[str, ...]
    touches: tuple[str, ...]
    readable: bool
    policies: tuple[str, ...]


class Gate:
    """Judges the calls of one answer.

    `ask` is policy's answer for an action. `offered` are the names of the tools that the request offered: only they are
    put on record. In `monitor` mode calls go on, unless a policy holds them there, too. `consent` tells of a call that
    policy leaves to a person whether one has admitted it, and else the number under which one may.
    """

    def __init__(
        self,
        ask: Callable[[Action], CallAnswer],
        *,
        decision: str,
        offered: frozenset[str],
        monitor: bool = False,
        consent: Callable[[str, Any, CallAnswer], Consent] | None = None,
    ) -> None:
        self.judged: list[Judged] = []
        self.count = 0
        self.refused = 0
        self._ask = ask
        self._decision = decision
        self._offered = offered
        self._monitor = monitor
        self._consent = consent

    def rule(self, tool: str, arguments: Any) -> Ruling:
        """Judge a whole call: `arguments` are a JSON tree, JSON text, or free text."""
        action = calls.describe(tool, arguments)
        answer = self._ask(action)
        stopped = answer.rung in {Rung.BLOCKED, Rung.CALL_APPROVED}
        monitored = self._monitor and not answer.holds
        asked = Consent(admitted=False, id="")
        if answer.rung is Rung.CALL_APPROVED and self._consent is not None and not monitored:
            asked = self._consent(tool, arguments, answer)
            stopped = not asked.admitted
        passes = not stopped or monitored
        self.count += 1
        self.refused += not passes
        if len(self.judged) < KEPT:
            self.judged.append(
                Judged(
                    tool=tool if tool in self._offered else _OTHER,
                    rung=answer.rung.value if not (passes and stopped) else Rung.CALL.value,
                    would=answer.rung.value if passes and stopped else "",
                    classes=action.classes,
                    touches=action.touches,
                    readable=action.readable,
                    policies=tuple(reason.policy for reason in answer.reasons),
                )
            )
        return Ruling(allowed=True) if passes else Ruling(allowed=False, message=self._message(tool, answer, asked.id))

    def _message(self, tool: str, answer: CallAnswer, approval: str) -> str:
        """Tell the model, and whoever reads along, what was refused, why, and what to do instead."""
        reason = next((each.reason for each in answer.reasons if each.reason), "Policy does not permit it.")
        advice = next(iter(answer.advice), "")
        waits = ""
        if answer.rung is Rung.CALL_APPROVED:
            waits = "A person may approve it."
            if approval:
                waits = f"A person may approve it (`poundlock approve {approval}`); then make the same call again."
        parts = (
            f"Poundlock did not let this call of {tool} happen: nothing was run.",
            reason,
            advice,
            waits,
            f"(poundlock explain {self._decision})",
        )
        return " ".join(part for part in parts if part)
