"""Google's and Ollama's SDKs for Python, streaming and not, end to end in a small agent of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from scripts import clients

from tests.clients import credentials, launch
from tests.clients.conftest import STRAIGHT, Bench, same_prefixes
from tests.clients.test_gemini import SIGNATURE
from tests.clients.test_gemini import same_prefixes as same_contents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.client

_COPY = {
    "github": {"pattern": r"GITHUB_TOKEN=(\S+)"},
    "secret": {"pattern": r"AWS_SECRET_ACCESS_KEY=(\S+)"},
    "database": {"pattern": r"DATABASE_URL=(\S+)"},
}
_ORDERS: dict[str, dict[str, Any]] = {
    "google": {"model": "gemini-2.5-flash", "params": {"config": {"system_instruction": "Be brief."}}},
    "ollama": {"model": "qwen3:8b", "params": {"messages": [{"role": "system", "content": "Be brief."}]}},
}
_PATHS = {"google": "/v1/models/gemini-2.5-flash:", "ollama": "/api/chat"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("vendor", ["google", "ollama"])
def test_agent(bench: Bench, client: Callable[[str], None], vendor: str, stream: bool) -> None:
    """An agent reads credentials and writes them, over two prompts; the provider sees none of them."""
    client("sdks-google-ollama")
    content = '{"token": "{{github}}",\n\t"dsn": "{{database}}"}'
    thought = {"thinking": "The token is {{github}}", "signature": SIGNATURE}
    read = {"tool": "read_file", "input": {"path": "settings.env"}}
    write = {"tool": "write_file", "input": {"path": "out.txt", "content": content}}
    again = {"tool": "write_file", "input": {"path": "again.txt", "content": "{{secret}}"}}
    turns: list[list[dict[str, Any]]] = [[thought, {"text": "I look."}, read], [write, again]]
    turns += [[{"text": "{{github}} it is."}], [again], [{"text": "Done: {{secret}} Q"}]]
    script = [{"blocks": turn, "cut": "characters", "wire": {"random": 2, "most": 30}} for turn in turns]
    bench.provider.play({"copy": _COPY, "turns": script})
    order = {"sdk": vendor, "base_url": bench.url, "stream": stream, "call": "agent", "folder": str(bench.project)}
    order |= _ORDERS[vendor] | {"prompts": ["Copy the token into out.txt.", "And once more."]}

    outcome = launch.google_or_ollama(bench.home, order)

    assert outcome.code == 0, outcome.err[-1500:]
    values = bench.fakes.values
    texts = json.loads(outcome.out)["texts"]
    assert texts == [f"{values['GITHUB_TOKEN']} it is.", f"Done: {values['AWS_SECRET_ACCESS_KEY']} Q"]
    expected = {"token": values["GITHUB_TOKEN"], "dsn": values["DATABASE_URL"]}
    assert json.loads((bench.project / "out.txt").read_text()) == expected
    assert (bench.project / "again.txt").read_text() == values["AWS_SECRET_ACCESS_KEY"]
    requests = bench.provider.requests(_PATHS[vendor])
    assert len(requests) == len(turns)
    (same_contents if vendor == "google" else same_prefixes)(requests)
    assert (SIGNATURE in requests[-1].body.decode()) is (vendor == "google")
    bench.grade()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("vendor", ["google", "ollama"])
def test_refusal_has_the_vendors_shape(bench: Bench, client: Callable[[str], None], vendor: str, stream: bool) -> None:
    """A typed private key is refused with an error that the SDK takes for its vendor's own, without a retry."""
    if STRAIGHT:
        pytest.skip("there is no gateway to refuse")
    client("sdks-google-ollama")
    pem = credentials.private_key()
    typed = {"contents": f"Use {pem}"} if vendor == "google" else {"messages": [{"role": "user", "content": pem}]}
    order = {"sdk": vendor, "base_url": bench.url, "stream": stream, "call": "chat", **_ORDERS[vendor], "params": typed}
    outcome = launch.google_or_ollama(bench.home, order)

    assert outcome.code == 1
    told = json.loads(outcome.out)
    assert (told["failed"], told["status"]) == ("ClientError" if vendor == "google" else "ResponseError", 400)
    assert "private key" in told["message"].lower()
    if vendor == "google":
        error = told["details"]["error"]
        assert (error["status"], error["details"][0]["reason"]) == ("INVALID_ARGUMENT", "POUNDLOCK_REFUSED")
    assert not any(line in outcome.out + outcome.err for line in credentials.key_lines(pem))
    assert [seen.path for seen in bench.provider.requests() if seen.method == "POST"] == []


