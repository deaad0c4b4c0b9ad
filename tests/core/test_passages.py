"""Passages that came before: the outcome is that of a first reading, and nothing of them is read again."""

import random

import pytest

from poundlock.core import conversation
from poundlock.core.conversation import Memo, recognise
from poundlock.core.model import Document, Passage, Segment
from poundlock.core.surrogates import mint
from tests.core.test_conversation import KEY, OTHER, Detector


class Kept:
    """Builds documents of passages, the same objects for the same texts in the same turn, as a wire format does."""

    def __init__(self):
        self.passages = {}

    def document(self, turns):
        """Give a document of turns; each is a tuple of passages, each a tuple of texts. An odd turn is the model's."""
        segments, passages = [Segment(text="the system prompt", role="system", origin="tool")], []
        for turn, parts in enumerate(turns):
            for texts in parts:
                origin = "typed" if turn % 2 == 0 else "tool"
                made = Passage(tuple(Segment(text=text, turn=turn, origin=origin) for text in texts))
                passages.append((len(segments), self.passages.setdefault((turn, texts), made)))
                segments += made.segments
        segments.append(Segment(text="the rest", role="system", origin="tool"))
        return Document(provider="test", operation="chat", segments=tuple(segments), passages=tuple(passages))


def anew(document, issued=(), key=KEY, salt=b""):
    """Give the outcome for the same segments without passages and without memory."""
    plain = Document(provider="test", operation="chat", segments=document.segments)
    return recognise(plain, Detector(), key, {each.text: each for each in issued}, Memo(0), salt)


WORDS = ("hunter2x", "other-9z", "a fine day", "pass=hunter2x", "pass=other-9z", "", "pass=third.one", "third.one and")


@pytest.mark.parametrize("seed", range(40))
def test_a_conversation_with_memory_is_told_as_without(seed):
    """Values that arrive early, late and twice, edits and cuts: findings, surrogates and lateness are the same."""
    rng = random.Random(seed)
    memo, kept, turns = Memo(1 << 20), Kept(), []
    remembered = [mint("secret.password", "a fine day", KEY)] if seed % 4 == 0 else []
    for _ in range(14):
        if turns and rng.random() < 0.15:
            turns = turns[: rng.randrange(len(turns))]
        if turns and rng.random() < 0.15:
            turns[rng.randrange(len(turns))] = ((rng.choice(WORDS),),)
        turns = [*turns, tuple(tuple(rng.choices(WORDS, k=rng.randint(0, 3))) for _ in range(rng.randint(1, 3)))]
        document = kept.document(turns)
        issued = remembered if rng.random() < 0.7 else []
        for _ in range(2):
            outcome = recognise(document, Detector(), KEY, {each.text: each for each in issued}, memo)
            assert outcome == anew(document, issued)


def test_a_passage_is_read_once():
    """Neither its detection nor the search for known values is done again in later turns."""
    memo, kept, detector = Memo(0), Kept(), Detector()
    turns = [(("pass=hunter2x", "a"),), (("b",), ("c",)), (("d",),)]
    recognise(kept.document(turns), detector, KEY, {}, memo)
    asked = len(detector.asked)
    recognise(kept.document([*turns, (("e",),)]), detector, KEY, {}, memo)
    assert detector.asked[asked:] == ["the system prompt", "e", "the rest"]


def test_old_passages_are_searched_for_new_values_only(monkeypatch):
    """A value that this turn gave away is looked for in all old passages, those known before are not."""
    memo, kept = Memo(0), Kept()
    turns = [(("pass=hunter2x",),), (("b other-9z",),), (("c",),)]
    recognise(kept.document(turns), Detector(), KEY, {}, memo)
    searched = []
    real = conversation.KnownValues.find
    monkeypatch.setattr(
        conversation.KnownValues,
        "find",
        lambda self, text: (searched.append((tuple(self._values), text)), real(self, text))[1],
    )
    document = kept.document([*turns, (("pass=other-9z",),)])
    outcome = recognise(document, Detector(), KEY, {}, memo)
    assert [each.segment for each in outcome.findings] == [1, 2, 4]
    assert outcome.late == 1
    old = [values for values, text in searched if text in {"pass=hunter2x", "c"}]
    assert old == [("other-9z",)] * 2


@pytest.mark.parametrize("change", ["scope", "snapshot"])
def test_another_scope_or_snapshot_reads_a_passage_anew(change):
    """What is remembered of a passage is bound to both."""
    kept, detector, memo = Kept(), Detector(), Memo(0)
    document = kept.document([(("pass=hunter2x",),)])
    recognise(document, detector, KEY, {}, memo, b"1")
    asked = len(detector.asked)
    key, salt = (OTHER, b"1") if change == "scope" else (KEY, b"2")
    outcome = recognise(document, detector, key, {}, memo, salt)
    assert "pass=hunter2x" in detector.asked[asked:]
    assert outcome == anew(document, key=key, salt=salt)


def test_what_is_remembered_of_a_passage_is_bounded():
    """Few scopes and snapshots are kept, and no passage that is full of findings."""
    kept = Kept()
    full = tuple(f"pass=value-{number:04}" for number in range(conversation.NOTED_SPANS + 1))
    document = kept.document([(("pass=hunter2x",), full)])
    for number in range(10):
        recognise(document, Detector(), KEY, {}, Memo(0), b"%d" % number)
    (_, small), (_, large) = document.passages
    assert 1 <= len(small.notes) <= conversation.NOTES
    assert large.notes == {}
