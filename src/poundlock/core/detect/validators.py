"""Validators: what a candidate's own characters prove. Each gives a factor for its confidence.

0 rejects, below 1 lowers, 1 says nothing, above 1 raises. Pure arithmetic on the value: never a look-up, never a
network.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import TYPE_CHECKING

from poundlock.core.detect import scoring
from poundlock.core.detect.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Callable

REJECT, SAME, SURE = 0.0, 1.0, 1.5
WRONG = 0.75  # a checksum that fails: still a finding (a typing error, an old format), with less confidence

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base62(number: int, width: int) -> str:
    """Write a number in base 62 (digits, upper, lower), padded with zeros on the left."""
    out = ""
    while number:
        number, rest = divmod(number, 62)
        out = BASE62[rest] + out
    return out.rjust(width, "0")


def github(value: str, _: str) -> float:
    """Check that the last six characters are the CRC-32 of the rest in base 62 (GitHub's post on tokens, 2021)."""
    body, check = value.rsplit("_", 1)[-1][:-6], value[-6:]
    return SURE if base62(zlib.crc32(body.encode()), 6) == check else WRONG


def grafana(value: str, _: str) -> float:
    """Check that: the last eight characters are the CRC-32 of what is before their underscore, in hex."""
    body, _, check = value.rpartition("_")
    return SURE if f"{zlib.crc32(body.encode()):08x}" == check.lower() else WRONG


def digits(value: str) -> list[int]:
    """Give the decimal digits of a value."""
    return [ord(char) - 48 for char in value if "0" <= char <= "9"]


def luhn(value: str, _: str = "") -> float:
    """ISO/IEC 7812-1 annex B."""
    numbers = digits(value)[::-1]
    total = sum(numbers[::2]) + sum(n * 2 - 9 if n > 4 else n * 2 for n in numbers[1::2])
    return SURE if numbers and total % 10 == 0 and len(set(numbers)) > 2 else REJECT


def decode64(text: str) -> bytes | None:
    """Decode base64 in either alphabet, padded or not; None if it is not base64."""
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    if len(text) % 4 == 1:
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None


def jwt(value: str, _: str) -> float:
    """Check that: the first part is a JSON object with an `alg` (RFC 7515)."""
    import json  # noqa: PLC0415 (not needed before the first token)

    data = decode64(value.split(".", 1)[0])
    if data is None:
        return REJECT
    try:
        header = json.loads(data)
    except (ValueError, RecursionError):
        return REJECT
    return SURE if isinstance(header, dict) and ("alg" in header or "enc" in header) else 0.6


def random(value: str, argument: str) -> float:
    """Must look random: at least `argument` bits of surprise a character (4.3 unless told), and not be a run."""
    if scoring.entropy(value) < min(3.0, 0.75 * len(value).bit_length()):
        return REJECT
    return SAME if scoring.surprise(value) >= float(argument or 4.3) else REJECT


def entropy(value: str, argument: str) -> float:
    """Must have at least `argument` bits of Shannon entropy a character."""
    return SAME if scoring.entropy(value) >= float(argument or 3.0) else REJECT


def mixed(value: str, _: str) -> float:
    """Must hold letters and digits."""
    return SAME if re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value) else REJECT


def cases(value: str, _: str) -> float:
    """Must hold small and capital letters."""
    return SAME if value != value.lower() and value != value.upper() else REJECT


def digit(value: str, argument: str) -> float:
    """Must hold at least `argument` digits (1 unless told)."""
    return SAME if sum("0" <= char <= "9" for char in value) >= int(argument or 1) else REJECT


def base58check(value: str, _: str = "") -> float:
    """Check Base 58 with four bytes of double SHA-256 at the end (Bitcoin addresses and keys)."""
    number = 0
    for char in value:
        place = BASE58.find(char)
        if place < 0:
            return REJECT
        number = number * 58 + place
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    data = b"\0" * (len(value) - len(value.lstrip("1"))) + data
    import hashlib  # noqa: PLC0415 (not needed before the first address)

    check = hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()[:4]
    return SURE if check == data[-4:] else REJECT


