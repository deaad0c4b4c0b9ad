"""THE STRAIGHT LINE for hooks: one event of an agent on this machine, and what the agent is told.

It reaches what the wire can't: a subscription's client with no base URL, a command before it runs. It awaits and joins;
it holds no detection and no policy. Whatever goes wrong stops the prompt or the call, or withholds the result, in the
agent's own words. INVARIANT: what was found, stopped or put back is on record before the agent is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core import calls, pipeline, sinks, surrogates
from poundlock.core.approvals import NOTHING
from poundlock.core.errors import ClientFault, Fault
from poundlock.core.gate import Consent, Gate
from poundlock.core.model import Context, Destination, Draft, Rung, Sink
from poundlock.core.ruling import LEAVES
from poundlock.core.stream import Homeward
from poundlock.gateway import posture
from poundlock.gateway.auth import Refused
from poundlock.gateway.consent import Calls
from poundlock.gateway.ways import asked
from poundlock.ports import Entry
from poundlock.wire import hooks
from poundlock.wire.body import write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.calls import Action
    from poundlock.core.model import Principal, ScopeKey, Snapshot, Surrogate
    from poundlock.core.pipeline import Verdict
    from poundlock.core.policy.decide import CallAnswer
    from poundlock.gateway.exchange import Exchange
    from poundlock.gateway.http import Request, Respond
    from poundlock.wire.body import JsonBody
    from poundlock.wire.hooks import Event, Told

PREFIX = "/hook/"
"""Where agents' hooks ask: `POST /hook/AGENT`, or `POST /hook/AGENT/EVENT` for agents whose events don't say theirs."""
CODE = "x-poundlock-exit"
"""The header with the exit code that the agent's hook is to end with."""
ASKS = "x-poundlock-hook"
"""The header by which our own client asks for what goes to standard error, too."""
INLINE = 262_144
"""Bodies of so many bytes are inspected on the event loop; longer ones in a thread."""
PROVIDERS = {
    "claude-code": "anthropic",
    "codex": "openai",
    "gemini-cli": "gemini",
    "qwen-code": "qwen",
    "copilot-cli": "github-copilot",
    "vscode": "github-copilot",
    "cursor": "cursor",
}
"""Whom each agent speaks to by default; what is not among the providers is an unknown destination to policy."""
STANDING_IN = (
    "Words such as QZ_KIND_ and twelve letters or digits stand in for values that must not leave this machine. "
    "Use them as they are: Poundlock puts the true values back where a file is written or a local command is run."
)
_AGAIN = "Let `poundlock init TOOL --hooks` set the hook up again."


