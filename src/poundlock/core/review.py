"""Commits before they are released: which an AI tool made, what they touch, and who but their author approved them.

Signs in commits are claims: whoever makes a commit without them is not seen here. Areas are told by paths and by lines
that were added. This module must never run Git or look at a disk.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

AREAS = ("dependencies", "authentication", "cryptography", "pipeline", "infrastructure", "agent")
"""What a commit can touch that deserves a second pair of eyes; a team declares more by path."""

# How the tools sign their commits. Sources: the tools' own documentation, and commits that they made.
_SIGNATURES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (tool, re.compile(pattern, re.IGNORECASE))
    for tool, pattern in (
        (
            "claude-code",
            r"noreply@anthropic\.com|generated with \[?claude code|\bclaude(?: code| opus| sonnet| haiku)?\b.{0,20}<",
        ),
        ("codex", r"\bcodex\b.{0,30}<|codex@openai\.com|chatgpt-codex-connector|co-authored-by:.{0,20}\bcodex\b"),
        ("github-copilot", r"copilot@github\.com|copilot-swe-agent|\bcopilot\b.{0,20}<\d*\+?copilot"),
        ("cursor", r"cursoragent@cursor\.com|cursor agent|co-authored-by: cursor\b"),
        ("gemini-cli", r"gemini-cli|gemini-code-assist|co-authored-by: gemini\b"),
        ("aider", r"\(aider\)|aider@aider\.chat|co-authored-by: aider\b"),
        ("devin", r"devin-ai-integration|co-authored-by: devin\b"),
        ("jules", r"google-labs-jules"),
        ("amp", r"amp@ampcode\.com|ampcode-com"),
        ("opencode", r"opencode@|co-authored-by: opencode\b|noreply@opencode\.ai"),
        ("qwen-code", r"qwen-coder@|co-authored-by: qwen\b"),
        ("windsurf", r"windsurf|codeium"),
    )
)
_TRAILERS_OF_TOOLS = frozenset({"assisted-by", "generated-by", "ai-assisted-by", "poundlock-task"})
_APPROVALS = frozenset({"reviewed-by", "approved-by"})
_BOT = re.compile(
    r"\[bot\]|noreply@anthropic\.com|copilot|cursoragent|codex|gemini|devin-ai|aider|\bbot@", re.IGNORECASE
)
_TRAILER = re.compile(r"^([A-Za-z][A-Za-z-]{1,40}): *(\S.*)$")
_ADDRESS = re.compile(r"<([^<>\s]+@[^<>\s]+)>")

_PATHS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (area, re.compile(pattern, re.IGNORECASE))
    for area, pattern in (
        (
            "dependencies",
            (
                r"(?:^|/)(?:package(?:-lock)?\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|requirements[\w.-]*\.(?:txt|in)|"
                r"constraints[\w.-]*\.txt|pyproject\.toml|poetry\.lock|uv\.lock|pipfile(?:\.lock)?|setup\.(?:py|cfg)|go\.(?:mod|sum)|"
                r"cargo\.(?:toml|lock)|gemfile(?:\.lock)?|composer\.(?:json|lock)|pom\.xml|[\w.-]*\.gradle(?:\.kts)?|"
                r"[\w.-]+\.csproj|packages\.lock\.json|mix\.(?:exs|lock)|pubspec\.(?:yaml|lock)|\.gitmodules|renovate\.json)$"
            ),
        ),
        (
            "authentication",
            (
                r"(?:^|[/_.-])(?:auth|authn|authz|login|logout|signin|signup|session|oauth2?|oidc|saml|sso|jwt|passwords?|"
                r"permissions?|rbac|acl|access[_-]?control|identity|credentials?|mfa|totp|csrf)(?:[/_.s-]|$)"
            ),
        ),
        (
            "cryptography",
            (
                r"(?:^|[/_.-])(?:crypto|cryptography|cipher|encrypt(?:ion)?|decrypt(?:ion)?|hashing|hmac|signing|signatures?|tls|ssl|"
                r"certs?|certificates?|x509|pki|keystore|key[_-]?management|kms|random)(?:[/_.-]|$)"
            ),
        ),
        (
            "pipeline",
            (
                r"(?:^|/)\.github/(?:workflows|actions)/|(?:^|/)\.gitlab-ci\.ya?ml$|(?:^|/)\.gitlab/ci/|(?:^|/)jenkinsfile|"
                r"(?:^|/)\.circleci/|(?:^|/)azure-pipelines|(?:^|/)bitbucket-pipelines|(?:^|/)\.pre-commit-config\.ya?ml$|"
                r"(?:^|/)\.husky/|(?:^|/)\.buildkite/|(?:^|/)codeowners$|(?:^|/)action\.ya?ml$"
            ),
        ),
        (
            "infrastructure",
            (
                r"\.tf(?:vars)?$|\.hcl$|(?:^|/)(?:dockerfile|containerfile)[\w.-]*$|(?:^|/)docker-compose[\w.-]*\.ya?ml$|"
                r"(?:^|/)(?:terraform|k8s|kubernetes|helm|charts|ansible|pulumi|cloudformation|infra|deploy|deployment)/|"
                r"(?:^|/)(?:serverless|template)\.ya?ml$|(?:^|/)nginx[\w.-]*\.conf$|\.bicep$"
            ),
        ),
        (
            "agent",
            (
                r"(?:^|/)(?:claude(?:\.local)?|agents|gemini|skill)\.md$|(?:^|/)\.(?:claude|cursor|codex|gemini|continue|windsurf)/|"
                r"(?:^|/)\.(?:cursorrules|windsurfrules|clinerules|mcp\.json)(?:$|/)|(?:^|/)\.github/copilot-instructions\.md$|"
                r"(?:^|/)poundlock\.toml$"
            ),
        ),
    )
)
# Lines that change what a system trusts, whatever file they stand in.
_LINES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "cryptography",
        re.compile(
            r"verify\s*=\s*False|rejectUnauthorized['\"]?\s*:\s*false|InsecureSkipVerify\s*:\s*true|CURLOPT_SSL_VERIFYPEER|"
            r"check_hostname\s*=\s*False|\bMODE_ECB\b|\bDES\.new\b|createCipheriv?\(|NODE_TLS_REJECT_UNAUTHORIZED"
        ),
    ),
    (
        "authentication",
        re.compile(
            r"verify_signature['\"]?\s*:\s*False|@csrf_exempt|permitAll\(\)|AllowAny\b|skip_before_action\s+:(?:authenticate|verify)|"
            r"algorithms?\s*[=:]\s*\[?['\"]none['\"]"
        ),
    ),
)


class Commit(Value, frozen=True, kw_only=True):
    """One commit as Git tells of it. `files` are paths from the root; `added` are lines that it adds."""

    _hidden = frozenset({"added", "message"})

    id: str
    author: str
    email: str
    committer: str = ""
    message: str = ""
    files: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    notes: str = ""


class Change(Value, frozen=True, kw_only=True):
    """What policy sees of a commit: the tools that made it, the areas that it touches, how many people approved it."""

    id: str
    tools: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    approvals: int = 0
    files: int = 0
    subject: str = ""
    touched: Mapping[str, str] = {}


def change(commit: Commit, declared: Mapping[str, Sequence[str]], approvers: Iterable[str] = ()) -> Change:
    """Read one commit. `declared` are a team's own areas, each with path patterns (`src/billing/**`).

    `approvers` are the addresses or names of people who approved the whole range, as a forge tells of them.
    """
    told = trailers(commit.message)
    touched = areas(commit.files, commit.added, declared)
    people = {each.lower() for each in approvers} | {
        _person(value) for key, value in told if key in _APPROVALS and not _BOT.search(value)
    }
    own = {commit.email.lower(), commit.author.lower()}
    return Change(
        id=commit.id,
        tools=tools(commit),
        areas=tuple(touched),
        approvals=len([each for each in people if each and each not in own and not _BOT.search(each)]),
        files=len(commit.files),
        subject=commit.message.partition("\n")[0][:100],
        touched=touched,
    )


def trailers(message: str) -> tuple[tuple[str, str], ...]:
    """Give a message's trailers, names in small letters: the lines `Name: value` below its subject."""
    found: list[tuple[str, str]] = []
    for paragraph in message.strip().split("\n\n")[1:]:
        lines = [line for line in paragraph.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
        read = [_TRAILER.match(line) for line in lines]
        found += [(match[1].lower(), match[2].strip()) for match in read if match]
    return tuple(found)


def tools(commit: Commit) -> tuple[str, ...]:
    """Give the AI tools that a commit says made it: in its trailers, its text, its author, or a note on it."""
    told = trailers(commit.message)
    signed = [
        f"{name}: {value}" for name, value in told if name in {"co-authored-by", "signed-off-by"} | _TRAILERS_OF_TOOLS
    ]
    generated = [
        line for line in commit.message.splitlines() if re.search(r"generated (?:with|by)", line, re.IGNORECASE)
    ]
    texts = [*signed, *generated, f"{commit.author} <{commit.email}>", f"{commit.committer} <", commit.notes]
    found = {tool for tool, pattern in _SIGNATURES if any(pattern.search(text) for text in texts if text)}
    named = [value for name, value in told if name in _TRAILERS_OF_TOOLS]
    if named and not found:
        found.add("other")
    if "poundlock-task:" in commit.notes.lower() and not found:
        found.add("other")
    return tuple(sorted(found))


def areas(files: Iterable[str], added: Iterable[str], declared: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Give the areas that are touched, each with the first path that shows it."""
    found: dict[str, str] = {}
    for path in files:
        for area, pattern in _PATHS:
            if area not in found and pattern.search(path):
                found[area] = path
        for area, patterns in declared.items():
            if area not in found and any(fnmatch.fnmatchcase(path, each.replace("**", "*")) for each in patterns):
                found[area] = path
    for line in added:
        for area, pattern in _LINES:
            if area not in found and pattern.search(line):
                found[area] = "an added line"
    return dict(sorted(found.items()))


def _person(value: str) -> str:
    """Give who a trailer names: the address, else the name."""
    address = _ADDRESS.search(value)
    return (address[1] if address else value).strip().lower()
