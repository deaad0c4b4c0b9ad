"""Whose account an exchange uses, as far as the wire shows it: the key's shape, the headers that name an organisation.

It must never keep or show a credential, only its digest, and never take an account for the organisation's that its
table does not name.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Whose = Literal["organisation", "personal", "elsewhere", "unknown"]
Login = Literal["key", "subscription", "administration", "token", "none"]

_SHAPES: tuple[tuple[str, Login], ...] = (
    # https://platform.claude.com/docs: keys of the API, of its administration, and the login of a Claude subscription.
    ("sk-ant-admin", "administration"),
    ("sk-ant-oat", "subscription"),
    ("sk-ant-", "key"),
    # https://platform.openai.com/docs: administration keys; project, service and older user keys.
    ("sk-admin-", "administration"),
    ("sk-", "key"),
    ("xai-", "key"),
    ("gsk_", "key"),
    ("AIza", "key"),
    ("ya29.", "token"),
    ("eyJ", "token"),
)
_BEARERS = ("x-api-key", "api-key", "x-goog-api-key", "authorization")
_ASKED = ("openai-organization", "chatgpt-account-id")
"""Headers of a request that name an organisation, or the account of a ChatGPT login."""
_ANSWERED = ("anthropic-organization-id", "openai-organization")
"""Headers of an answer that name the organisation to which the key belongs."""


class Account(Value, frozen=True, kw_only=True):
    """A row of the table of accounts: whose it is, how it is recognised, and which repositories it may work on.

    `organisations` are ids as the vendor's headers have them, `keys` digests of keys. No repositories: all of them.
    """

    name: str
    provider: str
    organisations: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    personal: bool = False


class Sign(Value, frozen=True, kw_only=True):
    """What a request shows of its account: how it logs in, the key's digest, the organisations that it names."""

    _hidden = frozenset({"organisations"})

    login: Login = "none"
    digest: str = ""
    organisations: tuple[str, ...] = ()


NOBODY = Sign()
"""A request that shows no account."""


def digest(credential: str) -> str:
    """Give the digest under which the table knows a key: SHA-256, hex, of which 32 digits are kept."""
    return f"sha256:{hashlib.sha256(credential.encode()).hexdigest()[:32]}"


def sign(headers: Mapping[str, str]) -> Sign:
    """Read a request's headers (names in small letters)."""
    found = next((headers[name] for name in _BEARERS if headers.get(name)), "")
    credential = found[7:].strip() if found[:7].lower() == "bearer " else found
    login: Login = next((each for start, each in _SHAPES if credential.startswith(start)), "token")
    if headers.get("chatgpt-account-id"):
        login = "subscription"
    return Sign(
        login=login if credential else "none",
        digest=digest(credential) if credential else "",
        organisations=tuple(headers[name] for name in _ASKED if headers.get(name)),
    )


def named(headers: Iterable[tuple[str, str]]) -> str:
    """Give the organisation that an answer's headers name, or nothing."""
    return next((value for name, value in headers if name.lower() in _ANSWERED and value), "")


def retains(headers: Iterable[tuple[str, str]]) -> bool | None:
    """Tell whether an answer says that it is retained (`x-zero-data-retention`); None where it does not say."""
    said = next((value.strip().lower() for name, value in headers if name.lower() == "x-zero-data-retention"), "")
    return None if said not in {"true", "false"} else said == "false"


def whose(table: Iterable[Account], provider: str, seen: Sign, organisation: str, repository: str) -> Whose:
    """Say whose account it is.

    `organisation` is what an earlier answer to the same key named. What the table does not name is personal, once
    there is something to know it by; without rows for the provider nobody can tell.
    """
    rows = [row for row in table if row.provider == provider]
    named_ = {*seen.organisations, organisation} - {""}
    if not rows:
        return "unknown"
    fitting = [row for row in rows if (seen.digest and seen.digest in row.keys) or named_ & set(row.organisations)]
    if not fitting:
        # A key that no row lists may still be of an organisation that one does: its first answer will tell.
        waits = not named_ and any(row.organisations for row in rows)
        return "unknown" if waits or not seen.digest else "personal"
    if all(row.personal for row in fitting):
        return "personal"
    return "organisation" if any(_for(row, repository) for row in fitting if not row.personal) else "elsewhere"


def _for(row: Account, repository: str) -> bool:
    """Tell whether an account may work on a repository; one that is not known is not on a list."""
    return not row.repositories or any(
        repository == each or (each.endswith("/*") and repository.startswith(each[:-1])) for each in row.repositories
    )
