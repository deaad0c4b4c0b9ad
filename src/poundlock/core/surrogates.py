"""Surrogates: minting the stand-in of a value, and recognising one in text.

A surrogate is `QZ_<LABEL>_<CODE>`: a rare prefix, what it stands for, and 12 symbols of 30. The code has a fixed
length and needs no boundary on its right, so that `QZ_EMAIL_7Q3K9M2XV4TBs` still holds it. This module must never
decide whether a surrogate may be restored, and never look a value up.

INVARIANT: of two surrogates none is a part of the other, and no text has two readings. A label's word has at most 11
characters, so that it is never read as a code, and none ends in `QZ`, so that a broken surrogate can't swallow the
beginning of the next one.
"""

from __future__ import annotations

import hmac
import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.model import ScopeKey, Surrogate

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

PREFIX = "QZ"
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # without 0 1 I L O U, which are misread or spell words
CODE_LENGTH = 12
LABEL_LENGTH = 24
LABEL_WORDS = 4
WORD_LENGTH = CODE_LENGTH - 1

# A byte below this, modulo the alphabet's size, favours no symbol.
_FAIR = 256 - 256 % len(ALPHABET)

# Spelled out in both cases instead of IGNORECASE, under which K also matches the Kelvin sign, and S the long s.
_Q, _Z = "[Qq]", "[Zz]"
_SYMBOL = "[2-9A-HJKMNP-TV-Za-hjkmnp-tv-z]"
_SEPARATOR = r"(?:\\?_|%5[Ff])"  # as it is, escaped for Markdown, percent-encoded
_PART = r"(?:\\|%5?)"  # a separator of which the end is missing
_WORD = rf"[A-Za-z0-9]{{1,{WORD_LENGTH}}}+(?<!{_Q}{_Z}){_SEPARATOR}"

SURROGATE = re.compile(rf"{_Q}{_Z}{_SEPARATOR}(?:{_WORD}){{1,{LABEL_WORDS}}}?{_SYMBOL}{{{CODE_LENGTH}}}")
UNFINISHED = re.compile(
    rf"{_Q}(?:{_Z}(?:{_PART}|{_SEPARATOR}(?:"
    rf"(?:{_WORD}){{0,{LABEL_WORDS - 1}}}(?:[A-Za-z0-9]{{1,{WORD_LENGTH}}}+(?<!{_Q}{_Z}){_PART}"
    rf"|[A-Za-z0-9]{{0,{WORD_LENGTH}}}+)"
    rf"|(?:{_WORD}){{{LABEL_WORDS}}}{_SYMBOL}{{0,{CODE_LENGTH - 1}}}+)?)?)?\Z"
)
_SEPARATORS = re.compile(_SEPARATOR)
# What every surrogate begins with. INVARIANT: each begins with a literal, which the engine finds with memchr.
_UPPER, _LOWER = re.compile(rf"Q{_Z}[\\_%]"), re.compile(rf"q{_Z}[\\_%]")

# The lengths of what SURROGATE matches: one word of one letter, and all words and separators at their longest.
SHORTEST = len(PREFIX) + 1 + 2 + CODE_LENGTH
LONGEST = len(PREFIX) + 3 + LABEL_WORDS * (WORD_LENGTH + 3) + CODE_LENGTH

# Kinds whose own words would say too little, or too much. A kind that continues one of these takes its label.
_LABELS = {
    "secret.private-key": "PRIVATE_KEY",
    "secret.connection-string": "DATABASE_URL",
    "secret.basic-auth": "URL_PASSWORD",
    "infrastructure.host": "INTERNAL_HOST",
    "infrastructure.hostname": "INTERNAL_HOST",
    "infrastructure.url": "INTERNAL_URL",
    "infrastructure.address": "INTERNAL_ADDRESS",
    "infrastructure.ip": "INTERNAL_ADDRESS",
    "identifier.name": "INTERNAL_NAME",
    "pii.person": "PERSON_NAME",
    "pii.us_ssn": "US_SSN",
}
_SAYS_NOTHING = frozenset({"generic", "other", "default", "value", "v1", "v2", "v3", "v4"})
_SECRET_NOUNS = frozenset(
    {"key", "token", "secret", "password", "passphrase", "passwd", "credential", "credentials", "jwt", "url", "uri"}
    | {"dsn", "cookie", "certificate", "cert", "webhook", "pat", "id", "code", "phrase", "seed", "hash", "string"}
)
_FALLBACK = {
    "secret": "SECRET",
    "pii": "PERSONAL_DATA",
    "infrastructure": "INTERNAL_ADDRESS",
    "identifier": "INTERNAL_NAME",
    "code": "CODE_NAME",
}


