"""`poundlock init`: write the configuration, make the state folder and a credential, say what to do next.

`poundlock init TOOL` writes a tool's own configuration. It must never write before it has shown what, nor overwrite
what somebody changed since.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock import config
from poundlock.adapters import places
from poundlock.adapters.credentials import Credentials
from poundlock.core.errors import ConfigFault
from poundlock.core.tools import UNREGISTERED

if TYPE_CHECKING:
    import argparse

    from poundlock.cli.attach import Change
    from poundlock.cli.clients import Client
    from poundlock.config import Settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "init",
        help="write the configuration, or a tool's own so that it uses the gateway",
        description="Example: poundlock init claude-code",
    )
    parser.add_argument("client", nargs="?", metavar="TOOL", help="write this tool's own configuration")
    parser.add_argument("--yes", action="store_true", help="write it without asking")
    parser.add_argument("--diff", action="store_true", help="only show what would be written")
    parser.add_argument("--undo", action="store_true", help="bring the tool's files back as they were")
    parser.add_argument("--forget", action="store_true", help="keep the tool's files, and no note of what they were")
    parser.add_argument("--open", action="store_true", help="without a credential: the tool is known by its claim only")
    parser.add_argument("--hooks", action="store_true", help="the tool's hooks instead: they ask the gateway, too")
    parser.add_argument("--http", action="store_true", help="hooks over HTTP, without a program (Claude Code)")
    parser.add_argument(
        "--when-away",
        choices=("deny", "allow"),
        default="deny",
        help="what hooks do when the gateway does not answer (default: deny)",
    )
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
    if args.client:
        return _tool(args)
    if args.undo or args.forget or args.diff or args.yes or args.open or args.hooks:
        raise ConfigFault(
            "--undo, --forget, --diff, --yes, --open and --hooks belong to a tool.", advice="Add its name."
        )
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
        "  poundlock serve             or keep a gateway running,\n"
        "  poundlock init claude-code  and have a tool use it\n"
    )
    return 0


def _tool(args: argparse.Namespace) -> int:
    """Write a tool's own configuration, or bring it back."""
    from poundlock.adapters import keys
    from poundlock.cli import attach, clients

    if args.hooks:
        return _hooks(args)
    client = clients.named(args.client)
    settings = places.read_settings(args.config)
    folder = places.state_folder(settings)
    credentials = Credentials(places.credentials(folder))
    if args.undo or args.forget:
        master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
        done = attach.undo(folder, master, client.id) if args.undo else attach.forget(folder, client.id)
        if done and done.credential:
            credentials.remove(done.credential)
        said = "as it was" if args.undo else "left as it is"
        sys.stdout.write("".join(f"{said}: {row.path}\n" for row in done.files) if done else "nothing was noted\n")
        return 0
    if attach.attached(folder, client.id):
        raise ConfigFault(
            f"{client.title} is set up for Poundlock already.", advice=f"Type: poundlock init {client.id} --undo"
        )
    name = "" if args.open else f"init-{client.id}"
    token = credentials.add(name=name, human=getpass.getuser(), tool=client.id) if name else ""
    written = False
    try:
        changes = _changes(client, settings, token)
        sys.stdout.write("\n".join(change.shown() for change in changes) + "\n")
        if args.diff:
            return 0
        if not args.yes and not agreed():
            sys.stdout.write("Nothing was written.\n")
            return 1
        master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
        attach.apply(folder, master, client.id, changes, credential=name)
        written = True
    finally:
        if name and not written:
            credentials.remove(name)
    sys.stdout.write("".join(f"wrote: {change.path}\n" for change in changes))
    if any(write.kind == "shell" for write in client.init):
        sys.stdout.write("".join(f"Have your shell read it: . {change.path}\n" for change in changes))
    sys.stdout.write(
        f"Keep a gateway running (`poundlock serve`); `poundlock init {client.id} --undo` brings all back.\n"
    )
    return 0


