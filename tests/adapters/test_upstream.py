"""The way to the providers, against a server of raw bytes: what is sent is exact, and every way to fail is told."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gzip
import ssl
import zlib
from typing import TYPE_CHECKING

import brotli
import pytest
import zstandard
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from poundlock.adapters.upstream import HttpUpstream
from poundlock.core.errors import ConfigFault, UpstreamFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Script = Callable[["Peer"], Awaitable[None]]

BODY = b'{"type": "message", "text": "' + b"hello " * 200 + b'"}'


class Peer:
    """The provider's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: list[bytes]) -> None:
        self.reader, self.writer, self.seen = reader, writer, seen

    async def request(self) -> bytes:
        """Read one request and remember it."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next((int(line[16:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0)
        self.seen.append(head + await self.reader.readexactly(length))
        return self.seen[-1]

    async def say(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the other side has closed."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


@contextlib.asynccontextmanager
async def provider(script: Script, **options: float) -> AsyncIterator[tuple[HttpUpstream, str, list[bytes]]]:
    """Run a provider that follows the script on every connection, and an upstream to reach it."""
    seen: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await script(Peer(reader, writer, seen))
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    upstream = HttpUpstream(**{"connect": 2.0, "first_byte": 2.0, "between": 2.0, **options})
    try:
        yield upstream, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        await upstream.close()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def whole(upstream, url, body=b"{}", headers=()):
    """Send and read the answer to its end."""
    response = await upstream.send("POST", url, list(headers), body)
    try:
        return response, b"".join([chunk async for chunk in response.chunks()])
    finally:
        await response.close()


def answering(head: bytes, body: bytes) -> Script:
    """Give a script that gives this answer to every request."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(head + body)

    return script


def test_request_is_exact():
    """Method, path, query and headers arrive as given, in order, with duplicates, and nothing is added."""

    async def run():
        async with provider(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok")) as (upstream, url, seen):
            headers = [
                ("anthropic-beta", "a"),
                ("x-title", "é"),
                ("anthropic-beta", "b"),
                ("accept-encoding", "identity"),
            ]
            _, body = await whole(upstream, url + "/v1/a%2Fb/%7E?q=a%20b&key=x+y", b"{}", headers)
            assert body == b"ok"
            host = url.removeprefix("http://")
            lines = seen[0].split(b"\r\n")
            assert lines[0] == b"POST /v1/a%2Fb/%7E?q=a%20b&key=x+y HTTP/1.1"
            assert sorted(lines[1:-2]) == sorted(
                [
                    f"Host: {host}".encode(),
                    b"anthropic-beta: a",
                    "x-title: é".encode(),
                    b"anthropic-beta: b",
                    b"accept-encoding: identity",
                    b"Content-Length: 2",
                ]
            )
            assert lines.index(b"anthropic-beta: a") < lines.index(b"anthropic-beta: b")
            assert lines[-2:] == [b"", b"{}"]

    asyncio.run(run())


def test_no_body_and_an_empty_one():
    """A GET has no length; a POST without content says that it has none."""

    async def run():
        script = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"")
        async with provider(script) as (upstream, url, seen):
            for method, body in (("GET", None), ("POST", b"")):
                response = await upstream.send(method, url + "/v1/models", [], body)
                await response.close()
            assert b"content-length" not in seen[0].lower()
            assert b"transfer-encoding" not in seen[0].lower()
            assert b"content-length: 0" in seen[1].lower()

    asyncio.run(run())


def test_large_body_is_whole():
    """A body of 50 MB arrives whole, with its length."""

    async def run():
        large = bytes(range(256)) * (50 * 4096)
        script = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok")
        async with provider(script) as (upstream, url, seen):
            await whole(upstream, url, large)
            head, _, body = seen[0].partition(b"\r\n\r\n")
            assert b"Content-Length: 52428800" in head
            assert body == large

    asyncio.run(run())


def test_connection_is_kept_for_the_next():
    """Two requests after each other go over one connection."""
    connections = []

    async def script(peer: Peer) -> None:
        connections.append(peer)
        while True:
            await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async def run():
        async with provider(script) as (upstream, url, seen):
            for _ in range(3):
                await whole(upstream, url)
            assert (len(connections), len(seen)) == (1, 3)

    asyncio.run(run())


