"""What a developer is told afterwards: `run`'s advice, once for each kind and person a day, and an approval's steps."""

from __future__ import annotations

from typing import Any

from poundlock.cli import explain, run
from poundlock.core.model import Record

ADVICE = "Keep it in an environment variable."


def record(seq: int, kind: str, body: dict[str, Any], *, day: int = 0, id: str = "") -> Record:  # noqa: A002 (as records have it)
    """Give a record of a day."""
    return Record(
        seq=seq, at=(20_000 + day) * run.DAY + seq, kind=kind, id=id or f"e{seq}", body=body, prev="", hash=""
    )


def exchange(seq: int, kind: str, *, treatment: str = "disguise", human: str = "ada", **more: Any) -> Record:
    """Give an exchange in which a value of a kind was found."""
    body = {
        "principal": {"human": human, "task": "t"},
        "decision": {"rung": "sendDisguised", "advice": [f"{ADVICE} ({kind})"]},
        "findings": [{"kind": kind, "treatment": treatment}],
    }
    return record(seq, "exchange", body, **more)


def test_advice_is_told_once_a_day() -> None:
    """A kind that this person met earlier the same day is not told again; of another person or day, it is."""
    mine = [exchange(5, "secret.a"), exchange(6, "secret.a"), exchange(7, "secret.b")]
    told = [f"{ADVICE} (secret.a)", f"{ADVICE} (secret.b)"]
    assert run.advice(mine, mine) == told
    assert run.advice([exchange(1, "secret.a"), *mine], mine) == told[1:]
    assert run.advice([exchange(1, "secret.a", human="joan"), *mine], mine) == told
    assert run.advice([exchange(1, "secret.a", day=-1), *mine], mine) == told
    assert run.advice([exchange(1, "secret.a", treatment="clear"), *mine], mine) == told
    assert run.advice([], []) == []


def test_the_last_word_of_an_exchange_counts() -> None:
    """An exchange that was held has two records of its kind: the second tells what came of it."""
    first, second = exchange(1, "secret.a", id="e"), exchange(2, "secret.b", id="e")
    other = record(3, "closing", {})
    assert run.last_words([first, second, other]) == [second]


def test_the_steps_of_an_approval() -> None:
    """Who, through what, why, and what it is now."""
    body = {"approval": "a1", "human": "ada", "by": "grace", "reason": "Agreed", "through": "API", "state": "approved"}
    text = explain.approval(record(4, "answered", body, id="a1"))
    assert text.startswith("a1  ")
    assert "answered  asked by ada, by grace, because Agreed, through API, now approved" in text
    assert "nobody admitted it" in explain.unanswered(record(5, "unanswered", {}))
