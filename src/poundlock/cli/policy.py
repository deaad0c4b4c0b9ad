"""`poundlock policy`: check, test and show the policies in force; what needs records is in `policy_records`.

It must never change a policy that is there, and never say that all is well when nothing was looked at.

Exit 0: all is well. Exit 1: a problem in a policy, or a case that fails. Exit 2: usage or fault.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from poundlock.cli import policy_records

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    from poundlock.core.policy.cases import Result
    from poundlock.core.policy.language import Policy, Problem


def add_parser(subparsers: Any) -> None:
    """Add the command and its actions to the parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "policy", help="check, test and show the policies", description="Check, test and show the policies in force."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="check policies against the schema, and lint them")
    test = actions.add_parser("test", help="run the cases beside the policies")
    show = actions.add_parser("show", help="list the policies in force")
    for action in (check, test, show):
        action.add_argument("files", nargs="*", metavar="FILE", help="policy file or folder, beside the default pack")
        action.add_argument("--no-default", action="store_true", help="leave the default pack out")
        action.add_argument("--json", action="store_true", help="print JSON, one object a line")
    show.add_argument("--schema", action="store_true", help="print the schema: all the words that a policy may use")
    policy_records.add_actions(actions)
    new = actions.add_parser("new", help="write a policy and its case, to begin with")
    new.add_argument("id", help="its name, such as acme.badges; NAME.cedar and NAME.cases.toml are written here")
    new.add_argument("--kind", required=True, help="what it is about: a kind or family, such as secret.acme or pii")
    new.add_argument(
        "--let",
        choices=("sendDisguised", "sendLocal", "sendApproved", "blocked"),
        default="sendApproved",
        help="the loosest that it lets happen (default: sendApproved)",
    )


def run(args: argparse.Namespace) -> int:
    """Run one action and give its exit code. Raises `ConfigFault`."""
    own = {"check": _check, "test": _test, "show": _show, "new": _new}
    return own.get(args.action, policy_records.run)(args)


def _check(args: argparse.Namespace) -> int:
    from poundlock.adapters import policyfiles
    from poundlock.core.policy import language

    sources = policyfiles.sources(args.files, default=not args.no_default)
    policies, problems = language.read(sources, language.schema(policyfiles.schema()))
    for problem in problems:
        _say(args, _problem(problem), f"{problem}\n  {problem.advice}")
    if not problems and not policies:
        sys.stderr.write("poundlock: there is no policy to check: everything would be blocked.\n")
        return 1
    if not problems:
        row = {"policies": len(policies), "files": list(sources)}
        _say(args, row, f"{len(policies)} policies in {len(sources)} files: no problems.")
    for problem in () if problems else language.shadowed(policies):
        _say(args, _problem(problem), f"note: {problem}\n  {problem.advice}")
    return 1 if problems else 0


def _test(args: argparse.Namespace) -> int:
    from poundlock.adapters import policyfiles
    from poundlock.core.policy import cases

    default = not args.no_default
    policies = policyfiles.load(args.files, default=default)
    results: list[Result] = []
    for source, text in policyfiles.cases(args.files, default=default).items():
        results += [cases.run(policies, case, source=source) for case in cases.read(text, source=source)]
    # Where other files join the pack they may tighten it: what that changes is told, and is no failure.
    changed = [result for result in results if result.differences and _excused(args, result, policyfiles.CASES)]
    failed = [result for result in results if result.differences and result not in changed]
    for result in (*changed, *failed):
        word = "changed" if result in changed else "failed"
        told = {"file": result.file, "note": result.note, "is": word, "differences": list(result.differences)}
        _say(args, told, "\n  ".join([f"{word}: {result.file}: {result.note}", *result.differences]))
    if not results:
        sys.stderr.write("poundlock: there are no cases: write NAME.cases.toml beside NAME.cedar.\n")
        return 1
    row = {"cases": len(results), "failed": len(failed), "changed": len(changed), "digest": policies.digest}
    _say(args, row, f"{len(results)} cases, {len(failed)} failed, {len(changed)} changed.")
    return 1 if failed else 0


def _excused(args: argparse.Namespace, result: Result, shipped: str) -> bool:
    return bool(args.files) and result.file == shipped


def _show(args: argparse.Namespace) -> int:
    from poundlock.adapters import policyfiles

    if args.schema:
        sys.stdout.write(policyfiles.schema())
        return 0
    policies = policyfiles.load(args.files, default=not args.no_default)
    for policy in policies.policies:
        _say(args, _policy(policy), _told(policy))
    if not args.json:
        sys.stdout.write(f"{len(policies.policies)} policies, digest {policies.digest}\n")
    return 0


def _new(args: argparse.Namespace) -> int:
    from pathlib import Path

    from poundlock.adapters import policyfiles
    from poundlock.core.errors import ConfigFault
    from poundlock.core.policy import cases, ladder
    from poundlock.core.policy.decide import Policies

    rungs = [rung.value for rung in ladder.OUTBOUND]
    shut = rungs[: rungs.index(args.let)] if args.let in rungs else rungs
    closed = ", ".join(f'Action::"{rung}"' for rung in shut)
    text = (
        f'@id("{args.id}")\n@reason("This leaves only as our rules allow.")\n'
        f'@advice("Leave it out, or ask the owner of this policy.")\n@control("{args.id.partition(".")[0]}")\n'
        f"forbid (\n  principal,\n  action in [{closed}],\n"
        f'  resource in Kind::"{args.kind}"\n);\n'
    )
    case = (
        f'[[case]]\nnote = "{args.kind} is {args.let}."\nfacts.local_model = {str(args.let == "sendLocal").lower()}\n'
        f'facts.found = [{{ kind = "{args.kind}" }}]\nwant = {{ rung = "{args.let}", reasons = ["{args.id}"] }}\n'
    )
    Policies.compile({f"{args.id}.cedar": text}, policyfiles.schema())
    cases.read(case, source=f"{args.id}.cases.toml")
    written = {Path(f"{args.id}.cedar"): text, Path(f"{args.id}.cases.toml"): case}
    if there := [str(path) for path in written if path.exists()]:
        raise ConfigFault(f"{there[0]} is there already.", advice="Choose another name; nothing was written.")
    for path, content in written.items():
        path.write_text(content, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
    return 0


def _told(policy: Policy) -> str:
    lines = [f"{policy.id}  ({policy.effect} {', '.join(sorted(policy.actions))}; {policy.file}:{policy.line})"]
    lines += [f"  {policy.reason}"] if policy.reason else []
    lines += [f"  {policy.advice}"] if policy.advice else []
    lines += ["  It holds in monitor mode, too."] if policy.holds else []
    return "\n".join(lines)


def _policy(policy: Policy) -> Mapping[str, object]:
    row = {name: getattr(policy, name) for name in policy.__struct_fields__ if name != "tree"}
    return {**row, "actions": sorted(policy.actions)}


def _problem(problem: Problem) -> Mapping[str, object]:
    return {name: getattr(problem, name) for name in problem.__struct_fields__}


def _say(args: argparse.Namespace, row: Mapping[str, object], text: str) -> None:
    import msgspec

    sys.stdout.write((msgspec.json.encode(row).decode() if args.json else text) + "\n")
