"""Who is calling: a credential of the file, a task's credential, a signed token with its proof, or nobody but a place.

It joins answers and holds no rule of its own: those are in `core/identity`. INVARIANT: every call asks the register
anew, so that what was revoked anywhere is refused everywhere with the next call, and open exchanges within moments.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol, TypeVar

from poundlock.core.errors import ClientFault, Fault
from poundlock.core.identity import claims, registry, tasks
from poundlock.core.model import Principal, Reach
from poundlock.core.tools import UNREGISTERED, claimed
from poundlock.ports import Admission, Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from poundlock.core.identity.registry import Refusal, Tool
    from poundlock.core.identity.tasks import Standing
    from poundlock.ports import Clock, Identity, Processes, Proofs, Register, Signatures

T = TypeVar("T")

LOOPBACK = frozenset({"127.0.0.1", "::1", ""})
TICK = 0.2
"""Seconds between two looks at whether something was revoked."""
LOOK = 2.0
"""Seconds after which open exchanges are looked at anyway: a task's time may be over."""
_PROOF = "dpop"


class Refused(ClientFault):
    """A caller that is known, and refused: `about` is who, for the record."""

    def __init__(self, why: Refusal, about: Mapping[str, object]) -> None:
        """Tell why; the status is a client's fault."""
        super().__init__(why.message, advice=why.advice)
        self.about = dict(about)


class Credential(Protocol):
    """What the file of credentials knows of one."""

    @property
    def human(self) -> str:
        """Whose it is."""

    @property
    def tool(self) -> str:
        """The tool that it registers, or `unregistered`."""

    @property
    def team(self) -> str:
        """The team of its holder."""

    @property
    def task(self) -> str:
        """The task that it was made for, if any."""


class Credentials(Protocol):
    """The file of credentials."""

    def find(self, token: str) -> Credential | None:
        """Give the credential of this token."""

    def holds(self, digest: str) -> bool:
        """Tell whether the credential with this digest is still there."""

    def stamp(self) -> Hashable:
        """Give what changes with the file."""

    def digest(self, token: str) -> str:
        """Give the digest of a token."""


