"""One run of a tool as a task: opened before it starts, renewed while it lives, ended with it; and its surroundings.

The credential is in the tool's environment and nowhere on the disk. It never passes on a credential of the developer's
that is not the tool's own, unless somebody said so.
"""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from poundlock.adapters.credentials import digest, fresh
from poundlock.cli import login, register
from poundlock.core.errors import Fault
from poundlock.core.identity import repositories, surroundings, tasks
from poundlock.core.identity.registry import Tool
from poundlock.core.identity.tasks import Task
from poundlock.core.model import covers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from poundlock.adapters.sqlite import Identities
    from poundlock.config import Settings
    from poundlock.core.leases import Grant

RENEW = 180
"""Seconds from one renewal to the next: a task that is not renewed for ten minutes ends."""
OWN: dict[str, tuple[str, ...]] = {
    "copilot": ("github",),
    "github-copilot": ("github",),
    "copilot-cli": ("github", "COPILOT_PROVIDER_API_KEY", "COPILOT_PROVIDER_BEARER_TOKEN"),
}
"""Credentials, or groups of them, that are a tool's own login."""
_NO_NAME = re.compile(r"[^A-Za-z0-9._@+/-]+")


class Errand(NamedTuple):
    """A task that was opened for a run, and its credential."""

    task: str
    token: str


@contextlib.contextmanager
def opened(
    settings: Settings, *, tool: str, program: str, scopes: Iterable[str] = (), grants: Iterable[Grant] = ()
) -> Iterator[Errand]:
    """Open a task for one run of a tool, renew it while this lasts, and end it.

    It may ask for leases on `grants` as far as the tool's own scopes let it.

    Raises: `ClientFault` when the tool or whoever runs it is refused, with the reason.
    """
    token = fresh()
    name = _NO_NAME.sub("-", tool).lstrip("._@+/-") or "tool"
    who = login.human(settings)
    task = register.within(
        settings, lambda known: _open(known, settings, name, program, who, tuple(scopes), token, tuple(grants))
    )

    def renew(_number: int, _frame: object) -> None:
        # In the tool's time of waiting: no thread beside the one that starts processes. The next alarm is set when
        # this is done, so that none comes in between.
        with contextlib.suppress(Fault):
            register.within(settings, lambda known: known.renew(task))
        signal.setitimer(signal.ITIMER_REAL, RENEW)

    before = signal.signal(signal.SIGALRM, renew)
    signal.setitimer(signal.ITIMER_REAL, RENEW)
    try:
        yield Errand(task, token)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        register.within(settings, lambda known: known.end_task(task, reason="the tool has ended"))


async def _open(
    known: Identities,
    settings: Settings,
    name: str,
    program: str,
    who: tuple[str, str, str],
    scopes: tuple[str, ...],
    token: str,
    grants: tuple[Grant, ...] = (),
) -> str:
    human, how, subject = who
    now = known.now()
    if settings.identity.enrol:
        purpose = "started with `poundlock run`"
        await known.keep_tool(Tool(id=name, owner=human, state="active", purpose=purpose), new=True)
    seen = known.ask.tool(name)
    limits = seen.tool.scopes if seen else ()
    leased = [grant.scope for grant in grants if not limits or covers(limits, grant.scope)]
    task = Task(
        id=uuid.uuid4().hex[:12],
        tool=name,
        human=human,
        team=seen.tool.team if seen else "",
        scopes=tuple(dict.fromkeys((*(tasks.scopes(scopes) or limits or tasks.SCOPES), *leased))),
        max_tier=seen.tool.max_tier if seen else "restricted",
        opened=now,
        expires=now + settings.identity.task_hours * 3_600_000_000_000,
        known=how,
        subject=subject,
        program=program,
        repository=repository(Path.cwd()),
    )
    await known.open_task(task, digest(token))
    return task.id


def repository(folder: Path) -> str:
    """Give the name of the repository that a folder is in, by its first remote: only a name, never a setting."""
    for at in (folder, *folder.parents):
        try:
            text = (at / ".git" / "config").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        return repositories.named(text)
    return ""


def environment(
    inherited: Mapping[str, str],
    settings: Settings,
    *,
    tool: str,
    keep: Iterable[str],
    stack: contextlib.ExitStack,
    quiet: bool,
) -> dict[str, str]:
    """Give a tool's environment without the credentials that are not its own, and say what was taken away."""
    if not settings.identity.scrub:
        return dict(inherited)
    home = Path(inherited.get("HOME", "/"))
    present = [group for group, names in surroundings.FILES.items() if any((home / name).exists() for name in names)]
    empty = stack.enter_context(tempfile.TemporaryDirectory(prefix="poundlock-")) if present else ""
    kept = (*settings.identity.keep, *OWN.get(tool, ()), *keep)
    found = surroundings.scrubbed(inherited, keep=kept, present=present, empty=empty)
    if (found.taken or found.groups) and not quiet:
        what = [*found.taken, *(f"the {group} files" for group in found.groups)]
        sys.stderr.write(f"poundlock: kept from the tool: {', '.join(what)} (--keep NAME leaves one)\n")
    return found.env
