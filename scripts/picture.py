"""Draw docs/demo.svg: the terminal as `poundlock demo` leaves it, from a real run of it.

Nothing in the picture may look like a live credential: values are made up from a seed, credentials are elided.
What differs from run to run (ids, times, codes of stand-ins) is replaced by something fixed: the same demo gives
the same picture.

    python scripts/picture.py
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from poundlock.cli import demo
from poundlock.core.surrogates import ALPHABET, CODE_LENGTH, SURROGATE

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "demo.svg"
WIDTH = 116
_FIXED = (
    (re.compile(r"poundlock explain [0-9a-f]{16}"), "poundlock explain 4f1c0a97d2b84e63"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "2026-11-21T09:00:00Z"),
    (re.compile(r"(head key +)[0-9a-f]{16}"), r"\g<1>f8f529d17ba3f60d"),
    (re.compile(r"\S*/poundlock-demo-[^/\s]+"), "/tmp/poundlock-demo"),  # noqa: S108 (a picture of a path)
)


class Picture(demo._Screen):  # noqa: SLF001 (the same screen, drawn)
    """The demo's screen on paper."""

    pause = 0.0

    def __init__(self, values: demo.Sample) -> None:
        """Elide the credentials among these values."""
        self._console = Console(
            record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
        )
        self._values = [values.access_key, values.secret_key, values.password]
        self._pieces: list[str] = []

    def calm(self, text: str) -> str:
        """Give a text without values, and without what differs from run to run."""
        for value in self._values:
            text = text.replace(value, elided(value))
        for pattern, fixed in _FIXED:
            text = pattern.sub(fixed, text)
        return SURROGATE.sub(lambda found: _coded(found[0]), text)

    def piece(self, piece: str) -> None:
        """Keep the piece: a value may be cut in two."""
        self._pieces.append(piece)

    def three(self, sent: str, received: str, came_back: str) -> None:
        """Draw the answer and the three texts."""
        self._console.print(self.calm("".join(self._pieces)), markup=False, soft_wrap=True)
        super().three(self.calm(sent), self.calm(received), self.calm(came_back))

    def refusal(self, message: str) -> None:
        """Draw the refusal."""
        super().refusal(self.calm(message))

    def audit(self, sound: str, altered: str) -> None:
        """Draw both verifications."""
        super().audit(self.calm(sound), self.calm(altered))

    def svg(self) -> str:
        """Give the picture, which loads nothing from elsewhere."""
        form = re.sub(r"@font-face \{\{.*?\}\}\s*|<!--.*?-->\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        form = form.replace("Fira Code", "ui-monospace, Menlo, Consolas")
        drawn = self._console.export_svg(title="poundlock demo", code_format=form, unique_id="demo")
        return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def elided(value: str) -> str:
    """Give what may be shown of a value: its beginning and its end."""
    return f"{value[:4]}…{value[-3:]}"


def _coded(surrogate: str) -> str:
    head = surrogate[:-CODE_LENGTH]
    digest = hashlib.sha256(head.encode()).digest()
    return head + "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:CODE_LENGTH])


def main() -> int:
    """Run the demo and draw it; 1 when it did not hold."""
    seeded = random.Random("poundlock")
    demo.secrets.choice = seeded.choice  # type: ignore[attr-defined]
    demo.secrets.randbelow = seeded.randrange  # type: ignore[attr-defined]
    values = demo.sample()
    demo.sample = lambda: values
    picture = Picture(values)
    steps = asyncio.run(demo._show(picture))  # noqa: SLF001 (the demo itself)
    if not all(step.held for step in steps):
        sys.stdout.write("the demo did not hold: no picture\n")
        return 1
    drawn = picture.svg()
    PICTURE.write_text(drawn, encoding="utf-8")
    sys.stdout.write(f"{PICTURE.name}: {len(drawn.encode())} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
