"""The intercepting proxy: AI services go to the gateway, everything else is tunnelled, and nobody else gets in."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from poundlock.adapters import authority
from poundlock.adapters.keys import Keys
from poundlock.core.errors import ConfigFault
from poundlock.core.services import Service, Services
from poundlock.web.interception import HEAD, Interception, Parent
from tests.web import plane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

TOKEN = "pl_" + "t" * 20
SERVICES = Services(
    [
        Service(provider="anthropic", hosts=("api.ai.example",)),
        Service(provider="groq", hosts=("*.groq.example",), prefix="/openai"),
    ]
)


@pytest.fixture(scope="module")
def gateway() -> Iterator[plane.Plane]:
    """Give a real data plane whose handler echoes."""
    with plane.running() as running:
        yield running


class World:
    """A proxy under test, and a client for it."""

    def __init__(self, port: int, trust: ssl.SSLContext) -> None:
        self.port = port
        self.trust = trust

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect to the proxy."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    async def say(self, raw: bytes) -> bytes:
        """Send bytes, and give everything that comes back."""
        async with self.connection() as (reader, writer):
            writer.write(raw)
            return await asyncio.wait_for(reader.read(-1), 10)

    async def ask(self, host: str, raw: bytes, port: int = 443) -> bytes:
        """Have a tunnel to a host opened, speak TLS in it, send bytes and give the answer."""
        async with self.connection() as (reader, writer):
            writer.write(connect(host, port))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await writer.start_tls(self.trust, server_hostname=host)
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            writer.write(raw)
            return await asyncio.wait_for(reader.read(-1), 10)


def connect(host: str, port: int = 443, token: str | None = TOKEN, scheme: str = "Basic") -> bytes:
    """Write a CONNECT."""
    known = base64.b64encode(f"poundlock:{token}".encode()).decode() if scheme == "Basic" else token
    own = f"Proxy-Authorization: {scheme} {known}\r\n" if token else ""
    return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{own}\r\n".encode()


@contextlib.asynccontextmanager
async def world(folder: Path, gateway: plane.Plane, parent: Parent | None = None) -> AsyncIterator[World]:
    """Run a proxy before a gateway."""
    own = authority.load(folder, Keys(bytes(32)), SERVICES.names)
    interception = Interception(
        services=SERVICES,
        contexts=own,
        known=lambda token: token == TOKEN,
        gateway=("127.0.0.1", gateway.port),
        parent=parent,
    )
    trust = ssl.create_default_context(cadata=own.pem.decode())
    trust.set_alpn_protocols(["h2", "http/1.1"])
    taken: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        taken.add(task)
        try:
            await interception(reader, writer)
        finally:
            writer.close()
            taken.discard(task)

    server = await asyncio.start_server(take, "127.0.0.1", 0, limit=HEAD)
    async with server:
        try:
            yield World(server.sockets[0].getsockname()[1], trust)
        finally:
            # A closed server leaves its connections open, and they would be told of in another test.
            for task in list(taken):
                task.cancel()
            await asyncio.gather(*taken, return_exceptions=True)
            await asyncio.sleep(0)


def body_of(answer: bytes) -> Any:
    """Give the JSON of an answer in one chunk, or with a length."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        rest = rest.partition(b"\r\n")[2].rpartition(b"\r\n0\r\n")[0]
    return json.loads(rest)


def test_an_ai_service_goes_to_the_gateway(tmp_path: Path, gateway: plane.Plane) -> None:
    """The request arrives under its provider, with the caller's credential, and the answer comes back."""

    async def go() -> bytes:
        raw = b"POST /echo?a=b HTTP/1.1\r\nHost: api.ai.example\r\nX-Api-Key: own\r\nOrigin: app://tool\r\n"
        raw += b"Connection: keep-alive, x-mine\r\nX-Mine: 1\r\nX-Poundlock-Token: pl_other\r\n"
        raw += b"Content-Length: 5\r\n\r\nhello"
        async with world(tmp_path, gateway) as here:
            return await here.ask("api.ai.example", raw)

    answer = asyncio.run(go())
    assert answer.startswith(b"HTTP/1.1 200")
    seen = body_of(answer)
    assert (seen["provider"], seen["path"], seen["query"], seen["body"]) == ("anthropic", "/echo", "a=b", "hello")
    assert seen["token"] == TOKEN
    headers = dict(seen["headers"])
    assert headers["x-api-key"] == "own"
    assert not {"origin", "x-mine", "x-poundlock-token", "proxy-authorization"} & headers.keys()


