"""Policies: compiled once, asked for every exchange. Facts in, an answer with its reasons out.

It must never answer from what could not be evaluated: any error, and any question that the engine refuses, blocks.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

import cedarpy
import msgspec

from poundlock.core.errors import ConfigFault
from poundlock.core.model import Rung, Value
from poundlock.core.policy import facts as entities_of
from poundlock.core.policy import ladder, language

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from typing import Any

    from poundlock.core.calls import Action
    from poundlock.core.leases import Asked
    from poundlock.core.model import Destination, Facts, Group, Principal, Profile, Reason, Sink, Treatment
    from poundlock.core.policy.ladder import Climb, Step
    from poundlock.core.review import Change

REMEMBERED = 4096
"""How many answers, and how many parts of answers, are kept; the oldest go first."""
REMEMBERED_FRAMES = 256
"""How many pairs of principal and destination, with all else that an exchange's parts share, are kept prepared."""
REMEMBERED_SETS = 512
"""How many different sets of policies are kept compiled, each for the questions that it can have a say in."""

REMEMBERED_PARTS = 16
"""How many sets with policies on trial left out are kept compiled."""

_QUOTED = re.compile(r"`([^`]{1,64})`")


class Answer(Value, frozen=True, kw_only=True):
    """What policy says of an exchange.

    `treatments` stand beside the facts' groups, in order, and so do `climbs`; `whole` is of the document. `holds`: in
    monitor mode, too, nothing may leave.
    """

    rung: Rung
    treatments: tuple[Treatment, ...]
    reasons: tuple[Reason, ...]
    advice: tuple[str, ...]
    errors: tuple[str, ...] = ()
    holds: bool = False
    climbs: tuple[Climb, ...] = ()
    whole: Climb = ladder.Climb(rung=Rung.BLOCKED)


class CallAnswer(Value, frozen=True, kw_only=True):
    """What policy says of a tool call: its rung, and why."""

    rung: Rung
    reasons: tuple[Reason, ...] = ()
    advice: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    holds: bool = False


_CALLS = frozenset(rung.value for rung in ladder.TOOL_CALL)


