"""`poundlock token exchange`: hand on less than a task has, to a sub-agent."""

from __future__ import annotations

import os
import sys
import uuid
from typing import TYPE_CHECKING

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse

    from poundlock.adapters.sqlite import Identities


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser("token", help="hand on less than a task has, to a sub-agent")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    exchange = actions.add_parser(
        "exchange", help="print a credential that may do less than the task in POUNDLOCK_TOKEN, and ends with it"
    )
    exchange.add_argument("--scope", action="append", default=[], help="what it may do (default: all of the task's)")
    exchange.add_argument("--actor", default="", metavar="ID", help="the sub-agent's entry in the register")
    exchange.add_argument("--max-tier", default="", help="the highest tier of what it may handle")
    exchange.add_argument("--seconds", type=int, default=0, help="how long it may last at the most")
    exchange.add_argument("--config", help="configuration file")


def run(args: argparse.Namespace) -> int:
    """Print the credential. Raises: `ConfigFault` outside of a task, `ClientFault` for more than the task has."""
    from poundlock.adapters.credentials import digest, fresh
    from poundlock.cli import register
    from poundlock.core.identity import tasks

    token = os.environ.get("POUNDLOCK_TOKEN", "")
    made = fresh()

    async def work(known: Identities) -> None:
        standings = known.ask.by_credential(digest(token)) if token else ()
        if not standings:
            raise ConfigFault("This is not a task.", advice="Start the tool with `poundlock run -- TOOL`.")
        child = tasks.narrowed(
            standings[0].task,
            id=uuid.uuid4().hex[:12],
            now=known.now(),
            tool=args.actor,
            asked=args.scope,
            max_tier=args.max_tier,
            seconds=args.seconds,
        )
        if standings[0].task.key:
            raise ConfigFault("This task is bound to a key.", advice="Use the gateway's /oauth/token with a proof.")
        life = tasks.LONGEST if not args.seconds else args.seconds * 1_000_000_000
        await known.open_task(child, digest(made), what="exchanged", life=life)

    register.within(places.read_settings(args.config), work)
    sys.stdout.write(made + "\n")
    return 0
