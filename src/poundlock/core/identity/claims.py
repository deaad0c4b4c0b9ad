"""What Poundlock's tokens say (RFC 9068, `at+jwt`) and what proofs of possession say (RFC 9449), checked word by word.

It never checks a signature: an adapter did that, and says with which key. INVARIANT: a claim of another type than
expected is a refusal and never a default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from poundlock.core.errors import ClientFault
from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.identity.tasks import Task

AUDIENCE = "poundlock"
"""For whom Poundlock's tokens are: its gateways."""
TOKEN_TYPE = "at+jwt"  # noqa: S105 (a media type)
PROOF_TYPE = "dpop+jwt"
SKEW = 30
"""Seconds that the clock of who issued a token may be off."""
PROOF_AGE = 60
"""Seconds that a proof may be old, or ahead; so long its id is remembered."""
SECOND = 1_000_000_000

_AGAIN = "Ask for a new token; it is good for ten minutes."


class Token(Value, frozen=True, kw_only=True):
    """What a token says that was read: which task it stands for, and the key that it is bound to (or nothing)."""

    id: str
    task: str
    human: str
    tool: str
    key: str
    epoch: int
    expires: int


def claims(task: Task, *, issuer: str, id: str, now: int, life: int) -> dict[str, Any]:  # noqa: A002 (as in `jti`)
    """Give the claims of a token for a task; `now` and `life` are nanoseconds, the token's times whole seconds.

    `sub` is the human, `client_id` the tool that holds it, `act` the chain of tools, the current one outermost
    (RFC 8693 §4.1), `txn` the task, `epo` the tool's epoch.
    """
    actors = task.chain or (task.tool,)
    act: dict[str, Any] = {}
    for actor in actors:
        act = {"sub": actor, "act": act} if act else {"sub": actor}
    out: dict[str, Any] = {
        "iss": issuer,
        "sub": task.human,
        "client_id": task.tool,
        "act": act,
        "aud": AUDIENCE,
        "iat": now // SECOND,
        "nbf": now // SECOND,
        "exp": min(now + life, task.expires) // SECOND,
        "jti": id,
        "scope": " ".join(task.scopes),
        "txn": task.id,
        "max_tier": task.max_tier,
        "depth": task.depth,
        "epo": task.tool_epoch,
    }
    return {**out, "cnf": {"jkt": task.key}} if task.key else out


def read(said: Mapping[str, Any], *, issuer: str, now: int) -> Token:
    """Check the claims of a token whose signature is good. Raises `ClientFault`: expired, early, of or for another."""
    if _text(said, "iss") != issuer:
        raise ClientFault("The token was issued by another gateway.", advice=_AGAIN)
    if said.get("aud") not in (AUDIENCE, [AUDIENCE]):
        raise ClientFault("The token is for somebody else.", advice=_AGAIN)
    begins, ends, issued = _number(said, "nbf"), _number(said, "exp"), _number(said, "iat")
    seconds = now // SECOND
    if max(begins, issued) > seconds + SKEW:
        raise ClientFault("The token is not valid yet.", advice="Check the clock of this machine.")
    if ends <= seconds:
        raise ClientFault("The token's time is over.", advice=_AGAIN)
    confirmation = said.get("cnf", {"jkt": ""})
    if not isinstance(confirmation, dict) or set(confirmation) != {"jkt"}:
        raise ClientFault("The token is bound in a way that is not known.", advice=_AGAIN)
    return Token(
        id=_text(said, "jti"),
        task=_text(said, "txn"),
        human=_text(said, "sub"),
        tool=_text(said, "client_id"),
        key=_text(confirmation, "jkt") if "cnf" in said else "",
        epoch=_number(said, "epo"),
        expires=ends * SECOND,
    )


def proof(said: Mapping[str, Any], *, method: str, url: str, token: str, now: int) -> str:
    """Check the claims of a proof whose signature is good, and give its id, which must not have come before.

    `token` is the base64url SHA-256 of the access token that it goes with, or nothing where there is none yet (at
    the token endpoint). `url` has host and path; the scheme may be a TLS terminator's. Raises `ClientFault`.
    """
    if _text(said, "htm") != method:
        raise ClientFault("The proof is for another method.", advice="Make one for each request.")
    parts, want = urlsplit(_text(said, "htu")), urlsplit(url)
    if parts.scheme not in {"http", "https"} or (parts.netloc.lower(), parts.path) != (want.netloc.lower(), want.path):
        raise ClientFault("The proof is for another address.", advice="Make one for each request.")
    if abs(_number(said, "iat") - now // SECOND) > PROOF_AGE:
        raise ClientFault("The proof is too old, or its clock is off.", advice="Check the clocks of both machines.")
    if token and said.get("ath") != token:
        raise ClientFault("The proof is for another token.", advice="Make one for each request.")
    found = _text(said, "jti")
    if not 0 < len(found) <= 256:
        raise ClientFault("The proof has no id that can be remembered.", advice="Give it a random one.")
    return found


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise ClientFault(f"The token or proof says nothing of {name}.", advice=_AGAIN)
    return value


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ClientFault(f"The token or proof says nothing of {name}.", advice=_AGAIN)
    return value
