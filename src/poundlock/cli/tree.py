"""The files of a folder, without what its ignore files leave out.

Must never follow a symbolic link.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IGNORE_FILES = (".gitignore", ".poundlockignore")
SKIPPED = frozenset((".git", ".hg", ".svn"))


class Ignores:
    """The patterns of the ignore files of one folder, in the syntax of gitignore(5)."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules: list[tuple[re.Pattern[str], bool, bool]] = []
        for raw in lines:
            line = raw.rstrip("\n").rstrip()
            if not line or line.startswith("#"):
                continue
            negated = line.startswith("!")
            line = line.removeprefix("!").removeprefix("\\")
            folder = line.endswith("/")
            line = line.rstrip("/")
            anchored = "/" in line
            self._rules.append((re.compile(_glob(line.removeprefix("/"), anchored=anchored)), folder, negated))

    def ignored(self, relative: str, *, folder: bool) -> bool | None:
        """Say whether a path relative to the folder is left out; None if no pattern speaks of it."""
        answer = None
        for pattern, folders_only, negated in self._rules:
            if (folder or not folders_only) and pattern.fullmatch(relative):
                answer = not negated
        return answer


def _glob(glob: str, *, anchored: bool) -> str:
    out = "" if anchored else "(?:.*/)?"
    i = 0
    while i < len(glob):
        char = glob[i]
        if glob.startswith("**/", i):
            out += "(?:.*/)?"
            i += 3
            continue
        if glob.startswith("**", i):
            out += ".*"
            i += 2
            continue
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[" and "]" in glob[i + 2 :]:
            end = glob.index("]", i + 2)
            body = glob[i + 1 : end].replace("\\", "\\\\")
            out += "[" + ("^" + body[1:] if body[0] in "!^" else body) + "]"
            i = end
        else:
            out += re.escape(char)
        i += 1
    return out


def files(path: str, *, ignores: bool) -> Iterator[str]:
    """Yield the files under a path in name order; symbolic links are not followed."""
    if not os.path.isdir(path):  # noqa: PTH112 (pathlib costs start-up)
        yield path
        return
    yield from _walk(path, [], ignores=ignores)


def _walk(folder: str, above: list[tuple[str, Ignores]], *, ignores: bool) -> Iterator[str]:
    known = above
    if ignores:
        lines: list[str] = []
        for name in IGNORE_FILES:
            try:
                with open(f"{folder}/{name}", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                    lines += file
            except OSError:
                continue
        if lines:
            known = [*above, (folder, Ignores(lines))]
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name in SKIPPED or entry.is_symlink():
            continue
        path = f"{folder}/{entry.name}" if folder != "." else entry.name
        left_out = None
        for base, patterns in known:
            relative = path if base == "." else path[len(base) + 1 :]
            answer = patterns.ignored(relative, folder=is_folder)
            left_out = left_out if answer is None else answer
        if left_out:
            continue
        if is_folder:
            yield from _walk(path, known, ignores=ignores)
        elif entry.is_file(follow_symlinks=False):
            yield path
