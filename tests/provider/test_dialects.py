"""The mock provider as the Gemini and the Ollama API: shapes, streams, errors."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.provider.running import Running, provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TEXT = 'a "quoted"\\ wörd — 你好 <b>&\n\tend'
_GEMINI = "/v1beta/models/gemini-2.5-flash"
_CALL = {"tool": "read_file", "input": {"path": "<a>"}}


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a mock provider that says one thing, then calls a tool."""
    thought = {"thinking": "hm", "signature": "c2ln"}
    folder: Path = tmp_path_factory.mktemp("mock")
    with provider(folder, {"turns": [{"blocks": [thought, {"text": _TEXT}, _CALL], "cut": "characters"}]}) as running:
        yield running


def _ask(url: str, body: dict[str, Any] | None = None) -> tuple[str, bytes]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
        return str(answer.headers["content-type"]), bytes(answer.read())


def _parts(responses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for each in responses for part in each["candidates"][0]["content"]["parts"]]


@pytest.mark.parametrize("how", ["generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent"])
def test_gemini_says_the_same_in_each_form(mock: Running, how: str) -> None:
    """Whole, as events and as an array; the call carries the signature, the last response the reason."""
    kind, data = _ask(f"{mock.url}{_GEMINI}:{how}", {"contents": [{"role": "user", "parts": [{"text": "x"}]}]})
    if how.endswith("sse"):
        assert kind == "text/event-stream"
        assert data.endswith(b"\r\n\r\n")
        responses = [json.loads(line[6:]) for line in data.decode().split("\r\n") if line]
    else:
        responses = json.loads(data) if how == "streamGenerateContent" else [json.loads(data)]
    parts = _parts(responses)
    assert "".join(part["text"] for part in parts if "text" in part and "thought" not in part) == _TEXT
    assert "".join(part["text"] for part in parts if part.get("thought")) == "hm"
    assert parts[-1] == {"functionCall": {"name": "read_file", "args": {"path": "<a>"}}, "thoughtSignature": "c2ln"}
    assert [each["candidates"][0].get("finishReason") for each in responses].count("STOP") == 1
    assert responses[-1]["candidates"][0]["finishReason"] == "STOP"


def test_gemini_s_other_calls(mock: Running) -> None:
    """Counts, embeddings, caches, models; the Vertex form of a path."""
    content = {"parts": [{"text": "x"}]}
    assert json.loads(_ask(f"{mock.url}{_GEMINI}:countTokens", {"contents": [content]})[1])["totalTokens"] > 0
    assert (
        len(json.loads(_ask(f"{mock.url}{_GEMINI}:embedContent", {"content": content})[1])["embedding"]["values"]) == 8
    )
    both = {"requests": [{"content": content}, {"content": content}]}
    assert len(json.loads(_ask(f"{mock.url}{_GEMINI}:batchEmbedContents", both)[1])["embeddings"]) == 2
    made = json.loads(_ask(f"{mock.url}/v1beta/cachedContents", {"contents": [content]})[1])
    assert made["name"].startswith("cachedContents/")
    assert json.loads(_ask(f"{mock.url}/v1beta/models")[1])["models"][0]["name"].startswith("models/")
    vertex = f"{mock.url}/v1/projects/p/locations/l/publishers/google/models/m:generateContent"
    assert _parts([json.loads(_ask(vertex, {"contents": [content]})[1])])


@pytest.mark.parametrize("stream", [True, False])
def test_ollama_says_the_same_in_each_form(mock: Running, stream: bool) -> None:
    """Lines or whole; a stream has its three letters escaped, as Go does."""
    kind, data = _ask(f"{mock.url}/api/chat", {"messages": [{"role": "user", "content": "x"}], "stream": stream})
    assert kind == ("application/x-ndjson" if stream else "application/json")
    lines = [json.loads(line) for line in data.decode().split("\n") if line]
    messages = [line["message"] for line in lines]
    assert "".join(message["content"] for message in messages) == _TEXT
    assert "".join(message.get("thinking", "") for message in messages) == "hm"
    (call,) = [call for message in messages for call in message.get("tool_calls", [])]
    assert call["function"] == {"index": 0, "name": "read_file", "arguments": {"path": "<a>"}}
    assert [line["done"] for line in lines].index(True) == len(lines) - 1
    assert (b"<" in data) is not stream


def test_ollama_s_other_calls(mock: Running) -> None:
    """A generation with its context, embeddings, models, version."""
    lines = _ask(f"{mock.url}/api/generate", {"prompt": "x"})[1].decode().split("\n")[:-1]
    assert "".join(json.loads(line)["response"] for line in lines) == _TEXT
    assert json.loads(lines[-1])["context"] == [151644, 872, 198]
    assert len(json.loads(_ask(f"{mock.url}/api/embed", {"input": ["a", "b"]})[1])["embeddings"]) == 2
    assert len(json.loads(_ask(f"{mock.url}/api/embeddings", {"prompt": "a"})[1])["embedding"]) == 8
    assert json.loads(_ask(f"{mock.url}/api/tags")[1])["models"][0]["name"] == "qwen3:8b"
    assert json.loads(_ask(f"{mock.url}/api/version")[1]) == {"version": "0.12.3"}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (f"{_GEMINI}:generateContent", {}, {"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}),
        ("/api/chat", {}, {"error": "slow"}),
    ],
)
def test_errors_have_their_shape(tmp_path: Path, path: str, body: dict[str, Any], told: dict[str, Any]) -> None:
    """Each vendor its own."""
    with provider(tmp_path, {"turns": [{"error": {"status": 429, "message": "slow"}}]}) as running:
        with pytest.raises(urllib.error.HTTPError) as caught:
            _ask(running.url + path, body)
        with caught.value as fault:
            assert (fault.code, json.loads(fault.read())) == (429, told)
