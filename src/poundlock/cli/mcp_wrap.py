"""`poundlock mcp wrap`: move the MCP servers of a tool's own configuration behind the gate, and back.

Every server becomes one of the register, with its variables sealed there, and its entry the gate in front of it. What
the file held is kept, so that `--undo` brings it back byte by byte. Must never print a server's variables or headers.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from poundlock.core.errors import ConfigFault
from poundlock.core.mcp import Server

if TYPE_CHECKING:
    import argparse

    from poundlock.config import Settings

# The tools' user-wide files, and the member that holds the servers. Sources: each tool's documentation on MCP.
TOOLS: dict[str, tuple[str, str]] = {
    "claude-code": ("~/.claude.json", "mcpServers"),
    "claude-desktop": ("~/.config/Claude/claude_desktop_config.json", "mcpServers"),
    "codex": ("~/.codex/config.toml", "mcp_servers"),
    "cursor": ("~/.cursor/mcp.json", "mcpServers"),
    "vscode": ("~/.config/Code/User/mcp.json", "servers"),
    "copilot-cli": ("~/.copilot/mcp-config.json", "mcpServers"),
    "gemini-cli": ("~/.gemini/settings.json", "mcpServers"),
    "qwen-code": ("~/.qwen/settings.json", "mcpServers"),
    "windsurf": ("~/.codeium/windsurf/mcp_config.json", "mcpServers"),
    "zed": ("~/.config/zed/settings.json", "context_servers"),
}
_ROOTS = ("mcpServers", "servers", "mcp_servers", "context_servers")
_URLS = ("url", "httpUrl", "serverUrl")
_HEADERS = ("headers", "http_headers")


class _Entry(NamedTuple):
    """A server of the file: its server for the register, and what its entry becomes."""

    server: Server
    settings: list[tuple[tuple[str, ...], Any]]


def wrap(args: argparse.Namespace, settings: Settings) -> int:
    """Move a file's servers behind the gate, or back. Exit 0: done. 1: nothing was written."""
    from poundlock import compose
    from poundlock.adapters import keys, places
    from poundlock.cli import attach, edits
    from poundlock.cli.clients import Setting
    from poundlock.cli.init import agreed

    path, root = _place(args.file)
    folder = places.state_folder(settings)
    master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
    note = "mcp-" + re.sub(r"[^A-Za-z0-9]+", "-", str(path)).strip("-")[-80:]
    register = compose.mcp_servers(settings)
    if args.undo:
        done = attach.undo(folder, master, note)
        sys.stdout.write("".join(f"as it was: {row.path}\n" for row in done.files))
        return 0
    before, mode = attach.read(path)
    if before is None:
        raise ConfigFault(f"There is no file {path}.", advice="Name the tool, or the file that holds its MCP servers.")
    kind = "toml" if path.suffix == ".toml" else "json"
    entries = _entries(_tree(before, kind, path), root, kind, settings, set(register.servers()))
    if not entries:
        raise ConfigFault(f"{path} names no MCP server that is not behind the gate already.")
    made = [Setting(path=at, value=value) for entry in entries for at, value in entry.settings]
    after = edits.edited(kind, before.decode(), made).encode()
    change = attach.Change(path=str(path), before=before, after=after, mode=mode)
    shown = change.shown()
    for value in (
        each for entry in entries for kept in (entry.server.env, entry.server.headers) for each in kept.values()
    ):
        shown = shown.replace(value, "…") if value else shown
    sys.stdout.write(shown + "\n")
    if not args.yes and not agreed():
        sys.stdout.write("Nothing was written.\n")
        return 1
    for entry in entries:
        register.put(entry.server)
    attach.apply(folder, master, note, [change])
    names = ", ".join(entry.server.name for entry in entries)
    sys.stdout.write(
        f"wrote: {path}\nBehind the gate now: {names}. `poundlock mcp wrap {args.file} --undo` brings all back.\n"
    )
    return 0


def _place(given: str) -> tuple[Path, str]:
    """Give the file, and the member that holds its servers, if that is known."""
    file, root = TOOLS.get(given, (given, ""))
    path = Path(file).expanduser().resolve()
    if given not in TOOLS and "/" not in given and not path.exists():
        raise ConfigFault(f"There is no tool or file {given!r}.", advice=f"Known tools: {', '.join(sorted(TOOLS))}.")
    return path, root


def _tree(data: bytes, kind: str, path: Path) -> Any:
    try:
        return tomllib.loads(data.decode()) if kind == "toml" else msgspec.json.decode(data)
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigFault(f"{path} is not plain {kind.upper()}, so it is left alone.") from None


def _entries(tree: Any, root: str, kind: str, settings: Settings, taken: set[str]) -> list[_Entry]:
    """Give the servers of a file that are not behind the gate yet."""
    roots = [root] if root else [name for name in _ROOTS if isinstance(tree, dict) and name in tree]
    found: list[_Entry] = []
    for name in roots:
        held = tree.get(name) if isinstance(tree, dict) else None
        for key, entry in (held or {}).items():
            if isinstance(entry, dict) and (made := _entry((name, key), entry, kind, settings, taken)) is not None:
                taken.add(made.server.name)
                found.append(made)
    return found


def _entry(at: tuple[str, str], entry: dict[str, Any], kind: str, settings: Settings, taken: set[str]) -> _Entry | None:
    name = re.sub(r"[^A-Za-z0-9-]+", "-", at[1]).strip("-") or "server"
    while name in taken:
        name += "-2"
    command, words = entry.get("command"), entry.get("args", [])
    if isinstance(command, str) and isinstance(words, list) and all(isinstance(word, str) for word in words):
        if words[:2] == ["mcp", "serve"]:
            return None
        env = entry.get("env")
        kept = {str(key): str(value) for key, value in env.items()} if isinstance(env, dict) and kind == "json" else {}
        cwd = entry.get("cwd")
        server = Server(name=name, command=(command, *words), env=kept, cwd=cwd if isinstance(cwd, str) else "")
        changes: list[tuple[tuple[str, ...], Any]] = [
            ((*at, "command"), _own()),
            ((*at, "args"), ["mcp", "serve", name]),
        ]
        return _Entry(server, [*changes, ((*at, "env"), {})] if kept else changes)
    for member in _URLS:
        url = entry.get(member)
        if isinstance(url, str):
            own = f"http://{settings.gateway.host}:{settings.gateway.port}/mcp/"
            if url.startswith(own):
                return None
            headers: dict[str, Any] = next((entry[each] for each in _HEADERS if isinstance(entry.get(each), dict)), {})
            sealed = {str(key).lower(): str(value) for key, value in headers.items()} if kind == "json" else {}
            changes = [((*at, member), own + name)]
            changes += [((*at, each), {}) for each in _HEADERS if sealed and each in entry]
            return _Entry(Server(name=name, url=url, headers=sealed), changes)
    return None


def _own() -> str:
    """Give the command that starts this installation."""
    return shutil.which("poundlock") or str(Path(sys.argv[0]).resolve())
