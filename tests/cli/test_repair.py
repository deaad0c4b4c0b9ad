"""`poundlock repair` and `scan --staged`: stand-ins that were written into files are found; their values go back."""

from __future__ import annotations

import asyncio
import getpass
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from poundlock import compose
from poundlock.adapters import places
from poundlock.adapters.sqlite import Reading
from poundlock.cli.main import main
from poundlock.core import surrogates
from poundlock.core.audit import record_of
from poundlock.core.model import Draft, Surrogate
from poundlock.ports import Entry

if TYPE_CHECKING:
    from pathlib import Path

VALUE = 'quo"ted \\ value'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home of its own, and be in a folder of it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "POUNDLOCK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def issued(home: Path) -> Surrogate:
    """Issue a surrogate to this person."""

    async def issue() -> Surrogate:
        async with compose.opened(places.read_settings()) as (store, clock):
            key = await store.scope_key(getpass.getuser())
            surrogate = surrogates.mint("secret.generic.password", VALUE, key)
            draft = Draft(kind="exchange", id="one", at=clock.now(), body={})
            await store.commit(Entry(draft=draft, scope=key.scope, conversation="c" * 32, surrogates=(surrogate,)))
            return surrogate

    return asyncio.run(issue())


def _stranger(issued: Surrogate) -> str:
    """Give a stand-in that nobody issued."""
    return issued.text[:-1] + ("3" if issued.text[-1] != "3" else "4")


def test_values_go_back(home: Path, issued: Surrogate, capsys: pytest.CaptureFixture[str]) -> None:
    """A value goes back as it is into text and escaped into JSON, whatever the case; nothing is printed of it."""
    (home / "plain.txt").write_text(f"a={issued.text}\nb={issued.text.lower()}\n")
    (home / "data.json").write_text(json.dumps({"a": issued.text}))
    (home / "other.txt").write_text("QZ_ is a prefix\n")
    assert main(["repair", "--check", "."]) == 1
    shown = sorted(line.removeprefix("./") for line in capsys.readouterr().out.splitlines())
    assert shown == [f"data.json:1: {issued.text}", f"plain.txt:1: {issued.text}", f"plain.txt:2: {issued.text}"]
    assert main(["repair", "."]) == 0
    assert VALUE not in capsys.readouterr().out
    assert (home / "plain.txt").read_text() == f"a={VALUE}\nb={VALUE}\n"
    assert json.loads((home / "data.json").read_text()) == {"a": VALUE}
    assert main(["repair", "--check", "."]) == 0


def test_what_is_not_ours_stays(home: Path, issued: Surrogate, capsys: pytest.CaptureFixture[str]) -> None:
    """A stand-in that this person was never issued stays and is told of, beside one that goes back."""
    other = _stranger(issued)
    (home / "mixed.txt").write_text(f"{issued.text} {other}")
    assert main(["repair", "mixed.txt"]) == 1
    assert (home / "mixed.txt").read_text() == f"{VALUE} {other}"
    assert f"mixed.txt:1: {other}: not of this person" in capsys.readouterr().out


def test_a_commit_is_looked_at_first(home: Path, issued: Surrogate, capsys: pytest.CaptureFixture[str]) -> None:
    """`scan --staged` reports a stand-in; `repair --staged` mends the file and leaves the index as it is."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (home / "app.conf").write_text(f"token = {issued.text}\n")
    git("add", "app.conf")
    assert main(["scan", "--staged"]) == 1
    shown = capsys.readouterr().out
    assert "app.conf:1:9: identifier.stand-in" in shown
    assert "poundlock repair" in shown
    assert main(["scan", "."]) == 0, "files that speak of stand-ins are no findings"
    assert main(["scan", "--stand-ins", "."]) == 1
    assert main(["repair", "--staged"]) == 1
    assert (home / "app.conf").read_text() == f"token = {VALUE}\n"
    assert git("show", ":app.conf") == f"token = {issued.text}\n"
    (home / "app.conf").write_text("changed since\n")
    assert main(["repair", "--staged"]) == 1
    assert (home / "app.conf").read_text() == "changed since\n"
    git("add", "app.conf")
    assert main(["repair", "--staged"]) == 0


def test_it_is_on_record(home: Path, issued: Surrogate) -> None:
    """What went back is on record by its kind, without path or value; a check is not."""
    (home / "secret-name.txt").write_text(issued.text)
    main(["repair", "--check", "."])
    main(["repair", "."])
    reading = Reading(places.database(places.state_folder(places.read_settings())))
    try:
        rows = [record_of(row) for row in reading.rows()]
    finally:
        reading.close()
    bodies = [row.body for row in rows if row.kind == "repair"]
    assert bodies == [{"human": getpass.getuser(), "files": 1, "restored": {"secret.generic.password": 1}}]


@pytest.mark.parametrize("words", [["repair"], ["repair", "--staged", "x"]])
def test_what_is_wrong_is_said(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No files, or files of both kinds, are refused in words."""
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("poundlock: Which files?")
