"""Promise 3: no sensitive value is ever written in clear. The end of every other gateway is searched as well."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.gateway import canary
from tests.gateway.dialects import DIALECTS
from tests.gateway.running import ECHO, PLAIN, Gate, encoded, prepared, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.promises.conftest import Broken

FORMS: dict[str, Callable[[str], bytes]] = {
    "raw": lambda value: value.encode(),
    "utf-16": lambda value: value.encode("utf-16-le"),
    "hex": lambda value: value.encode().hex().encode(),
    "base64": lambda value: encoded(f"key={value}\n").encode(),
    "json": lambda value: json.dumps({"a": value}).encode(),
    "escapes": lambda value: "".join(f"\\u{ord(char):04x}" for char in value).encode(),
    "url": lambda value: "".join(f"%{ord(char):02X}" for char in value).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_search_finds(tmp_path: Path, form: str) -> None:
    """The search itself finds a value in each form that it may be written in, and nothing where there is nothing."""
    value = canary.access_key()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "log").write_bytes(b"noise " + FORMS[form](value) + b" noise")
    (tmp_path / "other").write_bytes(b"noise")
    assert canary.sweep(tmp_path, [value]) == ["below/log"]
    assert canary.sweep(tmp_path, [canary.access_key()]) == []


def busy(gate: Gate) -> None:
    """Make the gateway meet values in every way that it may write something, and search while it runs."""
    for number, dialect in enumerate(DIALECTS):
        key, password, address = canary.access_key(), canary.password(), canary.email()
        text = f"{key} {canary.database_url(password)} {address}"
        gate.mock.play(ECHO)
        person = gate.credential(f"person-{number}")
        for headers in ({}, person):
            for stream in (False, True):
                assert gate.ask(dialect, dialect.body(text, stream=stream), headers).status == 200
        # Refused: typed, in the address, undecodable, unknown; then broken on the way home.
        assert gate.ask(dialect, dialect.body(canary.private_key())).status == 400
        assert gate.ask(dialect, dialect.body("Hello."), path=f"{dialect.path}?k={key}").status == 400
        assert gate.ask(dialect, dialect.body("Hello."), path=f"/v1/{key}/{password}").status == 400
        assert gate.ask(dialect, dialect.body("Hello."), path=f"/p/{key}{dialect.path}").status == 400
        assert gate.ask(dialect, json.dumps(dialect.body(text)).encode()[:-1]).status == 400
        assert gate.ask(dialect, dialect.body(text), {"content-encoding": key}).status == 400
        assert gate.ask(dialect, dialect.body(text), {"content-type": password}).status == 400
        assert gate.ask(dialect, dialect.body(text), {"x-poundlock-token": f"pl_{password}"}).status == 400
        gate.mock.play({"turns": [{"blocks": [{"text": "x"}], "cut": "characters", "drop": {"events": 5}}]})
        assert gate.ask(dialect, dialect.body(text, stream=True)).status == 200
        # The provider says a value of its own: it is counted, not kept.
        gate.mock.play({"turns": [{"blocks": [{"text": f"An example is {canary.access_key()}."}]}]})
        for stream in (False, True):
            assert gate.ask(dialect, dialect.body(text, stream=stream)).status == 200
        gate.mock.play(PLAIN)
        calls = dialect.call("Read", {"file_path": "/home/x", "for": address}, f"password={password}")
        assert gate.ask(dialect, dialect.body("Read.", *calls)).status == 200
    assert gate.leaks() == []
    code, said = gate.command("audit", "export")
    assert code == 0
    assert canary.found(said.encode(), canary.made) == []
    code, said = gate.command("doctor")
    assert canary.found(said.encode(), canary.made) == []


def test_nothing_is_left(gate: Gate) -> None:
    """No value is in the state folder, the heads, the ready file, the output, a temporary file or the export."""
    busy(gate)


@pytest.mark.parametrize("mutant", ["records_the_text", "prints_its_errors"])
def test_nothing_is_left_mutant(broken: Broken, mutant: str) -> None:
    """A gateway that records a text, and one that prints one, are caught."""
    with broken(mutant) as gate:
        busy(gate)


def test_no_core_dump(tmp_path: Path) -> None:
    """A worker that crashes with values in its memory leaves no core, nor can its memory be read by its own user."""
    with prepared(tmp_path) as gate:
        gate.start()
        body = DIALECTS[0].body(f"My key is {canary.access_key()}.")
        assert gate.ask(DIALECTS[0], body).status == 200
        (worker,) = gate.workers()
        limits = Path(f"/proc/{worker}/limits").read_text()
        assert "Max core file size        0                    0  " in limits
        # Its files in /proc belong to root once it is not dumpable; run as root, that can't be told apart.
        if os.geteuid() != 0:
            with pytest.raises(PermissionError):
                Path(f"/proc/{worker}/mem").read_bytes()
        os.kill(worker, signal.SIGSEGV)
        until(lambda: gate.workers() not in ([], [worker]))
        time.sleep(0.2)
        until(lambda: _served(gate))
        assert [path for path in gate.folder.rglob("*core*") if path.is_file()] == []


def _served(gate: Gate) -> bool:
    try:
        return gate.ask(DIALECTS[1], DIALECTS[1].body("Hello.")).status == 200
    except OSError:
        return False


def test_files_are_their_owners(gate: Gate) -> None:
    """Nobody else may read what the gateway keeps."""
    assert gate.ask(DIALECTS[0], DIALECTS[0].body(f"My key is {canary.access_key()}.")).status == 200
    assert gate.state.stat().st_mode & 0o077 == 0
    for path in gate.state.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path.name
