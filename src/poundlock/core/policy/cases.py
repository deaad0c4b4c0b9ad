"""Cases beside a policy: facts, and the answer that is wanted. They are how a policy is tested and read.

It must never pass a case that wants nothing, nor take a key that nobody knows.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core import calls, leases
from poundlock.core.errors import ConfigFault
from poundlock.core.leases import Asked
from poundlock.core.model import (
    Destination,
    Facts,
    Family,
    Group,
    Mode,
    Origin,
    Principal,
    Profile,
    Reach,
    Rung,
    Sink,
    Tier,
    Treatment,
)
from poundlock.core.review import Change

if TYPE_CHECKING:
    from poundlock.core.policy.decide import Answer, CallAnswer, Policies

_FAMILIES: tuple[Family, ...] = ("secret", "pii", "infrastructure", "identifier", "code", "injection")


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; a key that nobody knows is an error."""


class _Tool(_Row, frozen=True, kw_only=True):
    name: str = "claude-code"
    registered: bool = True
    destinations: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    max_tier: Tier = "restricted"
    scopes: tuple[str, ...] = ()


class _To(_Row, frozen=True, kw_only=True):
    vendor: str = "anthropic"
    plan: str = "commercial"
    model: str = ""
    approved: bool = True
    local: bool = False
    dpa: bool = False
    baa: bool = False
    trains: bool = True
    zero_retention: bool = False


class _Found(_Row, frozen=True, kw_only=True):
    kind: str
    tier: Tier = "restricted"
    origin: Origin = "typed"
    new: bool = True
    count: int = 1
    values: int = 1
    confidence: int = 90


class _Call(_Row, frozen=True, kw_only=True):
    tool: str
    arguments: dict[str, Any] | str = ""


class _Commit(_Row, frozen=True, kw_only=True):
    tools: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    approvals: int = 0
    files: int = 1


class _Lease(_Row, frozen=True, kw_only=True):
    grant: str
    writes: bool = True
    tier: Tier = "internal"
    environment: str = ""


class _Facts(_Row, frozen=True, kw_only=True):
    human: str = "someone"
    team: str = ""
    tool: _Tool = _Tool()
    to: _To = _To()
    found: tuple[_Found, ...] = ()
    tier: Tier = "public"
    intent: str = "unsure"
    action: str = "unsure"
    repository: str = ""
    environment: str = ""
    labels: tuple[str, ...] = ()
    profile: Profile = "personal"
    mode: Mode = "enforce"
    local_model: bool = False
    account: str = "unknown"
    budgets: tuple[str, ...] = ()
    sink: Sink | None = None
    call: _Call | None = None
    commit: _Commit | None = None
    lease: _Lease | None = None


class _Want(_Row, frozen=True, kw_only=True):
    rung: Rung | None = None
    treatments: tuple[Treatment, ...] | None = None
    reasons: tuple[str, ...] = ()
    restore: bool | None = None
    release: bool | None = None


class Case(_Row, frozen=True, kw_only=True):
    """One case: what it is about, the facts, and what is wanted of the answer."""

    note: str
    facts: _Facts = _Facts()
    want: _Want


