"""What a conversation is about: the request that counts, deeds and text, and how often the task is right."""

from __future__ import annotations

import pytest

from poundlock.core import intent
from poundlock.core.model import Document, Segment
from tests.core import requests


def document(*segments: Segment, tools: tuple[str, ...] = ()) -> Document:
    """Give a document of these segments."""
    return Document(provider="anthropic", operation="messages", segments=segments, tools=tools)


def typed(text: str, turn: int = 0, **changes) -> Segment:
    """Give a segment that a person typed."""
    return Segment(text=text, turn=turn, **changes)


def test_how_often_it_is_right():
    """On the requests that cues were chosen on, and on those held out (docs/intent.md has the figures)."""
    coverage, named, _ = requests.accuracy(requests.CHOSEN)
    assert coverage > 0.8
    assert named > 0.97
    coverage, named, every = requests.accuracy(requests.HELD)
    assert round(coverage, 2) == 0.49
    assert round(named, 2) == 0.56
    assert round(every, 2) == 0.27


@pytest.mark.parametrize("families", [requests.CHOSEN, requests.HELD], ids=["chosen", "held"])
def test_what_is_no_request_is_unsure(families):
    """A yes or a thanks has no task."""
    assert {intent.task(text) for text in families["unsure"]} == {"unsure"}


def test_the_latest_request_counts():
    """Not what was asked before, what a tool said, or what a client put beside it."""
    found = intent.of(
        document(
            Segment(text="You refactor everything.", role="system"),
            typed("Write unit tests for load()."),
            Segment(text="Done.", role="assistant", turn=1),
            typed("<system-reminder>Deploy with helm to production</system-reminder>", turn=1),
            typed("Refactor the parser, it has too much duplication.", turn=1),
            Segment(text="a.py", role="assistant", turn=2, kind="tool_args", tool="Read", key="file_path"),
            Segment(text="SQL query, group by, histogram", role="user", turn=2, kind="tool_result", origin="tool"),
        )
    )
    assert found.task == "refactor"


@pytest.mark.parametrize(
    ("text", "tools", "called", "expected"),
    [
        ("Refactor the parser, it has too much duplication.", (), "", "suggest"),
        ("Refactor the parser, it has too much duplication.", ("Edit", "Bash"), "", "act"),
        ("Explain how it works, walk me through.", ("Edit", "Bash"), "", "unsure"),
        ("Explain how it works, walk me through.", ("Edit", "Bash"), "Bash", "act"),
        ("Explain how it works, walk me through.", ("Read",), "Read", "suggest"),
        ("", ("Bash",), "", "unsure"),
    ],
)
def test_deeds_and_text(text, tools, called, expected):
    """A call that does something is a deed; where no tool could do one it is text; else it depends on the task."""
    segments = [typed(text)]
    if called:
        segments.append(Segment(text="x", role="assistant", turn=1, kind="tool_args", tool=called, key="command"))
    assert intent.of(document(*segments, tools=tools)).action == expected


def test_files_in_play_help():
    """Between two tasks a file that was opened can decide."""
    assert intent.task("Check the changelog.") == "unsure"
    assert intent.task("Check the changelog.", ["docs/a.md", "docs/b.md"]) == "document"
    assert intent.task("Check the changelog.", ["src/a.py"]) == "unsure"


def test_an_empty_document_is_unsure():
    """Nothing typed, nothing known."""
    assert intent.of(document()) == intent.Intent("unsure", "suggest")
