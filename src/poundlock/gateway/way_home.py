"""The way home: what an answer meets between the upstream and the client, and the record that closes the exchange.

It is the second half of the straight line, and holds no policy: what may be restored and called is asked of the
snapshot. It must never give a client a piece before what a later request will need of it is durable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core import surrogates
from poundlock.core.accounts import NOBODY
from poundlock.core.errors import UpstreamFault
from poundlock.core.gate import Gate
from poundlock.core.model import Draft
from poundlock.core.stream import Homeward, StreamScanner
from poundlock.gateway import http
from poundlock.gateway.advice import told
from poundlock.gateway.consent import Calls
from poundlock.gateway.ways import Ways
from poundlock.ports import Entry
from poundlock.wire.base import EVENT_STREAM
from poundlock.wire.body import answered

if TYPE_CHECKING:
    from collections.abc import Callable

    from poundlock.core.calls import Action
    from poundlock.core.gate import Judged as JudgedCall
    from poundlock.core.model import Context, Match, ScopeKey, Sink, Snapshot, Surrogate
    from poundlock.core.pipeline import Verdict
    from poundlock.core.policy.decide import CallAnswer
    from poundlock.gateway.advice import Advice
    from poundlock.gateway.approvals import Desk
    from poundlock.gateway.http import Respond
    from poundlock.gateway.ways import Way
    from poundlock.ports import AuditLog, UpstreamResponse
    from poundlock.wire.base import Wire


class Held:
    """What is known of an exchange so far, for a refusal to say.

    `broken` gives what ends an answer that was begun while the exchange waited for a person, from words.
    """

    __slots__ = ("account", "broken", "id", "wire")

    def __init__(self, id: str, wire: Wire) -> None:  # noqa: A002 (the word that records use)
        """Begin: nothing was told to the client yet."""
        self.id = id
        self.wire = wire
        self.account = NOBODY
        self.broken: Callable[[str], bytes] | None = None


class Home:
    """An answer's way home so far, for its closing record."""

    def __init__(self, held: Held, verdict: Verdict, homeward: Homeward, scanner: StreamScanner | None) -> None:
        """Begin: nothing has arrived yet."""
        self.scanner = scanner
        self.held = held
        self.verdict = verdict
        self.homeward = homeward
        self.follow: ScopeKey | None = None  # whose answer it is, as long as a later request may name it
        self.status = 0
        self.ended = "client gone"
        self.received = 0
        self.given = 0
        self.calls: Calls | None = None

    async def settle(self) -> None:
        """Put on record what people were asked about the answer's calls, before the client gets them."""
        if self.calls is not None and self.calls.open:
            await self.calls.settle()

    async def give(self, respond: Respond, chunk: bytes) -> None:
        """Send a piece to the client, if there is one."""
        if chunk:
            if self.calls is not None and self.calls.open:  # asked for each piece: a call less
                await self.settle()
            self.given += len(chunk)
            await respond.send(chunk)


