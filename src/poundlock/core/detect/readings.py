"""Readings: a name in a text, what connects it with a value, and where that value begins and ends.

Knows assignments, headers, flags, XML, calls, tables, blocks and prose, in any quotes and escapes. Must never look
further than a fixed distance from the keyword that it was given, so that its cost is linear, and never judge a value.
"""

# ruff: noqa: RUF001 (quotes and punctuation of many languages)

from __future__ import annotations

import re
from typing import NamedTuple

from poundlock.core.detect.expressions import Expression


def _ways(word: str) -> tuple[str, str, str]:
    return word[-3:], word[-3:].title(), word[-3:].upper()


NAME = Expression(r"[\w$.\-/]*")
TAIL = Expression(r"[\w.\-]{0,40}", re.ASCII)
# A line's end, real or escaped as in JSON, and what a diff, a quote or a log puts before the next line.
LINE = r"(?:\r?\n|\\{1,3}(?:r\\{1,3})?n)[+>-]?"
BLANK = r"(?:[ \t]|\\t)"
GAP = rf"(?:[ \t]|\\{{1,3}}t|{LINE})"
ESCAPED = r"\\{0,3}"  # what stands before a quote, in a string within a string
OF = "for|of|to|für|vom|zum|de|del|da|do|dos|das|des|du|pour|para|[Oo]n|at|in|от|для|к|od|dla"
WORD = rf"{ESCAPED}[\"'][\w.\-]{{1,40}}{ESCAPED}[\"']"
CONNECT = Expression(
    rf"""(?P<close>(?:\[\w{{0,20}}\])?(?:\\{{0,7}}["'`]|&quot;|&\#34;|%22|\\u0022|%(?=\s?=)|\*{{1,2}}|[\])}}])*)
    (?:
      (?P<typed>\s?\??:\s?(?:&\s?(?:'\w{{1,12}}\s)?)?
          [A-Za-z_][\w.<>\[\]|?]{{0,40}}(?:\s\|\s\w{{1,20}})?\s{{0,3}}=(?!=)[ \t]{{0,3}}(?=[^\s,;}})\]])
        |\s(?:string|String|NSString)\s{{0,3}}:?=\s{{0,3}})
    # A Terraform variable, a template's parameter, an object with a value: `"db_password" {{ … default = "…"`.
    | (?P<block>[ ]?[=:]?[ ]?\{{{GAP}{{0,24}}+
        (?:{ESCAPED}["']?\w{{2,20}}+{ESCAPED}["']?[ ]{{0,8}}+[=:][ ]{{0,3}}+[^\n,\\]{{0,120}}+
          (?:\\["'][^\n,\\]{{0,60}}+){{0,2}}(?:,|{LINE}){GAP}{{0,24}}+){{0,4}}
        {ESCAPED}["']?(?:[Dd]efault|[Vv]alue){ESCAPED}["']?[ ]{{0,8}}[=:][ ]{{0,3}}(?={ESCAPED}["'])
      | :[ ]?(?:{LINE}[ \t]{{2,16}}\w{{2,20}}:[^\n\\]{{0,120}}){{0,4}}{LINE}[ \t]{{2,16}}(?:[Dd]efault|[Vv]alue):[ ])
    | (?P<assign>{BLANK}{{0,12}}(?:=>|:=|\?=|\|\|=|\+=|={{1,3}}|::?|->|<-|→){BLANK}{{0,12}}
        (?:\*{{2}}[ \t]?|!!str[ ]|&\w{{1,30}}[ ])?
        (?:\\?{LINE}[ \t]{{2,16}}(?={ESCAPED}["'`])
        |[|>][-+]?{LINE}[ \t]{{1,16}}
        # Parts in brackets, one to a line: `= ("…"`.
        |\((?:[ ]|{LINE}[ \t]{{2,16}})?(?={ESCAPED}["'])
        |{LINE}(?:[ \t]{{0,8}}{LINE})?[ \t]{{2,16}}(?=[^\s:=<>{{}}()\[\]\#"'`\\-]
          [^\s:(){{}}\[\]"'`\\]{{5,200}}[ \t]*(?:\r?\n|\\|$))(?=[^\n\\]{{0,40}}[0-9])
        # What stands behind a fallback: `= env.X || "…"`, `= get("X", "…")`, `: ${{X:-…}}`.
        |[\w.$!]{{1,40}}(?:\([ ]?{WORD}[^()\n"']{{0,20}}\)|\[{WORD}\])?!?[ ]
          (?:\|\||\?\?|\?:|or)[ ](?={ESCAPED}["'`])
        |[\w.$]{{1,40}}\([ ]?{WORD},[ ]?(?={ESCAPED}["'`])
        |["']?\$\{{[\w.\-]{{1,60}}:(?!\?)[-=]?)?)
    | (?P<fallback>[ ]?(?:\|\||\?\?|\?:|or)[ ](?={ESCAPED}["'`]))
    | (?P<encoded>%3[AaDd](?:%20)?|\\u003[ad])
    | (?P<valued>[,;]?{GAP}{{0,20}}(?:-\s)?{ESCAPED}["']?(?:value|Value|VALUE|content|val){ESCAPED}["']?
        [ ]{{0,8}}[:=][ ]{{0,4}}
      |\s{{1,3}}(?:--body|-b|--value|--secret-string|--secret-value|--data)[ =])
    | (?P<xml>(?:\s[^<>]{{0,60}})?>{GAP}{{0,8}}(?:<!\[CDATA\[|<(?:value|string)>)?
      |</(?:td|th|dt|b|strong|key|label|name|code|span|string)>{GAP}{{0,24}}<(?:td|dd|string|value|span|code)[^<>]{{0,40}}>)
    | (?P<comma>[ \t]{{0,3}},[ \t\n]{{0,12}}(?={ESCAPED}["'`]))
    | (?P<call>[ \t]?\(\s{{0,8}}(?={ESCAPED}["'`]))
    | (?P<part>(?<=["'])(?:\r?\n\r?\n|\\r\\n\\r\\n|\\n\\n)(?=[^\s\\]))
    | (?P<prose>[ \t]{{1,3}}(?:(?:{OF})[ ][^\n]{{1,40}}?[ ])?
        (?:is|was|are|be|will[ ]be|set[ ]to|changed[ ]to|reset[ ]to|as|to|now|ist|lautet|est|es|[eé]|är|è|:)
        (?:[ ](?:now|this|the[ ]following))?[ ]?:?[ \t]{{1,3}}
        |[ ](?:{OF}|from|we|I|you|they|that)[ ][^\n:=]{{1,30}}:[ ]
        |是[:：\s]{{0,2}}|：\s?|は[:：\s]?|は、|은\s|는\s|[ ]?—[ ]|[ ]-[ ])
    | (?P<table>[ \t]{{0,30}}\|[ \t]{{0,30}}(?:\{{\{{)?)
    | (?P<space>[ \t]{{1,8}})
    )""",
    re.VERBOSE,
)
QUOTE = Expression(r"[rbufRBUF@$L]{0,2}(\\{0,7})(\"\"\"|'''|[\"'`]|&quot;|&\#34;|%22|\\u0022|“|‘|«)|(\*\*|__)")
BARE = Expression(r"[^\s\"'`<>,;|\\“”，。；、」]{1,512}")
SCHEMES = (
    "token",
    "bearer",
    "apikey",
    "api-key",
    "key",
    "oauth",
    "bot",
    "ssws",
    "genie-key",
    "splunk",
    "digest",
    "is",
    "=",
    "->",
)
SCHEME = Expression(r"(?i:bearer|token|apikey|basic)%20")
FIELD = Expression(r"name=\\{0,3}[\"'][\w.\-\[\]]{1,60}\Z")
"""The name of a part of a form (RFC 7578), whose value stands below an empty line."""
CLOSERS = {"“": "”", "‘": "’", "«": "»"}
SETTING = Expression(
    r"(?:requirepass|masterauth|rootpw|password|passwd|secret|token|api[_-]?key|auth[_-]?token"
    r"|[\w.]*[_.](?:password|secret|token|key))$",
    re.IGNORECASE,
)
# Words after which a name and its value stand apart by a space alone (netrc, Dockerfile, shell).
LEADS = frozenset(
    (
        "login",
        "user",
        "username",
        "machine",
        "ENV",
        "ARG",
        "export",
        "set",
        "setx",
        "SET",
        "setenv",
        "--global",
        "--system",
    )
)
ASSIGNERS = ("export", "set", "ENV", "ARG", "SET", "setx", "-e", "--env", "+", "-", ">", "env", "local", "declare")
PROSE = Expression(
    rf"[ \t]{{1,3}}(?:{OF}|from|we|I|you|they|that|is|was|are|be|will|set|changed|reset|as|now|ist"
    r"|string|String|lautet|est|es"
    r"|[eé]|är|è)[ :]"
)
# A word that can stand beside a name with nothing between (`the password Xy12…`): eight characters, a digit or a mark.
BESIDE = Expression(
    r"[ \t]{1,4}[\"'`*]{0,2}(?=[^\s\"'`<>,;|\\()\[\]{}]{8})(?=[A-Za-z@#!$%^&*_+=?-]{0,40}[0-9])"
    r"(?=[^\s]{0,60}[A-Za-z])[^\s\"'`<>,;|\\()\[\]{}=:/]{8,200}(?=[\s\"'`*.,;:!?)]|\\[nr\"]|$)"
)


