"""What the shell needs from the world, as protocols. An adapter implements each; compose joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable, Iterable, Mapping, Sequence
    from typing import Any

    from poundlock.config import Level
    from poundlock.core.approvals import Approval, Wait, Waiting
    from poundlock.core.budgets import Who
    from poundlock.core.identity.registry import Person, Refusal, Seen
    from poundlock.core.identity.tasks import Standing
    from poundlock.core.leases import Held, Lease, Minted
    from poundlock.core.mcp import Pin, Server
    from poundlock.core.model import Draft, Principal, Record, ScopeKey, Surrogate


class Committed(Value, frozen=True, kw_only=True):
    """The proof that a record is durable."""

    seq: int
    hash: str


class Entry(Value, frozen=True, kw_only=True):
    """What must be durable before an exchange may leave: its record, and the rows that it needs to come home.

    `surrogates` are those that are new to the vault or to this conversation; `refused` are fingerprints to remember
    for the conversation; `labels` say what has entered it; `conversation` is a keyed hash, never a client's own id.
    """

    draft: Draft
    scope: str = ""
    conversation: str = ""
    surrogates: tuple[Surrogate, ...] = ()
    refused: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class Remembered(Value, frozen=True, kw_only=True):
    """What the vault knows of one conversation."""

    issued: tuple[Surrogate, ...] = ()
    refused: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()


class Vault(Protocol):
    """The sealed map from surrogate to value, by scope."""

    async def scope_key(self, scope: str) -> ScopeKey:
        """Give the keys of `scope`, making and sealing them durably on first use."""

    async def remembered(self, scope: str, conversation: str) -> Remembered:
        """Give what this conversation has issued and been refused."""

    async def known(self, scope: str, texts: tuple[str, ...]) -> tuple[Surrogate, ...]:
        """Give those of these surrogates that were issued to this scope, whatever the conversation."""


class Servers(Protocol):
    """The register of MCP servers."""

    def pinned(self, name: str, pins: Mapping[str, Pin]) -> Server:
        """Keep how a server's tools now stand, durably, and give the server. Raises: `Fault`."""


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


class UpstreamSocket(Protocol):
    """A WebSocket to a provider."""

    headers: Sequence[tuple[str, str]]
    """Those of its handshake."""

    async def send(self, message: bytes) -> None:
        """Send a text, in UTF-8. Raises `UpstreamFault` when the connection is gone."""

    async def receive(self) -> bytes | None:
        """Wait for the provider's next text; None when it closed in order. Raises `UpstreamFault` when it broke."""

    async def close(self) -> None:
        """Close it; it may be closed already."""


class Upstream(Protocol):
    """The way to the providers."""

    async def send(
        self, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes | None
    ) -> UpstreamResponse:
        """Send one request and wait for the head of its answer. Raises `UpstreamFault`."""

    async def connect(self, url: str, headers: Iterable[tuple[str, str]]) -> UpstreamSocket:
        """Open a WebSocket. Raises `UpstreamFault`, with the provider's own status where it refused."""

    async def close(self) -> None:
        """Close every connection."""


class Asked(Value, frozen=True, kw_only=True):
    """What a credential may be bound to: the request's method and address, and the two ends of its connection.

    `bare`: a proof need not name the token that it goes with, as at the token endpoint (RFC 9449 §5).
    """

    method: str = ""
    url: str = ""
    peer_port: int = 0
    own_port: int = 0
    bare: bool = False


class Admission(Value, frozen=True, kw_only=True):
    """A caller that was let in, with what is needed to see whether it still may: digest and id of its credential."""

    principal: Principal
    digest: str = ""
    token: str = ""


class ReadDocument(Value, frozen=True, kw_only=True):
    """What was read of a file: its text, and why it could not be read, or not to its end."""

    _hidden = frozenset({"text"})

    text: str = ""
    fault: str = ""


class DocumentSource(Protocol):
    """Reads files that aren't text."""

    def sort(self, head: bytes) -> str:
        """Say what a file is by its first bytes: `image`, another kind that can be read, or nothing."""

    async def read(self, data: bytes) -> ReadDocument:
        """Give a file's text. It never raises, and takes a bounded time."""


