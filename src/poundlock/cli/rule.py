"""`poundlock rule`: write a rule of one's own, prove it, see why it finds or doesn't, take rules over from gitleaks.

Must never print a value of a text that it is given: places and lengths only. Examples are made up, and are shown.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from poundlock.core.detect.rules import Rule

LONGEST = 1 << 20  # characters of a text that is explained
COUNTER = ("the format of {thing} is on its own page", "{thing} must be changed every year")


def add_parser(subparsers: Any) -> None:
    """Add the command and its actions to the command line."""
    parser = subparsers.add_parser("rule", help="write, prove and explain rules of your own")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="print a rule file to begin with")
    new.add_argument("id", metavar="ID", help="family.vendor.thing, for example secret.acme.badge")
    new.add_argument("--pattern", metavar="RE", default="acme_[a-z0-9]{32}", help="its regular expression")
    new.add_argument(
        "--source", metavar="URL", default="https://wiki.example.com/formats", help="where it is documented"
    )
    test = actions.add_parser("test", help="prove rule files on their examples")
    test.add_argument("files", nargs="+", metavar="FILE", help="rule files, or folders of them")
    explain = actions.add_parser("explain", help="say what a rule looks for, and why it finds in a text or doesn't")
    explain.add_argument("id", metavar="ID")
    explain.add_argument("file", nargs="?", metavar="FILE", help="a text; - is standard input")
    explain.add_argument("--rules", metavar="PATH", action="append", default=[], help="more rule files (TOML)")
    explain.add_argument("--config", metavar="FILE", help="the configuration (default: the user's)")
    taken = actions.add_parser("import", help="print a rule file of the rules of a gitleaks configuration")
    taken.add_argument("file", metavar="FILE", help="a .gitleaks.toml")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do one of these. Exit 1: a rule is not proven, does not find, or could not be taken over."""
    actions = {"new": _new, "test": _test, "explain": _explain, "import": _import}
    return actions[args.action](args)


# --- new -------------------------------------------------------------------------------------------------------------


def _new(args: argparse.Namespace) -> int:
    from poundlock.cli import patterns
    from poundlock.core.detect.rules import ID
    from poundlock.core.errors import ConfigFault

    if not ID.fullmatch(args.id):
        raise ConfigFault(
            "an id is family.vendor.thing in lower case",
            advice="Families are secret, pii, infrastructure, identifier, code and injection.",
        )
    try:
        template = patterns.example(args.pattern)
    except (re.error, patterns.Untranslatable) as fault:
        raise ConfigFault(f"the pattern can't be used: {fault}") from None
    sys.stdout.write(
        "# A rule file: `poundlock rule test FILE` proves it; rules.files in poundlock.toml puts it in force.\n"
        "# The fields: docs/how-to/rules-and-policies.md. In examples, «…» marks exactly the value, and {a-z0-9:32}\n"
        "# stands for made-up characters, so that no file holds a credential.\n\n"
    )
    sys.stdout.write(_table(args.id, args.pattern, template, args.source, 0.9))
    return 0


def _table(
    name: str, pattern: str, template: str, source: str, confidence: float, *, ignore_case: bool = False, more: str = ""
) -> str:
    thing = name.rpartition(".")[2]
    rows = [
        "[[rule]]",
        f"id = {_quoted(name)}",
        f"pattern = {_quoted(pattern)}",
        *(["ignore_case = true"] if ignore_case else []),
        f"confidence = {confidence}",
        f"source = {_quoted(source)}",
        *([more] if more else []),
        "examples = [",
        *(f"  {_quoted(text)}," for text in (template, f"see {template} here")),
        "]",
        "counter_examples = [",
        *(f"  {_quoted(text.format(thing=thing))}," for text in COUNTER),
        "]",
    ]
    return "\n".join(rows) + "\n"


def _quoted(text: str) -> str:
    """Write a TOML string; a literal one where that is possible, since patterns have many backslashes."""
    if text.isprintable() and "'" not in text:
        return f"'{text}'" if "\\" in text or '"' in text else f'"{text}"'
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in escaped) + '"'


