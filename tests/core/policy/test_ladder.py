"""Climbing: no further than needed, never past an error, and every denial by name."""

from __future__ import annotations

from poundlock.core.model import Rung
from poundlock.core.policy.ladder import OUTBOUND, Climb, Step, climb, strictest


def answers(*steps: Step):
    """Give a question that answers with these steps, and the list of rungs that it was asked for."""
    asked: list[Rung] = []

    def ask(rung: Rung) -> Step:
        asked.append(rung)
        return steps[len(asked) - 1]

    return ask, asked


def test_the_first_permitted_rung_is_taken_and_no_other_is_asked():
    """A permitted `send` ends the climb at once."""
    ask, asked = answers(Step(permitted=True, policies=("ok",)))
    assert climb(ask) == Climb(rung=Rung.SEND, applied=("ok",))
    assert asked == [Rung.SEND]


def test_denials_are_named_highest_rung_first_and_once():
    """What closed the higher rung weighs more; a policy that closed two rungs is named once."""
    ask, asked = answers(
        Step(permitted=False, policies=("both", "low")),
        Step(permitted=False, policies=("both", "high")),
        Step(permitted=True, policies=("local",)),
    )
    assert climb(ask) == Climb(rung=Rung.SEND_LOCAL, denied=("both", "high", "low"), applied=("local",))
    assert asked == [Rung.SEND, Rung.SEND_DISGUISED, Rung.SEND_LOCAL]


def test_without_a_permitted_rung_it_blocks():
    """Four denials block, with every name."""
    ask, asked = answers(*[Step(permitted=False, policies=("no",))] * 4)
    assert climb(ask) == Climb(rung=Rung.BLOCKED, denied=("no",))
    assert asked == list(OUTBOUND)


def test_an_error_ends_the_climb_even_where_the_engine_permits():
    """The engine skips a policy that it can't evaluate and may then permit: that permit is not taken."""
    ask, asked = answers(Step(permitted=True, policies=("ok",), errors=("send: x could not be evaluated",)))
    assert climb(ask) == Climb(rung=Rung.BLOCKED, errors=("send: x could not be evaluated",))
    assert asked == [Rung.SEND]


def test_the_strictest_route_is_blocked_then_approved_then_local_then_cloud():
    """Send and sendDisguised are one route, the cloud."""
    ordered = [Rung.SEND, Rung.SEND_LOCAL, Rung.SEND_APPROVED, Rung.BLOCKED]
    assert [strictest(ordered[: length + 1]) for length in range(4)] == ordered
    assert strictest([Rung.SEND_DISGUISED, Rung.SEND_LOCAL]) is Rung.SEND_LOCAL
    assert strictest([Rung.SEND_DISGUISED, Rung.SEND]) is Rung.SEND_DISGUISED
