"""The figures of an answer that a provider works out: ids, token counts, and what its prompt cache held.

It must never be random: the same script and the same requests in the same order give the same bytes.
"""

from __future__ import annotations

import json
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

_MEMORY = 400  # newest prompts that the cache remembers


def identifier(chance: random.Random, prefix: str, length: int = 24) -> str:
    """Return a provider-like id: the prefix and so many letters and digits."""
    return prefix + "".join(chance.choices(string.ascii_letters + string.digits, k=length))


def plain(value: Any) -> Any:
    """Return a prompt's part as a provider compares it: without cache breakpoints, a lone text as a list of one block.

    Clients write the same message either way, from one turn to the next.
    """
    if isinstance(value, dict):
        kept = {key: plain(item) for key, item in value.items() if key != "cache_control"}
        if isinstance(kept.get("content"), str):
            kept["content"] = [{"type": "text", "text": kept["content"]}]
        return kept
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


@dataclass(slots=True)
class PromptCache:
    """Which prefixes of prompts were seen: tools, then system, then messages, as the providers lay a prompt out.

    Breakpoints move from turn to turn and are no part of what is compared.
    """

    seen: list[bytes] = field(default_factory=list)

    def look_up(self, body: dict[str, Any]) -> tuple[int, int]:
        """Return (bytes of this prompt, bytes of its longest prefix that an earlier prompt also began with)."""
        parts = [plain(body.get(name, [])) for name in ("tools", "system", "instructions", "messages", "input")]
        items = [item for part in parts for item in (part if isinstance(part, list) else [part])]
        lines = [json.dumps(item, ensure_ascii=False).encode("utf-8", "surrogatepass") for item in items]
        prompt = b"".join(line + b"\n" for line in lines)
        best = max((_shared(prompt, earlier) for earlier in self.seen), default=0)
        self.seen.append(prompt)
        del self.seen[:-_MEMORY]
        return len(prompt), best


def _shared(left: bytes, right: bytes) -> int:
    """Return how many leading bytes two strings share (by halving, each step one comparison in C)."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def tokens(size: int) -> int:
    """Return a token count for so many bytes: a quarter, and at least one."""
    return max(1, size // 4)
