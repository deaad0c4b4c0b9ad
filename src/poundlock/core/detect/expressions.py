"""Regular expressions that are compiled when they are first used, since most runs need few of them.

Must never change what an expression means: it is `re.compile` and nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METHODS = ("match", "search", "fullmatch", "finditer", "findall", "sub")


class Expression:
    """Like `re.Pattern`; the first use compiles it and puts the pattern's own methods in the object's place."""

    if TYPE_CHECKING:
        match: Callable[..., re.Match[str] | None]
        search: Callable[..., re.Match[str] | None]
        fullmatch: Callable[..., re.Match[str] | None]
        finditer: Callable[..., Iterator[re.Match[str]]]
        findall: Callable[..., list[str]]
        sub: Callable[..., str]

    __slots__ = ("_flags", "_source", *METHODS)

    def __init__(self, source: str, flags: int = 0) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        """Compile on first use. Raises: `AttributeError` for what a pattern does not have."""
        if name not in METHODS:
            raise AttributeError(name)
        pattern = re.compile(self._source, self._flags)
        for method in METHODS:
            setattr(self, method, getattr(pattern, method))
        return getattr(pattern, name)
