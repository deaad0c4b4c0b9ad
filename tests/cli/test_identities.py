"""`poundlock tools`, `tasks`, `revoke`, `token`, and what `run` gives a tool, as a person types them."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poundlock import config as settings_of
from poundlock.adapters import places
from poundlock.cli import errand
from poundlock.cli.main import main


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Give a configuration with a state folder of its own, and a home without anything in it."""
    monkeypatch.delenv(places.CONFIG_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    path = tmp_path / "poundlock.toml"
    path.write_text(f'[state]\ndirectory = "{tmp_path / "state"}"\n')
    return str(path)


@pytest.fixture
def type_(config, capsys):
    """Run a command, and give its exit code and what it said."""

    def run(*arguments):
        where = [] if "--config" in arguments else ["--config", config]
        code = main([*arguments, *where])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def records(config):
    """Give the kinds and ids of all records."""
    done = subprocess.run(
        [sys.executable, "-m", "poundlock", "audit", "export", "--config", config],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_tool_is_added_changed_shown_and_retired(type_, config):
    """Proposed first; a list that is given replaces the one there was; each step is on record."""
    assert type_("tools", "list") == (0, "The register is empty: `poundlock tools add`.\n")
    assert type_("tools", "add", "ci", "--owner", "eve", "--sort", "ci", "--destination", "openai")[0] == 0
    assert type_("tools", "add", "ci") == (
        2,
        "poundlock: The register has this tool already.\n  poundlock tools set ci …\n",
    )
    assert type_("tools", "set", "ci", "--state", "active", "--privilege", "holds", "--review", "2027-01-31")[0] == 0
    assert type_("tools", "set", "ci", "--destination", "ollama", "--class", "pii")[0] == 0
    entry = json.loads(type_("tools", "show", "ci", "--json")[1])
    assert {name: entry[name] for name in ("state", "owner", "sort", "destinations", "classes", "review")} == {
        "state": "active",
        "owner": "eve",
        "sort": "ci",
        "destinations": ["ollama"],
        "classes": ["pii"],
        "review": "2027-01-31",
    }
    assert entry["privileged"] > entry["added"]
    assert "destinations  ollama" in type_("tools", "show", "ci")[1]
    assert type_("tools", "set", "ci", "--destination", "")[0] == 0
    assert json.loads(type_("tools", "show", "ci", "--json")[1])["destinations"] == []
    assert type_("tools", "retire", "ci", "--reason", "no use") == (0, "retired: ci; its tasks have ended\n")
    assert "retired" in type_("tools", "list")[1]
    kinds = [(row["kind"], row["body"].get("what")) for row in records(config)]
    assert kinds == [
        ("tool", "added"),
        ("tool", "changed"),
        ("privilege", None),
        ("tool", "changed"),
        ("tool", "changed"),
        ("revoked", "tool"),
        ("tool", "retired"),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tools", "set", "none", "--state", "active"), "no such tool"),
        (("tools", "show", "none"), "no such tool"),
        (("tools", "add", "a b"), "no name of a tool"),
        (("tools", "add", "a", "--state", "on"), "state"),
        (("tools", "people", "/no/such/file"), "can't be read"),
        (("revoke",), "Name one"),
        (("revoke", "nothing"), "Nothing of this name"),
        (("revoke", "--tool", "none"), "no such tool"),
        (("revoke", "--task", "none"), "no such task"),
        (("revoke", "--task", "none", "--lift"), "stays ended"),
        (("revoke", "a", "--all"), "Name one"),
        (("tasks", "none"), "no such task"),
        (("token", "exchange"), "not a task"),
    ],
)
def test_what_means_nothing_is_told(type_, monkeypatch, arguments, said):
    """Exit 2, with a next step."""
    monkeypatch.delenv("POUNDLOCK_TOKEN", raising=False)
    code, words = type_(*arguments)
    assert (code, said in words) == (2, True), words


def test_a_name_that_means_two_things_is_asked_about(type_):
    """A tool and a person of the same name."""
    type_("tools", "add", "ada", "--owner", "ada")
    type_("revoke", "--person", "ada")
    code, said = type_("revoke", "ada")
    assert (code, "ada is tool and person." in said) == (2, True)
    assert type_("revoke", "--person", "ada", "--lift") == (0, "lifted: ada\n")


@pytest.mark.parametrize(
    "text",
    ["# who works here\nada\n\nbob\n", '{"Resources":[{"userName":"ada"},{"userName":"bob","active":true}]}'],
)
def test_a_list_of_people_says_whose_tools_need_an_owner(type_, tmp_path, text):
    """One name a line, or SCIM; the review lists what is left without an owner, with the command."""
    type_("tools", "add", "a", "--owner", "ada")
    type_("tools", "add", "b", "--owner", "eve", "--state", "active")
    path = tmp_path / "people"
    path.write_text(text)
    assert type_("tools", "people", str(path)) == (0, "2 there; left: eve; back: nobody\n")
    code, said = type_("tools", "review")
    assert code == 1
    assert "owner       b: Its owner eve has left.\n            poundlock tools set b --owner PERSON\n" in said
    assert "proposed    a: It waits for somebody to admit it." in said


def test_somebody_who_left_by_scim(type_, tmp_path):
    """A user who is not active is not there."""
    type_("tools", "add", "b", "--owner", "eve")
    path = tmp_path / "people"
    path.write_text('{"Resources":[{"userName":"ada"},{"userName":"eve","active":false}]}')
    assert type_("tools", "people", str(path))[1] == "1 there; left: eve; back: nobody\n"
    path.write_text("# nobody\n")
    assert type_("tools", "people", str(path))[0] == 2


def test_the_review_names_keys_and_files(type_, config, tmp_path):
    """Credentials that don't end, and files with long-lived ones, each with what to type."""
    type_("init", "--credential", "me")
    (tmp_path / "home" / ".netrc").write_text("x")
    code, said = type_("tools", "review")
    assert code == 1
    assert "dotfile     ~/.netrc: " in said
    assert "key         me" not in said, "it is new"
    path = tmp_path / "state" / "credentials.json"
    path.write_text(path.read_text().replace('"made"', '"then"').replace('"then"', '"made"'))
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([{**row, "made": 0} for row in rows]))
    assert (
        "key         me: It does not end by itself.\n            poundlock init --revoke me"
        in type_("tools", "review")[1]
    )


