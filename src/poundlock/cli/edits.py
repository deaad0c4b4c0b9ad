"""Setting values in the text of other tools' configuration files: JSON, TOML, YAML (the simple part), env, shell.

It touches nothing but the settings it is given, and refuses what it can't read: it must never guess.
INVARIANT: what was there stays there. For JSON and TOML that is proved after each edit by reading the result.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poundlock.cli.clients import Setting

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"\s*\[")


def edited(kind: str, text: str, settings: Sequence[Setting]) -> str:
    """Give the text of a configuration file with these settings made. Raises: `ConfigFault` when it can't be read."""
    return _KINDS[kind](text, settings)


def _json(text: str, settings: Sequence[Setting]) -> str:
    try:
        tree: Any = msgspec.json.decode(text) if text.strip() else {}
    except msgspec.DecodeError:
        raise _unread("JSON without comments", settings) from None
    changed = False
    for setting in settings:
        node, made = tree, setting.there
        for key in setting.path[:-1]:
            if not isinstance(node, dict):
                raise _unread("an object of settings", settings)
            if key not in node:
                if made:
                    node = None
                    break
                node[key] = {}
            node = node[key]
        if node is None:
            continue
        if not isinstance(node, dict):
            raise _unread("an object of settings", settings)
        changed = changed or node.get(setting.path[-1]) != setting.value
        node[setting.path[-1]] = setting.value
    if not changed:
        return text
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    indent = len(found[1].expandtabs(2)) if found else 2
    written = msgspec.json.format(msgspec.json.encode(tree), indent=min(indent, 8)).decode()
    return written + ("\n" if not text or text.endswith("\n") else "")


def _toml(text: str, settings: Sequence[Setting]) -> str:
    before = _toml_tree(text, settings)
    for setting in settings:
        text = _toml_set(text, setting)
    wanted = before
    for setting in settings:
        node = wanted
        for key in setting.path[:-1]:
            node = node.setdefault(key, {})
        node[setting.path[-1]] = setting.value
    if _toml_tree(text, settings) != wanted:
        raise _unread("TOML with these settings in plain tables", settings)
    return text


def _toml_tree(text: str, settings: Sequence[Setting]) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise _unread("TOML", settings) from None


def _toml_set(text: str, setting: Setting) -> str:
    *table, key = setting.path
    line = f"{_toml_key(key)} = {_toml_value(setting.value)}\n"
    lines = text.splitlines(keepends=True)
    header = f"[{'.'.join(map(_toml_key, table))}]" if table else ""
    start = next((at + 1 for at, row in enumerate(lines) if row.strip() == header), -1) if table else 0
    if start < 0:
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}{header}\n{line}"
    end = next((at for at in range(start, len(lines)) if _HEADER.match(lines[at])), len(lines))
    for at in range(start, end):
        if lines[at].partition("=")[0].strip() in {key, f'"{key}"'}:
            lines[at] = line
            return "".join(lines)
    last = next((at + 1 for at in range(end - 1, start - 1, -1) if lines[at].strip()), start)
    if last and not lines[last - 1].endswith("\n"):
        lines[last - 1] += "\n"
    # A comment at the head of a file speaks of the whole file: what is new goes under the last setting.
    lines.insert(last, line)
    if not table and last < len(lines) - 1 and _HEADER.match(lines[last + 1]):
        lines.insert(last + 1, "\n")
    return "".join(lines)


def _toml_key(key: str) -> str:
    return key if _BARE.fullmatch(key) else msgspec.json.encode(key).decode()


def _toml_value(value: Any) -> str:
    return msgspec.json.encode(value).decode()  # a JSON string, list or truth value is one of TOML's


def _assignments(form: Callable[[str, str], str]) -> Callable[[str, Sequence[Setting]], str]:
    def edit(text: str, settings: Sequence[Setting]) -> str:
        lines = text.splitlines(keepends=True)
        for setting in settings:
            name = setting.path[0]
            line = form(name, str(setting.value))
            there = re.compile(rf"\s*(?:export\s+)?{re.escape(name)}\s*=")
            at = next((at for at, row in enumerate(lines) if there.match(row)), None)
            if at is not None:
                lines[at] = line
                continue
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            lines.append(line)
        return "".join(lines)

    return edit