def basic(value: str, _: str) -> float:
    """Check Base64 of `user:password` (RFC 7617)."""
    data = decode64(value)
    if data is None or b":" not in data:
        return REJECT
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return REJECT
    user, _, password = text.partition(":")
    return SURE if text.isprintable() and password and not scoring.made_up(password) and user + password else REJECT


def iban(value: str, _: str = "") -> float:
    """Check ISO 13616: the country's length, and 97 modulo 97 equal to 1."""
    plain = re.sub(r"[\s-]", "", value).upper()
    if IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return REJECT
    number = "".join(str(int(char, 36)) for char in plain[4:] + plain[:4])
    return SURE if int(number) % 97 == 1 and len(set(plain[4:])) > 2 else REJECT


# ISO 13616 registry: length of an IBAN by country.
_LENGTHS = """
    AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24
    DE:22 DJ:27 DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27
    GT:28 HN:28 HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20
    LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MN:20 MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24
    PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 RU:33 SA:24 SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25
    SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20 YE:30
"""
IBAN_LENGTHS = {pair[:2]: int(pair[3:]) for pair in _LENGTHS.split()}

RESERVED_DOMAINS = Expression(
    r"(?:^|\.)(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost|local|localdomain|domain\.(?:com|tld)"
    r"|(?:your|my|some)-?(?:company|domain|org|email|site|app)\.\w+|company\.com|acme\.\w+|email\.com|mail\.com|foo\.\w+|bar\.\w+"
    r"|users\.noreply\.github\.com|noreply\.\w+\.\w+|iam\.gserviceaccount\.com|python\.org|w3\.org|sentry\.io)$",
    re.IGNORECASE,
)
ROLES = Expression(
    r"(?:no-?reply|do-?not-?reply|git|user(?:name)?|name|you(?:r\.?(?:name|email))?|me|test|foo|bar|someone|somebody|nobody|root"
    r"|admin|info|support|sales|security|abuse|postmaster|webmaster|hostmaster|mailer-daemon|hello|contact|help|office|team"
    r"|bugs?|dev|list|noc|press|legal|privacy|first\.?last|email|mail|x+|a|b|jdoe|john\.?doe|jane\.?doe|svn|hg|ssh|npm|token|pass(?:word)?|pw|secret|key)",
    re.IGNORECASE,
)
FILES = Expression(
    r"\.(?:png|jpe?g|gif|svg|webp|css|js|ts|py|json|md|html?|so|dll|exe|zip|gz|service|target|socket|timer|mount)$",
    re.IGNORECASE,
)


def email(value: str, _: str) -> float:
    """Not a reserved domain (RFC 2606), a role or placeholder mailbox, a package version or a file name."""
    mailbox, _, domain = value.rpartition("@")
    if RESERVED_DOMAINS.search(domain) or ROLES.fullmatch(mailbox) or FILES.search(domain):
        return REJECT
    return REJECT if domain.rsplit(".", 1)[0].isdigit() or domain.count(".") == domain.count("-") == 9 else SAME


# Numbers that payment companies publish for tests (Stripe, Adyen, PayPal, Braintree documentation).
_SAMPLE_CARDS = """
    4242424242424242 4111111111111111 4012888888881881 4000056655665556 5555555555554444
    2223003122003222 5200828282828210 5105105105105100 378282246310005 371449635398431
    378734493671000 6011111111111117 6011000990139424 6011981111111113 3056930009020004
    30569309025904 38520000023237 3566002020360505 6200000000000005 6205500000000000004
    4000000000000002 4000000000009995 4000002500003155 4000000000000077 4000000000003220
    5431111111111111 4917610000000000 4988438843884305 4166676667666746 4646464646464644
    4000020000000000 5424000000000015 4222222222222 4007000000027 5019717010103742 6331101999990016
    36227206271667 4532015112830366 4539578763621486 4716059811234567
"""
SAMPLE_CARDS = frozenset(_SAMPLE_CARDS.split())


