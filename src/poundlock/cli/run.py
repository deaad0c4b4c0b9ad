"""`poundlock run -- COMMAND`: run a tool with its model traffic led through the gateway.

The run is a task with a credential of its own, which ends with it; credentials that are not the tool's stay out of its
environment. Its exit code is passed on. At the end a few lines say what was disguised, impounded and stopped, on
standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from poundlock.adapters import places
from poundlock.cli import clients, errand, grants
from poundlock.config import DEFAULT_PROVIDERS
from poundlock.core import leases
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from poundlock.cli.clients import Client
    from poundlock.config import Settings
    from poundlock.core.model import Record

DAY = 86_400_000_000_000
"""Nanoseconds."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "run", help="run a tool behind the gateway", description="Example: poundlock run -- claude -p 'explain main.py'"
    )
    parser.add_argument("--config", help="configuration file")
    parser.add_argument(
        "--intercept",
        action="store_true",
        help="lead everything through a proxy that opens the TLS of AI services: for tools that take no base URL",
    )
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="NAME",
        help="leave this variable, or this group of credentials (aws, ssh, github, …), in the tool's environment",
    )
    parser.add_argument(
        "--grant",
        action="append",
        default=[],
        metavar="BACKEND:NAME:LEVEL",
        help="give the tool a credential of its own, which ends with it: postgres:orders:read",
    )
    parser.add_argument("--quiet", action="store_true", help="no summary at the end")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the tool and its arguments")


def run(args: argparse.Namespace) -> int:
    """Run the tool and give its own exit code."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise ConfigFault("Which tool?", advice="For example: poundlock run -- claude")
    settings = places.read_settings(args.config)
    folder = places.state_folder(settings)
    client = clients.of_program(command[0])
    tool = client.id if client else Path(command[0]).name
    wanted = [leases.grant(text) for text in dict.fromkeys(args.grant)]
    with contextlib.ExitStack() as stack:
        program = Path(command[0]).name
        task, token = stack.enter_context(errand.opened(settings, tool=tool, program=program, grants=wanted))
        url = stack.enter_context(_gateway(settings, args.config))
        given = errand.environment(os.environ, settings, tool=tool, keep=args.keep, stack=stack, quiet=args.quiet)
        through = "intercept" if args.intercept else client.through if client else "base"
        base = f"{url}/t/{token}"
        if through == "intercept":
            env = {**_held(given, token, settings), "OLLAMA_HOST": base}
        else:
            env = environment(given, base, token, settings)
            if client:
                command = _by_table(client, command, base, settings, env, stack)
            command = led(command, url, env)
        if through != "base":
            env.update(_intercepted(settings, args.config, url, token, stack))
        env = grants.without(env, settings)
        env.update(grants.given(settings, url, token, wanted, stack=stack, quiet=args.quiet))
        env.update(POUNDLOCK_GATEWAY=url, POUNDLOCK_TOKEN=token)  # for the tool's hooks
        code = _child(command, env)
    if not args.quiet:
        sys.stderr.write(summary(folder, task))
    return code


def environment(inherited: Mapping[str, str], base: str, token: str, settings: Settings) -> dict[str, str]:
    """Give the tool's environment: base URLs for the tools and libraries that read one from there.

    Where Poundlock holds a provider's key, the tool gets the run's credential in its place.
    """
    out = dict(inherited)
    openai = f"{base}/v1"
    usual = {
        "ANTHROPIC_BASE_URL": base,  # Claude Code, the Anthropic SDKs
        "ANTHROPIC_API_BASE": base,  # LiteLLM, and so aider
        "OPENAI_BASE_URL": openai,  # the OpenAI SDKs, llm
        "OPENAI_API_BASE": openai,  # LiteLLM, aider
        "GOOGLE_GEMINI_BASE_URL": base,  # Gemini CLI, Google's SDKs
    }
    out.update({name: _place(name, inherited.get(name, ""), place, base, settings) for name, place in usual.items()})
    out.update(
        OLLAMA_HOST=base,  # Ollama's command line and SDKs
        POUNDLOCK_TOKEN=token,  # Codex, by the arguments that `led` adds
    )
    # A loopback address never goes through a proxy of the surroundings.
    out["NO_PROXY"] = ",".join(filter(None, [inherited.get("NO_PROXY", ""), "127.0.0.1", "localhost"]))
    out["no_proxy"] = out["NO_PROXY"]
    return _held(out, token, settings)


def _place(name: str, value: str, usual: str, base: str, settings: Settings) -> str:
    """Give what a variable with a base URL becomes: the gateway's, for the provider that it names.

    Raises: `ConfigFault` for a provider that nobody named: a key must not be led to the wrong one.
    """
    parts = urlsplit(value)
    if not value:
        return usual
    if parts.netloc == urlsplit(base).netloc:
        named = re.search(r"/p/[^/]+(?:/.*)?", parts.path)
        return f"{base}{named[0]}" if named else usual
    for provider, row in {**DEFAULT_PROVIDERS, **settings.providers}.items():
        place = urlsplit(row.upstream)
        prefix = place.path.rstrip("/")
        if parts.netloc == place.netloc and f"{parts.path}/".startswith(f"{prefix}/"):
            rest = parts.path.rstrip("/").removeprefix(prefix)
            return usual if provider in {"anthropic", "openai", "gemini"} else f"{base}/p/{provider}{rest}"
    raise ConfigFault(
        f"{name} leads this tool to a provider that Poundlock does not know.",
        advice="Name it in poundlock.toml: [providers.NAME] with its upstream. Or unset the variable.",
    )


def _held(out: dict[str, str], token: str, settings: Settings) -> dict[str, str]:
    """Put the run's credential in the place of each key that Poundlock holds."""
    for variable, provider in (
        ("ANTHROPIC_API_KEY", "anthropic"),
        ("OPENAI_API_KEY", "openai"),
        ("GEMINI_API_KEY", "gemini"),
    ):
        known = settings.provider(provider)
        if known and known.key_env:
            out.pop(known.key_env, None)
            out[variable] = token
    return out


