"""The command line as a whole: exit codes, help, completion, faults in words."""

import argparse
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


@pytest.mark.parametrize("columns", ["50", "120", "0", "x"])
def test_help_is_as_wide_as_argparse_would_have_it(columns, monkeypatch):
    """Our own way to the width of the terminal gives what argparse's way gives."""
    monkeypatch.setenv("COLUMNS", columns)
    ours = cli.parser(("scan",))
    ours.formatter_class = argparse.HelpFormatter
    usual = ours.format_help()
    assert cli.parser(("scan",)).format_help() == usual


def test_a_scan_loads_nothing_that_it_does_not_need(tmp_path):
    """Start-up is a feature: a scan without findings reads no JSON, no archives, no hashes of OpenSSL."""
    file = tmp_path / "clean.py"
    file.write_text("HOST = 'db.example.com'\n")
    code = "import sys; from poundlock.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", code, "scan", str(file)]
    assert subprocess.run(command, capture_output=True, check=True).returncode == 0  # the first may compile the rules
    loaded = set(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
    assert "poundlock.core.detect.engine" in loaded
    heavy = {"msgspec", "shutil", "json", "tomllib", "hashlib", "pathlib", "dataclasses", "logging", "asyncio"}
    assert loaded & heavy == set()
