"""`poundlock detect`: NDJSON in, NDJSON out, in order. How pipelines and evaluations drive the engine.

Must never print a value unless `--values` asks for it, nor say anything of a bad line but its number.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from poundlock.core.detect.engine import Detector
    from poundlock.core.model import Match

FAMILIES = ("secret", "pii", "infrastructure", "identifier", "code", "injection")


def families(text: str) -> frozenset[str]:
    """Read a comma-separated list of families. Raises: `ValueError` for one that there is not."""
    named = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not named or named - set(FAMILIES):
        raise ValueError(f"families are {', '.join(FAMILIES)}")
    return named


def add_family(parser: argparse.ArgumentParser, default: str | None, said: str) -> None:
    """Add `--family`, `--rules` and `--config`, which every command that detects has."""
    said = f"only these families ({said})"
    parser.add_argument("--family", metavar="LIST", type=families, default=default, help=said)
    parser.add_argument("--rules", metavar="PATH", action="append", default=[], help="more rule files (TOML)")
    parser.add_argument("--config", metavar="FILE", help="the configuration (default: the user's)")


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "detect",
        help="find sensitive values in NDJSON texts",
        description='Reads {"id","text"} a line (also "key", "path"); writes {"id","findings":[…]} a line, in order.',
    )
    add_family(parser, None, "all")
    parser.add_argument("--values", action="store_true", help="give each finding's value too, in clear")
    parser.set_defaults(run=run)


def plain(match: Match, *, values: bool) -> dict[str, Any]:
    """Give a finding as a JSON object; with its value only if asked for."""
    found: dict[str, Any] = {
        "rule": match.rule_id,
        "family": match.family,
        "kind": match.kind,
        "start": match.start,
        "end": match.end,
        "confidence": round(match.confidence, 3),
        "tier": match.tier,
    }
    if values:
        found["value"] = match.value
    return found


def answers(
    detector: Detector, lines: Iterable[bytes], *, narrowed: frozenset[str] | None, values: bool
) -> Iterable[tuple[bytes, bool, bool]]:
    """Yield for each line its answer, whether it has findings, and whether the line was a fault."""
    import msgspec

    class Question(msgspec.Struct):
        text: str
        id: Any = None
        key: str = ""
        path: str = ""

    decoder = msgspec.json.Decoder(Question)
    encode = msgspec.json.Encoder().encode
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            asked = decoder.decode(line)
        except (msgspec.MsgspecError, ValueError):
            yield encode({"line": number, "error": 'not a JSON object with a "text"'}), False, True
            continue
        matches = detector.detect(asked.text, key=asked.key, path=asked.path, families=narrowed)
        found = [plain(match, values=values) for match in matches]
        yield encode({"id": asked.id, "findings": found}), bool(found), False


def run(args: argparse.Namespace) -> int:
    """Answer standard input; exit 0 without findings, 1 with, 2 if a line could not be read."""
    from poundlock.cli.detector import load, sources

    detector = load(sources(args.config, args.rules), args.family)
    found = fault = False
    out = sys.stdout.buffer
    for answer, findings, bad in answers(detector, sys.stdin.buffer, narrowed=args.family, values=args.values):
        out.write(answer + b"\n")
        out.flush()
        found = found or findings
        fault = fault or bad
    return 2 if fault else int(found)
