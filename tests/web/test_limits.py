"""The data plane's limits, called in the test's own loop with the constants turned down."""

from __future__ import annotations

import asyncio

import pytest

from poundlock.config import Gateway
from poundlock.core.errors import ClientFault, ConfigFault
from poundlock.web import data_plane
from poundlock.web.data_plane import DataPlane


class Client:
    """An ASGI client: what it sends is scripted, what it gets is kept."""

    def __init__(self, *messages, path="/echo", method="POST", headers=()):
        self.messages = list(messages)
        self.got = []
        self.blocked = None
        self.scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"localhost"), *headers],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }

    async def receive(self):
        """Give the next message; after the last one, wait for ever."""
        if not self.messages:
            await asyncio.Event().wait()
        message = self.messages.pop(0)
        return await message if asyncio.iscoroutine(message) else message

    async def send(self, message):
        """Keep a message, or block like a reader that has stopped."""
        if self.blocked is not None and message["type"] == "http.response.body":
            await self.blocked.wait()
        self.got.append(message)

    @property
    def status(self):
        """The status of the answer."""
        return self.got[0]["status"]

    @property
    def body(self):
        """The body of the answer."""
        return b"".join(message.get("body", b"") for message in self.got)


def part(body=b"", *, more=False):
    """Give one message of a request's body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def later(seconds, message):
    """Give a message after a while."""
    await asyncio.sleep(seconds)
    return message


async def echo(request, respond):
    """Answer with the size of the body, or with the fault."""
    await respond.start(400 if request.fault else 200, [])
    await respond.send(request.fault.message.encode() if request.fault else b"%d" % len(request.body))
    await respond.end()


def served(client, handler=echo, settings=None, plane=None):
    """Serve one client; give it back."""

    async def run():
        await (plane or DataPlane(handler, settings or Gateway()))(client.scope, client.receive, client.send)

    asyncio.run(run())
    return client


def test_body_that_stops(monkeypatch):
    """A body that begins and stops is refused when its pause is over."""
    monkeypatch.setattr(data_plane, "BODY_PAUSE", 0.05)
    monkeypatch.setattr(data_plane, "LEFTOVER", 0.05)
    client = served(Client(part(b"{", more=True)))
    assert (client.status, client.body) == (400, b"The request's body did not arrive in time.")


def test_body_that_trickles(monkeypatch):
    """A body that never pauses for long is refused all the same when its whole time is over."""
    monkeypatch.setattr(data_plane, "BODY_PAUSE", 0.2)
    monkeypatch.setattr(data_plane, "BODY_TIME", 0.3)
    monkeypatch.setattr(data_plane, "LEFTOVER", 0.05)

    async def run():
        client = Client(*(later(0.05, part(b"x", more=True)) for _ in range(20)))
        await DataPlane(echo, Gateway())(client.scope, client.receive, client.send)
        assert client.body == b"The request's body did not arrive in time."
        assert 3 <= 20 - len(client.messages) <= 9
        for message in client.messages:
            message.close()

    asyncio.run(run())


def test_slow_body_within_its_time(monkeypatch):
    """A body that takes longer than one pause, but never pauses that long, is taken."""
    monkeypatch.setattr(data_plane, "BODY_PAUSE", 0.2)

    async def run():
        client = Client(*(later(0.08, part(b"x", more=number < 4)) for number in range(5)))
        await DataPlane(echo, Gateway())(client.scope, client.receive, client.send)
        assert client.body == b"5"

    asyncio.run(run())


def test_bodies_in_memory_have_a_limit(monkeypatch):
    """Many large bodies at a time are refused past the limit, and the memory is given back after each."""
    monkeypatch.setattr(data_plane, "BODIES", 2)
    monkeypatch.setattr(data_plane, "LEFTOVER", 0.05)
    settings = Gateway(max_body=1024)

    async def run():
        plane = DataPlane(echo, settings)
        go = asyncio.Event()

        async def held():
            await go.wait()
            return part(b"", more=False)

        clients = [Client(part(bytes(1000), more=True), held()) for _ in range(3)]
        tasks = [asyncio.create_task(plane(c.scope, c.receive, c.send)) for c in clients]
        await asyncio.sleep(0.02)
        go.set()
        await asyncio.gather(*tasks)
        assert [client.body for client in clients[:2]] == [b"1000", b"1000"]
        assert clients[2].body == b"The gateway holds too many large requests."
        again = Client(part(bytes(1000)))
        await plane(again.scope, again.receive, again.send)
        assert again.body == b"1000"

    asyncio.run(run())


def test_limit_of_a_body_is_exact():
    """A body of exactly the limit passes; one byte more does not."""
    settings = Gateway(max_body=1024)
    assert served(Client(part(bytes(1024))), settings=settings).body == b"1024"
    assert served(Client(part(bytes(1025))), settings=settings).status == 400


def test_reader_that_has_stopped_for_too_long(monkeypatch):
    """A reader that leaves one piece unread for too long loses its exchange; the handler is cancelled."""
    monkeypatch.setattr(data_plane, "READER_PAUSE", 0.1)
    ended = []

    async def stream(_request, respond):
        await respond.start(200, [])
        try:
            while True:
                await respond.send(b"x")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def run():
        plane = DataPlane(stream, Gateway())
        bell = Client({"type": "lifespan.startup"})
        lifespan = asyncio.create_task(plane({"type": "lifespan"}, bell.receive, bell.send))
        await asyncio.sleep(0)
        client = Client(part())
        client.blocked = asyncio.Event()
        await asyncio.wait_for(plane(client.scope, client.receive, client.send), 2)
        assert ended == ["cancelled"]
        lifespan.cancel()
        await asyncio.gather(lifespan, return_exceptions=True)

    asyncio.run(run())


def test_client_that_leaves_is_told_apart_from_an_answer_that_is_complete():
    """Servers say `disconnect` after a complete answer too: what the handler still does then is not cancelled."""
    done = []

    async def handler(_request, respond):
        await respond.start(200, [])
        await respond.end()
        await asyncio.sleep(0.05)
        done.append("closing record")

    async def run():
        client = Client(part(), later(0.01, {"type": "http.disconnect"}))
        await DataPlane(handler, Gateway())(client.scope, client.receive, client.send)
        assert done == ["closing record"]

    asyncio.run(run())


def test_leaving_cancels_once_and_the_handler_may_still_write():
    """A handler that was cancelled can await what it needs to close in order; nothing is raised to the server."""
    done = []

    async def handler(_request, respond):
        await respond.start(200, [])
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0.02)
            done.append("closing record")

    async def run():
        client = Client(part(), later(0.01, {"type": "http.disconnect"}))
        await DataPlane(handler, Gateway())(client.scope, client.receive, client.send)
        assert done == ["closing record"]
        assert asyncio.current_task().cancelling() == 0

    asyncio.run(run())


def test_cancelled_by_somebody_else_stays_cancelled():
    """Only the data plane's own cancelling ends quietly."""

    async def handler(_request, _respond):
        await asyncio.sleep(10)

    async def run():
        client = Client(part())
        task = asyncio.create_task(DataPlane(handler, Gateway())(client.scope, client.receive, client.send))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def lifespan(plane, *messages):
    """Run a lifespan; give what was said."""
    bell = Client(*messages)

    async def run():
        await plane({"type": "lifespan"}, bell.receive, bell.send)

    asyncio.run(run())
    return [message["type"] for message in bell.got]