def test_kept_connection_that_the_provider_closed():
    """A kept connection that the provider closed meanwhile is not used: the next request opens a new one."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async def run():
        async with provider(script) as (upstream, url, seen):
            for _ in range(3):
                assert (await whole(upstream, url))[1] == b"ok"
                await asyncio.sleep(0.05)
            assert len(seen) == 3

    asyncio.run(run())


def test_redirect_is_an_answer():
    """A redirect is handed back: following it would send the request where nobody decided it may go."""

    async def run():
        script = answering(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", b"")
        async with provider(script) as (upstream, url, seen):
            response, _ = await whole(upstream, url)
            assert response.status == 307
            assert ("location", "http://127.0.0.1:1/") in response.headers
            assert len(seen) == 1

    asyncio.run(run())


def test_no_cookie_goes_to_the_next_request():
    """A provider's cookie reaches the client that it was for, and no other."""

    async def run():
        script = answering(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 0\r\n\r\n", b"")
        async with provider(script) as (upstream, url, seen):
            response, _ = await whole(upstream, url)
            assert ("set-cookie", "a=1; Path=/") in response.headers
            await whole(upstream, url)
            assert b"cookie" not in seen[1].lower()

    asyncio.run(run())


def test_proxy_of_the_environment_is_not_used(monkeypatch):
    """A variable of the environment can't send traffic elsewhere."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def run():
        script = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok")
        async with provider(script) as (upstream, url, _):
            assert (await whole(upstream, url))[1] == b"ok"

    asyncio.run(run())


def test_configured_proxy_is_used():
    """With a proxy configured, the request goes to it with its whole address."""

    async def run():
        script = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok")
        async with provider(script) as (_, url, seen):
            upstream = HttpUpstream(proxy=url)
            try:
                await whole(upstream, "http://provider.example/v1/messages")
            finally:
                await upstream.close()
            assert seen[0].startswith(b"POST http://provider.example/v1/messages HTTP/1.1\r\n")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("br", brotli.compress(BODY)),
        ("zstd", zstandard.compress(BODY)),
    ],
    ids=["gzip", "deflate", "br", "zstd"],
)
def test_encoded_answer_is_decoded(name, data):
    """A provider that encodes all the same is read, byte by byte too; its head no longer speaks of the coding."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(
                f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            )
            for at in range(len(data)):
                await peer.say(data[at : at + 1])

    async def run():
        async with provider(script) as (upstream, url, _):
            response, body = await whole(upstream, url)
            assert body == BODY
            assert not {"content-encoding", "content-length"} & {name for name, _ in response.headers}

    asyncio.run(run())


def test_encoded_answers_that_are_refused():
    """A coding nobody knows, one that is broken, and one that becomes too large."""
    bomb = gzip.compress(bytes(3 << 20))

    async def run():
        for coding, data, match in (
            ("compress", b"x", "does not know"),
            ("gzip", b"not gzip", "broken"),
            ("gzip", gzip.compress(BODY)[:-4], "broken"),
            ("gzip", bomb, "becomes larger"),
        ):
            head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            async with provider(answering(head, data), largest=1 << 20) as (upstream, url, _):
                with pytest.raises(UpstreamFault, match=match):
                    await whole(upstream, url)

    asyncio.run(run())


async def _dies_before_the_head(peer: Peer) -> None:
    await peer.request()


