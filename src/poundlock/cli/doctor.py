"""`poundlock doctor`: check that everything fits, and say what to mend. `--coverage`: what is done with each route."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple

from poundlock.adapters import places
from poundlock.core.errors import Fault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from poundlock.config import Settings

SLOW_SYNC = 0.02
"""Seconds: a disk that takes longer to make a write durable is felt in each exchange."""


class Check(NamedTuple):
    """One line of the report: `ok`, `note` (works, could be better) or `wrong`."""

    state: str
    name: str
    said: str
    advice: str = ""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser("doctor", help="check the installation and say what to mend")
    parser.add_argument("--config", help="configuration file")
    parser.add_argument("--coverage", action="store_true", help="print what is done with each route, and end")


def run(args: argparse.Namespace) -> int:
    """Print the report: 0 when nothing is wrong, else 1."""
    if args.coverage:
        sys.stdout.write(coverage())
        return 0
    wrong = False
    for check in checks(args.config):
        sys.stdout.write(f"{_MARK[check.state]} {check.name}: {check.said}\n")
        if check.advice:
            sys.stdout.write(f"    {check.advice}\n")
        wrong |= check.state == "wrong"
    return 1 if wrong else 0


_MARK = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


def checks(config: str | None) -> Iterator[Check]:
    """Give the checks one by one; the ones that need what failed before are left out."""
    yield Check("ok", "python", f"{sys.version.split()[0]}, poundlock {_version('poundlock')}")
    yield _hyperscan()
    settings: list[Settings] = []
    yield _guarded("configuration", lambda: _configuration(config, settings))
    if not settings:
        return
    yield _guarded("state folder", lambda: _state(settings[0]))
    yield _guarded("master key", lambda: _master_key(settings[0]))
    yield _guarded("disk", lambda: _disk(settings[0]))
    yield _guarded("rules", lambda: _rules(settings[0]))
    yield _guarded("policies", lambda: _policies(settings[0]))
    yield _guarded("audit log", lambda: _audit(settings[0]))
    yield _gateway(settings[0])


def coverage() -> str:
    """Give the route table as text: whatever is not in it is refused."""
    from poundlock.wire import registry

    rows = [
        (wire.provider, route.method, route.path, route.treatment, route.reason)
        for wire in registry.WIRES
        for route in wire.routes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]
    return "\n".join([*(line.rstrip() for line in lines), "everything else: refused", ""])


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Fault as fault:
        return Check("wrong", name, fault.message, fault.advice)
    except OSError as fault:
        return Check("wrong", name, f"{fault.strerror or type(fault).__name__}")


def _hyperscan() -> Check:
    try:
        return Check("ok", "hyperscan", _version("hyperscan"))
    except PackageNotFoundError:
        return Check("note", "hyperscan", "not installed: detection is slower", "Type: pip install hyperscan")


def _configuration(config: str | None, settings: list[Settings]) -> Check:
    settings.append(places.read_settings(config))
    path = places.config_path(config)
    said = str(path) if path.exists() else f"all defaults ({path} does not exist)"
    mode = settings[0].mode
    if mode == "monitor":
        return Check("note", "configuration", f"{said}, mode monitor: nothing is changed or stopped")
    return Check("ok", "configuration", f"{said}, profile {settings[0].profile}, mode {mode}")


def _state(settings: Settings) -> Check:
    return Check("ok", "state folder", str(places.state_folder(settings)))


def _master_key(settings: Settings) -> Check:
    from poundlock.adapters import keys

    folder = places.state_folder(settings)
    found = keys.existing(folder / "master.key", os.environ, place=settings.state.master_key)
    if found is None:
        return Check("ok", "master key", f"none yet: made at the first start ({settings.state.master_key})")
    where = "POUNDLOCK_MASTER_KEY" if os.environ.get("POUNDLOCK_MASTER_KEY") else settings.state.master_key
    return Check("ok", "master key", f"from {where}")


def _disk(settings: Settings) -> Check:
    folder = places.state_folder(settings)
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix="sync-") as file:
        for _ in range(10):
            file.write(b"\0" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    median = sorted(taken)[len(taken) // 2]
    said = f"a durable write takes {median * 1000:.1f} ms"
    if median > SLOW_SYNC:
        return Check("note", "disk", said, "Each exchange waits for one: set state.directory to a faster disk.")
    return Check("ok", "disk", said)


def _rules(settings: Settings) -> Check:
    from poundlock.adapters import rulefiles

    detector = rulefiles.load_detector(settings.rules.files, names=settings.rules.names, hosts=settings.rules.hosts)
    return Check("ok", "rules", f"{len(detector.rules)} rules, digest {detector.digest[:12]}")


def _policies(settings: Settings) -> Check:
    from poundlock.adapters import policyfiles

    policies = policyfiles.load(settings.policy.files, default=settings.policy.default_pack)
    return Check("ok", "policies", f"{len(policies.policies)} policies, digest {policies.digest[:12]}")


def _audit(settings: Settings) -> Check:
    from poundlock.adapters.sqlite import Reading

    folder = places.state_folder(settings)
    path = places.database(folder)
    if not path.exists():
        return Check("ok", "audit log", "none yet: made at the first start")
    reading = Reading(path)
    try:
        last, died = reading.last(), len(reading.find("writer"))
    finally:
        reading.close()
    if died:
        return Check(
            "note",
            "audit log",
            f"{last} records; its writer died {died} times, and each time another one began",
            "Type: poundlock explain writer. Please report what it says.",
        )
    heads = places.heads(settings, folder)
    if heads.parent == folder:
        return Check(
            "note",
            "audit log",
            f"{last} records; its heads lie beside it",
            "Set audit.heads to another disk: a log whose end was cut off is then told from a whole one.",
        )
    return Check("ok", "audit log", f"{last} records, heads in {heads}")


def _gateway(settings: Settings) -> Check:
    import socket

    from poundlock.cli.process import healthy

    host, port = settings.gateway.host, settings.gateway.port
    if healthy(f"http://{host}:{port}"):
        return Check("ok", "gateway", f"serves at http://{host}:{port}")
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((host, port)) == 0:
            return Check(
                "wrong", "gateway", f"something else listens at {host}:{port}", "Set gateway.port to another one."
            )
    return Check("ok", "gateway", f"does not run now; {host}:{port} is free. `poundlock serve` starts it")


def _version(package: str) -> str:
    return version(package)
