"""The door, the prefixes of a path, and Poundlock's credential."""

from __future__ import annotations

import pytest

from poundlock.config import Gateway
from poundlock.core.errors import ClientFault
from poundlock.web import requests

SETTINGS = Gateway(hosts=("gateway.example",), origins=("https://tools.example",))


def scope(path="/v1/messages", query=b"", headers=()):
    """Give an ASGI scope."""
    return {"raw_path": path.encode(), "query_string": query, "headers": list(headers), "method": "POST"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"host", b"localhost:8787")], None),
        ([(b"host", b"127.0.0.1")], None),
        ([(b"host", b"[::1]:8787")], None),
        ([(b"host", b"LOCALHOST")], None),
        ([(b"host", b"gateway.example:8787")], None),
        ([(b"host", b"evil.example")], 403),
        ([(b"host", b"localhost.evil.example")], 403),
        ([(b"host", b"127.0.0.1.nip.example")], 403),
        ([(b"host", b"127.0.0.2")], 403),
        ([(b"host", b"")], 400),
        ([(b"host", b"localhost@evil.example")], 400),
        ([(b"host", b"localhost:8787:1")], 400),
        ([(b"host", b"localhost:8787/x")], 400),
        ([], 400),
        ([(b"host", b"localhost"), (b"host", b"evil.example")], 400),
        ([(b"host", b"localhost"), (b"origin", b"https://evil.example")], 403),
        ([(b"host", b"localhost"), (b"origin", b"null")], 403),
        ([(b"host", b"localhost"), (b"origin", b"http://localhost:8787")], 403),
        ([(b"host", b"localhost"), (b"origin", b"https://tools.example")], None),
        ([(b"host", b"localhost"), (b"origin", b"https://tools.example.evil.example")], 403),
        ([(b"host", b"localhost"), (b"origin", b"https://tools.example"), (b"origin", b"https://evil.example")], 403),
        ([(b"host", b"localhost"), (b"origin", b"https://tools.example"), (b"sec-fetch-site", b"cross-site")], None),
        ([(b"host", b"localhost"), (b"sec-fetch-site", b"cross-site")], 403),
        ([(b"host", b"localhost"), (b"sec-fetch-site", b"same-site")], 403),
        ([(b"host", b"localhost"), (b"sec-fetch-site", b"same-origin")], 403),
        ([(b"host", b"localhost"), (b"sec-fetch-site", b"none")], None),
        ([(b"host", b"localhost"), (b"sec-fetch-mode", b"cors")], None),
        ([(b"host", b"localhost"), (b"upgrade", b"WebSocket")], 426),
        ([(b"host", b"localhost"), (b"upgrade", b"h2c")], None),
    ],
)
def test_door(headers, status):
    """Only a tool on this machine, or what was configured, comes through the door."""
    refusal = requests.door(headers, SETTINGS)
    assert (refusal.status if refusal else None) == status


@pytest.mark.parametrize(
    ("raw", "split"),
    [
        ("/v1/messages", ("/v1/messages", "/v1/messages", None, None)),
        ("/", ("/", "/", None, None)),
        ("/p/name", ("/", "/", None, "name")),
        ("/p/name/v1/messages", ("/v1/messages", "/v1/messages", None, "name")),
        ("/t/pl_abc/v1/messages", ("/v1/messages", "/v1/messages", "pl_abc", None)),
        ("/t/pl_abc/p/name/v1/m", ("/v1/m", "/v1/m", "pl_abc", "name")),
        ("/p/name/t/pl_abc/v1", ("/t/pl_abc/v1", "/t/pl_abc/v1", None, "name")),
        ("/v1/models/a%2Fb", ("/v1/models/a%2Fb", "/v1/models/a%2Fb", None, None)),
        (
            "/v1beta/models/m%3AgenerateContent",
            ("/v1beta/models/m:generateContent", "/v1beta/models/m%3AgenerateContent", None, None),
        ),
        ("/v1/%6Dessages", ("/v1/messages", "/v1/%6Dessages", None, None)),
        ("/v1/files/", ("/v1/files/", "/v1/files/", None, None)),
        ("/v1/%C3%A9", ("/v1/%C3%A9", "/v1/%C3%A9", None, None)),
    ],
)
def test_split_path(raw, split):
    """The prefixes come off, plain characters are decoded for matching, and what is forwarded stays as written."""
    assert requests.split_path(raw) == split


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "*",
        "v1/messages",
        "/v1/../admin",
        "/v1/%2e%2E/admin",
        "/v1/./messages",
        "/v1//messages",
        "//v1/messages",
        "/v1/mess ages",
        "/v1/%zz",
        "/v1/a\\b",
        "/v1/a\x00b",
        "/v1/\ufffd",
        "/p/na%20me/v1",
        "/p/../v1",
        "/p/name//v1",
        "/t/x/p/a.b/v1",
    ],
)
def test_paths_that_could_mean_something_else(raw):
    """A path that another reader could take for another one is refused."""
    with pytest.raises(ClientFault):
        requests.split_path(raw)


