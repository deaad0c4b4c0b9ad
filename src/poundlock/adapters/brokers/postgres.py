"""A role of its own in PostgreSQL for each lease. It ends with its sessions, not only with its password.

`VALID UNTIL` keeps new logins out and lets open sessions go on, so that ending a lease bars the role, ends its
sessions, and drops it. The password never reaches the server, whose log may keep statements: it gets a verifier. What
a role made that can write is handed to the administrator's role, so that nobody's work is lost.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import asyncpg

from poundlock.adapters.brokers.scram import verifier
from poundlock.core.errors import ConfigFault, UpstreamFault
from poundlock.core.leases import SECOND, Minted

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    from poundlock.config import Level
    from poundlock.core.leases import Lease

PATIENCE = 10.0
"""Seconds for one statement or connection."""
ENDING = 40
"""How often open sessions are looked for, 50 ms apart, until ending them counts as failed."""

_READS = "SELECT"
_WRITES = "SELECT, INSERT, UPDATE, DELETE"


class PostgresBroker:
    """Roles in the database that `address` (a `postgresql://` URL of a role that may create roles) leads to.

    `connections` is how many one lease may have open; `variable` gets the address, too.
    """

    def __init__(self, address: str, *, connections: int = 8, variable: str = "") -> None:
        """Keep the address; the connection is made when it is needed. Raises: `ConfigFault` for no address."""
        parts = urlsplit(address)
        if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
            raise ConfigFault(
                "A PostgreSQL resource needs an administrator's address.",
                advice="Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, in the variable secret_env names.",
            )
        self._address = address
        self._connections = connections
        self._variable = variable
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    async def mint(self, lease: Lease, level: Level) -> Minted:
        """Make the role, with the rights of this level. Raises: `UpstreamFault`."""
        password = f"pl_{secrets.token_urlsafe(24)}"
        until = datetime.fromtimestamp(lease.expires / SECOND, UTC).isoformat()
        role = _name(lease.handle)
        inside = f" IN ROLE {', '.join(map(_name, level.roles))}" if level.roles else ""
        text = verifier(password, os.urandom(16))
        never = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        limits = f"VALID UNTIL {_text(until)} CONNECTION LIMIT {self._connections} {never}{inside}"
        statements = [
            f"CREATE ROLE {role} LOGIN PASSWORD {_text(text)} {limits}",
            f"COMMENT ON ROLE {role} IS {_text(f'Poundlock: lease {lease.id} of task {lease.task}')}",
        ]
        rights, numbers = (_WRITES, "USAGE, SELECT") if level.writes else (_READS, "SELECT")
        for schema in map(_name, level.schemas):
            statements += [
                f"GRANT USAGE ON SCHEMA {schema} TO {role}",
                f"GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role}",
                f"GRANT {numbers} ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
            ]
        async with self._turn:
            connection = await self._open()
            database = _name(await self._ask(connection.fetchval("SELECT current_database()")))
            statements.insert(1, f"GRANT CONNECT ON DATABASE {database} TO {role}")
            # One message is one transaction: all of it, or nothing.
            await self._ask(connection.execute(";".join(statements)))
        return Minted(variables=self._variables(lease.handle, password), serial=lease.handle)

    async def revoke(self, lease: Lease) -> None:
        """Bar the role, end its sessions, drop it. Raises: `UpstreamFault` when something of it is left."""
        role = _name(lease.handle)
        async with self._turn:
            connection = await self._open()
            found = await self._ask(
                connection.fetchval("SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1", lease.handle)
            )
            if found is None:
                return
            await self._ask(connection.execute(f"ALTER ROLE {role} NOLOGIN PASSWORD NULL CONNECTION LIMIT 0"))
            await self._member(connection, role)
            await self._end(connection, found)
            await self._ask(
                connection.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}")
            )
            # A login that was under way when the role was barred: its session has no role any more, and goes, too.
            await self._end(connection, found)

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _member(self, connection: asyncpg.Connection, role: str) -> None:
        """Be a member of the role, which who is no superuser has to be to end its sessions and take what it owns."""
        if not await self._ask(connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
            await self._ask(connection.execute(f"GRANT {role} TO CURRENT_USER"))

    async def _end(self, connection: asyncpg.Connection, role: int) -> None:
        """End the sessions of a role, by its number, and wait until they are gone. Raises: `UpstreamFault`."""
        for turn in range(ENDING):
            ended = await self._ask(
                connection.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = $1", role)
            )
            if not ended:
                return
            await asyncio.sleep(0.005 if turn < 8 else 0.05)
        raise UpstreamFault("A session of the lease did not end.", advice="It is tried again.")

    async def _open(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._ask(
                asyncpg.connect(
                    self._address,
                    timeout=PATIENCE,
                    command_timeout=PATIENCE,
                    server_settings={"application_name": "poundlock"},
                )
            )
        return self._connection

    async def _ask(self, waiting: Awaitable[Any]) -> Any:
        """Wait for the server. Raises: `UpstreamFault`, without the server's words: they may quote a statement."""
        try:
            return await waiting
        except asyncpg.PostgresError as cause:
            raise UpstreamFault(
                f"The database refused it (SQLSTATE {cause.sqlstate}).",
                advice="See its log; https://www.postgresql.org/docs/current/errcodes-appendix.html names the codes.",
            ) from None
        except (OSError, asyncpg.InterfaceError, TimeoutError, ValueError):
            await self.close()
            raise UpstreamFault(
                "The database can't be reached.", advice="Is it up, and is the administrator's address right?"
            ) from None

    def _variables(self, user: str, password: str) -> dict[str, str]:
        """Give what libpq reads (https://www.postgresql.org/docs/current/libpq-envars.html)."""
        parts = urlsplit(self._address)
        host, port = parts.hostname or "localhost", parts.port or 5432
        database = parts.path.strip("/")
        options = dict(each.partition("=")[::2] for each in parts.query.split("&") if each)
        variables = {
            "PGHOST": options.get("host", host),
            "PGPORT": str(port),
            "PGDATABASE": database,
            "PGUSER": user,
            "PGPASSWORD": password,
        }
        if "sslmode" in options:
            variables["PGSSLMODE"] = options["sslmode"]
        if self._variable:
            place = f"[{host}]" if ":" in host else host
            query = f"?sslmode={quote(options['sslmode'])}" if "sslmode" in options else ""
            variables[self._variable] = f"postgresql://{user}:{password}@{place}:{port}/{database}{query}"
        return variables


def _name(text: str) -> str:
    """Give a name as SQL has it."""
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    """Give a text as SQL has it; `standard_conforming_strings` is on since PostgreSQL 9.1."""
    return "'" + text.replace("'", "''") + "'"
