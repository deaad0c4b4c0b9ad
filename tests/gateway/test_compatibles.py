"""Servers that speak a known format, configured by name: each is inspected, and asked at its own address and path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.gateway import canary
from tests.gateway.running import ECHO, Gate, running

if TYPE_CHECKING:
    from collections.abc import Iterator


class Server(NamedTuple):
    """A server: its name, the path that its address ends with, its format, and the client's path under its name."""

    name: str
    prefix: str
    format: str
    path: str


CHAT, FIM = "/chat/completions", "/fim/completions"
SERVERS = [
    Server("vllm", "", "openai", f"/v1{CHAT}"),
    Server("llama-cpp", "", "openai", CHAT),
    Server("lm-studio", "", "openai", "/v1/responses"),
    Server("lm-studio-anthropic", "", "anthropic", "/v1/messages"),
    Server("openrouter", "/api", "openai", f"/v1{CHAT}"),
    Server("mistral", "", "openai", f"/v1{CHAT}"),
    Server("mistral-fim", "", "openai", f"/v1{FIM}"),
    Server("codestral", "", "openai", f"/v1{FIM}"),
    Server("deepseek", "", "openai", CHAT),
    Server("deepseek-fim", "", "openai", "/beta/completions"),
    Server("xai", "", "openai", f"/v1{CHAT}"),
    Server("xai-embeddings", "", "openai", "/v1/embeddings"),
    Server("own-ollama", "", "ollama", "/api/chat"),
    Server("own-gemini", "/gate", "gemini", "/v1beta/models/gemini-3-pro:generateContent"),
]


def body(server: Server, text: str) -> dict[str, Any]:
    """Give a body of the server's format that says a text."""
    if server.format == "gemini":
        return {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    if server.path.endswith("responses"):
        return {"model": "m", "input": text}
    if server.path.endswith("embeddings"):
        return {"model": "m", "input": [text]}
    if server.path.endswith("completions") and not server.path.endswith(CHAT):
        return {"model": "m", "prompt": f"def f():\n    # {text}\n", "suffix": "\n    return 1\n"}
    more = {"max_tokens": 9} if server.format == "anthropic" else {}
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more, "stream": False}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Run one gateway that knows all of them."""
    with running(tmp_path_factory.mktemp("gate")) as gate:
        rows = "".join(
            f'[providers.{each.name}]\nupstream = "{gate.mock.url}{each.prefix}"\nformat = "{each.format}"\n'
            for each in SERVERS
        )
        gate.config.write_text(gate.config.read_text() + rows)
        gate.mock.play(ECHO)
        yield gate.restart()


@pytest.mark.parametrize("server", SERVERS, ids=[server.name for server in SERVERS])
def test_a_configured_server_is_inspected(gate: Gate, server: Server) -> None:
    """It gets a stand-in at its own path, and what it says comes home true."""
    secret = canary.access_key()
    before = len(gate.mock.requests())

    data = json.dumps(body(server, f"The key is {secret}.")).encode()
    answer = gate.raw(f"/p/{server.name}{server.path}", data, {"content-type": "application/json"})

    (seen,) = gate.mock.requests()[before:]
    assert seen.path == server.prefix + server.path
    assert canary.found(seen.body, [secret]) == []
    assert b"QZ_AWS_ACCESS_KEY" in seen.body
    if answer.status == 200 and not server.path.endswith("embeddings"):
        assert f"It is {secret}." in answer.body.decode()


def test_a_name_that_nobody_configured(gate: Gate) -> None:
    """Is refused, with the advice to configure it."""
    before = len(gate.mock.requests())

    answer = gate.raw("/p/nobody/v1/chat/completions", b"{}", {"content-type": "application/json"})

    assert answer.status == 400
    assert "[providers.NAME]" in json.loads(answer.body)["error"]["message"]
    assert len(gate.mock.requests()) == before
