"""Message batches: many requests in one body, and their answers as lines, later.

Source: platform.claude.com/docs, "Message Batches". A batch is a stored answer: what its requests were issued is kept
under its id, and restored in the lines that are fetched by that id. Its `results_url` is made a path, so that a client
fetches them where it asked. This module must never leave a request of a batch unread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from poundlock.core.errors import UpstreamFault
from poundlock.core.model import Document
from poundlock.wire import body, framing
from poundlock.wire.anthropic import answer, calls, request
from poundlock.wire.body import Gatherer, JsonBody, Voice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poundlock.core.stream import Homeward

_NAMES = request.NAMES | body.words("requests params custom_id")
_SYSTEM = Voice("system", "prose", "tool")


def read(data: bytes, headers: Mapping[str, str]) -> JsonBody:
    """Decode the body of a new batch: each of its requests is read like one of its own. Raises: `ClientFault`."""
    tree, notes = body.decode_object(data, "Send what the Message Batches API describes.")
    gather = Gatherer(_NAMES, request.VALUES)
    documents: list[Document] = []
    rows = tree.get("requests")
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        path = ("requests", index)
        if not isinstance(row, dict) or not isinstance(row.get("params"), dict):
            gather.tree(rows, index, path, _SYSTEM)
            continue
        part = request.read_tree("messages", row["params"], headers)
        part.into(gather, (*path, "params"))
        documents.append(part.document)
        gather.members(row, path, _SYSTEM, {"params"})
    if not isinstance(rows, list) and "requests" in tree:
        gather.tree(tree, "requests", ("requests",), _SYSTEM)
    gather.members(tree, (), _SYSTEM, {"requests"})
    document = Document(
        provider="anthropic",
        operation="batches.create",
        model=documents[0].model if documents else "",
        conversation=body.digest("batch", *(each.conversation for each in documents)),
        tools=tuple(dict.fromkeys(tool for each in documents for tool in each.tools)),
        hosted=tuple(dict.fromkeys(kind for each in documents for kind in each.hosted)),
        stored=True,
        notes=notes,
        segments=(),
    )
    return gather.body(tree, document)


def told(data: bytes, homeward: Homeward) -> bytes:
    """Give what is told of a batch, or of several, with the path of its results. Raises: `UpstreamFault`."""
    try:
        tree: Any = body.parse(data)
    except (ValueError, RecursionError):
        raise UpstreamFault("The provider's answer is not valid JSON.") from None
    listed = tree.get("data") if isinstance(tree, dict) else None
    new = False
    for row in listed if isinstance(listed, list) else [tree]:
        if isinstance(row, dict) and row.get("type") == "message_batch":
            homeward.answer = row["id"] if isinstance(row.get("id"), str) else ""
            url = row.get("results_url")
            if isinstance(url, str) and (path := urlsplit(url).path).startswith("/v1/"):
                row["results_url"] = path
                new = True
    return body.write(tree) if new else data


class ResultsCodec:
    """The results of a batch, a line each, on their way home."""

    def __init__(self, homeward: Homeward) -> None:
        """Restore with `homeward` what it was given."""
        self._homeward = homeward
        self._splitter = framing.LineSplitter()

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and give the lines that are whole. Raises: `UpstreamFault` for a line past the limit."""
        return b"".join(map(self._line, self._splitter.feed(chunk)))

    def finish(self) -> bytes:
        """Give what was held back; the upstream has ended."""
        rest = self._splitter.rest
        last = self._line(rest) if rest else b""
        self._homeward.close()
        return last

    def broken(self, error: bytes) -> bytes:
        """Give the error as a line, so that nobody takes these for all results; a line that isn't whole is left out."""
        self._homeward.close()
        return (framing.data_of(error) or b"{}") + b"\n"

    def _line(self, line: bytes) -> bytes:
        if not line.strip():
            return line
        try:
            tree: Any = body.parse(line)
        except (ValueError, RecursionError):
            return line
        result = tree.get("result") if isinstance(tree, dict) else None
        message = result.get("message") if isinstance(result, dict) else None
        new = calls.judge(message, self._homeward.gate) if self._homeward.gate else False
        new |= answer.restore(message, self._homeward)
        name = tree.get("custom_id") if isinstance(tree, dict) else None
        if isinstance(name, str) and (true := self._homeward.restore_text(name)) != name:
            tree["custom_id"] = true
            new = True
        return body.write(tree) + (b"\n" if line.endswith(b"\n") else b"") if new else line
