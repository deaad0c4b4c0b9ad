"""Leases on a real PostgreSQL: a role that can do what its level says, ends with its sessions, and leaves nothing."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from poundlock.adapters.brokers import postgres
from poundlock.adapters.brokers.scram import verifier
from poundlock.config import Level
from poundlock.core.errors import ConfigFault, UpstreamFault
from tests.adapters.brokers.leasing import lease
from tests.postgres import Postgres, programs

pytestmark = pytest.mark.skipif(programs() is None, reason="no PostgreSQL server on this machine")

READ = Level(writes=False, schemas=("shop",))
WRITE = Level(writes=True, schemas=("shop",))


@pytest.fixture(scope="module")
def server():
    """Give a running server."""
    made = Postgres()
    yield made
    made.stop()


def during(server, work, **settings):
    """Do some work with a broker, and close it."""

    async def run():
        broker = postgres.PostgresBroker(server.address, **settings)
        try:
            return await work(broker)
        finally:
            await broker.close()

    return asyncio.run(run())


def said(process, text=""):
    """Give what a psql said, with its error."""
    out, error = process.communicate(text, timeout=20)
    return (out + error).strip()


def test_the_verifier_is_the_one_of_the_standard():
    """Salt, 4096 turns and password are those of the exchange in RFC 7677 §3."""
    salt = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"
    made = verifier("pencil", salt)
    assert made.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    stored, server = made.rpartition("$")[2].split(":")
    assert (stored, server) == (
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    )


def test_a_role_reads_and_no_more(server):
    """It reads what its level names; it writes nothing, makes nothing, and sees no other role's password."""
    minted = during(server, lambda broker: broker.mint(lease(1), READ))
    assert minted.variables["PGUSER"] == "poundlock_0123456789ab_000000000001"
    assert said(server.psql(minted.variables, "-c", "SELECT sum(weight) FROM shop.parcel")) == "7"
    for text in ("INSERT INTO shop.parcel (weight) VALUES (1)", "CREATE ROLE other", "SELECT * FROM pg_authid"):
        assert "permission denied" in said(server.psql(minted.variables, "-c", text))
    assert minted.variables["PGPASSWORD"] not in repr(minted)
    during(server, lambda broker: broker.revoke(lease(1)))
    assert server.roles() == []
    assert minted.variables["PGPASSWORD"] not in (server.folder / "log").read_text()


def test_what_a_role_made_is_kept(server):
    """One that may write does; what it made is the administrator's afterwards, and nothing is lost."""
    server.sql("GRANT CREATE ON SCHEMA shop TO PUBLIC")
    minted = during(server, lambda broker: broker.mint(lease(2), WRITE), variable="DATABASE_URL")
    done = server.psql(
        {},
        "-d",
        minted.variables["DATABASE_URL"],
        "-c",
        "INSERT INTO shop.parcel (weight) VALUES (9)",
        "-c",
        "CREATE TABLE shop.draft AS SELECT 1 AS a",
    )
    assert said(done) == ""
    during(server, lambda broker: broker.revoke(lease(2)))
    assert server.roles() == []
    assert server.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'draft'") == "keeper"
    assert server.sql("SELECT count(*) FROM shop.parcel WHERE weight = 9") == "1"


def test_revoking_ends_open_sessions(server):
    """A session that stands in the middle of a transaction ends, too; a new login is refused."""
    minted = during(server, lambda broker: broker.mint(lease(3), READ))
    process = server.psql(minted.variables)
    process.stdin.write("BEGIN; SELECT count(*) FROM shop.parcel;\n")
    process.stdin.flush()
    assert process.stdout.readline().strip().isdigit()
    began = time.perf_counter()
    during(server, lambda broker: broker.revoke(lease(3)))
    assert time.perf_counter() - began < 1
    assert "terminating connection" in said(process, "SELECT 1;\n")
    assert "authentication failed" in said(server.psql(minted.variables, "-c", "SELECT 1"))
    assert server.sql("SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'poundlock%'") == "0"


def test_a_group_gives_its_rights(server):
    """A level may name roles instead of schemas."""
    server.sql("CREATE ROLE packers; GRANT USAGE ON SCHEMA shop TO packers; GRANT SELECT ON shop.parcel TO packers")
    minted = during(server, lambda broker: broker.mint(lease(4), Level(writes=False, roles=("packers",))))
    assert said(server.psql(minted.variables, "-c", "SELECT count(*) FROM shop.parcel")).isdigit()
    during(server, lambda broker: broker.revoke(lease(4)))
    assert server.roles() == []


def test_its_time_keeps_logins_out(server):
    """Where nobody reaps, the server itself lets nobody in after the lease's end."""
    minted = during(server, lambda broker: broker.mint(lease(5, seconds=-1), READ))
    assert "authentication failed" in said(server.psql(minted.variables, "-c", "SELECT 1"))
    during(server, lambda broker: broker.revoke(lease(5)))


def test_nothing_to_revoke_is_well_done(server):
    """A lease that was written down and never made is ended like any other."""
    assert during(server, lambda broker: broker.revoke(lease(6))) is None


def test_what_could_not_be_made_leaves_nothing(server):
    """All or nothing; the refusal has the server's code and not its words."""
    with pytest.raises(UpstreamFault, match=r"SQLSTATE 3F000") as caught:
        during(server, lambda broker: broker.mint(lease(7), Level(schemas=("shop", "no'such\"place"))))
    assert "no'such" not in str(caught.value) + caught.value.advice
    assert server.roles() == []


def test_no_server_and_no_address():
    """Each is refused in words that hold no password."""
    address = "postgresql://keeper:" + "k" * 9 + "@127.0.0.1:1/orders"
    with pytest.raises(UpstreamFault, match="can't be reached"):
        during(SimpleNamespace(address=address), lambda broker: broker.mint(lease(8), READ))
    with pytest.raises(ConfigFault, match="administrator's address"):
        postgres.PostgresBroker("mysql://" + "k" * 9)