def _hooks(args: argparse.Namespace) -> int:
    """Write a tool's hooks, or take them out again."""
    from poundlock.adapters import keys
    from poundlock.cli import attach, hooking

    tool, settings = args.client, places.read_settings(args.config)
    folder = places.state_folder(settings)
    credentials = Credentials(places.credentials(folder))
    name = "" if args.open else hooking.noted(tool)
    if args.undo:
        master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
        paths = hooking.undo(folder, master, tool)
        credentials.remove(hooking.noted(tool))
        sys.stdout.write("".join(f"without hooks: {path}\n" for path in paths))
        return 0
    if attach.attached(folder, hooking.noted(tool)):
        raise ConfigFault(f"Hooks are set up for {tool}.", advice=f"Type: poundlock init {tool} --hooks --undo")
    token = credentials.add(name=name, human=getpass.getuser(), tool=tool) if name else ""
    written = False
    try:
        changes = hooking.changes(tool, settings, folder, token, when_away=args.when_away, http=args.http)
        sys.stdout.write("\n".join(change.shown() for change in changes) + "\n")
        if args.diff:
            return 0
        if not args.yes and not agreed():
            sys.stdout.write("Nothing was written.\n")
            return 1
        master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
        attach.apply(folder, master, hooking.noted(tool), changes, credential=name)
        written = True
    finally:
        if name and not written:
            credentials.remove(name)
    sys.stdout.write("".join(f"wrote: {change.path}\n" for change in changes))
    sys.stdout.write(
        "Keep a gateway running (`poundlock serve`). Hooks teach; what enforces is the network path: "
        f"`poundlock run -- {tool}` or `poundlock init {tool}`. See docs/how-to/hooks.md.\n"
    )
    return 0


def _changes(client: Client, settings: Settings, token: str) -> list[Change]:
    """Give what is to be written. Raises: `ConfigFault` when there is nothing, or a file can't be read."""
    from poundlock.cli import attach, clients, edits

    if not settings.gateway.port:
        raise ConfigFault("The gateway has no fixed port (gateway.port is 0).", advice="Give it one in poundlock.toml.")
    url = f"http://{settings.gateway.host}:{settings.gateway.port}"
    words = clients.words(
        f"{url}/t/{token}" if token else url,
        copilot=os.environ.get("COPILOT_PROVIDER_TYPE", ""),
        account=clients.account(os.environ),
    )
    changes = []
    for write in client.init:
        path = Path(write.file).expanduser()
        before, mode = attach.read(path)
        made = [setting.at(words) for setting in write.set if setting.counts()]
        try:
            text = (before or b"").decode()
        except UnicodeDecodeError:
            raise ConfigFault(f"{path} is not UTF-8, so it is left alone.") from None
        after = edits.edited(write.kind, text, made).encode()
        if after != (before or b""):
            changes.append(attach.Change(path=str(path), before=before, after=after, mode=mode))
    if not changes:
        raise ConfigFault(
            f"There is nothing to write for {client.title}.",
            advice=f"Set the tool up first, with a key and a model; see docs/how-to/{client.guide}.",
        )
    return changes


def agreed() -> bool:
    """Ask whether a change is to be written. Raises: `ConfigFault` where nobody can answer."""
    if not sys.stdin.isatty():
        raise ConfigFault("Nobody is there to be asked.", advice="Look at the change with --diff, then add --yes.")
    sys.stdout.write("Write this? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def template() -> str:
    """Give the text of a configuration in which every setting stands as a comment, with its default."""
    lines = ["# Poundlock's configuration. Everything has a default; take the # away to change one.", ""]
    table = ""
    for name, kind, default, description in config.describe():
        head, _, key = name.rpartition(".")
        if head != table:
            table = head
            # A table of which there may be several has two brackets.
            several = getattr(config.Settings(), table, None) == ()
            lines += ["", f"# [[{table}]]" if several else f"# [{table}]"]
        lines += [f"# {description}  ({kind})", f"# {key} = {default}"]
    return "\n".join(lines) + "\n"
