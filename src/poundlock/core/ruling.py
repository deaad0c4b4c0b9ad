"""What is done with an exchange: policy's answer, joined with approvals, a model inside the boundary, and trials.

The ladder is asked; where its rung is a model inside the boundary, it is asked again for that destination, so that
what stays at home is judged by where it really goes. It must never loosen what policy said, but by an approval of a
person or by a trial, and both are told. INVARIANT: a conversation that was moved inside never goes to a cloud again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from poundlock.core import approvals, classify
from poundlock.core.approvals import NOTHING, Needs
from poundlock.core.model import Rung
from poundlock.core.policy import ladder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poundlock.core.approvals import Settled
    from poundlock.core.model import (
        Context,
        Destination,
        Document,
        Facts,
        Finding,
        Mode,
        Reason,
        ScopeKey,
        Snapshot,
        Treatment,
    )
    from poundlock.core.policy.decide import Answer, Policies

LOCAL = "local"
"""The label of a conversation that was moved to a model inside the boundary."""
LEAVES = frozenset({Rung.SEND, Rung.SEND_DISGUISED, Rung.SEND_LOCAL})
"""The rungs on which an exchange leaves."""


class Ruling(NamedTuple):
    """What is done, and why. `wanted` are the treatments that enforcement would give, `would` its rung if another."""

    rung: Rung
    treatments: tuple[Treatment, ...]
    wanted: tuple[Treatment, ...]
    reasons: tuple[Reason, ...]
    advice: tuple[str, ...]
    errors: tuple[str, ...]
    destination: Destination
    mode: Mode
    would: str
    needs: Needs
    used: tuple[str, ...]
    labels: tuple[str, ...]


class _Outcome(NamedTuple):
    """One way through the ladder."""

    settled: Settled
    reasons: tuple[Reason, ...]
    errors: tuple[str, ...]
    holds: bool
    destination: Destination


def rule(
    document: Document,
    facts: Facts,
    context: Context,
    snapshot: Snapshot,
    findings: Sequence[Finding],
    newly: Sequence[bool],
    key: ScopeKey,
) -> Ruling:
    """Decide. `facts` are those of the destination that was asked for, with the groups of `findings`, in order."""
    facts = msgspec.structs.replace(facts, mode=context.mode or facts.mode, local_model=context.local is not None)
    group_of = classify.groups(document, findings, newly)[1]
    whole = _through(snapshot.policies, facts, context, findings, group_of, key)
    done, treatments = whole, whole.settled.treatments
    if context.trial:
        done, treatments = _without(document, facts, context, snapshot, findings, newly, key)
    monitor = facts.mode == "monitor" and not done.holds
    rung = Rung.SEND if monitor else done.settled.rung
    settled = done.settled
    differs = monitor or (rung, treatments) != (whole.settled.rung, whole.settled.treatments)
    standing = context.standing or NOTHING
    return Ruling(
        rung=rung,
        treatments=tuple("clear" for _ in findings) if monitor else treatments,
        wanted=whole.settled.treatments,
        reasons=whole.reasons,
        advice=tuple(dict.fromkeys(reason.advice for reason in whole.reasons if reason.advice)),
        errors=done.errors,
        destination=context.destination if monitor else done.destination,
        mode=facts.mode,
        would=whole.settled.rung.value if differs else "",
        needs=settled.needs if rung is Rung.SEND_APPROVED else Needs(),
        used=() if monitor else tuple(dict.fromkeys(standing.admitted[need] for need in sorted(settled.used))),
        labels=tuple(sorted({*facts.labels, LOCAL})) if rung is Rung.SEND_LOCAL else facts.labels,
    )


def _without(
    document: Document,
    facts: Facts,
    context: Context,
    snapshot: Snapshot,
    findings: Sequence[Finding],
    newly: Sequence[bool],
    key: ScopeKey,
) -> tuple[_Outcome, tuple[Treatment, ...]]:
    """Decide without the policies and rules that are on trial."""
    kept = [index for index, finding in enumerate(findings) if finding.rule_id not in context.trial]
    some = [findings[index] for index in kept]
    groups, group_of = classify.groups(document, some, [newly[index] for index in kept])
    policies = snapshot.policies.without(context.trial)
    outcome = _through(policies, msgspec.structs.replace(facts, groups=groups), context, some, group_of, key)
    treatments: list[Treatment] = ["clear"] * len(findings)
    for index, treatment in zip(kept, outcome.settled.treatments, strict=True):
        treatments[index] = treatment
    return outcome, tuple(treatments)


def _through(
    policies: Policies,
    facts: Facts,
    context: Context,
    findings: Sequence[Finding],
    group_of: Sequence[int],
    key: ScopeKey,
) -> _Outcome:
    standing = context.standing or NOTHING
    answer = policies.decide(facts)
    settled = approvals.settle(answer, facts.groups, findings, group_of, standing, key)
    stays = LOCAL in context.labels and not facts.destination.local and facts.mode == "enforce"
    if settled.rung is Rung.BLOCKED or not (stays or settled.rung is Rung.SEND_LOCAL):
        return _Outcome(settled, answer.reasons, answer.errors, answer.holds, facts.destination)
    if context.local is None:
        reasons = _once((ladder.GONE,), answer)
        return _Outcome(settled._replace(rung=Rung.BLOCKED), reasons, answer.errors, answer.holds, facts.destination)
    inside = policies.decide(msgspec.structs.replace(facts, destination=context.local, local_model=False))
    there = approvals.settle(inside, facts.groups, findings, group_of, standing, key)
    if there.rung in LEAVES:
        there = there._replace(rung=Rung.SEND_LOCAL)
    first = (ladder.STAYS,) if stays and settled.rung in LEAVES - {Rung.SEND_LOCAL} else ()
    reasons = _once(first, answer if settled.rung is Rung.SEND_LOCAL else None, inside)
    return _Outcome(there, reasons, (*answer.errors, *inside.errors), inside.holds, context.local)


def _once(first: tuple[Reason, ...], *answers: Answer | None) -> tuple[Reason, ...]:
    told = [reason for answer in answers if answer is not None for reason in answer.reasons]
    return tuple(dict.fromkeys((*first, *told)))