def test_a_run_is_a_task_in_the_register(config, type_):
    """The tool is enrolled with who runs it as its owner, and the task lives as long as the run."""
    loaded = places.read_settings(config)
    with errand.opened(loaded, tool="my tool!", program="tool") as opened:
        assert opened.token.startswith("pl_")
        code, said = type_("tasks")
        assert (code, opened.task in said, "my-tool-" in said, "lives" in said) == (0, True, True, True)
        assert type_("revoke", opened.task)[0] == 0
        assert opened.task not in type_("tasks")[1]
    assert "The task was ended: revoked." in type_("tasks", opened.task)[1]


def test_a_run_of_a_tool_that_nobody_registered_is_refused_where_the_team_says_so(config, type_):
    """With what to type; and a suspended tool is refused anywhere."""
    path = Path(config)
    path.write_text(path.read_text() + "[identity]\nenrol = false\n")
    code, said = type_("run", "--quiet", "--config", config, "--", "true")
    assert (code, "The tool true is not in the register." in said) == (2, True)
    type_("tools", "add", "true", "--state", "suspended")
    assert "The tool true is suspended." in type_("run", "--quiet", "--config", config, "--", "true")[1]


def test_a_task_is_renewed_while_its_process_lives(config, monkeypatch):
    """By a timer's signal in the waiting process, without a thread."""
    monkeypatch.setattr(errand, "RENEW", 0.05)
    renewed = []
    real = errand.register.within
    monkeypatch.setattr(errand.register, "within", lambda *args: renewed.append(time.monotonic()) or real(*args))
    with errand.opened(places.read_settings(config), tool="t", program="t"):
        time.sleep(0.3)
    assert len(renewed) >= 4
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_sub_agent_gets_less_by_command(config, type_, monkeypatch):
    """`token exchange` in the task's environment; wider is refused."""
    with errand.opened(places.read_settings(config), tool="t", program="t", scopes=["send:openai"]) as opened:
        monkeypatch.setenv("POUNDLOCK_TOKEN", opened.token)
        code, token = type_("token", "exchange", "--max-tier", "internal", "--seconds", "60")
        assert (code, token.startswith("pl_"), token.strip() != opened.token) == (0, True, True)
        assert type_("token", "exchange", "--scope", "send")[0] == 2
        rows = [json.loads(line) for line in type_("tasks", "--json")[1].splitlines()]
        assert sorted((row["depth"], row["max_tier"], row["scopes"]) for row in rows) == [
            (0, "restricted", ["send:openai"]),
            (1, "internal", ["send:openai"]),
        ]
    assert type_("tasks")[1].startswith("No task lives.")


