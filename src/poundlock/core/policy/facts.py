"""Facts as Cedar entities: everything that a policy may look at exists before it is asked.

It must never leave an entity out: what nobody registered is the explicit entity `unregistered`, since Cedar skips a
policy that meets a missing one, and a skipped forbid is an open gate. No floats, no nulls, no user text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poundlock.core import leases
from poundlock.core.policy import grants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.calls import Action
    from poundlock.core.leases import Asked
    from poundlock.core.model import Destination, Facts, Group, Principal, Profile, Sink
    from poundlock.core.review import Change

UNREGISTERED = "unregistered"
DOCUMENT = "document"
"""The kind of a whole document, and the id of its part."""

CALL = "call"
"""The kind of a tool call, and the id of its part."""

_UNKNOWN = frozenset({"", "unknown", UNREGISTERED})

Tree = dict[str, Any]


def entity(kind: str, name: str) -> dict[str, str]:
    """Give the reference to an entity, in the structured form that takes any name."""
    return {"type": kind, "id": name}


_EXCHANGE = entity("Exchange", "this")


def person(principal: Principal) -> dict[str, str]:
    """Give the reference to who acts, as the principal of a request."""
    return entity("Person", principal.human or UNREGISTERED)


def action(name: str) -> dict[str, str]:
    """Give the reference to a rung."""
    return entity("Action", name)


def part(name: str) -> dict[str, str]:
    """Give the reference to a part of the exchange, as the resource of a request."""
    return entity("Part", name)


def known(destination: Destination) -> bool:
    """Tell whether somebody told us about this destination."""
    return destination.vendor not in _UNKNOWN and destination.name not in _UNKNOWN


def exchange(facts: Facts) -> list[Tree]:
    """Give the entities that all parts of one exchange share: who, with what, and where to."""
    attributes = {
        "destination": entity("Destination", facts.destination.name or UNREGISTERED),
        "tool": entity("Tool", facts.principal.tool or UNREGISTERED),
        "profile": entity("Profile", facts.profile),
        "mode": entity("Mode", facts.mode),
        "direction": entity("Direction", facts.direction),
        "tier": entity("Tier", facts.tier),
        "intent": facts.intent,
        "action": facts.action,
        "repository": facts.repository,
        "environment": facts.environment,
        "labels": list(dict.fromkeys(facts.labels)),
        "localModel": facts.local_model,
        "account": facts.account,
        "budgets": list(facts.budgets),
    }
    row = {"uid": _EXCHANGE, "attrs": attributes, "parents": []}
    return [*_acting(facts.principal), _tool(facts.principal), _going(facts.destination), row]


def parts(facts: Facts, wanted: Mapping[str, Group | None]) -> list[Tree]:
    """Give the entities of these parts by name; None is the document as a whole, with the totals of its groups."""
    who = facts.principal
    return [_document(name, facts) if group is None else _group(name, group, who) for name, group in wanted.items()]


def surrogate(principal: Principal, destination: Destination, kind: str) -> list[Tree]:
    """Give the entities of one question about restoring a surrogate of `kind`."""
    attributes = {"destination": entity("Destination", destination.name or UNREGISTERED)}
    return [*_acting(principal), _going(destination), _row("Surrogate", kind, attributes, within(kind))]


def sink(where: Sink) -> Tree:
    """Give the context of a question about a sink."""
    return {"sink": entity("SinkKind", where.kind), "tool": where.tool, "network": where.network}


def change(commit: Change) -> list[Tree]:
    """Give the entities of one question about a commit."""
    attributes = {
        "tools": list(commit.tools),
        "areas": list(commit.areas),
        "approvals": commit.approvals,
        "files": commit.files,
    }
    return [_row("Change", commit.id, attributes, [])]


def resource(principal: Principal, asked: Asked, profile: Profile) -> list[Tree]:
    """Give the entities of one question for a lease."""
    attributes = {
        "backend": asked.grant.backend,
        "name": asked.grant.resource,
        "level": asked.grant.level,
        "writes": asked.writes,
        "tier": entity("Tier", asked.tier),
        "environment": asked.environment,
        "granted": leases.granted(principal, asked),
        "tool": entity("Tool", principal.tool or UNREGISTERED),
        "profile": entity("Profile", profile),
    }
    return [*_acting(principal), _tool(principal), _row("Resource", asked.grant.name, attributes, [])]


def acting(principal: Principal) -> list[Tree]:
    """Give the entities of who acts."""
    return _acting(principal)


def called(facts: Facts, action: Action) -> list[Tree]:
    """Give the part that a tool call is: of a kind of its own, in the exchange whose answer holds it."""
    row = _document(CALL, facts)
    row["attrs"]["granted"] = grants.calls(facts.principal, action.tool, action.server)
    row["parents"] = [entity("Kind", CALL)]
    return [row]


def call(action: Action) -> Tree:
    """Give the context of a question about a tool call."""
    return {
        "sink": entity("SinkKind", action.sink),
        "tool": action.tool,
        "server": action.server,
        "network": action.network,
        "sends": action.sends,
        "readable": action.readable,
        "known": action.known,
        "classes": list(action.classes),
        "touches": list(action.touches),
        "programs": list(action.programs),
        "files": list(action.files),
        "hosts": list(action.hosts),
        "flags": list(action.flags),
    }


def within(kind: str, family: str = "") -> list[dict[str, str]]:
    """Give every kind that a kind stands in, itself first: `secret.aws.access-key`, `secret.aws`, `secret`.

    They are named as ancestors outright, so that kinds need no entities of their own.
    """
    names = {kind: None}
    while "." in kind:
        kind = kind.rpartition(".")[0]
        names[kind] = None
    if family:
        names[family] = None
    return [entity("Kind", name) for name in names]


def _row(kind: str, name: str, attributes: Tree, parents: list[dict[str, str]]) -> Tree:
    return {"uid": entity(kind, name), "attrs": attributes, "parents": parents}


def _acting(principal: Principal) -> list[Tree]:
    attributes = {
        "registered": bool(principal.human) and principal.human != UNREGISTERED,
        "authenticated": principal.authenticated,
        "team": principal.team,
        "device": principal.device,
        "scopes": list(dict.fromkeys(principal.scopes)),
    }
    teams = [entity("Team", principal.team)] if principal.team else []
    return [{"uid": person(principal), "attrs": attributes, "parents": teams}]


def _tool(principal: Principal) -> Tree:
    attributes = {
        "registered": not principal.tool_claimed and principal.tool not in _UNKNOWN,
        "owner": principal.owner,
        "state": principal.state,
        "privilege": principal.privilege,
        "delegated": len(principal.chain) > 1,
    }
    return _row("Tool", principal.tool or UNREGISTERED, attributes, [])


def _going(destination: Destination) -> Tree:
    vendor = entity("Vendor", destination.vendor or UNREGISTERED)
    attributes = {
        "known": known(destination),
        "approved": destination.approved,
        "local": destination.local,
        "trains": destination.trains,
        "dpa": destination.dpa,
        "baa": destination.baa,
        "zeroRetention": destination.zero_retention,
        "plan": destination.plan,
        "model": destination.model,
        "retention": destination.retention,
    }
    return _row("Destination", destination.name or UNREGISTERED, attributes, [vendor])


def _document(name: str, facts: Facts) -> Tree:
    attributes = {
        "tier": entity("Tier", facts.tier),
        "origin": entity("Origin", "none"),
        "new": True,
        "count": sum(group.count for group in facts.groups),
        "values": sum(group.values for group in facts.groups),
        "confidence": 100,
        "granted": grants.reaches(facts.principal, facts.destination.name, facts.repository),
        "exchange": _EXCHANGE,
    }
    return _row("Part", name, attributes, [entity("Kind", DOCUMENT)])


def _group(name: str, group: Group, principal: Principal) -> Tree:
    attributes = {
        "tier": entity("Tier", group.tier),
        "origin": entity("Origin", group.origin),
        "new": group.new,
        "count": group.count,
        "values": group.values,
        "confidence": group.confidence,
        "granted": grants.handles(principal, group.kind, group.family, group.tier),
        "exchange": _EXCHANGE,
    }
    return _row("Part", name, attributes, within(group.kind, group.family))
