"""Reads values to register: environment files, credential files, exports of password managers, tables, plain lines.

Must never print or keep a value, write to what it reads, or say more of a bad file than its name.
"""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import tomllib
import zipfile
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from poundlock.core.detect import lexical, registration
from poundlock.core.detect.registration import Named
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Form = Literal["", "env", "json", "csv", "toml", "sqlite", "1pux", "pgpass", "netrc", "lines"]
LARGEST = 256 << 20  # bytes of a file
SQLITE = b"SQLite format 3\0"
ZIP = b"PK\x03\x04"
SETTING = re.compile(r"""^\s*(?:-\s+)?(?:export\s+|set\s+)?["']?([\w./:@-]*[\w-])["']?\s*(?:=|:\s)\s*(.*)$""")
"""A line of a dotenv, INI, properties, npmrc or flat YAML file: a name, `=` or `: `, a value."""
QUOTED = re.compile(r"""(["'])(.*?)(?<!\\)\1\s*(?:[#;].*)?$""")
NETRC = re.compile(r"\b(password|account)\s+(\S+)")
FOLDERS = frozenset(("PWD", "OLDPWD"))
HIDDEN = ("concealed", "totp")
OTPAUTH = re.compile(r"^otpauth://\S*[?&]secret=([A-Za-z2-7]+)")


def values(data: bytes, name: str, form: Form = "", columns: Sequence[str] = ()) -> Iterator[tuple[Named, bool]]:
    """Yield the values of a file, each with whether somebody chose it (its column, or its line).

    `columns` are names of a table's columns (of a database: `table.column`). Raises: `ConfigFault`.
    """
    form = form or sort(data, name)
    if form == "sqlite":
        raise ConfigFault(f"{name} is a database", advice="Name its file and --column TABLE.COLUMN.")
    if columns and form != "csv":
        raise ConfigFault(f"{name} has no columns", advice="--column is for CSV, TSV and SQLite files.")
    if form == "1pux":
        data, form = _one_password(data, name), "json"
    text = _text(data, name)
    if form == "json":
        yield from _parts((item, False) for item in _tree(_json(text, name)))
    elif form == "toml":
        yield from _parts((item, False) for item in _tree(_toml(text, name)))
    elif form == "csv":
        yield from _parts(_table(text, name, columns))
    elif form == "lines":
        yield from ((Named("", line.strip()), True) for line in text.splitlines() if line.strip())
    elif form == "pgpass":
        yield from ((Named("password", password), False) for password in _pgpass(text))
    elif form == "netrc":
        yield from ((Named(found[1], found[2]), False) for found in NETRC.finditer(text))
    else:
        yield from _parts((item, False) for item in _settings(text))


def sort(data: bytes, name: str) -> Form:
    """Tell a file's form from its content, else from its name; a plain settings file is what is left."""
    base = name.replace("\\", "/").rpartition("/")[2].lower()
    if data.startswith(SQLITE):
        return "sqlite"
    if data.startswith(ZIP):
        return "1pux"
    if data.lstrip()[:1] in (b"{", b"["):
        head = data.lstrip()[:200]
        # An INI file begins with `[section]` on a line of its own.
        return "json" if head[:1] == b"{" or not re.match(rb"\[[\w .:@/-]+\]\s*(?:\n|$)", head) else "env"
    if base.endswith((".csv", ".tsv")):
        return "csv"
    if base.endswith(".toml"):
        return "toml"
    if base in {".netrc", "_netrc"}:
        return "netrc"
    if base in {".pgpass", "pgpass.conf"}:
        return "pgpass"
    return "env"


def database(path: str, columns: Sequence[str]) -> Iterator[tuple[Named, bool]]:
    """Yield the values of a SQLite file's columns, `table.column` each. Raises: `ConfigFault`."""
    if not columns:
        raise ConfigFault(f"{path} is a database", advice="Say what to read: --column TABLE.COLUMN")
    try:
        # Opened read-only: a database that is in use stays as it is.
        connection = sqlite3.connect(f"file:{_uri(path)}?mode=ro", uri=True)
    except sqlite3.Error as fault:
        raise ConfigFault(f"{path} can't be opened: {fault}") from None
    try:
        for chosen in columns:
            table, dot, column = chosen.rpartition(".")
            known = {row[1] for row in connection.execute(f"PRAGMA table_info({_identifier(table)})")}
            if not dot or column not in known:
                raise ConfigFault(f"{path} has no column {chosen}", advice="Name it as TABLE.COLUMN.")
            query = f"SELECT DISTINCT {_identifier(column)} FROM {_identifier(table)}"  # noqa: S608 (quoted names of it)
            for (value,) in connection.execute(query):
                if value is not None:
                    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                    yield Named(chosen, text), True
    except sqlite3.Error as fault:
        raise ConfigFault(f"{path} can't be read: {fault}") from None
    finally:
        connection.close()


