"""Poundlock's own credentials: random tokens (`pl_…`) of which only digests are kept, in one file of the state folder.

A token is 256 bits of randomness, so a plain SHA-256 of it can't be reversed. The file is read again when it changes:
taking a line away ends a credential at once, in every worker.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from typing import TYPE_CHECKING

import msgspec

from poundlock.core.errors import ConfigFault
from poundlock.core.tools import UNREGISTERED

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "pl_"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One credential: whose it is, and the digest of its token."""

    name: str
    human: str
    digest: str
    tool: str = UNREGISTERED
    team: str = ""
    task: str = ""
    made: int = 0


class Credentials:
    """The file of credentials."""

    def __init__(self, path: Path) -> None:
        """Read from `path` when it is there."""
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._by_digest: dict[str, Credential] = {}

    def find(self, token: str) -> Credential | None:
        """Give the credential of this token. Raises `ConfigFault` when the file can't be read."""
        self._refresh()
        return self._by_digest.get(digest(token))

    def all(self) -> list[Credential]:
        """Give every credential."""
        self._refresh()
        return list(self._by_digest.values())

    def holds(self, digest: str) -> bool:
        """Tell whether the credential with this digest is still there. Raises `ConfigFault`."""
        self._refresh()
        return digest in self._by_digest

    def stamp(self) -> tuple[int, int, int] | None:
        """Give what changes with the file."""
        self._refresh()
        return self._stamp

    def digest(self, token: str) -> str:
        """Give the digest that the file, and the store, keep of a token."""
        return digest(token)

    def add(self, *, name: str, human: str, tool: str = UNREGISTERED, team: str = "", task: str = "") -> str:
        """Make a credential, keep its digest, and give its token: the only time that it can be seen."""
        token = fresh()
        made = Credential(
            name=name, human=human, tool=tool, team=team, task=task, digest=digest(token), made=time.time_ns()
        )
        self._write([*(row for row in self.all() if row.name != name), made])
        return token

    def remove(self, name: str) -> bool:
        """End a credential; tell whether there was one."""
        rows = self.all()
        kept = [row for row in rows if row.name != name]
        self._write(kept)
        return len(kept) < len(rows)

    def _write(self, rows: list[Credential]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(rows)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        self._stamp = None

    def _refresh(self) -> None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._by_digest, self._stamp = {}, None
            return
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp == self._stamp:
            return
        try:
            rows = msgspec.json.decode(self.path.read_bytes(), type=list[Credential])
        except (msgspec.MsgspecError, OSError) as fault:
            raise ConfigFault(
                "The file of credentials can't be read.",
                advice=f"Mend or delete {self.path.name}; see `poundlock init`.",
            ) from fault
        self._by_digest = {row.digest: row for row in rows}
        self._stamp = stamp


def fresh() -> str:
    """Make a token: `pl_` and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """Give the SHA-256 of a token, hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
