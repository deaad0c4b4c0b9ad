"""Changing the files of other tools so that it can be seen first and taken back exactly.

What a file held before is kept sealed with the master key: such files often hold keys. INVARIANT: a file that changed
since is never overwritten by taking a change back.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poundlock.adapters.keys import Keys

_CREDENTIAL = re.compile(r"pl_[A-Za-z0-9_-]{8,}")
_NAMED = re.compile(r"(?i)((?:key|token|secret|password)[\w-]*[\"']?\s*[:=]\s*[\"']?)[^\"'\s]{8,}")
"""A value that such a file names a secret: the change is shown without it."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One file: what it holds and what it is to hold. `before` is None where there is no file."""

    path: str
    before: bytes | None
    after: bytes
    mode: int = 0o600

    def shown(self) -> str:
        """Give the change as a unified diff, without the credential and without what is named a key or secret."""
        old, new = ((part or b"").decode("utf-8", "replace").splitlines() for part in (self.before, self.after))
        origin = self.path if self.before is not None else "/dev/null"
        lines = difflib.unified_diff(old, new, origin, self.path, lineterm="")
        return "\n".join(_NAMED.sub(r"\1…", _CREDENTIAL.sub("pl_…", line)) for line in lines)


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What taking a change back needs of one file. `before` is sealed; `after` is a digest."""

    path: str
    before: str | None
    mode: int
    after: str


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for one tool."""

    tool: str
    credential: str = ""
    files: tuple[_Kept, ...]


def read(path: Path) -> tuple[bytes | None, int]:
    """Give what a file holds and its mode; None where there is no file. Raises: `ConfigFault`."""
    try:
        with path.open("rb") as file:
            return file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except FileNotFoundError:
        return None, 0o600
    except OSError as fault:
        raise ConfigFault(f"{path} can't be read: {fault.strerror}.") from None


def apply(folder: Path, keys: Keys, tool: str, changes: Sequence[Change], *, credential: str = "") -> None:
    """Write the changes; first keep what is needed to take them back. Raises: `ConfigFault`."""
    kept = tuple(
        _Kept(
            path=row.path,
            before=None if row.before is None else keys.seal_kept(tool, row.before).hex(),
            mode=row.mode,
            after=hashlib.sha256(row.after).hexdigest(),
        )
        for row in changes
    )
    note = _note(folder, tool)
    note.parent.mkdir(mode=0o700, exist_ok=True)
    write(note, msgspec.json.encode(Attached(tool=tool, credential=credential, files=kept)), 0o600)
    for row in changes:
        # The file holds a credential of the gateway from now on: it is its owner's alone.
        write(Path(row.path), row.after, row.mode & 0o700)


def attached(folder: Path, tool: str) -> Attached | None:
    """Give what was done for this tool and not taken back, or None."""
    try:
        return msgspec.json.decode(_note(folder, tool).read_bytes(), type=Attached)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        raise ConfigFault(f"The note of what was changed for {tool} can't be read.") from None


def undo(folder: Path, keys: Keys, tool: str) -> Attached:
    """Bring every file back as it was, byte by byte, with its mode. All of them or none.

    Raises: `ConfigFault` when there is nothing to take back, or when a file has changed since.
    """
    done = attached(folder, tool)
    if done is None:
        raise ConfigFault(f"There is nothing to take back for {tool}.", advice=f"Type: poundlock init {tool}")
    for row in done.files:
        now, _ = read(Path(row.path))
        if now is None or hashlib.sha256(now).hexdigest() != row.after:
            raise ConfigFault(
                f"{row.path} was changed after Poundlock wrote it, so it is left alone.",
                advice=f"Take Poundlock's settings out by hand, then type: poundlock init {tool} --forget",
            )
    for row in done.files:
        if row.before is None:
            Path(row.path).unlink()
        else:
            write(Path(row.path), keys.open_kept(tool, bytes.fromhex(row.before)), row.mode)
    _note(folder, tool).unlink()
    return done


def forget(folder: Path, tool: str) -> Attached | None:
    """Drop the note of what was changed; the files stay as they are."""
    done = attached(folder, tool)
    _note(folder, tool).unlink(missing_ok=True)
    return done


def _note(folder: Path, tool: str) -> Path:
    return folder / "attached" / f"{tool}.json"


def write(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all. A link stays a link: what it points to is written."""
    place = path.resolve()
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            os.fsync(handle)
        part.replace(place)
    except OSError as fault:
        part.unlink(missing_ok=True)
        raise ConfigFault(f"{path} can't be written: {fault.strerror}.") from None
