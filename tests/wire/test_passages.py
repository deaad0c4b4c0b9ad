"""Messages that came before are not read again, and nothing else is different: segments, bytes and names."""

import json

import pytest

from poundlock.core.conversation import Note
from poundlock.core.errors import ClientFault
from poundlock.wire import passages, registry
from poundlock.wire.body import NOTE_SURROGATE
from poundlock.wire.passages import Passages

WORDS = "the tool read a file and said what it had found in it " * 40
ROUTES = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}


def anthropic(turns):
    """Give the messages of a conversation in which each turn calls a tool."""
    messages = [{"role": "user", "content": "repair it"}]
    for turn in range(turns):
        call = {"type": "tool_use", "id": f"toolu_{turn}x", "name": f"Read{turn}", "input": {"file_path": f"/a/{turn}"}}
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": f"{turn} {WORDS}"}
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    return messages


def openai(turns):
    """Give the messages of a conversation in which each turn calls a tool."""
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    for turn in range(turns):
        call = {
            "id": f"call_{turn}x",
            "type": "function",
            "function": {"name": f"read{turn}", "arguments": '{"a":1.50}'},
        }
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": f"{turn} {WORDS}"},
        ]
    return messages


MESSAGES = {"anthropic": anthropic, "openai": openai}


def bodies(provider, turns):
    """Give the body of each turn's request, as the tree that it is."""
    step = 2
    whole = MESSAGES[provider](turns)
    first = len(whole) - step * turns
    for end in range(first, len(whole) + 1, step):
        yield {"model": "m", "max_tokens": 9, "temperature": 0.70, "messages": whole[:end], "stream": True}


def read(provider, body, shelf=None, headers=None):
    """Decode a body, given as a tree or as its bytes."""
    wire, route = registry.resolve("POST", ROUTES[provider], {}, provider)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return wire.decode_request(route, data, headers or {}, shelf)


def same(one, other):
    """Tell whether two bodies hold the same segments, mean the same and are written alike, also when texts change."""
    left, right = one.document, other.document
    assert left.segments == right.segments
    assert left.conversation == right.conversation
    assert (left.tools, left.model, left.notes, left.stream) == (right.tools, right.model, right.notes, right.stream)
    texts = {i: f"new {i}" for i, each in enumerate(left.segments) if not each.opaque and i % 3 == 0}
    for new in ({}, texts, dict(list(texts.items())[-1:]), {}):
        assert one.encode(new) == other.encode(new)
    return True


@pytest.mark.parametrize("provider", ROUTES)
def test_a_growing_conversation_reads_as_if_it_were_read_anew(provider):
    """Each turn has the segments, name and bytes that it has without memory; what came before is the same object."""
    shelf = Passages(1 << 24).shelf("ada")
    before = ()
    for body in bodies(provider, 6):
        again = read(provider, body, shelf)
        assert same(again, read(provider, body))
        now = [passage for _, passage in again.document.passages]
        if len(before) > 1:
            assert [id(each) for each in now[: len(before)]] == [id(each) for each in before]
        before = now
    assert len(before) == len(MESSAGES[provider](6))


@pytest.mark.parametrize("provider", ROUTES)
def test_a_long_conversation_is_joined_to_few_pieces_and_stays_the_same(provider):
    """What came again for a while is one piece of many messages; segments, bytes and replaced texts are as ever."""
    shelf = Passages(1 << 26).shelf("ada")
    for body in bodies(provider, 90):
        again = read(provider, body, shelf)
        for _, passage in again.document.passages:
            passage.notes[b"a snapshot"] = Note((), b"", ())  # inspection found nothing in it
    assert len(body["messages"]) >= 181
    assert len(again.document.passages) < passages.UNSETTLED + 10
    assert same(again, read(provider, body))
    # In the middle of a joined piece: what stands before that piece is still known, and the rest is read anew.
    body["messages"][40]["content"] = "edited"
    assert same(read(provider, body, shelf), read(provider, body))
    body["messages"][100:120] = []
    assert same(read(provider, body, shelf), read(provider, body))
    assert same(read(provider, body, shelf), read(provider, body))