def _by_table(
    client: Client, command: list[str], base: str, settings: Settings, env: dict[str, str], stack: contextlib.ExitStack
) -> list[str]:
    """Give the command as the table has it for this tool; its variables and files are made."""
    if client.needs and not any(env.get(name) for name in client.needs.any):
        raise ConfigFault(client.needs.why, advice=f"Set {client.needs.any[0]}; see docs/how-to/{client.guide}.")
    words = clients.words(base, copilot=env.get("COPILOT_PROVIDER_TYPE", ""))
    for name, value in client.env.items():
        place = clients.filled(value, words)
        leads = place.startswith(base)
        env[name] = _place(name, env.get(name, ""), place, base, settings) if leads else place
    for write in client.init:
        if write.given:
            from poundlock.cli import edits

            made = [setting.at(words) for setting in write.set if setting.counts()]
            env[write.given] = edits.edited(write.kind, env.get(write.given, ""), made)
    if client.files:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poundlock-")))
        for name, text in client.files.items():
            (folder / name).write_text(clients.filled(text, words), encoding="utf-8")
            words[name] = str(folder / name)
    return [command[0], *(clients.filled(word, words) for word in client.arguments), *command[1:]]


def _intercepted(
    settings: Settings, config: str | None, url: str, token: str, stack: contextlib.ExitStack
) -> dict[str, str]:
    """Start the intercepting proxy for this run and give the variables that lead the tool through it."""
    from poundlock.adapters import authority, keys
    from poundlock.cli import intercept

    folder = places.state_folder(settings)
    master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
    certificate = authority.load(folder, master, intercept.services(settings).names).pem
    proxy = intercept.Proxy.start(config, url, token)
    stack.callback(proxy.stop)
    return proxy.environment(os.environ, token, certificate)


def led(command: list[str], url: str, env: Mapping[str, str]) -> list[str]:
    """Give the command with the arguments that lead a tool through the gateway which reads no base URL from `env`.

    The run's credential stays out of them: other people of the machine can see a command's arguments.
    """
    if Path(command[0]).name != "codex":
        return command
    # Without a key in the environment Codex uses its own login; that of a ChatGPT account asks at another path.
    key = 'env_key="OPENAI_API_KEY"' if env.get("OPENAI_API_KEY") else "requires_openai_auth=true"
    path = "/backend-api/codex" if not env.get("OPENAI_API_KEY") and clients.account(env) else "/v1"
    provider = f'name="Poundlock",base_url="{url}{path}",wire_api="responses",supports_websockets=true,{key}'
    headers = 'env_http_headers={"x-poundlock-token"="POUNDLOCK_TOKEN"}'
    settings = ["model_provider=poundlock", f"model_providers.poundlock={{{provider},{headers}}}"]
    return [command[0], *(word for setting in settings for word in ("-c", setting)), *command[1:]]


