"""The broker's desk: a task asks for a lease, policy decides, a broker makes the credential; and the reaper ends it.

INVARIANT: a lease is durable before its credential is made, and given out only when that is durable, too. Whoever
makes a credential never decides. It never keeps one, and never ends a lease of another task on a task's word.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from poundlock.core import leases, surrogates
from poundlock.core.approvals import Needs
from poundlock.core.errors import ClientFault, ConfigFault, Fault, UpstreamFault
from poundlock.core.identity import registry, tasks
from poundlock.core.leases import Asked, Lease
from poundlock.core.model import Destination, Rung
from poundlock.ports import Asked as Bound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poundlock.config import Level, Settings
    from poundlock.core.identity.registry import Seen
    from poundlock.core.leases import Held, Minted
    from poundlock.core.model import Principal
    from poundlock.core.policy.decide import CallAnswer
    from poundlock.gateway.approvals import Desk
    from poundlock.gateway.auth import Callers
    from poundlock.gateway.http import Handler, Request, Respond
    from poundlock.gateway.snapshot import Snapshots
    from poundlock.ports import Approvals, Broker, Clock, Leases, Register, Vault

PATH = "/leases"
"""POST asks for a lease; DELETE on `/leases/ID` gives one back."""
TICK = 0.2
"""Seconds between two looks at whether something was revoked."""
LOOK = 2.0
"""Seconds after which open leases are looked at anyway: their time may be over, or an attempt is due."""
AT_ONCE = 4
"""How many leases are ended at a time."""


class Waits(ClientFault):
    """A person has to agree first, under the approval `id`."""

    def __init__(self, name: str, id: str) -> None:  # noqa: A002 (the word that records use)
        super().__init__(
            f"A person has to agree to {name}: approval {id}.",
            advice=f"`poundlock approve {id}` answers it; then ask again.",
        )
        self.id = id


class Ledger(Protocol):
    """The register of tools, for the privilege that a tool now has."""

    def seen(self, id: str) -> Seen | None:  # noqa: A002 (the word of the register)
        """Give a tool's entry."""

    async def raise_privilege(self, tool: str, privilege: registry.Privilege) -> None:
        """Keep that a tool was given at least this privilege, on record."""


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a question: the grant, and for how many seconds."""

    grant: str
    seconds: int = 0


class Brokers:
    """The brokers of the configuration, each made when it is first needed."""

    def __init__(self, settings: Settings, make: Callable[[str], Broker]) -> None:
        """Keep how one is made, by the name of its resource."""
        self._settings = settings
        self._make = make
        self._made: dict[str, Broker] = {}

    def asked(self, grant: leases.Grant) -> tuple[Asked, Level]:
        """Give what policy sees of a grant, and its level. Raises: `ClientFault` for what is not configured."""
        row = self._settings.resources.get(grant.resource)
        level = row.level(grant.level) if row is not None and row.backend == grant.backend else None
        if row is None or level is None:
            raise ClientFault(
                f"There is no {grant.name} to have a lease on.",
                advice=f"Describe it in poundlock.toml: [resources.{grant.resource}] with its levels.",
            )
        return Asked(grant=grant, tier=row.tier, environment=row.environment, writes=level.writes), level

    def minutes(self, resource: str) -> int:
        """Give how long a lease on a resource lasts at the most."""
        return self._settings.resources[resource].minutes

    def broker(self, resource: str) -> Broker:
        """Give the broker of a resource. Raises: `ConfigFault`."""
        found = self._made.get(resource)
        if found is None:
            if resource not in self._settings.resources:
                raise ConfigFault(
                    f"The resource {resource} is not in the configuration any more, and a lease on it is open.",
                    advice="Put it back until `poundlock leases` shows none.",
                )
            found = self._made[resource] = self._make(resource)
        return found

    async def close(self) -> None:
        """Close those that were made."""
        for broker in self._made.values():
            await broker.close()


class Leasing:
    """One object a worker; called once a request to `PATH`."""

    def __init__(
        self,
        *,
        settings: Settings,
        callers: Callers,
        brokers: Brokers,
        store: Leases,
        ledger: Ledger,
        desk: Desk,
        approvals: Approvals,
        vault: Vault,
        snapshots: Snapshots,
        clock: Clock,
    ) -> None:
        """Join the parts."""
        self._settings = settings
        self._callers = callers
        self._brokers = brokers
        self._store = store
        self._ledger = ledger
        self._desk = desk
        self._approvals = approvals
        self._vault = vault
        self._snapshots = snapshots
        self._clock = clock

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Answer one request."""
        try:
            status, body = await self._answer(request)
        except Waits as fault:
            body = {"error": {"message": f"Poundlock: {fault.message}", "advice": fault.advice, "approval": fault.id}}
            status = 409
        except Fault as fault:
            status = 503 if isinstance(fault, UpstreamFault) else 400 if isinstance(fault, ClientFault) else 500
            body = {"error": {"message": f"Poundlock: {fault.message}", "advice": fault.advice}}
        await respond.start(status, [("content-type", "application/json"), ("cache-control", "no-store")])
        await respond.send(msgspec.json.encode(body))
        await respond.end()

    async def _answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        if request.fault is not None:
            raise request.fault
        principal = await self._task(request)
        if request.method == "DELETE":
            return await self._back(request.path.removeprefix(f"{PATH}/"), principal)
        if request.method != "POST" or request.path != PATH:
            raise ClientFault("This is no question for a lease.", advice=f"POST {PATH}, or DELETE {PATH}/ID.")
        try:
            wish = msgspec.json.decode(request.body, type=Wish)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ClientFault(
                "The question for a lease can't be read.", advice='For example: {"grant": "postgres:orders:read"}'
            ) from None
        return await self._given(leases.grant(wish.grant), wish.seconds, principal)

    async def _task(self, request: Request) -> Principal:
        """Give the task that asks, by its own credential and nothing else. Raises: `ClientFault`."""
        bound = Bound(method=request.method, url=f"http://{request.header_map.get('host', '')}{request.raw_path}")
        admission = (
            await self._callers.admit(request.token, request.header_map, request.peer, bound) if request.token else None
        )
        if admission is None or admission.principal.authenticated not in {"task", "token"}:
            raise ClientFault(
                "Only a task has leases.", advice="Start the tool with `poundlock run --grant … -- TOOL`."
            )
        return admission.principal

    async def _back(self, id_: str, principal: Principal) -> tuple[int, dict[str, Any]]:
        """Take a lease back that its own task needs no more."""
        held = self._store.find(id_)
        if held is None or held.lease.task != principal.task:
            raise ClientFault("This task has no such lease.", advice="`poundlock leases` shows them all.")
        done = await end(held, "The task gave it back.", self._store, self._brokers)
        return (200 if done else 202), {"lease": id_, "state": "ended" if done else "ending"}

    async def _given(self, grant: leases.Grant, seconds: int, principal: Principal) -> tuple[int, dict[str, Any]]:
        asked, level = self._brokers.asked(grant)
        now = self._clock.now()
        own = (await self._callers.standings(principal.task))[0].task
        id_ = uuid.uuid4().hex[:12]
        lease = Lease(
            id=id_,
            task=principal.task,
            tool=principal.tool,
            human=principal.human,
            owner=principal.owner,
            backend=grant.backend,
            resource=grant.resource,
            level=grant.level,
            handle=leases.handle(id_, principal.task),
            opened=now,
            expires=leases.life(self._brokers.minutes(grant.resource), seconds, now, own.expires),
        )
        answer = self._snapshots.current.policies.lease(principal, asked, self._settings.profile)
        if answer.rung is Rung.LEASE_APPROVED:
            lease = msgspec.structs.replace(lease, approval=await self._consent(lease, principal, answer))
        elif answer.rung is not Rung.LEASE:
            why = " ".join(reason.reason for reason in answer.reasons if reason.effect == "forbid")
            await self._store.used(lease, {"event": "refused", "why": why, "policies": _policies(answer)})
            raise ClientFault(why or "No policy permits it.", advice=" ".join(answer.advice))
        broker = self._brokers.broker(grant.resource)
        await self._store.ask(lease)
        try:
            minted = await broker.mint(lease, level)
            kept = await self._store.live(lease, minted.serial)
        except BaseException as fault:
            # Whatever was made of it has the lease's name, and goes at once; a crash here leaves it to the reaper.
            held = self._store.find(lease.id)
            if held is not None:
                await asyncio.shield(end(held, "It could not be made.", self._store, self._brokers))
            if isinstance(fault, Fault) or not isinstance(fault, Exception):
                raise
            raise UpstreamFault("The broker failed.", advice="`poundlock audit` has the records.") from None
        if not kept:
            raise ClientFault("The lease was ended while it was made.", advice="Ask again.")
        if not await self._stands(principal):
            held = self._store.find(lease.id)
            if held is not None:
                await end(held, "The task was ended.", self._store, self._brokers)
            raise ClientFault("The task was ended.", advice="Start the tool again with `poundlock run -- TOOL`.")
        if (seen := self._ledger.seen(principal.tool)) is not None and seen.tool.privilege == "drafts":
            await self._ledger.raise_privilege(principal.tool, "holds")
        return 200, _told(lease, minted)

    async def _stands(self, principal: Principal) -> bool:
        standings = await self._callers.standings(principal.task)
        return tasks.refused(standings, now=self._clock.now()) is None

    async def _consent(self, lease: Lease, principal: Principal, answer: CallAnswer) -> str:
        """Give the approval that admits this lease, used now, or ask for one. Raises: `ClientFault`."""
        name = lease.grant.name
        key = await self._vault.scope_key(principal.human)
        need = surrogates.fingerprint(f"lease\0{name}\0{principal.tool}", key)
        needs = Needs(values=(need,), kinds=((f"lease {name}"[:80], 1),))
        place = Destination(name=f"{lease.backend}:{lease.resource}", vendor="resource", plan=lease.level)
        conversation = surrogates.fingerprint(f"leases\0{principal.tool}", key)
        found = self._desk.call(principal, conversation, place, needs)
        if found.admitted:
            await self._desk.use((found.id,), lease.id)
            return found.id
        waiting = self._approvals.find(found.id) if found.id else None
        if waiting is not None:
            raise Waits(name, waiting.id)
        why = " ".join(reason.reason for reason in answer.reasons if reason.effect == "forbid")
        await self._store.used(
            lease, {"event": "refused", "why": why, "policies": _policies(answer), "approval": found.id}
        )
        if not found.id:
            raise ClientFault("A person denied this lately.", advice="`poundlock approve` says what and why.")
        await self._desk.ask_call(
            needs,
            answer,
            principal,
            conversation,
            place,
            id=found.id,
            exchange=lease.id,
            excerpt=f"a lease on {name} for {principal.tool}, for {self._brokers.minutes(lease.resource)} minutes",
        )
        raise Waits(name, found.id)


