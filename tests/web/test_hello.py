"""The name in a TLS client's first message: found at every cut, and never where there is none."""

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.web.hello import LIMIT, Hello, read


def hello(host):
    """Give a real client's first message."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def in_records(message, size):
    """Give a handshake message in records of `size` bytes, as a client may send it."""
    body = message[5:]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in parts)


def test_a_name_is_found_when_it_is_there_and_not_before():
    """Whole, with what follows, and at each prefix."""
    data = hello("API.Anthropic.com")
    assert read(data) == read(data + b"more") == Hello(complete=True, name="api.anthropic.com")
    assert not any(read(data[:end]).complete for end in range(len(data)))
    assert read(data[:9]).needs == len(data)
    assert read(data[:3]).needs == 5


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_message_in_many_records_is_one_message(size):
    """Cutting it up does not hide the name."""
    assert read(in_records(hello("api.openai.com"), size)).name == "api.openai.com"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
    ],
)
def test_what_is_no_client_hello_has_no_name(data):
    """It is known to be none at once, and passes."""
    assert read(data) == Hello(complete=True)


def test_a_message_without_end_has_no_name():
    """Memory is bounded."""
    assert read(b"\x16\x03\x01\xff\xff\x01\xff\xff\xff" + bytes(LIMIT)) == Hello(complete=True)


@given(st.binary(max_size=400), st.integers(0, 600), st.randoms())
def test_nothing_breaks_it(noise, at, chance):
    """Whatever comes, it gives an answer."""
    data = bytearray(_REAL)
    for _ in range(chance.randrange(4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    for text in (noise, b"\x16" + noise, bytes(data[:at]) + noise, bytes(data)):
        assert isinstance(read(text).name, str)


_REAL = hello("api.anthropic.com")


def test_reading_again_is_worth_it_only_when_a_record_is_whole():
    """A client that sends a byte at a time costs no more than one that sends all at once."""
    data = in_records(hello("api.openai.com"), 40)
    known, times = Hello(complete=False), 0
    for end in range(1, len(data) + 1):
        if end >= known.needs:
            known, times = read(data[:end]), times + 1
    assert known.name == "api.openai.com"
    assert times <= 2 * -(-len(data) // 45) + 1
