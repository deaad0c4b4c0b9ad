"""`scan --format …`, baselines, `.gitleaksignore` and several processes: the forms, and never a value in any."""

from __future__ import annotations

import io
import json
import os
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from poundlock.cli import baseline, contents, pool, progress
from poundlock.cli.detector import Sources
from poundlock.cli.main import main
from poundlock.cli.reports import junit, lines
from poundlock.cli.scan import FORMATS
from poundlock.core.detect.templates import expand

if TYPE_CHECKING:
    from pathlib import Path

AWS, OTHER = expand("AKIA{A-Z2-7:16}", "r"), expand("AKIA{A-Z2-7:16}", "s")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the working folder: two findings, one in a file whose name needs escaping."""
    (tmp_path / "a.py").write_text(f"x = 1\nkey = '{AWS}'\n")
    (tmp_path / "b,<c>:%é.py").write_text(f"other = '{OTHER}'\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capfd: pytest.CaptureFixture[str], *words: str, code: int = 1) -> str:
    """Scan and give what was written; neither value is in it."""
    assert main(["scan", "--jobs", "1", *words]) == code
    out, err = capfd.readouterr()
    for value in (AWS, OTHER):
        assert value not in out + err
        assert value[4:14] not in out + err
    return out


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_shows_a_value(name: str, tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Every format tells both findings, exits 1, and holds neither value; without findings it exits 0."""
    out = told(capfd, "--format", name)
    assert "secret.aws.access-key" in out
    (tree / "clean").write_text("nothing\n")
    told(capfd, "--format", name, "clean", code=0)
    out = told(capfd, "--format", name, "clean", "missing", code=2)
    assert name in {"text", "github"} or "missing" in out


