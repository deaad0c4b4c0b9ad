"""`poundlock login`: say who you are to your organisation's OpenID provider, in a browser (RFC 8628).

What is kept is who, by whom and until when: no token, so there is nothing to steal.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec

from poundlock.adapters import places
from poundlock.core.errors import ClientFault, ConfigFault

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from poundlock.config import People, Settings

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST = 900
"""Seconds that a code is waited for at the most."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Who logged in; times are nanoseconds since the epoch."""

    human: str
    issuer: str
    subject: str
    at: int
    until: int


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser("login", help="say who you are to your organisation's OpenID provider")
    parser.add_argument("--status", action="store_true", help="only say who is logged in")
    parser.add_argument("--out", action="store_true", help="log out")
    parser.add_argument("--config", help="configuration file")


def run(args: argparse.Namespace) -> int:
    """Log in, out, or say who is: 0, or 1 when nobody is. Raises: `ConfigFault`, `ClientFault`."""
    settings = places.read_settings(args.config)
    path = place(places.state_folder(settings))
    if args.out:
        path.unlink(missing_ok=True)
        sys.stdout.write("logged out\n")
        return 0
    if args.status:
        known = current(settings)
        sys.stdout.write(f"{known.human}, by {known.issuer}\n" if known else "nobody is logged in\n")
        return 0 if known else 1
    people = settings.identity.people
    if not people.issuer or not people.client_id:
        raise ConfigFault(
            "No OpenID provider is configured: people are the users of this machine.",
            advice="Set identity.people.issuer and client_id in poundlock.toml.",
        )
    login = asyncio.run(_login(people))
    _write(path, login)
    _note(settings, login)
    sys.stdout.write(f"logged in as {login.human}, for {people.hours} hours\n")
    return 0


def place(folder: Path) -> Path:
    """Give the file that says who is logged in."""
    return folder / "login.json"


def current(settings: Settings) -> Login | None:
    """Give who is logged in now with the provider that is configured, if anybody."""
    try:
        login = msgspec.json.decode(place(places.state_folder(settings)).read_bytes(), type=Login)
    except (OSError, msgspec.MsgspecError):
        return None
    return login if login.issuer == settings.identity.people.issuer and login.until > time.time_ns() else None


def human(settings: Settings) -> tuple[str, str, str]:
    """Give who works here, how that is known, and the issuer's own name for them.

    Raises: `ConfigFault` where people log in, and nobody has.
    """
    import getpass

    if not settings.identity.people.issuer:
        return getpass.getuser(), "local", ""
    login = current(settings)
    if login is None:
        raise ConfigFault("Nobody is logged in.", advice="Type: poundlock login")
    return login.human, "oidc", login.subject


async def _login(people: People) -> Login:
    from poundlock.adapters import tokens
    from poundlock.adapters.issuers import Issuers
    from poundlock.core.identity import workloads

    issuers = Issuers()
    metadata = await issuers.metadata(people.issuer)
    door = str(metadata.get("device_authorization_endpoint", ""))
    if not door:
        raise ConfigFault("The provider does not offer the device grant.", advice="Allow it for Poundlock's client.")
    asked = await issuers.fetch(door, {"client_id": people.client_id, "scope": people.scopes})
    if "device_code" not in asked:
        raise ClientFault("The provider refused to begin.", advice="Check identity.people.client_id and its grants.")
    address = str(asked.get("verification_uri_complete") or asked.get("verification_uri", ""))
    sys.stderr.write(f"Open {address}\nand check that it shows the code {asked.get('user_code', '')}\n")
    token = await _wait(issuers, str(metadata.get("token_endpoint", "")), people, asked)
    said, missing = tokens.issued(token, await issuers.keys(people.issuer))
    if missing or not said:
        said, _ = tokens.issued(token, await issuers.keys(people.issuer, missing=True))
    now = time.time_ns()
    name = workloads.person(said, issuer=people.issuer, audience=people.client_id, claim=people.claim, now=now)
    until = now + people.hours * 3_600_000_000_000
    return Login(human=name, issuer=people.issuer, subject=str(said.get("sub", ""))[:256], at=now, until=until)


async def _wait(issuers: Any, door: str, people: People, asked: dict[str, Any]) -> str:
    """Ask until the person has said yes in the browser (RFC 8628 §3.4), and give the ID token."""
    pause = min(60.0, max(0.01, float(asked.get("interval", 5))))
    until = time.monotonic() + min(LONGEST, float(asked.get("expires_in", LONGEST)))
    form = {"grant_type": DEVICE, "device_code": str(asked["device_code"]), "client_id": people.client_id}
    while time.monotonic() < until:
        await asyncio.sleep(pause)
        answer = await issuers.fetch(door, form)
        error = answer.get("error")
        if error is None:
            if not isinstance(answer.get("id_token"), str):
                raise ClientFault("The provider gave no ID token.", advice="identity.people.scopes needs `openid`.")
            return str(answer["id_token"])
        if error == "slow_down":
            pause += 5
        elif error != "authorization_pending":
            said = {"access_denied": "It was denied.", "expired_token": "The code has expired."}
            raise ClientFault(said.get(str(error), "The provider refused."), advice="Type: poundlock login")
    raise ClientFault("Nobody confirmed the code in time.", advice="Type: poundlock login")


def _write(path: Path, login: Login) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(login) + b"\n")
    temporary.replace(path)


def _note(settings: Settings, login: Login) -> None:
    from poundlock.cli import register

    body = {"human": login.human, "issuer": login.issuer, "until": login.until}
    register.within(settings, lambda known: known.note("login", login.human, body))
