"""Record the goldens of the Gemini and the Ollama API: ``python -m tests.clients.record_google_ollama``.

From Gemini CLI and from both vendors' SDKs for Python, against our own mock provider. Like `record`, it must never
write a golden that holds anything that looks like a credential.
"""

from __future__ import annotations

import base64
import json
import shutil
from typing import TYPE_CHECKING, Any

from scripts import clients

from tests.clients import launch
from tests.clients.record import _FILES, _PROMPTS, _SAID, _SIGNATURE, _THOUGHT, GOLDENS, _session, picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.recorder import Recorded

_SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}}
_CALLS = [
    {"tool": "read_file", "input": {"path": "settings.env"}},
    {"tool": "write_file", "input": {"path": "out.txt", "content": "5432 — „q“ <b>\n\t\\"}},
]


def record_gemini_cli() -> None:
    """Gemini CLI: a first turn with thoughts and a signature, a tool result, the answer."""
    clients.install("node22")
    with _session("gemini-cli") as session:
        path = str(session.project / "settings.env")
        write = {
            "tool": "write_file",
            "input": {"file_path": str(session.project / "out.txt"), "content": "5432 — 🔒\n"},
        }
        thought = {"thinking": _THOUGHT, "signature": _SIGNATURE}
        read = {"tool": "read_file", "input": {"file_path": path}}
        turns = [[thought, {"text": _SAID[0]}, read], [write], [{"text": _SAID[1]}]]
        script = {"turns": [{"blocks": turn, "cut": {"random": 3, "most": 9}} for turn in turns]}
        (session.project.parent / "provider" / "script.json").write_text(json.dumps(script))
        done = launch.gemini(session.url, session.home, session.project, _PROMPTS[0])
        if done.code:
            raise ValueError(done.err[-600:])
        for turn, case in enumerate(("first-turn", "tool-result", "answer")):
            session.keep("gemini", f"gemini-cli-{case}", _turn(turn), 0)


def _turn(count: int) -> Callable[[Recorded], bool]:
    def fits(entry: Recorded) -> bool:
        if ":streamGenerateContent" not in entry.path:
            return False
        return sum(each["role"] == "model" for each in json.loads(entry.request)["contents"]) == count

    return fits


def _google_cases() -> dict[str, tuple[str, bool, dict[str, Any]]]:
    asked = {"role": "user", "parts": [{"text": _PROMPTS[2]}]}
    called = {"function_call": {"name": "read_file", "args": {"path": "settings.env", "n": 12345678901234567890}}}
    signed = {**called, "thought_signature": base64.urlsafe_b64encode(bytes(range(60))).decode()}
    result = {"function_response": {"name": "read_file", "response": {"output": _FILES["settings.env"]}}}
    history = [asked, {"role": "model", "parts": [{"text": _SAID[0]}, signed]}, {"role": "user", "parts": [result]}]
    declared = [
        {"name": name, "description": f"{name} a file", "parameters_json_schema": _SCHEMA}
        for name in ("read_file", "write_file")
    ]
    tools = {"tools": [{"function_declarations": declared}], "automatic_function_calling": {"disable": True}}
    image = {"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": picture()}}, {"text": "?"}]}
    brief = {"system_instruction": "Answer briefly.", "temperature": 0.5}
    return {
        "create": ("chat", False, {"contents": _PROMPTS[2], "config": brief}),
        "stream": ("chat", True, {"contents": [asked], "config": brief}),
        "tools": ("chat", False, {"contents": history, "config": tools}),
        "tools-stream": ("chat", True, {"contents": history, "config": {**tools, "candidate_count": 1}}),
        "image": ("chat", False, {"contents": [image]}),
        "count-tokens": ("count", False, {"contents": [asked]}),
        "embeddings": ("embed", False, {"contents": [_PROMPTS[2], "two"]}),
        "models": ("models", False, {}),
    }


def _ollama_cases() -> dict[str, tuple[str, bool, dict[str, Any]]]:
    asked = {"role": "user", "content": _PROMPTS[2]}
    called = {"function": {"name": "read_file", "arguments": {"path": "settings.env", "n": 12345678901234567890}}}
    history = [
        {"role": "system", "content": "Answer briefly."},
        asked,
        {"role": "assistant", "content": "", "thinking": _THOUGHT, "tool_calls": [called]},
        {"role": "tool", "tool_name": "read_file", "content": _FILES["settings.env"]},
    ]
    tools = [
        {"type": "function", "function": {"name": name, "description": f"{name} a file", "parameters": _SCHEMA}}
        for name in ("read_file", "write_file")
    ]
    image = {"role": "user", "content": "?", "images": [picture()]}
    return {
        "create": ("chat", False, {"messages": [asked], "options": {"temperature": 0.5}}),
        "stream": ("chat", True, {"messages": [asked], "think": True}),
        "tools": ("chat", False, {"messages": history, "tools": tools}),
        "tools-stream": ("chat", True, {"messages": history, "tools": tools}),
        "image": ("chat", False, {"messages": [image]}),
        "generate": ("generate", False, {"prompt": _PROMPTS[2], "system": "Answer briefly."}),
        "generate-stream": ("generate", True, {"prompt": _PROMPTS[2], "context": [151644, 872, 198]}),
        "embeddings": ("embed", False, {"input": [_PROMPTS[2], "two"]}),
        "models": ("models", False, {}),
    }


def record_sdks() -> None:
    """Record both SDKs for Python, streaming and not."""
    for vendor, wire, model, cases in (
        ("google", "gemini", "gemini-2.5-flash", _google_cases()),
        ("ollama", "ollama", "qwen3:8b", _ollama_cases()),
    ):
        for case, (call, stream, params) in cases.items():
            with _session("sdks-google-ollama") as session:
                blocks: list[dict[str, Any]] = [{"text": _SAID[1], "cut": {"every": 6}}]
                if case == "stream":
                    blocks.insert(0, {"thinking": _THOUGHT, "signature": _SIGNATURE})
                script = {"turns": [{"blocks": [*blocks, *(_CALLS if "tools" in case else [])]}]}
                (session.project.parent / "provider" / "script.json").write_text(json.dumps(script))
                order = {"sdk": vendor, "base_url": session.url, "stream": stream, "call": call, "model": model}
                done = launch.google_or_ollama(session.home, {**order, "params": params})
                if done.code:
                    raise ValueError(f"{vendor} {case}: {done.err[-600:]}")
                session.keep(wire, f"sdk-python-{case}", lambda entry: entry.status < 400, 0)


if __name__ == "__main__":
    for folder in ("gemini", "ollama"):
        shutil.rmtree(GOLDENS / folder, ignore_errors=True)
    record_gemini_cli()
    record_sdks()
