"""Tool calls in answers of the OpenAI Chat Completions API, judged before the agent gets them.

Calls of one choice may be told side by side, so all are held until the choice ends: that is when clients act on them.
This module must never touch content, reasoning or usage.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from poundlock.core.gate import REFUSED
from poundlock.wire import framing
from poundlock.wire.body import reparse, write
from poundlock.wire.gating import EventGate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poundlock.core.gate import Gate, Ruling


class _Key(NamedTuple):
    choice: int
    call: int


class _Told(NamedTuple):
    """A piece of a call in an event: whose it is, the object that holds its name, and the member of its arguments."""

    key: _Key
    function: dict[str, Any]
    member: str


def judge(tree: Any, gate: Gate) -> bool:
    """Judge the calls in a whole answer's tree, in place; tell whether it changed."""
    changed = False
    for choice in _choices(tree):
        message = choice.get("message")
        for told in _told(choice, message) if isinstance(message, dict) else ():
            ruling = gate.rule(str(told.function.get("name", "")), told.function.get(told.member))
            if not ruling.allowed:
                told.function.update({"name": REFUSED, told.member: ruling.text})
                changed = True
    return changed


class CallGate(EventGate):
    """Holds the calls of an answer until the choice that they belong to ends."""

    opens: ClassVar[re.Pattern[bytes]] = re.compile(rb"tool_calls|function_call")

    def _event(self, raw: bytes) -> bytes:
        data = framing.data_of(raw)
        if data is None or not (self.holding or self.opens.search(data)):
            return raw
        try:
            tree = reparse(data)
        except (ValueError, RecursionError):
            tree = None  # such as [DONE]
        if tree is None:
            return self._release() + raw
        told = any(True for choice in _choices(tree) for _ in _told(choice, choice.get("delta")))
        ended = any(choice.get("finish_reason") for choice in _choices(tree)) or "error" in tree
        if told or self.holding:
            out = self._hold(raw)
            return out + self._release() if ended else out
        return raw

    def _release(self) -> bytes:
        held = self._taken()
        if not held:
            return b""
        trees = [self._tree(raw) for raw in held]
        names: dict[_Key, str] = {}
        given: dict[_Key, list[str]] = {}
        for told in (each for tree in trees for each in _all(tree)):
            name, part = told.function.get("name"), told.function.get(told.member)
            names[told.key] = names.get(told.key, "") or (name if isinstance(name, str) else "")
            given.setdefault(told.key, []).append(part if isinstance(part, str) else "")
        rulings = {key: self._gate.rule(names[key], "".join(parts)) for key, parts in given.items()}
        if all(ruling.allowed for ruling in rulings.values()):
            return b"".join(held)
        return b"".join(self._replaced(raw, tree, rulings) for raw, tree in zip(held, trees, strict=True))

    @staticmethod
    def _tree(raw: bytes) -> Any:
        data = framing.data_of(raw)
        return reparse(data) if data else None

    @staticmethod
    def _replaced(raw: bytes, tree: Any, rulings: dict[_Key, Ruling]) -> bytes:
        """Give a held event with its part in refused calls replaced: the first piece of a call says all."""
        changed = False
        for told in _all(tree):
            ruling = rulings[told.key]
            if ruling.allowed:
                continue
            changed = True
            first = told.function.get("name") is not None
            told.function.update({told.member: ruling.text if first else ""})
            if first:
                told.function["name"] = REFUSED
        return framing.with_data(raw, write(tree)) if changed else raw


def _choices(tree: Any) -> Iterator[dict[str, Any]]:
    choices = tree.get("choices") if isinstance(tree, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            yield choice


def _all(tree: Any) -> Iterator[_Told]:
    for choice in _choices(tree):
        yield from _told(choice, choice.get("delta"))


def _told(choice: dict[str, Any], holder: Any) -> Iterator[_Told]:
    """Give the pieces of calls in a message or delta."""
    if not isinstance(holder, dict):
        return
    at = choice.get("index")
    number = at if type(at) is int else 0
    several = holder.get("tool_calls")
    for place, call in enumerate(several if isinstance(several, list) else ()):
        if not isinstance(call, dict):
            continue
        index = call.get("index")
        key = _Key(number, index if type(index) is int else place)
        for name, member in (("function", "arguments"), ("custom", "input")):
            if isinstance(call.get(name), dict):
                yield _Told(key, call[name], member)
    if isinstance(holder.get("function_call"), dict):
        yield _Told(_Key(number, -1), holder["function_call"], "arguments")
