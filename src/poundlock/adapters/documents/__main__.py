"""Reads one document from standard input and writes its text as JSON.

A process of its own with limits, so that a hostile file ends nothing but this. Must never start another.
"""

from __future__ import annotations

import io
import sys

import msgspec

from poundlock.adapters.documents import Budget, Leaf, Unreadable, leaves

MEMORY = 1 << 30  # bytes of address space
TEXT = 16 << 20  # characters of the answer


def read(data: bytes) -> dict[str, str]:
    """Give the text of a document, and why a part of it could not be read."""
    parts: list[str] = []
    faults: dict[str, None] = {}
    size = 0
    for leaf in leaves(io.BytesIO(data), "", Budget(size=256 << 20, members=2000, depth=2, pages=500)):
        fault, text = leaf.fault, ""
        if not fault:
            text, fault = _text(leaf)
        if fault:
            faults[fault] = None
        size += len(text)
        if size > TEXT:
            faults["it holds more text than is read"] = None
            break
        if text.strip():
            parts.append(f"--- {leaf.place.lstrip('#!/') or 'text'} ---\n{text.rstrip()}\n")
    return {"text": "\n".join(parts), "fault": next(iter(faults), "")}


def _text(leaf: Leaf) -> tuple[str, str]:
    if leaf.stream is None:
        return leaf.text, ""
    try:
        return leaf.stream.read().decode("utf-8", "replace"), ""
    except Unreadable as fault:
        return "", str(fault)


def main() -> None:
    """Answer, with limits on memory and processor time."""
    import resource  # noqa: PLC0415 (POSIX only)

    seconds = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.buffer.write(msgspec.json.encode(read(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
