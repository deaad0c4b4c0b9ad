"""Count how letters follow one another in the words of source code and documentation, for `core/detect/scoring.py`.

    python scripts/bigrams.py [FOLDER …]    prints the table; without a folder: Python's standard library

Row and column 0 are a word's edge, then a to z. A cell is what the pair costs in bits, times 5, as a character from "0"
on. Only counts leave this script: nothing of the texts.
"""

from __future__ import annotations

import math
import re
import sys
import sysconfig
from collections import Counter
from pathlib import Path

KINDS = (".py", ".pyi", ".js", ".ts", ".c", ".h", ".md", ".rst", ".txt", ".toml", ".yaml", ".json")
LARGEST = 1_000_000
SMOOTH = 0.5
WORD = re.compile(r"[A-Z]?[a-z]{2,15}|[A-Z]{3,15}")
EDGE = "`"
"""The character before `a`: a word's edge is letter 0."""


def count(folders: list[Path]) -> Counter[str]:
    """Count the pairs of letters in every distinct word of each file, so that one file's habit does not weigh most."""
    pairs: Counter[str] = Counter()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in KINDS or "site-packages" in path.parts or path.stat().st_size > LARGEST:
                continue
            for word in set(WORD.findall(path.read_text(encoding="utf-8", errors="ignore"))):
                framed = EDGE + word.lower() + EDGE
                pairs.update(framed[at : at + 2] for at in range(len(framed) - 1))
    return pairs


def table(pairs: Counter[str]) -> str:
    """Give the table's 27 rows."""
    letters = [chr(ord(EDGE) + number) for number in range(27)]
    rows = []
    for before in letters:
        total = sum(pairs[before + after] for after in letters) + SMOOTH * 27
        bits = (-math.log2((pairs[before + after] + SMOOTH) / total) for after in letters)
        rows.append("".join(chr(48 + min(77, round(cost * 5))) for cost in bits))
    return "\n".join(rows)


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[1:]] or [Path(sysconfig.get_path("stdlib"))]
    print(table(count(given)))
