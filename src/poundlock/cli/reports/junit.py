"""JUnit XML, as CI servers show it: a failed case for each finding, an error for what could not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.cli.reports import Report, said

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


def _escaped(text: str) -> str:
    """Escape for XML 1.0; a character that it can't hold becomes U+FFFD."""
    held = (char if char.isprintable() or char in "\t\n" else "\ufffd" for char in text)
    return "".join(ENTITIES.get(char, char) for char in held)


def junit(report: Report) -> Iterator[str]:
    """Yield the report; a scan that found nothing is one case that passed."""
    failures, errors = len(report.found), len(report.unread)
    cases = max(1, failures + errors)
    counts = f'tests="{cases}" failures="{failures}" errors="{errors}"'
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<testsuites name="poundlock" {counts}>\n'
    yield f'  <testsuite name="poundlock scan" {counts} skipped="0" timestamp="{report.began}">\n'
    for one in report.found:
        name = _escaped(f"{one.match.kind} at {one.line}:{one.column}")
        yield f'    <testcase classname="{_escaped(one.path)}" name="{name}" file="{_escaped(one.path)}">\n'
        yield f'      <failure type="{_escaped(one.match.rule_id)}" message="{_escaped(said(one))}">'
        yield f"{_escaped(f'{one.path}:{one.line}:{one.column}: {one.excerpt}')}</failure>\n    </testcase>\n"
    for path in report.unread:
        yield f'    <testcase classname="{_escaped(path)}" name="read">\n'
        yield '      <error type="unread" message="could not be read"/>\n    </testcase>\n'
    if not failures and not errors:
        yield '    <testcase classname="poundlock" name="nothing found"/>\n'
    yield "  </testsuite>\n</testsuites>\n"