def test_what_a_tool_takes_along(tmp_path, capsys):
    """Not the developer's other credentials, unless somebody said so; and what was kept from it is told."""
    inherited = {"HOME": str(tmp_path), "PATH": "/bin", "AWS_ACCESS_KEY_ID": "a", "SSH_AUTH_SOCK": "s", "X_TOKEN": "t"}
    (tmp_path / ".netrc").write_text("x")

    def given(text="", keep=(), tool="claude-code", quiet=False):
        with contextlib.ExitStack() as stack:
            loaded = settings_of.load(text)
            return errand.environment(inherited, loaded, tool=tool, keep=keep, stack=stack, quiet=quiet)

    assert given() == {"HOME": str(tmp_path), "PATH": "/bin", "NETRC": "/dev/null"}
    assert capsys.readouterr().err == (
        "poundlock: kept from the tool: AWS_ACCESS_KEY_ID, SSH_AUTH_SOCK, X_TOKEN, the netrc files "
        "(--keep NAME leaves one)\n"
    )
    assert given(keep=["aws", "netrc", "X_TOKEN"], quiet=True) == {
        name: value for name, value in inherited.items() if name != "SSH_AUTH_SOCK"
    }
    assert given('[identity]\nkeep = ["ssh"]\n')["SSH_AUTH_SOCK"] == "s"
    assert given("[identity]\nscrub = false\n") == inherited
    capsys.readouterr()


def test_a_repository_is_known_by_its_remote(tmp_path):
    """From any folder in it; where there is none, by nothing."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / ".git").mkdir()
    (tmp_path / "a" / ".git" / "config").write_text('[remote "origin"]\n\turl = git@github.com:northwind/orders.git\n')
    assert errand.repository(tmp_path / "a" / "b") == "github.com/northwind/orders"
    assert errand.repository(tmp_path) in {"", errand.repository(tmp_path.parent)}


def test_every_change_can_be_explained(type_, config):
    """By the tool's or the task's id: who changed what, and why."""
    type_("tools", "add", "ci", "--owner", "eve", "--state", "active")
    type_("tools", "set", "ci", "--privilege", "holds")
    type_("revoke", "ci", "--reason", "leaked")
    code, said = type_("explain", "ci")
    assert code == 0
    assert "  tool      added by " in said
    assert "  from      drafts\n  to        holds\n" in said
    assert "  revoked   tool by " in said
    assert "  because   leaked\n" in said
    with errand.opened(places.read_settings(config), tool="t", program="t") as opened:
        pass
    code, said = type_("explain", opened.task)
    assert "  task      issued by " in said
    assert "  scopes    send, mcp\n" in said
    assert "  because   the tool has ended\n" in said