class Reaper:
    """Ends leases whose task, tool, person or time has ended, for as long as a worker runs. One a worker."""

    def __init__(
        self, store: Leases, brokers: Brokers, register: Callable[[], Register], clock: Clock, grace: int
    ) -> None:
        """Join the parts; `register` opens the register when it is first asked."""
        self._store = store
        self._brokers = brokers
        self._register = register
        self._known: Register | None = None
        self._clock = clock
        self._grace = grace

    async def watch(self) -> None:
        """Look after each change of the register, and from time to time anyway. The first look is at the start."""
        loop = asyncio.get_running_loop()
        looked, seen = -LOOK, -2
        while True:
            with contextlib.suppress(Fault):  # a file that fails now is looked at again in a moment
                self._known = self._known or self._register()
                revision = self._known.revision()
                if revision != seen or loop.time() - looked >= LOOK:
                    seen, looked = revision, loop.time()
                    await self.look()
            await asyncio.sleep(TICK)

    async def look(self) -> int:
        """End what is over, once. Gives how many were ended."""
        known = self._known = self._known or self._register()
        now = self._clock.now()
        due: list[tuple[Held, str]] = []
        for held in self._store.open():
            why = tasks.refused(known.by_id(held.lease.task), now=now, grace=self._grace)
            reason = leases.over(held, why.message if why else "", now)
            if reason:
                due.append((held, reason))
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(held: Held, reason: str) -> bool:
            async with turn:
                return await end(held, reason, self._store, self._brokers)

        return sum(await asyncio.gather(*(one(held, reason) for held, reason in due)))


