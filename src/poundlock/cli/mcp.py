"""`poundlock mcp`: MCP servers behind the gate: their register, their review, and the gate itself.

Must never print a server's variables or headers: they hold keys.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poundlock.adapters.mcpfile import McpFile
    from poundlock.core.mcp import Pin, Server


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "mcp",
        help="put MCP servers behind the gate",
        description="Servers are started by the gate; their tools are pinned, and every call is judged and recorded.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="register a server: a command after --, or --url")
    add.add_argument("name", metavar="NAME")
    _options(add)
    add.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    wrap = actions.add_parser("wrap", help="move the servers of a tool's configuration behind the gate")
    wrap.add_argument("file", metavar="TOOL|FILE", help="a tool (claude-code, codex, cursor, …) or its file")
    wrap.add_argument("--yes", action="store_true", help="write without asking")
    wrap.add_argument("--undo", action="store_true", help="bring the file back as it was")
    wrap.add_argument("--config", metavar="FILE", help="the configuration (default: the user's)")
    for name, line in (
        ("list", "the servers, and how their tools stand"),
        ("review", "look at tools that wait, and accept them"),
        ("remove", "take a server off the register"),
        ("serve", "be the server NAME for a client, over standard input and output"),
    ):
        each = actions.add_parser(name, help=line)
        if name == "list":
            each.add_argument("--format", choices=("text", "json"), default="text")
        else:
            each.add_argument("name", metavar="NAME")
        if name == "review":
            each.add_argument(
                "--accept", action="append", default=[], metavar="TOOL", help="accept a tool as it is now"
            )
            each.add_argument("--all", action="store_true", help="accept all that wait")
        each.add_argument("--config", metavar="FILE", help="the configuration (default: the user's)")
    parser.set_defaults(run=run)


def _options(add: argparse.ArgumentParser) -> None:
    """Add what may stand before the name and after it."""
    add.add_argument("--url", default="", help="a server that speaks streamable HTTP")
    add.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="a variable for the command (kept sealed)"
    )
    add.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="a header for the URL (kept sealed)"
    )
    add.add_argument("--cwd", default="", help="the command's folder (default: the client's)")
    add.add_argument("--local", action="store_true", help="what it is given stays on this machine: it gets true values")
    add.add_argument(
        "--results", choices=("auto", "clear", "disguise"), default="auto", help="how its results reach the client"
    )
    add.add_argument("--no-sampling", action="store_true", help="it may not ask the client's model")
    add.add_argument("--config", metavar="FILE", help="the configuration (default: the user's)")


def run(args: argparse.Namespace) -> int:
    """Do what was asked. Exit 0: done. 1: tools wait for a review. 2: a fault."""
    from poundlock import compose
    from poundlock.adapters import places

    settings = places.read_settings(args.config)
    if args.action == "serve":
        from poundlock.cli import mcp_stdio

        return asyncio.run(mcp_stdio.serve(settings, args.name))
    if args.action == "wrap":
        from poundlock.cli import mcp_wrap

        return mcp_wrap.wrap(args, settings)
    register = compose.mcp_servers(settings)
    if args.action == "add":
        return _add(register, args)
    if args.action == "remove":
        if not register.remove(args.name):
            raise ConfigFault(f"There is no MCP server named {args.name!r}.", advice="See `poundlock mcp list`.")
        sys.stdout.write(f"{args.name} is off the register.\n")
        return 0
    if args.action == "review":
        return _review(register, args)
    return _list(register, as_json=args.format == "json")


def _add(register: McpFile, args: argparse.Namespace) -> int:
    from poundlock.core.mcp import Server

    # argparse leaves all that follows the name to the command, options of ours too.
    own = args.command.index("--") if "--" in args.command else len(args.command)
    if not args.command or not args.command[0].startswith("--"):
        own = 0
    options = argparse.ArgumentParser(prog="poundlock mcp add", allow_abbrev=False)
    _options(options)
    options.parse_args(args.command[:own], args)
    command = args.command[own:]
    command = command[1:] if command[:1] == ["--"] else command
    if bool(command) == bool(args.url):
        raise ConfigFault(
            "A server is a command or a URL.",
            advice="Type: poundlock mcp add files -- npx -y @modelcontextprotocol/server-filesystem .",
        )
    if not args.name.replace("-", "").replace("_", "").isalnum() or "__" in args.name:
        raise ConfigFault("A server's name has letters, digits, - and _ (not two in a row).")
    if args.url and not args.url.startswith(("https://", "http://")):
        raise ConfigFault("The URL is none of https or http.")
    env = dict(_pair(each, "=") for each in args.env)
    headers = {name.lower(): value.strip() for name, value in (_pair(each, ":") for each in args.header)}
    known = register.servers().get(args.name)
    register.put(
        Server(
            name=args.name,
            command=tuple(command),
            env=env,
            cwd=args.cwd,
            url=args.url,
            headers=headers,
            local=args.local,
            results=args.results,
            sampling=not args.no_sampling,
            tools=known.tools if known else {},
            reviewed=known.reviewed if known else False,
        )
    )
    how = f"poundlock mcp serve {args.name}" if command else f"http://127.0.0.1:8787/mcp/{args.name}"
    sys.stdout.write(f"{args.name} is registered. In the client's configuration, the server is now: {how}\n")
    return 0


def _pair(text: str, mark: str) -> tuple[str, str]:
    name, found, value = text.partition(mark)
    if not found or not name:
        raise ConfigFault(f"A variable or header is written NAME{mark}VALUE.")
    return name, value


def _review(register: McpFile, args: argparse.Namespace) -> int:
    import msgspec

    server = register.server(args.name)
    unknown = [name for name in args.accept if name not in server.tools]
    if unknown:
        raise ConfigFault(f"{args.name} has no tool {unknown[0]!r}.", advice="`poundlock mcp review` lists them.")
    wanted = set(server.tools) if args.all else set(args.accept)
    pins = {
        name: msgspec.structs.replace(pin, state="accepted", why=()) if name in wanted else pin
        for name, pin in server.tools.items()
    }
    if wanted:
        register.put(msgspec.structs.replace(server, tools=pins, reviewed=True))
    waiting = {name: pin for name, pin in pins.items() if pin.state == "waiting"}
    _table(server, pins)
    if waiting:
        sys.stdout.write(f"Accept one with: poundlock mcp review {args.name} --accept TOOL (or --all)\n")
    return 1 if waiting else 0


def _list(register: McpFile, *, as_json: bool) -> int:
    import msgspec

    servers = register.servers()
    if as_json:
        rows = [
            {
                "name": server.name,
                "transport": "http" if server.url else "stdio",
                "local": server.local,
                "tools": {name: pin.state for name, pin in server.tools.items()},
            }
            for server in servers.values()
        ]
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(rows).decode()) + "\n")
    elif not servers:
        sys.stdout.write("No MCP server is registered. Add one: poundlock mcp add NAME -- COMMAND\n")
    for server in () if as_json else servers.values():
        _table(server, server.tools)
    return 1 if any(pin.state == "waiting" for server in servers.values() for pin in server.tools.values()) else 0


def _table(server: Server, pins: dict[str, Pin]) -> None:
    where = server.url.partition("?")[0] if server.url else _shown(server.command)
    sys.stdout.write(f"{server.name}  {'local  ' if server.local else ''}{where}\n")
    for name, pin in sorted(pins.items()):
        why = f": {'; '.join(pin.why)}" if pin.why else ""
        sys.stdout.write(f"  {pin.state:<9} {name}  {pin.digest[:12]}{why}\n")
    if not pins:
        sys.stdout.write("  its tools are pinned when a client first lists them\n")


def _shown(command: Sequence[str]) -> str:
    """Give a command's program and how many words follow: a word may be a key."""
    return f"{command[0]} ({len(command) - 1} words)" if command else ""


def environment(server: Server) -> dict[str, str]:
    """Give the environment that a server's command runs in: the client's, with the server's own variables."""
    return {name: value for name, value in {**os.environ, **server.env}.items() if name != "POUNDLOCK_TOKEN"}
