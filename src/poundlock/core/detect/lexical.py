"""The lexical layer: values that give themselves away by the name they stand under, not by a shape of their own.

Reads the name around a keyword, the connector behind it (assignment, header, flag, XML, call, prose), and the value.
Must never look further than a fixed distance from the keyword, so that its cost is linear.
"""

# ruff: noqa: RUF001 (quotes and punctuation of many languages)

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from poundlock.core.detect import scoring
from poundlock.core.detect.expressions import Expression

# What a name says of the value under it: 3 a password, 2 a secret by name, 1 only if the value is random.
PASSWORD, SECRET, WEAK = 3, 2, 1

WORDS = (
    "passw(?:or)?d|passphrase|passcode|passwd|pwd|[-_.\"' \\n{(,;?&$]pass(?:[\"']?[ ]?[=:]|[_-])|[A-Z_-]PASS[=: \"']"
    "|[-_.\"' \\n{(,;?&]pw[\"']?[ ]?[=:]|-pass[ ]|kennwort|passwort|contrase(?:n|\\xc3\\xb1)a|mot[ _]de[ _]passe"
    "|[^a-z]mdp[\"']?[ ]?[=:]|senha"
    "|wachtwoord|l(?:o|\\xc3\\xb6)senord|\\xd0\\xbf\\xd0\\xb0\\xd1\\x80\\xd0\\xbe\\xd0\\xbb\\xd1\\x8c"
    "|\\xe5\\xaf\\x86\\xe7\\xa0\\x81"
    "|\\xe5\\xaf\\x86\\xe7\\xa2\\xbc|\\xe3\\x83\\x91\\xe3\\x82\\xb9\\xe3\\x83\\xaf\\xe3\\x83\\xbc\\xe3\\x83\\x89"
    "|\\xeb\\xb9\\x84\\xeb\\xb0\\x80\\xeb\\xb2\\x88\\xed\\x98\\xb8"
    "|secret|token|credential|api[-_ .]?key|access[-_ .]?key|private[-_ .]?key|encryption[-_ .]?key|signing[-_ .]?key"
    "|master[-_ .]?key|account[-_ .]?key|auth[-_ .]?key|app(?:lication)?[-_ .]?key|license[-_ .]?key|service[-_ .]?key"
    "|admin[-_ .]?key|shared[-_ .]?key|storage[-_ .]?key|deploy[-_ .]?key|subscription[-_ .]?key|webhook"
    "|identified by|session[-_ .]?id|[-_.\"' \\n;?&]sid[\"']?[=:]|connect[.]sid|csrf|xsrf|[-_\"' ]jwt[\"']?[=:]"
    "|[-_.\"' \\n;?&]auth[\"']?[ ]?[=:]|authorization|signature[\"']?[ ]?[=:]|[?&]sig=|[-_\"'.]salt[\"']?[ ]?[=:]"
    "|hmac|[-_\"' ]t?otp[-_\"'=:]"
    "|[-_.\"' \\n({,]key[\"']?[ ]?[=:]|[a-z][-_]key[\"']?[ ]?[=:]|[a-z]KEY[\"']?[ ]?[=:]|pin[-_ ]?code"
    "|[-_\"' ]psk[\"']?[ ]?[=:]|requirepass|masterauth|ssws "
)
EXPRESSION = f"(?i:{WORDS})"

