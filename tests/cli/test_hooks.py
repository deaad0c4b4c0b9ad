"""`poundlock init TOOL --hooks`: what is written, what of the tool's own stays, and that it goes again."""

from __future__ import annotations

import json
import shlex
import stat
from typing import TYPE_CHECKING, Any

import pytest

from poundlock.adapters.credentials import Credentials
from poundlock.cli import hook_client, hooking
from poundlock.cli.main import main
from poundlock.wire import hooks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "POUNDLOCK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _file(home: Path, tool: str) -> Path:
    return home / hooking.PLACES[tool].file.removeprefix("~/")


def _commands(entry: Any) -> list[str]:
    rows = entry.get("hooks", [entry])
    return [row.get("command") or row.get("bash") or row.get("url") for row in rows]


@pytest.mark.parametrize("tool", hooking.PLACES)
def test_hooks_are_set_up_and_go(home: Path, tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each event runs the client with the tool's note; the diff shows no credential; undo leaves the home as it was."""
    assert main(["init", tool, "--hooks", "--yes"]) == 0
    file = _file(home, tool)
    listed = json.loads(file.read_text())["hooks"]
    note = home / ".local/state/poundlock/hooks" / tool
    assert set(listed) == set(hooking.PLACES[tool].events)
    for event, entries in listed.items():
        assert event in hooks.EVENTS[tool]
        (command,) = _commands(entries[-1])
        words = shlex.split(command)
        assert words[1:] == ["-I", "-S", hook_client.__file__, str(note), event]
    lines = note.read_text().splitlines()
    assert lines[:2] == [tool, "8787"]
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert lines[2] not in capsys.readouterr().out
    told = {line.split(" ", 2)[0]: line.split(" ", 2)[1:] for line in lines[4:]}
    stopping = {name for name in listed if hooks.EVENTS[tool][name] in {"prompt", "before", "read"}}
    assert {name for name, (code, _) in told.items() if code == "2"} == stopping
    assert all("not running" in answer for name, (_, answer) in told.items() if name in stopping)
    known = Credentials(home / ".local/state/poundlock/credentials.json")
    found = known.find(lines[2])
    assert found is not None
    assert found.tool == tool
    assert main(["init", tool, "--hooks", "--yes"]) == 2, "twice is refused"
    assert main(["init", tool, "--hooks", "--undo"]) == 0
    assert not file.exists()
    assert not note.exists()
    assert Credentials(home / ".local/state/poundlock/credentials.json").find(lines[2]) is None


def _own(home: Path) -> Path:
    file = _file(home, "claude-code")
    file.parent.mkdir()
    mine = {"matcher": "Bash", "hooks": [{"type": "command", "command": "true"}]}
    file.write_text(json.dumps({"theme": "dark", "hooks": {"PreToolUse": [mine], "Stop": [mine]}}))
    return file


def test_others_stay(home: Path) -> None:
    """Hooks that were there stay, before ours; undo brings back every byte."""
    file = _own(home)
    before = file.read_bytes()
    assert main(["init", "claude-code", "--hooks", "--yes"]) == 0
    tree = json.loads(file.read_bytes())
    assert tree["theme"] == "dark"
    assert [len(tree["hooks"][name]) for name in ("PreToolUse", "Stop", "PostToolUse")] == [2, 1, 1]
    assert _commands(tree["hooks"]["PreToolUse"][0]) == ["true"]
    assert main(["init", "claude-code", "--hooks", "--undo"]) == 0
    assert file.read_bytes() == before


def test_a_file_that_changed_since_loses_only_ours(home: Path) -> None:
    """What was changed meanwhile stays; our hooks, and nothing else, are taken out."""
    file = _own(home)
    before = json.loads(file.read_bytes())
    assert main(["init", "claude-code", "--hooks", "--yes"]) == 0
    tree = json.loads(file.read_bytes())
    tree["theme"] = "light"
    file.write_text(json.dumps(tree))
    assert main(["init", "claude-code", "--hooks", "--undo"]) == 0
    assert json.loads(file.read_bytes()) == {**before, "theme": "light"}
    assert not (home / ".local/state/poundlock/hooks/claude-code").exists()


def test_over_http(home: Path) -> None:
    """Claude Code can ask by itself: the URL holds the credential, and there is no note."""
    assert main(["init", "claude-code", "--hooks", "--http", "--yes"]) == 0
    listed = json.loads(_file(home, "claude-code").read_text())["hooks"]
    (url,) = _commands(listed["PreToolUse"][0])
    assert url.startswith("http://127.0.0.1:8787/t/pl_")
    assert url.endswith("/hook/claude-code")
    assert not (home / ".local/state/poundlock/hooks").exists()
    assert main(["init", "claude-code", "--hooks", "--undo"]) == 0
    assert main(["init", "codex", "--hooks", "--http", "--yes"]) == 2


def test_when_away(home: Path) -> None:
    """Whoever wants the agent to go on without a gateway says so once, and it is noted."""
    assert main(["init", "codex", "--hooks", "--yes", "--when-away", "allow"]) == 0
    assert (home / ".local/state/poundlock/hooks/codex").read_text().splitlines()[3] == "allow"


def test_only_shown(home: Path) -> None:
    """With --diff nothing is written, and no credential is left."""
    assert main(["init", "cursor", "--hooks", "--diff"]) == 0
    assert not _file(home, "cursor").exists()
    assert json.loads((home / ".local/state/poundlock/credentials.json").read_text()) in ({}, [], {"credentials": []})


@pytest.mark.parametrize("words", [["aider", "--hooks"], ["--hooks"], ["codex", "--hooks", "--undo"]])
def test_what_is_wrong_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A tool without hooks, no tool, and hooks that aren't there are refused in words."""
    assert main(["init", *words, *(() if "--undo" in words else ("--yes",))]) == 2
    assert capsys.readouterr().err.startswith("poundlock: ")


def test_a_file_that_can_not_be_read_is_left_alone(home: Path) -> None:
    """JSON with comments, or hooks of another shape, stay as they are."""
    file = _file(home, "gemini-cli")
    file.parent.mkdir()
    for text in ('{"a": 1, // why\n}', '{"hooks": []}', '{"hooks": {"BeforeTool": {}}}'):
        file.write_text(text)
        assert main(["init", "gemini-cli", "--hooks", "--yes"]) == 2
        assert file.read_text() == text


def test_hook_without_a_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    """`poundlock hook` of an agent that was never set up ends with 2, which stops, and says what to type."""
    assert main(["hook", "codex", "PreToolUse"]) == 2
    assert "poundlock init codex --hooks" in capsys.readouterr().err
