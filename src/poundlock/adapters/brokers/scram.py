"""The verifier that PostgreSQL keeps of a password, made on this side: the password itself never reaches the server.

Source: RFC 5802 §3, and the form `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey` of
https://www.postgresql.org/docs/current/catalog-pg-authid.html.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

ITERATIONS = 4096
"""PostgreSQL's own number. The password is random, so that more of them would add nothing."""


def verifier(password: str, salt: bytes, *, iterations: int = ITERATIONS) -> str:
    """Give the verifier of a password of ASCII letters (which SASLprep leaves as they are)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return b64encode(value).decode()
