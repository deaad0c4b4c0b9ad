"""How much a value looks like a secret: rarity of its characters, made-up values, and shapes that are never secrets.

Every function is linear in its value. Must never look at anything but the value and the name it was given.
"""

from __future__ import annotations

import math
import re

from poundlock.core.detect.expressions import Expression

# Bits of a letter after another (rows and columns: word edge, a to z), times 5, from 48 ("0") on. Counted in the words
# of Python's standard library: `python scripts/bigrams.py` prints it.
BIGRAMS = r"""
}DGBEEELLDWSHFHHEYEACJOHRY[
KSHDF]TLaFfN?FAkIf?A>MOWTOa
A?OGN?V]`EG_>U[COeGIU@bbbE^
D@[MT?ZaAIkDDT^;WbHR@I^]fTk
7GWWK;VYb?`dK^VD_hPJTI_caTm
:GXFCNKR^WkaHJAYLQ?AE_PUHTj
=AXQQDCVd<ehH\T>WfDOJEfadOm
7J_V\;[NFEmdJTHL]lGDQHY_h`^
<=`]X:ae_@l_UUY>`lJVGOiejVf
OLLFIKJIjZeXDF9BLdIB@fLmPpN
?FWUV8WUVKYJZ]]<N_WIW=aYYUY
8IZWQ9[PW@`^IaIUW_RCUQ^IhUc
>AYXH;O_b?iaA\[ARoXGHI[ZnEg
@=J_U:\ceDjXRIXB>qZJSIh]lUk
<E]DBBO?\GfSPZPDVd]D?MOckTj
DQMHDSOQcPfPHD<JFq=HFCLHZ_`
@?`XR=X]SGp]A__@D`@MCKc\jGs
@PWWWSZ[XX`]PYTZVSMP\2\W^`^
<BWNM:ULbBqRSKIBWrHFDKVXmJs
8LdMZ=YYKDmSSVVIJ_]D=FcWeOn
:D_PU<ThA@r_QX_GSoCGIJ_U_Kd
PIHJPCNLiHnc@E>TCs?@?bbh\jh
F;YV`5Z]_?gf`XZJ^i\X][[Y_`c
>>UXPA[`@<fdO`FA_eBH[`_QXjh
<EL?MBJ`VBcaVP\WAeYR=Z_[EN]
4YTQYM[\cKfdQOJMBkQCB`VO_WU
?CZVQ5VYUA_^QRYFWZYUTY[XTNH
"""

_ROWS = BIGRAMS.split()
_TURN = 4.5  # bits for going from one class of characters to another inside a run of letters and digits
_DIGIT = 3.4


class _Costs(dict[tuple[str, str], float]):
    """Bits that a character costs after another; computed when first asked for, kept for ASCII."""

    def __missing__(self, pair: tuple[str, str]) -> float:
        before, char = pair
        cost = self._bits(before, char)
        if before < "\x7f" and char < "\x7f":
            self[pair] = cost
        return cost

    @staticmethod
    def _bits(before: str, char: str) -> float:
        digit = "0" <= before <= "9"
        if "0" <= char <= "9":
            letter = before.isascii() and before.isalpha()
            return _DIGIT + (_TURN * 0.5 if letter else 0.0)
        low = char.lower()
        if not char.isascii() or not "a" <= low <= "z":
            return 2.0
        turn = _TURN + 1 if digit else 0.0
        known = before.lower() if before.isascii() and before.isalpha() else ""
        if char != low and before.islower():
            turn, known = _TURN * 0.6, ""
        row = ord(known) - 96 if known else 0
        return turn + (ord(_ROWS[row][ord(low) - 96]) - 48) / 5


_COSTS = _Costs()

