"""Draws numbers that identify people outside Europe, with right check digits, from the rules that issuing bodies publish.

Must never draw a number that is known to be somebody's: all digits are random but the checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.checkdigits import birthday, digits, drawn, luhn, mod11, until, verhoeff, weighted
from evaluation.samples import sample

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


def us_ssn(rng: random.Random) -> str:
    """Draw a US social security number that the rules allow, in one of three spellings."""
    area = rng.choice([number for number in range(1, 900) if number != 666])
    parts = f"{area:03d}", f"{rng.randint(1, 99):02d}", f"{rng.randint(1, 9999):04d}"
    return rng.choice(["-", "-", "-", " ", ""]).join(parts)


def _us_ein(rng: random.Random) -> str:
    return f"{rng.choice([12, 20, 27, 33, 45, 52, 61, 74, 82, 94])}-{digits(rng, 7)}"


def _ca_sin(rng: random.Random) -> str:
    body = rng.choice("1245679") + sample("\\d{7}", rng)
    number = body + luhn(body)
    return rng.choice([number, f"{number[:3]} {number[3:6]} {number[6:]}", f"{number[:3]}-{number[3:6]}-{number[6:]}"])


def _tr_tckn(rng: random.Random) -> str:
    body = digits(rng, 9)
    odd, even = sum(map(int, body[::2])), sum(map(int, body[1::2]))
    tenth = (odd * 7 - even) % 10
    return f"{body}{tenth}{(odd + even + tenth) % 10}"


def _il_id(rng: random.Random) -> str:
    body = digits(rng, 8)
    return body + luhn(body)


def _za_id(rng: random.Random) -> str:
    body = f"{birthday(rng):%y%m%d}{rng.randint(0, 9999):04d}08"
    return body + luhn(body)


def _br_cpf(rng: random.Random) -> str:
    body = digits(rng, 9)
    for _ in range(2):
        rest = weighted(body, range(len(body) + 1, 1, -1)) * 10 % 11 % 10
        body += str(rest)
    return rng.choice(
        [body, f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}", f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"]
    )


def _br_cnpj(rng: random.Random) -> str:
    body = digits(rng, 8) + "0001"
    for _ in range(2):
        rest = weighted(body[::-1], (2, 3, 4, 5, 6, 7, 8, 9) * 2) % 11
        body += str(0 if rest < 2 else 11 - rest)
    return f"{body[:2]}.{body[2:5]}.{body[5:8]}/{body[8:12]}-{body[12:]}"


def _cl_rut(rng: random.Random) -> str:
    body = str(rng.randint(5_000_000, 24_999_999))
    check = 11 - weighted(body[::-1], (2, 3, 4, 5, 6, 7) * 2) % 11
    last = {11: "0", 10: "K"}.get(check, str(check))
    dotted = f"{int(body):,}".replace(",", ".")
    return rng.choice([f"{dotted}-{last}", f"{body}-{last}"])


def _ar_cuit(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        body = rng.choice(["20", "23", "27"]) + digits(rng, 8)
        check = mod11(body, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
        return f"{body[:2]}-{body[2:]}-{check}" if check else None

    return until(rng, draw)


def _mx_curp(rng: random.Random) -> str:
    born = birthday(rng)
    body = sample("[BCDGLMPRSV][AEIOU][BCDGLMPRSV][A-V]", rng) + f"{born:%y%m%d}"
    body += sample("[HM](DF|JC|NL|PL|OC|VZ|YN)[BCDFGLMNPRSTV]{3}", rng) + ("A" if born.year >= 2000 else "0")
    values = {char: at for at, char in enumerate("0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ")}
    return body + str(-sum(values[char] * (18 - at) for at, char in enumerate(body)) % 10)


def _pe_ruc(rng: random.Random) -> str:
    body = "10" + digits(rng, 8)
    return body + str((11 - weighted(body, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 10)


def _ec_cedula(rng: random.Random) -> str:
    body = f"{rng.randint(1, 24):02d}{rng.randint(0, 5)}{sample('[0-9]{6}', rng)}"
    return body + luhn(body)


def _co_nit(rng: random.Random) -> str:
    body = digits(rng, 9)
    rest = weighted(body[::-1], (3, 7, 13, 17, 19, 23, 29, 37, 41)) % 11
    return f"{body[:3]}.{body[3:6]}.{body[6:]}-{rest if rest < 2 else 11 - rest}"


def _cn_id(rng: random.Random) -> str:
    place = rng.choice(["110105", "310104", "440106", "330106", "510107", "320102", "420106"])
    body = f"{place}{birthday(rng):%Y%m%d}{rng.randint(1, 999):03d}"
    return body + "10X98765432"[weighted(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]


def _tw_id(rng: random.Random) -> str:
    letter = rng.choice("ABCDEFGHJKLMNPQRSTUVXYWZIO")
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(letter) + 10
    body = rng.choice("12") + sample("\\d{7}", rng)
    total = code // 10 + code % 10 * 9 + weighted(body, range(8, 0, -1))
    return f"{letter}{body}{-total % 10}"


def _hk_id(rng: random.Random) -> str:
    letter, body = rng.choice("ABCDEGHKPRYZ"), sample("\\d{6}", rng)
    total = 9 * 36 + 8 * (ord(letter) - 55) + weighted(body, range(7, 1, -1))
    return f"{letter}{body}({'0123456789A'[-total % 11]})"


def _kr_rrn(rng: random.Random) -> str:
    born = birthday(rng)
    body = f"{born:%y%m%d}{rng.choice('12') if born.year < 2000 else rng.choice('34')}{rng.randint(0, 95):02d}{sample('[0-9]{3}', rng)}"
    return f"{body[:6]}-{body[6:]}{(11 - weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10}"


def _jp_my_number(rng: random.Random) -> str:
    body = digits(rng, 11)
    rest = weighted(body, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    number = body + str(0 if rest <= 1 else 11 - rest)
    return rng.choice([number, f"{number[:4]} {number[4:8]} {number[8:]}"])


def _in_aadhaar(rng: random.Random) -> str:
    body = rng.choice("23456789") + sample("\\d{10}", rng)
    number = body + verhoeff(body)
    return rng.choice([number, f"{number[:4]} {number[4:8]} {number[8:]}", f"{number[:4]}-{number[4:8]}-{number[8:]}"])


def _sg_nric(rng: random.Random) -> str:
    lead, body = rng.choice("STFG"), sample("\\d{7}", rng)
    total = weighted(body, (2, 7, 6, 5, 4, 3, 2)) + (4 if lead in "TG" else 0)
    return lead + body + ("JZIHGFEDCBA" if lead in "ST" else "XWUTRQPNMLK")[total % 11]


def _th_id(rng: random.Random) -> str:
    body = rng.choice("12345678") + sample("\\d{11}", rng)
    number = body + str((11 - weighted(body, range(13, 1, -1)) % 11) % 10)
    return rng.choice([number, f"{number[0]}-{number[1:5]}-{number[5:10]}-{number[10:12]}-{number[12]}"])


def _my_kad(rng: random.Random) -> str:
    return f"{birthday(rng):%y%m%d}-{rng.randint(1, 14):02d}-{rng.randint(1, 9999):04d}"


def _id_nik(rng: random.Random) -> str:
    born = birthday(rng)
    day = born.day + rng.choice([0, 40])
    return f"{rng.choice([3174, 3273, 3578, 1271, 5171])}{rng.randint(1, 20):02d}{day:02d}{born:%m%y}{rng.randint(1, 99):04d}"


def _au_tfn(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        body = digits(rng, 8)
        for last in range(10):
            if weighted(f"{body}{last}", (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0:
                return rng.choice([f"{body}{last}", f"{body[:3]} {body[3:6]} {body[6:]}{last}"])
        return None

    return until(rng, draw)


def _nz_ird(rng: random.Random) -> str:
    def draw(rng: random.Random) -> str | None:
        body = f"{rng.randint(10_000_000, 12_999_999)}"
        rest = weighted(body, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
        if rest == 1:
            return None
        number = body + str(-rest % 11)
        return rng.choice([number, f"{number[:3]}-{number[3:6]}-{number[6:]}"])

    return until(rng, draw)


# country: (the words that name it, the kind, how it is drawn)
WORLD: dict[str, tuple[tuple[str, ...], str, Callable[[random.Random], str]]] = {
    "US": (("SSN", "ssn", "Social Security Number", "social_security_number"), "us_ssn", us_ssn),
    "US-EIN": (("EIN", "ein", "Employer Identification Number"), "tax_id", _us_ein),
    "US-ITIN": (("ITIN", "itin"), "tax_id", drawn("9\\d{2}-(7[0-9]|8[0-8]|9[0-2])-\\d{4}")),
    "CA": (("SIN", "sin", "Social Insurance Number"), "national_id", _ca_sin),
    "TR": (("TC Kimlik No", "tckn", "T.C. Kimlik No"), "national_id", _tr_tckn),
    "IL": (("teudat zehut", "תעודת זהות", "israeli_id"), "national_id", _il_id),
    "ZA": (("SA ID number", "id_number", "ID Number"), "national_id", _za_id),
    "BR": (("CPF", "cpf"), "national_id", _br_cpf),
    "BR-CNPJ": (("CNPJ", "cnpj"), "tax_id", _br_cnpj),
    "CL": (("RUT", "rut"), "national_id", _cl_rut),
    "AR": (("CUIT", "cuit", "CUIL"), "tax_id", _ar_cuit),
    "MX": (("CURP", "curp"), "national_id", _mx_curp),
    "PE": (("RUC", "ruc"), "tax_id", _pe_ruc),
    "EC": (("cédula", "cedula"), "national_id", _ec_cedula),
    "CO": (("NIT", "nit"), "tax_id", _co_nit),
    "CN": (("身份证号", "身份证", "id_card"), "national_id", _cn_id),
    "TW": (("身分證字號", "national_id"), "national_id", _tw_id),
    "HK": (("HKID", "hkid"), "national_id", _hk_id),
    "KR": (("주민등록번호", "rrn", "RRN"), "national_id", _kr_rrn),
    "JP": (("マイナンバー", "my_number", "個人番号"), "national_id", _jp_my_number),
    "IN": (("Aadhaar", "aadhaar_number", "AADHAAR"), "national_id", _in_aadhaar),
    "IN-PAN": (("PAN", "pan_number"), "tax_id", drawn("[A-Z]{3}P[A-Z]\\d{4}[A-Z]")),
    "SG": (("NRIC", "nric", "FIN"), "national_id", _sg_nric),
    "TH": (("เลขประจำตัวประชาชน", "thai_id", "citizen_id"), "national_id", _th_id),
    "MY": (("MyKad", "mykad", "IC No"), "national_id", _my_kad),
    "ID": (("NIK", "nik"), "national_id", _id_nik),
    "AU": (("TFN", "tfn", "Tax File Number"), "tax_id", _au_tfn),
    "NZ": (("IRD number", "ird"), "tax_id", _nz_ird),
}
