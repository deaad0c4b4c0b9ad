"""The command line as a whole: exit codes, help, completion, faults in words."""

import subprocess
import sys

import pytest

from poundlock.cli import main as cli
from poundlock.core.errors import ConfigFault


def test_without_a_command_it_helps_and_exits_2(capsys):
    """Usage is an error, and it is answered with help."""
    assert cli.main([]) == 2
    assert "poundlock demo" in capsys.readouterr().out


def test_help_names_every_command(capsys):
    """Whatever can be typed is listed, with a line each."""
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert [name for name in cli.COMMANDS if f"\n  {name} " not in out] == []


def test_version(capsys):
    """It says its version."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("poundlock ")


def test_a_mistyped_command_gets_a_suggestion(capsys):
    """What was meant is said, on standard error, with exit 2."""
    assert cli.main(["scna"]) == 2
    assert "Did you mean 'scan'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_has_a_parser_and_help(name, capsys):
    """`poundlock COMMAND --help` works for each."""
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    assert f"poundlock {name}" in capsys.readouterr().out


def test_one_parser_holds_all_commands():
    """The parser for completion and reference is made of the same modules."""
    assert cli.parser().parse_args(["completion", "bash"]).command == "completion"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_is_a_script_for_the_shell(shell, capsys):
    """Each shell gets its own."""
    assert cli.main(["completion", shell]) == 0
    assert "poundlock" in capsys.readouterr().out


def test_bash_accepts_the_completion(capsys):
    """What is printed parses."""
    cli.main(["completion", "bash"])
    script = capsys.readouterr().out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_a_fault_is_told_in_words(monkeypatch, capsys):
    """What happened, what to do next, exit 2, no traceback."""

    def fail(_args):
        raise ConfigFault("It is broken.", advice="Mend it.")

    monkeypatch.setattr("poundlock.cli.completion.run", fail)
    assert cli.main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == "poundlock: It is broken.\n  Mend it.\n"


def test_an_error_of_its_own_shows_a_place_and_nothing_else(monkeypatch, capsys):
    """A traceback could show what it must not."""

    def fail(_args):
        raise RuntimeError("value-that-must-not-show")

    monkeypatch.setattr("poundlock.cli.completion.run", fail)
    assert cli.main(["completion", "bash"]) == 2
    err = capsys.readouterr().err
    assert "RuntimeError at " in err
    assert "value-that-must-not-show" not in err


def test_a_reader_that_goes_away_is_no_error():
    """`poundlock … | head -1` ends quietly."""
    script = f"{sys.executable} -m poundlock doctor --coverage | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
