"""Which format a request speaks, and which route it takes."""

from __future__ import annotations

import re

import pytest

from poundlock.core.errors import ClientFault
from poundlock.core.model import Document
from poundlock.wire import registry

ANTHROPIC = {"anthropic-version": "2023-06-01"}
KEY = {"x-api-key": "k"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "name", "found"),
    [
        ("POST", "/v1/messages", {}, "", ("anthropic", "messages", "inspect")),
        ("POST", "/v1/messages/count_tokens", {}, "", ("anthropic", "count_tokens", "inspect")),
        ("POST", "/v1/chat/completions", {}, "", ("openai", "chat.completions", "inspect")),
        ("POST", "/v1/embeddings", {}, "", ("openai", "embeddings", "inspect")),
        ("POST", "/v1/moderations", {}, "", ("openai", "moderations", "inspect")),
        ("HEAD", "/", {}, "", ("anthropic", "probe", "pass")),
        ("HEAD", "/api/hello", {}, "", ("anthropic", "probe", "pass")),
        ("GET", "/api/hello", {}, "", ("anthropic", "probe", "pass")),
        ("GET", "/v1/models", {}, "", ("openai", "models", "pass")),
        ("GET", "/v1/models", ANTHROPIC, "", ("anthropic", "models", "pass")),
        (
            "GET",
            "/v1/models",
            {"authorization": "Bearer x", "anthropic-version": "2026-10-21"},
            "",
            ("anthropic", "models", "pass"),
        ),
        ("GET", "/v1/models", KEY, "", ("anthropic", "models", "pass")),
        ("GET", "/v1/models", ANTHROPIC, "openai", ("openai", "models", "pass")),
        ("GET", "/v1/models/claude-opus-4-6", ANTHROPIC, "", ("anthropic", "model", "pass")),
        ("GET", "/v1/models/org/model:free", {}, "", ("openai", "model", "pass")),
        ("POST", "/v1/files", ANTHROPIC, "", ("anthropic", "files", "refuse")),
        ("POST", "/v1/files", {}, "", ("openai", "files", "refuse")),
        ("POST", "/v1/messages/batches", {}, "", ("anthropic", "batches.create", "inspect")),
        ("GET", "/v1/messages/batches/msgbatch_1/results", {}, "", ("anthropic", "batches.results", "inspect")),
        ("POST", "/v1/responses", {}, "", ("openai", "responses", "inspect")),
        ("POST", "/v1/responses", {}, "openai", ("openai", "responses", "inspect")),
        ("POST", "/openai/v1/responses", {}, "openai", ("openai", "responses", "inspect")),
        ("POST", "/v1/responses/compact", {}, "", ("openai", "responses.compact", "inspect")),
        ("POST", "/v1/responses/input_tokens", {}, "", ("openai", "responses.input_tokens", "inspect")),
        ("WEBSOCKET", "/v1/responses", {}, "", ("openai", "responses.websocket", "inspect")),
        ("GET", "/v1/responses/resp_1", {}, "", ("openai", "responses.retrieve", "inspect")),
        ("GET", "/v1/responses/resp_1/input_items", {}, "", ("openai", "responses.input_items", "inspect")),
        ("POST", "/v1/responses/resp_1/cancel", {}, "", ("openai", "responses.cancel", "pass")),
        ("DELETE", "/v1/responses/resp_1", {}, "", ("openai", "responses.delete", "pass")),
        ("POST", "/v1/conversations", {}, "", ("openai", "conversations", "refuse")),
        ("POST", "/v1/completions", {}, "", ("openai", "completions", "inspect")),
        ("POST", "/v1/fim/completions", {}, "openai", ("openai", "completions.fim", "inspect")),
        ("POST", "/beta/completions", {}, "openai", ("openai", "completions.fim", "inspect")),
        ("POST", "/chat/completions", {}, "openai", ("openai", "chat.completions", "inspect")),
        ("POST", "/openai/v1/chat/completions", {}, "openai", ("openai", "chat.completions", "inspect")),
        ("POST", "/openai/deployments/gpt-5.2/chat/completions", {}, "", ("openai", "chat.completions", "inspect")),
        ("POST", "/openai/deployments/my_own.1/completions", {}, "openai", ("openai", "completions", "inspect")),
        ("POST", "/openai/deployments/ada/embeddings", {}, "openai", ("openai", "embeddings", "inspect")),
        ("POST", "/openai/deployments/whisper/audio/speech", {}, "openai", ("openai", "audio", "refuse")),
        ("POST", "/openai/responses", {}, "", ("openai", "responses", "inspect")),
        ("POST", "/v1/messages", {}, "anthropic", ("anthropic", "messages", "inspect")),
    ],
)
def test_trap_one_path_of_two_providers_is_told_by_the_headers(method, path, headers, name, found):
    """The path decides, then the headers, unless the provider was named."""
    wire, route = registry.resolve(method, path, headers, name)
    assert (wire.provider, route.operation, route.treatment) == found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/messages"),
        ("PUT", "/v1/messages"),
        ("POST", "/v1/models"),
        ("POST", "/v1/messages/"),
        ("POST", "/v1/messages/other"),
        ("GET", "/v1/responses/resp_1/../../files"),
        ("GET", "/v1/responses/resp_1%2F..%2Ffiles"),
        ("POST", "/v1/responses/resp_1"),
        ("POST", "/v1//messages"),
        ("POST", "/V1/messages"),
        ("POST", "/v1/%6Dessages"),
        ("POST", "/x/v1/messages"),
        ("POST", "/v1/messages?beta=true"),
        ("POST", "/v1/messages\n"),
        ("POST", "/"),
        ("GET", "/v1/models/../messages"),
        ("GET", "/v1/models/..%2F..%2Ffiles"),
        ("GET", "/v1/models/%2e%2e/files"),
        ("GET", "/v1/models//files"),
        ("POST", ""),
    ],
)
def test_what_no_row_names_is_refused(method, path):
    """Nothing is guessed, and no path is normalised; the fault does not repeat the path."""
    with pytest.raises(ClientFault, match=r"^This route is not known, so it is refused\.$"):
        registry.resolve(method, path, {})


