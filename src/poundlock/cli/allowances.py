"""What other tools already leave out: allow-lists of a gitleaks configuration, and detect-secrets' baselines.

Facts of the formats: gitleaks' README (v8) and detect-secrets' docs/design.md. INVARIANT: patterns of a repository run
on Hyperscan alone, which takes linear time whatever the pattern. What can't be honoured is said, and then not honoured.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TextIO

    from poundlock.cli.location import Located

TARGETS = ("secret", "match", "line", "")


class AllowList(NamedTuple):
    """One allow-list; its regular expressions are asked of the value, or of its masked line."""

    paths: tuple[str, ...] = ()
    regexes: tuple[str, ...] = ()
    line: bool = False
    stopwords: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    every: bool = False


class Allowances:
    """What is left out, asked of each finding while its value is still there. Compiled in each process that asks."""

    def __init__(self, lists: tuple[AllowList, ...] = (), hashed: frozenset[tuple[str, str]] = frozenset()) -> None:
        """`hashed`: a path with the SHA-1 of a value, as detect-secrets writes them."""
        self.lists = lists
        self.hashed = hashed
        self._compiled: dict[tuple[str, ...], Callable[[str], bool]] = {}

    def __getstate__(self) -> tuple[Any, ...]:
        return self.lists, self.hashed

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.lists, self.hashed = state
        self._compiled = {}

    def joined(self, other: Allowances | None) -> Allowances:
        """Give both together."""
        return self if other is None else Allowances(self.lists + other.lists, self.hashed | other.hashed)

    def allowed(self, one: Located, commit: str = "") -> bool:
        """Say whether a finding is left out."""
        path = one.path.removeprefix("./")
        if self.hashed:
            # detect-secrets names values by their SHA-1; that it can be guessed is a reason to audit its baselines.
            name = hashlib.sha1(one.match.value.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
            if (path, name) in self.hashed:
                return True
        return any(self._fits(each, one, path, commit) for each in self.lists)

    def _fits(self, each: AllowList, one: Located, path: str, commit: str) -> bool:
        answers = []
        if each.paths:
            answers.append(self._any(each.paths)(path))
        if each.regexes:
            answers.append(self._any(each.regexes)(one.excerpt if each.line else one.match.value))
        if each.stopwords:
            low = one.match.value.lower()
            answers.append(any(word.lower() in low for word in each.stopwords))
        if each.commits:
            answers.append(bool(commit) and commit in each.commits)
        return bool(answers) and (all(answers) if each.every else any(answers))

    def _any(self, patterns: tuple[str, ...]) -> Callable[[str], bool]:
        found = self._compiled.get(patterns)
        if found is None:
            found = self._compiled[patterns] = _matcher(patterns)
        return found


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    import hyperscan

    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY
    database.compile(
        expressions=[pattern.encode() for pattern in patterns],
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=[flags] * len(patterns),
    )

    def matches(text: str) -> bool:
        hits: list[int] = []
        database.scan(
            text.encode("utf-8", "replace"), match_event_handler=lambda number, *_: hits.append(number), context=None
        )
        return bool(hits)

    return matches


def _usable(pattern: str) -> bool:
    try:
        _matcher((pattern,))
    except ImportError:
        return False
    except Exception as fault:
        if type(fault).__module__.partition(".")[0] in ("hyperscan", "_hyperscan"):
            return False
        raise
    return True


def read(path: str, out: TextIO) -> Allowances:
    """Read the allow-lists that a gitleaks configuration has for all rules; say on `out` what is not honoured.

    Raises: `ConfigFault` for a file that can't be read.
    """
    tree = configuration(path)
    lists = []
    for table in _tables(tree):
        told = [f"{name} = …" for name in table if name not in KNOWN]
        if table.get("targetRules"):
            out.write(f"poundlock scan: an allow-list of {path} for single rules is not honoured: ours are others.\n")
            continue
        if table.get("regexTarget", "") not in TARGETS or told:
            out.write(f"poundlock scan: an allow-list of {path} is not honoured: {', '.join(told) or 'regexTarget'}\n")
            continue
        found = AllowList(
            paths=tuple(_usables(table, "paths", path, out)),
            regexes=tuple(_usables(table, "regexes", path, out)),
            line=table.get("regexTarget") == "line",
            stopwords=tuple(_texts(table, "stopwords")),
            commits=tuple(_texts(table, "commits")),
            every=str(table.get("condition", "OR")).upper() == "AND",
        )
        lists.append(found)
    rules = tree.get("rules")
    if isinstance(rules, list) and rules:
        out.write(
            f"poundlock scan: {path} has {len(rules)} rules of its own, which are not used here. "
            f"`poundlock rule import {path}` makes a rule file of them.\n"
        )
    extend = tree.get("extend")
    if isinstance(extend, dict) and extend.get("path"):
        out.write(f"poundlock scan: what {path} extends is not read; name it with --gitleaks-config.\n")
    return Allowances(tuple(lists))


KNOWN = frozenset(
    ("description", "paths", "regexes", "regexTarget", "stopwords", "commits", "condition", "targetRules", "id")
)


def configuration(path: str) -> dict[str, Any]:
    """Read a gitleaks configuration. Raises: `ConfigFault`."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as fault:
        raise ConfigFault(f"{path} can't be read: {fault.strerror}") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise ConfigFault(f"{path} is not valid TOML", advice="Mend it, or scan with --no-suppress.") from fault


def _tables(tree: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    one = tree.get("allowlist")
    if isinstance(one, dict):
        yield one
    for each in tree.get("allowlists") or ():
        if isinstance(each, dict):
            yield each


def _texts(table: Mapping[str, Any], name: str) -> list[str]:
    value = table.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _usables(table: Mapping[str, Any], name: str, path: str, out: TextIO) -> Iterator[str]:
    for pattern in _texts(table, name):
        if _usable(pattern):
            yield pattern
        else:
            out.write(f"poundlock scan: a pattern in {name} of {path} can't be used: {pattern[:80]!r}\n")


def hashed(results: object) -> frozenset[tuple[str, str]]:
    """Give the paths and SHA-1 sums of a detect-secrets baseline's `results`."""
    out = set()
    for path, entries in results.items() if isinstance(results, dict) else ():
        for entry in entries if isinstance(entries, list) else ():
            name = entry.get("hashed_secret") if isinstance(entry, dict) else None
            if isinstance(name, str):
                out.add((str(path).replace("\\", "/").removeprefix("./"), name))
    return frozenset(out)
