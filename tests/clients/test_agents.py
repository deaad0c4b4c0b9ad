"""Every agent on a fresh machine: `poundlock run`, `poundlock init` and the intercepting proxy each lead it here.

Graded are three things: the provider saw no credential; the agent finished; the file it wrote holds the true values.
`POUNDLOCK_CLIENT_RESULTS=FILE` adds each grade to a file, from which the matrix in the reference is made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripts import clients

from tests.clients import agents, credentials
from tests.clients.conftest import STRAIGHT, Bench, running_gateway
from tests.provider.running import provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients.agents import Agent

pytestmark = pytest.mark.client

_COPY = {
    "stripe": {"pattern": r"STRIPE_SECRET_KEY=([^\s\"\\]+)"},
    "secret": {"pattern": r"AWS_SECRET_ACCESS_KEY=([^\s\"\\]+)"},
}
LIMIT = 150
QUICK = {
    ("claude-code", "API key", "intercept"),
    ("codex", "API key of its own login", "init"),
    ("pi", "API key", "run"),
}
"""What is tried by default; all the rest in the long target."""
CASES = [
    pytest.param(
        agent,
        way,
        id=f"{agent.id}-{agent.login.replace(' ', '_')}-{way}",
        marks=[] if (agent.id, agent.login, way) in QUICK else pytest.mark.long,
    )
    for agent in (*agents.AGENTS, *agents.LIBRARIES)
    for way in agent.ways
]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a scenario's surroundings without a gateway: `run` and `init` have one of their own."""
    fakes = credentials.make(20261121)
    project, home = tmp_path / "project", tmp_path / "home"
    for place in (project, home):
        place.mkdir()
    (project / "settings.env").write_text(fakes.env())
    with provider(tmp_path / "provider", {"turns": [{"blocks": [{"text": "Nothing to say."}]}]}) as mock:
        yield Bench("", mock, home, project, fakes)


