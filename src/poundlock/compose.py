"""The only place where adapters are constructed and joined."""

from __future__ import annotations

import contextlib
import functools
import getpass
import hashlib
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock.adapters import keys, places, policyfiles, rulefiles
from poundlock.adapters.aws import AwsSigner
from poundlock.adapters.credentials import Credentials, digest, fresh
from poundlock.adapters.documents.process import DocumentReader
from poundlock.adapters.heads import HeadFile
from poundlock.adapters.issuers import Issuers
from poundlock.adapters.knownfile import KnownFile
from poundlock.adapters.mcpfile import McpFile
from poundlock.adapters.processes import LocalProcesses
from poundlock.adapters.sqlite import ApprovalFile, Identities, LeaseFile, ProofFile, Questions, SqliteStore, TallyFile
from poundlock.adapters.upstream import HttpUpstream
from poundlock.core.audit import key_fingerprint
from poundlock.core.budgets import Budget
from poundlock.core.conversation import Memo
from poundlock.core.errors import ClientFault, ConfigFault
from poundlock.core.identity import registry
from poundlock.core.identity.workloads import Workload
from poundlock.core.model import Snapshot
from poundlock.gateway.attachments import Attachments
from poundlock.gateway.auth import Callers
from poundlock.gateway.injection import Injection
from poundlock.gateway.issuing import Issuing
from poundlock.gateway.leasing import Brokers, Leasing, Reaper
from poundlock.gateway.mcp_session import Session
from poundlock.gateway.snapshot import Snapshots
from poundlock.gateway.sockets import SocketExchange
from poundlock.gateway.vouching import Vouchers
from poundlock.gateway.ways import asked
from poundlock.wire.passages import Passages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable
    from types import ModuleType

    from poundlock.config import Settings
    from poundlock.core.detect.known import Known
    from poundlock.core.mcp import Server
    from poundlock.core.model import Principal
    from poundlock.gateway.http import Request
    from poundlock.ports import Broker, Clock, Identity


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        return time.time_ns()


def snapshot(settings: Settings) -> Snapshot:
    """Load the rules, names and policies in force. Raises `ConfigFault`."""
    detector = rulefiles.load_detector(
        settings.rules.files, names=settings.rules.names, hosts=settings.rules.hosts, known=_known(settings)
    )
    policies = policyfiles.load(settings.policy.files, default=settings.policy.default_pack)
    unknown = settings.rules.unknown_tier or ("restricted" if settings.profile == "strict" else "internal")
    parts = (detector.digest, policies.digest, unknown, settings.mode, settings.profile)
    return Snapshot(
        detector=detector,
        policies=policies,
        digest=hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16],
        unknown_tier=unknown,
        mode=settings.mode,
        profile=settings.profile,
    )


def known_values(settings: Settings) -> KnownFile:
    """Give the file of registered values, with the master key that it is sealed with. Raises `ConfigFault`."""
    folder = places.state_folder(settings)
    master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
    return KnownFile(places.known(folder), master)


def _known(settings: Settings) -> Known | None:
    """Give the registered values; without any, no master key is asked for."""
    if not places.known(places.state_place(settings)).exists():
        return None
    return known_values(settings).known()


def _stamp(settings: Settings) -> Hashable:
    """Give what changes when a rule, name or policy file or a registered value changes."""
    known = str(places.known(places.state_place(settings)))
    named = (*settings.rules.files, *settings.rules.names, *settings.policy.files, known)
    found = [file for path in map(Path, named) for file in ([path] if not path.is_dir() else sorted(path.iterdir()))]
    return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else () for path in found)


def issuer(master: keys.Keys) -> str:
    """Give the name under which this gateway's key issues tokens."""
    return f"urn:poundlock:{key_fingerprint(master.public)}"


def callers(settings: Settings, folder: Path, master: keys.Keys, store: SqliteStore, clock: Clock) -> Callers:
    """Join what says who is calling; the store is to be open when it is asked."""
    return Callers(
        credentials=Credentials(places.credentials(folder)),
        register=lambda patience: Questions(store.path, patience=patience),
        signatures=lambda: _tokens().Tokens(master.tokens),
        proofs=ProofFile(folder / "proofs.db"),
        processes=LocalProcesses() if settings.identity.processes else None,
        clock=clock,
        issuer=issuer(master),
        human=getpass.getuser(),
        open_loopback=settings.profile == "personal",
        grace=settings.identity.grace_days * registry.DAY,
    )


def credentials(settings: Settings) -> Credentials:
    """Give the file of credentials."""
    return Credentials(places.credentials(places.state_folder(settings)))


def approval_store(settings: Settings) -> tuple[SqliteStore, ApprovalFile]:
    """Join what people are asked; the store is to be opened before it is used. Raises: `ConfigFault`."""
    store, clock = _store(settings)
    return store, ApprovalFile(store, clock)


