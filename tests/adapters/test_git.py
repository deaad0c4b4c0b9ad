"""Git: what is staged, what history added, what blobs hold; with real repositories."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from poundlock.adapters import git
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from pathlib import Path


def run(folder: Path, *words: str) -> str:
    """Run git with a name and a date of its own."""
    own = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", str(folder), *own, *words],
        check=True,
        capture_output=True,
        text=True,
        env={
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_AUTHOR_DATE": "2024-02-03T04:05:06+00:00",
            "GIT_COMMITTER_DATE": "2025-02-03T04:05:06+00:00",
        },
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty repository with the branch `main`; no variable of an outer git reaches it."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "repo"
    folder.mkdir()
    run(folder, "init", "-q", "-b", "main")
    return folder


def commit(folder: Path, files: dict[str, str]) -> str:
    """Commit these files and give the commit's id."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run(folder, "add", "-A")
    run(folder, "commit", "-q", "-m", "m")
    return run(folder, "rev-parse", "HEAD")


def test_staged_is_the_index_and_not_the_work_tree(repository: Path) -> None:
    """Before the first commit too: added and changed files, as they were added; nothing that is deleted or the same."""
    (repository / "a b\n.txt").write_text("index\n")
    run(repository, "add", "-A")
    (repository / "a b\n.txt").write_text("work tree\n")
    (only,) = git.staged(str(repository))
    assert only.path == "a b\n.txt"
    with git.Blobs(str(repository)) as blobs:
        assert blobs.read(only.oid) == b"index\n"
    commit(repository, {"same": "same\n", "gone": "gone\n", "sub/x": "1\n"})
    run(repository, "rm", "-q", "gone")
    (repository / "sub" / "x").write_text("2\n")
    run(repository, "add", "-A")
    assert [blob.path for blob in git.staged(str(repository / "sub"))] == ["sub/x"]
    assert git.staged(str(repository), ["same"]) == []


def test_history_gives_each_blob_once_with_what_added_it(repository: Path) -> None:
    """Oldest first; a copy, a return and a rename are no new content; the author's date, not the committer's."""
    first = commit(repository, {"a": "one\n", "copy": "one\n"})
    second = commit(repository, {"a": "two\n"})
    run(repository, "mv", "a", "b")
    commit(repository, {"c": "one\n"})
    found = list(git.history(str(repository)))
    assert [(blob.path, blob.commit) for blob in found] == [("a", first), ("a", second)]
    assert {blob.date for blob in found} == {"2024-02-03T04:05:06+00:00"}


def test_a_range_and_all_references(repository: Path) -> None:
    """A range leaves out what came before; `everything` reads branches that HEAD does not reach."""
    first = commit(repository, {"a": "one\n"})
    second = commit(repository, {"a": "two\n"})
    run(repository, "checkout", "-q", "-b", "side", first)
    side = commit(repository, {"s": "side\n"})
    run(repository, "checkout", "-q", "main")
    folder = str(repository)
    assert [blob.commit for blob in git.history(folder, revisions=f"{first}..main")] == [second]
    assert {blob.commit for blob in git.history(folder)} == {first, second}
    assert {blob.commit for blob in git.history(folder, everything=True)} == {first, second, side}
    assert [blob.path for blob in git.history(folder, everything=True, paths=["s"])] == ["s"]


def test_what_only_a_merge_added(repository: Path) -> None:
    """A merge's own content is found, and told to be the merge's."""
    first = commit(repository, {"a": "one\n"})
    run(repository, "checkout", "-q", "-b", "side")
    commit(repository, {"a": "side\n"})
    run(repository, "checkout", "-q", "main")
    commit(repository, {"a": "main\n"})
    with pytest.raises(subprocess.CalledProcessError):
        run(repository, "merge", "-q", "side")
    merge = commit(repository, {"a": "both\n"})
    assert run(repository, "rev-list", "--count", "--merges", "HEAD") == "1"
    found = list(git.history(str(repository)))
    assert len(found) == 4
    assert found[0].commit == first
    assert (found[-1].path, found[-1].commit) == ("a", merge)


def test_faults_say_what_to_do(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a repository, a range that is not, one that would be an option, no commit yet, no git."""
    with pytest.raises(ConfigFault, match="not inside a Git repository"):
        git.staged(str(tmp_path))
    with pytest.raises(ConfigFault, match="this range"):
        list(git.history(str(repository)))
    commit(repository, {"a": "one\n"})
    for wrong in ("no..such", f"--output={tmp_path}/written"):
        with pytest.raises(ConfigFault, match="this range"):
            list(git.history(str(repository), revisions=wrong))
    assert not (tmp_path / "written").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigFault, match="git can't be run"):
        git.root(str(repository))


def test_blobs_that_are_missing_large_or_binary(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told; what follows is read all the same; of a large binary only the beginning is held."""
    monkeypatch.setattr(git, "LARGEST", 20_000)
    commit(repository, {"large": "x" * 70_000, "small": "small\n"})
    (repository / "binary").write_bytes(b"\0" * 200_000)
    run(repository, "add", "-A")
    run(repository, "commit", "-q", "-m", "m")
    oids = {blob.path: blob.oid for blob in git.history(str(repository))}
    with git.Blobs(str(repository)) as blobs:
        with pytest.raises(git.Unread, match="does not hold"):
            blobs.read("1" * 40)
        with pytest.raises(git.Unread, match="larger than"):
            blobs.read(oids["large"])
        assert len(blobs.read(oids["binary"])) == git.HEAD
        assert blobs.read(oids["small"]) == b"small\n"
    with pytest.raises((git.Unread, ValueError)):
        blobs.read(oids["small"])


def test_a_range_that_is_left_early_ends_git(repository: Path) -> None:
    """Whoever stops reading leaves no process behind and gets no fault."""
    commit(repository, {str(number): f"{number}\n" for number in range(3000)})
    found = git.history(str(repository))
    next(found)
    found.close()  # type: ignore[attr-defined]