class WayHome(Ways):
    """The part of an exchange that brings its answer home."""

    log: AuditLog
    desk: Desk
    advice: Advice

    def _homeward(self, held: Held, verdict: Verdict, snapshot: Snapshot, context: Context, key: ScopeKey) -> Home:
        """Say what the answer meets on its way home."""

        def permit(surrogate: Surrogate, sink: Sink) -> bool:
            return snapshot.policies.restore(context.principal, verdict.facts.destination, surrogate.kind, sink)

        def detect(text: str) -> tuple[Match, ...]:
            found = snapshot.detector.detect(text)
            return tuple(match for match in found if not surrogates.find(text[match.start : match.end]))

        scanner = StreamScanner(detect) if self.settings.answers.scan else None
        gate = calls = None
        if snapshot.policies.judges_calls:

            def ask(action: Action) -> CallAnswer:
                return snapshot.policies.call(verdict.facts, action)

            offered = frozenset(verdict.document.tools)
            conversation = surrogates.fingerprint(verdict.document.conversation, key)
            calls = Calls(self.desk, context.principal, context.destination, conversation, key, held.id)
            monitor = verdict.decision.mode == "monitor"
            gate = Gate(ask, decision=held.id, offered=offered, monitor=monitor, consent=calls.consent)
        home = Home(held, verdict, Homeward(verdict.issued, permit, scanner, gate), scanner)
        home.calls = calls
        return home

    async def _home(self, way: Way, response: UpstreamResponse, respond: Respond, home: Home) -> None:
        """Bring the answer home: framing, restoring, framing again."""
        kind = http.content_type(response.headers)
        home.status = response.status
        headers = [
            *http.returned(response.headers),
            ("x-poundlock-decision", home.held.id),
            *told(home.verdict, self.advice.of(home.verdict, self._day())),
        ]
        if home.held.broken is not None and (response.status >= 400 or kind != EVENT_STREAM):
            # The answer has begun as a stream of events: all that can be told now is that there is none.
            raise UpstreamFault(f"The provider answered HTTP {response.status}.", advice="Send it again.")
        if (
            response.status >= 400
            or way.route.treatment != "inspect"
            or not (http.restorable(kind) or way.route.streams)
        ):
            # An upstream's error is passed unchanged: clients decide on its wording whether to try again.
            await _start(respond, response.status, headers)
            async for chunk in response.chunks():
                home.received += len(chunk)
                await home.give(respond, chunk)
        elif kind == "application/json" and not way.route.streams:
            whole = bytearray()
            async for chunk in response.chunks():
                whole += chunk
                home.received += len(chunk)
                if home.received > self.settings.gateway.max_answer:
                    raise UpstreamFault(
                        "The provider's answer is larger than gateway.max_answer.",
                        advice="Ask for a streamed answer, or raise the limit.",
                    )
            answer = way.wire.encode_answer(way.route, bytes(whole), home.homeward)
            await self._remember(home)
            await _start(respond, response.status, headers)
            await home.give(respond, answer)
        else:
            codec = way.wire.stream(way.route, kind, home.homeward)
            await _start(respond, response.status, headers)
            try:
                async for chunk in response.chunks():
                    home.received += len(chunk)
                    piece = codec.feed(chunk)
                    if home.follow is not None:
                        await self._remember(home)
                    await home.give(respond, piece)
            except UpstreamFault as fault:
                # What was held back belongs to the client, and then it is told that this was not the end.
                home.ended = "upstream broke"
                await home.give(respond, codec.broken(way.wire.broken(fault.message)))
                await respond.end()
                return
            await home.give(respond, codec.finish())
        await respond.end()
        home.ended = "complete"

    async def _remember(self, home: Home) -> None:
        """Make durable what a stored answer is restored with, before the client can name it in a later request."""
        key, answer = home.follow, home.homeward.answer
        if key is None or not answer:
            return
        home.follow = None
        conversation = surrogates.fingerprint(answered(answer), key)
        body = {"conversation": conversation, "surrogates": len(home.verdict.issued)}
        await self.log.commit(
            Entry(
                draft=Draft(kind="answer", id=home.held.id, at=self.clock.now(), body=body),
                scope=key.scope,
                conversation=conversation,
                surrogates=tuple(home.verdict.issued.values()),
            )
        )

    def _close_record(self, home: Home) -> None:
        """Queue the closing record; the client doesn't wait for it."""
        homeward = home.homeward
        homeward.close()
        now = self.clock.now()
        draft = Draft(
            kind="closing",
            id=home.held.id,
            at=now,
            body={
                "status": home.status,
                "ended": home.ended,
                "received": home.received,
                "given": home.given,
                "milliseconds": (now - home.verdict.draft.at) // 1_000_000,
                "restored": dict(homeward.restored_kinds),
                "left": dict(homeward.left_kinds),
                "answer": dict(home.scanner.counts) if home.scanner else {},
                "calls": [_judged(call) for call in homeward.gate.judged] if homeward.gate else [],
                "refused_calls": homeward.gate.refused if homeward.gate else 0,
            },
        )

        self.log.later(draft)


def _judged(call: JudgedCall) -> dict[str, object]:
    """Give what a closing record tells of a tool call."""
    row = {name: getattr(call, name) for name in call.__struct_fields__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}


async def _start(respond: Respond, status: int, headers: list[tuple[str, str]]) -> None:
    """Send the head, unless the answer began while the exchange waited for a person."""
    if not respond.started:
        await respond.start(status, headers)
