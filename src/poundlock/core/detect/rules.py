"""Rules are data: what a rule is, and how mappings read from rule files become rules.

Must never read a file, and never hold a value that was found: a rule knows shapes only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

from poundlock.core.detect import keyed
from poundlock.core.detect.expressions import Expression
from poundlock.core.errors import ConfigFault
from poundlock.core.matches import Family, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A token starts where no letter or digit stands before it, or where what stands there is the end of an escape:
# a JSON or shell escape (\n \t \u003d), a percent escape (%3D) or a terminal colour (ESC[32m).
LEFT = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbfv])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u00[0-9A-Fa-f]{2})"
    r"|(?<=\\x[0-9A-Fa-f]{2})|(?<=\[[0-9]m)|(?<=\[[0-9]{2}m))"
)
RIGHT = r"(?![A-Za-z0-9])"
ID = Expression(r"(secret|pii|infrastructure|identifier|code|injection)(\.[a-z0-9]+(?:[-_][a-z0-9]+)*){1,4}", re.ASCII)
FIELDS = frozenset(
    (
        "id",
        "kind",
        "tier",
        "pattern",
        "trigger",
        "keywords",
        "context",
        "lexical",
        "validators",
        "confidence",
        "source",
        "note",
        "examples",
        "counter_examples",
        "ignore_case",
        "placeholders",
    )
)


class Rule(NamedTuple):
    """One rule.

    A rule is recognised by `pattern` alone (a named group `value` holds what is sensitive); or, if it has `context`,
    by `pattern` as the whole value of a name or line that holds one of those words; or, if `lexical` is `near` or
    `beside`, by `pattern` behind one of its `keywords` (see `keyed`), or in a column of that name; or, with another
    `lexical`, by the lexical layer's reader of that name. `trigger` is a cheaper expression that every match holds,
    where the one derived from the pattern is slow. `keywords` are lower-case literals of which every match holds one.
    `confidence` is that of a match whose validators say nothing. `placeholders`: values that are evidently made up
    count too.
    """

    id: str
    kind: str
    tier: Tier = "internal"
    pattern: str = ""
    trigger: str = ""
    keywords: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    lexical: str = ""
    validators: tuple[str, ...] = ()
    confidence: float = 0.9
    source: str = ""
    note: str = ""
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()
    ignore_case: bool = False
    placeholders: bool = False

    @property
    def family(self) -> Family:
        """The family is the first word of the id."""
        return cast("Family", self.id.split(".", 1)[0])


def expression(rule: Rule) -> str:
    """Give the rule's full pattern: with its boundaries and its group `value`, if it does not say them itself."""
    if rule.lexical in keyed.MODES:
        return keyed.expression(rule)
    if rule.context or "(?P<value>" in rule.pattern:
        return rule.pattern
    return f"{LEFT}(?P<value>{rule.pattern}){RIGHT}"


def _words(entry: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = entry.get(name, ())
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
        raise ConfigFault(f"{where}: `{name}` must be a list of non-empty texts")
    return tuple(value)


def read_rule(entry: Mapping[str, Any], *, source: str = "") -> Rule:
    """Make a rule of one table of a rule file.

    `source` is the file's own `source`, for rules that do not give one. Raises: `ConfigFault` naming rule and problem.
    """
    name = entry.get("id")
    if not isinstance(name, str) or not ID.fullmatch(name):
        raise ConfigFault("a rule has no valid `id` (family.vendor.thing, lower-case)", advice="see docs: rules")
    where = f"rule {name}"
    unknown = sorted(set(entry) - FIELDS)
    if unknown:
        raise ConfigFault(f"{where}: unknown field `{unknown[0]}`")
    tier = entry.get("tier", "internal")
    if tier not in get_args(Tier):
        raise ConfigFault(f"{where}: `tier` must be public, internal or restricted")
    confidence = entry.get("confidence", 0.9)
    if not isinstance(confidence, int | float) or not 0 < confidence <= 1:
        raise ConfigFault(f"{where}: `confidence` must be above 0 and at most 1")
    texts = {}
    for field in ("kind", "pattern", "trigger", "lexical", "source", "note"):
        texts[field] = entry.get(field, "")
        if not isinstance(texts[field], str):
            raise ConfigFault(f"{where}: `{field}` must be a text")
    kind = texts["kind"] or name
    if not ID.fullmatch(kind) or kind.split(".")[0] != name.split(".")[0]:
        raise ConfigFault(f"{where}: `kind` must be of the rule's own family")
    if not texts["pattern"] and not texts["lexical"]:
        raise ConfigFault(f"{where}: a rule needs a `pattern`")
    return Rule(
        id=name,
        kind=kind,
        tier=tier,
        pattern=texts["pattern"],
        trigger=texts["trigger"],
        keywords=_words(entry, "keywords", where),
        context=_words(entry, "context", where),
        lexical=texts["lexical"],
        validators=_words(entry, "validators", where),
        confidence=float(confidence),
        source=texts["source"] or source,
        note=texts["note"],
        examples=_words(entry, "examples", where),
        counter_examples=_words(entry, "counter_examples", where),
        ignore_case=entry.get("ignore_case", False) is True,
        placeholders=entry.get("placeholders", False) is True,
    )


def read_rules(files: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Rule, ...]:
    """Make the rules of several parsed rule files, given as (file name, table), in id order.

    Raises: `ConfigFault` for a bad rule, and for an id that stands twice.
    """
    rules: dict[str, Rule] = {}
    for name, table in files:
        entries = table.get("rule")
        if not isinstance(entries, list) or set(table) - {"rule", "source"}:
            raise ConfigFault(f"rule file {name}: must hold [[rule]] tables and at most a `source`")
        for entry in entries:
            rule = read_rule(entry, source=str(table.get("source", "")))
            if rule.id in rules:
                raise ConfigFault(f"rule {rule.id}: stands twice, the second time in {name}")
            rules[rule.id] = rule
    return tuple(rules[key] for key in sorted(rules))


def digest(rules: Iterable[Rule]) -> str:
    """Give the hex SHA-256 of the rules' content."""
    import hashlib  # noqa: PLC0415 (a cached set knows its digest)
    import json  # noqa: PLC0415

    plain = [rule._asdict() for rule in rules]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
