"""`poundlock review`: which commits of a range an AI tool made, what they touch, and whether anybody else approved.

A check for CI and before a push. Policy says which commits need it. Must never print a commit's content.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from poundlock.config import Settings
    from poundlock.core.policy.decide import CallAnswer
    from poundlock.core.review import Change

FORMATS = ("text", "json", "github", "gitlab", "sarif")


class Reviewed(NamedTuple):
    """A commit with what policy says of it."""

    change: Change
    answer: CallAnswer

    @property
    def stopped(self) -> bool:
        """Whether it may not be released."""
        return self.answer.rung.value == "blocked"

    @property
    def why(self) -> str:
        """The first reason with its advice."""
        reason = next((each for each in self.answer.reasons if each.reason), None)
        return f"{reason.reason} {reason.advice}".strip() if reason else "No policy permits it."


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "review",
        help="find commits of AI tools that need a second pair of eyes",
        description="Commits are told by their trailers, texts, authors and notes; policy says which need an approval.",
    )
    parser.add_argument("range", nargs="?", metavar="RANGE", help="as of git log (default: since the branch began)")
    parser.add_argument(
        "--pre-push", action="store_true", help="read what is pushed from standard input, as Git's hook"
    )
    parser.add_argument(
        "--approvals",
        metavar="FILE",
        help="what the forge tells of approvals (GitHub reviews, GitLab approvals; - reads it)",
    )
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--output", metavar="FILE", help="write the report there (default: standard output)")
    parser.add_argument("--config", metavar="FILE", help="the configuration (default: the user's)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Review a range. Exit 0: all may be released. 1: some need an approval. 2: a fault."""
    from poundlock.adapters import git, places

    settings = places.read_settings(args.config)
    folder = git.root()
    approvers = _approvers(args.approvals) if args.approvals else ()
    ranges = _pushed(sys.stdin) if args.pre_push else [args.range or f"{git.base(folder)}..HEAD"]
    rows = _reviewed(settings, [each for wanted in ranges for each in git.commits(folder, wanted)], approvers)
    text = _FORMS[args.format](rows)
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 1 if any(row.stopped for row in rows) else 0


def _reviewed(settings: Settings, told: Iterable[Any], approvers: Sequence[str]) -> list[Reviewed]:
    import getpass

    from poundlock.adapters import policyfiles
    from poundlock.core import review
    from poundlock.core.model import Principal

    policies = policyfiles.load(settings.policy.files, default=settings.policy.default_pack)
    principal = Principal(human=getpass.getuser(), tool="review", tool_claimed=False)
    rows: dict[str, Reviewed] = {}
    for each in told:
        commit = review.Commit(**each._asdict())
        change = review.change(commit, settings.review.areas, approvers)
        rows[change.id] = Reviewed(change, policies.release(principal, change))
    return list(rows.values())


def _pushed(lines: Iterable[str]) -> list[str]:
    """Give the ranges that a push adds, as Git tells its pre-push hook (githooks(5))."""
    found = []
    for line in lines:
        words = line.split()
        if len(words) != 4:
            raise ConfigFault("Standard input is not what Git gives its pre-push hook.", advice="See githooks(5).")
        local, remote = words[1], words[3]
        if local.strip("0"):
            found.append(f"{remote}..{local}" if remote.strip("0") else local)
    return found


def _approvers(file: str) -> tuple[str, ...]:
    """Give who approved, as a forge's API tells: GitHub's reviews of a pull request, GitLab's approvals."""
    import msgspec

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        tree = msgspec.json.decode(data)
    except OSError as fault:
        raise ConfigFault(f"{file} can't be read: {fault.strerror}.") from None
    except msgspec.DecodeError:
        raise ConfigFault(
            f"{file} is not JSON.", advice="Save what the forge's API answers for the merge request."
        ) from None
    latest: dict[str, str] = {}
    if isinstance(tree, list):  # GitHub: GET /repos/{owner}/{repo}/pulls/{number}/reviews
        for row in tree:
            user = row.get("user") if isinstance(row, dict) else None
            if isinstance(user, dict) and user.get("type", "User") == "User" and row.get("state") != "COMMENTED":
                latest[str(user.get("login", ""))] = str(row.get("state", ""))
        return tuple(name for name, state in latest.items() if state == "APPROVED")
    if isinstance(tree, dict) and isinstance(tree.get("approved_by"), list):  # GitLab: …/merge_requests/:iid/approvals
        users = [row.get("user") for row in tree["approved_by"] if isinstance(row, dict)]
        return tuple(str(user.get("username", "")) for user in users if isinstance(user, dict) and not user.get("bot"))
    raise ConfigFault(f"{file} holds neither GitHub's reviews nor GitLab's approvals.")


