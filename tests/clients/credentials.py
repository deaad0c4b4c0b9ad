"""Generated fake credentials for the end-to-end tests, and the search for them in what a provider received.

Nothing here may look like a credential in the source: each is put together at run time, from a seed.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import urllib.parse
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.provider.journal import Seen

_LETTERS = string.ascii_letters + string.digits
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def _base62(number: int, width: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(width, "0")


@dataclass(frozen=True, slots=True)
class Credentials:
    """One seeded set: the values, by the name of their variable."""

    values: dict[str, str]
    password: str

    def env(self) -> str:
        """Return the set as the text of an `.env` file."""
        return "".join(f"{name}={value}\n" for name, value in self.values.items())

    def secrets(self) -> list[str]:
        """Return every value that no provider may see (of the database URL, the password)."""
        return [value for name, value in self.values.items() if name != "DATABASE_URL"] + [self.password]


def make(seed: int) -> Credentials:
    """Return a set of credentials with the right shapes and checksums, which no vendor ever issued."""
    chance = random.Random(seed)

    def draw(alphabet: str, length: int) -> str:
        return "".join(chance.choices(alphabet, k=length))

    # GitHub's tokens end in a CRC-32 of their random part, in base 62 (github.blog, 2021-04-05).
    entropy = draw(_LETTERS, 30)
    github = "gh" + "p_" + entropy + _base62(zlib.crc32(entropy.encode()), 6)
    password = draw(_LETTERS, 18)
    values = {
        "AWS_ACCESS_KEY_ID": "AK" + "IA" + draw(string.ascii_uppercase + "234567", 16),
        "AWS_SECRET_ACCESS_KEY": draw(_LETTERS + "+/", 40),
        "GITHUB_TOKEN": github,
        "STRIPE_SECRET_KEY": "sk_" + "live_" + draw(_LETTERS, 24),
        "DATABASE_URL": f"postgres://orders:{password}@db.example.com:5432/orders",
    }
    return Credentials(values, password)


def private_key() -> str:
    """Return a freshly generated private key in PEM: P-256, PKCS #8, no password."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def key_lines(pem: str) -> list[str]:
    """Return the lines of a private key that are the key: whoever sees one has a part of it."""
    return [line for line in pem.splitlines() if line and not line.startswith("-----")]


def encodings(value: str) -> set[bytes]:
    """Return a value in every encoding that could carry it: plain, JSON to two levels, URL, base64, hexadecimal.

    In base64 a value looks different at each of three offsets; its first and last symbols mix with the neighbours
    and are left out. Of a long value each half counts as well.
    """
    parts = [value]
    if len(value) >= 24:
        parts += [value[: len(value) // 2 + 1], value[len(value) // 2 :]]
    forms: set[str] = set()
    for part in parts:
        once = json.dumps(part)[1:-1]
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in part)
        forms |= {part, part[::-1], once, json.dumps(once)[1:-1], escaped, once.replace("/", "\\/")}
        forms |= {urllib.parse.quote(part, safe=""), urllib.parse.quote(urllib.parse.quote(part, safe=""), safe="")}
        forms |= {"".join(f"%{byte:02X}" for byte in part.encode()), part.encode().hex(), part.encode().hex().upper()}
        for offset in range(3):
            coded = base64.b64encode(b"\0" * offset + part.encode()).decode().rstrip("=")
            inner = coded[(0, 2, 3)[offset] : -1]
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form.encode() for form in forms}


def _layers(data: bytes) -> Iterator[bytes]:
    """Yield a body as it is, and with JSON escapes and JSON inside JSON undone."""
    yield data
    text = data.decode("utf-8", "replace")
    for _ in range(3):
        if "\\" not in text:
            return
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda hit: chr(int(hit[1], 16)), text)
        text = re.sub(
            r"\\(.)", lambda hit: {"n": "\n", "t": "\t", "r": "\r"}.get(hit[1], hit[1]), text, flags=re.DOTALL
        )
        yield text.encode("utf-8", "surrogatepass")


def leaks(requests: Iterable[Seen], values: Iterable[str]) -> list[str]:
    """Return a line for each value found in each request: which request, which value by number, never the value."""
    needles = [(number, encodings(value)) for number, value in enumerate(values)]
    found = []
    for seen in requests:
        head = "\n".join([seen.path, *(f"{name}: {value}" for name, value in seen.headers)]).encode()
        layers = [head, *_layers(seen.body)]
        for number, forms in needles:
            if any(form in layer for form in forms for layer in layers):
                found.append(f"request {seen.number} {seen.path}: value {number}")
    return found
