"""`poundlock vendors`: what is known of vendors' plans, and what that means for the providers in use.

It must never call a row good that is unverified or past its day.

Exit 0: all is well. Exit 1: a provider in use counts as less than its owner may think. Exit 2: usage or fault.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from poundlock.adapters import places, policyfiles
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from poundlock.config import Provider, Settings
    from poundlock.core.register import Register, Row

SOON = 30
"""Days before the end of a row from which `check` tells of it."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "vendors", help="what is known of vendors, and what that means for the providers in use", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="list the register, a plan a line")
    listed.add_argument("vendor", nargs="?", help="only this vendor, with evidence")
    check = actions.add_parser("check", help="say what counts for each provider of poundlock.toml")
    fingerprint = actions.add_parser("fingerprint", help="give the digest of a key, for `keys` in [accounts.NAME]")
    fingerprint.add_argument("variable", metavar="VARIABLE", help="environment variable that holds the key")
    for action in (listed, check):
        action.add_argument("--config", metavar="FILE", help="configuration file")
        action.add_argument("--json", action="store_true", help="print JSON, one object a line")


def run(args: argparse.Namespace) -> int:
    """Run one action and give its exit code. Raises: `ConfigFault`."""
    return {"list": _list, "check": _check, "fingerprint": _fingerprint}[args.action](args)


def _today() -> date:
    return datetime.now(UTC).date()


def _list(args: argparse.Namespace) -> int:
    import msgspec

    today = _today().isoformat()
    register = policyfiles.register(places.read_settings(args.config).vendors.files)
    rows = [row for row in register.rows if args.vendor in (None, row.vendor)]
    if not rows:
        raise ConfigFault(
            f"The register has no vendor {args.vendor!r}.", advice="`poundlock vendors list` has them all."
        )
    for row in rows:
        if args.json:
            told = {**msgspec.structs.asdict(row), "standing": row.standing(today)}
            sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        else:
            sys.stdout.write(_line(row, today, full=args.vendor is not None))
    return 0


def _line(row: Row, today: str, *, full: bool) -> str:
    cells = (
        ("trains", row.trains, False),
        ("zero retention", row.zero_retention, True),
        ("DPA", row.dpa, True),
        ("BAA", row.baa, True),
    )
    said = ", ".join(f"{name} {'?' if value is None else 'yes' if value else 'no'}" for name, value, _ in cells)
    lines = [f"{row.vendor:<12} {row.plan:<22} {row.model:<18} {row.standing(today):<10} {said}"]
    if full:
        lines += [f"  retention  {row.retention}", f"  checked    {row.checked}, good until {row.valid_until}"]
        lines += [f"  evidence   {each}" for each in row.evidence]
        lines += [f"  note       {row.note}"] if row.note else []
    return "\n".join(lines) + "\n"


def _check(args: argparse.Namespace) -> int:
    import msgspec

    settings = places.read_settings(args.config)
    register = policyfiles.register(settings.vendors.files)
    today = _today()
    worst = 0
    if not settings.providers:
        sys.stderr.write("poundlock: no provider is configured: the shipped ones count as nobody's choice.\n")
    for name, provider in settings.providers.items():
        terms = register.terms(provider.vendor or name, provider.plan, "", today.isoformat())
        troubles = [] if provider.local else list(_troubles(register, settings, name, provider, today))
        worst |= bool(troubles)
        if args.json:
            row = {"provider": name, "vendor": provider.vendor or name, "plan": provider.plan, "troubles": troubles}
            sys.stdout.write(msgspec.json.encode({**msgspec.structs.asdict(terms), **row}).decode() + "\n")
            continue
        place = "inside the boundary" if provider.local else f"{provider.vendor or name}, plan {provider.plan or '?'}"
        counts = "" if provider.local else f": counts as {_words(terms)}"
        sys.stdout.write(f"{name} ({place}){counts}\n")
        sys.stdout.writelines(f"  {trouble}\n" for trouble in troubles)
    return worst


def _words(terms: Any) -> str:
    return ", ".join(
        (
            "trains" if terms.trains else "does not train",
            "zero retention" if terms.zero_retention else "retains",
            "DPA" if terms.dpa else "no DPA",
            "BAA" if terms.baa else "no BAA",
        )
    )


def _troubles(register: Register, settings: Settings, name: str, provider: Provider, today: date) -> Iterator[str]:
    vendor = provider.vendor or name
    rows = [row for row in register.rows if (row.vendor, row.plan) == (vendor, provider.plan)]
    plans = ", ".join(register.plans(vendor))
    if not register.plans(vendor):
        yield f"The register does not know the vendor {vendor}: write a row of your own, [vendors] files."
    elif not provider.plan:
        yield f"No plan is named, so the worst counts: set plan to one of {plans}."
    elif not rows:
        yield f"The register does not know the plan {provider.plan}: it is one of {plans}."
    for row in rows:
        standing = row.standing(today.isoformat())
        which = f"{row.plan} {row.model}"
        if standing == "expired":
            yield f"The row {which} ended on {row.valid_until}, so the worst counts: read its evidence again."
        elif standing == "unverified":
            yield f"The row {which} was not read at the vendor, so the worst counts: check it, and write your own."
        elif row.valid_until < (today + timedelta(days=SOON)).isoformat():
            yield f"The row {which} ends on {row.valid_until}: read its evidence again before."
    if not provider.approved:
        yield "It is not approved: set approved = true when your organisation has decided so."
    if not any(account.provider == name for account in settings.accounts.values()):
        yield f"Nobody can tell a personal account here from the organisation's: write [accounts.NAME] for {name}."


def _fingerprint(args: argparse.Namespace) -> int:
    from poundlock.core.accounts import digest

    key = os.environ.get(args.variable, "")
    if not key:
        raise ConfigFault(
            f"The environment variable {args.variable} is not set.", advice="Export the key first, then type it again."
        )
    sys.stdout.write(digest(key) + "\n")
    return 0
