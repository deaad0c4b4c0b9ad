"""inspect(): the joined verdict on documents, with the shipped policies and a detector of three words."""

import re

import msgspec
import pytest

from poundlock.adapters import policyfiles
from poundlock.core import pipeline
from poundlock.core.audit import canonical_body
from poundlock.core.model import Context, Destination, Document, Match, Principal, Rung, ScopeKey, Segment, Snapshot

KEY = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
PRINCIPAL = Principal(human="ada", tool="claude-code", owner="ada", authenticated="credential", tool_claimed=False)
DESTINATION = Destination(name="anthropic", vendor="anthropic", plan="api", endpoint="https://example.test")
KINDS = {
    "TOKEN": ("secret", "secret.aws.access-key", "internal"),
    "PEM": ("secret", "secret.private-key.pem", "restricted"),
    "MAIL": ("pii", "pii.email", "internal"),
}
POLICIES = policyfiles.load()


class Detector:
    """Finds `TOKEN-…`, `PEM-…` and `MAIL-…`."""

    def detect(self, text, *, key="", path="", families=None):
        """Give every such word."""
        return tuple(
            Match(
                rule_id=f"test.{m[1].lower()}",
                family=KINDS[m[1]][0],
                kind=KINDS[m[1]][1],
                tier=KINDS[m[1]][2],
                start=m.start(),
                end=m.end(),
                confidence=0.9,
                value=m[0],
            )
            for m in re.finditer(r"(TOKEN|PEM|MAIL)-\w{6,}", text)
        )


def snapshot(**changes):
    """Give a snapshot with the shipped policies."""
    return Snapshot(detector=Detector(), policies=POLICIES, digest="d1", **changes)


def inspect(*segments, refused=(), issued=(), snap=None, destination=DESTINATION):
    """Inspect a document of these segments (texts are typed, each a turn of its own is given by hand)."""
    parts = tuple(part if isinstance(part, Segment) else Segment(text=part) for part in segments)
    doc = Document(provider="test", operation="chat", segments=parts, conversation="c1")
    context = Context(
        principal=PRINCIPAL,
        destination=destination,
        issued={surrogate.text: surrogate for surrogate in issued},
        refused=frozenset(refused),
    )
    return pipeline.inspect(doc, context, snap or snapshot(), KEY, 1_000, id="id1")


def test_public_text_is_sent_as_it_is():
    """No finding, no change, and a record all the same."""
    verdict = inspect("just a question")
    assert verdict.decision.rung is Rung.SEND
    assert (verdict.texts, verdict.issued, verdict.fresh) == ({}, {}, ())
    assert verdict.draft.body["tier"] == "public"


def test_a_credential_is_disguised_and_can_come_home():
    """The text holds the surrogate, and the vault gets its row."""
    verdict = inspect("use TOKEN-abc123 now")
    (surrogate,) = verdict.fresh
    assert verdict.decision.rung is Rung.SEND_DISGUISED
    assert verdict.texts == {0: f"use {surrogate.text} now"}
    assert verdict.issued == {surrogate.text: surrogate}
    assert surrogate.value == "TOKEN-abc123"


def test_what_the_vault_knows_is_not_written_again():
    """The second exchange of a conversation brings no new rows."""
    (surrogate,) = inspect("TOKEN-abc123").fresh
    verdict = inspect("TOKEN-abc123", issued=[surrogate])
    assert verdict.fresh == ()
    assert verdict.issued == {surrogate.text: surrogate}


def test_a_private_key_that_is_typed_blocks():
    """Nothing leaves, nothing is issued, and its fingerprint is remembered."""
    verdict = inspect("is PEM-abc123 fine?")
    assert verdict.decision.rung is Rung.BLOCKED
    assert (verdict.texts, verdict.fresh) == ({}, ())
    assert len(verdict.refused) == 1
    assert all(reason.reason for reason in verdict.decision.reasons if reason.effect == "forbid")
    assert verdict.decision.advice


