"""What `scan` reads: documents with places inside them, long texts in pieces, suppressions, what others left out."""

from __future__ import annotations

import contextlib
import copy
import gzip
import hashlib
import json
import time
from typing import TYPE_CHECKING

import pytest

from poundlock.adapters import documents
from poundlock.adapters.rulefiles import load_detector
from poundlock.cli import allowances, contents, location, seen, suppressions
from poundlock.cli.main import main
from poundlock.cli.seen import Seen
from poundlock.core.detect.templates import expand
from tests.adapters.test_documents import parts, pdf, zipped
from tests.adapters.test_git import commit, repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["repository"]

AWS, OTHER = expand("AKIA{A-Z2-7:16}", "r"), expand("AKIA{A-Z2-7:16}", "s")
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "POUNDLOCK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def rows(capfd: pytest.CaptureFixture[str], *words: str, code: int = 1) -> list[tuple[str, int, int]]:
    """Scan; give path, line and column of each finding, and check that no value is told."""
    assert main(["scan", "--format", "json", *words]) == code
    out, err = capfd.readouterr()
    assert AWS not in out + err
    return [(item["path"], item["line"], item["column"]) for item in json.loads(out)["findings"]]


def test_documents_are_read_with_places_inside(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An archive's member, a notebook's cell, a page, a paragraph; `--plain` leaves them alone."""
    (folder / "a.zip").write_bytes(zipped(x__y=f"one\n two {AWS}\n"))
    cell = {"cells": [{"source": "1"}, {"source": ["x\n", f"k = '{AWS}'"]}]}
    (folder / "b.ipynb").write_text(json.dumps(cell))
    (folder / "c.pdf").write_bytes(pdf(f"key {AWS}"))
    word = f'<w:document xmlns:w="{WORD}"><w:p><w:t>a</w:t></w:p><w:p><w:t>{AWS}</w:t></w:p></w:document>'
    (folder / "d.docx").write_bytes(parts(**{"word/document.xml": word}))
    assert rows(capfd) == [
        ("a.zip!/x/y", 2, 6),
        ("b.ipynb#cell 2", 2, 6),
        ("c.pdf#page 1", 1, 5),
        ("d.docx!/word/document.xml", 2, 1),
    ]
    assert [path for path, _, _ in rows(capfd, "--plain")] == ["b.ipynb", "c.pdf"]


def test_what_can_not_be_unpacked_is_never_clean(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit 2 with the place and the reason, and the rest is told."""
    (folder / "a.gz").write_bytes(gzip.compress(b"a" * 30_000_000))
    (folder / "b.zip").write_bytes(zipped(x=AWS)[:-9])
    (folder / "c").write_text(AWS)
    assert main(["scan"]) == 2
    out, err = capfd.readouterr()
    assert out.startswith("c:1:1: secret.aws.access-key")
    assert "a.gz can't be read: it unpacks to far more than it is" in err
    assert "b.zip can't be read: it is damaged" in err


@pytest.mark.parametrize("size", [1, 19, 20_000, 40_000, 60_001])
def test_pieces_make_no_difference(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values on every border, columns of a line that began a piece ago: as if read whole."""
    text = "".join(f"{'lead ' * (number * 7 % 90)}{AWS if number % 3 else 'x'}\n" for number in range(900))
    detector = load_detector()
    secret = frozenset({"secret"})
    whole = list(location.locate(detector, "x", text, secret))
    assert len(whole) == 600
    pieces = [text[at : at + size] for at in range(0, len(text), size)] if size > 1 else [text[:50_000], text[50_000:]]
    if size == 19:
        pieces = [text[at : at + 30_011] for at in range(0, len(text), 30_011)]
    assert list(location.locate_pieces(detector, "x", pieces, secret, suppressions.USUAL)) == whole


def test_a_long_line_keeps_its_columns() -> None:
    """A line of many pieces counts its characters from its own beginning."""
    text = "word " * 30_000 + AWS + " " + "word " * 30_000
    pieces = [text[at : at + 40_000] for at in range(0, len(text), 40_000)]
    (one,) = location.locate_pieces(load_detector(), "x", pieces, frozenset({"secret"}), suppressions.USUAL)
    assert (one.line, one.column, one.end_column, one.match.start) == (1, 150_001, 150_021, 150_000)


def test_a_large_file_is_read_in_pieces(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Beyond the size that is read whole, with letters of several bytes on the borders."""
    line = "é line of text that is none\n"
    count = (contents.WHOLE + 3_000_000) // len(line.encode())
    (folder / "a").write_text(line * count + f"key {AWS}\n" + line)
    (folder / "b").write_text(line * count + f"key {AWS}\n", encoding="utf-16")
    assert rows(capfd) == [("a", count + 1, 5), ("b", count + 1, 5)]


@pytest.mark.parametrize(
    ("comment", "note"),
    [
        ('# poundlock:allow reason="a test" until=2999-01-01', None),
        ("# poundlock:allow kind=secret.aws", None),
        ("# poundlock:allow until=2020-02-30", "its suppression ended on 2020-02-30"),
        ("# poundlock:allow until=tomorrow", "its suppression ends on a day that is none (YYYY-MM-DD)"),
        ("# poundlock:allow kind=secret.github", ""),
        ("# gitleaks:allow until=2020-01-01", None),
    ],
)
def test_reasons_and_ends(comment: str, note: str | None, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Ours may end or speak of one kind; one that has ended is told with the finding."""
    (folder / "a").write_text(f"{AWS}  {comment}\n")
    code = main(["scan", "--format", "json"])
    found = json.loads(capfd.readouterr().out)["findings"]
    assert [item.get("note", "") for item in found] == ([] if note is None else [note])
    assert code == int(note is not None)


def test_a_reason_may_be_required(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Then a bare suppression counts for nothing, and the text says why."""
    (folder / "a").write_text(f"{AWS}  # poundlock:allow\n{OTHER}  # poundlock:allow reason='made up'\n")
    assert main(["scan", "--require-reason"]) == 1
    assert capfd.readouterr().out.splitlines()[0] == (
        "a:1:1: secret.aws.access-key (95 %); its suppression gives no reason"
    )


GITLEAKS = """
[allowlist]
paths = ["^vendor/", "(?i)\\\\.LOCK$"]
stopwords = ["{stop}"]
[[allowlists]]
condition = "AND"
paths = ["^src/"]
regexes = ["^{prefix}"]
[[allowlists]]
regexTarget = "line"
regexes = ["a fixture", "(?=unusable)x"]
[[allowlists]]
targetRules = ["x"]
paths = [".*"]
[[rules]]
id = "own"
"""


def test_allow_lists_of_gitleaks(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Paths, values, lines, stop words, AND; what is not honoured is told; `--no-suppress` reads none."""
    (folder / ".gitleaks.toml").write_text(GITLEAKS.format(stop=OTHER[5:15].lower(), prefix=AWS[:8]))
    (folder / "vendor").mkdir()
    (folder / "src").mkdir()
    (folder / "vendor/a").write_text(AWS)
    (folder / "x.lock").write_text(AWS)
    (folder / "stop").write_text(OTHER)
    (folder / "src/a").write_text(AWS)
    (folder / "line").write_text(f"{AWS} in a fixture\n{AWS} in earnest\n")
    assert main(["scan", "--format", "json"]) == 1
    out, err = capfd.readouterr()
    assert [(item["path"], item["line"]) for item in json.loads(out)["findings"]] == [("line", 2)]
    assert "has 1 rules of its own" in err
    assert "single rules is not honoured" in err
    assert "a pattern in regexes of .gitleaks.toml can't be used: '(?=unusable)x'" in err
    assert len(rows(capfd, "--no-suppress")) == 6
    (folder / "other.toml").write_text("[allowlist]\npaths = ['.']\n")
    assert rows(capfd, "--gitleaks-config", "other.toml", code=0) == []


def test_a_baseline_of_detect_secrets(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Known by path and the value's SHA-1, wherever its line went."""
    (folder / "a").write_text(f"moved\n{AWS}\n{OTHER}\n")
    name = hashlib.sha1(AWS.encode(), usedforsecurity=False).hexdigest()
    results = {"a": [{"type": "AWS Access Key", "hashed_secret": name, "line_number": 1}]}
    (folder / "base").write_text(json.dumps({"version": "1.5.0", "plugins_used": [], "results": results}))
    assert rows(capfd, "--baseline", "base", "a") == [("a", 3, 1)]


def test_history_is_read_once(
    repository: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A second scan reads only what was not clean; another way to read, or `--no-cache`, reads all again."""
    monkeypatch.setattr(seen, "folder", lambda: str(tmp_path / "cache"))
    monkeypatch.chdir(repository)
    for number in range(3):
        commit(repository, {f"f{number}": f"clean {number}\n"})
    commit(repository, {"dirty": f"{AWS}\n", "quiet": f"{AWS}  # poundlock:allow\n"})
    read: list[str] = []
    real = contents.Job.content
    monkeypatch.setattr(contents.Job, "content", lambda job, oid: read.append(oid) or real(job, oid))
    for words, count in (((), 5), ((), 2), (("--no-cache",), 5), (("--plain",), 5), ((), 2)):
        read.clear()
        assert [path for path, _, _ in rows(capfd, "--all", *words)] == ["dirty"]
        assert len(read) == count


def test_a_list_of_clean_blobs_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Half an id counts for nothing, and a missing list is empty."""
    oid = "ab" * 20
    (tmp_path / "seen").write_bytes(bytes.fromhex(oid).ljust(32, b"\0") + b"half")
    items = [contents.Item("a", oid), contents.Item("b", "cd" * 20)]
    assert [item.path for item in Seen(str(tmp_path / "seen")).new(items)] == ["b"]
    assert len(list(Seen(str(tmp_path / "none")).new(items))) == 2


def test_allowances_survive_a_process_border() -> None:
    """What is compiled is not sent; it is compiled again."""
    given = allowances.Allowances((allowances.AllowList(paths=("^a$",)),))
    (one,) = location.locate(load_detector(), "a", f"x {AWS}", frozenset({"secret"}))
    assert given.allowed(one)
    again = copy.copy(given)
    assert again._compiled == {}
    assert again.allowed(one)


@pytest.mark.parametrize("inside", [True, False])
def test_a_file_that_takes_too_long_is_left(
    inside: bool, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whether its reader spins, though it catches every exception, or the search of what it gave; the next is read."""
    began = time.monotonic()

    def spin(*_: object) -> Iterator[documents.Leaf]:
        yield documents.Leaf("#one", text="x")
        while inside and time.monotonic() < began + 20:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    def search(*_: object) -> Iterator[location.Located]:
        while not inside and time.monotonic() < began + 20:
            time.sleep(0.01)
        yield from ()

    monkeypatch.setattr(contents, "PATIENCE", 0.2)
    monkeypatch.setattr(documents, "leaves", spin)
    with monkeypatch.context() as patched:
        patched.setattr(location, "locate", search)
        (folder / "a.zip").write_bytes(zipped(x="1"))
        assert main(["scan", "a.zip"]) == 2
    assert time.monotonic() < began + 15
    assert "a.zip can't be read: it takes longer than 0.2 seconds" in capfd.readouterr().err
    (folder / "b").write_text(AWS)
    assert rows(capfd, "b") == [("b", 1, 1)]
