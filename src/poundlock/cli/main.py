"""The command line: one module a command, loaded only when it is asked for.

Start-up is a feature: `scan`, `redact` and `hook` run in a developer's inner loop. So this file imports next to
nothing, and argparse is the only parser (docs/adr/0002).

Exit 0: clean. Exit 1: findings, or refused. Exit 2: usage or fault. `run` passes the command's own code.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COMMANDS = {
    "demo": ("demo", "see the lock at work, offline, in a minute"),
    "run": ("run", "run a tool behind the gateway"),
    "serve": ("serve", "run the gateway"),
    "intercept": ("intercept", "run a proxy for tools that take no base URL"),
    "init": ("init", "write the configuration, or a tool's own so that it uses the gateway"),
    "hook": ("hook", "judge an agent's event for its hook"),
    "doctor": ("doctor", "check the installation and say what to mend"),
    "scan": ("scan", "search files for what must not leave"),
    "repair": ("repair", "put the values of stand-ins back into files"),
    "baseline": ("judging", "judge what a baseline lists"),
    "detect": ("detect", "search texts (NDJSON in, NDJSON out)"),
    "redact": ("redact", "make a text safe (text in, text out)"),
    "protect": ("protect", "register values that must not leave"),
    "rule": ("rule", "write, prove and explain rules of your own"),
    "rules": ("rules", "list the detection rules"),
    "explain": ("explain", "say why a decision was made"),
    "approve": ("approve", "see what waits for a person, and answer it"),
    "review": ("review", "find commits of AI tools that need a second pair of eyes"),
    "mcp": ("mcp", "put MCP servers behind the gate"),
    "monitor": ("monitor", "what enforcing would have done, and whether to begin"),
    "policy": ("policy", "check, test and show the policies"),
    "vendors": ("vendors", "what is known of vendors, and of the providers in use"),
    "login": ("login", "say who you are to your organisation's OpenID provider"),
    "tools": ("tools", "keep the register of tools: owners, limits, reviews"),
    "tasks": ("tasks", "show tasks: what they may do, did and cost"),
    "leases": ("leases", "show the credentials that tasks have on lease, and end them"),
    "token": ("token", "hand on less than a task has, to a sub-agent"),
    "revoke": ("revoke", "end a task, a tool, a person or everything, open streams too"),
    "audit": ("audit", "verify, show and export the audit log"),
    "completion": ("completion", "print shell completion"),
}
"""Each command with its module under `poundlock.cli` and its one line of help."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and give its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    name = arguments[0] if arguments else ""
    if name in COMMANDS:
        return _run(name, arguments)
    if name in {"-V", "--version"}:
        from poundlock import __version__

        sys.stdout.write(f"poundlock {__version__}\n")
        return 0
    if name in {"", "-h", "--help", "help"}:
        sys.stdout.write(_help())
        return 0 if name else 2
    close = _close_to(name)
    sys.stderr.write(f"poundlock: there is no command {name!r}.{close}\nTry `poundlock --help`.\n")
    return 2


def parser(names: tuple[str, ...] = tuple(COMMANDS)):  # type: ignore[no-untyped-def]  # noqa: ANN201 (argparse is loaded late)
    """Give the parser of these commands; all of them for completion and for the reference."""
    import argparse

    class Formatter(argparse.HelpFormatter):
        """The usual one, which asks shutil for the width, and with it comes lzma; every added argument makes one."""

        def __init__(self, prog: str) -> None:
            super().__init__(prog, width=_width())

    class Parser(argparse.ArgumentParser):
        def __init__(self, **settings: Any) -> None:
            if settings.get("formatter_class", argparse.HelpFormatter) is argparse.HelpFormatter:
                settings["formatter_class"] = Formatter
            super().__init__(**settings)

    root = Parser(prog="poundlock", description="The gate between AI tools and model providers.")
    # With `prog` given, argparse needs no formatter here.
    subparsers = root.add_subparsers(dest="command", required=True, metavar="COMMAND", prog="poundlock")
    for name in names:
        import_module(f"poundlock.cli.{COMMANDS[name][0]}").add_parser(subparsers)
    return root


def _width() -> int:
    """Give the columns that help may fill, as argparse has it: those of `COLUMNS` or of the terminal, less two."""
    try:
        columns = int(os.environ.get("COLUMNS", "0"))
    except ValueError:
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns
        except (OSError, ValueError):
            columns = 0
    return (columns or 80) - 2


def _run(name: str, arguments: list[str]) -> int:
    from poundlock.core.errors import Fault

    module = import_module(f"poundlock.cli.{COMMANDS[name][0]}")
    try:
        return int(module.run(parser((name,)).parse_args(arguments)))
    except Fault as fault:
        sys.stderr.write(f"poundlock: {fault.message}\n" + (f"  {fault.advice}\n" if fault.advice else ""))
        return 2
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is wrong, and nothing more is to be said.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 (the last word of a command is never a traceback)
        # A traceback may show more than it should: the place is enough to report it.
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
        sys.stderr.write(f"poundlock: an error of its own, {type(error).__name__} at {where}. Please report it.\n")
        return 2


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{line}" for name, (_, line) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: poundlock COMMAND …",
            "",
            "The gate between developers' AI tools and model providers.",
            "",
            *lines,
            "",
            "`poundlock COMMAND --help` says more. Start with `poundlock demo`, then `poundlock run -- claude`.",
            "",
        ]
    )


def _close_to(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, COMMANDS, 1)
    return f" Did you mean {close[0]!r}?" if close else ""
