"""Comments that say of a finding on their line that it is none: ours, gitleaks' and detect-secrets'.

Ours may have a reason and an end.

INVARIANT: they serve `scan` alone. Nothing of this is loaded by the gateway.
"""

from __future__ import annotations

import re
from typing import NamedTuple

ALLOWED = re.compile(
    r"(?P<own>poundlock:allow(?!-next))|gitleaks:allow|pragma:\s*allowlist\s+secret|nosecret", re.IGNORECASE
)
ALLOWED_NEXT = re.compile(r"(?P<own>poundlock:allow-next)|pragma:\s*allowlist\s+nextline\s+secret", re.IGNORECASE)
OPTION = re.compile(r"""\b(reason|until|kind)\s*=\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"';,)]+))""")
DAY = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
REACH = 300  # characters after the mark in which its reason and its end stand


class Policy(NamedTuple):
    """What counts as a suppression: `today` (YYYY-MM-DD) ends those that had an end; a reason may be required."""

    honoured: bool = True
    reasons: bool = False
    today: str = ""


class Ruling(NamedTuple):
    """Whether a finding is suppressed; if not, what is to be said of a suppression that did not count."""

    suppressed: bool
    note: str = ""


NONE = Ruling(suppressed=False)
USUAL = Policy()


def ruling(text: str, first: int, last: int, kind: str, policy: Policy) -> Ruling:
    """Say whether the line from `first` to `last`, or the line before it, suppresses a finding of this kind."""
    if not policy.honoured:
        return NONE
    mark = ALLOWED.search(text, first, last)
    end = last
    if mark is None:
        if not first:
            return NONE
        before = text.rfind("\n", 0, first - 1) + 1
        mark = ALLOWED_NEXT.search(text, before, first)
        end = first
    if mark is None:
        return NONE
    options: dict[str, str] = {}
    if mark["own"]:
        for found in OPTION.finditer(text, mark.end(), min(end, mark.end() + REACH)):
            options.setdefault(found[1], next(filter(None, found.groups()[1:]), ""))
    wanted = options.get("kind", "")
    if wanted and kind != wanted and not kind.startswith(f"{wanted}."):
        return NONE
    if policy.reasons and not options.get("reason"):
        return Ruling(suppressed=False, note="its suppression gives no reason")
    until = options.get("until", "")
    if until and not DAY.fullmatch(until):
        return Ruling(suppressed=False, note="its suppression ends on a day that is none (YYYY-MM-DD)")
    if until and until < policy.today:
        return Ruling(suppressed=False, note=f"its suppression ended on {until}")
    return Ruling(suppressed=True)