def test_a_format_that_is_not_known_is_refused():
    """A provider may be configured with a name that no format has."""
    with pytest.raises(ClientFault, match="format is not known"):
        registry.resolve("POST", "/v1/messages", {}, "other")
    with pytest.raises(ClientFault, match="This route is not known"):
        registry.resolve("POST", "/v1/messages", {}, "openai")


@pytest.mark.parametrize(
    ("path", "headers", "name", "provider"),
    [
        ("/v1/messages", {}, "", "anthropic"),
        ("/v1/chat/completions", ANTHROPIC, "", "openai"),
        ("/nowhere", {}, "", "openai"),
        ("/nowhere", KEY, "", "anthropic"),
        ("/v1/models", KEY, "openai", "openai"),
    ],
)
def test_a_refusal_has_a_shape_for_every_path(path, headers, name, provider):
    """Also where no route fits."""
    assert registry.shape(path, headers, name).provider == provider


def test_every_route_is_sound():
    """Each pattern compiles, each pass and refusal says why, and each refusal says until when."""
    for wire in registry.WIRES:
        for route in wire.routes:
            re.compile(route.path)
            assert route.treatment == "inspect" or route.reason
            assert route.treatment != "refuse" or "until" in route.reason


def test_a_request_without_a_body_has_nothing_to_write():
    """It is sent without one."""
    empty = registry.Empty(Document(provider="anthropic", operation="models", segments=()))
    assert empty.encode({}) == b""
    with pytest.raises(ValueError, match="no text to replace"):
        empty.encode({0: "x"})


@pytest.mark.parametrize(
    ("provider", "header"), [("anthropic", ("x-api-key", "k")), ("openai", ("authorization", "Bearer k"))]
)
def test_each_format_carries_a_key_in_its_own_header(provider, header):
    """A key that Poundlock holds goes where the provider looks for it."""
    headers = {wire.key_header("k") for wire in registry.WIRES if wire.provider == provider}
    assert headers == {header}