class Callers:
    """`Identity` on one machine. `register` gives the register, opened at the first call with a patience in seconds."""

    def __init__(
        self,
        *,
        credentials: Credentials,
        register: Callable[[float], Register],
        signatures: Callable[[], Signatures],
        proofs: Proofs,
        processes: Processes | None,
        clock: Clock,
        issuer: str,
        human: str,
        open_loopback: bool,
        grace: int = registry.GRACE,
    ) -> None:
        """Join the adapters. `human` is whose gateway this is; `open_loopback` lets local callers in without more."""
        self._credentials = credentials
        self._register = register
        self._signatures = signatures
        self._signing: Signatures | None = None
        self._proofs = proofs
        self._processes = processes
        self._clock = clock
        self._issuer = issuer
        self._human = human
        self._open = open_loopback
        self._grace = grace
        self._quick: Register | None = None
        self._patient: Register | None = None

    async def authenticate(
        self, token: str | None, headers: Mapping[str, str], peer: str, asked: Asked | None = None
    ) -> Principal | None:
        """Give the principal behind a credential, or behind its absence where that is allowed."""
        admission = await self.admit(token, headers, peer, asked)
        return None if admission is None else admission.principal

    async def admit(
        self, token: str | None, headers: Mapping[str, str], peer: str, asked: Asked | None = None
    ) -> Admission | None:
        """Do the same, and give what `withdrawn` needs. Raises: `Refused`, `ClientFault`."""
        tool = claimed(headers.get("user-agent", ""))
        if token is None:
            return await self._place(tool, peer, asked or Asked())
        if "." in token:
            return await self._signed(token, headers, asked or Asked())
        digest = self._credentials.digest(token)
        credential = self._credentials.find(token)
        if credential is not None:
            return await self._of_file(credential, tool, digest)
        standings = await self._ask(lambda register: register.by_credential(digest))
        if not standings or standings[0].task.key:
            return None  # a credential that is bound to a key comes as a token with its proof, never as itself
        return Admission(principal=self._acting(standings, "task"), digest=digest)

    async def revision(self) -> Hashable:
        """Give something that changes with every change of the register, and of the file of credentials."""
        return await self._ask(lambda register: register.revision()), self._credentials.stamp()

    async def withdrawn(self, admission: Admission) -> Refusal | None:
        """Say why a caller that was let in may not go on, or None."""
        principal = admission.principal
        if principal.authenticated in {"task", "token"}:
            denied = bool(admission.token) and await self._ask(lambda register: register.denied(admission.token))
            if denied:
                return registry.Refusal(message="The token was revoked.")
            standings = await self._ask(lambda register: register.by_id(principal.task))
            return tasks.refused(standings, now=self._clock.now(), grace=self._grace)
        if principal.authenticated == "credential" and not self._credentials.holds(admission.digest):
            return registry.Refusal(message="The credential was ended.")
        _, why = await self._known(principal.human, principal.tool)
        return why

    async def standings(self, task: str) -> tuple[Standing, ...]:
        """Give how a task stands now, then each of its parents."""
        return await self._ask(lambda register: register.by_id(task))

    async def _place(self, tool: str, peer: str, asked: Asked) -> Admission | None:
        """Let in who reaches the loopback address, where that is enough; what is known of them is a claim."""
        if not self._open or peer not in LOOPBACK:
            return None
        entry, why = await self._known(self._human, tool)
        principal = Principal(
            human=self._human,
            owner=self._human,
            tool=tool,
            authenticated="loopback",
            state=entry.state if entry else "",
            privilege=entry.privilege if entry else "",
            process=await self._process(asked),
        )
        if why is not None:
            raise Refused(why, _about(principal))
        return Admission(principal=principal)

    async def _process(self, asked: Asked) -> str:
        if self._processes is None or not asked.peer_port:
            return ""
        return await self._processes.holder(asked.peer_port, asked.own_port)

    async def _of_file(self, credential: Credential, claim: str, digest: str) -> Admission:
        """Let in the holder of a credential of the file."""
        named = credential.tool != UNREGISTERED
        tool = credential.tool if named else claim
        entry, why = await self._known(credential.human, tool)
        principal = Principal(
            human=credential.human,
            owner=entry.owner if entry and named else credential.human,
            team=credential.team,
            task=credential.task,
            tool=tool,
            tool_claimed=not named,
            authenticated="credential",
            state=entry.state if entry else "",
            privilege=entry.privilege if entry else "",
            reach=entry.reach if entry and named else Reach(),
        )
        if why is not None:
            raise Refused(why, _about(principal))
        return Admission(principal=principal, digest=digest)

    async def _signed(self, token: str, headers: Mapping[str, str], asked: Asked) -> Admission:
        """Let in the holder of a signed token, and of the key that it is bound to."""
        now = self._clock.now()
        signing = self._signing = self._signing or self._signatures()
        said = claims.read(signing.claims(token), issuer=self._issuer, now=now)
        if said.key:
            shown = headers.get(_PROOF, "")
            if not shown or "," in shown:
                raise ClientFault("The token is bound to a key.", advice="Send one proof of it (RFC 9449) in `DPoP`.")
            await self.proven(shown, asked, token="" if asked.bare else signing.digest(token), key=said.key)
        if await self._ask(lambda register: register.denied(said.id)):
            raise ClientFault("The token was revoked.", advice="Ask for a new one.")
        standings = await self._ask(lambda register: register.by_id(said.task))
        principal = self._acting(standings, "token")
        task = standings[0].task
        if (task.key, task.human, task.tool, task.tool_epoch) != (said.key, said.human, said.tool, said.epoch):
            raise ClientFault("The token and its task don't agree.", advice="Ask for a new one.")
        return Admission(principal=principal, token=said.id)

    async def proven(self, shown: str, asked: Asked, *, token: str = "", key: str = "") -> tuple[str, str]:
        """Give the id and the key of a proof that is good here and now, and was not used before.

        `token` is the hash of the token that it must go with, `key` the thumbprint that its key must have; empty for
        any. Raises: `ClientFault`.
        """
        signing = self._signing = self._signing or self._signatures()
        now = self._clock.now()
        said, found = signing.proof(shown)
        if key and found != key:
            raise ClientFault("The proof is of another key than the token's.", advice="Ask for a token of your own.")
        id_ = claims.proof(said, method=asked.method, url=asked.url, token=token, now=now)
        if not self._proofs.first(f"{found} {id_}", now + 2 * claims.PROOF_AGE * claims.SECOND):
            raise ClientFault("This proof was used before.", advice="Make one for each request.")
        return id_, found

    def _acting(self, standings: tuple[Standing, ...], how: str) -> Principal:
        """Give the principal of a task that stands. Raises: `Refused`."""
        why = tasks.refused(standings, now=self._clock.now(), grace=self._grace)
        if why is not None or not standings:
            raise Refused(why or registry.Refusal(message="?"), standings[0].task.about if standings else {})
        task, tool = standings[0].task, standings[0].tool
        return Principal(
            human=task.human,
            owner=tool.owner if tool else "",
            team=task.team,
            task=task.id,
            tool=task.tool,
            scopes=task.scopes,
            tool_claimed=tool is None or tool.state != "active",
            authenticated=how,
            state=tool.state if tool else "",
            privilege=tool.privilege if tool else "",
            chain=task.chain,
            repository=task.repository,
            reach=tasks.reach(task, [standing.tool for standing in standings]),
        )

    async def _known(self, human: str, tool: str) -> tuple[Tool | None, Refusal | None]:
        """Give a tool's entry, and why this person with this tool is refused."""

        def ask(register: Register) -> tuple[Tool | None, Refusal | None]:
            why = registry.person_refused(register.person(human), register.person(registry.EVERYBODY))
            seen = register.tool(tool)
            if why is not None or seen is None:
                return (seen.tool if seen else None), why
            owner = register.person(seen.tool.owner) if seen.tool.owner else None
            return seen.tool, registry.tool_refused(seen.tool, owner, now=self._clock.now(), grace=self._grace)

        return await self._ask(ask)

    async def _ask(self, question: Callable[[Register], T]) -> T:
        """Ask here, at once; in a thread, with patience, where the file is locked or just being made."""
        try:
            if self._quick is None:
                self._quick = self._register(0.0)
            return question(self._quick)
        except Fault:
            return await asyncio.to_thread(self._ask_patiently, question)

    def _ask_patiently(self, question: Callable[[Register], T]) -> T:
        if self._patient is None:
            self._patient = self._register(5.0)
        return question(self._patient)


