"""What the shell needs from the world, as protocols. An adapter implements each; compose joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from poundlock.core.model import Draft, Principal, Record, ScopeKey, Surrogate


class Committed(Value, frozen=True, kw_only=True):
    """The proof that a record is durable."""

    seq: int
    hash: str


class Entry(Value, frozen=True, kw_only=True):
    """What must be durable before an exchange may leave: its record, and the rows that it needs to come home.

    `surrogates` are those that are new to the vault or to this conversation; `refused` are fingerprints to remember
    for the conversation; `conversation` is a keyed hash, never a client's own id.
    """

    draft: Draft
    scope: str = ""
    conversation: str = ""
    surrogates: tuple[Surrogate, ...] = ()
    refused: tuple[str, ...] = ()


class Remembered(Value, frozen=True, kw_only=True):
    """What the vault knows of one conversation."""

    issued: tuple[Surrogate, ...] = ()
    refused: frozenset[str] = frozenset()


class Vault(Protocol):
    """The sealed map from surrogate to value, by scope."""

    async def scope_key(self, scope: str) -> ScopeKey:
        """Give the keys of `scope`, making and sealing them durably on first use."""

    async def remembered(self, scope: str, conversation: str) -> Remembered:
        """Give what this conversation has issued and been refused."""


class AuditLog(Protocol):
    """The append-only chain of records."""

    async def commit(self, entry: Entry) -> Committed:
        """Write vault rows and record in one transaction; return only when they are on the disk.

        Raises: `Fault` (status 500) when they could not be made durable. Nothing of the entry is stored then.
        """

    def later(self, draft: Draft) -> None:
        """Write a record that nobody waits for: with the next commit, within a moment, or when the log is closed.

        A crash in that moment loses it. It never raises; what can't be written is counted in `lost`.
        """

    @property
    def lost(self) -> int:
        """How many of the records that nobody waited for could not be written."""

    async def find(self, id: str) -> Sequence[Record]:  # noqa: A002 (the word that records use)
        """Give the records with this decision id, oldest first."""

    async def close(self) -> None:
        """Write what is queued, then let go of the file."""


class UpstreamResponse(Protocol):
    """A provider's answer, of which the head has arrived."""

    status: int
    headers: Sequence[tuple[str, str]]

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they arrive. Raises `UpstreamFault` when the connection breaks."""

    async def close(self) -> None:
        """End the call, also when its body was not read to the end."""


class Upstream(Protocol):
    """The way to the providers."""

    async def send(
        self, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes | None
    ) -> UpstreamResponse:
        """Send one request and wait for the head of its answer. Raises `UpstreamFault`."""

    async def close(self) -> None:
        """Close every connection."""


class Identity(Protocol):
    """Who is calling."""

    async def authenticate(self, token: str | None, headers: Mapping[str, str], peer: str) -> Principal | None:
        """Give the principal behind a Poundlock credential (or its absence); None refuses the exchange."""


class Clock(Protocol):
    """The time, so that tests can set it."""

    def now(self) -> int:
        """Nanoseconds since the epoch, UTC."""


class Sealing(Protocol):
    """What one scope's data key does: give the scope's keys, and seal and open its values."""

    key: ScopeKey

    def seal(self, surrogate: Surrogate) -> bytes:
        """Seal the surrogate's value, bound to its scope, text, kind and fingerprint."""

    def unseal(self, text: str, kind: str, fingerprint: str, sealed: bytes) -> Surrogate:
        """Open what `seal` gave. Raises: `Fault` (status 500) when anything of it was altered."""


class Keys(Protocol):
    """What the store needs of the master key: data keys of scopes, and the signature on heads."""

    public: str

    def new_scope(self, scope: str) -> tuple[bytes, Sealing]:
        """Make a data key for `scope`: sealed for the store, and ready for use."""

    def open_scope(self, scope: str, sealed: bytes) -> Sealing:
        """Open a sealed data key. Raises: `Fault` (status 500) when it is of another master key or altered."""

    def sign(self, message: bytes) -> str:
        """Give the Ed25519 signature of the message, hex; `public` is its public key, hex."""

    def check(self, key: str, message: bytes, signature: str) -> bool:
        """Say whether the signature is good and of our own key."""


class HeadPlace(Protocol):
    """A second place for signed heads, out of the reach of whoever can cut the log."""

    name: str

    def append(self, line: bytes) -> None:
        """Keep one head (a line of JSON) durably. Raises: `OSError`."""

    def last(self) -> bytes:
        """Give the last whole line that was kept, or nothing. Raises: `OSError`."""
