"""Which files matter: credentials, an agent's own instructions, build pipelines, start-up files, Poundlock's own.

Tables of path patterns, judged on the written path alone. It must never look at a disk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLASSES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        (
            "credentials",
            (
                r"(?:^|/)(?:\.env(?:\.(?!example|sample|template|dist)[\w.-]+)?|\.envrc|[\w.-]+\.env|\.netrc|_netrc|\.pgpass|"
                r"\.my\.cnf|\.npmrc|\.pypirc|\.git-credentials|\.vault-token|\.dockercfg|\.htpasswd|credentials(?:\.json|"
                r"\.toml|\.ya?ml|\.db|\.csv)?|application_default_credentials\.json|service[-_]account[\w.-]*\.json|"
                r"secrets?(?:\.\w+)?|id_(?:rsa|dsa|ecdsa|ed25519)(?:_\w+)?|kubeconfig|login\.keychain[\w-]*|"
                r"[\w.-]+\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk|asc|gpg|age|ovpn|tfstate|tfvars)|\.tfstate)$"
                r"|(?:^|/)\.(?:aws|ssh|gnupg|kube|azure|docker|oci)(?:/|$)|(?:^|/)\.config/(?:gcloud|gh|op|hub|doctl)(?:/|$)"
                r"|(?:^|/)proc/(?:\d+|self)/environ$|(?:^|/)etc/(?:shadow|gshadow|sudoers)"
            ),
        ),
        (
            "agent",
            (
                r"(?:^|/)(?:CLAUDE(?:\.local)?|AGENTS|GEMINI|QWEN|SKILL|MEMORY|CONVENTIONS)\.md$|(?:^|/)\.(?:cursorrules|"
                r"windsurfrules|clinerules|goosehints|mcp\.json)(?:$|/)|(?:^|/)\.(?:claude|codex|cursor|gemini|qwen|copilot|"
                r"continue|cline|aider|opencode|windsurf|roo)(?:/|$)|(?:^|/)\.aider\.conf\.ya?ml$"
                r"|(?:^|/)\.github/(?:copilot-instructions\.md|instructions/|prompts/|hooks/|chatmodes/)"
            ),
        ),
        (
            "pipeline",
            (
                r"(?:^|/)\.github/(?:workflows|actions)/|(?:^|/)\.gitlab-ci\.ya?ml$|(?:^|/)Jenkinsfile|(?:^|/)\.circleci/"
                r"|(?:^|/)azure-pipelines[\w.-]*\.ya?ml$|(?:^|/)bitbucket-pipelines\.ya?ml$|(?:^|/)\.drone\.ya?ml$"
                r"|(?:^|/)\.git/hooks/|(?:^|/)\.husky/|(?:^|/)\.pre-commit-config\.ya?ml$|(?:^|/)\.buildkite/"
            ),
        ),
        (
            "startup",
            (
                r"(?:^|/)\.(?:bashrc|bash_profile|bash_login|profile|zshrc|zshenv|zprofile|zlogin|inputrc|xinitrc|vimrc|"
                r"tmux\.conf|gitconfig)$|(?:^|/)\.config/(?:fish|autostart|systemd)/|(?:^|/)etc/(?:profile|cron|systemd|"
                r"init|rc\.|ld\.so|sudoers|pam)|(?:^|/)Library/Launch(?:Agents|Daemons)/|(?:^|/)var/spool/cron"
                r"|(?:^|/)\.ssh/(?:authorized_keys|config)$"
            ),
        ),
        ("poundlock", r"(?:^|/)poundlock\.toml$|(?:^|/)\.?poundlock(?:/|$)"),
        ("system", r"^/(?:etc|usr|bin|sbin|lib|lib64|boot|dev|sys|proc|System|Windows)(?:/|$)|^[a-z]:[\\/]windows"),
    )
)
_PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$|^\*\*\* Move to: (.+)$", re.MULTILINE)


def classes(paths: Iterable[str]) -> frozenset[str]:
    """Give the classes that any of these paths belongs to."""
    found: set[str] = set()
    for path in paths:
        plain = path.strip().strip("\"'").replace("\\", "/")
        found.update(name for name, pattern in _CLASSES if pattern.search(plain))
    return frozenset(found)


def patched(text: str) -> tuple[str, ...]:
    """Give the files that a patch in Codex's form names."""
    return tuple(first or second for first, second in _PATCHED.findall(text))
