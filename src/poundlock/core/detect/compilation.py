"""What a rule set compiles to: triggers, what each is for, and the database of the first stage.

Must never be needed where a compiled set was kept: the parsers and the compiler are loaded late.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.detect import columns, keyed, lexical, views
from poundlock.core.detect.expressions import Expression
from poundlock.core.detect.rules import Rule, digest, expression
from poundlock.core.detect.sources import Trigger, compile_database
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Sequence


class Compiled(NamedTuple):
    """What a rule set compiles to, so that it can be kept on disk: rules, triggers, what each is for, the database."""

    rules: tuple[Rule, ...]
    triggers: tuple[Trigger, ...]
    purposes: tuple[int, ...]
    database: bytes
    digest: str


# Purposes of triggers below 0; from 0 on, a trigger is for the rule of that number.
LEXICAL = -1
TABLE = -2
SEGMENT = -3
STATEMENT = -4
VIEW = -10  # VIEW - n is for the n-th of views.VIEWS


THEN = "(?#then)"
"""In the `trigger` of a rule: what stands behind it is looked for in the text, where what stands before it was found.

Words and what connects them are found many bytes at a time; the shape of a value behind them is not.
"""


def _text(expression: str) -> str:
    """Give an expression over bytes for text: what takes the bytes beyond ASCII takes the characters."""
    return expression.replace(r"\x80-\xff", r"\x80-\U0010ffff")


def plan(rules: Sequence[Rule]) -> tuple[tuple[Trigger, ...], tuple[int, ...]]:
    """Give the triggers of a rule set and the purpose of each. Raises: `ConfigFault` naming a rule that has none."""
    from poundlock.core.detect.triggers import derive  # noqa: PLC0415 (a cost at start-up that a kept set spares)

    triggers: list[Trigger] = []
    purposes: list[int] = []
    for number, rule in enumerate(rules):
        near = rule.lexical in keyed.MODES
        if (rule.lexical and not near) or rule.context:
            continue
        try:
            trigger = derive(keyed.trigger(rule) if near else expression(rule), ignore_case=rule.ignore_case)
            if rule.trigger:
                head, _, then = rule.trigger.partition(THEN)
                hint = derive(head, ignore_case=rule.ignore_case)
                trigger = trigger._replace(
                    expression=hint.expression, least=1, fixed=False, literals=hint.literals, then=_text(then)
                )
            triggers.append(trigger)
        except (ValueError, re.error) as fault:
            raise ConfigFault(f"rule {rule.id}: its pattern can't be used: {fault}") from fault
        purposes.append(number)
    if any(rule.lexical for rule in rules):
        triggers.append(Trigger(expression=lexical.EXPRESSION, least=2, most=20))
        purposes.append(LEXICAL)
        for number, view in enumerate(views.VIEWS):
            triggers.append(derive(view.pattern))
            purposes.append(VIEW - number)
        triggers.append(Trigger(expression=HEADER, least=5, most=2000))
        purposes.append(TABLE)
        triggers.append(Trigger(expression=STATEMENT_WORDS, least=11, most=14))
        purposes.append(STATEMENT)
    if any(rule.lexical in keyed.MODES for rule in rules):
        triggers.append(derive(columns.SEGMENT))
        purposes.append(SEGMENT)
    # The order changes nothing but the speed: Hyperscan builds a database that is a third faster, and smaller, when
    # expressions with a long beginning of literal characters come first (measured: 4.0 to 3.4 ms a MB).
    grouped = [
        trigger._replace(group=_group(trigger, purpose)) for trigger, purpose in zip(triggers, purposes, strict=True)
    ]
    pairs = sorted(zip(grouped, purposes, strict=True), key=lambda pair: _place(pair[0].expression))
    return tuple(trigger for trigger, _ in pairs), tuple(purpose for _, purpose in pairs)


# Two lines of which the first looks like the header of a table: names and separators alone, and at least one of them
# in the next line, or a ruler. A shape rather than the names that mean something, of which there are a thousand.
_OF_NAMES = r"A-Za-z0-9_ ./#'\"`*\r\x80-\xff-"
HEADER = (
    rf"\n[ \t\"'`*|,;]*[A-Za-z_\x80-\xff][{_OF_NAMES}]*[,;|\t][ \t]*[\"'`*|]*[A-Za-z_\x80-\xff][{_OF_NAMES},;|\t]*"
    r"\n(?:[-+=:]{2}|[^\n,;|\t\"]*[,;|\t\"])"
)
# What stands before the columns, or before the rows, of an SQL statement.
STATEMENT_WORDS = r"(?i:(?:insert|replace|ignore)[ \t\n]{1,4}into)|\) FROM stdin"
LITERAL, RUNS, FIGURES, LINES = range(4)
# Begins with figures, maybe behind something that they must not follow.
FIGURE = Expression(r"(?:\(\?i?:)*(?:\[\^[^\]]*\](?:\(\?i?:)*)?(?:\\x2b)?\[[^\]]*\\x3[0-9]")
# Two capitals, then figures (an IBAN): no text at all, and a fifth of all that the first stage cost among texts.
COUNTRY = Expression(r"\[\^[^\]]*\]\[\\x41-\\x5a\]\{2\}\[\\x30-\\x39\]")
LETTERS = Expression(r"\[(?!\^)[^\]]*\\x(?:41-\\x5a|61-\\x7a)")


def _group(trigger: Trigger, purpose: int) -> int:
    """Give the database that a trigger belongs to, by what Hyperscan must step through to find its matches.

    Most triggers hold a text that it finds many bytes at a time. A trigger without one makes it step through every
    byte, and slows down all that share its database.
    """
    if purpose == TABLE:
        return LINES
    if purpose == VIEW:
        return RUNS
    if purpose == LEXICAL:
        return FIGURES  # some of its words have two letters and a mark; measured, it costs least here
    text = trigger.expression
    if trigger.literals:
        return LITERAL
    return FIGURES if COUNTRY.match(text) or (FIGURE.match(text) and not LETTERS.search(text)) else LITERAL


BEGIN = Expression(r"(?:\(\?i?:)*(?P<text>(?:\w|\\x[0-9a-f]{2})*)")


def _place(expression: str) -> tuple[int, int]:
    """Rank an expression: the literal characters that it begins with, then its length, both downwards."""
    found = BEGIN.match(expression)
    return -len(found["text"]) if found else 0, -len(expression)


def compile_rules(rules: Sequence[Rule]) -> Compiled:
    """Compile rules; the database is empty where there is no Hyperscan. Raises: `ConfigFault`."""
    triggers, purposes = plan(rules)
    try:
        database = compile_database(triggers)
    except ImportError:
        database = b""
    except ValueError as fault:
        raise ConfigFault(f"the rules can't be compiled: {fault}") from fault
    bare = tuple(rule._replace(source="", note="", examples=(), counter_examples=()) for rule in rules)
    return Compiled(bare, triggers, purposes, database, digest(rules))
