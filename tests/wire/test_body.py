"""Decoding with limits, gathering every string, and encoding what was inspected."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poundlock.core.errors import ClientFault
from poundlock.core.model import Document
from poundlock.wire import body, registry
from poundlock.wire.body import Gatherer, JsonBody, Voice
from tests.wire.home import MAIL, homeward

VOICE = Voice("user", "prose", "typed")


def gathered(tree: dict[str, Any], voice: Voice = VOICE) -> JsonBody:
    """Gather all of a tree, with no known words."""
    gather = Gatherer(frozenset(), frozenset())
    gather.members(tree, (), voice)
    return gather.body(tree, Document(provider="p", operation="o", segments=()))


def texts(decoded: JsonBody) -> list[str]:
    """Give the texts of a body's segments."""
    return [segment.text for segment in decoded.document.segments]


def nested(levels: int) -> bytes:
    """Give a body with this many containers within containers."""
    return b'{"a":' * (levels - 1) + b"[]" + b"}" * (levels - 1)


@pytest.mark.parametrize(
    "number", ["1.50", "1e400", "1E5", "-0.0", "0.1000", "123456789012345678901234567890", "18446744073709551616"]
)
def test_numbers_keep_their_text(number):
    """A float keeps every digit that was written, an integer past 2^64 is exact."""
    tree, notes = body.decode(f'{{"n":{number}}}'.encode())
    assert body.write(tree) == f'{{"n":{number}}}'.encode()
    assert notes == ()


def test_of_equal_keys_the_last_is_inspected_and_sent():
    """What is sent of two members of one name is what was made a segment; the other is gone."""
    tree, _ = body.decode(b'{"a":"hidden","b":1,"a":"seen"}')
    decoded = gathered(tree)
    assert texts(decoded) == ["a", "seen", "b"]
    assert decoded.encode({}) == b'{"a":"seen","b":1}'


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (rb'{"a":"x\ud800y"}', '{"a":"x\ufffdy"}'),
        (rb'{"a":"\udc00"}', '{"a":"\ufffd"}'),
        (rb'{"a":"\ud83d"}', '{"a":"\ufffd"}'),
        (rb'{"a":"\uD83D\uD83D\uDE00"}', '{"a":"\ufffd😀"}'),
        (rb'{"a":"\\\ud800 \\ud800"}', '{"a":"\\\\\ufffd \\\\ud800"}'),
        (rb'{"\ud800":"\ud800"}', '{"\ufffd":"\ufffd"}'),
    ],
)
def test_lone_surrogate_escapes_become_replacement_characters(data, sent):
    """Half a surrogate pair becomes U+FFFD, in names too, and the document says so."""
    tree, notes = body.decode(data)
    assert body.write(tree).decode() == sent
    assert notes == (body.NOTE_SURROGATE,)


def test_whole_surrogate_pairs_are_not_touched():
    """A pair of escapes is a character, and nothing is noted."""
    assert body.decode(rb'{"a":"\ud83d\ude00"}') == ({"a": "😀"}, ())


def test_a_byte_order_mark_is_taken_off_and_noted():
    """A body may begin with a byte order mark; it is not sent on."""
    tree, notes = body.decode(b'\xef\xbb\xbf{"a":1}')
    assert body.write(tree) == b'{"a":1}'
    assert notes == (body.NOTE_BOM,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a":1} {}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\x00"}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":[1,]}',
        b'{"a":"\\ud800',
        '{"a":"ü"}'.encode("utf-16"),
        b"1" * 5000,
    ],
)
def test_what_is_not_json_in_utf8_is_refused_without_its_text(data):
    """A fault is the client's, and its message holds nothing of the body."""
    with pytest.raises(ClientFault, match=r"^The body is not valid JSON in UTF-8\.$") as caught:
        body.decode(data)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_nesting_of_256_levels_is_taken():
    """The limit itself is allowed."""
    tree, _ = body.decode(nested(256))
    assert gathered(tree).encode({}) == nested(256)


@pytest.mark.parametrize("levels", [257, 900, 100_000])
@pytest.mark.parametrize("opening", [b'{"a":', b"["])
def test_deeper_nesting_is_refused(levels, opening):
    """Past the limit the client is told, and neither the parser nor the walk runs out of stack."""
    closing = b"}" if opening.startswith(b"{") else b"]"
    data = b'{"x":' + opening * (levels - 2) + b"[]" + closing * (levels - 2) + b"}"
    before = sys.getrecursionlimit()
    with pytest.raises(ClientFault, match="nested deeper than 256"):
        gathered(body.decode(data)[0])
    assert sys.getrecursionlimit() == before


