"""What `poundlock init TOOL --hooks` writes: a tool's own list of hooks, and the note that the hook's client reads.

It must never take out or change a hook that is somebody else's.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from poundlock.cli import attach, edits, hook_client
from poundlock.cli.clients import Setting
from poundlock.core.errors import ConfigFault
from poundlock.wire import hooks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poundlock.adapters.keys import Keys
    from poundlock.config import Settings

SECONDS = 60
"""How long an agent waits for a hook; when it is over, most of them let the tool run."""


class Place(NamedTuple):
    """Where an agent keeps its hooks, and in what shape: groups of hooks with a matcher, or a flat list."""

    file: str
    events: tuple[str, ...]
    grouped: bool = True
    milliseconds: bool = False


_USUAL = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse")
PLACES: Mapping[str, Place] = {
    "claude-code": Place("~/.claude/settings.json", (*_USUAL, "SessionEnd")),
    "codex": Place("~/.codex/hooks.json", _USUAL),
    "qwen-code": Place("~/.qwen/settings.json", (*_USUAL, "SessionEnd")),
    "gemini-cli": Place("~/.gemini/settings.json", tuple(hooks.EVENTS["gemini-cli"]), milliseconds=True),
    "copilot-cli": Place("~/.copilot/hooks/poundlock.json", tuple(hooks.EVENTS["copilot-cli"]), grouped=False),
    "cursor": Place(
        "~/.cursor/hooks.json",
        ("sessionStart", "beforeSubmitPrompt", "preToolUse", "beforeReadFile", "postToolUse", "sessionEnd"),
        grouped=False,
    ),
}
"""The agents for which hooks are set up."""


def noted(tool: str) -> str:
    """Give the name under which it is noted what was changed for a tool's hooks."""
    return f"hooks-{tool}"


def note_of(folder: Path, tool: str) -> Path:
    """Give the path of what the hook's client reads for a tool."""
    return folder / "hooks" / tool


def changes(
    tool: str, settings: Settings, folder: Path, token: str, *, when_away: str, http: bool
) -> list[attach.Change]:
    """Give what is to be written for a tool's hooks. Raises: `ConfigFault`."""
    place = PLACES.get(tool)
    if place is None:
        raise ConfigFault(f"Poundlock sets up no hooks for {tool}.", advice=f"It does for: {', '.join(PLACES)}.")
    if not settings.gateway.port:
        raise ConfigFault("The gateway has no fixed port (gateway.port is 0).", advice="Give it one in poundlock.toml.")
    if http and tool != "claude-code":
        raise ConfigFault("Only Claude Code asks over HTTP by itself.", advice="Leave --http out.")
    note = note_of(folder, tool)
    file = Path(place.file).expanduser()
    before, mode = attach.read(file)
    try:
        text = (before or b"").decode()
    except UnicodeDecodeError:
        raise ConfigFault(f"{file} is not UTF-8, so it is left alone.") from None
    url = f"http://127.0.0.1:{settings.gateway.port}{f'/t/{token}' if token else ''}/hook/{tool}"
    ours = {event: _entry(tool, place, event, note, url if http else "") for event in place.events}
    made = [Setting(path=("hooks", event), value=value) for event, value in _added(text, ours).items()]
    if not place.grouped and "version" not in text:
        version: Any = 1
        made.insert(0, Setting(path=("version",), value=version))
    after = edits.edited("json", text, made).encode()
    out = [attach.Change(path=str(file), before=before, after=after, mode=mode)]
    if not http:
        kept, _ = attach.read(note)
        written = told(tool, settings.gateway.port, token, when_away)
        out.append(attach.Change(path=str(note), before=kept, after=written.encode(), mode=0o600))
    return out


def told(tool: str, port: int, token: str, when_away: str) -> str:
    """Give the note for the hook's client: agent, port, credential, what to do without a gateway, and its answers."""
    lines = [tool, str(port), token, when_away]
    for name in PLACES[tool].events:
        event = hooks.Event(tool, hooks.EVENTS[tool][name], name)
        if event.kind in {"start", "end"}:
            continue
        answer = (
            hooks.replaces(event, hook_client.AWAY) if event.kind == "after" else hooks.stops(event, hook_client.AWAY)
        )
        lines.append(f"{name} {answer.code} {msgspec.json.encode(answer.answer).decode()}")
    return "\n".join(lines) + "\n"