# --- test ------------------------------------------------------------------------------------------------------------


def _test(args: argparse.Namespace) -> int:
    from poundlock.adapters.rulefiles import own_rules
    from poundlock.core.detect.lint import lint

    rules = own_rules(args.files)
    problems = lint(rules)
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    for rule in rules:
        if not any(problem.startswith(f"rule {rule.id}:") for problem in problems):
            counts = f"{len(rule.examples)} examples found, {len(rule.counter_examples)} counter-examples left alone"
            sys.stdout.write(f"{rule.id}: {counts}\n")
    sys.stdout.write(f"{len(rules)} rule{'s' * (len(rules) != 1)}, {len(problems)} problems\n")
    return int(bool(problems))


# --- explain ---------------------------------------------------------------------------------------------------------


def _explain(args: argparse.Namespace) -> int:
    from poundlock.adapters.rulefiles import load_rules
    from poundlock.cli import detector
    from poundlock.core.errors import ConfigFault

    found = detector.sources(args.config, args.rules)
    rules = {rule.id: rule for rule in load_rules(found.rules)}
    rule = rules.get(args.id)
    if rule is None:
        import difflib

        close = difflib.get_close_matches(args.id, rules, 3)
        raise ConfigFault(f"there is no rule {args.id}", advice=f"Close: {', '.join(close)}" if close else "")
    for name, value in _about(rule):
        sys.stdout.write(f"{name:<12}{value}\n")
    if args.file is None:
        return 0
    text = _read(args.file)
    sys.stdout.write("\n")
    matches = detector.load(found).detect(text)
    hits = [match for match in matches if match.rule_id == rule.id]
    for match in hits:
        place = f"characters {match.start} to {match.end}"
        sys.stdout.write(f"found at line {_line(text, match.start)}, {place}, {round(match.confidence * 100)} %\n")
    if not hits:
        for line in _why_not(rule, text, matches):
            sys.stdout.write(f"{line}\n")
    return 0 if hits else 1


def _about(rule: Rule) -> Iterator[tuple[str, str]]:
    from poundlock.core.detect import keyed, triggers
    from poundlock.core.detect.rules import expression

    yield "rule", rule.id
    if rule.kind != rule.id:
        yield "kind", rule.kind
    yield "tier", rule.tier
    yield "source", rule.source
    if rule.note:
        yield "note", rule.note
    if rule.pattern:
        yield "pattern", rule.pattern
    if rule.lexical in keyed.MODES:
        yield "stands", f"{rule.lexical} one of its keywords"
    elif rule.lexical:
        yield "read by", f"the lexical layer, as {rule.lexical}"
    if rule.context:
        yield "context", f"its line or name must hold one of: {', '.join(rule.context)}"
    if rule.keywords:
        yield "keywords", ", ".join(rule.keywords)
    for name in rule.validators:
        yield "validator", name
    yield "confidence", f"{rule.confidence}, before validators"
    if rule.pattern and not rule.context and rule.lexical not in keyed.MODES:
        try:
            trigger = triggers.derive(rule.trigger or expression(rule), ignore_case=rule.ignore_case)
        except triggers.Unsupported:
            return
        yield "window", f"{trigger.least} to {trigger.most} characters before a candidate's end"
        if trigger.literals:
            yield "literals", f"every match holds one of: {', '.join(trigger.literals[:8])}"
    for number, template in enumerate(rule.examples, 1):
        from poundlock.core.detect import templates

        yield f"example {number}", templates.expand(template, "1")


