"""`scan`: places, excerpts without values, ignore files, suppressions, exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from poundlock.adapters.rulefiles import load_detector
from poundlock.cli import contents, location, tree
from poundlock.cli.main import main
from poundlock.core.detect.templates import expand

if TYPE_CHECKING:
    from pathlib import Path

AWS, OTHER = expand("AKIA{A-Z2-7:16}", "r"), expand("AKIA{A-Z2-7:16}", "s")


def test_text_shows_the_place_and_never_the_value(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Path, line, column, kind, a masked excerpt with a caret, and what to do next."""
    file = tmp_path / "a.py"
    file.write_text(f"x = 1\n    key, other = '{AWS}', '{OTHER}'\n")
    assert main(["scan", str(file)]) == 1
    out = capfd.readouterr().out
    assert AWS not in out
    assert OTHER not in out
    assert out.splitlines()[:3] == [
        f"{file}:2:19: secret.aws.access-key (95 %)",
        "    key, other = '************', '************'",
        "                  ^^^^^^^^^^^^",
    ]
    assert "Revoke it" in out


def test_json_and_exit_codes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """0 clean, 1 findings, 2 for what can't be read; findings before the fault are still told."""
    (tmp_path / "clean").write_text("nothing here\n")
    (tmp_path / "dirty").write_text(f"{AWS}\n")
    assert main(["scan", str(tmp_path / "clean")]) == 0
    capfd.readouterr()
    assert main(["scan", "--format", "json", str(tmp_path / "dirty"), str(tmp_path / "none")]) == 2
    answer = json.loads(capfd.readouterr().out)
    assert [(item["line"], item["column"], item["kind"]) for item in answer["findings"]] == [
        (1, 1, "secret.aws.access-key")
    ]
    assert answer["unread"] == [str(tmp_path / "none")]


@pytest.mark.parametrize(
    "comment", ["# poundlock:allow", "# gitleaks:allow", "# pragma: allowlist secret", "// pragma:allowlist secret"]
)
def test_a_suppression_on_the_line(tmp_path: Path, comment: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Ours and the ones that people have already; `--no-suppress` reports all the same."""
    file = tmp_path / "a"
    file.write_text(f"{AWS}  {comment}\n")
    assert main(["scan", str(file)]) == 0
    assert main(["scan", "--no-suppress", str(file)]) == 1
    capfd.readouterr()


def test_a_suppression_for_the_next_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`nextline` speaks of the next line, and of no other."""
    file = tmp_path / "a"
    file.write_text(f"# pragma: allowlist nextline secret\n{AWS}\n{OTHER}\n")
    assert main(["scan", str(file)]) == 1
    assert f"{file}:3:1" in capfd.readouterr().out


def test_ignore_files(tmp_path: Path) -> None:
    """gitignore(5): folders, anchors, `**`, negation, a deeper file that overrules a higher one."""
    for name in (
        "a.log",
        "keep.log",
        "build/x",
        "src/build/y",
        "src/deep/er/z.tmp",
        "src/a.txt",
        ".git/config",
        "top/t",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / ".gitignore").write_text("*.log\n!keep.log\n/build/\nsrc/**/z.tmp\n# comment\n")
    (tmp_path / "src" / ".poundlockignore").write_text("!z.tmp\n")
    found = {path[len(str(tmp_path)) + 1 :] for path in tree.files(str(tmp_path), ignores=True)}
    assert found == {
        ".gitignore",
        "keep.log",
        "src/.poundlockignore",
        "src/a.txt",
        "src/build/y",
        "src/deep/er/z.tmp",
        "top/t",
    }
    assert f"{tmp_path}/a.log" in set(tree.files(str(tmp_path), ignores=False))


def test_binary_files_are_not_text() -> None:
    """A NUL says binary; UTF-16 with a mark is text; anything else is read as Latin-1."""
    assert contents.decode(b"a\0b") is None
    assert contents.decode("é".encode("utf-16")) == "é"
    assert contents.decode(b"\xe9") == "é"


def test_a_large_text_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value on the border of two pieces is found once, at its right place."""
    monkeypatch.setattr(location, "PIECE", 40_000)
    lead = "a line of text\n" * 2665
    text = f"{lead}{AWS}\n{lead}{OTHER}\n"
    found = list(location.locate(load_detector(), "x", text, frozenset({"secret"})))
    assert [(item.line, item.match.start) for item in found] == [(2666, len(lead)), (5332, 2 * len(lead) + 21)]
