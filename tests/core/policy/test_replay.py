"""Facts in records and back, and what another set of policies answers to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from poundlock.core import pipeline
from poundlock.core.model import (
    Context,
    Destination,
    Document,
    Match,
    Principal,
    Reach,
    Record,
    ScopeKey,
    Segment,
    Snapshot,
)
from poundlock.core.policy import recorded
from poundlock.core.policy.replay import Change, replay
from tests.core.policy import shipped

if TYPE_CHECKING:
    from poundlock.core.policy.decide import Policies

KEY = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
TIGHTER = (
    '@id("team.mail") @reason("No mail.") @advice("Leave it out.")\n'
    'forbid (principal, action in [Action::"send", Action::"sendDisguised"], resource in Kind::"pii");'
)


class Detector:
    """Finds the word MAIL."""

    def detect(self, text, **_):
        """Give it where it stands."""
        at = text.find("MAIL")
        if at < 0:
            return ()
        return (
            Match(
                rule_id="test.mail",
                family="pii",
                kind="pii.email",
                tier="internal",
                start=at,
                end=at + 4,
                confidence=0.9,
                value="MAIL",
            ),
        )


def inspected(text: str, who: Principal, policies: Policies, **changes) -> tuple[pipeline.Verdict, Record]:
    """Inspect one typed text; give the verdict and its record."""
    document = Document(
        provider="anthropic", operation="messages", segments=(Segment(text=text, path=("messages", 0)),)
    )
    context = Context(principal=who, destination=shipped.AGREED, **changes)
    snapshot = Snapshot(detector=Detector(), policies=policies, digest="d", profile="team")
    verdict = pipeline.inspect(document, context, snapshot, KEY, 1, id=f"id-{len(text)}")
    body = msgspec.json.decode(msgspec.json.encode(verdict.draft.body))
    return verdict, Record(seq=1, at=1, kind="exchange", id=f"id-{len(text)}", body=body, prev="", hash="")


LIMITED = Principal(
    human="ada",
    tool="a",
    tool_claimed=False,
    team="red",
    scopes=("send:anthropic",),
    chain=("a", "b"),
    repository="org/app",
    reach=Reach(destinations=("anthropic",), max_tier="internal"),
)


@pytest.mark.parametrize("who", [shipped.ME, LIMITED], ids=["plain", "limited"])
def test_facts_come_back_from_the_record(who):
    """What the policies were asked with is what the record gives again, with the limits of the tool's entry."""
    verdict, record = inspected("the MAIL", who, shipped.pack(), account="personal", budgets=("day",), repository="r")
    found = recorded.facts(record.body)
    assert found == verdict.facts
    assert found.principal.reach == who.reach
    assert (found.account, found.budgets, found.repository, found.profile) == ("personal", ("day",), "r", "team")


def test_a_moved_exchange_is_asked_for_where_it_was_to_go():
    """The record holds the destination that was asked for, beside the one that it went to."""
    inside = Destination(name="inside", vendor="ollama", local=True, trains=False, approved=True)
    verdict, record = inspected("x", shipped.ME, shipped.pack(), labels=("restricted",), local=inside)
    assert record.body["destination"]["name"] == verdict.facts.destination.name == "inside"
    found = recorded.facts(record.body)
    assert found.destination == shipped.AGREED
    assert shipped.pack().decide(found).rung.value == "sendLocal"


def test_what_a_tighter_set_changes():
    """Only what changes is told, with its way, its person, its kinds and the policies that have a new say."""
    tighter = shipped.mutant(extra=TIGHTER)
    records = [inspected(text, shipped.ME, shipped.pack())[1] for text in ("no mails", "one MAIL")]
    records[0] = msgspec.structs.replace(records[0], id="plain")
    told = replay(
        [*records, msgspec.structs.replace(records[1], id="old", body={"decision": {}})], shipped.pack(), tighter
    )
    assert (told.exchanges, told.lacking) == (2, 1)
    assert told.changes == (
        Change(
            id="id-8",
            human="someone",
            tool="claude-code",
            destination="anthropic",
            before="sendDisguised",
            after="sendApproved",
            kinds=("pii.email",),
            policies=told.changes[0].policies,
        ),
    )
    assert "team.mail" in told.changes[0].policies
    assert told.rungs == {"sendDisguised → sendApproved": 1}
    assert told.people == {"someone": 1}
    assert replay(records, shipped.pack(), shipped.pack()).changes == ()