def test_every_string_and_every_name_becomes_a_segment():
    """Leaves, names, and strings in lists are all there, in the order of the body."""
    decoded = gathered({"k": ["one", {"two": "three"}, None, True, 4], "é": ""})
    assert texts(decoded) == ["k", "one", "two", "three", "é", ""]
    assert [segment.key for segment in decoded.document.segments] == ["", "k", "", "two", "", "é"]
    assert decoded.document.segments[3].path == ("k", 1, "two")


@pytest.mark.parametrize("number", ["123456789", "-4111111111111111", "4.111111111111111", "1e-12345678"])
def test_a_long_number_is_a_segment_and_stays_a_number(number):
    """A card number need not be a string; untouched it is sent as the number that it was."""
    tree, _ = body.decode(f'{{"k":{number}}}'.encode())
    decoded = gathered(tree)
    assert texts(decoded) == ["k", number]
    assert decoded.encode({}) == f'{{"k":{number}}}'.encode()
    assert decoded.encode({1: "x"}) == b'{"k":"x"}'
    assert decoded.encode({}) == f'{{"k":{number}}}'.encode()


@pytest.mark.parametrize("number", ["12345678", "0.5", "-1", "99999999"])
def test_a_short_number_is_none(number):
    """Limits and positions are not made segments."""
    assert texts(gathered(body.decode(f'{{"k":{number}}}'.encode())[0])) == ["k"]


def test_a_schema_s_maximum_is_no_segment():
    """2^53 - 1 stands in many schemas; under a known name of the format it stays out."""
    gather = Gatherer(body.SCHEMA_WORDS, frozenset())
    gather.members({"maximum": 9007199254740991, "odd": 9007199254740991}, (), VOICE)
    assert [segment.text for segment in gather.segments] == ["odd", "9007199254740991"]


def test_encoding_replaces_by_index_and_leaves_the_body_as_it_is():
    """A body can be encoded again, with other texts."""
    decoded = gathered({"a": "1", "b": ["2", {"c": "3"}]})
    assert decoded.encode({1: "X", 3: "Y"}) == b'{"a":"X","b":["Y",{"c":"3"}]}'
    assert decoded.encode({5: 'q"'}) == b'{"a":"1","b":["2",{"c":"q\\""}]}'
    assert decoded.encode({}) == b'{"a":"1","b":["2",{"c":"3"}]}'


def test_a_name_is_replaced_in_its_place():
    """A secret as a member's name goes, the order stays, and the value under it can change at the same time."""
    decoded = gathered({"x": {"before": "1", "secret": "2", "after": "3"}})
    at = texts(decoded).index("secret")
    assert decoded.encode({at: "QZ"}) == b'{"x":{"before":"1","QZ":"2","after":"3"}}'
    assert decoded.encode({at: "QZ", at + 1: "new"}) == b'{"x":{"before":"1","QZ":"new","after":"3"}}'
    assert decoded.encode({}) == b'{"x":{"before":"1","secret":"2","after":"3"}}'


def test_names_that_become_one_are_told_apart():
    """Two impounded names have one marker, and no member is lost; a name that stands there already keeps its own."""
    decoded = gathered({"s1": 1, "s2": 2, "M_2": 3, "s3": 4})
    assert decoded.encode({0: "M", 1: "M", 3: "M"}) == b'{"M":1,"M_3":2,"M_2":3,"M_4":4}'


def test_a_nested_holder_s_name_and_its_own_members_change_together():
    """A renamed member may hold renamed members."""
    decoded = gathered({"a": {"b": "c"}})
    assert decoded.encode({0: "A", 1: "B", 2: "C"}) == b'{"A":{"B":"C"}}'
    assert decoded.encode({}) == b'{"a":{"b":"c"}}'


def test_an_opaque_segment_is_never_replaced():
    """That would break what only its maker can check."""
    gather = Gatherer(frozenset(), frozenset())
    tree = {"signature": "sealed"}
    gather.text(tree, "signature", ("signature",), VOICE, opaque=True)
    decoded = gather.body(tree, Document(provider="p", operation="o", segments=()))
    with pytest.raises(ValueError, match="segment 0 is opaque"):
        decoded.encode({0: "x"})
    assert decoded.encode({}) == b'{"signature":"sealed"}'


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False)
)
TREES = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_size=4,
)


