"""Canonical records, the chain's hashes, the Merkle tree and heads."""

from __future__ import annotations

import enum
import hashlib
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.audit import (
    GENESIS,
    Frontier,
    Head,
    Row,
    canonical_body,
    chained,
    head_line,
    key_fingerprint,
    leaf_hash,
    read_head,
    record_of,
    statement,
)
from poundlock.core.errors import Fault
from poundlock.core.model import Rung

# The leaves and roots that implementations of RFC 6962 test themselves with.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaf(data: bytes) -> bytes:
    """Hash a leaf as RFC 6962 §2.1 says."""
    return hashlib.sha256(b"\x00" + data).digest()


def tree_hash(leaves: list[bytes]) -> bytes:
    """Compute the Merkle tree hash by the recursive definition of RFC 6962 §2.1, from leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:half]) + tree_hash(leaves[half:])).digest()


def test_tree_known_roots() -> None:
    """The tree gives the published roots of the published leaves."""
    tree = Frontier()
    for data, root in zip(LEAVES, ROOTS, strict=True):
        tree.add(leaf(bytes.fromhex(data)))
        assert tree.root() == root


def test_tree_every_size() -> None:
    """The tree grown leaf by leaf equals the recursive definition at every size up to 130."""
    tree, leaves = Frontier(), []
    for number in range(131):
        assert tree.root() == tree_hash(leaves).hex()
        leaves.append(leaf(bytes([number])))
        tree.add(leaves[-1])


@given(st.integers(0, 300), st.integers(0, 40))
def test_tree_packed(before: int, after: int) -> None:
    """A tree that was packed and taken up again goes on as if nothing had happened."""
    tree = Frontier()
    for number in range(before):
        tree.add(leaf(b"%d" % number))
    again = Frontier.unpack(tree.size, tree.pack())
    for number in range(after):
        tree.add(leaf(b"+%d" % number))
        again.add(leaf(b"+%d" % number))
    assert (again.size, again.root()) == (tree.size, tree.root())


@pytest.mark.parametrize(("size", "packed"), [(1, b""), (2, b"x" * 64), (3, b"x" * 32), (-1, b""), (1, b"x" * 31)])
def test_tree_unpack_refuses(size: int, packed: bytes) -> None:
    """Peaks that can't be of a tree of this size are refused."""
    with pytest.raises(ValueError, match="peaks"):
        Frontier.unpack(size, packed)


def test_canonical_bytes_of_a_record() -> None:
    """The hash is over exactly these bytes, so that others can check a log with a page of code."""
    body = canonical_body({"z": [1, True, None], "a": {"ü": "x", "b": ()}})
    assert body == '{"a":{"b":[],"ü":"x"},"z":[1,true,null]}'.encode()
    row = chained(1, GENESIS, at=5, kind="exchange", id='d"1', body=body)
    canonical = b'{"at":5,"body":' + body + b',"id":"d\\"1","kind":"exchange","prev":"' + b"0" * 64 + b'","seq":1}'
    assert row.hash == leaf(canonical).hex()
    assert chained(2, row.hash, at=6, kind="k", id="", body=b"{}").prev == row.hash


def test_hash_depends_on_each_column() -> None:
    """No column can change without the hash changing."""
    row = chained(3, "ab" * 32, at=5, kind="exchange", id="d1", body=b'{"a":1}')
    others = [
        row._replace(seq=4),
        row._replace(at=6),
        row._replace(kind="closing"),
        row._replace(id="d2"),
        row._replace(body=b'{"a":2}'),
        row._replace(prev="ac" * 32),
    ]
    hashes = {leaf_hash(other) for other in others}
    assert len(hashes) == len(others)
    assert row.hash not in hashes
    assert leaf_hash(others[0], 3) == row.hash


class _Odd(str):
    """A text that is not only a text."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (1.5, "float"),
        (b"x", "bytes"),
        ({1, 2}, "set"),
        (object(), "object"),
        (_Odd("x"), "_Odd"),
        (2**63, "63 bits"),
        ({1: "x"}, "key"),
        (MappingProxyType({}), "mappingproxy"),
        ("\ud800", "Unicode"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_body_guard(value: object, named: str) -> None:
    """A body with a value of an unexpected type is refused with status 500, and the message names only the type."""
    with pytest.raises(Fault, match=named) as caught:
        canonical_body({"a": [{"deep": value}]})
    assert caught.value.status == 500


def test_body_guard_depth() -> None:
    """Nesting beyond what records need is refused instead of overflowing the stack."""
    tree: object = "x"
    for _ in range(5000):
        tree = [tree]
    with pytest.raises(Fault, match="deep"):
        canonical_body({"a": tree})


def test_body_takes_what_records_have() -> None:
    """Words of our own enumerations are texts, and the body may be any mapping."""
    assert isinstance(Rung.SEND, enum.StrEnum)
    assert canonical_body(MappingProxyType({"rung": Rung.SEND, "n": -(2**63) + 1})) == (
        b'{"n":-9223372036854775807,"rung":"send"}'
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
        max_leaves=20,
    )
)
def test_body_comes_back(value: object) -> None:
    """What was written is what is read."""
    row = chained(1, GENESIS, at=1, kind="k", id="i", body=canonical_body({"v": value}))
    assert record_of(row).body == {"v": value}
    assert record_of(row).hash == leaf_hash(row)


def test_unreadable_record() -> None:
    """A body that is not JSON any more is a fault that names the record and the command, and shows nothing."""
    with pytest.raises(Fault, match="record 7") as caught:
        record_of(Row(7, 1, "k", "i", b"{secret", GENESIS, GENESIS))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_head_line_and_statement() -> None:
    """A head survives its line; what is signed has a fixed first line and all but the signature."""
    head = Head(size=3, root="ab", last="cd", at=9, key="ef", signature="00")
    assert read_head(head_line(head)) == head
    assert head_line(head).count(b"\n") == 1
    assert statement(head) == (b'poundlock audit head 1\n{"at":9,"key":"ef","last":"cd","root":"ab","size":3}')


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"size":1}', b"\xff", b'{"size":"x"}'])
def test_no_head(line: bytes) -> None:
    """What is not a head is told apart without an exception."""
    assert read_head(line) is None


def test_key_fingerprint() -> None:
    """A key's fingerprint is short, stable, and another for another key."""
    assert key_fingerprint("ab" * 32) == hashlib.sha256(b"ab" * 32).hexdigest()[:16]
    assert key_fingerprint("ab" * 32) != key_fingerprint("ac" * 32)
