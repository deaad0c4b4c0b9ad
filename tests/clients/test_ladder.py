"""Every rung in one scripted session of a real client: it goes on after each of them, and nothing leaks on the way.

A second mock stands for the model inside the boundary. Approvers answer from processes of their own, through signed
links; the glass is broken at a terminal. Policies of the test say which kind of value meets which rung.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from poundlock.adapters.sqlite import Reading
from poundlock.cli.process import healthy
from tests.clients import launch
from tests.clients.conftest import running_gateway
from tests.gateway import canary
from tests.provider.running import Running, provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.client

POLICY = """
@id("test.ask")
@reason("Addresses of people need a person's approval here.")
@advice("Ask without them.")
forbid (
  principal,
  action in [Action::"send", Action::"sendDisguised", Action::"sendLocal"],
  resource in Kind::"pii.email"
)
unless { resource.exchange.destination.local };

@id("test.inside")
@reason("Access keys stay inside here.")
@advice("Ask a model inside the boundary.")
forbid (principal, action in [Action::"send", Action::"sendDisguised"], resource in Kind::"secret.aws")
unless { resource.exchange.destination.local };
"""
WAIT = 12


class Stage(NamedTuple):
    """What a session plays on."""

    url: str
    cloud: Running
    inside: Running
    slack: Running
    folder: Path
    pages: str

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Give the bodies of the records of a kind."""
        reading = Reading(self.folder / "gateway" / "state" / "poundlock.db")
        try:
            rows = [row for row in reading.rows() if row.kind == kind]
            return [row.body if isinstance(row.body, dict) else json.loads(row.body) for row in rows]
        finally:
            reading.close()

    def rungs(self) -> list[str]:
        """Give the rungs of the exchanges so far, each decision's last word."""
        return [body["decision"]["rung"] for body in self.records("exchange")]

    def link(self, number: int) -> str:
        """Give the link to the question that was told as number `number`, as soon as it was told."""
        until = time.monotonic() + 60
        while len(found := self.slack.requests()) < number:
            assert time.monotonic() < until, "nobody was asked"
            time.sleep(0.1)
        match = re.search(r"/approvals/\S+", found[number - 1].json()["text"])
        assert match
        return self.pages + match[0]

    def approve(self, number: int) -> None:
        """Say yes as the approver."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(self.link(number), b"answer=yes&scope=once"), timeout=20) as answer:
            assert b"approved" in answer.read()

    def told(self, number: int) -> bool:
        """Tell whether so many exchanges waited in vain."""
        return len([body for body in self.records("waited") if body["left"] == "told"]) >= number

    def break_glass(self) -> None:
        """Break the glass for the newest question, at a terminal."""
        question = self.records("asked")[-1]["approval"]
        _, terminal = pty.openpty()
        command = [sys.executable, "-m", "poundlock", "approve", question, "--break-glass", "--reason", "On call"]
        done = subprocess.run(
            [*command, "--config", str(self.folder / "gateway" / "poundlock.toml")],
            stdin=terminal,
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "POUNDLOCK_TOKEN"},
        )
        os.close(terminal)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Set a cloud, a model inside the boundary, an approver's webhook, the gateway and the approvals' listener."""
    plain = {"turns": [{"blocks": [{"text": "Well said."}]}]}
    (tmp_path / "asks.cedar").write_text(POLICY)
    with contextlib.ExitStack() as stack:
        cloud, inside, slack = (
            stack.enter_context(provider(tmp_path / name, plain)) for name in ("cloud", "inside", "slack")
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = "\n".join(
            [
                f'[policy]\nfiles = ["{tmp_path / "asks.cedar"}"]',
                f'[approvals]\nwait_seconds = {WAIT}\nquiet_seconds = 1\nlinks = {{ grace = "{slack.url}/grace" }}',
                '[local]\nprovider = "inside"\nmodels = { "*" = "small-1" }',
                f'[providers.inside]\nupstream = "{inside.url}"\nlocal = true',
            ]
        )
        url = stack.enter_context(running_gateway(tmp_path / "gateway", cloud.url, settings))
        config = tmp_path / "gateway" / "poundlock.toml"
        command = [sys.executable, "-m", "poundlock", "approve", "--listen", f"127.0.0.1:{port}"]
        process = subprocess.Popen([*command, "--config", str(config)], stderr=subprocess.DEVNULL)
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        pages = f"http://127.0.0.1:{port}"
        limit = time.monotonic() + 60
        while not healthy(pages):
            assert time.monotonic() < limit
            time.sleep(0.1)
        yield Stage(url, cloud, inside, slack, tmp_path, pages)


def _sent(running: Running) -> str:
    return json.dumps([seen.json() for seen in running.requests() if seen.body])


def _graded(stage: Stage) -> None:
    """Fail when a provider saw a value, or the cloud anything of what was moved inside."""
    for running in (stage.cloud, stage.inside):
        assert canary.found(_sent(running).encode(), canary.made) == []
    assert canary.sweep(stage.folder / "gateway" / "state", canary.made) == []


def test_claude_code(stage: Stage, client: Callable[[str], None]) -> None:
    """Clear, disguised, held and approved, timed out and retried, blocked, broken glass, moved inside and staying."""
    client("claude-code")
    home, project = stage.folder / "home", stage.folder / "project"
    for place in (home, project):
        place.mkdir()
    values = {"url": canary.database_url(canary.password()), "key": canary.access_key()}
    first, second, third = (canary.email() for _ in range(3))

    def say(prompt: str, *more: str) -> launch.Outcome:
        return launch.claude_code(stage.url, home, project, "-p", prompt, *more)

    on = "--continue"
    assert say("What is a lock?").out.strip() == "Well said."
    assert stage.rungs()[-1] == "send"
    assert say(f"Why does {values['url']} time out?", on).out.strip() == "Well said."
    assert stage.rungs()[-1] == "sendDisguised"

    answering = threading.Thread(target=stage.approve, args=(1,))
    answering.start()
    assert say(f"Write to {first} about it.", on).out.strip() == "Well said."
    answering.join(60)
    assert stage.records("used")

    vain = say(f"Write to {second}, too.", on)
    assert stage.told(1)
    question = stage.records("asked")[-1]["approval"]
    assert question in vain.out + vain.err, (vain, question)
    stage.approve(2)
    assert say(f"Write to {second}, too.", on).out.strip() == "Well said."

    blocked = say(canary.private_key(), on)
    assert "private key" in (blocked.out + blocked.err).lower(), blocked
    assert say("Then without it.", on).out.strip() == "Well said."

    say(f"And to {third}.", on)
    stage.break_glass()
    assert say(f"And to {third}.", on).out.strip() == "Well said."
    assert [body["broke_glass"] for body in stage.records("used")][-1] is True

    cloud = len(stage.cloud.requests("/v1/messages"))
    assert say(f"Is {values['key']} still good?", on).out.strip() == "Well said."
    assert stage.rungs()[-1] == "sendLocal"
    assert say("And what is a weir?", on).out.strip() == "Well said."
    assert stage.rungs()[-1] == "sendLocal"
    assert len(stage.cloud.requests("/v1/messages")) == cloud, "nothing more went to the cloud"
    assert {seen.json()["model"] for seen in stage.inside.requests("/v1/messages")} == {"small-1"}
    assert getpass.getuser() in {body["human"] for body in stage.records("asked")}
    _graded(stage)


def test_aider(stage: Stage, client: Callable[[str], None]) -> None:
    """The same in one run of aider, over OpenAI's wire: a second thread answers while it goes on typing."""
    client("aider")
    home, project = stage.folder / "home", stage.folder / "project"
    for place in (home, project):
        place.mkdir()
    values = {"url": canary.database_url(canary.password()), "key": canary.access_key()}
    first, second, third = (canary.email() for _ in range(3))
    pause = {"contains": "a moment", "blocks": [{"text": "I wait."}], "first_delay": 10}
    stage.cloud.play({"rules": [pause], "turns": [{"blocks": [{"text": "Well said."}]}]})
    prompts = (
        "What is a lock?",
        f"Why does {values['url']} time out?",
        f"Write to {first} about it.",
        f"Write to {second}, too.",
        "Wait a moment.",
        f"Write to {second}, too.",
        canary.private_key().replace("\n", "\\n"),
        "Then without it.",
        f"And to {third}.",
        "Wait a moment.",
        f"And to {third}.",
        f"Is {values['key']} still good?",
        "And what is a weir?",
    )
    faults: list[BaseException] = []

    def direct() -> None:
        try:
            stage.approve(1)
            _until(lambda: stage.told(1))
            stage.approve(2)
            _until(lambda: len(stage.records("asked")) >= 3 and stage.told(2))
            stage.break_glass()
        except BaseException as fault:  # noqa: BLE001 (told by the test's own thread)
            faults.append(fault)

    directing = threading.Thread(target=direct)
    directing.start()
    outcome = launch.aider(stage.url, home, project, prompts)
    directing.join(60)
    assert faults == [], outcome.out[-3000:]
    assert outcome.code == 0
    rungs = stage.rungs()
    assert [body["broke_glass"] for body in stage.records("used")] == [False, False, True], outcome.out[-3000:]
    assert (rungs[:2], rungs[-2:]) == (["send", "sendDisguised"], ["sendLocal", "sendLocal"])
    assert rungs.count("blocked") == 1
    assert "private key" in outcome.out.lower()
    assert {seen.json()["model"] for seen in stage.inside.requests("/v1/chat/completions")} == {"small-1"}
    _graded(stage)


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.1)
