#!/usr/bin/env python3
"""Install the real clients that the end-to-end tests drive, each at a pinned version, into a cache folder.

The cache is ``~/.cache/poundlock-test/clients`` (``POUNDLOCK_TEST_CLIENTS`` moves it); nothing is installed into the
checkout or into the project's own environment. Installing what is there already costs one file read.

It must never start a client, nor install an unpinned version: a golden is only as good as the client it came from.

    python scripts/clients.py install claude-code aider     # or: install all
    python scripts/clients.py list
    python scripts/clients.py where claude-code
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Client:
    """One pinned client: where it comes from, and the executable (relative to its folder) that proves it is there."""

    name: str
    registry: Literal["npm", "pypi"]
    packages: tuple[str, ...]
    executable: str

    @property
    def spec(self) -> str:
        """Everything that decides what is installed, as one line."""
        return json.dumps([self.registry, self.packages, self.executable])


CLIENTS = {
    client.name: client
    for client in (
        Client("claude-code", "npm", ("@anthropic-ai/claude-code@2.1.329",), "node_modules/.bin/claude"),
        # An older Claude Code, which lays its requests out differently (a probe of `/`, a title request, more tools).
        Client("claude-code-2.1.197", "npm", ("@anthropic-ai/claude-code@2.1.197",), "node_modules/.bin/claude"),
        Client("codex", "npm", ("@openai/codex@0.169.0",), "node_modules/.bin/codex"),
        Client("aider", "pypi", ("aider-chat==0.86.2",), "venv/bin/aider"),
        Client("llm", "pypi", ("llm==0.36",), "venv/bin/llm"),
        Client("sdks-python", "pypi", ("anthropic==2.11.0", "openai==3.52.0"), "venv/bin/python"),
        Client("sdks-node", "npm", ("@anthropic-ai/sdk@1.11.0", "openai@7.55.0"), "node_modules/openai/package.json"),
        Client("gemini-cli", "npm", ("@google/gemini-cli@0.61.0",), "node_modules/.bin/gemini"),
        # The SDKs of Google and of Ollama for Python, in an environment of their own.
        Client("sdks-google-ollama", "pypi", ("google-genai==3.4.0", "ollama==0.6.3"), "venv/bin/python"),
        Client("opencode", "npm", ("opencode-ai@1.18.33",), "node_modules/.bin/opencode"),
        Client("qwen-code", "npm", ("@qwen-code/qwen-code@0.24.4",), "node_modules/.bin/qwen"),
        Client("continue", "npm", ("@continuedev/cli@1.5.47",), "node_modules/.bin/cn"),
        Client("copilot-cli", "npm", ("@github/copilot@1.0.102",), "node_modules/.bin/copilot"),
        Client("cline", "npm", ("cline@3.0.65",), "node_modules/.bin/cline"),
        Client("pi", "npm", ("@mariozechner/pi-coding-agent@0.73.1",), "node_modules/.bin/pi"),
        # The SDKs of Google and of Ollama for Node, and the Vercel AI SDK.
        Client(
            "sdks-more-node",
            "npm",
            (
                "ai@7.0.173",
                "@ai-sdk/anthropic@4.0.105",
                "@ai-sdk/openai@4.0.118",
                "@google/genai@3.1.0",
                "ollama@0.6.4",
            ),
            "node_modules/ai/package.json",
        ),
        Client("litellm", "pypi", ("litellm==1.105.0",), "venv/bin/python"),
        Client("sdk-aws", "pypi", ("boto3==1.44.5",), "venv/bin/python"),
        Client("pydantic-ai", "pypi", ("pydantic-ai-slim[anthropic,openai]==2.68.0",), "venv/bin/python"),
        Client("aimock", "npm", ("@copilotkit/aimock@1.43.0",), "node_modules/@copilotkit/aimock/package.json"),
        Client(
            "mcp-python",
            "pypi",
            (
                "mcp==2.3.0",
                "mcp-server-git==2026.10.19",
                "mcp-server-time==2026.10.19",
                "mcp-server-fetch==2026.10.24",
            ),
            "venv/bin/python",
        ),
        Client(
            "mcp-node",
            "npm",
            (
                "@modelcontextprotocol/server-filesystem@2026.8.31",
                "@modelcontextprotocol/server-everything@2026.8.31",
                "@modelcontextprotocol/conformance@0.1.16",
            ),
            "node_modules/.bin/mcp-server-filesystem",
        ),
        Client("node22", "npm", ("node@22.23.3",), "node_modules/.bin/node"),
    )
}


class Unavailable(Exception):
    """A client could not be installed; the message says which, from where, and what the installer said last."""


def root() -> Path:
    """Return the cache folder that holds every client."""
    configured = os.environ.get("POUNDLOCK_TEST_CLIENTS")
    return Path(configured) if configured else Path.home() / ".cache" / "poundlock-test" / "clients"


def folder(name: str) -> Path:
    """Return the folder of one client, named after it and its first package's version."""
    first = CLIENTS[name].packages[0]
    version = first.rpartition("@" if CLIENTS[name].registry == "npm" else "==")[2]
    return root() / (name if name.endswith(version) else f"{name}-{version}")


