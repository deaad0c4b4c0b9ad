"""`poundlock monitor`: what is counted, and when it is time to enforce."""

from typing import Any

from poundlock.cli import monitor
from poundlock.core.model import Record


def record(seq: int, kind: str, id: str, body: dict[str, Any], day: int = 0) -> Record:  # noqa: A002 (as records have it)
    """Give a record of a day."""
    return Record(seq=seq, at=(20_000 + day) * monitor.DAY + seq, kind=kind, id=id, body=body, prev="", hash="")


def exchange(seq: int, would: str, *, who: str = "ada", policy: str = "p", day: int = 0, place: str = "") -> Record:
    """Give an exchange that would have gone another way."""
    decision = {"rung": "send", "would": would, "reasons": [policy]}
    body = {"decision": decision, "principal": {"human": who}, "environment": place}
    return record(seq, "exchange", f"e{seq}", body, day)


def test_counts():
    """Rungs, policies, people, approvals and sandboxes are counted; what is missing is said."""
    told = monitor.report(
        [
            exchange(1, "sendDisguised"),
            exchange(2, "blocked", who="joan", policy="q"),
            exchange(3, "", place="sandbox/demo"),
            record(4, "asked", "a1", {}),
            record(5, "asked", "a2", {}),
            record(6, "answered", "a1", {"state": "approved"}),
        ]
    )
    assert (told.exchanges, told.changed, told.rungs) == (3, 2, {"blocked": 1, "sendDisguised": 1})
    assert told.policies == (monitor.Policy("p", 1, 0, 1), monitor.Policy("q", 1, 1, 1))
    assert (told.asked, told.answered, told.unanswered) == (2, {"approved": 1}, 1)
    assert told.sandboxes == {"sandbox/demo": 1}
    assert not told.ready
    assert len(told.missing) == 3
    assert "Not ready" in monitor.words(told)


def test_ready():
    """Enough exchanges on enough days, hardly one stopped, and nothing open."""
    told = monitor.report([exchange(n, "sendDisguised", day=n % 5) for n in range(100)])
    assert told.ready
    assert monitor.words(told).endswith("Ready to enforce.\n")
    assert not monitor.report([exchange(n, "sendDisguised", day=n % 4) for n in range(100)]).ready
    assert not monitor.report([exchange(n, "blocked" if n < 3 else "send", day=n % 5) for n in range(100)]).ready


def test_nothing_on_trial():
    """Where nothing is watched, nothing is ready."""
    assert not monitor.report([exchange(1, "")]).ready


def test_the_last_word_of_a_held_exchange_counts():
    """An exchange that was held and then sent is one exchange."""
    assert monitor.report([exchange(1, "sendApproved"), exchange(1, "")]).changed == 0