async def end(held: Held, reason: str, store: Leases, brokers: Brokers) -> bool:
    """Take one lease and unmake its credential, on record; False when it must be tried again, or another does it."""
    taken = await store.claim(held.lease.id, reason)
    if taken is None:
        return False
    try:
        await brokers.broker(taken.lease.resource).revoke(taken.lease)
    except Fault as fault:
        await store.failed(taken, fault.message)
        return False
    except Exception:  # noqa: BLE001 (whatever a broker's library raises: it is tried again, and its words stay unsaid)
        await store.failed(taken, "The broker failed.")
        return False
    await store.ended(taken)
    return True


class Counter:
    """A handler with the broker's desk beside it."""

    def __init__(self, leasing: Leasing, inner: Handler) -> None:
        """Lead `PATH` to the desk and everything else, WebSockets too, to `inner`."""
        self._leasing = leasing
        self._inner = inner
        self.socket = getattr(inner, "socket", None)

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Take one request to its end."""
        own = request.provider is None and (request.path == PATH or request.path.startswith(f"{PATH}/"))
        await (self._leasing if own else self._inner)(request, respond)


def _policies(answer: CallAnswer) -> list[str]:
    return [reason.policy for reason in answer.reasons]


def _told(lease: Lease, minted: Minted) -> dict[str, Any]:
    variables: Mapping[str, str] = minted.variables
    return {
        "lease": lease.id,
        "grant": lease.grant.name,
        "handle": lease.handle,
        "expires": lease.expires // leases.SECOND,
        "variables": dict(variables),
        "files": dict(minted.files),
    }