def card(value: str, _: str) -> float:
    """Not a published sample number, and not a number with one or two different digits behind its prefix."""
    plain = "".join(char for char in value if char.isdigit())
    if plain in SAMPLE_CARDS or len(set(plain[4:-1])) < 3 or not 13 <= len(plain) <= 19:
        return REJECT
    return SAME


def ssn(value: str, _: str) -> float:
    """Not a number that the SSA has voided or that stands in advertisements, and no run."""
    plain = value.replace("-", "").replace(" ", "")
    void = plain in ("078051120", "219099999", "457555462", "123456789", "123121234") or plain[:8] == "98765432"
    return REJECT if void or len(set(plain)) < 4 or plain[:3] in ("000", "666") or plain[0] == "9" else SAME


def phone(value: str, _: str) -> float:
    """Check a country's calling code with a number of its length; not the fictitious 555-01xx (NANP) and no run."""
    plain = "".join(char for char in value if char.isdigit())
    international = value.startswith("+")
    if not 8 <= len(plain) <= 15 or len(set(plain)) < 4 or "5550" in plain[-7:] or plain[-8:] in "0123456789012":
        return REJECT
    if international and (plain[0] == "0" or (plain[0] == "1" and (len(plain) != 11 or plain[1] in "01"))):
        return REJECT
    if not international and len(plain) == 10 and plain[3] in "01":
        return REJECT
    return SAME


_WELL_KNOWN = """
    8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9 208.67.222.222 208.67.220.220 4.4.4.4 1.2.3.4 4.3.2.1
    2.2.2.2 3.3.3.3 5.5.5.5 6.6.6.6 7.7.7.7 169.254.169.254 168.63.129.16 10.0.0.0 192.168.0.0
    172.16.0.0 10.96.0.1 10.1.1.1 11.22.33.44 1.2.3.5
"""
WELL_KNOWN = frozenset(_WELL_KNOWN.split())


def ip(value: str, argument: str) -> float:
    """Check an IPv4 address: not reserved, documentation, loopback, a netmask, or a famous resolver."""
    plain = value.partition("/")[0]
    parts = [int(part) for part in plain.split(".")]
    a, b, c, d = parts
    if plain in WELL_KNOWN or a in (0, 127, 255) or a >= 224 or (d == 0 and "/" not in value) or len(set(parts)) == 1:
        return REJECT
    private = a == 10 or (a == 192 and b == 168) or (a == 172 and 16 <= b < 32) or (a == 100 and 64 <= b < 128)
    if argument == "private":
        return SAME if private and not (value.endswith(("/8", "/12", "/16")) and d == 0) else REJECT
    documentation = (a, b, c) in ((192, 0, 2), (198, 51, 100), (203, 0, 113), (192, 0, 0)) or (a, b) in (
        (198, 18),
        (198, 19),
        (169, 254),
        (192, 88),
    )
    identifier = (a, b) in ((1, 2), (1, 3), (2, 5), (2, 16), (0, 9))  # the arcs of most object identifiers
    return REJECT if private or documentation or identifier or max(parts) < 20 else SAME


_CODE_WORDS = """
    self this cls super module package com org net java javax sun jdk kotlin scala std crate mod app
    lib core internal private public protected static class config settings state props window
    document node process exports import go google github k8s kube my foo bar example www
"""
CODE_WORDS = frozenset(_CODE_WORDS.split())


