"""Tools that run at the provider's: refused unless the configuration names them, and then told in the record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.running import PLAIN, Gate, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Run one gateway, one of whose providers may connect to one server."""
    folder = tmp_path_factory.mktemp("gate")
    with running(folder) as gate:
        row = f'[providers.wide]\nupstream = "{gate.mock.url}"\nformat = "anthropic"\n'
        gate.config.write_text(gate.config.read_text() + row + 'hosted = ["web_search", "mcp:mcp.example.com"]\n')
        gate.mock.play(PLAIN)
        yield gate.restart()


def ask(gate: Gate, path: str, **more: Any) -> Any:
    """Ask in Anthropic's format."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}], **more}
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    return gate.raw(path, json.dumps(body).encode(), headers)


SERVER = {"type": "url", "name": "n", "url": "https://mcp.example.com/sse"}


def test_a_server_is_refused_by_default(gate: Gate) -> None:
    """Nothing is sent, and the advice says how to allow it."""
    before = len(gate.mock.requests())

    answer = ask(gate, "/v1/messages", mcp_servers=[SERVER])

    assert answer.status == 400
    assert "connect to an MCP server" in json.loads(answer.body)["error"]["message"]
    assert "`hosted`: mcp:HOST" in json.loads(answer.body)["error"]["message"]
    assert "mcp.example.com" not in answer.body.decode()
    assert len(gate.mock.requests()) == before


def test_a_server_that_is_named_may_be_reached(gate: Gate) -> None:
    """Its host is in the provider's table; another one, or a name that only looks like it, is not."""
    answer = ask(gate, "/p/wide/v1/messages", mcp_servers=[SERVER])

    assert answer.status == 200
    assert gate.record(answer.id)["hosted"] == ["mcp"]
    for url in ("https://mcp.example.com.evil.example/", "https://mcp.example.com@evil.example/", "https://x.example"):
        assert ask(gate, "/p/wide/v1/messages", mcp_servers=[{**SERVER, "url": url}]).status == 400


def test_a_usual_search_is_on_record(gate: Gate) -> None:
    """A search of the provider's is allowed by default, and told in the record; reading pages is not."""
    answer = ask(gate, "/v1/messages", tools=[{"type": "web_search_20250305", "name": "web_search"}])
    fetching = ask(gate, "/v1/messages", tools=[{"type": "web_fetch_20250910", "name": "web_fetch"}])

    assert answer.status == 200
    assert gate.record(answer.id)["hosted"] == ["web_search"]
    assert fetching.status == 400
