"""WebSockets through the real gateway: each message an exchange of its own, and a session that remembers."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from tests.gateway import canary
from tests.gateway.messages import BINARY, Client, Closed, Refused
from tests.gateway.running import ECHO, PLAIN, Gate, running, until
from tests.provider.running import provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Run one gateway for a module, before a mock that stands for an account's host, too."""
    folder = tmp_path_factory.mktemp("gate")
    with provider(folder / "account", PLAIN) as account:
        settings = f'[providers.chatgpt]\nupstream = "{account.url}"\nformat = "openai"'
        with running(folder, settings) as gate:
            gate.account = account
            yield gate


@pytest.fixture
def gate(shared: Gate) -> Gate:
    """Give the module's gateway with its provider saying one word."""
    shared.mock.play(PLAIN)
    return shared


def typed(text: str) -> list[dict[str, Any]]:
    """Give an input of one typed text."""
    return [{"role": "user", "content": [{"type": "input_text", "text": text}]}]


def said(messages: list[dict[str, Any]]) -> str:
    """Give the text of an answer, as its deltas tell it, after checking that every event tells the same."""
    text = "".join(each["delta"] for each in messages if each["type"] == "response.output_text.delta")
    done = [each["text"] for each in messages if each["type"] == "response.output_text.done"]
    parts = [each["part"]["text"] for each in messages if each["type"] == "response.content_part.done"]
    items = [each["item"]["content"][0]["text"] for each in messages if each["type"] == "response.output_item.done"]
    whole = [item["content"][0]["text"] for item in messages[-1]["response"]["output"]]
    assert done == parts == items == whole == [text]
    assert [each["sequence_number"] for each in messages] == list(range(len(messages)))
    return text


def messages(gate: Gate, before: int = 0) -> list[dict[str, Any]]:
    """Give the messages that the provider received."""
    return [seen.json() for seen in gate.mock.requests()[before:] if seen.method == "MESSAGE"]


def test_values_go_disguised_and_come_home(gate: Gate) -> None:
    """The provider gets a surrogate, and every event of the answer the true value, with its own number."""
    before, secret = len(gate.mock.requests()), canary.access_key()
    gate.mock.play(ECHO)
    client = Client(gate.port)

    heard = client.ask(input=typed(f"The key is {secret}."), store=False, stream=True)

    assert said(heard) == f"It is {secret}."
    (sent,) = messages(gate, before)
    assert sent["type"] == "response.create"
    assert sent["input"][0]["content"][0]["text"].startswith("The key is QZ_")
    client.close()


def test_a_later_message_names_an_answer(gate: Gate) -> None:
    """With `previous_response_id` only what is new is sent; what was disguised before still comes home."""
    secret = canary.access_key()
    gate.mock.play(ECHO)
    client = Client(gate.port)
    first = client.ask(input=typed(f"The key is {secret}."), store=False)
    before = len(gate.mock.requests())

    second = client.ask(
        input=[{"type": "function_call_output", "call_id": "call_1", "output": "fine"}],
        store=False,
        previous_response_id=first[-1]["response"]["id"],
    )

    assert said(second) == f"It is {secret}."
    (sent,) = messages(gate, before)
    assert sent["previous_response_id"] == first[-1]["response"]["id"]
    assert len(sent["input"]) == 1
    client.close()


def test_each_message_is_on_record(gate: Gate) -> None:
    """A handshake and each message have a record of their own before they leave, and a closing one after."""
    before = len(gate.records())
    client = Client(gate.port)
    client.ask(input=typed("One."))
    client.ask(input=typed("Two."))
    client.close()

    def closed() -> bool:
        return sum(row["kind"] == "closing" for row in gate.records()[before:]) == 2

    until(closed)
    rows = gate.records()[before:]
    operations = [row["body"]["operation"] for row in rows if row["kind"] == "exchange"]
    assert operations == ["responses.websocket", "responses", "responses"]
    assert {row["body"]["ended"] for row in rows if row["kind"] == "closing"} == {"complete"}


def test_a_refused_message_leaves_the_session_open(gate: Gate) -> None:
    """A typed private key is answered with an error that says why; the next message is answered as ever."""
    pem = canary.private_key()
    before = len(gate.mock.requests())
    client = Client(gate.port)

    refused = client.ask(input=typed(f"Use this:\n{pem}"))
    after = client.ask(input=typed("Never mind."))

    assert [each["type"] for each in refused] == ["error"]
    assert refused[0]["status"] == 400
    assert "private key" in refused[0]["error"]["message"].lower()
    assert refused[0]["error"]["code"] == "poundlock_refused"
    assert said(after) == "Well."
    assert len(messages(gate, before)) == 1
    client.close()


