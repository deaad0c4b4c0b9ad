"""The data plane behind the real server: bodies, codings, clients that leave, readers that stop, broken streams."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
import zstandard

from tests.web.plane import running


@pytest.fixture(scope="module")
def plane():
    """One gateway for the tests that leave it in order."""
    with running(env={"PLANE_BODY": str(60 << 20)}) as gateway:
        yield gateway


def ask(plane, method="POST", path="/echo", body=None, headers=None):
    """Send one request; give status, headers and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", plane.port, timeout=30)
    try:
        connection.request(method, path, body=body, headers={"Host": "localhost", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def opened(plane, path, *, receive=None):
    """Open a connection with a GET under way."""
    client = socket.socket()
    if receive:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    client.connect(("127.0.0.1", plane.port))
    client.settimeout(10)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def to_the_end(client):
    """Read until the other side closes, or has closed hard."""
    out = b""
    try:
        while data := client.recv(65536):
            out += data
    except ConnectionError:
        pass
    return out


def memory(pid):
    """Give the resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_echo(plane):
    """A request arrives with its parts taken apart and its credential removed."""
    headers = {"x-api-key": "pl_abc", "anthropic-beta": "one", "Content-Type": "application/json"}
    status, _, body = ask(plane, path="/p/acme/echo/a%2Fb?beta=true", body=b'{"a": 1}', headers=headers)
    seen = json.loads(body)
    assert status == 200
    assert (seen["path"], seen["raw_path"], seen["query"]) == ("/echo/a%2Fb", "/echo/a%2Fb", "beta=true")
    assert (seen["token"], seen["provider"], seen["body"]) == ("pl_abc", "acme", '{"a": 1}')
    assert ["anthropic-beta", "one"] in seen["headers"]
    assert "pl_abc" not in json.dumps(seen["headers"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
def test_no_body(plane, method):
    """A request without a body is one, whatever its method; HEAD gets no body back."""
    status, _, body = ask(plane, method)
    assert status == 200
    assert (body == b"") if method == "HEAD" else (json.loads(body)["size"] == 0)


def test_50_megabytes(plane):
    """A body of 50 MB passes, plain, chunked and compressed."""
    large = bytes(range(256)) * (50 * 4096)
    assert json.loads(ask(plane, body=large)[2])["size"] == len(large)
    pieces = (large[at : at + 1_000_003] for at in range(0, len(large), 1_000_003))
    assert json.loads(ask(plane, body=pieces)[2])["size"] == len(large)
    packed = zstandard.compress(large)
    assert json.loads(ask(plane, body=packed, headers={"Content-Encoding": "zstd"})[2])["size"] == len(large)


def test_too_large(plane):
    """A body past the limit is refused as soon as it is, and the client gets to read why."""
    status, _, body = ask(plane, body=bytes(61 << 20))
    assert (status, body) == (400, b"The request's body is larger than 62914560 bytes.")


def test_bomb(plane):
    """A compressed body that becomes larger than the limit is refused, and takes no such memory."""
    pid = plane.workers()[0]
    bomb = zstandard.compress(bytes(1 << 30))
    before = memory(pid)
    status, _, body = ask(plane, body=bomb, headers={"Content-Encoding": "zstd"})
    assert (status, body) == (400, b"A compressed body becomes larger than 62914560 bytes.")
    assert memory(pid) - before < 200 << 20
    nested = gzip.compress(gzip.compress(bytes(100 << 20)))
    assert ask(plane, body=nested, headers={"Content-Encoding": "gzip, gzip"})[0] == 400


@pytest.mark.parametrize(
    ("coding", "body", "says"),
    [
        ("compress", b"x", b"does not know"),
        ("gzip", b"not gzip", b"is broken"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-1], b"is broken"),
        ("gzip, gzip, gzip, gzip", b"x", b"more than 3"),
    ],
    ids=["unknown", "not gzip", "cut short", "too many"],
)
def test_undecodable(plane, coding, body, says):
    """What can't be decoded can't be inspected, and is refused at once."""
    begun = time.monotonic()
    status, _, answer = ask(plane, body=body, headers={"Content-Encoding": coding})
    assert status == 400
    assert says in answer
    assert time.monotonic() - begun < 2


def test_door(plane):
    """A web page, a foreign name and a WebSocket don't come in, and the handler never hears of them."""
    seen = len(plane.journal())
    for headers, wanted in (
        ({"Origin": "https://evil.example", "Content-Type": "text/plain"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        (
            {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            },
            426,
        ),
    ):
        status, said, body = ask(plane, path="/v1/messages", body=b"{}", headers=headers)
        assert status == wanted
        assert said["x-should-retry"] == "false"
        assert "access-control-allow-origin" not in said
        assert json.loads(body)["error"]["message"].startswith("Poundlock: ")
    malformed = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert ask(plane, path="/v1/messages", body=b"{}", headers=malformed)[0] == 400
    assert len(plane.journal()) == seen


def test_health(plane):
    """The health path answers without the handler, and only through the door."""
    assert ask(plane, "GET", "/healthz")[::2] == (200, b'{"status":"ok"}')
    assert ask(plane, "GET", "/healthz", headers={"Origin": "https://evil.example"})[0] == 403


def test_crash_before_the_answer(plane):
    """An error of our own refuses, and says nothing of what was in it."""
    status, _, body = ask(plane, path="/crash")
    assert status == 400
    assert json.loads(body)["error"]["message"] == "Poundlock: Poundlock failed and sent nothing."
    assert ask(plane, path="/forget")[0] == 400
    assert b"nobody may see" not in (plane.folder / "err").read_bytes()


@pytest.mark.parametrize("path", ["/abort", "/crash?begun"])
def test_broken_answer_is_seen_as_broken(plane, path):
    """An answer that breaks off has no last chunk: the client can tell that it is not complete."""
    with opened(plane, path) as client:
        answer = to_the_end(client)
    assert answer.endswith(b"D\r\ndata: begun\n\n\r\n")
    connection = http.client.HTTPConnection("127.0.0.1", plane.port, timeout=10)
    connection.request("GET", path, headers={"Host": "localhost"})
    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    connection.close()
    assert ask(plane)[0] == 200


@pytest.mark.parametrize("reset", [False, True])
def test_client_that_leaves_in_mid_stream(plane, reset):
    """A client that leaves, politely or not, cancels the handler at once."""
    before = len([line for line in plane.journal() if line.get("ended") == "cancelled"])
    client = opened(plane, "/stream")
    assert b"200 OK" in client.recv(1000)
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    begun = time.monotonic()
    while len([line for line in plane.journal() if line.get("ended") == "cancelled"]) == before:
        assert time.monotonic() - begun < 3
        time.sleep(0.02)


def test_client_that_leaves_in_mid_body(plane):
    """A request that is not complete never reaches the handler."""
    seen = len(plane.journal())
    with socket.create_connection(("127.0.0.1", plane.port)) as client:
        client.sendall(b'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"half": ')
        time.sleep(0.2)
    time.sleep(0.3)
    assert len(plane.journal()) == seen


def test_reader_that_stops_reading(plane):
    """A reader that stops holds up its own stream only, in bounded memory; others go on; its leaving ends it."""
    pid, size = plane.workers()[0], 65537
    before = memory(pid)
    readers = [opened(plane, f"/stream?{size}", receive=65536) for _ in range(4)]
    time.sleep(1.5)

    def events():
        return [line["sent"] for line in plane.journal() if line.get("size") == size and "sent" in line]

    sent = events()
    assert sent.count(1) == 4
    assert max(sent) < 200
    time.sleep(1)
    assert events() == sent
    assert memory(pid) - before < 16 << 20
    begun = time.monotonic()
    assert ask(plane)[0] == 200
    assert time.monotonic() - begun < 1
    for reader in readers:
        reader.close()
    end = time.monotonic() + 5
    while sum(line.get("ended") == "cancelled" and line["size"] == size for line in plane.journal()) < 4:
        assert time.monotonic() < end
        time.sleep(0.02)


class Provider:
    """A provider on a thread that does one thing to every connection, and notes when the other side closes."""

    def __init__(self, act):
        self.act = act
        self.closed = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Take connections until the listener closes."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                try:
                    self.act(client)
                except OSError:
                    self.closed.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _forever(client):
    client.sendall(HEAD)
    while True:
        client.sendall(b"7\r\nabcdef\n\r\n")
        time.sleep(0.01)


def _dies(client):
    client.sendall(HEAD + b"7\r\nabcdef\n\r\n")
    time.sleep(0.1)


def test_leaving_ends_the_call_upstream(plane):
    """When the client leaves, the provider's connection is closed too: nobody pays for an answer nobody reads."""
    with Provider(_forever) as provider:
        client = opened(plane, f"/relay?{provider.port}")
        assert b"abcdef" in client.recv(1000) + client.recv(1000)
        assert not provider.closed.is_set()
        client.close()
        assert provider.closed.wait(3)


def test_leaving_before_the_head_ends_the_call_upstream(plane):
    """It is the same while the provider still thinks."""
    closed = threading.Event()

    def think(client):
        client.settimeout(10)
        if client.recv(1) == b"":
            closed.set()

    with Provider(think) as provider:
        client = opened(plane, f"/relay?{provider.port}")
        plane.until(lambda line: line.get("saw") == "/relay")
        time.sleep(0.2)
        client.close()
        assert closed.wait(3)


def test_upstream_that_dies_in_mid_stream(plane):
    """What came is passed on, and the client's answer breaks off as the provider's did."""
    with Provider(_dies) as provider, opened(plane, f"/relay?{provider.port}") as client:
        answer = to_the_end(client)
    assert b"7\r\nabcdef\n\r\n" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_many_at_a_time(plane):
    """A hundred streams at a time each come whole."""
    results = []

    def one():
        with opened(plane, "/slow?0.5") as client:
            out = b""
            while not out.endswith(b"0\r\n\r\n"):
                out += client.recv(65536)
            results.append(out.count(b"data: "))

    threads = [threading.Thread(target=one) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [10] * 100
