"""The lexical layer: values that give themselves away by the name they stand under, not by a shape of their own.

Says which names promise a secret, and whether what a reading found under one (see `readings`) is one. Must never look
at more of a text than its reading.
"""

from __future__ import annotations

import functools
import itertools
import re
from typing import TYPE_CHECKING

from poundlock.core.detect import readings, scoring
from poundlock.core.detect.expressions import Expression

if TYPE_CHECKING:
    from poundlock.core.detect.readings import Reading

# What a name says of the value under it: 3 a password, 2 a secret by name, 1 only if the value is random.
PASSWORD, SECRET, WEAK = 3, 2, 1

WORDS = (
    "passw(?:or)?d|passphrase|passcode|passwd|pwd|[-_.\"' \\n{(,;?&$]pass(?:[\"']?[ ]?[=:]|[_-])|[A-Z_-]PASS[=: \"']"
    "|[_-]p(?:ass|w)[=: \"'\\n\\t\\\\<*%]|(?:store|key)pass[ ]|(?:bind|root)pw[ :]|[ ]pw is "
    "|[-_.\"' \\n{(,;?&]pw[\"']?[ ]?[=:]|kennwort|passwort|contrase(?:n|\\xc3\\xb1)a|mot[ _]de[ _]passe"
    "|[^a-z]mdp[\"']?[ ]?[=:]|senha"
    "|wachtwoord|l(?:o|\\xc3\\xb6)senord|\\xd0\\xb0\\xd1\\x80\\xd0\\xbe\\xd0\\xbb\\xd1\\x8c"
    "|\\xe5\\xaf\\x86\\xe7\\xa0\\x81"
    "|\\xe5\\xaf\\x86\\xe7\\xa2\\xbc|\\xe3\\x83\\x91\\xe3\\x82\\xb9\\xe3\\x83\\xaf\\xe3\\x83\\xbc\\xe3\\x83\\x89"
    "|\\xeb\\xb9\\x84\\xeb\\xb0\\x80\\xeb\\xb2\\x88\\xed\\x98\\xb8"
    "|secret|token|credential|api[-_ .]?key|access[-_ .]?key|private[-_ .]?key|encryption[-_ .]?key|signing[-_ .]?key"
    "|master[-_ .]?key|account[-_ .]?key|auth[-_ .]?key|app(?:lication)?[-_ .]?key|license[-_ .]?key|service[-_ .]?key"
    "|admin[-_ .]?key|shared[-_ .]?key|storage[-_ .]?key|deploy[-_ .]?key|subscription[-_ .]?key|webhook"
    "|identified by|session[-_ .]?id|[-_.\"' \\n;?&]sid[\"']?[=:]|connect[.]sid|csrf|xsrf|[-_\"' ]jwt[\"']?[=:]"
    "|[-_.\"' \\n;?&]auth[\"']?[ ]?[=:]|authorization|[?&-]signature=|[?&]sig=|[-_\"'.]salt[\"']?[ ]?[=:]"
    "|hmac|[-_\"' ]t?otp[-_\"'=:]"
    "|[-_.\"' \\n({,]key[\"']?[ ]?[=:]|[a-z][-_]key[\"']?[ ]?[=:]|[a-z]KEY[\"']?[ ]?[=:]|pin[-_ ]?code"
    "|[-_]pat[\"']?[ ]?[=:]"
    "|aes[-_ .]?key|cipher[-_ .]?key|partner[-_ .]?key|project[-_ .]?key|record[-_ .]?key|[ ]key we "
    # The words for a key in German, Chinese and Russian, and for a password in Polish and Turkish.
    "|schl\\xc3\\xbcssel|\\xe5\\xaf\\x86\\xe9\\x92\\xa5|\\xe5\\xaf\\x86\\xe9\\x91\\xb0|\\xd0\\xba\\xd0\\xbb\\xd1\\x8e\\xd1\\x87"
    "|has\\xc5\\x82o|parola(?:s\\xc4\\xb1)?|\\xc5\\x9fifre(?:si)?"
    "|[-_\"' \\n]psk[\"']?[ ]?[=:]|requirepass|masterauth|ssws "
)
EXPRESSION = f"(?i:{WORDS})"

