"""A conversation as a whole: what is known where, and that bytes of old turns stay."""

import re

import pytest

from poundlock.core import surrogates
from poundlock.core.conversation import KnownValues, Memo, Span, recognise
from poundlock.core.model import Document, Match, ScopeKey, Segment, Surrogate

KEY = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
OTHER = ScopeKey(scope="bob", mint=b"n" * 32, fingerprint=b"g" * 32)


class Detector:
    """Finds `pass=VALUE`, and counts how often it is asked."""

    def __init__(self):
        self.asked = []

    def detect(self, text, *, key="", path="", families=None):
        """Give the values behind `pass=`, and the whole of a text under the key `pass`."""
        self.asked.append(text)
        spans = [m.span(1) for m in re.finditer(r'pass=((?:[^\s",\\]|\\.)+)', text)]
        if key == "pass":
            spans.append((0, len(text)))
        return tuple(
            Match(
                rule_id="secret.test",
                family="secret",
                kind="secret.password",
                tier="internal",
                start=start,
                end=end,
                confidence=1.0,
                value=text[start:end],
            )
            for start, end in spans
        )


def document(*turns):
    """Give a document of turns; each is a list of texts or segments of that turn."""
    segments = [
        part if isinstance(part, Segment) else Segment(text=part, turn=number)
        for number, parts in enumerate(turns)
        for part in parts
    ]
    return Document(provider="test", operation="chat", segments=tuple(segments))


def found(doc, *, issued=(), memo=None, detector=None, key=KEY):
    """Give the outcome, and the found texts with their segments."""
    outcome = recognise(doc, detector or Detector(), key, {s.text: s for s in issued}, memo or Memo(1 << 20))
    return outcome, [(f.segment, doc.segments[f.segment].text[f.start : f.end]) for f in outcome.findings]


def test_a_value_is_matched_without_its_surroundings_from_its_turn_on():
    """Restored by the client, a value comes back bare; it is found all the same, in its turn and later."""
    doc = document(["pass=hunter2x and hunter2x alone"], ["I wrote hunter2x."], ["again: hunter2x"])
    _, spans = found(doc)
    assert spans == [(0, "hunter2x"), (0, "hunter2x"), (1, "hunter2x"), (2, "hunter2x")]


def test_a_value_that_gives_itself_away_later_is_found_in_old_turns_and_counted():
    """Known is known: it is not sent in clear again, and the record says that an old turn was tightened."""
    outcome, spans = found(document(["the word hunter2x"], ["hunter2x"], ["pass=hunter2x"]))
    assert spans == [(0, "hunter2x"), (1, "hunter2x"), (2, "hunter2x")]
    assert outcome.late == 2
    assert found(document(["the word hunter2x"], ["pass=hunter2x"], ["fine"]))[0].late == 0


def test_a_client_that_moves_files_behind_the_history_leaks_nothing():
    """The model's old answer holds a bare value, and the file that gives it away stands later in the request."""
    _, spans = found(
        document(["write it"], [Segment(text="key: hunter2x", role="assistant", turn=1)], ["pass=hunter2x"])
    )
    assert (1, "hunter2x") in spans


def test_all_segments_of_one_turn_are_told_together():
    """Within a turn the order does not matter: the tool result before the prompt is searched for its values too."""
    doc = document(["hunter2x came first", "pass=hunter2x"])
    outcome, spans = found(doc)
    assert spans == [(0, "hunter2x"), (1, "hunter2x")]
    assert outcome.late == 0


def test_each_longer_conversation_begins_with_the_same_findings():
    """Growing a conversation adds findings and changes none: prefixes are stable."""
    turns = [["pass=hunter2x"], ["ok hunter2x"], ["pass=other-9z hunter2x"], ["other-9z"], ["hunter2x other-9z"]]
    whole = found(document(*turns))[1]
    for length in range(1, len(turns)):
        part = found(document(*turns[:length]))[1]
        assert whole[: len(part)] == part


def test_a_restart_gives_the_same_and_so_does_a_shared_memo():
    """A memo changes cost, never the outcome."""
    doc = document(["pass=hunter2x"], ["hunter2x"], ["pass=other-9z hunter2x"])
    memo = Memo(1 << 20)
    first = found(doc, memo=memo)[0]
    again = found(doc, memo=memo)[0]
    assert first == again == found(doc)[0]


def test_cost_follows_the_new_text():
    """A string that was inspected is not inspected again; a longer conversation asks for its new strings only."""
    memo, detector = Memo(1 << 20), Detector()
    found(document(["pass=hunter2x"], ["fine"]), memo=memo, detector=detector)
    detector.asked.clear()
    found(document(["pass=hunter2x"], ["fine"], ["new text"]), memo=memo, detector=detector)
    assert detector.asked == ["new text"]


@pytest.mark.parametrize("change", ["scope", "snapshot", "role", "kind", "key"])
def test_the_same_text_elsewhere_is_inspected_anew(change):
    """Scope, snapshot, role, kind and key are part of what is remembered."""
    memo, detector = Memo(1 << 20), Detector()
    recognise(document([Segment(text="t")]), detector, KEY, {}, memo, b"1")
    segment = {
        "role": Segment(text="t", role="assistant"),
        "kind": Segment(text="t", kind="file"),
        "key": Segment(text="t", key="k"),
    }.get(change, Segment(text="t"))
    key = OTHER if change == "scope" else KEY
    recognise(document([segment]), detector, key, {}, memo, b"2" if change == "snapshot" else b"1")
    assert detector.asked == ["t", "t"]


