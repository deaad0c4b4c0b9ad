"""inspect(): detect → classify → decide → transform → record. Pure: the shell brings time, keys and what it knows.

MCP, hooks, `scan` and the gateway call this same function. It must never raise for what a text holds: what policy
can't answer is a blocked decision.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core import classify, conversation, declared, flow, intent, passages, ruling, surrogates, transform
from poundlock.core.approvals import Needs
from poundlock.core.model import Decision, Document, Draft, Facts, FindingSummary, Rung, Value
from poundlock.core.policy import recorded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poundlock.core.conversation import Memo, Recognised
    from poundlock.core.model import Context, Finding, Group, Principal, ScopeKey, Snapshot, Surrogate, Treatment
    from poundlock.core.ruling import Ruling

PLACES_KEPT = 8
"""So many places of one summary are named."""
_PARTS = frozenset({"messages", "input", "system", "tools", "contents", "instructions", "prompt", "systemInstruction"})
"""The members of bodies that a place may be named by: every other name may be a client's own text."""
FILES_KEPT = 32
"""So many files that calls opened are told of."""
_FILE_KEYS = frozenset({"path", "file_path", "filename", "filePath", "notebook_path"})
_LONGEST_NAME = 1024
FINGERPRINTS_KEPT = 64
"""A record names at most this many values of one summary; the count is always whole."""


class Verdict(Value, frozen=True, kw_only=True):
    """What is to be done with an exchange.

    `texts`: new texts of the segments that change, by index. `issued`: surrogates that may be restored on the way
    home, by text. `fresh`: those of them that the vault must know before the exchange leaves. `refused`: fingerprints
    to remember when the exchange is blocked. `facts`: what was judged at last, with where it goes. `needs`: what a
    person has to admit first; `used`: the approvals that it leaves with, by id; `typed`: what to take for refused when
    nobody admits it; `orders`: why something that was read gives orders.
    """

    _hidden = frozenset({"texts", "issued", "document"})

    document: Document
    decision: Decision
    texts: Mapping[int, str]
    issued: Mapping[str, Surrogate]
    fresh: tuple[Surrogate, ...]
    refused: tuple[str, ...]
    draft: Draft
    findings: tuple[Finding, ...]
    facts: Facts
    needs: Needs = Needs()
    used: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()


def inspect(
    document: Document,
    context: Context,
    snapshot: Snapshot,
    key: ScopeKey,
    at: int,
    *,
    id: str,  # noqa: A002 (the word that records use)
    memo: Memo | None = None,
) -> Verdict:
    """Inspect one document and decide what is done with it.

    `at` is nanoseconds since the epoch; `id` names the decision; `memo` remembers strings that were inspected before.
    """
    memo = memo if memo is not None else conversation.Memo(0)
    recognised = conversation.recognise(
        document, snapshot.detector, key, context.issued, memo, snapshot.digest.encode()
    )
    findings = recognised.findings
    newly = _newly(document, findings, context.refused)
    groups, group_of = classify.groups(document, findings, newly)
    asked = intent.of(document)
    stated = context.declared or declared.NOTHING
    orders = flow.orders(document, context.labels)
    entered = flow.labels(document, findings, context.labels, ordered=bool(orders))
    labels = tuple(sorted({*entered, *declared.labels(document, stated)}))
    reasons = declared.reasons(document, stated)
    tier, tier_reasons = classify.tier(findings, document, snapshot.unknown_tier, reasons)
    facts = Facts(
        principal=context.principal,
        destination=context.destination,
        direction=document.direction,
        tier=tier,
        intent=asked.task,
        action=asked.action,
        groups=groups,
        repository=context.repository,
        environment=context.environment,
        labels=labels,
        profile=snapshot.profile,
        mode=snapshot.mode,
        account=context.account,
        budgets=context.budgets,
    )
    ruled = ruling.rule(document, facts, context, snapshot, findings, newly, key)
    treatments, rung = ruled.treatments, ruled.rung
    facts = msgspec.structs.replace(facts, destination=ruled.destination, labels=ruled.labels, mode=ruled.mode)
    decision = Decision(
        id=id,
        rung=rung,
        treatments=treatments,
        reasons=ruled.reasons,
        advice=ruled.advice,
        errors=ruled.errors,
        snapshot=snapshot.digest,
        mode=ruled.mode,
        would=ruled.would,
    )
    leaves = rung in ruling.LEAVES
    texts: Mapping[int, str] = {}
    issued: dict[str, Surrogate] = {}
    if leaves:
        texts = transform.apply(document, findings, treatments, recognised.surrogates)
        issued = _issued(recognised, treatments, context.issued)
    fresh = tuple(surrogate for text, surrogate in issued.items() if text not in context.issued)
    refused = () if leaves or rung is Rung.SEND_APPROVED else _refused(document, findings, newly)
    body = _body(document, context, decision, facts, tier_reasons, recognised, ruled, group_of, fresh, key)
    draft = Draft(kind="exchange", id=id, at=at, body={**body, "orders": list(orders)} if orders else body)
    return Verdict(
        document=document,
        decision=decision,
        texts=texts,
        issued=issued,
        fresh=fresh,
        refused=refused,
        draft=draft,
        findings=findings,
        facts=facts,
        needs=ruled.needs,
        used=ruled.used,
        typed=_refused(document, findings, newly),
        orders=orders,
    )


