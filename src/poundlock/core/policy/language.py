"""The policies' texts: parsed, checked against the schema, and linted, each problem with where it is and what to do.

It must never let through what would fail open or stay silent: a misspelt attribute, a refusal without a reason, two
policies of one name, a policy that can never apply.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import cedarpy
import msgspec

from poundlock.core.errors import ConfigFault
from poundlock.core.model import Reason, Rung, Value
from poundlock.core.policy import ladder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal

ANNOTATIONS = frozenset({"id", "reason", "advice", "control", "monitor"})
MONITOR_BLOCKS = "blocks"
"""`@monitor("blocks")`: the policy holds in monitor mode, too."""

_RESERVED = frozenset({ladder.NO_PERMIT.policy, ladder.FAULT.policy, ladder.STAYS.policy, ladder.GONE.policy})
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_POSITIONAL = re.compile(r"(?:for policy )?`policy\d+`[,:] ?")


class Problem(Value, frozen=True, kw_only=True):
    """Something wrong with a policy: the file, the line (1 is the first; 0 unknown), its id, what it is, what to do."""

    file: str
    line: int
    policy: str
    what: str
    advice: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.policy + ': ' if self.policy else ''}{self.what}"


class Policy(Value, frozen=True, kw_only=True):
    """One policy: its annotations, what its head speaks of, and its tree for the engine.

    `actions`, and the `kind` and `team` that its head demands; an empty one demands nothing.
    """

    _hidden = frozenset({"tree"})

    id: str
    file: str
    line: int
    effect: Literal["permit", "forbid"]
    actions: frozenset[str]
    reason: str
    advice: str
    control: str
    holds: bool
    tree: Mapping[str, Any]
    kind: str = ""
    team: str = ""

    def told(self) -> Reason:
        """Give what is said of this policy when it determines an answer."""
        return Reason(policy=self.id, effect=self.effect, reason=self.reason, advice=self.advice, control=self.control)


def schema(text: str) -> cedarpy.Schema:
    """Parse a schema. Raises `ConfigFault`."""
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as fault:
        raise ConfigFault(
            f"The policy schema does not parse: {fault}", advice="Use the schema that is shipped with this version."
        ) from None


def read(sources: Mapping[str, str], checked: cedarpy.Schema) -> tuple[tuple[Policy, ...], tuple[Problem, ...]]:
    """Read every file's policies, in order, with all the problems that they have."""
    policies: list[Policy] = []
    problems: list[Problem] = []
    for file, text in sources.items():
        found, wrong = _file(file, text, checked)
        policies += found
        problems += wrong
    problems += _twice(policies)
    problems += _unreachable(policies)
    return tuple(policies), tuple(problems)


def fault(problems: tuple[Problem, ...]) -> ConfigFault:
    """Give the fault that tells of these problems: the first in full, and how many more there are."""
    more = f" (and {len(problems) - 1} more; `poundlock policy check` lists them)" if len(problems) > 1 else ""
    return ConfigFault(f"{problems[0]}{more}", advice=problems[0].advice)


