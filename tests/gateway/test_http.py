"""Which headers cross the gateway, and what is read from a query."""

from __future__ import annotations

import pytest

from poundlock.gateway import http


def test_forwarded_keeps_order_duplicates_and_betas():
    """What speaks of the exchange goes on as it is, in order, twice where it came twice."""
    headers = [
        ("host", "localhost:8787"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "one"),
        ("x-api-key", "client-key"),
        ("anthropic-beta", "two"),
        ("content-length", "12"),
        ("content-encoding", "gzip"),
        ("accept-encoding", "gzip, br"),
        ("transfer-encoding", "chunked"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "websocket"),
        ("keep-alive", "5"),
        ("proxy-authorization", "Basic x"),
        ("x-poundlock-task", "t"),
        ("content-type", "application/json"),
    ]
    assert http.forwarded(headers) == [
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "one"),
        ("x-api-key", "client-key"),
        ("anthropic-beta", "two"),
        ("content-type", "application/json"),
        ("accept-encoding", "identity"),
    ]


def test_forwarded_drops_what_connection_names():
    """A header that `Connection` names belongs to that connection (RFC 9110 §7.6.1)."""
    headers = [("connection", "close, X-Hop"), ("x-hop", "1"), ("x-end", "2")]
    assert http.forwarded(headers) == [("x-end", "2"), ("accept-encoding", "identity")]


def test_a_held_key_takes_the_place_of_the_clients():
    """No credential of the client goes along with one that Poundlock holds."""
    headers = [("authorization", "Bearer c"), ("x-api-key", "c"), ("x-goog-api-key", "c"), ("api-key", "c")]
    assert http.forwarded(headers, ("x-api-key", "held")) == [("x-api-key", "held"), ("accept-encoding", "identity")]


def test_returned():
    """The answer's head comes back without what spoke of its connection, its length or its coding."""
    headers = [
        ("Content-Type", "text/event-stream"),
        ("Content-Length", "3"),
        ("Connection", "keep-alive, x-hop"),
        ("X-Hop", "1"),
        ("Alt-Svc", 'h3=":443"'),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X-Poundlock-Decision", "forged"),
        ("request-id", "r"),
    ]
    assert http.returned(headers) == [
        ("content-type", "text/event-stream"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("request-id", "r"),
    ]


@pytest.mark.parametrize(
    ("value", "kind"),
    [("application/json; charset=utf-8", "application/json"), ("Text/Event-Stream", "text/event-stream")],
)
def test_content_type(value, kind):
    """The type alone, in lower case."""
    assert http.content_type([("x", "y"), ("Content-Type", value)]) == kind
    assert http.restorable(kind)


def test_no_content_type():
    """Without a content type there is nothing that can be restored in."""
    assert http.content_type([]) == ""
    assert not http.restorable("")


def test_query_values():
    """Names and values are decoded; the client's own key is not looked at."""
    assert http.query_values("a=b%20c&key=secret&d=e+f&flag&alt=sse") == ["a", "b c", "d", "e f", "flag", "alt", "sse"]
    assert http.query_values("") == []


def test_request_shows_nothing_of_its_content():
    """No body, path, query, header or credential shows in a request's repr."""
    request = http.Request(
        method="POST",
        path="/v1/hidden",
        raw_path="/v1/hidden",
        query="hidden=1",
        headers=(("x", "hidden"),),
        header_map={"x": "hidden"},
        body=b"hidden",
        token="pl_hidden",
        peer="127.0.0.1",
    )
    assert "hidden" not in repr(request)
    assert repr(request) == "Request(method='POST', provider=None, peer='127.0.0.1', fault=None)"


@pytest.mark.parametrize(
    ("values", "json"),
    [
        ([], True),
        (["application/json"], True),
        (["Application/JSON; charset=UTF-8"], True),
        (['application/json;charset="utf8";'], True),
        (["application/json; charset=utf-7"], False),
        (["application/json; charset=utf-8; charset=utf-16"], False),
        (["application/json; profile=x"], False),
        (["application/json", "application/json"], False),
        (["application/json, text/plain"], False),
        (["text/plain"], False),
        ([""], False),
    ],
)
def test_is_json(values, json):
    """Only JSON in UTF-8, said once, or nothing said, is what Poundlock reads."""
    assert http.is_json([("content-type", value) for value in values]) is json
