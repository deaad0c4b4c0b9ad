"""Tasks: what one run of a tool may do, for whom, until when; and what it may hand on to a sub-agent.

INVARIANT: a child never has more than its parent: no wider scope, no higher tier, no later end, another chain or human.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poundlock.core.errors import ClientFault
from poundlock.core.identity.registry import GRACE, Person, Refusal, Tool, person_refused, tool_refused
from poundlock.core.model import TIERS, Reach, Tier, Value, covers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIFE = 600_000_000_000
"""How long a task's credential stands without being renewed: ten minutes, in nanoseconds."""
LONGEST = 7 * 86_400_000_000_000
"""How long a task can last, whatever renews it."""
DEPTH = 5
"""How many generations of sub-agents there may be."""
SCOPES = ("send", "mcp")
"""What a task may do when nobody says otherwise: speak to model providers and to MCP servers."""

_SCOPE = re.compile(r"[a-z][a-z0-9-]{0,31}(?::[A-Za-z0-9._/*@+-]{1,128}){0,6}")
_ID = re.compile(r"[0-9a-f]{12,32}")


class Task(Value, frozen=True, kw_only=True):
    """One task. Times are nanoseconds since the epoch; `chain` are the tools that act, the outermost first.

    The epochs are those of the tool, the person and everybody when it was opened: who raises one ends the task.
    `key` is the thumbprint (RFC 7638) of the key that its tokens are bound to, or nothing. `known` says how the human
    or the workload was known; `subject` is the name that an issuer gave a workload.
    """

    id: str
    tool: str
    human: str
    team: str = ""
    parent: str = ""
    chain: tuple[str, ...] = ()
    scopes: tuple[str, ...] = SCOPES
    max_tier: Tier = "restricted"
    depth: int = 0
    opened: int = 0
    expires: int = 0
    tool_epoch: int = 0
    person_epoch: int = 0
    all_epoch: int = 0
    key: str = ""
    known: str = "local"
    subject: str = ""
    program: str = ""
    repository: str = ""

    @property
    def about(self) -> dict[str, object]:
        """What a record says of it."""
        return {
            "task": self.id,
            "tool": self.tool,
            "human": self.human,
            "parent": self.parent,
            "chain": list(self.chain),
            "scopes": list(self.scopes),
            "max_tier": self.max_tier,
            "depth": self.depth,
            "expires": self.expires,
            "bound": bool(self.key),
            "known": self.known,
            "subject": self.subject,
            "repository": self.repository,
        }


class Standing(Value, frozen=True, kw_only=True):
    """What the store says of a task now: until when it is alive, whether it was ended, and of all that it hangs on."""

    task: Task
    alive: int
    ended: int = 0
    reason: str = ""
    tool: Tool | None = None
    tool_epoch: int = 0
    owner: Person | None = None
    person: Person | None = None
    everybody: Person | None = None


def scopes(texts: Iterable[str]) -> tuple[str, ...]:
    """Give scopes in order, each once. Raises `ClientFault` for what is none."""
    found = tuple(dict.fromkeys(texts))
    if not all(_SCOPE.fullmatch(text) for text in found):
        raise ClientFault("A scope is a word, or words joined with ':'.", advice="For example: send:anthropic.")
    return found


def is_id(text: str) -> bool:
    """Tell whether a text has the form of a task's id."""
    return bool(_ID.fullmatch(text))


