"""Agents' hook events, read and answered: one table row for each agent and each thing that can be said to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from poundlock.core.errors import ClientFault
from poundlock.wire import hooks
from poundlock.wire.hooks import Told

ARGUMENTS = {"command": "cat .env"}
_SNAKE = {"session_id": "s1", "cwd": "/p"}


def _snake(name: str, **more: Any) -> dict[str, Any]:
    return {**_SNAKE, "hook_event_name": name, **more}


CALLS = {
    "claude-code": ("PreToolUse", _snake("PreToolUse", tool_name="Bash", tool_input=ARGUMENTS)),
    "codex": ("PreToolUse", _snake("PreToolUse", tool_name="Bash", tool_input=ARGUMENTS)),
    "qwen-code": ("PreToolUse", _snake("PreToolUse", tool_name="Bash", tool_input=ARGUMENTS)),
    "vscode": ("PreToolUse", _snake("PreToolUse", tool_name="Bash", tool_input=ARGUMENTS)),
    "gemini-cli": ("BeforeTool", _snake("BeforeTool", tool_name="Bash", tool_input=ARGUMENTS)),
    "copilot-cli": (
        "preToolUse",
        {"sessionId": "s1", "cwd": "/p", "toolName": "Bash", "toolArgs": json.dumps(ARGUMENTS)},
    ),
    "cursor": (
        "preToolUse",
        {"conversation_id": "s1", "cwd": "/p", "hook_event_name": "preToolUse"}
        | {"tool_name": "Bash", "tool_input": ARGUMENTS},
    ),
}
"""A call of each agent, in its own words."""
_DENY = {"permissionDecision": "deny", "permissionDecisionReason": "no"}
_PRE = {"hookEventName": "PreToolUse"}
DENIED = {
    "claude-code": {"hookSpecificOutput": {**_PRE, **_DENY}},
    "codex": {"hookSpecificOutput": {**_PRE, **_DENY}},
    "qwen-code": {"hookSpecificOutput": {**_PRE, **_DENY}},
    "vscode": {"hookSpecificOutput": {**_PRE, **_DENY}},
    "gemini-cli": {"decision": "deny", "reason": "no"},
    "copilot-cli": _DENY,
    "cursor": {"permission": "deny", "user_message": "no", "agent_message": "no"},
}
_NEW = {"command": "new"}
REWRITTEN = {
    "claude-code": {"hookSpecificOutput": {**_PRE, "updatedInput": _NEW}},
    "codex": {"hookSpecificOutput": {**_PRE, "permissionDecision": "allow", "updatedInput": _NEW}},
    "qwen-code": {"hookSpecificOutput": {**_PRE, "updatedInput": _NEW}},
    "vscode": {"hookSpecificOutput": {**_PRE, "updatedInput": _NEW}},
    "gemini-cli": {"hookSpecificOutput": {"hookEventName": "BeforeTool", "tool_input": _NEW}},
    "copilot-cli": {"modifiedArgs": _NEW},
    "cursor": {"permission": "allow", "updated_input": _NEW},
}
LET = {agent: {"permission": "allow"} if agent == "cursor" else {} for agent in hooks.EVENTS}


def _read(agent: str, tree: dict[str, Any], name: str = "") -> hooks.Event:
    return hooks.read(agent, json.dumps(tree).encode(), name)


@pytest.mark.parametrize("agent", hooks.EVENTS)
def test_a_call(agent: str) -> None:
    """Every agent's call is the same event, and can be let through, denied and rewritten in the agent's words."""
    name, tree = CALLS[agent]
    event = _read(agent, tree, name)
    assert event == hooks.Event(
        agent=agent, kind="before", name=name, session="s1", tool="Bash", arguments=ARGUMENTS, cwd="/p"
    )
    assert hooks.passes(event) == Told(LET[agent])
    assert hooks.stops(event, "no") == Told(DENIED[agent], 2, "no")
    assert hooks.rewrites(event, _NEW) == Told(REWRITTEN[agent])
    segments = hooks.document(event).document.segments
    assert [(each.text, each.role, each.kind, each.tool) for each in segments] == [
        ("cat .env", "assistant", "tool_args", "Bash")
    ]


PROMPTS = {
    "claude-code": ("UserPromptSubmit", {"decision": "block", "reason": "no"}),
    "codex": ("UserPromptSubmit", {"decision": "block", "reason": "no"}),
    "qwen-code": ("UserPromptSubmit", {"decision": "block", "reason": "no"}),
    "vscode": ("UserPromptSubmit", {"decision": "block", "reason": "no"}),
    "gemini-cli": ("BeforeAgent", {"decision": "deny", "reason": "no"}),
    "copilot-cli": ("userPromptSubmitted", {"decision": "block", "reason": "no"}),
    "cursor": ("beforeSubmitPrompt", {"continue": False, "user_message": "no"}),
}


@pytest.mark.parametrize("agent", hooks.EVENTS)
def test_a_prompt(agent: str) -> None:
    """Every agent's prompt is typed text, and can be stopped."""
    name, stopped = PROMPTS[agent]
    event = _read(agent, {"prompt": "explain", **({} if agent == "copilot-cli" else {"hook_event_name": name})}, name)
    assert (event.kind, event.prompt) == ("prompt", "explain")
    assert hooks.stops(event, "no") == Told(stopped, 2, "no")
    assert hooks.passes(event) == Told({"continue": True} if agent == "cursor" else {})
    (segment,) = hooks.document(event).document.segments
    assert (segment.text, segment.role, segment.origin) == ("explain", "user", "typed")


