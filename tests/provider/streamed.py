"""An answer that is streamed in another way than as events of one known type."""

from __future__ import annotations

from typing import NamedTuple


class Streamed(NamedTuple):
    """Its content type, and its events."""

    kind: str
    events: list[bytes]
