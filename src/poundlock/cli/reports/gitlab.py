"""GitLab's secret-detection report, version 15 of its schema (gitlab-org/security-products/security-report-schemas)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.cli.location import NEXT
from poundlock.cli.reports import Report, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poundlock.cli.location import Located

VERSION = "15.0.7"
NO_COMMIT = "0" * 40
"""The schema asks for a commit; a work tree has none."""
SEVERITY = {"restricted": "Critical", "internal": "High", "public": "Low"}


def _vulnerability(one: Located) -> dict[str, Any]:
    rule = one.match.rule_id
    return {
        "id": f"{one.fingerprint}:{one.commit[:12]}".rstrip(":"),
        "category": "secret_detection",
        "name": one.match.kind,
        "description": said(one),
        "severity": SEVERITY.get(one.match.tier, "High"),
        "solution": NEXT.get(one.match.family, "See `poundlock rules`."),
        "location": {
            "file": one.path,
            "start_line": one.line,
            "end_line": one.end_line,
            "commit": {"sha": one.commit or NO_COMMIT} | ({"date": one.date} if one.date else {}),
        },
        "identifiers": [{"type": "poundlock_rule_id", "name": f"Poundlock rule {rule}", "value": rule}],
    }


def gitlab(report: Report) -> Iterator[str]:
    """Yield one report."""
    tool = {
        "id": "poundlock",
        "name": "Poundlock",
        "version": report.version,
        "vendor": {"name": "The Poundlock authors"},
    }
    written = {
        "version": VERSION,
        "scan": {
            "analyzer": tool,
            "scanner": tool,
            "type": "secret_detection",
            "start_time": report.began,
            "end_time": report.ended,
            "status": "failure" if report.unread else "success",
            "messages": [{"level": "fatal", "value": f"{path} could not be read"} for path in report.unread],
        },
        "vulnerabilities": [_vulnerability(one) for one in report.found],
    }
    yield msgspec.json.format(msgspec.json.encode(written)).decode() + "\n"
