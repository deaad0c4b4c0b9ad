"""Known values: what a team registered is found exactly, whatever its shape, encoded or not.

Only keyed hashes are held: of each value as it is and as it looks in the usual encodings. A text costs one step a word,
and one hash more where the first characters of a word are those of a registered value. Must never hold a value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote, unquote

from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

Form = Literal["plain", "base64", "base64url", "hex", "HEX", "percent", "json"]
SHORTEST = 5  # a value of fewer characters is everywhere
LONGEST = 4096
HEAD = 4
# What stands around values: a registered value is looked for behind these, and wherever another word begins.
WORD = re.compile(r"""[^\s"'`=:,;()\[\]{}<>|&@\\]{4,}""")
_LEADING = "\"'`=:,;()[]{}<>|&@\\ \t\r\n"


class Entry(Value, frozen=True, kw_only=True):
    """One registered value in one form: its length, a few bits of its first characters, its hash, what it is called."""

    size: int
    head: int
    digest: bytes
    form: Form = "plain"
    name: str = ""
    canary: bool = False


class Hit(NamedTuple):
    """A registered value in a text: its span, its plain value, whether it is a canary."""

    start: int
    end: int
    value: str
    canary: bool


def _digest(text: str, key: bytes) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=16).digest()


def _head(text: str, salt: int, bits: int) -> int:
    return zlib.crc32(text[:HEAD].encode("utf-8", "surrogatepass"), salt) >> (32 - bits)


def _forms(value: str) -> dict[Form, str]:
    data = value.encode("utf-8", "surrogatepass")
    encoded = base64.b64encode(data).decode().rstrip("=")
    forms: dict[Form, str] = {
        "plain": value,
        "base64": encoded,
        "base64url": encoded.replace("+", "-").replace("/", "_"),
        "hex": data.hex(),
        "HEX": data.hex().upper(),
        "percent": quote(value, safe="", errors="surrogatepass"),
        "json": value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t"),
    }
    seen: set[str] = set()
    # The same text in two forms is one entry: of the first.
    return {form: text for form, text in forms.items() if not (text in seen or seen.add(text))}  # type: ignore[func-returns-value]


def _plain(text: str, form: Form) -> str:
    """Undo a form. Raises: `ValueError`."""
    if form in ("base64", "base64url"):
        plain = text.replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4)).decode("utf-8", "surrogatepass")
    if form in ("hex", "HEX"):
        return bytes.fromhex(text).decode("utf-8", "surrogatepass")
    if form == "percent":
        return unquote(text)
    if form == "json":
        return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found.group(1), found.group(1)), text)
    return text


def register(value: str, key: bytes, *, name: str = "", canary: bool = False) -> tuple[Entry, ...]:
    """Give the entries of a value: nothing of it but keyed hashes.

    `key` is 16 bytes or more. Raises: `ValueError` for a value that is too short or too long to be looked for.
    """
    plain = value.strip(_LEADING)
    if not SHORTEST <= len(plain) <= LONGEST:
        raise ValueError(f"a value must have {SHORTEST} to {LONGEST} characters")
    salt = int.from_bytes(key[:4], "big")
    return tuple(
        Entry(
            size=len(text),
            head=_head(text, salt, 16) >> 8,  # eight bits: little help to guess, and most words are told apart
            digest=_digest(text, key),
            form=form,
            name=name,
            canary=canary,
        )
        for form, text in _forms(plain).items()
    )


class Known:
    """A set of registered values, ready to be looked for. Immutable, and safe to share between threads."""

    def __init__(self, entries: Iterable[Entry], key: bytes) -> None:
        self._key = key
        self._salt = int.from_bytes(key[:4], "big")
        self._entries: dict[bytes, Entry] = {}
        sizes: dict[int, set[int]] = {}
        for entry in entries:
            self._entries[entry.digest] = entry
            sizes.setdefault(entry.head, set()).add(entry.size)
        self._sizes = {head: tuple(sorted(found, reverse=True)) for head, found in sizes.items()}
        state = hashlib.blake2b(digest_size=16)
        for digest in sorted(self._entries):
            state.update(digest)
        self.digest = state.hexdigest() if self._entries else ""

    def __repr__(self) -> str:
        return f"Known({len(self._entries)} entries)"

    def find(self, text: str) -> list[Hit]:
        """Find the registered values of a text, in order, without overlaps."""
        hits: list[Hit] = []
        sizes, salt = self._sizes, self._salt
        done = 0
        for word in WORD.finditer(text):
            start = word.start()
            if start < done:
                continue
            found = sizes.get(_head(text[start : start + HEAD], salt, 16) >> 8)
            if found is None:
                continue
            for size in found:
                end = start + size
                if end > len(text) or (end < len(text) and text[end].isalnum() and text[end - 1].isalnum()):
                    continue
                entry = self._entries.get(_digest(text[start:end], self._key))
                if entry is not None:
                    hit = self._hit(text, start, end, entry)
                    if hit is not None:
                        hits.append(hit)
                        done = hit.end
                        break
        return hits

    @staticmethod
    def _hit(text: str, start: int, end: int, entry: Entry) -> Hit | None:
        try:
            value = _plain(text[start:end], entry.form)
        except (ValueError, binascii.Error):
            return None
        if entry.form.startswith("base64"):
            while text[end : end + 1] == "=":
                end += 1
        return Hit(start, end, value, entry.canary)