def host(value: str, _: str) -> float:
    """Check a name on an internal domain: not an attribute in code, not a placeholder."""
    labels = value.lower().split(".")
    if (
        labels[0] in CODE_WORDS
        or labels[-2:] == ["google", "internal"]
        or any("_" in label for label in labels)
        or scoring.made_up(value)
    ):
        return REJECT
    if (
        len(labels) == 2
        and labels[1] in ("internal", "private", "intra", "lan", "local")
        and labels[0].isalpha()
        and "-" not in labels[0]
    ):
        return REJECT if labels[1] in ("internal", "private") else 0.8
    return (
        REJECT if any(label.isupper() or not label.islower() for label in value.split(".") if label.isalpha()) else SAME
    )


def arn(value: str, _: str) -> float:
    """Check an ARN with an account that is not one of the documentation's."""
    account = value.split(":")[4]
    return (
        REJECT
        if account in ("123456789012", "111122223333", "012345678901", "444455556666", "999999999999")
        or len(set(account)) < 3
        or account.startswith("0123456789")
        else SAME
    )


PERCENT = Expression(r"%([0-9A-Fa-f]{2})")


def password(value: str, _: str) -> float:
    """Check that: the password part of a URL: not a name, a number of a port, or a placeholder."""
    if (
        scoring.made_up(value)
        or scoring.shape(value) in ("reference", "path")
        or re.fullmatch(r"pass\w*|pwd|pw|secret\w*|\d{1,5}|\[.*", value, re.IGNORECASE)
    ):
        return REJECT
    if "%" in value:
        value = PERCENT.sub(lambda found: chr(int(found.group(1), 16)), value)
    if " " in value and not re.search(r"\d", value):
        return REJECT
    if value.isalpha() and (value.islower() or value.istitle()):
        return 0.65 if len(value) > 6 else REJECT
    return SAME


TECHNICAL = Expression(
    r"[a-z]*(?:sha|md|utf|base|aes|http|oauth|x)[-_]?[0-9]{1,4}|(?:[a-z]+[-_.:])*[a-z]+[0-9]|[^A-Za-z]*|\+?[0-9 ().-]+"
    r"|[\w-]+(?:\.[\w-]+)+|.*(?:[()\[\]{}]|://).*",
    re.IGNORECASE,
)


def placed(value: str, _: str) -> float:
    """Judge a password that only its place gives away: it must hold a digit, and look like no name, host or number."""
    if password(value, "") != SAME or scoring.shape(value):
        return REJECT
    if TECHNICAL.fullmatch(value) and scoring.surprise(value) < 4.3:
        return REJECT
    figures = sum("0" <= char <= "9" for char in value)
    if not figures or len(value) < 6:
        return REJECT
    return SAME if scoring.classes(value) >= 3 or figures >= 2 else REJECT


def pem(value: str, _: str) -> float:
    """Check that: the body of a PEM block is base64 of some length, not a row of X."""
    body = re.sub(r"-----[A-Z ]+-----|[A-Z][A-Za-z-]+: [^\n\\]*|\\[nr]|[^A-Za-z0-9+/=]", "", value)
    return SAME if len(body) >= 16 and len(set(body)) >= 8 else REJECT


TABLE: dict[str, Callable[[str, str], float]] = {
    "github": github,
    "grafana": grafana,
    "luhn": luhn,
    "jwt": jwt,
    "random": random,
    "entropy": entropy,
    "mixed": mixed,
    "cases": cases,
    "digit": digit,
    "base58check": base58check,
    "basic": basic,
    "iban": iban,
    "email": email,
    "card": card,
    "ssn": ssn,
    "phone": phone,
    "ip": ip,
    "host": host,
    "arn": arn,
    "password": password,
    "placed": placed,
    "pem": pem,
}


def find(name: str) -> tuple[Callable[[str, str], float], str]:
    """Give the validator that `name` or `name:argument` means. Raises: `KeyError`."""
    word, _, argument = name.partition(":")
    check = TABLE.get(word)
    if check is None:
        from poundlock.core.detect import checksums, personal, systems  # noqa: PLC0415 (most runs meet neither)

        check = personal.TABLE.get(word) or systems.TABLE.get(word) or checksums.CHECKS[word]
    return check, argument
