"""`poundlock init`: write the configuration, make the state folder and a credential, say what to do next."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from poundlock import config
from poundlock.adapters import places
from poundlock.adapters.credentials import Credentials
from poundlock.core.errors import ConfigFault
from poundlock.core.tools import UNREGISTERED

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser("init", help="write the configuration and a credential")
    parser.add_argument("--config", help="where to write it")
    parser.add_argument("--print", action="store_true", help="only print the configuration with every default")
    parser.add_argument("--credential", metavar="NAME", help="only make a credential of this name, and print it once")
    parser.add_argument("--human", help="whose credential it is (default: you)")
    parser.add_argument(
        "--tool", metavar="ID", help="the tool that it registers, claude-code for example (default: none)"
    )
    parser.add_argument("--team", metavar="NAME", help="the team that its holder belongs to")
    parser.add_argument("--revoke", metavar="NAME", help="only end the credential of this name")


def run(args: argparse.Namespace) -> int:
    """Do one of these; never overwrite a configuration."""
    if args.print:
        sys.stdout.write(template())
        return 0
    if args.credential or args.revoke:
        folder = places.state_folder(places.read_settings(args.config))
        credentials = Credentials(places.credentials(folder))
        if args.revoke:
            if not credentials.remove(args.revoke):
                raise ConfigFault("There is no credential of this name.")
            sys.stdout.write(f"ended: {args.revoke}\n")
            return 0
        sys.stdout.write(
            credentials.add(
                name=args.credential,
                human=args.human or getpass.getuser(),
                tool=args.tool or UNREGISTERED,
                team=args.team or "",
            )
            + "\n"
        )
        return 0
    if args.human or args.tool or args.team:
        raise ConfigFault("--human, --tool and --team belong to a credential.", advice="Add --credential NAME.")
    path = places.config_path(args.config)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        sys.stdout.write(f"kept: {path} exists already (`poundlock init --print` shows every default)\n")
    except OSError as fault:
        raise ConfigFault(f"{path} can't be written: {fault.strerror}.") from fault
    else:
        sys.stdout.write(f"wrote: {path}\n")
    folder = places.state_folder(places.read_settings(str(path)))
    sys.stdout.write(
        f"state: {folder}\n\nNext:\n"
        "  poundlock doctor            check that everything fits\n"
        "  poundlock run -- claude     run a tool behind the gateway\n"
        "  poundlock serve             or keep a gateway running\n"
    )
    return 0


def template() -> str:
    """Give the text of a configuration in which every setting stands as a comment, with its default."""
    lines = ["# Poundlock's configuration. Everything has a default; take the # away to change one.", ""]
    table = ""
    for name, kind, default, description in config.describe():
        head, _, key = name.rpartition(".")
        if head != table:
            table = head
            lines += ["", f"# [{table}]"]
        lines += [f"# {description}  ({kind})", f"# {key} = {default}"]
    return "\n".join(lines) + "\n"
