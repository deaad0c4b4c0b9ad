"""Telling AI tools apart by what they claim: the User-Agent. A claim proves nothing, and the principal says so."""

from __future__ import annotations

USER_AGENTS: tuple[tuple[str, str], ...] = (
    ("claude-cli/", "claude-code"),
    ("codex_", "codex"),
    ("codex-", "codex"),
    ("GeminiCLI", "gemini-cli"),
    ("GitHubCopilotChat", "github-copilot"),
    ("copilot", "github-copilot"),
    ("QwenCode", "qwen-code"),
    ("opencode", "opencode"),
    ("Continue", "continue"),
    ("Cline", "cline"),
    ("litellm", "litellm"),
    ("aider", "aider"),
    ("Anthropic/", "anthropic-sdk"),
    ("OpenAI/", "openai-sdk"),
    ("AsyncAnthropic/", "anthropic-sdk"),
    ("AsyncOpenAI/", "openai-sdk"),
    ("google-genai-sdk/", "google-genai-sdk"),
    ("ollama-python/", "ollama-sdk"),
    ("ollama/", "ollama"),
    ("ai-sdk/", "ai-sdk"),
    ("python-requests/", "script"),
    ("curl/", "script"),
)
"""How a tool's User-Agent begins, and its id. Recorded from the tools themselves; the first that fits counts."""

UNREGISTERED = "unregistered"


def claimed(user_agent: str) -> str:
    """Give the id of the tool that this User-Agent claims, or `unregistered`."""
    for prefix, tool in USER_AGENTS:
        if user_agent.startswith(prefix):
            return tool
    return UNREGISTERED
