"""A static secret is put on at the gate: the tool never has it, nobody without a lease spends it, nothing echoes it."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.gateway.running import PLAIN, Gate, running, until
from tests.promises.test_leases import asked, opened, revoke

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = f"s3cret/{uuid.uuid4().hex}+="
SCOPES = ("send", "lease:static:tracker")


class Tracker(BaseHTTPRequestHandler):
    """A service that tells back what it was sent: in the body, in base64, and in a header."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[dict[str, str]]] = []

    def _any(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        head = {name.lower(): value for name, value in self.headers.items()}
        Tracker.seen.append({**head, ":path": self.path, ":body": self.rfile.read(length).decode()})
        said = self.headers.get("x-tracker-key", "")
        coded = base64.b64encode(said.encode()).decode()
        body = json.dumps({"key": said, "coded": coded, "title": "Parcel 7"}).encode()
        self.send_response(302 if self.path == "/api/away" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("x-echo", said)
        self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for at in range(0, len(body), 5):  # so that the secret comes in pieces
            piece = body[at : at + 5]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = _any  # noqa: N815 (names of the library)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Give a gateway that holds the tracker's key."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tracker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = f"""
[resources.tracker]
backend = "static"
secret_env = "TRACKER_KEY"
upstream = "http://127.0.0.1:{server.server_port}/api"
header = "X-Tracker-Key"
prefix = ""
[resources.tracker.levels.read]
writes = false
[resources.tracker.levels.write]
"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKER_KEY", SECRET)
        with running(tmp_path_factory.mktemp("injection"), settings) as made:
            made.mock.play(PLAIN)
            yield made
            for path in made.folder.rglob("*"):
                assert not path.is_file() or SECRET.encode() not in path.read_bytes()
    server.shutdown()
    server.server_close()


def test_the_secret_goes_on_and_comes_off(gate: Gate) -> None:
    """The service gets it in its header; the tool gets the answer without it, however it is spelt; each use is told."""
    task = opened(gate, scopes=SCOPES)
    _, said = asked(gate, task.token, "static:tracker:read")
    assert said["variables"] == {"TRACKER_BASE_URL": "{gateway}/x/tracker"}
    head = {"x-poundlock-token": task.token, "x-tracker-key": "mine", "authorization": "Bearer other"}
    answer = gate.raw("/x/tracker/parcels/7?full=1", b"", head, "GET")
    sent = Tracker.seen[-1]
    assert (sent["x-tracker-key"], sent[":path"]) == (SECRET, "/api/parcels/7?full=1")
    assert "authorization" not in sent
    assert task.token not in json.dumps(sent)
    off = "[poundlock: taken off]"
    assert answer.status == 200
    assert json.loads(answer.body) == {"key": off, "coded": f"{off}=", "title": "Parcel 7"}
    assert answer.headers["x-echo"] == off
    events = [row["body"]["event"] for row in gate.records(said["lease"])]
    assert events == ["asked", "given", "used"]


def test_nobody_else_spends_it(gate: Gate) -> None:
    """No local process without a credential, no person's one, no other task; no write with a lease that reads."""
    task, other = opened(gate, scopes=SCOPES), opened(gate, scopes=SCOPES)
    asked(gate, task.token, "static:tracker:read")
    before = len(Tracker.seen)
    cases = [
        ({}, "GET"),
        (gate.credential("eve"), "GET"),
        ({"x-poundlock-token": other.token}, "GET"),
        ({"x-poundlock-token": task.token}, "POST"),
    ]
    for head, method in cases:
        assert gate.raw("/x/tracker/parcels", b"", head, method).status == 403, (head, method)
    assert gate.raw("/x/invoices/1", b"", {"x-poundlock-token": task.token}, "GET").status == 403
    revoke(gate, task.id)
    assert gate.raw("/x/tracker/parcels", b"", {"x-poundlock-token": task.token}, "GET").status == 403
    assert len(Tracker.seen) == before


def test_it_follows_nothing(gate: Gate) -> None:
    """A redirect is the tool's to see, and the secret stays where it was sent."""
    task = opened(gate, scopes=SCOPES)
    asked(gate, task.token, "static:tracker:read")
    answer = gate.raw("/x/tracker/away", b"", {"x-poundlock-token": task.token}, "GET")
    assert (answer.status, answer.headers["location"]) == (302, "http://127.0.0.1:1/elsewhere")


def test_a_lease_that_has_ended_opens_nothing(gate: Gate) -> None:
    """Its time is looked at with every request."""
    task = opened(gate, scopes=SCOPES)
    asked(gate, task.token, "static:tracker:read", seconds=1)
    head = {"x-poundlock-token": task.token}
    until(lambda: gate.raw("/x/tracker/parcels", b"", head, "GET").status == 403, 8)
