"""The file of signed heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from poundlock.adapters.heads import HeadFile, read_lines
from tests.adapters.logs import mode

if TYPE_CHECKING:
    from pathlib import Path


def test_append(tmp_path: Path) -> None:
    """Lines are added at the end of a file that only its owner can read, in a folder that is made."""
    path = tmp_path / "else" / "heads.jsonl"
    place = HeadFile(path)
    assert place.last() == b""
    place.append(b'{"a":1}\n')
    place.append(b'{"a":2}\n')
    assert path.read_bytes() == b'{"a":1}\n{"a":2}\n'
    assert place.last() == b'{"a":2}'
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700


def test_torn_line(tmp_path: Path) -> None:
    """A line that a crash tore is no head, and makes way for the next; whole lines stay."""
    path = tmp_path / "heads.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":')
    place = HeadFile(path)
    assert place.last() == b'{"a":1}'
    assert read_lines(path) == [b'{"a":1}']
    place.append(b'{"a":3}\n')
    assert place.last() == b'{"a":3}'
    assert read_lines(path) == [b'{"a":1}', b'{"a":3}']


def test_long_file(tmp_path: Path) -> None:
    """The last line is found without reading the whole file."""
    path = tmp_path / "heads.jsonl"
    path.write_bytes(b"x" * 100_000 + b'\n{"a":1}\n')
    assert HeadFile(path).last() == b'{"a":1}'


def test_place_that_fails(tmp_path: Path) -> None:
    """A place that can't be written is an error, not a silence."""
    place = HeadFile(tmp_path)
    with pytest.raises(OSError, match="directory"):
        place.append(b"{}\n")
