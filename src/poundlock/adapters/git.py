"""Reads Git repositories with the `git` command: what is staged, what history added, and the content of both.

Must never read the work tree, run a program that a repository's configuration names, or fetch what a clone lacks.
The formats are those of git-diff(1) (raw, `-z`), git-log(1) and git-cat-file(1).
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple, Self

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST = 64 << 20  # bytes of a text that is read: it stands in memory whole
HEAD = 8192  # bytes in which a NUL says that a file is not text
PIECE = 1 << 16
SUBMODULE = b"160000"
SETTINGS = ("core.fsmonitor=false", "-c", "log.showRoot=true", "-c", "log.follow=false")


class Blob(NamedTuple):
    """A file's content in a repository: its id, its path from the root, and the commit that added it (or nothing)."""

    path: str
    oid: str
    commit: str = ""
    date: str = ""


class Unread(OSError):
    """A blob can't be read; the message says why."""


def _command(folder: str, *words: str) -> list[str]:
    return ["git", "-C", folder, "--no-pager", "-c", *SETTINGS, *words]


def _environment() -> dict[str, str]:
    # GIT_INDEX_FILE and its like stay: a hook names the index that is about to be committed.
    return {
        **os.environ,
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


def _start(folder: str, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 (no shell; words are ours, and a range stands behind --end-of-options)
            _command(folder, *words),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    except OSError as fault:
        raise ConfigFault("git can't be run", advice="Install git, or scan files and folders.") from fault


def root(folder: str = ".") -> str:
    """Give the top folder of the repository that holds `folder`. Raises: `ConfigFault` outside one."""
    with _start(folder, "rev-parse", "--show-toplevel") as process:
        out = process.stdout.read() if process.stdout else b""
    if process.returncode == 0:
        return os.fsdecode(out.rstrip(b"\n")) or folder
    with _start(folder, "rev-parse", "--git-dir") as process:
        process.communicate()
    if process.returncode == 0:
        return folder  # a bare repository has no top folder
    raise ConfigFault(
        "this is not inside a Git repository (or git does not trust its owner)",
        advice="Change to one; `git status` says more.",
    )


def _tokens(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield what stands between NULs, in bounded memory."""
    rest = b""
    stream = process.stdout
    if stream is None:
        return
    while piece := stream.read1(PIECE):  # type: ignore[attr-defined]
        *whole, rest = (rest + piece).split(b"\0")
        yield from whole
    if rest:
        yield rest


def _blobs(tokens: Iterable[bytes]) -> Iterator[Blob]:
    """Read raw entries: `:mode mode oid oid status`, a colon, mode and id more for each further parent; then a path."""
    commit = date = ""
    ids: list[bytes] | None = None
    parents = 1
    for token in tokens:
        if ids is not None:
            new, mode = ids[2 * parents + 1], ids[parents]
            if new.strip(b"0") and mode != SUBMODULE:
                yield Blob(os.fsdecode(token), new.decode(), commit, date)
            ids = None
            continue
        text = token.lstrip(b"\n")
        if text.startswith(b"\x01"):
            commit, _, date = text[1:].decode().partition(" ")
        elif text.startswith(b":"):
            parents = len(text) - len(text.lstrip(b":"))
            ids = text.lstrip(b":").split(b" ")


def staged(folder: str = ".", paths: Iterable[str] = ()) -> list[Blob]:
    """Give the content of each file that the index adds or changes: what the next commit will hold.

    Raises: `ConfigFault` outside a repository.
    """
    root(folder)
    words = ("diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-relative")
    with _start(folder, *words, "--diff-filter=d", "--", *paths) as process:
        found = list(_blobs(_tokens(process)))
    if process.returncode:
        raise ConfigFault("git could not read the index", advice="`git diff --cached` says more.")
    return found


def history(
    folder: str = ".", *, revisions: str = "HEAD", everything: bool = False, paths: Iterable[str] = ()
) -> Iterator[Blob]:
    """Yield each blob that the commits of a range (or of all references) add, once, with the first commit that did.

    Oldest first. Memory grows by some 90 bytes a blob. Raises: `ConfigFault` for no repository or no such range.
    """
    root(folder)
    which = ("--all",) if everything else ("--end-of-options", revisions)
    # `-c` shows of a merge what none of its parents holds.
    shape = ("--reverse", "-c", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-relative")
    seen: set[bytes] = set()
    process = _start(folder, "log", *shape, "--no-show-signature", "--format=%x01%H %aI", *which, "--", *paths)
    with process:
        try:
            for blob in _blobs(_tokens(process)):
                # INVARIANT: the whole id is kept: of a shortened one an attacker could make a second.
                oid = bytes.fromhex(blob.oid)
                if oid not in seen:
                    seen.add(oid)
                    yield blob
        except GeneratorExit:
            process.kill()
            raise
    if process.returncode:
        what = "the references of this repository" if everything else "this range"
        raise ConfigFault(
            f"git could not read {what}",
            advice="A range is for example `main`, `v1..v2` or `origin/main..`; an empty repository has none.",
        )


class Blobs:
    """Gives blobs' content from one `git cat-file --batch` process. Not to be shared between threads."""

    def __init__(self, folder: str = ".") -> None:
        self._process = _start(folder, "cat-file", "--batch", stdin=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait()

    def read(self, oid: str) -> bytes:
        """Give a blob's bytes, of what is no text only its beginning.

        Raises: `Unread` where there is none, or where a text is larger than `LARGEST` bytes.
        """
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            raise Unread("git can't be asked")
        try:
            asked.write(oid.encode() + b"\n")
            asked.flush()
        except OSError as fault:
            raise Unread("git ended") from fault
        words = answers.readline().split()
        if len(words) != 3:
            raise Unread("git does not hold its content" if words else "git ended")
        size = int(words[2])
        if size <= LARGEST:
            return answers.read(size + 1)[:size]
        first = answers.read(HEAD)
        left = size + 1 - len(first)
        while left > 0 and (piece := answers.read(min(left, PIECE))):
            left -= len(piece)
        if b"\0" in first:
            return first
        raise Unread(f"larger than {LARGEST >> 20} MB")


class Told(NamedTuple):
    """A commit as Git tells of it: `files` are paths from the root, `added` the lines that it adds, up to a limit."""

    id: str
    author: str
    email: str
    committer: str
    message: str
    notes: str
    files: tuple[str, ...]
    added: tuple[str, ...]


ADDED = 4 << 20  # bytes of a commit's change that are looked at
_FIELDS = "%H%x00%an%x00%ae%x00%cn%x00%B%x00%N%x00%x01"


def commits(folder: str, wanted: str) -> Iterator[Told]:
    """Give the commits of a range, oldest first. Raises: `ConfigFault` for a range that Git does not know."""
    with _start(folder, "log", "--reverse", "--notes=*", f"--format={_FIELDS}", "--end-of-options", wanted) as process:
        out = process.stdout.read() if process.stdout else b""
    if process.returncode:
        raise ConfigFault(
            f"Git knows no range {wanted!r} here.", advice="For example: poundlock review origin/main..HEAD"
        )
    for row in out.split(b"\0\x01"):
        fields = [os.fsdecode(field) for field in row.lstrip(b"\n").split(b"\0")]
        if len(fields) == 6:
            id, author, email, committer, message, notes = fields  # noqa: A001 (the word of the type)
            yield Told(id, author, email, committer, message, notes, *_changes(folder, id))


def _changes(folder: str, commit: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the paths that a commit touches and the lines that it adds, compared with its first parent."""
    shared = ("diff-tree", "--root", "-r", "-m", "--first-parent", "--no-commit-id", "--no-ext-diff", "--no-textconv")
    with _start(folder, *shared, "--name-only", "-z", "--end-of-options", commit) as process:
        names = process.stdout.read() if process.stdout else b""
    with _start(folder, *shared, "-U0", "--no-color", "-p", "--end-of-options", commit) as process:
        patch = process.stdout.read(ADDED) if process.stdout else b""
        process.kill()
    added = tuple(
        line[1:].decode("utf-8", "replace")
        for line in patch.split(b"\n")
        if line.startswith(b"+") and not line.startswith(b"+++ ")
    )
    return tuple(os.fsdecode(name) for name in names.split(b"\0") if name), added


def base(folder: str) -> str:
    """Give the commit where this branch left the one that it will join: its upstream's, else the main branch's."""
    for other in ("@{upstream}", "origin/HEAD", "origin/main", "origin/master", "main", "master"):
        with _start(folder, "merge-base", "HEAD", other) as process:
            out = process.stdout.read() if process.stdout else b""
        if process.returncode == 0 and out.strip():
            return out.decode().strip()
    raise ConfigFault(
        "There is nothing to compare with here.", advice="Name a range: poundlock review origin/main..HEAD"
    )
