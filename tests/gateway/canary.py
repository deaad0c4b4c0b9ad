"""Made-up values that look like the real thing, new in each run, and the search for them in whatever was written.

Every secret-like value that an end-to-end test sends comes from here and is remembered, so that the end of each gateway
can be searched for all of them. It must never hold a value in the source: each is drawn when it is asked for.
"""

from __future__ import annotations

import base64
import json
import secrets
import string
import urllib.parse
from typing import TYPE_CHECKING

import ahocorasick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_BASE64 = string.ascii_letters + string.digits + "+/"
_PLAIN = string.ascii_letters + string.digits

made: list[str] = []
"""Every value of this process so far; a text of several lines counts line by line."""


def _drawn(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _mixed(length: int) -> str:
    """Draw until each class of characters is there: a value that looks made up is rightly let through."""
    while True:
        value = _drawn(_PLAIN, length)
        if sum(char.isdigit() for char in value) >= 3 and value != value.upper() and value != value.lower():
            return value


def _kept(value: str) -> str:
    made.append(value)
    return value


def access_key() -> str:
    """Give an AWS access key id: 20 characters."""
    return _kept("AKIA" + _drawn(string.ascii_uppercase + "234567", 16))


def password() -> str:
    """Give a password of 18 letters and digits; nothing in it says what it is."""
    return _kept(_mixed(18))


def database_url(secret: str) -> str:
    """Give a connection string with this password."""
    return f"postgres://export:{secret}@db.example.com:5432/orders"


def email() -> str:
    """Give the address of a person."""
    return _kept(f"maria.{_drawn(string.ascii_lowercase, 9)}@northwind-freight.eu")


def private_key() -> str:
    """Give a PEM block of 14 lines."""
    lines = [_kept(_drawn(_BASE64, 64)) for _ in range(14)]
    fence = "-----{} RSA PRIVATE KEY-----"
    return "\n".join([fence.format("BEGIN"), *lines, fence.format("END")])


def forms(value: str) -> Iterator[bytes]:
    """Give a value as it may be written: as it is, UTF-16, hex, base64 at each offset, JSON-escaped, URL-encoded."""
    raw = value.encode()
    yield raw
    yield value.encode("utf-16-le")
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for offset in range(3):
        # Without the symbols that depend on what stands on either side.
        packed = base64.b64encode(bytes(offset) + raw)[4 if offset else 0 : (offset + len(raw)) // 3 * 4]
        yield packed
        yield packed.translate(bytes.maketrans(b"+/", b"-_"))
    yield json.dumps(value)[1:-1].encode()
    yield raw.replace(b"/", b"\\/")
    yield "".join(f"\\u{ord(char):04x}" for char in value).encode()
    yield urllib.parse.quote(value, safe="").encode()
    yield "".join(f"%{byte:02X}" for byte in raw).encode()


def found(data: bytes, values: Iterable[str]) -> list[str]:
    """Give the values that stand in `data` in any form: one pass, however many there are."""
    automaton = ahocorasick.Automaton()
    for value in dict.fromkeys(values):
        for form in forms(value):
            automaton.add_word(form.decode("latin-1"), value)
    if not len(automaton):
        return []
    automaton.make_automaton()
    return list(dict.fromkeys(value for _, value in automaton.iter(data.decode("latin-1"))))


def sweep(folder: Path, values: Iterable[str] | None = None) -> list[str]:
    """Search every file under a folder; give the names of those that hold a value, in the order of their names."""
    values = made if values is None else list(values)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    data = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    if not found(b"\0".join(data.values()), values):
        return []
    return [name for name, content in data.items() if found(content, values)]


def encoded_noise(size: int) -> str:
    """Give base64 of random bytes: what only a provider can read, and no secret."""
    return base64.b64encode(secrets.token_bytes(size)).decode()
