"""THE STRAIGHT LINE for MCP: one session between a client and a server, message by message, readable top to bottom.

What a client sends is judged, inspected and on record before the server gets it; what a server gives back is inspected
before the client, and so a model, gets it. It awaits and joins; it holds no detection and no policy. Whatever goes
wrong refuses in the client's own protocol: a failed call that a model can read, or a JSON-RPC error.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from poundlock.core import calls, pipeline, surrogates
from poundlock.core.errors import Fault
from poundlock.core.mcp import Server, review, told
from poundlock.core.model import Context, Destination, Draft, Rung, Sink
from poundlock.ports import Entry
from poundlock.wire import mcp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poundlock.core.conversation import Memo
    from poundlock.core.model import Facts, Principal, ScopeKey, Snapshot
    from poundlock.core.pipeline import Verdict
    from poundlock.core.policy.decide import CallAnswer
    from poundlock.gateway.snapshot import Snapshots
    from poundlock.ports import AuditLog, Clock, Servers, Vault
    from poundlock.wire.body import JsonBody

SENT = frozenset({Rung.SEND, Rung.SEND_DISGUISED})
OPEN = 4096
"""How many requests may wait for their answers; the oldest are forgotten, and their answers count as unknown."""
STOPS = frozenset({Rung.BLOCKED, Rung.CALL_APPROVED})


class Passed(NamedTuple):
    """What becomes of one message: what goes on, and what goes back to its sender instead."""

    on: bytes | None
    back: bytes | None = None


class _Asked(NamedTuple):
    method: str
    tool: str


class _Stopped(Exception):
    """A message that may not go on."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Session:
    """One client's session with one server."""

    def __init__(
        self,
        server: Server,
        principal: Principal,
        *,
        name: str,
        snapshots: Snapshots,
        vault: Vault,
        log: AuditLog,
        servers: Servers,
        clock: Clock,
        memo: Memo,
        new_id: Callable[[], str],
    ) -> None:
        """Join the parts; `name` tells this session from others of the same server."""
        self.server = server
        self.principal = principal
        self._conversation = f"mcp {server.name} {name}"
        self._snapshots = snapshots
        self._vault = vault
        self._log = log
        self._servers = servers
        self._clock = clock
        self._memo = memo
        self._new_id = new_id
        self._asked: OrderedDict[str, _Asked] = OrderedDict()  # by the client, of the server
        self._asking: OrderedDict[str, _Asked] = OrderedDict()  # by the server, of the client
        self._facts: Facts | None = None

    async def from_client(self, data: bytes) -> Passed:
        """Take a client's message or batch. Raises: `Fault` for what is no JSON, or could not be put on record."""
        rpcs, batch, notes = mcp.read(data)
        on: list[bytes] = []
        back: list[bytes] = []
        for rpc in rpcs:
            try:
                sent = await self._outbound(rpc, notes)
            except _Stopped as stopped:
                if rpc.method and rpc.id is not None:
                    back.append(mcp.write([mcp.refusal(rpc, stopped.message)], batch=False))
                elif rpc.answers:
                    error = {"code": mcp.REFUSED, "message": stopped.message}
                    on.append(mcp.write([{"jsonrpc": "2.0", "id": rpc.id, "error": error}], batch=False))
            else:
                on.append(sent)
                if rpc.method and rpc.id is not None:
                    _remember(self._asked, rpc.key, _Asked(rpc.method, mcp.call_of(rpc)[0]))
        return Passed(_joined(on, batch), _joined(back, batch))

    async def from_server(self, data: bytes) -> Passed:
        """Take a server's message or batch; what goes `back` answers the server. Raises: `Fault`."""
        rpcs, batch, notes = mcp.read(data)
        on: list[bytes] = []
        back: list[bytes] = []
        for rpc in rpcs:
            try:
                on.append(await self._inbound(rpc, notes))
            except _Stopped as stopped:
                if rpc.method and rpc.id is not None:
                    error = {"code": mcp.REFUSED, "message": stopped.message}
                    back.append(mcp.write([{"jsonrpc": "2.0", "id": rpc.id, "error": error}], batch=False))
                else:
                    asked = self._asked.get(rpc.key)
                    refused = mcp.Rpc({}, rpc.id, asked.method if asked else "", answers=False)
                    on.append(mcp.write([mcp.refusal(refused, stopped.message)], batch=False))
        return Passed(_joined(on, batch), _joined(back, batch))

    # --- from the client to the server ------------------------------------------------------------------------------

    async def _outbound(self, rpc: mcp.Rpc, notes: tuple[str, ...]) -> bytes:
        """Judge, inspect and record one message; give what the server gets. Raises: `_Stopped`, `Fault`."""
        asking = self._asking.pop(rpc.key, None) if rpc.answers else None
        if rpc.method not in mcp.SPOKEN and asking is None:
            return mcp.write([rpc.tree], batch=False)
        snapshot = self._snapshots.current
        key = await self._vault.scope_key(self.principal.human)
        held = self._new_id()
        body = mcp.spoken(rpc, conversation=self._conversation, server=self.server.name)
        texts = await self._restored(body, snapshot, key)
        verdict, context = await self._inspected(body, snapshot, key, held)
        about: dict[str, Any] = {"server": self.server.name, "method": rpc.method or (asking.method if asking else "")}
        answer = None
        if rpc.method == "tools/call":
            tool, arguments = mcp.call_of(rpc)
            pin = self.server.tools.get(tool)
            about["tool"] = tool if pin else "other"
            answer = self._ruling(tool, arguments, verdict, snapshot)
            about["call"] = {"rung": answer.rung.value, "policies": [reason.policy for reason in answer.reasons]}
            if pin is not None and pin.state != "accepted":
                about["pin"] = list(pin.why)
        await self._commit(verdict, context, key, notes, about)
        if rpc.method == "tools/call" and "pin" in about:
            raise _Stopped(told(self.server.name, about["tool"], about["pin"]))
        if answer is not None and answer.rung in STOPS and (snapshot.mode == "enforce" or answer.holds):
            raise _Stopped(_why(answer.reasons, answer.advice, held))
        if self.server.local:
            # What stays on this machine gets its values; they would only be missing there.
            return body.encode(texts)
        if verdict.decision.rung not in SENT:
            raise _Stopped(_why(verdict.decision.reasons, verdict.decision.advice, held))
        return body.encode(verdict.texts)

    async def _restored(self, body: JsonBody, snapshot: Snapshot, key: ScopeKey) -> dict[int, str]:
        """Give the texts of a local server's arguments with the values of this person's surrogates put back."""
        if not self.server.local:
            return {}
        found: dict[int, list[tuple[int, int, str]]] = {}
        for index, segment in enumerate(body.document.segments):
            marks = surrogates.find(segment.text)
            if marks:
                found[index] = [(mark.start, mark.end, mark.canonical) for mark in marks]
        wanted = {text for places in found.values() for _, _, text in places}
        known = (
            {each.text: each for each in await self._vault.known(key.scope, tuple(sorted(wanted)))} if wanted else {}
        )
        texts: dict[int, str] = {}
        for index, places in found.items():
            segment = body.document.segments[index]
            out = segment.text
            for start, end, text in reversed(places):
                surrogate = known.get(text)
                sink = Sink(kind="function", tool=segment.tool)
                destination = self._destination()
                if surrogate and snapshot.policies.restore(self.principal, destination, surrogate.kind, sink):
                    out = out[:start] + surrogate.value + out[end:]
            if out != segment.text:
                texts[index] = out
        return texts

    def _ruling(self, tool: str, arguments: Any, verdict: Verdict, snapshot: Snapshot) -> CallAnswer:
        """Ask policy for a call: what a local server gets reaches no network by that."""
        action = calls.describe(f"{self.server.name}__{tool}", arguments)
        if self.server.local:
            classes = tuple(each for each in action.classes if each != "network")
            action = msgspec.structs.replace(action, sink="function", network=False, sends=False, classes=classes)
        return snapshot.policies.call(verdict.facts, action)

    # --- from the server to the client ------------------------------------------------------------------------------

    async def _inbound(self, rpc: mcp.Rpc, notes: tuple[str, ...]) -> bytes:
        """Review or inspect one message; give what the client gets. Raises: `_Stopped`, `Fault`."""
        if rpc.answers:
            asked = self._asked.pop(rpc.key, None)
            if asked is not None and asked.method == "tools/list":
                await self._listed(rpc)
            if asked is None or asked.method not in mcp.READ:
                return mcp.write([rpc.tree], batch=False)
            return await self._told(rpc, asked, notes)
        if rpc.method in mcp.ASKED:
            if rpc.method == "sampling/createMessage" and not self.server.sampling:
                raise _Stopped("Poundlock does not let this server ask the model.")
            sent = await self._told(rpc, _Asked(rpc.method, ""), notes)
            if rpc.id is not None:
                _remember(self._asking, rpc.key, _Asked(rpc.method, ""))
            return sent
        if rpc.method in mcp.TOLD:
            return await self._told(rpc, _Asked(rpc.method, ""), notes)
        return mcp.write([rpc.tree], batch=False)

    async def _told(self, rpc: mcp.Rpc, asked: _Asked, notes: tuple[str, ...]) -> bytes:
        """Inspect what a server gives; what was found is on record, and its surrogates durable, before it goes on."""
        snapshot = self._snapshots.current
        key = await self._vault.scope_key(self.principal.human)
        body = mcp.given(
            rpc,
            conversation=self._conversation,
            server=self.server.name,
            operation=asked.method,
            tool=asked.tool,
            trusted=self.server.local,
        )
        held = self._new_id()
        verdict, context = await self._inspected(body, snapshot, key, held)
        tool = asked.tool if asked.tool in self.server.tools else ""
        about = {"server": self.server.name, "method": asked.method, **({"tool": tool} if tool else {})}
        if verdict.findings:
            await self._commit(verdict, context, key, notes, about)
        else:
            self._log.later(_draft(verdict, notes, about))
        clear = self.server.results == "clear" or (self.server.results == "auto" and bool(self.principal.task))
        if clear:
            return mcp.write([rpc.tree], batch=False)
        if verdict.decision.rung not in SENT:
            raise _Stopped(_why(verdict.decision.reasons, verdict.decision.advice, held))
        return body.encode(verdict.texts)

    async def _listed(self, rpc: mcp.Rpc) -> None:
        """Compare a list of tools with what was reviewed, and take out what waits."""
        result = rpc.tree.get("result")
        tools = result.get("tools") if isinstance(result, dict) else None
        if not isinstance(tools, list):
            return
        listed = review(self.server, tools)
        if dict(listed.pins) != dict(self.server.tools):
            self.server = self._servers.pinned(self.server.name, listed.pins)
            body = {
                "server": self.server.name,
                "event": "tools",
                "new": len(listed.new),
                "changed": len(listed.changed),
                "withheld": len(listed.withheld),
            }
            await self._log.commit(Entry(draft=Draft(kind="mcp", id=self._new_id(), at=self._clock.now(), body=body)))
        if listed.withheld:
            gone = set(listed.withheld)
            tools[:] = [tool for tool in tools if not isinstance(tool, dict) or tool.get("name") not in gone]

    # --- both ways --------------------------------------------------------------------------------------------------

    async def _inspected(self, body: JsonBody, snapshot: Snapshot, key: ScopeKey, held: str) -> tuple[Verdict, Context]:
        remembered = await self._vault.remembered(key.scope, surrogates.fingerprint(self._conversation, key))
        context = Context(
            principal=self.principal,
            destination=self._destination(),
            issued={surrogate.text: surrogate for surrogate in remembered.issued},
            refused=remembered.refused,
            labels=tuple(sorted(remembered.labels)),
        )
        verdict = pipeline.inspect(body.document, context, snapshot, key, self._clock.now(), id=held, memo=self._memo)
        return verdict, context

    async def _commit(
        self,
        verdict: Verdict,
        context: Context,
        key: ScopeKey,
        notes: tuple[str, ...],
        about: Mapping[str, Any],
    ) -> None:
        await self._log.commit(
            Entry(
                draft=_draft(verdict, notes, about),
                scope=key.scope,
                conversation=surrogates.fingerprint(self._conversation, key),
                surrogates=verdict.fresh,
                labels=tuple(label for label in verdict.facts.labels if label not in context.labels),
            )
        )

    def _destination(self) -> Destination:
        return Destination(
            name=self.server.name,
            vendor="mcp",
            endpoint=self.server.url,
            approved=True,
            local=self.server.local,
            trains=not self.server.local,
        )


