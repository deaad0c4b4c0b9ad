"""Approvals as values: who may answer, when, what an answer admits, and to whom it does not."""

import msgspec
import pytest

from poundlock.core import approvals
from poundlock.core.approvals import SECOND, Approval, Needs, Wait
from poundlock.core.errors import ClientFault
from poundlock.core.model import Destination, Document, Finding, Principal, Segment

ADA = Principal(human="ada", tool="claude-code", task="t1")
THERE = Destination(name="anthropic", vendor="anthropic", plan="api")
PLACE = "anthropic (anthropic, api)"
NEEDS = Needs(("v1", "v2"), (("pii.email", 2),), (0, 1))
AT = 1_000 * SECOND
ALIVE = frozenset({7})


def asked(**changes) -> Approval:
    """Give a question by ada for which an exchange waits in process 7."""
    approval = approvals.ask(ADA, "c1", THERE, NEEDS, ["p"], "Why.", id="a1", at=AT, minutes=60, needed=1)
    approval = approvals.joined(approval, Wait(exchange="e1", process=7, until=AT + 150 * SECOND))
    return msgspec.structs.replace(approval, **changes)


def answer(approval: Approval, by: str = "grace", **more) -> Approval:
    """Give it answered, with yes unless told otherwise."""
    given = {"yes": True, "scope": "once", "reason": "", "at": AT + SECOND, "alive": ALIVE, "approvers": ()}
    return approvals.answered(approval, by=by, **{**given, **more})


def test_a_yes_admits_its_needs_there_and_nowhere_else():
    """The values, in this conversation, to this destination, until it ends."""
    rows = [answer(asked())]
    standing = approvals.standing(rows, "c1", "", PLACE, AT + 2 * SECOND)
    assert standing.admitted == {"v1": "a1", "v2": "a1"}
    assert approvals.standing(rows, "c2", "", PLACE, AT + 2 * SECOND).admitted == {}
    assert approvals.standing(rows, "c1", "", "elsewhere (x, y)", AT + 2 * SECOND) == approvals.NOTHING
    assert approvals.standing(rows, "c1", "", PLACE, AT + 9 * 3600 * SECOND).admitted == {}


@pytest.mark.parametrize(
    ("scope", "conversation", "task", "admits"),
    [
        ("once", "c2", "t1", False),
        ("task", "c2", "t1", True),
        ("task", "c2", "t2", False),
        ("task", "c2", "", False),
        ("day", "c2", "t2", True),
    ],
)
def test_scopes(scope, conversation, task, admits):
    """Once and a task stay with the conversation or its task; a day is for every conversation of the person."""
    standing = approvals.standing([answer(asked(), scope=scope)], conversation, task, PLACE, AT + 2 * SECOND)
    assert bool(standing.admitted) is admits


def test_once_is_used_once_and_its_values_keep_their_treatment():
    """What left stays as it was in the history, and admits nothing new; using it again is refused."""
    used = approvals.used(answer(asked()), AT + 2 * SECOND)
    standing = approvals.standing([used], "c1", "t1", PLACE, AT + 3 * SECOND)
    assert (standing.admitted, standing.carried) == ({}, {"v1", "v2"})
    with pytest.raises(ClientFault, match="approved and used already"):
        approvals.used(used, AT + 3 * SECOND)
    lasting = answer(asked(), scope="task")
    assert approvals.used(lasting, AT + 2 * SECOND).state == "approved"