STAND_INS = tuple(
    """example sample dummy placeholder place_holder place-holder changeme change_me change-me changeit change_this xxxx
    your redacted censored masked todo fixme fake foobar foo_bar lorem insert_ insert- replaceme replace_ replace-with
    _here *** ... … ••• ${ {{ }} $( %( #{ 0123456 1234567 abcdefg a1b2c3d abcd1234 1234abcd qwertyui deadbeef cafebabe
    badc0de ffffffff 00000000 00010203""".split()  # noqa: SIM905 (sixty lines otherwise)
)
WORDS = frozenset(
    """none null nil undefined true false yes no on off string secret password passwd token test testing default empty
    unset optional required value key bearer basic admin root user username login guest n/a na unknown hidden disabled
    enabled""".split()  # noqa: SIM905 (forty lines otherwise)
)
TEMPLATE = Expression(
    r"<[a-z_\s-]+>|%[0-9]*\.[0-9]*f|%[0-9]*[sdxr](?![0-9A-Za-z])|\{[A-Za-z_][\w.]*[!:}\]]|^\{[A-Za-z_]\w*$|^\$[A-Za-z_]"
    r"|^%[A-Za-z_]+%$|^@[A-Za-z.]+@$",
)
SHAPES = Expression(
    r"""(?P<uuid>[0-9a-z]{7,8}-(?:[0-9a-z]{3,4}-){3}[0-9a-z]{12}$)
    |(?P<integrity>(?:sha(?:1|256|384|512)|md5|blake2b?|git|h1)[-:=][A-Za-z0-9+/=]{20,}$)
    |(?P<number>[+-]?(?:\d[\d_,]*\.?\d*|0x[0-9a-f]{1,16})(?:[eE][+-]?\d+)?[a-z%]{0,3}$)
    |(?P<version>v?\d+(?:\.\d+){1,4}(?:[-+.][0-9A-Za-z.]+)?$)
    |(?P<date>\d{4}-\d\d-\d\d(?:[T ][\d:.+Z-]*)?$)
    |(?P<url>[a-z][a-z0-9+.-]{1,15}://[^\s]*$)
    |(?P<arn>arn:aws[a-z-]*:[^\s]*$)
    |(?P<path>(?:~|\.{1,2}|[A-Za-z]:)?[/\\](?:[\w.@ -]+[/\\])+[\w.@ -]*$|(?:[\w.-]+/){2,}[\w.-]+\.[a-z]{1,5}$)
    |(?P<file>[\w-]+\.(?:py|js|ts|json|ya?ml|toml|txt|pem|crt|cer|key|pub|csv|html?|css|png|jpe?g|svg|md|sh|java|go|rb|xml|conf|cfg|ini)$)
    |(?P<regex>/\^|\^[\[(\\]|[^\s]{0,20}\(\?[=!:<])
    |(?P<color>\#[0-9a-f]{3,8}$)
    |(?P<sealed>ENC\[|Ag[A-D][A-Za-z0-9+/]{40}|vault:v\d|\$ANSIBLE_VAULT|\{cipher\}|enc:v\d|kms:|age1)
    |(?P<reference>(?:os\.environ|process\.env|env[.:(\[]|secrets?\.[A-Za-z_]|vars?\.|var\.|self\.|this\.|config\.|settings?\.|data\.|local\.|module\.|ref\+|op://|vault:[A-Za-z/]|bao:|(?:gcp)?sm://|secret://|awssm:|awsssm:|doppler://|aws-?ssm:|ssm:|projects/|keyring:|\#\#|@Microsoft\.KeyVault|!(?:Ref|Sub|GetAtt|vault|secret|env)|arn:))
    """,
    re.VERBOSE | re.IGNORECASE,
)
IDENTIFIER = Expression(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|-)[A-Za-z_$][\w$]*)*", re.ASCII)
HEX = Expression(r"[0-9a-f]+|[0-9A-F]+")


def surprise(value: str) -> float:
    """Give the mean bits a character of `value` costs under a model of words, digits and their joints.

    English words and identifiers cost about 3 to 4, random letters and digits above 5.
    """
    if not value:
        return 0.0
    return sum(map(_COSTS.__getitem__, zip(" " + value, value, strict=False))) / len(value)


def entropy(value: str) -> float:
    """Give the Shannon entropy of the characters of `value`, in bits a character."""
    size = len(value)
    if not size:
        return 0.0
    return math.log2(size) - sum(count * math.log2(count) for count in map(value.count, set(value))) / size


def made_up(value: str) -> bool:
    """Say whether a value is evidently a placeholder: a stand-in word, a run, a repetition, a template."""
    low = value.lower()
    if low in WORDS or any(map(low.__contains__, STAND_INS)) or low.startswith(("my-", "my_")):
        return True
    if len(value) < 40 and not value.isalnum() and TEMPLATE.search(value):
        return True
    return len(value) >= 8 and len(set(value)) <= 3 + len(value) // 24


def shape(value: str) -> str:
    """Name the shape that is no secret by itself (`uuid`, `path`, `reference`, …), or nothing."""
    found = SHAPES.match(value)
    return found.lastgroup or "" if found else ""


def classes(value: str) -> int:
    """Count the classes of characters: lower, upper, digits, others."""
    lower = upper = digit = other = 0
    for char in value:
        if char.islower():
            lower = 1
        elif char.isupper():
            upper = 1
        elif char.isdigit():
            digit = 1
        else:
            other = 1
    return lower + upper + digit + other


def wordlike(value: str) -> bool:
    """Say whether a value reads like words or an identifier rather than like something random."""
    return surprise(value) < 4.15
