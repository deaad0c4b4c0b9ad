"""Drive Google's or Ollama's SDK for Python: one JSON order on standard input, its answer on standard output.

It runs inside the SDKs' own environment and imports nothing of this project. An order::

    {"sdk": "google" | "ollama", "base_url": … (absent: what the environment says), "api_key": …, "stream": bool,
     "call": "chat" | "count" | "models" | "embed" | "cache" | "generate" | "agent", "model": …,
     "params": what the SDK's method takes, "prompts": for an agent, "folder": where its tools read and write}
"""

import json
import pathlib
import sys
from typing import Any

_LIMIT = 12
_SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
    "required": ["path"],
}
_NAMES = ("read_file", "write_file")


def _run_tool(folder: pathlib.Path, name: str, arguments: dict[str, str]) -> str:
    target = folder / arguments["path"]
    if name == "read_file":
        return target.read_text()
    target.write_text(arguments["content"])
    return "written"


class Google:
    """The SDK google-genai."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Make the SDK's client for an order."""
        from google import genai

        options = {"base_url": order["base_url"]} if "base_url" in order else None
        self.client = genai.Client(api_key=order["api_key"], http_options=options)
        self.stream, self.model = order["stream"], order.get("model")

    def chat(self, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return the whole content."""
        if not self.stream:
            answer = self.client.models.generate_content(model=self.model, **params)
            return answer.candidates[0].content.model_dump(mode="json", exclude_none=True)
        parts: list[dict[str, Any]] = []
        for chunk in self.client.models.generate_content_stream(model=self.model, **params):
            content = chunk.candidates[0].content
            given = (content.parts or []) if content else []
            parts += [part.model_dump(mode="json", exclude_none=True) for part in given]
        return {"role": "model", "parts": parts}

    def count(self, params: dict[str, Any]) -> dict[str, Any]:
        """Count tokens."""
        return {"tokens": self.client.models.count_tokens(model=self.model, **params).total_tokens}

    def embed(self, params: dict[str, Any]) -> dict[str, Any]:
        """Embed texts."""
        answer = self.client.models.embed_content(model=self.model, **params)
        return {"vectors": [len(each.values) for each in answer.embeddings]}

    def cache(self, params: dict[str, Any]) -> dict[str, Any]:
        """Make a cached content, look at it, and delete it."""
        made = self.client.caches.create(model=self.model, config=params)
        self.client.caches.get(name=made.name)
        self.client.caches.delete(name=made.name)
        return {"name": made.name}

    def models(self, _: dict[str, Any]) -> dict[str, Any]:
        """List models."""
        return {"ids": [model.name for model in self.client.models.list()]}

    def begin(self, params: dict[str, Any]) -> None:
        """Prepare an agent's request."""
        declared = [{"name": name, "description": name, "parameters_json_schema": _SCHEMA} for name in _NAMES]
        params["config"] = {
            **params.get("config", {}),
            "tools": [{"function_declarations": declared}],
            "automatic_function_calling": {"disable": True},
        }
        params["contents"] = []

    def say(self, params: dict[str, Any], prompt: str) -> None:
        """Add a prompt."""
        params["contents"].append({"role": "user", "parts": [{"text": prompt}]})

    def step(self, params: dict[str, Any], folder: pathlib.Path) -> tuple[bool, str]:
        """Send the conversation once, run the tools that were called, extend the conversation."""
        content = self.chat(params)
        params["contents"].append(content)
        results = [
            {
                "function_response": {
                    "name": call["name"],
                    "response": {"output": _run_tool(folder, call["name"], call["args"])},
                }
            }
            for call in (part["function_call"] for part in content["parts"] if "function_call" in part)
        ]
        if results:
            params["contents"].append({"role": "user", "parts": results})
        return bool(results), "".join(part.get("text", "") for part in content["parts"] if not part.get("thought"))


class Ollama:
    """The SDK ollama."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Make the SDK's client for an order."""
        import ollama

        self.client = ollama.Client(host=order.get("base_url"))
        self.stream, self.model = order["stream"], order.get("model")

    def chat(self, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return the whole message."""
        answer = self.client.chat(model=self.model, stream=self.stream, **params)
        if not self.stream:
            return answer.message.model_dump(mode="json", exclude_none=True)
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        for line in answer:
            message["content"] += line.message.content or ""
            if line.message.thinking:
                message["thinking"] = message.get("thinking", "") + line.message.thinking
            calls = [call.model_dump(mode="json", exclude_none=True) for call in line.message.tool_calls or []]
            if calls:
                message["tool_calls"] = message.get("tool_calls", []) + calls
        return message

    def generate(self, params: dict[str, Any]) -> dict[str, Any]:
        """Send one prompt."""
        answer = self.client.generate(model=self.model, stream=self.stream, **params)
        lines = list(answer) if self.stream else [answer]
        return {"text": "".join(line.response for line in lines), "context": list(lines[-1].context)}

    def embed(self, params: dict[str, Any]) -> dict[str, Any]:
        """Embed texts, in the newer way and in the older."""
        newer = self.client.embed(model=self.model, **params)
        older = self.client.embeddings(model=self.model, prompt=params["input"][0])
        return {"vectors": [*map(len, newer.embeddings), len(older.embedding)]}

    def models(self, _: dict[str, Any]) -> dict[str, Any]:
        """List models, look at one, and at what is running."""
        self.client.show("qwen3:8b")
        self.client.ps()
        return {"ids": [model.model for model in self.client.list().models]}

    def begin(self, params: dict[str, Any]) -> None:
        """Prepare an agent's request."""
        functions = [{"name": name, "description": name, "parameters": _SCHEMA} for name in _NAMES]
        params["tools"] = [{"type": "function", "function": function} for function in functions]
        params.setdefault("messages", [])

    def say(self, params: dict[str, Any], prompt: str) -> None:
        """Add a prompt."""
        params["messages"].append({"role": "user", "content": prompt})

    def step(self, params: dict[str, Any], folder: pathlib.Path) -> tuple[bool, str]:
        """Send the conversation once, run the tools that were called, extend the conversation."""
        message = self.chat(params)
        params["messages"].append(message)
        for call in message.get("tool_calls", []):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            result = _run_tool(folder, name, arguments)
            params["messages"].append({"role": "tool", "tool_name": name, "content": result})
        return bool(message.get("tool_calls")), message["content"]


def main() -> None:
    """Carry out the order on standard input."""
    order = json.load(sys.stdin)
    sdk = (Google if order["sdk"] == "google" else Ollama)(order)
    params = order.get("params", {})
    if order["call"] != "agent":
        try:
            print(json.dumps(getattr(sdk, order["call"])(params)))
        except Exception as error:
            status = getattr(error, "code", getattr(error, "status_code", None))
            told = {"failed": type(error).__name__, "status": status, "message": str(error)}
            print(json.dumps({**told, "details": getattr(error, "details", None)}))
            raise
        return
    sdk.begin(params)
    texts = []
    for prompt in order["prompts"]:
        sdk.say(params, prompt)
        for _ in range(_LIMIT):
            again, text = sdk.step(params, pathlib.Path(order["folder"]))
            if not again:
                texts.append(text)
                break
    print(json.dumps({"texts": texts}))


main()