async def _dies_in_the_head(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-")


async def _no_http(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"SSH-2.0-x\r\n\r\n")


async def _silent(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


async def _dies_in_a_length(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def _dies_in_a_chunk(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")


async def _broken_chunk(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await asyncio.sleep(0.05)
    await peer.say(b"zz\r\n")


async def _stalls(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await peer.gone()


@pytest.mark.parametrize(
    ("script", "match"),
    [
        (_dies_before_the_head, "without an answer"),
        (_dies_in_the_head, "without an answer"),
        (_no_http, "without an answer"),
        (_silent, "did not begin to answer"),
        (_dies_in_a_length, "ended before its answer was complete"),
        (_dies_in_a_chunk, "ended before its answer was complete"),
        (_broken_chunk, "ended before its answer was complete"),
        (_stalls, "silent for too long"),
    ],
)
def test_failures(script, match):
    """Each way to fail is an upstream fault that says what happened and what to do, and no request is sent twice."""

    async def run():
        async with provider(script, first_byte=0.3, between=0.3) as (upstream, url, seen):
            with pytest.raises(UpstreamFault, match=match) as caught:
                await whole(upstream, url + "/v1/hidden?key=hidden", b"hidden", [("x-api-key", "hidden")])
            assert caught.value.advice
            assert "hidden" not in str(caught.value) + caught.value.advice
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__
            assert len(seen) == 1

    asyncio.run(run())


def test_first_byte_may_take_longer_than_the_pause_between():
    """The two limits are two: a slow beginning is no stall."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.6)
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async def run():
        async with provider(script, first_byte=5, between=0.2) as (upstream, url, _):
            assert (await whole(upstream, url))[1] == b"ok"

    asyncio.run(run())


def test_nobody_there_and_no_such_name():
    """An address without a listener and a name without an address are told apart."""

    async def run():
        upstream = HttpUpstream(connect=2)
        try:
            with pytest.raises(UpstreamFault, match="can't be reached"):
                await upstream.send("POST", "http://127.0.0.1:1/", [], b"")
            with pytest.raises(UpstreamFault, match="name can't be resolved"):
                await upstream.send("POST", "http://nowhere.invalid/", [], b"")
        finally:
            await upstream.close()

    asyncio.run(run())


def test_cancelling_ends_the_call():
    """A cancelled send, and a closed answer, end the connection that the provider sees."""
    ended = []

    async def script(peer: Peer) -> None:
        request = await peer.request()
        if b"/stream" in request:
            await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await peer.gone()
        ended.append(request.split()[1])

    async def run():
        async with provider(script) as (upstream, url, _):
            task = asyncio.create_task(upstream.send("POST", url + "/wait", [], b""))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            response = await upstream.send("POST", url + "/stream", [], b"")
            async for _ in response.chunks():
                break
            await response.close()
            for _ in range(100):
                if len(ended) == 2:
                    break
                await asyncio.sleep(0.02)
            assert sorted(ended) == [b"/stream", b"/wait"]

    asyncio.run(run())


def test_reading_slowly_holds_the_provider_up():
    """Who reads nothing is sent nothing more: an endless answer doesn't fill the memory."""
    sent = [0]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.say(b"10000\r\n" + bytes(65536) + b"\r\n")
            sent[0] += 65536

    async def run():
        async with provider(script) as (upstream, url, _):
            response = await upstream.send("POST", url, [], b"")
            chunks = response.chunks()
            await anext(chunks)
            await asyncio.sleep(0.5)
            before = sent[0]
            await asyncio.sleep(0.5)
            assert sent[0] == before
            assert before < 16 << 20
            await response.close()

    asyncio.run(run())


def test_certificate_file_that_is_none(tmp_path):
    """A certificate file that can't be read stops the start, not the first request."""
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(ConfigFault):
            HttpUpstream(ca_files={"https://provider.example": str(tmp_path / name)})


def _certificate(folder):
    """Make a certificate of our own for localhost; give its file and that of its key."""
    now = dt.datetime.now(dt.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


def test_tls_is_verified(tmp_path):
    """A certificate that nobody vouches for is refused; with `ca_file` for just this origin it is trusted."""
    cert, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        finally:
            writer.close()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with server:
            url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
            for trusted, wanted in (
                ({}, None),
                ({"https://other.example": str(cert)}, None),
                ({url: str(cert)}, b"ok"),
            ):
                upstream = HttpUpstream(ca_files=trusted)
                try:
                    if wanted is None:
                        with pytest.raises(UpstreamFault, match="certificate is not trusted"):
                            await whole(upstream, url + "/v1", b"")
                    else:
                        assert (await whole(upstream, url + "/v1", b""))[1] == wanted
                finally:
                    await upstream.close()

    asyncio.run(run())
