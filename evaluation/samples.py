"""Draws strings from a small pattern language (literals, classes, groups, counts) and a few structured makers.

Must never hold a value itself: everything is drawn at run time from a seeded generator.
"""

from __future__ import annotations

import string
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

ALNUM = string.ascii_letters + string.digits
_CLASSES = {
    "d": string.digits,
    "w": ALNUM,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "U": string.ascii_uppercase,
}
Node = tuple[str, object, int, int]


@lru_cache(maxsize=4096)
def _parse(pattern: str) -> tuple[tuple[Node, ...], ...]:
    branches, at = _branches(pattern, 0)
    if at != len(pattern):
        raise ValueError(f"pattern has a stray parenthesis: {pattern}")
    return branches


def _branches(pattern: str, at: int) -> tuple[tuple[tuple[Node, ...], ...], int]:
    branches: list[tuple[Node, ...]] = []
    nodes: list[Node] = []
    what: object
    while at < len(pattern) and pattern[at] != ")":
        char = pattern[at]
        if char == "|":
            branches.append(tuple(nodes))
            nodes = []
            at += 1
            continue
        if char == "(":
            inner, at = _branches(pattern, at + 1)
            kind = "group"
            what = inner
        elif char == "[":
            end = pattern.index("]", at + 1)
            kind, what, at = "class", _members(pattern[at + 1 : end]), end
        elif char == "\\":
            at += 1
            kind, what = ("class", _CLASSES[pattern[at]]) if pattern[at] in _CLASSES else ("text", pattern[at])
        else:
            kind, what = "text", char
        at += 1
        low = high = 1
        if at < len(pattern) and pattern[at] == "{":
            end = pattern.index("}", at)
            first, _, second = pattern[at + 1 : end].partition(",")
            low, high = int(first), int(second or first)
            at = end + 1
        nodes.append((kind, what, low, high))
    branches.append(tuple(nodes))
    return tuple(branches), at


def _members(body: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(body):
        if at + 2 < len(body) and body[at + 1] == "-":
            out += [chr(code) for code in range(ord(body[at]), ord(body[at + 2]) + 1)]
            at += 3
        else:
            out.append(body[at])
            at += 1
    return "".join(out)


def sample(pattern: str, rng: random.Random) -> str:
    r"""Draw one string that the pattern describes (`\h` is a lower-case hex digit, `\\w` a letter or digit)."""
    return _draw(_parse(pattern), rng)


def _draw(branches: tuple[tuple[Node, ...], ...], rng: random.Random) -> str:
    out: list[str] = []
    for kind, what, low, high in branches[0] if len(branches) == 1 else rng.choice(branches):
        count = low if low == high else rng.randint(low, high)
        if kind == "text":
            out.append(str(what) * count)
        elif kind == "class":
            out.append("".join(rng.choices(str(what), k=count)))
        else:
            out += [_draw(what, rng) for _ in range(count)]  # type: ignore[arg-type]
    return "".join(out)


NOUNS = [
    "amber",
    "anchor",
    "apron",
    "badger",
    "bamboo",
    "barrel",
    "beacon",
    "bishop",
    "blanket",
    "bottle",
    "bramble",
    "bucket",
    "butter",
    "cabin",
    "candle",
    "canoe",
    "carrot",
    "castle",
    "cedar",
    "cellar",
    "cherry",
    "cobalt",
    "comet",
    "copper",
    "coral",
    "cricket",
    "dagger",
    "daisy",
    "donkey",
    "dragon",
    "ember",
    "falcon",
    "fennel",
    "fiddle",
    "forest",
    "fossil",
    "garden",
    "ginger",
    "glacier",
    "granite",
    "harbor",
    "hazel",
    "heron",
    "honey",
    "iguana",
    "island",
    "ivory",
    "jasmine",
    "juniper",
    "kettle",
    "ladder",
    "lagoon",
    "lantern",
    "lemon",
    "lobster",
    "magnet",
    "maple",
    "marble",
    "meadow",
    "mitten",
    "mango",
    "nectar",
    "nettle",
    "oyster",
    "orchid",
    "paddle",
    "panther",
    "pebble",
    "pepper",
    "pigeon",
    "planet",
    "poplar",
    "puffin",
    "quartz",
    "rabbit",
    "raven",
    "ribbon",
    "river",
    "rocket",
    "saddle",
    "salmon",
    "sparrow",
    "spruce",
    "squash",
    "summit",
    "sunset",
    "teapot",
    "thistle",
    "thunder",
    "tiger",
    "timber",
    "trout",
    "tulip",
    "tundra",
    "turnip",
    "valley",
    "velvet",
    "violet",
    "walnut",
    "walrus",
    "weasel",
    "whisper",
    "willow",
    "winter",
    "wizard",
    "yonder",
    "zephyr",
]


def password(rng: random.Random) -> str:
    """Draw a password in one of the styles people and generators use (6 to 32 characters, no quote or backslash)."""
    a, b, c = (rng.choice(NOUNS) for _ in range(3))
    mark = rng.choice("!@*-_+=.~%^")
    digits = str(rng.randint(1, 9999))
    leet = str.maketrans(dict(zip("aeios", rng.choice(["43105", "@310$", "4310$"]), strict=True)))
    style = rng.randrange(12)
    if style == 0:
        return f"{a.title()}{digits}{mark}"
    if style == 1:
        return f"{a}-{b}-{c}-{digits}"
    if style == 2:
        return (a + b).translate(leet) + digits
    if style == 3:
        return f"{a.title()}{mark}{b.title()}{digits}"
    if style == 4:
        return f"{a.title().translate(leet)}{mark}{digits}"
    if style in (5, 6):
        return sample("[A-Za-z0-9!@*_+=.~%^-]{12,24}", rng)
    if style in (7, 8):
        return sample("[A-Za-z0-9]{10,32}", rng)
    if style == 9:
        return sample("\\h{16,40}", rng)
    if style == 10:
        return sample("[a-z]{4}\\d{4}[A-Z]{2}[!*_]", rng)
    return sample(
        "[bdfgklmnprstvz][aeiou]{1}[bdfgklmnprstvz][aeiou]{1}[bdfgklmnprstvz][aeiou]{1}[A-Z]\\d{2}[!*+=]", rng
    )


def opaque(rng: random.Random) -> str:
    """Draw a shapeless machine-made secret: hex, base64, base64url, base32 or mixed letters of a usual length."""
    return sample(
        rng.choice(
            [
                "\\h{32}",
                "\\h{40}",
                "\\h{64}",
                "[A-Za-z0-9]{20,48}",
                "[A-Za-z0-9_-]{24,43}",
                "[A-Za-z0-9+/]{43}=",
                "[A-Z2-7]{32}",
                "[a-z0-9]{24,40}",
                "[A-Za-z0-9+/]{86}==",
                "[A-Za-z0-9]{8}-[A-Za-z0-9]{16}",
            ]
        ),
        rng,
    )
