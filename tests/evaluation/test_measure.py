"""The scorer counts what its definitions say."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from evaluation.measure import is_found, locate, merge, score, touched_prompts  # noqa: E402  # not in the wheel
from evaluation.score import detect  # noqa: E402

FAKE = f"{sys.executable} {Path(__file__).parent / 'fake_detector.py'}"


def document(name, text, labels=(), *, family="secret", neutral=()):
    """Return a document in the set's shape."""
    return {
        "id": name,
        "set": family,
        "note": "n",
        "text": text,
        "labels": list(labels),
        "neutral": list(neutral),
        "negative": not labels,
    }


def label(start, end, family="secret", kind="secret.x", alternates=()):
    """Return a label in the set's shape."""
    return {"family": family, "kind": kind, "start": start, "end": end, "alternates": list(alternates)}


def finding(start, end, family="secret"):
    """Return a finding in the contract's shape."""
    return {"family": family, "kind": "k", "start": start, "end": end}


@pytest.mark.parametrize(
    ("span", "want"),
    [((10, 20), True), ((10, 15), True), ((10, 14), False), ((0, 15), True), ((20, 30), False), ((0, 60), True)],
)
def test_half_of_a_label_is_enough(span, want):
    """A finding finds a label from half of it on, however wide the finding is."""
    assert is_found(label(10, 20), [finding(*span)]) is want


def test_alternate_span_counts():
    """Half of a wider alternate finds the label although the label's own span is not touched."""
    assert is_found(label(10, 12, alternates=[[0, 10]]), [finding(0, 5)])


def test_other_family_does_not_find():
    """A finding of another family over a label does not find it, and is mislabelled rather than a false alarm."""
    docs = [document("a", "x" * 30, [label(10, 20)])]
    tally = score(docs, {"a": [finding(10, 20, "pii")]}, "secret")
    assert (tally.found.total(), tally.missed.total(), tally.alarms, tally.mislabelled) == (0, 1, 0, 1)


def test_false_alarms_merge_and_neutral_spans_do_not_count():
    """Two rules on one string are one false alarm; a finding that touches a neutral span is none."""
    docs = [document("a", "x" * 50, [label(0, 5)], neutral=[[40, 45]])]
    got = {"a": [finding(10, 20), finding(12, 25), finding(30, 32), finding(41, 44), finding(0, 5)]}
    tally = score(docs, got, "secret")
    assert (tally.alarms, tally.recall, tally.precision) == (2, 1.0, 1 / 3)


def test_document_rates():
    """Negatives and prompts are counted a document each."""
    docs = [document("n1", "xx"), document("n2", "xx"), document("p", "xx", family="prompt")]
    got = {"n1": [finding(0, 1), finding(1, 2)], "p": [finding(0, 1, "pii")]}
    tally = score(docs, got, "secret")
    assert (tally.negatives, tally.negatives_alarmed, tally.prompts, tally.prompts_alarmed) == (2, 1, 1, 0)
    assert touched_prompts(docs, got) == (1, 1)


def test_merge_keeps_neighbours_apart():
    """Spans that only touch are two."""
    assert merge([(5, 9), (0, 5), (8, 12)]) == [(0, 5), (5, 12)]


@pytest.mark.parametrize(
    ("value", "line", "want"),
    [("bb", 2, (6, 8)), ("aa", 2, (0, 2)), ("zz", 2, (6, 8)), ("", 3, (9, 10)), ("zz", 9, None)],
)
def test_locate(value, line, want):
    """A value is found at or after its line, else anywhere, else its line without margins stands for it."""
    assert locate("aa bb\nbb\nc", value, line) == want


def test_detector_contract():
    """A detector is driven by NDJSON alone, offsets in code points, and its findings are scored."""
    docs = [
        document("a", "pw: 🔑 hunter2", [label(6, 13)]),
        document("b", "nothing"),
        document("c", "hunter is a word here"),
    ]
    findings, seconds = detect(FAKE, docs)
    tally = score(docs, findings, "secret")
    assert (tally.found.total(), tally.missed.total(), tally.alarms, tally.negatives_alarmed) == (1, 0, 1, 1)
    assert seconds > 0


def test_detector_that_faults_is_an_error():
    """A detector that ends with a fault, or leaves documents out, gives no figures."""
    with pytest.raises(RuntimeError, match="ended with 2"):
        detect(f"{sys.executable} -c 'raise SystemExit(2)'", [document("a", "x")])
    with pytest.raises(RuntimeError, match="left documents out"):
        detect(f"{sys.executable} -c pass", [document("a", "x")])
