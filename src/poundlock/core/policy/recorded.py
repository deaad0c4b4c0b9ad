"""The facts of a decision in its record, and back again: what a replay and an explanation ask the policies with.

It must never hold what came from a client's text, and never make up a fact that an older record did not keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core.model import Facts, Reach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.model import Context

_REST = ("repository", "profile", "local_model", "intent", "action", "account")
_NO_LIMIT = Reach()


def rest(facts: Facts, context: Context) -> dict[str, Any]:
    """Give the facts that stand nowhere else in an exchange's record.

    Limits of a tool's entry and a task's scopes only where there are some; `asked` is the destination where the
    exchange was moved to another one.
    """
    row: dict[str, Any] = {name: getattr(facts, name) for name in _REST}
    row["local_model"] = context.local is not None
    row["budgets"] = list(facts.budgets)
    principal = context.principal
    if principal.scopes:
        row["scopes"] = list(principal.scopes)
    if principal.reach != _NO_LIMIT:
        reach = principal.reach
        row["reach"] = {
            name: list(value) if isinstance(value, tuple) else value
            for name in reach.__struct_fields__
            if (value := getattr(reach, name)) != getattr(_NO_LIMIT, name)
        }
    if context.destination != facts.destination:
        destination = context.destination
        row["asked"] = {name: getattr(destination, name) for name in destination.__struct_fields__}
    return row


def facts(body: Mapping[str, Any]) -> Facts | None:
    """Give the facts that an exchange was decided on, from its record's body; None where it does not hold them all."""
    rest_of = body.get("facts")
    if not isinstance(rest_of, dict):
        return None
    row = {
        "principal": {
            **body["principal"],
            "scopes": rest_of.get("scopes", ()),
            "reach": rest_of.get("reach", {}),
        },
        "destination": rest_of.get("asked", body["destination"]),
        "direction": body["direction"],
        "tier": body["tier"],
        "groups": body["groups"],
        "environment": body["environment"],
        "labels": body["labels"],
        "mode": body["decision"]["mode"],
        "budgets": rest_of["budgets"],
        **{name: rest_of[name] for name in _REST},
    }
    try:
        return msgspec.convert(row, Facts)
    except msgspec.ValidationError:
        return None
