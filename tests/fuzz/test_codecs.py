"""Every codec meets bytes that nobody meant: it refuses them in our own words, and the same wherever they are cut."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poundlock.wire.body import words
from tests.fuzz import codecs
from tests.wire.home import HARD, MAIL

_WORDS = words(
    """
    type text content messages role input delta item output response parts candidates contents choices message
    tool_calls function arguments name index content_block tools system prompt requests params
    """
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([MAIL.text, HARD.text]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted(_WORDS)) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
_HEAD = st.binary(min_size=3, max_size=3)


@given(_HEAD, _JSON, st.sampled_from([b"", b"data: ", b"event: x\ndata: "]))
@settings(max_examples=400)
def test_json_of_no_kind(head: bytes, tree: object, before: bytes) -> None:
    """JSON with the words of the formats in places where they don't belong."""
    data = json.dumps(tree).encode()
    codecs.one(head + (before + data + b"\n\n" if head[1] % 3 == 2 else data))


@given(_HEAD, st.binary(max_size=120))
@settings(max_examples=400)
def test_noise(head: bytes, noise: bytes) -> None:
    """Bytes of no kind at all."""
    codecs.one(head + noise)


def test_a_planted_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The case fails when a codec raises what is none of ours, so that a clean run says something."""

    def broken(*_arguments: object) -> bytes:
        raise KeyError("planted")

    wire, route = codecs.PAIRS[0]
    monkeypatch.setattr(type(wire), "encode_answer", broken)
    assert route.treatment == "inspect"
    with pytest.raises(KeyError):
        codecs.one(b"\x00\x01\x00{}")


@pytest.mark.long
def test_atheris_finds_nothing() -> None:
    """A minute of atheris, which follows the branches that its bytes reach."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: it has no wheel for this Python or machine")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "60"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "no interesting inputs" not in done.stderr