def _yaml(text: str, settings: Sequence[Setting]) -> str:
    """Set keys of the outermost mapping, where each stands at the beginning of a line."""
    lines = text.splitlines(keepends=True)
    if any(row.startswith(("{", "- ", "---\n", "\t")) for row in lines[1:]) or (lines and lines[0][0] in "{-\t"):
        raise _unread("a plain mapping in YAML", settings)
    for setting in settings:
        name = setting.path[0]
        here = [at for at, row in enumerate(lines) if row.startswith(f"{name}:")]
        if isinstance(setting.value, tuple):
            if not here:
                _end(lines)
                lines.append(f"{name}:\n")
                here = [len(lines) - 1]
            elif lines[here[0]].partition(":")[2].strip():
                raise _unread(f"`{name}` as a list with one item a line", settings)
            after = here[0] + 1
            indent = re.match(r"\s*", lines[after])[0] if after < len(lines) and "- " in lines[after] else "  "  # type: ignore[index]
            for item in setting.value:
                own = re.compile(rf"\s*-\s+[\"']?{re.escape(item.partition('=')[0])}=")
                lines[after:] = [row for row in lines[after:] if not own.match(row)]
                lines.insert(after, f"{indent}- {msgspec.json.encode(item).decode()}\n")
            continue
        line = f"{name}: {msgspec.json.encode(setting.value).decode()}\n"
        if here:
            lines[here[0]] = line
        else:
            _end(lines)
            lines.append(line)
    return "".join(lines)


def _continue(text: str, settings: Sequence[Setting]) -> str:
    """Set `apiBase` of each of Continue's models, beside its `provider`, for the providers that are named."""
    bases = {setting.path[0]: setting.value for setting in settings}
    provider = re.compile(r"(?P<indent>\s*(?:-\s+)?)provider:\s*[\"']?(?P<name>[\w-]+)[\"']?\s*(?:#.*)?")
    out: list[str] = []
    lines = text.splitlines(keepends=True)
    done = False
    for number, row in enumerate(lines):
        found = provider.fullmatch(row.rstrip("\n"))
        if not found or found["name"] not in bases:
            out.append(row)
            continue
        width = len(found["indent"])
        if _has_base(lines, number, width):
            raise _unread("no `apiBase` of the model's own", settings)
        out.append(row if row.endswith("\n") else f"{row}\n")
        out.append(f"{' ' * width}apiBase: {msgspec.json.encode(bases[found['name']]).decode()}\n")
        done = True
    if not done:
        raise ConfigFault(
            "The file names no model of a provider that Poundlock serves.",
            advice="Set Continue up first: a model with `provider: anthropic`, `openai`, `gemini` or `ollama`.",
        )
    return "".join(out)


def _has_base(lines: list[str], number: int, width: int) -> bool:
    """Tell whether the item of a list of which line `number` is a part has an `apiBase`; `width` is its indent."""

    def own(row: str) -> bool:
        return not row.strip() or len(row) - len(row.lstrip(" ")) >= width or row[:width].strip() == "-"

    start = number
    while start > 0 and own(lines[start - 1]) and lines[start][:width].strip() != "-":
        start -= 1
    end = number + 1
    while end < len(lines) and own(lines[end]) and lines[end][:width].strip() != "-":
        end += 1
    return any(row[width:].startswith("apiBase:") for row in lines[start:end])


def _end(lines: list[str]) -> None:
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"


def _unread(wanted: str, settings: Sequence[Setting]) -> ConfigFault:
    by_hand = "; ".join(".".join(setting.path) for setting in settings)
    return ConfigFault(
        f"The tool's configuration is not {wanted}, so it is left alone.",
        advice=f"Set these by hand, as the tool's page in docs/how-to says: {by_hand}.",
    )


_KINDS: dict[str, Callable[[str, Sequence[Setting]], str]] = {
    "json": _json,
    "toml": _toml,
    "env": _assignments(lambda name, value: f"{name}={value}\n"),
    "shell": _assignments(lambda name, value: f"export {name}={shlex.quote(value)}\n"),
    "yaml": _yaml,
    "continue": _continue,
}