def test_a_private_key_from_a_file_is_impounded():
    """The session goes on without it (promise 11)."""
    verdict = inspect("read it", Segment(text="x PEM-abc123 y", role="tool", kind="tool_result", origin="tool"))
    assert verdict.decision.rung in {Rung.SEND, Rung.SEND_DISGUISED}
    assert "PEM-abc123" not in verdict.texts[1]
    assert verdict.texts[1].startswith("x [")
    assert verdict.fresh == ()


def test_after_a_refusal_the_conversation_goes_on():
    """The refused prompt is still in the client's history: with something typed after it, its key is impounded."""
    refused = inspect("is PEM-abc123 fine?").refused
    verdict = inspect("is PEM-abc123 fine?", "never mind, hello", refused=refused)
    assert verdict.decision.rung in {Rung.SEND, Rung.SEND_DISGUISED}
    assert "PEM-abc123" not in verdict.texts[0]


def test_the_same_refused_prompt_again_is_refused_again():
    """A client that tries again by itself gets the same answer."""
    refused = inspect("is PEM-abc123 fine?").refused
    assert inspect("is PEM-abc123 fine?", refused=refused).decision.rung is Rung.BLOCKED


def test_what_is_in_the_history_never_blocks():
    """A key in an old turn is impounded."""
    verdict = inspect(Segment(text="PEM-abc123"), Segment(text="a", role="assistant"), Segment(text="b", turn=1))
    assert verdict.decision.rung in {Rung.SEND, Rung.SEND_DISGUISED}
    assert "PEM" not in verdict.texts[0]


def test_monitor_records_and_changes_nothing():
    """In monitor mode the record says what enforce would have done."""
    verdict = inspect("TOKEN-abc123 PEM-abc123", snap=snapshot(mode="monitor"))
    assert verdict.decision.rung is Rung.SEND
    assert verdict.decision.would == "blocked"
    assert (verdict.texts, verdict.fresh) == ({}, ())


def test_an_unknown_destination_is_blocked():
    """Nobody vouches for it."""
    assert inspect("hello", destination=Destination(name="unknown", vendor="unknown")).decision.rung is Rung.BLOCKED


@pytest.mark.parametrize("text", ["TOKEN-abc123 and MAIL-someone", "PEM-abc123", "nothing"])
def test_a_record_holds_no_value_and_is_canonical(text):
    """Promise 3: no value in the draft, the decision or any repr; and the log takes the body."""
    verdict = inspect(text)
    shown = msgspec.json.encode(verdict.draft.body).decode() + repr(verdict) + repr(verdict.decision)
    assert "abc123" not in shown
    assert "someone" not in shown
    assert canonical_body(verdict.draft.body)


def test_a_record_counts_what_was_found():
    """Findings are summed by rule, origin and treatment, with the fingerprints of their values."""
    verdict = inspect("TOKEN-abc123 TOKEN-abc123 TOKEN-zzz999")
    (row,) = verdict.draft.body["findings"]
    assert (row["rule_id"], row["count"], len(row["fingerprints"]), row["treatment"]) == (
        "test.token",
        3,
        2,
        "disguise",
    )


def test_the_verdict_is_deterministic():
    """Same document, same context: the same bytes."""
    assert inspect("TOKEN-abc123 MAIL-someone") == inspect("TOKEN-abc123 MAIL-someone")


class Broken:
    """Policies whose evaluation fails."""

    policies = ()
    digest = "broken"

    def decide(self, facts):
        """Answer as the engine does on an error."""
        answer = POLICIES.decide(facts)
        return msgspec.structs.replace(answer, rung=Rung.BLOCKED, errors=("evaluation failed",))


def test_an_evaluation_error_blocks():
    """Promise 6."""
    snap = Snapshot(detector=Detector(), policies=Broken(), digest="d")
    verdict = inspect("hello", snap=snap)
    assert verdict.decision.rung is Rung.BLOCKED
    assert verdict.draft.body["decision"]["errors"] == ["evaluation failed"]
