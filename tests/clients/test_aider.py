"""aider, end to end: whole files in user text, edits as SEARCH/REPLACE text, over both providers' wires."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from tests.clients import launch
from tests.clients.conftest import STRAIGHT, Bench
from tests.provider.figures import plain

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.client

_PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


@pytest.mark.parametrize("speak", ["openai", "anthropic"])
def test_edits_with_true_values(bench: Bench, client: Callable[[str], None], speak: str) -> None:
    """Over three prompts the provider sees no credential, and the file that aider edits gets the true value."""
    client("aider")
    edit = "out.txt\n```\n<<<<<<< SEARCH\n=======\ntoken = {{github}}\n>>>>>>> REPLACE\n```\n"
    first = "token = {{github}}\n"
    again = f"out.txt\n```\n<<<<<<< SEARCH\n{first}=======\n{first}key = {{{{secret}}}}\n>>>>>>> REPLACE\n```\n"
    copy = {"github": {"pattern": r"GITHUB_TOKEN=(\S+)"}, "secret": {"pattern": r"AWS_SECRET_ACCESS_KEY=(\S+)"}}
    rules = [
        {
            "contains": "first wish",
            "blocks": [{"text": f"I write it.\n\n{edit}"}],
            "cut": "characters",
            "wire": "bytes",
        },
        {"contains": "second wish", "blocks": [{"text": f"More.\n\n{again}"}], "cut": {"inside": ["{{secret}}"]}},
    ]
    bench.provider.play({"copy": copy, "rules": rules, "turns": [{"blocks": [{"text": "It is {{secret}}, I think."}]}]})

    prompts = ("first wish: write the token", "second wish: write the secret", "third: say it")
    outcome = launch.aider(bench.url, bench.home, bench.project, prompts, "settings.env", "out.txt", speak=speak)

    assert outcome.code == 0, outcome
    values = bench.fakes.values
    expected = f"token = {values['GITHUB_TOKEN']}\nkey = {values['AWS_SECRET_ACCESS_KEY']}\n"
    assert (bench.project / "out.txt").read_text() == expected, outcome.out[-1500:]
    assert f"It is {values['AWS_SECRET_ACCESS_KEY']}, I think." in outcome.out
    requests = bench.conversation(_PATHS[speak])
    assert len(requests) == len(prompts)
    _kept_messages_are_the_same([seen.json()["messages"] for seen in requests])
    bench.grade()


def _kept_messages_are_the_same(turns: list[list[object]]) -> None:
    """Fail unless aider's files come disguised alike: it moves them to the end each turn, so positions don't count."""
    for before, after in itertools.pairwise(turns):
        kept = {json.dumps(plain(message)) for message in after}
        lost = [number for number, message in enumerate(before) if json.dumps(plain(message)) not in kept]
        # The newest message loses its reminder, the message with the files changes with out.txt.
        assert set(lost) <= {len(before) - 1, len(before) - 3}, lost
    files = [json.dumps(turn[-3]) for turn in turns]
    lines = [{line for line in text.split("\\n") if line.startswith(("GITHUB", "AWS", "STRIPE"))} for text in files]
    assert lines[0] == lines[1] == lines[2]
    assert len(lines[0]) == 4
    assert STRAIGHT or all("=" in line for line in lines[0])
