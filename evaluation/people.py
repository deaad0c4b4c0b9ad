"""Draws people: a name, how to reach them and their numbers, consistent within one culture.

The lists are our own and name nobody; must never be shipped to the detector.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from evaluation import accounts
from evaluation.checkdigits import birthday
from evaluation.identities import NATIONAL
from evaluation.samples import NOUNS, sample
from evaluation.templating import HERE

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from evaluation.marks import Page

_LATIN = {"ø": "o", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ß": "ss", "\u0131": "i", "Ø": "O"}
_PARTICLES = ("van", "den", "der", "de")


@dataclass(frozen=True, slots=True)
class Culture:
    """The names, phones and places of one culture."""

    name: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    phones: str
    streets: tuple[str, ...]
    places: tuple[str, ...]
    hosts: tuple[str, ...]


def _families(text: str) -> tuple[str, ...]:
    out: list[str] = []
    held: list[str] = []
    for word in text.split():
        held.append(word)
        if word not in _PARTICLES:
            out.append(" ".join(held))
            held = []
    return tuple(out)


@lru_cache(maxsize=1)
def cultures() -> tuple[Culture, ...]:
    """Return the cultures of `people.txt`."""
    out = []
    for line in (HERE / "people.txt").read_text().splitlines():
        if line and not line.startswith("# "):
            name, given, family, phones, streets, places, hosts = (cell.strip() for cell in line.split(";;"))
            out.append(
                Culture(
                    name,
                    tuple(given.split()),
                    _families(family),
                    phones.replace("?", ""),
                    tuple(streets.split("|")),
                    tuple(places.split("|")),
                    tuple(hosts.split()),
                )
            )
    return tuple(out)


def _ascii(text: str) -> str:
    plain = "".join(_LATIN.get(char, char) for char in text)
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return "".join(char for char in plain.lower() if char.isalnum())


class Person:
    """One drawn person; each field is marked with its kind when a template asks for it."""

    def __init__(self, page: Page) -> None:
        """Draw the culture and the name."""
        self.page = page
        self.rng: random.Random = page.rng
        self.culture = self.rng.choice(cultures())
        self.given = self.rng.choice(self.culture.given)
        self.family = self.rng.choice(self.culture.family)
        self.born = birthday(self.rng)
        self.place = self.rng.choice(self.culture.places)
        self._national = self.rng.choice(list(NATIONAL.values()))
        self._tax = self.rng.choice([row for row in NATIONAL.values() if row[1] == "tax_id"])
        self._health = self.rng.choice(accounts.HEALTH)
        self._insurance = self.rng.choice(accounts.INSURANCE)

    def mark(self, kind: str, text: str) -> str:
        """Mark `text` as personal data of `kind`."""
        return self.page.label("pii", kind, text)

    def _full(self) -> str:
        if self.culture.name in ("zh", "ja", "ko"):
            return self.family + (" " if self.culture.name == "ja" and self.rng.random() < 0.5 else "") + self.given
        return f"{self.given} {self.family}"

    def _email(self) -> str:
        first, last = _ascii(self.given), _ascii(self.family)
        if not first or not last:
            local = self.rng.choice(NOUNS) + str(self.rng.randint(10, 9999))
        else:
            local = self.rng.choice(
                [
                    f"{first}.{last}",
                    f"{first[0]}.{last}",
                    f"{first}{self.rng.randint(1, 99)}",
                    f"{last}_{first}",
                    f"{first}.{last}+news",
                    f"{first}-{last}",
                ]
            )
        company = f"{self.rng.choice(NOUNS)}{self.rng.choice(NOUNS)}.{self.rng.choice(['com', 'io', 'de', 'fr', 'co.uk', 'org', 'net', 'tech'])}"
        return f"{local}@{self.rng.choice([*self.culture.hosts, company, company])}"

    def _born(self, argument: str) -> str:
        style = argument or self.rng.choice(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d %B %Y", "%B %d, %Y"])
        return self.mark("date_of_birth", self.born.strftime(style))

    def _street(self) -> str:
        return self.rng.choice(self.culture.streets).replace("#", str(self.rng.randint(1, 240)))

    def _address(self) -> str:
        return self.mark(
            "address", self._street() + self.rng.choice([", ", ", ", ",  "]).replace("  ", " ") + self.place
        )

    def _city(self) -> str:
        words = self.place.split(" ")
        return self.page.neutral(
            " ".join(word for word in words if not any(char.isdigit() for char in word)) or words[-1]
        )

    def _zip(self) -> str:
        words = [word for word in self.place.split(" ") if any(char.isdigit() for char in word)]
        return self.page.neutral(" ".join(words) or "00000")

    def _location(self) -> tuple[str, str]:
        return f"{self.rng.uniform(-60, 68):.6f}", f"{self.rng.uniform(-170, 175):.6f}"

    def _login(self) -> str:
        name = (_ascii(self.given)[:1] + _ascii(self.family)[:8]) or self.rng.choice(NOUNS)
        return self.page.neutral(name)

    def fields(self) -> dict[str, Callable[[str], str]]:
        """Return the names that templates may use for this person."""
        rng, mark = self.rng, self.mark
        lat, lon = self._location()
        return {
            "name": lambda _: mark("person", self._full()),
            "first": lambda _: mark("person", self.given),
            "last": lambda _: mark("person", self.family),
            "NAME": lambda _: mark("person", f"{self.family.upper()}, {self.given}"),
            "hl7name": lambda _: mark("person", f"{self.family}^{self.given}"),
            "vname": lambda _: mark("person", f"{self.family};{self.given}"),
            "email": lambda _: mark("email", self._email()),
            "phone": lambda _: mark("phone", sample(self.culture.phones, rng)),
            "dob": self._born,
            "street": lambda _: mark("address", self._street()),
            "addr": lambda _: self._address(),
            "city": lambda _: self._city(),
            "zip": lambda _: self._zip(),
            "card": lambda _: mark("credit_card", accounts.card(rng)),
            "cvv": lambda _: self.page.neutral(sample("\\d{3}", rng)),
            "iban": lambda _: mark("iban", accounts.iban(rng)),
            "bic": lambda _: mark("bic", accounts.bic(rng)),
            "ssn": lambda _: mark("us_ssn", NATIONAL["US"][2](rng)),
            "nid": lambda _: mark(self._national[1], self._national[2](rng)),
            "nidkey": lambda _: rng.choice(self._national[0]),
            "nidid": lambda _: next(
                (key for key in self._national[0] if key.isascii() and " " not in key), "national_id"
            ),
            "tax": lambda _: mark("tax_id", self._tax[2](rng)),
            "taxkey": lambda _: rng.choice(self._tax[0]),
            "passport": lambda _: mark("passport", sample(rng.choice(accounts.PASSPORTS), rng)),
            "licence": lambda _: mark("driver_license", sample(rng.choice(accounts.LICENCES), rng)),
            "health": lambda _: mark("health_id", self._health[1](rng)),
            "healthkey": lambda _: rng.choice(self._health[0]),
            "mrn": lambda _: mark("health_id", sample("\\d{7,8}", rng)),
            "insurance": lambda _: mark("insurance_id", sample(self._insurance[1], rng)),
            "insurancekey": lambda _: rng.choice(self._insurance[0]),
            "plate": lambda _: mark("vehicle_plate", sample(rng.choice(accounts.PLATES), rng)),
            "vin": lambda _: mark("vin", accounts.vin(rng)),
            "lat": lambda _: mark("location", lat),
            "lon": lambda _: mark("location", lon),
            "latlon": lambda _: mark("location", f"{lat}, {lon}"),
            "latlonu": lambda _: mark("location", f"{lat},{lon}"),
            "ip": lambda _: mark("ip_address", accounts.public_ip(rng)),
            "ip6": lambda _: mark("ip_address", accounts.public_ip6(rng)),
            "mac": lambda _: mark("mac_address", accounts.mac(rng)),
            "imei": lambda _: mark("device_id", accounts.imei(rng)),
            "adid": lambda _: mark("device_id", sample("\\H{8}-\\H{4}-4\\H{3}-A\\H{3}-\\H{12}", rng)),
            "androidid": lambda _: mark("device_id", sample("\\h{16}", rng)),
            "login": lambda _: self._login(),
            "privateip": lambda _: self.page.label(
                "infrastructure", "infrastructure.private-address", accounts.private_ip(rng)
            ),
        }
