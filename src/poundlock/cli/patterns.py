"""Patterns of one's own: from the dialect of Go (RE2) to ours, and from a pattern to an example of it.

Pure. Must never run a pattern that was not checked: it only reads them.
"""

from __future__ import annotations

import re
from re import _constants as codes  # type: ignore[attr-defined]  # the parser of `re` is the one source of its grammar
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
FILLABLE = frozenset(SAFE + "_.~!#$%&*+/=-")
"""The characters that a class of a template may have (`core.detect.templates`)."""
POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "digit": "0-9",
    "lower": "a-z",
    "upper": "A-Z",
    "space": r"\s",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}
USUAL = 24  # characters of a repeat without an end


class Untranslatable(ValueError):
    """A pattern can't be taken over; the message says why."""


def translated(pattern: str, group: int = 0) -> tuple[str, bool]:
    """Give a Go pattern as one of ours, with its group `value`, and whether it ignores case.

    `group` is the number of the group that is sensitive; 0 is the first, or all where there is none. Syntax:
    github.com/google/re2/wiki/Syntax. Raises: `Untranslatable`.
    """
    text = pattern.replace(r"\z", r"\Z").replace(r"\Q", "").replace(r"\E", "")
    for name, members in POSIX.items():
        text = text.replace(f"[:{name}:]", members)
    text = re.sub(r"\\x\{([0-9A-Fa-f]{1,8})\}", lambda found: re.escape(chr(int(found[1], 16))), text)
    ignore_case = False
    if text.startswith("(?i)"):
        text, ignore_case = text[4:], True
    text = _scoped(text)
    try:
        compiled = re.compile(text, re.ASCII)
    except (re.error, OverflowError) as fault:
        raise Untranslatable(f"it is not read by Python: {fault}") from None
    if compiled.groups < group:
        raise Untranslatable(f"it has no group {group}")
    if not compiled.groups:
        return f"(?P<value>{text})", ignore_case
    place = _group(text, group or 1)
    rest = re.sub(r"^\(\?P?<\w+>", "(", text[place:])
    return f"{text[:place]}(?P<value>{rest[1:]}", ignore_case


def _scoped(text: str) -> str:
    """Turn a flag in the middle, which holds to the end of its group, into a group of its own."""
    while (found := re.search(r"(?<!\\)\(\?([ims]+)\)", text)) is not None:
        depth, at, inside = 0, found.end(), False
        while at < len(text):
            char = text[at]
            if char == "\\":
                at += 2
                continue
            if inside:
                inside = char != "]"
            elif char == "[":
                inside = True
                at += text[at + 1 : at + 3].startswith("^") + (text[at + 1 : at + 3].lstrip("^")[:1] == "]")
            elif char == "(":
                depth += 1
            elif char == ")":
                depth -= 1
                if depth < 0:
                    break
            at += 1
        text = f"{text[: found.start()]}(?{found[1]}:{text[found.end() : at]}){text[at:]}"
    return text


def _group(text: str, number: int) -> int:
    """Give where the group of this number begins."""
    at, inside, count = 0, False, 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 2
            continue
        if inside:
            inside = char != "]"
        elif char == "[":
            inside = True
            at += text[at + 1 : at + 3].startswith("^") + (text[at + 1 : at + 3].lstrip("^")[:1] == "]")
        elif char == "(" and (text[at + 1 : at + 2] != "?" or re.match(r"\(\?P?<\w", text[at:])):
            count += 1
            if count == number:
                return at
        at += 1
    raise Untranslatable(f"it has no group {number}")


def example(pattern: str) -> str:
    """Give a template that the pattern matches, its value between « and ». Raises: `Untranslatable`."""
    tree = parser.parse(pattern, re.ASCII)
    value = tree.state.groupdict.get("value", 0)
    text = _walk(tree, value)
    if not value:
        text = f"«{text}»"
    if "«" not in text or "«»" in text:
        raise Untranslatable("no example can be made for it")
    return text


def _walk(tree: Any, value: int) -> str:
    return "".join(_one(op, argument, value) for op, argument in tree)


def _one(op: Any, argument: Any, value: int) -> str:
    if op is codes.LITERAL:
        return chr(argument)
    if op in (codes.ANY, codes.NOT_LITERAL):
        return "x" if op is codes.ANY or argument != ord("x") else "y"
    if op is codes.IN:
        return _class(argument, 1)
    if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        least, most, inner = argument
        count = least if most is not codes.MAXREPEAT and least else max(least, min(int(most), USUAL) if least else 0)
        if len(inner) == 1 and inner[0][0] is codes.IN:
            return _class(inner[0][1], count)
        return str(_walk(inner, value) * min(count, 64))
    if op is codes.SUBPATTERN:
        number, _, _, inner = argument
        text = _walk(inner, value)
        return f"«{text}»" if number == value and value else text
    if op is codes.BRANCH:
        return _walk(argument[1][0], value)
    if op in (codes.AT, codes.ASSERT, codes.ASSERT_NOT):
        return ""
    if op is codes.ATOMIC_GROUP:
        return _walk(argument, value)
    raise Untranslatable(f"it has a construct that is not known: {op}")


def _class(items: Any, count: int) -> str:
    """Give `count` characters of a class, as a template's field where it has one."""
    if not count:
        return ""
    allowed = _members(items)
    if len(allowed) == 1:
        return next(iter(allowed)) * count
    fillable = sorted(allowed & FILLABLE)
    if not fillable:
        return min(allowed) * count if allowed else "x" * count
    chosen = [char for char in fillable if char in SAFE] or fillable
    # A hyphen first is itself.
    spec = "".join(sorted(chosen, key=lambda char: char != "-"))
    for run, short in ((SAFE[:26], "A-Z"), (SAFE[26:52], "a-z"), (SAFE[52:], "0-9")):
        spec = spec.replace(run, short)
    return f"{{{spec}:{count}}}"


def _members(items: Any) -> set[str]:
    every = {chr(code) for code in range(32, 127)}
    out: set[str] = set()
    negated = False
    for op, argument in items:
        if op is codes.NEGATE:
            negated = True
        elif op is codes.LITERAL:
            out.add(chr(argument))
        elif op is codes.RANGE:
            out |= {chr(code) for code in range(argument[0], min(argument[1], 126) + 1)}
        elif op is codes.CATEGORY:
            out |= {char for char in every if re.match(_category(argument), char, re.ASCII)}
    return every - out if negated else out


def _category(code: Any) -> str:
    name = str(code)
    letter = {"DIGIT": "d", "WORD": "w", "SPACE": "s"}[name.rpartition("_")[2]]
    return "\\" + (letter.upper() if "_NOT_" in name else letter)
