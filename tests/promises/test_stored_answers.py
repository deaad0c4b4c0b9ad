"""Promises 2 and 4 where the provider keeps the conversation: a surrogate outlives the request that it was sent in."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

from tests.gateway import canary
from tests.gateway.dialects import OPENAI
from tests.gateway.running import ECHO, SURROGATE, Answer, Gate, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.promises.conftest import Broken

DIALECT = OPENAI._replace(path="/v1/responses")


def ask(gate: Gate, text: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """Send one text, and nothing that came before it."""
    answer = gate.ask(DIALECT, {"model": "some-model-1", "input": text, **more}, headers)
    assert answer.status == 200, answer.body
    return answer


def said(answer: Answer) -> str:
    """Give the text of an answer that was not streamed."""
    return str(json.loads(answer.body)["output"][0]["content"][0]["text"])


def follows(gate: Gate, *, stream: bool = False) -> None:
    """Have the model say, a request later, what was disguised before; then fetch that answer by its id."""
    gate.mock.play(ECHO)
    key = canary.access_key()
    first = ask(gate, f"My key is {key}.", stream=stream)
    name = json.loads(first.body)["id"] if not stream else DIALECT.events(first.body)[0]["response"]["id"]
    second = ask(gate, "Say it again.", previous_response_id=name)
    assert said(second) == f"It is {key}."
    third = ask(gate, "And again.", previous_response_id=json.loads(second.body)["id"])
    assert said(third) == f"It is {key}."
    fetched = gate.raw(f"/v1/responses/{json.loads(third.body)['id']}", b"", DIALECT.headers, "GET")
    assert said(fetched) == f"It is {key}."


def test_an_answer_is_followed_up(gate: Gate) -> None:
    """Nothing is sent twice, and values still come home: over two requests, and when an answer is fetched."""
    follows(gate)
    follows(gate, stream=True)


def test_an_answer_is_followed_up_mutant(broken: Broken) -> None:
    """A gateway that forgets what an answer was given is caught."""
    with broken("forgets_stored_answers") as gate:
        follows(gate)


def test_a_client_that_knows_the_answer_s_id_can_follow_it_up(tmp_path: Path) -> None:
    """The gateway is killed as soon as the id has arrived: what belongs to it was durable before that."""
    with running(tmp_path) as gate:
        gate.mock.play({**ECHO, "turns": [{**ECHO["turns"][0], "dribble": 0.2}]})
        key = canary.access_key()
        client = gate.open(DIALECT, {"model": "some-model-1", "input": f"My key is {key}.", "stream": True})
        head = b""
        while b'"id":"resp_' not in head or b"\n\n" not in head.partition(b'"id":"resp_')[2]:
            head += client.recv(65536)
        gate.stop(signal.SIGKILL)
        client.close()
        gate.start()
        gate.mock.play(ECHO)
        name = head.partition(b'"id":"')[2].partition(b'"')[0].decode()
        assert said(ask(gate, "Say it again.", previous_response_id=name)) == f"It is {key}."
        assert gate.verify()[0] == 0


def test_another_person_s_answer_is_not_restored(gate: Gate) -> None:
    """Whoever learns the id of an answer gets its surrogates from the provider, and no value from the vault."""
    gate.mock.play(ECHO)
    key = canary.access_key()
    one, other = gate.credential("one"), gate.credential("other")
    first = ask(gate, f"My key is {key}.", one)
    name = json.loads(first.body)["id"]
    assert said(first) == f"It is {key}."
    for more in (other, one):
        second = ask(gate, "Say it again.", more, previous_response_id=name)
        fetched = gate.raw(f"/v1/responses/{name}", b"", {**DIALECT.headers, **more}, "GET")
        for answer in (second, fetched):
            assert (said(answer) == f"It is {key}.") is (more is one)
            assert bool(SURROGATE.search(said(answer))) is (more is other)


def test_what_is_not_stored_leaves_no_record_of_its_own(gate: Gate) -> None:
    """Only an answer that can be followed up, and holds something, costs a second commit."""
    gate.mock.play(ECHO)
    for more, kinds in (
        ({"store": False}, ["exchange"]),
        ({}, ["exchange", "answer"]),
    ):
        answer = ask(gate, f"My key is {canary.access_key()}.", **more)
        gate.record(answer.id, "closing")
        assert [row["kind"] for row in gate.records(answer.id)] == [*kinds, "closing"]
    answer = ask(gate, "Nothing to hide.")
    gate.record(answer.id, "closing")
    assert [row["kind"] for row in gate.records(answer.id)] == ["exchange", "closing"]
