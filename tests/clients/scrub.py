"""Turn a recorded exchange into a golden: nothing of the machine, of the moment, or of the client's own prose stays.

It must never touch what a wire format is about: keys, their order, types, numbers, block boundaries, tags, and every
text that came from our own prompts, files and scripts. What it replaces is listed in the golden's meta file.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.clients.recorder import Recorded

_SECRET_HEADERS = {"x-api-key", "x-goog-api-key", "authorization"}
_UNSTABLE_HEADERS = {"date", "server", "content-length", "host", "keep-alive"}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX64 = re.compile(r"\b[0-9a-f]{64}\b")
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b(?!T)")
_KERNEL = re.compile(r"OS Version: [^\n]*")
_SHAPE = re.compile(
    r"</?[a-z][a-z_-]*>|```\w*|\d+\t?|<{5,} SEARCH|={5,}|>{5,} REPLACE| - (Primary working|Platform|OS Version).*"
)
_SHORT = 24
_KEPT = frozenset(
    ["data", "url", "signature", "id", "tool_use_id", "tool_call_id", "user_id", "arguments", "encrypted_content"]
)


@dataclass(slots=True)
class Scrubber:
    """One recording's replacements: the same id gets the same stand-in in every exchange of the recording."""

    own: Iterable[str]
    ids: dict[str, str] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)

    def text(self, value: str) -> str:
        """Replace what belongs to this machine and this moment in any text."""
        value = _UUID.sub(
            lambda hit: self.ids.setdefault(hit[0], f"00000000-0000-4000-8000-{len(self.ids):012x}"), value
        )
        value = _HEX64.sub("0" * 64, value)
        return _KERNEL.sub("OS Version: Linux 6.1.0", value)

    def prose(self, value: str) -> str:
        """Leave out the client's own prose, line by line, and say how much was left out."""
        if len(value) <= _SHORT or " " not in value:
            return value
        kept: list[str] = []
        dropped: list[str] = []

        def close() -> None:
            if dropped:
                size, rare = sum(map(len, dropped)), sorted({c for line in dropped for c in line if ord(c) > 126})
                kept.append(f"[{len(dropped)} lines of the client's own text, {size} characters {''.join(rare)}]")
                dropped.clear()

        for line in value.split("\n"):
            if not line.strip() or _SHAPE.fullmatch(line.rstrip()) or any(own in line for own in self.own):
                if line or not dropped:
                    close()
                    kept.append(line)
            else:
                dropped.append(line)
        close()
        shorter = "\n".join(kept)
        if shorter != value:
            self.notes.add(
                "long texts that the client wrote itself are replaced by a line that says how long they were"
            )
        return shorter

    def leaves(self, value: Any, key: str = "") -> Any:
        """Scrub every string leaf of a body."""
        if isinstance(value, str):
            # Only here: versions and features in headers are dates too, and facts.
            cleaned = _DATE.sub("2026-01-02", self.text(value))
            opaque = key in _KEPT or key.startswith("x-codex-")
            return cleaned if opaque or cleaned.startswith("x-anthropic-billing-header") else self.prose(cleaned)
        if isinstance(value, dict):
            return {name: self.leaves(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.leaves(item, key) for item in value]
        return value

    def headers(self, headers: list[tuple[str, str]]) -> list[list[str]]:
        """Scrub a list of headers, in order."""
        return [
            [name, "test-key" if name.lower() in _SECRET_HEADERS else self.text(value)]
            for name, value in headers
            if name.lower() not in _UNSTABLE_HEADERS
        ]


_STYLES: dict[str, dict[str, Any]] = {
    "compact": {"separators": (",", ":"), "ensure_ascii": False},
    "compact, ASCII only": {"separators": (",", ":"), "ensure_ascii": True},
    "spaced": {"ensure_ascii": False},
    "spaced, ASCII only": {"ensure_ascii": True},
}


def golden(entry: Recorded, scrubber: Scrubber, source: dict[str, Any]) -> tuple[bytes, bytes, dict[str, Any]]:
    """Return (request body, response body, meta) of one recorded exchange.

    Raises:
        ValueError: the client's JSON style is unknown, so that its bytes could not be written back as it writes them.

    """
    scrubber.notes.clear()
    request, style = entry.request, None
    if entry.request:
        decoded = json.loads(entry.request)
        style = next(
            (name for name, how in _STYLES.items() if json.dumps(decoded, **how).encode() == entry.request), None
        )
        if style is None:
            raise ValueError(f"{entry.path}: an unknown JSON style")
        request = json.dumps(scrubber.leaves(decoded), **_STYLES[style]).encode()
    meta = {
        **source,
        "method": entry.method,
        "path": entry.path,
        "request_headers": scrubber.headers(entry.request_headers),
        "request_json_style": style,
        "status": entry.status,
        "response_headers": scrubber.headers(entry.response_headers),
        "recorded_request_bytes": len(entry.request),
        "replaced": sorted({"credentials in headers, dates, session and device ids", *scrubber.notes}),
    }
    return request, scrubber.text(entry.response.decode()).encode(), meta
