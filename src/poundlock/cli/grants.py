"""What `run --grant` does: ask the gateway for leases, give them to the tool's surroundings, and give them back.

The credential is in the tool's environment (and, where a program takes it from a file only, in a folder of this run
that goes with it). It is never printed, and never written anywhere else.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poundlock.core.errors import ClientFault, Fault, UpstreamFault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poundlock.config import Settings
    from poundlock.core.leases import Grant

GATEWAY = "{gateway}"
"""Stands in a variable for the gateway's address with the task's credential."""
PAUSE = 1.0
"""Seconds between two looks for an approver's answer."""
PATIENCE = 30.0


def given(
    settings: Settings,
    url: str,
    token: str,
    wanted: Sequence[Grant],
    *,
    stack: contextlib.ExitStack,
    quiet: bool,
) -> dict[str, str]:
    """Give the variables of these leases, which end when the stack does. Raises: `ClientFault`, `UpstreamFault`."""
    out: dict[str, str] = {}
    for grant in wanted:
        said = _lease(settings, url, token, grant, quiet=quiet)
        stack.callback(_back, url, token, str(said["lease"]))
        variables = {name: text.replace(GATEWAY, f"{url}/t/{token}") for name, text in said["variables"].items()}
        out.update(_placed(variables, said["files"], stack))
        if not quiet:
            until = time.strftime("%H:%M", time.localtime(int(said["expires"])))
            sys.stderr.write(f"poundlock: {grant.name} as {said['handle']}, until {until} or the tool's end\n")
    return out


def without(environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Give an environment without what the gateway makes leases with."""
    secret = {row.secret_env for row in settings.resources.values()}
    return {name: value for name, value in environment.items() if name not in secret}


def _lease(settings: Settings, url: str, token: str, grant: Grant, *, quiet: bool) -> dict[str, Any]:
    """Ask for one lease, and wait for the person that it may need. Raises: `ClientFault`, `UpstreamFault`."""
    until = time.monotonic() + settings.approvals.wait_seconds
    told = quiet
    while True:
        status, said = _ask("POST", f"{url}/leases", token, {"grant": grant.name})
        if status == 200:
            return said
        error = said.get("error") or {}
        if not error.get("approval") or time.monotonic() >= until:
            kind = ClientFault if status < 500 else UpstreamFault
            text = str(error.get("message") or f"The gateway answered {status}.").removeprefix("Poundlock: ")
            raise kind(text, advice=str(error.get("advice", "")))
        if not told:
            sys.stderr.write(f"poundlock: {grant.name} waits for a person: poundlock approve {error['approval']}\n")
            told = True
        time.sleep(PAUSE)


def _back(url: str, token: str, lease: str) -> None:
    """Give a lease back. Where that fails, the end of the task ends it."""
    with contextlib.suppress(Fault):
        _ask("DELETE", f"{url}/leases/{lease}", token, None)


def _placed(variables: Mapping[str, str], files: Mapping[str, str], stack: contextlib.ExitStack) -> dict[str, str]:
    """Write a lease's files, and give its variables with their paths."""
    if not files:
        return dict(variables)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poundlock-")))  # of mode 0700
    paths = {}
    for name, text in files.items():
        path = folder / Path(name).name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        paths[f"{{{name}}}"] = str(path)
    out = dict(variables)
    for name, text in out.items():
        for mark, place in paths.items():
            out[name] = out[name].replace(mark, place) if mark in text else out[name]
    return out


def _ask(method: str, url: str, token: str, body: object) -> tuple[int, dict[str, Any]]:
    """Ask the gateway, past any proxy. Raises: `UpstreamFault` when it does not answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"x-poundlock-token": token, "content-type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 (our own gateway)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                return int(answer.status), dict(json.load(answer))
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, dict(json.load(refused))
    except (OSError, ValueError):
        raise UpstreamFault("The gateway did not answer.", advice="Run `poundlock doctor`.") from None