def failure(data: bytes, fault: Fault) -> bytes | None:
    """Give the JSON-RPC error that answers a message for a fault; None where nobody waits for one."""
    try:
        rpcs, _, _ = mcp.read(data)
    except Fault:
        rpcs = [mcp.Rpc({}, None, "unreadable", answers=False)]
    message = " ".join(part for part in ("Poundlock:", fault.message, fault.advice) if part)
    waiting = [rpc for rpc in rpcs if rpc.method and (rpc.id is not None or rpc.method == "unreadable")]
    return mcp.write([mcp.refusal(rpc, message) for rpc in waiting], batch=len(rpcs) > 1) if waiting else None


def unanswered(data: bytes, fault: Fault) -> bytes | None:
    """Give the error that stands for a server's answer which could not be passed on; None where it was none."""
    try:
        rpcs, _, _ = mcp.read(data)
    except Fault:
        return None
    message = " ".join(part for part in ("Poundlock:", fault.message, fault.advice) if part)
    error = {"code": mcp.REFUSED, "message": message}
    answers = [{"jsonrpc": "2.0", "id": rpc.id, "error": error} for rpc in rpcs if rpc.answers]
    return mcp.write(answers, batch=len(rpcs) > 1) if answers else None


def _draft(verdict: Verdict, notes: tuple[str, ...], about: Mapping[str, Any]) -> Draft:
    draft = verdict.draft
    body = {**draft.body, "notes": [*draft.body.get("notes", ()), *notes], "mcp": dict(about)}
    return msgspec.structs.replace(draft, body=body)


def _why(reasons: Any, advice: Any, held: str) -> str:
    reason = next((each.reason for each in reasons if each.reason), "Policy does not permit it.")
    return " ".join(
        part
        for part in ("Poundlock stopped this:", reason, next(iter(advice), ""), f"(poundlock explain {held})")
        if part
    )


def _remember(table: OrderedDict[str, _Asked], key: str, asked: _Asked) -> None:
    table[key] = asked
    if len(table) > OPEN:
        table.popitem(last=False)


def _joined(messages: list[bytes], batch: bool) -> bytes | None:
    if not messages:
        return None
    return b"[" + b",".join(messages) + b"]" if batch else messages[0]
