"""Claude Code on Amazon Bedrock, and AWS's SDK for Python, end to end through the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import credentials, launch
from tests.clients.conftest import STRAIGHT, Bench
from tests.gateway.running import running
from tests.provider.running import provider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.client

_COPY = {
    "github": {"pattern": r"GITHUB_TOKEN=([^\s\"]+)"},
    "stripe": {"pattern": r"STRIPE_SECRET_KEY=([^\s\"]+)"},
}
_ALLOWED = ("--allowedTools", "Read,Write,Bash")


def _file(bench: Bench, name: str) -> str:
    return str(bench.project / name)


@pytest.mark.parametrize("login", ["an API key", "none"])
def test_claude_code_on_bedrock(bench: Bench, client: Callable[[str], None], login: str) -> None:
    """It reads a file with credentials and writes one into another: the provider sees none, the file is true."""
    client("claude-code")
    read = {"tool": "Read", "input": {"file_path": _file(bench, "settings.env")}}
    write = {"tool": "Write", "input": {"file_path": _file(bench, "token.txt"), "content": "{{github}}"}}
    turns: list[list[dict[str, Any]]] = [[read], [write], [{"text": "The Stripe key is {{stripe}}."}]]
    rules = [{"tools": False, "blocks": [{"text": "A title"}]}]
    cut = [{"blocks": turn, "cut": "characters", "wire": {"random": 4, "most": 300}} for turn in turns]
    bench.provider.play({"copy": _COPY, "rules": rules, "turns": cut})

    outcome = launch.claude_code_on_bedrock(
        bench.url, bench.home, bench.project, "-p", "Put the token into token.txt.", *_ALLOWED, key=login != "none"
    )

    values = bench.fakes.values
    assert (outcome.code, outcome.out.strip()) == (0, f"The Stripe key is {values['STRIPE_SECRET_KEY']}."), outcome
    assert (bench.project / "token.txt").read_text() == values["GITHUB_TOKEN"]
    requests = bench.provider.requests("/model/")
    assert {seen.path.rpartition("/")[2] for seen in requests} <= {"invoke", "invoke-with-response-stream"}
    assert len(requests) >= len(turns)
    wanted = {f"Bearer {launch.KEY}"} if login != "none" else {None}
    assert {seen.header("authorization") for seen in requests} == wanted
    bench.grade()


@pytest.mark.parametrize("how", ["streamed", "whole"])
def test_the_sdk_for_python(
    tmp_path: Path, client: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The SDK signs with keys that mean nothing; the gateway signs what it sends with those that it holds."""
    if STRAIGHT:
        pytest.skip("without a gateway nobody signs")
    client("sdk-aws")
    held = "AKIA" + "HELD" * 4
    keys = {"AWS_ACCESS_KEY_ID": held, "AWS_SECRET_ACCESS_KEY": "held", "AWS_REGION": "us-east-1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    fakes = credentials.make(20261121)
    github = fakes.values["GITHUB_TOKEN"]
    turns = [{"blocks": [{"text": "It is {{github}}."}], "cut": "characters"}]
    with provider(tmp_path / "aws", {"copy": _COPY, "turns": turns}) as mock:
        row = f'[providers.bedrock]\nupstream = "{mock.url}"\nformat = "bedrock"\nsign = "aws"\n'
        with running(tmp_path / "gate", row) as gate:
            base = f"{gate.url}/t/{gate.credential('me')['x-poundlock-token']}"
            outcome = launch.aws(base, tmp_path, f"GITHUB_TOKEN={github}", how)
            (seen,) = mock.requests("/model/")
    assert (outcome.code, outcome.out.strip()) == (0, f"It is {github}."), outcome
    assert f"Credential={held}/" in (seen.header("authorization") or "")
    assert github.encode() not in seen.body
