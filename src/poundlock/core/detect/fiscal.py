"""Check digits of tax numbers, of people and of companies.

Like `national`: characters without separators, in capitals; the arithmetic that each tax authority publishes. Must
never accept by length alone where a check digit exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poundlock.core.detect.national import dated, eleven, figures, luhn, mod11_10, nl, weighted

if TYPE_CHECKING:
    from collections.abc import Callable


def ar(plain: str) -> bool:
    """Argentina, CUIT and CUIL."""
    return eleven(plain, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), ten=9) and plain[:2] in (
        "20", "23", "24", "25", "26", "27", "30", "33", "34",
    )  # fmt: skip


def au_tfn(plain: str) -> bool:
    """Australia, tax file number."""
    return weighted(plain, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def au_abn(plain: str) -> bool:
    """Australia, business number."""
    first = str(int(plain[0]) - 1) if plain[0] != "0" else "0"
    return weighted(first + plain[1:], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def br_cnpj(plain: str) -> bool:
    """Brazil, CNPJ."""
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    first = weighted(plain[:12], weights[1:]) * 10 % 11 % 10
    second = weighted(plain[:13], weights) * 10 % 11 % 10
    return (first, second) == (int(plain[12]), int(plain[13]))


def co(plain: str) -> bool:
    """Colombia, NIT."""
    total = weighted(plain[:-1][::-1], (3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71)) % 11
    return (total if total < 2 else 11 - total) == int(plain[-1])


def de_tax(plain: str) -> bool:
    """Germany, Steuer-ID: of its first ten digits one stands twice or three times."""
    counts = sorted(plain[:10].count(char) for char in set(plain[:10]))
    return plain[0] != "0" and counts[-1] in (2, 3) and counts[-2] == 1 and mod11_10(plain)


def es_cif(plain: str) -> bool:
    """Spain, NIF of an organisation."""
    total = sum(figures(plain[2:8:2])) + sum(sum(divmod(2 * n, 10)) for n in figures(plain[1:8:2]))
    check = -total % 10
    return plain[8] in (str(check), "JABCDEFGHI"[check])


def fr_tax(plain: str) -> bool:
    """France, numéro fiscal."""
    return plain[0] in "0123" and int(plain[:10]) % 511 == int(plain[10:])


def gb_utr(plain: str) -> bool:
    """United Kingdom, unique taxpayer reference: the check digit comes first."""
    return "21987654321"[weighted(plain[1:], (6, 7, 8, 9, 10, 5, 4, 3, 2)) % 11] == plain[0]


def gb_vat(plain: str) -> bool:
    """United Kingdom, VAT number."""
    total = weighted(plain, (8, 7, 6, 5, 4, 3, 2)) + int(plain[7:9])
    return total % 97 in (0, 42, 55)


def gr_afm(plain: str) -> bool:
    """Greece, AFM."""
    return weighted(plain, (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == int(plain[8])


def hu_tax(plain: str) -> bool:
    """Hungary, adóazonosító jel."""
    return plain[0] == "8" and weighted(plain, range(1, 10)) % 11 == int(plain[9])


def in_pan(plain: str) -> bool:
    """India, permanent account number: its fourth letter is the holder's sort."""
    return plain[3] in "ABCFGHJKLPT"


def it_vat(plain: str) -> bool:
    """Italy, partita IVA."""
    return luhn(plain)


def mx_rfc(plain: str) -> bool:
    """Mexico, RFC of a person or a company: a day in its middle."""
    return dated(plain[-9:], "ymd")


def nz(plain: str) -> bool:
    """Check New Zealand's IRD number."""
    body = plain.rjust(9, "0")
    rest = -weighted(body, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    if rest == 10:
        rest = -weighted(body, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return rest == int(body[8])


def pe(plain: str) -> bool:
    """Peru, RUC."""
    return (11 - weighted(plain, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 10 == int(plain[10])


def pl_nip(plain: str) -> bool:
    """Poland, NIP."""
    return weighted(plain, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(plain[9])


def pt(plain: str) -> bool:
    """Portugal, NIF."""
    check = 11 - weighted(plain, range(9, 1, -1)) % 11
    return (0 if check > 9 else check) == int(plain[8])


def ru_inn(plain: str) -> bool:
    """Russia, INN of a company (10 digits) or a person (12)."""
    if len(plain) == 10:
        return weighted(plain, (2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10 == int(plain[9])
    weights = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    first, second = weighted(plain[:10], weights[1:]) % 11 % 10, weighted(plain[:11], weights) % 11 % 10
    return (first, second) == (int(plain[10]), int(plain[11]))


def ua(plain: str) -> bool:
    """Ukraine, RNOKPP."""
    return weighted(plain, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(plain[9])


def us_itin(plain: str) -> bool:
    """United States, ITIN: a nine, and a group that the IRS gives."""
    return plain[0] == "9" and plain[3] in "56789" and plain[3:5] not in ("66", "67", "68", "69", "89", "93")


def us_ein(plain: str) -> bool:
    """United States, EIN: a prefix of a campus of the IRS."""
    return plain[:2] not in ("00", "07", "08", "09", "17", "18", "19", "28", "29", "49", "69", "70", "78", "79", "89")


def be_vat(plain: str) -> bool:
    """Belgium, enterprise and VAT number."""
    return (int(plain[:8]) + int(plain[8:])) % 97 == 0


def fr_siren(plain: str) -> bool:
    """France, SIREN, SIRET."""
    return luhn(plain)


def fr_vat(plain: str) -> bool:
    """France, VAT number: two key digits before the SIREN."""
    key = not plain[:2].isdigit() or (12 + 3 * (int(plain[2:]) % 97)) % 97 == int(plain[:2])
    return key and luhn(plain[2:])


def de_vat(plain: str) -> bool:
    """Germany, VAT number."""
    return plain[0] != "0" and mod11_10(plain)


def nl_vat(plain: str) -> bool:
    """Netherlands, VAT number: a BSN-like number, or ISO/IEC 7064 MOD 97-10 for the self-employed since 2020."""
    whole = "".join(str(int(char, 36)) for char in f"NL{plain}")
    return nl(plain[:9]) or int(whole) % 97 == 1


def at_vat(plain: str) -> bool:
    """Austria, VAT number (without its U)."""
    total = sum(sum(divmod(int(char) * (1, 2)[place % 2], 10)) for place, char in enumerate(plain[:7]))
    return (96 - total) % 10 == int(plain[7])


CHECKS: dict[str, Callable[[str], bool]] = {
    check.__name__.rstrip("_").replace("_", "-"): check
    for check in (
        ar,
        au_tfn,
        au_abn,
        br_cnpj,
        co,
        de_tax,
        es_cif,
        fr_tax,
        gb_utr,
        gb_vat,
        gr_afm,
        hu_tax,
        in_pan,
        it_vat,
        mx_rfc,
        nz,
        pe,
        pl_nip,
        pt,
        ru_inn,
        ua,
        us_itin,
        us_ein,
        be_vat,
        fr_siren,
        fr_vat,
        de_vat,
        nl_vat,
        at_vat,
    )
}
"""A register's check by its name, as rules write it (`register:pl`)."""