@pytest.mark.parametrize(
    "message",
    [
        b'{"type": "session.update", "session": {}}',
        b'{"input": "no type"}',
        b"[1]",
        b"not JSON",
        b'{"type": 1}',
        b'{"type": "response.create", "tools": [{"type": "mcp", "server_url": "https://example.com"}]}',
    ],
)
def test_what_is_not_known_is_refused(gate: Gate, message: bytes) -> None:
    """A message of another type, or none at all, never reaches the provider."""
    before = len(gate.mock.requests())
    client = Client(gate.port)

    client.frame(1, message)

    told = client.hear()
    assert (told["type"], told["status"]) == ("error", 400)
    assert messages(gate, before) == []
    client.close()


def test_binary_messages_are_refused(gate: Gate) -> None:
    """A binary message is not read, and so not sent."""
    before = len(gate.mock.requests())
    client = Client(gate.port)

    client.frame(BINARY, b'{"type": "response.create", "input": "hello"}')

    assert client.hear()["type"] == "error"
    assert messages(gate, before) == []
    client.close()


def test_duplicate_members_do_not_smuggle(gate: Gate) -> None:
    """Of two equal members the provider gets the one that was inspected."""
    before, secret = len(gate.mock.requests()), canary.access_key()
    client = Client(gate.port)

    client.frame(1, f'{{"type":"response.create","input":"{secret}","input":"hello"}}'.encode())

    while client.hear()["type"] != "response.completed":
        pass
    assert messages(gate, before) == [{"type": "response.create", "input": "hello"}]
    client.close()


def test_the_acknowledgement_passes(gate: Gate) -> None:
    """`response.processed` names an answer and holds nothing else."""
    before = len(gate.mock.requests())
    client = Client(gate.port)
    answer = client.ask(input=typed("Hello."))[-1]["response"]["id"]

    client.say(type="response.processed", response_id=answer)
    client.ask(input=typed("Again."))

    assert [each["type"] for each in messages(gate, before)] == [
        "response.create",
        "response.processed",
        "response.create",
    ]
    client.close()


def test_an_account_of_chatgpt_by_websocket(gate: Gate) -> None:
    """Codex's path for an account's login leads to the account's host, with the account's headers."""
    secret = canary.access_key()
    gate.account.play(ECHO)
    headers = {
        "authorization": "Bearer an.account.token",
        "chatgpt-account-id": "account-1",
        "originator": "codex_exec",
    }
    client = Client(gate.port, "/backend-api/codex/responses", headers)

    heard = client.ask(input=typed(f"The key is {secret}."), store=False)

    assert said(heard) == f"It is {secret}."
    handshake, message = gate.account.requests("/backend-api/codex/responses")[-2:]
    assert (handshake.method, message.method) == ("HANDSHAKE", "MESSAGE")
    assert {name: handshake.header(name) for name in headers} == headers
    assert canary.found(message.body, [secret]) == []
    client.close()


def test_an_account_of_chatgpt_by_http(gate: Gate) -> None:
    """Over HTTP Codex compresses what it sends with such a login; it is read all the same."""
    secret = canary.access_key()
    gate.account.play(ECHO)
    body = json.dumps({"model": "gpt-5.2", "input": typed(f"The key is {secret}."), "stream": True}).encode()
    headers = {
        "content-type": "application/json",
        "content-encoding": "zstd",
        "authorization": "Bearer an.account.token",
        "chatgpt-account-id": "account-1",
    }

    answer = gate.raw("/backend-api/codex/responses", zstandard.ZstdCompressor().compress(body), headers)

    assert answer.status == 200
    assert f"It is {secret}." in answer.body.decode()
    (seen,) = [seen for seen in gate.account.requests() if seen.method == "POST"]
    assert (seen.header("chatgpt-account-id"), seen.header("content-encoding")) == ("account-1", None)
    assert canary.found(seen.body, [secret]) == []


@pytest.mark.parametrize("path", ["/backend-api/conversation", "/backend-api/ps/mcp", "/backend-api/files"])
def test_the_rest_of_an_account_is_refused(gate: Gate, path: str) -> None:
    """What else an account's host serves is not inspected, and so refused."""
    before = len(gate.account.requests())

    answer = gate.raw(path, b"{}", {"content-type": "application/json"})

    assert answer.status == 400
    assert len(gate.account.requests()) == before


def test_a_provider_without_sockets(gate: Gate) -> None:
    """The provider's refusal of the handshake reaches the client, who asks over HTTP then."""
    gate.mock.play({**PLAIN, "sockets": False})

    with pytest.raises(Refused) as caught:
        Client(gate.port)

    assert caught.value.status == 426
    assert json.loads(caught.value.body)["error"]["message"].startswith("Poundlock: The provider refused")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/realtime", "/v1/responses/resp_1", "/"])
