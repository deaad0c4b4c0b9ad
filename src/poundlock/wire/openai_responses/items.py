"""Items of the OpenAI Responses API on their way home: the places of one answer, and what restores each.

Source: platform.openai.com/docs/api-reference/responses. One text stands in up to five events; it is restored the same
in each, and counted and scanned where it was met first. This module must never touch encrypted reasoning, log
probabilities, usage or errors, nor restore into what the provider runs itself (web searches, computers, containers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from poundlock.core.stream import Channel, Homeward

_NESTING = 256
# What an answer repeats of its request.
_ECHOED = ("instructions", "metadata", "tools", "text", "prompt", "user", "safety_identifier", "prompt_cache_key")
# A message's parts (as an input, too), and the member of each that is text.
_PARTS = {
    "output_text": ("text", "text"),
    "input_text": ("text", "text"),
    "text": ("text", "text"),
    "refusal": ("refusal", "refusal"),
}
# Calls that the client carries out: the member with what it is asked, and the tool as `core.sinks` knows it.
_TREES = {"local_shell_call": ("action", "local_shell"), "apply_patch_call": ("operation", "apply_patch")}
_OWN_SPACES = ("multi_agent", "functions")
_FREE = frozenset({"input", "command"})
CALLED = frozenset({"arguments", "input", "command"})
"""Kinds of text that go to a tool; all others go to the reader."""


class Place(NamedTuple):
    """Where a text stands in an answer: the output item, the kind of text, which of its kind."""

    output: int
    kind: str
    number: int = 0


def tool_of(item: dict[str, Any]) -> str | None:
    """Give the name of the tool that an item calls with a text; None if it calls none with a text.

    A tool of a namespace (a server's) or of the provider's own connection (MCP) is told by its two parts and counts as
    remote. Codex's namespaces for its own agents are local.
    """
    kind = item.get("type")
    name = item.get("name") if isinstance(item.get("name"), str) else ""
    if kind in {"function_call", "custom_tool_call"}:
        space = item.get("namespace")
        if not isinstance(space, str) or not space or space.startswith(_OWN_SPACES):
            return str(name)
        return f"{space}__{name}"
    if kind == "shell_call":
        return "shell"
    if kind in {"mcp_call", "mcp_approval_request"}:
        return f"mcp__server__{name}"
    return None


class Answer:
    """One answer: restores in its items, and knows which places were met before."""

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        self._first = homeward
        self._again = homeward.again()
        self._met: set[Place] = set()

    def channel(self, place: Place, tool: str) -> Channel:
        """Give a channel for the text at this place; it is met with it."""
        home = self._home(place)
        if place.kind in CALLED:
            return home.tool(tool, free=place.kind in _FREE)
        return home.text()

    def member(self, holder: dict[str, Any], name: str, place: Place, tool: str = "") -> bool:
        """Restore in a member that holds the whole text of this place; tell whether it changed."""
        text = holder.get(name)
        if not isinstance(text, str) or not text:
            return False
        channel = self.channel(place, tool)
        holder[name] = channel.feed(text) + channel.flush()
        return bool(holder[name] != text)

    def response(self, response: dict[str, Any]) -> bool:
        """Restore in a whole response: its items, and what it repeats of the request."""
        changed = self.items(response.get("output"))
        for name in _ECHOED:
            if name in response:
                changed |= self._echo(response, name)
        return changed

    def items(self, items: Any) -> bool:
        """Restore in a list of items."""
        changed = False
        for output, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                changed |= self.item(item, output)
        return changed

    def item(self, item: dict[str, Any], output: int) -> bool:
        """Restore in one item in place; tell whether it changed."""
        kind = item.get("type")
        if kind == "message" or (kind is None and "role" in item):
            return self._parts(item.get("content"), output)
        if kind == "reasoning":
            return self._reasoning(item, output)
        if kind in _TREES:
            return self._tree(item, *_TREES[kind], output)
        if kind == "code_interpreter_call":
            return self.member(item, "code", Place(output, "code"))
        if kind == "shell_call" and isinstance(item.get("action"), dict):
            return self._commands(item["action"].get("commands"), output)
        tool = tool_of(item)
        if tool is None:
            return False
        changed = self._echo(item, "name") if "name" in item else False
        tool = tool_of(item) or ""
        member = "input" if kind == "custom_tool_call" else "arguments"
        if isinstance(item.get(member), (dict, list)):  # some servers give a tree where the API has a text
            return changed | self._tree(item, member, tool, output)
        return changed | self.member(item, member, Place(output, member), tool)

    def part(self, part: Any, output: int, index: int) -> bool:
        """Restore in one part of a message or of reasoning."""
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "reasoning_text":
            return self.member(part, "text", Place(output, "reasoning", index))
        if kind == "summary_text":
            return self.member(part, "text", Place(output, "summary", index))
        if not isinstance(kind, str) or kind not in _PARTS:
            return False
        member, name = _PARTS[kind]
        return self.member(part, member, Place(output, name, index))

    def _home(self, place: Place) -> Homeward:
        if place in self._met:
            return self._again
        self._met.add(place)
        return self._first

    def _parts(self, content: Any, output: int) -> bool:
        if isinstance(content, str):  # an input message in its short form has no place among the outputs
            return False
        changed = False
        for index, part in enumerate(content if isinstance(content, list) else ()):
            changed |= self.part(part, output, index)
        return changed

    def _reasoning(self, item: dict[str, Any], output: int) -> bool:
        changed = self._parts(item.get("summary"), output)
        return changed | self._parts(item.get("content"), output)

    def _commands(self, commands: Any, output: int) -> bool:
        """Restore in a shell call's commands, each judged by itself, as they are streamed."""
        changed = False
        for index, command in enumerate(commands if isinstance(commands, list) else ()):
            holder = {"command": command}
            changed |= self.member(holder, "command", Place(output, "command", index), "shell")
            commands[index] = holder["command"]
        return changed

    def _tree(self, item: dict[str, Any], member: str, tool: str, output: int) -> bool:
        given = item.get(member)
        if not given:
            return False
        item[member] = self._home(Place(output, "tree")).restore_arguments(tool, given)
        return item[member] is not given

    def _echo(self, holder: Any, key: Any, levels: int = _NESTING) -> bool:
        """Restore in every string of a tree that is only shown, and counted nowhere."""
        value = holder[key]
        if isinstance(value, str):
            holder[key] = self._again.restore_text(value)
            return bool(holder[key] != value)
        changed = False
        if levels and isinstance(value, (dict, list)):
            for inner in list(value) if isinstance(value, dict) else range(len(value)):
                changed |= self._echo(value, inner, levels - 1)
        return changed
