"""What was shared, from records that inspection made: what left, what did not, and files by hash or name."""

from __future__ import annotations

import msgspec
import pytest

from poundlock.core import pipeline
from poundlock.core.model import Context, Document, Record, ScopeKey, Segment, Snapshot
from poundlock.core.shared import Content, Report, Wanted, shared
from tests.core.policy import shipped
from tests.core.policy.test_replay import Detector

KEY = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
PATH = "src/app/secret_plan.py"


def record(id_: str, text: str, *, names: bool = False, at: int = 1, **changes) -> Record:
    """Inspect a request after a call that opened a file, and give its record."""
    document = Document(
        provider="anthropic",
        operation="messages",
        segments=(
            Segment(text=PATH, key="file_path", kind="tool_args", role="assistant", turn=1, tool="Read"),
            Segment(text=text, turn=1, path=("messages", 2)),
        ),
    )
    fields = {"principal": shipped.ME, "destination": shipped.AGREED, "repository": "r", **changes}
    snapshot = Snapshot(detector=Detector(), policies=shipped.pack(), digest="d")
    verdict = pipeline.inspect(document, Context(file_names=names, **fields), snapshot, KEY, at, id=id_)
    body = msgspec.json.decode(msgspec.json.encode(verdict.draft.body))
    return Record(seq=at, at=at, kind="exchange", id=id_, body=body, prev="", hash="")


def test_what_left_is_summed_up():
    """Exchanges, sizes, kinds with treatment and different values; what stayed inside or was stopped is apart."""
    inside = msgspec.structs.replace(shipped.AGREED, name="inside", local=True)
    unknown = msgspec.structs.replace(shipped.AGREED, name="unknown", vendor="unknown")
    told = shared(
        [
            record("a", "the MAIL", at=5),
            record("b", "again MAIL", at=9),
            record("c", "MAIL", destination=inside),
            record("d", "x", destination=unknown),
        ],
        Wanted(),
    )
    assert (told.stopped, told.inside) == (1, 1)
    (found,) = told.shared
    assert (found.destination, found.exchanges, found.first, found.last) == ("anthropic", 2, 5, 9)
    assert found.characters == len("the MAIL") + len("again MAIL") + 2 * len(PATH)
    assert found.content == (Content("pii.email", "disguise", "typed", "internal", 2, 1),)
    assert found.people == {"someone": 2}
    assert found.repositories == {"r": 2}
    assert found.reasons["pii.disguised"] == 2


def test_what_was_only_watched_left_as_it_was():
    """In monitor mode the record tells what was wanted; what was shared is the value itself."""
    (found,) = shared([record("a", "the MAIL", mode="monitor")], Wanted()).shared
    assert [each.treatment for each in found.content] == ["clear"]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(since=6), 1),
        (Wanted(person="joan"), 0),
        (Wanted(person="someone", destination="anthropic", repository="r"), 2),
        (Wanted(repository="other"), 0),
    ],
)
def test_only_what_is_asked_for(wanted, count):
    """By time, person, destination and repository."""
    told = shared([record("a", "x", at=5), record("b", "y", at=6)], wanted)
    assert sum(each.exchanges for each in told.shared) == count


def test_files_by_hash_or_name():
    """A record holds keyed hashes, equal for equal files; names only where the settings say so."""
    hashed = [record(id_, "x").body["files"] for id_ in "ab"]
    assert hashed[0] == hashed[1]
    assert PATH not in repr(hashed)
    assert len(hashed[0]) == 1
    assert record("c", "x", names=True).body["files"] == [PATH]
    (found,) = shared([record("a", "x"), record("b", "x")], Wanted()).shared
    assert found.files == {hashed[0][0]: 2}


def test_nothing_shared():
    """No records, nothing to tell."""
    assert shared([], Wanted()) == Report((), 0, 0)
