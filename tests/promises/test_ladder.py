"""The upper rungs end to end: held for a person, moved to a model inside the boundary, and what goes wrong there."""

from __future__ import annotations

import contextlib
import getpass
import http.client
import json
import os
import pty
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from poundlock.adapters.credentials import Credentials
from poundlock.cli.process import healthy
from tests.gateway import canary
from tests.gateway.dialects import ANTHROPIC, DIALECTS, Dialect
from tests.gateway.messages import Client
from tests.gateway.running import PLAIN, ROOT, SURROGATE, Gate, running, until
from tests.provider.running import provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.running import Answer

POLICY = """
@id("test.ask")
@reason("Addresses of people need a person's approval here.")
@advice("Ask without them.")
forbid (
  principal,
  action in [Action::"send", Action::"sendDisguised", Action::"sendLocal"],
  resource in Kind::"pii.email"
);

@id("test.inside")
@reason("Access keys stay inside here.")
@advice("Ask a model inside the boundary.")
forbid (principal, action in [Action::"send", Action::"sendDisguised"], resource in Kind::"secret.aws")
unless { resource.exchange.destination.local };
"""
ME = getpass.getuser()


@contextlib.contextmanager
def gated(folder: Path, more: str = "", *, wait: int = 90, local: str = "", mutant: str = "") -> Iterator[Gate]:
    """Run a gateway with the policies above; `local` is the URL of a model inside the boundary."""
    folder.mkdir(exist_ok=True)
    (folder / "asks.cedar").write_text(POLICY)
    settings = [f'[policy]\nfiles = ["{folder / "asks.cedar"}"]']
    settings.append(f"[approvals]\nwait_seconds = {wait}\nquiet_seconds = 1\n{more}")
    if local:
        settings.append('[local]\nprovider = "inside"\nmodels = { "some-*" = "small-1" }')
        settings.append(f'[providers.inside]\nupstream = "{local}"\nlocal = true')
    with running(folder / "run", "\n".join(settings), mutant=mutant) as gate:
        gate.mock.play(PLAIN)
        yield gate


