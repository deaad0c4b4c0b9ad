"""The documents as data: pages, fenced blocks, links, headings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md"])
NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
_BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+# exit (\d+)$")


class Block(NamedTuple):
    """A fenced block: its language, its text, and the reason why it is not run, if there is one."""

    kind: str
    text: str
    not_run: str


class Command(NamedTuple):
    """A command of a console block, the output that the page shows, and the exit code that it says."""

    line: str
    shown: str
    code: int


def name(page: Path) -> str:
    """Give a page's path in the checkout."""
    return str(page.relative_to(ROOT))


def blocks(text: str) -> list[Block]:
    """Give the fenced blocks of a page."""
    out = []
    for match in _BLOCK.finditer(text):
        mark = NOT_RUN.fullmatch(f"<!-- {match['mark']} -->") if match["mark"] else None
        out.append(Block(match["kind"], match["text"], mark[1] if mark else ""))
    return out


def commands(block: Block) -> list[Command]:
    """Give the commands of a console block: lines that begin with `$ `, each with what is shown below it."""
    out: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            code = _EXIT.search(line)
            out.append(Command(_EXIT.sub("", line[2:]), "", int(code[1]) if code else 0))
        else:
            out[-1] = out[-1]._replace(shown=f"{out[-1].shown}{line}\n")
    return out


def pattern(shown: str) -> re.Pattern[str]:
    """Give what an output must hold: the shown text, in which `…` stands for anything."""
    return re.compile(".*?".join(re.escape(part) for part in shown.strip().split("…")), re.DOTALL)


def prose(text: str) -> str:
    """Give a page's text without its fenced blocks."""
    return _BLOCK.sub("", text)


def links(text: str) -> list[str]:
    """Give the targets of a page's links and pictures."""
    return re.findall(r"\]\(([^()\s]+)\)", prose(text))


def anchors(text: str) -> set[str]:
    """Give the anchors of a page's headings, as hosting platforms make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    }
