"""How fast text and arguments come home, beside a plain pass through `str`: `python bench/restore.py`.

Prints MB/s of the text itself (not of the events around it) in pieces as providers send them, and the ratio of the
time to that of passing each piece on unread.
"""

import json
import sys
import time
from collections.abc import Callable

from poundlock.core.model import ScopeKey
from poundlock.core.stream import Channel, Homeward
from poundlock.core.surrogates import mint

PIECE = 16  # characters of a delta
ROUNDS = 5
KEY = ScopeKey(scope="bench", mint=b"m" * 32, fingerprint=b"f" * 32)
SURROGATE = mint("secret.aws.secret-key", 'a value with "quotes" and \\ in it', KEY)

PROSE = "The function opens the file, reads each line and checks that it is not empty before it goes on. " * 2_000
CODE = (
    'def read(path: str) -> list[str]:\n    """Read it."""\n    with open(path) as file:\n        return list(file)\n\n'
)


class Plain:
    """Text passed on unread."""

    holding = False

    def feed(self, text: str) -> str:
        """Give the text."""
        return text

    def flush(self) -> str:
        """Give nothing."""
        return ""


def mixed(text: str, every: int) -> str:
    """Give `text` with a surrogate after each `every` characters."""
    return "".join(text[at : at + every] + SURROGATE.text for at in range(0, len(text), every))


def speed(text: str, channel: Callable[[], Channel]) -> float:
    """Give the characters a second of the best round."""
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    best = float("inf")
    for _ in range(ROUNDS):
        way = channel()
        feed = way.feed
        start = time.process_time()
        for piece in pieces:
            feed(piece)
        way.flush()
        best = min(best, time.process_time() - start)
    return len(text) / best


def main() -> int:
    """Run every case."""
    issued = {SURROGATE.text: SURROGATE}

    def way() -> Homeward:
        return Homeward(issued, lambda _surrogate, _sink: True)

    written = json.dumps({"file_path": "/repo/read.py", "content": CODE * 1_500})
    nested = json.dumps({"file_path": "/repo/x.json", "content": json.dumps({"a": [CODE] * 1_500}, indent=1)})
    hostile = "QZ_" * 60_000
    cases: list[tuple[str, str, Callable[[], Channel]]] = [
        ("text without q", PROSE, lambda: way().text()),
        ("text with q", PROSE.replace("checks", "queries"), lambda: way().text()),
        ("text, a surrogate every 1,600", mixed(PROSE, 1_600), lambda: way().text()),
        ("text, QZ_QZ_QZ_", hostile, lambda: way().text()),
        ("arguments: source code", written, lambda: way().tool("Write")),
        ("arguments: a surrogate every 1,600", mixed(written, 1_600), lambda: way().tool("Write")),
        ("arguments: JSON in JSON", nested, lambda: way().tool("Write")),
        ("arguments of a command", written, lambda: way().tool("Bash")),
        ("arguments of a remote tool", written, lambda: way().tool("mcp__a__b")),
        ("arguments, QZ_QZ_QZ_", '{"a":"' + hostile, lambda: way().tool("Write")),
    ]
    print(f"pieces of {PIECE} characters; MB/s; times the pass-through's time")
    for name, text, channel in cases:
        plain, ours = speed(text, Plain), speed(text, channel)
        print(f"{name:36} {ours / 1e6:8.1f}   plain {plain / 1e6:8.1f}   ratio {plain / ours:6.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