# The rest of a line behind a word such as `token` or `key` that can hold no value: no figure, no twelve letters in a
# row, and nothing that goes on in the next line. Most of what code says about tokens, told in a tenth of a reading.
# INVARIANT: only behind words that promise less than a password does; under those, letters alone can be one.
# INVARIANT: bounded, or a long line of such words would cost the square of its length.
_WORDS = r"(?:[A-Za-z]{0,11}+[^A-Za-z0-9\n]){0,40}+[A-Za-z]{0,11}+"
_LAST = r"(?:\n(?!\s{0,20}(?:-\s)?\\{0,3}[\"']?(?:[vV]al|VALUE|content))|\Z)"
IDLE = Expression(
    rf"[\w.\-]{{0,40}}+(?:(?=[\"'`]{{0,3}}[ ]?[=:.)\]]){_WORDS}(?<=,)\n"
    rf"|(?=[,.)(\]]|[ ][A-Za-z]){_WORDS}(?<=:)\n"
    rf"|{_WORDS}(?<=[\w.)\];!?}}]){_LAST})",
    re.ASCII,
)
IDLE_VALUE = Expression(rf"{_WORDS}(?<=[\w.)\];!?}},]){_LAST}", re.ASCII)
"""The same behind a word and its connector."""
MODEST = frozenset(
    ending for word in ("token", "secret", "credential", "key", "authorization") for ending in _ways(word)
)
"""The last three letters of words that promise less than a password."""


