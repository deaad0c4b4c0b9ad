"""`poundlock revoke`: end a task, a tool with all its descendants, a person, a token, or everything, at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse

    from poundlock.adapters.sqlite import Identities

_ONE = "Name one: a task, a tool or a person, or --all."


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "revoke",
        help="end a task, a tool, a person or everything, open streams too",
        description="It takes effect within a second, in every worker, and survives a restart.",
    )
    parser.add_argument("name", nargs="?", help="a task, else a tool, else a person")
    parser.add_argument("--task", help="this task, with all that descends from it")
    parser.add_argument("--tool", help="every task of this tool, with all that descends from them; it is suspended")
    parser.add_argument("--person", help="all that this person began; nothing new is let in")
    parser.add_argument("--token", help="one signed token, by its id (`jti`)")
    parser.add_argument("--all", action="store_true", help="everything; nothing new is let in")
    parser.add_argument("--lift", action="store_true", help="let in again (a tool, a person, or --all)")
    parser.add_argument("--reason", default="revoked", help="why, for the record and for who is refused")
    parser.add_argument("--config", help="configuration file")


def run(args: argparse.Namespace) -> int:
    """End it, and say what ended. Raises: `ConfigFault` for what is not known."""
    from poundlock.cli import register

    given = [args.name, args.task, args.tool, args.person, args.token, args.all or None]
    if sum(value is not None for value in given) != 1:
        raise ConfigFault(_ONE, advice="For example: poundlock revoke claude-code")
    settings = places.read_settings(args.config)
    sys.stdout.write(register.within(settings, lambda known: _revoke(known, args)) + "\n")
    return 0


async def _revoke(known: Identities, args: argparse.Namespace) -> str:
    from poundlock.core.identity import registry, tasks

    what, name = _which(known, args)
    if args.lift:
        if what == "tool":
            seen = known.ask.tool(name)
            if seen is None:
                raise ConfigFault("The register has no such tool.", advice="`poundlock tools list` shows them.")
            await known.keep_tool(registry.replaced(seen.tool, state="active"), what="lifted")
            return f"lifted: the tool {name}; its old tasks stay ended"
        if what not in {"person", "all"}:
            raise ConfigFault("What has ended stays ended.", advice="Start the tool again with `poundlock run`.")
        await known.set_person(name, gone=False, reason=args.reason)
        return "lifted: everything" if what == "all" else f"lifted: {name}"
    if what == "task":
        if not await known.end_task(name, reason=args.reason):
            raise ConfigFault("There is no such task, or it has ended.", advice="`poundlock tasks` shows them.")
        return f"ended: the task {name} and what descends from it"
    if what == "tool":
        await known.end_tool(name, reason=args.reason)
        return f"ended: every task of {name}; it is suspended (poundlock revoke --tool {name} --lift)"
    if what == "token":
        await known.deny([(name, known.now() + tasks.LONGEST)], reason=args.reason)
        return "ended: the token"
    await known.set_person(name, gone=True, reason=args.reason)
    return (
        "ended: everything; nothing is let in until `poundlock revoke --all --lift`"
        if what == "all"
        else f"ended: all of {name} (poundlock revoke --person {name} --lift)"
    )


def _which(known: Identities, args: argparse.Namespace) -> tuple[str, str]:
    """Say what is meant. A plain name is a task's, else a tool's, else that of a person who is known."""
    from poundlock.core.identity.registry import EVERYBODY

    for what in ("task", "tool", "person", "token"):
        if (name := getattr(args, what)) is not None:
            return what, str(name)
    if args.all:
        return "all", EVERYBODY
    meant = [
        what
        for what, there in (
            ("task", bool(known.ask.by_id(args.name))),
            ("tool", known.ask.tool(args.name) is not None),
            ("person", known.ask.person(args.name) is not None or known.ask.works(args.name)),
        )
        if there
    ]
    if len(meant) != 1:
        said = f"{args.name} is {' and '.join(meant)}." if meant else "Nothing of this name is known."
        raise ConfigFault(said, advice="Say which: --task, --tool or --person.")
    return meant[0], args.name