STRONG = Expression(
    r"passw(?:or)?d|passwd|passphrase|passcode|pwd|kennwort|passwort|contrase[nñ]a|mot[ _]de[ _]passe|mdp|senha"
    r"|wachtwoord"
    r"|l[oö]senord|пароль|hasło|parola(?:s\u0131)?|şifre(?:si)?|密码|密碼|パスワード|비밀번호|identified by"
    r"|(?:^|[^a-z])p(?:ass|w)[_0-9]{0,2}$|[a-z](?-i:Pass|Pw)$|psk|wpa[-_2]|requirepass"
    r"|masterauth|(?:store|key)pass$|(?:bind|root)pw$",
    re.IGNORECASE,
)
MANY = Expression(r"(?:mot[ _]de[ _]passe|identified by)[\s\"'`*]*$", re.IGNORECASE)
MIDDLE = Expression(
    r"secret|token|credential|session[-_ ]?id|(?:^|[^a-z])(?:sid|pat)$|hmac|(?:api|access|private|encryption|signing"
    r"|master|account|auth|app|application|license|service|aes|cipher|partner"
    r"|admin|shared|storage|deploy|subscription|webhook)[-_ .]?key|authorization|bearer|schlüssel|密钥|密鑰|ключ",
    re.IGNORECASE,
)
# A name with one of these speaks of something about a secret, not of the secret.
ABOUT = Expression(
    r"(?:(?:^|[-_.])(?:hash|digest|length|len|size|count|type|types|name|names|path|file|files|filename|dir|url|uri"
    r"|endpoint"
    r"|policy|min|max|field|label|hint|help|title|text|message|msg|error|prompt|regex|pattern|format|expir\w*|ttl"
    r"|timeout"
    r"|age|id|ids|arn|ref|reference|index|column|placeholder|env|var|variable|version|enabled|required|reset|strategy"
    r"|prefix"
    r"|suffix|class|classname|input|form|page|link|limit|usage|budget|kind|provider|manager|store|rotation|public|pub"
    r"|alg"
    r"|algorithm|scheme|scope|scopes|status|state|source|at|date|time|char|chars|set|list|map|mask|validator|strength"
    r"|template|fingerprint|thumbprint|checksum|key_id|group|mode|method|option|options|flag|role|user|username"
    r"|email|short|long|weak|invalid|expired|missing|mismatch|incorrect|wrong|failed|changed|updated|command|cmd"
    r"|encryption|encoding|hashing|encoder|rule|rules|requirements|instructions|visible|visibility|toggle|icon|view|screen)$)"
    r"|(?:Hash|Length|Type|Name|Path|File|Url|Uri|Policy|Field|Label|Hint|Error|Prompt|Pattern|Id|Ids|Arn|Ref|Index"
    r"|Expiry"
    r"|Placeholder|Enabled|Required|Count|Limit|Prefix|Class|Text|Message|Validator|Strength|Status|Input|Form|Scope"
    r"|Mode|Command|Encoder|Strategy|Algorithm|Method|Format|Version|Endpoint|State|Store|Service|Factory|Handler|Resolver)$"
    r"|(?i:public[-_]?key|pubkey|site[-_]?key|tokeniz|tokenis)|[Nn]ext\w{0,14}[Tt]oken|(?:Key|Token|Password)Auth$"
    r"|(?i:(?:encrypted|wrapped|sealed|hashed)[-_]?(?:password|passwd|key|token|secret|data|value|private[-_]?key)$)"
    r"|(?i:(?:cache|sort|partition|primary|foreign|object|row|dedup|map|i18n|config|lookup|group|restore"
    r"|idempotency|registry|shortcut|index|range|composite|clustering|unique|translation|message|state|query|feature"
    r"|flag|s3|blob|file|bucket|item|list|tree|entity|(?<!cypress)(?<!cypress[-_])record|event|topic|metric|label|tag|param|form|json|field"
    r"|property|prop|attr|attribute|setting)[-_]?keys?$)"
    r"|(?i:change|request|action|lock|resume|resumption|sync|skip|cancell?ation|idempotency|page|continuation)[-_]?[Tt]oken"
    r"|(?i:thought[-_]?signature)|max[-_]?[Tt]oken|Mgr|Manager|Realm",
)
SPACED_WORDS = Expression(r"(?:[^\W\d_]{2,}[ ,.!?:'’]+){1,}[^\W\d_]*[ ,.!?:'’]*")
PHRASE = Expression(r"[a-z]{2,12}(?: [a-z]{2,12}){3,24}")
DIGITS = Expression(r"[0-9]{2}")
FIGURE = Expression(r"[0-9]")
MARKED = Expression(r"[@#$%^&*]|![A-Za-z]")
# What stands beside `password` and `token` in texts on technology (`password sha256`, `token oauth2`).
TECHNICAL = Expression(
    r"^(?:[a-z]+-)*(?:sha|md|utf|base|aes|rs|hs|es|ps|x|http|oauth|win|int|u|i|v|ed|rc|des|rsa|ec)[-_]?[0-9]|[0-9]{4}-[0-9]{2}"
    r"|bcrypt|scrypt|argon2|pbkdf2|^[0-9.,%]+[a-z]{0,7}$|^[a-z]+[0-9]$|[:/]",
    re.IGNORECASE,
)
CALLING = Expression(r"[\w$.:>-]+[(\[]|[{<(]")
GETTERS = (
    "get",
    "check",
    "verify",
    "is",
    "has",
    "find",
    "delete",
    "remove",
    "validate",
    "reset",
    "generate",
    "hash",
    "fetch",
)
WORD = Expression(r"[A-Za-z]{2,16}\Z")
DOTTED = Expression(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->)[A-Za-z_$][\w$]*)+")
PIECES = Expression(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^A-Za-z0-9]+")


