"""THE STRAIGHT LINE: one request from socket to upstream and back, readable top to bottom.

It awaits and joins; it holds no detection and no policy. Whatever goes wrong refuses, in the client's own error
shape, with a reason and a next step (HTTP 400: clients retry others). INVARIANT: the connection upstream is not used
before `log.commit` has returned.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core import declared, pipeline, surrogates
from poundlock.core.approvals import NOTHING
from poundlock.core.budgets import Who
from poundlock.core.errors import ClientFault, Fault, UpstreamFault
from poundlock.core.model import Context, Document, Draft, Rung, ScopeKey
from poundlock.core.ruling import LEAVES
from poundlock.core.stream import Homeward
from poundlock.gateway import http, posture
from poundlock.gateway.accounts import Accounts
from poundlock.gateway.advice import Advice
from poundlock.gateway.approvals import Desk, Unanswered
from poundlock.gateway.auth import Presence, Refused
from poundlock.gateway.way_home import Held, WayHome
from poundlock.gateway.ways import asked
from poundlock.ports import Entry
from poundlock.wire import registry
from poundlock.wire.base import EVENT_STREAM
from poundlock.wire.body import renamed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poundlock.config import Settings
    from poundlock.core.conversation import Memo
    from poundlock.core.model import Principal, Snapshot, Surrogate
    from poundlock.core.pipeline import Verdict
    from poundlock.core.register import Register
    from poundlock.gateway.attachments import Attachments
    from poundlock.gateway.http import Request, Respond
    from poundlock.gateway.snapshot import Snapshots
    from poundlock.gateway.ways import Way
    from poundlock.ports import Approvals, AuditLog, Clock, Identity, Signer, Tallies, Upstream, Vault
    from poundlock.wire.base import Body
    from poundlock.wire.passages import Passages

INLINE_BODY = 262_144
"""Bodies with up to so many bytes of new text are inspected on the event loop; longer work goes to a thread."""
INLINE_KNOWN = 4_194_304
"""The largest body that is inspected there because most of it was inspected before."""
CONVERSATIONS = 1024
"""Of how many conversations the size of the last body is remembered."""
SENT = LEAVES
"""The rungs on which an exchange leaves."""


class Judged(NamedTuple):
    """A verdict that is on record, with all that it was reached with."""

    verdict: Verdict
    context: Context
    snapshot: Snapshot
    key: ScopeKey


class Exchange(WayHome):
    """One object a worker; called once a request."""

    def __init__(
        self,
        *,
        settings: Settings,
        snapshots: Snapshots,
        vault: Vault,
        log: AuditLog,
        upstream: Upstream,
        identity: Identity,
        clock: Clock,
        register: Register,
        memo: Memo,
        passages: Passages,
        attachments: Attachments,
        approvals: Approvals,
        tally: Tallies,
        keys: Mapping[str, str],
        signer: Signer | None = None,
        new_id: Callable[[], str],
    ) -> None:
        """Join the adapters. `keys` are the provider keys that Poundlock holds, by provider name."""
        self.settings = settings
        self.snapshots = snapshots
        self.vault = vault
        self.log = log
        self.upstream = upstream
        self.identity = identity
        self.presence = Presence(identity)
        self.clock = clock
        self.register = register
        self.memo = memo
        self.passages = passages
        self.attachments = attachments
        self.keys = keys
        self.tally = tally
        self.accounts = Accounts(settings, keys)
        self.declared = posture.declarations(settings)
        self.signer = signer
        self.new_id = new_id
        self.advice = Advice()
        self.desk = Desk(approvals, settings, clock, upstream, new_id)
        self._sizes: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Take one request to its end: an answer, or a refusal. A client that goes away cancels this call."""
        held = Held(self.new_id(), registry.shape(request.raw_path, request.header_map, self._format(request.provider)))
        try:
            await self._line(request, respond, held)
        except UpstreamFault as fault:
            await self._refuse(respond, held, fault.message, fault.advice, status=fault.status)
        except Unanswered as fault:  # that is on record already
            await self._refuse(respond, held, fault.message, fault.advice)
        except Fault as fault:
            await self._record_refusal(held, fault)
            await self._refuse(respond, held, fault.message, fault.advice)
        except asyncio.CancelledError:
            if (why := self.presence.ended()) is None:
                raise
            await self._record_refusal(held, why)
            await self._refuse(respond, held, why.message, why.advice)
        except Exception as error:  # noqa: BLE001 (promise 6: whatever it is, nothing may leave)
            own = Fault("Poundlock met an error of its own and sent nothing.", advice="Run `poundlock doctor`.")
            await self._record_refusal(held, own, type(error).__name__)
            await self._refuse(respond, held, own.message, own.advice)
        finally:
            self.presence.leave()

    async def _line(self, request: Request, respond: Respond, held: Held) -> None:
        """Follow the line."""
        principal = await self._caller(request)
        way = self._way(request)
        self._check_signature(way, principal, request)
        held.account = self.accounts.sign(way.name, request.header_map, principal)
        body = await self.attachments.read(self._decode(way, request, principal.human))
        judged = await self._judged(body, way, principal, held, len(request.body))
        if judged.verdict.decision.rung is Rung.SEND_APPROVED:
            await self._admitted(judged, way, respond, held)
            judged = await self._judged(body, way, principal, held, len(request.body))
        verdict, context, key = judged.verdict, judged.context, judged.key
        if verdict.decision.rung not in SENT:
            await self._stopped(respond, held, verdict)
            return
        sent = body.encode(verdict.texts) if request.body else None
        moved = verdict.decision.rung is Rung.SEND_LOCAL
        if moved:
            way = self._moved(way)
            sent = renamed(sent, self._model_inside(body.document.model)) if sent is not None else None
        headers = http.forwarded(request.headers, self._credential(way, principal), anonymous=moved)
        if way.provider.sign and self.signer is not None:
            headers = await self.signer.sign(request.method, self._url(way, request), headers, sent)
        home = self._homeward(held, verdict, judged.snapshot, context, key)
        home.follow = key if body.document.stored and verdict.issued else None
        try:
            response = await self.upstream.send(request.method, self._url(way, request), headers, sent)
            try:
                self.accounts.learn(way.name, held.account, response.headers)
                await self._home(way, response, respond, home)
            finally:
                await response.close()
        except UpstreamFault:
            home.ended = "upstream broke"
            raise
        finally:
            home.ended = "revoked" if self.presence.revoked else home.ended
            self._close_record(home)

    async def _caller(self, request: Request) -> Principal:
        """Say who calls. Raises: `ClientFault` for a request that can't be read, and for a caller whom nobody knows."""
        if request.fault is not None:
            raise request.fault
        principal = await self.presence.admit(request.token, request.header_map, request.peer, asked(request))
        if principal is None:
            raise ClientFault(
                "Poundlock does not know this caller.",
                advice="Start the tool with `poundlock run -- TOOL`, or give it a credential from `poundlock init`.",
            )
        return principal

    async def _judged(
        self,
        body: Body,
        way: Way,
        principal: Principal,
        held: Held,
        size: int,
        issued: Mapping[str, Surrogate] | None = None,
        *,
        movable: bool = True,
    ) -> Judged:
        """Inspect a decoded body and put the verdict on record; once this returns, what it permits may leave.

        `issued` are surrogates of this caller that are known besides those of the vault; `movable` says whether it
        could go to a model inside the boundary instead.
        """
        self._check_hosted(way, body.document)
        snapshot = self.snapshots.current
        key = await self.vault.scope_key(principal.human)
        destination = self.accounts.corrected(self._destination(way, body.document), held.account)
        repository = principal.repository
        who = Who(principal.human, principal.tool, destination.name, repository)
        conversation = surrogates.fingerprint(body.document.conversation, key)
        remembered = await self.vault.remembered(key.scope, conversation)
        inside = self._inside(way) if movable else None
        taken = posture.of(self.settings, principal, way.name, self._day())
        context = Context(
            principal=principal,
            destination=destination,
            issued={**(issued or {}), **{surrogate.text: surrogate for surrogate in remembered.issued}},
            refused=remembered.refused,
            labels=tuple(sorted(remembered.labels)),
            repository=repository,
            standing=self.desk.standing(principal, conversation, destination),
            local=self._destination(inside, body.document) if inside else None,
            mode=taken.mode,
            trial=taken.trial,
            environment=taken.environment,
            account=self.accounts.whose(way.name, held.account, repository),
            budgets=await self.tally.used_up(who),
            declared=declared.of(self.declared, repository),
            file_names=self.settings.audit.file_names,
        )
        verdict = await self._inspect(body, context, snapshot, key, held, size)
        await self.desk.use(verdict.used, held.id)
        await self.log.commit(
            Entry(
                draft=verdict.draft,
                scope=key.scope,
                conversation=conversation,
                surrogates=verdict.fresh,
                refused=verdict.refused,
                labels=tuple(label for label in verdict.facts.labels if label not in remembered.labels),
            )
        )
        return Judged(verdict, context, snapshot, key)

    async def _admitted(self, judged: Judged, way: Way, respond: Respond | None, held: Held) -> None:
        """Hold the exchange until a person admits it, with signs of life for a client that waits for a stream.

        A message of a WebSocket (no `respond`) is not held, but refused with the approval's id.

        Raises: `Unanswered`; what was typed is then taken for refused, and the conversation can go on without it.
        """
        verdict, context, key = judged.verdict, judged.context, judged.key
        document = verdict.document
        conversation = surrogates.fingerprint(document.conversation, key)

        def signs() -> bytes:
            if respond is None or not document.stream or not way.wire.waiting:
                return b""
            if held.broken is None:
                codec = way.wire.stream(way.route, EVENT_STREAM, Homeward({}, lambda *_: False, None))
                held.broken = lambda text: codec.broken(way.wire.broken(text, code="poundlock_refused"))
            return way.wire.waiting

        try:
            asked = await self.desk.ask(
                verdict, context.principal, conversation, context.destination, context.standing or NOTHING
            )
            await self.desk.wait(asked, held.id, signs, respond)
        except Unanswered:
            body = {"conversation": conversation, "refused": len(verdict.typed)}
            draft = Draft(kind="unanswered", id=held.id, at=self.clock.now(), body=body)
            await self.log.commit(Entry(draft=draft, scope=key.scope, conversation=conversation, refused=verdict.typed))
            raise

    async def _inspect(
        self, body: Body, context: Context, snapshot: Snapshot, key: ScopeKey, held: Held, size: int
    ) -> Verdict:
        """Inspect here, or in a thread where it would keep other exchanges waiting."""

        def work() -> Verdict:
            return pipeline.inspect(body.document, context, snapshot, key, self.clock.now(), id=held.id, memo=self.memo)

        # Agents resend the whole conversation: what is not longer than the last time by much is known by now.
        about = (key.scope, body.document.conversation, snapshot.digest)
        before = self._sizes.pop(about, 0) if size <= INLINE_KNOWN else 0
        verdict = work() if size - before <= INLINE_BODY else await asyncio.to_thread(work)
        self._sizes[about] = size
        if len(self._sizes) > CONVERSATIONS:
            self._sizes.popitem(last=False)
        return verdict

    async def _stopped(self, respond: Respond, held: Held, verdict: Verdict) -> None:
        """Tell the client what was stopped, why, and what to do instead."""
        decision = verdict.decision
        # What weighs most stands first; `poundlock explain` tells the rest.
        why = next((reason.reason for reason in decision.reasons if reason.reason), "Policy stopped this request.")
        await self._refuse(respond, held, why, next(iter(decision.advice), ""))

    async def _record_refusal(self, held: Held, fault: Fault, error: str = "") -> None:
        """Put on record what was refused before it was inspected; it is refused all the same if that fails."""
        body: dict[str, object] = {
            "provider": held.wire.provider,
            "message": fault.message,
            "advice": fault.advice,
            "error": error,
        }
        body |= {"who": fault.about} if isinstance(fault, Refused) else {}
        with contextlib.suppress(Fault):
            await self.log.commit(Entry(draft=Draft(kind="refused", id=held.id, at=self.clock.now(), body=body)))

    async def _refuse(self, respond: Respond, held: Held, message: str, advice: str, status: int = 400) -> None:
        """Answer in the provider's own error shape; where an answer has begun already, end it."""
        if respond.started and held.broken is None:
            await respond.abort()
            return
        text = " ".join(part for part in ("Poundlock:", message, advice, f"(poundlock explain {held.id})") if part)
        if held.broken is not None and respond.started:
            await respond.send(held.broken(text))
            await respond.end()
            return
        body = held.wire.refusal(status, text, code="poundlock_refused")
        headers = [
            ("content-type", "application/json"),
            *([("x-should-retry", "false")] if status == 400 else []),
            ("x-poundlock-decision", held.id),
        ]
        await respond.start(status, headers)
        await respond.send(body)
        await respond.end()

    def _decode(self, way: Way, request: Request, scope: str) -> Body:
        """Decode the body; the query's values are inspected with it."""
        if request.body and not http.is_json(request.headers):
            raise ClientFault(
                "The body's content type is not JSON in UTF-8.", advice="Send `content-type: application/json`."
            )
        if way.route.treatment == "inspect" and request.body:
            shelf = self.passages.shelf(scope)
            body = way.wire.decode_request(way.route, request.body, request.header_map, shelf)
        elif request.body:
            raise ClientFault("This route takes no body.", advice="See `poundlock doctor --coverage`.")
        else:
            body = registry.Empty(
                Document(
                    provider=way.wire.provider,
                    operation=way.route.operation,
                    conversation=way.route.conversation,
                    segments=(),
                )
            )
        self._search_query(request)
        return body

    def _search_query(self, request: Request) -> None:
        """Refuse a query that holds something: it can't be disguised without changing where the request goes."""
        for text in http.query_values(request.query):
            if self.snapshots.current.detector.detect(text):
                raise ClientFault(
                    "The request's address holds a sensitive value.", advice="Send it in a header or in the body."
                )
