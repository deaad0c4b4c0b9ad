"""Where a request may go: its provider, format and route, what is known of the destination, and the model inside.

It reads settings, the route tables and the vendor register; it awaits and sends nothing. It must never let a key that
Poundlock holds go with a request that does not carry Poundlock's own credential.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from poundlock.core.errors import ClientFault, Fault
from poundlock.ports import Asked
from poundlock.wire import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.config import Provider, Settings
    from poundlock.core.model import Destination, Document, Principal
    from poundlock.core.register import Register
    from poundlock.gateway.http import Request
    from poundlock.ports import Clock
    from poundlock.wire.base import Route, Wire

INSIDE = frozenset({"anthropic", "ollama", "openai"})
"""The formats that a model inside the boundary takes where its provider names none."""
_MODEL = re.compile(r"[\w.:/@+-]{1,128}", re.ASCII)


class Way(NamedTuple):
    """Where a request goes: the provider by name, its wire format and its route."""

    name: str
    provider: Provider
    wire: Wire
    route: Route


class Ways:
    """The part of an exchange that says where a request may go."""

    settings: Settings
    register: Register
    clock: Clock
    keys: Mapping[str, str]

    def _format(self, name: str | None) -> str:
        provider = self.settings.provider(name) if name else None
        return provider.format if provider else ""

    def _way(self, request: Request) -> Way:
        """Find provider, wire and route. Raises `ClientFault` for what is not in the route table."""
        wire, route = registry.resolve(
            request.method, request.raw_path, request.header_map, self._format(request.provider)
        )
        name = request.provider or route.home or wire.provider
        provider = self.settings.provider(name)
        if provider is None:
            raise ClientFault(
                "No provider of this name is configured.",
                advice="Add [providers.NAME] with its upstream to poundlock.toml.",
            )
        if route.treatment == "refuse":
            raise ClientFault(f"This route is refused: {route.reason}.", advice="See `poundlock doctor --coverage`.")
        return Way(name, provider, wire, route)

    def _destination(self, way: Way, document: Document) -> Destination:
        """Say where the exchange goes, with what the register knows of it."""
        model = document.model if _MODEL.fullmatch(document.model) else ""
        return self.register.destination(
            name=way.name,
            vendor=way.provider.vendor or way.name,
            plan=way.provider.plan,
            model=model,
            endpoint=way.provider.upstream,
            approved=way.provider.approved,
            local=way.provider.local,
            day=self._day(),
        )

    def _inside(self, way: Way) -> Way | None:
        """Give the way to a model inside the boundary for what was to go another way; None where there is none."""
        name = self.settings.local.provider
        provider = self.settings.provider(name) if name else None
        if provider is None or way.provider.local or way.route.treatment != "inspect":
            return None
        spoken = way.wire.provider == provider.format if provider.format else way.wire.provider in INSIDE
        return Way(name, provider, way.wire, way.route) if spoken else None

    def _moved(self, way: Way) -> Way:
        """Give the way inside for what was judged to go there. Raises: `Fault`; it must not go anywhere else."""
        inside = self._inside(way)
        if inside is None:
            raise Fault("The model inside the boundary can't be reached this way, and nothing was sent.")
        return inside

    def _model_inside(self, asked: str) -> str:
        """Give the name of the model inside the boundary for the one that was asked for."""
        models = self.settings.local.models
        return next((model for pattern, model in models.items() if fnmatchcase(asked, pattern)), asked)

    def _day(self) -> str:
        return datetime.fromtimestamp(self.clock.now() / 1e9, UTC).date().isoformat()

    def _credential(self, way: Way, principal: Principal) -> tuple[str, str] | None:
        """Give the provider key that Poundlock holds, only for who carries Poundlock's own credential."""
        key = self.keys.get(way.name)
        if key is None or not principal.proven:
            return None
        if way.provider.key_header:
            return way.provider.key_header, f"Bearer {key}" if way.provider.key_header == "authorization" else key
        return way.wire.key_header(key)

    @staticmethod
    def _check_hosted(way: Way, document: Document) -> None:
        """Refuse what runs at the provider's before anyone can gate it, unless it is allowed. Raises: `ClientFault`."""
        refused = [name for name in document.hosted if name not in way.provider.hosted]
        if refused:
            kind = refused[0].partition(":")[0]
            what = "connect to an MCP server" if kind == "mcp" else f"run a tool of its own ({kind})"
            raise ClientFault(
                f"The request lets the provider {what}, which nobody here can gate.",
                advice="Connect it to your own tool, where each call is inspected, or name it in the provider's "
                f"`hosted`: {'mcp:HOST' if kind == 'mcp' else kind}.",
            )

    @staticmethod
    def _check_signature(way: Way, principal: Principal, request: Request) -> None:
        """Refuse a request whose signature can't hold: it spans host and body. Raises: `ClientFault`."""
        if way.provider.sign and not principal.proven:
            raise ClientFault(
                "Requests to this provider are signed only for who carries Poundlock's credential.",
                advice="Start the tool with `poundlock run -- TOOL`, or put a credential in its base URL: /t/TOKEN.",
            )
        if not way.provider.sign and request.header_map.get("authorization", "").startswith("AWS4-"):
            raise ClientFault(
                "The request is signed for AWS, and no signature survives a gateway that reads the request.",
                advice='Set sign = "aws" in the provider\'s table, or use an API key (AWS_BEARER_TOKEN_BEDROCK).',
            )

    def _url(self, way: Way, request: Request) -> str:
        query = f"?{request.query}" if request.query else ""
        return f"{way.provider.upstream.rstrip('/')}{request.raw_path}{query}"


def asked(request: Request) -> Asked:
    """Say what the caller's credential may be bound to."""
    place = f"/p/{request.provider}" if request.provider else ""
    return Asked(
        method=request.method,
        url=f"http://{request.header_map.get('host', '')}{place}{request.raw_path}",
        peer_port=request.peer_port,
        own_port=request.own_port,
    )
