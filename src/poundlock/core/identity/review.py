"""The standing access review: what nobody uses, owns or has looked at for long, each with the command that mends it.

It judges what it is given and reads nothing itself. It never says that something is safe: only what to look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.identity.registry import DAY, Person, Seen
from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

IDLE_DAYS = 90
"""After so many days without use a tool is listed."""
KEY_DAYS = 90
"""After so many days a credential is long-lived."""


class Use(Value, frozen=True, kw_only=True):
    """What a tool was seen doing in the time that is looked at: how often, last when, where to, and for whom."""

    exchanges: int = 0
    last: int = 0
    destinations: frozenset[str] = frozenset()
    humans: frozenset[str] = frozenset()


class Key(Value, frozen=True, kw_only=True):
    """A credential that does not end by itself: its name, its tool (or nothing), whose, when made (0: not known)."""

    name: str
    human: str
    tool: str = ""
    made: int = 0
    used_by: tuple[str, ...] = ()


class Finding(Value, frozen=True, kw_only=True):
    """One thing to look at: which, of what, in a sentence, and what to type."""

    what: str
    name: str
    said: str
    command: str


def review(
    tools: Iterable[Seen],
    people: Mapping[str, Person],
    uses: Mapping[str, Use],
    keys: Iterable[Key],
    dotfiles: Iterable[str],
    *,
    now: int,
    today: str,
    idle_days: int = IDLE_DAYS,
) -> list[Finding]:
    """List what to look at. `now` is nanoseconds since the epoch, `today` the same day in ISO 8601."""
    found: list[Finding] = []
    for seen in tools:
        found += _of_tool(seen, people, uses.get(seen.tool.id, Use()), now=now, today=today, idle_days=idle_days)
    for key in keys:
        found += _of_key(key, now=now)
    found += [
        Finding(
            what="dotfile",
            name=path,
            said="A long-lived credential lies in a file that every program of this user can read.",
            command=f"move it into a key store, then: rm {path}",
        )
        for path in dotfiles
    ]
    return found


def _of_tool(
    seen: Seen, people: Mapping[str, Person], use: Use, *, now: int, today: str, idle_days: int
) -> list[Finding]:
    tool = seen.tool
    if tool.state == "retired":
        return []

    def tell(what: str, said: str, command: str) -> Finding:
        return Finding(what=what, name=tool.id, said=said, command=f"poundlock tools {command}")

    found: list[Finding] = []
    owner = people.get(tool.owner)
    if not tool.owner:
        found.append(tell("owner", "Nobody owns it.", f"set {tool.id} --owner PERSON"))
    elif owner is not None and owner.gone:
        found.append(tell("owner", f"Its owner {tool.owner} has left.", f"set {tool.id} --owner PERSON"))
    if tool.state == "proposed":
        found.append(tell("proposed", "It waits for somebody to admit it.", f"set {tool.id} --state active"))
    if tool.review and tool.review < today:
        found.append(tell("review", f"It was to be reviewed by {tool.review}.", f"set {tool.id} --review DAY"))
    idle = (now - max(seen.used, tool.added, use.last)) // DAY
    if idle >= idle_days:
        found.append(tell("idle", f"It was not used for {idle} days.", f"retire {tool.id}"))
        return found
    unused = sorted(name for name in tool.destinations if name not in use.destinations)
    if unused and use.exchanges:
        kept = " ".join(f"--destination {name}" for name in tool.destinations if name in use.destinations)
        found.append(
            tell("destination", f"It may reach {', '.join(unused)} and never did.", f"set {tool.id} {kept}".strip())
        )
    wanted = {f"send:{name}" for name in use.destinations}
    idle_scopes = [
        scope
        for scope in tool.scopes
        if scope.startswith("send") and not any(each == scope or each.startswith(f"{scope}:") for each in wanted)
    ]
    if idle_scopes and use.exchanges:
        kept = " ".join(f"--scope {scope}" for scope in tool.scopes if scope not in idle_scopes)
        found.append(
            tell("scope", f"It holds {', '.join(idle_scopes)} and never used it.", f"set {tool.id} {kept}".strip())
        )
    return found


def _of_key(key: Key, *, now: int) -> list[Finding]:
    found: list[Finding] = []
    command = f"poundlock init --revoke {key.name}"
    age = (now - key.made) // DAY
    if not key.made or age >= KEY_DAYS:
        said = f"It is {age} days old and does not end by itself." if key.made else "It does not end by itself."
        found.append(Finding(what="key", name=key.name, said=said, command=command))
    if not key.tool and len(key.used_by) > 1:
        said = f"Several tools use it: {', '.join(key.used_by)}."
        found.append(Finding(what="shared", name=key.name, said=said, command=f"{command}; poundlock run -- TOOL"))
    return found