@contextlib.contextmanager
def _gateway(settings: Settings, config: str | None) -> Iterator[str]:
    """Give the URL of a running gateway, or of one that runs as long as the tool does."""
    from poundlock.cli.process import Gateway, healthy

    url = f"http://{settings.gateway.host}:{settings.gateway.port}"
    if settings.gateway.port and healthy(url):
        yield url
        return
    gateway = Gateway.start(Path(config) if config else None)
    try:
        yield gateway.url
    finally:
        gateway.stop()


def _child(command: list[str], env: dict[str, str]) -> int:
    """Run the tool in the foreground; signals of the terminal are the tool's own business."""
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        process = subprocess.Popen(command, env=env, preexec_fn=_default_signals)  # noqa: S603, PLW1509 (one thread)
    except FileNotFoundError:
        raise ConfigFault(f"There is no program {command[0]!r}.", advice="Install it, or give its path.") from None
    except PermissionError:
        raise ConfigFault(f"{command[0]!r} may not be run.", advice="Check its permissions.") from None
    finally:
        # The child was started with the default handlers; ours come back when it has ended.
        handlers = kept
    previous = signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGTERM, previous)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def summary(folder: Path, task: str) -> str:
    """Say in a few lines what happened in this task, from its records."""
    from poundlock.adapters.sqlite import Reading
    from poundlock.core.audit import record_of

    reading = Reading(places.database(folder))
    try:
        records = [record_of(row) for row in reading.rows()]
    finally:
        reading.close()
    mine = [row for row in last_words(records) if row.body["principal"]["task"] == task and "hook" not in row.body]
    treated: dict[str, dict[str, set[str]]] = {"disguise": {}, "impound": {}}
    stopped: Counter[str] = Counter()
    for record in mine:
        if record.body["decision"]["rung"] not in {"send", "sendDisguised", "sendLocal"}:
            stopped[record.id] += 1
            continue
        for row in record.body["findings"]:
            if row["treatment"] in treated:
                treated[row["treatment"]].setdefault(row["kind"], set()).update(row["fingerprints"])
    lines = [f"poundlock: {len(mine)} exchange{'' if len(mine) == 1 else 's'}"]
    for treatment, word in (("disguise", "disguised"), ("impound", "impounded")):
        kinds = ", ".join(f"{len(values)} × {kind}" for kind, values in sorted(treated[treatment].items()))
        if kinds:
            lines.append(f"  {word}: {kinds}")
    inside = Counter(r.body["destination"]["name"] for r in mine if r.body["decision"]["rung"] == "sendLocal")
    lines += [f"  stayed inside: {count} with {name}" for name, count in inside.items()]
    approved = dict.fromkeys(id_ for record in mine for id_ in record.body.get("approvals", ()))
    lines += [f"  approved: poundlock approve {id_}" for id_ in approved]
    ordered = [record for record in mine if record.body.get("orders")]
    if ordered:
        why = "; ".join(ordered[0].body["orders"])
        lines.append(f"  gave orders: something that was read ({why}): poundlock explain {ordered[0].id}")
    lines += [f"  stopped: poundlock explain {id_}" for id_ in stopped]
    lines += [f"  advice: {text}" for text in advice(records, mine)]
    if len(lines) == 1:
        lines.append("  nothing that had to be disguised")
    return "\n".join(lines) + "\n"


def last_words(records: Iterable[Record]) -> list[Record]:
    """Give the exchanges among records; of one that was held for a person, only its last word."""
    return list({record.id: record for record in records if record.kind == "exchange"}.values())


def advice(records: Iterable[Record], mine: list[Record]) -> list[str]:
    """Give what to do better next time, for each kind that this person did not meet earlier the same day."""
    if not mine:
        return []
    first, human = mine[0], mine[0].body["principal"]["human"]
    met = {
        row["kind"]
        for record in records
        if record.kind == "exchange" and record.seq < first.seq and record.at // DAY == first.at // DAY
        if record.body["principal"]["human"] == human
        for row in record.body["findings"]
        if row["treatment"] != "clear"
    }
    told: dict[str, None] = {}
    for record in mine:
        new = {row["kind"] for row in record.body["findings"] if row["treatment"] != "clear"} - met
        if new and record.body["decision"]["advice"]:
            told[record.body["decision"]["advice"][0]] = None
            met |= new
    return list(told)