class Machine:
    """A fresh home for one agent, with Poundlock on it."""

    def __init__(self, bench: Bench, agent: Agent) -> None:
        self.bench = bench
        self.agent = agent
        self.config = bench.home / "poundlock.toml"
        node = clients.executable("node22").resolve().parent
        self.env = {
            "PATH": f"{node}:{os.environ.get('PATH', '/usr/bin:/bin')}" if "node22" in agent.installs else _path(),
            "HOME": str(bench.home),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            **{name: os.environ[name] for name in ("XDG_CACHE_HOME", "POUNDLOCK_CACHE") if name in os.environ},
            **agent.env,
        }
        for name, text in agent.files.items():
            path = bench.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if agent.setup:
            self.do([str(clients.executable(agent.installs[0])), *agent.setup])

    def configure(self, state: Path, port: int = 0) -> None:
        """Write Poundlock's configuration."""
        formats = {"anthropic": "anthropic", "gemini": "gemini", "openai": "openai", "chatgpt": "openai"}
        formats |= {"bedrock": "bedrock", "qwen": "openai", "ollama": "ollama"}
        lines = [f'[state]\ndirectory = "{state}"', f"[gateway]\nport = {port}"]
        url = self.bench.provider.url
        lines += [f'[providers.{name}]\nupstream = "{url}"\nformat = "{form}"' for name, form in formats.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def poundlock(self, *arguments: str) -> list[str]:
        """Give a command of Poundlock's own."""
        return [sys.executable, "-m", "poundlock", *arguments, "--config", str(self.config)]

    def do(self, command: list[str], given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project folder."""
        return subprocess.run(
            command,
            cwd=self.bench.project,
            env={**self.env, **more},
            input=given,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    def ask(self, way: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
        """Have the agent do its task, led here in this way."""
        command = self.agent.command(self.bench.project)
        if way != "init":
            self.configure(self.bench.home / "state")
            flags = ["--intercept"] if way == "intercept" else []
            return self.do([*self.poundlock("run", *flags), "--", *command], self.agent.given)
        with running_gateway(tmp_path / "kept", self.bench.provider.url) as url:
            self.configure(tmp_path / "kept" / "state", int(url.rpartition(":")[2]))
            made = self.do(self.poundlock("init", self.agent.id, "--yes"))
            assert made.returncode == 0, made.stderr
            sourced = [line.rpartition(" ")[2] for line in made.stdout.splitlines() if line.startswith("Have your")]
            if sourced:
                command = ["sh", "-c", f'. "{sourced[0]}"; exec "$@"', "sh", *command]
            return self.do(command, self.agent.given)


def _path() -> str:
    return os.environ.get("PATH", "/usr/bin:/bin")


@pytest.mark.parametrize(("agent", "way"), CASES)
def test_reads_and_writes_true_values(
    bench: Bench, client: Callable[[str], None], agent: Agent, way: str, tmp_path: Path
) -> None:
    """The provider saw no credential, the agent finished, and what it wrote is the true value."""
    if STRAIGHT:
        pytest.skip("there is no gateway that would lead it")
    for name in agent.installs:
        client(name)
    client("node22")
    project = bench.project
    turns = [[agent.read(project)], [agent.write(project)], [{"text": "Done with {{stripe}}."}]]
    # Titles and summaries are asked for without tools.
    title = {"tools": False, "path": "messages|completions|responses|models", "blocks": [{"text": "A title"}]}
    # aider writes answers into the conversation itself, and offers no tools.
    rules = [{"contains": agents.PROMPT, "blocks": turns[0]}] if agent.id == "aider" else [title]
    bench.provider.play(
        {"copy": _COPY, "rules": rules, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]}
    )
    machine = Machine(bench, agent)
    if agent.id == "aider":
        (project / "result.txt").write_text("")

    done = machine.ask(way, tmp_path)

    values = bench.fakes.values
    told = (done.returncode, done.stdout[-3500:], done.stderr[-3500:])
    assert done.returncode == 0, told
    assert (project / "result.txt").exists(), told
    wanted = agents.WANTED.replace("{{stripe}}", values["STRIPE_SECRET_KEY"])
    wanted = wanted.replace("{{secret}}", values["AWS_SECRET_ACCESS_KEY"])
    assert (project / "result.txt").read_text().rstrip("\n") == wanted, told
    assert f"Done with {values['STRIPE_SECRET_KEY']}." in done.stdout + done.stderr, told
    requests = bench.provider.requests(agent.path)
    assert requests, [seen.path for seen in bench.provider.requests()]
    assert all("/t/" not in seen.path and not seen.header("x-poundlock-token") for seen in requests)
    bench.grade()
    _note(agent, way)


@pytest.mark.parametrize("whose", ["repository", "user"])
def test_claude_code_is_not_led_away_by_settings(
    bench: Bench, client: Callable[[str], None], tmp_path: Path, whose: str
) -> None:
    """Settings that name another place go before the environment, but not before what `run` adds."""
    if STRAIGHT:
        pytest.skip("there is no gateway that would lead it")
    client("claude-code")
    client("node22")
    bench.provider.play({"turns": [{"blocks": [{"text": "Here."}]}]})
    machine = Machine(bench, agents.AGENTS[0])
    place = (bench.project if whose == "repository" else bench.home) / ".claude" / "settings.json"
    place.parent.mkdir()
    place.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}}))

    done = machine.ask("run", tmp_path)

    assert (done.returncode, done.stdout.strip()) == (0, "Here."), done
    assert bench.provider.requests("/v1/messages")


def _note(agent: Agent, way: str) -> None:
    place = os.environ.get("POUNDLOCK_CLIENT_RESULTS")
    if place:
        row = {"client": agent.id, "login": agent.login, "way": way, "version": agent.version}
        row["on"] = datetime.now(UTC).date().isoformat()
        with Path(place).open("a") as file:
            file.write(json.dumps(row) + "\n")
