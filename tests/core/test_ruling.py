"""Trials, modes and the model inside the boundary, on documents, with the shipped policies."""

import pytest

from poundlock.adapters import policyfiles
from poundlock.core import pipeline, surrogates
from poundlock.core.approvals import Standing
from poundlock.core.model import Context, Destination, Document, Rung, Segment

from .test_pipeline import DESTINATION, KEY, PRINCIPAL, snapshot

INSIDE = Destination(name="inside", vendor="inside", local=True, trains=False)
MAIL = "Write to MAIL-abcdef."


def inspect(*texts, snap=None, **more):
    """Inspect typed texts with this in the context."""
    document = Document(
        provider="test", operation="chat", segments=tuple(Segment(text=text) for text in texts), conversation="c1"
    )
    context = Context(principal=PRINCIPAL, destination=DESTINATION, **more)
    return pipeline.inspect(document, context, snap or snapshot(), KEY, 1_000, id="id1")


def test_a_policy_on_trial_is_told_and_not_enforced():
    """What it would have done is on record, the rest is enforced."""
    verdict = inspect(MAIL, "TOKEN-abcdef", trial=frozenset({"pii.disguised"}))
    assert verdict.decision.treatments == ("clear", "disguise")
    assert (verdict.decision.rung, verdict.decision.would) == (Rung.SEND_DISGUISED, "sendDisguised")
    assert "pii.disguised" in [reason.policy for reason in verdict.decision.reasons]
    assert [row["treatment"] for row in verdict.draft.body["findings"]] == ["disguise", "disguise"]


def test_a_rule_on_trial_is_told_and_not_enforced():
    """Its findings stay clear; those of others don't."""
    verdict = inspect("TOKEN-abcdef PEM-abcdef", trial=frozenset({"test.pem"}))
    assert (verdict.decision.rung, verdict.decision.would) == (Rung.SEND_DISGUISED, "blocked")
    assert verdict.decision.treatments == ("disguise", "clear")


def test_a_record_says_where_a_value_stood():
    """By position and role, and never by a name that a client chose."""
    held = Segment(text="TOKEN-abcdef", path=("messages", 4, "content", 1, "my own name"), role="user")
    odd = Segment(text="TOKEN-ghijkl", path=("my own name", 3), role="tool")
    document = Document(provider="test", operation="chat", segments=(held, odd), conversation="c1")
    context = Context(principal=PRINCIPAL, destination=DESTINATION)
    verdict = pipeline.inspect(document, context, snapshot(), KEY, 1_000, id="id1")
    assert [row["places"] for row in verdict.draft.body["findings"]] == [["messages 4.1 (user)", "body 3 (tool)"]]


def test_a_trial_that_changes_nothing_is_not_told():
    """Without a difference there is nothing to tell."""
    assert inspect("Hello.", trial=frozenset({"pii.disguised"})).decision.would == ""


def test_what_holds_in_monitor_mode_is_on_no_trial():
    """A policy that always blocks can't be tried out."""
    unknown = Destination(name="x", vendor="unknown")
    document = Document(provider="test", operation="chat", segments=(Segment(text="Hello."),))
    context = Context(principal=PRINCIPAL, destination=unknown, trial=frozenset({"destination.unknown"}))
    verdict = pipeline.inspect(document, context, snapshot(), KEY, 1_000, id="id1")
    assert verdict.decision.rung is Rung.BLOCKED


@pytest.mark.parametrize(("given", "mode"), [("monitor", "enforce"), ("enforce", "monitor")])
def test_a_mode_of_one_s_own_goes_before_the_snapshot_s(given, mode):
    """Both ways: one person may be watched only, and one may be guarded already."""
    verdict = inspect(MAIL, snap=snapshot(mode=mode), mode=given)
    assert verdict.decision.treatments == (("clear",) if given == "monitor" else ("disguise",))
    assert verdict.draft.body["decision"]["mode"] == given


def test_moved_inside_it_is_judged_for_inside():
    """A restricted repository goes to the model inside; the record names it, and the conversation keeps the label."""
    verdict = inspect(MAIL, labels=("restricted",), local=INSIDE)
    assert (verdict.decision.rung, verdict.facts.destination) == (Rung.SEND_LOCAL, INSIDE)
    assert verdict.decision.treatments == ("disguise",)
    assert verdict.draft.body["destination"]["name"] == "inside"
    assert "local" in verdict.facts.labels
    assert verdict.texts
    assert verdict.fresh


def test_a_conversation_that_was_moved_stays():
    """Whatever is asked next; and without a model inside, nothing leaves."""
    stays = inspect("Hello.", labels=("local",), local=INSIDE)
    assert (stays.decision.rung, stays.decision.reasons[0].policy) == (Rung.SEND_LOCAL, "stays-local")
    gone = inspect("Hello.", labels=("local",))
    assert (gone.decision.rung, gone.decision.reasons[0].policy) == (Rung.BLOCKED, "local-unavailable")
    assert gone.decision.advice


def test_inside_a_private_key_is_no_less_one():
    """What may not even stay inside blocks there, too."""
    assert inspect("PEM-abcdef", labels=("restricted",), local=INSIDE).decision.rung is Rung.BLOCKED


def test_a_document_waits_for_a_person_and_leaves_with_a_yes():
    """A restricted repository without a model inside: its need is one keyed hash, and a yes to it lets it leave."""
    held = inspect(MAIL, labels=("restricted",))
    assert (held.decision.rung, held.needs.kinds, held.texts) == (Rung.SEND_APPROVED, (("document", 1),), {})
    assert held.refused == ()
    admitted = inspect(MAIL, labels=("restricted",), standing=Standing(admitted=dict.fromkeys(held.needs.values, "a1")))
    assert (admitted.decision.rung, admitted.used) == (Rung.SEND_DISGUISED, ("a1",))
    assert admitted.draft.body["approvals"] == ["a1"]


def test_an_admitted_value_is_disguised_and_never_clear():
    """A yes does not show a value to the provider: its stand-in leaves, and the value comes home."""
    mark = surrogates.fingerprint("MAIL-abcdef", KEY)
    policies = snapshot().policies
    asks = type(policies).compile(
        {
            "one.cedar": '@id("a") @reason("R.") permit (principal, action, resource);'
            '@id("b") @reason("R.") @advice("A.") forbid (principal, '
            'action in [Action::"send", Action::"sendDisguised", Action::"sendLocal"], resource in Kind::"pii");'
        },
        policyfiles.schema(),
    )
    snap = snapshot()
    snap = type(snap)(detector=snap.detector, policies=asks, digest="d2")
    held = inspect(MAIL, snap=snap)
    assert (held.decision.rung, held.needs.values) == (Rung.SEND_APPROVED, (mark,))
    verdict = inspect(MAIL, snap=snap, standing=Standing(admitted={mark: "a1"}))
    assert (verdict.decision.treatments, verdict.used) == (("disguise",), ("a1",))
    other = inspect(MAIL, snap=snap, standing=Standing(admitted={"another": "a1"}))
    assert other.decision.rung is Rung.SEND_APPROVED