@pytest.mark.parametrize(
    ("path", "query", "header", "token", "left"),
    [
        ("/v1/x", b"", (b"x-poundlock-token", b"pl_a"), "pl_a", 0),
        ("/v1/x", b"", (b"authorization", b"Bearer pl_a"), "pl_a", 0),
        ("/v1/x", b"", (b"authorization", b"bearer  pl_a"), "pl_a", 0),
        ("/v1/x", b"", (b"x-api-key", b"pl_a"), "pl_a", 0),
        ("/v1/x", b"", (b"x-goog-api-key", b"pl_a"), "pl_a", 0),
        ("/t/pl_a/v1/x", b"", (b"accept", b"*/*"), "pl_a", 1),
        ("/v1/x", b"key=pl_a", (b"accept", b"*/*"), "pl_a", 1),
        ("/v1/x", b"", (b"x-api-key", b"other-key"), None, 1),
        ("/v1/x", b"", (b"authorization", b"Bearer other"), None, 1),
        ("/v1/x", b"", (b"authorization", b"Basic pl_a"), None, 1),
        ("/v1/x", b"", (b"x-api-key", b"xpl_a"), None, 1),
    ],
)
def test_credential(path, query, header, token, left):
    """Poundlock's credential is found wherever a tool can put it, and is not among what is forwarded."""
    parts = requests.parts(scope(path, query, [header]))
    assert parts.fault is None
    assert parts.token == token
    assert len(parts.headers) == left
    assert "pl_a" not in parts.query + parts.path + parts.raw_path


def test_a_providers_own_key_stays_beside_ours():
    """Only our credential is taken; the client's own for the provider passes."""
    parts = requests.parts(scope("/v1/x", b"a=1&key=pl_b&b=2", [(b"x-api-key", b"own")]))
    assert (parts.token, parts.query, parts.headers) == ("pl_b", "a=1&b=2", (("x-api-key", "own"),))


def test_same_credential_twice_and_two_different_ones():
    """The same credential in two places is one; two different ones are refused."""
    headers = [(b"x-api-key", b"pl_a"), (b"authorization", b"Bearer pl_a")]
    assert requests.parts(scope(headers=headers)).token == "pl_a"
    fault = requests.parts(scope("/t/pl_b/v1/x", headers=headers)).fault
    assert fault is not None
    assert "two different" in fault.message
    assert "pl_" not in fault.message


def test_transfer_codings():
    """A transfer coding besides chunked would hide the body from inspection."""
    assert requests.parts(scope(headers=[(b"transfer-encoding", b"Chunked")])).fault is None
    for value in (b"gzip, chunked", b"gzip", b"chunked, chunked"):
        assert requests.parts(scope(headers=[(b"transfer-encoding", value)])).fault is not None
    twice = [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")]
    assert requests.parts(scope(headers=twice)).fault is not None


def test_content_codings_are_joined():
    """Codings in two headers are one list."""
    headers = [(b"content-encoding", b"gzip"), (b"content-encoding", b"br")]
    assert requests.parts(scope(headers=headers)).codings == ("gzip", "br")


def test_headers_are_utf8():
    """UTF-8 in a header passes unchanged; other bytes are refused, since they couldn't be sent on unchanged."""
    assert requests.parts(scope(headers=[(b"x-title", "é".encode())])).headers == (("x-title", "é"),)
    assert requests.parts(scope(headers=[(b"x-title", b"\xe9")])).fault is not None


def test_fault_keeps_path_for_the_shape_of_the_refusal():
    """With a fault in the headers the path is still there, so that the refusal has the provider's shape."""
    parts = requests.parts(scope("/p/name/v1/messages", headers=[(b"x", b"\xff")]))
    assert (parts.path, parts.provider) == ("/v1/messages", "name")
