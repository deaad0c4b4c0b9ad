"""Claude Code with a database role of its own: it queries, and its session ends when its task is revoked elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.clients import launch
from tests.clients.launch import clients
from tests.postgres import Postgres, programs
from tests.provider.running import provider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.client,
    pytest.mark.skipif(programs() is None, reason="no PostgreSQL server on this machine"),
]


def test_a_session_of_claude_code_ends_with_its_task(tmp_path: Path, client: Callable[[str], None]) -> None:
    """The story of issue and end is on record; neither environment nor disk of the tool held a key of the gateway."""
    client("claude-code")
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    key = f"held-{uuid.uuid4().hex}"
    server = Postgres()
    ask = "psql -qtAXc 'TABLE shop.parcel ORDER BY id' > rows.txt; env > env.txt"
    turns = [
        [{"tool": "Bash", "input": {"command": ask, "description": "Ask"}}],
        [{"tool": "Bash", "input": {"command": "psql -c 'SELECT pg_sleep(90)'", "description": "Wait"}}],
        [{"text": "Done."}],
    ]
    try:
        with provider(tmp_path / "provider", {"turns": [{"blocks": turn} for turn in turns]}) as mock:
            config = home / "poundlock.toml"
            config.write_text(
                f'[state]\ndirectory = "{tmp_path / "state"}"\n[gateway]\nport = 0\n'
                f'[providers.anthropic]\nupstream = "{mock.url}"\nformat = "anthropic"\nkey_env = "HELD_KEY"\n'
                '[resources.orders]\nbackend = "postgres"\nsecret_env = "ORDERS_ADMIN"\n'
                '[resources.orders.levels.read]\nwrites = false\nschemas = ["shop"]\n'
            )
            revoker = threading.Thread(target=_revoke_when_it_waits, args=(server, config))
            revoker.start()
            began = time.monotonic()
            command = [sys.executable, "-m", "poundlock", "run", "--config", str(config)]
            command += ["--grant", "postgres:orders:read", "--", str(clients.executable("claude-code"))]
            own = {"HELD_KEY": key, "ORDERS_ADMIN": server.address, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
            launch._run([*command, "-p", "look at the parcels", "--allowedTools", "Bash"], project, home, own)
            revoker.join(60)
            assert time.monotonic() - began < 80
            assert any(("x-api-key", key) in seen.headers for seen in mock.requests())
        assert (project / "rows.txt").read_text() == "1|3\n2|4\n"
        surroundings = (project / "env.txt").read_text()
        assert "PGUSER=poundlock_" in surroundings
        for secret in (key, server.key):
            assert secret not in surroundings
            for folder in (home, project, tmp_path / "state"):
                assert not [
                    path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()
                ]
        assert server.roles() == []
        told = _poundlock(config, "audit", "export")
        events = [row["body"]["event"] for row in map(json.loads, told.splitlines()) if row["kind"] == "lease"]
        assert events == ["asked", "given", "revoked"]
    finally:
        server.stop()


def _revoke_when_it_waits(server: Postgres, config: Path) -> None:
    """End the task from another process as soon as its session sleeps, and see the session go."""
    until = time.monotonic() + 60
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'poundlock%' AND query LIKE '%pg_sleep%'"
    while server.sql(asleep) == "0" and time.monotonic() < until:
        time.sleep(0.1)
    (row,) = [json.loads(line) for line in _poundlock(config, "tasks", "--json").splitlines()]
    _poundlock(config, "revoke", "--task", row["task"])
    ended = time.monotonic()
    while server.sql(asleep) != "0" and time.monotonic() < ended + 10:
        time.sleep(0.05)
    assert time.monotonic() - ended < 3


def _poundlock(config: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "poundlock", *arguments, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
