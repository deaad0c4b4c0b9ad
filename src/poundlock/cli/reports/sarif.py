"""SARIF 2.1.0 (OASIS standard), as code scanning on GitHub, Azure DevOps and editors read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from poundlock.cli.location import NEXT
from poundlock.cli.reports import SURE, Report, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poundlock.cli.location import Located

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
SEVERITY = {"restricted": "9.0", "internal": "7.0", "public": "3.0"}
"""`security-severity`, which GitHub shows as critical, high or low."""


def _place(path: str) -> dict[str, str]:
    if path.startswith("/"):
        return {"uri": "file://" + quote(path)}
    return {"uri": quote(path), "uriBaseId": "%SRCROOT%"}


def _rule(one: Located, sources: dict[str, str]) -> dict[str, Any]:
    match = one.match
    advice = NEXT.get(match.family, "See `poundlock rules`.")
    rule: dict[str, Any] = {
        "id": match.rule_id,
        "name": "".join(part.capitalize() for part in match.rule_id.replace("-", ".").split(".")),
        "shortDescription": {"text": f"A value of the kind {match.kind}"},
        "fullDescription": {"text": f"A value of the kind {match.kind}, which must not leave in clear."},
        "help": {"text": advice, "markdown": advice},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": ["security", match.family],
            "precision": "high",
            "security-severity": SEVERITY.get(match.tier, "7.0"),
        },
    }
    source = sources.get(match.rule_id, "").split()
    if source and source[0].startswith("https://"):
        rule["helpUri"] = source[0].rstrip(",;")
    return rule


def _result(one: Located, index: int) -> dict[str, Any]:
    region = {
        "startLine": one.line,
        "startColumn": one.column,
        "endLine": one.end_line,
        "endColumn": one.end_column,
        "snippet": {"text": one.excerpt},
    }
    result: dict[str, Any] = {
        "ruleId": one.match.rule_id,
        "ruleIndex": index,
        "level": "error" if one.match.confidence >= SURE else "warning",
        "message": {"text": said(one)},
        "locations": [{"physicalLocation": {"artifactLocation": _place(one.path), "region": region}}],
        "partialFingerprints": {
            "primaryLocationLineHash": one.fingerprint,
            "poundlockSurroundings/v1": one.fingerprint,
        },
        "properties": {"confidence": round(one.match.confidence, 3), "tier": one.match.tier},
    }
    if one.commit:
        result["properties"] |= {"commit": one.commit, "authorDate": one.date}
    return result


def sarif(report: Report) -> Iterator[str]:
    """Yield one SARIF log with one run: the rules that have results, the results, and what could not be read."""
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for one in report.found:
        if one.match.rule_id not in rules:
            rules[one.match.rule_id] = _rule(one, dict(report.sources))
        results.append(_result(one, list(rules).index(one.match.rule_id)))
    told = [
        {
            "level": "error",
            "message": {"text": "could not be read"},
            "locations": [{"physicalLocation": {"artifactLocation": _place(path)}}],
        }
        for path in report.unread
    ]
    invocation: dict[str, Any] = {
        "executionSuccessful": not report.unread,
        "startTimeUtc": f"{report.began}Z",
        "endTimeUtc": f"{report.ended}Z",
    }
    if told:
        invocation["toolExecutionNotifications"] = told
    driver = {"name": "poundlock", "version": report.version, "rules": list(rules.values())}
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    yield msgspec.json.format(msgspec.json.encode(log)).decode() + "\n"
