"""Claude Code at a terminal, end to end: one process, prompts pasted one after another, one of them refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import credentials
from tests.clients.conftest import STRAIGHT, Bench
from tests.clients.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.client


@pytest.mark.parametrize("version", ["claude-code", "claude-code-2.1.197"])
def test_pasted_private_key_is_refused_and_the_session_lives(
    bench: Bench, client: Callable[[str], None], version: str
) -> None:
    """A pasted private key is refused on the screen; the same process goes on, and shows true values again."""
    client(version)
    pem = credentials.private_key()
    read = {"tool": "Read", "input": {"file_path": str(bench.project / "settings.env")}}
    write = {"tool": "Write", "input": {"file_path": str(bench.project / "app.conf"), "content": "{{stripe}}"}}
    copy = {"stripe": {"pattern": r"STRIPE_SECRET_KEY=(\S+)"}}
    turns: list[list[dict[str, Any]]] = [[read], [{"text": "First answer."}], [write], [{"text": "Written, I say."}]]
    rules: list[dict[str, Any]] = [{"tools": False, "blocks": [{"text": '{"title": "Settings"}'}]}]
    if STRAIGHT:
        # Without a gateway the mock has to refuse, so that the same conversation follows.
        refusal = {"status": 400, "message": "a private key was refused"}
        rules.append({"contains": r"PRIVATE KEY(?![\s\S]*app\.conf)", "error": refusal})
    bench.provider.play({"copy": copy, "rules": rules, "turns": [{"blocks": turn} for turn in turns]})

    terminal = Terminal(bench.url, bench.home, bench.project, version)
    try:
        assert terminal.ask("Read settings.env.", lambda: _shows(terminal, "First answer."))
        before = len(bench.provider.requests("/v1/messages"))
        assert terminal.ask(f"Deploy with this:\n{pem}", lambda: _shows(terminal, "API Error: 400")), terminal.screen[
            -3000:
        ]
        during = bench.provider.requests("/v1/messages")[before:]
        assert terminal.ask("Write app.conf.", lambda: _shows(terminal, "Written, I say."))
    finally:
        terminal.close()

    assert (bench.project / "app.conf").read_text() == bench.fakes.values["STRIPE_SECRET_KEY"]
    assert STRAIGHT or during == []
    bench.grade(tuple(credentials.key_lines(pem)))


def _shows(terminal: Terminal, text: str) -> bool:
    """Whether a text was shown: a terminal may put cursor movements where its spaces were."""
    return text.replace(" ", "") in terminal.text().replace(" ", "")