def test_other_paths_are_no_sockets(gate: Gate, path: str) -> None:
    """Only what the route table has as a WebSocket is one."""
    before = len(gate.mock.requests())

    with pytest.raises(Refused) as caught:
        Client(gate.port, path)

    assert caught.value.status == 400
    assert gate.mock.requests()[before:] == []


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
def test_web_pages_are_kept_out(gate: Gate, headers: dict[str, str]) -> None:
    """A page in a browser gets no WebSocket: its origin or its idea of the host gives it away."""
    with pytest.raises(Refused) as caught:
        Client(gate.port, headers=headers)

    assert caught.value.status == 403


def test_a_provider_that_breaks(gate: Gate) -> None:
    """When the provider breaks off, the client gets what there is, and a close that says that this was not the end."""
    gate.mock.play({"turns": [{"blocks": [{"text": "A long story."}], "drop": {"events": 4}}]})
    client = Client(gate.port)
    client.say(type="response.create", input=typed("Tell."))

    heard = [client.hear()["type"] for _ in range(4)]
    with pytest.raises(Closed) as caught:
        client.hear()

    assert heard[0] == "response.created"
    assert caught.value.code in {1001, 1011}
    client.close()


def test_a_client_that_goes_away(gate: Gate) -> None:
    """A client that leaves in the middle of an answer ends its exchange, and that is on record."""
    gate.mock.play({"turns": [{"blocks": [{"text": "x" * 200, "cut": "characters"}], "dribble": 0.05}]})
    client = Client(gate.port)
    client.say(type="response.create", input=typed("Tell."))
    client.hear()
    (asked,) = [row["id"] for row in gate.records()[-1:]]

    client.close()

    assert gate.record(asked, "closing")["ended"] == "client gone"


def test_questions_wait_for_each_other(gate: Gate) -> None:
    """A second question is only sent when the first one's answer has come, so that each has its own way home."""
    secrets = [canary.access_key(), canary.access_key()]
    gate.mock.play({**ECHO, "turns": [{**ECHO["turns"][0], "dribble": 0.001}]})
    client = Client(gate.port)

    for secret in secrets:
        client.say(type="response.create", input=typed(f"It is {secret}"))
    heard: list[list[dict[str, Any]]] = [[], []]
    for answer in heard:
        while not answer or answer[-1]["type"] != "response.completed":
            answer.append(client.hear())

    assert [said(answer) for answer in heard] == [f"It is {secret}." for secret in secrets]
    client.close()


def test_a_revoked_credential_ends_an_open_session(tmp_path: Path) -> None:
    """What is revoked ends the open sockets within moments, and says so by the code of the close."""
    with running(tmp_path) as gate:
        client = Client(gate.port, headers=gate.credential("someone"))
        gate.revoke("someone")

        with pytest.raises(Closed) as caught:
            client.hear()

        assert caught.value.code == 1008
        assert messages(gate) == []
        client.close()


def test_a_stop_lets_an_answer_end(tmp_path: Path) -> None:
    """When the gateway stops, an idle socket is closed at once, and one with an answer under way when that is over."""
    with running(tmp_path) as gate:
        idle = Client(gate.port)
        idle.ask(input=typed("Hello."))
        gate.mock.play({"turns": [{"blocks": [{"text": "x" * 30, "cut": "characters"}], "dribble": 0.02}]})
        busy = Client(gate.port)
        busy.say(type="response.create", input=typed("Tell."))
        busy.hear()

        os.kill(gate.pid(), signal.SIGTERM)
        with pytest.raises(Closed) as caught:
            idle.hear()
        heard = [busy.hear()]
        while heard[-1]["type"] != "response.completed":
            heard.append(busy.hear())
        with pytest.raises(Closed) as then:
            busy.hear()

        assert (caught.value.code, then.value.code) == (1001, 1001)
        assert sum(each["type"] == "response.output_text.delta" for each in heard) == 30
        assert gate.stop() == 0
        for client in (idle, busy):
            client.close()


def test_a_stop_has_a_limit(tmp_path: Path) -> None:
    """An answer that takes longer than the time for draining is cut off."""
    with running(tmp_path, "[gateway]\ndrain_seconds = 1") as gate:
        gate.mock.play({"turns": [{"blocks": [{"text": "x" * 900, "cut": "characters"}], "dribble": 0.02}]})
        client = Client(gate.port)
        client.say(type="response.create", input=typed("Tell."))
        client.hear()
        began = time.monotonic()

        assert gate.stop() == 0

        assert 0.8 < time.monotonic() - began < 12  # of the 18 s that the answer would take
        client.close()
