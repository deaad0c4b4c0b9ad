"""Hooks of coding agents: each agent's event as one `Event`, and what is decided in each agent's own words.

Sources: the agents' own references ("Hooks reference" of Claude Code, Gemini CLI, Qwen Code, VS Code; Codex' published
JSON schemas; "Copilot CLI hooks reference"; Cursor's "Hooks"), and runs of the agents, November 2026. This module must
never decide anything, and never answer more than an agent's reference lets a hook say: an answer that an agent can't
read lets the tool run in most of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from poundlock.core import sinks
from poundlock.core.errors import ClientFault
from poundlock.core.model import Document, Origin
from poundlock.wire import body
from poundlock.wire.body import Gatherer, JsonBody, Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kind = Literal["prompt", "before", "after", "read", "start", "end", "other"]
"""What happened: a prompt was typed; a tool is about to run, or has run; a file is about to be read; a session begins
or ends."""

_NAMES = body.COMMON_NAMES | body.words(
    """
    result stdout stderr interrupted isImage noOutputExpected filePath numLines startLine totalLines originalFile
    structuredPatch oldString newString replaceAll userModified llmContent returnDisplay error resultType
    textResultForLlm output exit_code exitCode durationMs duration wall_time returnCodeInterpretation mode filenames
    numFiles oldStart oldLines newStart newLines inlineData mimeType functionResponse
    """
)
_VALUES = body.COMMON_VALUES | body.words("success failure create update")
_READERS = frozenset({"read", "readfile", "readmanyfiles", "view", "cat", "readtextfile", "openfile"})


class Event(NamedTuple):
    """One event of an agent. `arguments` and `result` are JSON trees; `name` is the agent's own word for the event."""

    agent: str
    kind: Kind
    name: str
    session: str = ""
    tool: str = ""
    arguments: Any = None
    result: Any = None
    prompt: str = ""
    cwd: str = ""
    notes: tuple[str, ...] = ()


class Told(NamedTuple):
    """What an agent is told: a JSON object for its hook's standard output, the exit code, and a text for people."""

    answer: dict[str, Any]
    code: int = 0
    text: str = ""


_PASCAL: dict[str, Kind] = {
    "UserPromptSubmit": "prompt",
    "PreToolUse": "before",
    "PostToolUse": "after",
    "SessionStart": "start",
    "SessionEnd": "end",
}
_GEMINI: dict[str, Kind] = {
    "BeforeAgent": "prompt",
    "BeforeTool": "before",
    "AfterTool": "after",
    "SessionStart": "start",
    "SessionEnd": "end",
}
_COPILOT: dict[str, Kind] = {
    "userPromptSubmitted": "prompt",
    "preToolUse": "before",
    "postToolUse": "after",
    "sessionStart": "start",
    "sessionEnd": "end",
}
_CURSOR: dict[str, Kind] = {
    "beforeSubmitPrompt": "prompt",
    "preToolUse": "before",
    "beforeShellExecution": "before",
    "beforeMCPExecution": "before",
    "beforeReadFile": "read",
    "postToolUse": "after",
    "sessionStart": "start",
    "sessionEnd": "end",
}
EVENTS: Mapping[str, Mapping[str, Kind]] = {
    "claude-code": _PASCAL,
    "codex": _PASCAL,
    "qwen-code": _PASCAL,
    "vscode": _PASCAL,
    "gemini-cli": _GEMINI,
    "copilot-cli": _COPILOT,
    "cursor": _CURSOR,
}
"""The events of each agent that are understood, by the agent's own names."""
REWRITES = frozenset({"claude-code", "codex", "gemini-cli"})
"""Agents in which a hook may rewrite a call's arguments, and which were seen not to tell the model the new ones.

Copilot CLI puts what was rewritten into the conversation: a value put back would go to the provider with the next turn.
The others were not seen to do it right.
"""


