"""Claude Code, end to end: it reads credentials, writes one into a file, and never notices the gateway."""

from __future__ import annotations

import contextlib
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import credentials, launch
from tests.clients.aimock import aimock, journal
from tests.clients.conftest import STRAIGHT, Bench, running_gateway, same_prefixes
from tests.provider.journal import Seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.client

_TOOLS = ("--allowedTools", "Read,Write,Bash")
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


def _claude(bench: Bench, prompt: str, *more: str) -> launch.Outcome:
    return launch.claude_code(bench.url, bench.home, bench.project, "-p", prompt, *_TOOLS, *more)


def _read(bench: Bench, name: str) -> dict[str, Any]:
    return {"tool": "Read", "input": {"file_path": str(bench.project / name)}}


@pytest.mark.parametrize(("cut", "wire"), _CUTS)
def test_reads_and_writes_true_values(bench: Bench, client: Callable[[str], None], cut: Any, wire: Any) -> None:
    """Over three prompts the provider sees no credential, and files and the screen get the true values."""
    client("claude-code")
    quoted = 'token = "{{github}}"\nnote: {"key": "{{stripe}}"}\n'
    thought = {"thinking": "The token is {{github}}; careful.", "signature": "c2lnbmF0dXJlIG9mIHRoZSBtb2Nr"}
    write = {"tool": "Write", "input": {"file_path": str(bench.project / "app.conf"), "content": quoted}}
    # A local command: the sink that the default pack restores into beside files.
    bash = {
        "tool": "Bash",
        "input": {"command": f"printf %s '{{{{secret}}}}' > {bench.project}/aws.txt", "description": "Save"},
    }
    said = [{"text": "The Stripe key is {{stripe}}."}]
    turns: list[list[dict[str, Any]]] = [[thought, {"text": "I look."}, _read(bench, "settings.env")], [write], said]
    turns += [[bash], said, [_read(bench, "app.conf")], said]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": cut, "wire": wire} for turn in turns]})

    first = _claude(bench, "Put the tokens of settings.env into app.conf.")
    second = _claude(bench, "Now save the AWS secret into aws.txt.", "--continue")
    third = _claude(bench, "Read app.conf again.", "--continue")

    assert [first.code, second.code, third.code] == [0, 0, 0], (first, second, third)
    values = bench.fakes.values
    for outcome in (first, second, third):
        assert outcome.out.strip() == f"The Stripe key is {values['STRIPE_SECRET_KEY']}."
    expected = f'token = "{values["GITHUB_TOKEN"]}"\nnote: {{"key": "{values["STRIPE_SECRET_KEY"]}"}}\n'
    assert (bench.project / "app.conf").read_text() == expected
    assert (bench.project / "aws.txt").read_text() == values["AWS_SECRET_ACCESS_KEY"]
    requests = bench.conversation("/v1/messages")
    assert len(requests) == len(turns)
    same_prefixes(requests)
    for earlier, later in itertools.pairwise(requests):
        assert later.answer["cached"] >= earlier.answer["prompt"] - 1, "the provider's prompt cache missed"
    bench.grade()


def test_private_key_in_a_file_is_impounded(bench: Bench, client: Callable[[str], None]) -> None:
    """A private key in a file that it reads never reaches the provider, and the session goes on for several turns."""
    client("claude-code")
    pem = credentials.private_key()
    (bench.project / "server.key").write_text(pem)
    done = {"text": "I have read both."}
    turns = [[_read(bench, "server.key"), _read(bench, "settings.env")], [done], [_read(bench, "server.key")], [done]]
    bench.provider.play({"turns": [{"blocks": turn} for turn in turns]})

    first = _claude(bench, "Is server.key the key that settings.env means?")
    second = _claude(bench, "Look at it once more.", "--continue")

    assert [first.code, second.code] == [0, 0], (first, second)
    assert [first.out.strip(), second.out.strip()] == ["I have read both."] * 2
    requests = bench.conversation("/v1/messages")
    assert len(requests) == len(turns)
    same_prefixes(requests)
    bench.grade(tuple(credentials.key_lines(pem)))


