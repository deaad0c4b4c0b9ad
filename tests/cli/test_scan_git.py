"""`scan --staged`, `--git` and `--all` on real repositories."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from poundlock.cli import scan
from poundlock.cli.main import main
from poundlock.core.detect.templates import expand
from tests.adapters.test_git import commit, repository, run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["repository"]

AWS, OTHER = expand("AKIA{A-Z2-7:16}", "r"), expand("AKIA{A-Z2-7:16}", "s")


def rows(capfd: pytest.CaptureFixture[str], *words: str, code: int) -> list[dict[str, object]]:
    """Scan as JSON Lines; neither value is told."""
    assert main(["scan", "--format", "jsonl", *words]) == code
    out, err = capfd.readouterr()
    assert AWS not in out + err
    assert OTHER not in out + err
    return [json.loads(line) for line in out.splitlines()]


def test_staged_speaks_of_the_next_commit(
    repository: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value in the index is found though the file was mended since; one in the work tree alone is not."""
    monkeypatch.chdir(repository)
    file = repository / "a"
    file.write_text(f"key = '{AWS}'\n")
    run(repository, "add", "a")
    file.write_text("mended\n")
    (found,) = rows(capfd, "--staged", code=1)
    assert (found["path"], found["line"], "commit" in found) == ("a", 1, False)
    run(repository, "add", "a")
    file.write_text(f"key = '{AWS}'\n")
    assert rows(capfd, "--staged", code=0) == []


def test_history_tells_commit_and_date(
    repository: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that was removed since is found in the commit that added it, in every format that has a place for it."""
    monkeypatch.chdir(repository)
    first = commit(repository, {"a": f"key = '{AWS}'\n", "b": "clean\n"})
    second = commit(repository, {"a": "mended\n"})
    (found,) = rows(capfd, "--git", code=1)
    assert (found["path"], found["line"], found["commit"]) == ("a", 1, first)
    assert found["author_date"] == "2024-02-03T04:05:06+00:00"
    assert rows(capfd, "--git", f"{first}..{second}", code=0) == []
    assert rows(capfd, "--all", code=1) == [found]
    assert rows(capfd, "--all", "b", code=0) == []
    assert main(["scan", "--git"]) == 1
    assert f"a:1:8: secret.aws.access-key (95 %) in commit {first[:12]} of 2024-02-03" in capfd.readouterr().out
    assert main(["scan", "--git", "--format", "sarif"]) == 1
    (result,) = json.loads(capfd.readouterr().out)["runs"][0]["results"]
    assert result["properties"]["commit"] == first
    assert main(["scan", "--git", "--format", "gitlab"]) == 1
    (entry,) = json.loads(capfd.readouterr().out)["vulnerabilities"]
    assert entry["location"]["commit"] == {"sha": first, "date": "2024-02-03T04:05:06+00:00"}


def test_a_baseline_and_gitleaksignore_hold_for_history(
    repository: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier commit added is known afterwards; an entry with a commit speaks of that commit alone."""
    monkeypatch.chdir(repository)
    first = commit(repository, {"a": f"key = '{AWS}'\n"})
    assert rows(capfd, "--git", "--write-baseline", ".base", code=0) == []
    assert rows(capfd, "--git", "--baseline", ".base", code=0) == []
    second = commit(repository, {"a": f"\nkey = '{AWS}'\nother = '{OTHER}'\n"})
    (new,) = rows(capfd, "--git", "--baseline", ".base", code=1)
    assert (new["commit"], new["line"]) == (second, 3)
    (repository / ".gitleaksignore").write_text(f"{first}:a:aws-access-token:1\n{second}:a:x:2\n{first}:a:x:3\n")
    assert rows(capfd, "--git", code=1) == [new | {"fingerprint": new["fingerprint"]}]


def test_several_processes_read_history_the_same(
    repository: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has a git of its own; order and findings are those of one process."""
    monkeypatch.chdir(repository)
    commit(repository, {f"f{n:03}": f"k{n} = '{AWS}'\n" if n % 50 == 0 else f"{n}\n" for n in range(scan.SEVERAL + 20)})
    one = rows(capfd, "--git", "--jobs", "1", code=1)
    assert [row["path"] for row in one] == ["f000", "f050", "f100", "f150", "f200"]
    assert rows(capfd, "--git", "--jobs", "2", code=1) == one


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--staged"], "not inside a Git repository"),
        (["--git"], "not inside a Git repository"),
        (["--staged", "--git"], "exclude each other"),
        (["--all", "--git", "main"], "leave out the range"),
        (["--staged", "-"], "standard input is not in Git"),
    ],
)
def test_what_git_can_not_do_is_said(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 and a sentence, never a clean scan."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert main(["scan", *words]) == 2
    assert said in capfd.readouterr().err


def test_a_name_that_is_not_utf_8(
    repository: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its finding is told, with the name as far as it can be said."""
    monkeypatch.chdir(repository)
    commit(repository, {"b\udcff": f"key = '{AWS}'\n"})
    (found,) = rows(capfd, "--git", code=1)
    assert found["path"] == "b\ufffd"
    (found,) = rows(capfd, code=1)
    assert found["path"] == "b\ufffd"
