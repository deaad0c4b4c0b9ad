"""Hostile HTTP on raw sockets (promises 1, 6 and 7): what the server does with it is on record here, case by case.

The server's parser accepts a few things that a strict one refuses. None of them can smuggle: the data plane forwards
nothing but what it decoded, with a length of its own, and the tables below say which cases end the connection.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import pytest

from tests.web.plane import running

HOST = b"Host: localhost\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST
SMUGGLED = b"POST /smuggled HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def plane():
    """One gateway for all cases; a request head has a second to arrive."""
    with running(env={"PLANE_HEAD_TIME": "1000", "PLANE_BODY": "1048576"}) as gateway:
        yield gateway


def said(plane, data, *, wait=3.0, pieces=0):
    """Send bytes, read until the other side closes or is silent; give what came and whether it closed."""
    out = b""
    with socket.create_connection(("127.0.0.1", plane.port)) as client:
        client.settimeout(wait)
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(data), pieces or len(data)):
                client.sendall(data[at : at + (pieces or len(data))])
        try:
            while piece := client.recv(65536):
                out += piece
        except TimeoutError:
            return out, False
        except ConnectionError:
            return out, True
    return out, True


def statuses(out):
    """Give the status of each answer in these bytes."""
    return [int(part[:3]) for part in out.split(b"HTTP/1.1 ")[1:]]


def smuggled(plane):
    """Whether the handler ever saw the smuggled request."""
    return any(line.get("saw") == "/smuggled" for line in plane.journal())


REFUSED = {
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a length with a sign": POST + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "a hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "a length of 65 bits": POST + b"Content-Length: 18446744073709551616\r\n\r\nabc",
    "a coding that is nearly chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded header": POST + b"X-A: a\r\n b\r\nContent-Length: 3\r\n\r\nabc",
    "a bare CR in a value": POST + b"X-A: a\rb\r\nContent-Length: 3\r\n\r\nabc",
    "a NUL in a value": POST + b"X-A: a\x00b\r\nContent-Length: 3\r\n\r\nabc",
    "chunked in HTTP/1.0": b"POST /echo HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no colon": POST + b"X-A\r\n\r\n",
    "an unknown version": b"POST /echo HTTP/1.9\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_the_server(plane, case):
    """The server refuses the head and closes; what follows on the connection is not read."""
    out, closed = said(plane, REFUSED[case] + SMUGGLED)
    assert statuses(out) == [400]
    assert closed
    assert not smuggled(plane)


def test_length_and_chunked(plane):
    """With both, chunked counts (RFC 9112 §6.3) and the connection ends: nothing can hide behind the other length."""
    for both in (
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    ):
        out, closed = said(plane, POST + both + b"\r\n0\r\n\r\n" + SMUGGLED)
        assert statuses(out) == [200]
        assert b'"size": 0' in out
        assert b"connection: close" in out
        assert closed
    assert not smuggled(plane)


def test_other_transfer_codings(plane):
    """A body that is compressed in transfer is refused by the data plane: it would not be decoded."""
    out, _ = said(plane, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", wait=1)
    assert statuses(out) == [400]
    assert b"a transfer coding besides chunked" in out


CHUNKS = {
    "bare LF": b"3\nabc\n0\n\n",
    "LF in an extension": b"3;a=\nb\r\nabc\r\n0\r\n\r\n",
    "a size of 17 digits": b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "more than its size": b"3\r\nabcX\r\n0\r\n\r\n",
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "an endless extension": b"3;" + b"a" * 200_000 + b"\r\nabc\r\n0\r\n\r\n",
    "endless trailers": b"0\r\n" + b"X-A: a\r\n" * 200_000 + b"\r\n",
}


@pytest.mark.parametrize("case", CHUNKS)
def test_broken_chunks(plane, case):
    """A body whose chunks are broken never reaches the handler, and the connection ends."""
    seen = len(plane.journal())
    out, closed = said(plane, POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS[case] + SMUGGLED)
    assert 200 not in statuses(out)
    assert closed
    assert len(plane.journal()) == seen


def test_trailers_are_not_headers(plane):
    """Trailers can't bring in what a header may not."""
    body = b"3\r\nabc\r\n0\r\nx-poundlock-token: pl_trailer\r\nContent-Length: 9\r\n\r\n"
    out, _ = said(plane, POST + b"Transfer-Encoding: chunked\r\n\r\n" + body, wait=1)
    assert statuses(out) == [200]
    assert b'"token": null' in out
    assert b'"size": 3' in out


