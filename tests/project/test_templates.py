"""What others run from here: pre-commit's hooks, the GitHub Action, GitLab's template."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from poundlock.cli.main import parser
from poundlock.core.detect.templates import expand

ROOT = Path(__file__).resolve().parents[2]
AWS = expand("AKIA{A-Z2-7:16}", "template")


@pytest.mark.parametrize("name", [".pre-commit-hooks.yaml", "action.yml", "templates/gitlab.yml"])
def test_every_argument_is_one_that_scan_has(name: str) -> None:
    """Each option in these files is known to the parser: a renamed one would break them silently."""
    subparsers = next(action for action in parser(("scan",))._actions if action.choices)
    known = {option for action in subparsers.choices["scan"]._actions for option in action.option_strings}
    used = set()
    for line in (ROOT / name).read_text().splitlines():
        if "scan" in line or "set --" in line:
            used |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", line.partition("#")[0]))
    assert used
    assert used - {"--quiet"} <= known


def test_no_input_of_the_action_becomes_a_command() -> None:
    """`${{ inputs.… }}` stands in no script, only in the environment and in other actions' settings."""
    text = (ROOT / "action.yml").read_text()
    scripts = re.findall(r"run: \|\n((?: {8}.*\n)+)", text)
    assert len(scripts) == 2
    assert all("${{" not in script for script in scripts)


def test_the_actions_script_runs(tmp_path: Path) -> None:
    """With a stand-in for the installed program: arguments with spaces stay one."""
    script = re.findall(r"run: \|\n((?: {8}.*\n)+)", (ROOT / "action.yml").read_text())[1]
    program = tmp_path / "poundlock" / "bin" / "poundlock"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
    program.chmod(0o755)
    env = {
        "PATH": os.environ["PATH"],
        "RUNNER_TEMP": str(tmp_path),
        "RANGE": "origin/main..",
        "FAMILY": "secret,pii",
        "BASELINE": "a b; true",
        "SARIF": "",
    }
    done = subprocess.run(["bash", "-e", "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "scan|--family|secret,pii|--git|origin/main..|--baseline|a b; true|--format|github|"


@pytest.mark.long
def test_pre_commit_runs_the_hooks(tmp_path: Path) -> None:
    """The true pre-commit installs this repository, stops a commit with a credential and lets a clean one be."""
    tools = tmp_path / "tools"
    made = subprocess.run([sys.executable, "-m", "venv", tools], check=False)
    pip = [tools / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "pre-commit"]
    if made.returncode or subprocess.run(pip, check=False).returncode:
        pytest.skip("PyPI can't be reached, so that pre-commit can't be installed")
    place = tmp_path / "repository"
    env = {
        **os.environ,
        "PRE_COMMIT_HOME": str(tmp_path / "home"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_ALLOW_PROTOCOL": "file",
    }

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, check=False)

    place.mkdir()
    run("git", "init", "-q")
    head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    (place / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {ROOT}\n  rev: {head.stdout.strip()}\n  hooks:\n"
        "  - id: poundlock-scan\n  - id: poundlock-scan-files\n    stages: [manual]\n"
    )
    (place / "a").write_text("clean\n")
    run("git", "add", ".")
    clean = run(tools / "bin" / "pre-commit", "run")
    assert clean.returncode == 0, clean.stdout + clean.stderr
    (place / "a").write_text(f"key = '{AWS}'\n")
    run("git", "add", ".")
    for stage in ("pre-commit", "manual"):
        stopped = run(tools / "bin" / "pre-commit", "run", "--hook-stage", stage, "--all-files")
        assert stopped.returncode == 1
        assert "a:1:8: secret.aws.access-key" in stopped.stdout
        assert AWS not in stopped.stdout
