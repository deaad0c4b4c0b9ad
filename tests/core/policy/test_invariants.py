"""Over thousands of enumerated facts the default pack keeps its invariants, and each has a mutant that breaks it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest

from poundlock.core.model import Destination, Principal, Rung, Sink
from poundlock.core.policy import decide, ladder, language

from .shipped import AGREED, ME, facts, group, mutant, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from poundlock.core.model import Facts
    from poundlock.core.policy.decide import Answer, Policies

KINDS = (
    "secret.aws.access-key",
    "secret.private-key.pem",
    "secret.signing-key.jwk",
    "secret.seed-phrase",
    "secret.age.secret-key",
    "pii.email",
    "pii.credit_card",
    "pii.health_id",
    "infrastructure.host",
    "identifier.name",
    "code.protected",
    "injection.instruction",
)
TIERS = ("public", "internal", "restricted")
ORIGINS = ("typed", "file", "tool", "untrusted")
UNKNOWN = Destination(name="unknown", vendor="unknown", approved=True, dpa=True, trains=False)
DESTINATIONS = (
    *(
        Destination(name="there", vendor="there", approved=approved, dpa=dpa, trains=trains, local=local)
        for approved, dpa, trains, local in itertools.product((False, True), repeat=4)
    ),
    UNKNOWN,
)
TOOLS = (ME, Principal(human="someone", tool="claude-code", tool_claimed=True), Principal(human=""))
LABELS = ((), ("protected",), ("restricted",))
STAY = ("secret.private-key", "secret.age.secret-key", "secret.signing-key", "secret.seed-phrase")
CLOUD = {Rung.SEND, Rung.SEND_DISGUISED}
RUNGS = 'action in [Action::"send", Action::"sendDisguised", Action::"sendLocal", Action::"sendApproved"]'
X = '@id("x") @reason("It is so.") @advice("Do otherwise.")'


def space() -> Iterator[Facts]:
    """Give who, what mode and where from, with a few groups; then what one group can be at every destination."""
    some = ((), (group(KINDS[0]),), (group(KINDS[1], new=False),), (group(KINDS[1]), group("pii.email", origin="tool")))
    for groups, who, labels, profile, mode, local, to in itertools.product(
        some, TOOLS, LABELS, ("personal", "team", "strict"), ("enforce", "monitor"), (False, True), DESTINATIONS[::4]
    ):
        yield facts(*groups, to=to, who=who, labels=labels, profile=profile, mode=mode, local_model=local)
    for groups, account, budgets, intent, profile, local, to in itertools.product(
        some,
        ("organisation", "personal", "elsewhere"),
        ((), ("few",)),
        ("unsure", "data"),
        ("personal", "team", "strict"),
        (False, True),
        DESTINATIONS[::4],
    ):
        asked = facts(*groups, to=to, profile=profile, local_model=local, account=account, budgets=budgets)
        yield msgspec.structs.replace(asked, intent=intent, action="act" if intent == "data" else "unsure")
    for kind, tier, origin, new, values, to in itertools.product(
        reversed(KINDS), TIERS, ORIGINS, (True, False), (1, 12), DESTINATIONS
    ):
        yield facts(group(kind, tier=tier, origin=origin, new=new, values=values, count=values), to=to, tier=tier)


def newly_typed(asked: Facts) -> bool:
    """Tell whether somebody typed one of the groups just now."""
    return any(each.new and each.origin == "typed" for each in asked.groups)


def leaves(asked: Facts, answer: Answer, family: str) -> Iterator[tuple[object, str]]:
    """Give the groups of a family, or of kinds below it, that leave for the cloud, with how."""
    if answer.rung in CLOUD:
        for each, treatment in zip(asked.groups, answer.treatments, strict=True):
            if (each.kind + ".").startswith(family + "."):
                yield each, treatment


def restricted_never_clear_to_training(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Keep what is restricted from going in clear to a destination that trains."""
    return not asked.destination.trains or all(
        each.tier != "restricted" or treatment != "clear"
        for each, treatment in zip(asked.groups, answer.treatments, strict=True)
    )