@functools.lru_cache(maxsize=4096)
def strength(name: str) -> int:
    """Say how much a name promises: `PASSWORD`, `SECRET`, `WEAK`, or 0 where it speaks about a secret only.

    Answers are kept: the same few names stand everywhere, and a name is no value.
    """
    if name.lower().endswith(("session_id", "session-id", "sessionid", "secret_id", "secret-id", "secretid")):
        return SECRET
    if ABOUT.search(name.lower() if name.isupper() else name):
        return 0
    if STRONG.search(name):
        return PASSWORD
    if MIDDLE.search(name):
        return SECRET
    return WEAK


def level(name: str, line: str) -> int:
    """Give the strength of a name; `line` is what stands up to its end, for names of several words."""
    if name in ("passe", "BY", "by", "Passe") and MANY.search(line):
        return PASSWORD
    if name in ("key", "Key", "KEY"):
        # A bare word: what stands before it says which key (`the shared key`, `a foreign key`).
        before = line[: len(line) - 3].rstrip()
        word = WORD.search(before[-20:]) if len(before) < len(line) - 3 else None
        return strength(f"{word.group()}_key") if word else WEAK
    return strength(name) if len(name) < 100 else WEAK


def plausible(reading: Reading, value: str) -> bool:
    """Say quickly whether a value can be a secret at all; most of what stands in code can't."""
    size = len(value)
    if size < 4 or size > 600:
        return False
    if reading.quoted:
        return True
    if value.isalpha() and reading.how not in ("xml", "space", "prose"):
        return reading.how == "assign" and size >= 6 and readings.first(reading.line, reading.name)
    if DOTTED.fullmatch(value) and scoring.surprise(value) < 4.9:
        return False
    return not CALLING.match(value) or readings.packed(reading)


