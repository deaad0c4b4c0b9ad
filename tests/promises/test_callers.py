"""Who is let in at a real gateway of two workers: a CI job with its issuer's token, a bound token, a local process."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from poundlock.gateway.issuing import EXCHANGE, TOKEN
from tests.cli.issuer import Issuer, issuer
from tests.gateway.callers import Holder
from tests.gateway.dialects import OPENAI
from tests.gateway.running import Gate, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.promises.conftest import Broken

ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Issuer]:
    """Give an issuer of ID tokens on this machine."""
    with issuer() as made:
        yield made


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, provider: Issuer) -> Iterator[Gate]:
    """Give a gateway that trusts this issuer for one repository, and holds a provider's key."""
    workload = (
        f'[identity.workloads.orders]\nissuer = "{provider.url}"\ntool = "ci"\nminutes = 30\n'
        'claims = { repository = "northwind/orders", ref = "refs/heads/*" }\n'
    )
    patch = pytest.MonkeyPatch()
    patch.setenv("HELD_KEY", "the-held-" + "key")
    with running(tmp_path_factory.mktemp("callers"), workload, workers=2) as gate:
        gate.stop()
        text = gate.config.read_text()
        gate.config.write_text(text.replace("[providers.openai]\n", '[providers.openai]\nkey_env = "HELD_KEY"\n'))
        gate.start()
        assert gate.command("tools", "add", "ci", "--owner", "eve", "--sort", "ci", "--state", "active")[0] == 0
        yield gate
    patch.undo()


def ask(gate: Gate, proof: str = "", **form: str) -> tuple[int, dict[str, Any]]:
    """Ask the token endpoint."""
    headers = {**FORM, **({"dpop": proof} if proof else {})}
    answer = gate.raw(TOKEN, urlencode({"grant_type": EXCHANGE, **form}).encode(), headers)
    return answer.status, json.loads(answer.body)


def job(provider: Issuer, **changed: Any) -> str:
    """Give an ID token in the shape of GitHub Actions."""
    said = {
        "aud": "poundlock",
        "sub": "repo:northwind/orders:ref:refs/heads/main",
        "repository": "northwind/orders",
        "ref": "refs/heads/main",
        "nbf": int(time.time()),
        **changed,
    }
    return provider.token(**said)


def test_a_ci_job_works_under_its_own_name(gate: Gate, provider: Issuer) -> None:
    """Its issuer's token becomes a task, its exchanges are on record as the job's, the held key is spent for it."""
    status, said = ask(gate, subject_token=job(provider), subject_token_type=ID_TOKEN)
    assert status == 200, said
    answer = gate.ask(OPENAI, OPENAI.body("hello"), {"x-poundlock-token": said["access_token"]})
    assert answer.status == 200, answer.body
    principal = gate.record(answer.id)["principal"]
    assert {name: principal[name] for name in ("human", "tool", "task", "repository", "tool_claimed")} == {
        "human": "eve",
        "tool": "ci",
        "task": said["task"],
        "repository": "northwind/orders",
        "tool_claimed": False,
    }
    assert dict(gate.mock.requests()[-1].headers)["authorization"] == "Bearer the-held-" + "key"
    assert gate.command("revoke", said["task"])[0] == 0
    answer = gate.ask(OPENAI, OPENAI.body("hello"), {"x-poundlock-token": said["access_token"]})
    assert (answer.status, b"was ended" in answer.body) == (400, True)


@pytest.mark.parametrize(
    "changed", [{"repository": "northwind/fork"}, {"ref": "refs/pull/7/merge"}, {"aud": "other"}, {"exp": 1}]
)
def test_another_job_is_refused(gate: Gate, provider: Issuer, changed: dict[str, Any]) -> None:
    """Another repository, a pull request, another audience, yesterday's token: a reason, and a record."""
    status, said = ask(gate, subject_token=job(provider, **changed), subject_token_type=ID_TOKEN)
    assert (status, said["error"]) == (400, "invalid_grant")
    refused = [row["body"] for row in gate.records() if row["kind"] == "task" and row["body"]["event"] == "refused"]
    assert refused[-1]["why"] in said["error_description"]


