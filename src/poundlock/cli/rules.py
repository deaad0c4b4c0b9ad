"""`poundlock rules`: every rule with its kind, tier and source; and the lint of one's own rule files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("rules", help="list the rules with their sources, or check rule files")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only rules whose id holds every word")
    parser.add_argument("--rules", metavar="PATH", action="append", default=[], help="more rule files (TOML)")
    parser.add_argument("--check", action="store_true", help="lint every rule, and run its examples")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the rules; with `--check`, print what is wrong with them and exit 1 if anything is."""
    from pathlib import Path

    from poundlock.adapters.rulefiles import load_rules

    rules = [
        rule for rule in load_rules([Path(path) for path in args.rules]) if all(word in rule.id for word in args.words)
    ]
    if args.check:
        from poundlock.core.detect.lint import lint

        problems = lint(rules)
        for problem in problems:
            sys.stdout.write(f"{problem}\n")
        sys.stdout.write(f"{len(rules)} rules, {len(problems)} problems\n")
        return int(bool(problems))
    if args.format == "json":
        import msgspec

        rows = [
            {"id": rule.id, "family": rule.family, "kind": rule.kind, "tier": rule.tier, "source": rule.source}
            for rule in rules
        ]
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
        return 0
    width = max((len(rule.id) for rule in rules), default=0)
    for rule in rules:
        sys.stdout.write(f"{rule.id:{width}}  {rule.tier:10}  {rule.source}\n")
    sys.stdout.write(f"{len(rules)} rules\n")
    families = sorted({rule.family for rule in rules})
    sys.stdout.write("".join(f"docs/reference/rules/{family}.md\n" for family in families))
    return 0
