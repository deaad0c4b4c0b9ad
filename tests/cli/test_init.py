"""`poundlock init`: a first configuration, credentials that are shown once."""

import stat

import pytest

from poundlock import config
from poundlock.adapters import places
from poundlock.adapters.credentials import Credentials
from poundlock.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Give each test a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", places.CONFIG_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_it_writes_a_configuration_that_means_the_defaults(home, capsys):
    """Every setting stands there as a comment with its default."""
    assert main(["init"]) == 0
    path = home / ".config/poundlock/poundlock.toml"
    assert config.load(path.read_text()) == config.Settings()
    assert str(path) in capsys.readouterr().out


NEEDED = {
    "providers.NAME.upstream": '"https://api.example.com"',
    "identity.workloads.NAME.claims": '{ sub = "spiffe://corp.example/*" }',
    "identity.workloads.NAME.tool": '"ci"',
    "rollout.mode": '"monitor"',
    "sandboxes.name": '"n"',
    "sandboxes.until": '"2100-12-31"',
    "sandboxes.people": '["ada"]',
    "accounts.NAME.provider": '"openai"',
    "accounts.NAME.organisations": '["org"]',
    "budgets.NAME.measure": '"exchanges"',
    "budgets.NAME.limit": "100",
    "resources.NAME.backend": '"postgres"',
    "resources.NAME.secret_env": '"ADMIN"',
}
"""What stands in the place of `required`, or is needed with it."""


def test_every_line_of_the_template_can_be_taken_in_use():
    """Without its comment sign each setting is valid, and has its default."""
    from poundlock.cli.init import template

    lines = []
    table = ""
    for line in template().splitlines():
        name, _, value = line.removeprefix("# ").partition(" = ")
        if line.startswith("# ["):
            table = line.strip("# []") + "."
            lines.append(line.removeprefix("# "))
        elif name.isidentifier() and value:
            assert value != "required" or table + name in NEEDED, f"a value for {table}{name} is missing above"
            lines.append(f"{name} = {NEEDED.get(table + name, value)}")
    settings = config.load("\n".join(lines))
    assert settings.providers["NAME"].upstream == "https://api.example.com"
    assert settings.gateway == config.Gateway()


def test_it_never_overwrites(home, capsys):
    """A configuration that is there stays."""
    path = home / ".config/poundlock/poundlock.toml"
    path.parent.mkdir(parents=True)
    path.write_text('mode = "monitor"\n')
    assert main(["init"]) == 0
    assert path.read_text() == 'mode = "monitor"\n'
    assert "kept" in capsys.readouterr().out


def test_the_state_folder_is_the_users_alone(home):
    """Nobody else may enter it."""
    main(["init"])
    mode = (home / ".local/state/poundlock").stat().st_mode
    assert stat.S_IMODE(mode) == 0o700


def test_a_credential_is_shown_once_and_kept_as_a_digest(home, capsys):
    """The file knows it again, and does not hold it."""
    main(["init", "--credential", "ci"])
    token = capsys.readouterr().out.strip()
    path = home / ".local/state/poundlock/credentials.json"
    assert token.startswith("pl_")
    assert token not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Credentials(path).find(token).name == "ci"


def test_a_credential_can_be_ended(home, capsys):
    """It is unknown from then on, also to who has read the file before."""
    main(["init", "--credential", "ci"])
    token = capsys.readouterr().out.strip()
    known = Credentials(home / ".local/state/poundlock/credentials.json")
    assert known.find(token)
    assert main(["init", "--revoke", "ci"]) == 0
    assert known.find(token) is None
    assert main(["init", "--revoke", "ci"]) == 2


def test_others_may_not_enter_the_state_folder(home, capsys):
    """A folder that is open to others is refused, with what to type."""
    folder = home / ".local/state/poundlock"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    assert main(["init"]) == 2
    assert "chmod 700" in capsys.readouterr().err


def test_a_repository_can_not_bring_a_configuration(home, monkeypatch):
    """Promise 12: the working directory is never looked at."""
    repository = home / "repository"
    repository.mkdir()
    (repository / "poundlock.toml").write_text('mode = "monitor"\n')
    monkeypatch.chdir(repository)
    assert places.read_settings().mode == "enforce"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "unknown field `x`"),
        ('[gateway]\nport = "a"', "$.gateway.port"),
        ('[providers.a]\nupstream = "ftp://x"', "providers.a.upstream"),
        ("mode = ", "not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_named(home, capsys, text, said):
    """The file, the key and what is wrong."""
    path = home / "p.toml"
    path.write_text(text)
    assert main(["doctor", "--config", str(path)]) == 1
    assert said in capsys.readouterr().out


def test_a_credential_names_human_tool_and_team(home, capsys):
    """What is registered with it stands beside its digest."""
    assert main(["init", "--credential", "ci", "--human", "ada", "--tool", "nightly", "--team", "data"]) == 0
    token = capsys.readouterr().out.strip()
    found = Credentials(home / ".local/state/poundlock/credentials.json").find(token)
    assert (found.name, found.human, found.tool, found.team) == ("ci", "ada", "nightly", "data")


def test_options_of_a_credential_alone_are_refused(home, capsys):
    """`--tool` without `--credential` would do nothing, silently: it is a fault."""
    assert main(["init", "--tool", "nightly"]) == 2
    assert "--credential" in capsys.readouterr().err
    assert not (home / ".config").exists()
