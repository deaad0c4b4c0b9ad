"""Fills the surroundings: reads template files and replaces `«name:argument|filter»`.

A name is drawn once a document; with a leading `~` it is drawn anew each time. Must never read anything but the
templates beside it, nor draw from any randomness but the document's own.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation import makers
from evaluation.marks import Page, as_json, as_percent, as_xml, to_base64
from evaluation.samples import NOUNS, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
_SLOT = re.compile("«([^«»]+)»")
_SENTENCES = (
    "The job runs every night and writes its report to the archive.",
    "Nobody has touched this module since the migration.",
    "See the runbook for the order of the steps.",
    "The queue grows when the consumer is slow.",
    "Rounds to the nearest cent before it sums.",
    "Returns the first match or nothing at all.",
    "The cache is warmed up after each deploy.",
    "Works on the staging cluster but not on the small one.",
    "Please keep the old behaviour for existing callers.",
    "A retry helps in most cases, a restart in the others.",
    "The parser skips lines that it does not understand.",
    "We measured it twice and the numbers agree.",
)


@dataclass(frozen=True, slots=True)
class Template:
    """One surrounding: its name, its letters and options, and its text."""

    name: str
    letters: str
    options: dict[str, str]
    text: str


@lru_cache(maxsize=64)
def load(name: str) -> tuple[Template, ...]:
    """Return the templates of `templates/NAME.txt`, in file order."""
    out = []
    for part in re.split(r"^=== ", (HERE / "templates" / f"{name}.txt").read_text(), flags=re.MULTILINE)[1:]:
        head, _, text = part.partition("\n")
        title, _, tags = head.partition("|")
        words = tags.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        letters = "".join(word for word in words if "=" not in word)
        out.append(Template(title.strip(), letters, options, text.rstrip("\n") + "\n"))
    return tuple(out)


@lru_cache(maxsize=64)
def _blocks(language: str) -> tuple[str, ...]:
    found = next(template for template in load("filler") if template.name == language)
    return tuple(block.strip("\n") for block in re.split(r"^---$", found.text, flags=re.MULTILINE))


def _split_quotes(text: str, page: Page, joint: str) -> str:
    cut = page.rng.randint(max(1, len(text) // 3), max(1, 2 * len(text) // 3))
    return text[:cut] + joint + text[cut:]


@dataclass(slots=True)
class Scene:
    """What a template's names stand for in one document."""

    page: Page
    given: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Callable[[str], str]] = field(default_factory=dict)

    def render(self, text: str) -> str:
        """Fill every name of `text`; filled text is not filled again."""
        return _SLOT.sub(self._fill, text)

    def _fill(self, found: re.Match[str]) -> str:
        name, *filters = found.group(1).split("|")
        fresh = name.startswith("~")
        value = self.given.get(name.lstrip("~"))
        if value is None or fresh:
            value = self._draw(name.lstrip("~"), fresh=fresh)
            if not fresh:
                self.given[name] = value
        for each in filters:
            value = self.apply(value, each)
        return value

    def apply(self, value: str, name: str) -> str:
        """Apply one filter: an escape keeps the marks inside, an encoding is labelled as a whole."""
        page = self.page
        name, _, argument = name.partition(":")
        if name in ("json", "json2"):
            value = as_json(value)
            return as_json(value) if name == "json2" else value
        if name == "xml":
            return as_xml(value)
        if name == "url":
            return as_percent(value)
        if name == "b64":
            return page.recode(value, to_base64)
        if name == "hex":
            return page.recode(value, lambda text: text.encode().hex())
        if name == "uni":
            return page.recode(value, lambda text: "".join(f"\\u{ord(char):04x}" for char in text))
        if name == "pct":
            return page.recode(value, lambda text: "".join(f"%{ord(char):02X}" for char in text))
        if name == "split":
            joint = page.rng.choice(['" + "', '" +\n    "'])
            return '"' + page.recode(value, lambda text: _split_quotes(text, page, joint)) + '"'
        if name == "splitpy":
            return '"' + page.recode(value, lambda text: _split_quotes(text, page, '"\n    "')) + '"'
        if name == "joinlines":
            return '"' + page.recode(value, lambda text: text.replace("\n", '\\n" +\n    "')) + '"'
        if name == "indent":
            pad = " " * int(argument)
            return pad + value.replace("\n", "\n" + pad)
        if name == "prefix":
            return argument + value.replace("\n", "\n" + argument)
        if name == "crlf":
            return value.replace("\n", "\r\n")
        raise ValueError(f"unknown filter {name}")

    def _fillers(self, argument: str) -> Iterator[str]:
        language, _, span = argument.partition(":")
        low, _, high = span.partition("-")
        for _ in range(self.page.rng.randint(int(low), int(high))):
            yield self.render(self.page.rng.choice(_blocks(language)))

    def _draw(self, name: str, *, fresh: bool) -> str:
        rng = self.page.rng
        base, _, argument = name.partition(":")
        base = base.partition("#")[0]
        if base in self.extra:
            return self.extra[base](argument)
        if base in ("word", "Word", "WORD"):
            noun = rng.choice(NOUNS) if fresh or "#" in name else self._noun()
            return {"word": noun, "Word": noun.title(), "WORD": noun.upper()}[base]
        if base == "fill":
            return "\n".join(self._fillers(argument))
        maker = _DRAWS.get(base)
        if maker is None:
            raise ValueError(f"unknown name {name}")
        return maker(self.page, argument)

    def _noun(self) -> str:
        """Return the one noun that a document's names share."""
        return self.given.setdefault("-noun", self.page.rng.choice(NOUNS))


