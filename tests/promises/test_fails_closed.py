"""Promise 6: what is unknown, broken or foreign is refused, in the client's own shape, and reaches nobody."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.gateway import canary
from tests.gateway.dialects import ANTHROPIC, OPENAI, Dialect
from tests.gateway.running import SURROGATE, Gate, running, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.promises.conftest import Broken

ROUTES = {
    "anthropic": (
        "/v1/messages/unheard_of",
        "/v1/files",
        "/v1/organizations/api_keys",
        "/v1/messagesx",
        "/v2/messages",
    ),
    "openai": (
        "/v1/audio/speech",
        "/v1/chat/completions/x",
        "/v1/chat/completionsx",
        "/v1/files",
        "/v1/fine_tuning/jobs",
    ),
}


def test_unknown_routes(gate: Gate, dialect: Dialect) -> None:
    """A route that is in no table is refused, also under a provider's prefix and with another method."""
    before = len(gate.mock.requests())
    body = dialect.body(f"My key is {canary.access_key()}.")
    for route in ROUTES[dialect.name]:
        for path in (route, f"/p/{dialect.name}{route}"):
            answer = gate.ask(dialect, body, path=path)
            assert answer.status == 400, path
            message = dialect.message(answer.body)
            assert message.startswith("Poundlock: ")
            assert "refused" in message
            assert answer.headers["x-should-retry"] == "false"
    for method in ("PUT", "DELETE", "PATCH"):
        answer = gate.raw(dialect.path, json.dumps(body).encode(), dialect.headers, method)
        assert answer.status == 400, method
    assert len(gate.mock.requests()) == before


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; charset=utf-7",
        "application/json; boundary=x",
        "application/octet-stream",
        "application/jsonx",
        "",
    ],
)
def test_unknown_content_types(gate: Gate, dialect: Dialect, kind: str) -> None:
    """A body that doesn't say that it is JSON in UTF-8 is refused, though it is."""
    before = len(gate.mock.requests())
    answer = gate.ask(dialect, dialect.body("Hello."), {"content-type": kind})
    assert answer.status == 400
    assert "content type is not JSON" in dialect.message(answer.body)
    assert len(gate.mock.requests()) == before


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_known_content_types(gate: Gate, dialect: Dialect, kind: str) -> None:
    """JSON in UTF-8 is served in each of the ways to say so."""
    assert gate.ask(dialect, dialect.body("Hello."), {"content-type": kind}).status == 200


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("compress", b"{}"),
        ("aes128gcm", b"{}"),
        ("gzip", b"{}"),
        ("gzip", gzip.compress(b'{"a": 1}', mtime=0)[:-4]),
        ("br", b"\xff\xff"),
        ("zstd", b"{}"),
        ("gzip, gzip, gzip, gzip", b"{}"),
        ("identity, unheard-of", b"{}"),
    ],
)
def test_undecodable_bodies(gate: Gate, dialect: Dialect, coding: str, data: bytes) -> None:
    """A body in a coding that is unknown, or is not what it says, is refused in the provider's shape."""
    before = len(gate.mock.requests())
    answer = gate.ask(dialect, data, {"content-encoding": coding})
    assert answer.status == 400
    assert dialect.message(answer.body).startswith("Poundlock: ")
    assert len(gate.mock.requests()) == before


@pytest.mark.parametrize("data", [b"[]", b'"text"', b"1", b"null", b"{", b"{}}", b"\x1f\x8b", b"\x00"])
def test_bodies_of_no_kind(gate: Gate, dialect: Dialect, data: bytes) -> None:
    """A body that is not one JSON object is refused."""
    before = len(gate.mock.requests())
    answer = gate.ask(dialect, data)
    assert answer.status == 400
    assert dialect.message(answer.body).startswith("Poundlock: ")
    assert len(gate.mock.requests()) == before


def test_unknown_provider(gate: Gate, dialect: Dialect) -> None:
    """A provider that nobody configured is refused with what to add."""
    answer = gate.ask(dialect, dialect.body("Hello."), path=f"/p/elsewhere{dialect.path}")
    assert answer.status == 400
    assert "[providers.NAME]" in dialect.message(answer.body)