class Signer(Protocol):
    """What signs a request that goes upstream, with credentials that Poundlock holds."""

    async def sign(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> list[tuple[str, str]]:
        """Give the headers with the signature. Raises `UpstreamFault` when there is nothing to sign with."""


class Identity(Protocol):
    """Who is calling, and whether they still may."""

    async def authenticate(
        self, token: str | None, headers: Mapping[str, str], peer: str, asked: Asked | None = None
    ) -> Principal | None:
        """Give the principal behind a Poundlock credential (or its absence); None refuses the exchange.

        Raises: `ClientFault` with the reason, where there is one that may be told.
        """

    async def admit(
        self, token: str | None, headers: Mapping[str, str], peer: str, asked: Asked | None = None
    ) -> Admission | None:
        """Do the same, and give what `withdrawn` needs."""

    async def revision(self) -> Hashable:
        """Give something that changes with every revocation, by whichever worker or command."""

    async def withdrawn(self, admission: Admission) -> Refusal | None:
        """Say why a caller that was let in may not go on, or None."""


class Register(Protocol):
    """The questions that are asked of the register of tools, tasks and revocations: some microseconds each."""

    def revision(self) -> int:
        """Give a number that rises with each change."""

    def by_credential(self, digest: str) -> tuple[Standing, ...]:
        """Give the task of a credential, then its parents up to the root."""

    def by_id(self, task: str) -> tuple[Standing, ...]:
        """Give a task, then its parents up to the root."""

    def denied(self, token: str) -> bool:
        """Tell whether the token with this id was revoked by itself."""

    def tool(self, id: str) -> Seen | None:  # noqa: A002 (the word of the register)
        """Give a tool's entry with what the store knows of it."""

    def person(self, name: str) -> Person | None:
        """Give what is known of a person."""


class Signatures(Protocol):
    """Poundlock's own tokens."""

    id: str

    def claims(self, token: str) -> Mapping[str, Any]:
        """Give the claims of a token with a good signature. Raises `ClientFault`."""

    def proof(self, text: str) -> tuple[Mapping[str, Any], str]:
        """Give the claims of a proof with a good signature, and the thumbprint of its key. Raises `ClientFault`."""

    def digest(self, token: str) -> str:
        """Give the hash of a token as a proof has it."""

    def sign(self, said: Mapping[str, Any]) -> str:
        """Give the token with these claims."""

    def public(self) -> Mapping[str, Any]:
        """Give the public key as a JWK."""


class Proofs(Protocol):
    """The proofs that were used, by all workers of this machine."""

    def first(self, id: str, until: int) -> bool:  # noqa: A002 (as in `jti`)
        """Remember a proof until a time (nanoseconds); False when it was used before."""


class Processes(Protocol):
    """The processes of this machine."""

    async def holder(self, peer_port: int, own_port: int) -> str:
        """Say which process holds the other end of a loopback connection, or nothing: a claim, never a proof."""


class Approvals(Protocol):
    """What people are asked, and what they answered."""

    def of(self, human: str) -> Sequence[Approval]:
        """Give what counts of a person's approvals. Raises: `Fault`."""

    def find(self, id: str) -> Approval | None:  # noqa: A002 (the word that records use)
        """Give one approval. Raises: `Fault`."""

    def link(self, approval: Approval, by: str) -> str:
        """Give the path of the page where this approver answers, signed; it ends with the question."""

    async def ask(self, asked: Approval, excerpts: Sequence[str], wait: Wait, *, limit: int) -> Approval:
        """Put a question on record and give it, or the equal one that waits already. Raises: `ClientFault`."""

    async def left(self, id: str, exchange: str, how: Waiting) -> Approval:  # noqa: A002 (as above)
        """Say that an exchange waits no longer. Raises: `Fault`."""

    async def use(self, ids: Sequence[str], exchange: str) -> None:
        """Use approvals for one exchange, all or none, on record. Raises: `ClientFault`."""

    async def sweep(self) -> int:
        """End what is over. Gives how many. Raises: `Fault`."""


class Leases(Protocol):
    """The leases that were given, in a store that outlives any process."""

    def open(self) -> Sequence[Held]:
        """Give what is not ended. Raises: `Fault`."""

    def find(self, id: str) -> Held | None:  # noqa: A002 (the word that records use)
        """Give one lease. Raises: `Fault`."""

    async def ask(self, lease: Lease) -> None:
        """Write down a lease that is about to be made, on record. Raises: `Fault`; it must not be made then."""

    async def live(self, lease: Lease, serial: str) -> bool:
        """Say that it was made, on record; False when it is being ended already. Raises: `Fault`."""

    async def claim(self, id: str, reason: str) -> Held | None:  # noqa: A002 (as above)
        """Take a lease to end it, unless another worker does. Raises: `Fault`."""

    async def ended(self, held: Held) -> None:
        """Say that a lease's credential is no more, on record. Raises: `Fault`."""

    async def failed(self, held: Held, why: str) -> None:
        """Say that it could not be ended, on record; it will be tried again. Raises: `Fault`."""

    async def used(self, lease: Lease, body: Mapping[str, Any]) -> None:
        """Put a use of it on record. Raises: `Fault`."""


class Broker(Protocol):
    """What makes and unmakes credentials of one resource."""

    async def mint(self, lease: Lease, level: Level) -> Minted:
        """Make the credential of a lease. Raises: `UpstreamFault`; what was half made is named by the lease."""

    async def revoke(self, lease: Lease) -> None:
        """Unmake it, and end what it opened; nothing to do is well done. Raises: `UpstreamFault`."""

    async def close(self) -> None:
        """Let go of connections."""


class Tallies(Protocol):
    """What left so far, by all workers of this machine."""

    async def used_up(self, who: Who) -> tuple[str, ...]:
        """Name the budgets that have nothing left for an exchange. Raises: `Fault`."""


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
