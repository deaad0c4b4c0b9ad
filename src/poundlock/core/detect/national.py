"""Check digits of national, tax and health numbers.

Every function takes a number's characters without separators, in capitals, and says whether they can be one. The
arithmetic is each register's own, as its country publishes it. Must never accept by length alone where a check digit
exists: of nine random digits, most satisfy some country's rule, so a keyword must stand beside the number as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_STEPS = "1 0 5 7 9 13 15 17 19 21 2 4 18 20 11 3 6 8 12 14 16 10 22 25 24 23"
ODD = {char: int(step) for char, step in zip(ALPHABET, _STEPS.split(), strict=True)}
ODD |= {str(digit): ODD[ALPHABET[digit]] for digit in range(10)}
"""Values of the characters in odd places of an Italian fiscal code (decree of 23 December 1976)."""

_D5 = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_P8 = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def figures(plain: str) -> list[int]:
    """Give the digits as numbers."""
    return [ord(char) - 48 for char in plain]


def weighted(plain: str, weights: Iterable[int]) -> int:
    """Give the sum of the digits, each times its weight; digits beyond the weights don't count."""
    return sum((ord(char) - 48) * weight for char, weight in zip(plain, weights, strict=False))


def luhn(plain: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    total = 0
    for place, number in enumerate(reversed(figures(plain))):
        twice = number * 2 if place % 2 else number
        total += twice - 9 if twice > 9 else twice
    return total % 10 == 0


def verhoeff(plain: str) -> bool:
    """Verhoeff's scheme over the dihedral group of order ten."""
    state = 0
    for place, char in enumerate(reversed(plain)):
        state = int(_D5[state][int(_P8[place % 8][int(char)])])
    return state == 0


def mod11_10(plain: str) -> bool:
    """ISO/IEC 7064, MOD 11,10."""
    state = 10
    for number in figures(plain[:-1]):
        state = (state + number) % 10 or 10
        state = state * 2 % 11
    return (state + int(plain[-1])) % 10 == 1


def day(year: int, month: int, date: int) -> bool:
    """Say whether a calendar has this day (a year of 0 to 99 counts as a leap year when it can)."""
    if not 1 <= month <= 12 or not 1 <= date <= 31:
        return False
    if month == 2:
        return date <= (29 if year % 4 == 0 else 28)
    return date <= (30 if month in (4, 6, 9, 11) else 31)


def dated(text: str, order: str) -> bool:
    """Say whether digits are a day; `order` says which pairs they are (`ymd`, `dmy`, `Ymd` with a four-digit year)."""
    at, parts = 0, {"y": 0, "m": 0, "d": 0}
    for letter in order:
        size = 4 if letter == "Y" else 2
        parts[letter.lower()] = int(text[at : at + size])
        at += size
    return day(parts["y"], parts["m"], parts["d"])


def eleven(plain: str, weights: Sequence[int], *, ten: int = -1) -> bool:
    """Say whether the digit behind the weights is 11 less the sum's rest; `ten` stands for a rest that gives 10."""
    check = (11 - weighted(plain, weights) % 11) % 11
    return (ten if check == 10 else check) == int(plain[len(weights)])


def at(plain: str) -> bool:
    """Austria, Sozialversicherungsnummer."""
    return weighted(plain, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == int(plain[3]) and 1 <= int(plain[4:6]) <= 31


def au_medicare(plain: str) -> bool:
    """Australia, Medicare card number."""
    return plain[0] in "23456" and weighted(plain, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(plain[8])


def be(plain: str) -> bool:
    """Belgium, national register number; from 2000 on a 2 stands before it."""
    checks = (97 - int(plain[:9]) % 97, 97 - int("2" + plain[:9]) % 97)
    return int(plain[2:4]) % 20 <= 12 and int(plain[9:]) in checks


def bg(plain: str) -> bool:
    """Bulgaria, EGN: a day with the month raised by 20 or 40 for other centuries."""
    check = weighted(plain, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10
    return check == int(plain[9]) and day(int(plain[:2]), int(plain[2:4]) % 20, int(plain[4:6]))


def br_cpf(plain: str) -> bool:
    """Brazil, CPF."""
    first = weighted(plain, range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(plain, range(11, 1, -1)) * 10 % 11 % 10
    return (first, second) == (int(plain[9]), int(plain[10]))


def ca(plain: str) -> bool:
    """Canada, social insurance number."""
    return plain[0] not in "08" and luhn(plain)


def ch(plain: str) -> bool:
    """Switzerland, AHV number: an EAN-13 with the country's 756."""
    return plain.startswith("756") and weighted(plain, (1, 3) * 6 + (1,)) % 10 == 0


def cl(plain: str) -> bool:
    """Chile, RUT."""
    total = sum(int(char) * (place % 6 + 2) for place, char in enumerate(reversed(plain[:-1])))
    return "0123456789K0"[11 - total % 11 if total % 11 else 11] == plain[-1]


def cn(plain: str) -> bool:
    """China, resident identity number (GB 11643: ISO/IEC 7064, MOD 11-2)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[weighted(plain[:17], weights) % 11] == plain[17] and dated(plain[6:14], "Ymd")


def cz(plain: str) -> bool:
    """Czechia and Slovakia, rodné číslo: a day with the month raised by 50 for women."""
    month = int(plain[2:4]) % 50 % 20
    rest = int(plain[:9]) % 11 % 10 == int(plain[9]) if len(plain) == 10 else True
    return rest and day(int(plain[:2]), month, int(plain[4:6]))


def de_pension(plain: str) -> bool:
    """Germany, Rentenversicherungsnummer."""
    letter = f"{ord(plain[8]) - 64:02d}"
    digits = plain[:8] + letter + plain[9:11]
    weights = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    total = sum(sum(divmod(int(char) * weight, 10)) for char, weight in zip(digits, weights, strict=True))
    return total % 10 == int(plain[11])


def icao(plain: str) -> bool:
    """ICAO 9303 part 3: the last digit checks those before it, with weights 7, 3 and 1."""
    total = sum(int(char, 36) * (7, 3, 1)[place % 3] for place, char in enumerate(plain[:-1]))
    return plain[-1].isdigit() and total % 10 == int(plain[-1])


def de_health(plain: str) -> bool:
    """Germany, the health insured's number: a letter and nine digits (Luhn over the letter's number)."""
    digits = f"{ord(plain[0]) - 64:02d}{plain[1:9]}"
    total = sum(sum(divmod(int(char) * (1, 2)[place % 2], 10)) for place, char in enumerate(digits))
    return total % 10 == int(plain[9])


def dk(plain: str) -> bool:
    """Denmark, CPR number: a day; numbers since 2007 need not satisfy the old check."""
    return dated(plain, "dmy")


def ec(plain: str) -> bool:
    """Ecuador, cédula."""
    return (1 <= int(plain[:2]) <= 24 or plain[:2] == "30") and luhn(plain)


def ee(plain: str) -> bool:
    """Estonia and Lithuania, personal code."""
    check = weighted(plain, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(plain, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == int(plain[10]) and plain[0] in "123456" and dated(plain[1:], "ymd")


def eg(plain: str) -> bool:
    """Egypt, national number: a century and a day."""
    return plain[0] in "23" and dated(plain[1:], "ymd")


def es(plain: str) -> bool:
    """Spain, DNI and NIE."""
    number = int(plain[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == plain[-1]


def fi(plain: str) -> bool:
    """Finland, henkilötunnus; the sign of its century stands among its characters."""
    letters = "0123456789ABCDEFHJKLMNPRSTUVWXY"
    return letters[int(plain[:6] + plain[-4:-1]) % 31] == plain[-1] and dated(plain, "dmy")


def fr(plain: str) -> bool:
    """France, NIR with its key; Corsica's departments are 2A and 2B."""
    number = int(plain[:13].replace("2A", "19").replace("2B", "18"))
    return 97 - number % 97 == int(plain[13:])


def gb_nino(plain: str) -> bool:
    """United Kingdom, national insurance number: no check digit, but letters that are never given."""
    return (
        plain[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")
        and plain[0] not in "DFIQUV"
        and (plain[1] not in "DFIQUVO")
    )


def gb_nhs(plain: str) -> bool:
    """United Kingdom, NHS number."""
    return eleven(plain, (10, 9, 8, 7, 6, 5, 4, 3, 2))


def gr_amka(plain: str) -> bool:
    """Greece, AMKA."""
    return dated(plain, "dmy") and luhn(plain)


def hk(plain: str) -> bool:
    """Hong Kong, identity card."""
    letters = plain[:-7]
    values = [36] * (2 - len(letters)) + [ord(char) - 55 for char in letters] + figures(plain[-7:-1])
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return "0123456789A"[-total % 11] == plain[-1]


def hr(plain: str) -> bool:
    """Croatia, OIB."""
    return mod11_10(plain)


def hu_taj(plain: str) -> bool:
    """Hungary, TAJ number."""
    return weighted(plain, (3, 7, 3, 7, 3, 7, 3, 7)) % 10 == int(plain[8])


def hu(plain: str) -> bool:
    """Hungary, személyi szám."""
    return plain[0] in "12345678" and dated(plain[1:], "ymd") and weighted(plain, range(1, 11)) % 11 == int(plain[10])


def id_nik(plain: str) -> bool:
    """Indonesia, NIK: a day, raised by 40 for women."""
    return day(int(plain[10:12]), int(plain[8:10]), int(plain[6:8]) % 40)


def ie(plain: str) -> bool:
    """Ireland, PPS number."""
    extra = (ord(plain[8]) - 64) * 9 if len(plain) > 8 and plain[8] != "W" else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(plain[:7], range(8, 1, -1)) + extra) % 23] == plain[7]


def il(plain: str) -> bool:
    """Israel, teudat zehut."""
    return luhn(plain)


def in_aadhaar(plain: str) -> bool:
    """India, Aadhaar."""
    return plain[0] not in "01" and verhoeff(plain)


def is_(plain: str) -> bool:
    """Iceland, kennitala."""
    return eleven(plain, (3, 2, 7, 6, 5, 4, 3, 2)) and day(int(plain[4:6]), int(plain[2:4]), int(plain[:2]) % 40)


def it(plain: str) -> bool:
    """Italy, codice fiscale."""
    total = sum(ODD[char] for char in plain[0:15:2])
    total += sum(int(char) if char.isdigit() else ord(char) - 65 for char in plain[1:15:2])
    return ALPHABET[total % 26] == plain[15]


def jp(plain: str) -> bool:
    """Japan, individual number."""
    rest = weighted(plain, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == int(plain[11])


def kr(plain: str) -> bool:
    """South Korea, resident registration number; those since October 2020 need not satisfy the check."""
    check = (11 - weighted(plain, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    late = plain[6] in "3478" and plain[:4] >= "2010"
    return dated(plain, "ymd") and (late or check == int(plain[12]))


def kz(plain: str) -> bool:
    """Kazakhstan, IIN."""
    check = weighted(plain, range(1, 12)) % 11
    if check == 10:
        check = weighted(plain, (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)) % 11
    return check == int(plain[11]) and dated(plain, "ymd")


def lv(plain: str) -> bool:
    """Latvia, personas kods; those that begin with 32 hold no day."""
    if plain.startswith("32"):
        return True
    return (1101 - weighted(plain, (1, 6, 3, 7, 9, 10, 5, 8, 4, 2))) % 11 % 10 == int(plain[10]) and dated(plain, "dmy")


def mx_curp(plain: str) -> bool:
    """Mexico, CURP."""
    letters = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    total = sum(letters.index(char) * (18 - place) for place, char in enumerate(plain[:17]))
    return -total % 10 == int(plain[17]) and dated(plain[4:], "ymd")


def my(plain: str) -> bool:
    """Malaysia, MyKad: a day and a state."""
    return dated(plain, "ymd") and plain[6:8] not in ("00", "17", "18", "19", "20", "69", "70", "73", "80", "81", "94")


def nl(plain: str) -> bool:
    """Netherlands, BSN."""
    return weighted(plain, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def no(plain: str) -> bool:
    """Norway, fødselsnummer and D-number."""
    return eleven(plain, (3, 7, 6, 1, 8, 9, 4, 5, 2)) and eleven(plain, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))


def pl(plain: str) -> bool:
    """Poland, PESEL: a day with the month raised by 20, 40, 60 or 80 for other centuries."""
    check = -weighted(plain, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10
    return check == int(plain[10]) and day(int(plain[:2]), int(plain[2:4]) % 20, int(plain[4:6]))


def ro(plain: str) -> bool:
    """Romania, CNP."""
    check = weighted(plain, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if check == 10 else check) == int(plain[12]) and plain[0] != "0" and dated(plain[1:], "ymd")


def rs(plain: str) -> bool:
    """Serbia, Slovenia, Bosnia, North Macedonia, Montenegro: JMBG, EMŠO."""
    return eleven(plain, (7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), ten=0) and dated(plain[:4] + plain[5:7], "dmy")


def ru_snils(plain: str) -> bool:
    """Russia, SNILS."""
    return weighted(plain, range(9, 0, -1)) % 101 % 100 == int(plain[9:])


def sa(plain: str) -> bool:
    """Saudi Arabia, national number and Iqama."""
    return plain[0] in "12" and luhn(plain)


def se(plain: str) -> bool:
    """Sweden, personnummer, with or without its century; coordination numbers raise the day by 60."""
    short = plain[-10:]
    return luhn(short) and day(int(short[:2]), int(short[2:4]), int(short[4:6]) % 60)


def sg(plain: str) -> bool:
    """Singapore, NRIC and FIN."""
    total = weighted(plain[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(plain[0], 0)
    if plain[0] == "M":
        return "KLJNPQRTUWX"[10 - total % 11] == plain[8]
    return ("JZIHGFEDCBA" if plain[0] in "ST" else "XWUTRQPNMLK")[total % 11] == plain[8]


def th(plain: str) -> bool:
    """Thailand, identity card."""
    return plain[0] != "0" and (11 - weighted(plain, range(13, 1, -1)) % 11) % 10 == int(plain[12])


def tr(plain: str) -> bool:
    """Turkey, T.C. kimlik no."""
    numbers = figures(plain)
    tenth = (sum(numbers[0:9:2]) * 7 - sum(numbers[1:8:2])) % 10
    return numbers[0] != 0 and tenth == numbers[9] and sum(numbers[:10]) % 10 == numbers[10]


def tw(plain: str) -> bool:
    """Taiwan, identity card."""
    number = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(plain[0]) + 10
    return (number // 10 + number % 10 * 9 + weighted(plain[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def uy(plain: str) -> bool:
    """Uruguay, cédula."""
    return -weighted(plain.rjust(8, "0"), (2, 9, 8, 7, 6, 3, 4)) % 10 == int(plain[-1])


def za(plain: str) -> bool:
    """South Africa, identity number."""
    return plain[10] in "012" and dated(plain, "ymd") and luhn(plain)


def ae(plain: str) -> bool:
    """United Arab Emirates, Emirates ID: the country's 784 and a year."""
    return plain.startswith("784") and plain[3:5] in ("19", "20")


CHECKS: dict[str, Callable[[str], bool]] = {
    check.__name__.rstrip("_").replace("_", "-"): check
    for check in (
        luhn,
        verhoeff,
        mod11_10,
        at,
        au_medicare,
        be,
        bg,
        br_cpf,
        ca,
        ch,
        cl,
        cn,
        cz,
        de_pension,
        icao,
        de_health,
        dk,
        ec,
        ee,
        eg,
        es,
        fi,
        fr,
        gb_nino,
        gb_nhs,
        gr_amka,
        hk,
        hr,
        hu_taj,
        hu,
        id_nik,
        ie,
        il,
        in_aadhaar,
        is_,
        it,
        jp,
        kr,
        kz,
        lv,
        mx_curp,
        my,
        nl,
        no,
        pl,
        ro,
        rs,
        ru_snils,
        sa,
        se,
        sg,
        th,
        tr,
        tw,
        uy,
        za,
        ae,
    )
}  # fmt: skip
"""A register's check by its name, as rules write it (`register:pl`)."""
