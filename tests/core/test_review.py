"""Commits before they are released."""

from __future__ import annotations

from typing import Any

import pytest

from poundlock.core.review import Commit, areas, change, tools, trailers


def commit(message: str = "Do it", **fields: Any) -> Commit:
    """Give a commit of somebody."""
    return Commit(**{"id": "c" * 40, "author": "Ann", "email": "ann@corp.example", "message": message, **fields})


MADE = {
    "claude": ("Do it\n\nCo-Authored-By: Claude <noreply@anthropic.com>", ("claude-code",)),
    "generated": ("Do it\n\n\U0001f916 Generated with [Claude Code](https://x)", ("claude-code",)),
    "copilot": ("Do it\n\nCo-authored-by: Copilot <223556219+Copilot@users.noreply.github.com>", ("github-copilot",)),
    "cursor": ("Do it\n\nCo-authored-by: Cursor <cursoragent@cursor.com>", ("cursor",)),
    "task": ("Do it\n\nPoundlock-Task: t1", ("other",)),
    "person": ("Do it\n\nCo-authored-by: Bob <bob@corp.example>", ()),
    "talk": ("Explain how claude and codex work\n\nThey are tools.", ()),
}


@pytest.mark.parametrize("case", MADE)
def test_tools(case: str) -> None:
    """A commit says in its trailers or its text that a tool made it; talking about one is not that."""
    message, expected = MADE[case]
    assert tools(commit(message)) == expected


def test_tools_by_author_and_note() -> None:
    """The author's own name and a note tell as well."""
    assert tools(commit(author="Ann (aider)")) == ("aider",)
    assert tools(commit(author="x", email="1+devin-ai-integration[bot]@users.noreply.github.com")) == ("devin",)
    assert tools(commit(notes="Poundlock-Task: t1 claude-code")) == ("other",)


AREAS = {
    "package-lock.json": {"dependencies"},
    "requirements-dev.txt": {"dependencies"},
    "src/auth/login.py": {"authentication"},
    "app/session_store.rb": {"authentication"},
    "lib/crypto/aes.go": {"cryptography"},
    ".github/workflows/ci.yml": {"pipeline"},
    "deploy/k8s/app.yaml": {"infrastructure"},
    "Dockerfile.prod": {"infrastructure"},
    "CLAUDE.md": {"agent"},
    "src/billing/tax/rates.py": {"billing"},
    "src/author.py": set(),
    "docs/tutorial.md": set(),
    "src/concert.py": set(),
}


@pytest.mark.parametrize(("path", "expected"), AREAS.items())
def test_areas(path: str, expected: set[str]) -> None:
    """Areas are told by paths, a team's own too; a word within another is none."""
    assert set(areas([path], [], {"billing": ("src/billing/**",)})) == expected


def test_lines() -> None:
    """A line that switches a check off is an area wherever it stands."""
    assert areas(["src/a.py"], ["    requests.get(url, verify=False)"], {}) == {"cryptography": "an added line"}


def test_approvals() -> None:
    """Only people other than the author count. Mutants: the author's own review counted; a bot's counted."""
    message = (
        "Do it\n\nReviewed-by: Bob <bob@corp.example>\nReviewed-by: Ann <Ann@corp.example>\n"
        "Approved-by: dependabot[bot] <x@y.example>"
    )
    assert change(commit(message), {}).approvals == 1
    assert change(commit("Do it"), {}, ["carol", "Ann"]).approvals == 1
    assert change(commit("Do it"), {}).approvals == 0


def test_trailers() -> None:
    """Trailers stand below the subject."""
    assert trailers("Fix: it\n\ntext\n\nReviewed-by: B <b@x.example>\nSee-also: y") == (
        ("reviewed-by", "B <b@x.example>"),
        ("see-also", "y"),
    )
