"""Each agent as data: what it needs on a fresh machine, how it is asked, and the tools by which it reads and writes.

It must never point an agent at the gateway itself: `poundlock run`, `poundlock init` and the intercepting proxy do.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts import clients

from tests.clients.launch import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

Block = dict[str, Any]
WANTED = '"{{stripe}}" — \\ {{secret}}'
"""What the agent is to write into the file. (Copilot itself takes GitHub's tokens out of what a command printed.)"""


_DRIVERS = Path(__file__).parent / "drivers"


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent, ready to be asked without a person."""

    id: str
    installs: tuple[str, ...]
    login: str
    """What it is logged in with."""
    path: str
    """How the path of its conversation's requests begins."""
    ways: tuple[str, ...]
    arguments: Callable[[Path], list[str]]
    """Its own arguments, the prompt among them, by its project folder."""
    read: Callable[[Path], Block]
    write: Callable[[Path], Block]
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Files of its home, by path."""
    setup: tuple[str, ...] = ()
    """Arguments of a run that sets it up first."""
    given: str = ""
    """What is typed to it."""
    driver: str = ""
    """A program of our own that uses a library; `arguments` are this program's."""

    def command(self, project: Path) -> list[str]:
        """Give the command that has it do its task."""
        own = self.arguments(project)
        program = str(clients.executable(self.installs[0]))
        if self.driver.endswith(".mjs"):
            program = str(clients.executable("node22"))
        return [program, *([str(_DRIVERS / self.driver)] if self.driver else []), *own]

    @property
    def version(self) -> str:
        """Its pinned version."""
        return clients.CLIENTS[self.installs[0]].packages[0].replace("==", "@").rpartition("@")[2]


def _tool(name: str, **given: Any) -> Block:
    return {"tool": name, "input": given}


def _sh(project: Path) -> str:
    return f"printf '%s' '{WANTED}' > {project}/result.txt"


PROMPT = "Copy the token of settings.env into result.txt, please."
_EDIT = f"result.txt\n```\n<<<<<<< SEARCH\n=======\n{WANTED}\n>>>>>>> REPLACE\n```\n"
_AIDER = ["--no-git", "--yes-always", "--no-show-model-warnings", "--no-check-update", "--analytics-disable"]
_AIDER += ["--no-pretty", "--no-suggest-shell-commands", "--no-detect-urls", "--no-show-release-notes"]
_FUNCTIONS = (
    "def read_file(path: str) -> str:\n    'Read.'\n    return open(path).read()\n"
    "def write_file(path: str, content: str) -> str:\n    'Write.'\n"
    "    open(path, 'w').write(content)\n    return 'ok'\n"
)


def _account() -> dict[str, Any]:
    """Give a login such as Codex keeps of a ChatGPT account; the tokens are nobody's."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    about = {"chatgpt_account_id": "account-1", "chatgpt_plan_type": "plus", "chatgpt_user_id": "user-1"}
    claims = {"exp": 4_000_000_000, "email": "ada@example.org", "https://api.openai.com/auth": about}
    token = f"{part({'alg': 'none'})}.{part(claims)}.{part({})}"
    tokens = {"id_token": token, "access_token": token, "refresh_token": KEY, "account_id": "account-1"}
    return {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2100-01-01T00:00:00Z"}


_CODEX = ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
_CODEX += ["-c", "model=gpt-5.2", "-c", "analytics.enabled=false"]

AGENTS = (
    Agent(
        id="claude-code",
        installs=("claude-code",),
        login="API key",
        path="/v1/messages",
        ways=("run", "init", "intercept"),
        arguments=lambda _: ["-p", PROMPT, "--allowedTools", "Read,Write,Bash"],
        read=lambda project: _tool("Read", file_path=str(project / "settings.env")),
        write=lambda project: _tool("Write", file_path=str(project / "result.txt"), content=WANTED),
        env={"ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
    ),
    Agent(
        id="codex",
        installs=("codex",),
        login="API key of its own login",
        path="/v1/responses",
        ways=("run", "init", "intercept"),
        arguments=lambda _: [*_CODEX, PROMPT],
        read=lambda _: _tool("exec_command", cmd="cat settings.env"),
        write=lambda project: _tool("exec_command", cmd=_sh(project)),
        files={".codex/auth.json": json.dumps({"OPENAI_API_KEY": KEY})},
    ),
    Agent(
        id="codex",
        installs=("codex",),
        login="ChatGPT account",
        path="/backend-api/codex/responses",
        # Intercepted, it asks its account's host for more than is inspected, and gives up when that is refused.
        ways=("run",),
        arguments=lambda _: [*_CODEX, PROMPT],
        read=lambda _: _tool("exec_command", cmd="cat settings.env"),
        write=lambda project: _tool("exec_command", cmd=_sh(project)),
        files={".codex/auth.json": json.dumps(_account())},
    ),
    Agent(
        id="claude-code",
        installs=("claude-code",),
        login="bearer token",
        path="/v1/messages",
        ways=("run", "intercept"),
        arguments=lambda _: ["-p", PROMPT, "--allowedTools", "Read,Write,Bash"],
        read=lambda project: _tool("Read", file_path=str(project / "settings.env")),
        write=lambda project: _tool("Write", file_path=str(project / "result.txt"), content=WANTED),
        env={"ANTHROPIC_AUTH_TOKEN": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
    ),
    Agent(
        id="claude-code",
        installs=("claude-code",),
        login="subscription",
        path="/v1/messages",
        ways=("run", "intercept"),
        arguments=lambda _: ["-p", PROMPT, "--allowedTools", "Read,Write,Bash"],
        read=lambda project: _tool("Read", file_path=str(project / "settings.env")),
        write=lambda project: _tool("Write", file_path=str(project / "result.txt"), content=WANTED),
        env={"CLAUDE_CODE_OAUTH_TOKEN": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
    ),
    Agent(
        id="claude-code",
        installs=("claude-code",),
        login="Bedrock API key",
        path="/model/",
        ways=("run",),
        arguments=lambda _: ["-p", PROMPT, "--allowedTools", "Read,Write,Bash"],
        read=lambda project: _tool("Read", file_path=str(project / "settings.env")),
        write=lambda project: _tool("Write", file_path=str(project / "result.txt"), content=WANTED),
        env={
            "CLAUDE_CODE_USE_BEDROCK": "1",
            "AWS_BEARER_TOKEN_BEDROCK": KEY,
            "AWS_REGION": "us-east-1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
    ),
    Agent(
        id="gemini-cli",
        installs=("gemini-cli", "node22"),
        login="API key",
        path="/v1beta/models/",
        ways=("run", "init", "intercept"),
        arguments=lambda _: ["--approval-mode", "yolo", "-m", "gemini-2.5-flash", "-p", PROMPT],
        read=lambda project: _tool("read_file", file_path=str(project / "settings.env")),
        write=lambda project: _tool("write_file", file_path=str(project / "result.txt"), content=WANTED),
        env={"GEMINI_API_KEY": KEY, "GEMINI_CLI_TRUST_WORKSPACE": "true", "GEMINI_TELEMETRY_ENABLED": "false"},
        files={
            ".gemini/settings.json": json.dumps(
                {
                    "security": {"auth": {"selectedType": "gemini-api-key"}},
                    "privacy": {"usageStatisticsEnabled": False},
                    "general": {"enableAutoUpdate": False},
                }
            )
        },
    ),
    Agent(
        id="qwen-code",
        installs=("qwen-code", "node22"),
        login="API key",
        path="/v1/chat/completions",
        ways=("run", "init", "intercept"),
        arguments=lambda _: ["--auth-type", "openai", "-y", "-m", "gpt-5.2", PROMPT],
        read=lambda project: _tool("read_file", file_path=str(project / "settings.env")),
        write=lambda project: _tool("write_file", file_path=str(project / "result.txt"), content=WANTED),
        env={"OPENAI_API_KEY": KEY},
    ),
    Agent(
        id="opencode",
        installs=("opencode",),
        login="API key",
        path="/v1/messages",
        ways=("run", "init", "intercept"),
        arguments=lambda _: ["run", "--model", "anthropic/claude-sonnet-4-6", PROMPT],
        read=lambda _: _tool("bash", command="cat settings.env", description="read"),
        write=lambda project: _tool("write", filePath=str(project / "result.txt"), content=WANTED),
        env={"ANTHROPIC_API_KEY": KEY, "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"},
    ),
    Agent(
        id="continue",
        installs=("continue", "node22"),
        login="API key",
        path="/v1/messages",
        ways=("run", "init"),
        arguments=lambda _: ["--auto", "-p", PROMPT],
        # It refuses to read a file of this name with its own tool.
        read=lambda _: _tool("Bash", command="cat settings.env"),
        write=lambda project: _tool("Write", filepath=str(project / "result.txt"), content=WANTED),
        files={
            ".continue/config.yaml": "name: mine\nversion: 1.0.0\nschema: v1\nmodels:\n  - name: m\n"
            "    provider: anthropic\n    model: claude-sonnet-4-6\n"
            f"    apiKey: {KEY}\n    roles: [chat]\n    capabilities: [tool_use]\n"
        },
    ),
    Agent(
        id="copilot-cli",
        installs=("copilot-cli", "node22"),
        login="key of one's own",
        path="/v1/chat/completions",
        ways=("run", "init"),
        arguments=lambda _: ["--allow-all-tools", "-p", PROMPT],
        read=lambda _: _tool("bash", command="cat settings.env", description="read"),
        write=lambda project: _tool("create", path=str(project / "result.txt"), file_text=WANTED),
        env={
            "COPILOT_PROVIDER_API_KEY": KEY,
            "COPILOT_MODEL": "gpt-5.2",
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
        },
    ),
    Agent(
        id="cline",
        installs=("cline", "node22"),
        login="API key",
        path="/v1/responses",
        ways=("run", "init"),
        arguments=lambda _: [PROMPT],
        read=lambda _: _tool("run_commands", commands=["cat settings.env"]),
        write=lambda project: _tool("run_commands", commands=[_sh(project)]),
        setup=("auth", "openai-native", "-k", KEY, "-m", "gpt-5.2"),
    ),
    Agent(
        id="aider",
        installs=("aider",),
        login="API key",
        path="/v1/chat/completions",
        ways=("run", "init", "intercept"),
        arguments=lambda _: [
            *("--model", "openai/gpt-5.2", "--weak-model", "openai/gpt-5.2", "--edit-format", "diff"),
            *("--map-tokens", "0", *_AIDER, "settings.env", "result.txt"),
        ],
        read=lambda _: {"text": f"I write it.\n\n{_EDIT}"},
        write=lambda _: {"text": "Nothing more."},
        env={"OPENAI_API_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        given=f"{PROMPT}\nAnd?\nSay it.\n/exit\n",
    ),
    Agent(
        id="pi",
        installs=("pi", "node22"),
        login="API key",
        path="/v1/messages",
        ways=("run", "init", "intercept"),
        arguments=lambda _: ["--provider", "anthropic", "--model", "claude-sonnet-4-6", "-p", PROMPT],
        read=lambda _: _tool("read", path="settings.env"),
        write=lambda _: _tool("write", path="result.txt", content=WANTED),
        env={"ANTHROPIC_API_KEY": KEY, "PI_OFFLINE": "1"},
    ),
    Agent(
        id="llm",
        installs=("llm",),
        login="API key",
        path="/v1/chat/completions",
        ways=("run", "init", "intercept"),
        arguments=lambda _: ["-m", "gpt-4o", "--functions", _FUNCTIONS, PROMPT],
        read=lambda _: _tool("read_file", path="settings.env"),
        write=lambda _: _tool("write_file", path="result.txt", content=WANTED),
        env={"OPENAI_API_KEY": KEY},
    ),
)


_LIBRARY_WAYS = {
    "ollama-node": ("run",),  # a host of its own is not intercepted
    "ai-sdk-anthropic": ("intercept",),  # it wants /v1 in the variable that every other program wants without
}


def _library(id: str, installs: tuple[str, ...], driver: str, path: str, key: str) -> Agent:  # noqa: A002 (a field's name)
    """Give a library as an agent: a small program of our own that uses it."""
    ways = _LIBRARY_WAYS.get(id, ("run", "intercept"))
    name = id.removesuffix("-node")
    return Agent(
        id=id,
        installs=installs,
        login="API key",
        path=path,
        ways=ways,
        arguments=lambda _: [name, PROMPT],
        read=lambda _: _tool("read_file", path="settings.env"),
        write=lambda _: _tool("write_file", path="result.txt", content=WANTED),
        env={key: KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "SDK_ROOT": str(clients.folder(installs[0]))},
        driver=driver,
    )


_NODE = ("sdks-more-node", "node22")
_CHAT, _MESSAGES, _RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
LIBRARIES = (
    _library("ai-sdk-anthropic", _NODE, "more.mjs", _MESSAGES, "ANTHROPIC_API_KEY"),
    _library("ai-sdk-openai", _NODE, "more.mjs", _RESPONSES, "OPENAI_API_KEY"),
    _library("google-node", _NODE, "more.mjs", "/v1/models/", "GEMINI_API_KEY"),
    _library("ollama-node", _NODE, "more.mjs", "/api/chat", "OLLAMA_API_KEY"),
    _library("litellm-anthropic", ("litellm",), "frameworks.py", _MESSAGES, "ANTHROPIC_API_KEY"),
    _library("litellm-openai", ("litellm",), "frameworks.py", _CHAT, "OPENAI_API_KEY"),
    _library("pydantic-ai-anthropic", ("pydantic-ai",), "frameworks.py", _MESSAGES, "ANTHROPIC_API_KEY"),
    _library("pydantic-ai-openai", ("pydantic-ai",), "frameworks.py", _RESPONSES, "OPENAI_API_KEY"),
)
