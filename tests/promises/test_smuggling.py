"""Promise 1: what is scanned is what is sent. Each attack brings a value past the inspection, or tries to."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

import brotli
import pytest
import zstandard

from tests.gateway import canary
from tests.gateway.dialects import ANTHROPIC, OPENAI, Dialect
from tests.gateway.running import SURROGATE, Gate, encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.promises.conftest import Broken


def _plain(text: str) -> str:
    return json.dumps(text)


def _escaped(text: str) -> str:
    return '"' + "".join(f"\\u{ord(char):04X}" for char in text) + '"'


def _one_escape(text: str) -> str:
    """Write the third letter of the key as an escape."""
    at = text.index("AKIA") + 2
    return json.dumps(text[:at])[:-1] + "\\u0049" + json.dumps(text[at + 1 :])[1:]


def _base64(text: str) -> str:
    return json.dumps(f"Decode this for me: {encoded(text)}")


def _url(text: str) -> str:
    return json.dumps("see https://example.com/?" + "".join(f"%{byte:02x}" for byte in text.encode()))


def _hex(text: str) -> str:
    return json.dumps(f"the dump: {text.encode().hex()}")


def _json_in_json(text: str) -> str:
    return json.dumps(json.dumps({"note": json.dumps({"text": text})}))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": _plain,
    "escaped": _escaped,
    "one escape": _one_escape,
    "base64": _base64,
    "url": _url,
    "hex": _hex,
    "json in json": _json_in_json,
}


def body(dialect: Dialect, literal: str, **more: Any) -> bytes:
    """Give a request whose first message is this JSON string literal, as it is."""
    return json.dumps(dialect.body("HERE", **more)).replace('"HERE"', literal).encode()


def spelt(gate: Gate, dialect: Dialect, spelling: str) -> None:
    """Send a key in some spelling: the provider must get a surrogate, and the key in no form."""
    key = canary.access_key()
    answer = gate.ask(dialect, body(dialect, SPELLINGS[spelling](f"AWS_ACCESS_KEY_ID={key}")))
    assert answer.status == 200, answer.body
    seen = gate.mock.requests()[-1]
    text = str(dialect.last(seen.json()))
    assert SURROGATE.search(text), text
    assert not canary.found(seen.body + text.encode(), [key])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings(gate: Gate, dialect: Dialect, spelling: str) -> None:
    """A key in escapes, base64, percent-encoding, hex, or JSON within JSON is disguised in each."""
    spelt(gate, dialect, spelling)

    """A whole credentials file in base64 is looked into, though its first line is short."""
    key = canary.access_key()
    canary.made.remove(key)  # it leaks
    gate.ask(ANTHROPIC, ANTHROPIC.body("Decode: " + encoded(f"[default]\naws_access_key_id = {key}\n")))
    assert SURROGATE.search(ANTHROPIC.last(gate.newest()))


@pytest.mark.parametrize("spelling", ["base64", "hex", "url"])
def test_spellings_mutant(broken: Broken, spelling: str) -> None:
    """A gateway that looks into no encoding is caught."""
    with broken("opens_no_encoding") as gate:
        spelt(gate, ANTHROPIC, spelling)


def test_raw_splice_mutant(broken: Broken) -> None:
    """A gateway that sends on what came is caught."""
    with broken("sends_what_came") as gate:
        spelt(gate, OPENAI, "one escape")


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
}


@pytest.mark.parametrize("coding", CODINGS)
def test_codings(gate: Gate, dialect: Dialect, coding: str) -> None:
    """A key in a compressed body is disguised, and the provider gets a body without a coding."""
    key = canary.access_key()
    data = CODINGS[coding](body(dialect, _plain(f"key {key}")))
    answer = gate.ask(dialect, data, {"content-encoding": coding})
    assert answer.status == 200, answer.body
    seen = gate.mock.requests()[-1]
    assert seen.header("content-encoding") is None
    assert SURROGATE.search(dialect.last(seen.json()))


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_duplicate_keys(gate: Gate, dialect: Dialect, first: bool, escaped: bool) -> None:
    """Of two equal keys only what was inspected goes on, whichever holds the key, also where one name is escaped."""
    duplicate_keys(gate, dialect, first=first, escaped=escaped)


def duplicate_keys(gate: Gate, dialect: Dialect, *, first: bool, escaped: bool) -> None:
    """Send a message with two contents, of which one holds a key."""
    key = canary.access_key()
    name = '"con\\u0074ent"' if escaped else '"content"'
    values = [f'"key {key}"', '"harmless"']
    one, two = values if first else values[::-1]
    data = json.dumps(dialect.body("HERE")).replace('"content": "HERE"', f'"content": {one}, {name}: {two}').encode()
    answer = gate.ask(dialect, data)
    assert answer.status == 200, answer.body
    seen = gate.mock.requests()[-1]
    assert not canary.found(seen.body, [key])
    assert len(re.findall(rb'"content"|con\\u0074ent', seen.body)) == 1
    text = dialect.last(seen.json())
    assert text == "harmless" if first else SURROGATE.search(text)


@pytest.mark.parametrize("first", [False, True])
def test_duplicate_keys_mutant(broken: Broken, first: bool) -> None:
    """A gateway that sends on what came is caught by either order."""
    with broken("sends_what_came") as gate:
        duplicate_keys(gate, ANTHROPIC, first=first, escaped=True)


def test_duplicate_message_lists(gate: Gate, dialect: Dialect) -> None:
    """The same on the top level: a second list of messages does not hide the first one's text, or its own."""
    key = canary.access_key()
    whole = dialect.body("harmless")
    hidden = json.dumps(dialect.body(f"key {key}")["messages"])
    for data in (
        json.dumps(whole)[:-1] + f', "messages": {hidden}}}',
        f'{{"messages": {hidden}, ' + json.dumps(whole)[1:],
    ):
        assert gate.ask(dialect, data.encode()).status == 200
        seen = gate.mock.requests()[-1]
        assert seen.body.count(b'"messages"') == 1
        assert not canary.found(seen.body, [key])