def judge(reading: Reading, value: str, level: int, following: str) -> float:
    """Give the confidence that `value` is a secret, given its name's `level`; 0 when it is not.

    `following` is the character after the value.
    """
    size = len(value)
    if level == WEAK and " " not in value and reading.how != "prose" and (size < 16 or FIGURE.search(value) is None):
        return 0.0  # what the end of this function asks for, told before all that costs more
    if scoring.made_up(value):
        return 0.0
    low = (value.rstrip(":=?!.,") or value).lower()
    name = reading.name.lower()
    if (
        low in name
        or name.endswith(low.replace("-", "_"))
        or ("passw" in low and (low.isalpha() or (not reading.quoted and low.isidentifier())))
    ):
        return 0.0
    if reading.line.endswith("::" + reading.name):
        return 0.0
    if reading.how in ("comma", "call"):
        last = name.rpartition(".")[2]
        if last.startswith(GETTERS):
            return 0.0
        if _words_only(value) and scoring.classes(value) < 3 and (level < PASSWORD or not DIGITS.search(value)):
            return 0.0
        if reading.how == "call" and STRONG.search(last) is None and MIDDLE.search(last) is None:
            return 0.0
    shape = scoring.shape(value)
    if (
        shape
        and not (shape == "uuid" and level >= SECRET)
        and not (shape == "number" and level == PASSWORD and size >= 6)
    ):
        return 0.0
    if reading.how == "beside":
        return _beside(value, level)
    if shape != "uuid" and size < 32 and name.endswith(("secret_id", "secret-id", "secretid")):
        return 0.0
    if level == WEAK and name == "key" and reading.how == "prose":
        level = SECRET  # `the key is …`, `this is the key we use: …`
    if " " in value:
        if name.endswith(("passphrase", "mnemonic")) and reading.quoted and PHRASE.fullmatch(value):
            return 0.65
        if level < PASSWORD or not reading.quoted or SPACED_WORDS.fullmatch(value) or value.count(" ") > 7:
            return 0.0
        return 0.6 if re.search(r"[0-9]", value) and value.count(" ") < 4 and ": " not in value else 0.0
    bare = value.rstrip(":=?!.,") or value
    letters = scoring.IDENTIFIER.fullmatch(bare) is not None
    figures = any("0" <= char <= "9" for char in value)
    bits = scoring.surprise(value)
    tight = reading.how in ("assign", "xml") and readings.first(reading.line, reading.name)
    if not reading.quoted:
        if following in ("(", "["):
            return 0.0
        if DOTTED.fullmatch(bare) and (
            bits < 4.9 or (reading.connector.endswith(" ") and not readings.packed(reading))
        ):
            return 0.0
        if bare.endswith(("&quot", "&amp", "&gt")):
            return 0.0
        if letters and not figures and reading.connector.startswith(" :"):
            return 0.0  # `name : type`, as documentation of parameters has it
        if letters and value.endswith(("Key", "Token", "Secret", "Password")):
            return 0.0
        if letters and not figures and (reading.how != "prose" or bits < 4.4) and not _turning(bare):
            if level < PASSWORD or not tight:
                return 0.0
            return _weak_password(bare, bits)
    elif DOTTED.fullmatch(bare) and bits < 4.3 and (level < PASSWORD or not DIGITS.match(value[-2:])):
        return 0.0
    if name.strip("$").endswith("pwd") and value[0] in "/~":
        return 0.0
    if level == PASSWORD:
        if letters and not figures:
            return (
                _weak_password(bare, bits)
                if name.endswith(("word", "wd", "phrase", "wort", "senha")) or bits > 4.6
                else 0.0
            )
        if not figures and (not bare.isascii() or (_words_only(bare) and not MARKED.search(bare))):
            return 0.0
        if letters and bits < 3.6 and size < 8:
            return 0.0
        if reading.how in ("space", "prose") and not reading.quoted and (size < 6 or not (figures or _special(value))):
            return 0.0
        return 0.55 + min(0.35, 0.02 * size + 0.1 * (scoring.classes(value) - 1))
    if size < 8 or (shape != "uuid" and _words_only(bare)):
        return 0.0
    if level == SECRET:
        if size < 16:
            if reading.how == "prose" and (scoring.classes(value) < 3 or TECHNICAL.search(value)):
                return 0.0
            return 0.65 if figures and bits >= 4.3 else 0.0
        if bits >= 4.2 and (figures or (bits >= 4.9 and scoring.entropy(value) >= 3.3) or _turning(value)):
            return 0.85
        return (
            0.6
            if bits >= 3.5
            and figures
            and scoring.entropy(value) >= 3.0
            and (not letters or scoring.HEX.fullmatch(value))
            else 0.0
        )
    if (
        size >= 16
        and figures
        and bits >= (4.5 if size >= 20 else 4.8)
        and scoring.HEX.fullmatch(value.rpartition("-")[2]) is None
        and sum(value.count(char) for char in ":./ ") < 2
    ):
        return 0.6
    return 0.0