def command(note: Path, event: str) -> str:
    """Give the command that an agent runs for an event."""
    # Of the interpreter only the standard library is wanted: without the environment's folder it starts faster.
    words = [os.path.realpath(sys.executable), "-I", "-S", str(Path(hook_client.__file__).resolve()), str(note), event]
    return shlex.join(words)


def _entry(tool: str, place: Place, event: str, note: Path, url: str) -> dict[str, Any]:
    run = command(note, event)
    if tool == "cursor":
        closed = hooks.EVENTS[tool][event] in {"prompt", "before", "read"}
        return {"command": run, "timeout": SECONDS, **({"failClosed": True} if closed else {})}
    if not place.grouped:
        return {"type": "command", "bash": run, "timeoutSec": SECONDS}
    wait = SECONDS * (1000 if place.milliseconds else 1)
    own: dict[str, Any] = {"type": "http", "url": url} if url else {"type": "command", "command": run}
    inner = {**own, "timeout": wait}
    if tool == "gemini-cli":
        inner["name"] = "poundlock"
    tools = hooks.EVENTS[tool][event] in {"before", "after"}
    return {**({"matcher": "*"} if tools else {}), "hooks": [inner]}


def _added(text: str, ours: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Give the lists of hooks with ours at their ends. Raises: `ConfigFault` for a file of another shape."""
    listed = _hooks(text)
    out: dict[str, Any] = {}
    for event, entry in ours.items():
        there = listed.get(event, [])
        if not isinstance(there, list):
            raise ConfigFault(
                "The tool's hooks are not lists, so they are left alone.", advice="See docs/how-to/hooks.md."
            )
        out[event] = [*there, entry]
    return out


def _hooks(text: str) -> dict[str, Any]:
    try:
        tree = msgspec.json.decode(text) if text.strip() else {}
    except msgspec.DecodeError:
        tree = None
    listed = tree.get("hooks", {}) if isinstance(tree, dict) else None
    if not isinstance(listed, dict):
        raise ConfigFault(
            "The tool's configuration is not JSON without comments, so it is left alone.",
            advice="Set the hooks by hand, as docs/how-to/hooks.md says.",
        )
    return listed


def undo(folder: Path, keys: Keys, tool: str) -> Sequence[str]:
    """Bring the files back as they were; of one that has changed since, take only our hooks out.

    Gives the paths. Raises: `ConfigFault`.
    """
    done = attach.attached(folder, noted(tool))
    if done is None:
        raise ConfigFault(f"There are no hooks to take out of {tool}.", advice=f"Type: poundlock init {tool} --hooks")
    try:
        attach.undo(folder, keys, noted(tool))
    except ConfigFault:
        note = note_of(folder, tool)
        file = Path(PLACES[tool].file).expanduser()
        data, mode = attach.read(file)
        if data is not None:
            after = _without(data.decode(), (str(note), f"/hook/{tool}"))
            attach.write(file, after.encode(), mode)
        note.unlink(missing_ok=True)
        attach.forget(folder, noted(tool))
    return [row.path for row in done.files]


def _without(text: str, marks: Sequence[str]) -> str:
    """Give a tool's file without the hooks that hold one of these marks."""

    def ours(entry: Any) -> bool:
        inner = entry.get("hooks") if isinstance(entry, dict) else None
        rows = inner if isinstance(inner, list) else [entry]
        texts = [str(row.get(name, "")) for row in rows if isinstance(row, dict) for name in ("command", "bash", "url")]
        return any(mark in text for text in texts for mark in marks)

    kept = {
        event: [entry for entry in entries if not ours(entry)] if isinstance(entries, list) else entries
        for event, entries in _hooks(text).items()
    }
    value: Any = {event: entries for event, entries in kept.items() if entries}
    return edits.edited("json", text, [Setting(path=("hooks",), value=value)])
