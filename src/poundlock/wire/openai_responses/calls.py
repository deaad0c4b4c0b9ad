"""Tool calls in answers of the OpenAI Responses API, judged before the agent gets them.

Only calls that the client carries out; what the provider ran itself has happened already. An item's events are held
from the one that adds it to the one that ends it, and every event goes on, in its order and with its own number. This
module must never touch text, reasoning or usage.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from poundlock.core.gate import REFUSED
from poundlock.wire import framing
from poundlock.wire.body import reparse, write
from poundlock.wire.gating import EventGate
from poundlock.wire.openai_responses.items import tool_of

if TYPE_CHECKING:
    from poundlock.core.gate import Gate, Ruling

_TEXTS = {"function_call": "arguments", "custom_tool_call": "input"}
_TREES = {
    "local_shell_call": ("local_shell", "action"),
    "shell_call": ("shell", "action"),
    "apply_patch_call": ("apply_patch", "operation"),
}
_COMPLETE = frozenset({"response.completed", "response.incomplete", "response.done"})


def judge(tree: Any, gate: Gate) -> bool:
    """Judge the calls in a whole answer's tree (a response, or a list of items); tell whether it changed."""
    items = tree.get("output", tree.get("data")) if isinstance(tree, dict) else None
    changed = False
    for item in items if isinstance(items, list) else ():
        ruling = _rule(item, gate)
        if ruling is not None and not ruling.allowed:
            _refuse(item, ruling)
            changed = True
    return changed


def _rule(item: Any, gate: Gate) -> Ruling | None:
    """Judge one item; None for such as is no call of the client's."""
    kind = item.get("type") if isinstance(item, dict) else None
    if kind in _TEXTS:
        return gate.rule(tool_of(item) or "", item.get(_TEXTS[kind]) or "")
    if kind in _TREES:
        tool, member = _TREES[kind]
        return gate.rule(tool, item.get(member) or {})
    return None


def _refuse(item: dict[str, Any], ruling: Ruling) -> None:
    """Make an item the call that goes on instead."""
    kind = item.get("type")
    item.pop("namespace", None)
    if kind in _TREES:
        item.pop(_TREES[kind][1], None)
        item["type"] = kind = "function_call"
    item["name"] = REFUSED
    item[_TEXTS[str(kind)]] = ruling.text


class CallGate(EventGate):
    """Holds a call's events until its item is done."""

    opens: ClassVar[re.Pattern[bytes]] = re.compile(rb"_call\"")

    def __init__(self, gate: Gate) -> None:
        """Judge with `gate`."""
        super().__init__(gate)
        self._open: set[int] = set()
        self._rulings: dict[str, Ruling] = {}

    def _event(self, raw: bytes) -> bytes:
        data = framing.data_of(raw)
        if data is None or not (self.holding or self.opens.search(data)):
            return raw
        try:
            event = reparse(data)
        except (ValueError, RecursionError):
            event = {}
        event = event if isinstance(event, dict) else {}
        kind = event.get("type")
        item, output = event.get("item"), event.get("output_index")
        call = isinstance(item, dict) and (item.get("type") in _TEXTS or item.get("type") in _TREES)
        if kind == "response.output_item.added" and call and type(output) is int:
            self._open.add(output)
            return self._hold(raw)
        if kind == "response.output_item.done" and call:
            self._judge(item)
            self._open.discard(output if type(output) is int else -1)
            held = self._hold(raw)
            return held if self._open else held + self._release()
        if kind in _COMPLETE:
            return self._release() + self._completed(raw, event)
        if kind in {"error", "response.failed", "response.cancelled"}:
            return self._release() + raw
        return self._hold(raw) if self.holding else raw

    def _judge(self, item: Any) -> Ruling | None:
        """Give the ruling on an item; one that is said again is not judged again."""
        known = self._rulings.get(_name(item))
        if known is None and (known := _rule(item, self._gate)) is not None:
            self._rulings[_name(item)] = known
        return known

    def _completed(self, raw: bytes, event: dict[str, Any]) -> bytes:
        response = event.get("response")
        output = response.get("output") if isinstance(response, dict) else None
        changed = False
        for item in output if isinstance(output, list) else ():
            ruling = self._judge(item)
            if ruling is not None and not ruling.allowed:
                _refuse(item, ruling)
                changed = True
        return framing.with_data(raw, write(event)) if changed else raw

    def _release(self) -> bytes:
        held = self._taken()
        self._open.clear()
        events = [reparse(framing.data_of(raw) or b"{}") for raw in held]
        refused: dict[int, Ruling] = {}
        whole = {_name(event.get("item")) for event in events if event.get("type") == "response.output_item.done"}
        for event in events:
            item = event.get("item")
            if not isinstance(item, dict) or event.get("type") not in {
                "response.output_item.added",
                "response.output_item.done",
            }:
                continue
            if _name(item) not in whole:
                self._unfinished(item, events)
            ruling = self._judge(item) if event["type"].endswith("done") or _name(item) not in whole else None
            ruling = ruling or self._rulings.get(_name(item))
            if ruling is not None and not ruling.allowed:
                refused[event.get("output_index", -1)] = ruling
        if not refused:
            return b"".join(held)
        told: set[int] = set()
        return b"".join(
            _replaced(raw, event, refused[event["output_index"]], told) if event.get("output_index") in refused else raw
            for raw, event in zip(held, events, strict=True)
        )

    @staticmethod
    def _unfinished(item: dict[str, Any], events: list[dict[str, Any]]) -> None:
        """Put what was said of a call that never ended into the item, so that it is judged by that."""
        member = _TEXTS.get(str(item.get("type")))
        if member is not None and not item.get(member):
            item[member] = "".join(
                event["delta"]
                for event in events
                if event.get("item_id") == item.get("id") and isinstance(event.get("delta"), str)
            )


def _name(item: Any) -> str:
    """Give what an item is known by: its own id, or its call's."""
    if not isinstance(item, dict):
        return ""
    return str(item.get("id") or item.get("call_id") or "")


def _replaced(raw: bytes, event: dict[str, Any], ruling: Ruling, told: set[int]) -> bytes:
    """Give one event of a refused call: what it says of the call is replaced, its number and place stay."""
    item = event.get("item")
    output = event["output_index"]
    if isinstance(item, dict):
        _refuse(item, ruling)
        if event.get("type") == "response.output_item.added":
            item[_TEXTS[str(item["type"])]] = ""
    elif isinstance(event.get("delta"), str):
        event["delta"] = "" if output in told else ruling.text
        told.add(output)
    else:
        for member in ("arguments", "input", "command"):
            if isinstance(event.get(member), str):
                event[member] = ruling.text
    return framing.with_data(raw, write(event))