class Asking(threading.Thread):
    """A request on its way, in a thread."""

    def __init__(self, gate: Gate, dialect: Dialect, body: dict[str, Any], headers: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.answer: Answer | None = None
        self._ask = lambda: gate.ask(dialect, body, headers)
        self.start()

    def run(self) -> None:
        """Ask."""
        with contextlib.suppress(OSError, http.client.HTTPException):  # a gateway that was killed gives no answer
            self.answer = self._ask()

    def ended(self) -> Answer:
        """Give the answer."""
        self.join(90)
        assert self.answer is not None, "no answer came"
        return self.answer


def waiting(gate: Gate) -> dict[str, Any]:
    """Give the one question that waits, as soon as it does."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        _, said = gate.command("approve", "--json")
        found[:] = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return bool(found)

    until(look, 40)
    assert len(found) == 1
    return found[0]


def letter(dialect: Dialect, *, stream: bool = True) -> tuple[str, dict[str, Any]]:
    """Give an address and a request that holds it."""
    email = canary.email()
    return email, dialect.body(f"Write to {email} about the delay.", stream=stream)


@pytest.mark.parametrize("stream", [True, False])
def test_held_and_approved_by_another_process(tmp_path: Path, dialect: Dialect, stream: bool) -> None:
    """The stream stays alive; after a yes the value leaves disguised, comes home, and its turn goes on unasked."""
    with gated(tmp_path) as gate:
        who = gate.credential("ada")
        email, body = letter(dialect, stream=stream)
        gate.mock.play(
            {
                "copy": {"name": {"pattern": f"({SURROGATE.pattern})"}},
                "turns": [{"blocks": [{"text": "Written to {{name}}."}]}] * 3,
            }
        )
        asking = Asking(gate, dialect, body, who)
        question = waiting(gate)
        time.sleep(2.2)
        assert gate.sent() == []
        code, shown = gate.command("approve", question["id"])
        assert code == 1
        assert "[email]" in shown
        assert email not in shown
        assert "test.ask" in shown
        code, said = gate.command("approve", question["id"], "--yes", "--reason", "A customer who waits")
        assert (code, "It goes on now." in said) == (0, True), said
        answer = asking.ended()
        assert (answer.status, dialect.text(answer.body)) == (200, f"Written to {email}.")
        if stream:
            sign = b"event: ping" if dialect is ANTHROPIC else b": waiting for a person"
            assert answer.body.startswith(sign)
        assert len(gate.sent()) == 1
        assert SURROGATE.search(json.dumps(gate.newest()))
        # The next turn: the value is history, left as it was, and nobody is asked.
        first = gate.newest()["messages"]
        talk = [*body["messages"], {"role": "assistant", "content": f"Written to {email}."}]
        after = gate.ask(dialect, dialect.body(*talk, "And now shorter."), who)
        assert after.status == 200
        assert gate.newest()["messages"][: len(first)] == first
        kinds = [row["kind"] for row in gate.records() if row["kind"] in {"asked", "answered", "used"}]
        assert kinds == ["asked", "answered", "used"]
        assert gate.verify()[0] == 0
        # Once means once: what is new is asked about anew.
        assert gate.command("approve", question["id"], "--yes")[0] == 2


def test_in_time_nobody_answers_then_the_retry_is_admitted(tmp_path: Path, dialect: Dialect) -> None:
    """The refusal names the approval; the conversation goes on without the value; once approved, a retry leaves."""
    with gated(tmp_path, wait=1) as gate:
        who = gate.credential("ada")
        _email, body = letter(dialect, stream=False)
        refused = gate.ask(dialect, body, who)
        assert refused.status == 400
        question = waiting(gate)
        assert question["id"].encode() in refused.body
        assert gate.sent() == []
        # Promise 11: something else is typed, and the value stays behind.
        talk = [
            {"role": "user", "content": body["messages"][0]["content"]},
            {"role": "user", "content": "Then do not."},
        ]
        on = gate.ask(dialect, dialect.body(*talk), who)
        assert on.status == 200
        assert "[impounded: email]" in json.dumps(gate.newest())
        assert gate.command("approve", question["id"], "--yes")[0] == 0
        retried = gate.ask(dialect, body, who)
        assert retried.status == 200
        assert retried.headers["x-poundlock-approval"] == question["id"]
        assert SURROGATE.search(json.dumps(gate.newest()))


def test_a_stream_that_waited_in_vain_ends_with_an_error(tmp_path: Path, dialect: Dialect) -> None:
    """Signs of life have begun the answer, so the refusal is an event of it, with the approval's id."""
    with gated(tmp_path, wait=3) as gate:
        _, body = letter(dialect)
        answer = gate.ask(dialect, body, gate.credential("ada"))
        assert answer.status == 200
        assert waiting(gate)["id"] in json.dumps(dialect.events(answer.body)[-1])
        assert gate.sent() == []


def test_denied_and_remembered(tmp_path: Path) -> None:
    """A no ends the wait with its reason, and an equal question is not asked again for a while."""
    with gated(tmp_path) as gate:
        who = gate.credential("ada")
        _, body = letter(ANTHROPIC, stream=False)
        asking = Asking(gate, ANTHROPIC, body, who)
        question = waiting(gate)
        assert gate.command("approve", question["id"], "--deny", "--reason", "Not to this vendor")[0] == 0
        answer = asking.ended()
        assert answer.status == 400
        assert b"Not to this vendor" in answer.body
        before = time.monotonic()
        again = gate.ask(ANTHROPIC, body, who)
        assert again.status == 400
        assert b"denied this lately" in again.body
        assert time.monotonic() - before < 5
        assert gate.sent() == []


def test_answers_that_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered twice, by who asked, by a stranger, from behind the gateway, after its end: each is told, none sends."""
    with gated(tmp_path, wait=1) as gate:
        _, body = letter(ANTHROPIC, stream=False)
        assert gate.ask(ANTHROPIC, body).status == 400
        own = waiting(gate)
        assert own["human"] == ME
        code, said = gate.command("approve", own["id"], "--yes")
        assert (code, "Nobody approves their own request" in said) == (2, True)
        code, said = gate.command("approve", own["id"], "--break-glass", "--reason", "Nobody is here")
        assert (code, "at a terminal" in said) == (2, True)
        assert gate.command("approve", "ffff", "--yes")[0] == 2
        monkeypatch.setenv("POUNDLOCK_TOKEN", "pl_x")
        code, said = gate.command("approve", own["id"], "--yes")
        assert (code, "can't answer for a person" in said) == (2, True)
        monkeypatch.delenv("POUNDLOCK_TOKEN")
        assert gate.ask(ANTHROPIC, body).status == 400
        assert gate.sent() == []
    with gated(tmp_path / "named", 'approvers = ["grace"]', wait=1) as gate:
        assert gate.ask(ANTHROPIC, letter(ANTHROPIC, stream=False)[1], gate.credential("ada")).status == 400
        code, said = gate.command("approve", waiting(gate)["id"], "--yes")
        assert (code, f"{ME} is not an approver" in said, "grace" in said) == (2, True, True)
        assert gate.sent() == []


def test_the_client_goes_and_the_gateway_dies(tmp_path: Path) -> None:
    """A question whose asker is gone can't be answered, and nothing is sent: closed by the client, or by kill -9."""
    with gated(tmp_path) as gate:
        who = gate.credential("ada")
        _, body = letter(ANTHROPIC)
        client = gate.open(ANTHROPIC._replace(headers={**ANTHROPIC.headers, **who}), body)
        question = waiting(gate)
        client.close()
        until(lambda: gate.command("approve")[1].startswith("Nothing waits"))
        code, said = gate.command("approve", question["id"], "--yes")
        assert (code, "the client that asked has gone" in said) == (2, True), said
        Asking(gate, ANTHROPIC, letter(ANTHROPIC)[1], who)
        other = waiting(gate)
        gate.stop(signal.SIGKILL)
        until(lambda: gate.command("approve")[1].startswith("Nothing waits"))
        code, said = gate.command("approve", other["id"], "--yes")
        assert (code, "has gone" in said) == (2, True), said
        assert gate.sent() == []


def test_break_glass(tmp_path: Path) -> None:
    """A person alone approves for themselves at a terminal, with a reason, for minutes; the record says so."""
    with gated(tmp_path, wait=1) as gate:
        _, body = letter(ANTHROPIC, stream=False)
        assert gate.ask(ANTHROPIC, body).status == 400
        question = waiting(gate)
        command = [sys.executable, "-m", "poundlock", "approve", question["id"], "--break-glass"]
        for reason, code in (([], 2), (["--reason", "The only one on call"], 0)):
            _, terminal = pty.openpty()
            done = subprocess.run(
                [*command, *reason, "--config", str(gate.config)],
                stdin=terminal,
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            )
            os.close(terminal)
            assert done.returncode == code, done.stderr
        assert gate.ask(ANTHROPIC, body).status == 200
        answered = [row["body"] for row in gate.records() if row["kind"] == "answered"]
        assert [(row["by"], row["broke_glass"], row["reason"]) for row in answered] == [
            (ME, True, "The only one on call")
        ]


def stays_inside(gate: Gate, dialect: Dialect, talk: list[str]) -> None:
    """Fail unless a conversation that was moved goes on inside, whatever is asked."""
    later = gate.ask(dialect, dialect.body(*talk, "And what is a gate?"))
    assert later.headers["x-poundlock-rung"] == "sendLocal"
    assert gate.record(later.id)["decision"]["reasons"][0] == "stays-local"


def is_refused_in_vain(gate: Gate, dialect: Dialect, body: dict[str, Any]) -> None:
    """Fail unless a question that nobody answers is refused and nothing is sent."""
    assert gate.ask(dialect, body).status == 400
    assert gate.sent() == []


@pytest.mark.parametrize("dialect", DIALECTS, ids=[dialect.name for dialect in DIALECTS])
def test_moved_inside_and_staying_there(tmp_path: Path, dialect: Dialect) -> None:
    """What may only stay inside goes there with its own model's name, and so do later turns, after a restart, too."""
    with provider(tmp_path / "inside", PLAIN) as inside, gated(tmp_path, local=inside.url) as gate:
        key = canary.access_key()
        first = gate.ask(dialect, dialect.body("What is a lock?"))
        assert first.headers["x-poundlock-rung"] == "send"
        talk = ["What is a lock?", "Well."]
        answer = gate.ask(dialect, dialect.body(*talk, f"Why is {key} refused?"))
        assert (answer.status, answer.headers["x-poundlock-rung"]) == (200, "sendLocal")
        assert answer.headers["x-poundlock-local"] == "inside"
        received = inside.requests()[-1]
        assert received.json()["model"] == "small-1"
        assert not {"x-api-key", "authorization"} & {name.lower() for name, _ in received.headers}
        record = gate.record(answer.id)
        assert (record["destination"]["name"], record["destination"]["local"]) == ("inside", True)
        gate.restart()
        # Compacted: what led there is gone, and the conversation stays there all the same.
        stays_inside(gate, dialect, talk)
        assert len(gate.sent()) == 1
        # Another conversation is free.
        assert gate.ask(dialect, dialect.body("What is a weir?")).headers["x-poundlock-rung"] == "send"
        assert key not in json.dumps([seen.json() for seen in inside.requests()])


def test_what_was_moved_inside_is_not_sent_out_when_the_inside_is_gone(tmp_path: Path) -> None:
    """Without the model inside the boundary the conversation is refused, not sent to the cloud."""
    with provider(tmp_path / "inside", PLAIN) as inside, gated(tmp_path, local=inside.url) as gate:
        body = ANTHROPIC.body(f"Why is {canary.access_key()} refused?")
        assert gate.ask(ANTHROPIC, body).headers["x-poundlock-rung"] == "sendLocal"
        gate.stop()
        gate.config.write_text(gate.config.read_text().replace('[local]\nprovider = "inside"', "[local]\n"))
        gate.start()
        talk = [*body["messages"], {"role": "assistant", "content": "Well."}, "And what is a lock?"]
        refused = gate.ask(ANTHROPIC, ANTHROPIC.body(*talk))
        assert refused.status == 400
        assert gate.record(refused.id)["decision"]["reasons"][0] == "local-unavailable"
        assert gate.sent() == []


def test_leaves_the_inside_mutant(tmp_path: Path) -> None:
    """A gateway that forgets that a conversation was moved is caught."""
    with (
        provider(tmp_path / "inside", PLAIN) as inside,
        gated(tmp_path, local=inside.url, mutant="forgets_the_move") as gate,
    ):
        talk = ["What is a lock?", "Well."]
        assert gate.ask(ANTHROPIC, ANTHROPIC.body(*talk, f"Why is {canary.access_key()} refused?")).status == 200
        with pytest.raises(AssertionError):
            stays_inside(gate, ANTHROPIC, talk)


def test_asks_nobody_mutant(tmp_path: Path) -> None:
    """A gateway that takes every question for answered is caught."""
    with gated(tmp_path, wait=1, mutant="asks_nobody") as gate, pytest.raises(AssertionError):
        is_refused_in_vain(gate, ANTHROPIC, letter(ANTHROPIC, stream=False)[1])


@contextlib.contextmanager
def pages(gate: Gate) -> Iterator[str]:
    """Run the approvals' own listener and give its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "poundlock", "approve", "--listen", f"127.0.0.1:{port}"]
    with (gate.folder / "pages.log").open("wb") as said:
        process = subprocess.Popen(
            [*command, "--config", str(gate.config)],
            stdout=said,
            stderr=said,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: healthy(url), 30)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def fetch(url: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Ask for a page, or post to it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data, headers or {}), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_signed_link_and_api(tmp_path: Path) -> None:
    """An approver's own webhook gets a link; its page shows the stake masked and takes one answer; the API, too."""
    with provider(tmp_path / "slack", PLAIN) as slack:
        more = f'webhook = "{slack.url}/all"\nlinks = {{ grace = "{slack.url}/grace", {ME} = "{slack.url}/me" }}'
        with gated(tmp_path, more) as gate, pages(gate) as url:
            email, body = letter(ANTHROPIC, stream=False)
            asking = Asking(gate, ANTHROPIC, body, {})
            until(lambda: len(slack.requests()) == 2)
            told = {seen.path: seen.json()["text"] for seen in slack.requests()}
            assert set(told) == {"/all", "/grace"}, "who asks gets no link to answer with"
            assert "approvals/" not in told["/all"]
            link = url + re.search(r"/approvals/\S+", told["/grace"])[0]  # type: ignore[index]
            status, page = fetch(link)
            assert (status, email in page, "[email]" in page, "test.ask" in page) == (200, False, True, False)
            assert fetch(link.replace("by=grace", f"by={ME}"))[0] == 403
            assert fetch(link[:-1] + ("0" if link[-1] != "0" else "1"))[0] == 403
            assert fetch(link, b"answer=yes", {"origin": "http://elsewhere.example"})[0] == 403
            assert fetch(link, b"answer=yes", {"host": "elsewhere.example"})[0] == 403
            assert gate.sent() == []
            status, page = fetch(link, b"answer=yes&scope=once&reason=A+customer+waits")
            assert (status, "approved" in page) == (200, True)
            assert asking.ended().status == 200
            assert "answered already" in fetch(link, b"answer=yes")[1] or "already" in fetch(link, b"answer=yes")[1]
            answered = [row["body"] for row in gate.records() if row["kind"] == "answered"]
            assert [(row["by"], row["through"]) for row in answered] == [("grace", "signed link")]
            # The API answers for a person's credential, and for no tool's.
            Asking(gate, ANTHROPIC, letter(ANTHROPIC, stream=False)[1], {})
            question = waiting(gate)
            api = f"{url}/api/approvals"
            assert fetch(api)[0] == 401
            task = Credentials(gate.state / "credentials.json").add(name="t", human="grace", task="1")
            assert fetch(api, headers={"authorization": f"Bearer {task}"})[0] == 401
            token = {"authorization": f"Bearer {gate.credential('grace')['x-poundlock-token']}"}
            assert question["id"] in fetch(api, headers=token)[1]
            status, said = fetch(f"{api}/{question['id']}", b'{"yes": false, "reason": "Not now"}', token)
            assert (status, json.loads(said)["state"]) == (200, "denied")


def test_two_of_three(tmp_path: Path) -> None:
    """Where two must say yes, one yes sends nothing, the same one again counts nothing, and the second opens."""
    with provider(tmp_path / "slack", PLAIN) as slack:
        links = ", ".join(f'{name} = "{slack.url}/{name}"' for name in ("grace", "joan"))
        with gated(tmp_path, f"needed = 2\nlinks = {{ {links} }}") as gate, pages(gate) as url:
            asking = Asking(gate, ANTHROPIC, letter(ANTHROPIC, stream=False)[1], gate.credential("ada"))
            until(lambda: len(slack.requests()) == 2)
            found = {
                seen.path: url + re.search(r"/approvals/\S+", seen.json()["text"])[0]  # type: ignore[index]
                for seen in slack.requests()
            }
            assert fetch(found["/grace"], b"answer=yes&scope=day")[0] == 200
            assert "has answered" in fetch(found["/grace"], b"answer=yes")[1]
            time.sleep(0.6)
            assert gate.sent() == []
            assert fetch(found["/joan"], b"answer=yes&scope=once")[0] == 200
            assert asking.ended().status == 200
            assert [row["body"]["scope"] for row in gate.records() if row["kind"] == "answered"][-1] == "once"


def test_rollout_and_sandbox(tmp_path: Path) -> None:
    """Ada is watched only, and told what would be; Joan is guarded; a sandbox is named in each of its records."""
    steps = (
        '[[rollout]]\nmode = "monitor"\npeople = ["ada"]\n'
        '[[sandboxes]]\nname = "demo"\nuntil = "2999-12-31"\npeople = ["joan"]'
    )
    with gated(tmp_path, steps, wait=1) as gate:
        ada, joan = gate.credential("ada"), gate.credential("joan")
        # Not a canary: what is only watched leaves as it is.
        body = ANTHROPIC.body(f"Write to maria.{secrets.token_hex(4)}@northwind-freight.eu about it.")
        watched = gate.ask(ANTHROPIC, body, ada)
        assert watched.headers["x-poundlock-would"] == "sendApproved"
        assert watched.headers["x-poundlock-rung"] == "send"
        assert gate.record(watched.id)["decision"]["mode"] == "monitor"
        code, report = gate.command("monitor")
        assert (code, "1  would be sendApproved" in report, "Not ready" in report) == (1, True, True), report
        guarded = gate.ask(ANTHROPIC, ANTHROPIC.body("What is a lock?"), joan)
        assert guarded.headers["x-poundlock-environment"] == "sandbox/demo"
        assert gate.record(guarded.id)["environment"] == "sandbox/demo"
        assert gate.ask(ANTHROPIC, body, joan).status == 400


def test_over_a_websocket(tmp_path: Path) -> None:
    """A message is not held, since nobody would notice that its client goes: it gets the id, and a yes admits it."""
    with gated(tmp_path) as gate:
        client = Client(gate.port, headers=gate.credential("ada"))
        text = f"Write to {canary.email()} about the delay."
        asked = [{"role": "user", "content": [{"type": "input_text", "text": text}]}]
        before = time.monotonic()
        refused = client.ask(input=asked)[-1]
        assert time.monotonic() - before < 30
        question = waiting(gate)
        assert (refused["type"], question["id"] in json.dumps(refused)) == ("error", True)
        assert [seen for seen in gate.mock.requests() if seen.method == "MESSAGE"] == []
        assert gate.command("approve", question["id"], "--yes")[0] == 0
        assert client.ask(input=asked)[-1]["type"] == "response.completed"
        client.close()
