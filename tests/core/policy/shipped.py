"""The shipped pack, compiled once, and mutants of it."""

from __future__ import annotations

import functools

from poundlock.adapters import policyfiles
from poundlock.core.model import Destination, Facts, Group, Principal
from poundlock.core.policy import language
from poundlock.core.policy.decide import Policies

SCHEMA = policyfiles.schema()

ME = Principal(human="someone", tool="claude-code", tool_claimed=False)
AGREED = Destination(name="anthropic", vendor="anthropic", approved=True, dpa=True, trains=False)
TRAINS = Destination(name="anthropic", vendor="anthropic", approved=True)


@functools.cache
def pack() -> Policies:
    """Give the shipped pack."""
    return policyfiles.load()


def mutant(*, without: tuple[str, ...] = (), extra: str = "", bare: str = "") -> Policies:
    """Give the pack without some policies, with some more, or with the annotations of one taken away; never linted."""
    sources = {**policyfiles.sources(), "extra.cedar": extra}
    policies, _ = language.read(sources, language.schema(SCHEMA))
    assert set(without) <= {policy.id for policy in policies}
    kept = tuple(
        language.Policy(**{**{n: getattr(p, n) for n in p.__struct_fields__}, "reason": "", "advice": ""})
        if p.id == bare
        else p
        for p in policies
        if p.id not in without
    )
    return Policies(kept, language.schema(SCHEMA), "mutant")


def only(text: str) -> Policies:
    """Compile one text and nothing else."""
    return Policies.compile({"one.cedar": text}, SCHEMA)


def group(kind: str, **changes) -> Group:
    """Give a group of one newly typed, restricted value."""
    fields = {"tier": "restricted", "origin": "typed", "new": True, "count": 1, "values": 1, "confidence": 90}
    return Group(family=kind.partition(".")[0], kind=kind, **{**fields, **changes})


def facts(*groups: Group, to: Destination = AGREED, who: Principal = ME, **changes) -> Facts:
    """Give the facts of an exchange with these groups."""
    return Facts(principal=who, destination=to, groups=groups, **changes)
