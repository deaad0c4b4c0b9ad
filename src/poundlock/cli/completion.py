"""`poundlock completion SHELL`: print the completion script for a shell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser("completion", help="print shell completion")
    parser.add_argument(
        "shell", choices=["bash", "zsh", "tcsh"], help='for example: eval "$(poundlock completion bash)"'
    )


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from poundlock.cli.main import parser

    sys.stdout.write(shtab.complete(parser(), shell=args.shell) + "\n")
    return 0
