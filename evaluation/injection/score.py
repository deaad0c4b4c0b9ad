"""Scores detectors of text that gives orders: recall at 1 % of false alarms, and at the threshold they ship with.

It must never show a document of the held-out half.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from evaluation.injection.generate import documents

if TYPE_CHECKING:
    from collections.abc import Callable

FALSE_ALARMS = 0.01


def poundlock() -> tuple[Callable[[str], float], float]:
    """Give Poundlock's own score of a text, and the score from which it is told."""
    orders = importlib.import_module("poundlock.core.detect.orders")
    return lambda text: float(orders.find(text).score), float(orders.ORDERED)


def recall_at(benign: list[float], hostile: list[float], rate: float) -> tuple[float, float]:
    """Give the best recall with at most `rate` of the benign at or above the threshold, and that threshold."""
    allowed = int(len(benign) * rate)
    ranked = sorted(benign, reverse=True)
    above = ranked[allowed] if allowed < len(ranked) else float("-inf")
    return sum(score > above for score in hostile) / len(hostile), above


def main() -> None:
    """Score a split and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("dev", "heldout"), default="dev")
    parser.add_argument("--detector", help="MODULE:FUNCTION from a text to a number; Poundlock without")
    parser.add_argument("--families", action="store_true", help="figures of each class (of each family, for dev)")
    parser.add_argument("--misses", type=int, default=0, help="show so many misses and false alarms, of dev only")
    asked = parser.parse_args()
    if asked.detector:
        module, _, name = asked.detector.partition(":")
        detect, told = getattr(importlib.import_module(module), name), 1.0
    else:
        detect, told = poundlock()
    rows = list(documents(asked.split))
    began = time.process_time()
    scores = [float(detect(str(row["text"]))) for row in rows]
    spent = time.process_time() - began
    hostile = [score for row, score in zip(rows, scores, strict=True) if row["orders"]]
    benign = [score for row, score in zip(rows, scores, strict=True) if not row["orders"]]
    best, above = recall_at(benign, hostile, FALSE_ALARMS)
    print(f"{asked.split}: {len(hostile)} with orders, {len(benign)} without, {spent:.2f} s")
    print(f"at its own threshold {told:g}: recall {_share(hostile, told)}, false alarms {_share(benign, told)}")
    print(f"at 1 % of false alarms (above {above:g}): recall {100 * best:.1f} %")
    if asked.families:
        groups: dict[tuple[bool, str], list[float]] = defaultdict(list)
        for row, score in zip(rows, scores, strict=True):
            family = str(row["family"])
            groups[bool(row["orders"]), family if asked.split == "dev" else family.split("/", maxsplit=1)[0]].append(
                score
            )
        for (orders, family), members in sorted(groups.items()):
            print(f"{'orders' if orders else 'benign'} {family:32} {_share(members, told)}")
    if asked.misses and asked.split == "dev":
        wrong = [row for row, score in zip(rows, scores, strict=True) if (score >= told) != row["orders"]]
        for row in wrong[:: max(1, len(wrong) // asked.misses)]:
            print(f"--- {row['id']} {'missed' if row['orders'] else 'false alarm'}\n{row['text']}")


def _share(scores: list[float], threshold: float) -> str:
    return f"{100 * sum(score >= threshold for score in scores) / len(scores):.1f} %"


if __name__ == "__main__":
    main()
