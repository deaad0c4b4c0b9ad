"""`poundlock approve`: see what waits for a person, and answer it.

It must never let anybody answer for somebody else: who answers is the user that the system says, not a variable of the
environment, and never a tool that runs behind the gateway. It shows surroundings only with every found value masked.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse

    from poundlock.adapters.sqlite import ApprovalFile
    from poundlock.config import Settings
    from poundlock.core.approvals import Approval

LONGEST = 200
"""Characters of a reason."""
SHOWN = 20


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "approve",
        help="see what waits for a person, and answer it",
        description="Without an ID: list what waits. With one: show what is at stake. Answer with --yes or --deny.",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the approval, or the beginning of its id")
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument("--yes", action="store_true", help="approve it")
    answer.add_argument("--deny", action="store_true", help="deny it")
    answer.add_argument(
        "--break-glass",
        action="store_true",
        help="approve your own request where you work alone: for minutes, with --reason, on record",
    )
    parser.add_argument(
        "--for",
        dest="scope",
        choices=("once", "task", "day"),
        default="once",
        help="what a yes admits: one exchange, this conversation or task, these values for a day (default: once)",
    )
    parser.add_argument("--minutes", type=int, default=5, help="how long a broken glass stays open (default: 5)")
    parser.add_argument("--reason", default="", help="why; it goes on record")
    parser.add_argument("--all", action="store_true", help="list answered ones, too")
    parser.add_argument("--json", action="store_true", help="print JSON Lines, without the surroundings")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="serve the pages behind signed links, and the API (127.0.0.1:8788)"
    )
    parser.add_argument("--config", help="configuration file")


def run(args: argparse.Namespace) -> int:
    """Answer or show: 0 when an answer counts or nothing waits, 1 when something waits. Raises: `Fault`."""
    settings = places.read_settings(args.config)
    if args.listen:
        return _listen(args.listen, args.config)
    if not places.database(places.state_place(settings)).exists():
        sys.stdout.write("Nothing waits for an approval: nothing was ever asked.\n")
        return 0
    return asyncio.run(_run(args, settings))


def _listen(where: str, config: str | None) -> int:
    """Serve the approvals' pages and API until a signal ends it. Raises: `ConfigFault`."""
    from pathlib import Path

    from poundlock.cli import serve

    host, _, port = where.rpartition(":")
    if not (host and port.isdigit()):
        raise ConfigFault("--listen takes an address and a port.", advice="For example: --listen 127.0.0.1:8788")
    named = str(Path(config).expanduser().absolute()) if config else ""
    return serve.serve(
        serve.Plan(
            host=host, port=int(port), workers=1, drain=2.0, config=named, target="poundlock.web.approvals:application"
        )
    )


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    from poundlock import compose

    async with compose.approvals(settings) as known:
        await known.sweep()
        if not args.id:
            if args.yes or args.deny or args.break_glass:
                raise ConfigFault("Which one?", advice="`poundlock approve` lists what waits, with its ids.")
            return _list(args, known)
        found = known.find(args.id)
        if found is None:
            raise ConfigFault("There is no approval of this id.", advice="`poundlock approve` lists what waits.")
        if not (args.yes or args.deny or args.break_glass):
            shown = await known.excerpts(found)
            sys.stdout.write(_json(found) if args.json else describe(found, shown))
            return int(found.state == "pending")
        changed = await known.answer(
            found.id,
            by=user(),
            yes=not args.deny,
            scope=args.scope,
            reason=_reason(args.reason, settings),
            approvers=settings.approvals.approvers,
            glass=_glass(args, settings) if args.break_glass else 0,
        )
        if changed.glass:
            await _tell(settings, changed)
    sys.stdout.write(_json(changed) if args.json else told(changed))
    return 0


