"""`poundlock tools`: the register of AI tools, agents, CI jobs and MCP servers, each with an owner and its limits."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse

    from poundlock.adapters.sqlite import Identities
    from poundlock.config import Settings
    from poundlock.core.identity.registry import Person, Seen, Tool

DOTFILES = (
    ".aws/credentials",
    ".config/gcloud/application_default_credentials.json",
    ".azure/msal_token_cache.json",
    ".git-credentials",
    ".netrc",
    ".pgpass",
    ".pypirc",
    ".vault-token",
    ".config/gh/hosts.yml",
    ".kube/config",
    ".docker/config.json",
)
"""Where programs keep long-lived credentials in the home folder."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser("tools", help="keep the register of tools: owners, limits, reviews")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the register")
    listing.add_argument("--json", action="store_true", help="print JSON Lines")
    show = actions.add_parser("show", help="show one entry")
    show.add_argument("id", help="the tool")
    show.add_argument("--json", action="store_true", help="print JSON")
    add = actions.add_parser("add", help="add a tool (proposed, unless --state says otherwise)")
    _fields(add)
    change = actions.add_parser("set", help="change an entry; a list that is given replaces the one there is")
    _fields(change)
    retire = actions.add_parser("retire", help="retire a tool and end its tasks")
    retire.add_argument("id", help="the tool")
    retire.add_argument("--reason", default="retired", help="why, for the record")
    people = actions.add_parser("people", help="take over a list of who is there: owners that are missing have left")
    people.add_argument("file", help="one name a line, or a SCIM list of users (JSON); - for standard input")
    review = actions.add_parser("review", help="list what nobody uses or owns, with the command that mends it")
    review.add_argument("--days", type=int, default=90, help="days without use (default: %(default)s)")
    review.add_argument("--json", action="store_true", help="print JSON Lines")
    for each in (listing, show, add, change, retire, people, review):
        each.add_argument("--config", help="configuration file")


def _fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the tool")
    parser.add_argument("--owner", help="the person who answers for it (add: default you)")
    parser.add_argument("--team", help="the owner's team")
    parser.add_argument("--purpose", help="what it is for, in a sentence")
    parser.add_argument("--state", help="proposed, active, suspended or retired")
    parser.add_argument("--sort", help="tool, agent, ci or mcp")
    parser.add_argument("--destination", action="append", dest="destinations", help="a provider that it may reach")
    parser.add_argument("--repository", action="append", dest="repositories", help="a repository it may work in")
    parser.add_argument("--tool", action="append", dest="tools", help="a tool that it may call")
    parser.add_argument("--class", action="append", dest="classes", help="a class of data it may handle: pii, …")
    parser.add_argument("--scope", action="append", dest="scopes", help="what its tasks may do: send:openai, mcp, …")
    parser.add_argument("--max-tier", help="the highest tier of what it may handle")
    parser.add_argument("--review", help="the day by which somebody looks at it again")
    parser.add_argument("--privilege", help="drafts, holds, calls or acts: the most that it was given")


def run(args: argparse.Namespace) -> int:
    """Do one of these: 0; `review` gives 1 when there is something to look at."""
    settings = places.read_settings(args.config)
    return int(_ACTIONS[args.action](args, settings))


def _list(args: argparse.Namespace, settings: Settings) -> int:
    from poundlock.cli import register

    rows = register.within(settings, _tools)
    if args.json:
        _lines([_plain(seen) for seen in rows])
        return 0
    head = ("tool", "state", "owner", "privilege", "used", "review")
    body = [
        (
            seen.tool.id,
            seen.tool.state,
            seen.tool.owner or "nobody",
            seen.tool.privilege,
            register.when(seen.used),
            seen.tool.review or "-",
        )
        for seen in rows
    ]
    sys.stdout.write(register.columns([head, *body]) if body else "The register is empty: `poundlock tools add`.\n")
    return 0


def _show(args: argparse.Namespace, settings: Settings) -> int:
    from poundlock.cli import register

    seen = register.within(settings, lambda known: _seen(known, args.id))
    if args.json:
        _lines([_plain(seen)])
        return 0
    rows = []
    for name, value in _plain(seen).items():
        if isinstance(value, list):
            told = ", ".join(value) or "no limit"
        elif name in {"privileged", "added", "unowned", "used"}:
            told = register.when(value)
        else:
            told = str(value) or "-"
        rows.append((name, told))
    sys.stdout.write(register.columns(rows))
    return 0


def _add(args: argparse.Namespace, settings: Settings) -> int:
    from poundlock.cli import register
    from poundlock.core.identity.registry import Tool

    async def work(known: Identities) -> Tool:
        if known.ask.tool(args.id) is not None:
            raise ConfigFault("The register has this tool already.", advice=f"poundlock tools set {args.id} …")
        owner = getpass.getuser() if args.owner is None else args.owner
        return await known.keep_tool(Tool(**{"id": args.id, **_given(args), "owner": owner}))

    tool = register.within(settings, work)
    sys.stdout.write(f"added: {tool.id}, {tool.state}, owned by {tool.owner or 'nobody'}\n")
    return 0


def _set(args: argparse.Namespace, settings: Settings) -> int:
    from poundlock.cli import register
    from poundlock.core.identity import registry

    async def work(known: Identities) -> Tool:
        seen = await _seen(known, args.id)
        given = _given(args)
        if not given:
            raise ConfigFault("Nothing to change was given.", advice="See `poundlock tools set --help`.")
        if "privilege" in given and seen.tool.privilege == "drafts":
            given["privileged"] = known.now()
        return await known.keep_tool(registry.replaced(seen.tool, **given))

    tool = register.within(settings, work)
    sys.stdout.write(f"changed: {tool.id}, {tool.state}, owned by {tool.owner or 'nobody'}\n")
    return 0


