"""Whose account each exchange uses, with what earlier answers to the same key told: for one worker.

It must never make an account look better than the register and the table say: what is learned only tightens.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

import msgspec

from poundlock.core import accounts
from poundlock.core.accounts import Account, Sign

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poundlock.config import Settings
    from poundlock.core.accounts import Whose
    from poundlock.core.model import Destination, Principal

_T = TypeVar("_T")

REMEMBERED = 1024
"""Of how many keys it is remembered what their answers named."""


class Accounts:
    """The table of accounts, and what was learned of keys. `held` are providers whose key the gateway puts on."""

    def __init__(self, settings: Settings, held: Mapping[str, str]) -> None:
        """Begin: nothing was learned yet."""
        self._table = tuple(
            Account(
                name=name,
                provider=row.provider,
                organisations=row.organisations,
                keys=row.keys,
                repositories=row.repositories,
                personal=row.personal,
            )
            for name, row in settings.accounts.items()
        )
        self._held = {name: accounts.digest(key) for name, key in held.items()}
        self._organisations: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._retaining: OrderedDict[tuple[str, str], bool] = OrderedDict()

    def sign(self, provider: str, headers: Mapping[str, str], principal: Principal) -> Sign:
        """Read what a request shows; where the gateway puts its own key on, that one counts."""
        if provider in self._held and principal.proven:
            return Sign(login="key", digest=self._held[provider])
        return accounts.sign(headers)

    def whose(self, provider: str, sign: Sign, repository: str) -> Whose:
        """Say whose account it is."""
        organisation = self._organisations.get((provider, sign.digest), "")
        said = accounts.whose(self._table, provider, sign, organisation, repository)
        ours = sign.digest and sign.digest == self._held.get(provider)
        return "organisation" if said == "unknown" and ours else said

    def corrected(self, destination: Destination, sign: Sign) -> Destination:
        """Take zero retention away from a destination whose answers say that they are retained."""
        if destination.zero_retention and self._retaining.get((destination.name, sign.digest)):
            return msgspec.structs.replace(destination, zero_retention=False)
        return destination

    def learn(self, provider: str, sign: Sign, headers: Sequence[tuple[str, str]]) -> None:
        """Remember what an answer's headers say of the account."""
        if not sign.digest:
            return
        if organisation := accounts.named(headers):
            _keep(self._organisations, (provider, sign.digest), organisation)
        if (retained := accounts.retains(headers)) is not None:
            _keep(self._retaining, (provider, sign.digest), retained)


def _keep(rows: OrderedDict[tuple[str, str], _T], key: tuple[str, str], value: _T) -> None:
    rows.pop(key, None)
    rows[key] = value
    if len(rows) > REMEMBERED:
        rows.popitem(last=False)
