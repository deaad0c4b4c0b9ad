"""Fixtures of the end-to-end tests: the clients, the mock provider, the gateway between them.

`POUNDLOCK_TEST_STRAIGHT=1` leaves the gateway out: then the clients reach the mock provider, the scenarios must still
work, and the search for leaks must find every credential. It proves that the scenarios and the search can fail.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from scripts import clients

from tests.clients import credentials
from tests.provider.figures import plain
from tests.provider.running import Running, provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.provider.journal import Seen

STRAIGHT = os.environ.get("POUNDLOCK_TEST_STRAIGHT") == "1"
_START_LIMIT = 60.0


@pytest.fixture(scope="session")
def client() -> Callable[[str], None]:
    """Install a client by name, or skip by name when its registry is out of reach."""
    failed: dict[str, str] = {}

    def need(name: str) -> None:
        if name not in failed:
            try:
                clients.install(name)
            except clients.Unavailable as error:
                failed[name] = str(error)
        if name in failed:
            pytest.skip(f"client {name} is not installed and its registry is out of reach: {failed[name]}")

    return need


@contextlib.contextmanager
def running_gateway(folder: Path, upstream: str, settings: str = "") -> Iterator[str]:
    """Run `poundlock serve` before an upstream for all providers and yield its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    config, ready = folder / "poundlock.toml", folder / "ready.json"
    lines = [f'[state]\ndirectory = "{folder / "state"}"', settings]
    # Ollama's, too, counts as a cloud's here: what goes to a local one may stay in clear.
    formats = ("anthropic", "bedrock", "gemini", "ollama", "openai")
    lines += [f'[providers.{name}]\nupstream = "{upstream}"\nformat = "{name}"' for name in formats]
    lines += [f'[providers.chatgpt]\nupstream = "{upstream}"\nformat = "openai"']
    config.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "poundlock", "serve", "--config", str(config)]
    log = folder / "gateway.log"
    ready.unlink(missing_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--port", "0", "--ready-file", str(ready)],
            env={
                **os.environ,
                "HOME": str(folder),
                "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(folder.parent)),
            },
            stdout=output,
            stderr=output,
        )
    try:
        limit = time.monotonic() + _START_LIMIT
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > limit:
                pytest.fail(f"the gateway did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield json.loads(ready.read_text())["url"]
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Bench:
    """One scenario's surroundings: the URL that clients use, the provider behind it, a project folder, credentials."""

    url: str
    provider: Running
    home: Path
    project: Path
    fakes: credentials.Credentials

    def grade(self, extra: tuple[str, ...] = ()) -> None:
        """Fail when the provider received any credential, in any encoding."""
        values = [*self.fakes.secrets(), *extra]
        leaks = credentials.leaks(self.provider.requests(), values)
        if STRAIGHT:
            told = {line.rpartition(" ")[2] for line in leaks}
            assert told == {str(number) for number in range(len(values))}, "without a gateway everything is seen"
        else:
            assert leaks == []

    def conversation(self, path: str) -> list[Seen]:
        """Return the requests of the conversation itself: those to this path that bring messages."""
        return [seen for seen in self.provider.requests(path) if "count_tokens" not in seen.path]


def same_prefixes(requests: list[Seen]) -> None:
    """Fail unless each request begins with all that the one before it held: messages, system prompt and tools."""
    assert len(requests) > 1
    for earlier, later in itertools.pairwise(requests):
        before, after = earlier.json(), later.json()
        for name in ("system", "instructions", "tools"):
            assert _bytes(before.get(name)) == _bytes(after.get(name)), f"request {later.number}: {name} changed"
        member = "messages" if "messages" in before else "input"
        messages, more = before[member], after[member]
        assert len(more) > len(messages)
        for number, (old, new) in enumerate(zip(messages, more, strict=False)):
            assert _bytes(old) == _bytes(new), f"request {later.number}: message {number} changed"


def _bytes(value: Any) -> bytes:
    return json.dumps(plain(value), ensure_ascii=False).encode("utf-8", "surrogatepass")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Make the surroundings of one scenario; the script is given later, with `bench.provider.play`."""
    fakes = credentials.make(20261121)
    project, home = tmp_path / "project", tmp_path / "home"
    for place in (project, home):
        place.mkdir()
    (project / "settings.env").write_text(fakes.env())
    (project / "out.txt").write_text("")
    nothing: dict[str, Any] = {"turns": [{"blocks": [{"text": "Nothing to say."}]}]}
    with contextlib.ExitStack() as stack:
        mock = stack.enter_context(provider(tmp_path / "provider", nothing))
        url = mock.url if STRAIGHT else stack.enter_context(running_gateway(tmp_path / "gateway", mock.url))
        yield Bench(url, mock, home, project, fakes)
