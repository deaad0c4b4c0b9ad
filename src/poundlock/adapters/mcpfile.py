"""The register of MCP servers at rest: one sealed file of the state folder, since a server's variables hold its keys.

INVARIANT: the file is replaced as a whole, under a lock, so that a reader sees one state or the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from poundlock.core.errors import ConfigFault
from poundlock.core.mcp import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from poundlock.core.mcp import Pin

_PURPOSE = "mcp servers"


class Seal(Protocol):
    """What is needed of the master key."""

    def seal_kept(self, tool: str, data: bytes) -> bytes:
        """Seal data under a name."""

    def open_kept(self, tool: str, sealed: bytes) -> bytes:
        """Open it. Raises: `Fault`."""


class McpFile:
    """The file of servers, by name."""

    def __init__(self, path: Path, keys: Seal) -> None:
        """Use the file at `path`; it need not exist yet."""
        self._path = path
        self._keys = keys

    def servers(self) -> dict[str, Server]:
        """Give all servers. Raises: `ConfigFault` for a file that is damaged or of another master key."""
        try:
            sealed = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as fault:
            raise ConfigFault(f"the register of MCP servers can't be read: {fault.strerror}") from fault
        try:
            return msgspec.msgpack.decode(self._keys.open_kept(_PURPOSE, sealed), type=dict[str, Server])
        except msgspec.MsgspecError:
            raise ConfigFault("the register of MCP servers is damaged", advice=f"Move {self._path} away.") from None

    def server(self, name: str) -> Server:
        """Give one server. Raises: `ConfigFault` when there is none of this name."""
        found = self.servers().get(name)
        if found is None:
            raise ConfigFault(
                f"There is no MCP server named {name!r}.",
                advice="`poundlock mcp list` shows those there are; `poundlock mcp add NAME -- COMMAND` adds one.",
            )
        return found

    def put(self, server: Server) -> None:
        """Add or replace one. Raises: `ConfigFault`."""
        self._change(lambda rows: {**rows, server.name: server})

    def remove(self, name: str) -> bool:
        """Take one away; say whether it was there. Raises: `ConfigFault`."""
        there = False

        def change(rows: dict[str, Server]) -> dict[str, Server]:
            nonlocal there
            there = name in rows
            return {key: row for key, row in rows.items() if key != name}

        self._change(change)
        return there

    def pinned(self, name: str, pins: Mapping[str, Pin]) -> Server:
        """Keep how a server's tools now stand, and give the server. Raises: `ConfigFault`."""

        def change(rows: dict[str, Server]) -> dict[str, Server]:
            known = rows.get(name)
            return rows if known is None else {**rows, name: msgspec.structs.replace(known, tools=dict(pins))}

        return self._change(change).get(name) or Server(name=name, tools=dict(pins))

    def _change(self, change: Callable[[dict[str, Server]], dict[str, Server]]) -> dict[str, Server]:
        with self._locked():
            rows = change(self.servers())
            sealed = self._keys.seal_kept(_PURPOSE, msgspec.msgpack.encode(rows))
            try:
                handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".mcp-")
                with os.fdopen(handle, "wb") as file:
                    file.write(sealed)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
            except OSError as fault:
                raise ConfigFault(f"the register of MCP servers can't be written: {fault.strerror}") from fault
            return rows

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._path.parent / ".mcp.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
