"""`poundlock policy`: exit codes, and what is said, as text and as JSON lines."""

from __future__ import annotations

import argparse
import json

import pytest

from poundlock.adapters import policyfiles
from poundlock.cli import policy
from poundlock.core.errors import ConfigFault
from poundlock.core.policy import cases
from tests.core.policy.shipped import pack

SHIPPED = len(cases.read(policyfiles.cases()[policyfiles.CASES], source="default"))


def run(*arguments: str) -> int:
    """Run the command with these arguments."""
    parser = argparse.ArgumentParser()
    policy.add_parser(parser.add_subparsers())
    return policy.run(parser.parse_args(["policy", *arguments]))


@pytest.fixture
def team(tmp_path):
    """Give a policy file that blocks e-mail addresses, with its case."""
    file = tmp_path / "team.cedar"
    file.write_text(
        '@id("team.mail") @reason("No mail.") @advice("Leave it out.")\n'
        'forbid (principal, action in [Action::"sendDisguised", Action::"sendApproved"], resource)\n'
        'when { resource in Kind::"pii.email" };'
    )
    (tmp_path / "team.cases.toml").write_text(
        '[[case]]\nnote = "Mail blocks."\nfacts.found = [{ kind = "pii.email" }]\n'
        'want = { rung = "blocked", reasons = ["team.mail"] }\n'
    )
    return file


def test_check_finds_nothing_in_the_pack(capsys):
    """The default pack alone is clean."""
    assert run("check") == 0
    assert capsys.readouterr().out == f"{len(pack().policies)} policies in 1 files: no problems.\n"


def test_check_tells_each_problem_with_what_to_do(capsys, tmp_path):
    """Every problem has a place, a sentence and an advice; the code is 1."""
    file = tmp_path / "x.cedar"
    file.write_text('\n@id("x") forbid (principal, action == Action::"send", resource in Kind::"pii");')
    assert run("check", str(file)) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}:2: x: a forbid has no @reason",
        '  Say in one sentence why: @reason("…").',
        f"{file}:2: x: a forbid has no @advice",
        '  Say in one sentence what to do instead: @advice("…").',
    ]
    assert run("check", "--json", str(file)) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["line"], row["policy"], row["what"]) for row in rows] == [
        (2, "x", "a forbid has no @reason"),
        (2, "x", "a forbid has no @advice"),
    ]


def test_check_of_nothing_is_not_clean(capsys):
    """Without any policy everything would be blocked, and that is said."""
    assert run("check", "--no-default") == 1
    assert "no policy to check" in capsys.readouterr().err


def test_a_policy_and_its_case_pass(capsys, team):
    """The team's case runs beside the pack's, against both; what it tightens in the pack is told, and is no failure."""
    assert run("test", str(team)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "changed: default.cases.toml: Personal data is disguised, whatever the destination has signed.",
        "  rung is blocked, wanted sendDisguised",
        "  treatments are impound, wanted disguise",
        "changed: default.cases.toml: Many e-mail addresses are neither health nor payment data.",
        "  rung is blocked, wanted sendDisguised",
        "  treatments are impound, wanted disguise",
        f"{SHIPPED + 1} cases, 0 failed, 2 changed.",
    ]


def test_the_pack_s_own_cases_pass(capsys):
    """Without other files nothing may have changed."""
    assert run("test") == 0
    assert capsys.readouterr().out == f"{SHIPPED} cases, 0 failed, 0 changed.\n"


def test_a_case_that_fails_is_told(capsys, team):
    """The file, the note and each difference are printed, and the code is 1."""
    cases = team.with_suffix(".cases.toml")
    cases.write_text(cases.read_text().replace('"blocked"', '"send"'))
    assert run("test", str(team)) == 1
    assert capsys.readouterr().out.splitlines()[-3:] == [
        f"failed: {cases}: Mail blocks.",
        "  rung is blocked, wanted send",
        f"{SHIPPED + 1} cases, 1 failed, 2 changed.",
    ]
    assert run("test", "--json", str(team)) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[-2] == {
        "file": str(cases),
        "note": "Mail blocks.",
        "is": "failed",
        "differences": ["rung is blocked, wanted send"],
    }
    assert (rows[-1]["cases"], rows[-1]["failed"], rows[-1]["changed"]) == (SHIPPED + 1, 1, 2)


def test_no_cases_are_not_a_pass(capsys, team):
    """A test run that tested nothing fails."""
    team.with_suffix(".cases.toml").unlink()
    assert run("test", "--no-default", str(team)) == 1
    assert "there are no cases" in capsys.readouterr().err


def test_show_lists_what_is_in_force(capsys, team):
    """Each policy with its words and its place, then the digest that records carry."""
    assert run("show", str(team)) == 0
    out = capsys.readouterr().out
    assert f"team.mail  (forbid sendApproved, sendDisguised; {team}:1)\n  No mail.\n  Leave it out.\n" in out
    assert out.splitlines()[-1].startswith(f"{len(pack().policies) + 1} policies, digest ")
    assert run("show", "--json", str(team)) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[-1] == {
        "id": "team.mail",
        "file": str(team),
        "line": 1,
        "effect": "forbid",
        "actions": ["sendApproved", "sendDisguised"],
        "reason": "No mail.",
        "advice": "Leave it out.",
        "control": "",
        "holds": False,
        "kind": "",
        "team": "",
    }


def test_show_prints_the_schema(capsys):
    """All the words of a policy are to be had from the command line."""
    assert run("show", "--schema") == 0
    assert "entity Part in [Kind]" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_a_fault(tmp_path):
    """The command line turns the fault into exit code 2."""
    with pytest.raises(ConfigFault, match="can't be read"):
        run("check", str(tmp_path / "none.cedar"))


@pytest.mark.parametrize("let", ["sendDisguised", "sendLocal", "sendApproved", "blocked"])
def test_a_new_policy_passes_its_case(let, tmp_path, monkeypatch, capsys):
    """What `new` writes is checked, and its case holds beside the pack; it never writes over a file."""
    monkeypatch.chdir(tmp_path)
    assert run("new", "acme.badges", "--kind", "infrastructure.acme", "--let", let) == 0
    assert capsys.readouterr().out == "acme.badges.cedar\nacme.badges.cases.toml\n"
    assert run("test", "acme.badges.cedar", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["failed"] == 0
    with pytest.raises(ConfigFault, match="there already"):
        run("new", "acme.badges", "--kind", "pii")


def test_a_new_policy_of_no_family_is_refused(tmp_path, monkeypatch):
    """A kind that no family has, or a name that is none, writes nothing."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigFault, match="no family"):
        run("new", "acme.x", "--kind", "badges")
    with pytest.raises(ConfigFault, match="not a name"):
        run("new", "../x", "--kind", "pii")
    assert list(tmp_path.iterdir()) == []
