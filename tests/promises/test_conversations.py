"""Promises 4, 8, 9 and 11: turns keep their bytes, a refused turn ends no session, and what is known stays known."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway import canary
from tests.gateway.dialects import ANTHROPIC, OPENAI, Dialect
from tests.gateway.running import PLAIN, SURROGATE, Gate, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.promises.conftest import Broken


def growing(gate: Gate, dialect: Dialect, between: Callable[[int], object]) -> None:
    """Lead a conversation of ten turns in which values come, go home, and come back; each request prefixes the next."""
    url = canary.database_url(canary.password())
    asked = [f"Connect to {url}, please."]
    talk: list[Any] = []
    bodies: list[bytes] = []
    first = len(gate.mock.requests())
    for turn in range(10):
        between(turn)
        talk.append({"role": "user", "content": asked[-1]})
        said = "Done: {{name}}"
        script = {"copy": {"name": {"pattern": f"({SURROGATE.pattern})"}}, "turns": [{"blocks": [{"text": said}]}]}
        gate.mock.play(script)
        answer = gate.ask(dialect, dialect.body(*talk, stream=turn % 2 == 0))
        assert answer.status == 200, answer.body
        text = dialect.text(answer.body)
        assert not SURROGATE.search(text)
        talk.append({"role": "assistant", "content": text})
        if turn == 4:
            talk += dialect.call("Read", {"file_path": "a.env"}, f"PASSWORD={canary.password()}")
            talk.append({"role": "assistant", "content": "Read."})
        # What the model said, without what gave it away; and something new.
        password = url.split(":")[2].partition("@")[0]
        asked.append(f"Is {password} right? And what of {canary.email()}, or {canary.access_key()}?")
    bodies = [json.dumps(seen.json()["messages"])[1:-1].encode() for seen in gate.mock.requests()[first:]]
    assert len(bodies) == 10
    for before, after in itertools.pairwise(bodies):
        assert after.startswith(before)
    records = [row["body"] for row in gate.records() if row["kind"] == "exchange"][-10:]
    assert [body["tightened"] for body in records] == [0] * 10


def test_ten_turns(gate: Gate, dialect: Dialect) -> None:
    """The bytes of the earlier turns are the same in each of ten requests."""
    growing(gate, dialect, lambda _turn: None)


def test_ten_turns_across_restarts(tmp_path: Path) -> None:
    """They are the same when the gateway starts anew between turns, and with two workers."""
    with running(tmp_path, workers=2) as gate:
        growing(gate, ANTHROPIC, lambda turn: gate.restart() if turn in {3, 6} else None)
        growing(gate, OPENAI, lambda _turn: None)
        assert gate.verify()[0] == 0


@pytest.mark.parametrize("mutant", ["mints_at_random"])
def test_ten_turns_across_restarts_mutant(broken: Broken, mutant: str) -> None:
    """A gateway whose processes mint on their own is caught."""
    with broken(mutant, workers=2) as gate:

        def again(turn: int) -> None:
            if turn in {3, 6}:
                gate.stop()
                gate.start(mutant=mutant)

        growing(gate, ANTHROPIC, again)


def one_vault(gate: Gate) -> None:
    """Send one value in many conversations to all workers: it has one surrogate, and the records make one chain."""
    key = canary.access_key()
    workers = set(gate.workers())
    assert len(workers) == 2
    for number in range(30):
        assert gate.ask(OPENAI, OPENAI.body(f"{number}: my key is {key}.")).status == 200
    seen = {tuple(SURROGATE.findall(OPENAI.last(body))) for body in gate.sent()[-30:]}
    assert len(seen) == 1
    assert len(next(iter(seen))) == 1
    assert set(gate.workers()) == workers
    assert gate.verify()[0] == 0


def test_two_workers_on_one_vault(tmp_path: Path) -> None:
    """Two workers give a value the same surrogate and write one chain; a new start goes on with both."""
    with running(tmp_path, workers=2) as gate:
        one_vault(gate)
        used = [gate.cpu()]
        gate.restart()
        assert used[0] > 0
        one_vault(gate)
        sequence = [row["seq"] for row in gate.records()]
        assert sequence == list(range(1, len(sequence) + 1))
        assert len({row["id"] for row in gate.records() if row["kind"] == "exchange"}) == 60


def test_two_workers_on_one_vault_mutant(broken: Broken) -> None:
    """Workers that mint on their own are caught."""
    with broken("mints_at_random", workers=2) as gate:
        for _ in range(4):
            one_vault(gate)


def refused_then_on(gate: Gate, dialect: Dialect) -> None:
    """Type a private key: refused; then go on in the same conversation, as clients do that keep the refused turn."""
    key = canary.private_key()
    line = key.split("\n")[3]
    gate.mock.play(PLAIN)
    before = len(gate.mock.requests())
    first = f"Conversation {canary.email()}. Is this key all right?\n{key}"
    answer = gate.ask(dialect, dialect.body(first, stream=True))
    assert answer.status == 400
    message = dialect.message(answer.body)
    assert "private key" in message
    assert "Put the key in your agent's key store" in message
    assert line not in message
    assert len(gate.mock.requests()) == before
    talk = [{"role": "user", "content": first}, {"role": "user", "content": "Never mind. What is a pound lock?"}]
    for _ in range(2):
        answer = gate.ask(dialect, dialect.body(*talk))
        assert answer.status == 200, answer.body
        assert "impound=1" in answer.headers["x-poundlock-treated"]
        sent = json.dumps(gate.newest())
        assert "BEGIN RSA" not in sent
        assert not canary.found(sent.encode(), key.split("\n")[1:-1])
        talk += [{"role": "assistant", "content": "Well."}, {"role": "user", "content": "And then?"}]


def test_a_refused_turn_ends_no_session(gate: Gate, dialect: Dialect) -> None:
    """After a refusal the next prompt goes on, with the key impounded in the history."""
    refused_then_on(gate, dialect)


def test_a_refused_turn_mutant(broken: Broken) -> None:
    """A gateway that forgets what it refused is caught: it refuses for ever."""
    with broken("refuses_for_ever") as gate:
        refused_then_on(gate, ANTHROPIC)


def test_the_same_key_again_is_refused_again(gate: Gate, dialect: Dialect) -> None:
    """Sending the refused turn once more is refused once more: trying twice opens nothing."""
    body = dialect.body(f"Is this key all right?\n{canary.private_key()}")
    before = len(gate.mock.requests())
    assert [gate.ask(dialect, body).status for _ in range(3)] == [400] * 3
    assert len(gate.mock.requests()) == before


def key_in_a_result(gate: Gate, dialect: Dialect) -> None:
    """Have a tool read a private key: the session goes on at once, without it."""
    key = canary.private_key()
    talk = [{"role": "user", "content": "Read it."}, *dialect.call("Read", {"file_path": "id_rsa"}, f"$ cat\n{key}\n$")]
    answer = gate.ask(dialect, dialect.body(*talk))
    assert answer.status == 200, answer.body
    sent = json.dumps(gate.newest())
    assert not canary.found(sent.encode(), key.split("\n")[1:-1])
    assert "BEGIN RSA" not in sent
    # One way: the model can't have it put back, whatever it says.
    marker = str(dialect.last(gate.newest()))
    gate.mock.play({"turns": [{"blocks": [{"text": marker}]}]})
    answer = gate.ask(dialect, dialect.body(*talk))
    assert not canary.found(answer.body, key.split("\n")[1:-1])


def test_a_key_in_a_tool_result(gate: Gate, dialect: Dialect) -> None:
    """A private key that a tool read is impounded, and never comes back."""
    key_in_a_result(gate, dialect)


def test_a_key_in_a_tool_result_mutant(broken: Broken) -> None:
    """A gateway that refuses it as if it had been typed is caught."""
    with broken("refuses_what_was_read") as gate:
        key_in_a_result(gate, ANTHROPIC)


def known_later(gate: Gate, dialect: Dialect) -> None:
    """Give a password away once, in a connection string; later turns say it alone, written in several ways."""
    password = canary.password()
    talk = [f"Use {canary.database_url(password)}.", "Fine."]
    for text in (password, f"pw={password};", f"({password})", json.dumps({"p": f'"{password}"'})):
        talk.append(f"Is it {text}?")
        answer = gate.ask(dialect, dialect.body(*talk))
        assert answer.status == 200, answer.body
        sent = gate.newest()
        assert not canary.found(json.dumps(sent).encode(), [password])
        assert SURROGATE.search(dialect.last(sent))
        talk.append("Yes.")
    # In the arguments and the result of a tool; then the surroundings are gone, and only the vault remembers.
    calls = dialect.call("Bash", {"command": f"psql -W {password}"}, f"password is {password}?")
    gate.ask(dialect, dialect.body(*talk, f"Say {password}.", *calls))
    assert not canary.found(json.dumps(gate.newest()).encode(), [password])


def test_known_later(gate: Gate, dialect: Dialect) -> None:
    """A value that was issued in a conversation is matched exactly wherever it stands from then on."""
    known_later(gate, dialect)


def test_known_later_mutant(broken: Broken) -> None:
    """A gateway that only looks at surroundings is caught."""
    with broken("knows_no_value") as gate:
        known_later(gate, ANTHROPIC)


def test_opaque_content_stays(gate: Gate) -> None:
    """Signatures, redacted thinking and images arrive as the same strings; unknown fields and headers, too."""
    signature = canary.encoded_noise(400)
    blocks = [
        {"type": "thinking", "thinking": "Let me see.", "signature": signature},
        {"type": "redacted_thinking", "data": canary.encoded_noise(300)},
        {"type": "text", "text": "Seen."},
    ]
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": canary.encoded_noise(900)},
    }
    key = canary.access_key()
    asked = [{"type": "text", "text": f"My key is {key}.", "cache_control": {"type": "ephemeral"}}, image]
    body = {**ANTHROPIC.body(asked, blocks, "Go on."), "x_unknown": {"a": [1, None, True, "b"]}}
    answer = gate.ask(ANTHROPIC, body, {"anthropic-beta": "one,two", "x-stainless-lang": "py"})
    assert answer.status == 200, answer.body
    sent = gate.newest()
    assert sent["messages"][1]["content"] == blocks
    assert sent["messages"][0]["content"][1] == image
    assert sent["x_unknown"] == body["x_unknown"]
    seen = gate.mock.requests()[-1]
    assert (seen.header("anthropic-beta"), seen.header("x-stainless-lang")) == ("one,two", "py")
    assert all(not name.lower().startswith("x-poundlock") for name, _ in seen.headers)


def cost_of_a_turn(gate: Gate) -> None:
    """Send a long history once, then once more with a new turn: it must take far less work the second time."""
    words = "The lock keeper opens the upper gate when the chamber is full. "
    talk = [(words * 700) + f"{number}: mail {canary.email()}" for number in range(101)]
    # What a worker does once only is no cost of a turn.
    assert gate.ask(ANTHROPIC, ANTHROPIC.body(words * 9_000)).status == 200
    spent = []
    for more in (0, 2, 4, 6):
        before = gate.cpu()
        extra = [item for _ in range(more) for item in ("Go on.",)]
        answer = gate.ask(ANTHROPIC, ANTHROPIC.body(*talk, *extra))
        assert answer.status == 200, answer.body
        spent.append(gate.cpu() - before)
    assert min(spent[1:]) * 2 < spent[0], spent


def test_cost_follows_the_new_text(gate: Gate) -> None:
    """A history of 4 MB that was inspected before costs half of the processor time at the most."""
    cost_of_a_turn(gate)


def test_cost_follows_the_new_text_mutant(broken: Broken) -> None:
    """A gateway that inspects everything anew is caught."""
    with broken("inspects_all_anew") as gate:
        cost_of_a_turn(gate)


def test_decisions_can_be_explained(gate: Gate, dialect: Dialect) -> None:
    """A refusal names the command that explains it; that tells the rule and the policy, and no value."""
    refused = gate.ask(dialect, dialect.body(f"Look: {canary.private_key()}"))
    assert f"(poundlock explain {refused.id})" in dialect.message(refused.body)
    code, said = gate.command("explain", refused.id)
    assert code == 0
    assert "secret.private-key" in said
    disguised = gate.ask(dialect, dialect.body(f"My key is {canary.access_key()}."))
    code, said = gate.command("explain", disguised.id)
    assert code == 0
    assert "secret.aws.access-key" in said
    assert "secret.disguised" in said
    assert not canary.found(said.encode(), canary.made)