class _File(_Row, frozen=True, kw_only=True):
    case: tuple[Case, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a case went: no differences, or each in a sentence."""

    file: str
    note: str
    differences: tuple[str, ...]
    answer: Answer | None = None


def read(text: str, *, source: str) -> tuple[Case, ...]:
    """Read `[[case]]` tables from TOML text. Raises `ConfigFault` naming the file, the key and what is wrong."""
    try:
        cases = msgspec.convert(tomllib.loads(text), _File).case
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise ConfigFault(f"{source}: {fault}", advice="Correct the case that is named.") from None
    for number, case in enumerate(cases, 1):
        if case.want == _Want():
            raise ConfigFault(
                f"{source}: case {number} wants nothing.",
                advice="Say what is wanted: rung, treatments, reasons, restore or release.",
            )
        if (case.want.restore is None) is not (case.facts.sink is None):
            raise ConfigFault(
                f"{source}: case {number}: a sink and `restore` belong together.",
                advice="Give `facts.sink` and `want.restore`, or neither.",
            )
        if (case.want.release is None) is not (case.facts.commit is None):
            raise ConfigFault(
                f"{source}: case {number}: a commit and `release` belong together.",
                advice="Give `facts.commit` and `want.release`, or neither.",
            )
        for found in case.facts.found:
            _family(found.kind, f"{source}: case {number}")
    return cases


def run(policies: Policies, case: Case, *, source: str) -> Result:
    """Ask the policies for one case, and compare."""
    facts = facts_of(case)
    if case.facts.sink is not None:
        kind = case.facts.found[0].kind if case.facts.found else "secret"
        given = policies.restore(facts.principal, facts.destination, kind, case.facts.sink)
        wanted = case.want.restore
        differences = () if given is wanted else (f"restore is {_yes(given)}, wanted {_yes(wanted)}",)
        return Result(file=source, note=case.note, differences=differences)
    if case.facts.commit is not None:
        commit = Change(id="commit", **{name: getattr(case.facts.commit, name) for name in _Commit.__struct_fields__})
        said = policies.release(facts.principal, commit)
        released = said.rung is not Rung.BLOCKED
        told = _differences(case.want, said)
        if released is not case.want.release:
            told.append(f"release is {_yes(released)}, wanted {_yes(case.want.release)}")
        return Result(file=source, note=case.note, differences=tuple(told))
    if case.facts.lease is not None:
        lease = case.facts.lease
        wish = Asked(
            grant=leases.grant(lease.grant), writes=lease.writes, tier=lease.tier, environment=lease.environment
        )
        given_ = policies.lease(facts.principal, wish, facts.profile)
        return Result(file=source, note=case.note, differences=tuple(_differences(case.want, given_)))
    if case.facts.call is not None:
        called = policies.call(facts, calls.describe(case.facts.call.tool, case.facts.call.arguments))
        return Result(file=source, note=case.note, differences=tuple(_differences(case.want, called)))
    answer = policies.decide(facts)
    return Result(file=source, note=case.note, differences=tuple(_differences(case.want, answer)), answer=answer)


def facts_of(case: Case) -> Facts:
    """Give the facts that a case describes, as policy sees them."""
    said = case.facts
    groups = tuple(
        Group(
            family=_family(found.kind, case.note),
            kind=found.kind,
            tier=found.tier,
            origin=found.origin,
            new=found.new,
            count=max(found.count, found.values),
            values=found.values,
            confidence=found.confidence,
        )
        for found in said.found
    )
    return Facts(
        principal=Principal(
            human=said.human,
            team=said.team,
            tool=said.tool.name,
            tool_claimed=not said.tool.registered,
            scopes=said.tool.scopes,
            reach=Reach(**{name: getattr(said.tool, name) for name in Reach.__struct_fields__}),
        ),
        destination=Destination(
            name=said.to.vendor,
            **{name: getattr(said.to, name) for name in _To.__struct_fields__},
        ),
        tier=said.tier,
        intent=said.intent,
        action=said.action,
        groups=groups,
        repository=said.repository,
        environment=said.environment,
        labels=said.labels,
        profile=said.profile,
        mode=said.mode,
        local_model=said.local_model,
        account=said.account,
        budgets=said.budgets,
    )


def _differences(want: _Want, answer: Answer | CallAnswer) -> list[str]:
    found: list[str] = list(answer.errors)
    if want.rung is not None and answer.rung is not want.rung:
        found.append(f"rung is {answer.rung.value}, wanted {want.rung.value}")
    treatments = getattr(answer, "treatments", ())
    if want.treatments is not None and treatments != want.treatments:
        found.append(f"treatments are {_list(treatments)}, wanted {_list(want.treatments)}")
    told = {reason.policy for reason in answer.reasons}
    found += [
        f"{policy} is not among the reasons ({_list(sorted(told))})" for policy in want.reasons if policy not in told
    ]
    return found


def _family(kind: str, where: str) -> Family:
    first = kind.partition(".")[0]
    for family in _FAMILIES:
        if first == family:
            return family
    raise ConfigFault(f"{where}: no family has the kind {kind!r}.", advice=f"Begin it with one of {_list(_FAMILIES)}.")


def _list(names: Any) -> str:
    return ", ".join(names) or "none"


def _yes(answer: bool | None) -> str:
    return "yes" if answer else "no"