def _newly(document: Document, findings: Sequence[Finding], refused: frozenset[str]) -> tuple[bool, ...]:
    """Tell of each finding whether it is new in this turn.

    New is what stands after the last answer of the model. A value for which the conversation was refused before is
    old as soon as the person has typed something after it: the session goes on without it (promise 11).
    """
    segments = document.segments
    last_turn = passages.last_turn(document)
    last_typed = -1
    if refused:
        last_typed = max((i for i, s in enumerate(segments) if s.origin == "typed" and s.role == "user"), default=-1)
    return tuple(
        segments[finding.segment].turn == last_turn
        and segments[finding.segment].role != "assistant"
        and not (finding.fingerprint in refused and finding.segment < last_typed)
        for finding in findings
    )


def _refused(document: Document, findings: Sequence[Finding], newly: Sequence[bool]) -> tuple[str, ...]:
    """Give the fingerprints of what was newly typed in an exchange that is refused."""
    typed = (
        finding.fingerprint
        for finding, new in zip(findings, newly, strict=True)
        if new and document.segments[finding.segment].origin == "typed"
    )
    return tuple(dict.fromkeys(typed))


def _issued(
    recognised: Recognised, treatments: Sequence[Treatment], remembered: Mapping[str, Surrogate]
) -> dict[str, Surrogate]:
    """Give the surrogates that this exchange's answer may hold, by text."""
    issued = dict(remembered)
    for finding, treatment in zip(recognised.findings, treatments, strict=True):
        if treatment == "disguise":
            surrogate = recognised.surrogates[finding.fingerprint]
            issued[surrogate.text] = surrogate
    return issued


