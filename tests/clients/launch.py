"""Run each real client once against a base URL, in a home folder of its own, and return what it printed.

It must never hand a client anything of the machine's own: no inherited environment, no real home, no real key.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import clients

KEY = "test-key"
LIMIT = 120.0
_DRIVERS = Path(__file__).parent / "drivers"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a client ended."""

    code: int
    out: str
    err: str


def _run(command: list[str], folder: Path, home: Path, environment: dict[str, str], given: str = "") -> Outcome:
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            **environment,
        },
        input=given,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def claude_code(url: str, home: Path, folder: Path, *arguments: str, version: str = "claude-code") -> Outcome:
    """Run Claude Code in a project folder: `ANTHROPIC_BASE_URL` and `ANTHROPIC_API_KEY` point it at a gateway."""
    environment = {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        # Otherwise it reports to its vendor, whom no test may reach.
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return _run([str(clients.executable(version)), *arguments], folder, home, environment)


def claude_code_on_bedrock(url: str, home: Path, folder: Path, *arguments: str, key: bool) -> Outcome:
    """Run Claude Code in a project folder on Amazon Bedrock, with an API key or without any login."""
    environment = {
        "CLAUDE_CODE_USE_BEDROCK": "1",
        "ANTHROPIC_BEDROCK_BASE_URL": url,
        "AWS_REGION": "us-east-1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        **({"AWS_BEARER_TOKEN_BEDROCK": KEY} if key else {"CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1"}),
    }
    return _run([str(clients.executable("claude-code")), *arguments], folder, home, environment)


def aws(url: str, home: Path, prompt: str, how: str) -> Outcome:
    """Ask Amazon Bedrock by AWS's SDK for Python, with keys that mean nothing: it wants some to sign with."""
    command = [str(clients.executable("sdk-aws")), str(_DRIVERS / "aws.py"), url, prompt, how]
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true"}
    return _run(command, home, home, keys)


# The folder is thrown away, and the machine of a test may have no sandbox of its own.
CODEX = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
CODEX = (*CODEX, "-c", "model=gpt-5.2", "-c", "analytics.enabled=false")


def under_run(client: str, home: Path, folder: Path, own: dict[str, str], *arguments: str) -> Outcome:
    """Run a client with `poundlock run`, by the configuration `poundlock.toml` in its home, with an environment."""
    gate = [sys.executable, "-m", "poundlock", "run", "--config", str(home / "poundlock.toml"), "--"]
    cache = {name: os.environ[name] for name in ("XDG_CACHE_HOME", "POUNDLOCK_CACHE") if name in os.environ}
    return _run([*gate, str(clients.executable(client)), *arguments], folder, home, {**cache, **own})


def codex(url: str, home: Path, folder: Path, prompt: str, *arguments: str) -> Outcome:
    """Run Codex in a project folder: a model provider given by arguments points it at a gateway.

    Without a URL it uses its built-in provider, and so what `~/.codex` says. `arguments` begin with a subcommand, if
    there is one.
    """
    command = [str(clients.executable("codex")), "exec", *arguments, *CODEX]
    if url:
        provider = f'{{name="gated",base_url="{url}/v1",env_key="GATED_KEY",wire_api="responses"}}'
        command += ["-c", "model_provider=gated", "-c", f"model_providers.gated={provider}"]
    return _run([*command, prompt], folder, home, {"GATED_KEY": KEY})


def aider(
    url: str, home: Path, folder: Path, prompts: tuple[str, ...], *arguments: str, speak: str = "openai"
) -> Outcome:
    """Have aider answer prompts typed one after another: `OPENAI_API_BASE` or `ANTHROPIC_API_BASE` point it here."""
    model, base = ("openai/gpt-5.2", f"{url}/v1") if speak == "openai" else ("anthropic/claude-sonnet-4-6", url)
    environment = {
        f"{speak.upper()}_API_BASE": base,
        f"{speak.upper()}_API_KEY": KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    quiet = [
        "--no-git",
        "--yes-always",
        "--no-show-model-warnings",
        "--no-check-update",
        "--analytics-disable",
        "--no-pretty",
    ]
    command = [str(clients.executable("aider")), "--model", model, "--weak-model", model, *quiet]
    command += ["--no-suggest-shell-commands", "--no-detect-urls", "--no-show-release-notes", "--map-tokens", "0"]
    typed = "".join(f"{prompt}\n" for prompt in (*prompts, "/exit"))
    return _run([*command, "--edit-format", "diff", *arguments], folder, home, environment, typed)


def llm(url: str, home: Path, folder: Path, *arguments: str) -> Outcome:
    """Run llm: a model in `extra-openai-models.yaml` points it at a gateway."""
    settings = home / "llm"
    settings.mkdir(parents=True, exist_ok=True)
    model = {
        "model_id": "gated",
        "model_name": "gpt-5.2",
        "api_base": f"{url}/v1",
        "api_key_name": "gated",
        "supports_tools": True,
        "vision": True,
    }
    # JSON is YAML.
    (settings / "extra-openai-models.yaml").write_text(json.dumps([model]))
    (settings / "keys.json").write_text(json.dumps({"gated": KEY}))
    return _run([str(clients.executable("llm")), *arguments], folder, home, {"LLM_USER_PATH": str(settings)})


def gemini(
    url: str, home: Path, folder: Path, prompt: str, *arguments: str, wrapper: list[str] | None = None
) -> Outcome:
    """Run Gemini CLI in a project folder: `GOOGLE_GEMINI_BASE_URL` and `GEMINI_API_KEY` point it at a gateway.

    `wrapper` is a command that runs it, and points it there itself.
    """
    settings = home / ".gemini" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    told = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
    kept = json.loads(settings.read_text()) if settings.exists() else {}  # its hooks, for example
    settings.write_text(json.dumps({**kept, **told, "general": {"enableAutoUpdate": False}}))
    node = clients.executable("node22").resolve().parent
    environment = {
        "PATH": f"{node}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": KEY,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        "GEMINI_TELEMETRY_ENABLED": "false",
    }
    command = [str(clients.executable("gemini-cli")), "--approval-mode", "yolo", "-m", "gemini-2.5-flash", *arguments]
    return _run([*(wrapper or []), *command, "-p", prompt], folder, home, environment)


def google_or_ollama(home: Path, order: dict[str, Any], environment: dict[str, str] | None = None) -> Outcome:
    """Carry out one order (see `drivers/google_ollama.py`) with Google's or Ollama's SDK for Python."""
    given = json.dumps({"api_key": KEY, "stream": False, **order})
    command = [str(clients.executable("sdks-google-ollama")), str(_DRIVERS / "google_ollama.py")]
    return _run(command, home, home, environment or {}, given)


def sdk(language: str, home: Path, order: dict[str, Any]) -> Outcome:
    """Carry out one order (see `drivers/sdk.py`) with an SDK for `python` or `node`."""
    given = json.dumps({"api_key": KEY, "stream": False, **order})
    if language == "python":
        return _run([str(clients.executable("sdks-python")), str(_DRIVERS / "sdk.py")], home, home, {}, given)
    environment = {"SDK_ROOT": str(clients.folder("sdks-node"))}
    return _run([str(clients.executable("node22")), str(_DRIVERS / "sdk.mjs")], home, home, environment, given)