def private_keys_stay(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Keep private keys from leaving in clear or disguised; newly typed, they block."""
    for each, treatment in zip(asked.groups, answer.treatments, strict=True):
        if each.kind.startswith(STAY):
            if treatment != "impound":
                return False
            if each.new and each.origin == "typed" and answer.rung is not Rung.BLOCKED:
                return False
    return True


def denials_are_told(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Give every denial a reason and an advice."""
    forbids = [reason for reason in answer.reasons if reason.effect == "forbid"]
    denied = answer.rung is not Rung.SEND or any(treatment != "clear" for treatment in answer.treatments)
    return all(reason.reason and reason.advice for reason in forbids) and (
        not denied or bool(forbids and set(answer.advice) >= {reason.advice for reason in forbids})
    )


def unknown_destinations_block(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Send nothing to a destination that nobody told us about."""
    return asked.destination is not UNKNOWN or (answer.rung is Rung.BLOCKED and answer.holds)


def old_findings_never_block(asked: Facts, answer: Answer, policies: Policies) -> bool:
    """Refuse no exchange for what was not newly typed."""
    if newly_typed(asked) or answer.rung in CLOUD:
        return True
    return policies.decide(msgspec.structs.replace(asked, groups=())).rung is answer.rung


def credentials_never_clear(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Disguise credentials everywhere, also inside the boundary."""
    return all(treatment != "clear" for _, treatment in leaves(asked, answer, "secret"))


def people_never_clear(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Disguise personal data everywhere."""
    return all(treatment != "clear" for _, treatment in leaves(asked, answer, "pii"))


def bulk_stays(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Keep health and payment data of many people from the cloud, except as a one-way marker."""
    return asked.destination.local or all(
        each.values < 10 or treatment == "impound"
        for family in ("pii.health_id", "pii.credit_card")
        for each, treatment in leaves(asked, answer, family)
    )


def internal_needs_agreement(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Send hosts and names in clear only under an agreement that rules out training, or inside the boundary."""
    to = asked.destination
    return (
        to.local
        or (to.dpa and not to.trains)
        or all(
            treatment != "clear"
            for family in ("infrastructure", "identifier")
            for _, treatment in leaves(asked, answer, family)
        )
    )


def code_needs_agreement(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Send protected code with pseudonyms under an agreement, and not at all without one."""
    to = asked.destination
    if to.local:
        return True
    allowed = {"disguise", "impound"} if to.dpa else {"impound"}
    repository = "protected" not in asked.labels or to.dpa or answer.rung not in CLOUD
    return repository and all(treatment in allowed for _, treatment in leaves(asked, answer, "code"))


def restricted_repositories_stay(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Keep work that is declared restricted from the cloud."""
    return "restricted" not in asked.labels or asked.destination.local or answer.rung not in CLOUD


def teams_know_their_tools(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Block a tool that only claims to be one, outside the personal profile."""
    registered = not asked.principal.tool_claimed and asked.principal.tool != "unregistered"
    return registered or asked.profile == "personal" or answer.rung is Rung.BLOCKED


def teams_use_their_accounts(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Send nothing of a team's through an account that is not theirs, or not for this repository."""
    theirs = asked.account in {"organisation", "unknown"} or asked.profile == "personal" or asked.destination.local
    return theirs or answer.rung not in CLOUD


def budgets_hold(asked: Facts, answer: Answer, _: Policies) -> bool:
    """Send nothing more past a budget without somebody's consent."""
    return not asked.budgets or asked.destination.local or answer.rung not in CLOUD


def intent_never_loosens(asked: Facts, answer: Answer, policies: Policies) -> bool:
    """Decide alike whatever the conversation seems to be about."""
    if asked.intent == "unsure":
        return True
    plain = policies.decide(msgspec.structs.replace(asked, intent="unsure", action="unsure"))
    return (plain.rung, plain.treatments) == (answer.rung, answer.treatments)


def monitor_decides_alike(asked: Facts, answer: Answer, policies: Policies) -> bool:
    """Decide in monitor mode as in enforce mode: what it shows is what would happen."""
    if asked.mode == "enforce":
        return True
    return policies.decide(msgspec.structs.replace(asked, mode="enforce")) == answer


INVARIANTS: dict[Callable[[Facts, Answer, Policies], bool], Callable[[], Policies]] = {
    restricted_never_clear_to_training: lambda: mutant(without=("restricted.disguised",)),
    private_keys_stay: lambda: mutant(without=("secret.private-key",)),
    denials_are_told: lambda: mutant(bare="pii.disguised"),
    unknown_destinations_block: lambda: mutant(without=("destination.unknown",)),
    old_findings_never_block: lambda: mutant(
        extra=f'{X} forbid (principal, {RUNGS}, resource in Kind::"document") when {{ resource.count > 0 }};'
    ),
    credentials_never_clear: lambda: mutant(without=("secret.disguised",)),
    people_never_clear: lambda: mutant(without=("pii.disguised",)),
    bulk_stays: lambda: mutant(without=("pii.bulk",)),
    internal_needs_agreement: lambda: mutant(without=("internal.disguised",)),
    code_needs_agreement: lambda: mutant(without=("code.agreement",)),
    restricted_repositories_stay: lambda: mutant(without=("repository.restricted",)),
    teams_know_their_tools: lambda: mutant(without=("tool.unregistered.team",)),
    teams_use_their_accounts: lambda: mutant(without=("account.personal",)),
    budgets_hold: lambda: mutant(without=("budget.spent",)),
    intent_never_loosens: lambda: mutant(
        extra=f'{X} forbid (principal, {RUNGS}, resource) when {{ resource.exchange.intent == "data" }};'
    ),
    monitor_decides_alike: lambda: mutant(
        extra=f'{X} forbid (principal, {RUNGS}, resource) when {{ resource.exchange.mode == Mode::"monitor" }};'
    ),
}


def test_the_default_pack_keeps_every_invariant():
    """Not one of the enumerated facts violates an invariant, and none meets an evaluation error."""
    policies = pack()
    asked = 0
    for each in space():
        answer = policies.decide(each)
        asked += 1
        assert answer.errors == ()
        broken = [invariant.__name__ for invariant in INVARIANTS if not invariant(each, answer, policies)]
        assert broken == [], each
    assert asked == 12 * 3 * 4 * 2 * 2 * 17 + 4 * 3 * 3 * 3 * 2 * 2 * 5 + 4 * 3 * 2 * 2 * 3 * 2 * 5


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
def test_each_invariant_catches_its_mutant(invariant):
    """A pack with one policy taken away, added or left without its words violates the invariant that it guards."""
    policies = INVARIANTS[invariant]()  # a fifth of the facts is enough to catch it
    some = itertools.islice(space(), 0, None, 5)
    assert any(not invariant(each, policies.decide(each), policies) for each in some)


OVERFLOWS = f"{X} forbid (principal, {RUNGS}, resource) when {{ resource.confidence + 9223372036854775807 < 0 }};"


def errors_block(policies: Policies) -> bool:
    """Tell whether every one of some exchanges is blocked, holds, and names the policy."""
    answers = [policies.decide(each) for each in itertools.islice(space(), 0, None, 997)]
    return bool(answers) and all(
        answer.rung is Rung.BLOCKED and answer.holds and answer.errors == ("send: x could not be evaluated",)
        for answer in answers
    )


def test_an_evaluation_error_blocks():
    """A forbid that can't be evaluated (an overflow) is skipped by the engine; the exchange is blocked all the same."""
    assert errors_block(mutant(extra=OVERFLOWS))


def test_a_ladder_that_steps_past_errors_is_caught(monkeypatch):
    """The mutant of the climb that looks only at the engine's decision fails the test of errors."""

    def careless(ask):
        for rung in ladder.OUTBOUND:
            step = ask(rung)
            if step.permitted or (step.errors and rung is Rung.SEND_DISGUISED):
                return ladder.Climb(rung=rung, applied=("disguise",))
        return ladder.Climb(rung=Rung.BLOCKED)

    monkeypatch.setattr(decide.ladder, "climb", careless)
    assert not errors_block(mutant(extra=OVERFLOWS))


HEADS = f"""
{X.replace('"x"', '"t"')} forbid (principal in Team::"red", {RUNGS}, resource in Kind::"pii");
{X.replace('"x"', '"u"')} forbid (principal in Team::"blue", {RUNGS}, resource);
{X.replace('"x"', '"v"')} forbid (principal == Person::"someone", {RUNGS}, resource is Part in Kind::"identifier")
when {{ resource.new }};
"""


def differs(sliced: Policies) -> bool:
    """Tell whether some answer of these policies differs from that of an engine that reads them all every time."""
    whole = mutant(extra=HEADS)
    everything = language.compiled(whole.policies)
    whole._having_a_say = lambda *_: everything
    reds = Principal(human="someone", team="red", tool="claude-code", tool_claimed=False)
    some = [
        msgspec.structs.replace(each, principal=who)
        for each in itertools.islice(space(), 0, None, 41)
        for who in (ME, reds)
    ]
    return any(sliced.decide(each) != whole.decide(each) for each in some)


def test_reading_only_policies_that_can_match_changes_no_answer():
    """Heads by team, by person and by kind, and the whole pack: with the slices as without."""
    assert not differs(mutant(extra=HEADS))


@pytest.mark.parametrize("policy", ["t", "pii.disguised"])
def test_a_slice_that_leaves_a_policy_out_is_caught(policy):
    """A policy whose head was misread is missed, and answers differ."""
    sliced = mutant(extra=HEADS)
    sliced.policies = tuple(
        msgspec.structs.replace(each, kind="document") if each.id == policy else each for each in sliced.policies
    )
    assert differs(sliced)


def restoring(policies: Policies) -> dict[tuple[str, str, bool], bool]:
    """Ask for every kind into every sink."""
    sinks = itertools.product(("display", "file", "command", "function", "remote"), (False, True))
    return {
        (kind, sink, network): policies.restore(ME, AGREED, kind, Sink(kind=sink, tool="Tool", network=network))
        for (sink, network), kind in itertools.product(sinks, KINDS)
    }


def stays_here(answers: dict[tuple[str, str, bool], bool]) -> bool:
    """Tell whether values come back on this machine and nowhere else."""
    return all(given is (sink != "remote" and not network) for (_, sink, network), given in answers.items())


def test_values_are_put_back_on_this_machine_only():
    """Reader, file, local command and local function get the value; the network and remote tools never do."""
    answers = restoring(pack())
    assert len(answers) == 12 * 10
    assert stays_here(answers)


def test_a_pack_without_the_network_policy_is_caught():
    """The mutant that forgets remote tools violates the rule of restoring."""
    assert not stays_here(restoring(mutant(without=("restore.network",))))