def test_an_issuers_new_key_is_found(gate: Gate, provider: Issuer) -> None:
    """A key id that is not known makes the gateway look again, but not all the time."""
    before, provider.kid = provider.kid, "two"
    try:
        status, _ = ask(gate, subject_token=job(provider), subject_token_type=ID_TOKEN)
        asked = [path for path, _ in provider.asked].count("/keys")
        for _ in range(5):
            ask(gate, subject_token=job(provider), subject_token_type=ID_TOKEN)
    finally:
        provider.kid = before
    assert status in {200, 400}
    assert [path for path, _ in provider.asked].count("/keys") - asked <= 2, "one a worker"


def test_a_bound_token_is_worth_nothing_without_its_key(gate: Gate, provider: Issuer) -> None:
    """At the real server: with its proof it passes, once; without, with another's, or replayed at any worker, not."""
    holder, thief = Holder(), Holder()
    here = f"{gate.url}{TOKEN}"
    proof = holder.proof("", now=time.time_ns(), htu=here, ath=None)
    status, said = ask(gate, proof, subject_token=job(provider), subject_token_type=ID_TOKEN)
    assert (status, said["token_type"]) == (200, "DPoP"), said
    token = said["access_token"]

    def use(proof: str) -> int:
        headers = {"authorization": f"DPoP {token}", **({"dpop": proof} if proof else {})}
        return gate.ask(OPENAI, OPENAI.body("hello"), headers).status

    def made(by: Holder) -> str:
        return by.proof(token, now=time.time_ns(), htu=f"{gate.url}{OPENAI.path}")

    good = made(holder)
    assert use(good) == 200
    assert "dpop" not in dict(gate.mock.requests()[-1].headers)
    assert [use(good) for _ in range(6)] == [400] * 6
    assert [use(""), use(made(thief))] == [400, 400]
    assert use(made(holder)) == 200


def test_a_local_process_spends_no_key_and_has_a_name(gate: Gate) -> None:
    """Without a credential: the gateway's key is not put on, whatever name is claimed; the process is on record."""
    headers = {"user-agent": "claude-cli/2.1", "x-poundlock-human": "eve", "x-poundlock-task": "a" * 12}
    answer = gate.ask(OPENAI, OPENAI.body("hello"), headers)
    assert answer.status == 200
    assert "the-held-" + "key" not in json.dumps(dict(gate.mock.requests()[-1].headers))
    principal = gate.record(answer.id)["principal"]
    assert (principal["tool"], principal["tool_claimed"], principal["task"]) == ("claude-code", True, "")
    assert principal["human"] != "eve"
    assert principal["process"].startswith("python"), principal
    assert "sha256:" in principal["process"]


def test_the_register_is_on_record_and_sound(gate: Gate) -> None:
    """All of it stands in the one chain."""
    until(lambda: gate.verify()[0] == 0)


def test_a_gateway_that_takes_a_proof_twice(broken: Broken, provider: Issuer) -> None:
    """The mutant lets a replayed proof in: the test above can fail."""
    rows = f'[identity.workloads.x]\nissuer = "{provider.url}"\ntool = "ci"\nclaims.repository = "northwind/orders"\n'
    with broken("takes_a_proof_twice", rows) as gate:
        gate.command("tools", "add", "ci", "--owner", "eve", "--state", "active")
        holder = Holder()
        proof = holder.proof("", now=time.time_ns(), htu=f"{gate.url}{TOKEN}", ath=None)
        first, second = (
            ask(gate, proof, subject_token=job(provider), subject_token_type=ID_TOKEN)[0] for _ in range(2)
        )
        assert (first, second) == (200, 400), "a proof was taken twice"


def test_a_gateway_that_spends_its_key_for_anybody(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant puts the held key on for a caller without a credential."""
    monkeypatch.setenv("HELD_KEY", "the-held-" + "key")
    with broken("spends_the_key_for_anybody", '[providers.held]\nupstream = "http://127.0.0.1:9"\n') as gate:
        gate.stop()
        text = gate.config.read_text()
        gate.config.write_text(text.replace("[providers.openai]\n", '[providers.openai]\nkey_env = "HELD_KEY"\n'))
        gate.start(mutant="spends_the_key_for_anybody")
        assert gate.ask(OPENAI, OPENAI.body("hello")).status == 200
        sent = json.dumps(dict(gate.mock.requests()[-1].headers))
        assert "the-held-" + "key" not in sent, "the held key was spent"