def _retire(args: argparse.Namespace, settings: Settings) -> int:
    from poundlock.cli import register
    from poundlock.core.identity import registry

    async def work(known: Identities) -> None:
        seen = await _seen(known, args.id)
        await known.end_tool(args.id, reason=args.reason)
        await known.keep_tool(registry.replaced(seen.tool, state="retired"), what="retired")

    register.within(settings, work)
    sys.stdout.write(f"retired: {args.id}; its tasks have ended\n")
    return 0


def _people(args: argparse.Namespace, settings: Settings) -> int:
    from poundlock.cli import register

    try:
        text = sys.stdin.read() if args.file == "-" else Path(args.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigFault("The list can't be read.", advice="Give a file with one name a line.") from fault
    names = people(text)
    if not names:
        raise ConfigFault("The list is empty: everybody would have left.", advice="Give a file with one name a line.")
    left, came = register.within(settings, lambda known: known.present(names, reason="not on the list of people"))
    sys.stdout.write(f"{len(names)} there; left: {', '.join(left) or 'nobody'}; back: {', '.join(came) or 'nobody'}\n")
    return 0


def people(text: str) -> list[str]:
    """Give the names in a list: one a line, or the active users of a SCIM list (RFC 7644 §3.4.2)."""
    import msgspec

    if not text.lstrip().startswith("{"):
        return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        tree: dict[str, Any] = msgspec.json.decode(text)
        rows = tree["Resources"]
        return [str(row["userName"]) for row in rows if row.get("active", True) is True]
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
        raise ConfigFault("The list is no SCIM list.", advice="It has `Resources` with `userName` each.") from None


def _review(args: argparse.Namespace, settings: Settings) -> int:
    from datetime import UTC, datetime

    from poundlock.adapters.credentials import Credentials
    from poundlock.cli import register
    from poundlock.core.identity import review
    from poundlock.core.tools import UNREGISTERED

    async def work(known: Identities) -> tuple[list[Seen], list[Person], int]:
        return known.ask.tools(), known.ask.people(), known.now()

    seen, persons, now = register.within(settings, work)
    folder = places.state_folder(settings)
    uses, shared = _uses(folder, now - args.days * 86_400_000_000_000)
    keys = [
        review.Key(
            name=row.name,
            human=row.human,
            tool="" if row.tool == UNREGISTERED else row.tool,
            made=row.made,
            used_by=tuple(sorted(shared.get(row.human, ()))),
        )
        for row in Credentials(places.credentials(folder)).all()
    ]
    home = Path.home()
    found = review.review(
        seen,
        {person.name: person for person in persons},
        uses,
        keys,
        [f"~/{name}" for name in DOTFILES if (home / name).is_file()],
        now=now,
        today=datetime.fromtimestamp(now / 1e9, UTC).date().isoformat(),
        idle_days=args.days,
    )
    if args.json:
        _lines([{name: getattr(row, name) for name in row.__struct_fields__} for row in found])
    else:
        for row in found:
            sys.stdout.write(f"{row.what:<12}{row.name}: {row.said}\n            {row.command}\n")
        sys.stdout.write("" if found else "nothing to look at\n")
    return 1 if found else 0


def _uses(folder: Path, since: int) -> tuple[dict[str, Any], dict[str, set[str]]]:
    """Give what each tool was used for since then, and the tools that each person's own credentials served."""
    from poundlock.adapters.sqlite import Reading
    from poundlock.core.audit import record_of
    from poundlock.core.identity.review import Use

    uses: dict[str, Use] = {}
    shared: dict[str, set[str]] = {}
    reading = Reading(places.database(folder))
    try:
        for row in reading.rows():
            if row.kind != "exchange" or row.at < since:
                continue
            record = record_of(row)
            principal = record.body["principal"]
            before = uses.get(principal["tool"], Use())
            uses[principal["tool"]] = Use(
                exchanges=before.exchanges + 1,
                last=record.at,
                destinations=before.destinations | {record.body["destination"]["name"]},
                humans=before.humans | {principal["human"]},
            )
            if principal["authenticated"] == "credential" and principal["tool_claimed"]:
                shared.setdefault(principal["human"], set()).add(principal["tool"])
    finally:
        reading.close()
    return uses, shared


async def _tools(known: Identities) -> list[Seen]:
    return known.ask.tools()


async def _seen(known: Identities, id: str) -> Seen:  # noqa: A002 (the word of the register)
    seen = known.ask.tool(id)
    if seen is None:
        raise ConfigFault("The register has no such tool.", advice="`poundlock tools list` shows them.")
    return seen


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """Give the fields that were given; an empty text in a list clears it."""
    plain = ("owner", "team", "purpose", "state", "sort", "max_tier", "review", "privilege")
    lists = ("destinations", "repositories", "tools", "classes", "scopes")
    given: dict[str, Any] = {name: getattr(args, name) for name in plain if getattr(args, name) is not None}
    given |= {
        name: tuple(text for text in getattr(args, name) if text) for name in lists if getattr(args, name) is not None
    }
    return given


def _plain(seen: Seen) -> dict[str, Any]:
    tool = seen.tool
    row = {name: getattr(tool, name) for name in tool.__struct_fields__}
    row = {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}
    return {**row, "epoch": seen.epoch, "used": seen.used}


def _lines(rows: list[dict[str, Any]]) -> None:
    import msgspec

    for row in rows:
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")


_ACTIONS = {
    "list": _list,
    "show": _show,
    "add": _add,
    "set": _set,
    "retire": _retire,
    "people": _people,
    "review": _review,
}
