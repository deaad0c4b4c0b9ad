"""The two providers' formats as a client speaks them: asking, and reading answers. Written apart from the codecs."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Dialect(NamedTuple):
    """One provider's format."""

    name: str
    path: str
    headers: dict[str, str]

    def body(self, *said: Any, **more: Any) -> dict[str, Any]:
        """Give a request: what the person and the model said in turn, the person first."""
        roles = ("user", "assistant")
        messages = [
            item if isinstance(item, dict) else {"role": roles[number % 2], "content": item}
            for number, item in enumerate(said)
        ]
        limit = {"max_tokens": 64} if self.name == "anthropic" else {}
        return {"model": "some-model-1", **limit, "messages": messages, **more}

    def call(self, tool: str, arguments: dict[str, Any], result: str, number: int = 1) -> list[dict[str, Any]]:
        """Give the messages of one tool call with its result."""
        name = f"call_{number}"
        if self.name == "anthropic":
            asked = {"type": "tool_use", "id": name, "name": tool, "input": arguments}
            told = {"type": "tool_result", "tool_use_id": name, "content": result}
            return [{"role": "assistant", "content": [asked]}, {"role": "user", "content": [told]}]
        function = {"name": tool, "arguments": json.dumps(arguments)}
        asked = {"id": name, "type": "function", "function": function}
        return [
            {"role": "assistant", "content": None, "tool_calls": [asked]},
            {"role": "tool", "tool_call_id": name, "content": result},
        ]

    def events(self, answer: bytes) -> list[dict[str, Any]]:
        """Give the decoded data of every event of a streamed answer. Raises: `AssertionError` for what is not JSON."""
        lines = [line[5:].strip() for line in answer.split(b"\n") if line.startswith(b"data:")]
        try:
            return [json.loads(line) for line in lines if line != b"[DONE]"]
        except ValueError:
            raise AssertionError("an event of the answer is not JSON") from None

    def text(self, answer: bytes) -> str:
        """Give the text of a streamed or whole answer."""
        if not answer.startswith(b"{"):
            return "".join(map(self._piece, self.events(answer)))
        whole = json.loads(answer)
        if self.name == "anthropic":
            return "".join(block.get("text", "") for block in whole["content"])
        return str(whole["choices"][0]["message"]["content"])

    def arguments(self, answer: bytes) -> str:
        """Give the arguments of the tool call of a streamed answer, as they were sent."""
        out = ""
        for event in self.events(answer):
            out += event.get("delta", {}).get("partial_json", "")
            for choice in event.get("choices", []):
                for call in choice["delta"].get("tool_calls") or []:
                    out += call["function"].get("arguments") or ""
        return out

    def message(self, answer: bytes) -> str:
        """Give the words of an error in this provider's shape. Raises: `AssertionError` when the shape is another."""
        whole = json.loads(answer)
        error = whole["error"]
        if self.name == "anthropic":
            assert whole["type"] == "error"
            assert set(error) == {"type", "message"}
        else:
            assert set(whole) == {"error"}
            assert set(error) == {"message", "type", "param", "code"}
        return str(error["message"])

    def last(self, sent: dict[str, Any]) -> Any:
        """Give the content of the last message of a request."""
        return sent["messages"][-1]["content"]

    @staticmethod
    def _piece(event: dict[str, Any]) -> str:
        if "delta" in event:
            return str(event["delta"].get("text", ""))
        return "".join(choice["delta"].get("content") or "" for choice in event.get("choices", []))


ANTHROPIC = Dialect("anthropic", "/v1/messages", {"anthropic-version": "2023-06-01", "x-api-key": "test"})
OPENAI = Dialect("openai", "/v1/chat/completions", {"authorization": "Bearer test"})
DIALECTS = (ANTHROPIC, OPENAI)
