"""Drive the OpenAI or the Anthropic SDK for Python: one JSON order on standard input, its answer on standard output.

It runs inside the SDKs' own environment and imports nothing of this project. An order, the same for `sdk.mjs`::

    {"sdk": "openai" | "responses" | "anthropic", "base_url": …, "api_key": …, "stream": bool,
     "call": "chat" | "count" | "models" | "embed" | "agent",
     "params": what the SDK's method takes, "prompts": for an agent, "folder": where its tools read and write}
"""

import json
import pathlib
import sys
from typing import Any

_LIMIT = 12


def _run_tool(folder: pathlib.Path, name: str, arguments: dict[str, str]) -> str:
    target = folder / arguments["path"]
    if name == "read_file":
        return target.read_text()
    target.write_text(arguments["content"])
    return "written"


class Anthropic:
    """The Anthropic SDK."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Make the SDK's client for an order."""
        import anthropic  # the other SDK need not be there

        self.client = anthropic.Anthropic(base_url=order["base_url"], api_key=order["api_key"], max_retries=1)
        self.stream = order["stream"]

    def chat(self, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return the whole message."""
        if not self.stream:
            return self.client.messages.create(**params).model_dump(mode="json", exclude_none=True)
        with self.client.messages.stream(**params) as stream:
            for _ in stream:
                pass
            return stream.get_final_message().model_dump(mode="json", exclude_none=True)

    def count(self, params: dict[str, Any]) -> dict[str, Any]:
        """Count tokens."""
        return self.client.messages.count_tokens(**params).model_dump(mode="json")

    def models(self, _: dict[str, Any]) -> dict[str, Any]:
        """List models."""
        return {"ids": [model.id for model in self.client.models.list()]}

    def step(self, params: dict[str, Any], folder: pathlib.Path) -> tuple[bool, str]:
        """Send the conversation once, run the tools that were called, extend the conversation."""
        message = self.chat(params)
        params["messages"].append({"role": "assistant", "content": message["content"]})
        results = [
            {
                "type": "tool_result",
                "tool_use_id": block["id"],
                "content": _run_tool(folder, block["name"], block["input"]),
            }
            for block in message["content"]
            if block["type"] == "tool_use"
        ]
        if results:
            params["messages"].append({"role": "user", "content": results})
        return bool(results), "".join(b["text"] for b in message["content"] if b["type"] == "text")


class OpenAI:
    """The OpenAI SDK."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Make the SDK's client for an order."""
        import openai  # the other SDK need not be there

        self.client = openai.OpenAI(base_url=order["base_url"] + "/v1", api_key=order["api_key"], max_retries=1)
        self.stream = order["stream"]

    def chat(self, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return the whole message."""
        if not self.stream:
            answer = self.client.chat.completions.create(**params)
            return answer.choices[0].message.model_dump(mode="json", exclude_none=True)
        with self.client.chat.completions.stream(stream_options={"include_usage": True}, **params) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion()
        return final.choices[0].message.model_dump(mode="json", exclude_none=True)

    def embed(self, params: dict[str, Any]) -> dict[str, Any]:
        """Embed texts."""
        return {"vectors": [len(item.embedding) for item in self.client.embeddings.create(**params).data]}

    def models(self, _: dict[str, Any]) -> dict[str, Any]:
        """List models."""
        return {"ids": [model.id for model in self.client.models.list()]}

    def step(self, params: dict[str, Any], folder: pathlib.Path) -> tuple[bool, str]:
        """Send the conversation once, run the tools that were called, extend the conversation."""
        message = self.chat(params)
        said: dict[str, Any] = {"role": "assistant", "content": message.get("content")}
        calls = [
            {
                "id": call["id"],
                "type": "function",
                "function": {name: call["function"][name] for name in ("name", "arguments")},
            }
            for call in message.get("tool_calls") or []
        ]
        if calls:
            said["tool_calls"] = calls
        params["messages"].append(said)
        for call in calls:
            arguments = json.loads(call["function"]["arguments"])
            result = _run_tool(folder, call["function"]["name"], arguments)
            params["messages"].append({"role": "tool", "tool_call_id": call["id"], "content": result})
        return bool(calls), message.get("content") or ""


class Responses:
    """The OpenAI SDK, its Responses API; `chain` in an order sends only what is new, after the answer before."""

    items = "input"

    def __init__(self, order: dict[str, Any]) -> None:
        """Make the SDK's client for an order."""
        import openai

        self.client = openai.OpenAI(base_url=order["base_url"] + "/v1", api_key=order["api_key"], max_retries=1)
        self.stream = order["stream"]
        self.chain = order.get("chain", False)

    def answer(self, params: dict[str, Any]) -> tuple[Any, str]:
        """Send one request; return the response, and its text as a reader sees it (of a stream, from its deltas)."""
        if not self.stream:
            response = self.client.responses.create(**params)
            if self.chain:
                response = self.client.responses.retrieve(response.id)
            return response, response.output_text
        text = ""
        with self.client.responses.stream(**params) as stream:
            for event in stream:
                text += event.delta if event.type == "response.output_text.delta" else ""
            return stream.get_final_response(), text

    def chat(self, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return the whole response."""
        return self.answer(params)[0].model_dump(mode="json", exclude_none=True, warnings=False)

    def step(self, params: dict[str, Any], folder: pathlib.Path) -> tuple[bool, str]:
        """Send the conversation once, run the tools that were called, extend the conversation."""
        response, text = self.answer(params)
        calls = [item for item in response.output if item.type == "function_call"]
        made = [item.model_dump(mode="json", exclude_none=True) for item in response.output]
        for item in made:  # what the SDK's helper adds, the API does not take
            item.pop("parsed_arguments", None)
        results = [
            {
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": _run_tool(folder, call.name, json.loads(call.arguments)),
            }
            for call in calls
        ]
        if self.chain:
            params["previous_response_id"] = response.id
            params["input"] = results
        else:
            params["input"] += [*made, *results]
        return bool(calls), text


_SDKS = {"anthropic": Anthropic, "openai": OpenAI, "responses": Responses}


def main() -> None:
    """Carry out the order on standard input."""
    order = json.load(sys.stdin)
    sdk = _SDKS[order["sdk"]](order)
    items = getattr(sdk, "items", "messages")
    params = order.get("params", {})
    if order["call"] != "agent":
        try:
            print(json.dumps(getattr(sdk, order["call"])(params)))
        except Exception as error:
            status = getattr(error, "status_code", None)
            print(json.dumps({"failed": type(error).__name__, "status": status, "body": getattr(error, "body", None)}))
            raise
        return
    texts = []
    for prompt in order["prompts"]:
        params[items].append({"role": "user", "content": prompt})
        for _ in range(_LIMIT):
            again, text = sdk.step(params, pathlib.Path(order["folder"]))
            if not again:
                texts.append(text)
                break
    print(json.dumps({"texts": texts}))


main()
