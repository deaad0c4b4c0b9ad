"""`poundlock hook AGENT [EVENT]`: an agent's event from standard input, judged by the local gateway.

For trying, and for agents set up by hand; what `init TOOL --hooks` writes runs `hook_client.py` without the rest
of Poundlock, which starts faster. It must never exit with 1: an agent takes that for a yes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "hook",
        help="judge an agent's event (standard input) and answer in the agent's own words",
        description="Exit 0: read the answer. 2: stopped. Set up with `poundlock init TOOL --hooks`.",
    )
    parser.add_argument("agent", metavar="AGENT", help="claude-code, codex, cursor, copilot-cli, gemini-cli, qwen-code")
    parser.add_argument(
        "event", metavar="EVENT", nargs="?", default="", help="the event, where it does not say its name"
    )
    parser.add_argument("--config", help="configuration file")


def run(args: argparse.Namespace) -> int:
    """Ask the gateway, with what `init AGENT --hooks` has noted. Raises: `ConfigFault`."""
    from poundlock.adapters import places
    from poundlock.cli import hook_client, hooking
    from poundlock.core.errors import ConfigFault

    note = hooking.note_of(places.state_folder(places.read_settings(args.config)), args.agent)
    if not note.exists():
        raise ConfigFault("No hooks are set up for this agent.", advice=f"Type: poundlock init {args.agent} --hooks")
    return int(hook_client.main([str(note), args.event]))
