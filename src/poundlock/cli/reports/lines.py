"""A finding a line: JSON Lines, and the workflow commands of GitHub Actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from poundlock.cli.location import row
from poundlock.cli.reports import SURE, Report, said

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 5000
"""GitHub shows ten annotations of each kind a step; what is beyond this is only noise in a log."""


def jsonl(report: Report) -> Iterator[str]:
    """Yield a JSON object a finding, then one `{"unread": path}` for each path that could not be read."""
    encode = msgspec.json.Encoder().encode
    for one in report.found:
        yield encode(row(one)).decode() + "\n"
    for path in report.unread:
        yield encode({"unread": path}).decode() + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def github(report: Report) -> Iterator[str]:
    """Yield workflow commands, escaped as actions/toolkit does (`command.ts`: % CR LF, and : , in properties)."""
    for one in report.found[:MOST]:
        level = "error" if one.match.confidence >= SURE else "warning"
        columns = f",col={one.column},endColumn={one.end_column}" if one.end_line == one.line else ""
        where = f"file={_property(one.path)},line={one.line},endLine={one.end_line}{columns}"
        yield f"::{level} {where},title={_property('poundlock ' + one.match.rule_id)}::{_data(said(one))}\n"
    if len(report.found) > MOST:
        yield f"::error title=poundlock::{len(report.found) - MOST} more findings are not shown\n"
    for path in report.unread:
        yield f"::error file={_property(path)},title=poundlock::could not be read\n"
