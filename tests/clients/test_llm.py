"""llm, end to end: a conversation with tools from the command line, kept in its own database between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import launch
from tests.clients.conftest import Bench, same_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.client

_FUNCTIONS = """
def read_file(path: str) -> str:
    "Read a file."
    return open(path).read()


def write_file(path: str, content: str) -> str:
    "Write a file."
    open(path, "w").write(content)
    return "written"
"""


def test_tools_with_true_values(bench: Bench, client: Callable[[str], None]) -> None:
    """Tools get the true values, the provider none of them, in a first run and in one that continues it."""
    client("llm")
    functions = bench.home / "functions.py"
    functions.write_text(_FUNCTIONS)
    write = {"tool": "write_file", "input": {"path": "out.txt", "content": '"{{github}}" — \\ {{secret}}'}}
    turns: list[list[dict[str, Any]]] = [[{"tool": "read_file", "input": {"path": "settings.env"}}], [write]]
    turns += [[{"text": "Done with {{github}}."}], [write], [{"text": "Still {{secret}}."}]]
    copy = {"github": {"pattern": r"GITHUB_TOKEN=(\S+)"}, "secret": {"pattern": r"AWS_SECRET_ACCESS_KEY=(\S+)"}}
    bench.provider.play({"copy": copy, "turns": [{"blocks": turn, "cut": "characters"} for turn in turns]})
    tools = ("--functions", str(functions))

    first = launch.llm(bench.url, bench.home, bench.project, "-m", "gated", *tools, "Copy the token into out.txt.")
    written = (bench.project / "out.txt").read_text()
    (bench.project / "out.txt").unlink()
    second = launch.llm(bench.url, bench.home, bench.project, "-c", *tools, "Once more.")

    values = bench.fakes.values
    assert [first.code, second.code] == [0, 0], (first, second)
    assert first.out.strip() == f"Done with {values['GITHUB_TOKEN']}."
    assert second.out.strip() == f"Still {values['AWS_SECRET_ACCESS_KEY']}."
    expected = f'"{values["GITHUB_TOKEN"]}" — \\ {values["AWS_SECRET_ACCESS_KEY"]}'
    assert [written, (bench.project / "out.txt").read_text()] == [expected, expected]
    requests = bench.conversation("/v1/chat/completions")
    assert len(requests) == len(turns)
    same_prefixes(requests)
    bench.grade()
