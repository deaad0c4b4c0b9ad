"""Validators of personal data: what the characters of a name, a number, a place or an address prove.

Numbers of registers go to `national`; look-alikes that documentation, tests and vendors publish are never findings.
Must never ask a network or a list of people: no general name model stands behind this.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poundlock.core.detect import fiscal, national
from poundlock.core.detect.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Callable

REJECT, SAME, SURE = 0.0, 1.0, 1.5

# Digits behind a country's calling code: ITU-T E.164 and the national numbering plans that the ITU publishes.
CALLING = {
    code: tuple(int(size) for size in (sizes.split("-") * 2)[:2])
    for code, sizes in (
        pair.split(":")
        for pair in """
            1:10 7:10 20:8-10 27:9 30:10 31:9 32:8-9 33:9 34:9 36:8-9 39:6-11 40:9 41:9 43:4-13 44:7-10 45:8
            46:7-9 47:8 48:9 49:6-13 51:8-9 52:10 53:6-8 54:10-11 55:10-11 56:9 57:8-10 58:10 60:8-10 61:9
            62:7-12 63:8-10 64:8-10 65:8 66:8-9 81:9-10 82:8-10 84:9-10 86:9-11 90:10 91:10 92:9-10 93:9
            94:9 95:7-10 98:10 211:9 212:9 213:8-9 216:8 218:9 220:7 221:9 222:8 223:8 224:9 225:10 226:8
            227:8 228:8 229:8-10 230:7-8 231:7-9 232:8 233:9 234:8-10 235:8 236:8 237:9 238:7 239:7 240:9
            241:7-8 242:9 243:9 244:9 245:7-9 248:7 249:9 250:9 251:9 252:7-9 253:8 254:9 255:9 256:9 257:8
            258:8-9 260:9 261:9 262:9 263:9 264:8-9 265:7-9 266:8 267:7-8 268:8 269:7 291:7 297:7 298:6
            299:6 350:8 351:9 352:6-9 353:7-9 354:7-9 355:8-9 356:8 357:8 358:6-10 359:8-9 370:8 371:8
            372:7-8 373:8 374:8 375:9 376:6-9 377:8-9 378:6-10 380:9 381:8-9 382:8 383:8 385:8-9 386:8
            387:8-9 389:8 420:9 421:9 423:7-9 501:7 502:8 503:8 504:8 505:8 506:8 507:7-8 508:6 509:8 590:9
            591:8 592:7 593:8-9 594:9 595:9 596:9 597:6-7 598:8 599:7-8 670:7-8 673:7 674:7 675:7-8 676:5-7
            677:5-7 678:5-7 679:7 680:7 681:6 685:5-7 686:5-8 687:6 689:6-8 691:7 692:7 850:8-10 852:8 853:8
            855:8-9 856:8-10 880:8-10 886:8-9 960:7 961:7-8 962:8-9 963:8-9 964:8-10 965:8 966:9 967:7-9
            968:8 970:8-9 971:8-9 972:8-9 973:8 974:8 975:7-8 976:8 977:8-10 992:9 993:8 994:9 995:9 996:9
            998:9
        """.split()  # noqa: SIM905 (words read better than quotes)
    )
}
# Given to films and books: NANP 555-0100 to -0199, Ofcom's drama numbers, ACMA's fictitious ones.
FICTION = Expression(
    r"(?:1?[2-9]\d\d)?55501\d\d|(?:44|0)7700900\d{3}|(?:44|0)1632960\d{3}|(?:61|0)(?:491570|[2378]5550)\d+"
)
DATE = Expression(r"(?:19|20)\d\d[-/. ](?:0?[1-9]|1[0-2])[-/. ]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d\d")


def _plain(value: str) -> str:
    return "".join(char for char in value.upper() if char.isalnum())


def register(value: str, name: str) -> float:
    """Judge a number by the check digits of the register that `name` says (or of `any` of them)."""
    plain = _plain(value)
    if len(set(plain)) < 3 or plain in "01234567890123456789":
        return REJECT
    plain = PREFIXES.sub("", plain) if name.endswith(("vat", "nip")) else plain
    checks = tuple(REGISTERS.values()) if name == "any" else (REGISTERS[name],)
    if any(_passes(check, plain) for check in checks):
        return SAME if name == "any" else SURE
    return REJECT


REGISTERS = {**national.CHECKS, **fiscal.CHECKS}
PREFIXES = Expression("^(?:ATU|BE|DE|FR|GB|IT|NL|PL)")


def _passes(check: Callable[[str], bool], plain: str) -> bool:
    """Run a check on what may have another register's form."""
    try:
        return check(plain)
    except (ValueError, IndexError, KeyError):
        return False