@pytest.mark.parametrize(
    ("changes", "more", "said"),
    [
        ({}, {"by": "ada"}, "Nobody approves their own request"),
        ({}, {"approvers": ("joan",)}, "grace is not an approver"),
        ({}, {"at": AT + 3601 * SECOND}, "has expired"),
        ({"state": "denied"}, {}, "was denied already"),
        ({"state": "used"}, {}, "was approved and used already"),
        ({"state": "withdrawn"}, {}, "the client that asked has gone"),
        ({}, {"alive": frozenset()}, "has gone, so nothing was sent"),
        ({}, {"at": AT + 151 * SECOND}, "has gone, so nothing was sent"),
        ({}, {"by": "ada", "glass": 5}, "you have to say why"),
    ],
)
def test_answers_that_do_not_count(changes, more, said):
    """Each is refused with what happened and what to do next."""
    with pytest.raises(ClientFault, match=said) as fault:
        answer(asked(**changes), **more)
    assert fault.value.advice


def test_who_was_told_the_id_may_be_answered_later():
    """An exchange that waited in vain leaves its question open; a client that left takes it back."""
    told = approvals.left(asked(), "e1", "told")
    assert answer(told, at=AT + 600 * SECOND, alive=frozenset()).state == "approved"
    assert approvals.left(asked(), "e1", "gone").state == "withdrawn"
    two = approvals.joined(asked(), Wait(exchange="e2", process=7, until=AT + 150 * SECOND))
    assert (two.times, approvals.left(two, "e1", "gone").state) == (2, "pending")


def test_two_must_say_yes_and_one_no_is_enough():
    """The narrowest scope counts, nobody counts twice, and a single no ends it."""
    one = answer(asked(needed=2), scope="day")
    assert (one.state, one.scope) == ("pending", "day")
    with pytest.raises(ClientFault, match="answered approval a1 already"):
        answer(one)
    assert (answer(one, "joan").state, answer(one, "joan").scope) == ("approved", "once")
    denied = answer(one, "joan", yes=False, reason="No")
    assert denied.state == "denied"
    assert approvals.standing([denied], "c1", "", PLACE, AT + 2 * SECOND).denied == {"v1": "a1", "v2": "a1"}


def test_a_broken_glass_is_short_and_marked():
    """It is the only way to approve for oneself, ends after its minutes, and says that it was one."""
    broken = answer(asked(needed=2), "ada", glass=5, reason="On call", approvers=("grace",))
    assert (broken.state, broken.glass, broken.valid) == ("approved", True, AT + SECOND + 300 * SECOND)


def test_who_asked_may_take_it_back():
    """A no to one's own request counts."""
    assert answer(asked(), "ada", yes=False).state == "denied"


def test_equal_questions():
    """Another conversation, destination, person or value is another question."""
    first = asked()
    assert approvals.same(first, asked(id="a2", asked=AT + 1))
    for change in ({"conversation": "c2"}, {"destination": "x"}, {"human": "joan"}, {"needs": ("v1",)}):
        assert not approvals.same(first, asked(**change))


def finding(start: int, end: int, fingerprint: str, kind: str = "pii.email") -> Finding:
    """Give a finding in the first segment."""
    return Finding(
        rule_id="r",
        family="pii",
        kind=kind,
        tier="internal",
        segment=0,
        start=start,
        end=end,
        confidence=1.0,
        fingerprint=fingerprint,
    )


def test_excerpts_mask_every_value():
    """Each found value is its kind, also one that nobody asks about; of a whole document the request is shown."""
    text = "Write to ONE and TWO, password THREE."
    spans = [finding(9, 12, "v1"), finding(17, 20, "v2"), finding(31, 36, "v3", "secret.generic.password")]
    document = Document(provider="p", operation="o", segments=(Segment(text=text),))
    shown = approvals.excerpts(document, spans, NEEDS)
    assert shown == ("Write to [email] and [email], password [password].",)
    assert approvals.excerpts(document, spans, Needs(("w",), (("document", 1),), ())) == shown


def test_a_link_is_for_one_approver_and_one_end():
    """What is signed differs with each of its parts, and no two parts run into each other."""
    signed = {
        approvals.linked("a", "b", 1),
        approvals.linked("a", "c", 1),
        approvals.linked("ab", "", 1),
        approvals.linked("a", "b", 2),
    }
    assert len(signed) == 4
