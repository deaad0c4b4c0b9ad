"""Text that carries its own labels: private-use marks survive templating and are stripped once, at the end.

Must never import anything of the project: the set is only worth something while it knows nothing of the detector.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

OPEN = "\ue000"
CLOSE = "\ue001"
BASE = 0xE100
_MARK = re.compile(f"{OPEN}.|{CLOSE}", re.DOTALL)


@dataclass(slots=True)
class Slot:
    """One marked thing: a `label` to be found, an `alternate` span of it, or a `neutral` span that proves nothing."""

    role: str
    family: str = ""
    kind: str = ""
    parent: int = -1


@dataclass(slots=True)
class Page:
    """A document while it is written: the randomness it is drawn from and the slots of its marks."""

    rng: random.Random
    slots: list[Slot] = field(default_factory=list)

    def _wrap(self, slot: int, text: str) -> str:
        return f"{OPEN}{chr(BASE + slot)}{text}{CLOSE}"

    def label(self, family: str, kind: str, text: str) -> str:
        """Mark `text` as a value that must be found."""
        self.slots.append(Slot("label", family, kind))
        return self._wrap(len(self.slots) - 1, text)

    def alternate(self, marked: str) -> str:
        """Mark the whole of `marked` as an equally right span for the first label inside it."""
        parent = first_label(marked, self.slots)
        if parent < 0:
            return marked
        self.slots.append(Slot("alternate", parent=parent))
        return self._wrap(len(self.slots) - 1, marked)

    def neutral(self, text: str) -> str:
        """Mark a span on which a finding is neither right nor wrong."""
        self.slots.append(Slot("neutral"))
        return self._wrap(len(self.slots) - 1, text)

    def recode(self, marked: str, change: Callable[[str], str]) -> str:
        """Apply `change` to the bare text of `marked`; the result as a whole takes the first label."""
        parent = first_label(marked, self.slots)
        out = change(bare(marked))
        return out if parent < 0 else self._wrap(parent, out)


def first_label(marked: str, slots: list[Slot]) -> int:
    """Return the number of the first label slot opened in `marked`, or -1."""
    for found in re.finditer(f"{OPEN}(.)", marked, re.DOTALL):
        slot = ord(found.group(1)) - BASE
        if slots[slot].role == "label":
            return slot
    return -1


def bare(marked: str) -> str:
    """Return the text without its marks."""
    return _MARK.sub("", marked)


def piecewise(change: Callable[[str], str], marked: str) -> str:
    """Apply `change` to the text between marks and leave the marks where they are."""
    out: list[str] = []
    last = 0
    for found in _MARK.finditer(marked):
        out += [change(marked[last : found.start()]), found.group()]
        last = found.end()
    return "".join([*out, change(marked[last:])])


def strip(marked: str, slots: list[Slot]) -> tuple[str, list[dict[str, object]], list[list[int]]]:
    """Return the bare text, its labels (code-point offsets, with alternates) and its neutral spans."""
    out: list[str] = []
    stack: list[tuple[int, int]] = []
    spans: list[tuple[int, int, int]] = []
    last = at = 0
    for found in _MARK.finditer(marked):
        piece = marked[last : found.start()]
        out.append(piece)
        at += len(piece)
        last = found.end()
        if found.group() == CLOSE:
            slot, start = stack.pop()
            spans.append((start, at, slot))
        else:
            stack.append((ord(found.group()[1]) - BASE, at))
    out.append(marked[last:])
    labels: list[dict[str, object]] = []
    neutral: list[list[int]] = []
    seen: set[tuple[int, int]] = set()
    for start, end, number in sorted(spans):
        owner = slots[number]
        if owner.role == "neutral":
            neutral.append([start, end])
        elif owner.role == "label" and (start, end) not in seen:
            seen.add((start, end))
            wider = [
                [a, b]
                for a, b, n in sorted(spans)
                if slots[n].role == "alternate" and slots[n].parent == number and a < end and b > start
            ]
            entry: dict[str, object] = {"family": owner.family, "kind": owner.kind, "start": start, "end": end}
            if wider:
                entry["alternates"] = wider
            labels.append(entry)
    return "".join(out), labels, neutral


def as_json(marked: str) -> str:
    """Escape for the inside of a JSON string, marks kept."""
    return json.dumps(marked, ensure_ascii=False)[1:-1]


def as_percent(marked: str) -> str:
    """Percent-encode for a URL component, marks kept."""
    return piecewise(lambda text: quote(text, safe=""), marked)


def as_xml(marked: str) -> str:
    """Escape for XML text and attributes, marks kept."""
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def to_base64(text: str) -> str:
    """Return standard base64 of the UTF-8 bytes."""
    return base64.b64encode(text.encode()).decode()