def telephone(value: str, argument: str) -> float:
    """Judge a number that a country's plan allows; one with no `+` only counts beside a keyword (`national`)."""
    digits = "".join(char for char in value.replace("(0)", "") if char.isdigit())
    if len(set(digits)) < 4 or FICTION.fullmatch(digits) or digits[-8:] in "01234567890123456789098765432109876543210":
        return REJECT
    if "+" in value or (argument and digits.startswith("00") and len(digits) > 10):
        digits = digits.removeprefix("00") if "+" not in value else digits
        for size in (1, 2, 3):
            least, most = CALLING.get(digits[:size], (99, 0))
            if least <= len(digits) - size <= most:
                return REJECT if size == 1 and digits[0] == "1" and digits[1] in "01" else SAME
        return REJECT
    if DATE.fullmatch(value) or not 7 <= len(digits) <= 13 or value.count(".") == 1:
        return REJECT
    if not argument and len(digits) == 10 and (digits[0] in "01" or digits[3] in "01"):
        return REJECT
    return REJECT if value.isdigit() and len(digits) < 8 else SAME


# First digits and lengths of each network (ISO/IEC 7812 and the networks' own pages).
NETWORKS = tuple(
    (re.compile(prefix), frozenset(sizes))
    for prefix, sizes in (
        (r"4", (13, 16, 19)),
        (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
        (r"3[47]", (15,)),
        (r"3(?:0[0-5]|095|[689])", (14, 16, 19)),
        (r"6(?:011|4[4-9]|5)", (16, 19)),
        (r"35(?:2[89]|[3-8])", (16, 19)),
        (r"62|81", (16, 17, 18, 19)),
        (r"50[0-9]|5[6-8]|6[037]", (13, 14, 15, 16, 17, 18, 19)),
        (r"220[0-4]", (16, 19)),
        (r"9792|65|508[25]", (16,)),
    )
)


def network(value: str, _: str) -> float:
    """Judge a payment network's prefix with a length that it gives."""
    plain = "".join(char for char in value if char.isdigit())
    return SAME if any(len(plain) in sizes and prefix.match(plain) for prefix, sizes in NETWORKS) else REJECT


# Capitalised words that stand where names stand and are none.
NOT_NAMES = frozenset(
    """
    credentials grant certificate authentication authorization registration protocol optional freeze math object promise
    qualified ellipsis reporter callable any called input not ocid engineering manual review required agreement id
    a about access account accounts action active admin administrator agent alert alerts all analytics and
    android api app apple application apps archive area array asset assets async audit auth automated azure back
    backend bank base basic batch beta bill billing block board body book boolean bot branch browser bucket bug
    build bus business button cache calendar call canvas card cart case category center central chain change
    channel chart chat check child chrome city class clear click client clients close cloud cluster code
    collection color column command comment commerce common community company complete component config
    configuration connection console contact content context control controller copy core corporation count
    country create credit current custom customer customers dark dashboard data database date day days debug
    default delete delivery demo department deploy dept description design desk desktop detail details dev
    developer developers development device dialog digital direct directory discount display document
    documentation domain done double draft driver duplicate edge edit editor element email employee empty enable
    end engine engineer engineering enterprise entity entry environment error errors event everyone everybody
    example exception export express external false feature field file files filter final finance firefox first
    fix float floor flow folder folks font for foo form format found foundation free friend friends from full
    function general generic get github global google granted group groups guest guide guys handler hash head
    header health hello help here hidden high home host hour html http https icon id image import in inbox inc
    index info information input inside install integer integration interface internal international internet
    invalid inventory invoice is issue issues it item items java javascript job json key keys kind label
    language last launch layer layout lead legal level library license light limited line link linux list live
    loading local location log login ltd lookup mail main manager management map mark market marketing master
    max me media medium member members menu message messages meta method microsoft min minimum missing mobile
    mode model module monitor month more my name names national native network new news next night no node none
    normal not note notes notification null number object of off office ok on one online open operation
    operations option order orders org organization other our out output overview owner package page panel
    parent partner partners password path pay payment payments pending people permission person phone pipeline
    plan platform player please plugin policy pool popup port portal post postgres premium press preview price
    primary print privacy private process processing product production products profile program project
    projects property provider proxy public publisher pull purchase push python quality quantity query queue
    quick raw react read ready real record records red redis region registry release remote report reports
    repository request required research reset resource response rest result results return review right role
    root row rule run runtime sales sample save scan schema scope screen script search second section secure
    security select sender server servers service services session set settings setup shared ship shipping shop
    show sign simple site size social software solution sort source space special spec sql staff stage standard
    start state static status stock storage store stream string style subject submit subscription success
    summary support switch sync system systems table tag target task team teams tech technical technologies
    technology template temp tenant terminal terms test tester testing text that the their then there this
    thread ticket time title to today token tool tools top total track trading traffic training transaction
    transfer true type undefined unique unit university unknown update upload url use user username users valid
    validation value values vendor version video view views virtual visual studio docker kubernetes linux ubuntu
    debian jira slack confluence excel word powerpoint outlook terraform ansible nginx mysql oracle spring react
    angular vue django flask rails swift rust golang typescript programming language visit warning web website
    welcome when windows with work worker workflow world write year yes you your zero zone world all both
    foundation authors contributors institute project maintainers developers inc gmbh corp llc bot jenkins
    actions dependabot renovate hello hi dear regards thanks cheers sent best kind sincerely attn re fwd jan feb
    mar apr jun jul aug sep oct nov dec january february march april june july august september october november
    december monday tuesday wednesday thursday friday saturday sunday sir madam hiring committee reader
    colleague colleagues everyone north south east west street road avenue san los las new united states kingdom
    america europe england germany france
    """.split()  # noqa: SIM905 (words read better than quotes)
)
PLACEHOLDERS = Expression(
    r"(?:john|jane|jack|joe)\s+(?:q\.?\s+)?(?:doe|roe|smith)|foo\b.*|(?:first|your|my|last|full|some)\b.*|lorem ipsum"
    r"|(?:alice|bob|eve|mallory|carol)|max mustermann|erika mustermann|joe bloggs|fulano.*|test.*"
    r"|n/?a|none|null|unknown|anonymous",
    re.IGNORECASE,
)


def name(value: str, argument: str) -> float:
    """Judge a person's name: capitalised words, none a word of business or code.

    `full`: two words at least; `given`: and one of them a given name that is common somewhere.
    """
    words = [word.strip(".,'’\"") for word in (value.replace(";", " ") if argument == "card" else value).split()]
    if not 1 <= len(words) <= 5 or PLACEHOLDERS.fullmatch(value.strip()):
        return REJECT
    if any(word.lower().strip("-") in NOT_NAMES for word in words) or any(char.isdigit() for char in value):
        return REJECT
    if argument in ("full", "given") and len(words) < 2 and value.isascii():
        return REJECT
    if argument == "given" and value.isascii() and not _common(words):
        return REJECT
    # One character is a whole family name where names are written in syllables.
    if any(_humps(word) for word in words) or max(map(len, words)) < (2 if value < "\u3040" else 1):
        return REJECT
    if value.isupper() and value.isascii() and (argument == "first" or len(value) < 5):
        return REJECT
    return SAME


def _common(words: list[str]) -> bool:
    """Say whether a name's first word is a common given name, or its last where the family name comes first."""
    from poundlock.core.detect import given  # noqa: PLC0415 (a list that most runs don't need)

    return given.given(words[0].partition("-")[0]) or given.given(words[-1])


def _humps(word: str) -> bool:
    """Say whether a word has the inner capitals of an identifier (`OrderService`), not those of `McKay` or `O'Neil`."""
    inner = sum(char.isupper() for char in word[1:])
    return (
        inner > 0
        and not word.isupper()
        and not re.match(r"(?:Mc|Mac|De|Di|Du|La|Le|Van|Fitz|[A-Z]['’]|\w+-)[A-Z]", word)
    )


MONTHS = Expression(
    r"(?i:jan|feb|m[aä]r|apr|a[bv]r|ma[iyg]|jun|jui|jul|ago|aug|sep|se[tp]|o[ck]t|out|nov|de[cz]|d[eé]c|ene|gen|giu|lug|fev|fév|avr|ao)"
)


def birth(value: str, _: str) -> float:
    """Judge a day on which somebody alive can have been born."""
    text = value.partition("T")[0]
    numbers = [int(part) for part in re.findall(r"[0-9]+", text)]
    if MONTHS.search(text):
        return SAME if numbers and 1900 <= numbers[-1] <= 2030 else REJECT
    if len(numbers) == 1 and len(text) == 8:
        plain = text
        if 1900 <= int(plain[:4]) <= 2030:
            numbers = [int(plain[:4]), int(plain[4:6]), int(plain[6:])]
        else:
            numbers = [int(plain[:2]), int(plain[2:4]), int(plain[4:])]
    if len(numbers) != 3:
        return REJECT
    if numbers[0] > 31:
        numbers.reverse()
    first, second, year = numbers
    if year < 100:
        year += 1900
    fits = national.day(year, second, first) or national.day(year, first, second)
    return SAME if fits and 1900 <= year <= 2030 else REJECT


# Addresses that stand in licences and documentation, and of well-known offices.
PUBLIC_PLACES = Expression(
    r"51 Franklin|59 Temple|675 Mass|31 Milk|171 Second|444 Castro|559 Nathan|1 Infinite Loop|One Apple"
    r"|1600 Amphitheatre"
    r"|1600 Pennsylvania|10 Downing|1 Microsoft|One Microsoft|221B Baker|123 (?:Main|Fake|Any|Example|Sample)|1 Main"
    r"|742 Evergreen|500 Oracle|4150 Network",
    re.IGNORECASE,
)


def place(value: str, argument: str) -> float:
    """Judge a postal address that is not printed in licences; under a key, a street with a number."""
    if PUBLIC_PLACES.match(value) or not re.search(r"[0-9]", value):
        return REJECT
    if argument == "card":
        return SAME
    if argument == "key":
        if len(value) < 7 or not re.search(r"[A-Za-zÀ-ɏ]{3}", value) or "@" in value or "://" in value:
            return REJECT
        letters = sum(char.isalpha() or char.isspace() for char in value)
        words = [word for word in re.split(r"[ ,]+", value) if word]
        return (
            SAME
            if len(words) >= 2 and letters * 2 > len(value) and not re.search(r"[{}<>$=_;]|\d\.\d", value)
            else REJECT
        )
    first = re.search(r"[A-Z][a-z]+", value)
    return (
        REJECT
        if first and first.group().lower() in ("chapter", "section", "part", "step", "page", "figure", "table")
        else SAME
    )


def mixed(value: str, argument: str) -> float:
    """Must hold at least `argument` digits (4 unless told), and not be a run or one character again and again."""
    digits = sum(char.isdigit() for char in value)
    plain = _plain(value)
    if digits < int(argument or 4) or len(set(plain)) < 3 or plain in "01234567890123456789" or "123456789" in plain:
        return REJECT
    return REJECT if DATE.fullmatch(value) or "XXX" in plain else SAME


WORLD = Expression(r"[A-HJ-NPR-Z0-9]{17}")
_VIN = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vin(value: str, argument: str) -> float:
    """Judge a vehicle's number (ISO 3779); the check digit in its ninth place binds in North America (49 CFR 565).

    `alone`: nothing beside it says what it is, so the check digit must fit wherever it comes from.
    """
    plain = value.upper()
    if not WORLD.fullmatch(plain) or plain.isdigit() or plain.isalpha() or len(set(plain)) < 7:
        return REJECT
    total = sum((_VIN.get(char) or int(char)) * weight for char, weight in zip(plain, _VIN_WEIGHTS, strict=True))
    fits = "0123456789X"[total % 11] == plain[8]
    if argument == "alone":
        numbers = sum(char.isdigit() for char in plain)
        return (
            SAME if fits and plain[-4:].isdigit() and 7 <= numbers <= 14 and plain[0] in "12345JKLSTVWYZ69" else REJECT
        )
    return SURE if fits else (REJECT if plain[0] in "1245L" else SAME)


def imei(value: str, _: str) -> float:
    """Fifteen digits with a Luhn digit (3GPP TS 23.003), or fourteen hexadecimal ones of a MEID."""
    plain = _plain(value)
    if len(set(plain)) < 4:
        return REJECT
    return (
        SAME if not plain.isdigit() or (len(plain) == 15 and national.luhn(plain)) or len(plain) in (14, 16) else REJECT
    )


def device(value: str, _: str) -> float:
    """Judge an advertising or installation id: a UUID or hexadecimal digits that are not a sample."""
    plain = value.replace("-", "").lower()
    return REJECT if len(set(plain)) < 6 or "1234567" in plain or "abcdef" in plain else SAME


SAMPLE_MACS = (
    "001122334455",
    "aabbccddeeff",
    "deadbeef",
    "123456789abc",
    "0123456789ab",
    "ffffffffffff",
    "a1b2c3d4e5f6",
    "112233445566",
)


def mac(value: str, _: str) -> float:
    """Judge a device's MAC address: not a group address, not RFC 7042's documentation ranges, not a sample."""
    plain = re.sub(r"[^0-9a-f]", "", value.lower())
    if len(set(plain)) < 4 or plain.startswith(SAMPLE_MACS) or int(plain[1], 16) & 1:
        return REJECT
    return REJECT if plain.startswith(("00005e00", "02005e", "0000000", "525400123")) else SAME


def coordinates(value: str, _: str) -> float:
    """Judge a latitude and a longitude, or one of them, to at least four places behind the point."""
    numbers = [float(part) for part in re.findall(r"-?[0-9]+\.[0-9]+", value)]
    if (
        not numbers
        or any(number == round(number, 2) for number in numbers)
        or abs(numbers[0]) > (90 if len(numbers) > 1 else 180)
    ):
        return REJECT
    return SAME if abs(numbers[-1]) <= 180 else REJECT


# ISO 3166-1 alpha-2, as they stand in the fifth and sixth place of a BIC.
COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AR AT AU AW AZ BA BB BD BE BF BG BH BI BJ BM BN BO BR BS BT BW BY BZ CA CD CF CG CH
    CI CK CL CM CN CO CR CU CV CW CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FK FM FO FR GA GB GD GE GH GI
    GL GM GN GQ GR GT GW GY HK HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA
    LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MK ML MM MN MO MR MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP
    NZ OM PA PE PF PG PH PK PL PS PT PY QA RO RS RU RW SA SB SC SD SE SG SI SK SL SM SN SO SR SS ST SV SY SZ TC
    TD TG TH TJ TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VN VU WS XK YE ZA ZM ZW
    """.split()  # noqa: SIM905 (words read better than quotes)
)


def bic(value: str, _: str) -> float:
    """ISO 9362: four letters, a country, a location; not a word."""
    plain = value.upper()
    return SAME if plain[4:6] in COUNTRIES and (len(plain) in (8, 11)) else REJECT


def ip6(value: str, argument: str) -> float:
    """Judge a global IPv6 address (or, `private`, a unique local one): no documentation, no famous resolver."""
    text = value.lower()
    head, gap, tail = text.partition("::")
    if "::" in tail:
        return REJECT
    groups = [group for group in (*head.split(":"), *tail.split(":")) if group]
    if any(len(group) > 4 for group in groups) or (len(groups) != 8 if not gap else not 2 <= len(groups) <= 7):
        return REJECT
    first = int(groups[0], 16) if head else 0
    second = int(groups[1], 16) if len(groups) > 1 and head.count(":") else 0
    if argument == "private":
        return SAME if first >> 9 == 0xFC >> 1 or first >> 8 == 0xFD else REJECT
    if (
        not 0x2000 <= first <= 0x3FFF
        or (first, second) in ((0x2001, 0xDB8), (0x2001, 0), (0x2001, 2), (0x2002, 0))
        or first == 0x3FFF
    ):
        return REJECT
    famous = (
        "2001:4860:4860::88",
        "2606:4700:4700::",
        "2620:fe::",
        "2620:119:3",
        "2001:500:",
        "2001:503:",
        "2001:7fe",
        "2001:7fd",
    )
    return REJECT if text.startswith(famous) else SAME


def plate(value: str, _: str) -> float:
    """Judge a vehicle's plate: letters and digits, neither alone."""
    plain = _plain(value)
    letters = sum(char.isalpha() for char in plain)
    digits = len(plain) - letters
    return (
        SAME if 4 <= len(plain) <= 9 and letters and digits >= 1 and not plain.startswith(("ABC123", "XXX")) else REJECT
    )


TABLE: dict[str, Callable[[str, str], float]] = {
    "register": register,
    "telephone": telephone,
    "network": network,
    "name": name,
    "birth": birth,
    "place": place,
    "figures": mixed,
    "vin": vin,
    "imei": imei,
    "device": device,
    "mac": mac,
    "coordinates": coordinates,
    "bic": bic,
    "ip6": ip6,
    "plate": plate,
}
