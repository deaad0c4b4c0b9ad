"""Answers: the strictest route, a treatment a group, reasons that join, and nothing that could not be evaluated."""

from __future__ import annotations

import msgspec
import pytest

from poundlock.core.errors import ConfigFault
from poundlock.core.model import Destination, Principal, Rung, Sink
from poundlock.core.policy import decide, ladder
from poundlock.core.policy.decide import Policies

from .shipped import AGREED, ME, SCHEMA, TRAINS, facts, group, mutant, only, pack

KEY = "secret.aws.access-key"
PRIVATE = "secret.private-key.pem"


def told(answer) -> list[str]:
    """Give the names of the policies that an answer joins, in order."""
    return [reason.policy for reason in answer.reasons]


def test_text_without_findings_goes_in_clear():
    """The permit of the rung is the reason, and there is no advice."""
    answer = pack().decide(facts())
    assert (answer.rung, answer.treatments, told(answer), answer.advice) == (Rung.SEND, (), ["send.approved"], ())


def test_a_denied_rung_joins_the_applied_one():
    """The forbid that closed `send` stands before the permit of `sendDisguised`."""
    answer = pack().decide(facts(group(KEY)))
    assert (answer.rung, answer.treatments) == (Rung.SEND_DISGUISED, ("disguise",))
    assert told(answer) == ["secret.disguised", "send.approved", "disguise"]
    assert [reason.effect for reason in answer.reasons] == ["forbid", "permit", "permit"]
    assert answer.reasons[0].control == "credentials"
    assert answer.advice == (answer.reasons[0].advice,)


def test_a_blocked_answer_begins_with_what_blocks():
    """The private key's policy is said first, and no permit is said at all."""
    answer = pack().decide(facts(group("pii.email"), group(PRIVATE)))
    assert (answer.rung, answer.treatments) == (Rung.BLOCKED, ("disguise", "impound"))
    assert told(answer) == ["secret.private-key", "secret.disguised", "pii.disguised"]


def test_groups_are_treated_each_by_itself():
    """Clear, disguise and impound stand beside the groups, in their order."""
    answer = pack().decide(
        facts(
            group("infrastructure.host", tier="internal"),
            group(KEY),
            group(PRIVATE, origin="tool"),
        )
    )
    assert (answer.rung, answer.treatments) == (Rung.SEND_DISGUISED, ("clear", "disguise", "impound"))


def test_an_impounded_group_alone_makes_the_answer_a_disguised_one():
    """An exchange that is changed is never called sent in clear."""
    assert pack().decide(facts(group(PRIVATE, new=False))).rung is Rung.SEND_DISGUISED


@pytest.mark.parametrize(
    ("local_model", "rung", "by"), [(True, Rung.SEND_LOCAL, "local"), (False, Rung.SEND_APPROVED, "approval")]
)
def test_a_higher_rung_says_what_led_there(local_model, rung, by):
    """The answer names what forbade the rungs below, then what permits this one; the document itself may be sent."""
    answer = pack().decide(facts(group("pii.health_id", values=10), local_model=local_model))
    assert (answer.rung, answer.climbs[0].applied, answer.whole.rung) == (rung, (by,), Rung.SEND)
    assert {"pii.bulk", by} <= set(told(answer))


def test_nothing_permitted_is_a_denial_with_a_reason_and_an_advice():
    """An empty set of policies blocks, and says that nobody permits it."""
    answer = only("").decide(facts(group(KEY, origin="tool")))
    assert (answer.rung, answer.reasons) == (Rung.BLOCKED, (ladder.NO_PERMIT,))
    assert answer.advice == (ladder.NO_PERMIT.advice,)


OVERFLOW = (
    '@id("big") @reason("r") @advice("a") forbid (principal, action == Action::"send", resource in Kind::"pii")'
    " when { resource.values + 9223372036854775807 > 0 };"
)


def test_one_part_that_cannot_be_evaluated_blocks_the_exchange():
    """The error names the policy; treatments, reasons and advice are there all the same."""
    answer = mutant(extra=OVERFLOW).decide(facts(group(KEY), group("pii.email", origin="tool")))
    assert (answer.rung, answer.errors) == (Rung.BLOCKED, ("send: big could not be evaluated",))
    assert answer.treatments == ("disguise", "impound")
    assert answer.reasons[0] == ladder.FAULT
    assert answer.holds


def test_an_error_is_not_remembered_for_a_part():
    """What could not be evaluated is asked again, in other company."""
    policies = mutant(extra=OVERFLOW)
    policies.decide(facts(group("pii.email")))
    assert policies.decide(facts(group("pii.email"), group(KEY))).errors == ("send: big could not be evaluated",)


@pytest.mark.parametrize("what", ["human", "tool", "model"])
def test_a_name_that_no_text_can_hold_blocks_without_quoting_it(what):
    """A lone surrogate code point in a name is not evaluated, and no error repeats it."""
    bad = "canary\ud800"
    who = Principal(human=bad if what == "human" else "a", tool=bad if what == "tool" else "b", tool_claimed=False)
    to = Destination(name="there", vendor="there", model=bad if what == "model" else "")
    answer = pack().decide(facts(group(KEY), who=who, to=to))
    assert (answer.rung, answer.errors) == (Rung.BLOCKED, ("the facts do not fit the schema",))
    assert "canary" not in repr(answer)


def test_a_name_that_reads_like_policy_is_only_a_name():
    """Quotes, braces and newlines in a name change nothing."""
    odd = 'x"\n}; permit (principal, action, resource); //'
    who = Principal(human=odd, tool=odd, team=odd, tool_claimed=False, scopes=(odd, odd))
    answer = pack().decide(facts(group(PRIVATE), who=who))
    assert (answer.rung, answer.errors) == (Rung.BLOCKED, ())


