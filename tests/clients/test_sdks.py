"""The vendors' SDKs for Python and Node, streaming and not, end to end in a small agent of our own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import credentials, launch
from tests.clients.conftest import STRAIGHT, Bench, same_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.client

_PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "responses": "/v1/responses"}
_SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
    "required": ["path"],
}
_NAMES = ("read_file", "write_file")
_TOOLS: dict[str, list[dict[str, Any]]] = {
    "anthropic": [{"name": name, "description": name, "input_schema": _SCHEMA} for name in _NAMES],
    "openai": [
        {"type": "function", "function": {"name": name, "description": name, "parameters": _SCHEMA}} for name in _NAMES
    ],
    "responses": [{"type": "function", "name": name, "description": name, "parameters": _SCHEMA} for name in _NAMES],
}
_PARAMS: dict[str, dict[str, Any]] = {
    "anthropic": {"model": "claude-sonnet-4-6", "max_tokens": 1000, "system": "Be brief.", "messages": []},
    "openai": {"model": "gpt-5.2", "messages": [{"role": "system", "content": "Be brief."}]},
    "responses": {"model": "gpt-5.2", "instructions": "Be brief.", "input": []},
}


def _needs(client: Callable[[str], None], language: str) -> None:
    for name in ("sdks-python",) if language == "python" else ("sdks-node", "node22"):
        client(name)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("language", ["python", "node"])
def test_agent_that_sends_only_what_is_new(
    bench: Bench, client: Callable[[str], None], language: str, stream: bool
) -> None:
    """With `previous_response_id` nothing is sent twice; what was disguised turns ago still comes home.

    Whole answers are also fetched again by their id, and are the same.
    """
    _needs(client, language)
    read = {"tool": "read_file", "input": {"path": "settings.env"}}
    write = {"tool": "write_file", "input": {"path": "out.txt", "content": 'token = "{{github}}"'}}
    turns: list[list[dict[str, Any]]] = [[read], [{"text": "Read."}], [write], [{"text": "{{github}} it is, see FAQ"}]]
    turns += [[{"text": "Still {{secret}}"}]]
    copy = {"github": {"pattern": r"GITHUB_TOKEN=(\S+)"}, "secret": {"pattern": r"AWS_SECRET_ACCESS_KEY=(\S+)"}}
    script = [{"blocks": turn, "cut": "characters", "wire": {"random": 2, "most": 30}} for turn in turns]
    bench.provider.play({"copy": copy, "turns": script})
    order = {"sdk": "responses", "base_url": bench.url, "stream": stream, "call": "agent", "chain": True}
    order |= {
        "folder": str(bench.project),
        "prompts": ["Read it.", "Write it.", "And the secret?"],
        "params": {**_PARAMS["responses"], "tools": _TOOLS["responses"]},
    }

    outcome = launch.sdk(language, bench.home, order)

    assert outcome.code == 0, outcome.err[-1500:]
    values = bench.fakes.values
    texts = ["Read.", f"{values['GITHUB_TOKEN']} it is, see FAQ", f"Still {values['AWS_SECRET_ACCESS_KEY']}"]
    assert json.loads(outcome.out)["texts"] == texts
    assert (bench.project / "out.txt").read_text() == f'token = "{values["GITHUB_TOKEN"]}"'
    requests = [seen for seen in bench.provider.requests("/v1/responses") if seen.method == "POST"]
    assert [len(seen.json()["input"]) for seen in requests] == [1] * len(turns)
    bench.grade()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("vendor", ["anthropic", "openai", "responses"])
@pytest.mark.parametrize("language", ["python", "node"])
def test_agent(bench: Bench, client: Callable[[str], None], language: str, vendor: str, stream: bool) -> None:
    """An agent reads credentials and writes them, over two prompts; the provider sees none of them."""
    _needs(client, language)
    content = '{"token": "{{github}}",\n\t"dsn": "{{database}}"}'
    read = {"tool": "read_file", "input": {"path": "settings.env"}}
    write = {"tool": "write_file", "input": {"path": "out.txt", "content": content}}
    again = {"tool": "write_file", "input": {"path": "again.txt", "content": "{{secret}}"}}
    turns: list[list[dict[str, Any]]] = [[{"text": "I look."}, read], [write, again], [{"text": "{{github}} it is."}]]
    turns += [[again], [{"text": "Done: {{secret}}"}]]
    copy = {
        "github": {"pattern": r"GITHUB_TOKEN=(\S+)"},
        "secret": {"pattern": r"AWS_SECRET_ACCESS_KEY=(\S+)"},
        "database": {"pattern": r"DATABASE_URL=(\S+)"},
    }
    script = [{"blocks": turn, "cut": "characters", "wire": {"random": 2, "most": 30}} for turn in turns]
    bench.provider.play({"copy": copy, "turns": script})
    order = {"sdk": vendor, "base_url": bench.url, "stream": stream, "call": "agent", "folder": str(bench.project)}
    order |= {
        "prompts": ["Copy the token into out.txt.", "And once more."],
        "params": {**_PARAMS[vendor], "tools": _TOOLS[vendor]},
    }

    outcome = launch.sdk(language, bench.home, order)

    assert outcome.code == 0, outcome.err[-1500:]
    values = bench.fakes.values
    texts = json.loads(outcome.out)["texts"]
    assert texts == [f"{values['GITHUB_TOKEN']} it is.", f"Done: {values['AWS_SECRET_ACCESS_KEY']}"]
    expected = {"token": values["GITHUB_TOKEN"], "dsn": values["DATABASE_URL"]}
    assert json.loads((bench.project / "out.txt").read_text()) == expected
    assert (bench.project / "again.txt").read_text() == values["AWS_SECRET_ACCESS_KEY"]
    requests = bench.conversation(_PATHS[vendor])
    assert len(requests) == len(turns)
    same_prefixes(requests)
    bench.grade()


@pytest.mark.parametrize("vendor", ["anthropic", "openai", "responses"])
@pytest.mark.parametrize("language", ["python", "node"])
def test_refusal_has_the_vendors_shape(bench: Bench, client: Callable[[str], None], language: str, vendor: str) -> None:
    """A typed private key is refused with an error that the SDK takes for its vendor's own, without a retry."""
    if STRAIGHT:
        pytest.skip("there is no gateway to refuse")
    _needs(client, language)
    pem = credentials.private_key()
    member = "input" if vendor == "responses" else "messages"
    params = {**_PARAMS[vendor], member: [{"role": "user", "content": f"Use {pem}"}]}
    outcome = launch.sdk(language, bench.home, {"sdk": vendor, "base_url": bench.url, "call": "chat", "params": params})

    assert outcome.code == 1
    told = json.loads(outcome.out)
    # The Python SDK for OpenAI gives the inner object, the others the whole body.
    error = told["body"].get("error", told["body"])
    assert (told["failed"], told["status"], error["type"]) == ("BadRequestError", 400, "invalid_request_error")
    assert "private key" in error["message"].lower()
    assert not any(line in outcome.out + outcome.err for line in credentials.key_lines(pem))
    assert [seen.path for seen in bench.provider.requests() if seen.method == "POST"] == []