def test_bare_line_feeds_in_the_head(plane):
    """The server takes bare LF as a line's end (RFC 9112 §2.2 allows it); the request stays one request."""
    out, _ = said(plane, b"POST /echo HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc" + SMUGGLED, wait=1)
    assert statuses(out)[0] == 200
    assert b'"size": 3' in out
    pretended = (
        b"POST /echo HTTP/1.1\r\n" + HOST + b"X-A: a\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    )
    seen = len([line for line in plane.journal() if line.get("saw") == "/smuggled"])
    out, closed = said(plane, pretended + SMUGGLED)
    assert statuses(out) == [200]
    assert closed
    assert len([line for line in plane.journal() if line.get("saw") == "/smuggled"]) == seen


def test_pipelined_requests_are_answered_in_order(plane):
    """Requests that are sent together are taken one after the other, each on its own."""
    first = b"POST /echo?1 HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nX-Api-Key: pl_first\r\n\r\nabc"
    second = b"POST /echo?2 HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nde"
    out, _ = said(plane, first + second, wait=1, pieces=7)
    assert statuses(out) == [200, 200]
    answers = [json.loads(line) for line in out.split(b"\r\n") if line.startswith(b"{")]
    assert [(answer["query"], answer["body"], answer["token"]) for answer in answers] == [
        ("1", "abc", "pl_first"),
        ("2", "de", None),
    ]


HEADS = {
    "a header of 500 kB": b"X-A: " + b"a" * 500_000 + b"\r\n\r\n",
    "500 kB of headers": b"".join(b"X-%d: %s\r\n" % (number, b"a" * 6250) for number in range(80)) + b"\r\n",
    "101 headers": b"".join(b"X-%d: 1\r\n" % number for number in range(101)) + b"\r\n",
}


@pytest.mark.parametrize("case", HEADS)
def test_oversized_heads(plane, case):
    """A head past 128 KiB, give or take one read of as much, is refused before it is whole in memory."""
    out, closed = said(plane, POST + HEADS[case])
    assert statuses(out) == [431]
    assert closed


def test_large_heads_of_real_clients_pass(plane):
    """A head of 60 kB passes: a long list of betas and a large cookie are no attack."""
    out, _ = said(plane, POST + b"X-A: " + b"a" * 60_000 + b"\r\nContent-Length: 0\r\n\r\n", wait=1)
    assert statuses(out) == [200]


def test_overlong_target(plane):
    """A request target that is too long is refused."""
    out, closed = said(plane, b"POST /" + b"a" * 500_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert statuses(out) in ([414], [431])
    assert closed


def test_slow_heads(plane):
    """Heads that never end hold nobody up, and are gone when their time is over."""
    slow = []
    for _ in range(200):
        client = socket.create_connection(("127.0.0.1", plane.port))
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: local")
        slow.append(client)
    begun = time.monotonic()
    out, _ = said(plane, POST + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    assert statuses(out) == [200]
    assert time.monotonic() - begun < 0.9
    stop = threading.Event()

    def trickle():
        while not stop.wait(0.2):
            for client in slow:
                with contextlib.suppress(OSError):
                    client.send(b"h")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        for client in slow:
            client.settimeout(4)
            with contextlib.suppress(ConnectionError):
                assert client.recv(1000) == b""
            client.close()
    finally:
        stop.set()
        thread.join()
    assert time.monotonic() - begun < 4


TARGETS = {
    "a dot segment": (b"/p/acme/../v1", 400),
    "an encoded dot segment": (b"/v1/%2e%2e/admin", 400),
    "a bad percent": (b"/v1/%zz", 400),
    "two slashes": (b"//evil.example/v1", 400),
    "a raw byte": (b"/v1/\xff", 400),
    "an absolute address": (b"http://evil.example/echo", 200),
}


@pytest.mark.parametrize("case", TARGETS)
def test_targets(plane, case):
    """A target that could mean another path is refused; an absolute one is used for its path, and nothing else."""
    target, status = TARGETS[case]
    out, _ = said(plane, b"POST " + target + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n", wait=1)
    assert statuses(out) == [status]


@pytest.mark.parametrize("method", [b"CONNECT evil.example:443", b"OPTIONS *"])
def test_methods_without_a_path(plane, method):
    """The gateway is nobody's proxy: CONNECT and `*` never reach the handler."""
    seen = len(plane.journal())
    out, _ = said(plane, method + b" HTTP/1.1\r\n" + HOST + b"\r\n", wait=1)
    assert 200 not in statuses(out)
    assert len(plane.journal()) == seen


def test_other_protocols(plane):
    """HTTP/2 by prior knowledge, TLS and noise end the connection."""
    for data in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 100):
        out, closed = said(plane, data)
        assert 200 not in statuses(out)
        assert closed


def test_body_past_the_limit_in_chunks(plane):
    """An endless chunked body is refused at the limit; the client is told, and is not read for ever."""
    begun = time.monotonic()
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    with socket.create_connection(("127.0.0.1", plane.port)) as client:
        client.settimeout(10)
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        stop = threading.Event()

        def pour():
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    client.sendall(chunk)
                    time.sleep(0.005)

        thread = threading.Thread(target=pour)
        thread.start()
        out = b""
        while b"0\r\n\r\n" not in out:
            out += client.recv(65536)
        stop.set()
        thread.join()
    assert statuses(out) == [400]
    assert b"larger than 1048576 bytes" in out
    assert time.monotonic() - begun < 8
