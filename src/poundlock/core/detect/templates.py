"""Examples of rules are seeded templates, so that a repository never holds something that looks like a live credential.

`{A-Z2-7:16}` stands for 16 characters of a class, `{=name:argument}` for a made value with its checksum; `«…»` marks
what a rule must capture. Must never use real randomness: one template and one seed give one text.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from typing import TYPE_CHECKING

from poundlock.core.detect import checksums, personal, validators

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELD = re.compile(r"\{(?:=([a-z0-9]+):([^{}]*)|([A-Za-z0-9_.~!#$%&*+/=-]+):([0-9]{1,4}))\}")


class Dice:
    """A stream of numbers that depends on its seed alone."""

    def __init__(self, seed: str) -> None:
        self._stream = self._bytes(seed)

    @staticmethod
    def _bytes(seed: str) -> Iterator[int]:
        count = 0
        while True:
            yield from hashlib.sha256(f"{seed}/{count}".encode()).digest()
            count += 1

    def below(self, limit: int) -> int:
        """Give a number from 0 to `limit` - 1."""
        number = 0
        for _ in range(4):
            number = number << 8 | next(self._stream)
        return number % limit

    def text(self, alphabet: str, size: int) -> str:
        """Give `size` characters of an alphabet."""
        return "".join(alphabet[self.below(len(alphabet))] for _ in range(size))


def alphabet(spec: str) -> str:
    """Give the characters of a class such as `A-Z2-7_-`; a last or first `-` is itself."""
    out, i = "", 0
    while i < len(spec):
        if i + 2 < len(spec) and spec[i + 1] == "-":
            out += "".join(map(chr, range(ord(spec[i]), ord(spec[i + 2]) + 1)))
            i += 3
        else:
            out += spec[i]
            i += 1
    return out


ALNUM = alphabet("A-Za-z0-9")


def _made(name: str, argument: str, dice: Dice) -> str:
    if name == "github":
        body = dice.text(ALNUM, 30)
        return argument + body + validators.base62(zlib.crc32(body.encode()), 6)
    if name == "grafana":
        body = argument + dice.text(ALNUM, 32)
        return f"{body}_{zlib.crc32(body.encode()):08x}"
    if name == "jwt":
        parts = [f'{{"alg":"{argument}","typ":"JWT"}}', f'{{"sub":"{dice.below(10**9)}"}}']
        plain = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
        return ".".join([*plain, dice.text(alphabet("A-Za-z0-9_"), 43)])
    if name == "basic":
        pair = f"svc{dice.below(90) + 10}:{dice.text(ALNUM, 14)}"
        return base64.b64encode(pair.encode()).decode()
    if name == "luhn":
        start, _, size = argument.partition(":")
        while True:
            body = start + dice.text("0123456789", int(size) - len(start) - 1)
            for check in "0123456789":
                if validators.luhn(body + check):
                    return body + check
    if name == "iban":
        country, _, size = argument.partition(":")
        bank = dice.text("0123456789", int(size)) if size.isdigit() else "INGB" + dice.text("0123456789", 10)
        number = int("".join(str(int(char, 36)) for char in f"{bank}{country}00"))
        return f"{country}{98 - number % 97:02d}{bank}"
    if name == "register":
        return _register(argument, dice)
    if name == "vin":
        maker, _, size = argument.partition(":")
        while True:
            text = maker + dice.text("ABCDEFGHJKLMNPRSTUVWXYZ123456789", int(size) - 1) + dice.text("123456789", 4)
            if personal.vin(text, "alone"):
                return text
    if name == "ip":
        return f"{dice.below(60) + 60}.{dice.below(200) + 20}.{dice.below(200) + 20}.{dice.below(200) + 20}"
    if name == "base64":
        return base64.b64encode(
            expand(argument.replace("(", "{").replace(")", "}"), str(dice.below(1 << 30))).encode()
        ).decode()
    return checksums.made(name, argument, dice)


def _register(argument: str, dice: Dice) -> str:
    """Make a number that its register's check accepts: `#` any digit, `%` any character, the last of them by trial."""
    check, _, form = argument.partition(":")
    while True:
        text = re.sub("#", lambda _: dice.text("0123456789", 1), form)
        free = text.count("%")
        for number in range(36**free):
            out, rest = text, number
            for _ in range(free):
                rest, last = divmod(rest, 36)
                out = out.replace("%", alphabet("0-9A-Z")[last], 1)
            if personal.register(out, check):
                return out


def expand(template: str, seed: str) -> str:
    """Fill a template's fields. Raises: `KeyError` for a maker that there is not."""
    dice = Dice(seed + template)

    def fill(found: re.Match[str]) -> str:
        if found.group(1):
            return _made(found.group(1), found.group(2), dice)
        return dice.text(alphabet(found.group(3)), int(found.group(4)))

    return FIELD.sub(fill, template)


def example(template: str, seed: str) -> tuple[str, tuple[str, ...]]:
    """Fill an example; give its text without the marks, and the values that stood between them."""
    text = expand(template, seed)
    values = tuple(re.findall("«([^»]*)»", text))
    return text.replace("«", "").replace("»", ""), values
