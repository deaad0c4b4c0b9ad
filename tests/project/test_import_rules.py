"""The import rules hold, and each of them bites: a fault injected into a copy of the source is reported."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "poundlock"
FAULTS = {
    "a clock in the core": ("core/classify.py", "import time", "Core and wire are pure"),
    "a socket in a provider's format": ("wire/anthropic/request.py", "import socket", "Core and wire are pure"),
    "a framework in the core": ("core/model.py", "import aiohttp", "Core and wire are pure"),
    "a shell that knows an adapter": ("gateway/exchange.py", "import poundlock.adapters.keys", "The house"),
    "an adapter that knows the shell": ("adapters/heads.py", "import poundlock.gateway.http", "The house"),
    "a core that knows the shell": ("core/transform.py", "import poundlock.ports", "The house"),
    "detection that knows policy": ("core/detect/rules.py", "import poundlock.core.policy.ladder", "The core"),
    "a type that knows the pipeline": ("core/model.py", "import poundlock.core.pipeline", "The core"),
    "one provider in the other": ("wire/openai_chat/answer.py", "import poundlock.wire.anthropic", "Provider formats"),
    "one adapter in the other": ("adapters/heads.py", "import poundlock.adapters.keys", "Adapters do not know"),
    "a module without a place": ("core/stray.py", '"""A module that no layer names."""', "The core"),
    "a package without a place": ("stray/__init__.py", '"""A package that no layer names."""', "The house"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the copy of the package in `folder`/src against the rules in `folder`."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Give a copy of the source and its rules."""
    folder = tmp_path_factory.mktemp("imports")
    shutil.copytree(SOURCE, folder / "src" / "poundlock", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def test_the_rules_hold(copy):
    """Every contract is kept."""
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("fault", FAULTS)
def test_the_rules_bite(copy, fault):
    """An injected fault breaks the contract that is there to catch it."""
    name, line, contract = FAULTS[fault]
    path = copy / "src" / "poundlock" / name
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    try:
        path.write_text(f"{before or ''}\n{line}\n")
        done = lint(copy)
    finally:
        if before is not None:
            path.write_text(before)
        elif path.name == "__init__.py":
            shutil.rmtree(path.parent)
        else:
            path.unlink()
    assert done.returncode == 1, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    assert f"{contract}" in told
    broken = [row for row in done.stdout.split("Contracts:")[0].splitlines() if row.rstrip().endswith("BROKEN")]
    wrapped = told.split("Contracts:", maxsplit=1)[0]
    assert broken, told
    assert contract in wrapped.split("BROKEN", maxsplit=1)[0].rsplit("KEPT", maxsplit=1)[-1]


@pytest.mark.parametrize(("contract", "folder"), [("providers", "wire"), ("adapters", "adapters")])
def test_every_module_is_under_its_contract(contract, folder):
    """A new provider format (a package of `wire`) and a new adapter can't be forgotten."""
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    named = set(rules[f"importlinter:contract:{contract}"]["modules"].split())
    found = {
        f"poundlock.{folder}.{path.stem}"
        for path in (SOURCE / folder).iterdir()
        if (path / "__init__.py").exists()
        or (folder == "adapters" and path.suffix == ".py" and path.stem != "__init__")
    }
    assert found == named
