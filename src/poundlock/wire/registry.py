"""Which wire format a request speaks, told from its path and headers, and which row of the route table it takes.

It must never guess: what no row names is refused.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import msgspec

from poundlock.core.errors import ClientFault
from poundlock.wire.anthropic import Anthropic
from poundlock.wire.bedrock import Bedrock
from poundlock.wire.body import answered
from poundlock.wire.gemini import Gemini
from poundlock.wire.ollama import Ollama
from poundlock.wire.openai_chat import OpenAIChat
from poundlock.wire.openai_completions import OpenAICompletions
from poundlock.wire.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.model import Document
    from poundlock.wire.base import Route, Wire

_ANTHROPIC = Anthropic()
WIRES: tuple[Wire, ...] = (
    Gemini(),
    Ollama(),
    Bedrock(_ANTHROPIC),
    _ANTHROPIC,
    OpenAIResponses(),
    OpenAICompletions(),
    OpenAIChat(),
)
"""Every format; of several that fit, one whose own headers are there, else the last."""


class Empty:
    """The body of a request without one."""

    def __init__(self, document: Document) -> None:
        """Keep the document, which has no segments."""
        self.document = document

    def encode(self, texts: Mapping[int, str]) -> bytes:
        """Give no bytes. Raises: `ValueError` when there is something to write."""
        if texts:
            raise ValueError("a request without a body has no text to replace")
        return b""


def resolve(method: str, path: str, headers: Mapping[str, str], name: str = "") -> tuple[Wire, Route]:
    """Give the format and the route of a request; `name` is the format of the provider that was named, if one was.

    `path` is without the query and as it was sent (percent-encoded); header names are lower case.

    Raises: `ClientFault` for what is in no route table.
    """
    fitting = _routes(method, path, name)
    if not fitting:
        raise ClientFault(
            "This route is not known, so it is refused.", advice="See `poundlock doctor --coverage`.", status=404
        )
    return next((pair for pair in fitting if pair[0].claims(headers)), fitting[-1])


def shape(path: str, headers: Mapping[str, str], name: str = "") -> Wire:
    """Give the format in which a request must be refused, whatever its path is."""
    wires = _shapes(path, name)
    return next((wire for wire in wires if wire.claims(headers)), wires[-1])


# A tool asks for few paths, and a path is matched with some hundred patterns.
@functools.lru_cache(maxsize=512)
def _routes(method: str, path: str, name: str) -> tuple[tuple[Wire, Route], ...]:
    """Give the formats with the routes that fit."""
    return tuple((wire, route) for wire in _named(name) if (route := _route(wire, method, path)) is not None)


@functools.lru_cache(maxsize=512)
def _shapes(path: str, name: str) -> tuple[Wire, ...]:
    """Give the formats that know a path, whatever the method; all of them where none does."""
    wires = _named(name)
    return tuple(wire for wire in wires if any(_pattern(each.path).fullmatch(path) for each in wire.routes)) or wires


def _named(name: str) -> tuple[Wire, ...]:
    """Give the formats to choose from. Raises: `ClientFault` for a name that no format has."""
    if not name:
        return WIRES
    wires = tuple(wire for wire in WIRES if wire.provider == name)
    if not wires:
        raise ClientFault("The provider's format is not known.", advice="Use one of the formats in the reference.")
    return wires


def _route(wire: Wire, method: str, path: str) -> Route | None:
    for route in wire.routes:
        if route.method in {method, "*"} and (found := _pattern(route.path).fullmatch(path)):
            named = found.groupdict()
            if answer := named.get("answered"):
                return msgspec.structs.replace(route, conversation=answered(answer))
            return msgspec.structs.replace(route, model=named["model"]) if named.get("model") else route
    return None


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(path, re.DOTALL)
