"""The desk where an exchange waits for a person: it asks, shows signs of life, and tells how it ended.

It must never send anything to a provider, and never decide: what an answer admits is `core/approvals`. INVARIANT: an
exchange leaves this desk as approved only after the answer is durable, and a client that goes away takes its question
back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import msgspec

from poundlock.core import approvals
from poundlock.core.approvals import NOTHING, Wait
from poundlock.core.errors import ClientFault, Fault
from poundlock.core.gate import Consent

if TYPE_CHECKING:
    from collections.abc import Callable

    from poundlock.config import Settings
    from poundlock.core.approvals import Approval, Needs, Standing
    from poundlock.core.model import Destination, Principal
    from poundlock.core.pipeline import Verdict
    from poundlock.core.policy.decide import CallAnswer
    from poundlock.gateway.http import Respond
    from poundlock.ports import Approvals, Clock, Upstream

LOOK = 0.25
"""Seconds between two looks for an answer; any process may give it."""
SWEEP = 30.0
"""Seconds between two looks for what is over."""


class Unanswered(ClientFault):
    """Nobody admitted it: not in time, or not at all."""


class Desk:
    """One a worker."""

    def __init__(
        self, store: Approvals, settings: Settings, clock: Clock, upstream: Upstream, new_id: Callable[[], str]
    ) -> None:
        """Join what it needs; `upstream` is for the webhook."""
        self._store = store
        self._settings = settings.approvals
        self._clock = clock
        self._upstream = upstream
        self._new_id = new_id
        self._telling: set[asyncio.Task[None]] = set()

    def standing(self, principal: Principal, conversation: str, destination: Destination) -> Standing:
        """Say what was admitted in a conversation. Raises: `Fault`."""
        rows = self._store.of(principal.human)
        if not rows:
            return NOTHING
        place = approvals.place(destination)
        return approvals.standing(rows, conversation, principal.task, place, self._clock.now())

    async def use(self, ids: tuple[str, ...], exchange: str) -> None:
        """Use approvals for an exchange that is about to leave. Raises: `Fault`; it must not leave then."""
        if ids:
            await self._store.use(ids, exchange)

    async def ask(
        self, verdict: Verdict, principal: Principal, conversation: str, destination: Destination, standing: Standing
    ) -> Approval:
        """Ask what a verdict needs, on record. Raises: `Unanswered` for what was denied lately; `ClientFault`."""
        refused = {standing.denied[need] for need in verdict.needs.values if need in standing.denied}
        if refused:
            raise Unanswered(
                "A person denied this lately.",
                advice=f"Leave out what it was denied for: poundlock approve {min(refused)} says what and why.",
            )
        decision, now = verdict.decision, self._clock.now()
        asked = approvals.ask(
            principal,
            conversation,
            destination,
            verdict.needs,
            [reason.policy for reason in decision.reasons if reason.effect == "forbid"],
            next((reason.reason for reason in decision.reasons if reason.reason), ""),
            id=self._new_id()[:10],
            at=now,
            minutes=self._settings.minutes,
            needed=self._settings.needed,
        )
        until = now + self._settings.wait_seconds * approvals.SECOND
        wait = Wait(exchange=decision.id, process=os.getpid(), until=until)
        shown = approvals.excerpts(verdict.document, verdict.findings, verdict.needs)
        found = await self._store.ask(asked, shown, wait, limit=self._settings.open_questions)
        if found.id == asked.id:
            self._tell(found)
        return found

    def call(self, principal: Principal, conversation: str, destination: Destination, needs: Needs) -> Consent:
        """Say whether a tool call was admitted, and else the number of the question. Raises: `Fault`."""
        rows = self._store.of(principal.human)
        place, now = approvals.place(destination), self._clock.now()
        known = approvals.standing(rows, conversation, principal.task, place, now)
        (need,) = needs.values
        if need in known.admitted:
            return Consent(admitted=True, id=known.admitted[need])
        if need in known.denied:
            return Consent(admitted=False, id="")
        waiting = (
            row.id
            for row in rows
            if row.needs == needs.values
            and (row.conversation, row.destination) == (conversation, place)
            and approvals.expired(row, now).state == "pending"
        )
        return Consent(admitted=False, id=next(waiting, "") or self._new_id()[:10])

    async def ask_call(
        self,
        needs: Needs,
        answer: CallAnswer,
        principal: Principal,
        conversation: str,
        destination: Destination,
        *,
        id: str,  # noqa: A002 (the word that records use)
        exchange: str,
        excerpt: str,
    ) -> None:
        """Ask for a tool call that was refused meanwhile, on record. Raises: `ClientFault`, `Fault`."""
        now = self._clock.now()
        asked = approvals.ask(
            principal,
            conversation,
            destination,
            needs,
            [reason.policy for reason in answer.reasons if reason.effect == "forbid"],
            next((reason.reason for reason in answer.reasons if reason.reason), ""),
            id=id,
            at=now,
            minutes=self._settings.minutes,
            needed=self._settings.needed,
        )
        wait = Wait(exchange=exchange, process=os.getpid(), until=now, state="told")
        found = await self._store.ask(asked, (excerpt,), wait, limit=self._settings.open_questions)
        if found.id == asked.id and found.times == 1:
            self._tell(found)

    async def wait(
        self, approval: Approval, exchange: str, signs: Callable[[], bytes], respond: Respond | None
    ) -> None:
        """Wait for the answer. `signs` begins the answer where it must, and gives what keeps its stream alive.

        Without `respond` nobody would notice that the client goes away, so it is told the id at once.

        Raises: `Unanswered` when it was no, or when there was none in time.
        """
        loop = asyncio.get_running_loop()
        # Nobody answered while another exchange waited: this one is a retry, and a tool may send many of them.
        told = any(each.state == "told" for each in approval.waits)
        until = loop.time() + (0.0 if told or respond is None else self._settings.wait_seconds)
        quiet = max(self._settings.quiet_seconds, 0.25)
        sign = loop.time() + quiet
        try:
            while True:
                found = self._store.find(approval.id) or approval
                if found.state != "pending" or (now := loop.time()) >= until:
                    break
                if respond is not None and now >= sign and (data := signs()):
                    if not respond.started:
                        await respond.start(200, _head(exchange, approval.id))
                    await respond.send(data)
                    sign = now + quiet
                await asyncio.sleep(min(LOOK, until - now))
        except asyncio.CancelledError:
            with contextlib.suppress(Fault):
                await self._store.left(approval.id, exchange, "gone")
            raise
        if found.state in {"approved", "used"}:
            return
        if found.state == "pending":
            await self._store.left(approval.id, exchange, "told")
            raise Unanswered(
                f"A person has to approve this, and nobody has yet: approval {approval.id}.",
                advice=f"Have it approved (`poundlock approve {approval.id}`), then send it again.",
            )
        reason = next((said.reason for said in reversed(found.said) if not said.yes and said.reason), "")
        raise Unanswered(
            f"Approval {approval.id} was {found.state}{': ' + reason if reason else ''}.",
            advice="Leave out what it was asked for, and go on.",
        )

    async def watch(self) -> None:
        """End what is over, for as long as this runs."""
        while True:
            with contextlib.suppress(Fault):
                await self._store.sweep()
            await asyncio.sleep(SWEEP)

    def _tell(self, approval: Approval) -> None:
        """Tell the webhook, in the background: nobody waits for it, and it holds no value."""
        told = [(self._settings.webhook, message(approval))] if self._settings.webhook else []
        for by, url in self._settings.links.items():
            if by != approval.human:
                told.append((url, message(approval, self._settings.page.rstrip("/") + self._store.link(approval, by))))
        for url, body in told:
            task = asyncio.ensure_future(post(self._upstream, url, body))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)


async def post(upstream: Upstream, url: str, body: bytes) -> None:
    """Tell a webhook of an approval; where it does not answer, nobody is told, and the record is there anyway."""
    with contextlib.suppress(Fault, OSError, TimeoutError):
        async with asyncio.timeout(10):
            response = await upstream.send("POST", url, [("content-type", "application/json")], body)
            await response.close()


def message(approval: Approval, link: str = "") -> bytes:
    """Give what a webhook is told of a question, in the format that Slack takes: names and counts, no excerpt.

    `link` is good for one approver: it goes to that approver's own webhook, and to no other.
    """
    kinds = ", ".join(f"{count} × {kind}" for kind, count in approval.kinds)
    if approval.glass:
        text = f"{approval.human} broke the glass for {kinds} to {approval.destination} (approval {approval.id})."
    else:
        text = (
            f"{approval.human} ({approval.tool}) asks to send {kinds} to {approval.destination}. {approval.why} "
            f"Answer with: {link or f'poundlock approve {approval.id}'}"
        )
    return msgspec.json.encode({"text": text})


def _head(exchange: str, approval: str) -> list[tuple[str, str]]:
    return [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache"),
        ("x-should-retry", "false"),  # what ends this stream may be a refusal
        ("x-poundlock-decision", exchange),
        ("x-poundlock-approval", approval),
    ]
