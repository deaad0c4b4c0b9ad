"""Columns, keys and fields that say what stands under them: CSV and its kin, tables, SQL dumps, JSON keys, HL7.

A name such as `customer_phone_no` or `DateOfBirth` means the keyed rules (see `keyed`) whose keyword it ends in; a
value under it must be what such a rule describes, whole. A name such as `db_password` or `api_key` means a secret,
which the lexical layer judges. A table is read once, from its header to its last row.
Must never read a row twice, and never take a line of code for a header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.detect import keyed, lexical
from poundlock.core.detect.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poundlock.core.detect.rules import Rule

SEGMENT = r"(?:PID|NK1|GT1|IN1)\|[0-9]{0,4}\|"
NAME = Expression(r"[^\W\d][\w .\-/#()']{0,40}")
PIECE = Expression(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+", re.UNICODE)
NOUNS = frozenset(
    [
        "number",
        "no",
        "nr",
        "num",
        "value",
        "code",
        "id",
        "text",
        "str",
        "string",
        "raw",
        "1",
        "2",
        "3",
        "primary",
        "main",
        "field",
        "nummer",
        "numero",
    ]
)
WEAK = frozenset(
    [
        "name",
        "customer",
        "patient",
        "employee",
        "contact",
        "user",
        "owner",
        "client",
        "person",
        "member",
        "student",
        "passenger",
        "guest",
        "holder",
        "author",
        "manager",
        "doctor",
        "first",
        "last",
        "provider",
        "tenant",
        "agent",
        "driver",
        "insured",
        "subscriber",
        "applicant",
    ]
)
"""Names that mean a person only among other columns of people, and only with two words or more."""
INSERT = Expression(
    r"(?i:INSERT\s{1,4}(?:IGNORE\s)?INTO|REPLACE\s{1,4}INTO)\s{1,4}[\w.\"`\[\]]{1,80}\s{0,4}\(([^()]{1,1500})\)\s{0,8}(?i:VALUES?)\s{0,8}"
)
COPY = Expression(r"COPY\s[\w.\"]{1,80}\s?\(([^()]{1,1500})\)\sFROM\sstdin;\r?\n", re.IGNORECASE)
TUPLE = Expression(r"\s{0,20}\(((?:'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^'\"()]|\([^()]*\))*)\)\s{0,20},?")
CELL = {
    mark: Expression(rf"[ ]?\"(?:[^\"]|\"\")*\"[ ]*(?={re.escape(mark)}|$)|[^{re.escape(mark)}]*") for mark in ",;|\t"
}
SQL_CELL = Expression(r"\s*(?:[NE]?'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\([^()]*\)|[^,'\"]+)\s*")
RULE_LINE = Expression(r"[\s|+:=-]+")
NAMES = frozenset(("name", "key", "variable", "var", "setting", "property", "parameter", "param", "option", "env_var"))
VALUES = frozenset(("value", "val", "wert", "valeur", "valor"))
"""Heads of two columns of which one names what stands in the other, row by row."""
LONGEST = 80
"""Characters of a name."""
USUAL = 4096
"""So many names are asked once; the same few stand everywhere, and a name is no value."""
WIDEST = 20_000
"""Characters of a row."""

# HL7 v2.5.1 chapters 3 and 6: the fields of a segment that say who somebody is.
FIELDS = {
    "PID": {2: "health_id", 3: "health_id", 4: "health_id", 5: "person", 6: "person", 7: "date_of_birth", 9: "person",
            11: "address", 13: "phone", 14: "phone", 19: "us_ssn", 20: "driver_license"},
    "NK1": {2: "person", 4: "address", 5: "phone", 6: "phone", 16: "date_of_birth"},
    "GT1": {3: "person", 5: "address", 6: "phone", 8: "date_of_birth", 12: "us_ssn"},
    "IN1": {16: "person", 18: "date_of_birth", 19: "address", 36: "insurance_id", 49: "insurance_id"},
}  # fmt: skip
SEGMENT_END = Expression(r"\r|\n|\\r|\\n|\"|$")


class Cell(NamedTuple):
    """A value that stands under a name: its span, and the numbers of the rules that the name means.

    With `name`, the name promises a secret.
    """

    start: int
    end: int
    rules: tuple[int, ...]
    whole: bool = False
    name: str = ""


class Columns:
    """Knows what names mean, and reads tables."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._meanings: dict[str, list[int]] = {}
        self._kinds: dict[str, int] = {}
        self._patterns: dict[int, re.Pattern[str]] = {}
        self._usual: dict[str, tuple[int, ...]] = {}
        self._person = -1
        for number, rule in enumerate(rules):
            if rule.lexical in keyed.MODES:
                for word in rule.keywords:
                    self._meanings.setdefault(_joined(word), []).append(number)
                self._kinds.setdefault(rule.kind.partition(".")[2], number)
            if rule.id == "pii.person":
                self._person = number
        for number, rule in enumerate(rules):
            # The plainest rule of a kind stands for it in fields that have no name of their own.
            if rule.id == rule.kind and rule.lexical in keyed.MODES:
                self._kinds[rule.kind.partition(".")[2]] = number

    def meaning(self, name: str) -> tuple[int, ...]:
        """Give the rules that a name means, the most telling end of it first; none if it says nothing."""
        if len(name) > LONGEST:
            return ()
        known = self._usual.get(name)
        if known is None:
            known = self._meaning(name)
            if len(self._usual) < USUAL:
                self._usual[name] = known
        return known

    def _meaning(self, name: str) -> tuple[int, ...]:
        words = [word.lower() for word in PIECE.findall(name)][:8]
        while words:
            for at in range(len(words)):
                found = self._meanings.get("".join(words[at:]))
                if found:
                    return tuple(found)
            if words[-1] not in NOUNS:
                break
            words.pop()
        return ()

    def fits(self, which: int, value: str) -> bool:
        """Say whether a value is, whole, what a rule describes."""
        pattern = self._patterns.get(which)
        if pattern is None:
            pattern = self._patterns[which] = re.compile(self._rules[which].pattern, re.ASCII)
        return pattern.fullmatch(value) is not None

    def read(self, text: str, end: int, before: int) -> tuple[list[Cell], int]:
        """Read the table whose header the hit at `end` is in; give its cells, and where reading can go on."""
        while end > before + 1 and text[end - 1] in "\r\n":
            end -= 1
        start = text.rfind("\n", max(before, end - 1000), end) + 1
        start = max(start, before, end - 1000)
        stop = text.find("\n", end)
        stop = len(text) if stop < 0 else stop
        if stop - start > 2000:
            return [], end
        if text[end - 1] == "," and text[start : start + 1] in (" ", "\t"):
            return [], stop  # an indented line that goes on is a list in code
        line = text[start:stop]
        if "(" in line or text[end - 4 : end].lower() == "into":
            return self._sql(text, max(before, end - 800), end, stop)
        mark = max(",;|\t", key=line.count)
        if stop == len(text) or "{" in line or "=" in line or ": " in line:
            return [], stop
        below = text.find("\n", stop + 1)
        below = len(text) if below < 0 else below
        same = text.count(mark, stop + 1, below) == line.count(mark) or text[stop + 1 : stop + 3].strip(" |+:-") == ""
        if not same and '"' not in text[stop + 1 : below]:
            return [], stop
        names = [name.strip(" \"'`*\r") for name in line.split(mark)]
        if len(names) < 2 or not all(NAME.fullmatch(name) for name in names if name) or not any(names[1:]):
            return [], stop
        # A line of words in quotes, or one that goes on, is a list in code: no header of secrets.
        meant = self._meant(names, secrets="'" not in line and not line.rstrip().endswith((",", ";")))
        paired = _paired([name.lower() for name in names])
        if not meant and paired is None:
            return [], stop
        return self._rows(text, stop + 1, mark, len(names), meant, paired)

    def _meant(self, names: Sequence[str], *, secrets: bool = True) -> dict[int, tuple[int, ...] | str]:
        """Give what the names of columns mean, by place: rules, or the name itself where it promises a secret."""
        meant: dict[int, tuple[int, ...] | str] = {
            place: found for place, name in enumerate(names) if (found := self.meaning(name))
        }
        for place, name in enumerate(names):
            if secrets and place not in meant and len(name) < LONGEST and lexical.strength(name) >= lexical.SECRET:
                meant[place] = name
        telling = meant or any("mail" in name.lower() for name in names)
        if telling and self._person >= 0:
            for place, name in enumerate(names):
                words = [word.lower() for word in PIECE.findall(name)]
                if place not in meant and words and words[-1] in WEAK:
                    meant[place] = (self._person,)
        return meant

    def _rows(
        self,
        text: str,
        at: int,
        mark: str,
        width: int,
        meant: dict[int, tuple[int, ...] | str],
        paired: tuple[int, int] | None = None,
    ) -> tuple[list[Cell], int]:
        cells: list[Cell] = []
        size = len(text)
        while at < size:
            stop = text.find("\n", at)
            stop = size if stop < 0 else stop
            line = text[at:stop].rstrip("\r")
            if RULE_LINE.fullmatch(line):
                at = stop + 1
                continue
            if line.count(mark) < width - 1 or len(line) > WIDEST:
                break
            spans = list(_cells(line, CELL[mark].match, mark))
            if len(spans) != width:
                break
            for place, rules in meant.items():
                low, high = spans[place]
                cells.append(_trimmed(text, at + low, at + high, rules))
            if paired is not None:
                cells.extend(self._named(text, at, spans[paired[0]], spans[paired[1]]))
            at = stop + 1
        return cells, at

    def _named(self, text: str, at: int, head: tuple[int, int], span: tuple[int, int]) -> Iterator[Cell]:
        """Give a cell that another one of its row names, if that name promises something."""
        key = _trimmed(text, at + head[0], at + head[1], ())
        name = text[key.start : key.end]
        if NAME.fullmatch(name) is None or " " in name:
            return
        if lexical.strength(name) >= lexical.SECRET:
            yield _trimmed(text, at + span[0], at + span[1], name)

    def _sql(self, text: str, low: int, end: int, stop: int) -> tuple[list[Cell], int]:
        before = text[max(low, end - 1200) : end]
        if "INTO" not in before and "into" not in before and "COPY" not in before:
            return [], stop
        found = None
        for found in INSERT.finditer(text, low, min(len(text), end + 3000)):
            if found.end() > end:
                break
        else:
            found = COPY.search(text, low, min(len(text), end + 3000))
        if found is None or found.start() > end:
            return [], stop
        names = [name.strip(" \"'`[]\n\t\r") for name in found.group(1).split(",")]
        meant = self._meant(names)
        if not meant:
            return [], found.end()
        if found.group().rstrip().lower().endswith("stdin;"):
            return self._rows(text, found.end(), "\t", len(names), meant)
        cells: list[Cell] = []
        at = found.end()
        while (row := TUPLE.match(text, at, at + WIDEST)) is not None:
            spans = list(_cells(row.group(1), SQL_CELL.match, ","))
            if len(spans) == len(names):
                base = row.start(1)
                for place, rules in meant.items():
                    cells.append(_trimmed(text, base + spans[place][0], base + spans[place][1], rules))
            at = row.end()
        return cells, at

    def segment(self, text: str, end: int) -> tuple[list[Cell], int]:
        """Read the HL7 segment whose beginning ends at `end`; give its fields, and where it ends."""
        start = max(text.rfind(kind, max(0, end - 10), end) for kind in FIELDS)
        over = SEGMENT_END.search(text, end, end + WIDEST)
        if start < 0 or over is None:
            return [], end
        cells: list[Cell] = []
        at = start
        kinds = FIELDS[text[start : start + 3]]
        for place, field in enumerate(text[start : over.start()].split("|")):
            kind = kinds.get(place)
            if kind and len(field) > 3 and kind in self._kinds:
                first = field.split("^", 1)[0] if kind in ("health_id", "insurance_id", "phone") else field.rstrip("^")
                if len(first) > 3:
                    cells.append(Cell(at, at + len(first), (self._kinds[kind],), whole=True))
            at += len(field) + 1
        return cells, over.start()


def _paired(names: list[str]) -> tuple[int, int] | None:
    """Give the places of a column of names and of the column of their values."""
    keys = [place for place, name in enumerate(names) if name in NAMES]
    values = [place for place, name in enumerate(names) if name in VALUES]
    return (keys[-1], values[0]) if len(values) == 1 and keys and keys[-1] != values[0] else None


def _joined(word: str) -> str:
    return "".join(piece.lower() for piece in PIECE.findall(word))


def _cells(line: str, match: Callable[..., re.Match[str] | None], mark: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of a row's cells."""
    at = 0
    while True:
        found = match(line, at)
        stop = found.end() if found else at
        yield at, stop
        if stop >= len(line) or line[stop] != mark:
            return
        at = stop + 1


def _trimmed(text: str, start: int, end: int, meaning: tuple[int, ...] | str) -> Cell:
    """Give a cell without blanks and quotes."""
    while start < end and text[start] in " \t\"'`\n":
        start += 1
    while end > start and text[end - 1] in " \t\"'`\r\n":
        end -= 1
    if isinstance(meaning, str):
        return Cell(start, end, (), name=meaning)
    return Cell(start, end, meaning)
