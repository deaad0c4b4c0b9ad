"""`poundlock leases`: which credentials tasks have, and to end one, or all that are over."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from poundlock.config import Settings
    from poundlock.core.leases import Held

NEWEST = 50


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "leases",
        help="show the credentials that tasks have on lease, and end them",
        description="Example: poundlock leases",
    )
    parser.add_argument("--all", action="store_true", help="also those that have ended")
    parser.add_argument("--json", action="store_true", help="print JSON Lines")
    parser.add_argument("--end", metavar="ID", help="end one lease; its task goes on without it")
    parser.add_argument(
        "--reap",
        action="store_true",
        help="end what is over, as a gateway does by itself; needs the variables that a gateway has",
    )
    parser.add_argument("--reason", default="", help="why, for the record")
    parser.add_argument("--config", help="configuration file")


def run(args: argparse.Namespace) -> int:
    """Do it. Raises: `ConfigFault`, `Fault`."""
    settings = places.read_settings(args.config)
    if args.end:
        return asyncio.run(_end(settings, args.end, args.reason or "ended by hand"))
    if args.reap:
        return asyncio.run(_reap(settings))
    return asyncio.run(_list(settings, everything=args.all, as_json=args.json))


async def _list(settings: Settings, *, everything: bool, as_json: bool) -> int:
    from poundlock import compose

    async with compose.leases(settings) as (file, _, _):
        rows = list(file.newest(NEWEST) if everything else file.open())
    if as_json:
        import msgspec

        for held in rows:
            said = {**held.lease.about, "opened": held.lease.opened, "state": held.state, "reason": held.reason}
            sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
        return 0
    sys.stdout.write(_table(rows) if rows else "No task has a lease. `poundlock leases --all` shows ended ones.\n")
    return 0


def _table(rows: Iterable[Held]) -> str:
    from poundlock.cli import register

    head = ("lease", "task", "tool", "for", "grant", "until", "state")
    body = [
        (
            held.lease.id,
            held.lease.task,
            held.lease.tool,
            held.lease.human,
            held.lease.grant.name,
            register.when(held.lease.expires),
            f"{held.state}: {held.reason}" if held.reason else held.state,
        )
        for held in rows
    ]
    return register.columns([head, *body])


async def _end(settings: Settings, id_: str, reason: str) -> int:
    from poundlock import compose
    from poundlock.gateway import leasing

    async with compose.leases(settings) as (file, _, brokers):
        held = file.find(id_)
        if held is None:
            raise ConfigFault("There is no such lease.", advice="`poundlock leases --all` shows them.")
        if held.state == "ended":
            sys.stdout.write(f"Lease {id_} had ended already: {held.reason}\n")
            return 0
        if await leasing.end(held, reason, file, brokers):
            sys.stdout.write(f"Lease {id_} has ended.\n")
            return 0
        sys.stderr.write(f"poundlock: lease {id_} could not be ended from here; a running gateway tries again.\n")
        return 1


async def _reap(settings: Settings) -> int:
    from poundlock import compose

    async with compose.leases(settings) as (file, reaper, _):
        ended = await reaper.look()
        left = [held for held in file.open() if held.state == "ending"]
    sys.stdout.write(f"{ended} ended.\n")
    if left:
        sys.stderr.write(f"poundlock: {len(left)} could not be ended: `poundlock audit` has the reason.\n")
    return 1 if left else 0
