"""`redact`: nothing of a value comes through, however it was cut; everything else does, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from poundlock.adapters.rulefiles import load_detector
from poundlock.cli.main import main
from poundlock.cli.redact import HOLD, Redactor
from poundlock.core.detect.templates import expand

if TYPE_CHECKING:
    from pathlib import Path

    from poundlock.core.detect.engine import Detector

AWS, OTHER = expand("AKIA{A-Z2-7:16}", "r"), expand("AKIA{A-Z2-7:16}", "s")
BODY = [expand("{A-Za-z0-9+/:64}", str(n)) for n in range(4)]
KEY = "\n".join(["-----BEGIN PRIVATE KEY-----", *BODY, "-----END PRIVATE KEY-----"])
TEXT = f"one {AWS}\r\ntwo {OTHER} {AWS} é\nkey:\n{KEY}\nend without a line break"
SAFE = (
    "one [aws.access-key.1]\r\ntwo [aws.access-key.2] [aws.access-key.1] é\nkey:\n[private-key.pem.1]\n"
    "end without a line break"
)


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Load the shipped rules."""
    return load_detector()


@pytest.mark.parametrize("size", [1, 2, 7, 20, 64, 10_000])
def test_every_cut_gives_the_same(detector: Detector, size: int) -> None:
    """Whole, byte by byte, and in between: the same safe text, with the same placeholder for the same value."""
    redactor = Redactor(detector)
    out = "".join(redactor.feed(TEXT[at : at + size]) for at in range(0, len(TEXT), size)) + redactor.flush()
    assert out == SAFE
    assert redactor.replaced == 4


def test_a_line_comes_out_as_soon_as_it_is_whole(detector: Detector) -> None:
    """A log that is followed is not held back."""
    redactor = Redactor(detector)
    assert redactor.feed(f"key {AWS}\nne") == "key [aws.access-key.1]\n"


def test_files_and_bytes_that_are_no_text(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Bytes that are no UTF-8 pass as they are."""
    file = tmp_path / "log"
    file.write_bytes(b"\xff\xfe " + AWS.encode() + b" \x80\n")
    assert main(["redact", str(file)]) == 0
    assert capfdbinary.readouterr().out == b"\xff\xfe [aws.access-key.1] \x80\n"


def test_a_missing_file_is_exit_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is said by name."""
    assert main(["redact", str(tmp_path / "none")]) == 2
    assert "none can't be read" in capfd.readouterr().err


def test_a_key_over_many_lines_comes_out_as_one_mark(detector: Detector) -> None:
    """Line by line, as a log is followed: nothing of the block before its end, then its mark, then the next line."""
    lines = [expand("{A-Za-z0-9+/:64}", str(number)) for number in range(20)]
    fence = "-----{} RSA " + "PRIVATE KEY-----"
    redactor = Redactor(detector)
    out = [
        redactor.feed(f"{line}\n") for line in ("before", fence.format("BEGIN"), *lines, fence.format("END"), "after")
    ]
    assert out[0] == "before\n"
    assert out[1:-2] == [""] * 21
    assert out[-2:] == ["[private-key.pem.1]\n", "after\n"]
    open_end = Redactor(detector)
    cut = "".join(open_end.feed(f"{line}\n") for line in (fence.format("BEGIN"), *lines[:8])) + open_end.flush()
    assert lines[0] not in cut


def test_what_is_held_has_an_end(detector: Detector) -> None:
    """Neither a line nor a block that never ends fills the memory."""
    redactor = Redactor(detector)
    redactor.feed("-----BEGIN RSA " + "PRIVATE KEY-----\n")
    most = 0
    for _ in range(400):
        redactor.feed("word " * 200 + "\n")
        most = max(most, len(redactor._held))
    endless = Redactor(detector)
    for _ in range(400):
        endless.feed("word " * 200)
        most = max(most, len(endless._held))
    assert most < 5 * HOLD
