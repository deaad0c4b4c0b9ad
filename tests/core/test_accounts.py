"""Whose account it is: shapes, headers, the table, and which repositories it may work on."""

from __future__ import annotations

import pytest

from poundlock.core import accounts
from poundlock.core.accounts import Account, Sign

COMPANY = Account(
    name="company",
    provider="anthropic",
    organisations=("org-1",),
    keys=(accounts.digest("the key"),),
    repositories=("acme/*", "ada/notes"),
)
OWN = Account(name="own", provider="anthropic", organisations=("org-9",), personal=True)
KEY = Sign(login="key", digest=accounts.digest("the key"))
OTHER = Sign(login="key", digest=accounts.digest("another key"))


@pytest.mark.parametrize(
    ("headers", "login"),
    [
        ({"x-api-key": "sk-ant-" + "api03-abc"}, "key"),
        ({"authorization": "Bearer sk-ant-" + "oat01-abc"}, "subscription"),
        ({"authorization": "bearer sk-" + "proj-abc"}, "key"),
        ({"authorization": "Bearer sk-" + "admin-abc"}, "administration"),
        ({"authorization": "Bearer ey" + "Jabc", "chatgpt-account-id": "account-1"}, "subscription"),
        ({"x-goog-api-key": "AI" + "zaabc"}, "key"),
        ({"authorization": "Bearer whatever"}, "token"),
        ({}, "none"),
    ],
)
def test_the_shape_of_a_login(headers, login):
    """A key, a subscription's login and an administration key are told apart; the credential is not kept."""
    seen = accounts.sign(headers)
    assert seen.login == login
    assert all(value.split()[-1] not in repr(seen) for value in headers.values())


def test_organisations_are_hidden():
    """What a header names is known, and shows in no `repr`."""
    seen = accounts.sign({"openai-organization": "org-7", "authorization": "Bearer x"})
    assert seen.organisations == ("org-7",)
    assert "org-7" not in repr(seen)


@pytest.mark.parametrize(
    ("provider", "seen", "organisation", "repository", "expected"),
    [
        ("anthropic", KEY, "", "acme/app", "organisation"),
        ("anthropic", KEY, "", "ada/notes", "organisation"),
        ("anthropic", KEY, "", "ada/notes2", "elsewhere"),
        ("anthropic", KEY, "", "", "elsewhere"),
        ("anthropic", OTHER, "", "acme/app", "unknown"),  # its first answer will tell
        ("anthropic", OTHER, "org-1", "acme/app", "organisation"),
        ("anthropic", OTHER, "org-2", "acme/app", "personal"),
        ("anthropic", OTHER, "org-9", "acme/app", "personal"),
        ("openai", KEY, "org-1", "acme/app", "unknown"),  # nobody wrote a row for it
        ("anthropic", Sign(), "", "acme/app", "unknown"),
    ],
)
def test_whose_it_is(provider, seen, organisation, repository, expected):
    """What the table names is the organisation's or a person's; what it could name and does not is personal."""
    assert accounts.whose((COMPANY, OWN), provider, seen, organisation, repository) == expected


def test_a_table_of_keys_alone():
    """Where only keys are listed, another key is personal at once."""
    row = Account(name="company", provider="anthropic", keys=COMPANY.keys)
    assert accounts.whose((row,), "anthropic", OTHER, "", "") == "personal"
    assert accounts.whose((row,), "anthropic", KEY, "", "") == "organisation"


@pytest.mark.parametrize(("said", "expected"), [("true", False), (" False ", True), ("maybe", None)])
def test_retention_in_an_answer(said, expected):
    """`x-zero-data-retention: true` says that nothing is retained."""
    assert accounts.retains([("X-Zero-Data-Retention", said)]) is expected
    assert accounts.retains([("other", said)]) is None


def test_the_organisation_in_an_answer():
    """Both vendors' headers are known, whatever their case."""
    assert accounts.named([("Anthropic-Organization-Id", "o")]) == "o"
    assert accounts.named([("openai-organization", "p")]) == "p"
    assert accounts.named([("x-organization", "q")]) == ""