def test_the_memo_is_bounded_by_bytes():
    """The oldest goes first, and the size never passes the limit."""
    memo = Memo(5_000)
    found(document([f"pass=value-{number:05}" for number in range(200)]), memo=memo)
    assert memo.size <= 5_000
    assert Memo(10).get(b"x") is None


def test_what_the_vault_remembers_is_matched_too():
    """A sub-agent gets a bare value that only the conversation's earlier exchanges knew."""
    known = surrogates.mint("secret.password", "hunter2x", KEY)
    outcome, spans = found(document(["use hunter2x"]), issued=[known])
    assert spans == [(0, "hunter2x")]
    assert outcome.surrogates[known.fingerprint] == known


def test_short_values_and_parts_of_words_are_not_matched():
    """A value of a few letters stands in too many words, and so does one inside a longer word."""
    assert found(document(["pass=abc", "abc abc"]))[1] == [(0, "abc")]
    assert found(document(["pass=hunter2", "hunter2x xhunter2 hunter2."]))[1] == [(0, "hunter2"), (1, "hunter2")]


def test_a_long_value_is_matched_inside_a_word():
    """Chance plays no part from sixteen characters on."""
    value = "k" * 3 + "Zq9-Zq9-Zq9-Zq9"
    assert found(document([f"pass={value}", f"x{value}y"]))[1] == [(0, value), (1, value)]


def test_one_value_has_one_surrogate_however_it_is_escaped():
    """Found in a JSON text, a value is unescaped by its levels, and is the same value as in prose."""
    plain = document(['pass=hun"ter2x'.replace('"', "'"), "x"])
    assert len(found(plain)[0].surrogates) == 1
    doc = document(['{"note": "pass=hun\\u0074er2x"}'], ["hunter2x"])
    outcome, spans = found(doc)
    assert [surrogate.value for surrogate in outcome.surrogates.values()] == ["hunter2x"]
    assert spans == [(0, "hun\\u0074er2x"), (1, "hunter2x")]


def test_surrogates_in_the_text_are_masked():
    """A stand-in that is ours is not found as a secret, and what stands beside it is."""
    ours = surrogates.mint("secret.password", "hunter2x", KEY)
    outcome, spans = found(document([f"pass={ours.text}", f"pass=left-{ours.text}-right"]), issued=[ours])
    assert spans == [(1, "left-"), (1, "-right")]
    assert outcome.present == {ours.text}


def test_a_look_alike_that_a_person_typed_means_itself():
    """The very surrogate of a later value, typed before: the value gets another one, the same in every turn."""
    expected = surrogates.mint("secret.password", "hunter2x", KEY)
    doc = document([f"what is {expected.text}?"], ["no idea"], ["pass=hunter2x"])
    outcome, _ = found(doc)
    (surrogate,) = outcome.surrogates.values()
    assert surrogate.text != expected.text
    assert surrogate.value == "hunter2x"
    later = found(document(*[[s.text] for s in doc.segments], ["fine"]), issued=[surrogate])[0]
    assert list(later.surrogates.values()) == [surrogate]


def test_a_surrogate_that_was_issued_before_is_ours_when_it_is_typed():
    """Asking about a stand-in that Poundlock gave does not change it."""
    doc = document(["pass=hunter2x"], ["ok"], ["what is QZ?"])
    (surrogate,) = found(doc)[0].surrogates.values()
    again = found(document(["pass=hunter2x"], ["ok"], [f"what is {surrogate.text}?"]))[0]
    assert list(again.surrogates.values()) == [surrogate]
    assert again.present == {surrogate.text}


def test_scopes_do_not_share_surrogates():
    """Another person's surrogate for the same value is another one."""
    doc = document(["pass=hunter2x"])
    mine, theirs = found(doc)[0], found(doc, key=OTHER)[0]
    assert {s.text for s in mine.surrogates.values()}.isdisjoint(s.text for s in theirs.surrogates.values())


def test_opaque_segments_are_never_looked_at():
    """Reasoning signatures and images are passed as the same string."""
    assert found(document([Segment(text="pass=hunter2x", opaque=True)]))[1] == []


def test_the_key_of_a_leaf_is_context():
    """A value that stands alone under its name in a JSON body is found."""
    assert found(document([Segment(text="bare-value-1", key="pass")]))[1] == [(0, "bare-value-1")]


def span(value):
    """Give a span for a value."""
    return Span(0, 0, "r", "secret", "secret.password", "internal", 1.0, value, surrogates.fingerprint(value, KEY))


def test_known_values_finds_what_a_plain_search_finds():
    """However many values there are, and in whichever automaton they sit."""
    known = KnownValues()
    values = [f"val-{number * 7919 % 10007:05}-x" for number in range(300)]
    for value in values:
        known.add(span(value))
    text = " ".join(values[::3])
    assert sorted(text[place.start : place.end] for place in known.find(text)) == sorted(values[::3])


def test_known_values_grow_like_a_binary_counter():
    """Adding one by one costs n log n: never more automata than digits."""
    known = KnownValues()
    for number in range(1000):
        known.add(span(f"value-{number:06}"))
    assert len([level for level in known._levels if level]) == (1000).bit_count()


def test_a_surrogate_holds_no_value_in_its_repr():
    """Nothing that might be logged shows a value."""
    surrogate = Surrogate(text="QZ_X", kind="k", scope="s", fingerprint="f", value="hunter2x")
    assert "hunter2x" not in repr(surrogate)
    assert "hunter2x" not in repr(found(document(["pass=hunter2x"]))[0])