@contextlib.asynccontextmanager
async def approvals(settings: Settings) -> AsyncIterator[ApprovalFile]:
    """Open what people are asked for one command. Raises: `Fault`, `ConfigFault`."""
    async with opened(settings) as (store, clock):
        known = ApprovalFile(store, clock)
        try:
            yield known
        finally:
            known.close()


def workloads(settings: Settings) -> tuple[Workload, ...]:
    """Give the workloads of the configuration."""
    return tuple(
        Workload(name=name, **{field: getattr(row, field) for field in row.__struct_fields__})
        for name, row in settings.identity.workloads.items()
    )


def issuing(settings: Settings, line: SocketExchange, store: SqliteStore) -> Issuing:
    """Join the token endpoint of one worker, whose store is open."""
    folder = places.state_folder(settings)
    master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
    clock = SystemClock()
    callers_ = line.identity
    assert isinstance(callers_, Callers)  # noqa: S101 (`exchange` made it)

    return Issuing(
        callers=callers_,
        ledger=Identities(store, clock, by="gateway"),
        vouching=Vouchers(
            workloads(settings),
            Issuers(),
            unchecked=lambda token: _tokens().unchecked(token),
            issued=lambda token, keys_: _tokens().issued(token, keys_),
        ),
        signatures=functools.cache(lambda: _tokens().Tokens(master.tokens)),
        fresh=fresh,
        digest=digest,
        clock=clock,
        issuer=issuer(master),
    )


def brokers(settings: Settings) -> Brokers:
    """Give what makes the brokers of the configuration."""

    def make(name: str) -> Broker:
        row = settings.resources[name]
        secret = os.environ.get(row.secret_env, "")
        if not secret:
            raise ConfigFault(
                f"The gateway's environment has no {row.secret_env}, which makes leases on {name}.",
                advice="Set it where the gateway is started (`poundlock serve`), and start it anew.",
            )
        if row.backend == "postgres":
            try:
                from poundlock.adapters.brokers.postgres import PostgresBroker  # noqa: PLC0415 (its driver is an extra)
            except ModuleNotFoundError:
                raise ConfigFault(
                    "The driver for PostgreSQL is not installed.", advice="pip install 'poundlock[postgres]'"
                ) from None
            return PostgresBroker(secret, connections=row.connections, variable=row.variable)
        from poundlock.adapters.brokers.ssh import SshBroker  # noqa: PLC0415 (few configurations have leases)
        from poundlock.adapters.brokers.static import StaticBroker  # noqa: PLC0415 (as above)
        from poundlock.adapters.brokers.x509 import X509Broker  # noqa: PLC0415 (as above)

        if row.backend == "ssh":
            return SshBroker(secret, revoked=row.revoked)
        if row.backend == "x509":
            return X509Broker(secret, row.certificate)
        return StaticBroker()

    return Brokers(settings, make)


def leasing(
    settings: Settings, line: SocketExchange, store: SqliteStore, made: Brokers
) -> tuple[Leasing, Reaper, LeaseFile]:
    """Join the broker's desk of one worker, whose store is open, and its reaper."""
    clock = SystemClock()
    callers_ = line.identity
    assert isinstance(callers_, Callers)  # noqa: S101 (`exchange` made it)
    file = LeaseFile(store, clock, by="gateway")
    desk = Leasing(
        settings=settings,
        callers=callers_,
        brokers=made,
        store=file,
        ledger=Identities(store, clock, by="gateway"),
        desk=line.desk,
        approvals=ApprovalFile(store, clock),
        vault=store,
        snapshots=line.snapshots,
        clock=clock,
    )
    return desk, _reaper(settings, store, file, made, clock), file


def injection(settings: Settings, line: SocketExchange, file: LeaseFile) -> Injection:
    """Join what puts static secrets on requests, in one worker."""
    files = {row.upstream: row.ca_file for row in settings.resources.values() if row.ca_file}
    return Injection(
        settings,
        presence=line.presence,
        leases=file,
        upstream=HttpUpstream(ca_files=files) if files else line.upstream,
        secret=lambda name: os.environ.get(name, ""),
        clock=SystemClock(),
    )


def _reaper(settings: Settings, store: SqliteStore, file: LeaseFile, made: Brokers, clock: Clock) -> Reaper:
    grace = settings.identity.grace_days * registry.DAY
    return Reaper(file, made, lambda: Questions(store.path), clock, grace)


@contextlib.asynccontextmanager
async def leases(settings: Settings) -> AsyncIterator[tuple[LeaseFile, Reaper, Brokers]]:
    """Open the leases for one command. Raises: `Fault`, `ConfigFault`."""
    async with opened(settings) as (store, clock):
        file = LeaseFile(store, clock, by=getpass.getuser())
        made = brokers(settings)
        try:
            yield file, _reaper(settings, store, file, made, clock), made
        finally:
            await made.close()
            file.close()


def _tokens() -> ModuleType:
    from poundlock.adapters import tokens  # noqa: PLC0415 (few callers bring a signed token, and it takes 80 ms to load)

    return tokens