def test_googles_other_calls(bench: Bench, client: Callable[[str], None]) -> None:
    """Token counts, embeddings, caches and lists of models pass, disguised where they bring text."""
    client("sdks-google-ollama")
    text = bench.fakes.env()
    base = {"sdk": "google", "base_url": bench.url, "model": "gemini-2.5-flash"}
    orders: list[dict[str, Any]] = [
        {"call": "count", "params": {"contents": text}},
        {"call": "embed", "model": "gemini-embedding-001", "params": {"contents": [text, "b"]}},
        {"call": "cache", "params": {"contents": text, "ttl": "300s", "display_name": "mine"}},
        {"call": "models"},
    ]
    outcomes = [launch.google_or_ollama(bench.home, base | order) for order in orders]

    assert [one.code for one in outcomes] == [0] * 4, outcomes
    count, embed, cache, models = (json.loads(one.out) for one in outcomes)
    assert count["tokens"] > 10
    assert embed["vectors"] == [8, 8]
    assert cache["name"].startswith("cachedContents/")
    assert "models/gemini-2.5-flash" in models["ids"]
    methods = [seen.method for seen in bench.provider.requests("/v1/cachedContents")]
    assert methods == ["POST", "GET", "DELETE"]
    bench.grade()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_ollamas_other_calls(bench: Bench, client: Callable[[str], None], stream: bool) -> None:
    """Generations, embeddings and lists of models pass, disguised where they bring text."""
    client("sdks-google-ollama")
    text = bench.fakes.env()
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": [{"text": "It is {{github}} Q"}], "cut": "characters"}]})
    base = {"sdk": "ollama", "base_url": bench.url, "model": "qwen3:8b", "stream": stream}
    orders: list[dict[str, Any]] = [
        {"call": "generate", "params": {"prompt": text, "context": [1, 2, 151644]}},
        {"call": "embed", "params": {"input": [text, "b"]}},
        {"call": "models"},
    ]
    outcomes = [launch.google_or_ollama(bench.home, base | order) for order in orders]

    assert [one.code for one in outcomes] == [0] * 3, outcomes
    said, embed, models = (json.loads(one.out) for one in outcomes)
    assert said == {"text": f"It is {bench.fakes.values['GITHUB_TOKEN']} Q", "context": [151644, 872, 198]}
    assert embed["vectors"] == [8, 8, 8]
    assert models["ids"][0] == "qwen3:8b"
    assert bench.provider.requests("/api/generate")[0].json()["context"] == [1, 2, 151644]
    bench.grade()


def _post(url: str, body: dict[str, Any]) -> tuple[str, bytes]:
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return str(answer.headers["content-type"]), bytes(answer.read())


