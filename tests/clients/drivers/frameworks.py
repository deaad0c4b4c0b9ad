"""A small agent with tools `read_file` and `write_file`, by one library for Python: `frameworks.py LIBRARY PROMPT`.

It takes its base URL, its proxy and its key from the environment alone, as a program that knows nothing of Poundlock.
"""

import json
import sys
from pathlib import Path

LIBRARY, PROMPT = sys.argv[1:3]


def read_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()


def write_file(path: str, content: str) -> str:
    """Write a file."""
    Path(path).write_text(content)
    return "written"


TOOLS = {"read_file": read_file, "write_file": write_file}


def litellm(model: str) -> str:
    """Loop over LiteLLM's completions until there is no call."""
    import litellm

    def schema(*names: str) -> dict:
        return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}

    tools = [
        {"type": "function", "function": {"name": "read_file", "parameters": schema("path")}},
        {"type": "function", "function": {"name": "write_file", "parameters": schema("path", "content")}},
    ]
    messages = [{"role": "user", "content": PROMPT}]
    while True:
        message = litellm.completion(model=model, messages=messages, tools=tools).choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump())
        for call in message.tool_calls:
            result = TOOLS[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def pydantic(model: str) -> str:
    """Let pydantic-ai run its own loop."""
    from pydantic_ai import Agent

    return Agent(model, tools=list(TOOLS.values())).run_sync(PROMPT).output


WAYS = {
    "litellm-anthropic": lambda: litellm("anthropic/claude-sonnet-4-6"),
    "litellm-openai": lambda: litellm("openai/gpt-5.2"),
    "pydantic-ai-anthropic": lambda: pydantic("anthropic:claude-sonnet-4-6"),
    "pydantic-ai-openai": lambda: pydantic("openai:gpt-5.2"),
}
print(WAYS[LIBRARY]())
