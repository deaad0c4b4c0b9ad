"""What a repository is declared to be: its tier, whether its code is protected, and files that are restricted.

It must never lower a tier: a declaration joins what was found, and the strictest counts.
"""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from poundlock.core import passages
from poundlock.core.model import TIERS, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poundlock.core.model import Document, Segment, Tier

PROTECTED = "protected"
"""Code of this repository leaves only as policy allows for protected code."""
RESTRICTED = "restricted"
"""A restricted repository, or a restricted file, is in the conversation."""
_KEYS = frozenset({"path", "file_path", "filename", "filePath", "notebook_path", "paths", "command", "cmd"})


class Declaration(Value, frozen=True, kw_only=True):
    """What is declared of the repositories that fit `name` (`github.com/org/name`, or `github.com/org/*`).

    `paths` are patterns of files that are restricted whatever the repository's tier: `finance/*`, `*.key`.
    """

    name: str
    tier: Tier = "public"
    protected: bool = False
    paths: tuple[str, ...] = ()


NOTHING = Declaration(name="")


def of(rows: Iterable[Declaration], repository: str) -> Declaration:
    """Join the declarations that fit a repository: the strictest tier, protected if one says so, all paths.

    A row named `*` also fits work outside of any repository.
    """
    fitting = [row for row in rows if _fits(row.name, repository)]
    if not fitting:
        return NOTHING
    return Declaration(
        name=repository,
        tier=max((row.tier for row in fitting), key=TIERS.index),
        protected=any(row.protected for row in fitting),
        paths=tuple(dict.fromkeys(path for row in fitting for path in row.paths)),
    )


def labels(document: Document, declaration: Declaration) -> tuple[str, ...]:
    """Give the labels that a declaration adds to a conversation."""
    found = (PROTECTED,) if declaration.protected else ()
    restricted = declaration.tier == "restricted" or touched(document, declaration.paths)
    return (*found, RESTRICTED) if restricted else found


def reasons(document: Document, declaration: Declaration) -> list[tuple[Tier, str]]:
    """Give the tiers that a declaration gives a document, each with its reason."""
    told: list[tuple[Tier, str]] = []
    if declaration.tier != "public":
        told.append((declaration.tier, f"the repository is declared {declaration.tier}"))
    if touched(document, declaration.paths):
        told.append(("restricted", "a file that is declared restricted was opened"))
    return told


def touched(document: Document, paths: tuple[str, ...]) -> bool:
    """Tell whether a call of the conversation names a file that fits one of these patterns."""
    if not paths:
        return False
    name = "declared " + hashlib.sha256("\0".join(paths).encode()).hexdigest()[:16]

    def question(segment: Segment) -> bool:
        return segment.kind == "tool_args" and segment.key in _KEYS and _names(segment.text, paths)

    return passages.some(document, name, question)


def _names(text: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether one of a text's words is such a file, from its beginning or from below any folder."""
    words = text[:4096].replace("\\", "/").replace('"', " ").replace("'", " ").split()
    return any(
        fnmatchcase(word, pattern) or fnmatchcase(word, f"*/{pattern}") for word in words for pattern in patterns
    )


def _fits(pattern: str, repository: str) -> bool:
    if pattern == "*":
        return True
    return repository == pattern or (pattern.endswith("/*") and repository.startswith(pattern[:-1]))