def test_lifespan():
    """Startup gives the handler and shutdown is called; before the startup nothing is served."""
    called = []

    async def startup():
        called.append("startup")
        return echo

    async def shutdown():
        called.append("shutdown")

    plane = DataPlane(None, Gateway(), startup=startup, shutdown=shutdown)
    assert served(Client(part()), plane=plane).status == 503
    said = lifespan(plane, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert called == ["startup", "shutdown"]
    assert served(Client(part(b"abc")), plane=plane).body == b"3"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (ConfigFault("The key is missing.", advice="Run init."), "poundlock serve: The key is missing. Run init.\n"),
        (RuntimeError("a value"), "poundlock serve: an unexpected RuntimeError. Run `poundlock doctor`.\n"),
    ],
)
def test_lifespan_that_fails(capsys, fault, says):
    """A start that fails says why in our own words, and nothing of an unknown error but its name."""

    async def startup():
        raise fault

    plane = DataPlane(None, Gateway(), startup=startup)
    assert lifespan(plane, {"type": "lifespan.startup"}) == ["lifespan.startup.failed"]
    assert capsys.readouterr().err == says


def test_fault_of_a_request_carries_its_status():
    """Being too busy is told apart from being wrong."""
    seen = []

    async def handler(request, respond):
        seen.append(request.fault)
        await echo(request, respond)

    plane = DataPlane(handler, Gateway(max_body=1024))
    plane._held = 8 * 1024
    served(Client(part(b"x")), plane=plane)
    assert isinstance(seen[0], ClientFault)
    assert seen[0].status == 429
