"""`poundlock demo`: the lock at work, without keys and offline, in under a minute.

It runs the real gateway (a process of its own, with a folder of its own that is deleted at the end) between this
command and a fake provider on loopback. Every credential in it is made up anew at each run.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import string
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import argparse

PRIVATE_KEY_LINES = 14


class Step(NamedTuple):
    """One thing that the demo shows: its name, whether it held, and the texts to show."""

    name: str
    held: bool
    shown: dict[str, Any]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser("demo", help="see the lock at work, offline, in a minute")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    """Run the demo: 0 when everything held, 1 when something did not."""
    steps = asyncio.run(_show(_Quiet() if args.json else _Screen()))
    if args.json:
        report = {step.name: {"held": step.held, **step.shown} for step in steps}
        sys.stdout.write(json.dumps({"held": all(step.held for step in steps), "steps": report}, indent=2) + "\n")
    return 0 if all(step.held for step in steps) else 1


class Sample(NamedTuple):
    """Made-up values that look like the real thing."""

    access_key: str
    secret_key: str
    password: str
    email: str
    host: str
    private_key: str

    @property
    def values(self) -> dict[str, str]:
        """Give what must not leave, by name."""
        return {
            "AWS access key": self.access_key,
            "AWS secret key": self.secret_key,
            "database password": self.password,
            "customer's e-mail": self.email,
            "internal host": self.host,
        }

    @property
    def prompt(self) -> str:
        """Give a prompt as people write them."""
        return (
            "Why does the nightly export fail? It runs with\n"
            f"AWS_ACCESS_KEY_ID={self.access_key}\n"
            f"AWS_SECRET_ACCESS_KEY={self.secret_key}\n"
            f"DATABASE_URL=postgres://export:{self.password}@{self.host}:5432/orders\n"
            f"and the first row that is missing belongs to {self.email}. Please write me a clean .env file."
        )


def sample() -> Sample:
    """Make the values up."""
    pick = secrets.choice
    base64 = string.ascii_letters + string.digits + "+/"
    key = "\n".join("".join(pick(base64) for _ in range(64)) for _ in range(PRIVATE_KEY_LINES))
    fence = "-----{} RSA PRIVATE KEY-----"
    return Sample(
        access_key="AKIA" + "".join(pick(string.ascii_uppercase + "234567") for _ in range(16)),
        secret_key="".join(pick(base64) for _ in range(40)),
        password="".join(pick(string.ascii_letters + string.digits) for _ in range(18)),
        email=f"{pick(('maria', 'jonas', 'aiko'))}.{pick(('lindqvist', 'okafor', 'tanaka'))}@northwind-freight.eu",
        host=f"db-{pick(('blue', 'red'))}-{secrets.randbelow(90) + 10}.orders.corp.internal",
        private_key=f"{fence.format('BEGIN')}\n{key}\n{fence.format('END')}",
    )


async def _show(screen: _Screen | _Quiet) -> list[Step]:
    from poundlock.cli.process import Gateway
    from poundlock.web.fake_provider import FakeProvider

    values = sample()
    provider = FakeProvider(pause=screen.pause)
    await provider.start()
    steps: list[Step] = []
    try:
        with tempfile.TemporaryDirectory(prefix="poundlock-demo-") as folder:
            home = Path(folder)
            config = home / "poundlock.toml"
            config.write_text(
                f'[state]\ndirectory = "{home / "state"}"\n'
                f'[audit]\nheads = "{home / "heads.jsonl"}"\n'
                f'[providers.anthropic]\nupstream = "{provider.url}"\n'
            )
            screen.begin()
            gateway = await asyncio.to_thread(Gateway.start, config)
            try:
                steps.append(await _disguised(screen, gateway.url, provider, values))
                steps.append(await _stopped(screen, gateway.url, provider, values))
            finally:
                await asyncio.to_thread(gateway.stop)
            steps.append(_no_trace(screen, home, values))
            steps.append(_verified(screen, home, config))
    finally:
        await provider.stop()
    screen.end(all(step.held for step in steps))
    return steps


async def _disguised(screen: _Screen | _Quiet, url: str, provider: Any, values: Sample) -> Step:
    """Send the prompt: the provider sees stand-ins, and the answer comes home with the true values."""
    came_back = ""
    status, head = 0, {}
    async for status, head, piece in _ask(url, values.prompt):  # noqa: B007 (the last ones are what counts)
        came_back += piece
        screen.piece(piece)
    received = _text(provider.received[-1]) if provider.received else ""
    leaked = [name for name, value in values.values.items() if value in received]
    home = [name for name, value in values.values.items() if value in came_back]
    screen.three(values.prompt, received, came_back)
    held = status == 200 and bool(received) and not leaked and len(home) == len(values.values)
    return Step(
        "disguised",
        held,
        {
            "leaked": leaked,
            "came_home": home,
            "sent": values.prompt,
            "provider_received": received,
            "came_back": came_back,
            "decision": head.get("x-poundlock-decision", ""),
        },
    )


async def _stopped(screen: _Screen | _Quiet, url: str, provider: Any, values: Sample) -> Step:
    """Type a private key in: it is stopped, with the reason and what to do instead."""
    before = len(provider.received)
    status, message = 0, ""
    async for status, _head, piece in _ask(url, f"Is this key all right?\n{values.private_key}"):  # noqa: B007
        message += piece
    reached = len(provider.received) - before
    screen.refusal(message)
    held = status == 400 and not reached and values.private_key[40:80] not in message
    return Step("stopped", held, {"status": status, "reached_provider": reached, "message": message})


def _no_trace(screen: _Screen | _Quiet, home: Path, values: Sample) -> Step:
    """Look for the values in every file that Poundlock wrote."""
    files = [path for path in home.rglob("*") if path.is_file()]
    traces = [path.name for path in files for value in values.values.values() if value.encode() in path.read_bytes()]
    screen.traces(len(files), traces)
    return Step("no trace", not traces, {"files": len(files), "traces": traces})


def _verified(screen: _Screen | _Quiet, home: Path, config: Path) -> Step:
    """Verify the audit log; then alter one byte of it, and verify again."""
    from poundlock.cli.process import command

    sound = command("audit", "verify", "--config", str(config), "--heads", str(home / "heads.jsonl"))
    _alter(home / "state")
    altered = command("audit", "verify", "--config", str(config), "--heads", str(home / "heads.jsonl"))
    screen.audit(sound.stdout, altered.stdout + altered.stderr)
    return Step(
        "tamper-evident",
        sound.returncode == 0 and altered.returncode == 1,
        {"sound": sound.stdout, "altered": altered.stdout},
    )


def _alter(state: Path) -> None:
    """Change one byte of one record, as someone would who can write the file."""
    import sqlite3

    (path,) = state.glob("*.db")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE record SET body = replace(body, 'anthropic', 'anthropoc') WHERE seq = 1")
    database.close()


async def _ask(url: str, prompt: str) -> Any:
    """Send a streamed Messages request; yield (status, headers, text) as the text arrives."""
    import aiohttp

    body = {
        "model": "demo-model",
        "max_tokens": 1024,
        "stream": True,
        "messages": [{"role": "user", "content": prompt}],
    }
    headers = {"anthropic-version": "2023-06-01", "x-api-key": "the-demo-needs-none"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/messages", json=body, headers=headers) as answer,
    ):
        if answer.status != 200:
            yield answer.status, answer.headers, (await answer.json())["error"]["message"]
            return
        async for line in answer.content:
            if line.startswith(b"data:"):
                event = json.loads(line[5:])
                if event["type"] == "content_block_delta":
                    yield answer.status, answer.headers, event["delta"]["text"]


def _text(body: bytes) -> str:
    return str(json.loads(body)["messages"][-1]["content"])


class _Quiet:
    """A screen that shows nothing."""

    pause = 0.0

    def begin(self) -> None: ...
    def piece(self, piece: str) -> None: ...
    def three(self, sent: str, received: str, came_back: str) -> None: ...
    def refusal(self, message: str) -> None: ...
    def traces(self, files: int, traces: list[str]) -> None: ...
    def audit(self, sound: str, altered: str) -> None: ...
    def end(self, held: bool) -> None: ...


class _Screen:
    """The terminal."""

    pause = 0.02

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)

    def begin(self) -> None:
        """Say what is about to happen."""
        self._console.rule("[bold]poundlock demo[/] · offline, no keys, nothing is kept")
        self._console.print(
            "\nA real gateway now stands between this command and a fake provider, both on your loopback address.\n"
            "All values are made up.\n\n[bold]1. A prompt with credentials, a customer and an internal host[/]"
            "\n[dim]the answer, as it streams home:[/]"
        )

    def piece(self, piece: str) -> None:
        """Show the answer as it arrives."""
        self._console.print(piece, end="", markup=False, soft_wrap=True)

    def three(self, sent: str, received: str, came_back: str) -> None:
        """Show the three texts side by side."""
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(expand=True, padding=(0, 1))
        for _ in range(3):
            table.add_column(ratio=1)

        def panel(text: str, title: str, colour: str) -> Panel:
            shown = Text(text, overflow="fold")
            shown.highlight_regex(r"QZ_[A-Z0-9_]+", "bold green")
            return Panel(shown, title=title, border_style=colour)

        table.add_row(
            panel(sent, "what you sent", "blue"),
            panel(received, "what the provider received", "green"),
            panel(came_back, "what came back", "blue"),
        )
        self._console.print("\n")
        self._console.print(table)

    def refusal(self, message: str) -> None:
        """Show why the private key was stopped."""
        self._console.print("\n[bold]2. A private key, typed in: stopped[/]")
        self._console.print(f"   {message}", markup=False, style="yellow")

    def traces(self, files: int, traces: list[str]) -> None:
        """Say that the values are nowhere on the disk."""
        found = f"[red]{len(traces)} traces[/]" if traces else "none"
        self._console.print(f"\n[bold]3. Your values in the {files} files that Poundlock wrote:[/] {found}")

    def audit(self, sound: str, altered: str) -> None:
        """Show both verifications."""
        self._console.print("\n[bold]4. The audit log[/]")
        self._console.print(sound.rstrip(), markup=False, style="green")
        self._console.print("   … now one byte of it is altered …", style="dim")
        self._console.print(altered.rstrip(), markup=False, style="yellow")

    def end(self, held: bool) -> None:
        """Say what to do next."""
        self._console.print()
        if held:
            self._console.rule("[bold green]everything held[/]")
            self._console.print("Next: [bold]poundlock run -- claude[/] puts it in front of a real tool.")
        else:
            self._console.rule("[bold red]something did not hold: see above, and `poundlock doctor`[/]")