def narrowed(
    parent: Task,
    *,
    id: str,  # noqa: A002 (the word that records use)
    now: int,
    tool: str = "",
    asked: Sequence[str] = (),
    max_tier: str = "",
    seconds: int = 0,
    key: str = "",
) -> Task:
    """Give a child of a task for a sub-agent, which has what was asked for and never more (RFC 8693).

    Nothing asked for means all of the parent's. Raises `ClientFault` for anything wider, with what to ask for.
    """
    if parent.depth >= DEPTH:
        raise ClientFault(
            f"A task hands on its rights {DEPTH} times at the most.", advice="Let an agent further up start this one."
        )
    wanted = scopes(asked) or parent.scopes
    wider = [scope for scope in wanted if not covers(parent.scopes, scope)]
    if wider:
        raise ClientFault(
            "A sub-agent can't get a wider scope than its task has.", advice="Ask for some of the task's own scopes."
        )
    if max_tier and max_tier not in TIERS:
        raise ClientFault("There is no such tier.", advice=f"One of: {', '.join(TIERS)}.")
    tier = next((known for known in TIERS if known == max_tier), parent.max_tier)
    if TIERS.index(tier) > TIERS.index(parent.max_tier):
        raise ClientFault("A sub-agent can't get a higher tier than its task has.", advice="Ask for a lower one.")
    end = now + seconds * 1_000_000_000 if seconds > 0 else parent.expires
    if end > parent.expires:
        raise ClientFault("A sub-agent can't outlive its task.", advice="Ask for a shorter time, or for none.")
    actor = tool or parent.tool
    return Task(
        id=id,
        tool=actor,
        human=parent.human,
        team=parent.team,
        parent=parent.id,
        chain=(*(parent.chain or (parent.tool,)), actor),
        scopes=wanted,
        max_tier=tier,
        depth=parent.depth + 1,
        opened=now,
        expires=end,
        tool_epoch=parent.tool_epoch,
        person_epoch=parent.person_epoch,
        all_epoch=parent.all_epoch,
        key=key,
        known=parent.known,
        subject=parent.subject,
        program=parent.program,
        repository=parent.repository,
    )


def reach(task: Task, tools: Iterable[Tool | None]) -> Reach:
    """Give what a task may reach: what every tool of its chain may, up to the lower tier."""
    known = [tool.reach for tool in tools if tool is not None]
    tiers = [task.max_tier, *(each.max_tier for each in known)]
    return Reach(
        destinations=_common(each.destinations for each in known),
        repositories=_common(each.repositories for each in known),
        tools=_common(each.tools for each in known),
        classes=_common(each.classes for each in known),
        max_tier=min(tiers, key=TIERS.index),
    )


def _common(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Give what stands in all of the lists. An empty one is no limit; nothing in common is one that nothing meets."""
    limited = [names for names in lists if names]
    if not limited:
        return ()
    first, *others = limited
    return tuple(each for each in first if all(each in names for names in others)) or ("",)


def refused(standings: Sequence[Standing], *, now: int, grace: int = GRACE) -> Refusal | None:
    """Say why a task may not act, or None. `standings` are its own and then each parent's, up to the root."""
    if not standings:
        return Refusal(message="This task is not known.", advice="Start the tool again with `poundlock run -- TOOL`.")
    below = standings[0]
    if len(standings) != below.task.depth + 1:
        return Refusal(message="The task that this one belongs to is gone.", advice="Start the tool again.")
    for standing in standings:
        found = _refused(standing, now=now, grace=grace)
        if found is not None:
            return found
        if standing is not below and (standing.task.id != below.task.parent or standing.task.human != below.task.human):
            return Refusal(message="This task does not belong to the one it names.", advice="Start the tool again.")
        below = standing
    return None


def _refused(standing: Standing, *, now: int, grace: int) -> Refusal | None:
    task = standing.task
    again = "Start the tool again with `poundlock run -- TOOL`."
    stopped = person_refused(standing.person, standing.everybody)
    if stopped is not None:
        return stopped
    if standing.ended:
        return Refusal(message=f"The task was ended: {standing.reason or 'no reason was given'}.", advice=again)
    if now >= task.expires or now >= standing.alive:
        return Refusal(message="The task's time is over.", advice=again)
    if standing.person is not None and standing.person.epoch != task.person_epoch:
        return Refusal(message="All that this person had begun was ended.", advice=again)
    if standing.everybody is not None and standing.everybody.epoch != task.all_epoch:
        return Refusal(message="All tasks were ended.", advice=again)
    if standing.tool_epoch != task.tool_epoch:
        return Refusal(message=f"All tasks of the tool {task.tool} were ended.", advice=again)
    if standing.tool is None:
        return Refusal(
            message=f"The tool {task.tool} is not in the register.",
            advice=f"Somebody has to answer for it: `poundlock tools add {task.tool} --owner PERSON`.",
        )
    return tool_refused(standing.tool, standing.owner, now=now, grace=grace)
