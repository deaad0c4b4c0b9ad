"""Scores poundlock and its peers on one split: `python -m evaluation.score --split dev [--peers all|NAME,…] [--kinds]`.

Poundlock is driven through `poundlock detect` alone (NDJSON in, NDJSON out), the peers through their own commands. Must never
import the detector, nor show a label's text.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation import generate
from evaluation.measure import FAMILIES, Tally, score, touched_prompts
from evaluation.peers import PEERS, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Findings = dict[str, list[dict[str, Any]]]


def detect(command: str, documents: Iterable[Mapping[str, Any]]) -> tuple[Findings, float]:
    """Send the documents through a detector that keeps to the contract of `poundlock detect`; return findings and seconds.

    Raises:
        RuntimeError: when the command faults, answers out of order or leaves a document out.
    """
    asked = [doc["id"] for doc in documents]
    lines = (json.dumps({"id": doc["id"], "text": doc["text"]}, ensure_ascii=False) for doc in documents)
    begin = time.perf_counter()
    done = subprocess.run(
        shlex.split(command), input=("\n".join(lines) + "\n").encode(), capture_output=True, check=False
    )
    seconds = time.perf_counter() - begin
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the detector ended with {done.returncode}: {done.stderr.decode()[-400:]}")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if [row["id"] for row in rows] != asked:
        raise RuntimeError("the detector left documents out or changed their order")
    return {row["id"]: row["findings"] for row in rows}, seconds


def row(name: str, tally: Tally) -> str:
    """Return one line of the table."""
    return (
        f"{name:20} {100 * tally.recall:7.1f} {100 * tally.precision:10.1f} {100 * tally.f1:6.1f}"
        f" {tally.alarms:8d} {tally.mislabelled:12d}"
        f" {100 * tally.negatives_alarmed / max(1, tally.negatives):12.2f}"
        f" {100 * tally.prompts_alarmed / max(1, tally.prompts):10.2f}"
    )


HEAD = f"{'':20} {'recall':>7} {'precision':>10} {'F1':>6} {'alarms':>8} {'mislabelled':>12} {'negatives %':>12} {'prompts %':>10}"


def kinds(tally: Tally) -> Iterable[str]:
    """Yield the kinds with their recall, worst first, then the surroundings with most misses and most alarms."""
    names = sorted({*tally.found, *tally.missed}, key=lambda kind: (_recall(tally, kind), kind))
    for kind in names:
        total = tally.found[kind] + tally.missed[kind]
        yield f"  {kind:44} {tally.found[kind]:5d} of {total:5d}  {100 * _recall(tally, kind):5.1f} %"
    yield "  surroundings with most misses:"
    worst = sorted(tally.surroundings.items(), key=lambda item: -item[1]["missed"])[:40]
    for note, counts in worst:
        if counts["missed"]:
            yield f"    {note:42} {counts['missed']:5d} of {counts.total():5d} missed"
    yield "  surroundings with most false alarms:"
    for note, count in tally.alarm_notes.most_common(40):
        if count:
            yield f"    {note:42} {count:5d}"


def _recall(tally: Tally, kind: str) -> float:
    return tally.found[kind] / (tally.found[kind] + tally.missed[kind])


def main(arguments: list[str] | None = None) -> int:
    """Score what was asked for and print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description="Score poundlock and its peers on the evaluation set.")
    parser.add_argument("--split", choices=generate.SPLITS, default="dev")
    parser.add_argument("--detector", default="poundlock detect", help="command of the detector; '' leaves it out")
    parser.add_argument("--peers", default="", help="'all', or names divided by commas")
    parser.add_argument("--kinds", action="store_true", help="list every kind of the detector's results, worst first")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args(arguments)
    documents: list[Any] = [json.loads(line) for line in generate.ndjson(args.split).decode().splitlines()]
    results: list[tuple[str, tuple[str, ...], Findings, float]] = []
    if args.detector:
        findings, seconds = detect(args.detector, documents)
        results.append(("poundlock", FAMILIES, findings, seconds))
    wanted = [peer for peer in PEERS if args.peers == "all" or peer.name in args.peers.split(",")]
    for family in FAMILIES:
        texts = {doc["id"]: doc["text"] for doc in documents if doc["set"] in (family, "prompt")}
        with tempfile.TemporaryDirectory() as scratch:
            for peer in wanted:
                if peer.family == family:
                    print(f"running {peer.name} …", file=sys.stderr)
                    findings, seconds = run(peer, texts, Path(scratch))
                    results.append((peer.name, (family,), findings, seconds))
    report: dict[str, Any] = {"split": args.split, "frozen": generate.frozen()[args.split], "results": []}
    for family in FAMILIES:
        print(f"\n{family} ({args.split})\n{HEAD}")
        for name, families, findings, seconds in results:
            if family not in families:
                continue
            tally = score(documents, findings, family)
            print(row(name, tally))
            if args.kinds and name == "poundlock":
                print("\n".join(kinds(tally)))
            figures = {
                "name": name,
                "family": family,
                "recall": tally.recall,
                "precision": tally.precision,
                "f1": tally.f1,
                "alarms": tally.alarms,
                "mislabelled": tally.mislabelled,
                "seconds": seconds,
                "negatives": tally.negatives,
                "negatives_alarmed": tally.negatives_alarmed,
                "prompts": tally.prompts,
                "prompts_alarmed": tally.prompts_alarmed,
                "found": tally.found,
                "missed": tally.missed,
            }
            report["results"].append(figures)
    for name, _, findings, seconds in results:
        touched, total = touched_prompts(documents, findings)
        print(f"\n{name}: {touched} of {total} prompts touched by any family; {seconds:.1f} s with its start", end="")
    print()
    if args.json:
        args.json.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