def executable(name: str) -> Path:
    """Return the path of one client's executable, installed or not."""
    return folder(name) / CLIENTS[name].executable


def present(name: str) -> bool:
    """Return whether exactly this client was installed to its end."""
    marker = folder(name) / "complete.json"
    return marker.is_file() and marker.read_text() == CLIENTS[name].spec and executable(name).exists()


@contextlib.contextmanager
def _exclusive(name: str) -> Iterator[None]:
    root().mkdir(parents=True, exist_ok=True)
    with (root() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(name: str, command: list[str], cwd: Path) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=1500, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{name}: {command[0]}: {error}") from error
    if done.returncode != 0:
        last = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()][-3:]
        raise Unavailable(f"{name}: {CLIENTS[name].registry} gave exit {done.returncode}: {' | '.join(last)}")


def install(name: str) -> Path:
    """Install one client unless it is there, and return its executable.

    Raises:
        Unavailable: the registry is out of reach, or has not this version.

    """
    if present(name):
        return executable(name)
    with _exclusive(name):
        if present(name):
            return executable(name)
        client, target = CLIENTS[name], folder(name)
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        if client.registry == "npm":
            npm = shutil.which("npm")
            if npm is None:
                raise Unavailable(f"{name}: npm is not installed")
            (target / "package.json").write_text('{"private": true}\n')
            # Registry scripts are left on: Claude Code's own one links the native binary into place.
            _run(name, [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *client.packages], target)
        else:
            venv.create(target / "venv", with_pip=True, symlinks=True)
            python = str(target / "venv" / "bin" / "python")
            _run(name, [python, "-m", "pip", "install", "--quiet", "--no-input", *client.packages], target)
        if not executable(name).exists():
            raise Unavailable(f"{name}: installed, but {client.executable} is missing")
        (target / "complete.json").write_text(client.spec)
    return executable(name)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 something could not be installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    for action in ("install", "where"):
        actions.add_parser(action).add_argument("names", nargs="+", choices=[*CLIENTS, "all"], metavar="NAME")
    actions.add_parser("list")
    options = parser.parse_args(arguments)
    if options.action == "list":
        for name, client in CLIENTS.items():
            print(f"{name:12} {'installed' if present(name) else 'absent':10} {' '.join(client.packages)}")
        return 0
    code = 0
    for name in CLIENTS if "all" in options.names else options.names:
        try:
            print(f"{name}: {install(name) if options.action == 'install' else executable(name)}", flush=True)
        except Unavailable as error:
            print(f"unavailable: {error}", file=sys.stderr, flush=True)
            code = 2
    return code


if __name__ == "__main__":
    sys.exit(main())
