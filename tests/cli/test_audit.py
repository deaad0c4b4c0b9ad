"""`poundlock audit`: what it says, and its exit codes."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from poundlock.adapters import keys
from poundlock.adapters.heads import HeadFile
from poundlock.adapters.keys import Keys
from poundlock.cli import audit
from poundlock.core.audit import key_fingerprint
from poundlock.core.errors import ConfigFault
from tests.adapters.logs import MASTER, entry, opened, sql, surrogate

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> int:
    """Run the command as the command line does."""
    parser = argparse.ArgumentParser()
    audit.add_parser(parser.add_subparsers())
    return audit.run(parser.parse_args(["audit", *arguments]))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a log of ten records with its configuration, and give its folder."""
    folder = tmp_path / "state"
    monkeypatch.delenv(keys.VARIABLE, raising=False)
    (tmp_path / "poundlock.toml").write_text(f'[state]\ndirectory = "{folder}"\n')
    own = keys.load(folder / "master.key", {})

    async def write() -> None:
        async with opened(folder, keys=own, heads=HeadFile(folder / "heads.jsonl"), head_every=4) as store:
            for number in range(10):
                await store.commit(entry(number, surrogate(number, value="canary")))

    asyncio.run(write())
    return folder


def test_sound(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sound log exits with 0 and says how many records, from when to when, and whose signature."""
    assert run("verify", "--config", str(log.parent / "poundlock.toml")) == 0
    said = capsys.readouterr().out
    public = keys.load(log / "master.key", {}).public
    assert said == (
        f"audit log    {log / 'poundlock.db'}\n"
        "records      10, 2023-11-14T22:13:20Z to 2023-11-14T22:13:20Z\n"
        "signed       up to record 10; heads: 3 in the log, 3 in the second place\n"
        f"head key     {key_fingerprint(public)} (this machine's master key)\n"
        "The audit log is sound.\n"
    )


def test_altered(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An alteration exits with 1 and is named with its record."""
    sql(log, "UPDATE record SET body = '{\"n\":77}' WHERE seq = 4")
    assert run("verify", "--log", str(log / "poundlock.db"), "--heads", str(log / "heads.jsonl")) == 1
    said = capsys.readouterr().out
    assert "ALTERED 4: record 4: content and hash don't agree with the chain\n" in said
    assert said.endswith("The audit log is NOT sound.\n")


def test_cut_tail_needs_heads(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cut tail is seen with heads from the second place; without, the output says what can't be seen."""
    sql(log, "DELETE FROM record WHERE seq > 8", "DELETE FROM head WHERE size > 8")
    assert run("verify", "--log", str(log / "poundlock.db")) == 0
    assert "nobody can see that a log's end was cut off" in capsys.readouterr().out
    assert run("verify", "--log", str(log / "poundlock.db"), "--heads", str(log / "heads.jsonl")) == 1
    assert "TRUNCATED 9-10: " in capsys.readouterr().out


def test_json(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report as one JSON object."""
    sql(log, "DELETE FROM record WHERE seq IN (3, 4)")
    assert run("verify", "--json", "--config", str(log.parent / "poundlock.toml")) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["sound"], report["records"], report["heads"], report["signed"]) == (False, 8, 6, 0)
    assert report["breaches"] == [{"name": "deleted", "first": 3, "last": 4, "detail": "records 3 to 4 missing"}]


def test_key(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a key's fingerprint given, only heads of that key count; a forger's heads are wrong signatures."""
    path = str(log / "poundlock.db")
    public = keys.load(log / "master.key", {}).public
    assert run("verify", "--log", path, "--key", key_fingerprint(public).upper()) == 0
    assert run("verify", "--log", path, "--key", key_fingerprint(Keys(MASTER).public)) == 1
    assert "WRONG SIGNATURE 4" in capsys.readouterr().out


def test_unreadable_heads(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line of the second place that is no head is named."""
    with (log / "heads.jsonl").open("ab") as file:
        file.write(b"garbled\n")
    assert run("verify", "--config", str(log.parent / "poundlock.toml")) == 1
    assert "UNREADABLE: 1 lines of the second place are no heads\n" in capsys.readouterr().out


def test_damaged_file(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose pages are damaged is not sound."""
    path = log / "poundlock.db"
    ((page,),) = sql(log, "SELECT rootpage FROM sqlite_master WHERE name = 'record'")
    ((size,),) = sql(log, "PRAGMA page_size")
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(data)
    assert run("verify", "--log", str(path)) == 1
    assert "the database file is damaged (SQLITE_CORRUPT" in capsys.readouterr().out
    path.write_bytes(b"x" * 10_000)
    assert run("verify", "--log", str(path)) == 1
    assert "the database file is damaged (SQLITE_NOTADB" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["log", "heads"])
def test_nothing_to_check(log: Path, missing: str) -> None:
    """A log or heads that don't exist are a fault, which the command line ends with 2; nothing is made."""
    arguments = ["--log", str(log / "poundlock.db")] if missing == "heads" else ["--log", str(log / "no.db")]
    with pytest.raises(ConfigFault):
        run("verify", *arguments, "--heads", str(log / "no.jsonl"))
    assert not (log / "no.db").exists()


def test_export(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every record is a line of JSON, in order, with its hash and the one before, and no value."""
    assert run("export", "--format", "jsonl", "--log", str(log / "poundlock.db")) == 0
    said = capsys.readouterr().out
    records = [json.loads(line) for line in said.splitlines()]
    assert [record["seq"] for record in records] == list(range(1, 11))
    assert [record["prev"] for record in records[1:]] == [record["hash"] for record in records[:-1]]
    assert records[3]["body"] == {"n": 3}
    assert "canary" not in said
    assert run("export", "--after", "8", "--log", str(log / "poundlock.db")) == 0
    assert capsys.readouterr().out == "".join(said.splitlines(keepends=True)[8:])


def test_show(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last records, a line each; those of one decision in full; an unknown decision exits with 1."""
    path = str(log / "poundlock.db")
    assert run("show", "--last", "2", "--log", path) == 0
    assert capsys.readouterr().out == (
        "       9  2023-11-14T22:13:20Z  exchange  d8\n      10  2023-11-14T22:13:20Z  exchange  d9\n"
    )
    assert run("show", "d3", "--log", path) == 0
    assert json.loads(capsys.readouterr().out)["seq"] == 4
    assert run("show", "nobody", "--log", path) == 1
    assert "no record 'nobody'" in capsys.readouterr().err


def test_show_obeys_nothing(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What someone wrote into a record can't command the terminal."""
    sql(log, "UPDATE record SET kind = char(27) || '[2J' WHERE seq = 10")
    assert run("show", "--last", "1", "--log", str(log / "poundlock.db")) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_export_of_an_unreadable_record(log: Path) -> None:
    """A record that is no JSON any more ends the export with a fault that names it and the command."""
    sql(log, "UPDATE record SET body = '{' WHERE seq = 4")
    with pytest.raises(Exception, match="record 4") as caught:
        run("export", "--log", str(log / "poundlock.db"))
    assert caught.value.advice == "Type: poundlock audit verify"
