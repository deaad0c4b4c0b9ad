"""Codex, end to end: it reads credentials by a shell command, writes one into a file, and never notices the gateway."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import credentials, launch
from tests.clients.conftest import STRAIGHT, Bench, running_gateway, same_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.client

_COPY = {
    "github": {"pattern": r"GITHUB_TOKEN=([^\s\"]+)"},
    "secret": {"pattern": r"AWS_SECRET_ACCESS_KEY=([^\s\"]+)"},
    "stripe": {"pattern": r"STRIPE_SECRET_KEY=([^\s\"]+)"},
}
_CUTS = [
    pytest.param("whole", "events", id="whole"),
    pytest.param("characters", "bytes", id="byte-by-byte"),
    pytest.param({"random": 5, "most": 6}, {"random": 9, "most": 40}, id="random"),
]


def _codex(bench: Bench, prompt: str, *more: str, url: str = "") -> launch.Outcome:
    return launch.codex(url or bench.url, bench.home, bench.project, prompt, *more)


def _shell(command: str) -> dict[str, Any]:
    return {"tool": "exec_command", "input": {"cmd": command}}


@pytest.mark.parametrize(("cut", "wire"), _CUTS)
def test_reads_and_writes_true_values(bench: Bench, client: Callable[[str], None], cut: Any, wire: Any) -> None:
    """Over three prompts the provider sees no credential, and files and the screen get the true values."""
    client("codex")
    thought = {"thinking": "The token may be {{github}}; careful."}
    write = _shell("printf '%s' '{{github}}' > token.txt && printf '%s' '{{secret}}' > aws.txt")
    said = [{"text": "The Stripe key is {{stripe}}. See the FAQ"}]
    turns: list[list[dict[str, Any]]] = [[{"text": "I look."}, _shell("cat settings.env")], [thought, write], said]
    turns += [[_shell("cat aws.txt"), _shell("wc -l settings.env")], said, [_shell("cat token.txt")], said]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": cut, "wire": wire} for turn in turns]})

    first = _codex(bench, "Put the token of settings.env into token.txt, and the AWS secret into aws.txt.")
    second = _codex(bench, "Read aws.txt again.", "resume", "--last")
    third = _codex(bench, "And token.txt.", "resume", "--last")

    assert [first.code, second.code, third.code] == [0, 0, 0], (first, second, third)
    values = bench.fakes.values
    for outcome in (first, second, third):
        assert outcome.out.strip() == f"The Stripe key is {values['STRIPE_SECRET_KEY']}. See the FAQ"
    assert f"The token may be {values['GITHUB_TOKEN']}; careful." in first.err
    assert (bench.project / "token.txt").read_text() == values["GITHUB_TOKEN"]
    assert (bench.project / "aws.txt").read_text() == values["AWS_SECRET_ACCESS_KEY"]
    requests = bench.conversation("/v1/responses")
    assert len(requests) == len(turns)
    same_prefixes(requests)
    for earlier, later in itertools.pairwise(requests):
        assert later.answer["cached"] >= earlier.answer["prompt"] - 1, "the provider's prompt cache missed"
    bench.grade()


def test_a_command_that_reaches_out_keeps_its_surrogates(bench: Bench, client: Callable[[str], None]) -> None:
    """What would go to a network is not restored: the command runs with the stand-in."""
    client("codex")
    command = "printf '%s' '{{github}}' > sent.txt; curl --max-time 1 http://127.0.0.1:9/?{{github}}; true"
    turns = [[_shell("cat settings.env")], [_shell(command)], [{"text": "Done."}]]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]})

    outcome = _codex(bench, "Send the token.")

    assert (outcome.code, outcome.out.strip()) == (0, "Done."), outcome
    sent = (bench.project / "sent.txt").read_text()
    assert (sent == bench.fakes.values["GITHUB_TOKEN"]) is STRAIGHT
    assert sent.startswith("QZ_") is not STRAIGHT
    bench.grade()


def test_typed_private_key_is_refused_and_the_session_lives(bench: Bench, client: Callable[[str], None]) -> None:
    """A prompt with a private key is refused in words that Codex shows; the next prompt of the session works."""
    client("codex")
    pem = credentials.private_key()
    turns = [[_shell("cat settings.env")], [{"text": "Read."}], [{"text": "Going on."}], [{"text": "And on."}]]
    bench.provider.play({"turns": [{"blocks": turn} for turn in turns]})

    opened = _codex(bench, "Read settings.env.")
    before = len(bench.provider.requests())
    refused = _codex(bench, f"Deploy with this key:\n{pem}", "resume", "--last")
    seen = bench.provider.requests()[before:]
    after = _codex(bench, "Leave the key alone and go on.", "resume", "--last")

    assert (opened.code, opened.out.strip()) == (0, "Read."), opened
    assert (after.code, after.out.strip()) == (0, "And on." if STRAIGHT else "Going on."), after
    if not STRAIGHT:
        assert refused.code == 1
        assert "private key" in refused.err.lower()
        assert [entry for entry in seen if entry.method == "POST"] == []
    bench.grade(tuple(credentials.key_lines(pem)))


def test_restart_between_prompts(bench: Bench, client: Callable[[str], None], tmp_path: Path) -> None:
    """After a restart of the gateway the same conversation goes out in the same bytes, and values still come home."""
    if STRAIGHT:
        pytest.skip("there is no gateway to restart")
    client("codex")
    turns = [[_shell("cat settings.env")], [{"text": "Read."}], [_shell("printf '%s' '{{secret}}' > aws.txt")]]
    turns += [[{"text": "It was {{stripe}}."}]]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]})
    elsewhere = tmp_path / "restarted"

    with running_gateway(elsewhere, bench.provider.url) as url:
        first = _codex(bench, "Read settings.env.", url=url)
    with running_gateway(elsewhere, bench.provider.url) as url:
        second = _codex(bench, "Write it.", "resume", "--last", url=url)

    assert [first.code, second.code] == [0, 0], (first, second)
    assert second.out.strip() == f"It was {bench.fakes.values['STRIPE_SECRET_KEY']}."
    assert (bench.project / "aws.txt").read_text() == bench.fakes.values["AWS_SECRET_ACCESS_KEY"]
    requests = bench.conversation("/v1/responses")
    assert len(requests) == len(turns)
    same_prefixes(requests)
    bench.grade()


@pytest.mark.parametrize("login", ["key in the environment", "key of its own login"])
def test_under_run(bench: Bench, client: Callable[[str], None], login: str) -> None:
    """`poundlock run -- codex` needs no configuration, and shows the run's credential to nobody."""
    if STRAIGHT:
        pytest.skip("there is no gateway to run it behind")
    client("codex")
    mine = "for each in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $each; echo; done | grep model_providers.poundlock"
    command = f"cat settings.env; ({mine}) > seen.txt 2>/dev/null"
    turns = [[_shell(command)], [{"text": "The key is {{stripe}}."}]]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]})
    config = bench.home / "poundlock.toml"
    config.write_text(f'[gateway]\nport = 0\n[providers.openai]\nupstream = "{bench.provider.url}"\n')
    own = {"OPENAI_API_KEY": launch.KEY}
    if login == "key of its own login":
        (bench.home / ".codex").mkdir()
        (bench.home / ".codex" / "auth.json").write_text(json.dumps(own))
        own = {}

    outcome = launch.under_run("codex", bench.home, bench.project, own, "exec", *launch.CODEX, "Which key?")

    assert (outcome.code, outcome.out.strip()) == (0, f"The key is {bench.fakes.values['STRIPE_SECRET_KEY']}."), outcome
    assert "disguised:" in outcome.err
    commands = (bench.project / "seen.txt").read_text()
    assert "/node_modules/" in commands
    assert "pl_" not in commands
    requests = bench.conversation("/v1/responses")
    assert len(requests) >= len(turns)
    assert {seen.header("authorization") for seen in requests} == {f"Bearer {launch.KEY}"}
    assert {seen.header("x-poundlock-token") for seen in requests} == {None}
    bench.grade()


