"""Content codings: every split, every end, and every bomb."""

from __future__ import annotations

import gzip
import itertools
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from poundlock.core.errors import ClientFault, UpstreamFault
from poundlock.wire.coding import Decoder, parse

TEXT = b'{"messages": [' + b'{"role": "user", "content": "hello"},' * 40 + b"0]}"
LIMIT = 1 << 20


def _raw_deflate(data: bytes) -> bytes:
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return machine.compress(data) + machine.flush()


CODED = {
    "gzip": (("gzip",), gzip.compress(TEXT)),
    "x-gzip": (("x-gzip",), gzip.compress(TEXT)),
    "two gzip members": (("gzip",), gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
    "deflate": (("deflate",), zlib.compress(TEXT)),
    "deflate without its head": (("deflate",), _raw_deflate(TEXT)),
    "br": (("br",), brotli.compress(TEXT)),
    "zstd": (("zstd",), zstandard.compress(TEXT)),
    "two zstd frames": (("zstd",), zstandard.compress(TEXT[:100]) + zstandard.compress(TEXT[100:])),
    "three": (("zstd", "br", "gzip"), gzip.compress(brotli.compress(zstandard.compress(TEXT)))),
}


def decode(codings: tuple[str, ...], pieces: list[bytes], limit: int = LIMIT) -> bytes:
    """Decode these pieces to the end."""
    decoder = Decoder(codings, limit, ClientFault)
    out = b"".join(decoder.feed(piece) for piece in pieces)
    decoder.finish()
    return out


@pytest.mark.parametrize("case", CODED)
def test_whole_and_byte_by_byte(case):
    """A body comes out the same whole and byte by byte."""
    codings, data = CODED[case]
    assert decode(codings, [data]) == TEXT
    assert decode(codings, [data[at : at + 1] for at in range(len(data))]) == TEXT


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CODED)), st.lists(st.integers(0, 2000), max_size=8))
def test_any_split(case, cuts):
    """A body comes out the same however it is cut."""
    codings, data = CODED[case]
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert decode(codings, [data[a:b] for a, b in itertools.pairwise(edges)]) == TEXT


@pytest.mark.parametrize("case", CODED)
def test_cut_short(case):
    """A body that ends early is a fault, wherever it ends."""
    codings, data = CODED[case]
    members = {len(gzip.compress(TEXT[:100])), len(zstandard.compress(TEXT[:100]))} if "two" in case else set()
    for end in range(1, len(data)):
        if end not in members:
            with pytest.raises(ClientFault):
                decode(codings, [data[:end]])


@pytest.mark.parametrize("case", CODED)
def test_bytes_behind_the_end(case):
    """Bytes behind the end are a fault: another reader could take them for content."""
    codings, data = CODED[case]
    with pytest.raises(ClientFault):
        decode(codings, [data + b"{}"])
    with pytest.raises(ClientFault):
        decode(codings, [data, b"\x00"])


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_not_what_it_says(name):
    """Plain text that claims a coding is a fault."""
    with pytest.raises(ClientFault):
        decode((name,), [b'{"model": "plain"}'])


def test_bombs_stop_at_the_limit():
    """However dense a body is, no more than the limit and one step comes out before it is refused."""
    large = bytes(200 << 20)
    bombs = {
        "gzip": gzip.compress(large, 6),
        "deflate": zlib.compress(large, 6),
        "br": brotli.compress(large, quality=4),
        "zstd": zstandard.compress(large),
    }
    del large
    for name, bomb in bombs.items():
        decoder = Decoder((name,), LIMIT, ClientFault)
        pieces = (bomb[at : at + 512] for at in range(0, len(bomb), 512))
        made = []
        with pytest.raises(ClientFault, match="becomes larger than 1048576 bytes"):
            made.extend(len(decoder.feed(piece)) for piece in pieces)
        assert sum(made) <= LIMIT


def test_bomb_inside_a_bomb():
    """The limit holds for each coding, not only for what comes out last."""
    inner = gzip.compress(bytes(50 << 20))
    with pytest.raises(ClientFault):
        decode(("gzip", "gzip"), [gzip.compress(inner)])
    with pytest.raises(ClientFault, match="becomes larger than 1000 bytes"):
        decode(("gzip", "gzip"), [gzip.compress(gzip.compress(bytes(3_000_000)))], limit=1000)


def test_limit_is_exact():
    """A body of exactly the limit is taken; one byte more is not."""
    assert decode(("gzip",), [gzip.compress(bytes(5000))], limit=5000) == bytes(5000)
    with pytest.raises(ClientFault):
        decode(("gzip",), [gzip.compress(bytes(5001))], limit=5000)


def test_large_zstd_window():
    """A zstd window above 8 MiB is refused: it is memory that the sender makes us take."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    machine = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = machine.compress(bytes(1000)) + machine.flush()
    with pytest.raises(ClientFault):
        decode(("zstd",), [data])


def test_unknown_and_too_many():
    """A coding that is not known and a pile of codings are refused, with the fault of the side they came from."""
    with pytest.raises(UpstreamFault, match="does not know"):
        Decoder(("compress",), LIMIT, UpstreamFault)
    with pytest.raises(ClientFault, match="more than 3"):
        Decoder(("gzip",) * 4, LIMIT, ClientFault)


def test_no_body_is_whole():
    """No bytes at all are no body, whatever coding was announced."""
    assert decode(("gzip", "br"), [b""]) == b""


@pytest.mark.parametrize(
    ("header", "codings"),
    [
        ("", ()),
        ("identity", ()),
        ("GZip", ("gzip",)),
        (" gzip , br", ("gzip", "br")),
        ("gzip,,identity", ("gzip",)),
        ("snappy", ("snappy",)),
    ],
)
def test_header(header, codings):
    """Codings are read in order, in lower case, without identity."""
    assert parse(header) == codings
