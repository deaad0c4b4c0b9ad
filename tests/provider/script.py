"""The script of the mock provider: which answer comes when, and how its text and its bytes are cut.

It must never guess: an unknown key in a script is an error, since a misspelt one would make a test pass for nothing.

A script is one JSON object::

    {
      "seed": 1,                        chooses ids, padding and random cuts
      "copy": {"key": {"pattern": "…"}},  text taken out of the request; group 1 if there is one; "{{key}}" uses it
      "rules": [TURN with conditions],  tried first, in order
      "sockets": false,                 refuses WebSockets with 426
      "turns": [TURN, …]                the answer to a request with N assistant messages is turns[N], or the last one
    }

A turn::

    "blocks"      list of {"text": …} | {"thinking": …, "signature": …} | {"redacted_thinking": …}
                  | {"tool": NAME, "input": {…}} | {"tool": NAME, "raw": "arguments as sent, valid or not"}
                  | {"item": {…}} (an item of the Responses API, given whole);
                  each may have its own "cut"
    "cut"         how texts become deltas: "whole", "characters", {"every": n}, {"random": seed, "most": n},
                  {"inside": ["text", …]} (cut in the middle, and around every character, of each occurrence)
    "wire"        how events become writes: "events", "bytes", "whole", {"every": n}, {"random": seed, "most": n}
    "stop"        overrides the stop reason
    "usage"       overrides usage figures
    "pings"       how many extra pings (Anthropic) or comment lines (OpenAI) are strewn in
    "first_delay" seconds before the first byte;  "dribble": seconds between writes
    "error"       {"status": 429, "type": "rate_limit_error", "message": …, "headers": {…}, "body": anything}
    "fail"        {"events": n, "type": "overloaded_error", "message": …}: an error event in mid-stream, then the end
    "drop"        {"events": n, "bytes": m}: the connection is cut after n whole events and m bytes of the next
    "endless"     {"how": "no_newline" | "events", "bytes": limit, "pause": seconds}
    "reply"       {"status": …, "headers": {…}, "base64": …}: these bytes, whatever was asked
    "compress"    "gzip", "br" or "zstd", used when the request accepts it

and, for rules: "assistants": n, "contains": regex in the newest message, "anywhere": regex in any string,
"tools": whether the request brings tools, "path": regex, "times": at most so often.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWER_KEYS = frozenset(["blocks", "cut", "wire", "stop", "usage", "pings", "compress", "copy", "note"])
_FAULT_KEYS = frozenset(["first_delay", "dribble", "error", "fail", "drop", "endless", "reply"])
_CONDITION_KEYS = frozenset(["assistants", "contains", "anywhere", "tools", "path", "times"])
_BLOCK_KEYS = frozenset(
    ["text", "thinking", "signature", "redacted_thinking", "tool", "input", "raw", "id", "cut", "item"]
)


def strings(value: Any) -> Iterator[str]:
    """Yield every string leaf of a decoded JSON value in document order (keys are not leaves)."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def _made(message: dict[str, Any]) -> bool:
    """Whether the model made a message, or an item of the Responses API."""
    kind = str(message.get("type", ""))
    return message.get("role") == "assistant" or kind == "reasoning" or kind.endswith("_call")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a script may look at in one request."""

    path: str
    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation, or nothing when the body has none."""
        found = self.body.get("messages", self.body.get("input"))
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    @property
    def assistants(self) -> int:
        """How many answers the conversation holds: assistant messages, or runs of items that the model made."""
        made = [_made(message) for message in self.messages]
        if "messages" in self.body:
            return sum(made)
        return sum(mine and not before for before, mine in zip([False, *made], made, strict=False))

    def newest(self) -> str:
        """Return the text of everything after the last assistant message."""
        tail: list[dict[str, Any]] = []
        for message in reversed(self.messages):
            if _made(message):
                break
            tail.append(message)
        return "\n".join(strings(tail[::-1]))

    def anywhere(self) -> str:
        """Return the text of the conversation and of the system prompt."""
        first = [*strings(self.body.get("system")), *strings(self.body.get("instructions"))]
        return "\n".join([*first, *strings(self.messages)])


@dataclass(frozen=True, slots=True)
class Script:
    """A checked script; `answer` picks the turn for a request."""

    raw: dict[str, Any]
    used: dict[int, int] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The number that every random choice of the server comes from."""
        return int(self.raw.get("seed", 1))

    def answer(self, ask: Ask) -> dict[str, Any]:
        """Return the turn for this request with its templates filled in."""
        for number, rule in enumerate(self.raw.get("rules", [])):
            if self.used.get(number, 0) < rule.get("times", 1 << 60) and _holds(rule, ask):
                self.used[number] = self.used.get(number, 0) + 1
                return self._filled(rule, ask)
        turns = self.raw["turns"]
        return self._filled(turns[min(ask.assistants, len(turns) - 1)], ask)

    def _filled(self, turn: dict[str, Any], ask: Ask) -> dict[str, Any]:
        copies = {**self.raw.get("copy", {}), **turn.get("copy", {})}
        values: dict[str, str] = {}
        for name, copy in copies.items():
            text = ask.newest() if copy.get("where") == "newest" else ask.anywhere()
            hits = [hit[hit.re.groups and 1] for hit in re.finditer(copy["pattern"], text)]
            values[name] = hits[0 if copy.get("first") else -1] if hits else f"MISSING({name})"

        def fill(value: Any) -> Any:
            if isinstance(value, str):
                return re.sub(r"\{\{(\w+)\}\}", lambda hit: values.get(hit[1], hit[0]), value)
            if isinstance(value, dict):
                return {key: fill(item) for key, item in value.items()}
            if isinstance(value, list):
                return [fill(item) for item in value]
            return value

        filled: dict[str, Any] = fill({key: item for key, item in turn.items() if key != "copy"})
        return filled


def _holds(rule: dict[str, Any], ask: Ask) -> bool:
    return (
        ("assistants" not in rule or rule["assistants"] == ask.assistants)
        and ("contains" not in rule or re.search(rule["contains"], ask.newest()) is not None)
        and ("anywhere" not in rule or re.search(rule["anywhere"], ask.anywhere()) is not None)
        and ("tools" not in rule or rule["tools"] == bool(ask.body.get("tools")))
        and ("path" not in rule or re.search(rule["path"], ask.path) is not None)
    )


def parse(source: bytes | str) -> Script:
    """Check a script and return it.

    Raises:
        ValueError: an unknown key, or neither turns nor rules.

    """
    raw = json.loads(source)
    if unknown := set(raw) - {"seed", "copy", "rules", "turns", "note", "sockets"}:
        raise ValueError(f"unknown keys in the script: {sorted(unknown)}")
    if not raw.get("turns"):
        raise ValueError("a script needs at least one turn")
    for turn in [*raw.get("rules", []), *raw["turns"]]:
        if unknown := set(turn) - _ANSWER_KEYS - _FAULT_KEYS - _CONDITION_KEYS:
            raise ValueError(f"unknown keys in a turn: {sorted(unknown)}")
        for block in turn.get("blocks", []):
            if unknown := set(block) - _BLOCK_KEYS:
                raise ValueError(f"unknown keys in a block: {sorted(unknown)}")
    return Script(raw)