def test_the_services_prefix_is_taken_off(tmp_path: Path, gateway: plane.Plane) -> None:
    """What stands in the provider's URL already is not sent twice; another path is refused."""

    async def go() -> list[bytes]:
        async with world(tmp_path, gateway) as here:
            head = b" HTTP/1.1\r\nHost: api.groq.example\r\n\r\n"
            return [await here.ask("api.groq.example", b"GET " + path + head) for path in (b"/openai/echo", b"/echo")]

    first, second = asyncio.run(go())
    assert (body_of(first)["provider"], body_of(first)["path"]) == ("groq", "/echo")
    assert second.startswith(b"HTTP/1.1 400")


def test_one_connection_carries_one_request(tmp_path: Path, gateway: plane.Plane) -> None:
    """A second request behind the first is not read: it would come without what the first was given."""
    before = len(gateway.journal())
    raw = b"GET /echo HTTP/1.1\r\nHost: api.ai.example\r\n\r\n"

    async def go() -> bytes:
        async with world(tmp_path, gateway) as here:
            return await here.ask("api.ai.example", raw + raw)

    answer = asyncio.run(go())
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer.lower()
    assert len([line for line in gateway.journal()[before:] if line.get("saw")]) == 1


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(connect("api.ai.example", token=None), id="none"),
        pytest.param(connect("api.ai.example", token="pl_wrong"), id="wrong"),
        pytest.param(connect("api.ai.example", token="pl_wrong", scheme="Bearer"), id="wrong bearer"),
        pytest.param(connect("api.ai.example", token="x", scheme="Digest"), id="another scheme"),
        pytest.param(connect("127.0.0.1", 1, token=None), id="none, for a tunnel"),
        pytest.param(b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", id="none, plain"),
        pytest.param(
            connect("api.ai.example")[:-2] + b"Proxy-Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n", id="two"
        ),
    ],
)
def test_an_unknown_process_is_refused(tmp_path: Path, gateway: plane.Plane, head: bytes) -> None:
    """Without the credential of the run there is no way through, neither to the gateway nor anywhere else."""

    async def go() -> bytes:
        async with world(tmp_path, gateway) as here:
            return await here.say(head)

    answer = asyncio.run(go())
    assert answer.startswith(b"HTTP/1.1 407")
    assert b"poundlock run --intercept" in answer


def test_a_bearer_credential_is_good_too(tmp_path: Path, gateway: plane.Plane) -> None:
    """For clients that send one."""

    async def go() -> bytes:
        async with world(tmp_path, gateway) as here, here.connection() as (reader, writer):
            writer.write(connect("api.ai.example", token=TOKEN, scheme="Bearer"))
            return await reader.readuntil(b"\r\n\r\n")

    assert asyncio.run(go()).startswith(b"HTTP/1.1 200")