class Reading(NamedTuple):
    """A name and the value under it: where the value stands, and how it was connected."""

    name: str
    start: int
    end: int
    quoted: bool
    how: str
    line: str
    connector: str = ""


def packed(reading: Reading) -> bool:
    """Say whether name and value touch their `=`, as in environment files, and unlike in code."""
    return reading.connector == "=" and first(reading.line, reading.name)


def first(line: str, name: str) -> bool:
    """Say whether a name stands where environment files and shells put one: first on its line or in quotes."""
    before = line[: len(line) - len(name)].rstrip(" \t")
    if not before or before[-1] in "\n;&|`\"'(" or before.endswith(("\\n", "\\t")) or name.startswith("$env:"):
        return True
    return before.rpartition("\n")[2].strip(" \t\"'`(").rpartition(" ")[2] in ASSIGNERS


def _spaced(line: str, name: str) -> bool:
    """Say whether a space alone may connect a name with its value: a flag, or a setting's line."""
    if name.startswith("-"):
        return True
    before = line[: len(line) - len(name)].rstrip(" \t\"'")
    if not before or before[-1] == "\n" or before.endswith("\\n"):
        return SETTING.match(name) is not None
    words = before.rpartition("\n")[2].split()
    return not LEADS.isdisjoint(words[-2:])


