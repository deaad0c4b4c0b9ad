"""What of a developer's surroundings a tool gets: everything but credentials that are not its own.

It never looks at a value, only at names. What it takes away are variables; files stay where they are, and a tool that
runs as the same user can open them: the libraries that look in the usual places are led to an empty one instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GROUPS: dict[str, tuple[str, ...]] = {
    "aws": (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ),
    "gcp": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"),
    "azure": ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_PASSWORD", "ARM_CLIENT_SECRET"),
    "kubernetes": ("KUBECONFIG",),
    "docker": ("DOCKER_AUTH_CONFIG", "DOCKER_PASSWORD"),
    "github": ("GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GITHUB_PAT"),
    "gitlab": ("GITLAB_TOKEN", "CI_JOB_TOKEN", "CI_JOB_JWT", "CI_JOB_JWT_V2", "CI_DEPLOY_PASSWORD"),
    "ci": ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_RUNTIME_TOKEN"),
    "npm": ("NPM_TOKEN", "NODE_AUTH_TOKEN"),
    "pypi": ("TWINE_PASSWORD", "UV_PUBLISH_TOKEN", "POETRY_PYPI_TOKEN_PYPI", "PYPI_TOKEN"),
    "postgres": ("PGPASSWORD", "DATABASE_URL", "POSTGRES_PASSWORD"),
    "mysql": ("MYSQL_PWD", "MYSQL_ROOT_PASSWORD"),
    "redis": ("REDISCLI_AUTH", "REDIS_URL"),
    "vault": ("VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID"),
    "ssh": ("SSH_AUTH_SOCK", "SSH_AGENT_PID"),
    "gpg": ("GPG_AGENT_INFO", "GPG_TTY"),
    "git": ("GIT_ASKPASS", "SSH_ASKPASS"),
    "netrc": (),
    "poundlock": ("POUNDLOCK_MASTER_KEY", "POUNDLOCK_TOKEN"),
}
"""Credentials by what they open, under the variables that hold or lead to them."""

ELSEWHERE: dict[str, dict[str, str]] = {
    "aws": {
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    },
    "gcp": {"CLOUDSDK_CONFIG": "{empty}"},
    "azure": {"AZURE_CONFIG_DIR": "{empty}"},
    "kubernetes": {"KUBECONFIG": "/dev/null"},
    "github": {"GH_CONFIG_DIR": "{empty}"},
    "postgres": {"PGPASSFILE": "/dev/null"},
    "netrc": {"NETRC": "/dev/null"},
}
"""Where the programs that these open look instead of in the home folder; `{empty}` is an empty folder."""

FILES: dict[str, tuple[str, ...]] = {
    "aws": (".aws/credentials", ".aws/config"),
    "gcp": (".config/gcloud",),
    "azure": (".azure",),
    "kubernetes": (".kube/config",),
    "github": (".config/gh/hosts.yml",),
    "postgres": (".pgpass",),
    "netrc": (".netrc",),
}
"""What lies in the home folder for each of these."""

PROVIDER_KEYS = frozenset(
    {
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "OPENAI_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "CODEX_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "GOOGLE_GENERATIVE_AI_API_KEY",
        "OPENROUTER_API_KEY",
        "MISTRAL_API_KEY",
        "GROQ_API_KEY",
        "DEEPSEEK_API_KEY",
        "XAI_API_KEY",
        "COHERE_API_KEY",
        "TOGETHER_API_KEY",
        "FIREWORKS_API_KEY",
        "CEREBRAS_API_KEY",
        "PERPLEXITY_API_KEY",
        "NVIDIA_API_KEY",
        "DASHSCOPE_API_KEY",
        "MOONSHOT_API_KEY",
        "ZAI_API_KEY",
        "CURSOR_API_KEY",
        "FACTORY_API_KEY",
        "AMP_API_KEY",
        "COPILOT_GITHUB_TOKEN",
        "OLLAMA_API_KEY",
        "AWS_BEARER_TOKEN_BEDROCK",  # good for models alone
    }
)
"""What an AI tool speaks to its own model with: the tool keeps it, unless Poundlock holds the key."""

_LOOKS = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PWD|API_?KEY|APIKEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|CREDENTIALS?|DSN)$"
    r"|(?:^|_)SECRET_"
)
_NOT = frozenset({"PWD", "OLDPWD"})


class Scrubbed(NamedTuple):
    """A tool's environment, the names that were taken out of it, and the groups whose files are out of the way."""

    env: dict[str, str]
    taken: tuple[str, ...]
    groups: tuple[str, ...]


def scrubbed(
    inherited: Mapping[str, str],
    *,
    keep: Iterable[str] = (),
    present: Iterable[str] = tuple(FILES),
    empty: str = "/nonexistent",
) -> Scrubbed:
    """Take the credentials that are not an AI tool's own out of an environment.

    `keep` names variables or groups that stay; `present` the groups that have files in the home folder; `empty` is an
    empty folder for programs that want one. `PATH`, `HOME` and whatever holds no credential stay.
    """
    kept = frozenset(keep)
    groups = tuple(name for name in GROUPS if name not in kept)
    named = {variable for name in groups for variable in GROUPS[name]}
    spared = {variable for name in GROUPS if name in kept for variable in GROUPS[name]}
    taken = tuple(
        sorted(
            name
            for name in inherited
            if name not in kept
            and name not in spared
            and name not in PROVIDER_KEYS
            and (name in named or (name not in _NOT and _LOOKS.search(name.upper())))
        )
    )
    env = {name: value for name, value in inherited.items() if name not in taken}
    there = frozenset(present)
    hidden = tuple(group for group in groups if group in there and group in ELSEWHERE)
    for group in hidden:
        for name, value in ELSEWHERE.get(group, {}).items():
            if name not in kept:
                env[name] = value.replace("{empty}", empty)
    return Scrubbed(env, taken, hidden)
