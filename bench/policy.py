"""What a decision costs, cold and remembered, with 30 and 300 policies: `python bench/policy.py`.

Prints microseconds of CPU a decision (the best of several rounds), beside plain cedarpy calls that parse policies,
schema and entities from text for every rung. Cold: facts that were never asked before. Turn: the next turn of a
conversation, with one group more. Warm: the same facts again.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable

import cedarpy

from poundlock.adapters import policyfiles
from poundlock.core.model import Destination, Facts, Group, Principal, Rung
from poundlock.core.policy import facts as entities_of
from poundlock.core.policy.decide import Policies

ROUNDS = 7
KINDS = ("secret.aws.access-key", "pii.email", "infrastructure.host", "identifier.name", "pii.phone", "code.protected")
ME = Principal(human="someone", tool="claude-code", tool_claimed=False)
TO = Destination(name="anthropic", vendor="anthropic", plan="commercial", approved=True, dpa=True, trains=False)
TEAM = """@id("team.{0}") @reason("Team {0} says so.") @advice("Ask team {0}.")
forbid (principal in Team::"team{0}", action in [Action::"send", Action::"sendDisguised"], resource in Kind::"pii")
when {{ resource.exchange.labels.contains("label{0}") && resource.values >= {0} }};
"""
LOOSE = """@id("team.{0}") @reason("Team {0} says so.") @advice("Ask team {0}.")
forbid (principal, action in [Action::"send", Action::"sendDisguised"], resource)
when {{ principal in Team::"team{0}" && resource in Kind::"pii" && resource.values >= {0} }};
"""


def group(kind: str, values: int = 3) -> Group:
    """Give a group of newly typed values."""
    return Group(
        family=kind.partition(".")[0],
        kind=kind,
        tier="internal",
        origin="typed",
        new=True,
        count=values,
        values=values,
        confidence=90,
    )


def facts(groups: int, values: int = 3) -> Facts:
    """Give an exchange with this many groups."""
    return Facts(principal=ME, destination=TO, groups=tuple(group(kind, values) for kind in KINDS[:groups]))


def microseconds(call: Callable[[], object], times: int) -> float:
    """Give the CPU time of one call, the best of several rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(times):
            call()
        best = min(best, (time.process_time() - start) / times)
    return best * 1e6


def plain(texts: str, schema: str, asked: Facts) -> Rung:
    """Climb with plain calls: everything as text, for every part and rung."""
    parts = {"document": None, **{str(index): each for index, each in enumerate(asked.groups)}}
    entities = json.dumps(entities_of.exchange(asked) + entities_of.parts(asked, parts))
    last = Rung.SEND
    for name, rung in itertools.product(parts, (Rung.SEND, Rung.SEND_DISGUISED)):
        request = {
            "principal": entities_of.person(asked.principal),
            "action": entities_of.action(rung.value),
            "resource": entities_of.part(name),
            "context": {},
        }
        last = rung if cedarpy.is_authorized(request, texts, entities, schema).allowed else Rung.BLOCKED
    return last


def measured(policy: str, count: int, groups: int) -> dict[str, float]:
    """Measure a set of this many policies, most of them after one pattern, with this many groups."""
    sources = policyfiles.sources()
    schema = policyfiles.schema()
    own = len(Policies.compile(sources, schema).policies)
    count = max(count, own)  # the default pack may have outgrown it
    sources["teams.cedar"] = "".join(policy.format(number) for number in range(1, count - own + 1))
    policies = Policies.compile(sources, schema)
    assert len(policies.policies) == count
    assert policies.decide(facts(groups)).errors == ()
    fresh = itertools.count()

    def cold() -> None:
        asked = facts(groups)
        policies.decide(
            Facts(principal=ME, destination=TO, groups=asked.groups, repository=f"repository {next(fresh)}")
        )

    def turn() -> None:
        policies.decide(
            Facts(principal=ME, destination=TO, groups=(*facts(groups - 1).groups, group("pii.x", next(fresh) + 9)))
        )

    asked = facts(groups)
    texts = "".join(sources.values())
    return {
        "cold": microseconds(cold, 100),
        "turn": microseconds(turn, 100),
        "warm": microseconds(lambda: policies.decide(asked), 10_000),
        "plain": microseconds(lambda: plain(texts, schema, asked), 3),
    }


def main() -> int:
    """Print a table."""
    print("In `head` a policy says in its head whom and what it is about, in `body` only in its conditions.")
    print(f"{'policies':>14} {'groups':>6} {'cold µs':>9} {'turn µs':>9} {'warm µs':>9} {'plain µs':>9}  plain/cold")
    for (name, policy), count, groups in itertools.product({"head": TEAM, "body": LOOSE}.items(), (30, 300), (1, 2, 6)):
        row = measured(policy, count, groups)
        figures = f"{row['cold']:>9.0f} {row['turn']:>9.0f} {row['warm']:>9.2f} {row['plain']:>9.0f}"
        print(f"{name:>5} {count:>8} {groups:>6} {figures}  {row['plain'] / row['cold']:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