def environment(environ: Mapping[str, str], *, everything: bool) -> Iterator[tuple[Named, bool]]:
    """Yield the environment's values whose names or looks say that they are secret, or all of them."""
    named = (Named(name, value) for name, value in sorted(environ.items()) if name not in FOLDERS)
    yield from _parts((item, False) for item in named if everything or registration.secretive(*item))


def _uri(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(data: bytes, name: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigFault(f"{name} is not UTF-8 text", advice="Export it as CSV or JSON, or give lines.") from None


def _json(text: str, name: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ConfigFault(f"{name} is not valid JSON", advice="Say what it is: --as lines, for example.") from None


def _toml(text: str, name: str) -> Any:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        raise ConfigFault(f"{name} is not valid TOML") from None


def _one_password(data: bytes, name: str) -> bytes:
    """Give the JSON of a 1Password export: a zip with `export.data` in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entry = archive.getinfo("export.data")
            if entry.file_size > LARGEST:
                raise ConfigFault(f"{name} is too large")
            return archive.read(entry)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, OSError):
        raise ConfigFault(f"{name} is no export of 1Password", advice="Export as CSV, JSON or .1pux.") from None


def _tree(tree: Any, name: str = "") -> Iterator[Named]:
    """Yield the texts of a tree, each under its nearest name.

    A field that says of itself what it holds (`{"name": "pin", "value": "…", "type": 1}`, as password managers write
    them) is named by that; one of a hidden type counts as a password.
    """
    waiting: list[tuple[Any, str]] = [(tree, name)]
    while waiting:
        node, at = waiting.pop()
        if isinstance(node, str):
            yield Named(at, node)
        elif isinstance(node, list):
            waiting.extend((item, at) for item in reversed(node))
        elif isinstance(node, dict):
            title = node.get("name") or node.get("title") or node.get("designation")
            if isinstance(title, str) and isinstance(node.get("value"), str | dict):
                hidden = node.get("type") in (1, "P", "CONCEALED") or node.get("designation") == "password"
                waiting.append((node["value"], f"{title} password" if hidden else title))
                continue
            waiting.extend(
                (item, f"{key} password" if key in HIDDEN else str(key)) for key, item in reversed(node.items())
            )


def _settings(text: str) -> Iterator[Named]:
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";", "//!")):
            continue
        found = SETTING.match(line)
        if not found:
            continue
        value = found[2].strip()
        quoted = QUOTED.match(value)
        if quoted:
            value = quoted[2]
            if quoted[1] == '"' and "\\" in value:
                value = value.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
        else:
            value = re.split(r"\s[#;]", value, maxsplit=1)[0].strip()
        yield Named(found[1].rpartition(":")[2], value)


def _pgpass(text: str) -> Iterator[str]:
    """Yield the passwords of host:port:database:user:password lines, unescaped (PostgreSQL's manual)."""
    for line in text.splitlines():
        fields = re.split(r"(?<!\\):", line.strip())
        if len(fields) == 5 and not line.startswith("#"):
            yield fields[4].replace("\\:", ":").replace("\\\\", "\\")


def _table(text: str, name: str, columns: Sequence[str]) -> Iterator[tuple[Named, bool]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        heads = [head.strip() for head in next(rows, [])]
        wanted = dict.fromkeys(columns, True)
        missing = [head for head in columns if head not in heads]
        if missing:
            raise ConfigFault(f"{name} has no column {missing[0]}", advice=f"It has: {', '.join(heads)[:300]}")
        if not columns:
            wanted = {head: False for head in heads if lexical.strength(head) >= lexical.SECRET}
            wanted |= {head: False for head in heads if "otp" in head.lower()}
            if not wanted:
                raise ConfigFault(f"none of the columns of {name} sounds secret", advice="Name one: --column NAME")
        for row in rows:
            for head, value in zip(heads, row, strict=False):
                if head in wanted and value.strip():
                    yield Named(head, value), wanted[head]
    except csv.Error:
        raise ConfigFault(f"{name} is not valid CSV") from None


def _parts(found: Iterable[tuple[Named, bool]]) -> Iterator[tuple[Named, bool]]:
    """Yield each value, and instead of an address with a password in it the password: that is what leaks."""
    for item, chosen in found:
        name, value = item
        if chosen:
            yield item, chosen
            continue
        plain = value.strip()
        seed = OTPAUTH.match(plain)
        if seed:
            yield Named(name, seed[1]), chosen
        elif "://" in plain[:32]:
            try:
                password = urlsplit(plain).password
            except ValueError:
                password = None
            if password:
                yield Named(f"{name} password", unquote(password)), chosen
            elif registration.secretive(name, plain):
                yield item, chosen
        else:
            yield item, chosen
