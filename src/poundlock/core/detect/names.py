"""The company's own words: projects, customers, services, people, and its internal domains.

A name is found in every way that code and prose write it: `Order Service` stands for `OrderService`, `orderService`,
`order_service`, `ORDER-SERVICE` and `orderservice`, also as a part of a longer identifier (`getOrderServiceUrl`), but
not inside another word. Hyperscan holds what they begin with, so that 100,000 names cost what ten do.
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
_JOINTS = ("", "-", "_", " ", ".")


class Dictionary(NamedTuple):
    """What a list of names compiles to, so that it can be kept on disk."""

    patterns: tuple[str, ...]
    names: int
    heads: tuple[tuple[int, tuple[int, ...]], ...]
    """What the database finds: how many characters a head of names has (0: the whole name), and the names it begins."""
    database: bytes
    digest: str


class Names:
    """Finds names, and hosts under internal domains."""

    def __init__(self, dictionary: Dictionary) -> None:
        """Load what was compiled. Without Hyperscan every pattern is searched by itself, which is slow."""
        self.digest = dictionary.digest
        self._patterns = dictionary.patterns
        self._names = dictionary.names
        self._heads = dictionary.heads
        self._compiled: dict[int, re.Pattern[str]] = {}
        self._source = Hyperscan(dictionary.database) if dictionary.database else None

    def add(self, text: str, found: tuple[Match, ...], families: frozenset[str] | None = None) -> tuple[Match, ...]:
        """Give `found` with the names in `text` that overlap none of it, in order."""
        named: list[tuple[int, int, int]] = []
        if self._source is None:
            for end, number in self._slow(text):
                self._ending(text, end, number, named)
        else:
            for end, head in self._source.scan(text):
                size, numbers = self._heads[head]
                for number in numbers:
                    if size:
                        self._beginning(text, end - size, number, named)
                    else:
                        self._ending(text, end, number, named)
        if not named:
            return found
        matches = list(found)
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

    def _pattern(self, number: int) -> re.Pattern[str]:
        pattern = self._compiled.get(number)
        if pattern is None:
            exact = number < self._names and len(self._patterns[number]) <= len("abc")
            pattern = self._compiled[number] = re.compile(self._patterns[number], 0 if exact else re.IGNORECASE)
        return pattern

    def _beginning(self, text: str, start: int, number: int, named: list[tuple[int, int, int]]) -> None:
        """Add the name that begins here, if it does and is no part of another word."""
        found = self._pattern(number).match(text, start)
        if found is not None and _begins(text, start) and _ends(text, found.end()):
            named.append((start, found.end(), number))

    def _ending(self, text: str, end: int, number: int, named: list[tuple[int, int, int]]) -> None:
        """Add the name or the host that ends here, if it is no part of another one."""
        pattern = self._pattern(number)
        found = None
        at = max(0, end - LONGEST * 2)
        while (found := pattern.search(text, at, end)) is not None and found.end() < end:
            at = found.start() + 1
        if found is None:
            return
        start: int | None = found.start()
        if number >= self._names:
            start = self._host(text, found.start(), end)
        elif not _begins(text, found.start()) or not _ends(text, end):
            start = None
        if start is not None:
            named.append((start, end, number))

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
    heads, database = _database(patterns, hosts)
    return Dictionary(
        tuple(every), len(patterns), heads, database, hashlib.sha256("\0".join(every).encode()).hexdigest()
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


def _database(patterns: list[str], hosts: list[str]) -> tuple[tuple[tuple[int, tuple[int, ...]], ...], bytes]:
    """Compile the first stage: what names begin with, in two words at most. Empty where there is no Hyperscan.

    Plain texts compile at a hundred thousand in seconds, where expressions would take minutes.
    """
    try:
        import hyperscan  # noqa: PLC0415 (optional on some platforms, and not needed where a cache is)
    except ImportError:
        return (), b""
    begun: dict[str, list[int]] = {}
    others: list[tuple[str, int]] = []
    for number, pattern in enumerate(patterns):
        first, *rest = pattern.split(_JOINT)
        if not pattern.isascii():
            # Bytes beyond ASCII have no case for the database: each usual way of writing is an expression of its own.
            ways = dict.fromkeys((pattern, pattern.lower(), pattern.upper(), pattern.title()))
            others.extend((way, number) for way in ways)
            continue
        for joint in _JOINTS if rest else ("",):
            begun.setdefault(f"{first}{joint}{rest[0] if rest else ''}".lower(), []).append(number)
    others.extend((host, len(patterns) + number) for number, host in enumerate(hosts))
    heads = [
        *((len(head), tuple(numbers)) for head, numbers in begun.items()),
        *((0, (number,)) for _, number in others),
    ]
    parts = []
    for texts, literal in ((list(begun), True), ([text for text, _ in others], False)):
        if not texts:
            continue
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        low = 0 if literal else len(begun)
        database.compile(
            expressions=[text.encode() for text in texts],
            ids=list(range(low, low + len(texts))),
            flags=[hyperscan.HS_FLAG_CASELESS] * len(texts),
            literal=literal,
        )
        data = bytes(hyperscan.dumpb(database))
        parts.append(len(data).to_bytes(4) + data)
    return tuple(heads), b"".join(parts)


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
