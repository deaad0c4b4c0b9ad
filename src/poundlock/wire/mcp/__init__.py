"""MCP: JSON-RPC messages between a client and a server, taken apart into what may be changed and what may not.

Source: modelcontextprotocol.io/specification (2024-11-05 to 2026-07-28), "Base protocol", "Tools", "Resources",
"Prompts", "Sampling", "Elicitation". A message that is not changed goes on as the bytes that it came in. This module
must never answer for either side, and never change an id, a method or a progress token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from poundlock.core.model import Direction, Document, Origin
from poundlock.wire import body
from poundlock.wire.body import Gatherer, JsonBody, Voice

if TYPE_CHECKING:
    from collections.abc import Iterable

REFUSED = -32001
"""The JSON-RPC error code of what policy refused: in the range that is left to servers (-32000 to -32099)."""

_NAMES = body.words(
    """
    type text data mimeType uri name title description content contents role messages message level logger annotations
    audience priority lastModified structuredContent isError _meta progressToken progress total cursor nextCursor blob
    arguments argument ref value values completion hasMore model stopReason systemPrompt maxTokens temperature
    stopSequences metadata modelPreferences includeContext requestedSchema action properties required resource resources
    requestState inputRequests inputResponses
    """
)
_VALUES = body.words("text image audio resource resource_link user assistant object string accept decline cancel")
_OPAQUE = frozenset({"blob", "requestState"})
_HELD = {"image", "audio"}

# Requests whose parameters hold what the client (and so its model or person) says.
SPOKEN = frozenset({"tools/call", "prompts/get", "completion/complete", "resources/read", "resources/subscribe"})
# Requests whose results hold what a server read for the model.
READ = frozenset({"tools/call", "prompts/get", "resources/read", "completion/complete", "tasks/result", "tasks/get"})
# Requests of a server to the client.
ASKED = frozenset({"sampling/createMessage", "elicitation/create"})
TOLD = frozenset({"notifications/message", "notifications/progress"})


class Rpc(NamedTuple):
    """One JSON-RPC message: a request or notification with a `method`, or a response without one."""

    tree: dict[str, Any]
    id: Any
    method: str
    answers: bool

    @property
    def key(self) -> str:
        """What an answer is found by: an id is a number or a text, and 1 is not "1"."""
        return f"{type(self.id).__name__}:{self.id}"


def read(data: bytes) -> tuple[list[Rpc], bool, tuple[str, ...]]:
    """Decode a message or a batch; say whether it is a batch, and what was noted. Raises: `ClientFault`."""
    tree, notes = body.decode(data)
    items = tree if isinstance(tree, list) else [tree]
    found = []
    for item in items:
        if not isinstance(item, dict):
            item = {}  # noqa: PLW2901 (nothing that anyone answers)
        method = item.get("method")
        found.append(
            Rpc(
                item,
                item.get("id"),
                method if isinstance(method, str) else "",
                not isinstance(method, str) and ("result" in item or "error" in item),
            )
        )
    return found, isinstance(tree, list), notes


def write(trees: Iterable[dict[str, Any]], *, batch: bool) -> bytes:
    """Encode messages; a batch stays one."""
    listed = list(trees)
    return body.write(listed if batch else listed[0])


def spoken(rpc: Rpc, *, conversation: str, server: str) -> JsonBody:
    """Give what a client says to a server as a document: the arguments of a call, or its answer to a question."""
    tool = _tool(rpc)
    voice = Voice("assistant", "tool_args", "tool", 0, f"{server}__{tool}" if tool else "")
    return _gathered(rpc, "result" if rpc.answers else "params", voice, "outbound", conversation, rpc.method)


def given(rpc: Rpc, *, conversation: str, server: str, operation: str, tool: str, trusted: bool) -> JsonBody:
    """Give what a server says to a client (and so to a model) as a document."""
    origin: Origin = "tool" if trusted else "untrusted"
    voice = Voice("tool", "tool_result", origin, 0, f"{server}__{tool}" if tool else "")
    member = "result" if rpc.answers and "result" in rpc.tree else "error" if rpc.answers else "params"
    return _gathered(rpc, member, voice, "inbound", conversation, operation)


def _gathered(rpc: Rpc, member: str, voice: Voice, direction: Direction, conversation: str, operation: str) -> JsonBody:
    gather = Gatherer(_NAMES, _VALUES)
    holder = rpc.tree.get(member)
    if isinstance(holder, dict):
        _members(gather, holder, (member,), voice, operation)
    document = Document(
        provider="mcp", operation=operation or "answer", segments=(), direction=direction, conversation=conversation
    )
    return gather.body(rpc.tree, document)


def _members(
    gather: Gatherer, holder: dict[str, Any], path: tuple[str | int, ...], voice: Voice, operation: str
) -> None:
    """Gather an object's members but for what is opaque, and what says only where a call goes."""
    done = {name for name in holder if name in _OPAQUE or name in {"_meta", "progressToken", "cursor", "nextCursor"}}
    if voice.kind == "tool_args" and path == ("params",):
        done |= {"name", "uri", "ref"} & set(holder)
    if voice.kind == "tool_args" and operation == "tools/call" and "arguments" in holder:
        gather.tree(holder, "arguments", (*path, "arguments"), voice)
        done.add("arguments")
    for name in ("content", "contents", "messages"):
        parts = holder.get(name)
        if isinstance(parts, list):
            done.add(name)
            for index, part in enumerate(parts):
                if isinstance(part, dict) and part.get("type") in _HELD:
                    continue
                if isinstance(part, dict):
                    _members(gather, part, (*path, name, index), voice, operation)
                else:
                    gather.tree(parts, index, (*path, name, index), voice)
    for name in ("content", "resource"):
        part = holder.get(name)
        if isinstance(part, dict):
            done.add(name)
            if part.get("type") not in _HELD:
                _members(gather, part, (*path, name), voice, operation)
    gather.members(holder, path, voice, done)


def _tool(rpc: Rpc) -> str:
    params = rpc.tree.get("params")
    name = params.get("name") if isinstance(params, dict) else None
    return name if isinstance(name, str) else ""


def call_of(rpc: Rpc) -> tuple[str, Any]:
    """Give the tool that a `tools/call` names and its arguments."""
    params = rpc.tree.get("params")
    arguments = params.get("arguments") if isinstance(params, dict) else None
    return _tool(rpc), {} if arguments is None else arguments


def refusal(rpc: Rpc, message: str) -> dict[str, Any]:
    """Give the answer to a request that was refused: a failed call, which a model reads, or an error."""
    if rpc.method == "tools/call":
        result = {"content": [{"type": "text", "text": message}], "isError": True}
        return {"jsonrpc": "2.0", "id": rpc.id, "result": result}
    return {"jsonrpc": "2.0", "id": rpc.id, "error": {"code": REFUSED, "message": message}}
