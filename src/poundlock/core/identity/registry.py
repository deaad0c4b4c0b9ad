"""The register of tools: AI tools, agents, CI jobs and MCP servers, each with a human owner and what it may reach.

It says whether a tool stands, and why not. It never reads a clock or a store, and never trusts a tool's own word.
"""

from __future__ import annotations

import re
from typing import Literal

from poundlock.core.errors import ConfigFault
from poundlock.core.model import TIERS, Reach, Tier, Value

State = Literal["proposed", "active", "suspended", "retired"]
Sort = Literal["tool", "agent", "ci", "mcp"]
Privilege = Literal["drafts", "holds", "calls", "acts"]

STATES: tuple[State, ...] = ("proposed", "active", "suspended", "retired")
SORTS: tuple[Sort, ...] = ("tool", "agent", "ci", "mcp")
PRIVILEGES: tuple[Privilege, ...] = ("drafts", "holds", "calls", "acts")
"""What a tool has been given, from the lightest: it drafts text, holds a credential, calls a service, acts."""

EVERYBODY = "*"
"""The person that stands for all: stopping it stops everything."""

DAY = 86_400_000_000_000
"""A day in nanoseconds."""
GRACE = 14 * DAY
"""How long a tool may go on after its owner has left, unless the settings say otherwise."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+/-]{0,127}")
_DAY = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")


class Tool(Value, frozen=True, kw_only=True):
    """One entry of the register. Empty lists mean no limit; times are nanoseconds since the epoch, 0 for never.

    `privilege` is the most durable thing that it was ever given, and `privileged` since when it has more than
    drafting. `unowned` is since when nobody owns it. `review` is the day (ISO 8601) by which a person looks again.
    """

    id: str
    sort: Sort = "tool"
    owner: str = ""
    team: str = ""
    purpose: str = ""
    state: State = "proposed"
    repositories: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    max_tier: Tier = "restricted"
    scopes: tuple[str, ...] = ()
    review: str = ""
    privilege: Privilege = "drafts"
    privileged: int = 0
    added: int = 0
    unowned: int = 0

    @property
    def reach(self) -> Reach:
        """What it may reach, as policy sees it."""
        return Reach(
            destinations=self.destinations,
            repositories=self.repositories,
            tools=self.tools,
            classes=self.classes,
            max_tier=self.max_tier,
        )


class Person(Value, frozen=True, kw_only=True):
    """What is known of a person: `gone` when they left or were stopped, since when, and why.

    Raising `epoch` ends everything that was opened before.
    """

    name: str
    epoch: int = 0
    gone: bool = False
    since: int = 0
    reason: str = ""


class Seen(Value, frozen=True, kw_only=True):
    """A tool with what the store knows beside its entry: its epoch, and when a task of it was last opened."""

    tool: Tool
    epoch: int = 0
    used: int = 0


class Refusal(Value, frozen=True, kw_only=True):
    """Why an identity does not stand, and what to do about it; both are safe to show."""

    message: str
    advice: str = ""


def name(text: str, what: str) -> str:
    """Give a name that may stand in the register. Raises `ConfigFault` for anything else."""
    if not _NAME.fullmatch(text):
        raise ConfigFault(
            f"This is no name of a {what}.", advice="Use letters, digits and . _ @ + / - (at most 128, no space)."
        )
    return text


def checked(tool: Tool) -> Tool:
    """Give an entry whose words all mean something. Raises `ConfigFault` naming the field that doesn't."""
    name(tool.id, "tool")
    if tool.owner:
        name(tool.owner, "person")
    for field, value, known in (
        ("state", tool.state, STATES),
        ("sort", tool.sort, SORTS),
        ("privilege", tool.privilege, PRIVILEGES),
        ("max_tier", tool.max_tier, TIERS),
    ):
        if value not in known:
            raise ConfigFault(f"A tool's {field} can't be that.", advice=f"One of: {', '.join(known)}.")
    if tool.review and not _DAY.fullmatch(tool.review):
        raise ConfigFault("A tool's review is no day.", advice="Write it as 2027-03-31.")
    return tool


def raised(tool: Tool, privilege: Privilege, now: int) -> Tool:
    """Give the entry with at least this privilege; it never goes down by itself."""
    if PRIVILEGES.index(privilege) <= PRIVILEGES.index(tool.privilege):
        return tool
    return replaced(tool, privilege=privilege, privileged=tool.privileged or now)


def replaced(tool: Tool, **changes: object) -> Tool:
    """Give the entry with some fields changed."""
    fields = {field: getattr(tool, field) for field in tool.__struct_fields__}
    return Tool(**{**fields, **changes})


def tool_refused(tool: Tool, owner: Person | None, *, now: int, grace: int = GRACE) -> Refusal | None:
    """Say why a tool may not be used, or None: its state, and an owner who is there or left less than `grace` ago.

    `now` and `grace` are nanoseconds. A proposed tool is not refused here: it counts as not registered, and policy
    says what that means.
    """
    if tool.state in {"suspended", "retired"}:
        return Refusal(
            message=f"The tool {tool.id} is {tool.state}.",
            advice="Its owner can ask for it back: `poundlock tools set ID --state active`.",
        )
    if not tool.owner and now - tool.unowned >= grace:
        return Refusal(
            message=f"Nobody owns the tool {tool.id}.",
            advice="Somebody has to answer for it: `poundlock tools set ID --owner PERSON`.",
        )
    if owner is not None and owner.gone and now - owner.since >= grace:
        return Refusal(
            message=f"The owner of the tool {tool.id} has left.",
            advice="Somebody has to take it over: `poundlock tools set ID --owner PERSON`.",
        )
    return None


def person_refused(person: Person | None, everybody: Person | None) -> Refusal | None:
    """Say why a person's calls are refused, or None."""
    if everybody is not None and everybody.gone:
        return Refusal(
            message="Everything was stopped.", advice="Whoever did it can lift it: `poundlock revoke --all --lift`."
        )
    if person is not None and person.gone:
        return Refusal(
            message="This person's access has ended.",
            advice="An administrator can lift it: `poundlock revoke --person NAME --lift`.",
        )
    return None
