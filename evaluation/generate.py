"""Writes the evaluation set as NDJSON: `python -m evaluation.generate [--split dev|heldout] [--out FOLDER] [--freeze]`.

One document a line: `{id, split, set, text, labels: [{family, kind, start, end, alternates?}], neutral?, negative, note}`,
offsets in code points. The same seed gives the same bytes; `FROZEN` holds their digests. Must never read a detection rule or the clock.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation import pii_set, prompt_set, secret_set

if TYPE_CHECKING:
    from collections.abc import Iterator

SPLITS = ("dev", "heldout")
FROZEN = Path(__file__).parent / "FROZEN"


def documents(split: str) -> Iterator[dict[str, object]]:
    """Yield every document of one split, in a fixed order, no text twice."""
    seen: set[object] = set()
    for doc in chain(secret_set.documents(split), pii_set.documents(split), prompt_set.documents(split)):
        if doc["text"] not in seen:
            seen.add(doc["text"])
            yield doc


def ndjson(split: str) -> bytes:
    """Return one split as NDJSON."""
    lines = (json.dumps(doc, ensure_ascii=False, sort_keys=True, separators=(",", ":")) for doc in documents(split))
    return ("\n".join(lines) + "\n").encode()


def frozen() -> dict[str, str]:
    """Return the digests that were fixed before anything was measured, by split."""
    rows = (line.split() for line in FROZEN.read_text().splitlines() if line and not line.startswith("#"))
    return {name: digest for digest, name in rows}


def counts(split: str) -> Counter[str]:
    """Count documents and labels of one split by set."""
    out: Counter[str] = Counter()
    for doc in documents(split):
        out[f"{doc['set']} {'negatives' if doc['negative'] else 'documents'}"] += 1
        for label in doc["labels"]:  # type: ignore[attr-defined]
            out[f"{label['family']} labels"] += 1
    return out


def main() -> None:
    """Write the splits that were asked for, or their digests."""
    parser = argparse.ArgumentParser(description="Write the evaluation set as NDJSON.")
    parser.add_argument("--split", choices=SPLITS)
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"))
    parser.add_argument(
        "--freeze", action="store_true", help="write FROZEN; only ever right when the set itself changes"
    )
    parser.add_argument("--counts", action="store_true")
    args = parser.parse_args()
    chosen = [args.split] if args.split else SPLITS
    if args.counts:
        for split in chosen:
            print(split, dict(sorted(counts(split).items())))
        return
    if args.freeze:
        digests = [f"{hashlib.sha256(ndjson(split)).hexdigest()}  {split}" for split in SPLITS]
        FROZEN.write_text("# sha256 of the NDJSON of each split\n" + "\n".join(digests) + "\n")
        return
    args.out.mkdir(parents=True, exist_ok=True)
    for split in chosen:
        (args.out / f"{split}.ndjson").write_bytes(ndjson(split))


if __name__ == "__main__":
    main()