@contextlib.asynccontextmanager
async def identities(settings: Settings) -> AsyncIterator[Identities]:
    """Open the register of tools, tasks and revocations for one command. Raises: `Fault`, `ConfigFault`."""
    async with opened(settings) as (store, clock):
        known = Identities(store, clock, by=getpass.getuser())
        try:
            yield known
        finally:
            known.close()


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[SqliteStore, Clock]]:
    """Open the store for one command. Raises: `Fault`, `ConfigFault`."""
    store, clock = _store(settings)
    await store.open()
    try:
        yield store, clock
    finally:
        await store.close()


def _store(settings: Settings) -> tuple[SqliteStore, Clock]:
    """Join the store; it is to be opened. Raises: `ConfigFault`."""
    folder = places.state_folder(settings)
    clock = SystemClock()
    store = SqliteStore(
        places.database(folder),
        keys.load(folder / "master.key", os.environ, place=settings.state.master_key),
        heads=HeadFile(places.heads(settings, folder)),
        clock=clock,
        head_every=settings.audit.head_every,
    )
    return store, clock


def budgets(settings: Settings) -> tuple[Budget, ...]:
    """Give the budgets of the configuration."""
    return tuple(
        Budget(name=name, **{field: getattr(row, field) for field in row.__struct_fields__})
        for name, row in settings.budgets.items()
    )


def mcp_servers(settings: Settings) -> McpFile:
    """Give the register of MCP servers. Raises `ConfigFault`."""
    folder = places.state_folder(settings)
    master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
    return McpFile(places.mcp(folder), master)


class McpLine:
    """What sessions with MCP servers share in one process; the store is to be opened before one begins."""

    def __init__(
        self, settings: Settings, line: SocketExchange | None = None, store: SqliteStore | None = None
    ) -> None:
        """Join the parts: those of a gateway that is there already, or its own. Raises `ConfigFault`."""
        folder = places.state_folder(settings)
        master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
        self._clock = SystemClock()
        self.store = store or SqliteStore(
            places.database(folder),
            master,
            heads=HeadFile(places.heads(settings, folder)),
            clock=self._clock,
            head_every=settings.audit.head_every,
        )
        self.servers = McpFile(places.mcp(folder), master)
        self.identity: Identity = line.identity if line else callers(settings, folder, master, self.store, self._clock)
        self.snapshots = line.snapshots if line else Snapshots(lambda: snapshot(settings), lambda: _stamp(settings))
        self._memo = line.memo if line else Memo(settings.gateway.memo_bytes // 4)

    def server(self, name: str) -> Server:
        """Give a server of the register as it now is. Raises: `ConfigFault`."""
        return self.servers.server(name)

    async def caller(self, request: Request) -> Principal:
        """Say who calls. Raises: `ClientFault`."""
        principal = await self.identity.authenticate(request.token, request.header_map, request.peer, asked(request))
        if principal is None:
            raise ClientFault(
                "Poundlock does not know this caller.",
                advice="Start the tool with `poundlock run -- TOOL`, or give it a credential from `poundlock init`.",
            )
        return principal

    def session(self, server: Server, principal: Principal, name: str) -> Session:
        """Begin a session of this caller with this server."""
        return Session(
            server,
            principal,
            name=name,
            snapshots=self.snapshots,
            vault=self.store,
            log=self.store,
            servers=self.servers,
            clock=self._clock,
            memo=self._memo,
            new_id=lambda: uuid.uuid4().hex[:16],
        )


def exchange(settings: Settings) -> tuple[SocketExchange, SqliteStore]:
    """Join the exchange of one worker; the store is to be opened before it is used. Raises `ConfigFault`."""
    folder = places.state_folder(settings)
    clock = SystemClock()
    master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
    store = SqliteStore(
        places.database(folder),
        master,
        heads=HeadFile(places.heads(settings, folder)),
        clock=clock,
        head_every=settings.audit.head_every,
    )
    held = {name: os.environ[row.key_env] for name, row in settings.providers.items() if os.environ.get(row.key_env)}
    line = SocketExchange(
        settings=settings,
        snapshots=Snapshots(lambda: snapshot(settings), lambda: _stamp(settings)),
        vault=store,
        log=store,
        upstream=HttpUpstream(
            ca_files={row.upstream: row.ca_file for row in settings.providers.values() if row.ca_file}
        ),
        identity=callers(settings, folder, master, store, clock),
        clock=clock,
        register=policyfiles.register(settings.vendors.files),
        memo=Memo(settings.gateway.memo_bytes // 4),
        passages=Passages(settings.gateway.memo_bytes * 3 // 4),
        attachments=Attachments(settings.documents, DocumentReader(seconds=settings.documents.seconds)),
        approvals=ApprovalFile(store, clock),
        tally=TallyFile(places.database(folder), budgets(settings), clock),
        keys=held,
        signer=AwsSigner(),
        new_id=lambda: uuid.uuid4().hex[:16],
    )
    return line, store
