"""Declarations of repositories: they join, they only tighten, and files are seen where calls open them."""

from __future__ import annotations

import pytest

from poundlock.core import declared, pipeline
from poundlock.core.declared import Declaration
from poundlock.core.model import Context, Document, ScopeKey, Segment, Snapshot
from tests.core.policy import shipped

ROWS = (
    Declaration(name="github.com/acme/*", tier="internal", paths=("finance/*",)),
    Declaration(name="github.com/acme/engine", tier="restricted", protected=True),
    Declaration(name="*", paths=("*.key",)),
)


def test_declarations_join():
    """The strictest tier counts, protection stays, and paths add up; outside of a repository `*` fits alone."""
    found = declared.of(ROWS, "github.com/acme/engine")
    assert (found.tier, found.protected, found.paths) == ("restricted", True, ("finance/*", "*.key"))
    found = declared.of(ROWS, "github.com/acme/site")
    assert (found.tier, found.protected) == ("internal", False)
    assert declared.of(ROWS, "").paths == ("*.key",)
    assert declared.of(ROWS[:2], "github.com/acmeish/engine") == declared.NOTHING


def opening(text: str, key: str = "file_path", kind: str = "tool_args") -> Document:
    """Give a conversation in which a call names something."""
    segment = Segment(text=text, key=key, kind=kind, role="assistant", turn=1, tool="Read")
    return Document(provider="anthropic", operation="messages", segments=(segment,))


@pytest.mark.parametrize(
    ("text", "key", "kind", "expected"),
    [
        ("/home/ada/site/finance/q3.md", "file_path", "tool_args", True),
        ("finance/q3.md", "path", "tool_args", True),
        ("cat 'finance/q3.md' | head", "command", "tool_args", True),
        ("C:\\work\\finance\\q3.md", "path", "tool_args", True),
        ("src/finances.py", "path", "tool_args", False),
        ("finance/q3.md", "content", "tool_args", False),
        ("finance/q3.md", "path", "tool_result", False),
    ],
)
def test_files_that_calls_open(text, key, kind, expected):
    """A path in a call counts, from below any folder; the same words elsewhere do not."""
    assert declared.touched(opening(text, key, kind), ("finance/*",)) is expected


class Nothing:
    """Finds nothing."""

    def detect(self, *_, **__):
        """Give nothing."""
        return ()


def inspected(document: Document, stated: Declaration | None) -> pipeline.Verdict:
    """Inspect a document of a repository of which this is declared."""
    key = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
    context = Context(principal=shipped.ME, destination=shipped.AGREED, declared=stated)
    snapshot = Snapshot(detector=Nothing(), policies=shipped.pack(), digest="d")
    return pipeline.inspect(document, context, snapshot, key, 1, id="x")


@pytest.mark.parametrize(
    ("stated", "rung", "tier", "labels", "reasons"),
    [
        (None, "send", "public", [], []),
        (declared.of(ROWS, "github.com/acme/x"), "send", "internal", [], ["the repository is declared internal"]),
        (
            declared.of(ROWS, "github.com/acme/engine"),
            "sendApproved",
            "restricted",
            ["protected", "restricted"],
            ["the repository is declared restricted"],
        ),
        (
            Declaration(name="*", paths=("src/*",)),
            "sendApproved",
            "restricted",
            ["restricted"],
            ["a file that is declared restricted was opened"],
        ),
    ],
)
def test_what_a_declaration_decides(stated, rung, tier, labels, reasons):
    """The tier with its reasons stands in the record, and policy acts on the labels."""
    body = inspected(opening("src/a.py"), stated).draft.body
    assert (body["decision"]["rung"], body["tier"], body["tier_reasons"]) == (rung, tier, reasons)
    assert body["labels"] == labels
