"""The vendor register: what is known of a vendor's plans and models, with evidence and an end date.

It must never give the benefit of the doubt: an unknown plan, a cell that nobody verified, a row from secondary sources,
and a row past its `valid_until` all count as: trains, no zero retention, no agreement.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Literal

import msgspec

from poundlock.core.errors import ConfigFault
from poundlock.core.model import Destination

if TYPE_CHECKING:
    from collections.abc import Iterable

Standing = Literal["verified", "unverified", "expired", "unknown"]

_DAY = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
_ID = re.compile(r"[a-z0-9][a-z0-9.-]*")


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one vendor, plan and model. A cell left out is not verified.

    `model` is `*` for every model, or a name that may end in `*`. `confidence` says what was read: the vendor's own
    pages, other people's, or nothing. Days are `YYYY-MM-DD`, UTC; the row holds through `valid_until`.
    """

    vendor: str
    plan: str
    model: str = "*"
    trains: bool | None = None
    zero_retention: bool | None = None
    dpa: bool | None = None
    baa: bool | None = None
    retention: str = "unknown"
    confidence: Literal["official", "secondary", "none"]
    checked: str
    valid_until: str
    evidence: tuple[str, ...] = ()
    note: str = ""

    def matches(self, model: str) -> bool:
        """Tell whether the row speaks of `model`."""
        return model.startswith(self.model[:-1]) if self.model.endswith("*") else model == self.model

    def standing(self, day: str) -> Standing:
        """Tell how far the row can be trusted on `day`."""
        if self.confidence != "official":
            return "unverified"
        return "verified" if day <= self.valid_until else "expired"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What counts for policy: the worst case wherever nothing better is verified."""

    trains: bool = True
    zero_retention: bool = False
    dpa: bool = False
    baa: bool = False
    retention: str = "unknown"
    standing: Standing = "unknown"


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    row: tuple[Row, ...]


class Register(msgspec.Struct, frozen=True):
    """The rows, the longest model name of a plan first."""

    rows: tuple[Row, ...] = ()

    @classmethod
    def load(cls, text: str, *, source: str = "vendors.toml") -> Register:
        """Read TOML text of `[[row]]` tables. Raises `ConfigFault` naming the row and what is wrong."""
        try:
            rows = msgspec.convert(tomllib.loads(text), _File).row
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
            raise ConfigFault(f"{source}: {fault}", advice="Correct the row that is named.") from None
        seen: set[tuple[str, str, str]] = set()
        for row in rows:
            key = (row.vendor, row.plan, row.model)
            wrong = _wrong(row) or ("it stands twice" if key in seen else "")
            if wrong:
                raise ConfigFault(f"{source}: the row {' / '.join(key)}: {wrong}.", advice="Correct the row.")
            seen.add(key)
        return cls(_sorted(rows))

    def joined(self, own: Register) -> Register:
        """Give these rows with another register's, which go before rows of the same vendor, plan and model."""
        rows = {(row.vendor, row.plan, row.model): row for row in (*self.rows, *own.rows)}
        return Register(_sorted(rows.values()))

    def terms(self, vendor: str, plan: str, model: str, day: str) -> Terms:
        """Give what counts on `day` (`YYYY-MM-DD`) for a vendor, plan and model."""
        row = next((row for row in self._of(vendor, plan) if row.matches(model)), None)
        if row is None:
            return Terms()
        standing = row.standing(day)
        if standing != "verified":
            return Terms(standing=standing)
        return Terms(
            trains=row.trains is not False,
            zero_retention=row.zero_retention is True,
            dpa=row.dpa is True,
            baa=row.baa is True,
            retention=row.retention,
            standing=standing,
        )

    def destination(
        self,
        *,
        name: str,
        vendor: str,
        plan: str,
        model: str,
        day: str,
        endpoint: str = "",
        approved: bool = False,
        local: bool = False,
    ) -> Destination:
        """Give a destination with what counts for it on `day`; one inside the boundary (`local`) trains nobody."""
        terms = self.terms(vendor, plan, model, day)
        return Destination(
            name=name,
            vendor=vendor,
            plan=plan or "unknown",
            model=model,
            endpoint=endpoint,
            approved=approved,
            dpa=terms.dpa,
            baa=terms.baa,
            trains=terms.trains and not local,
            zero_retention=terms.zero_retention,
            retention=terms.retention,
            local=local,
        )

    def plans(self, vendor: str) -> tuple[str, ...]:
        """Give the plan ids that are known of a vendor, in order."""
        return tuple(dict.fromkeys(row.plan for row in self.rows if row.vendor == vendor))

    def _of(self, vendor: str, plan: str) -> Iterable[Row]:
        return (row for row in self.rows if row.vendor == vendor and row.plan == plan)


def _sorted(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (row.vendor, row.plan, -len(row.model), row.model)))


def _wrong(row: Row) -> str:
    if not (_ID.fullmatch(row.vendor) and _ID.fullmatch(row.plan)):
        return "vendor and plan are small letters, digits, dots and dashes"
    if "*" in row.model[:-1] or not row.model:
        return "model is a name, or the beginning of one followed by `*`"
    if not (_DAY.fullmatch(row.checked) and _DAY.fullmatch(row.valid_until)):
        return "checked and valid_until are days such as 2026-11-20"
    if row.valid_until < row.checked:
        return "valid_until lies before checked"
    if row.confidence == "official" and not row.evidence:
        return "a row that was read at the vendor names its evidence"
    return ""
