"""Accounts and budgets at a running gateway: what the table, an answer's headers and the records tell."""

from __future__ import annotations

import secrets

import pytest

from poundlock import config
from poundlock.core.accounts import digest
from poundlock.core.model import Destination, Principal
from poundlock.gateway.accounts import Accounts
from tests.gateway import running
from tests.gateway.dialects import ANTHROPIC

ME = Principal(human="ada", tool="a", authenticated="credential", tool_claimed=False)
TABLE = '[accounts.company]\nprovider = "anthropic"\norganisations = ["org-1"]\n'


def test_an_answer_tells_of_the_organisation():
    """A key that nobody listed is unknown until its first answer names whose it is."""
    known = Accounts(config.load(TABLE), {})
    seen = known.sign("anthropic", {"x-api-key": "k"}, ME)
    assert known.whose("anthropic", seen, "") == "unknown"
    known.learn("anthropic", seen, [("anthropic-organization-id", "org-2")])
    assert known.whose("anthropic", seen, "") == "personal"
    known.learn("anthropic", seen, [("anthropic-organization-id", "org-1")])
    assert known.whose("anthropic", seen, "") == "organisation"
    other = known.sign("anthropic", {"x-api-key": "k2"}, ME)
    assert known.whose("anthropic", other, "") == "unknown"


def test_the_gateway_s_own_key_is_the_organisation_s():
    """Where the gateway puts its key on, the caller's does not count; without Poundlock's credential it does."""
    known = Accounts(config.load(""), {"anthropic": "held"})
    seen = known.sign("anthropic", {"x-api-key": "k"}, ME)
    assert seen.digest == digest("held")
    assert known.whose("anthropic", seen, "") == "organisation"
    claimed = known.sign("anthropic", {"x-api-key": "k"}, Principal(human="ada"))
    assert (claimed.digest, known.whose("anthropic", claimed, "")) == (digest("k"), "unknown")


def test_retention_only_tightens():
    """An answer that says it is retained takes zero retention away; one that says otherwise gives nothing."""
    known = Accounts(config.load(""), {})
    seen = known.sign("xai", {"authorization": "Bearer k"}, ME)
    zero = Destination(name="xai", vendor="xai", zero_retention=True)
    assert known.corrected(zero, seen) is zero
    known.learn("xai", seen, [("x-zero-data-retention", "false")])
    assert known.corrected(zero, seen).zero_retention is False
    known.learn("xai", seen, [("x-zero-data-retention", "true")])
    assert known.corrected(zero, seen) is zero
    kept = Destination(name="xai", vendor="xai", zero_retention=False)
    assert known.corrected(kept, seen) is kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[accounts.a]\nprovider = "nobody"\norganisations = ["o"]', "accounts.a"),
        ('[accounts.a]\nprovider = "anthropic"', "accounts.a"),
        ('[accounts.a]\nprovider = "anthropic"\nkeys = ["sk-something"]', "accounts.a"),
        ('[budgets.pattern]\nmeasure = "people"\nlimit = 3', "budgets.pattern"),
    ],
)
def test_settings_that_are_refused(text, said):
    """A row that can't ever fit, a key in place of its digest, a budget with a name that is taken."""
    with pytest.raises(config.ConfigFault, match=said):
        config.load(text)


def ask(gate: running.Gate, key: str) -> running.Answer:
    """Send one message with a key."""
    body = {"model": "claude-sonnet-4", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello."}]}
    return gate.ask(ANTHROPIC, body, {"x-api-key": key})


def test_accounts_and_budgets_end_to_end(tmp_path):
    """A personal account is told of, the company's is not; the one past the budget waits for a person."""
    ours, own = "key-" + secrets.token_hex(8), "key-" + secrets.token_hex(8)
    settings = (
        f'[accounts.company]\nprovider = "anthropic"\nkeys = ["{digest(ours)}"]\n'
        '[budgets.few]\nmeasure = "exchanges"\nlimit = 2\nper = ["person", "destination"]\n'
        "[approvals]\nwait_seconds = 0"
    )
    with running.running(tmp_path, settings, workers=2) as gate:
        answers = [ask(gate, key) for key in (own, ours, ours)]
        told = [gate.record(answer.id) for answer in answers]
        exported = repr(gate.records())
    assert [answer.status for answer in answers] == [200, 200, 400]
    assert [body["facts"]["account"] for body in told] == ["personal", "organisation", "organisation"]
    assert [body["facts"]["budgets"] for body in told] == [[], [], ["few"]]
    assert "account.advice" in told[0]["decision"]["reasons"]
    assert "account.advice" not in told[1]["decision"]["reasons"]
    assert told[2]["decision"]["rung"] == "sendApproved"
    assert "budget.spent" in told[2]["decision"]["reasons"]
    assert ours not in exported
    assert own not in exported


def test_the_first_answer_tells(tmp_path):
    """A key that no row lists is unknown, until its first answer names an organisation that no row lists either."""
    settings = '[accounts.company]\nprovider = "anthropic"\norganisations = ["org-of-the-company"]\n'
    with running.running(tmp_path, settings) as gate:
        key = "key-" + secrets.token_hex(8)
        told = [gate.record(ask(gate, key).id) for _ in range(2)]
    assert [body["facts"]["account"] for body in told] == ["unknown", "personal"]
    assert "account.advice" in told[1]["decision"]["reasons"]