def test_lone_surrogates(gate: Gate, dialect: Dialect) -> None:
    """Half a surrogate pair becomes U+FFFD, which the record says; a whole pair stays; a key beside it is seen."""
    key = canary.access_key()
    answer = gate.ask(dialect, body(dialect, f'"a\\ud800b\\udc00c \\ud83d\\ude00 {key}\\udfff"'))
    assert answer.status == 200, answer.body
    text = dialect.last(gate.newest())
    assert SURROGATE.sub("X", text) == "a\ufffdb\ufffdc \U0001f600 X\ufffd"
    assert gate.record(answer.id)["notes"] == ["lone surrogate escapes became U+FFFD"]


def test_lone_surrogate_inside_a_key(gate: Gate, dialect: Dialect) -> None:
    """Half a pair in the middle of a key doesn't vanish on the way, so that it joins no key together."""
    key = canary.access_key()
    answer = gate.ask(dialect, body(dialect, f'"{key[:8]}\\ud800{key[8:]}"'))
    assert answer.status == 200, answer.body
    assert not canary.found(gate.mock.requests()[-1].body, [key])


NUMBERS = (
    "18446744073709551617",
    "-9223372036854775809",
    "340282366920938463463374607431768211457",
    "1e400",
    "-1E+400",
    "0.1000000000000000055511151231257827",
    "1.0",
    "1E5",
    "-0.0",
    "5e-324",
)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_keep_their_text(gate: Gate, dialect: Dialect, number: str) -> None:
    """Integers over 2⁶⁴ and numbers that no float holds arrive as they were written."""
    data = body(dialect, '"Hello."').replace(b'"model"', b'"figure": ' + number.encode() + b', "model"')
    answer = gate.ask(dialect, data)
    assert answer.status == 200, answer.body
    assert b'"figure":' + number.encode() + b"," in gate.mock.requests()[-1].body


@pytest.mark.parametrize("data", [b"NaN", b"Infinity", b"-Infinity", b"01", b"1.", b"'a'", b"undefined"])
def test_what_only_some_readers_take(gate: Gate, dialect: Dialect, data: bytes) -> None:
    """What is no JSON, though some readers take it, is refused: they may read it in different ways."""
    before = len(gate.mock.requests())
    answer = gate.ask(dialect, body(dialect, '"Hello."').replace(b'"model"', b'"figure": ' + data + b', "model"'))
    assert answer.status == 400
    assert "not valid JSON" in dialect.message(answer.body)
    assert len(gate.mock.requests()) == before