def user() -> str:
    """Give the user whom the system says; never what a variable of the environment claims.

    Raises: `ConfigFault` for a tool that runs behind the gateway: it would answer for the person.
    """
    import pwd

    if os.environ.get("POUNDLOCK_TOKEN"):
        raise ConfigFault(
            "A tool that runs behind the gateway can't answer for a person.",
            advice="Type `poundlock approve` in another terminal.",
        )
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _glass(args: argparse.Namespace, settings: Settings) -> int:
    """Say for how many minutes the glass may be broken. Raises: `ConfigFault` where it may not."""
    allowed = settings.approvals.break_glass
    if allowed == "never" or (allowed == "personal" and settings.profile != "personal"):
        raise ConfigFault(
            "Breaking the glass is not allowed here.", advice="Ask another approver: approvals.break_glass says so."
        )
    if not sys.stdin.isatty():
        raise ConfigFault(
            "The glass is broken by a person at a terminal, not by a program.", advice="Type it in a terminal."
        )
    if not 1 <= args.minutes <= settings.approvals.glass_minutes:
        raise ConfigFault(f"The glass stays open for 1 to {settings.approvals.glass_minutes} minutes.")
    return int(args.minutes)


def _reason(text: str, settings: Settings) -> str:
    """Give a reason that may go on record. Raises: `ConfigFault` for one that is too long or holds something."""
    from poundlock import compose

    reason = " ".join(text.split())
    if len(reason) > LONGEST:
        raise ConfigFault(f"A reason has at most {LONGEST} characters.")
    if reason and compose.snapshot(settings).detector.detect(reason):
        raise ConfigFault("The reason holds something sensitive, and it would go on record.", advice="Say it in words.")
    return reason


async def _tell(settings: Settings, approval: Approval) -> None:
    """Tell the webhook of a broken glass; the record is there whether it can be told or not."""
    if not settings.approvals.webhook:
        return
    from poundlock.adapters.upstream import HttpUpstream
    from poundlock.gateway.approvals import message, post

    upstream = HttpUpstream()
    try:
        await post(upstream, settings.approvals.webhook, message(approval))
    finally:
        await upstream.close()


def _list(args: argparse.Namespace, known: ApprovalFile) -> int:
    rows = known.newest(SHOWN) if args.all else known.pending()
    for row in rows:
        sys.stdout.write(_json(row) if args.json else line(row))
    if not rows and not args.json:
        sys.stdout.write("Nothing waits for an approval.\n")
    return int(any(row.state == "pending" for row in rows))


def line(approval: Approval) -> str:
    """Give one line about an approval."""
    kinds = ", ".join(f"{count} × {kind}" for kind, count in approval.kinds)
    again = f" ({approval.times} times)" if approval.times > 1 else ""
    state = approval.state if approval.state != "pending" else _waits(approval)
    return f"{approval.id}  {state}: {approval.human} with {approval.tool}: {kinds} to {approval.destination}{again}\n"


def describe(approval: Approval, excerpts: tuple[str, ...]) -> str:
    """Give all that an approver needs to know."""
    lines = [
        line(approval).rstrip(),
        f"  asked     {_time(approval.asked)}, to be answered until {_time(approval.until)}",
        f"  because   {approval.why} (policy {', '.join(approval.policies)})",
    ]
    lines += [f"  task      {approval.task}"] if approval.task else []
    lines += [f"  needs     {approval.needed} approvers"] if approval.needed > 1 else []
    for said in approval.said:
        word, why = "yes" if said.yes else "no", f": {said.reason}" if said.reason else ""
        lines.append(f"  answered  {word} by {said.by} {_time(said.at)}{why}")
    lines += [f"  text      … {text} …" for text in excerpts]
    if approval.state == "pending":
        lines.append(f"  answer    poundlock approve {approval.id} --yes [--for task|day], or --deny --reason WHY")
    return "\n".join(lines) + "\n"


def told(approval: Approval) -> str:
    """Say what an answer came to."""
    if approval.state == "pending":
        more = approval.needed - sum(said.yes for said in approval.said)
        return f"Approval {approval.id}: your yes is on record; {more} more needed.\n"
    if approval.state == "denied":
        return f"Approval {approval.id} is denied; nothing is sent.\n"
    how = {"once": "one exchange", "task": "this conversation or task", "day": "these values for a day"}
    waits = any(each.state == "waiting" for each in approval.waits)
    next_ = "It goes on now." if waits else "Who asked may send it again."
    return f"Approval {approval.id} is given for {how[approval.scope]}, until {_time(approval.valid)}. {next_}\n"


def _waits(approval: Approval) -> str:
    return "waits" if any(each.state == "waiting" for each in approval.waits) else "was told to ask you"


def _json(approval: Approval) -> str:
    import msgspec

    return msgspec.json.encode(approval).decode() + "\n"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(sep=" ", timespec="seconds")