def _integer(page: Page, argument: str) -> str:
    low, _, high = argument.partition("-")
    return str(page.rng.randint(int(low), int(high)))


def moment(page: Page) -> datetime:
    """Draw a moment in the years that logs are usually of."""
    return datetime.fromtimestamp(page.rng.randint(1_640_000_000, 1_795_000_000), UTC)


def _b64(page: Page, argument: str) -> str:
    return base64.b64encode(page.rng.randbytes(int(argument))).decode()


def _uuid(page: Page) -> str:
    return sample("\\h{8}-\\h{4}-4\\h{3}-[89ab]\\h{3}-\\h{12}", page.rng)


_HOSTS = "db1 pg-main mysql-2 cache-1 db.example.com orders-db.example.net db.prod.example.org 10.20.4.7 mq.example.com"
_USERS = "app svc_orders admin root deploy reporting ci batch backup jenkins webapp etl readonly dbadmin"
_DRAWS: dict[str, Callable[[Page, str], str]] = {
    "int": _integer,
    "n": lambda page, _: str(page.rng.randint(2, 99999)),
    "ver": lambda page, _: f"{page.rng.randint(0, 12)}.{page.rng.randint(0, 40)}.{page.rng.randint(0, 20)}",
    "uuid": lambda page, _: _uuid(page),
    "UUID": lambda page, _: _uuid(page).upper(),
    "hex": lambda page, argument: sample(f"\\h{{{argument}}}", page.rng),
    "HEX": lambda page, argument: sample(f"\\H{{{argument}}}", page.rng),
    "hexbytes": lambda page, argument: page.rng.randbytes(int(argument)).hex(" "),
    "colonhex": lambda page, argument: page.rng.randbytes(int(argument)).hex(":").upper(),
    "b64": _b64,
    "b64u": lambda page, argument: _b64(page, argument).translate(str.maketrans("+/", "-_")).rstrip("="),
    "b62": lambda page, argument: sample(f"[A-Za-z0-9]{{{argument}}}", page.rng),
    "b32": lambda page, argument: sample(f"[a-z2-7]{{{argument}}}", page.rng),
    "b32U": lambda page, argument: sample(f"[0-9A-HJKMNP-TV-Z]{{{argument}}}", page.rng),
    "b64sentence": lambda page, _: to_base64(page.rng.choice(_SENTENCES)),
    "sha": lambda _, argument: hashlib.sha256(argument.encode()).hexdigest(),
    "iso": lambda page, _: moment(page).strftime(page.rng.choice(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S,%f"])),
    "date": lambda page, _: moment(page).strftime("%Y-%m-%d"),
    "ts": lambda page, _: str(int(moment(page).timestamp())),
    "sentence": lambda page, _: page.rng.choice(_SENTENCES),
    "user": lambda page, _: page.rng.choice(_USERS.split()),
    "dbhost": lambda page, _: page.rng.choice(_HOSTS.split()),
    "db": lambda page, _: page.rng.choice(NOUNS) + page.rng.choice(["", "_prod", "db", ""]).replace("_", ""),
    "agepub": lambda page, _: makers.bech32(page.rng, "age"),
    "exampleid": lambda *_: "EXAMPLE",
    "awsexample": lambda *_: "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "cert64": lambda page, _: to_base64("-----BEGIN CERTIFICATE-----\n" + _b64(page, "300") + "\n"),
    "b64pub": lambda page, _: _b64(page, "32"),
}


def names_of(key: str, service: str) -> dict[str, str]:
    """Return the spellings of a key's and a service's name that templates use."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", key) if word]
    low = [word.lower() for word in words] if key.isupper() or "_" in key else [key.lower()]
    if not (key.isupper() or "_" in key or "." in key):
        low = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", key)]
    flat = re.sub(r"[^a-z0-9]", "", service.lower())
    return {
        "K": key if re.fullmatch(r"\w+", key) else "_".join(low).upper(),
        "k": "_".join(low),
        "d": "-".join(low),
        "dots": ".".join(low),
        "c": low[0] + "".join(word.title() for word in low[1:]),
        "P": "".join(word.title() for word in low),
        "svc": service,
        "svcl": flat,
        "svcd": flat,
    }