class HookExchange:
    """One object a worker; called once a request."""

    def __init__(self, line: Exchange) -> None:
        """Share what the straight line has."""
        self._line = line

    async def __call__(self, request: Request, respond: Respond) -> None:
        """Take one event to its end: an answer that the agent can read."""
        held = self._line.new_id()
        event: Event | None = None
        try:
            event = _event(request)
            told = await self._answer(request, event, held)
        except Fault as fault:
            await self._record_refusal(held, fault)
            told = _failed(event, fault)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 (promise 6: whatever it is, nothing may pass)
            own = Fault("Poundlock met an error of its own and let nothing pass.", advice="Run `poundlock doctor`.")
            await self._record_refusal(held, own, type(error).__name__)
            told = _failed(event, own)
        by_hand = ASKS in request.header_map
        await _respond(respond, told if by_hand else told._replace(text=""), held, status=200 if event else 400)

    async def _answer(self, request: Request, event: Event, held: str) -> Told:
        """Follow the line."""
        line = self._line
        principal = await line.identity.authenticate(request.token, request.header_map, request.peer, asked(request))
        if principal is None:
            raise ClientFault(
                "Poundlock does not know this caller.",
                advice=_AGAIN,
            )
        through = line.settings.hooks.texts == "clear" or (line.settings.hooks.texts == "auto" and bool(principal.task))
        if event.kind in {"start", "end", "other"}:
            line.log.later(Draft(kind="hook", id=held, at=line.clock.now(), body=_about(event, principal)))
            return hooks.passes(event, STANDING_IN if event.kind == "start" and not through else "")
        key = await line.vault.scope_key(principal.human)
        if event.kind == "before":
            return await self._before(event, principal, key, held, request, through=through)
        if through:
            # The model's traffic passes the gateway, which disguises there and puts back on the way home.
            return hooks.passes(event, await self._left_behind(event, principal, key))
        body, verdict, context = await self._inspected(event, principal, key, held, len(request.body))
        await self._commit(verdict, context, key, event, {})
        if verdict.decision.rung not in LEAVES:
            why = _why(verdict, held)
            return (
                hooks.replaces(event, hooks.withheld(event.result, why)) if event.kind == "after" else _stop(event, why)
            )
        if not verdict.texts:
            return hooks.passes(event, await self._left_behind(event, principal, key))
        if event.kind == "after":
            return hooks.replaces(event, hooks.replaced(body.encode(verdict.texts)))
        why = _why(verdict, held)
        if event.kind == "prompt":
            why = f"{why}\n\nThis could be sent instead:\n\n{verdict.texts.get(0, event.prompt)}"
        return _stop(event, why)

    async def _before(
        self, event: Event, principal: Principal, key: ScopeKey, held: str, request: Request, *, through: bool
    ) -> Told:
        """Judge a call before it is made, and put values back into the arguments of one that stays on this machine."""
        line = self._line
        snapshot = line.snapshots.current
        _, verdict, context = await self._inspected(event, principal, key, held, len(request.body))
        conversation = surrogates.fingerprint(hooks.conversation(event), key)
        consents = Calls(line.desk, principal, context.destination, conversation, key, held)

        def ask(action: Action) -> CallAnswer:
            return snapshot.policies.call(verdict.facts, action)

        def consent(tool: str, arguments: Any, answer: CallAnswer) -> Consent:
            # Where the answer came through the gateway, a person was asked there, before the agent got the call.
            return Consent(admitted=True, id="") if through else consents.consent(tool, arguments, answer)

        gate = Gate(
            ask,
            decision=held,
            offered=frozenset({event.tool} if _is_common(event.tool) else ()),
            monitor=verdict.decision.mode == "monitor",
            consent=consent,
        )
        ruling = gate.rule(event.tool, event.arguments)
        homeward = await self._homeward(event, principal, context.destination, snapshot, key)
        arguments = event.arguments
        if ruling.allowed and homeward is not None:
            arguments = homeward.restore_arguments(event.tool, event.arguments)
        about = {
            "call": msgspec.to_builtins(gate.judged[0]),
            "refused": gate.refused,
            "restored": dict(homeward.restored_kinds) if homeward else {},
            "left": dict(homeward.left_kinds) if homeward else {},
        }
        await self._commit(verdict, context, key, event, about)
        await consents.settle()
        if not ruling.allowed:
            return hooks.stops(event, ruling.message)
        if arguments is not event.arguments and event.agent in hooks.REWRITES:
            return hooks.rewrites(event, arguments)
        return hooks.passes(event)

    async def _homeward(
        self, event: Event, principal: Principal, destination: Destination, snapshot: Snapshot, key: ScopeKey
    ) -> Homeward | None:
        """Give what puts back values of this person's surrogates in an event's arguments; None without any."""
        texts = [segment.text for segment in hooks.document(event._replace(kind="before")).document.segments]
        wanted = {mark.canonical for text in texts for mark in surrogates.find(text)}
        if not wanted:
            return None
        known = {each.text: each for each in await self._line.vault.known(key.scope, tuple(sorted(wanted)))}

        def permit(surrogate: Surrogate, sink: Sink) -> bool:
            return snapshot.policies.restore(principal, destination, surrogate.kind, sink)

        return Homeward(known, permit)

    async def _left_behind(self, event: Event, principal: Principal, key: ScopeKey) -> str:
        """Say that a tool has written stand-ins which nobody put back; empty where it has not."""
        if event.kind != "after":
            return ""
        action = calls.describe(event.tool, event.arguments)
        if "write" not in action.classes and action.sink != "command":
            return ""
        destination = self._destination(event.agent)
        homeward = await self._homeward(event, principal, destination, self._line.snapshots.current, key)
        if homeward is None:
            return ""
        restored = homeward.restore_arguments(event.tool, event.arguments)
        if event.agent in hooks.REWRITES:
            tree = hooks.document(event._replace(kind="before", arguments=restored)).document
            if not any(surrogates.find(segment.text) for segment in tree.segments):
                return ""  # they were put back before the tool ran
        return (
            "Stand-ins of Poundlock (QZ_…) were written in the place of true values. "
            "`poundlock repair --check PATH` lists them, `poundlock repair PATH` puts the values back."
        )

    # --- both ways --------------------------------------------------------------------------------------------------

    async def _inspected(
        self, event: Event, principal: Principal, key: ScopeKey, held: str, size: int
    ) -> tuple[JsonBody, Verdict, Context]:
        line = self._line
        read = hooks.document(event)
        snapshot = line.snapshots.current
        destination = self._destination(event.agent)
        conversation = surrogates.fingerprint(read.document.conversation, key)
        remembered = await line.vault.remembered(key.scope, conversation)
        taken = posture.of(line.settings, principal, destination.name, self._day())
        context = Context(
            principal=principal,
            destination=destination,
            issued={surrogate.text: surrogate for surrogate in remembered.issued},
            refused=remembered.refused,
            labels=tuple(sorted(remembered.labels)),
            repository=principal.repository,
            standing=NOTHING,
            mode=taken.mode,
            trial=taken.trial,
            environment=taken.environment,
        )

        def work() -> Verdict:
            return pipeline.inspect(read.document, context, snapshot, key, line.clock.now(), id=held, memo=line.memo)

        verdict = work() if size <= INLINE else await asyncio.to_thread(work)
        return read, verdict, context

    async def _commit(
        self, verdict: Verdict, context: Context, key: ScopeKey, event: Event, about: Mapping[str, Any]
    ) -> None:
        body = {**verdict.draft.body, "hook": {**_about(event, context.principal), **about}}
        body["notes"] = [*body.get("notes", ()), *event.notes]
        draft = msgspec.structs.replace(verdict.draft, body=body)
        new = tuple(label for label in verdict.facts.labels if label not in context.labels)
        if not (verdict.findings or new or about.get("refused") or about.get("restored")):
            # Nothing was found, stopped or put back: the agent need not wait for the disk.
            self._line.log.later(draft)
            return
        await self._line.log.commit(
            Entry(
                draft=draft,
                scope=key.scope,
                conversation=surrogates.fingerprint(hooks.conversation(event), key),
                surrogates=verdict.fresh,
                refused=verdict.refused,
                labels=new,
            )
        )

    def _destination(self, agent: str) -> Destination:
        """Say whom the agent speaks to, as far as anyone knows: its own vendor, on a plan that nobody verified."""
        name = PROVIDERS.get(agent, agent)
        provider = self._line.settings.provider(name)
        return self._line.register.destination(
            name=name,
            vendor=(provider.vendor if provider else "") or name,
            plan=provider.plan if provider else "",
            model="",
            endpoint=provider.upstream if provider else "",
            approved=bool(provider and provider.approved),
            day=self._day(),
        )

    def _day(self) -> str:
        return datetime.fromtimestamp(self._line.clock.now() / 1e9, UTC).date().isoformat()

    async def _record_refusal(self, held: str, fault: Fault, error: str = "") -> None:
        """Put on record what was refused before it was inspected; it is refused all the same if that fails."""
        told: dict[str, object] = {"provider": "hook", "message": fault.message, "advice": fault.advice, "error": error}
        told |= {"who": fault.about} if isinstance(fault, Refused) else {}
        draft = Draft(kind="refused", id=held, at=self._line.clock.now(), body=told)
        with contextlib.suppress(Fault):
            await self._line.log.commit(Entry(draft=draft))