def _text(rows: Sequence[Reviewed]) -> str:
    made = [row for row in rows if row.change.tools]
    lines = []
    for row in made:
        change = row.change
        areas = ", ".join(f"{area} ({path})" for area, path in change.touched.items()) or "nothing that needs it"
        verdict = (
            "NEEDS AN APPROVAL" if row.stopped else f"approved by {change.approvals}" if change.approvals else "ok"
        )
        lines.append(f"{change.id[:12]}  {verdict}  {', '.join(change.tools)}  touches {areas}")
        if row.stopped:
            lines.append(f"              {row.why}")
    lines += [
        f"{row.change.id[:12]}  NEEDS AN APPROVAL\n              {row.why}"
        for row in rows
        if row.stopped and not row.change.tools
    ]
    stopped = sum(row.stopped for row in rows)
    lines.append(f"{len(rows)} commits, {len(made)} of AI tools, {stopped} need an approval")
    return "\n".join(lines) + "\n"


def _json(rows: Sequence[Reviewed]) -> str:
    import msgspec

    listed = [
        {
            "commit": row.change.id,
            "tools": list(row.change.tools),
            "areas": dict(row.change.touched),
            "approvals": row.change.approvals,
            "released": not row.stopped,
            "policies": [reason.policy for reason in row.answer.reasons],
        }
        for row in rows
    ]
    return msgspec.json.format(msgspec.json.encode(listed).decode()) + "\n"


def _said(row: Reviewed) -> str:
    change = row.change
    return (
        f"Commit {change.id[:12]} ({', '.join(change.tools) or 'no tool named'}; {', '.join(change.areas)}): {row.why}"
    )


def _path(row: Reviewed) -> str:
    return next((path for path in row.change.touched.values() if path != "an added line"), "")


def _github(rows: Sequence[Reviewed]) -> str:
    """Write GitHub's workflow commands."""

    def escaped(text: str, more: str = "") -> str:
        for mark in "%\r\n" + more:
            text = text.replace(mark, f"%{ord(mark):02X}")
        return text

    return "".join(
        f"::error file={escaped(_path(row), ':,')},title=Needs an approval::{escaped(_said(row))}\n"
        for row in rows
        if row.stopped
    )


def _gitlab(rows: Sequence[Reviewed]) -> str:
    """Write GitLab's code quality report."""
    import msgspec

    listed = [
        {
            "description": _said(row),
            "check_name": "release.unreviewed",
            "fingerprint": row.change.id,
            "severity": "major",
            "location": {"path": _path(row) or ".", "lines": {"begin": 1}},
        }
        for row in rows
        if row.stopped
    ]
    return msgspec.json.encode(listed).decode() + "\n"


def _sarif(rows: Sequence[Reviewed]) -> str:
    import msgspec

    from poundlock import __version__
    from poundlock.cli.reports.sarif import SCHEMA

    results = [
        {
            "ruleId": row.answer.reasons[0].policy if row.answer.reasons else "no-permit",
            "level": "error",
            "message": {"text": _said(row)},
            "locations": [
                {"physicalLocation": {"artifactLocation": {"uri": _path(row) or "."}, "region": {"startLine": 1}}}
            ],
            "partialFingerprints": {"commit/v1": row.change.id},
        }
        for row in rows
        if row.stopped
    ]
    driver = {"name": "poundlock review", "version": __version__}
    return (
        msgspec.json.encode(
            {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
        ).decode()
        + "\n"
    )


_FORMS = {"text": _text, "json": _json, "github": _github, "gitlab": _gitlab, "sarif": _sarif}