def test_another_host_is_tunnelled_to_the_byte(tmp_path: Path, gateway: plane.Plane) -> None:
    """What is sent through a tunnel arrives as it is, both ways, and is never opened."""
    data = random.Random(7).randbytes(700_000)
    arrived = bytearray()

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                arrived.extend(piece)
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()

    async def go() -> bytes:
        server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, world(tmp_path, gateway) as here, here.connection() as (reader, writer):
            writer.write(connect("127.0.0.1", port))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"

            async def send() -> None:
                writer.write(data)
                await writer.drain()
                writer.write_eof()

            sending = asyncio.create_task(send())
            back = await asyncio.wait_for(reader.read(-1), 20)
            await sending
            return back

    assert asyncio.run(go()) == data
    assert bytes(arrived) == data


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_an_ai_service_is_not_reached_by_its_address(tmp_path: Path, gateway: plane.Plane, cut: int) -> None:
    """A tunnel to a bare address ends where its client asks for a name of the table; nothing of it arrives."""
    arrived = bytearray()

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            arrived.extend(await reader.read(-1))
        finally:
            writer.close()

    async def go(host: str) -> bytes:
        server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, world(tmp_path, gateway) as here, here.connection() as (reader, writer):
            writer.write(connect("127.0.0.1", port))
            await reader.readuntil(b"\r\n\r\n")
            said = opening(host)
            for at in range(0, len(said), cut):
                writer.write(said[at : at + cut])
                await writer.drain()
            if host == "example.org":
                writer.write_eof()
            return await asyncio.wait_for(reader.read(-1), 10)

    assert asyncio.run(go("api.ai.example")) == b""
    assert arrived == b""
    assert asyncio.run(go("example.org")) == b""
    assert bytes(arrived) == opening("example.org", last=True)


def test_a_server_may_speak_first(tmp_path: Path, gateway: plane.Plane) -> None:
    """A tunnel is not only for TLS."""

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"SSH-2.0-x\r\n")
            writer.write(await reader.readuntil(b"\n"))
        finally:
            writer.close()

    async def go() -> bytes:
        server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, world(tmp_path, gateway) as here, here.connection() as (reader, writer):
            writer.write(connect("127.0.0.1", port))
            await reader.readuntil(b"\r\n\r\n")
            first = await asyncio.wait_for(reader.readuntil(b"\n"), 10)
            writer.write(b"SSH-2.0-y\n")
            return first + await asyncio.wait_for(reader.read(-1), 10)

    assert asyncio.run(go()) == b"SSH-2.0-x\r\nSSH-2.0-y\n"


_SAID: list[bytes] = []


def opening(host: str, *, last: bool = False) -> bytes:
    """Give what a TLS client begins with; with `last`, what was given last."""
    if last:
        return _SAID[-1]
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    _SAID.append(outgoing.read())
    return _SAID[-1]


def test_the_authority_signs_for_no_other_host(tmp_path: Path, gateway: plane.Plane) -> None:
    """Only hosts of the table can be opened at all."""
    own = authority.load(tmp_path, Keys(bytes(32)), SERVICES.names)
    for host in ("example.org", "ai.example", "xapi.ai.example", "api.ai.example.org"):
        with pytest.raises(ConfigFault):
            own.context(host)
    assert own.context("a.b.groq.example") is own.context("a.b.groq.example")
    del gateway


def test_a_request_for_another_host_than_the_connection_is_refused(tmp_path: Path, gateway: plane.Plane) -> None:
    """Also one with two hosts, or with none."""

    async def go() -> list[bytes]:
        async with world(tmp_path, gateway) as here:
            return [
                await here.ask("api.ai.example", b"GET /echo HTTP/1.1\r\n" + hosts + b"\r\n")
                for hosts in (b"Host: example.org\r\n", b"", b"Host: api.ai.example\r\n" * 2)
            ]

    assert [answer[:12] for answer in asyncio.run(go())] == [b"HTTP/1.1 421"] * 3


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /echo HTTP/1.1\r\nHost: api.ai.example\r\nbare\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: api.ai.example\r\n folded: 1\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: api.ai.example\r\nX : 1\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: api.ai.example\r\nX: 1\nY: 2\r\n\r\n",
        b"GET  /echo HTTP/1.1\r\nHost: api.ai.example\r\n\r\n",
        b"GET /e\tcho HTTP/1.1\r\nHost: api.ai.example\r\n\r\n",
        b"GET /echo HTTP/2.0\r\nHost: api.ai.example\r\n\r\n",
        b"GET http://api.ai.example/echo HTTP/1.1\r\nHost: api.ai.example\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: api.ai.example\r\nX: \xff\r\n\r\n",
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(tmp_path: Path, gateway: plane.Plane, raw: bytes) -> None:
    """It goes nowhere."""
    before = len(gateway.journal())

    async def go() -> bytes:
        async with world(tmp_path, gateway) as here:
            return await here.ask("api.ai.example", raw)

    assert asyncio.run(go()).startswith(b"HTTP/1.1 400")
    assert len(gateway.journal()) == before


