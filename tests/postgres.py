"""A real PostgreSQL for tests: its own cluster in a folder, on a free port of the loopback address."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ADMIN = "keeper"
"""A role that may create roles, and is no superuser, as an administrator of a hosted database is not."""


def programs() -> Path | None:
    """Give the folder with `initdb` and `postgres`, or None: they need not be on the path."""
    found = shutil.which("initdb")
    places = (
        [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    )
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


class Postgres:
    """A running server with a database `orders`."""

    def __init__(self) -> None:
        """Make the cluster in a folder of its own, and start it.

        It is none of pytest's: those are shut to all but their owner, and the server refuses to run as root.
        """
        bins = programs()
        assert bins is not None
        self.bins = bins
        self.folder = folder = Path(tempfile.mkdtemp(prefix="poundlock-pg-"))
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = "postgres" if _known("postgres") else "nobody"
            shutil.chown(folder, user)
            self._as = ["runuser", "-u", user, "--"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        data = str(folder / "data")
        self._run("initdb", "-D", data, "-U", "root", "--auth-host=scram-sha-256", "--auth-local=trust", "--no-sync")
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(*self._as, str(bins / "postgres"), "-D", data, "-p", str(self.port), "-h", "127.0.0.1"),
                    *("-k", str(folder), "-c", "fsync=off", "-c", "log_statement=all", "-c", "log_connections=on"),
                ],
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        self._wait()
        self.key = f"k{os.urandom(8).hex()}"
        self.sql(
            f"CREATE ROLE {ADMIN} LOGIN CREATEROLE PASSWORD '{self.key}'; CREATE DATABASE orders OWNER {ADMIN}",
            "postgres",
        )
        table = "CREATE TABLE shop.parcel (id serial PRIMARY KEY, weight int)"
        rows = "INSERT INTO shop.parcel (weight) VALUES (3), (4)"
        self.sql(f"SET ROLE {ADMIN}; CREATE SCHEMA shop; {table}; {rows}")

    @property
    def address(self) -> str:
        """The administrator's address."""
        return f"postgresql://{ADMIN}:{self.key}@127.0.0.1:{self.port}/orders"

    def sql(self, text: str, database: str = "orders") -> str:
        """Do something as the superuser, and give what came of it."""
        one = [str(self.bins / "psql"), "-h", str(self.folder), "-p", str(self.port), "-U", "root", "-d", database]
        words = [each for line in text.split(";") if line.strip() for each in ("-c", line)]
        command = [*self._as, *one, "-qtAX", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def roles(self) -> list[str]:
        """Give the roles of leases that there are."""
        return self.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'poundlock%' ORDER BY 1").split()

    def psql(self, variables: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
        """Start psql with these variables, as a tool would."""
        env = {"PATH": os.environ["PATH"], **variables}
        command = [str(self.bins / "psql"), "-qtAX", *arguments]
        return subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def stop(self) -> None:
        """Stop the server at once, and take its folder away."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")
        self.process.wait(20)
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self.bins / program), *arguments]
        done = subprocess.run(command, capture_output=True, cwd=self.folder, check=False)
        assert done.returncode == 0, done.stderr.decode()[-2000:]

    def _wait(self) -> None:
        until = time.monotonic() + 30
        while True:
            ready = [str(self.bins / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < until
            time.sleep(0.05)


def _known(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())