def read(agent: str, data: bytes, name: str = "") -> Event:
    """Take an agent's event apart; `name` is the event's, for agents that don't say it in the event.

    Raises: `ClientFault` for an agent that nobody knows, or what is no JSON object.
    """
    events = EVENTS.get(agent)
    if events is None:
        raise ClientFault("Poundlock has no hook for this agent.", advice=f"It knows: {', '.join(EVENTS)}.")
    tree, notes = body.decode_object(data, "Send the agent's own hook event.")
    told = _text(tree, "hook_event_name", "hookEventName") or name
    if agent == "copilot-cli" and told in _PASCAL:
        # VS Code runs Copilot CLI's hooks, too, in the words that it shares with Claude Code.
        agent, events = "vscode", _PASCAL
    kind = events.get(told, "other")
    arguments = _decoded(_first(tree, "tool_input", "toolInput", "toolArgs"))
    tool = _text(tree, "tool_name", "toolName")
    if agent == "cursor":
        tool, arguments = _cursor_call(told, tree, tool, arguments)
    return Event(
        agent=agent,
        kind=kind,
        name=told,
        session=_text(tree, "session_id", "sessionId", "conversation_id"),
        tool=tool,
        arguments={} if arguments is None else arguments,
        result=tree.get("content") if kind == "read" else _first(tree, "tool_response", "toolResult", "tool_output"),
        prompt=_text(tree, "prompt"),
        cwd=_text(tree, "cwd"),
        notes=notes,
    )


def _cursor_call(name: str, tree: dict[str, Any], tool: str, arguments: Any) -> tuple[str, Any]:
    """Give the call that Cursor's narrower events speak of."""
    if name == "beforeShellExecution":
        return "Shell", {"command": tree.get("command")}
    if name == "beforeMCPExecution":
        return f"mcp__cursor__{tool}", arguments
    if name == "beforeReadFile":
        return "Read", {"file_path": tree.get("file_path")}
    return tool, arguments


def _first(tree: Mapping[str, Any], *names: str) -> Any:
    return next((tree[name] for name in names if name in tree), None)


def _text(tree: Mapping[str, Any], *names: str) -> str:
    found = _first(tree, *names)
    return found if isinstance(found, str) else ""


def _decoded(value: Any) -> Any:
    """Give arguments that came as JSON text as the tree that they are."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            return body.parse(value.encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return value
    return value


def conversation(event: Event) -> str:
    """Name the conversation that an event belongs to, without its own id in it."""
    return body.digest("hook", event.agent, event.session)


def document(event: Event) -> JsonBody:
    """Give what an event holds as a document: the prompt, a call's arguments, or what a tool gave back.

    Raises: `ClientFault` past the nesting limit.
    """
    gather = Gatherer(_NAMES, _VALUES)
    tree: dict[str, Any]
    if event.kind == "prompt":
        tree = {"prompt": event.prompt}
        gather.text(tree, "prompt", ("prompt",), Voice("user", "prose", "typed"))
    elif event.kind == "before":
        tree = {"input": event.arguments}
        gather.tree(tree, "input", ("input",), Voice("assistant", "tool_args", "tool", 0, event.tool))
    elif event.kind in {"after", "read"}:
        tree = {"input": event.result}
        gather.tree(tree, "input", ("input",), Voice("tool", "tool_result", _origin(event.tool), 0, event.tool))
    else:
        tree = {}
    return gather.body(
        tree,
        Document(
            provider="hook",
            operation=event.kind,
            segments=(),
            direction="inbound" if event.kind in {"after", "read"} else "outbound",
            conversation=conversation(event),
            tools=(event.tool,) if event.tool else (),
        ),
    )


def _origin(tool: str) -> Origin:
    kind = sinks.classify(tool)
    plain = "".join(char for char in tool.lower() if char.isalnum())
    return "untrusted" if kind == "remote" else "file" if plain in _READERS else "tool"


def replaced(whole: bytes) -> Any:
    """Give the tree of what takes a result's place, from the bytes of an encoded document."""
    return body.parse(whole)["input"]


def withheld(result: Any, message: str) -> Any:
    """Give a result of the same shape that says only `message`, in the place of its first longest text."""
    longest = max(_texts(result), key=len, default=None)
    if longest is None:
        return message
    told = False

    def swap(text: str) -> str:
        nonlocal told
        if told or text != longest:
            return ""
        told = True
        return message

    return _swapped(result, swap)


