"""The reaper: what could not be ended is tried again, on record, and by one worker at a time."""

from poundlock.adapters.sqlite import LeaseFile
from poundlock.config import Resource, Settings
from poundlock.core.errors import UpstreamFault
from poundlock.core.leases import CLAIM, SECOND, Lease
from poundlock.gateway.leasing import Brokers, Reaper, end
from tests.gateway.callers import place

SETTINGS = Settings(resources={"orders": Resource(backend="postgres", secret_env="ORDERS_ADMIN")})


class Down:
    """A broker whose database is away for a number of attempts."""

    def __init__(self, times):
        self.times = times
        self.revoked = []

    async def revoke(self, lease):
        """Fail, or do it."""
        if self.times:
            self.times -= 1
            raise UpstreamFault("The database can't be reached.")
        self.revoked.append(lease.id)


def lease(task, now):
    """Give a lease of a task that is good for an hour."""
    return Lease(
        id="00000000000a",
        task=task,
        tool="claude-code",
        human="bob",
        backend="postgres",
        resource="orders",
        level="read",
        handle="poundlock_x",
        opened=now,
        expires=now + 3600 * SECOND,
    )


async def events(at):
    """Give what the records say."""
    return [row.body["event"] for row in await at.store.find("00000000000a")]


async def test_what_fails_is_tried_again(tmp_path):
    """After a pause, until it is done; each attempt is on record, and the lease is never called ended before."""
    async with place(tmp_path) as at:
        await at.tool()
        _, task = await at.task()
        file = LeaseFile(at.store, at.clock, by="gateway")
        broker = Down(2)
        brokers = Brokers(SETTINGS, lambda _: broker)
        reaper = Reaper(file, brokers, lambda: at.known.ask, at.clock, 0)
        one = lease(task.id, at.clock.now())
        await file.ask(one)
        assert await file.live(one, "") is True
        assert await reaper.look() == 0
        await at.known.end_task(task.id, reason="enough")
        assert await reaper.look() == 0
        assert (file.open()[0].state, broker.revoked) == ("ending", [])
        assert await reaper.look() == 0  # not before its pause is over
        for seconds in (2, 4):
            at.clock.time += seconds * SECOND
            await reaper.look()
        assert (list(file.open()), broker.revoked) == ([], [one.id])
        assert await events(at) == ["asked", "given", "not revoked", "not revoked", "revoked"]
        file.close()


async def test_one_worker_ends_it(tmp_path):
    """Another one leaves it alone while the first may be at it, and takes over when that one has died."""
    async with place(tmp_path) as at:
        await at.tool()
        _, task = await at.task()
        file = LeaseFile(at.store, at.clock, by="gateway")
        broker = Down(0)
        brokers = Brokers(SETTINGS, lambda _: broker)
        one = lease(task.id, at.clock.now())
        await file.ask(one)
        held = file.find(one.id)
        assert await file.claim(one.id, "first") is not None
        assert await end(held, "second", file, brokers) is False
        assert await file.live(one, "") is False  # nobody gets a lease that is being ended
        at.clock.time += CLAIM
        assert await end(held, "second", file, brokers) is True
        assert (file.find(one.id).state, file.find(one.id).reason) == ("ended", "first")
        file.close()
