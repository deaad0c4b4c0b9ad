"""Callers with a register of their own, for tests of who is let in: the real store, tokens and proofs; a set clock."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.jwk import ECKey

from poundlock.adapters.credentials import Credentials, digest, fresh
from poundlock.adapters.sqlite import Identities, ProofFile, Questions
from poundlock.adapters.tokens import Tokens
from poundlock.core.identity import claims, registry, tasks
from poundlock.core.identity.registry import Tool
from poundlock.core.identity.tasks import Task
from poundlock.gateway.auth import Callers
from poundlock.ports import Asked
from tests.adapters.logs import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from poundlock.adapters.sqlite import SqliteStore

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
ISSUER = "urn:poundlock:test"
SECRET = bytes(range(32, 64))
IDS = itertools.count(1)
ASKED = Asked(method="POST", url="http://127.0.0.1:8787/v1/messages", peer_port=40_000, own_port=8787)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> int:
        """Give the time that was set."""
        return self.time


class NoProcesses:
    """A machine on which no process is found."""

    async def holder(self, peer_port: int, own_port: int) -> str:
        """Give what a test can tell apart."""
        return f"process of {peer_port} to {own_port}"


class Place:
    """A register with callers; `other` makes those of another worker on the same files."""

    def __init__(self, folder: Path, store: SqliteStore, clock: Clock) -> None:
        self.folder = folder
        self.store = store
        self.clock = clock
        self.known = Identities(store, clock, by="ada")
        self.credentials = Credentials(folder / "credentials.json")
        self.tokens = Tokens(SECRET)
        self.callers = self.other()
        self.ids = IDS

    def other(self, *, open_loopback: bool = True, issuer: str = ISSUER, secret: bytes = SECRET) -> Callers:
        """Give the callers of a worker."""
        return Callers(
            credentials=Credentials(self.folder / "credentials.json"),
            register=lambda patience: Questions(self.folder / "poundlock.db", patience=patience),
            signatures=lambda: Tokens(secret),
            proofs=ProofFile(self.folder / "proofs.db"),
            processes=NoProcesses(),
            clock=self.clock,
            issuer=issuer,
            human="ada",
            open_loopback=open_loopback,
        )

    async def tool(self, id: str = "claude-code", **more: Any) -> Tool:  # noqa: A002 (the word of the register)
        """Put an active tool into the register."""
        return await self.known.keep_tool(Tool(**{"id": id, "owner": "ada", "state": "active", **more}))

    async def task(self, tool: str = "claude-code", **more: Any) -> tuple[str, Task]:
        """Open a task, and give its credential with it."""
        token = fresh()
        given = {"human": "bob", "opened": self.clock.now(), "expires": self.clock.now() + 10 * HOUR, **more}
        task = Task(id=f"{next(self.ids):012x}", tool=tool, **given)
        return token, await self.known.open_task(task, digest(token))

    async def child(self, parent: Task, **more: Any) -> tuple[str, Task]:
        """Open a sub-agent's task."""
        token = fresh()
        made = tasks.narrowed(parent, id=f"{next(self.ids):012x}", now=self.clock.now(), **more)
        return token, await self.known.open_task(made, digest(token), what="exchanged")

    def signed(self, task: Task, *, signer: Tokens | None = None, **changed: Any) -> str:
        """Give a signed token for a task, with some claims changed."""
        said = claims.claims(task, issuer=ISSUER, id=f"token-{next(self.ids)}", now=self.clock.now(), life=tasks.LIFE)
        return (signer or self.tokens).sign({**said, **changed})


class Holder:
    """Who holds a key, and proves it."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256")
        self.thumbprint = self.key.thumbprint()
        self._ids = itertools.count(1)

    def proof(self, token: str, *, now: int = NOW, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """Give a proof for a request, with some claims changed."""
        said = {
            "htm": "POST",
            "htu": ASKED.url,
            "iat": now // SECOND,
            "jti": f"{self.thumbprint}-{next(self._ids)}",
            "ath": urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode(),
            **changed,
        }
        head = {"alg": "ES256", "typ": "dpop+jwt", "jwk": self.key.as_dict(private=False), **(header or {})}
        return jws.serialize_compact(head, json.dumps(said).encode(), self.key, algorithms=["ES256"])


@contextlib.asynccontextmanager
async def place(folder: Path) -> AsyncIterator[Place]:
    """Open a register in `folder`."""
    clock = Clock()
    async with opened(folder, clock=clock) as store:
        there = Place(folder, store, clock)
        try:
            yield there
        finally:
            there.known.close()


def gone(since: int = 0) -> int:
    """Give a time so long ago that no grace is left."""
    return NOW - registry.GRACE - since
