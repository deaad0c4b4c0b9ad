"""`protect`: registered values are found by every command and by the gateway, and never shown."""

from __future__ import annotations

import asyncio
import base64
import io
import json

import pytest

from poundlock import compose
from poundlock.adapters import places
from poundlock.cli.main import main
from poundlock.core.model import Context, Destination, Document, Principal, Rung, ScopeKey, Segment
from poundlock.core.pipeline import inspect
from poundlock.gateway.snapshot import Snapshots

VALUE = "plum-and-Quince/72"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Give each test a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", places.CONFIG_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def give(monkeypatch, text):
    """Put a text on standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def environment_file(home, text=f"PORT=3000\nDB_PASSWORD={VALUE}\nMODE_PASSWORD=changeme-now\n"):
    """Write one."""
    path = home / "mine.env"
    path.write_text(text)
    return str(path)


def test_it_says_names_and_counts_and_never_a_value(home, capfd):
    """What was taken, what was left out and why, what is registered now."""
    assert main(["protect", environment_file(home), "--list"]) == 0
    said = capfd.readouterr()
    assert said.out.splitlines()[0] == "1 value registered, 0 known before."
    assert said.out.splitlines()[1].endswith(f"DB_PASSWORD  {home}/mine.env")
    assert said.err == "poundlock protect: left out 1 as a placeholder: MODE_PASSWORD\n"
    assert VALUE not in said.out + said.err


@pytest.mark.parametrize("form", [VALUE, base64.b64encode(VALUE.encode()).decode(), VALUE.encode().hex()])
def test_scan_detect_and_redact_find_it(home, capfd, monkeypatch, form):
    """In a text without any other hint, plain or encoded."""
    main(["protect", environment_file(home)])
    file = home / "a.txt"
    file.write_text(f"it said {form} twice\n")
    assert main(["scan", str(file), "--format", "json"]) == 1
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["findings"][0]["kind"] == "secret.known.value"
    monkeypatch.setattr("os.getcwd", lambda: str(home))
    assert main(["redact", str(file)]) == 0
    assert capfd.readouterr().out == "it said [known.value.1] twice\n"
    give(monkeypatch, json.dumps({"id": 1, "text": f"it said {form} twice"}))
    assert main(["detect"]) == 1
    (found,) = json.loads(capfd.readouterr().out)["findings"]
    assert (found["kind"], found["start"], found["end"]) == ("secret.known.value", 8, 8 + len(form))


def test_other_families_do_not_see_it(home, capfd, monkeypatch):
    """A registered value is a secret: whoever asks for personal data alone is not told of it, encoded or not."""
    main(["protect", environment_file(home)])
    encoded = base64.b64encode(f"it said {VALUE} twice".encode()).decode()
    for text in (VALUE, encoded):
        give(monkeypatch, json.dumps({"id": 1, "text": text}))
        assert main(["detect", "--family", "pii"]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["findings"] == []


def test_a_canary_is_told_apart(home, capfd, monkeypatch):
    """Lines on standard input; the kind says that it was bait."""
    give(monkeypatch, f"{VALUE}\n")
    assert main(["protect", "-", "--canary", "--name", "bait"]) == 0
    file = home / "a.txt"
    file.write_text(f"it said {VALUE}\n")
    assert main(["scan", str(file)]) == 1
    assert "secret.known.canary" in capfd.readouterr().out


def test_the_environment_and_forgetting(home, capfd, monkeypatch):
    """Only what looks secret; forgotten by name, and then found no more."""
    monkeypatch.setenv("SLUICE_TOKEN", VALUE)
    monkeypatch.setenv("SLUICE_COLOUR", "dark-green-and-gold")
    assert main(["protect", "--env"]) == 0
    main(["protect", "--list", "--format", "json"])
    rows = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert [row["source"] for row in rows if row["name"] == "SLUICE_TOKEN"] == ["environment"]
    assert "SLUICE_COLOUR" not in {row["name"] for row in rows}
    assert main(["protect", "--forget", "SLUICE_TOKEN"]) == 0
    assert main(["protect", "--forget", "SLUICE_TOKEN"]) == 1
    give(monkeypatch, json.dumps({"id": 1, "text": f"it said {VALUE}"}))
    assert main(["detect"]) == 0


def test_a_running_gateway_takes_it_without_a_restart(home):
    """The snapshot's stamp changes with the file; the next one finds the value."""
    settings = places.read_settings()
    snapshots = Snapshots(lambda: compose.snapshot(settings), lambda: compose._stamp(settings))
    assert snapshots.current.detector.detect(f"it said {VALUE}") == ()
    main(["protect", environment_file(home)])
    assert asyncio.run(snapshots.refresh())
    (found,) = snapshots.current.detector.detect(f"it said {VALUE}")
    assert (found.kind, found.value) == ("secret.known.value", VALUE)


def test_the_gateway_disguises_it(home):
    """Typed into a prompt, plain and encoded: a stand-in for each way of writing it, and nothing of it leaves."""
    main(["protect", environment_file(home)])
    encoded = base64.b64encode(VALUE.encode()).decode()
    verdict = inspect(
        Document(
            provider="test",
            operation="chat",
            conversation="c",
            segments=(Segment(text=f"it said {VALUE} and {encoded}"),),
        ),
        Context(
            principal=Principal(human="ada"),
            destination=Destination(name="anthropic", vendor="anthropic", endpoint="https://example.test"),
        ),
        compose.snapshot(places.read_settings()),
        ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32),
        1,
        id="one",
    )
    assert verdict.decision.rung is Rung.SEND_DISGUISED
    first, second = verdict.texts[0].removeprefix("it said ").split(" and ")
    assert first.startswith("QZ_")
    assert VALUE not in verdict.texts[0]
    assert encoded not in verdict.texts[0]
    assert {surrogate.value for surrogate in verdict.issued.values()} == {VALUE, encoded}
    assert second.startswith("QZ_")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "there is nothing to protect"),
        (["--forget", "x", "--env"], "--forget stands alone"),
        (["/no/such/file"], "/no/such/file can't be read: No such file or directory"),
    ],
)
def test_faults(arguments, why, capfd):
    """Exit 2 with what happened."""
    assert main(["protect", *arguments]) == 2
    assert why in capfd.readouterr().err


def test_commands_use_the_users_names_and_hosts(home, capfd, monkeypatch):
    """`scan` and `detect` see what the gateway sees; a file of the working directory counts for nothing."""
    names = home / "names.txt"
    names.write_text("Zephyr Harbour\n")
    folder = home / ".config/poundlock"
    folder.mkdir(parents=True)
    (folder / "poundlock.toml").write_text(f'[rules]\nnames = ["{names}"]\nhosts = ["corp.example"]\n')
    repository = home / "repository"
    repository.mkdir()
    (repository / "poundlock.toml").write_text("[rules]\nnames = []\n")
    monkeypatch.chdir(repository)
    file = repository / "a.txt"
    file.write_text("class ZephyrHarbour at build.corp.example\n")
    assert main(["scan", "--family", "identifier,infrastructure", "--format", "json", str(file)]) == 1
    found = json.loads(capfd.readouterr().out)["findings"]
    assert [item["family"] for item in found] == ["identifier", "infrastructure"]
    empty = home / "empty.toml"
    empty.write_text("")
    assert main(["scan", "--family", "identifier", "--config", str(empty), str(file)]) == 0