def _stop(event: Event, why: str) -> Told:
    """Stop a prompt, a call or the reading of a file; of a tool that has run, withhold what it gave back."""
    if event.kind == "after":
        return hooks.replaces(event, hooks.withheld(event.result, why))
    return hooks.stops(event, why)


def _event(request: Request) -> Event:
    """Read what a request brings. Raises: `ClientFault`."""
    if request.fault is not None:
        raise request.fault
    if request.method != "POST":
        raise ClientFault("A hook posts its event.", advice=_AGAIN)
    agent, _, name = request.path.removeprefix(PREFIX).partition("/")
    return hooks.read(agent, request.body, name)


def _is_common(tool: str) -> bool:
    """Whether a tool's name stands in our own tables: only then it is put on record."""
    return sinks.classify(tool) in {"file", "command"}


def _about(event: Event, principal: Principal) -> dict[str, Any]:
    known = event.name in hooks.EVENTS.get(event.agent, {})
    about = {"agent": event.agent, "event": event.name if known else "other", "kind": event.kind}
    if event.kind in {"start", "end", "other"}:
        about |= {"human": principal.human, "tool": principal.tool, "task": principal.task}
    elif event.tool:
        about["tool"] = event.tool if _is_common(event.tool) else "other"
    return about


def _why(verdict: Verdict, held: str) -> str:
    decision = verdict.decision
    reason = next((each.reason for each in decision.reasons if each.reason), "Policy does not permit it.")
    if decision.rung is Rung.SEND_DISGUISED:
        kinds = sorted({finding.kind for finding in verdict.findings})
        reason = f"It holds what must not leave in clear ({', '.join(kinds)}). {reason}"
    return " ".join(
        part
        for part in ("Poundlock stopped this:", reason, next(iter(decision.advice), ""), f"(poundlock explain {held})")
        if part
    )


def _failed(event: Event | None, fault: Fault) -> Told:
    """Give what an agent is told when its event could not be judged."""
    message = " ".join(part for part in ("Poundlock:", fault.message, fault.advice) if part)
    if event is None:
        return hooks.Told({"decision": "block", "reason": message}, 2, message)
    return _stop(event, message)


async def _respond(respond: Respond, told: Told, held: str, *, status: int) -> None:
    """Answer: one line of JSON for the hook's standard output, and after it what is for its standard error."""
    data = write(told.answer)
    if told.text:
        data += b"\n" + told.text.encode("utf-8", "replace")
    headers = [(CODE, str(told.code)), ("x-poundlock-decision", held), ("content-type", "application/json")]
    await respond.start(status, headers)
    await respond.send(data)
    await respond.end()