def _why_not(rule: Rule, text: str, matches: Any) -> Iterator[str]:
    """Say where a text falls short of a rule, in the order in which the engine asks."""
    from poundlock.core.detect import keyed, scoring, validators
    from poundlock.core.detect.rules import expression

    if rule.lexical and rule.lexical not in keyed.MODES:
        yield "not found: the lexical layer saw no name with a value that it takes for one"
        return
    if rule.context and not any(word in text.lower() for word in rule.context):
        yield f"not found: none of its context words stands in the text ({', '.join(rule.context)})"
        return
    flags = re.ASCII | (re.IGNORECASE if rule.ignore_case else 0)
    found = list(re.finditer(expression(rule), text, flags))
    if not found:
        loose = re.search(rule.pattern, text, flags) if rule.pattern else None
        if loose:
            yield f"not found: at line {_line(text, loose.start())} the pattern fits, but within a longer word"
        elif rule.keywords and not any(word in text.lower() for word in rule.keywords):
            yield f"not found: none of its keywords stands in the text ({', '.join(rule.keywords)})"
        else:
            yield "not found: the pattern fits nowhere"
        return
    for each in found[:5]:
        name = "value" if "value" in each.re.groupindex else 0
        start, end = each.span(name)
        where = f"line {_line(text, start)}, characters {start} to {end}:"
        value = each[name]
        if rule.family == "secret" and not rule.placeholders and scoring.made_up(value):
            yield f"not found: {where} the value is evidently a placeholder"
            continue
        failed = [check for check in rule.validators if not _passes(validators.find(check), value)]
        other = next((match for match in matches if match.start < end and match.end > start), None)
        if failed:
            yield f"not found: {where} the validator `{failed[0]}` refuses it"
        elif other is not None:
            yield f"not found: {where} {other.rule_id} speaks of the same place, and is surer"
        else:
            yield f"not found: {where} the surroundings are not those that the rule asks for"


def _passes(validator: Any, value: str) -> bool:
    check, argument = validator
    return bool(check(value, argument))


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _read(path: str) -> str:
    from pathlib import Path

    from poundlock.core.errors import ConfigFault

    if path == "-":
        return sys.stdin.read(LONGEST)
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST)
    except OSError as fault:
        raise ConfigFault(f"{path} can't be read: {fault.strerror}") from None


# --- import ----------------------------------------------------------------------------------------------------------


def _import(args: argparse.Namespace) -> int:
    from poundlock.cli.allowances import configuration

    entries = configuration(args.file).get("rules")
    taken, left = 0, 0
    sys.stdout.write(f"# Rules taken over from {args.file}. Read them, then: poundlock rule test FILE\n")
    for entry in entries if isinstance(entries, list) else ():
        name = str(entry.get("id", "")) if isinstance(entry, dict) else ""
        try:
            table = _taken(entry)
        except ValueError as fault:
            left += 1
            sys.stderr.write(f"poundlock rule: {name or 'a rule without an id'} is not taken over: {fault}\n")
            continue
        taken += 1
        sys.stdout.write(f"\n{table}")
    sys.stderr.write(f"poundlock rule: {taken} rules taken over, {left} not.\n")
    return 1 if left or not taken else 0


def _taken(entry: Any) -> str:
    """Give a gitleaks rule as one of ours, proven. Raises: `ValueError` for one that can't be taken over."""
    import tomllib

    from poundlock.cli import patterns
    from poundlock.core.detect.lint import lint
    from poundlock.core.detect.rules import read_rule

    if not isinstance(entry, dict) or not isinstance(entry.get("regex"), str) or not entry.get("id"):
        raise patterns.Untranslatable("it has no id or no regex (a rule on paths alone has nothing to find)")
    group = entry.get("secretGroup", 0)
    pattern, ignore_case = patterns.translated(entry["regex"], group if isinstance(group, int) else 0)
    name = "secret.gitleaks." + (re.sub(r"[^a-z0-9]+", "-", str(entry["id"]).lower()).strip("-") or "rule")
    entropy = entry.get("entropy")
    more = f'validators = ["entropy:{entropy}"]' if isinstance(entropy, int | float) and entropy > 0 else ""
    source = str(entry.get("description") or "") or "a gitleaks configuration"
    template = patterns.example(pattern)
    table = _table(name, pattern, template, source, 0.8, ignore_case=ignore_case, more=more)
    problems = lint([read_rule(tomllib.loads(table)["rule"][0])])
    if problems:
        raise patterns.Untranslatable(problems[0].partition(": ")[2])
    if any(key in entry for key in ("path", "allowlist", "allowlists")):
        sys.stderr.write(f"poundlock rule: {name}: its path and its own allow-lists are not taken over\n")
    return table