class Found(NamedTuple):
    """A surrogate in a text: its span in code points, and its canonical text."""

    start: int
    end: int
    canonical: str


def label(kind: str) -> str:
    """Give the label of `kind`: upper-case ASCII words with `_` between, at most 24 characters, never empty."""
    for known, chosen in _LABELS.items():
        if kind == known or kind.startswith(known + "."):
            return chosen
    family, _, rest = kind.partition(".")
    words = [word for word in re.findall(r"[a-z0-9]+", (rest or family).lower()) if word not in _SAYS_NOTHING]
    if family == "secret" and words and _SECRET_NOUNS.isdisjoint(words):
        words.append("secret")
    words = [_safe(word[:WORD_LENGTH].upper()) for word in words]
    while len(words) > LABEL_WORDS or len("_".join(words)) > LABEL_LENGTH:
        # The last word says what the thing is and the first whose: those in the middle go first.
        del words[-2 if len(words) > 1 else 0]
    return "_".join(words) or _FALLBACK.get(family, "VALUE")


def _safe(word: str) -> str:
    """Give `word` so that it can't be taken for the beginning of a surrogate."""
    return word[:-1] + "X" if word.endswith(PREFIX) else word


def mint(kind: str, value: str, key: ScopeKey, taken: Container[str] = ()) -> Surrogate:
    """Mint the surrogate of `value`: the same text for the same value, label and scope, unless that text is `taken`.

    `taken` holds canonical texts that already stand for something else; the next free code is used then, the same
    one each time.
    """
    chosen = label(kind)
    for attempt in itertools.count():
        code = "".join(itertools.islice(_symbols(chosen, value, key.mint, attempt), CODE_LENGTH))
        text = f"{PREFIX}_{chosen}_{code}"
        if text not in taken:
            break
    return Surrogate(text=text, kind=kind, scope=key.scope, fingerprint=fingerprint(value, key), value=value)


def _symbols(chosen: str, value: str, key: bytes, attempt: int) -> Iterator[str]:
    """Give symbols without end, each as likely as another."""
    for block in itertools.count():
        # A label holds neither `#` nor NUL: no two of (label, attempt, block, value) make one message.
        turn = f"#{attempt}.{block}" if attempt or block else ""
        message = f"{chosen}{turn}\0{value}".encode("utf-8", "surrogatepass")
        for byte in hmac.digest(key, message, "sha256"):
            if byte < _FAIR:
                yield ALPHABET[byte % len(ALPHABET)]


def fingerprint(value: str, key: ScopeKey) -> str:
    """Give the keyed fingerprint of `value`: 32 hex digits of an HMAC-SHA256."""
    return hmac.digest(key.fingerprint, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]


def find(text: str) -> list[Found]:
    """Find every surrogate in `text` from left to right, whatever its case, also with an escaped or encoded `_`."""
    if _UPPER.search(text) is None and _LOWER.search(text) is None:
        return []
    return [Found(*match.span(), canonical(match[0])) for match in SURROGATE.finditer(text)]


def canonical(written: str) -> str:
    """Give the canonical text of a surrogate as it was `written`: upper case, a plain `_` between the words."""
    return _SEPARATORS.sub("_", written).upper()


def unfinished(text: str, start: int = 0) -> int:
    """Give where a surrogate may have begun that `text[start:]` cuts off: a position, or `len(text)` for none."""
    at = max(start, len(text) - LONGEST)
    while at < len(text):
        upper, lower = text.find("Q", at), text.find("q", at)
        at = max(upper, lower) if upper < 0 or lower < 0 else min(upper, lower)
        if at < 0:
            break
        if UNFINISHED.match(text, at):
            return at
        at += 1
    return len(text)
