"""Budgets: how much left in a sliding period, counted from records alone, and which of them are used up.

It must never count what did not leave for a cloud, and never hold a value: different values are counted by their keyed
fingerprints, which records have. A record names at most 64 values of one finding, so that a count is a lower bound.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.model import Record

Measure = Literal["exchanges", "characters", "people", "names", "secrets"]
Per = Literal["person", "tool", "destination", "repository"]

HOUR = 3_600_000_000_000
PERIODS = {"hour": HOUR, "day": 24 * HOUR, "month": 30 * 24 * HOUR}
"""Lengths of the periods, in nanoseconds."""
BROKEN = 8
"""So many times the busiest hour of the days before, a person's hour breaks the pattern, …"""
FEWEST = 60
"""… if it has at least so many exchanges, …"""
KNOWN_HOURS = 8
"""… and at least so many busy hours are known."""
PATTERN = "pattern"
"""The name that stands among used-up budgets when the pattern of a person and tool breaks."""
_REMEMBERED_HOURS = 24 * 14
_LEAVES = frozenset({"send", "sendDisguised"})
_FAMILIES: dict[str, str] = {"people": "pii", "names": "identifier", "secrets": "secret"}


class Budget(Value, frozen=True, kw_only=True):
    """How much of a measure may leave in a period, for each person, tool, destination or repository, or all."""

    name: str
    measure: Measure
    limit: int
    period: Literal["hour", "day", "month"] = "day"
    per: tuple[Per, ...] = ("person",)
    repositories: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()


class Who(NamedTuple):
    """What an exchange counts for."""

    person: str
    tool: str
    destination: str
    repository: str


class _Row(NamedTuple):
    at: int
    amount: int
    values: frozenset[str]


class _Spent:
    """What one budget has for one subject: the rows of the period, their sum, and how often each value is in them."""

    __slots__ = ("amount", "rows", "values")

    def __init__(self) -> None:
        self.rows: deque[_Row] = deque()
        self.amount = 0
        self.values: dict[str, int] = {}

    def add(self, row: _Row) -> None:
        self.rows.append(row)
        self.amount += row.amount
        for value in row.values:
            self.values[value] = self.values.get(value, 0) + 1

    def drop(self, before: int) -> None:
        while self.rows and self.rows[0].at < before:
            row = self.rows.popleft()
            self.amount -= row.amount
            for value in row.values:
                self.values[value] -= 1
                if not self.values[value]:
                    del self.values[value]


class Tally:
    """What left so far, by budget; fed with records in their order."""

    def __init__(self, budgets: tuple[Budget, ...]) -> None:
        """Begin with nothing counted."""
        self.budgets = budgets
        self.since = max((PERIODS[budget.period] for budget in budgets), default=0)
        self._spent: dict[tuple[str, tuple[str, ...]], _Spent] = {}
        self._hours: dict[tuple[str, str], dict[int, int]] = {}

    def add(self, record: Record) -> None:
        """Count a record, if it is of an exchange that left for a cloud."""
        if record.kind != "exchange":
            return
        body = record.body
        if body["decision"]["rung"] not in _LEAVES or body["destination"]["local"]:
            return
        who = Who(
            person=body["principal"]["human"],
            tool=body["principal"]["tool"],
            destination=body["destination"]["name"],
            repository=body.get("facts", {}).get("repository", ""),
        )
        hours = self._hours.setdefault((who.person, who.tool), {})
        hour = record.at // HOUR
        hours[hour] = hours.get(hour, 0) + 1
        if len(hours) > _REMEMBERED_HOURS:
            del hours[min(hours)]
        for budget in self.budgets:
            if _counts(budget, who):
                spent = self._spent.setdefault((budget.name, _subject(budget, who)), _Spent())
                spent.add(_row(budget.measure, record.at, body))

    def spent(self, who: Who, now: int) -> dict[str, tuple[int, int]]:
        """Give what is spent of each budget that an exchange would count for, and its limit, by name."""
        told = {}
        for budget in self.budgets:
            if not _counts(budget, who):
                continue
            spent = self._spent.get((budget.name, _subject(budget, who)))
            if spent is not None:
                spent.drop(now - PERIODS[budget.period])
            amount = 0 if spent is None else len(spent.values) if budget.measure in _FAMILIES else spent.amount
            told[budget.name] = (amount, budget.limit)
        return told

    def used_up(self, who: Who, now: int) -> tuple[str, ...]:
        """Name the budgets with nothing left for an exchange, in order; `pattern` when an hour is like no other."""
        names = [name for name, (amount, limit) in self.spent(who, now).items() if amount >= limit]
        if self.budgets and self._breaks(who, now):
            names.append(PATTERN)
        return tuple(names)

    def _breaks(self, who: Who, now: int) -> bool:
        """Tell whether a person's tool is far busier in this hour than in any before."""
        hours = self._hours.get((who.person, who.tool), {})
        this = now // HOUR
        before = [count for hour, count in hours.items() if hour < this]
        busy = hours.get(this, 0)
        return busy >= FEWEST and len(before) >= KNOWN_HOURS and busy > BROKEN * max(before)


def _counts(budget: Budget, who: Who) -> bool:
    if budget.providers and who.destination not in budget.providers:
        return False
    return not budget.repositories or any(
        who.repository == each or (each.endswith("/*") and who.repository.startswith(each[:-1]))
        for each in budget.repositories
    )


def _subject(budget: Budget, who: Who) -> tuple[str, ...]:
    return tuple(str(getattr(who, name)) for name in budget.per)


def _row(measure: Measure, at: int, body: Mapping[str, Any]) -> _Row:
    if measure == "exchanges":
        return _Row(at, 1, frozenset())
    if measure == "characters":
        sizes = body["sizes"]
        return _Row(at, sizes.get("new", sizes["characters"]), frozenset())
    family = _FAMILIES[measure]
    return _Row(
        at,
        0,
        frozenset(
            fingerprint
            for found in body["findings"]
            if found["treatment"] != "impound" and found["kind"].split(".")[0] == family
            for fingerprint in found["fingerprints"]
        ),
    )