def test_a_piece_that_is_not_remembered_as_a_whole_grows_no_more():
    """Its strings are read one by one at each turn: as few of them as may be."""
    shelf = Passages(1 << 26).shelf("ada")
    for body in bodies("anthropic", 90):
        again = read("anthropic", body, shelf)
    sizes = {len(passage.segments) for _, passage in again.document.passages}
    few = {len(passage.segments) for _, passage in again.document.passages[: passages.UNSETTLED // 8]}
    assert max(sizes) == max(few)
    assert len(again.document.passages) >= passages.UNSETTLED + 10
    assert same(again, read("anthropic", body))


@pytest.mark.parametrize("limit", [30_000, 100_000, 400_000])
def test_a_memory_that_is_too_small_changes_nothing_else(limit):
    """What was let go is read anew, in whatever place it stood."""
    store = Passages(limit)
    for number, body in enumerate(bodies("anthropic", 70)):
        again = read("anthropic", body, store.shelf("ada"))
        assert store.size <= limit
        if number % 10 == 9:
            assert same(again, read("anthropic", body))


def test_a_second_list_of_the_same_name_is_the_one_that_counts():
    """Also where the first begins like the list before: the last of equal names wins, as in any body."""
    shelf = Passages(1 << 24).shelf("ada")
    body = list(bodies("anthropic", 8))[-1]
    for _ in range(3):
        read("anthropic", body, shelf)
    data = json.dumps(body).encode()
    for other in (b"[]", b'[{"role":"user","content":"other"}]', b'"text"', b"[" + passages._MARK + b"]"):
        twice = data[:-1] + b',"messages":' + other + b"}"
        assert same(read("anthropic", twice, shelf), read("anthropic", twice))


@pytest.mark.parametrize(
    "rest", [b"", b"]", b",]}", b" ]}", b"x]}", b', {"role": "user"}]}', b"]}", b']}, "a"', b'] , "a":1}']
)
def test_a_known_beginning_does_not_save_what_is_no_json(rest):
    """What follows the known messages is judged as if all were read: refused or read, as without memory."""
    shelf = Passages(1 << 24).shelf("ada")
    body = list(bodies("anthropic", 8))[-1]
    known = json.dumps({"model": "m", "messages": body["messages"]}).encode()
    for _ in range(3):
        read("anthropic", known, shelf)
    data = known[: known.rindex(b"]")] + rest
    try:
        expected = read("anthropic", data)
    except ClientFault:
        with pytest.raises(ClientFault, match="not valid JSON"):
            read("anthropic", data, shelf)
    else:
        assert same(read("anthropic", data, shelf), expected)


def test_numbers_that_begin_alike_are_two_items():
    """`1` is known; `12` begins with its bytes and is another item, at the end and before another one."""
    shelf = Passages(1 << 24).shelf("ada")
    pad = b'{"role":"user","content":"%s"}' % (b"a" * 9000)
    for last in (b"1", b"1", b"1", b"12", b"12,1", b"1,12", b"1,1", b"1.5", b"1e2"):
        data = b'{"messages":[' + pad + b"," + last + b"]}"
        assert read("openai", data, shelf).encode({}) == read("openai", data).encode({}) == data


def edits(messages):
    """Give the ways in which clients change what they sent before."""
    yield "edited", [*messages[:3], {**messages[3], "role": "user", "content": "something else"}, *messages[4:]]
    yield "compacted", [messages[0], {"role": "user", "content": "a summary"}, *messages[-2:]]
    yield "reordered", [messages[0], *messages[3:5], *messages[1:3], *messages[5:]]
    yield "cut", messages[:5]
    yield "empty", []
    marked = {**messages[4], "cache_control": {"type": "ephemeral"}}
    yield "marked", [*messages[:4], marked, *messages[5:]]
    yield (
        "a name that is text",
        [*messages, {"role": "user", "content": "x", "my own name": ["y", {"Bob Smith": 7.10}]}],
    )
    yield "no object", [*messages, "a bare text", 7, None, ["x"]]
    yield "number", [*messages, {"role": "user", "content": 4111111111111111, "big": 10**30, "f": 1e400}]


@pytest.mark.parametrize("provider", ROUTES)
@pytest.mark.parametrize("edit", [name for name, _ in edits(anthropic(4))])
def test_what_a_client_changes_is_read_anew(provider, edit):
    """Edited, reordered, compacted, cut or marked: the outcome is that of a body never seen before."""
    shelf = Passages(1 << 24).shelf("ada")
    for body in bodies(provider, 4):
        read(provider, body, shelf)
    changed = json.dumps({**body, "messages": dict(edits(body["messages"]))[edit]}).replace(
        '"f": Infinity', '"f": 1e400'
    )
    for _ in range(2):
        assert same(read(provider, changed.encode(), shelf), read(provider, changed.encode()))


def test_a_tool_that_was_renamed_names_its_result_anew():
    """A result's segments say which tool gave it: the call before it is part of what they depend on."""
    shelf = Passages(1 << 24).shelf("ada")
    for body in bodies("anthropic", 3):
        read("anthropic", body, shelf)
    body["messages"][1]["content"][0]["name"] = "Bash"
    again = read("anthropic", body, shelf)
    assert same(again, read("anthropic", body))
    assert [each.tool for each in again.document.segments if each.kind == "tool_result"] == ["Bash", "Read1", "Read2"]


@pytest.mark.parametrize("provider", ROUTES)
def test_two_scopes_share_nothing(provider):
    """What one person sent is read anew for another one: neither objects nor time tell of it."""
    store = Passages(1 << 24)
    for body in bodies(provider, 2):
        read(provider, body, store.shelf("ada"))
    mine = [passage for _, passage in read(provider, body, store.shelf("ada")).document.passages]
    other = read(provider, body, store.shelf("bob")).document
    assert other.passages == ()
    theirs = [passage for _, passage in read(provider, body, store.shelf("bob")).document.passages]
    assert not {id(each) for each in mine} & {id(each) for each in theirs}


def test_true_and_one_are_two_messages():
    """Bytes are compared, not values: Python would take `true` for `1`, and `1.0` for it, too."""
    shelf = Passages(1 << 24).shelf("ada")
    for written in (b"true", b"1", b"1.0", b"true", b"1"):
        data = b'{"messages":[{"role":"user","content":"%s","x":%s}]}' % (b"a" * 9000, written)
        assert b'"x":%s}' % written in read("openai", data, shelf).encode({})


@pytest.mark.parametrize(
    ("data", "same_as"),
    [
        (b'{"messages":[1],"model":"m","messages":[{"role":"user","content":"PAD"}]}', b'{"messages":[{"role":"user",'),
        (b'{"messages": [ {"role" : "user","role":"assistant","content":"PAD"} ] }', b'{"messages":[{"role":"assis'),
        (b'{"messages":"PAD"}', b'{"messages":"aaa'),
        (b'{"messages":{"a":"PAD"}}', b'{"messages":{"a":"aaa'),
        (b'{"model":"PAD"}', b'{"model":"aaa'),
    ],
)
def test_odd_bodies_read_as_ever(data, same_as):
    """Equal names, blanks, and a `messages` that is no list: as without memory."""
    shelf = Passages(1 << 24).shelf("ada")
    data = data.replace(b"PAD", b"a" * 9000)
    for _ in range(3):
        body = read("openai", data, shelf)
        assert same(body, read("openai", data))
        assert body.encode({}).startswith(same_as)


def test_half_a_surrogate_pair_is_put_right_and_told():
    """What must be mended is read as a whole, each time."""
    shelf = Passages(1 << 24).shelf("ada")
    data = b'{"messages":[{"role":"user","content":"%s"},{"role":"user","content":"\\ud800"}]}' % (b"a" * 9000)
    for _ in range(3):
        assert read("openai", data, shelf).document.notes == (NOTE_SURROGATE,)


@pytest.mark.parametrize(
    "data", [b'{"messages":[{"a":"PAD"},{]}', b'{"messages":[{"a":"PAD\xff"}]}', b'["PAD"]', b'{"PAD']
)
def test_what_is_no_json_is_refused_as_ever(data):
    """Also in the second body that begins alike, of which only parts would be read."""
    shelf = Passages(1 << 24).shelf("ada")
    for _ in range(3):
        with pytest.raises(Exception, match=r"not valid JSON|not a JSON object"):
            read("anthropic", data.replace(b"PAD", b"a" * 9000), shelf)


def test_memory_is_bounded_and_the_oldest_goes_first():
    """The size never passes the limit, and what is larger than a quarter of it is not kept."""
    store = Passages(200_000)
    for body in bodies("anthropic", 40):
        read("anthropic", body, store.shelf("ada"))
        assert store.size <= 200_000
    huge = {"messages": [{"role": "user", "content": "b" * 100_000}]}
    before = store.size
    for _ in range(3):
        read("openai", huge, store.shelf("ada"))
    assert store.size == before
