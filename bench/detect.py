"""Throughput of detection on source code, beside detect-secrets on the same files, in one run.

    python bench/detect.py [--megabytes 50] [--peer-megabytes 2] [FOLDER …]

Reads source files (by default this Python's library and packages) into memory, runs the whole engine (all families,
validators, views) over them on one core, and has detect-secrets (installed into .cache/peers from PyPI) scan as many
of the same files as `--peer-megabytes` allows, since it would need minutes for all. Prints MB per CPU-second
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

from poundlock.adapters.rulefiles import load_detector

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
    begin = time.perf_counter()
    for _ in range(500):
        detector.detect(prompt)
    print(f"a 4 kB prompt   {(time.perf_counter() - begin) / 500 * 1e6:8.1f} µs")
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
