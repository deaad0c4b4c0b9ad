"""The company's own words: projects, customers, services, people, and its internal domains.

A name is found in every way that code and prose write it: `Order Service` stands for `OrderService`, `orderService`,
`order_service`, `ORDER-SERVICE` and `orderservice`, also as a part of a longer identifier (`getOrderServiceUrl`), but
not inside another word. One Hyperscan database holds all of them, so that 100,000 names cost what ten do.
It must never treat a name as a secret: what a name is worth is policy's business.
"""

from __future__ import annotations

import bisect
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.detect.sources import Hyperscan
from poundlock.core.errors import ConfigFault
from poundlock.core.matches import Match

if TYPE_CHECKING:
    from collections.abc import Iterable

SHORTEST = 2
"""A name has at least this many letters and digits; one of up to three is found only as it is written."""
LONGEST = 120
HOST_REACH = 255
"""The longest host name, RFC 1035."""

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_a-zA-Z]+[^\W\d_]*")
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
_LABELS = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*$")
_JOINT = "[-_ .]?"


class Dictionary(NamedTuple):
    """What a list of names compiles to, so that it can be kept on disk."""

    patterns: tuple[str, ...]
    names: int
    database: bytes
    digest: str


class Names:
    """Finds names, and hosts under internal domains."""

    def __init__(self, dictionary: Dictionary) -> None:
        """Load what was compiled. Without Hyperscan every pattern is searched by itself, which is slow."""
        self.digest = dictionary.digest
        self._patterns = dictionary.patterns
        self._names = dictionary.names
        self._compiled: dict[int, re.Pattern[str]] = {}
        self._source = Hyperscan(dictionary.database) if dictionary.database else None

    def add(self, text: str, found: tuple[Match, ...], families: frozenset[str] | None = None) -> tuple[Match, ...]:
        """Give `found` with the names in `text` that overlap none of it, in order."""
        hits = self._source.scan(text) if self._source else self._slow(text)
        if not hits:
            return found
        matches = list(found)
        named: list[tuple[int, int, int]] = []
        for end, number in hits:
            start = self._start(text, end, number)
            if start is not None:
                named.append((start, end, number))
        # The longest of those that overlap counts.
        for start, end, number in sorted(named, key=lambda span: (span[0] - span[1], span[0])):
            host = number >= self._names
            if families is not None and ("infrastructure" if host else "identifier") not in families:
                continue
            at = bisect.bisect_left(matches, end, key=_starts)
            if at and matches[at - 1].end > start:
                continue
            matches.insert(at, _match(text, start, end, host=host))
        return tuple(matches)

    def _start(self, text: str, end: int, number: int) -> int | None:
        """Give where the name that ends at `end` starts, None where it is a part of another word."""
        pattern = self._compiled.get(number)
        if pattern is None:
            exact = number < self._names and len(self._patterns[number]) <= len("abc")
            flags = 0 if exact else re.IGNORECASE
            pattern = self._compiled[number] = re.compile(f"(?:{self._patterns[number]})\\Z", flags)
        low = max(0, end - LONGEST * 2)
        found = pattern.search(text[low:end])
        if found is None:
            return None
        start = low + found.start()
        if number >= self._names:
            return self._host(text, start, end)
        return start if _begins(text, start) and _ends(text, end) else None

    def _host(self, text: str, start: int, end: int) -> int | None:
        """Give where a host under a domain starts; a longer domain that only ends alike is another one."""
        if end < len(text) and (text[end].isalnum() or text[end] in "-_" or text[end : end + 2].strip(".").isalnum()):
            return None
        low = max(0, start - HOST_REACH)
        labels = _LABELS.search(text[low:start])
        begin = low + labels.start() if labels else start
        return begin if begin == 0 or not (text[begin - 1].isalnum() or text[begin - 1] in "-_.") else None

    def _slow(self, text: str) -> list[tuple[int, int]]:
        return sorted(
            (found.end(), number)
            for number, pattern in enumerate(self._patterns)
            for found in re.finditer(pattern, text, re.IGNORECASE)
        )


def compile_names(names: Iterable[str], domains: Iterable[str] = ()) -> Dictionary:
    """Compile names and internal domains. Raises: `ConfigFault` naming the line that can't be used."""
    patterns = list(dict.fromkeys(_pattern(name) for name in names))
    hosts = [_domain(domain) for domain in domains]
    every = [*patterns, *hosts]
    return Dictionary(
        tuple(every), len(patterns), _database(every), hashlib.sha256("\0".join(every).encode()).hexdigest()
    )


def _pattern(name: str) -> str:
    words = _WORDS.findall(name)
    size = sum(map(len, words))
    if size < SHORTEST or len(name) > LONGEST:
        raise ConfigFault(
            f"a name has up to {LONGEST} characters, {SHORTEST} of them letters or digits; one of {len(name)} does not",
            advice="Take it out of the file that rules.names lists.",
        )
    return _JOINT.join(re.escape(word) for word in words)


def _domain(domain: str) -> str:
    lowered = domain.strip().lower().removeprefix("*.").removeprefix(".")
    if not _DOMAIN.fullmatch(lowered):
        raise ConfigFault(f"{domain!r} is not a domain", advice="Write rules.hosts like: ['corp.example.com'].")
    return re.escape(lowered)


def _database(patterns: list[str]) -> bytes:
    """Compile the first stage; empty where there is no Hyperscan."""
    try:
        import hyperscan  # noqa: PLC0415 (optional on some platforms, and not needed where a cache is)
    except ImportError:
        return b""
    if not patterns:
        return b""
    expressions, ids = [], []
    for number, pattern in enumerate(patterns):
        # Bytes beyond ASCII have no case for the database: each usual way of writing is an expression of its own.
        ways = (pattern,) if pattern.isascii() else (pattern, pattern.lower(), pattern.upper(), pattern.title())
        for way in dict.fromkeys(ways):
            expressions.append(way.encode())
            ids.append(number)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=expressions, ids=ids, flags=[hyperscan.HS_FLAG_CASELESS] * len(ids))
    data = bytes(hyperscan.dumpb(database))
    return len(data).to_bytes(4) + data


def _match(text: str, start: int, end: int, *, host: bool) -> Match:
    kind = "infrastructure.host" if host else "identifier.name"
    return Match(
        rule_id=kind,
        family="infrastructure" if host else "identifier",
        kind=kind,
        tier="internal",
        start=start,
        end=end,
        confidence=0.9,
        value=text[start:end],
    )


def _begins(text: str, start: int) -> bool:
    """Tell whether a word begins here: behind a break, a digit, or where the case says so (`getOrder`, `HTTPOrder`)."""
    if start == 0 or not text[start - 1].isalpha():
        return True
    if not text[start].isupper():
        return False
    return text[start - 1].islower() or (start + 1 < len(text) and text[start + 1].islower())


def _ends(text: str, end: int) -> bool:
    """Tell whether a word ends here; a plural s belongs to it."""
    if end == len(text) or not text[end].isalpha():
        return True
    if text[end].isupper():
        return not text[end - 1].isupper() or (end + 1 < len(text) and text[end + 1].islower())
    return text[end] == "s" and (end + 1 == len(text) or not text[end + 1].isalpha() or text[end + 1].isupper())


def _starts(match: Match) -> int:
    return match.start