def _words_only(value: str) -> bool:
    """Say whether a value is made of words, short numbers and joints (`my-cool-name2`, `RegOpenKeyEx`)."""
    odd = 0
    for piece in PIECES.findall(value):
        if (piece.isalpha() and (len(piece) < 3 or scoring.surprise(piece) >= 4.3)) or (
            piece.isdigit() and len(piece) > 2
        ):
            odd += len(piece)
    return odd * 5 < len(value) * 2


def _turning(value: str) -> bool:
    """Say whether small and capital letters take turns as they do not in words and names."""
    turns = sum(one.islower() != other.islower() for one, other in itertools.pairwise(value))
    return turns * 5 >= len(value) * 2 and scoring.entropy(value) >= min(3.3, 0.4 * len(value))


def _beside(value: str, level: int) -> float:
    """Judge a value that stands beside its name with only a space between, where words stand, too."""
    if TECHNICAL.search(value) or level < SECRET:
        return 0.0
    figures = sum("0" <= char <= "9" for char in value)
    if level == SECRET:
        return 0.65 if len(value) >= 16 and figures and scoring.surprise(value) >= 4.4 else 0.0
    marked = scoring.classes(value) >= 3
    return 0.6 if marked or (figures >= 2 and not value.isupper()) else 0.0


def _special(value: str) -> bool:
    return any(not char.isalnum() for char in value[:-1])


def _weak_password(value: str, bits: float) -> float:
    """Judge a password of letters only: a plain word is one only where it does not look like a name in code."""
    if len(value) < 6 or not value.isalpha() or (_words_only(value) and not value.islower()):
        return 0.0
    if bits >= 4.6:
        return 0.65
    return 0.5 if value.islower() and len(value) >= 8 and bits >= 3.2 else 0.0


CAMEL = Expression(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*|\d+")


def words(line: str) -> list[str]:
    """Give the lower-case words of a name and of what stands before it, with camel case taken apart."""
    return [word.lower() for word in CAMEL.findall(line)]


def sort(name: str, level: int) -> str:
    """Name the lexical rule for a name: `password`, `api-key`, `token`, `secret` or `other`."""
    if level == PASSWORD:
        return "password"
    low = name.lower()
    if "token" in low or "bearer" in low or "jwt" in low:
        return "token"
    if "key" in low:
        return "api-key"
    if "secret" in low or "credential" in low:
        return "secret"
    return "other"


# For texts that are one secret after the other: names, connectors and values in one pass of the matcher. It asks less
# of a value than `judge`: in such a text, too much is found rather than too little.
BULK = Expression(
    r"(?i:passw|passphrase|pwd|pass|secret|token|credential|api[-_]?key|[-_]key|auth|session|sid)[\w.\-]{0,24}+"
    r"[\"'`\])\\]{0,3}+[ \t]{0,3}+(?:=>|:=|[=:>,(]|is[ ])[ \t]{0,3}+[\"'`(\\]{0,3}+"
    r"(?=[^\s\"'`<>,;|\\()\[\]{}0-9]{0,40}+[0-9])(?P<value>[^\s\"'`<>,;|\\()\[\]{}]{6,200}+)"
)
BULK_HITS = 2000  # this many keywords,
BULK_DENSITY = 64  # and one at least every so many characters, are read in one pass