class Presence:
    """The exchanges under way in one worker, each with who it is for, so that a revocation ends them."""

    def __init__(self, identity: Identity) -> None:
        """Watch over the callers that `identity` lets in."""
        self._identity = identity
        self._open: dict[asyncio.Task[object], _Open] = {}

    async def admit(
        self, token: str | None, headers: Mapping[str, str], peer: str, asked: Asked | None = None
    ) -> Principal | None:
        """Authenticate the caller of the running exchange, and watch over it until `leave`."""
        before = await self._identity.revision()  # first: a revocation meanwhile is then seen as one
        admission = await self._identity.admit(token, headers, peer, asked)
        task = asyncio.current_task()
        if admission is None or task is None:
            return None
        self._open[task] = _Open(admission, before)
        task.add_done_callback(lambda done: self._open.pop(done, None))
        return admission.principal

    @property
    def revoked(self) -> bool:
        """Whether the running exchange was ended by a revocation."""
        entry = self._entry()
        return entry is not None and entry.why is not None

    def ended(self) -> Refused | None:
        """Take back the cancellation of the running exchange if a revocation was its only cause, and say which."""
        entry, task = self._entry(), asyncio.current_task()
        if entry is None or entry.why is None or task is None or task.uncancel():
            return None
        return Refused(entry.why, _about(entry.admission.principal))

    def leave(self) -> None:
        """Say that the running exchange is over."""
        task = asyncio.current_task()
        if task is not None:
            self._open.pop(task, None)

    def _entry(self) -> _Open | None:
        task = asyncio.current_task()
        return self._open.get(task) if task is not None else None

    async def watch(self) -> None:
        """End the exchanges of those that may not go on, for as long as this runs."""
        looked = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            with contextlib.suppress(Fault):  # a file that fails refuses every new exchange; the open ones go on
                everyone = loop.time() - looked > LOOK
                looked = loop.time() if everyone else looked
                await self.look(everyone=everyone)

    async def look(self, *, everyone: bool = True) -> None:
        """Look at the open exchanges once: all of them, or those let in before the last change."""
        if not self._open:
            return
        revision = await self._identity.revision()
        for task, entry in list(self._open.items()):
            if entry.why is not None or not (everyone or entry.revision != revision):
                continue
            entry.why = await self._identity.withdrawn(entry.admission)
            entry.revision = revision
            if entry.why is not None and not task.done():
                task.cancel()


class _Open:
    """An exchange under way."""

    __slots__ = ("admission", "revision", "why")

    def __init__(self, admission: Admission, revision: Hashable) -> None:
        self.admission = admission
        self.revision = revision
        self.why: Refusal | None = None


def _about(principal: Principal) -> dict[str, object]:
    return {"human": principal.human, "tool": principal.tool, "owner": principal.owner, "task": principal.task}
