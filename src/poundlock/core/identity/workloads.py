"""Workloads: CI jobs and services that another issuer vouches for (GitHub Actions, GitLab CI, SPIFFE), and people.

It says which entry of the configuration an issuer's claims fit, and never takes a claim that no entry asks for.
INVARIANT: an entry without a condition on the claims fits nothing: a public issuer vouches for everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poundlock.core.errors import ClientFault
from poundlock.core.identity.claims import SECOND, SKEW
from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST = 24 * 3600
"""Seconds that an issuer's token may be good for: one that lasts longer is no token of a job."""
_SPIFFE = "spiffe://"


class Workload(Value, frozen=True, kw_only=True):
    """One entry: who vouches, for whom, and what a task of theirs may do.

    `issuer` may be empty for SPIFFE, whose tokens need none: the trust domain in `claims["sub"]` says it then.
    `claims` are what the token must say; a value that ends with `*` is the beginning of one.
    """

    name: str
    tool: str
    audience: str
    claims: Mapping[str, str]
    issuer: str = ""
    keys: str = ""
    scopes: tuple[str, ...] = ()
    max_tier: str = "restricted"
    minutes: int = 60


def asked(rows: Iterable[Workload], said: Mapping[str, Any]) -> tuple[Workload, ...]:
    """Give the entries whose issuer vouches by these claims, which nobody has checked yet."""
    return tuple(row for row in rows if _vouches(row, said))


def fits(rows: Iterable[Workload], said: Mapping[str, Any], *, now: int) -> Workload:
    """Give the entry that these claims fit, whose signature is good. Raises `ClientFault` saying what does not fit."""
    _timely(said, now)
    audiences = said.get("aud")
    wanted = audiences if isinstance(audiences, list) else [audiences]
    rows = [row for row in rows if _vouches(row, said)]
    if not rows:
        raise ClientFault("Nobody here trusts the issuer of this token.", advice="See identity.workloads.")
    rows = [row for row in rows if row.audience in wanted]
    if not rows:
        raise ClientFault("The issuer's token is for somebody else.", advice="Ask for one with our audience.")
    for row in rows:
        if row.claims and all(_says(said, name, value) for name, value in row.claims.items()):
            return row
    raise ClientFault(
        "This workload is none that is configured.", advice="See identity.workloads: its claims don't fit."
    )


def person(said: Mapping[str, Any], *, issuer: str, audience: str, claim: str, now: int) -> str:
    """Give the name of the person that an ID token is of. Raises `ClientFault`."""
    _timely(said, now)
    audiences = said.get("aud")
    if said.get("iss") != issuer:
        raise ClientFault("The ID token is of another issuer.", advice="Check identity.people.issuer.")
    if audiences != audience and not (
        isinstance(audiences, list) and audience in audiences and said.get("azp", audience) == audience
    ):
        raise ClientFault("The ID token is for another client.", advice="Check identity.people.client_id.")
    name = said.get(claim)
    if not isinstance(name, str) or not name:
        raise ClientFault(f"The ID token says nothing of {claim}.", advice="Set identity.people.claim.")
    if claim == "email" and said.get("email_verified") is False:
        raise ClientFault("The issuer did not verify this address.", advice="Verify it there, or use another claim.")
    return name


def _vouches(row: Workload, said: Mapping[str, Any]) -> bool:
    if row.issuer:
        return said.get("iss") == row.issuer
    sub, wanted = said.get("sub"), row.claims.get("sub", "")
    if not isinstance(sub, str) or not wanted.startswith(_SPIFFE) or not sub.startswith(_SPIFFE):
        return False
    return sub.removeprefix(_SPIFFE).partition("/")[0] == wanted.removeprefix(_SPIFFE).partition("/")[0]


def _says(said: Mapping[str, Any], name: str, value: str) -> bool:
    found = said.get(name)
    if isinstance(found, bool):
        found = "true" if found else "false"
    if not isinstance(found, str):
        return False
    return found.startswith(value[:-1]) if value.endswith("*") else found == value


def _timely(said: Mapping[str, Any], now: int) -> None:
    seconds = now // SECOND
    ends, begins = said.get("exp"), said.get("nbf", said.get("iat", seconds))
    if not isinstance(ends, int | float) or isinstance(ends, bool) or not isinstance(begins, int | float):
        raise ClientFault("The issuer's token does not say how long it is good for.", advice="It must have `exp`.")
    if ends + SKEW <= seconds:
        raise ClientFault("The issuer's token has expired.", advice="Ask for a new one.")
    if begins > seconds + SKEW:
        raise ClientFault("The issuer's token is not valid yet.", advice="Check the clock of this machine.")
    if ends - seconds > LONGEST:
        raise ClientFault("The issuer's token is good for too long.", advice="Ask for a short-lived one.")