@given(TREES)
def test_any_tree_is_encoded_as_it_was(tree):
    """Without new texts the value stays the same, and each string of it is a segment."""
    data = json.dumps(tree).encode()
    decoded = gathered(body.decode(data)[0])
    assert json.loads(decoded.encode({})) == tree
    assert set(strings(tree)) <= set(texts(decoded))


@given(TREES)
def test_nothing_is_left_when_every_segment_is_replaced(tree):
    """Whatever string is sent was a segment: with all replaced, none of the old ones is left."""
    decoded = gathered(body.decode(json.dumps(tree).encode())[0])
    sent = json.loads(decoded.encode(dict.fromkeys(range(len(decoded.document.segments)), "\x07")))
    assert all(text.startswith("\x07") for text in strings(sent))


def strings(tree: object) -> list[str]:
    """Give every string of a tree, names too."""
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, list):
        return [text for item in tree for text in strings(item)]
    if isinstance(tree, dict):
        return [text for name, item in tree.items() for text in (name, *strings(item))]
    return []


@pytest.mark.parametrize("name", ["toolu_01AbC", "call_abc-1", "123e4567-e89b-12d3-a456-426614174000", "Ab12Cd34E"])
def test_identifiers_are_known_by_their_shape(name):
    """What a provider makes as an id is not searched."""
    assert body.is_id(name)


@pytest.mark.parametrize(
    "name", ["AKIA" + "Q" * 16, "gh" + "p_" + "a1" * 18, "toolu_" + "a" * 65, "anna@example.org", ""]
)
def test_what_may_hold_something_is_no_identifier(name):
    """Other shapes are searched like any text, so that nothing is smuggled as an id."""
    assert not body.is_id(name)


@pytest.mark.parametrize("name", ["claude-opus-4-6", "gpt-5.1-mini", "anthropic/claude-3.5-sonnet:beta", "m[1m]", "o3"])
def test_model_names_are_known_by_their_shape(name):
    """Short words with separators."""
    assert body.is_model(name)


@pytest.mark.parametrize("name", ["AKIA" + "Q" * 16, "gh" + "p_" + "a1" * 18, "a model", "", "x" * 17, "-a"])
def test_a_model_that_may_hold_something_is_searched(name):
    """A long run of letters and digits is no model's name."""
    assert not body.is_model(name)


def test_data_urls_of_files_are_opaque_and_those_of_texts_are_not():
    """Base64 of a text can be read, so it is looked at."""
    assert body.is_data_url("data:image/png;base64,aGVsbG8=")
    assert body.is_data_url("data:application/pdf;name=a.pdf;base64,aGVsbG8=")
    assert not body.is_data_url("data:text/plain;base64,aGVsbG8=")
    assert not body.is_data_url("data:image/png;base64,not base64")
    assert not body.is_data_url("data:image/svg,<svg/>")
    assert not body.is_data_url("https://example.org/a.png")


def test_the_name_of_a_conversation_does_not_hold_what_it_is_made_of():
    """It is a digest, and texts do not run into each other."""
    assert body.digest("a", "bc") != body.digest("ab", "c")
    assert body.digest("a", "bc") == body.digest("a", "bc")
    assert len(body.digest("text")) == 32


def test_a_raw_number_can_be_encoded():
    """The floats that are kept as text are of msgspec's own type."""
    assert msgspec.json.encode(body.parse(b"[1.10]")) == b"[1.10]"


@pytest.mark.parametrize(
    ("name", "path", "whole"),
    [
        ("anthropic", "/v1/messages", {"type": "message", "content": [{"type": "text", "text": "PLACE"}]}),
        ("openai", "/v1/chat/completions", {"choices": [{"index": 0, "message": {"content": "PLACE"}}]}),
    ],
)
def test_a_whole_answer_with_half_a_surrogate_pair_is_restored(name, path, whole):
    """A model may write one; it becomes U+FFFD, as in a stream, and is no reason to refuse the answer."""
    wire, route = registry.resolve("POST", path, {}, name)
    data = json.dumps(whole).encode().replace(b"PLACE", b"\\ud83d " + MAIL.text.encode())
    assert f"\ufffd {MAIL.value}".encode() in wire.encode_answer(route, data, homeward())
    untouched = json.dumps(whole).encode().replace(b"PLACE", b"\\ud83d alone")
    assert wire.encode_answer(route, untouched, homeward()) == untouched
