"""Who vouches for a workload: the issuers of the configuration, and their keys.

It never asks an issuer that only a token names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from poundlock.core.errors import ClientFault
from poundlock.core.identity.workloads import asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from poundlock.core.identity.workloads import Workload


class IssuerKeys(Protocol):
    """Where the issuers' keys come from."""

    async def keys(self, issuer: str, place: str = "", *, missing: bool = False) -> dict[str, Any]:
        """Give an issuer's key set; `missing`: a key was not in what this gave before."""


class Vouchers:
    """The issuers that are trusted for workloads. `unchecked` reads a token, `issued` checks it against keys."""

    def __init__(
        self,
        rows: Sequence[Workload],
        issuers: IssuerKeys,
        *,
        unchecked: Callable[[str], Mapping[str, Any]],
        issued: Callable[[str, Mapping[str, Any]], tuple[Mapping[str, Any], str]],
    ) -> None:
        """Trust the issuers that `rows` name."""
        self._rows = rows
        self._issuers = issuers
        self._unchecked = unchecked
        self._issued = issued

    async def claims(self, token: str) -> tuple[Mapping[str, Any], Sequence[Workload]]:
        """Give the claims of an issuer's token with a good signature, and the entries its issuer vouches for.

        Raises: `ClientFault` where nobody trusts its issuer, or its signature is none of the issuer's.
        """
        rows = asked(self._rows, self._unchecked(token))
        for issuer, place in dict.fromkeys((row.issuer, row.keys) for row in rows):
            said, missing = self._issued(token, await self._issuers.keys(issuer, place))
            if missing or not said:
                said, _ = self._issued(token, await self._issuers.keys(issuer, place, missing=True))
            if said:
                return said, tuple(row for row in rows if (row.issuer, row.keys) == (issuer, place))
        raise ClientFault(
            "The token's key is none of its issuer's." if rows else "Nobody here trusts the issuer of this token.",
            advice="See identity.workloads in poundlock.toml.",
        )
