"""Which hosts are AI services, and which provider of the gateway each is: what an intercepting proxy goes by.

It must never claim a host that the table does not name: everything else is somebody's own business.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import msgspec

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOST = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._-]+)*")


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One AI service: its provider's name, its hosts, and the part of the path that the provider's URL has already."""

    provider: str
    hosts: tuple[str, ...]
    prefix: str = ""

    def path(self, target: str) -> str | None:
        """Give the path of a request without the service's prefix, or None where it has not that prefix."""
        if not self.prefix:
            return target
        rest = target.removeprefix(self.prefix)
        return rest if rest != target and rest[:1] in {"", "/", "?"} else None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    service: tuple[Service, ...]


class Services:
    """The table, to be asked by host."""

    def __init__(self, services: Iterable[Service]) -> None:
        """Keep the services by host. Raises: `ConfigFault` for a host that can't be one or stands twice."""
        self._exact: dict[str, Service] = {}
        self._under: dict[str, Service] = {}
        for service in services:
            for host in service.hosts:
                place = self._under if host.startswith("*.") else self._exact
                name = host.removeprefix("*.")
                if not _HOST.fullmatch(host) or name in place or not _PREFIX.fullmatch(service.prefix):
                    raise ConfigFault(f"services: {host} can't be a host, or stands twice.", advice="Correct the row.")
                place[name] = service

    @classmethod
    def load(cls, text: str, more: Iterable[Service] = ()) -> Services:
        """Read TOML text of `[[service]]` tables; `more` goes before a row of the same host. Raises: `ConfigFault`."""
        try:
            rows = msgspec.convert(tomllib.loads(text), _File).service
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
            raise ConfigFault(f"services: {fault}", advice="Correct the row that is named.") from None
        own = tuple(more)
        taken = {host for service in own for host in service.hosts}
        kept = (
            msgspec.structs.replace(row, hosts=tuple(host for host in row.hosts if host not in taken)) for row in rows
        )
        return cls((*own, *kept))

    def find(self, host: str) -> Service | None:
        """Give the service of a host name, in any case and with or without a final dot, or None."""
        name = host.lower().removesuffix(".")
        if found := self._exact.get(name):
            return found
        while "." in name:
            name = name.partition(".")[2]
            if found := self._under.get(name):
                return found
        return None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a certificate authority for these hosts may sign for: each, and what is under it."""
        return tuple(sorted({*self._exact, *self._under}))
