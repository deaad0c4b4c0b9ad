"""MCP servers and their tools: what was reviewed, told by digests, and what a description should not say.

A tool is what its name, description and schemas say. When that changes, the tool stops until a person has looked at it.
This module must never take a server's word for anything, and never keep a description.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from poundlock.core.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

State = Literal["accepted", "waiting"]

_SAID = ("name", "title", "description", "inputSchema", "outputSchema", "annotations", "execution")
"""What of a tool is pinned (the specification's "Tools"): icons and `_meta` say nothing to a model."""


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as it was reviewed, or as it waits for it. `why` says what made it wait."""

    digest: str
    state: State = "accepted"
    why: tuple[str, ...] = ()


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One MCP server: a command that speaks over its standard streams, or a URL.

    `local`: what it is given stays on this machine. `results`: what a model may see of what it gives back; `auto` is
    clear for a task whose model traffic goes through the gateway, too, and disguised for everybody else.
    """

    name: str
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    local: bool = False
    results: Literal["auto", "clear", "disguise"] = "auto"
    sampling: bool = True
    tools: dict[str, Pin] = {}
    reviewed: bool = False


class Listed(Value, frozen=True, kw_only=True):
    """What a list of tools comes to: the pins as they now are, and the names of those that are withheld."""

    pins: Mapping[str, Pin]
    withheld: tuple[str, ...]
    new: tuple[str, ...]
    changed: tuple[str, ...]


def digest(tool: Mapping[str, Any]) -> str:
    """Give the digest of what a tool says of itself: hex SHA-256 of its pinned members as JSON, sorted."""
    said = {name: tool[name] for name in _SAID if name in tool}
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def review(server: Server, tools: Iterable[Any]) -> Listed:
    """Compare a server's tools with their pins.

    The first list of a server that nobody has reviewed is pinned as it stands, but for what looks poisoned. From then
    on whatever is new or has changed waits.
    """
    pins = dict(server.tools)
    named = [tool for tool in tools if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
    names = [tool["name"] for tool in named]
    new: list[str] = []
    changed: list[str] = []
    withheld: list[str] = []
    for tool in named:
        name, mark = tool["name"], digest(tool)
        known = pins.get(name)
        if known is None or known.digest != mark:
            odd = poisoned(tool, names)
            if known is not None:
                changed.append(name)
                odd = ("its description or schema has changed", *odd)
            elif server.reviewed or server.tools:
                new.append(name)
                odd = ("it is new", *odd)
            pins[name] = known = Pin(digest=mark, state="waiting" if odd else "accepted", why=odd)
        if known.state != "accepted":
            withheld.append(name)
    withheld += [name for name in {name for name in names if names.count(name) > 1} if name not in withheld]
    return Listed(pins=pins, withheld=tuple(withheld), new=tuple(new), changed=tuple(changed))


_ORDERS = re.compile(
    r"<(?:important|system|instructions?|secret|hidden)\b|\bignore (?:all |any |the )?(?:previous|prior|above|other)\b"
    r"|\b(?:do not|don't|never) (?:tell|mention|inform|reveal|show|notify)(?: this| it| that)?(?: to)? (?:the )?"
    r"(?:user|human)\b"
    r"|\bwithout (?:telling|informing|asking|notifying) (?:the )?(?:user|human)"
    r"|\b(?:you|the assistant|the model) must (?:first |always )?(?:read|send|include|call|pass|copy|use|write)\b"
    r"|\bbefore (?:using|calling|running|you (?:use|call)) (?:this|any|every|other)\b"
    r"|\b(?:contents?|value) of (?:~|\.env|/etc|the (?:file|environment))"
    r"|~/\.(?:ssh|aws|cursor|config|netrc|npmrc|kube)|\bid_(?:rsa|ed25519)\b|\bmcp\.json\b"
    r"|\bside ?note\b|\bsystem prompt\b",
    re.IGNORECASE,
)
_LONGEST = 20_000


def poisoned(tool: Mapping[str, Any], others: Sequence[str] = ()) -> tuple[str, ...]:
    """Say what in a tool's own words should not be there; nothing for an ordinary tool.

    Signs known from published attacks (tool poisoning, shadowing, invisible text): they make a tool wait for a person,
    and prove nothing.
    """
    found: dict[str, None] = {}
    for text in _texts(tool):
        if len(text) > _LONGEST:
            found["a text in it is longer than a description needs"] = None
        if any(_invisible(character) for character in text):
            found["it holds characters that nobody sees"] = None
        if _ORDERS.search(text):
            found["its description gives orders to the assistant"] = None
    name = str(tool.get("name", ""))
    description = str(tool.get("description", ""))
    if not re.fullmatch(r"[A-Za-z0-9_./-]{1,128}", name):
        found["its name is not a plain word"] = None
    for other in others:
        if (
            other != name
            and len(other) > 5
            and re.search(rf"\b(?:instead of|rather than) [`'\"]?{re.escape(other)}\b", description)
        ):
            found["it speaks against another tool"] = None
    return tuple(found)


def _invisible(character: str) -> bool:
    """Whether a character is there without being seen: format controls, tags, private use, bidirectional marks."""
    if character in "\n\r\t" or character < "\u007f":
        return False
    point = ord(character)
    joins = point in {0x200D, 0xFE0F}  # in emoji
    return not joins and (
        unicodedata.category(character) in {"Cf", "Co", "Cc"} or 0xE0000 <= point <= 0xE0FFF or 0xFE00 <= point < 0xFE0F
    )


def _texts(node: Any, levels: int = 32) -> Iterable[str]:
    if isinstance(node, str):
        yield node
    elif levels and isinstance(node, list):
        for item in node:
            yield from _texts(item, levels - 1)
    elif levels and isinstance(node, dict):
        for key, item in node.items():
            yield str(key)
            yield from _texts(item, levels - 1)


def told(server: str, tool: str, why: Sequence[str]) -> str:
    """Say why a tool can't be called, and what to type."""
    reason = "; ".join(why) or "it waits for a review"
    return (
        f"Poundlock did not call {tool} of the MCP server {server}: {reason}. "
        f"A person looks at it with: poundlock mcp review {server}"
    )