STRONG = Expression(
    r"passw(?:or)?d|passwd|passphrase|passcode|pwd|kennwort|passwort|contrase[nñ]a|mot[ _]de[ _]passe|mdp|senha"
    r"|wachtwoord"
    r"|l[oö]senord|пароль|密码|密碼|パスワード|비밀번호|identified by"
    r"|(?:^|[^a-z])p(?:ass|w)(?:$|[^a-z])|psk|wpa[-_2]|requirepass"
    r"|masterauth",
    re.IGNORECASE,
)
MANY = Expression(r"(?:mot[ _]de[ _]passe|identified by)[\s\"'`*]*$", re.IGNORECASE)
MIDDLE = Expression(
    r"secret|token|credential|session[-_ ]?id|(?:^|[^a-z])sid$|hmac|(?:api|access|private|encryption|signing|master"
    r"|account|auth|app|application|license|service"
    r"|admin|shared|storage|deploy|subscription|webhook)[-_ .]?key|authorization|bearer",
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
    r"|email)$)"
    r"|(?:Hash|Length|Type|Name|Path|File|Url|Uri|Policy|Field|Label|Hint|Error|Prompt|Pattern|Id|Ids|Arn|Ref|Index"
    r"|Expiry"
    r"|Placeholder|Enabled|Required|Count|Limit|Prefix|Class|Text|Message|Validator|Strength|Status|Input|Form|Scope"
    r"|Mode)$"
    r"|public[-_]?key|pubkey|primary[-_]?key|foreign[-_]?key|tokeniz|tokenis|[Nn]ext\w{0,14}[Tt]oken"
    r"|(?i:change|lock|resume|resumption|sync|cancell?ation|idempotency|page|continuation)[-_]?[Tt]oken"
    r"|(?i:thought[-_]?signature)|max[-_]?[Tt]oken|Mgr|Manager|Realm",
)
NAME = Expression(r"[\w$.\-/]*")
TAIL = Expression(r"[\w.\-]{0,40}(?:\[\w{0,20}\])?", re.ASCII)
CONNECT = Expression(
    r"""(?P<close>(?:\\{0,7}["'`]|&quot;|&\#34;|%22|\\u0022|\*{1,2}|[\])}])*)
    (?:
      (?P<typed>\s?\??:\s?[A-Za-z_][\w.<>\[\]|?]{0,40}(?:\s\|\s\w{1,20})?\s{0,3}=\s{0,3})
    | (?P<assign>[ \t]{0,12}(?:=>|:=|\?=|\|\|=|\+=|={1,3}|::?|->)[ \t]{0,12}(?:\*{2}[ \t]?|!!str[ ])?
        (?:\n[ \t]{2,12}(?=["'`]))?)
    | (?P<encoded>%3[AaDd](?:%20)?|\\u003[ad])
    | (?P<valued>[,;]?\s{0,20}(?:-\s)?\\{0,3}["']?(?:value|Value|VALUE|content|val)\\{0,3}["']?\s?[:=]\s?)
    | (?P<xml>(?:\s[^<>]{0,60})?>\s{0,8}(?:<!\[CDATA\[|<(?:value|string)>)?)
    | (?P<comma>[ \t]{0,3},[ \t\n]{0,12}(?=\\{0,3}["'`]))
    | (?P<call>[ \t]?\(\s{0,8}(?=\\{0,3}["'`]))
    | (?P<prose>[ \t]{1,3}(?:(?:for|of|to|für|de|del|da|pour|para|[Oo]n|at|in)[ ][^\n]{1,40}?[ ])?
        (?:is|was|are|be|will[ ]be|set[ ]to|changed[ ]to|reset[ ]to|as|to|now|ist|lautet|est|es|[eé]|är|è|:)
        (?:[ ](?:now|this|the[ ]following))?[ ]?:?[ \t]{1,3}
        |是[:：\s]?|：\s?|は[:：\s]?|は、|은\s|는\s|[ ]?—[ ]|[ ]-[ ])
    | (?P<table>[ \t]{0,30}\|[ \t]{0,30})
    | (?P<space>[ \t]{1,8})
    )""",
    re.VERBOSE,
)
QUOTE = Expression(r"[rbufRBUF@$L]{0,2}(\\{0,7})(\"\"\"|'''|[\"'`]|&quot;|&\#34;|%22|\\u0022|“|‘|«)|(\*\*|__)")
BARE = Expression(r"[^\s\"'`<>,;|\\“”]{1,512}")
SCHEMES = (
    "token",
    "bearer",
    "apikey",
    "api-key",
    "key",
    "bot",
    "ssws",
    "genie-key",
    "splunk",
    "digest",
    "is",
    "=",
    "->",
)
CLOSERS = {"“": "”", "‘": "’", "«": "»"}
SETTING = Expression(
    r"(?:requirepass|masterauth|password|passwd|secret|token|api[_-]?key|auth[_-]?token|\w*_(?:password|secret|token"
    r"|key))$",
    re.IGNORECASE,
)
# Words after which a name and its value stand apart by a space alone (netrc, Dockerfile, shell).
LEADS = frozenset(("login", "user", "username", "machine", "ENV", "ARG", "export", "set", "setx", "SET"))
ASSIGNERS = ("export", "set", "ENV", "ARG", "SET", "setx", "-e", "--env", "+", "-", ">", "env", "local", "declare")
SPACED_WORDS = Expression(r"(?:[^\W\d_]{2,}[ ,.!?:'’]+){1,}[^\W\d_]*[ ,.!?:'’]*")
PROSE = Expression(
    r"[ \t]{1,3}(?:for|of|to|für|de|del|da|pour|para|[Oo]n|at|in|is|was|are|be|will|set|changed|reset|as|now|ist"
    r"|lautet|est|es"
    r"|[eé]|är|è)[ ]"
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
DOTTED = Expression(r"[A-Za-z_$][\w$]*(?:(?:\.|::|->)[A-Za-z_$][\w$]*)+")
PIECES = Expression(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^A-Za-z0-9]+")


class Reading(NamedTuple):
    """A name and the value under it: where the value stands, and how it was connected."""

    name: str
    start: int
    end: int
    quoted: bool
    how: str
    line: str
    connector: str = ""


def _packed(reading: Reading) -> bool:
    """Say whether name and value touch their `=`, as in environment files, and unlike in code."""
    return reading.connector == "=" and _env(reading.line, reading.name)


@functools.lru_cache(maxsize=4096)
def strength(name: str) -> int:
    """Say how much a name promises: `PASSWORD`, `SECRET`, `WEAK`, or 0 where it speaks about a secret only.

    Answers are kept: the same few names stand everywhere, and a name is no value.
    """
    if name.lower().endswith(("session_id", "session-id", "sessionid")):
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
    return strength(name) if len(name) < 100 else WEAK


def _env(line: str, name: str) -> bool:
    """Say whether a name stands where environment files and shells put one: first on its line or in quotes."""
    before = line[: len(line) - len(name)].rstrip(" \t")
    if not before or before[-1] in "\n;&|`\"'(" or name.startswith("$env:"):
        return True
    return before.rpartition("\n")[2].strip(" \t\"'`(").rpartition(" ")[2] in ASSIGNERS


def _spaced(line: str, name: str) -> bool:
    """Say whether a space alone may connect a name with its value: a flag, or a setting's line."""
    if name.startswith("-"):
        return True
    before = line[: len(line) - len(name)].rstrip(" \t\"'")
    if not before or before[-1] == "\n":
        return SETTING.match(name) is not None
    words = before.rpartition("\n")[2].split()
    return not LEADS.isdisjoint(words[-2:])


def read(text: str, end: int) -> Reading | None:
    """Read the name that the keyword ending at `end` is part of, and the value that follows it, if any does."""
    stop = end
    if text[end - 1] in "=: \"'":
        # The keyword's own last characters are its connector (`pw=`): the name ends before them.
        while text[stop - 1] in "=: \"'":
            stop -= 1
    else:
        tail = TAIL.match(text, end)
        stop = tail.end() if tail else end
        if stop > end and text[stop - 1] in ".-":
            stop -= 1
    following = text[stop : stop + 2]
    if following[:1] == " " and following[1:].isalnum() and PROSE.match(text, stop) is None:
        # A word after a word: most of what is said about tokens and passwords.
        line = text[max(0, stop - 80) : stop]
        if not _spaced(line, _name(line)):
            return None
    connect = CONNECT.match(text, stop)
    if connect is None:
        return None
    how = connect.lastgroup or ""
    at = connect.end()
    low = stop - 80 if stop > 80 else 0
    opening = QUOTE.match(text, at)
    if opening is None:
        if how in ("comma", "call"):
            return None
        bare = BARE.match(text, at)
        if bare is None:
            return None
        start, close = bare.span()
        if text[close : close + 1] == " " and text[start:close].lower() in SCHEMES:
            bare = BARE.match(text, close + 1)
            if bare is None:
                return None
            start, close = bare.span()
        if close - start < 4:
            return None
        line = text[low:stop]
        name = _name(line)
        if how == "space":
            if not _spaced(line, name) or not _lone(text, close, line):
                return None
        elif how == "table":
            if "|" not in line or "|" not in text[close : close + 40]:
                return None
        elif how == "xml":
            if text[close : close + 2] != "</" or "<" not in line:
                return None
        elif text[start] in "([{*<" and text[close - 1 : close + 1] != "}>":
            return None
        if how != "xml":
            close = _trim(text, start, close, line, name, how)
        if text.startswith("s%3A", start):
            start += 4
        return Reading(name, start, close, quoted=False, how=how, line=line, connector=connect.group())
    line = text[low:stop]
    name = _name(line)
    start = opening.end()
    if how == "comma":
        # Only a call that sets something: `define("DB_PASSWORD", "…")`, never a list of words.
        if not connect["close"] or not line[: len(line) - len(name)].rstrip("\"'`\\").endswith(("(", "( ")):
            return None
    elif how in ("xml", "table") or (how == "space" and connect["close"] and not _spaced(line, name)):
        return None
    delimiter = opening.group(3) or opening.group(1) + CLOSERS.get(opening.group(2), opening.group(2))
    close = text.find(delimiter, start, start + 700)
    if not opening.group(1) and opening.group(2) in ('"', "'", "`"):
        while close > 0 and text[close - 1] == "\\" and text[close - 2] != "\\":
            close = text.find(delimiter, close + 1, start + 700)
    if close < 0:
        # A value that was cut off: to the end of its line or of the text.
        bare = BARE.match(text, start)
        if bare is None or bare.end() - start < 8:
            return None
        close = bare.end()
    elif len(opening.group(2) or "") < 3 and "\n" in text[start:close]:
        return None
    if how == "comma" and text[close + 1 : close + 2] not in (")", ","):
        return None
    return Reading(name, start, close, quoted=True, how=how, line=line, connector=connect.group())


def _name(line: str) -> str:
    backwards = NAME.match(line[::-1])
    return line[len(line) - backwards.end() :] if backwards else ""


def _lone(text: str, close: int, line: str) -> bool:
    """Say whether a value after a space ends its line, or stands after a flag or before the next netrc word."""
    following = text[close : close + 12].lstrip(" \t")
    return (
        not following
        or following[0] in "\n\r#;&|>\"'\\`-"
        or "-" in line[-40:]
        or following.startswith(("account", "port"))
    )


def _trim(text: str, start: int, close: int, line: str, name: str, how: str) -> int:
    value = text[start:close]
    if how == "encoded":
        cut = re.search(r"%(?:26|22|27|2C|3B|7D|20|0A)|&", value)
        return start + cut.start() if cut else close
    if how == "prose":
        return start + len(value.rstrip(".,;:?)]}”。，"))
    if "&" in value or ")" in value or "]" in value or "}" in value:
        cut = re.search(r"&(?=[\w.%-]{1,40}=)", value)
        if cut is None and not _env(line, name):
            cut = re.search(r"[)\]}]", value)
        if cut:
            value = value[: cut.start()]
    return start + len(value.rstrip(",;)]}:."))


def plausible(reading: Reading, value: str) -> bool:
    """Say quickly whether a value can be a secret at all; most of what stands in code can't."""
    size = len(value)
    if size < 4 or size > 600:
        return False
    if reading.quoted:
        return True
    if value.isalpha() and reading.how not in ("xml", "space", "prose"):
        return reading.how == "assign" and size >= 6 and _env(reading.line, reading.name)
    if DOTTED.fullmatch(value) and scoring.surprise(value) < 4.9:
        return False
    return not CALLING.match(value) or _packed(reading)


def judge(reading: Reading, value: str, level: int, following: str) -> float:
    """Give the confidence that `value` is a secret, given its name's `level`; 0 when it is not.

    `following` is the character after the value.
    """
    size = len(value)
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
        if (_words_only(value) and scoring.classes(value) < 3) or last.startswith(GETTERS):
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
    if " " in value:
        if level < PASSWORD or not reading.quoted or SPACED_WORDS.fullmatch(value) or value.count(" ") > 7:
            return 0.0
        return 0.6 if re.search(r"[0-9]", value) and value.count(" ") < 4 and ": " not in value else 0.0
    bare = value.rstrip(":=?!.,") or value
    letters = scoring.IDENTIFIER.fullmatch(bare) is not None
    figures = any("0" <= char <= "9" for char in value)
    bits = scoring.surprise(value)
    tight = reading.how in ("assign", "xml") and _env(reading.line, reading.name)
    if not reading.quoted:
        if following in ("(", "["):
            return 0.0
        if DOTTED.fullmatch(bare) and (bits < 4.9 or (reading.connector.endswith(" ") and not _packed(reading))):
            return 0.0
        if bare.endswith(("&quot", "&amp", "&gt")):
            return 0.0
        if letters and not figures and (reading.how != "prose" or bits < 4.4):
            if level < PASSWORD or not tight:
                return 0.0
            return _weak_password(bare, bits)
    elif DOTTED.fullmatch(bare) and bits < 4.3:
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
        if not figures and (not bare.isascii() or _words_only(bare)):
            return 0.0
        if letters and bits < 3.6 and size < 8:
            return 0.0
        if reading.how in ("space", "prose") and not reading.quoted and (size < 6 or not (figures or _special(value))):
            return 0.0
        return 0.55 + min(0.35, 0.02 * size + 0.1 * (scoring.classes(value) - 1))
    if size < 8 or _words_only(bare):
        return 0.0
    if level == SECRET:
        if size < 16:
            return 0.65 if figures and bits >= 4.3 and reading.how != "prose" else 0.0
        if bits >= 4.2 and (figures or (bits >= 4.9 and scoring.entropy(value) >= 3.3)):
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
        and scoring.HEX.fullmatch(value) is None
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
