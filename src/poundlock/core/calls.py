"""A tool call as an action: what it reads, writes, runs and reaches, for policy to judge.

Commands are read as a shell reads them, paths as paths and URLs as URLs. What can't be read to its end counts as
everything that a conservative reading of its words finds. It must never carry a value into a record: what is kept for
one are names from tables and counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.core import sinks
from poundlock.core.actions import files, networks, programs, shell
from poundlock.core.actions.shell import table
from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poundlock.core.actions.shell import Script

CLASSES = ("read", "write", "execute", "network", "credential", "privilege", "release")
"""What an action can be, each a word that policies may use."""

_PATHS = table("""
    file_path filepath path paths filename file files target_file targetfile absolute_path notebook_path dir_path
    dirpath directory folder source destination src dst old_path new_path relative_workspace_path uri target cwd
    """)
_COMMANDS = table("command cmd script shell_command bash code chars args arguments input program commands")
_WRITES = re.compile(r"write|edit|create|insert|replace|patch|delete|rename|move|append|save|mkdir|make|notebook|apply")
_URL_HOST = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://(?:[^/?#@\s\"']*@)?(\[[0-9a-f:.]+\]|[^/:?#\s\"'<>\\]+)", re.IGNORECASE
)
_NESTING = 64
_KEPT = 64


class Action(Value, frozen=True, kw_only=True):
    """What one call would do. `touches` has `reads:CLASS` and `writes:CLASS` for files that matter (see `files`).

    `sends`: the call puts a file's or a pipe's content on the network. `known`: every program in it is in our tables.
    """

    _hidden = frozenset({"files", "hosts", "flags", "programs"})

    tool: str
    sink: str
    server: str = ""
    classes: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    network: bool = False
    sends: bool = False
    readable: bool = True
    known: bool = True


def server_of(tool: str) -> str:
    """Give the MCP server that a tool's name says it belongs to (`mcp__server__tool`), or nothing."""
    plain = tool.removeprefix("mcp__")
    return plain.partition("__")[0] if "__" in plain.strip("_") else ""


def describe(tool: str, arguments: Any) -> Action:
    """Say what a call of `tool` with these decoded arguments would do: a JSON tree, or the text itself."""
    if isinstance(arguments, str):
        arguments = _decoded(arguments)
    sink = sinks.judge(tool, _texts(arguments))
    if sink.kind == "command":
        return _command(tool, arguments, network=sink.network)
    named = list(_named(arguments))
    paths = [text for key, text in named if key in _PATHS and "://" not in text]
    paths += [path for _, text in named for path in files.patched(text)]
    hosts = [host.lower() for _, text in named for host in _URL_HOST.findall(text)] if sink.kind != "file" else []
    classes: set[str] = set()
    touches: set[str] = set()
    if sink.kind == "file":
        writes = bool(_WRITES.search(tool.lower())) or any(files.patched(text) for _, text in named)
        verb = "writes" if writes else "reads"
        classes.add(verb.removesuffix("s"))
        touches |= {f"{verb}:{name}" for name in files.classes(paths)}
    if sink.network:
        classes.add("network")
    return _action(
        tool,
        sink=sink.kind,
        server=server_of(tool),
        classes=classes,
        touches=touches,
        files=paths,
        hosts=hosts,
        network=sink.network,
        sends=sink.network,
    )


def unreadable(tool: str) -> Action:
    """Give the action of a call whose arguments can't be read: anything may be in them."""
    sink = sinks.in_doubt(tool)
    classes = {"execute", "network"} if sink.network else {"write"}
    return _action(
        tool, sink=sink.kind, server=server_of(tool), classes=classes, network=sink.network, sends=sink.network,
        readable=False, known=False,
    )  # fmt: skip


def _action(tool: str, **fields: Any) -> Action:
    for name in ("classes", "touches", "programs", "files", "hosts", "flags"):
        fields[name] = tuple(sorted(fields.get(name, ())))[:_KEPT]
    return Action(tool=tool, **fields)


def _command(tool: str, arguments: Any, *, network: bool) -> Action:
    """Read what a command tool is told to run."""
    texts = list(_command_lines(arguments))
    script = [shell.parse(text) for text in texts]
    readable = bool(texts) and all(each.readable for each in script)
    classes: set[str] = set()
    names: set[str] = set()
    reads: set[str] = set()
    mentioned: set[str] = set()  # in code: perhaps a file
    writes: set[str] = set()
    hosts: set[str] = set()
    flags: set[str] = set()
    sends = False
    known = True
    for command, plain in _all(script):
        reading = programs.read(command, networks.PROGRAMS | networks.WORDY_PROGRAMS, networks.SUBCOMMANDS)
        readable = readable and plain
        classes |= reading.classes
        names.add(reading.program)
        reads.update(reading.reads)
        writes.update(reading.writes)
        hosts.update(reading.hosts)
        flags.update(reading.flags)
        sends = sends or reading.sends
        known = known and reading.known
        if reading.code:
            mentioned.update(_looks_like_paths([reading.code]))
            if sinks.reaches_out(reading.code):
                classes.add("network")
    if network:
        classes.add("network")
    if not readable:
        classes |= {"execute", "network"}
    out = "network" in classes
    touches = {f"reads:{name}" for name in files.classes(reads | mentioned)} | {
        f"writes:{name}" for name in files.classes(writes)
    }
    if not readable or not known:
        # Code and unknown programs may open whatever they name.
        touches |= {f"reads:{name}" for name in files.classes(_looks_like_paths(texts))}
    return _action(
        tool,
        sink="command",
        classes=classes,
        touches=touches,
        programs=names - {""},
        files=reads | writes,
        hosts=hosts,
        flags=flags,
        network=out,
        sends=sends or (out and not readable),
        readable=readable,
        known=known,
    )


def _all(scripts: Iterable[Script]) -> Iterator[tuple[shell.Command, bool]]:
    for script in scripts:
        for command in script.commands:
            yield from programs.unwrapped(command)


def _command_lines(arguments: Any) -> Iterator[str]:
    """Give the command lines in a call's arguments: a member that holds one, a list of words, or the text itself."""
    if isinstance(arguments, str):
        yield arguments
    elif isinstance(arguments, dict):
        found = False
        for key, item in arguments.items():
            if key.lower() in _COMMANDS:
                found = True
                yield from _command_lines(item)
        if not found:
            for _, text in _named(arguments):
                yield text
    elif isinstance(arguments, list) and all(isinstance(item, str) for item in arguments):
        yield " ".join(_quoted(item) for item in arguments)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def _looks_like_paths(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from re.split(r"[\s'\"`;|&()<>=,@\[\]{}]+", text)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text


def _texts(node: Any) -> list[str]:
    return [text for key, text in _named(node) for text in (key, text)]


def _named(node: Any, key: str = "", levels: int = _NESTING) -> Iterator[tuple[str, str]]:
    """Give every string of a tree with the lower-case name of the member that it stands in."""
    if isinstance(node, str):
        yield key, node
    elif levels and isinstance(node, list):
        for item in node:
            yield from _named(item, key, levels - 1)
    elif levels and isinstance(node, dict):
        for name, item in node.items():
            yield from _named(item, str(name).lower(), levels - 1)
