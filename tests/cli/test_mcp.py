"""`poundlock mcp`: the register, and a tool's own configuration moved behind the gate and back."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from poundlock.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "POUNDLOCK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_register(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    """A server is added with options before or after its name, listed without its keys, and removed."""
    key = "k" * 20
    assert main(["mcp", "add", "--local", "files", "--", "npx", "server", "--url", "x"]) == 0
    assert main(["mcp", "add", "far", "--url", "https://x.example/mcp?k=1", "--header", f"Authorization: {key}"]) == 0
    assert main(["mcp", "add", "near", "--env", f"KEY={key}", "--local", "--", "server"]) == 0
    capsys.readouterr()
    assert main(["mcp", "list", "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["files"]["local"], rows["near"]["local"], rows["far"]["transport"]) == (True, True, "http")
    assert main(["mcp", "list"]) == 0
    shown = capsys.readouterr().out
    assert key not in shown
    assert "k=1" not in shown
    assert key.encode() not in (home / ".local/state/poundlock/mcp.sealed").read_bytes()
    assert main(["mcp", "remove", "far"]) == 0
    assert main(["mcp", "remove", "far"]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["mcp", "add", "x"],
        ["mcp", "add", "x", "--url", "https://a.example", "--", "command"],
        ["mcp", "add", "a__b", "--", "command"],
        ["mcp", "add", "x", "--url", "ftp://a.example"],
        ["mcp", "add", "x", "--env", "NAME", "--", "command"],
        ["mcp", "review", "nobody"],
        ["mcp", "serve", "nobody"],
        ["mcp", "wrap", "nothing"],
    ],
)
def test_what_is_wrong_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong order is refused in words, and nothing is registered."""
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("poundlock: ")


def test_wrap_and_undo(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tool's servers move behind the gate, their keys out of the file; undo brings back every byte."""
    key = "v" * 24
    file = home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    servers = {
        "git hub": {"command": "npx", "args": ["-y", "server"], "env": {"TOKEN": key}},
        "far": {"url": "https://mcp.example/x", "headers": {"Authorization": f"Bearer {key}"}, "kept": True},
    }
    before = json.dumps({"other": 1, "mcpServers": servers}, indent=3)
    file.write_text(before)
    assert main(["mcp", "wrap", "cursor", "--yes"]) == 0
    assert key not in capsys.readouterr().out
    after = json.loads(file.read_text())
    assert after["other"] == 1
    assert after["mcpServers"]["git hub"]["args"] == ["mcp", "serve", "git-hub"]
    assert after["mcpServers"]["far"] == {"url": "http://127.0.0.1:8787/mcp/far", "headers": {}, "kept": True}
    assert key not in file.read_text()
    assert main(["mcp", "wrap", "cursor", "--yes"]) == 2
    assert main(["mcp", "wrap", "cursor", "--undo"]) == 0
    assert file.read_text() == before


def test_wrap_toml(home: Path) -> None:
    """Codex's configuration is TOML; what else it holds stays."""
    file = home / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text('model = "x"  # mine\n\n[mcp_servers.files]\ncommand = "npx"\nargs = ["-y", "server"]\n')
    assert main(["mcp", "wrap", "codex", "--yes"]) == 0
    text = file.read_text()
    assert "# mine" in text
    assert tomllib.loads(text)["mcp_servers"]["files"]["args"] == ["mcp", "serve", "files"]