def test_sarif_has_what_its_schema_requires(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Version, runs, tool.driver.name, results' message, rules' id, locations' uri; and what GitHub asks for."""
    log = json.loads(told(capfd, "--format", "sarif", ".", "missing", code=2))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    driver = run["tool"]["driver"]
    assert driver["name"] == "poundlock"
    (rule,) = driver["rules"]
    assert rule["id"] == "secret.aws.access-key"
    assert {"shortDescription", "fullDescription", "help", "properties"} <= set(rule)
    assert all(set(rule[name]) >= {"text"} for name in ("shortDescription", "fullDescription", "help"))
    assert float(rule["properties"]["security-severity"]) > 0
    places = []
    for result in run["results"]:
        assert result["ruleId"] == driver["rules"][result["ruleIndex"]]["id"]
        assert result["message"]["text"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert set(result["partialFingerprints"]) == {"primaryLocationLineHash", "poundlockSurroundings/v1"}
        place = result["locations"][0]["physicalLocation"]
        region = place["region"]
        assert region["endColumn"] - region["startColumn"] == 20
        places.append((place["artifactLocation"]["uri"], region["startLine"], region["startColumn"]))
    assert places == [("a.py", 2, 8), ("b%2C%3Cc%3E%3A%25%C3%A9.py", 1, 10)]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["startTimeUtc"].endswith("Z")
    assert len(invocation["toolExecutionNotifications"]) == 1


def test_jsonl_is_a_finding_a_line(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each line is an object; the unread paths come last."""
    rows = [json.loads(line) for line in told(capfd, "--format", "jsonl", ".", "no", code=2).splitlines()]
    assert [(row.get("path"), row.get("line"), row.get("column")) for row in rows[:2]] == [
        ("a.py", 2, 8),
        ("b,<c>:%é.py", 1, 10),
    ]
    assert rows[2] == {"unread": "no"}


def test_github_escapes_what_would_end_a_command(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Commas, colons and per cents of a path are escaped; a line break in one can't start a command of its own."""
    first, second = told(capfd, "--format", "github").splitlines()
    where = "line=2,endLine=2,col=8,endColumn=28,title=poundlock secret.aws.access-key"
    assert first.startswith(f"::error file=a.py,{where}::secret.aws.access-key (95 %25). Revoke")
    assert second.startswith("::error file=b%2C<c>%3A%25é.py,line=1,")
    assert lines._property("a\n::error::x\r") == "a%0A%3A%3Aerror%3A%3Ax%0D"


def test_gitlab_has_what_its_schema_requires(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Version; analyzer, scanner, type, times and status; a vulnerability's id, identifiers, location."""
    report = json.loads(told(capfd, "--format", "gitlab"))
    assert report["version"].startswith("15.")
    ran = report["scan"]
    assert (ran["type"], ran["status"]) == ("secret_detection", "success")
    for tool in (ran["analyzer"], ran["scanner"]):
        assert set(tool) >= {"id", "name", "version", "vendor"}
    assert len(ran["start_time"]) == len(ran["end_time"]) == len("2026-01-02T03:04:05")
    first, second = report["vulnerabilities"]
    assert first["id"] != second["id"]
    assert first["identifiers"][0]["value"] == "secret.aws.access-key"
    assert first["location"] == {"file": "a.py", "start_line": 2, "end_line": 2, "commit": {"sha": "0" * 40}}


def test_junit_is_well_formed(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A failure a finding, an error for what can't be read, one passed case for nothing; XML for any path."""
    suite = ET.fromstring(told(capfd, "--format", "junit", ".", "no", code=2))[0]  # noqa: S314 (our own text)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "2", "1")
    assert [case.get("classname") for case in suite] == ["a.py", "b,<c>:%é.py", "no"]
    (tree / "clean").write_text("nothing\n")
    suite = ET.fromstring(told(capfd, "--format", "junit", "clean", code=0))[0]  # noqa: S314
    assert (suite.get("tests"), suite.get("failures"), len(suite)) == ("1", "0", 1)
    assert junit._escaped("\x00<\x1b>") == "\ufffd&lt;\ufffd&gt;"


def prints(capfd: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Give the fingerprints of a scan."""
    return [json.loads(line)["fingerprint"] for line in told(capfd, "--format", "jsonl", *words).splitlines()]


def test_fingerprints_do_not_depend_on_the_value(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same for another value, another line and another spelling of the path; another for another name or file."""
    (before,) = prints(capfd, "a.py")
    (tree / "a.py").write_text(f"\n\n\n  key  =  '{OTHER}'\n")
    assert prints(capfd, f"{tree}/./a.py".replace("/./", "/")) == [before]
    assert before.endswith(":1")
    (tree / "a.py").write_text(f"key = '{AWS}'\nkey = '{OTHER}'\n")
    assert prints(capfd, "a.py") == [before, before.replace(":1", ":2")]
    (tree / "a.py").write_text(f"name = '{AWS}'\n")
    assert prints(capfd, "a.py") != [before]
    (tree / "c.py").write_text(f"key = '{AWS}'\n")
    assert prints(capfd, "c.py") != [before]


def test_only_what_a_baseline_does_not_list_counts(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Writing exits 0; then the same scan is clean, with the baseline itself, and one more finding is the only one."""
    told(capfd, "--write-baseline", "base.json", code=0)
    text = (tree / "base.json").read_text()
    assert AWS not in text
    assert OTHER not in text
    assert [entry["path"] for entry in json.loads(text)["findings"]] == ["a.py", "b,<c>:%é.py"]
    told(capfd, "--baseline", "base.json", code=0)
    with (tree / "a.py").open("a") as file:
        file.write(f"key = '{OTHER}'\n")
    said = told(capfd, "--baseline", "base.json").splitlines()
    assert [row.split(" ")[0] for row in said if ".py:" in row] == ["a.py:3:8:"]
    told(capfd, "--write-baseline", "base.json", ".", "missing", code=2)


@pytest.mark.parametrize("text", ["", "[]", '{"version": 9, "findings": []}', '{"version": 1}', "\xff"])
def test_a_bad_baseline_is_a_fault(text: str, tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever is not a baseline of this version ends the scan with 2, and so does none at all."""
    (tree / "bad").write_bytes(text.encode("latin-1"))
    assert told(capfd, "--baseline", "bad", code=2) == ""
    assert told(capfd, "--baseline", "none", code=2) == ""


def test_places_of_gitleaksignore(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`path:rule:line` leaves that place out, with or without a commit that is ours; not a line beside it."""
    (tree / ".gitleaksignore").write_text("# a comment\na.py:aws-access-token:2\nb,<c>:%é.py:rule:9\nnonsense\n")
    out = told(capfd)
    assert "a.py:2" not in out
    assert "b,<c>:%é.py:1" in out
    assert "a.py:2" in told(capfd, "--no-suppress")
    sha = "ab" * 20
    assert baseline.places([f"{sha}:a:b.py:rule:3", "x:y:0x3"]) == {(sha, "a:b.py", 3)}


def test_several_processes_tell_the_same_in_the_same_order(
    tree: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over 200 files: byte for byte what one process tells, also of one that can't be read."""
    for number in range(260):
        (tree / f"f{number:03}").write_text(f"key{number} = '{AWS}'\n" if number % 7 == 0 else "clean\n")
    (tree / "f100").chmod(0)
    one = told(capfd, "--format", "jsonl", code=2 if unreadable(tree / "f100") else 1)
    used: list[int] = []
    real = pool.answers

    def counted(items: Any, job: contents.Job, jobs: int) -> Any:
        used.append(jobs)
        return real(items, job, jobs)

    monkeypatch.setattr(pool, "answers", counted)
    assert main(["scan", "--jobs", "2", "--format", "jsonl"]) in {1, 2}
    assert capfd.readouterr().out == one
    assert used == [2]
    assert len(one.splitlines()) >= 40


def unreadable(file: Path) -> bool:
    """Say whether this user can't read the file (root can)."""
    try:
        file.read_bytes()
    except PermissionError:
        return True
    return False


def test_no_value_comes_back_from_a_process(tree: Path) -> None:
    """What a process sends holds the place and the excerpt, not the value."""
    job = contents.Job(frozenset({"secret"}), Sources())
    answers = list(pool.answers([contents.Item("a.py"), contents.Item("none")], job, 1))
    assert [(answer.path, len(answer.found), bool(answer.faults)) for answer in answers] == [
        ("a.py", 1, False),
        ("none", 0, True),
    ]
    assert answers[0].found[0].match.value == ""
    assert answers[0].found[0].line == 2


def test_a_process_that_dies_is_a_fault(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan whose process was killed ends with an error, never without its files."""
    monkeypatch.setattr(contents, "examine", lambda *_: os._exit(9))
    job = contents.Job(frozenset({"secret"}), Sources())
    with pytest.raises(BrokenProcessPool):
        list(pool.answers([contents.Item("a.py")], job, 2))


def test_a_path_can_not_write_a_line_of_its_own(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Line breaks and escapes in a name show as question marks."""
    (tree / "z\n\x1b[2J").write_text(f"key = '{AWS}'\n")
    assert "\nz??[2J:1:8: secret.aws.access-key" in told(capfd)


def test_progress_is_silent_for_short_work_and_clears_its_line() -> None:
    """Nothing in the first second; then counts, a few times a second; and at the end nothing is left of it."""
    times = iter([0.0, 0.5, 1.5, 1.5, 1.6, 3.0, 3.0])
    out = io.StringIO()
    given = [contents.Answer("a", []) for _ in range(4)]
    assert list(progress.shown(given, out, lambda: next(times))) == given
    assert out.getvalue() == ("\r\x1b[K2 files read, 0 findings\r\x1b[K4 files read, 0 findings\r\x1b[K")
    out = io.StringIO()
    list(progress.shown(given, out, lambda: 0.0))
    assert out.getvalue() == ""
