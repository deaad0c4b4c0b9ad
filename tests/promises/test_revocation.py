"""What is revoked ends: open streams within a second, in every worker, and it stays ended after a restart."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from poundlock import compose, config
from poundlock.adapters.credentials import digest, fresh
from poundlock.core.identity.registry import Tool
from poundlock.core.identity.tasks import Task, narrowed
from tests.gateway.dialects import ANTHROPIC, OPENAI
from tests.gateway.running import PLAIN, Gate, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.promises.conftest import Broken

SLOWLY: dict[str, Any] = {
    "rules": [{"anywhere": "slowly", "blocks": [{"text": "y" * 9}], "endless": {"how": "events", "pause": 0.05}}],
    **PLAIN,
}


class Opened(NamedTuple):
    """A task and a sub-agent's under it, with their credentials, of a tool and a person of their own."""

    task: str
    child: str
    tool: str
    human: str
    tokens: tuple[str, str]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Give a gateway of two workers whose provider streams without end when asked to go slowly."""
    with running(tmp_path_factory.mktemp("revocation"), workers=2) as gate:
        gate.mock.play(SLOWLY)
        yield gate


@pytest.fixture
def gate(shared: Gate) -> Iterator[Gate]:
    """Give that gateway, and let everything in again afterwards."""
    yield shared
    shared.command("revoke", "--all", "--lift")


def opened(gate: Gate) -> Opened:
    """Open a task and a sub-agent's in the gateway's register."""
    name = uuid.uuid4().hex[:11]
    made = Opened(f"{name}a", f"{name}b", f"tool-{name}", f"person-{name}", (fresh(), fresh()))

    async def work() -> None:
        async with compose.identities(config.load(gate.config.read_text())) as known:
            now = known.now()
            await known.keep_tool(Tool(id=made.tool, owner="ada", state="active"), new=True)
            task = Task(id=made.task, tool=made.tool, human=made.human, opened=now, expires=now + 3_600_000_000_000)
            task = await known.open_task(task, digest(made.tokens[0]))
            await known.open_task(narrowed(task, id=made.child, now=now), digest(made.tokens[1]))

    asyncio.run(work())
    return made


def ended(gate: Gate, token: str, *how: str) -> tuple[float, bytes]:
    """Open a stream, revoke from another process after a moment, and give how long the stream went on, and its end."""
    headers = {"x-poundlock-token": token}
    dialect = ANTHROPIC._replace(headers={**ANTHROPIC.headers, **headers})
    client = gate.open(dialect, dialect.body("slowly", stream=True))
    with client:
        data = client.recv(65_536)
        while b"content_block_delta" not in data:
            data += client.recv(65_536)
        time.sleep(0.1)
        code, said = gate.command("revoke", *how)
        assert code == 0, said
        begun = time.monotonic()
        last = b""
        while chunk := client.recv(65_536):
            last = chunk
        return time.monotonic() - begun, last


@pytest.mark.parametrize(
    ("how", "whose"),
    [("{tool}", 0), ("{tool}", 1), ("{task}", 0), ("{task}", 1), ("--person {human}", 1), ("--all", 1)],
)
def test_an_open_stream_ends_within_a_second(gate: Gate, how: str, whose: int) -> None:
    """The tool's own and its sub-agent's, by task, tool, person or all; a new call is refused with the reason."""
    made = opened(gate)
    token = made.tokens[whose]
    went_on, last = ended(gate, token, *how.format(**made._asdict()).split())
    assert went_on < 1
    assert not last.endswith(b"0\r\n\r\n"), "the stream must not look complete"
    answer = gate.ask(OPENAI, OPENAI.body("hello"), {"x-poundlock-token": token})
    assert answer.status == 400
    said = json.loads(answer.body)["error"]["message"]
    assert "ended" in said or (how == "--all" and "Everything was stopped" in said)
    task = (made.task, made.child)[whose]
    mine = {
        row["id"] for row in gate.records() if row["kind"] == "exchange" and row["body"]["principal"]["task"] == task
    }
    until(
        lambda: (
            [row["body"]["ended"] for row in gate.records() if row["kind"] == "closing" and row["id"] in mine]
            == ["revoked"]
        )
    )
    refused = [
        row["body"]["who"]["tool"] for row in gate.records() if row["kind"] == "refused" and "who" in row["body"]
    ]
    assert refused.count(made.tool) >= 1


def test_a_revocation_survives_a_kill(gate: Gate) -> None:
    """After `kill -9` of all and a new start it stands as before."""
    made = opened(gate)
    assert gate.ask(OPENAI, OPENAI.body("hello"), {"x-poundlock-token": made.tokens[0]}).status == 200
    assert gate.command("revoke", made.tool)[0] == 0
    gate.stop(9)
    gate.start()
    answer = gate.ask(OPENAI, OPENAI.body("hello"), {"x-poundlock-token": made.tokens[0]})
    assert (answer.status, f"of the tool {made.tool} were ended".encode() in answer.body) == (400, True)


def test_another_tools_stream_goes_on(gate: Gate) -> None:
    """What was not revoked feels nothing."""
    stays, goes = opened(gate), opened(gate)
    dialect = ANTHROPIC._replace(headers={**ANTHROPIC.headers, "x-poundlock-token": stays.tokens[0]})
    with gate.open(dialect, dialect.body("slowly", stream=True)) as client:
        client.recv(65_536)
        assert gate.command("revoke", goes.tool)[0] == 0
        until_then = time.monotonic() + 1.2
        while time.monotonic() < until_then:
            assert client.recv(65_536)


def test_a_task_tells_its_story(gate: Gate) -> None:
    """`tasks ID` shows what it was, had, did and cost, with its sub-agent's part."""
    made = opened(gate)
    for each in made.tokens:
        body = OPENAI.body("write to anna.berg@northwind-freight.eu")
        assert gate.ask(OPENAI, body, {"x-poundlock-token": each}).status == 200
    until(lambda: gate.command("tasks", made.task)[1].count("complete") == 2)
    gate.command("revoke", made.task, "--reason", "enough")
    code, said = gate.command("tasks", made.task)
    assert code == 0
    assert f"{made.task}, The task was ended: enough." in said
    assert "2 × sendDisguised, with some-model-1, treated 2 × pii.email" in said
    assert f"for   {made.human}, known by local" in said
    assert f"task     {made.child} issued" in said
    (row,) = gate.command("tasks", made.task, "--json")[1].splitlines()
    assert json.loads(row)["exchanges"] == {"sendDisguised": 2}


def test_a_gateway_that_looks_only_at_the_beginning(broken: Broken) -> None:
    """The mutant's stream goes on: the test above can fail."""
    with broken("ends_no_stream", workers=2) as gate:
        gate.mock.play(SLOWLY)
        made = opened(gate)
        dialect = ANTHROPIC._replace(headers={**ANTHROPIC.headers, "x-poundlock-token": made.tokens[0]})
        with gate.open(dialect, dialect.body("slowly", stream=True)) as client:
            client.recv(65_536)
            gate.command("revoke", made.tool)
            end = time.monotonic() + 1
            while time.monotonic() < end:
                assert not client.recv(65_536), "the stream goes on"


def test_a_gateway_that_remembers_tasks(broken: Broken) -> None:
    """The mutant lets in what was revoked."""
    with broken("remembers_tasks") as gate:
        made = opened(gate)
        headers = {"x-poundlock-token": made.tokens[0]}
        gate.ask(OPENAI, OPENAI.body("hello"), headers)
        gate.command("revoke", made.tool)
        assert gate.ask(OPENAI, OPENAI.body("hello"), headers).status == 400, "a revoked tool is let in"