def test_typed_private_key_is_refused_and_the_session_lives(bench: Bench, client: Callable[[str], None]) -> None:
    """A prompt with a private key is refused in the provider's error shape; the next prompt of the session works.

    Claude Code sends a refused prompt again, in the same user message as the next one: that must not be refused twice.
    """
    client("claude-code")
    pem = credentials.private_key()
    turns = [[_read(bench, "settings.env")], [{"text": "Read."}], [{"text": "Going on."}], [{"text": "And on."}]]
    bench.provider.play({"turns": [{"blocks": turn} for turn in turns]})

    opened = _claude(bench, "Read settings.env.")
    before = len(bench.provider.requests())
    refused = _claude(bench, f"Deploy with this key:\n{pem}", "--continue")
    seen = bench.provider.requests()[before:]
    after = _claude(bench, "Leave the key alone and go on.", "--continue")
    last = _claude(bench, "And again.", "--continue")

    assert (opened.code, opened.out.strip()) == (0, "Read.")
    assert [after.code, last.code] == [0, 0], (after, last)
    assert [after.out.strip(), last.out.strip()] == (["And on."] * 2 if STRAIGHT else ["Going on.", "And on."])
    if not STRAIGHT:
        assert refused.code == 1
        assert refused.out.startswith("API Error: 400"), refused.out[:200]
        assert "private key" in refused.out.lower()
        assert not any(line in refused.out for line in credentials.key_lines(pem))
        assert [entry for entry in seen if entry.method == "POST"] == []
    bench.grade(tuple(credentials.key_lines(pem)))


def test_first_prompt_refused(bench: Bench, client: Callable[[str], None]) -> None:
    """A session whose very first prompt is refused can be continued, too."""
    client("claude-code")
    pem = credentials.private_key()
    turns = [[_read(bench, "settings.env")], [{"text": "Here."}], [{"text": "Here."}]]
    bench.provider.play({"turns": [{"blocks": turn} for turn in turns]})

    refused = _claude(bench, f"Use {pem}")
    after = _claude(bench, "Read settings.env instead.", "--continue")

    assert refused.code == (0 if STRAIGHT else 1)
    assert (after.code, after.out.strip()) == (0, "Here."), after
    bench.grade(tuple(credentials.key_lines(pem)))


def test_restart_between_prompts(bench: Bench, client: Callable[[str], None], tmp_path: Path) -> None:
    """After a restart of the gateway the same conversation goes out in the same bytes, and values still come home."""
    if STRAIGHT:
        pytest.skip("there is no gateway to restart")
    client("claude-code")
    write = {"tool": "Write", "input": {"file_path": str(bench.project / "app.conf"), "content": "{{secret}}"}}
    turns = [[_read(bench, "settings.env")], [{"text": "Read."}], [write], [{"text": "It was {{stripe}}."}]]
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]})
    elsewhere = tmp_path / "restarted"

    with running_gateway(elsewhere, bench.provider.url) as url:
        first = launch.claude_code(url, bench.home, bench.project, "-p", "Read settings.env.", *_TOOLS)
    with running_gateway(elsewhere, bench.provider.url) as url:
        second = launch.claude_code(url, bench.home, bench.project, "-p", "Write it.", *_TOOLS, "--continue")

    assert [first.code, second.code] == [0, 0], (first, second)
    assert second.out.strip() == f"It was {bench.fakes.values['STRIPE_SECRET_KEY']}."
    assert (bench.project / "app.conf").read_text() == bench.fakes.values["AWS_SECRET_ACCESS_KEY"]
    requests = bench.conversation("/v1/messages")
    assert len(requests) == len(turns)
    same_prefixes(requests)
    bench.grade()


def test_against_a_mock_that_others_wrote(bench: Bench, client: Callable[[str], None], tmp_path: Path) -> None:
    """Streams of another hand pass too: tools run, the session ends well, and that mock saw no credential."""
    for name in ("claude-code", "aimock", "node22"):
        client(name)
    read = {"name": "Read", "arguments": json.dumps({"file_path": str(bench.project / "settings.env")})}
    command = f"grep -c = {bench.project}/settings.env > {bench.project}/count.txt"
    bash = {"name": "Bash", "arguments": json.dumps({"command": command, "description": "Count"})}
    fixtures: list[dict[str, Any]] = [
        {"match": {"turnIndex": 0}, "response": {"content": "I look.", "toolCalls": [read]}},
        {"match": {"turnIndex": 1}, "response": {"toolCalls": [bash]}},
        {"match": {"turnIndex": 2}, "response": {"content": "Five lines."}},
    ]
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(aimock(tmp_path / "aimock", fixtures))
        url = other if STRAIGHT else stack.enter_context(running_gateway(tmp_path / "before-aimock", other))
        outcome = launch.claude_code(url, bench.home, bench.project, "-p", "Count the settings.", *_TOOLS)
        received = journal(other)

    assert (outcome.code, outcome.out.strip()) == (0, "Five lines."), outcome
    assert (bench.project / "count.txt").read_text() == "5\n"
    assert b"AWS_SECRET_ACCESS_KEY" in received, "aimock's journal should hold what it was sent"
    seen = Seen(1, 0.0, "POST", "aimock", (), received, {})
    assert (credentials.leaks([seen], bench.fakes.secrets()) == []) is not STRAIGHT
