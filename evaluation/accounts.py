"""Draws payment, bank, health, vehicle, device and network numbers of people, with right check digits.

Must never draw from ranges that are reserved for documentation or tests: those are the hard negatives.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from evaluation.checkdigits import luhn, weighted
from evaluation.samples import sample

if TYPE_CHECKING:
    import random

_CARDS = (
    ("4", 16),
    ("4", 16),
    ("51", 16),
    ("53", 16),
    ("55", 16),
    ("2221", 16),
    ("2654", 16),
    ("2720", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("65", 16),
    ("644", 16),
    ("36", 14),
    ("305", 14),
    ("3528", 16),
    ("3589", 16),
    ("62", 16),
    ("6221", 16),
    ("5018", 16),
    ("6759", 16),
    ("2200", 16),
    ("2204", 16),
    ("6521", 16),
    ("60", 16),
    ("4", 19),
)
# ISO 13616 register: country, pattern of the BBAN
_IBANS = [
    "AT\\d{16}",
    "BE\\d{12}",
    "BG[A-Z]{4}\\d{14}",
    "CH\\d{17}",
    "CY\\d{24}",
    "CZ\\d{20}",
    "DE\\d{18}",
    "DK\\d{14}",
    "EE\\d{16}",
    "ES\\d{20}",
    "FI\\d{14}",
    "FR\\d{23}",
    "GB[A-Z]{4}\\d{14}",
    "GI[A-Z]{4}\\d{15}",
    "GR\\d{23}",
    "HR\\d{17}",
    "HU\\d{24}",
    "IE[A-Z]{4}\\d{14}",
    "IL\\d{19}",
    "IS\\d{22}",
    "IT[A-Z]\\d{22}",
    "LI\\d{17}",
    "LT\\d{16}",
    "LU\\d{16}",
    "LV[A-Z]{4}\\d{13}",
    "MC\\d{23}",
    "MT[A-Z]{4}\\d{23}",
    "NL[A-Z]{4}\\d{10}",
    "NO\\d{11}",
    "PL\\d{24}",
    "PT\\d{21}",
    "RO[A-Z]{4}\\d{16}",
    "SE\\d{20}",
    "SI\\d{15}",
    "SK\\d{20}",
    "SM[A-Z]\\d{22}",
    "TR\\d{22}",
    "AE\\d{19}",
    "SA\\d{20}",
    "QA[A-Z]{4}\\d{21}",
    "KW[A-Z]{4}\\d{22}",
    "UA\\d{25}",
    "RS\\d{18}",
    "GE[A-Z]{2}\\d{16}",
    "BR\\d{23}[A-Z]\\d",
    "PK[A-Z]{4}\\d{16}",
    "JO[A-Z]{4}\\d{22}",
]


def card(rng: random.Random) -> str:
    """Draw a payment card number of any network, in one of the usual spellings."""
    prefix, size = rng.choice(_CARDS)
    body = prefix + sample(f"\\d{{{size - 1 - len(prefix)}}}", rng)
    number = body + luhn(body)
    gap = rng.choice(["", "", " ", "-"])
    if size == 15:
        return gap.join((number[:4], number[4:10], number[10:]))
    if size == 14:
        return gap.join((number[:4], number[4:10], number[10:]))
    return gap.join(number[at : at + 4] for at in range(0, size, 4))


def iban(rng: random.Random) -> str:
    """Draw an IBAN (ISO 13616) of any country of the register."""
    pattern = rng.choice(_IBANS)
    country, bban = pattern[:2], sample(pattern[2:], rng)
    check = 98 - int("".join(str(int(char, 36)) for char in f"{bban}{country}00")) % 97
    number = f"{country}{check:02d}{bban}"
    if rng.random() < 0.4:
        return " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    return number


def bic(rng: random.Random) -> str:
    """Draw a BIC (ISO 9362), with or without the branch."""
    country = rng.choice(["DE", "FR", "GB", "NL", "ES", "IT", "CH", "AT", "SE", "PL", "US", "BR", "JP", "SG"])
    return (
        sample("[B-DF-HJ-NP-TV-Z][A-Z]{3}", rng)
        + country
        + sample("([A-Z]{2}|[A-Z][1-9]|2[A-Z])(|XXX|[A-Z1-9]{3})", rng)
    )


def vin(rng: random.Random) -> str:
    """Draw a vehicle identification number with its check digit (ISO 3779, 49 CFR 565)."""
    maker = rng.choice(
        ["1HG", "2T1", "3VW", "5YJ", "WVW", "WBA", "JHM", "KMH", "VF1", "ZFA", "YV1", "SAL", "1FT", "4T1"]
    )
    number = maker + sample("[A-HJ-NPR-Z0-9]{5}0[A-HJ-NPRSTV-Y1-9][A-HJ-NPR-Z]\\d{6}", rng)
    values = dict(
        zip(
            "ABCDEFGHJKLMNPRSTUVWXYZ",
            (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
            strict=True,
        )
    )
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(
        (int(char) if char.isdigit() else values[char]) * weight for char, weight in zip(number, weights, strict=True)
    )
    return number[:8] + "0123456789X"[total % 11] + number[9:]


def nhs(rng: random.Random) -> str:
    """Draw an NHS number (England) with its mod 11 check digit."""
    while True:
        body = rng.choice("4679") + sample("\\d{8}", rng)
        check = 11 - weighted(body, range(10, 1, -1)) % 11
        if check != 10:
            number = body + str(check % 11)
            return rng.choice([number, f"{number[:3]} {number[3:6]} {number[6:]}"])


def medicare_au(rng: random.Random) -> str:
    """Draw an Australian Medicare number."""
    body = rng.choice("23456") + sample("\\d{7}", rng)
    check = weighted(body, (1, 3, 7, 9, 1, 3, 7, 9)) % 10
    return f"{body[:4]} {body[4:]}{check} {rng.randint(1, 5)}"


def kvnr(rng: random.Random) -> str:
    """Draw a German health-insurance number (letter, eight digits, check)."""
    letter, body = rng.choice("ABCDEFGHKLMNPRSTWZ"), sample("\\d{8}", rng)
    total = 0
    for at, char in enumerate(f"{ord(letter) - 64:02d}{body}"):
        value = int(char) * (1 + at % 2)
        total += value - 9 if value > 9 else value
    return f"{letter}{body}{total % 10}"


def ohip(rng: random.Random) -> str:
    """Draw an Ontario health number with its version code."""
    body = rng.choice("123456789") + sample("\\d{8}", rng)
    number = body + luhn(body)
    return f"{number[:4]}-{number[4:7]}-{number[7:]}-{sample('[A-Z]{2}', rng)}"


def mbi(rng: random.Random) -> str:
    """Draw a US Medicare beneficiary identifier."""
    letter = "[AC-HJKMNP-RT-Y]"
    return sample(f"[1-9]{letter}[AC-HJKMNP-RT-Y0-9]\\d{letter}[AC-HJKMNP-RT-Y0-9]\\d{letter}{{2}}\\d{{2}}", rng)


HEALTH = (
    (("NHS number", "nhs_number", "NHS No"), nhs),
    (("Medicare number", "medicare_no"), medicare_au),
    (("Krankenversichertennummer", "kvnr", "Versichertennummer"), kvnr),
    (("OHIP", "health card number", "ohip_number"), ohip),
    (("MBI", "Medicare Beneficiary Identifier", "mbi"), mbi),
    (("MRN", "mrn", "medical record number", "patient_mrn"), lambda rng: sample("(MRN|M|)\\d{7,8}", rng)),
    (("patient id", "patient_id", "Patient ID"), lambda rng: sample("(P|PT-|PAT)\\d{6,8}", rng)),
)
INSURANCE = (
    (("policy number", "policy_no", "Policy #"), "[A-Z]{2,3}(|-)\\d{7,9}"),
    (("member id", "member_id", "Member ID"), "[A-Z]{3}\\d{9}"),
    (("insurance number", "insurance_id", "Versicherungsscheinnummer"), "\\d{2}-\\d{6}-\\d{2}"),
    (("group number", "subscriber_id", "Subscriber ID"), "[A-Z]\\d{8}"),
)
PASSPORTS = (
    "[A-Z]\\d{8}",
    "\\d{9}",
    "[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8}",
    "\\d{2}[A-Z]{2}\\d{5}",
    "[A-Z]{2}\\d{7}",
    "[A-Z]{3}\\d{6}",
    "E\\d{8}",
    "[A-Z]\\d{7}",
    "[PR][A-Z]\\d{7}",
)
LICENCES = (
    "[A-Z]\\d{7}",
    "[A-Z]\\d{12}",
    "\\d{3} \\d{3} \\d{3}",
    "[A-Z]\\d{4}-\\d{5}-\\d{5}",
    "[A-Z]{5}\\d{6}[A-Z]{2}9[A-Z]{2}",
    "[BCDFJKLMNRST]\\d{2}[0-9A-Z]{6}\\d[0-9A-Z]",
    "\\d{8}",
    "[A-Z]{2}\\d{7}[A-Z]",
    "DL(|-)\\d{13}",
)
PLATES = (
    "(B|M|HH|K|F|S)-[A-Z]{2} \\d{3,4}",
    "[A-HJ-P][A-Y](0[2-9]|[1-6]\\d|7[0-4]) [A-HJ-PR-Z]{3}",
    "[A-Z]{2}-\\d{3}-[A-Z]{2}",
    "[1-9][A-Z]{3}\\d{3}",
    "[A-Z]{3}-\\d{4}",
    "\\d{4} [BCDFGHJKLMNPRSTVWXYZ]{3}",
    "[A-Z]{2}\\d{3}[A-Z]{2}",
    "[A-Z]{3}\\d[A-Z]\\d{2}",
    "[A-Z]{3} \\d{3}",
    "\\d{2}-[A-Z]{3}-\\d",
    "(MH|DL|KA)\\d{2}[A-Z]{2}\\d{4}",
    "(ZH|BE|GE) \\d{5,6}",
    "[A-Z]{2} \\d{5}",
)


def public_ip(rng: random.Random) -> str:
    """Draw an IPv4 address of the public space."""
    while True:
        address = ipaddress.ip_address(rng.getrandbits(32))
        if (
            address.is_global
            and not address.is_multicast
            and 1 < address.packed[0] < 224
            and address.packed[3] not in (0, 255)
        ):
            return str(address)


def public_ip6(rng: random.Random) -> str:
    """Draw an IPv6 address of the public space, sometimes with its middle zeros compressed."""
    head = rng.choice(["2a01:4f8", "2600:1f18", "2a02:8108", "2403:6200", "2804:14c", "2a00:1450"])
    groups = [f"{rng.getrandbits(16):x}" for _ in range(6)]
    return rng.choice(
        [
            f"{head}:{':'.join(groups)}",
            f"{head}:{groups[0]}:{groups[1]}::{groups[2]}",
            f"{head}:{groups[0]}::1{groups[1][:1]}",
        ]
    )


def private_ip(rng: random.Random) -> str:
    """Draw a private IPv4 address (RFC 1918)."""
    a, b = rng.randint(0, 255), rng.randint(2, 254)
    return rng.choice([f"10.{rng.randint(0, 255)}.{a}.{b}", f"192.168.{a}.{b}", f"172.{rng.randint(16, 31)}.{a}.{b}"])


def mac(rng: random.Random) -> str:
    """Draw a universal unicast MAC address outside the documentation block of RFC 7042."""
    octets = [rng.choice([0x3C, 0xF4, 0xA4, 0xDC, 0x84, 0x28]), *(rng.randrange(256) for _ in range(5))]
    style = rng.choice(["colon", "colon", "COLON", "dash", "dot"])
    text = "".join(f"{octet:02x}" for octet in octets)
    if style == "dot":
        return ".".join(text[at : at + 4] for at in (0, 4, 8))
    joined = (":" if style != "dash" else "-").join(text[at : at + 2] for at in range(0, 12, 2))
    return joined.upper() if style in ("COLON", "dash") else joined


def imei(rng: random.Random) -> str:
    """Draw an IMEI with its Luhn digit."""
    body = rng.choice(["35", "86", "01"]) + sample("\\d{12}", rng)
    return body + luhn(body)