def _texts(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    if isinstance(node, dict):
        return [text for key, item in node.items() if key not in {"type", "resultType"} for text in _texts(item)]
    return [text for item in node for text in _texts(item)] if isinstance(node, list) else []


def _swapped(node: Any, swap: Callable[[str], str]) -> Any:
    if isinstance(node, str):
        return swap(node)
    if isinstance(node, dict):
        return {key: item if key in {"type", "resultType"} else _swapped(item, swap) for key, item in node.items()}
    return [_swapped(item, swap) for item in node] if isinstance(node, list) else node


# --- what an agent is told ----------------------------------------------------------------------------------------


def passes(event: Event, context: str = "") -> Told:
    """Let it be; `context` is something that the model or the person should know."""
    if event.agent == "cursor":
        answer: dict[str, Any] = (
            {"continue": True} if event.kind == "prompt" else {"permission": "allow"} if event.kind != "after" else {}
        )
        return Told({**answer, **({"additional_context": context} if context and event.kind == "after" else {})})
    if not context:
        return Told({})
    if event.agent == "copilot-cli":
        return Told({"additionalContext": context})
    return Told({"hookSpecificOutput": {"hookEventName": event.name, "additionalContext": context}})


def stops(event: Event, reason: str) -> Told:
    """Stop a prompt, a call or the reading of a file. The answer and the exit code (2) both say so."""
    if event.kind in {"after", "start", "end", "other"}:
        return passes(event, reason)
    if event.agent == "cursor":
        if event.kind == "prompt":
            return Told({"continue": False, "user_message": reason}, 2, reason)
        return Told({"permission": "deny", "user_message": reason, "agent_message": reason}, 2, reason)
    if event.kind == "prompt":
        word = "deny" if event.agent == "gemini-cli" else "block"
        return Told({"decision": word, "reason": reason}, 2, reason)
    if event.agent == "gemini-cli":
        return Told({"decision": "deny", "reason": reason}, 2, reason)
    decision = {"permissionDecision": "deny", "permissionDecisionReason": reason}
    if event.agent == "copilot-cli":
        return Told(decision, 2, reason)
    return Told({"hookSpecificOutput": {"hookEventName": event.name, **decision}}, 2, reason)


def rewrites(event: Event, arguments: Any) -> Told:
    """Let a call be made with other arguments."""
    match event.agent:
        case "gemini-cli":
            return Told({"hookSpecificOutput": {"hookEventName": event.name, "tool_input": arguments}})
        case "copilot-cli":
            return Told({"modifiedArgs": arguments})
        case "cursor":
            return Told({"permission": "allow", "updated_input": arguments})
        case "codex":
            # It takes new arguments only beside an "allow", which lets nothing run that would not run anyway.
            granted: dict[str, Any] = {"permissionDecision": "allow"}
        case _:
            granted = {}  # whether the call may be made stays the person's own setting
    return Told({"hookSpecificOutput": {"hookEventName": event.name, **granted, "updatedInput": arguments}})


def replaces(event: Event, result: Any) -> Told:
    """Give the model another result; where the agent can't, say what it would have been in its place."""
    match event.agent:
        case "claude-code":
            return Told({"hookSpecificOutput": {"hookEventName": event.name, "updatedToolOutput": result}})
        case "gemini-cli":
            return Told({"decision": "deny", "reason": plain(result)})
        case "copilot-cli":
            kept = result if isinstance(result, dict) else {"resultType": "success", "textResultForLlm": plain(result)}
            return Told({"modifiedResult": kept})
        case "cursor":
            if sinks.classify(event.tool) == "remote" or event.tool.startswith("MCP:"):
                return Told({"updated_mcp_tool_output": _decoded(result)})
            return passes(event, "Poundlock found sensitive values in this result. Do not repeat them.")
        case "qwen-code":
            # To stop is the only thing by which it replaces a result; the turn goes on all the same.
            text = plain(result)
            return Told({"continue": False, "stopReason": text, "decision": "block", "reason": text})
        case _:
            return Told({"decision": "block", "reason": plain(result)})


def plain(result: Any) -> str:
    """Give a result as the text that a model would read."""
    if isinstance(result, str):
        return result
    if isinstance(result, dict):
        for name in ("llmContent", "textResultForLlm", "output", "content", "text"):
            if result.get(name):
                return plain(result[name])
    if isinstance(result, list) and all(isinstance(part, (str, dict)) for part in result):
        return "\n".join(plain(part) for part in result)
    return body.write(result).decode()
