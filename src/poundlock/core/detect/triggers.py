"""Triggers: what the first stage looks for, derived from a rule's own pattern.

A trigger is a Hyperscan expression that ends wherever a match of the rule may be: lookarounds are dropped and the last
repeats are cut to their minimum, so that it may say yes too often, never too rarely, and says it about once a match.
Must never be wider than the pattern says, since the second stage looks only as far back as the trigger is wide.
"""

from __future__ import annotations

import re
from re import _constants as codes  # type: ignore[attr-defined]  # the parser of `re` is the one source of its grammar
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from poundlock.core.detect.sources import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

HIGH = "\\x80-\\xff"
WIDEST = 3000
LOOSE = 4  # a repeat of one class that varies by more than this has no upper bound in the first stage
VARIABLE = 150  # a repeat that varies by more than this is not followed
CATEGORIES = {
    codes.CATEGORY_DIGIT: ("0-9", False),
    codes.CATEGORY_SPACE: (" \\t\\n\\r\\x0b\\x0c", False),
    codes.CATEGORY_WORD: ("A-Za-z0-9_", False),
    codes.CATEGORY_NOT_DIGIT: ("\\x00-\\x2f\\x3a-\\xff", True),
    codes.CATEGORY_NOT_SPACE: ("\\x00-\\x08\\x0e-\\x1f\\x21-\\xff", True),
    codes.CATEGORY_NOT_WORD: ("\\x00-\\x2f\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-\\xff", True),
}


class Unsupported(ValueError):
    """The pattern uses something that a trigger can't be made of."""


def _byte(code: int) -> str:
    return chr(code) if chr(code).isalnum() and code < 128 else f"\\x{code:02x}"


def _literal(code: int) -> str:
    if code < 128:
        return _byte(code)
    return "(?:" + "".join(f"\\x{byte:02x}" for byte in chr(code).encode()) + ")"


def _class(items: list[tuple[Any, Any]]) -> tuple[str, bool]:
    """Give the class's expression over bytes, and whether it takes bytes of non-ASCII characters."""
    negated = bool(items) and items[0][0] is codes.NEGATE
    parts, high = [], False
    for op, argument in items[1:] if negated else items:
        if op is codes.LITERAL:
            if argument < 128:
                parts.append(f"\\x{argument:02x}")
            else:
                high = True
        elif op is codes.RANGE:
            low, top = argument
            if low < 128:
                parts.append(f"\\x{low:02x}-\\x{min(top, 127):02x}")
            high = high or top > 127
        elif op is codes.CATEGORY:
            text, above = CATEGORIES[argument]
            if negated and above:
                raise Unsupported("a negated category within a negated class")
            parts.append(text)
            high = high or above
        else:
            raise Unsupported(f"class item {op}")
    if negated:
        return f"[^{''.join(parts)}]", True
    if high:
        parts.append(HIGH)
    return f"[{''.join(parts)}]", high


class _Piece(NamedTuple):
    """A part of a trigger: widths in characters; `wide` takes non-ASCII bytes; after a `cut` nothing may follow."""

    text: str
    least: int
    most: int
    wide: bool
    cut: bool = False


def _convert(tree: Any, *, last: bool) -> _Piece:
    """Convert a parsed sequence; `last`: nothing follows it, so that trailing repeats are cut to their minimum.

    A repeat of very variable length is cut to its minimum too, and ends the trigger.
    """
    out: list[str] = []
    least = most = 0
    wide = False
    items = list(tree)
    while last and items and items[-1][0] in (codes.ASSERT, codes.ASSERT_NOT, codes.AT):
        items.pop()
    for index, (op, argument) in enumerate(items):
        end = last and index == len(items) - 1
        if op is codes.AT and argument in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
            out.append("^")
            continue
        if op in (codes.ASSERT, codes.ASSERT_NOT, codes.AT):
            continue
        piece = _item(op, argument, last=end)
        if piece.text:
            out.append(piece.text)
        least += piece.least
        most += piece.most
        wide = wide or piece.wide
        if piece.cut:
            return _Piece("".join(out), least, most, wide, cut=True)
    return _Piece("".join(out), least, most, wide)


def _item(op: Any, argument: Any, *, last: bool) -> _Piece:
    if op is codes.LITERAL:
        return _Piece(_literal(argument), 1, 1, argument > 127)
    if op is codes.NOT_LITERAL:
        return _Piece(f"[^{_byte(argument)}]", 1, 1, wide=True)
    if op is codes.ANY:
        return _Piece("[^\\n]", 1, 1, wide=True)
    if op is codes.IN:
        text, high = _class(argument)
        return _Piece(text, 1, 1, high)
    if op is codes.BRANCH:
        branches = [_convert(branch, last=last) for branch in argument[1]]
        text = "(?:" + "|".join(branch.text for branch in branches) + ")" if any(b.text for b in branches) else ""
        return _Piece(
            text,
            min(branch.least for branch in branches),
            max(branch.most for branch in branches),
            any(branch.wide for branch in branches),
            any(branch.cut for branch in branches),
        )
    if op is codes.SUBPATTERN:
        _, add, remove, inner = argument
        piece = _convert(inner, last=last)
        flags = ("i" if add & re.IGNORECASE else "") + ("-i" if remove & re.IGNORECASE else "")
        return piece._replace(text=f"(?{flags}:{piece.text})" if piece.text else "")
    if op is codes.ATOMIC_GROUP:
        piece = _convert(argument, last=last)
        return piece._replace(text=f"(?:{piece.text})" if piece.text else "")
    if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return _repeat(*argument, last=last)
    raise Unsupported(f"construct {op}")


