"""Draws numbers that identify people in Europe, with right check digits; `NATIONAL` holds all countries.

Must never draw a number that is known to be somebody's: all digits are random but the checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.checkdigits import birthday, digits, luhn, mod11, mod11_10, until, weighted
from evaluation.identities_world import WORLD
from evaluation.samples import sample

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


def _gb_nino(rng: random.Random) -> str:
    number = sample("[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]", rng)
    number = "JK" if number in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ") else number
    rest = sample("\\d{6}[A-D]", rng)
    return rng.choice([number + rest, f"{number} {rest[:2]} {rest[2:4]} {rest[4:6]} {rest[6]}"])


def _de_steuer_id(rng: random.Random) -> str:
    pool = rng.sample("0123456789", 9)
    pool.append(rng.choice(pool))
    rng.shuffle(pool)
    while pool[0] == "0":
        rng.shuffle(pool)
    body = "".join(pool)
    number = body + mod11_10(body)
    return rng.choice([number, f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}"])


def _de_ausweis(rng: random.Random) -> str:
    body = sample("[LMNPRT][0-9CFGHJKLMNPRTVWXYZ]{8}", rng)
    return body + str(weighted(body, (7, 3, 1) * 3) % 10)


def _fr_nir(rng: random.Random) -> str:
    born = birthday(rng)
    body = f"{rng.choice('12')}{born:%y%m}{rng.randint(1, 95):02d}{rng.randint(1, 600):03d}{rng.randint(1, 900):03d}"
    body = body[:5] + ("75" if body[5:7] == "20" else body[5:7]) + body[7:]
    check = f"{97 - int(body) % 97:02d}"
    spaced = f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]} {check}"
    return rng.choice([body + check, spaced])


def _es_dni(rng: random.Random) -> str:
    letters = "TRWAGMYFPDXBNJZSQVHLCKE"
    if rng.random() < 0.3:
        lead, body = rng.randrange(3), sample("\\d{7}", rng)
        return "XYZ"[lead] + body + letters[int(f"{lead}{body}") % 23]
    body = sample("\\d{8}", rng)
    return body + rng.choice(["", "-"]) + letters[int(body) % 23]


def _it_codice(rng: random.Random) -> str:
    born = birthday(rng)
    day = born.day + rng.choice([0, 40])
    consonants = "[BCDFGLMNPRSTVZ]"
    body = (
        sample(f"{consonants}{{6}}", rng)
        + f"{born:%y}{'ABCDEHLMPRST'[born.month - 1]}{day:02d}"
        + sample("[A-L]\\d{3}", rng)
    )
    odd = dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True))
    letters = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    odd |= dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", letters, strict=True))
    total = sum(
        odd[char] if at % 2 == 0 else int(char) if char.isdigit() else ord(char) - 65 for at, char in enumerate(body)
    )
    return body + chr(65 + total % 26)


def _nl_bsn(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        body = digits(rng, 8)
        check = weighted(body, range(9, 1, -1)) % 11
        return None if check == 10 else body + str(check)

    return until(rng, draw)


def _be_nrn(rng: random.Random) -> str:
    born = birthday(rng)
    body = f"{born:%y%m%d}{rng.randint(1, 997):03d}"
    check = 97 - int(("2" if born.year >= 2000 else "") + body) % 97
    return rng.choice([f"{born:%y.%m.%d}-{body[6:]}.{check:02d}", f"{body}{check:02d}"])


def _pt_nif(rng: random.Random) -> str:
    body = rng.choice("123") + sample("\\d{7}", rng)
    return body + (mod11(body, range(9, 1, -1), ten="0") or "0")


def _pl_pesel(rng: random.Random) -> str:
    born = birthday(rng)
    body = f"{born:%y}{born.month + (20 if born.year >= 2000 else 0):02d}{born:%d}{sample('[0-9]{4}', rng)}"
    return body + str(-weighted(body, (1, 3, 7, 9) * 3) % 10)


def _pl_nip(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        body = digits(rng, 9)
        check = weighted(body, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11
        if check == 10:
            return None
        number = body + str(check)
        return rng.choice([number, f"{number[:3]}-{number[3:6]}-{number[6:8]}-{number[8:]}"])

    return until(rng, draw)


def _cz_rc(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        born = birthday(rng)
        body = f"{born:%y}{born.month + rng.choice([0, 50]):02d}{born:%d}{sample('[0-9]{3}', rng)}"
        check = int(body) % 11
        return None if check == 10 or born.year < 1954 else f"{body[:6]}{rng.choice(['/', '/', ''])}{body[6:]}{check}"

    return until(rng, draw)


def _se_pnr(rng: random.Random) -> str:
    born = birthday(rng)
    body = f"{born:%y%m%d}{rng.randint(1, 999):03d}"
    number = f"{body[:6]}-{body[6:]}{luhn(body)}"
    return rng.choice([number, f"{born.year // 100}{number}"])


def _no_fnr(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        born = birthday(rng)
        body = f"{born:%d%m%y}{rng.randint(0, 499) if born.year < 2000 else rng.randint(500, 999):03d}"
        first = mod11(body, (3, 7, 6, 1, 8, 9, 4, 5, 2))
        second = first and mod11(body + first, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
        return body + str(first) + second if second else None

    return until(rng, draw)


def _dk_cpr(rng: random.Random) -> str:
    born = birthday(rng)
    return f"{born:%d%m%y}-{rng.randint(1, 3999) if born.year < 2000 else rng.randint(4000, 9999):04d}"


def _fi_hetu(rng: random.Random) -> str:
    born = birthday(rng)
    serial = f"{rng.randint(2, 899):03d}"
    check = "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(f"{born:%d%m%y}{serial}") % 31]
    return f"{born:%d%m%y}{'A' if born.year >= 2000 else '-'}{serial}{check}"


def _baltic(rng: random.Random) -> str:
    born = birthday(rng)
    body = f"{rng.choice('34') if born.year < 2000 else rng.choice('56')}{born:%y%m%d}{rng.randint(1, 999):03d}"
    check = weighted(body, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(body, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return f"{body}{check}"


def _lv_pk(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        born = birthday(rng)
        body = f"{born:%d%m%y}{1 if born.year < 2000 else 2}{rng.randint(0, 999):03d}"
        check = (1 + weighted(body, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11
        return None if check == 10 else f"{body[:6]}-{body[6:]}{check}"

    return until(rng, draw)


def _ro_cnp(rng: random.Random) -> str:
    born = birthday(rng)
    sex = rng.choice("12") if born.year < 2000 else rng.choice("56")
    body = f"{sex}{born:%y%m%d}{rng.randint(1, 46):02d}{rng.randint(1, 999):03d}"
    rest = weighted(body, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return body + str(1 if rest == 10 else rest)


def _bg_egn(rng: random.Random) -> str:
    born = birthday(rng)
    body = f"{born:%y}{born.month + (40 if born.year >= 2000 else 0):02d}{born:%d}{rng.randint(1, 999):03d}"
    return body + str(weighted(body, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10)


def _hr_oib(rng: random.Random) -> str:
    body = digits(rng, 10)
    return body + mod11_10(body)


def _jmbg(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        born = birthday(rng)
        body = f"{born:%d%m}{born.year % 1000:03d}{rng.choice([50, 71, 75, 30, 33])}{rng.randint(0, 999):03d}"
        check = mod11(body, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
        return body + check if check else None

    return until(rng, draw)


def _gr_afm(rng: random.Random) -> str:
    body = digits(rng, 8)
    return body + str(weighted(body, [2**power for power in range(8, 0, -1)]) % 11 % 10)


def _ie_pps(rng: random.Random) -> str:
    body = digits(rng, 7)
    return body + "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(body, range(8, 1, -1)) + 9) % 23] + "A"


def _at_svnr(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        serial, born = str(rng.randint(100, 999)), f"{birthday(rng):%d%m%y}"
        check = (weighted(serial, (3, 7, 9)) + weighted(born, (5, 8, 4, 2, 1, 6))) % 11
        return None if check == 10 else f"{serial}{check} {born}"

    return until(rng, draw)


def _ch_ahv(rng: random.Random) -> str:
    body = "756" + sample("\\d{9}", rng)
    check = -weighted(body, (1, 3) * 6) % 10
    return f"{body[:3]}.{body[3:7]}.{body[7:11]}.{body[11:]}{check}"


def _hu_tax(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        body = "8" + str(rng.randint(28_000, 50_000)) + f"{rng.randint(1, 999):03d}"
        check = weighted(body, range(1, 10)) % 11
        return None if check == 10 else body + str(check)

    return until(rng, draw)


def _ua_tax(rng: random.Random) -> str:
    body = f"{rng.randint(16_500, 39_000)}{sample('[0-9]{4}', rng)}"
    total = sum(int(char) * weight for char, weight in zip(body, (-1, 5, 7, 9, 4, 6, 10, 5, 7), strict=True))
    return body + str(total % 11 % 10)


def _ru_inn(rng: random.Random) -> str:
    body = digits(rng, 10)
    body += str(weighted(body, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10)
    return body + str(weighted(body, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10)


def _ru_snils(rng: random.Random) -> str:
    body = digits(rng, 9)
    check = weighted(body, range(9, 0, -1)) % 101 % 100
    return f"{body[:3]}-{body[3:6]}-{body[6:]} {check:02d}"


def _is_kt(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        born = birthday(rng)
        body = f"{born:%d%m%y}{rng.randint(20, 99)}"
        check = mod11(body, (3, 2, 7, 6, 5, 4, 3, 2))
        return f"{body[:6]}-{body[6:]}{check}{9 if born.year < 2000 else 0}" if check else None

    return until(rng, draw)


# country: (the words that name it, the kind, how it is drawn)
EUROPE: dict[str, tuple[tuple[str, ...], str, Callable[[random.Random], str]]] = {
    "GB": (("NINO", "National Insurance number", "ni_number"), "national_id", _gb_nino),
    "DE": (("Steuer-ID", "steuer_id", "Steueridentifikationsnummer"), "tax_id", _de_steuer_id),
    "DE-P": (("Personalausweisnummer", "ausweisnummer"), "national_id", _de_ausweis),
    "FR": (("NIR", "numero_securite_sociale", "Numéro de sécurité sociale"), "national_id", _fr_nir),
    "ES": (("DNI", "dni", "NIE", "NIF"), "national_id", _es_dni),
    "IT": (("codice fiscale", "codice_fiscale", "CF"), "national_id", _it_codice),
    "NL": (("BSN", "bsn", "burgerservicenummer"), "national_id", _nl_bsn),
    "BE": (("rijksregisternummer", "numéro national", "nrn"), "national_id", _be_nrn),
    "PT": (("NIF", "nif", "contribuinte"), "tax_id", _pt_nif),
    "PL": (("PESEL", "pesel"), "national_id", _pl_pesel),
    "PL-NIP": (("NIP", "nip"), "tax_id", _pl_nip),
    "CZ": (("rodné číslo", "rodne_cislo", "RČ"), "national_id", _cz_rc),
    "SE": (("personnummer", "Personnummer", "pnr"), "national_id", _se_pnr),
    "NO": (("fødselsnummer", "fodselsnummer", "fnr"), "national_id", _no_fnr),
    "DK": (("CPR", "cpr_nummer", "CPR-nummer"), "national_id", _dk_cpr),
    "FI": (("henkilötunnus", "hetu", "HETU"), "national_id", _fi_hetu),
    "EE": (("isikukood", "asmens kodas"), "national_id", _baltic),
    "LV": (("personas kods", "personas_kods"), "national_id", _lv_pk),
    "RO": (("CNP", "cnp"), "national_id", _ro_cnp),
    "BG": (("ЕГН", "EGN", "egn"), "national_id", _bg_egn),
    "HR": (("OIB", "oib"), "national_id", _hr_oib),
    "RS": (("JMBG", "jmbg", "EMŠO"), "national_id", _jmbg),
    "GR": (("ΑΦΜ", "AFM", "afm"), "tax_id", _gr_afm),
    "IE": (("PPS number", "ppsn", "PPSN"), "national_id", _ie_pps),
    "AT": (("SVNR", "Sozialversicherungsnummer", "svnr"), "national_id", _at_svnr),
    "CH": (("AHV-Nummer", "ahv", "AVS"), "national_id", _ch_ahv),
    "HU": (("adóazonosító jel", "adoazonosito"), "tax_id", _hu_tax),
    "UA": (("РНОКПП", "ІПН", "rnokpp"), "tax_id", _ua_tax),
    "RU": (("ИНН", "inn"), "tax_id", _ru_inn),
    "RU-S": (("СНИЛС", "snils"), "national_id", _ru_snils),
    "IS": (("kennitala", "kt"), "national_id", _is_kt),
}
NATIONAL = {**WORLD, **EUROPE}
