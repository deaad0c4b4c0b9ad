"""Amazon Bedrock through the real gateway: its streams, API keys, and signatures with the gateway's own credentials."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.gateway import canary
from tests.gateway.running import ECHO, PLAIN, Gate, running
from tests.provider import bedrock
from tests.provider.running import provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.provider.running import Running

MODEL = "us.anthropic.claude-sonnet-4-6-v1%3A0"
# Made up, and of the shape that documentation uses.
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA" + "EXAMPLE" * 2 + "AB", "AWS_SECRET_ACCESS_KEY": "held-by-the-gateway"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gate, Running]]:
    """Run a gateway before a mock of Bedrock: once with API keys passed on, once signing."""
    folder = tmp_path_factory.mktemp("bedrock")
    old = {name: os.environ.get(name) for name in (*KEYS, "AWS_REGION")}
    os.environ.update(KEYS, AWS_REGION="eu-central-1")
    try:
        with provider(folder / "aws", PLAIN) as aws:
            row = f'upstream = "{aws.url}"\nformat = "bedrock"\n'
            settings = f'[providers.bedrock]\n{row}[providers.signed]\n{row}sign = "aws"\n'
            with running(folder / "gate", settings) as gate:
                yield gate, aws
    finally:
        for name, value in old.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def converse(text: str) -> dict[str, Any]:
    """Give a body of Converse."""
    return {"messages": [{"role": "user", "content": [{"text": text}]}]}


def invoked(text: str) -> dict[str, Any]:
    """Give a body of a model's own format."""
    head = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64}
    return {**head, "messages": [{"role": "user", "content": text}]}


def ask(gate: Gate, path: str, body: dict[str, Any], **headers: str) -> Any:
    """Ask the gateway."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gate.raw(path, json.dumps(body).encode(), {"content-type": "application/json", **named})


@pytest.mark.parametrize("operation", ["converse", "converse-stream", "invoke", "invoke-with-response-stream"])
def test_values_go_disguised_and_come_home(pair: tuple[Gate, Running], operation: str) -> None:
    """Over all four operations the provider gets a surrogate, and the client the true value."""
    gate, aws = pair
    aws.play(ECHO)
    secret = canary.access_key()
    body = (converse if "converse" in operation else invoked)(f"The key is {secret}.")

    answer = ask(gate, f"/model/{MODEL}/{operation}", body, authorization="Bearer an-api-key")

    assert answer.status == 200, answer
    assert said(operation, answer.body) == f"It is {secret}."
    seen = aws.requests()[-1]
    assert seen.path == f"/model/{MODEL}/{operation}"
    assert seen.header("authorization") == "Bearer an-api-key"
    assert canary.found(seen.body, [secret]) == []


def said(operation: str, answer: bytes) -> str:
    """Give the text of an answer."""
    if operation == "converse":
        return str(json.loads(answer)["output"]["message"]["content"][0]["text"])
    if operation == "invoke":
        return str(json.loads(answer)["content"][0]["text"])
    messages = [payload for _, payload in bedrock.read(answer)]
    if operation != "converse-stream":
        messages = [json.loads(base64.b64decode(payload["bytes"])) for payload in messages]
    return "".join(payload["delta"].get("text", "") for payload in messages if "delta" in payload)


def test_a_clients_own_signature_is_refused(pair: tuple[Gate, Running]) -> None:
    """A signature spans the body and the host: it can't hold behind a gateway, and the refusal says what to do."""
    gate, aws = pair
    before = len(aws.requests())

    answer = ask(gate, f"/model/{MODEL}/converse", converse("Hello."), authorization="AWS4-HMAC-SHA256 Credential=x")

    assert answer.status == 400
    assert 'sign = "aws"' in json.loads(answer.body)["message"]
    assert len(aws.requests()) == before


def test_signed_with_the_gateways_credentials(pair: tuple[Gate, Running]) -> None:
    """What is sent is signed: the signature is over the disguised body, and the client's own is gone."""
    gate, aws = pair
    aws.play(ECHO)
    secret = canary.access_key()
    token = gate.credential("me")["x-poundlock-token"]
    path = f"/t/{token}/p/signed/model/{MODEL}/converse"

    answer = ask(
        gate, path, converse(f"The key is {secret}."), authorization="AWS4-HMAC-SHA256 Credential=x", x_amz_date="old"
    )

    assert said("converse", answer.body) == f"It is {secret}."
    seen = aws.requests()[-1]
    signature = seen.header("authorization") or ""
    assert f"Credential={KEYS['AWS_ACCESS_KEY_ID']}/" in signature
    assert "/eu-central-1/bedrock/aws4_request" in signature
    # Signed anew from what arrived, with the time that it names, it is the same: it is over these very bytes.
    request = AWSRequest(
        method="POST", url=aws.url + seen.path, data=seen.body, headers={"content-type": "application/json"}
    )
    signer = SigV4Auth(Credentials(*KEYS.values()), "bedrock", "eu-central-1")
    request.context["timestamp"] = seen.header("x-amz-date")
    request.headers["X-Amz-Date"] = seen.header("x-amz-date") or ""
    again = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert signature.endswith(f"Signature={again}")


def test_no_signature_without_poundlocks_credential(pair: tuple[Gate, Running]) -> None:
    """A key that Poundlock holds is used only for who carries Poundlock's own credential."""
    gate, aws = pair
    before = len(aws.requests())

    answer = ask(gate, f"/p/signed/model/{MODEL}/converse", converse("Hello."))

    assert answer.status == 400
    assert len(aws.requests()) == before
