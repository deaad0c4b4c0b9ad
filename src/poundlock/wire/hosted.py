"""Tools that run at the provider's, before anyone can gate a call: what kinds there are, and how a server is named.

A kind is a word of ours; a server that the provider connects to is `mcp:` with its host. This module must never name
what a format does not tell: a tool that it can't place is `other`.
"""

from __future__ import annotations

import re
from typing import Any

KINDS = (
    "web_search",
    "web_fetch",
    "code_execution",
    "file_search",
    "image_generation",
    "tool_search",
    "maps",
    "shell",
    "mcp",
    "other",
)
"""Every kind. `tool_search` looks through the offered tools; `shell` is a container of the provider's."""

# Nothing that two readers could take for different hosts: no user, no backslash, no blank.
_URL = re.compile(
    r"https?://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,98}[a-z0-9])?)(?::[0-9]{1,5})?(?:[/?#][^@\\\s]*)?", re.IGNORECASE
)
_CONNECTOR = re.compile(r"connector_[a-z0-9_]{1,40}")


def server(url: Any) -> str:
    """Give the name of an MCP server at this URL; of one that can't be read, only its kind."""
    found = _URL.fullmatch(url) if isinstance(url, str) else None
    return f"mcp:{found['host'].lower()}" if found else "mcp"


def connector(name: Any) -> str:
    """Give the name of a connector of the provider's own."""
    return f"mcp:{name}" if isinstance(name, str) and _CONNECTOR.fullmatch(name) else "mcp"