def read(text: str, end: int) -> Reading | None:
    """Read the name that the keyword ending at `end` is part of, and the value that follows it, if any does."""
    stop = end
    if text[end - 1] in "=: \"'\n\t\\<*%":
        # The keyword's own last characters are its connector (`pw=`): the name ends before them.
        while text[stop - 1] in "=: \"'\n\t\\<*%":
            stop -= 1
        if text.endswith(" we", 0, stop):
            stop -= 3  # `the key we use: …`
    else:
        tail = TAIL.match(text, end)
        stop = tail.end() if tail else end
        if stop > end and text[stop - 1] in ".-":
            stop -= 1
    following = text[stop : stop + 2]
    if following[:1] in (" ", "\t") and following[1:].isalnum() and PROSE.match(text, stop) is None:
        # A word after a word: most of what is said about tokens and passwords.
        line = text[max(0, stop - 80) : stop]
        if not _spaced(line, _name(line)):
            return _beside(text, stop, line)
    connect = CONNECT.match(text, stop)
    if connect is None:
        return None
    how = connect.lastgroup or ""
    at = connect.end()
    low = stop - 80 if stop > 80 else 0
    if how == "part" and FIELD.search(text, low, stop) is None:
        return None
    opening = QUOTE.match(text, at)
    if opening is None:
        return _bare(text, at, low, stop, connect)
    line = text[low:stop]
    name = _name(line)
    start = opening.end()
    if how == "comma":
        # Only a call that sets something: `define("DB_PASSWORD", "…")`, or a row of a table; never a list of words.
        before = line[: len(line) - len(name)].rstrip("\"'`\\#")
        if not connect["close"] or not (before.endswith(("(", "( ", "\n")) or not before):
            return None
    elif (
        how == "xml"
        or (how == "table" and opening.group(2) != "`")
        or (how == "space" and connect["close"] and not _spaced(line, name))
    ):
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
    if how == "comma":
        behind = text[close + 1 : close + 4].lstrip(" ")[:1]
        row = not line[: len(line) - len(name)].rstrip("\"'`\\#").endswith(("(", "( "))
        if behind not in (("", "\n", "\r") if row else (")", ",")):
            return None
    return Reading(name, start, close, quoted=True, how=how, line=line, connector=connect.group())


def _bare(text: str, at: int, low: int, stop: int, connect: re.Match[str]) -> Reading | None:
    """Read a value without quotes."""
    how = connect.lastgroup or ""
    if how in ("comma", "call", "fallback"):
        return None
    bare = BARE.match(text, at)
    if bare is None:
        return None
    start, close = bare.span()
    if text[close : close + 1] in (" ", "\t") and text[start:close].lower() in SCHEMES:
        bare = BARE.match(text, close + 1)
        if bare is None:
            return None
        start, close = bare.span()
    elif "%20" in bare.group() and (scheme := SCHEME.match(text, start)) is not None:
        start = scheme.end()
    if close - start < 4:
        return None
    line = text[low:stop]
    name = _name(line)
    connector = connect.group()
    if text[start] == "[" and text[close - 1] == "]" and connector in ("=", ":", ": "):
        start, close = start + 1, close - 1
    elif how == "assign" and "${" in connector:
        brace = text.find("}", start, close)
        return Reading(name, start, brace, quoted=True, how=how, line=line, connector=connector) if brace > 0 else None
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
    return Reading(name, start, close, quoted=False, how=how, line=line, connector=connector)


def _beside(text: str, stop: int, line: str) -> Reading | None:
    """Read a value that stands beside its name with nothing but a space between, if it looks like no word at all."""
    found = BESIDE.match(text, stop)
    if found is None:
        return None
    start = stop + len(found.group()) - len(found.group().lstrip(" \t\"'`*"))
    close = start + len(text[start : found.end()].rstrip(".,;:?)"))
    return Reading(_name(line), start, close, quoted=False, how="beside", line=line, connector=" ")


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
    """Give the end of a bare value without the punctuation that is not its own."""
    value = text[start:close]
    if how == "encoded":
        cut = re.search(r"%(?:26|22|27|2C|3B|7D|20|0A)|&", value)
        return start + cut.start() if cut else close
    if how == "prose":
        return start + len(value.rstrip(".,;:?)]}”。，"))
    if "&" in value or ")" in value or "]" in value or "}" in value:
        cut = re.search(r"&(?=[\w.%-]{1,40}=)", value)
        if cut is None and not first(line, name):
            cut = re.search(r"[)\]}]", value)
        if cut:
            value = value[: cut.start()]
    return start + len(value.rstrip(",;)]}:."))