class Policies:
    """A compiled set of policies. Immutable to the eye: what it remembers never changes an answer."""

    def __init__(self, policies: tuple[language.Policy, ...], schema: cedarpy.Schema, digest: str) -> None:
        """Prepare the engine's sets, one an action. Use `compile`, which checks."""
        self.policies = policies
        self.digest = digest
        self._schema = schema
        self._told: dict[str, Reason] = {policy.id: policy.told() for policy in policies}
        self._holding = frozenset(policy.id for policy in policies if policy.holds)
        language.compiled(policies)  # a set that can't be put together is told at once
        self._sets: _Remembered[cedarpy.PolicySet] = _Remembered(REMEMBERED_SETS)
        self._slices: _Remembered[cedarpy.PolicySet] = _Remembered(REMEMBERED)
        self._answers: _Remembered[Answer] = _Remembered(REMEMBERED)
        self._climbs: _Remembered[Climb] = _Remembered(REMEMBERED)
        self._frames: _Remembered[cedarpy.Entities] = _Remembered(REMEMBERED_FRAMES)
        self._restores: _Remembered[bool] = _Remembered(REMEMBERED)
        self._calls: _Remembered[CallAnswer] = _Remembered(REMEMBERED)
        self._parts: _Remembered[Policies] = _Remembered(REMEMBERED_PARTS)

    @classmethod
    def compile(cls, sources: Mapping[str, str], schema: str) -> Policies:
        """Compile policy texts, by file name. Raises `ConfigFault` naming the file, the line and the policy."""
        checked = language.schema(schema)
        policies, problems = language.read(sources, checked)
        if problems:
            raise language.fault(problems)
        digest = hashlib.sha256(msgspec.json.encode([schema, sorted(sources.items())])).hexdigest()
        try:
            return cls(policies, checked, digest)
        except ValueError as fault:
            raise ConfigFault(f"The policies can't be put together: {fault}") from None

    def decide(self, facts: Facts) -> Answer:
        """Climb the ladder for every group and for the document as a whole, and join the answers."""
        return self._answers.get(facts, lambda: self._decide(facts))

    def restore(self, principal: Principal, destination: Destination, kind: str, sink: Sink) -> bool:
        """Tell whether the value behind a surrogate of `kind` may be put back into `sink`; an error is a no."""
        return self._restores.get(
            (principal, destination, kind, sink), lambda: self._restore(principal, destination, kind, sink).permitted
        )

    def call(self, facts: Facts, action: Action) -> CallAnswer:
        """Climb the ladder of a tool call: what it would do, in the exchange that `facts` tell of."""
        frame = msgspec.structs.replace(facts, groups=())
        return self._calls.get((frame, action), lambda: self._call(frame, action))

    def release(self, principal: Principal, change: Change) -> CallAnswer:
        """Say whether a commit may be released, and why; an error is a no."""
        try:
            entities = self._entities([*entities_of.acting(principal), *entities_of.change(change)])
        except ValueError:
            step = ladder.Step(permitted=False, errors=("the facts do not fit the schema",))
        else:
            policies = self._having_a_say(ladder.RELEASE, ("", ""), principal)
            who = entities_of.person(principal)
            step = self._ask(ladder.RELEASE, who, entities_of.entity("Change", change.id), entities, "{}", policies)
        reasons = [ladder.FAULT] if step.errors else [self._told[policy] for policy in step.policies]
        if not step.permitted and not reasons:
            reasons.append(ladder.NO_PERMIT)
        return CallAnswer(
            rung=Rung.CALL if step.permitted else Rung.BLOCKED,
            reasons=tuple(reasons),
            advice=tuple(dict.fromkeys(reason.advice for reason in reasons if reason.advice)),
            errors=step.errors,
        )

    def lease(self, principal: Principal, asked: Asked, profile: Profile) -> CallAnswer:
        """Climb the ladder of a lease, and say why; an error is a no."""
        try:
            entities = self._entities(entities_of.resource(principal, asked, profile))
        except ValueError:
            climb = ladder.Climb(rung=Rung.BLOCKED, errors=("the facts do not fit the schema",))
        else:
            who, what = entities_of.person(principal), entities_of.entity("Resource", asked.grant.name)

            def ask(rung: Rung) -> Step:
                policies = self._having_a_say(rung.value, ("", ""), principal)
                return self._ask(rung.value, who, what, entities, "{}", policies)

            climb = ladder.climb(ask, ladder.LEASE)
        return self._told_of(climb)

    def without(self, ids: frozenset[str]) -> Policies:
        """Give the same policies without the forbids that `ids` names; what holds in monitor mode, too, stays."""
        kept = tuple(p for p in self.policies if p.id not in ids or p.effect == "permit" or p.holds)
        if len(kept) == len(self.policies):
            return self
        names = tuple(policy.id for policy in kept)
        return self._parts.get(names, lambda: Policies(kept, self._schema, self.digest))

    def _call(self, frame: Facts, action: Action) -> CallAnswer:
        principal = entities_of.person(frame.principal)
        try:
            shared = self._frames.get(frame, lambda: self._entities(entities_of.exchange(frame)))
            entities = shared.with_added_json_str(_json(entities_of.called(frame, action)), self._schema)
            context = _json(entities_of.call(action))
        except ValueError:
            climb = ladder.Climb(rung=Rung.BLOCKED, errors=("the facts do not fit the schema",))
        else:

            def ask(rung: Rung) -> Step:
                policies = self._having_a_say(rung.value, (entities_of.CALL, ""), frame.principal)
                return self._ask(rung.value, principal, entities_of.part(entities_of.CALL), entities, context, policies)

            climb = ladder.climb(ask, ladder.TOOL_CALL)
        return self._told_of(climb)

    def _told_of(self, climb: Climb) -> CallAnswer:
        """Give a climb with its reasons and advice."""
        reasons = [ladder.FAULT] if climb.errors else []
        reasons += [self._told[policy] for policy in climb.denied]
        if climb.rung is Rung.BLOCKED and not reasons:
            reasons.append(ladder.NO_PERMIT)
        if climb.rung is not Rung.BLOCKED:
            reasons += [self._told[policy] for policy in climb.applied]
        return CallAnswer(
            rung=climb.rung,
            reasons=tuple(dict.fromkeys(reasons)),
            advice=tuple(dict.fromkeys(reason.advice for reason in reasons if reason.advice)),
            errors=climb.errors,
            holds=bool(climb.errors) or not self._holding.isdisjoint(climb.denied),
        )

    @property
    def judges_calls(self) -> bool:
        """Whether any policy may keep a tool call from going on as it is; else none need be read."""
        return any(policy.effect == "forbid" and policy.actions & _CALLS for policy in self.policies)

    def _decide(self, facts: Facts) -> Answer:
        frame = msgspec.structs.replace(facts, groups=())
        parts: dict[str, Group | None] = {entities_of.DOCUMENT: None}
        parts.update({str(index): group for index, group in enumerate(facts.groups)})
        keys: dict[str, Hashable] = {name: (frame, group) for name, group in parts.items()}
        keys[entities_of.DOCUMENT] = facts
        climbs = {name: climb for name, key in keys.items() if (climb := self._climbs.find(key)) is not None}
        missing = {name: group for name, group in parts.items() if name not in climbs}
        if missing:
            for name, climb in self._climb(frame, facts, missing).items():
                climbs[name] = climb
                if not climb.errors:
                    self._climbs.keep(keys[name], climb)
        return self._join(facts, climbs[entities_of.DOCUMENT], [climbs[name] for name in parts if name != "document"])

    def _climb(self, frame: Facts, facts: Facts, parts: Mapping[str, Group | None]) -> dict[str, Climb]:
        principal = entities_of.person(facts.principal)
        try:
            shared = self._frames.get(frame, lambda: self._entities(entities_of.exchange(frame)))
            entities = shared.with_added_json_str(_json(entities_of.parts(facts, parts)), self._schema)
        except ValueError:
            # The engine's own words may quote a name that came with the request, so they are not kept.
            refused = ladder.Climb(rung=Rung.BLOCKED, errors=("the facts do not fit the schema",))
            return dict.fromkeys(parts, refused)

        def asking(name: str, group: Group | None) -> Callable[[Rung], Step]:
            within = (group.kind, group.family) if group else (entities_of.DOCUMENT, "")
            resource = entities_of.part(name)
            return lambda rung: self._ask(
                rung.value, principal, resource, entities, "{}", self._having_a_say(rung.value, within, facts.principal)
            )

        return {name: ladder.climb(asking(name, group)) for name, group in parts.items()}

    def _restore(self, principal: Principal, destination: Destination, kind: str, sink: Sink) -> Step:
        try:
            entities = self._entities(entities_of.surrogate(principal, destination, kind))
            context = _json(entities_of.sink(sink))
        except ValueError:
            return ladder.Step(permitted=False, errors=("the facts do not fit the schema",))
        who = entities_of.person(principal)
        policies = self._having_a_say(ladder.RESTORE, (kind, ""), principal)
        return self._ask(ladder.RESTORE, who, entities_of.entity("Surrogate", kind), entities, context, policies)

    def _having_a_say(self, action: str, within: tuple[str, str], principal: Principal) -> cedarpy.PolicySet:
        """Give the policies whose head can match an action, a (kind, family) and a principal: no other need be read.

        INVARIANT: a person's only parent is their team, and a kind's are its prefixes and its family, so that a head
        that demands another one can't match.
        """

        def choose() -> cedarpy.PolicySet:
            kinds = {"", *(kind["id"] for kind in entities_of.within(*within))}
            chosen = tuple(
                policy
                for policy in self.policies
                if action in policy.actions and policy.kind in kinds and policy.team in {"", principal.team}
            )
            names = tuple(policy.id for policy in chosen)
            return self._sets.get(names, lambda: language.compiled(chosen))

        return self._slices.get((action, within, principal.team), choose)

    def _entities(self, rows: list[dict[str, Any]]) -> cedarpy.Entities:
        return cedarpy.Entities.from_json_str(_json(rows), self._schema)

    def _ask(
        self,
        action: str,
        principal: dict[str, str],
        resource: dict[str, str],
        entities: cedarpy.Entities,
        context: str,
        policies: cedarpy.PolicySet,
    ) -> Step:
        request = {
            "principal": principal,
            "action": entities_of.action(action),
            "resource": resource,
            "context": context,
        }
        result = cedarpy.is_authorized(request, policies, entities, self._schema)
        said = result.diagnostics
        if said.errors or result.decision is cedarpy.Decision.NoDecision:
            return ladder.Step(
                permitted=False, errors=tuple(self._plain(action, error) for error in said.errors or [""])
            )
        return ladder.Step(permitted=result.allowed, policies=tuple(sorted(said.reasons)))

    def _plain(self, action: str, error: str) -> str:
        """Tell of an evaluation error by the names that we chose: the engine's words may quote the request's."""
        named = [name for name in _QUOTED.findall(error) if name in self._told]
        return f"{action}: {named[0]} could not be evaluated" if named else f"{action}: the engine refused the question"

    def _join(self, facts: Facts, document: Climb, groups: list[Climb]) -> Answer:
        """Join the parts' answers: the strictest route, a treatment a group, the reasons and the advice."""
        errors = dict.fromkeys(error for climb in (document, *groups) for error in climb.errors)
        rungs = [document.rung]
        treatments: list[Treatment] = []
        for group, climb in zip(facts.groups, groups, strict=True):
            newly_typed = group.new and group.origin == "typed"
            stays = climb.rung in {Rung.BLOCKED, Rung.SEND_APPROVED}
            if stays and not newly_typed:
                treatments.append("impound")
            else:
                treatments.append("clear" if climb.rung is Rung.SEND else "impound" if stays else "disguise")
                rungs.append(climb.rung)
        rung = Rung.BLOCKED if errors else ladder.strictest(rungs)
        if ladder.STRICTNESS[rung] == ladder.STRICTNESS[Rung.SEND]:
            changed = document.rung is Rung.SEND_DISGUISED or any(treatment != "clear" for treatment in treatments)
            rung = Rung.SEND_DISGUISED if changed else Rung.SEND
        ordered = sorted((document, *groups), key=lambda climb: -ladder.STRICTNESS[climb.rung])
        reasons = self._reasons(ordered, rung, failed=bool(errors))
        denying = {policy for climb in (document, *groups) if climb.rung is Rung.BLOCKED for policy in climb.denied}
        return Answer(
            rung=rung,
            treatments=tuple(treatments),
            reasons=reasons,
            advice=tuple(dict.fromkeys(reason.advice for reason in reasons if reason.advice)),
            errors=tuple(errors),
            holds=bool(errors) or (rung is Rung.BLOCKED and not denying.isdisjoint(self._holding)),
            climbs=tuple(groups),
            whole=document,
        )

    def _reasons(self, climbs: list[Climb], rung: Rung, *, failed: bool) -> tuple[Reason, ...]:
        """Join the denied rungs' forbids, strictest part first, with the applied rungs' permits; each policy once."""
        reasons: list[Reason] = [ladder.FAULT] if failed else []
        for climb in climbs:
            reasons += [self._told[policy] for policy in climb.denied]
            if climb.rung is not Rung.SEND and not climb.denied and not climb.errors:
                reasons.append(ladder.NO_PERMIT)
        if rung is not Rung.BLOCKED:
            reasons += [self._told[policy] for climb in climbs for policy in climb.applied]
        return tuple(dict.fromkeys(reasons))


def _json(tree: list[dict[str, Any]] | dict[str, Any]) -> str:
    return msgspec.json.encode(tree).decode()


_V = TypeVar("_V")


class _Remembered(Generic[_V]):
    """A bounded memory of answers: what was used longest ago goes first.

    INVARIANT: safe when two threads inspect at once: each step is one dictionary operation, and a row that another
    thread has just dropped is only asked for again.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: OrderedDict[Hashable, _V] = OrderedDict()

    def find(self, key: Hashable) -> _V | None:
        """Give what is remembered for `key`, or None."""
        row = self._rows.pop(key, None)
        if row is not None:
            self._rows[key] = row
        return row

    def keep(self, key: Hashable, row: _V) -> None:
        """Remember a row; the oldest one goes where there is no room."""
        self._rows[key] = row
        if len(self._rows) > self._size:
            with suppress(KeyError):
                self._rows.popitem(last=False)

    def get(self, key: Hashable, make: Callable[[], _V]) -> _V:
        """Give what is remembered for `key`, making it first if need be."""
        row = self.find(key)
        if row is None:
            row = make()
            self.keep(key, row)
        return row
