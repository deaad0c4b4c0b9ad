"""What every test shares: skips must be listed by name in `tests/skips.toml`, and one that isn't listed fails."""

from __future__ import annotations

import fnmatch
import os
import tomllib
from pathlib import Path

import pytest

# Compiled rules are kept by the digest of what they are made of: tests with a home of their own may share them.
os.environ.setdefault("POUNDLOCK_CACHE", str(Path.home() / ".cache" / "poundlock-test" / "rules"))

SKIPS = tomllib.loads((Path(__file__).parent / "skips.toml").read_text())["skip"]


def _listed(nodeid: str) -> bool:
    return any(fnmatch.fnmatch(nodeid, row["test"]) for row in SKIPS)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Turn a skip that nobody listed into a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and not _listed(item.nodeid):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and tests/skips.toml does not list it: {report.longrepr}"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    """Do the same for a whole module that skips itself."""
    outcome = yield
    report = outcome.get_result()
    if report.outcome == "skipped" and not _listed(collector.nodeid):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, and tests/skips.toml does not list it"
