"""Which blobs of Git a scan reads: what is staged, what a range added, or what all references added.

Must never take two of them at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.adapters import git
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from poundlock.adapters.git import Blob


def check(args: argparse.Namespace) -> None:
    """Refuse what can't be asked for at once. Raises: `ConfigFault`."""
    if args.staged and (args.all or args.git is not None):
        raise ConfigFault("--staged and --git (or --all) exclude each other")
    if args.git not in {None, "HEAD"} and args.all:
        raise ConfigFault("--all is every range: leave out the range")
    if "-" in args.paths:
        raise ConfigFault("standard input is not in Git")


def blobs(args: argparse.Namespace) -> Iterable[Blob]:
    """Give the blobs that the command line asks for; paths narrow them. Raises: `ConfigFault`."""
    check(args)
    if args.staged:
        return git.staged(paths=args.paths)
    return git.history(revisions=args.git or "HEAD", everything=args.all, paths=args.paths)
