"""Throughput of detection on source code, beside detect-secrets on the same files, in one run.

    python bench/detect.py [--megabytes 50] [--peer-megabytes 2] [FOLDER …]

Reads source files (by default this Python's library and packages) into memory, runs the whole engine (all families,
validators, views) over them on one core, then the same with secrets alone, then text with a finding in every line;
prints what compiling and a company's names cost, and has detect-secrets (installed into .cache/peers from PyPI) scan
as many of the same files as `--peer-megabytes` allows, since it would need minutes for all. Prints MB per CPU-second
and the ratio.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock.adapters.rulefiles import load_detector, load_rules
from poundlock.core.detect.compilation import compile_rules
from poundlock.core.detect.names import compile_names
from poundlock.core.detect.templates import example

if TYPE_CHECKING:
    from poundlock.core.detect.engine import Detector

PEERS = Path(__file__).resolve().parent.parent / ".cache" / "peers"
SUFFIXES = {
    ".py",
    ".c",
    ".h",
    ".js",
    ".ts",
    ".go",
    ".java",
    ".rb",
    ".rs",
    ".json",
    ".md",
    ".txt",
    ".toml",
    ".yaml",
    ".pyi",
}


def sources(folders: list[Path], limit: float) -> list[tuple[Path, str]]:
    """Give text files of the folders, in a fixed shuffled order, up to `limit` megabytes."""
    paths = sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()
    )
    random.Random(7).shuffle(paths)
    out, size = [], 0
    for path in paths:
        if path.stat().st_size > 2_000_000:
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        out.append((path, text))
        size += len(text.encode())
        if size > limit * 1e6:
            break
    return out


def peer() -> Path:
    """Give the command of detect-secrets, installed if need be."""
    command = PEERS / "bin" / "detect-secrets"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        subprocess.run([PEERS / "bin" / "pip", "install", "-q", "detect-secrets==1.5.0"], check=True)
    return command


def dense(size: int) -> str:
    """Give text of at least `size` characters with a finding in almost every line: examples of all rules, shuffled."""
    dice = random.Random(5)
    pool = [example(template, "dense")[0] for rule in load_rules() for template in rule.examples]
    lines: list[str] = []
    while size > 0:
        lines.append(dice.choice(pool))
        size -= len(lines[-1]) + 1
    return "\n".join(lines)


def beside(detector: Detector, files: list[tuple[Path, str]], total: float) -> None:
    """Measure what else the engine costs, and print it."""
    begin = time.process_time()
    hits = sum(len(detector.first_stage(text)) for _, text in files)
    rate = total / (time.process_time() - begin)
    print(f"first stage     {rate:8.1f} MB/CPU-s, {hits / total:.0f} places a MB for a second look")
    secrets = load_detector(families=frozenset({"secret"}))
    secrets.detect("warm")
    begin = time.process_time()
    for _, text in files:
        secrets.detect(text, families=frozenset({"secret"}))
    print(f"secrets alone   {total / (time.process_time() - begin):8.1f} MB/CPU-s")
    text = dense(1_000_000)
    detector.detect(text[:100_000])
    begin = time.process_time()
    found = len(detector.detect(text))
    spent = time.process_time() - begin
    print(
        f"dense text      {len(text) / 1e6 / spent:8.1f} MB/CPU-s, {found} findings, {spent / found * 1e6:.0f} µs each"
    )
    begin = time.process_time()
    compiled = compile_rules(load_rules())
    print(f"compiling       {time.process_time() - begin:8.1f} CPU-s, {len(compiled.database) / 1e6:.1f} MB on disk")
    print(
        f"resident        {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MiB at most, with the files"
    )
    dice = random.Random(3)
    parts = [
        "ka",
        "lo",
        "mi",
        "tra",
        "ver",
        "sun",
        "dor",
        "pel",
        "qui",
        "zan",
        "bri",
        "fox",
        "net",
        "hub",
        "pay",
        "ship",
    ]
    words = ["".join(dice.choices(parts, k=3)).title() for _ in range(20_000)]
    begin = time.process_time()
    compile_names(" ".join(dice.choices(words, k=2)) for _ in range(100_000))
    print(f"100,000 names   {time.process_time() - begin:8.1f} CPU-s to compile")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--peer-megabytes", type=float, default=2)
    args = parser.parse_args()
    folders = args.folders or [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    files = sources(folders, args.megabytes)
    total = sum(len(text.encode()) for _, text in files) / 1e6
    detector = load_detector()
    detector.detect("warm")
    rates, counts = [], Counter()
    for _ in range(3):
        counts.clear()
        begin = time.process_time()
        for _, text in files:
            counts.update(match.family for match in detector.detect(text))
        rates.append(total / (time.process_time() - begin))
    ours = sorted(rates)[1]
    print(f"poundlock       {ours:8.1f} MB/CPU-s on {total:.1f} MB in {len(files)} files")
    print(f"                of three runs: {min(rates):.0f} to {max(rates):.0f}")
    print("findings a MB  ", ", ".join(f"{family} {count / total:.2f}" for family, count in sorted(counts.items())))
    prompt = next(text for _, text in files if len(text) > 8192)[:4096]
    begin = time.process_time()
    for _ in range(500):
        detector.detect(prompt)
    print(f"a 4 kB prompt   {(time.process_time() - begin) / 500 * 1e6:8.1f} µs of CPU")
    beside(detector, files, total)
    command = peer()
    with tempfile.TemporaryDirectory() as folder:
        size = 0
        for number, (path, text) in enumerate(files):
            data = text.encode()
            (Path(folder) / f"{number}{path.suffix}").write_bytes(data)
            size += len(data)
            if size > args.peer_megabytes * 1e6:
                break
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([command, "scan", "--all-files", "-n", "."], capture_output=True, check=True, cwd=folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = sum(len(items) for items in json.loads(done.stdout)["results"].values())
    theirs = size / 1e6 / spent
    print(
        f"detect-secrets  {theirs:8.2f} MB/CPU-s on {size / 1e6:.1f} MB of them, {found / size * 1e6:.2f} findings a MB"
    )
    print(f"ratio           {ours / theirs:8.0f} times")


if __name__ == "__main__":
    main()
