"""`baseline`: what is listed is judged, counted, and taken away when it is gone."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from poundlock.cli.main import main
from poundlock.core.detect.templates import expand

if TYPE_CHECKING:
    from pathlib import Path

AWS, OTHER = expand("AKIA{A-Z2-7:16}", "r"), expand("AKIA{A-Z2-7:16}", "s")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Path:
    """Give a folder of two files with a finding each, and their baseline."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "POUNDLOCK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text(f"one\nkey = '{AWS}'\n")
    (tmp_path / "b").write_text(f"key = '{OTHER}'\n")
    assert main(["scan", "--write-baseline", "base.json", "a", "b"]) == 0
    capfd.readouterr()
    return tmp_path


def judged(folder: Path) -> list[str]:
    """Give the verdicts in the file."""
    return [entry.get("judged", "") for entry in json.loads((folder / "base.json").read_text())["findings"]]


def test_an_audit_asks_and_keeps(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An unknown key explains; back; the end of input stops; only what is open is asked again; no value is shown."""
    monkeypatch.setattr("sys.stdin", io.StringIO("?\ny\nb\nn\n"))
    assert main(["baseline", "audit", "base.json"]) == 0
    out = capfd.readouterr().out
    assert AWS not in out
    assert "1 of 2  secret.aws.access-key  a:2:8\n    key = '************'" in out
    assert "y: it is real" in out
    assert out.endswith("2 findings: 0 real, 1 open.\n")
    assert judged(folder) == ["false", ""]
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["baseline", "audit", "base.json"]) == 0
    assert judged(folder) == ["false", "real"]
    assert main(["baseline", "audit", "base.json"]) == 0
    assert capfd.readouterr().out.endswith("All is judged.\n")


def test_without_asking(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """By fingerprint or by path, with a note; what is not listed is a fault."""
    first = json.loads((folder / "base.json").read_text())["findings"][0]["fingerprint"]
    assert main(["baseline", "audit", "base.json", "--mark", f"{first}=real", "--mark", "b=false", "--note", "x"]) == 0
    assert judged(folder) == ["real", "false"]
    assert json.loads((folder / "base.json").read_text())["findings"][1]["note"] == "x"
    assert main(["baseline", "audit", "base.json", "--mark", "none=false"]) == 2
    assert main(["baseline", "audit", "base.json", "--mark", "b=maybe"]) == 2
    capfd.readouterr()


def test_counts_and_a_check_for_ci(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Open or real ones fail the check."""
    assert main(["baseline", "show", "base.json"]) == 0
    assert capfd.readouterr().out.splitlines()[1].split() == ["secret.aws.access-key", "2", "0", "0"]
    assert main(["baseline", "show", "--check", "base.json"]) == 1
    main(["baseline", "audit", "base.json", "--mark", "a=false", "--mark", "b=false"])
    assert main(["baseline", "show", "--check", "base.json"]) == 0
    capfd.readouterr()


def test_a_verdict_outlives_a_new_baseline_and_what_is_gone_goes(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Writing it anew keeps what was said; `prune` takes away what is not found any more."""
    main(["baseline", "audit", "base.json", "--mark", "a=false"])
    (folder / "a").write_text(f"one\ntwo\nkey = '{AWS}'\n")
    assert main(["scan", "--write-baseline", "base.json", "a", "b"]) == 0
    assert judged(folder) == ["false", ""]
    (folder / "b").unlink()
    capfd.readouterr()
    assert main(["baseline", "prune", "base.json"]) == 0
    assert capfd.readouterr().out == "1 taken away, 1 stay.\n"
    assert judged(folder) == ["false"]
