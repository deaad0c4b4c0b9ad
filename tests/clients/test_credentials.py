"""The search for leaks finds a value however it was encoded, and nothing where there is none."""

from __future__ import annotations

import base64
import json
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from tests.clients import credentials
from tests.provider.journal import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

_FAKES = credentials.make(7)
_SECRET = _FAKES.values["AWS_SECRET_ACCESS_KEY"]


def _seen(body: bytes, path: str = "/v1/messages", header: str = "") -> list[Seen]:
    return [Seen(1, 0.0, "POST", path, (("x-note", header),), body, {})]


@pytest.mark.parametrize(
    "carry",
    [
        lambda text: text,
        lambda text: json.dumps({"a": json.dumps({"b": json.dumps(f'"{text}"')})}),
        lambda text: "".join(f"\\u{ord(letter):04X}" for letter in text),
        lambda text: text.replace("/", "\\/"),
        lambda text: base64.b64encode(f"key={text}!".encode()).decode(),
        lambda text: base64.b64encode(f"a={text}\n".encode()).decode(),
        lambda text: base64.urlsafe_b64encode(f"ab={text}".encode()).decode(),
        lambda text: urllib.parse.quote_plus(f"k={text}&"),
        lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
        lambda text: text.encode().hex(),
        lambda text: text[::-1],
        lambda text: text[: len(text) // 2 + 1],
        lambda text: text[len(text) // 2 :],
    ],
)
def test_a_value_is_found_in_every_encoding(carry: Callable[[str], str]) -> None:
    """A value in a body is found, whole or half, in each encoding that could carry it."""
    assert credentials.leaks(_seen(f"before {carry(_SECRET)} after".encode()), [_SECRET]) == [
        "request 1 /v1/messages: value 0"
    ]


def test_a_value_is_found_in_paths_and_headers() -> None:
    """A value is found outside the body, too."""
    assert credentials.leaks(_seen(b"", path=f"/v1?key={_SECRET}"), [_SECRET])
    assert credentials.leaks(_seen(b"", header=_SECRET), [_SECRET])


def test_nothing_is_found_where_nothing_is() -> None:
    """Another set of credentials is no leak of this one."""
    assert credentials.leaks(_seen(credentials.make(8).env().encode()), _FAKES.secrets()) == []


def test_a_report_never_shows_the_value() -> None:
    """What is reported names the request and the value's number only."""
    report = credentials.leaks(_seen(_FAKES.env().encode()), _FAKES.secrets())
    assert report == [f"request 1 /v1/messages: value {number}" for number in range(5)]
