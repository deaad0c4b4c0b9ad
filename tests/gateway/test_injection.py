"""What is taken off an answer, at every chunking."""

from __future__ import annotations

import base64

import pytest

from poundlock.gateway.injection import MARK, Echo

SECRET = "k/e+y-9abab"


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET.encode(),
        b"k%2Fe%2By-9abab",
        base64.b64encode(SECRET.encode()).rstrip(b"="),
        base64.urlsafe_b64encode(SECRET.encode()).rstrip(b"="),
        f"Bearer {SECRET}".encode(),
    ],
)
def test_a_secret_comes_off_however_it_is_cut(spelt: bytes) -> None:
    """Whole, byte by byte, and cut in two at every place, the answer is the same."""
    text = b"abab " + spelt + b" k/e " + spelt + spelt + b" k/e+y-9aba"
    wanted = b"abab " + MARK + b" k/e " + MARK + MARK + b" k/e+y-9aba"
    cuts = [[text], [text[at : at + 1] for at in range(len(text))]]
    cuts += [[text[:at], text[at:]] for at in range(1, len(text))]
    for pieces in cuts:
        echo = Echo(SECRET, f"Bearer {SECRET}")
        assert b"".join(map(echo.feed, pieces)) + echo.flush() == wanted


def test_what_can_t_be_its_beginning_is_not_held_back() -> None:
    """A stream flows."""
    assert Echo(SECRET).feed(b"data: hello\n\n") == b"data: hello\n\n"
