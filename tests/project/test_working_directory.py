"""Promise 12: nothing that lies in a working directory opens the gate."""

import random
import string

import pytest

from poundlock import compose, config
from poundlock.adapters import places
from poundlock.core.model import Context, Destination, Document, Principal, Rung, ScopeKey, Segment
from poundlock.core.pipeline import inspect

KEY = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
TOKEN = "ghp_" + "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=36))


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Give a working directory whose files all try to open the gate."""
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", places.CONFIG_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "repository"
    for name in ("poundlock.toml", ".poundlock.toml", ".config/poundlock/poundlock.toml", "poundlock/poundlock.toml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('mode = "monitor"\n[policy]\ndefault_pack = false\n')
    (folder / "pyproject.toml").write_text('[tool.poundlock]\nmode = "monitor"\n')
    (folder / ".poundlockignore").write_text("*\n")
    (folder / "open.cedar").write_text("permit (principal, action, resource);\n")
    monkeypatch.chdir(folder)
    return folder


def test_settings_of_a_working_directory_are_not_read(repository):
    """With such files all around, the settings are the defaults."""
    assert places.read_settings() == config.Settings()


def test_they_are_read_where_the_user_names_them(repository):
    """The same file counts as soon as its path is given: the test above can fail."""
    assert places.read_settings("poundlock.toml").mode == "monitor"


@pytest.mark.parametrize("mark", ["poundlock:allow", "gitleaks:allow", "pragma: allowlist secret", "nosecret"])
def test_inline_suppressions_do_not_open_the_gate(repository, mark):
    """A credential on a line with a suppression is disguised all the same."""
    text = f"GITHUB_TOKEN={TOKEN}  # {mark}"
    verdict = inspect(
        Document(provider="test", operation="chat", segments=(Segment(text=text, origin="file"),), conversation="c"),
        Context(
            principal=Principal(human="ada"),
            destination=Destination(name="anthropic", vendor="anthropic", endpoint="https://example.test"),
        ),
        compose.snapshot(config.Settings()),
        KEY,
        1,
        id="one",
    )
    assert verdict.decision.rung is Rung.SEND_DISGUISED
    assert TOKEN not in verdict.texts[0]
    assert verdict.texts[0].endswith(f"# {mark}")