def web_page(gate: Gate) -> None:
    """Post as a web page can: with its origin, without a preflight, or by a name that resolves to this machine."""
    before = len(gate.mock.requests())
    body = json.dumps(ANTHROPIC.body(f"My key is {canary.access_key()}.")).encode()
    for headers in (
        {"origin": "https://evil.example", "content-type": "text/plain"},
        {"origin": "null", "content-type": "application/json"},
        {"origin": f"http://127.0.0.1:{gate.port + 1}"},
        {"origin": f"https://127.0.0.1:{gate.port}"},
        {"origin": f"http://127.0.0.1:{gate.port}", "host": f"localhost:{gate.port}"},
        {"host": "evil.example"},
        {"host": f"evil.example:{gate.port}"},
        {"host": f"127.0.0.1.evil.example:{gate.port}"},
        {"host": f"localhost@evil.example:{gate.port}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-origin", "host": f"localhost:{gate.port}"},
    ):
        sent = {**ANTHROPIC.headers, "content-type": "application/json", **headers}
        answer = gate.raw("/v1/messages", body, sent)
        assert answer.status in {400, 403}, headers
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        preflight = {**headers, "access-control-request-method": "POST"}
        assert gate.raw("/v1/messages", b"", preflight, "OPTIONS").status in {400, 403}
    assert len(gate.mock.requests()) == before


def test_web_page(gate: Gate) -> None:
    """A page in a browser can't use the gateway, whatever it says and however its name resolves."""
    web_page(gate)


def test_web_page_mutant(broken: Broken) -> None:
    """A gateway that doesn't look is caught."""
    with broken("has_no_door") as gate:
        web_page(gate)


def revoked(gate: Gate, name: str) -> None:
    """Use a credential, end it, and use it again."""
    credential = gate.credential(name)
    for dialect in (ANTHROPIC, OPENAI):
        answer = gate.ask(dialect, dialect.body("Hello."), credential)
        assert answer.status == 200
        assert gate.record(answer.id)["principal"]["human"] == name
    gate.revoke(name)
    before = len(gate.mock.requests())
    for dialect in (ANTHROPIC, OPENAI):
        answer = gate.ask(dialect, dialect.body("Hello."), credential)
        assert answer.status == 400
        assert "does not know this caller" in dialect.message(answer.body)
    assert len(gate.mock.requests()) == before


def test_revoked_credential(gate: Gate) -> None:
    """A credential that was ended is refused from the next request on, and so is one that nobody made."""
    revoked(gate, "cem")
    answer = gate.ask(OPENAI, OPENAI.body("Hello."), {"authorization": "Bearer pl_" + "a" * 43})
    assert answer.status == 400
    assert "does not know this caller" in OPENAI.message(answer.body)


def test_revoked_credential_mutant(broken: Broken) -> None:
    """A gateway that reads its credentials once is caught."""
    with broken("remembers_credentials") as gate:
        revoked(gate, "cem")


def test_credential_never_leaves(gate: Gate, dialect: Dialect) -> None:
    """Poundlock's own credential reaches no provider, wherever it rides."""
    token = gate.credential("dora")["x-poundlock-token"]
    canary.made.append(token)
    for headers, path in (
        ({"x-poundlock-token": token}, dialect.path),
        ({"x-api-key": token}, dialect.path),
        ({"authorization": f"Bearer {token}"}, dialect.path),
        ({}, f"/t/{token}{dialect.path}"),
        ({}, f"/t/{token}/p/{dialect.name}{dialect.path}"),
    ):
        answer = gate.ask(dialect, dialect.body("Hello."), headers, path)
        assert answer.status == 200, answer.body
        seen = gate.mock.requests()[-1]
        assert token not in f"{seen.headers}{seen.path}{seen.body!r}"
        assert gate.record(answer.id)["principal"]["human"] == "dora"


ERRS = """
@id("own.error")
@reason("It counts.")
@advice("Count less.")
forbid (principal, action == Action::"sendDisguised", resource in Kind::"secret")
when { resource.count * 9223372036854775807 < 0 };
"""


