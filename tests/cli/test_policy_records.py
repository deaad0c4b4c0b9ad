"""`policy replay|explain|render|acknowledge`, `vendors` and `audit shared` on a state folder with records."""

from __future__ import annotations

import argparse
import asyncio
import json
import time

import pytest

from poundlock import compose, config
from poundlock.cli import audit, policy, vendors
from poundlock.core import pipeline
from poundlock.core.errors import ConfigFault
from poundlock.core.model import Context, Document, ScopeKey, Segment, Snapshot
from poundlock.ports import Entry
from tests.core.policy import shipped
from tests.core.policy.test_replay import TIGHTER, Detector

KEY = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
MODULES = {"audit": audit, "policy": policy, "vendors": vendors}


def run(*arguments: str) -> int:
    """Run a command with these arguments."""
    parser = argparse.ArgumentParser()
    MODULES[arguments[0]].add_parser(parser.add_subparsers())
    return MODULES[arguments[0]].run(parser.parse_args(arguments))


@pytest.fixture
def settings(tmp_path):
    """Give a configuration whose log has two exchanges, one with an e-mail address."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    file = tmp_path / "poundlock.toml"
    file.write_text(
        f'[state]\ndirectory = "{state}"\n'
        '[providers.anthropic]\nupstream = "https://api.anthropic.com"\nplan = "commercial"\napproved = true\n'
        '[providers.mine]\nupstream = "https://mine.example"\n'
    )
    snapshot = Snapshot(detector=Detector(), policies=shipped.pack(), digest="d")

    async def fill() -> None:
        async with compose.opened(config.load(file.read_text())) as (store, _):
            for name, text in (("plain", "hello"), ("mail", "the MAIL")):
                document = Document(provider="anthropic", operation="messages", segments=(Segment(text=text),))
                context = Context(principal=shipped.ME, destination=shipped.AGREED)
                verdict = pipeline.inspect(document, context, snapshot, KEY, time.time_ns(), id=name)
                await store.commit(Entry(draft=verdict.draft))

    asyncio.run(fill())
    return str(file)


def test_replay(settings, tmp_path, capsys):
    """A tighter file changes the exchange with the address, for its person; without one nothing changes."""
    team = tmp_path / "team.cedar"
    team.write_text(TIGHTER)
    assert run("policy", "replay", "--config", settings) == 0
    assert capsys.readouterr().out == "2 exchanges of 7 days were asked again; 0 change.\n"
    assert run("policy", "replay", str(team), "--config", settings) == 1
    out = capsys.readouterr().out
    assert "2 exchanges of 7 days were asked again; 1 change.\n       1  sendDisguised → sendApproved\n" in out
    assert "mail  someone with claude-code to anthropic\n" in out
    assert run("policy", "replay", str(team), "--config", settings, "--json") == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (rows[0]["id"], rows[0]["kinds"], rows[-1]["changed"]) == ("mail", ["pii.email"], 1)


def test_explain(settings, capsys):
    """A policy is shown with its place; a decision is asked again, each part with the lines that decide."""
    assert run("policy", "explain", "pii.disguised", "--config", settings) == 0
    out = capsys.readouterr().out
    assert out.startswith("default.cedar:")
    assert '@id("pii.disguised")' in out
    assert out.rstrip().endswith(";")
    assert run("policy", "explain", "mail", "--config", settings) == 0
    out = capsys.readouterr().out
    assert "it is sendDisguised." in out
    assert "1 × pii.email, internal, typed, new: sendDisguised\n  closed by  pii.disguised  default.cedar:" in out
    with pytest.raises(ConfigFault, match="No policy in force"):
        run("policy", "explain", "nothing", "--config", settings)


def test_render_and_acknowledge(settings, capsys):
    """The page names its version; who has read it is on record, once they say so."""
    assert run("policy", "render", "--config", settings) == 0
    assert "| what it is |" in capsys.readouterr().out
    assert run("policy", "render", "--format", "html", "--config", settings) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")
    assert run("policy", "acknowledge", "--list", "--config", settings) == 0
    assert capsys.readouterr().out.startswith("Nobody has acknowledged version ")
    assert run("policy", "acknowledge", "--config", settings) == 0
    said = capsys.readouterr().out
    assert run("policy", "acknowledge", "--list", "--config", settings) == 0
    assert said.split()[5] in capsys.readouterr().out


def test_vendors(settings, tmp_path, capsys, monkeypatch):
    """The register is listed; what counts less than it may seem is told; rows of one's own go first."""
    assert run("vendors", "list", "anthropic", "--config", settings) == 0
    assert "commercial" in capsys.readouterr().out
    with pytest.raises(ConfigFault, match="no vendor"):
        run("vendors", "list", "nobody", "--config", settings)
    assert run("vendors", "check", "--config", settings, "--json") == 1
    rows = {row["provider"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["mine"]["trains"] is True
    assert any("does not know the vendor mine" in trouble for trouble in rows["mine"]["troubles"])
    own = tmp_path / "own.toml"
    own.write_text(
        '[[row]]\nvendor = "mine"\nplan = "contract"\ntrains = false\ndpa = true\nconfidence = "official"\n'
        'checked = "2026-01-01"\nvalid_until = "2999-01-01"\nevidence = ["our contract"]\n'
    )
    text = tmp_path / "poundlock.toml"
    text.write_text(
        text.read_text() + f'plan = "contract"\napproved = true\n[vendors]\nfiles = ["{own}"]\n'
        '[accounts.ours]\nprovider = "mine"\norganisations = ["o"]\n'
    )
    run("vendors", "check", "--config", settings, "--json")
    rows = {row["provider"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (rows["mine"]["trains"], rows["mine"]["dpa"], rows["mine"]["troubles"]) == (False, True, [])
    monkeypatch.setenv("SOME_KEY", "a key")
    assert run("vendors", "fingerprint", "SOME_KEY") == 0
    assert capsys.readouterr().out.startswith("sha256:")
    monkeypatch.delenv("SOME_KEY")
    with pytest.raises(ConfigFault, match="SOME_KEY"):
        run("vendors", "fingerprint", "SOME_KEY")


def test_audit_shared(settings, capsys):
    """What left is told by destination, as text and as JSON."""
    assert run("audit", "shared", "--config", settings) == 0
    out = capsys.readouterr().out
    assert "anthropic: anthropic, plan unknown\n  exchanges     2, 13 new characters" in out
    assert "disguised     1 × pii.email, 1 values, typed, internal\n" in out
    assert out.endswith("0 exchanges were stopped, 0 stayed inside the boundary.\n")
    assert run("audit", "shared", "--person", "joan", "--json", "--config", settings) == 0
    assert capsys.readouterr().out == ""


def test_bundles(settings, tmp_path, capsys):
    """What was signed here is unpacked where this key is named, and nowhere else; a bad policy is not signed."""
    team, out = tmp_path / "team.cedar", tmp_path / "team.bundle"
    team.write_text(TIGHTER)
    assert run("policy", "bundle", str(out), str(team), "--config", settings) == 0
    key = capsys.readouterr().out.split()[-1]
    assert run("policy", "verify", str(out), "--key", key, "--out", str(tmp_path / "in")) == 0
    assert capsys.readouterr().out.startswith("team.cedar\nThe signature is good, of ")
    assert (tmp_path / "in" / "team.cedar").read_text() == TIGHTER
    with pytest.raises(ConfigFault, match="not named"):
        run("policy", "verify", str(out), "--key", "0" * len(key))
    out.write_text(out.read_text().replace("No mail", "No male"))
    with pytest.raises(ConfigFault, match="altered"):
        run("policy", "verify", str(out), "--key", key)
    team.write_text("nonsense")
    with pytest.raises(ConfigFault, match="does not parse"):
        run("policy", "bundle", str(out), str(team), "--config", settings)