@pytest.mark.parametrize("path", ["/v1beta/models/g-3", "/v1/projects/p/locations/l/publishers/google/models/g-3"])
@pytest.mark.parametrize("drop", [False, True], ids=["complete", "dropped"])
def test_an_array_is_streamed_and_the_key_in_the_query_leaves_no_trace(bench: Bench, path: str, drop: bool) -> None:
    """The array is one, restored, also when the upstream breaks; the key reaches the provider and nothing else."""
    if STRAIGHT:
        pytest.skip("there is no gateway to look into")
    turn: dict[str, Any] = {"blocks": [{"text": "It is {{github}} Q"}], "cut": {"every": 5}, "wire": "events"}
    turn |= {"drop": {"events": 5, "bytes": 9}} if drop else {}
    bench.provider.play({"copy": _COPY, "turns": [turn]})
    body = {"contents": [{"role": "user", "parts": [{"text": bench.fakes.env()}]}]}
    key = "my-own-google-key-0815"

    kind, data = _post(f"{bench.url}{path}:streamGenerateContent?key={key}", body)

    items = json.loads(data)
    texts = [
        part["text"] for item in items if "candidates" in item for part in item["candidates"][0]["content"]["parts"]
    ]
    assert kind.startswith("application/json")
    if drop:
        assert items[-1]["error"]["status"] == "INTERNAL"
        assert "It is QZ_GITHUB_TOKEN".startswith("".join(texts)[:8])
    else:
        assert "".join(texts) == f"It is {bench.fakes.values['GITHUB_TOKEN']} Q"
    (seen,) = bench.provider.requests(path)
    assert seen.path.endswith(f"?key={key}")
    bench.grade()
    kept = [file for file in bench.home.parent.joinpath("gateway").rglob("*") if file.is_file()]
    assert [file.name for file in kept if key.encode() in file.read_bytes()] == []
    assert "gateway.log" in {file.name for file in kept}


@pytest.mark.parametrize("vendor", ["google", "ollama"])
def test_a_broken_stream_is_told_in_the_vendors_shape(bench: Bench, client: Callable[[str], None], vendor: str) -> None:
    """The SDK raises its own error; the connection is not just cut."""
    if STRAIGHT:
        pytest.skip("there is no gateway to tell it")
    client("sdks-google-ollama")
    turn = {"blocks": [{"text": "It is {{github}} Q"}], "cut": {"every": 5}, "drop": {"events": 3, "bytes": 20}}
    bench.provider.play({"copy": _COPY, "turns": [turn]})
    text = bench.fakes.env()
    params = {"contents": text} if vendor == "google" else {"messages": [{"role": "user", "content": text}]}
    order = {"sdk": vendor, "base_url": bench.url, "stream": True, "call": "chat", **_ORDERS[vendor], "params": params}
    told = json.loads(launch.google_or_ollama(bench.home, order).out)

    assert told["failed"] == ("ServerError" if vendor == "google" else "ResponseError"), told
    assert "broke" in told["message"] or "end" in told["message"], told


@pytest.mark.parametrize("vendor", ["google", "ollama"])
def test_poundlock_run_leads_the_sdks_through(
    bench: Bench, client: Callable[[str], None], tmp_path: Path, vendor: str
) -> None:
    """The environment alone points them at the gateway, with the run's credential in the path."""
    if STRAIGHT:
        pytest.skip("there is no gateway to run")
    client("sdks-google-ollama")
    config = tmp_path / "run.toml"
    name = "gemini" if vendor == "google" else "ollama"
    config.write_text(
        f'[gateway]\nport = 0\n[state]\ndirectory = "{tmp_path / "run"}"\n'
        f'[providers.{name}]\nupstream = "{bench.provider.url}"\n'
    )
    bench.provider.play({"copy": _COPY, "turns": [{"blocks": [{"text": "It is {{github}}"}]}]})
    text = bench.fakes.env()
    params = {"contents": text} if vendor == "google" else {"messages": [{"role": "user", "content": text}]}
    order = {"sdk": vendor, "stream": False, "call": "chat", **_ORDERS[vendor], "params": params, "api_key": "own"}
    driver = [str(clients.executable("sdks-google-ollama")), str(launch._DRIVERS / "google_ollama.py")]
    done = subprocess.run(
        [sys.executable, "-m", "poundlock", "run", "--config", str(config), "--", *driver],
        input=json.dumps(order),
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home2")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr[-1500:]
    assert f"It is {bench.fakes.values['GITHUB_TOKEN']}" in done.stdout
    assert "1 exchange" in done.stderr
    (seen,) = [each for each in bench.provider.requests() if each.method == "POST"]
    assert "/t/" not in seen.path
    bench.grade()