def _built_in(bench: Bench) -> None:
    """Point Codex's built-in provider at the gateway, by its own settings and with a key of its own login."""
    (bench.home / ".codex").mkdir()
    (bench.home / ".codex" / "config.toml").write_text(f"openai_base_url = {json.dumps(bench.url + '/v1')}\n")
    (bench.home / ".codex" / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": launch.KEY}))


def test_the_built_in_provider_speaks_websocket(bench: Bench, client: Callable[[str], None]) -> None:
    """Over a WebSocket only what is new goes out, disguised, and true values come home to files and the screen."""
    client("codex")
    write = _shell("printf '%s' '{{github}}' > token.txt && printf '%s' '{{secret}}' > aws.txt")
    turns = [[_shell("cat settings.env")], [write], [{"text": "The key is {{stripe}}."}]]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]})
    _built_in(bench)

    outcome = launch.codex("", bench.home, bench.project, "Put the token into token.txt, the AWS secret into aws.txt.")

    values = bench.fakes.values
    assert (outcome.code, outcome.out.strip()) == (0, f"The key is {values['STRIPE_SECRET_KEY']}."), outcome
    assert (bench.project / "token.txt").read_text() == values["GITHUB_TOKEN"]
    assert (bench.project / "aws.txt").read_text() == values["AWS_SECRET_ACCESS_KEY"]
    asked = [seen.json() for seen in bench.provider.requests() if seen.method == "MESSAGE"]
    asked = [message for message in asked if message.get("generate") is not False]
    assert [message["type"] for message in asked] == ["response.create"] * 3
    assert all("previous_response_id" in message for message in asked[1:])
    assert [seen.path for seen in bench.provider.requests() if seen.method == "POST"] == []
    bench.grade()


def test_the_built_in_provider_falls_back_from_websocket(bench: Bench, client: Callable[[str], None]) -> None:
    """Where the provider has no WebSocket, Codex is told so and speaks HTTP."""
    client("codex")
    turns = [[_shell("cat settings.env")], [{"text": "The key is {{stripe}}."}]]
    script = {"copy": _COPY, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]}
    bench.provider.play({**script, "sockets": False})
    _built_in(bench)

    outcome = launch.codex("", bench.home, bench.project, "Which key?")

    assert (outcome.code, outcome.out.strip()) == (0, f"The key is {bench.fakes.values['STRIPE_SECRET_KEY']}.")
    assert [seen.method for seen in bench.provider.requests("/v1/responses")][-2:] == ["POST", "POST"]
    bench.grade()
