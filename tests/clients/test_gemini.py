"""Gemini CLI, end to end: it reads credentials, writes them into a file, and never notices the gateway."""

from __future__ import annotations

import itertools
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import credentials, launch
from tests.clients.conftest import STRAIGHT, Bench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.provider.journal import Seen

pytestmark = pytest.mark.client

_COPY = {
    "github": {"pattern": r"GITHUB_TOKEN=(\S+)"},
    "secret": {"pattern": r"AWS_SECRET_ACCESS_KEY=(\S+)"},
    "stripe": {"pattern": r"STRIPE_SECRET_KEY=(\S+)"},
}
_CUTS = [
    pytest.param("whole", "events", id="whole"),
    pytest.param("characters", "bytes", id="byte-by-byte"),
    pytest.param({"random": 5, "most": 6}, {"random": 9, "most": 40}, id="random"),
]
SIGNATURE = "c2lnbmF0dXJlIG9mIHRoZSBtb2Nr"


def _needs(client: Callable[[str], None]) -> None:
    for name in ("gemini-cli", "node22"):
        client(name)


def _asked(bench: Bench) -> list[Seen]:
    return [seen for seen in bench.provider.requests("/v1beta/models/") if ":streamGenerateContent" in seen.path]


def same_prefixes(requests: list[Seen]) -> None:
    """Fail unless each request begins with all that the one before it held."""
    assert len(requests) > 1
    for earlier, later in itertools.pairwise(requests):
        before, after = earlier.json(), later.json()
        for name in ("systemInstruction", "tools"):
            assert before.get(name) == after.get(name), f"request {later.number}: {name} changed"
        assert after["contents"][: len(before["contents"])] == before["contents"], f"request {later.number}"
        assert len(after["contents"]) > len(before["contents"])


def _read(bench: Bench, name: str) -> dict[str, Any]:
    return {"tool": "read_file", "input": {"file_path": str(bench.project / name)}}


@pytest.mark.parametrize(("cut", "wire"), _CUTS)
def test_reads_and_writes_true_values(bench: Bench, client: Callable[[str], None], cut: Any, wire: Any) -> None:
    """The provider sees no credential, files and the screen get the true values, and signatures come back the same."""
    _needs(client)
    quoted = 'token = "{{github}}"\nnote: {"key": "{{stripe}}"}\n'
    thought = {"thinking": "The token is {{github}}; careful.", "signature": SIGNATURE}
    write = {"tool": "write_file", "input": {"file_path": str(bench.project / "app.conf"), "content": quoted}}
    command = f"printf %s '{{{{secret}}}}' > {bench.project}/aws.txt"
    shell = {"tool": "run_shell_command", "input": {"command": command, "description": "Save"}}
    said = [{"text": "The Stripe key is {{stripe}}. See the FAQ"}]
    turns: list[list[dict[str, Any]]] = [[thought, {"text": "I look."}, _read(bench, "settings.env")], [write], [shell]]
    turns += [said]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": cut, "wire": wire} for turn in turns]})

    outcome = launch.gemini(bench.url, bench.home, bench.project, "Put the tokens of settings.env into app.conf.")

    assert outcome.code == 0, outcome
    values = bench.fakes.values
    assert outcome.out.strip().endswith(f"The Stripe key is {values['STRIPE_SECRET_KEY']}. See the FAQ")
    expected = f'token = "{values["GITHUB_TOKEN"]}"\nnote: {{"key": "{values["STRIPE_SECRET_KEY"]}"}}\n'
    assert (bench.project / "app.conf").read_text() == expected
    assert (bench.project / "aws.txt").read_text() == values["AWS_SECRET_ACCESS_KEY"]
    requests = _asked(bench)
    assert len(requests) == len(turns)
    same_prefixes(requests)
    assert SIGNATURE in requests[-1].body.decode()
    for earlier, later in itertools.pairwise(requests):
        assert later.answer["cached"] >= earlier.answer["prompt"] - 1, "the provider's prompt cache missed"
    bench.grade()


def test_typed_private_key_is_refused_in_googles_shape(bench: Bench, client: Callable[[str], None]) -> None:
    """It is shown once, with its reason; nothing reaches the provider."""
    if STRAIGHT:
        pytest.skip("there is no gateway to refuse")
    _needs(client)
    pem = credentials.private_key()
    bench.provider.play({"turns": [{"blocks": [{"text": "Never said."}]}]})

    outcome = launch.gemini(bench.url, bench.home, bench.project, f"Deploy with this key:\n{pem}")

    assert outcome.code != 0
    assert "private key" in (outcome.out + outcome.err).lower()
    assert "Never said" not in outcome.out
    assert _asked(bench) == []
    bench_log = (bench.home.parent / "gateway" / "gateway.log").read_text()
    assert not any(line in bench_log for line in credentials.key_lines(pem))


def test_the_session_goes_on(bench: Bench, client: Callable[[str], None]) -> None:
    """A second run that resumes the first sends the same disguise."""
    _needs(client)
    turns = [[_read(bench, "settings.env")], [{"text": "Read: {{github}}"}], [{"text": "Again: {{github}}"}]]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]})

    first = launch.gemini(bench.url, bench.home, bench.project, "Read settings.env.")
    second = launch.gemini(bench.url, bench.home, bench.project, "Say it again.", "--resume", "latest")

    assert [first.code, second.code] == [0, 0], (first, second)
    token = bench.fakes.values["GITHUB_TOKEN"]
    assert first.out.strip().endswith(f"Read: {token}")
    assert second.out.strip().endswith(f"Again: {token}")
    last = json.loads(_asked(bench)[-1].body)["contents"]
    assert len([content for content in last if content["role"] == "model"]) == 2
    bench.grade()


def test_poundlock_run_leads_it_through(bench: Bench, client: Callable[[str], None], tmp_path: Path) -> None:
    """With the run's credential in the path of its base URL; the key is its own."""
    if STRAIGHT:
        pytest.skip("there is no gateway to run")
    _needs(client)
    config = tmp_path / "run.toml"
    state = f'[gateway]\nport = 0\n[state]\ndirectory = "{tmp_path / "run"}"\n'
    config.write_text(f'{state}[providers.gemini]\nupstream = "{bench.provider.url}"\n')
    turns = [[_read(bench, "settings.env")], [{"text": "Read: {{github}}"}]]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]})
    run = [sys.executable, "-m", "poundlock", "run", "--config", str(config), "--"]

    outcome = launch.gemini("", bench.home, bench.project, "Read settings.env.", wrapper=run)

    assert outcome.code == 0, outcome
    assert f"Read: {bench.fakes.values['GITHUB_TOKEN']}" in outcome.out
    assert "2 exchanges" in outcome.err
    assert [seen.header("x-goog-api-key") for seen in _asked(bench)] == [launch.KEY] * 2
    bench.grade()
