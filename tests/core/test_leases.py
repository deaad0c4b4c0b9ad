"""Leases: what may be asked for, by whom, until when, and when one is over."""

import pytest

from poundlock.core import leases
from poundlock.core.errors import ClientFault
from poundlock.core.leases import SECOND, Asked, Grant, Held, Lease
from poundlock.core.model import Principal, Reach

READ = Grant(backend="postgres", resource="orders", level="read")
LEASE = Lease(
    id="00000000000a",
    task="0123456789ab",
    tool="claude-code",
    human="ada",
    backend="postgres",
    resource="orders",
    level="read",
    handle="poundlock_0123456789ab_00000000000a",
    opened=100 * SECOND,
    expires=700 * SECOND,
)


def test_a_grant_is_read_and_written():
    """Its name, its scope, and its parts."""
    assert leases.grant("postgres:orders:read") == READ
    assert (READ.name, READ.scope) == ("postgres:orders:read", "lease:postgres:orders:read")
    assert LEASE.grant == READ
    assert leases.handle(LEASE.id, LEASE.task) == LEASE.handle


@pytest.mark.parametrize(
    "text",
    ["", "postgres", "postgres:orders", "postgres:or ders:read", "p:o:r:e", ":orders:read", "postgres:../x:read"],
)
def test_what_is_no_grant(text):
    """It is refused, with an example."""
    with pytest.raises(ClientFault, match="A grant is a kind of broker"):
        leases.grant(text)


@pytest.mark.parametrize(
    ("scopes", "reach", "tier", "may"),
    [
        (("lease:postgres:orders:read",), Reach(), "internal", True),
        (("lease:postgres:orders",), Reach(), "internal", True),
        (("lease",), Reach(), "restricted", True),
        (("send", "mcp"), Reach(), "internal", False),
        ((), Reach(), "internal", False),
        (("lease:postgres:orders:write",), Reach(), "internal", False),
        (("lease:postgres:orders2",), Reach(), "internal", False),
        (("lease",), Reach(max_tier="internal"), "restricted", False),
        (("lease",), Reach(destinations=("anthropic",)), "internal", False),
        (("lease",), Reach(destinations=("anthropic", "orders")), "internal", True),
    ],
)
def test_who_may_ask(scopes, reach, tier, may):
    """By scope, by the tool's highest tier, by the places that it may reach; without a scope, nobody."""
    principal = Principal(human="ada", tool="claude-code", scopes=scopes, reach=reach)
    assert leases.granted(principal, Asked(grant=READ, tier=tier)) is may


@pytest.mark.parametrize(
    ("state", "at", "ended", "wanted"),
    [
        ("live", 200, "", ""),
        ("live", 200, "The task was ended.", "The task was ended."),
        ("live", 699, "", ""),
        ("live", 700, "", "The lease's time is over."),
        ("asked", 159, "", ""),
        ("asked", 160, "", "It was never handed out."),
        ("asked", 101, "The task was ended.", "The task was ended."),
        ("ended", 900, "The task was ended.", ""),
    ],
)
def test_when_it_is_over(state, at, ended, wanted):
    """With its task, with its time, or when whoever made it died."""
    assert leases.over(Held(lease=LEASE, state=state), ended, at * SECOND) == wanted


def test_an_attempt_is_made_by_one_worker_and_repeated():
    """While one tries, no other does; after a failure the pause grows, up to a minute."""
    held = leases.claimed(Held(lease=LEASE, state="live"), "revoked", 200 * SECOND)
    assert (held.state, held.reason, held.free, held.tries) == ("ending", "revoked", 220 * SECOND, 1)
    assert leases.over(held, "", 219 * SECOND) == ""
    assert leases.over(held, "", 220 * SECOND) == "revoked"
    pauses = []
    for _ in range(8):
        pauses.append((leases.again(held, 0).free) // SECOND)
        held = leases.claimed(held, held.reason, 0)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("minutes", "asked", "until", "wanted"),
    [(10, 0, 9_000, 700), (10, 5, 9_000, 105), (10, 9_000, 9_000, 700), (10, 0, 300, 300), (10, 5, 102, 102)],
)
def test_how_long_it_lasts(minutes, asked, until, wanted):
    """What was asked for, never longer than the resource or the task."""
    assert leases.life(minutes, asked, 100 * SECOND, until * SECOND) == wanted * SECOND