def _body(
    document: Document,
    context: Context,
    decision: Decision,
    facts: Facts,
    tier_reasons: Sequence[str],
    recognised: Recognised,
    ruled: Ruling,
    group_of: Sequence[int],
    fresh: Sequence[Surrogate],
    key: ScopeKey,
) -> dict[str, Any]:
    """Give a record's body: JSON values of our own making, never a client's text (INVARIANT)."""
    principal, destination, groups = context.principal, facts.destination, facts.groups
    return {
        "direction": document.direction,
        "provider": document.provider,
        "operation": document.operation,
        "conversation": surrogates.fingerprint(document.conversation, key),
        "principal": _acting(principal),
        "destination": {name: getattr(destination, name) for name in destination.__struct_fields__},
        "decision": {
            "rung": decision.rung.value,
            "mode": decision.mode,
            "would": decision.would,
            "reasons": [reason.policy for reason in decision.reasons],
            "advice": list(decision.advice),
            "errors": list(decision.errors),
        },
        "snapshot": decision.snapshot,
        "facts": recorded.rest(facts, context),
        "labels": list(facts.labels),
        "environment": facts.environment,
        "approvals": list(ruled.used),
        "tier": facts.tier,
        "tier_reasons": list(tier_reasons),
        "groups": [{name: getattr(group, name) for name in group.__struct_fields__} for group in groups],
        "findings": [
            _plain(summary) for summary in _summaries(document, recognised.findings, groups, group_of, ruled.wanted)
        ],
        "files": _files(document, key, names=context.file_names),
        "surrogates": len(fresh),
        "tightened": recognised.late,
        "notes": list(document.notes),
        "hosted": sorted({name.partition(":")[0] for name in document.hosted}),
        "sizes": {
            "segments": len(document.segments),
            "characters": passages.characters(document),
            "new": passages.characters(document, passages.last_turn(document)),
        },
    }


def _acting(principal: Principal) -> dict[str, Any]:
    """Give who acts; what an entry of the register allows is not repeated in each record."""
    left = {"scopes", "reach"}
    row = {name: getattr(principal, name) for name in principal.__struct_fields__ if name not in left}
    return {**row, "chain": list(principal.chain)}


def _plain(summary: FindingSummary) -> dict[str, Any]:
    row = {name: getattr(summary, name) for name in summary.__struct_fields__}
    return {**row, "fingerprints": list(summary.fingerprints), "places": list(summary.places)}


def _summaries(
    document: Document,
    findings: Sequence[Finding],
    groups: Sequence[Group],
    group_of: Sequence[int],
    treatments: Sequence[Treatment],
) -> list[FindingSummary]:
    """Give the findings as counts by rule, group and treatment."""
    counts: Counter[tuple[str, int, Treatment]] = Counter()
    values: dict[tuple[str, int, Treatment], dict[str, None]] = {}
    places: dict[tuple[str, int, Treatment], dict[str, None]] = {}
    for finding, group, treatment in zip(findings, group_of, treatments, strict=True):
        name = (finding.rule_id, group, treatment)
        counts[name] += 1
        kept = values.setdefault(name, {})
        if len(kept) < FINGERPRINTS_KEPT:
            kept[finding.fingerprint] = None
        named = places.setdefault(name, {})
        if len(named) < PLACES_KEPT:
            named[_place(document, finding.segment)] = None
    return [
        FindingSummary(
            rule_id=rule_id,
            kind=groups[group].kind,
            tier=groups[group].tier,
            origin=groups[group].origin,
            new=groups[group].new,
            treatment=treatment,
            count=count,
            fingerprints=tuple(values[rule_id, group, treatment]),
            places=tuple(places[rule_id, group, treatment]),
        )
        for (rule_id, group, treatment), count in counts.items()
    ]


def _files(document: Document, key: ScopeKey, *, names: bool) -> list[str]:
    """Give the files that calls of the last two turns opened: keyed hashes, or their names where that is allowed."""
    since = passages.last_turn(document) - 1
    found: dict[str, None] = {}
    for each in reversed(document.segments):
        if each.turn < since or len(found) >= FILES_KEPT:
            break
        if each.kind == "tool_args" and each.key in _FILE_KEYS and len(each.text) <= _LONGEST_NAME:
            found[each.text if names else surrogates.fingerprint(each.text, key)] = None
    return list(found)


def _place(document: Document, segment: int) -> str:
    """Name a segment for a reader of the record: `messages 4.1 (user)`, by positions only (INVARIANT: no text)."""
    path, role = document.segments[segment].path, document.segments[segment].role
    part = path[0] if path and path[0] in _PARTS else "body"
    numbers = ".".join(str(step) for step in path[1:5] if type(step) is int)
    return f"{part} {numbers} ({role})" if numbers else f"{part} ({role})"
