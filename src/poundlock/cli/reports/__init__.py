"""What `scan` found, in the forms that other programs read. Pure: findings in, text out.

INVARIANT: no writer touches a finding's value; excerpts come masked.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from poundlock import __version__
from poundlock.cli.baseline import relative
from poundlock.cli.location import NEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from poundlock.cli.location import Located
    from poundlock.core.detect.rules import Rule

MODULES = {"jsonl": "lines", "github": "lines", "sarif": "sarif", "gitlab": "gitlab", "junit": "junit"}
"""Where each format's writer is; it has the format's name."""

SURE = 0.8
"""From this confidence on a finding is an error, below it a warning."""


class Report(NamedTuple):
    """A whole scan: fingerprinted findings with paths that are relative to `folder`, and the paths that stay unread.

    `sources` maps a rule's id to where its format is documented; `began` and `ended` are UTC, `YYYY-MM-DDTHH:MM:SS`.
    """

    found: Sequence[Located]
    unread: Sequence[str]
    sources: Mapping[str, str]
    version: str
    began: str
    ended: str


def said(one: Located) -> str:
    """Say a finding in a sentence or two."""
    known = f" Added by commit {one.commit[:12]} of {one.date[:10]}." if one.commit else ""
    sure = round(one.match.confidence * 100)
    return f"{one.match.kind} ({sure} %).{known} {NEXT.get(one.match.family, 'See `poundlock rules`.')}"


def written(
    name: str, found: Iterable[Located], unread: Iterable[str], rules: Iterable[Rule], began: str, ended: str
) -> Iterator[str]:
    """Yield the report in the format of this name, with paths relative to the working folder if below it."""
    folder = os.getcwd()  # noqa: PTH109 (a text is what is compared)
    report = Report(
        [one._replace(path=relative(one.path, folder)) for one in found],
        [relative(path, folder) for path in unread],
        {rule.id: rule.source for rule in rules},
        __version__,
        began,
        ended,
    )
    pieces: Iterator[str] = getattr(import_module(f"poundlock.cli.reports.{MODULES[name]}"), name)(report)
    return pieces
