"""`poundlock review` on real repositories."""

from __future__ import annotations

import io
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from poundlock.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

CLAUDE = "Co-Authored-By: Claude <noreply@anthropic.com>"


def git(folder: Path, *words: str) -> str:
    """Run Git as Ann."""
    own = ["-c", "user.name=Ann", "-c", "user.email=ann@corp.example", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", str(folder), *own, *words], check=True, capture_output=True, text=True).stdout


def commit(folder: Path, path: str, message: str, text: str = "x\n") -> str:
    """Make a commit; give its id."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a repository with one commit on main, and a branch."""
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("POUNDLOCK_CONFIG", raising=False)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "a.txt", "Begin")
    git(folder, "checkout", "-qb", "work")
    monkeypatch.chdir(folder)
    return folder


def test_what_needs_an_approval(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tool's commit in a sensitive area stops; its other ones, and people's, do not."""
    commit(repository, "src/auth/login.py", "Own work")
    commit(repository, "docs/x.md", f"Text\n\n{CLAUDE}")
    assert main(["review"]) == 0
    capsys.readouterr()
    stopped = commit(repository, "package.json", f"Add a package\n\n{CLAUDE}")
    assert main(["review"]) == 1
    out = capsys.readouterr().out
    assert f"{stopped[:12]}  NEEDS AN APPROVAL  claude-code  touches dependencies (package.json)" in out
    assert out.endswith("3 commits, 2 of AI tools, 1 need an approval\n")


def test_an_approval_lets_it_pass(repository: Path, tmp_path: Path) -> None:
    """A trailer of somebody else, and what a forge tells, let it pass; a comment or the author does not."""
    commit(repository, "package.json", f"Add a package\n\n{CLAUDE}")
    assert main(["review"]) == 1
    reviews = tmp_path / "reviews.json"
    bob = {"login": "bob", "type": "User"}
    reviews.write_text(
        json.dumps([{"user": bob, "state": "COMMENTED"}, {"user": {"login": "Ann"}, "state": "APPROVED"}])
    )
    assert main(["review", "--approvals", str(reviews)]) == 1
    reviews.write_text(json.dumps([{"user": bob, "state": "APPROVED"}]))
    assert main(["review", "--approvals", str(reviews)]) == 0
    reviews.write_text(json.dumps([{"user": bob, "state": "APPROVED"}, {"user": bob, "state": "CHANGES_REQUESTED"}]))
    assert main(["review", "--approvals", str(reviews)]) == 1
    reviews.write_text(json.dumps({"approved_by": [{"user": {"username": "carol"}}]}))
    assert main(["review", "--approvals", str(reviews)]) == 0
    commit(repository, "package.json", f"Again\n\n{CLAUDE}\nReviewed-by: Bob <bob@corp.example>", "y\n")
    assert main(["review", "HEAD~1..HEAD"]) == 0


def test_forms(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each form names the commit, and holds none of its content."""
    secret = "content-of-the-file"
    stopped = commit(repository, "Dockerfile", f"Build\n\n{CLAUDE}", secret)
    for form in ("json", "github", "gitlab", "sarif"):
        assert main(["review", "--format", form]) == 1
        out = capsys.readouterr().out
        assert stopped[:12] in out
        assert secret not in out
        if form != "github":
            json.loads(out)


def test_pre_push(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Git's hook, it reads what is pushed: a new branch, a known one, a deletion."""
    first = git(repository, "rev-parse", "HEAD").strip()
    last = commit(repository, "package.json", f"Add\n\n{CLAUDE}")
    none = "0" * 40
    for line, code in ((f"r {last} r {first}", 1), (f"r {first} r {none}", 0), (f"r {none} r {last}", 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO(line + "\n"))
        assert main(["review", "--pre-push"]) == code
    monkeypatch.setattr("sys.stdin", io.StringIO("nonsense\n"))
    assert main(["review", "--pre-push"]) == 2


def test_own_areas_and_policies(repository: Path, tmp_path: Path) -> None:
    """A team declares areas and says itself which commits need an approval."""
    policy = tmp_path / "own.cedar"
    policy.write_text(
        '@id("own.billing")\n@reason("Billing needs two.")\n@advice("Ask the billing team.")\n'
        'forbid (principal, action == Action::"release", resource)\n'
        'when { resource.areas.contains("billing") && resource.approvals < 2 };\n'
    )
    config = tmp_path / "poundlock.toml"
    config.write_text(f'[policy]\nfiles = ["{policy}"]\n[review.areas]\nbilling = ["src/billing/**"]\n')
    commit(repository, "src/billing/a.py", "Own work\n\nReviewed-by: Bob <bob@corp.example>")
    assert main(["review", "--config", str(config)]) == 1
    assert main(["review"]) == 0


def test_what_is_wrong_is_said(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A range or a file that is none is refused in words."""
    assert main(["review", "nosuch..HEAD"]) == 2
    assert main(["review", "--approvals", "nosuch.json"]) == 2
    (repository / "x.json").write_text("{}")
    assert main(["review", "--approvals", "x.json"]) == 2
    assert capsys.readouterr().err.count("poundlock: ") == 3
