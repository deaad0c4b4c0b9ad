"""What a hostile text costs, beside an ordinary one: fixed inputs, then a search for worse ones.

    python bench/hostile.py [--seconds 60] [--seed 1] [--size 200000]

Every input repeats a short piece up to `--size` characters; its cost is that of the same amount of this Python's own
library, so that the machine's load cancels out. The search puts pieces together from words that wake the engine (the
literals of its triggers, keywords, connectors, figures) and keeps changing the dearest. Prints the dearest pieces.
Time is linear in all of them: the promise is about the factor.
"""

from __future__ import annotations

import argparse
import random
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock.adapters.rulefiles import load_detector, load_rules
from poundlock.core.detect.compilation import plan

if TYPE_CHECKING:
    from poundlock.core.detect.engine import Detector

FIXED = (
    "address=",
    "|a|b|\n",
    "a,b\nc,d\n",
    "name,b\n",
    "10.1.2.3 ",
    "project_id: a1b-",
    "author: Jo Do ",
    "https://a:b1c@d ",
    "street: ",
    "dob 1",
    "a1@bcd.example.io ",
    "password=",
    "token=a1 ",
    '"key": {',
    "%41%42%43%44%45%46 ",
    'abc" + "abc',
    "insert into t (name) values (",
    "Cookie: a=b1; ",
    "mysql -p",
)
JOINTS = ("=", ": ", " ", "\n", ",", "|", '"', "': '", "/", ".", "-", "_", "@", "(", "{", "\\n", "\t")
FILLS = ("1", "12345", "a", "a1b2", "Jo Do", "10.1.2.3", "x" * 20, "A1b2C3d4E5f6G7h8", "+49 30 1")


def spent(detector: Detector, text: str) -> float:
    """Give the CPU-seconds that a text takes."""
    begin = time.process_time()
    detector.detect(text)
    return time.process_time() - begin


def ordinary(size: int) -> str:
    """Give source text of the standard library."""
    out: list[str] = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        out.append(path.read_text(errors="replace"))
        size -= len(out[-1])
        if size < 0:
            break
    return "".join(out)


def mutated(dice: random.Random, piece: str, words: list[str]) -> str:
    """Change a piece a little: add, drop or replace a part, or begin anew."""
    pools = (words, JOINTS, FILLS)
    choice = dice.randrange(5)
    if choice == 0 or not piece:
        return "".join(dice.choice(pool) for pool in (words, JOINTS, FILLS, JOINTS)[: dice.randint(2, 4)])
    at = dice.randrange(len(piece) + 1)
    if choice == 1:
        return (piece[:at] + dice.choice(dice.choice(pools)) + piece[at:])[:120]
    if choice == 2:
        return piece[:at] + piece[at + dice.randint(1, 8) :]
    if choice == 3:
        return (piece + dice.choice(JOINTS) + dice.choice(words))[:120]
    return piece[:at] + dice.choice(JOINTS) + piece[at + 1 :]


def main() -> None:
    """Measure, search, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=200_000)
    args = parser.parse_args()
    detector = load_detector()
    usual = ordinary(2_000_000)
    detector.detect(usual)
    unit = min(spent(detector, usual) for _ in range(3)) / len(usual)

    def factor(piece: str, size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        return spent(detector, text) / size / unit

    found = {piece: factor(piece, args.size) for piece in FIXED}
    words = sorted({word for trigger in plan(load_rules())[0] for word in trigger.literals} | {"token", "password"})
    dice = random.Random(args.seed)
    until = time.monotonic() + args.seconds
    tried = 0
    best: list[tuple[float, str]] = sorted(((x, piece) for piece, x in found.items()), reverse=True)[:20]
    while time.monotonic() < until:
        piece = mutated(dice, dice.choice(best)[1], words)
        tried += 1
        if not piece or piece in found:
            continue
        cost = factor(piece, 20_000)
        if cost > best[-1][0]:
            cost = min(cost, factor(piece, args.size))
        found[piece] = cost
        best = sorted([*best, (cost, piece)], reverse=True)[:20]
    print(f"ordinary source {1 / unit / 1e6:.1f} MB/CPU-s; {tried} pieces tried in {args.seconds:.0f} s")
    for piece in FIXED:
        print(f"{found[piece]:6.1f} times  {piece!r}")
    print("the dearest:")
    for cost, piece in best:
        print(f"{cost:6.1f} times  {piece!r}")


if __name__ == "__main__":
    main()
