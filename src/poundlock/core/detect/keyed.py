"""Values that count only with a keyword beside them, and how such a rule is looked for.

A rule with `lexical = "near"` finds its pattern within 30 characters behind one of its keywords; with `"beside"` only
connectors may stand between them (`Passport No.: …`, `"dob": "…"`, `policy_number=…`). With `"under"` the same, for
values that need no digit (names, streets): there a connector must stand between them. The same keywords name the
columns of a table (see `columns`). Must never accept a value without its keyword.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poundlock.core.detect.expressions import Expression

if TYPE_CHECKING:
    from poundlock.core.detect.rules import Rule

MODES = ("near", "beside", "under")
REACH = 30
"""Characters from a keyword to its value; more than that and bare digits mean nothing."""
WIDEST = 240
"""Characters from a keyword to the end of its value."""
SHORT = 4
"""A keyword of up to so many letters must be a word of its own."""
_JOINT = "[-_. ]?"
_QUOTE = r"(?:[\"'`*]|\\[\"']|&quot;|%22){0,2}"
_NOUN = r"(?:[-_. ]{0,2}(?i:numbers?|num|nummer|n[uú]mero|numero|no|nr|n[°ºo]|code|value|id|card|#)\.?(?![a-z])){0,2}"
_AFTER = r"(?:s\b)?\.?" + _NOUN
_SAYS = r"={1,3}|[:=]|=>|:=|->|\||>|\t|%3[AaDd]|#|,\s?[\"']|value=|\r?\n\r?\n"
_BESIDE = (
    _AFTER
    + r"(?:\s?\([^()\n]{1,20}\))?"
    + rf"{_QUOTE}[\])]?(?:\s{{0,3}}(?:{_SAYS})|\s(?:is|was|of|ist|est|es|[eè]|lautet|to|:))?"
    + rf"[ \t]{{0,4}}[(\[]?{_QUOTE}[ ]?"
)
BEHIND = Expression(
    r"([a-zA-Z]{0,8})(?:[\"'\\*`\])]{0,4}[ ]{0,2}(?:[:=>|\t]|value=|\r?\n\r?\n)|[\"'\\]{0,4}, ?[\"'\\]|\([\"'])"
)
"""What stands between a keyword, or its beginning, and the value under it, quickly told."""
_NEAR = r"[^0-9\n]{0,30}?"
_END = r"(?![a-rt-z]|s[a-z])"


def written(keyword: str) -> str:
    """Give the expression for a keyword (`date of birth`) in all the ways that code writes it."""
    return _JOINT.join(re.escape(word) for word in keyword.split())


def camel(keyword: str) -> str:
    """Give a keyword as the tail of a camel-case name (`DateOfBirth`)."""
    return "".join(word[:1].upper() + word[1:] for word in keyword.split())


def _following(rule: Rule) -> str:
    between = _NEAR if rule.lexical == "near" else _BESIDE
    return rf"{_END}{between}(?<![A-Za-z0-9.])(?P<value>{rule.pattern})(?![A-Za-z0-9_]|[.\[][A-Za-z0-9_]|\(|::)"


def expression(rule: Rule) -> str:
    """Give the whole pattern of a keyed rule: keyword, what may stand between, and the group `value`."""
    keys = sorted(rule.keywords, key=len, reverse=True)
    loose = "|".join(written(key) for key in keys)
    humps = "|".join(camel(key) for key in keys if key.isascii())
    left = rf"(?:(?<![A-Za-z])(?i:{loose})" + (rf"|(?<=[a-z])(?:{humps}))" if humps else ")")
    return left + _following(rule)


def trigger(rule: Rule) -> str:
    """Give the expression of the first stage: a keyword and the first digit behind it; or the keyword, for `under`.

    What stands behind a keyword for `under` is for `BEHIND`: in the first stage it costs twenty times the keywords.
    """
    if rule.lexical == "under":
        # The longest first: where there is no Hyperscan, of all that begin at one place only the first is found.
        return "|".join(_hint(key, "") for key in sorted(rule.keywords, key=len, reverse=True))
    loose = "|".join(_hint(key, "[^a-z0-9]") for key in sorted(rule.keywords))
    return rf"(?:{loose})[^0-9\n]{{0,{REACH}}}[0-9]"


def _hint(key: str, behind: str) -> str:
    """Give a keyword's expression for the first stage: a short one must be a word, or the hump of a longer name."""
    if not key.isascii():
        # Bytes beyond ASCII have no case for the database: each usual way of writing is an expression of its own.
        return "|".join(dict.fromkeys(written(way) for way in (key, key.title(), key.capitalize(), key.upper())))
    if len(key) > SHORT:
        return f"(?i:{written(key)})"
    return f"(?:[^A-Za-z](?i:{written(key)})|[a-z]{camel(key)}){behind}"


class Finder:
    """Finds what `expression` describes, many times faster: keywords in lower case first, then what follows them."""

    def __init__(self, rule: Rule) -> None:
        keys = sorted((key.lower() for key in rule.keywords), key=len, reverse=True)
        self._keys = re.compile("|".join(written(key) for key in keys))
        self._following = re.compile(_following(rule), re.ASCII)

    def search(self, text: str, low: int, high: int, tried: int = 0) -> re.Match[str] | None:
        """Find the first keyword in `text[low:high]` that has its value behind it; the match's group is `value`.

        Keywords that end up to `tried` had none before, and are passed by: else each would be tried again for every
        keyword behind it.
        """
        window = text[low:high].lower()
        if len(window) != high - low and high <= len(text):
            return None  # lower case changed a length (İ): offsets would lie
        for key in self._keys.finditer(window):
            if low + key.end() <= tried:
                continue
            start = low + key.start()
            if (
                start
                and text[start - 1].isalpha()
                and text[start - 1].isascii()
                and not (text[start].isupper() and text[start - 1].islower())
            ):
                continue
            found = self._following.match(text, low + key.end(), low + key.end() + WIDEST)
            if found is not None:
                return found
        return None
