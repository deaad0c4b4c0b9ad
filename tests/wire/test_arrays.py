"""Arrays that arrive in pieces: the same items wherever they are cut, and no byte lost."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.errors import UpstreamFault
from poundlock.wire.arrays import ItemSplitter, Piece
from tests.wire.home import CUTS, cut

ARRAY = b'[{"a": "}{\\"]"}\r\n,\r\n {"b": [{"c": "\\\\"}, {}]}, {"\\u007d": 1}]\n'
ITEMS = [b'{"a": "}{\\"]"}', b'{"b": [{"c": "\\\\"}, {}]}', b'{"\\u007d": 1}']


def split(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """Give the items, and everything joined."""
    splitter = ItemSplitter()
    out: list[Piece] = [piece for chunk in pieces for piece in splitter.feed(chunk)]
    return [piece.data for piece in out if piece.item], b"".join(piece.data for piece in out) + splitter.rest


def test_items_are_the_same_whole_and_byte_by_byte():
    """Braces in strings, escapes and items within items end no item."""
    assert split([ARRAY]) == (ITEMS, ARRAY)
    assert split([ARRAY[at : at + 1] for at in range(len(ARRAY))]) == (ITEMS, ARRAY)


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=4), st.recursive(st.text(max_size=6), lambda each: st.lists(each, max_size=3)), max_size=4
        ),
        max_size=5,
    ),
    CUTS,
)
def test_items_are_the_same_at_every_split(items, places):
    """Whatever stands in the items, and wherever the bytes are cut."""
    data = json.dumps(items).encode()
    found, joined = split(cut(data, places))
    assert [json.loads(each) for each in found] == items
    assert joined == data


def test_an_item_is_given_with_its_last_byte():
    """Nothing waits for the comma."""
    splitter = ItemSplitter()
    assert splitter.feed(b'[{"a":1') == [Piece(b"[", item=False)]
    assert splitter.feed(b"}") == [Piece(b'{"a":1}', item=True)]
    assert splitter.rest == b""


def test_an_object_without_an_array_is_an_item():
    """So an answer that is no array is read, too."""
    assert split([b' {"a": {}} ']) == ([b'{"a": {}}'], b' {"a": {}} ')


@pytest.mark.parametrize("pieces", [[b'[{"a":"12345678"}]'], [b'[{"a":"', b"1234", b"5678"]])
def test_an_item_past_the_limit_is_a_fault(pieces):
    """Whole or in pieces; the fault does not repeat it."""
    splitter = ItemSplitter(limit=12)
    with pytest.raises(UpstreamFault, match="item longer than 12 bytes"):
        list(map(splitter.feed, pieces))
