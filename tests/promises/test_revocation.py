"""What is revoked ends: open streams within a second, in every worker, and it stays ended after a restart."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from poundlock import compose, config
from poundlock.adapters.credentials import digest, fresh
from poundlock.core.identity.registry import Tool
from poundlock.core.identity.tasks import Task, narrowed
from tests.gateway.dialects import ANTHROPIC, OPENAI
from tests.gateway.running import PLAIN, Gate, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOWLY: dict[str, Any] = {
    "rules": [{"anywhere": "slowly", "blocks": [{"text": "y" * 9}], "endless": {"how": "events", "pause": 0.05}}],
    **PLAIN,
}
TASK = "aaaaaaaaaaaa"
CHILD = "bbbbbbbbbbbb"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Give a gateway of two workers whose provider streams without end when asked to go slowly."""
    with running(tmp_path, workers=2) as gate:
        gate.mock.play(SLOWLY)
        yield gate


def opened(gate: Gate, *, tool: str = "claude-code", id: str = TASK) -> tuple[str, str]:  # noqa: A002 (as records say)
    """Open a task and a sub-agent's under it in the gateway's register, and give both credentials."""
    tokens = fresh(), fresh()

    async def work() -> None:
        async with compose.identities(config.load(gate.config.read_text())) as known:
            now = known.now()
            await known.keep_tool(Tool(id=tool, owner="ada", state="active"), new=True)
            task = Task(id=id, tool=tool, human="ada", opened=now, expires=now + 3_600_000_000_000)
            task = await known.open_task(task, digest(tokens[0]))
            await known.open_task(narrowed(task, id=CHILD, now=now), digest(tokens[1]))

    asyncio.run(work())
    return tokens


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


@pytest.mark.parametrize("how", [("claude-code",), (TASK,), ("--person", "ada"), ("--all",)])
@pytest.mark.parametrize("whose", [0, 1])
def test_an_open_stream_ends_within_a_second(gate: Gate, how: tuple[str, ...], whose: int) -> None:
    """The tool's own and its sub-agent's, by task, tool, person or all; a new call is refused with the reason."""
    token = opened(gate)[whose]
    went_on, last = ended(gate, token, *how)
    assert went_on < 1
    assert not last.endswith(b"0\r\n\r\n"), "the stream must not look complete"
    answer = gate.ask(OPENAI, OPENAI.body("hello"), {"x-poundlock-token": token})
    assert answer.status == 400
    assert "ended" in json.loads(answer.body)["error"]["message"] or how == ("--all",)
    until(lambda: any(row["kind"] == "closing" and row["body"]["ended"] == "revoked" for row in gate.records()))
    refused = [row["body"] for row in gate.records() if row["kind"] == "refused"]
    assert refused[0]["who"]["tool"] == "claude-code"


def test_a_revocation_survives_a_kill(gate: Gate) -> None:
    """After `kill -9` of all and a new start it stands as before."""
    token, _ = opened(gate)
    assert gate.ask(OPENAI, OPENAI.body("hello"), {"x-poundlock-token": token}).status == 200
    assert gate.command("revoke", "claude-code")[0] == 0
    gate.stop(9)
    gate.start()
    answer = gate.ask(OPENAI, OPENAI.body("hello"), {"x-poundlock-token": token})
    assert (answer.status, b"of the tool claude-code were ended" in answer.body) == (400, True)


def test_another_tools_stream_goes_on(gate: Gate) -> None:
    """What was not revoked feels nothing."""
    token, _ = opened(gate, tool="aider")
    dialect = ANTHROPIC._replace(headers={**ANTHROPIC.headers, "x-poundlock-token": token})
    with gate.open(dialect, dialect.body("slowly", stream=True)) as client:
        client.recv(65_536)
        assert gate.command("tools", "add", "claude-code", "--owner", "ada")[0] == 0
        assert gate.command("revoke", "claude-code")[0] == 0
        until_then = time.monotonic() + 1.2
        while time.monotonic() < until_then:
            assert client.recv(65_536)


def test_a_task_tells_its_story(gate: Gate) -> None:
    """`tasks ID` shows what it was, had, did and cost, with its sub-agent's part."""
    token, child = opened(gate)
    for each in (token, child):
        assert gate.ask(OPENAI, OPENAI.body("write to anna.berg@northwind-freight.eu"), {"x-poundlock-token": each})
    until(lambda: sum(row["kind"] == "closing" for row in gate.records()) == 2)
    gate.command("revoke", TASK, "--reason", "enough")
    code, said = gate.command("tasks", TASK)
    assert code == 0
    assert f"{TASK}, The task was ended: enough." in said
    assert "2 × sendDisguised, with some-model-1, treated 2 × pii.email" in said
    assert "for   ada, known by local" in said
    assert f"task     {CHILD} issued" in said
    (row,) = gate.command("tasks", TASK, "--json")[1].splitlines()
    assert json.loads(row)["exchanges"] == {"sendDisguised": 2}
