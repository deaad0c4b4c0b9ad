"""The name of a repository, from the address of its remote: `github.com/northwind/orders`, without any credential."""

from __future__ import annotations

import re

_REMOTE = re.compile(r'^[ \t]*\[remote[ \t]+"(?P<name>[^"\n]+)"\]|^[ \t]*url[ \t]*=(?P<url>[^\n]*)', re.MULTILINE)
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://(?:[^@/\s]*@)?|(?:[^@/\s:]+@)?)(?P<host>[^/:\s]+)(?::\d+)?[:/]+(?P<path>\S+)"
)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/~+-]{0,255}")


def named(text: str) -> str:
    """Give the name of the `origin` remote, else of the first, in the text of a Git configuration; or nothing."""
    remotes: dict[str, str] = {}
    at = ""
    for found in _REMOTE.finditer(text):
        if found["name"]:
            at = found["name"]
        elif at:
            remotes.setdefault(at, found["url"].strip())
    url = remotes.get("origin") or next(iter(remotes.values()), "")
    parts = _URL.fullmatch(url)
    if parts is None:
        return ""
    name = f"{parts['host'].lower()}/{parts['path'].strip('/').removesuffix('.git')}"
    return name if _PLAIN.fullmatch(name) and ".." not in name else ""
