"""The matrix of clients is what was run: each row has its result, of the version that is installed."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from scripts import clients

from tests.clients import agents

HERE = Path(__file__).parent
RESULTS = json.loads((HERE / "results.json").read_text())
TOLD = tomllib.loads((HERE / "matrix.toml").read_text())


def test_each_agent_has_its_results_in_each_way() -> None:
    """No row is older than the pinned version, none is missing, none is left over."""
    wanted = {
        (agent.id, agent.login, way, agent.version)
        for agent in (*agents.AGENTS, *agents.LIBRARIES)
        for way in agent.ways
    }
    found = {(row["client"], row["login"], row["way"], row["version"]) for row in RESULTS}
    assert sorted(found) == sorted(wanted)
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d", row["on"]) for row in RESULTS)


def test_other_rows_name_the_installed_versions() -> None:
    """What the page says of a version is what `scripts/clients.py` installs."""
    for row in TOLD["row"]:
        if "test" not in row:
            assert set(row) == {"client", "note"}
            continue
        assert (HERE.parents[1] / row["test"]).exists()
        pinned = [
            re.fullmatch(r".*[@=]([\d.]+)", package)[1]  # type: ignore[index]
            for package in clients.CLIENTS[row["install"]].packages
        ]
        assert re.findall(r"\d+(?:\.\d+)+", row["version"]) == pinned
