"""`poundlock init TOOL`: the change is shown, made, and taken back to the byte."""

import json
import stat
import tomllib

import pytest

from poundlock.adapters import places
from poundlock.adapters.credentials import Credentials
from poundlock.cli.clients import known
from poundlock.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Give each test a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_CACHE_HOME",
        places.CONFIG_VARIABLE,
        "COPILOT_PROVIDER_TYPE",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def settings(home):
    """Give Claude Code's settings, with something in them."""
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"theme": "dark", "apiKey": "%s"}' % ("k" * 20))
    path.chmod(0o644)
    return path


def credentials(home):
    """Give the file of credentials."""
    return Credentials(home / ".local/state/poundlock/credentials.json")


def test_it_writes_shows_and_undoes(home, settings, capsys):
    """The file gets a URL with a credential of this tool, is its owner's alone, and comes back with its mode."""
    before = settings.read_bytes()
    assert main(["init", "claude-code", "--yes"]) == 0
    shown = capsys.readouterr().out
    url = json.loads(settings.read_text())["env"]["ANTHROPIC_BASE_URL"]
    token = url.rpartition("/")[2]
    assert url == f"http://127.0.0.1:8787/t/{token}"
    assert "ANTHROPIC_BASE_URL" in shown
    assert token not in shown
    assert "k" * 20 not in shown
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    found = credentials(home).find(token)
    assert (found.name, found.tool) == ("init-claude-code", "claude-code")

    assert main(["init", "claude", "--undo"]) == 0
    assert settings.read_bytes() == before
    assert stat.S_IMODE(settings.stat().st_mode) == 0o644
    assert credentials(home).find(token) is None


def test_what_a_file_held_is_kept_sealed(home, settings):
    """Nothing of the tool's own file stands in the state folder in clear."""
    main(["init", "claude-code", "--yes"])
    for path in (home / ".local/state/poundlock").rglob("*"):
        assert path.is_dir() or b"k" * 20 not in path.read_bytes()
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077


def test_a_file_that_changed_since_is_left_alone(home, settings, capsys):
    """Undo refuses, all stays, and `--forget` ends the credential and the note."""
    main(["init", "claude-code", "--yes"])
    changed = settings.read_text().replace("dark", "light")
    settings.write_text(changed)
    assert main(["init", "claude-code", "--undo"]) == 2
    assert "--forget" in capsys.readouterr().err
    assert settings.read_text() == changed
    assert len(credentials(home).all()) == 1
    assert main(["init", "claude-code", "--forget"]) == 0
    assert settings.read_text() == changed
    assert credentials(home).all() == []
    assert main(["init", "claude-code", "--undo"]) == 2


def test_nothing_is_written_unasked(home, settings, capsys, monkeypatch):
    """`--diff` only shows; without a terminal it does not ask; and a no is a no. No credential stays."""
    before = settings.read_bytes()
    assert main(["init", "claude-code", "--diff"]) == 0
    assert main(["init", "claude-code"]) == 2
    assert "--yes" in capsys.readouterr().err

    class Terminal:
        def isatty(self):
            return True

        def readline(self):
            return "\n"

    monkeypatch.setattr("sys.stdin", Terminal())
    assert main(["init", "claude-code"]) == 1
    assert settings.read_bytes() == before
    assert credentials(home).all() == []


def test_a_new_file_goes_again(home):
    """Where there was no file, there is none afterwards."""
    assert main(["init", "codex", "--yes"]) == 0
    path = home / ".codex/config.toml"
    assert 'env_key = "OPENAI_API_KEY"' in path.read_text()
    assert main(["init", "codex", "--undo"]) == 0
    assert not path.exists()


def test_codex_with_a_login_of_its_own(home):
    """Where Codex has a login, its provider uses that."""
    (home / ".codex").mkdir()
    (home / ".codex/auth.json").write_text("{}")
    assert main(["init", "codex", "--yes"]) == 0
    text = (home / ".codex/config.toml").read_text()
    assert "requires_openai_auth = true" in text
    assert "env_key" not in text
    assert "/v1" in text


@pytest.mark.parametrize(
    ("login", "path"),
    [
        ({"tokens": {"access_token": "x"}, "OPENAI_API_KEY": None}, "/backend-api/codex"),
        ({"tokens": {"access_token": "x"}, "OPENAI_API_KEY": "k"}, "/v1"),
        ({"OPENAI_API_KEY": "k"}, "/v1"),
    ],
)
def test_codex_with_an_account(home, login, path):
    """The login of a ChatGPT account asks at another path than a key does."""
    (home / ".codex").mkdir()
    (home / ".codex/auth.json").write_text(json.dumps(login))
    assert main(["init", "codex", "--yes", "--open"]) == 0
    provider = tomllib.loads((home / ".codex/config.toml").read_text())["model_providers"]["poundlock"]
    assert provider["base_url"] == f"http://127.0.0.1:8787{path}"


def test_twice_is_refused(settings, capsys):
    """The second time would keep the first one's change as the tool's own."""
    main(["init", "claude-code", "--yes"])
    once = settings.read_bytes()
    assert main(["init", "claude-code", "--yes"]) == 2
    assert "--undo" in capsys.readouterr().err
    assert settings.read_bytes() == once


def test_a_link_stays_a_link(home, settings):
    """Whoever keeps such files elsewhere finds the change there."""
    elsewhere = home / "dotfiles.json"
    settings.rename(elsewhere)
    settings.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    main(["init", "claude-code", "--yes"])
    assert settings.is_symlink()
    assert b"ANTHROPIC_BASE_URL" in elsewhere.read_bytes()
    main(["init", "claude-code", "--undo"])
    assert settings.is_symlink()
    assert elsewhere.read_bytes() == before


def test_without_a_credential(home, settings):
    """`--open` leaves the credential out of the file."""
    assert main(["init", "claude-code", "--open", "--yes"]) == 0
    assert json.loads(settings.read_text())["env"] == {"ANTHROPIC_BASE_URL": "http://127.0.0.1:8787"}
    assert credentials(home).all() == []


@pytest.mark.parametrize("client", [client.id for client in known()])
def test_every_tool_comes_back_as_it_was(home, client):
    """For each tool: written, then back to the byte, in a home with a configuration of each kind."""
    (home / ".continue").mkdir()
    (home / ".continue/config.yaml").write_text("models:\n  - name: a\n    provider: openai\n")
    cline = home / ".cline/data/settings/providers.json"
    cline.parent.mkdir(parents=True)
    cline.write_text('{"providers": {"openai-compatible": {"settings": {"apiKey": "k"}}}}')
    skip = home / ".local"
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and skip not in path.parents}
    assert main(["init", client, "--yes"]) == 0
    during = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and skip not in path.parents}
    assert during != before
    assert main(["init", client, "--undo"]) == 0
    after = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and skip not in path.parents}
    assert after == before


def test_a_tool_that_is_not_set_up_is_named(capsys):
    """Cline keeps its providers in a file of its own making: without it there is nothing to write."""
    assert main(["init", "cline", "--yes"]) == 2
    assert "Set the tool up first" in capsys.readouterr().err


def test_a_gateway_without_a_port_is_named(home, settings, capsys):
    """A port that changes with each start can't stand in a file."""
    config = home / "p.toml"
    config.write_text("[gateway]\nport = 0\n")
    assert main(["init", "claude-code", "--yes", "--config", str(config)]) == 2
    assert "gateway.port" in capsys.readouterr().err


def test_options_of_a_tool_alone_are_refused(capsys):
    """`--undo` without a tool is a fault."""
    assert main(["init", "--undo"]) == 2
    assert "tool" in capsys.readouterr().err