def policy_error(gate: Gate) -> None:
    """Ask what makes a policy overflow: two occurrences of a value, where one is fine."""
    key = canary.access_key()
    assert gate.ask(OPENAI, OPENAI.body(f"My key is {key}.")).status == 200
    before = len(gate.mock.requests())
    answer = gate.ask(OPENAI, OPENAI.body(f"My keys are {key} and {canary.access_key()}."))
    assert answer.status == 400, answer.body
    assert gate.record(answer.id)["decision"]["rung"] == "blocked"
    assert gate.record(answer.id)["decision"]["errors"]
    assert len(gate.mock.requests()) == before


def test_policy_error_blocks(tmp_path: Path) -> None:
    """A policy that can't be evaluated blocks, and the record says so."""
    (tmp_path / "own.cedar").write_text(ERRS)
    with running(tmp_path, f'[policy]\nfiles = ["{tmp_path / "own.cedar"}"]') as gate:
        policy_error(gate)


def test_policy_error_blocks_mutant(broken: Broken, tmp_path: Path) -> None:
    """A gateway that takes an error for a yes is caught."""
    (tmp_path / "own.cedar").write_text(ERRS)
    with broken("lets_policy_errors_through", f'[policy]\nfiles = ["{tmp_path / "own.cedar"}"]') as gate:
        policy_error(gate)


RULE = """
[[rule]]
id = 'secret.own.ticket'
pattern = '{pattern}'
confidence = 0.9
source = 'https://example.com/the/tickets'
examples = ['ticket «QRS{{A-Z2-7:12}}»', 'see «QRS{{A-Z2-7:12}}» now']
counter_examples = ['ticket QRS{{A-Z2-7:4}}', 'nothing at all']
"""
GOOD = RULE.format(pattern="QRS[A-Z2-7]{12}")
BAD = {
    "backtracks": RULE.format(pattern="QRS(?:[A-Z2-7]+)+$"),
    "looks back": RULE.format(pattern=r"(QRS)[A-Z2-7]{{12}}\1"),
    "is no TOML": "[[rule",
    "misses its examples": RULE.format(pattern="XYZ[A-Z2-7]{12}"),
}


def bad_rule(gate: Gate, rules: Path, bad: str) -> None:
    """Replace a team's rules by bad ones under a running gateway: the old ones stay in force."""
    mark = "QRS" + "".join("ABCDEFGHJKMN"[number] for number in (3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8))
    rules.write_text(GOOD)
    until(lambda: SURROGATE.search(_asked(gate, f"ticket {mark}")))
    rules.write_text(bad)
    end = time.monotonic() + 4.5  # the files are looked at every two seconds
    while time.monotonic() < end:
        text = _asked(gate, f"ticket {mark} and {canary.access_key()}")
        assert len(SURROGATE.findall(text)) == 2, text
        time.sleep(0.25)


def _asked(gate: Gate, text: str) -> str:
    assert gate.ask(OPENAI, OPENAI.body(text)).status == 200
    return str(OPENAI.last(gate.newest()))


def test_bad_rule_keeps_the_old_snapshot(tmp_path: Path) -> None:
    """A rule that would backtrack is refused when it is read, and the old snapshot stays."""
    rules = tmp_path / "own.toml"
    rules.write_text(GOOD)
    with running(tmp_path, f'[rules]\nfiles = ["{rules}"]') as gate:
        bad_rule(gate, rules, BAD["backtracks"])


def test_bad_rule_mutant(broken: Broken, tmp_path: Path) -> None:
    """A gateway that goes on with no rules is caught."""
    rules = tmp_path / "own.toml"
    rules.write_text(GOOD)
    with broken("swaps_in_a_bad_snapshot", f'[rules]\nfiles = ["{rules}"]') as gate:
        bad_rule(gate, rules, BAD["is no TOML"])


@pytest.mark.parametrize("bad", BAD)
def test_bad_rule_at_the_start(tmp_path: Path, bad: str) -> None:
    """A gateway doesn't start on rules that it can't use, and says which."""
    rules = tmp_path / "own.toml"
    rules.write_text(BAD[bad])
    with (
        pytest.raises(AssertionError, match=r"did not start: .*(own\.toml|secret\.own\.ticket)"),
        running(tmp_path, f'[rules]\nfiles = ["{rules}"]'),
    ):
        pytest.fail("it started")