def test_a_head_without_end_is_refused(tmp_path: Path, gateway: plane.Plane) -> None:
    """Memory is bounded."""

    async def go() -> bytes:
        async with world(tmp_path, gateway) as here, here.connection() as (reader, writer):
            writer.write(b"GET http://a.example/ HTTP/1.1\r\nX: " + b"x" * (2 * HEAD))
            return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)

    assert asyncio.run(go()).startswith(b"HTTP/1.1 431")


def test_plain_http(tmp_path: Path, gateway: plane.Plane) -> None:
    """A plain request goes where it is for, without what was meant for the proxy; an AI service's is inspected."""
    seen: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        finally:
            writer.close()

    async def go() -> tuple[bytes, bytes]:
        server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        own = connect("x").partition(b"Proxy-")[2]
        async with server, world(tmp_path, gateway) as here:
            plain = f"GET http://127.0.0.1:{port}/a?b HTTP/1.1\r\nHost: 127.0.0.1\r\nProxy-".encode() + own
            service = b"GET http://api.ai.example/echo HTTP/1.1\r\nHost: api.ai.example\r\nProxy-" + own
            return await here.say(plain), await here.say(service)

    plain, service = asyncio.run(go())
    assert plain.startswith(b"HTTP/1.1 204")
    assert seen == [b"GET /a?b HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"]
    assert body_of(service)["provider"] == "anthropic"


def test_the_proxy_of_the_surroundings(tmp_path: Path, gateway: plane.Plane) -> None:
    """Tunnels go through it with its own credential, unless the host is exempt; it never sees ours."""
    seen: list[bytes] = []

    async def parent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nfrom beyond")
        writer.close()

    async def go() -> tuple[bytes, bytes]:
        server = await asyncio.start_server(parent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        above = Parent.of(f"http://ada:s%40fe@127.0.0.1:{port}", "exempt.invalid")
        async with server, world(tmp_path, gateway, above) as here:
            return await here.say(connect("far.example", 8443)), await here.say(connect("exempt.invalid", 1))

    far, exempt = asyncio.run(go())
    assert far == b"HTTP/1.1 200 Connection established\r\n\r\nfrom beyond"
    assert exempt.startswith(b"HTTP/1.1 502")
    assert seen == [
        b"CONNECT far.example:8443 HTTP/1.1\r\nhost: far.example:8443\r\nproxy-authorization: Basic "
        + base64.b64encode(b"ada:s@fe")
        + b"\r\n\r\n"
    ]


def test_a_proxy_that_cannot_be_used_is_named() -> None:
    """A SOCKS or TLS proxy of the surroundings is not passed by in silence."""
    assert Parent.of("") is None
    with pytest.raises(ConfigFault):
        Parent.of("socks5://127.0.0.1:1")


def test_a_client_that_goes_ends_its_exchange(tmp_path: Path, gateway: plane.Plane) -> None:
    """The gateway hears of it, and so can stop the call upstream."""

    async def go() -> None:
        async with world(tmp_path, gateway) as here, here.connection() as (reader, writer):
            writer.write(connect("api.ai.example"))
            await reader.readuntil(b"\r\n\r\n")
            await writer.start_tls(here.trust, server_hostname="api.ai.example")
            writer.write(b"GET /stream?100 HTTP/1.1\r\nHost: api.ai.example\r\n\r\n")
            await reader.readuntil(b"data: ")
            writer.transport.abort()
            await asyncio.to_thread(gateway.until, lambda line: line.get("ended") == "cancelled")

    asyncio.run(go())