def test_numbers_past_the_engine_s_range_block():
    """A count that Cedar can't hold is refused, not cut."""
    answer = pack().decide(facts(group(KEY, count=1 << 70)))
    assert answer.rung is Rung.BLOCKED
    assert answer.errors


def test_who_and_where_to_exist_whatever_is_missing():
    """An empty principal, tool and destination are the explicit entity `unregistered`, and are blocked as unknown."""
    answer = pack().decide(facts(who=Principal(human="", tool=""), to=Destination(name="", vendor="")))
    assert (answer.rung, answer.errors) == (Rung.BLOCKED, ())
    assert "destination.unknown" in told(answer)


@pytest.mark.parametrize("name", ["claude-code", "unregistered"])
def test_a_tool_that_claims_is_not_registered(name):
    """A claimed name is not an identity, and `unregistered` is none either."""
    who = Principal(human="someone", tool=name, tool_claimed=name != "unregistered")
    assert pack().decide(facts(who=who, profile="team")).rung is Rung.BLOCKED


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        (facts(), False),
        (facts(group(PRIVATE)), False),
        (facts(to=Destination(name="", vendor="unknown")), True),
        (facts(group(PRIVATE), to=Destination(name="", vendor="unknown")), True),
    ],
)
def test_only_marked_policies_hold_in_monitor_mode(asked, holds):
    """An unknown destination holds, since its policy says so; a private key does not."""
    assert pack().decide(asked).holds is holds


def test_kinds_stand_in_their_family_whatever_their_name():
    """A kind is reached by each of its prefixes, and by its family where its name begins otherwise."""
    odd = group("vendor.token")
    answer = pack().decide(facts(msgspec.structs.replace(odd, family="secret")))
    assert answer.treatments == ("disguise",)


def test_a_kind_is_not_reached_by_a_prefix_that_is_no_part_of_it():
    """`secret.private-keyring` is no private key."""
    assert pack().decide(facts(group("secret.private-keyring.token"))).rung is Rung.SEND_DISGUISED


def test_asking_again_asks_nobody(monkeypatch):
    """Equal facts are answered from memory; a new group beside old ones is the only one that is asked about."""
    policies = only('@id("a") @reason("r") permit (principal, action == Action::"send", resource);')
    asked: list[str] = []
    ask = policies._ask

    def counting(action, principal, resource, *rest):
        asked.append(resource["id"])
        return ask(action, principal, resource, *rest)

    monkeypatch.setattr(policies, "_ask", counting)
    first = policies.decide(facts(group(KEY)))
    assert policies.decide(facts(group(KEY))) is first
    assert asked == ["document", "0"]
    policies.decide(facts(group(KEY), group("pii.email")))
    assert asked == ["document", "0", "document", "1"]


def test_another_destination_is_never_answered_from_memory():
    """What was clear under an agreement is disguised without it, in whatever order they are asked."""
    policies = mutant()
    host = group("infrastructure.host", tier="internal")
    for to, treatment in ((AGREED, "clear"), (TRAINS, "disguise"), (AGREED, "clear")):
        assert policies.decide(facts(host, to=to)).treatments == (treatment,)


def test_memory_is_bounded(monkeypatch):
    """The oldest answers go; what is asked for stays."""
    remembered = decide._Remembered(2)
    made: list[str] = []

    def make(name: str) -> str:
        return remembered.get(name, lambda: made.append(name) or name)

    assert [make(name) for name in "abacab"] == list("abacab")
    assert made == ["a", "b", "c", "b"]


def test_the_digest_names_texts_and_schema():
    """The same texts have the same digest in any order; a changed word has another."""
    texts = {"a": '@id("a") @reason("r") permit (principal, action == Action::"send", resource);', "b": ""}
    digest = Policies.compile(texts, SCHEMA).digest
    assert digest == Policies.compile(dict(reversed(texts.items())), SCHEMA).digest
    assert len(digest) == 64
    assert digest != Policies.compile({**texts, "a": texts["a"].replace('"r"', '"s"')}, SCHEMA).digest
    assert digest != Policies.compile(texts, SCHEMA + "\n").digest


def test_restoring_is_refused_where_it_cannot_be_asked():
    """A tool name that no text can hold is a no."""
    assert pack().restore(ME, AGREED, KEY, Sink(kind="file", tool="Write"))
    assert not pack().restore(ME, AGREED, KEY, Sink(kind="file", tool="\ud800"))
    assert not only("").restore(ME, AGREED, KEY, Sink(kind="display"))


def test_a_policy_of_a_team_joins_the_pack():
    """A forbid by principal, tool and destination applies to them, and to nobody else."""
    extra = """@id("team.finance") @reason("Finance keeps names inside.") @advice("Use the model inside.")
    forbid (principal in Team::"finance", action in [Action::"send", Action::"sendDisguised"], resource)
    when { resource.exchange.tool == Tool::"claude-code" && resource.exchange.destination in Vendor::"anthropic" };"""
    policies = mutant(extra=extra)
    finance = Principal(human="someone", team="finance", tool="claude-code", tool_claimed=False)
    assert policies.decide(facts(who=finance)).rung is Rung.SEND_APPROVED
    assert policies.decide(facts(who=ME)).rung is Rung.SEND
    assert policies.decide(facts(who=finance, to=Destination(name="b", vendor="b", approved=True))).rung is Rung.SEND


def test_sets_that_cannot_be_put_together_are_a_fault():
    """A problem never compiles into a smaller set."""
    with pytest.raises(ConfigFault, match=r"a\.cedar"):
        Policies.compile({"a.cedar": "permit (principal"}, SCHEMA)