_SHELL = {"stdout": "KEY=value", "stderr": "", "interrupted": False}
RESULTS: list[tuple[str, str, str, Any, Any]] = [
    ("claude-code", "PostToolUse", "tool_response", _SHELL, {**_SHELL, "stdout": "KEY=new"}),
    ("codex", "PostToolUse", "tool_response", "KEY=value", "KEY=new"),
    ("qwen-code", "PostToolUse", "tool_response", {"output": "KEY=value"}, "KEY=new"),
    ("vscode", "PostToolUse", "tool_response", "KEY=value", "KEY=new"),
    ("gemini-cli", "AfterTool", "tool_response", {"llmContent": "KEY=value", "returnDisplay": "x"}, "KEY=new"),
    (
        "copilot-cli",
        "postToolUse",
        "toolResult",
        {"resultType": "success", "textResultForLlm": "KEY=value"},
        {"resultType": "success", "textResultForLlm": "KEY=new"},
    ),
]


@pytest.mark.parametrize(("agent", "name", "member", "result", "given"), RESULTS)
def test_a_result(agent: str, name: str, member: str, result: Any, given: Any) -> None:
    """What a tool gave back is inspected in its own shape, and given to the model in another's place."""
    event = _read(agent, {"hook_event_name": name, "tool_name": "Bash", "tool_input": {}, member: result}, name)
    body = hooks.document(event)
    index = next(i for i, segment in enumerate(body.document.segments) if segment.text == "KEY=value")
    assert body.document.segments[index].kind == "tool_result"
    told = hooks.replaces(event, hooks.replaced(body.encode({index: "KEY=new"})))
    shapes: dict[str, dict[str, Any]] = {
        "qwen-code": {"continue": False, "stopReason": given, "decision": "block", "reason": given},
        "claude-code": {"hookSpecificOutput": {"hookEventName": "PostToolUse", "updatedToolOutput": given}},
        "gemini-cli": {"decision": "deny", "reason": given},
        "copilot-cli": {"modifiedResult": given},
    }
    assert told == Told(shapes.get(agent, {"decision": "block", "reason": given}))


@pytest.mark.parametrize(
    ("tool", "origin"), [("Read", "file"), ("read_file", "file"), ("Bash", "tool"), ("WebFetch", "untrusted")]
)
def test_where_a_result_comes_from(tool: str, origin: str) -> None:
    """A file's content is a file's, a page is a stranger's, and a command's output is neither."""
    tree = _snake("PostToolUse", tool_name=tool, tool_input={}, tool_response="a line")
    (segment,) = hooks.document(_read("claude-code", tree)).document.segments
    assert segment.origin == origin


def test_cursor_reads_a_file() -> None:
    """What Cursor is about to read is seen before the model gets it, and can only be refused as a whole."""
    event = _read("cursor", {"hook_event_name": "beforeReadFile", "file_path": "/p/.env", "content": "KEY=value"})
    assert (event.kind, event.tool, event.arguments) == ("read", "Read", {"file_path": "/p/.env"})
    assert [segment.text for segment in hooks.document(event).document.segments] == ["KEY=value"]
    assert hooks.stops(event, "no").answer["permission"] == "deny"


def test_vs_code_runs_copilot_hooks() -> None:
    """VS Code runs Copilot CLI's hooks with words of its own: it is answered in those."""
    event = _read("copilot-cli", _snake("PreToolUse", tool_name="run_in_terminal", tool_input=ARGUMENTS))
    assert event.agent == "vscode"
    assert hooks.stops(event, "no").answer == DENIED["vscode"]


def test_what_is_withheld_keeps_its_shape() -> None:
    """A result that may not be read at all says so in the place of its longest text; all else of it is empty."""
    result = {"type": "text", "file": {"content": "long secret", "path": "x"}, "lines": ["a", 3, None, True]}
    assert hooks.withheld(result, "no") == {
        "type": "text",
        "file": {"content": "no", "path": ""},
        "lines": ["", 3, None, True],
    }
    assert hooks.withheld({"n": 1}, "no") == "no"
    assert hooks.withheld("same", "no") == "no"


def test_other_events_only_pass() -> None:
    """An event that nobody knows, and one that nothing can be stopped by, pass whatever is said."""
    event = _read("claude-code", {"hook_event_name": "Notification", "message": "x"})
    assert event.kind == "other"
    assert hooks.document(event).document.segments == ()
    assert hooks.stops(event, "no").code == 0
    start = _read("claude-code", _snake("SessionStart"))
    assert hooks.passes(start, "note").answer == {
        "hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": "note"}
    }


@pytest.mark.parametrize(("agent", "data"), [("nobody", b"{}"), ("codex", b"[]"), ("codex", b"{"), ("codex", b"\xff")])
def test_what_can_not_be_read(agent: str, data: bytes) -> None:
    """An agent that nobody knows, and what is no JSON object, are faults of the client."""
    with pytest.raises(ClientFault):
        hooks.read(agent, data)


def test_the_session_is_named_by_a_digest() -> None:
    """Events of one session are one conversation, whose name holds nothing of the agent's own id."""
    first = _read("codex", _snake("PreToolUse", tool_name="Bash", tool_input={}))
    second = _read("codex", _snake("UserPromptSubmit", prompt="x"))
    assert hooks.conversation(first) == hooks.conversation(second) != hooks.conversation(first._replace(session="s2"))
    assert "s1" not in hooks.conversation(first)