def _repeat(smallest: int, largest: Any, inner: Any, *, last: bool) -> _Piece:
    cut = largest is codes.MAXREPEAT or largest - smallest > VARIABLE
    if cut or last:
        largest = smallest
    if largest == 0:
        return _Piece("", 0, 0, wide=False, cut=cut)
    piece = _convert(inner, last=(last or cut) and smallest == 1)
    if piece.cut:
        # One round up to its own cut is all that can be asked for.
        return piece if smallest else _Piece("", 0, 0, wide=False, cut=True)
    simple = len(inner) == 1 and inner[0][0] in (codes.LITERAL, codes.IN, codes.ANY)
    text = piece.text if simple else f"(?:{piece.text})"
    # In bytes a non-ASCII character is two to four: the upper bound grows, the lower one stays.
    top = largest * 4 if piece.wide and largest != smallest else largest * (4 if piece.wide else 1)
    if (smallest, top) != (1, 1):
        if smallest == top:
            text += f"{{{smallest}}}"
        elif simple and top - smallest > LOOSE:
            # The bound is the second stage's: to count to it would double the database and the time to compile it.
            text += {0: "*", 1: "+"}.get(smallest, f"{{{smallest},}}")
        else:
            text += f"{{{smallest},{top}}}"
    if piece.wide and (last or cut):
        text = (piece.text if simple else f"(?:{piece.text})") + (f"{{{smallest}}}" if smallest > 1 else "")
    return _Piece(text, piece.least * smallest, piece.most * largest, piece.wide, cut)


def _walk(tree: Any) -> Iterator[tuple[Any, Any]]:
    for op, argument in tree:
        yield op, argument
        if op is codes.BRANCH:
            for branch in argument[1]:
                yield from _walk(branch)
        elif op is codes.SUBPATTERN:
            yield from _walk(argument[3])
        elif op is codes.ATOMIC_GROUP:
            yield from _walk(argument)
        elif op in (codes.ASSERT, codes.ASSERT_NOT):
            yield from _walk(argument[1])
        elif op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            yield from _walk(argument[2])


def _literals(tree: Any) -> tuple[str, ...]:
    """Give lower-case literals of which every match of the tree holds one: the choice whose shortest is longest."""
    best: tuple[str, ...] = ()
    run = ""

    def better(found: tuple[str, ...]) -> tuple[str, ...]:
        return found if min(map(len, found), default=0) > min(map(len, best), default=0) else best

    for op, argument in tree:
        if op is codes.LITERAL and argument < 128:
            run += chr(argument).lower()
            best = better((run,))
            continue
        run = ""
        if op is codes.BRANCH:
            each = [_literals(branch) for branch in argument[1]]
            if all(each):
                best = better(tuple(sorted({word for words in each for word in words})))
        elif op is codes.SUBPATTERN:
            best = better(_literals(argument[3]))
        elif op is codes.ATOMIC_GROUP:
            best = better(_literals(argument))
        elif op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT) and argument[0] > 0:
            best = better(_literals(argument[2]))
    return best if min(map(len, best), default=0) >= 3 else ()


def _takes(item: tuple[Any, Any], code: int) -> bool:
    """Say whether an item of a class takes a character; what is not known takes all."""
    op, argument = item
    if op is codes.LITERAL:
        return bool(argument == code)
    if op is codes.RANGE:
        return bool(argument[0] <= code <= argument[1])
    if op is codes.CATEGORY:
        return argument not in (codes.CATEGORY_DIGIT, codes.CATEGORY_WORD)
    return True


def _holds(tree: Any, code: int) -> bool:
    """Say whether a match of a parsed pattern can hold a space or a line feed; what only looks around holds nothing."""
    for op, argument in tree:
        if op is codes.BRANCH:
            found = any(_holds(branch, code) for branch in argument[1])
        elif op is codes.SUBPATTERN:
            found = _holds(argument[3], code)
        elif op is codes.ATOMIC_GROUP:
            found = _holds(argument, code)
        elif op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            found = _holds(argument[2], code)
        elif op is codes.IN:
            negated = argument[0][0] is codes.NEGATE
            found = any(_takes(item, code) for item in argument[1 if negated else 0 :]) is not negated
        elif op is codes.LITERAL:
            found = argument == code
        elif op is codes.ANY:
            found = code != 10
        else:
            found = op not in (codes.ASSERT, codes.ASSERT_NOT, codes.AT)
        if found:
            return True
    return False


def derive(pattern: str, *, ignore_case: bool = False) -> Trigger:
    """Derive the trigger of a pattern.

    Raises: `Unsupported` for back-references, unbounded inner repeats and widths above 3,000.
    """
    tree = parser.parse(pattern, re.ASCII)
    if any(op is codes.GROUPREF for op, _ in _walk(tree)):
        raise Unsupported("a back-reference")
    text, least, most, wide, _ = _convert(tree, last=True)
    if least < 1 or most > WIDEST:
        raise Unsupported(f"a width of {least} to {most} characters")
    return Trigger(
        expression=f"(?i:{text})" if ignore_case else text,
        least=least,
        most=most,
        fixed=least == most and not wide,
        literals=_literals(tree),
        without="".join(chr(code) for code in (10, 32) if not _holds(tree, code)),
    )