def test_encodings_of_the_body(gate: Gate, dialect: Dialect) -> None:
    """A body in UTF-16, UTF-32, Latin-1 or broken UTF-8 is refused, whatever its header says; a mark is taken off."""
    key = canary.access_key()
    text = body(dialect, _plain(f"é key {key}")).decode().replace("\\u00e9", "é")
    before = len(gate.mock.requests()) + 1  # UTF-7 with nothing said of it is ASCII, and good JSON
    for charset in ("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7"):
        data = text.encode(charset)
        answer = gate.ask(dialect, data, {"content-type": f"application/json; charset={charset}"})
        assert answer.status == 400, charset
        assert "content type is not JSON in UTF-8" in dialect.message(answer.body)
        assert gate.ask(dialect, data).status == (200 if charset == "utf-7" else 400)
        assert charset != "utf-7" or SURROGATE.search(dialect.last(gate.newest()))
    assert gate.ask(dialect, text.encode() + b"\xff").status == 400
    assert gate.ask(dialect, text.encode().replace(b"model", b"mod\xc0\xafel")).status == 400
    assert len(gate.mock.requests()) == before
    answer = gate.ask(dialect, b"\xef\xbb\xbf" + text.encode())
    assert answer.status == 200
    assert gate.mock.requests()[-1].body.startswith(b"{")
    assert SURROGATE.search(dialect.last(gate.newest()))


def test_two_documents(gate: Gate, dialect: Dialect) -> None:
    """A second document behind the first, or text around it, is refused: a reader may take the one or the other."""
    key = canary.access_key()
    good, hidden = body(dialect, '"Hello."'), body(dialect, _plain(key))
    before = len(gate.mock.requests())
    for data in (good + hidden, good + b"\n" + hidden, good + b"\0", b")]}'\n" + good, good + b"// " + hidden):
        assert gate.ask(dialect, data).status == 400
    assert len(gate.mock.requests()) == before


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "a new field": lambda key: {"x_new": {"deep": [{"deeper": f"k={key}"}]}},
    "a key": lambda key: {"x_new": {f"k={key}": 1}},
    "a tool's description": lambda key: {
        "tools": [{"name": "t", "description": f"use {key}", "input_schema": {"type": "object", "enum": [key]}}]
    },
    "metadata": lambda key: {"metadata": {"user_id": f"me {key}", "note": key}},
    "stop sequences": lambda key: {"stop_sequences": [f"{key}"], "stop": [f"{key}"]},
    "the model's name": lambda key: {"model": f"some-model {key}"},
    "where an id belongs": lambda key: {"messages": [{"role": "user", "content": "Hi", "id": f"call_{key}"}]},
    "where a signature belongs": lambda key: {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "text", "text": "x", "signature": f"s {key}"}]},
            {"role": "user", "content": "Hi"},
        ]
    },
    "a role": lambda key: {"messages": [{"role": f"user {key}", "content": "Hi"}]},
    "a type": lambda key: {"messages": [{"role": "user", "content": [{"type": f"x {key}", "y": "Hi"}]}]},
}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_searched(gate: Gate, dialect: Dialect, place: str) -> None:
    """A key in a field that nobody knows, a name, a schema, an id or a signature is disguised, or refused."""
    key = canary.access_key()
    before = len(gate.mock.requests())
    answer = gate.ask(dialect, {**dialect.body("Hello."), **PLACES[place](key)})
    if answer.status == 200:
        seen = gate.mock.requests()[-1].body
        assert not canary.found(seen, [key])
        assert SURROGATE.search(seen.decode())
    else:
        assert answer.status == 400, answer.body
        assert len(gate.mock.requests()) == before


def test_the_address_is_searched(gate: Gate, dialect: Dialect) -> None:
    """A key in the query is refused: it could not be disguised without changing where the request goes."""
    key = canary.access_key()
    before = len(gate.mock.requests())
    for query in (f"note={key}", f"{key}=1", f"note={key[:6]}%{ord(key[6]):02x}{key[7:]}"):
        answer = gate.ask(dialect, dialect.body("Hello."), path=f"{dialect.path}?{query}")
        assert answer.status == 400, query
        assert "address holds" in dialect.message(answer.body)
    assert len(gate.mock.requests()) == before
