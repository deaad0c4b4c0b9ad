"""Signatures of tokens: Poundlock's own (Ed25519), proofs of possession (RFC 9449), and what issuers sign.

It checks type, algorithm, key and signature, and gives claims that nobody has believed yet: `core/identity` does that.
INVARIANT: the algorithm is the one that belongs to the key. A token's header never chooses it.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from poundlock.core.errors import ClientFault
from poundlock.core.identity import claims

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc._rfc7517.models import BaseKey

LONGEST = 8192
"""The longest token that is looked at, in characters."""
REMEMBERED = 4096
"""Of how many tokens it is remembered that their signature is good; times and revocations are looked at each time."""

_ISSUED_BY = {"RSA": ("RS256", "PS256"), "EC": ("ES256", "ES384"), "OKP": ("Ed25519", "EdDSA")}
"""What issuers of ID tokens sign with, by the type of their key."""


class Tokens:
    """Poundlock's own tokens, signed with the key that `secret` (32 bytes) is."""

    def __init__(self, secret: bytes) -> None:
        private = Ed25519PrivateKey.from_private_bytes(secret)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._key = OKPKey.import_key(pem)
        self.id = self._key.thumbprint()
        self._good: OrderedDict[bytes, dict[str, Any]] = OrderedDict()

    def public(self) -> dict[str, Any]:
        """Give the public key as a JWK, for whoever checks tokens elsewhere."""
        return {**self._key.as_dict(private=False), "kid": self.id, "alg": "Ed25519", "use": "sig"}

    def sign(self, said: Mapping[str, Any]) -> str:
        """Give the token with these claims."""
        header = {"alg": "Ed25519", "typ": claims.TOKEN_TYPE, "kid": self.id}
        return jws.serialize_compact(header, msgspec.json.encode(dict(said)), self._key, algorithms=["Ed25519"])

    def claims(self, token: str) -> dict[str, Any]:
        """Give the claims of a token of ours. Raises `ClientFault` for any other."""
        name = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._good.get(name)
        if known is not None:
            self._good.move_to_end(name)
            return known
        header = _header(token, claims.TOKEN_TYPE)
        if header.get("alg") != "Ed25519" or header.get("kid") != self.id:
            raise ClientFault("The token was not signed by this gateway.", advice="Ask for a new one.")
        said = _verified(token, self._key, "Ed25519")
        self._good[name] = said
        if len(self._good) > REMEMBERED:
            self._good.popitem(last=False)
        return said

    def proof(self, text: str) -> tuple[dict[str, Any], str]:
        """Give the claims of a proof and the thumbprint of the key that signed it. Raises `ClientFault`."""
        return proof(text)

    def digest(self, token: str) -> str:
        """Give the hash of a token as a proof has it: base64url SHA-256 (RFC 9449 §4.3)."""
        return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def proof(text: str) -> tuple[dict[str, Any], str]:
    """Give the claims of a proof and the thumbprint of the key that signed it. Raises `ClientFault`."""
    header = _header(text, claims.PROOF_TYPE)
    jwk = header.get("jwk")
    if not isinstance(jwk, dict) or "d" in jwk:
        raise ClientFault("The proof does not show a public key.", advice="Put it into the header as `jwk`.")
    kind, curve = jwk.get("kty"), jwk.get("crv")
    wanted = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "Ed25519"}.get((str(kind), str(curve)))
    if wanted is None or header.get("alg") != wanted:
        raise ClientFault("The proof is signed in a way that is not accepted.", advice="Use ES256 or Ed25519.")
    try:
        key: BaseKey[Any, Any] = ECKey.import_key(jwk) if kind == "EC" else OKPKey.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        raise ClientFault("The proof's key can't be read.", advice="Use ES256 or Ed25519.") from None
    return _verified(text, key, wanted), key.thumbprint()


def unchecked(text: str) -> dict[str, Any]:
    """Give what a token says, to look for who could have signed it: nobody may believe it. Raises `ClientFault`."""
    _header(text, "")
    try:
        said = msgspec.json.decode(jws.extract_compact(text.encode()).payload or b"")
    except (JoseError, msgspec.MsgspecError, ValueError):
        raise ClientFault("The token can't be read.", advice="Ask for a new one.") from None
    return said if isinstance(said, dict) else {}


def issued(text: str, keys: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Give the claims of an issuer's token, and no key id; or nothing and the id of a key that `keys` don't hold.

    `keys` is a JWK set (RFC 7517). Raises `ClientFault` for a signature that isn't of one of them.
    """
    header = _header(text, "")
    wanted = header.get("kid", "")
    rows = [
        row for row in keys.get("keys", ()) if isinstance(row, dict) and row.get("use", "sig") in {"sig", "jwt-svid"}
    ]
    found = [row for row in rows if not wanted or row.get("kid") == wanted]
    if not found:
        return {}, str(wanted)
    if len(found) > 1:
        raise ClientFault("The issuer's token does not say which key signed it.", advice="It must name it as `kid`.")
    row = found[0]
    algorithm = str(header.get("alg"))
    if algorithm not in _ISSUED_BY.get(str(row.get("kty")), ()) or row.get("alg", algorithm) != algorithm:
        raise ClientFault(
            "The issuer's token is signed in a way that is not accepted.", advice="Ask for RS256 or ES256."
        )
    kinds: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    public = {name: value for name, value in row.items() if name not in {"alg", "key_ops", "use"}}
    try:
        key = kinds[str(row["kty"])].import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        raise ClientFault("The issuer's key can't be read.", advice="See its jwks_uri.") from None
    return _verified(text, key, algorithm), ""


def _header(text: str, kind: str) -> dict[str, Any]:
    """Give a token's header, checked for form and type, not for its signature."""
    if len(text) > LONGEST or not text.isascii():
        raise ClientFault("The token is too long, or no token.", advice="Ask for a new one.")
    try:
        header = dict(jws.extract_compact(text.encode()).headers())
    except (JoseError, ValueError, TypeError):
        raise ClientFault("The token can't be read.", advice="Ask for a new one.") from None
    said = str(header.get("typ", "")).lower().removeprefix("application/")
    if kind and said != kind:
        raise ClientFault(f"The token is not of the type {kind}.", advice="Send it where it belongs.")
    return header


def _verified(text: str, key: BaseKey[Any, Any], algorithm: str) -> dict[str, Any]:
    """Give the claims of a token with a good signature of this key, by this algorithm."""
    try:
        payload = jws.deserialize_compact(text.encode(), key, algorithms=[algorithm]).payload  # type: ignore[arg-type]
        said = msgspec.json.decode(payload)
    except (JoseError, msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        raise ClientFault("The token's signature is wrong.", advice="Ask for a new one.") from None
    if not isinstance(said, dict):
        raise ClientFault("The token says nothing.", advice="Ask for a new one.")
    return said
