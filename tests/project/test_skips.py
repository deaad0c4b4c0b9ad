"""Skips: one that `tests/skips.toml` does not list fails the run, and the list has no dead lines."""

import fnmatch
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CASES = """
import pytest


def test_listed():
    pytest.skip("as foreseen")


def test_unlisted():
    pytest.skip("nobody foresaw this")


@pytest.mark.skip(reason="marked")
def test_unlisted_mark():
    pass


@pytest.mark.skipif(True, reason="marked")
def test_unlisted_condition():
    pass


def test_passes():
    pass


@pytest.mark.xfail(strict=True, reason="a known defect")
def test_known():
    raise AssertionError
"""


def run(folder, tmp_path):
    """Run pytest in a folder with the project's conftest."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-rA", "tests"],
        cwd=folder,
        env={"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def project(tmp_path, **files):
    """Make a project of these test files, with the real conftest and a list of one skip."""
    folder = tmp_path / "project"
    (folder / "tests").mkdir(parents=True)
    shutil.copy(TESTS / "conftest.py", folder / "tests")
    (folder / "tests" / "skips.toml").write_text('[[skip]]\ntest = "tests/*::test_listed"\nreason = "as foreseen"\n')
    for name, text in files.items():
        (folder / "tests" / f"{name}.py").write_text(text)
    return folder


def test_a_skip_that_is_not_listed_fails(tmp_path):
    """Listed skips are skips; others, marked or called, are failures; known defects stay what they are."""
    done = run(project(tmp_path, test_cases=CASES), tmp_path)
    failed = set(re.findall(r"^(?:FAILED|ERROR) tests/test_cases\.py::(\w+)", done.stdout, re.MULTILINE))
    assert failed == {"test_unlisted", "test_unlisted_mark", "test_unlisted_condition"}, done.stdout
    assert re.search(r"1 failed, 1 passed, 1 skipped, 1 xfailed, 2 errors", done.stdout), done.stdout
    assert done.returncode == 1


def test_a_module_that_skips_itself_fails(tmp_path):
    """`importorskip` and `allow_module_level` hide nothing either."""
    text = 'import pytest\npytest.importorskip("no_module_of_this_name")\n\ndef test_hidden():\n    pass\n'
    done = run(project(tmp_path, test_module=text), tmp_path)
    assert done.returncode != 0
    assert "does not list it" in done.stdout


def test_every_line_of_the_list_speaks_of_a_test_that_exists():
    """A pattern that fits no test is a leftover."""
    names = [
        f"tests/{path.relative_to(TESTS)}::{name}"
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    ]
    for row in tomllib.loads((TESTS / "skips.toml").read_text())["skip"]:
        assert row["reason"]
        assert any(fnmatch.fnmatch(name, row["test"]) for name in names), row["test"]
