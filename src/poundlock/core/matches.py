"""What the detector returns: a type of its own, so that a command that only detects need not load all the others.

Must never import anything: this is on the way of every command that detects. `core.model` gives these names on.
INVARIANT: a match never shows its value in a `repr`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Family = Literal["secret", "pii", "infrastructure", "identifier", "code", "injection"]
Tier = Literal["public", "internal", "restricted"]


class Match(NamedTuple):
    """What the detector returns: a span of the text it was given (code points) and the value that it stands for.

    `value` is the plain value after every decoding, so that one value has one surrogate however it was written;
    it is equal to `text[start:end]` where nothing was decoded.
    """

    rule_id: str
    family: Family
    kind: str
    tier: Tier
    start: int
    end: int
    confidence: float
    value: str

    def __repr__(self) -> str:
        shown = (f"{name}={part!r}" for name, part in zip(self._fields, self, strict=True) if name != "value")
        return f"Match({', '.join(shown)})"