@pytest.mark.parametrize("language", ["python", "node"])
def test_other_calls(bench: Bench, client: Callable[[str], None], language: str) -> None:
    """Token counts, embeddings and lists of models pass, disguised where they bring text."""
    _needs(client, language)
    text = bench.fakes.env()
    base = {"base_url": bench.url}
    messages = [{"role": "user", "content": text}]
    count = launch.sdk(
        language,
        bench.home,
        {**base, "sdk": "anthropic", "call": "count", "params": {"model": "claude-sonnet-4-6", "messages": messages}},
    )
    embed = launch.sdk(
        language,
        bench.home,
        {**base, "sdk": "openai", "call": "embed", "params": {"model": "text-embedding-3-small", "input": [text, "b"]}},
    )
    lists = [
        launch.sdk(language, bench.home, {**base, "sdk": sdk, "call": "models"}) for sdk in ("anthropic", "openai")
    ]

    assert [count.code, embed.code, *(one.code for one in lists)] == [0, 0, 0, 0], (count, embed, lists)
    assert json.loads(count.out)["input_tokens"] > 10
    assert json.loads(embed.out)["vectors"] == [8, 8]
    assert "claude-opus-4-6" in json.loads(lists[0].out)["ids"]
    assert "gpt-5.2" in json.loads(lists[1].out)["ids"]
    bench.grade()