def compiled(policies: tuple[Policy, ...]) -> cedarpy.PolicySet:
    """Give the engine's set of these policies, named by their ids."""
    chosen = {policy.id: policy.tree for policy in policies}
    tree = {"templates": {}, "staticPolicies": chosen, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(msgspec.json.encode(tree).decode())


def _file(file: str, text: str, checked: cedarpy.Schema) -> tuple[list[Policy], list[Problem]]:
    try:
        tree = msgspec.json.decode(cedarpy.policies_to_json_str(text))
    except ValueError as wrong:
        line, what = _first_bad(text, str(wrong))
        return [], [Problem(file=file, line=line, policy="", what=what, advice="Correct the policy on this line.")]
    problems: list[Problem] = []
    if tree["templates"]:
        problems.append(
            Problem(
                file=file,
                line=0,
                policy="",
                what="a template (`?principal`, `?resource`) is not applied to anything",
                advice="Write it as a policy: name the entity, or test it in `when`.",
            )
        )
    lines = [line for line, statement in _statements(text) if statement.strip()]
    names = sorted(tree["staticPolicies"], key=lambda name: int(name.removeprefix("policy")))
    policies = []
    at: dict[str, tuple[str, int]] = {}
    for position, name in enumerate(names):
        line = lines[position] if len(lines) == len(names) + len(tree["templates"]) else 0
        policy = _policy(file, line, tree["staticPolicies"][name])
        at[name] = (policy.id, line)
        problems += _lint(policy, tree["staticPolicies"][name].get("annotations", {}))
        policies.append(policy)
    for error in cedarpy.validate_policies(text, checked).errors:
        identity, line = at.get(error.policy_id, ("", 0))
        problems.append(
            Problem(
                file=file,
                line=line,
                policy=identity,
                what=_POSITIONAL.sub("", error.error),
                advice="Use the words of the schema: `poundlock policy show --schema` prints it.",
            )
        )
    return policies, problems


def _policy(file: str, line: int, tree: Mapping[str, Any]) -> Policy:
    said: Mapping[str, Any] = tree.get("annotations", {})
    # Reading only @id under its own name keeps the engine's diagnostics stable: they name the key of the set.
    return Policy(
        id=said.get("id") or "",
        file=file,
        line=line,
        effect=tree["effect"],
        actions=_actions(tree["action"]),
        reason=said.get("reason") or "",
        advice=said.get("advice") or "",
        control=said.get("control") or "",
        holds=said.get("monitor") == MONITOR_BLOCKS,
        tree=tree,
        kind=_head(tree["resource"], "Kind"),
        team=_head(tree["principal"], "Team"),
    )


def _actions(scope: Mapping[str, Any]) -> frozenset[str]:
    """Give the actions that a policy's head can match; all of them where that is not plain."""
    if scope["op"] == "==" and "entity" in scope:
        return frozenset({scope["entity"]["id"]})
    if scope["op"] == "in" and "entities" in scope:
        return frozenset(named["id"] for named in scope["entities"])
    if scope["op"] == "in" and "entity" in scope:
        return frozenset({scope["entity"]["id"]})
    return ladder.ACTIONS


def _head(scope: Mapping[str, Any], kind: str) -> str:
    """Give the entity of a type that a head demands to stand in (`resource in Kind::"pii"`), else nothing."""
    inside = scope["op"] == "in" and "entity" in scope and scope["entity"]["type"] == kind
    return str(scope["entity"]["id"]) if inside else ""


def _lint(policy: Policy, said: Mapping[str, Any]) -> Iterator[Problem]:
    def problem(what: str, advice: str) -> Problem:
        return Problem(file=policy.file, line=policy.line, policy=policy.id, what=what, advice=advice)

    if not policy.id:
        yield problem(f"a {policy.effect} has no @id", 'Name it: @id("team.topic"); records and messages use the name.')
    elif not _NAME.fullmatch(policy.id):
        yield problem("its @id is not a name", "Use small letters, digits, dots and dashes, 64 at the most.")
    elif policy.id in _RESERVED:
        yield problem("its @id is taken by Poundlock itself", "Choose another name.")
    rungs = policy.actions & {rung.value for rung in Rung}
    if not policy.reason and (policy.effect == "forbid" or rungs):
        yield problem(f"a {policy.effect} has no @reason", 'Say in one sentence why: @reason("…").')
    if not policy.advice and policy.effect == "forbid":
        yield problem("a forbid has no @advice", 'Say in one sentence what to do instead: @advice("…").')
    for name in sorted(set(said) - ANNOTATIONS):
        yield problem(f"@{name} is not known", f"Use one of {', '.join('@' + known for known in sorted(ANNOTATIONS))}.")
    if "monitor" in said and said["monitor"] != MONITOR_BLOCKS:
        yield problem("@monitor has a value that is not known", f'Write @monitor("{MONITOR_BLOCKS}"), or leave it out.')
    if _never(policy.tree):
        yield problem("it can never apply: its conditions exclude each other", "Correct the condition, or delete it.")


def _twice(policies: list[Policy]) -> Iterator[Problem]:
    first: dict[str, Policy] = {}
    for policy in policies:
        other = first.setdefault(policy.id, policy)
        if policy.id and other is not policy:
            yield Problem(
                file=policy.file,
                line=policy.line,
                policy=policy.id,
                what=f"the @id is taken by a policy of {other.file}:{other.line}",
                advice="Give each policy a name of its own.",
            )


def _unreachable(policies: list[Policy]) -> Iterator[Problem]:
    shut = [
        policy
        for policy in policies
        if policy.effect == "forbid"
        and policy.tree["principal"]["op"] == policy.tree["resource"]["op"] == "All"
        and all(_constant(c["body"]) is (c["kind"] == "when") for c in policy.tree["conditions"])
    ]
    for policy in shut:
        closed = [other.id for other in policies if other.effect == "permit" and other.actions <= policy.actions]
        if closed:
            yield Problem(
                file=policy.file,
                line=policy.line,
                policy=policy.id,
                what=f"it always applies, so that these never can: {', '.join(closed)}",
                advice="Give it a condition (`when`), or a kind (`resource in Kind::…`).",
            )


def _never(tree: Mapping[str, Any]) -> bool:
    """Tell whether a policy's conditions can be seen to fail whatever the facts: constants, and one value being two."""
    demanded: dict[bytes, set[bytes]] = {}
    for condition in tree["conditions"]:
        if _constant(condition["body"]) is (condition["kind"] == "unless"):
            return True
        if condition["kind"] == "when":
            for subject, value in _demands(condition["body"]):
                demanded.setdefault(subject, set()).add(value)
    return any(len(values) > 1 for values in demanded.values())


def _demands(body: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (expression, constant) for each equality that must hold for `body` to hold."""
    if "&&" in body:
        yield from _demands(body["&&"]["left"])
        yield from _demands(body["&&"]["right"])
    elif "==" in body and "Value" in body["=="]["right"] and "Value" not in body["=="]["left"]:
        encode = msgspec.json.Encoder(order="sorted").encode
        yield encode(body["=="]["left"]), encode(body["=="]["right"])


def _constant(body: Mapping[str, Any]) -> bool | None:
    """Fold an expression to the truth value that it has whatever the facts, or None."""
    ((operator, operands),) = body.items()
    if operator == "Value":
        return operands if isinstance(operands, bool) else None
    if operator == "!":
        inner = _constant(operands["arg"])
        return None if inner is None else not inner
    if operator in {"&&", "||"}:
        sides = (_constant(operands["left"]), _constant(operands["right"]))
        deciding = operator == "||"
        if deciding in sides:
            return deciding
        return None if None in sides else not deciding
    return None


def _first_bad(text: str, whole: str) -> tuple[int, str]:
    """Find the first statement that does not parse: its line (1 is the first) and what is wrong with it."""
    for line, statement in _statements(text):
        try:
            cedarpy.policies_to_json_str(statement)
        except ValueError as wrong:
            return line, f"does not parse: {wrong}"
    return 0, f"does not parse: {whole}"


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text after each `;` that ends a policy; give each piece with the line on which its first word stands."""
    pieces = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;')
    start = 0
    ends = [match.end() for match in pieces.finditer(text) if match.group() == ";"]
    for end in [*ends, len(text)]:
        statement = text[start:end]
        plain = re.sub(r"^(?:\s+|//[^\n]*(?:\n|$))*", "", statement)
        if plain:
            yield text.count("\n", 0, end - len(plain)) + 1, statement
        start = end


def shadowed(policies: tuple[Policy, ...]) -> tuple[Problem, ...]:
    """Tell of policies that change no answer: another one of the same effect applies wherever they do.

    It is seen where the other's head is as wide and its conditions are among theirs. What another file makes
    superfluous in the first file is no problem of either: joining the pack is how it is tightened.
    """
    found: list[Problem] = []
    asked = [(policy, _conditions(policy)) for policy in policies]
    for index, (policy, conditions) in enumerate(asked):
        for other, wider in asked:
            if (
                other is policy
                or (other.effect != policy.effect or not policy.actions <= other.actions or not wider <= conditions)
                or (policy.file != other.file and policy.file == policies[0].file)
                or not all(_covers(other.tree[part], policy.tree[part]) for part in ("principal", "resource"))
            ):
                continue
            if wider == conditions and policy.actions == other.actions and asked.index((other, wider)) > index:
                continue  # of two that are equal, the later one is told of
            found.append(
                Problem(
                    file=policy.file,
                    line=policy.line,
                    policy=policy.id,
                    what=f"it changes no answer: {other.id} ({other.file}:{other.line}) applies wherever it does",
                    advice="Delete it, or keep it for its reason and advice alone.",
                )
            )
            break
    return tuple(found)


def statement(text: str, line: int) -> str:
    """Give the text of the policy whose first word stands on a line (1 is the first), or nothing."""
    return next((re.sub(r"^(?:\s+|//[^\n]*(?:\n|$))*", "", piece) for at, piece in _statements(text) if at == line), "")


def _conditions(policy: Policy) -> frozenset[bytes]:
    """Give what must hold for a policy to apply, each part of a conjunction by itself."""
    encode = msgspec.json.Encoder(order="sorted").encode
    parts: set[bytes] = set()

    def add(kind: str, body: Mapping[str, Any]) -> None:
        operator = "&&" if kind == "when" else "||"
        if operator in body:
            add(kind, body[operator]["left"])
            add(kind, body[operator]["right"])
        else:
            parts.add(encode([kind, body]))

    for condition in policy.tree["conditions"]:
        add(condition["kind"], condition["body"])
    return frozenset(parts)


def _covers(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    """Tell whether one head's demand on principal or resource is met wherever another's is."""
    if wide["op"] == "All" or wide == narrow:
        return True
    if wide["op"] != "in" or narrow["op"] != "in" or "entity" not in wide or "entity" not in narrow:
        return False
    kind, inside = wide["entity"]["id"], narrow["entity"]["id"]
    return bool(wide["entity"]["type"] == narrow["entity"]["type"] == "Kind" and inside.startswith(f"{kind}."))
