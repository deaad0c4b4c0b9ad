"""The evaluation set is what it was when it was frozen, and its labels are what they claim to be."""

import hashlib
import json
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from evaluation.marks import Page, strip  # noqa: E402

from evaluation import generate  # noqa: E402  # not part of the wheel, so found by path


@pytest.fixture(scope="module")
def splits():
    """Both splits, as bytes: the whole set takes a few seconds."""
    return {split: generate.ndjson(split) for split in generate.SPLITS}


@pytest.fixture(scope="module")
def documents(splits):
    """Every document of both splits."""
    return [json.loads(line) for data in splits.values() for line in data.decode().splitlines()]


@pytest.mark.parametrize("split", generate.SPLITS)
def test_digest(splits, split):
    """The same seed gives the bytes whose digest was committed before anything was measured."""
    assert hashlib.sha256(splits[split]).hexdigest() == generate.frozen()[split]


def test_offsets(documents):
    """Every label, alternate and neutral span lies within its text, is not empty; no mark or name is left."""
    for doc in documents:
        text = doc["text"]
        assert not any("\ue000" <= char <= "\uf8ff" for char in text), doc["id"]
        assert "«" not in text, doc["id"]
        spans = [(label["start"], label["end"]) for label in doc["labels"]]
        spans += [tuple(span) for label in doc["labels"] for span in label.get("alternates", [])]
        spans += [tuple(span) for span in doc.get("neutral", [])]
        for start, end in spans:
            assert 0 <= start < end <= len(text), doc["id"]
        assert doc["negative"] == (not doc["labels"]), doc["id"]


def test_labels_cover_every_copy_of_a_secret(documents):
    """A secret's value does not stand anywhere outside its labels and their alternates."""
    for doc in documents:
        if doc["set"] != "secret":
            continue
        spans = [(label["start"], label["end"]) for label in doc["labels"]]
        spans += [tuple(span) for label in doc["labels"] for span in label.get("alternates", [])]
        for label in doc["labels"]:
            value = doc["text"][label["start"] : label["end"]]
            at = doc["text"].find(value)
            while at >= 0:
                assert any(start <= at < end for start, end in spans), doc["id"]
                at = doc["text"].find(value, at + 1)


def test_negatives_and_prompts_hold_nothing(documents):
    """No document of the prompt set has a label."""
    assert all(not doc["labels"] for doc in documents if doc["set"] == "prompt")


def test_numbers(documents):
    """The set is as large and as varied as the issue asks."""
    surroundings = defaultdict(set)
    for doc in documents:
        for label in doc["labels"]:
            surroundings[label["kind"]].add(doc["note"])
    secrets = {kind: notes for kind, notes in surroundings.items() if kind.startswith("secret.")}
    assert sum(len(notes) >= 10 for notes in secrets.values()) >= 300
    positive = sum(doc["set"] == "secret" and not doc["negative"] for doc in documents)
    negative = sum(doc["set"] == "secret" and doc["negative"] for doc in documents)
    assert negative >= positive
    assert sum(doc["set"] == "pii" and not doc["negative"] for doc in documents) >= 2000
    assert sum(doc["set"] == "prompt" for doc in documents) >= 1000
    assert len({doc["note"] for doc in documents if doc["set"] == "secret" and not doc["negative"]}) >= 150
    base = (
        "email phone credit_card iban bic us_ssn national_id tax_id passport driver_license date_of_birth address "
        "person health_id insurance_id vehicle_plate vin location ip_address mac_address device_id"
    )
    assert {label["kind"] for doc in documents for label in doc["labels"] if label["family"] == "pii"} == set(
        base.split()
    )


def test_heldout_shows_other_surroundings(documents):
    """Held-out documents use surroundings, and kinds, that the development split never shows."""
    notes = {split: {doc["note"] for doc in documents if doc["split"] == split} for split in generate.SPLITS}
    kinds = {
        split: {label["kind"] for doc in documents if doc["split"] == split for label in doc["labels"]}
        for split in generate.SPLITS
    }
    assert len(notes["heldout"] - notes["dev"]) >= 100
    assert len(kinds["heldout"] - kinds["dev"]) >= 40


def test_marks_keep_offsets_in_code_points():
    """A label after characters beyond the basic plane counts code points, and a wider span is kept beside it."""
    page = Page(None)
    marked = "🔑 " + page.alternate("db://u:" + page.label("secret", "k", "pässword") + "@h") + " " + page.neutral("x")
    text, labels, neutral = strip(marked, page.slots)
    assert text == "🔑 db://u:pässword@h x"
    assert labels == [{"family": "secret", "kind": "k", "start": 9, "end": 17, "alternates": [[2, 19]]}]
    assert neutral == [[20, 21]]
