"""Record the goldens of `tests/wire/goldens` from the real clients: ``python -m tests.clients.record [CLIENT …]``.

Each client speaks through a recording forwarder to our own mock provider or to aimock, a mock that others wrote.
It must never write a golden that is larger than 120 kB, nor one that holds anything that looks like a credential:
the prompts and files below have none.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import struct
import sys
import tempfile
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts import clients

from tests.clients import launch
from tests.clients.aimock import aimock
from tests.clients.recorder import Recorded, recording
from tests.clients.scrub import Scrubber, golden
from tests.clients.terminal import Terminal
from tests.provider.running import provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOLDENS = Path(__file__).resolve().parents[1] / "wire" / "goldens"
_LIMIT = 120_000
_FILES = {
    "settings.env": 'HOST=db.example\nPORT=5432\nGREETING="grüß dich — 你好 🔒"\n',
    "notes.txt": "The harbour opens at nine.\nA lock has two gates.\n",
}
_PROMPTS = (
    "Read settings.env and write its port into out.txt.",
    "Now look at notes.txt too, please.",
    'What does "quoted\\path" mean — and what of 🔒?',
)
_SAID = (
    "I'll read the file first.",
    "Done: the port is in out.txt — „5432“ 🔒.",
    "It says that a lock has two gates.",
    'A quoted "path", nothing more.',
)
_THOUGHT = "The person wants a number out of a file.\nI read it first; then I write — carefully."
_SIGNATURE = base64.b64encode(bytes(range(7, 250, 3))).decode()
_REDACTED = base64.b64encode(bytes(range(250, 3, -2))).decode()


def _script(root: str) -> dict[str, Any]:
    """Return the conversation that the mock provider has with an agent in a project folder."""
    read = {"tool": "Read", "input": {"file_path": f"{root}/settings.env"}, "cut": {"random": 3, "most": 9}}
    write = {
        "tool": "Write",
        "input": {"file_path": f"{root}/out.txt", "content": 'port "5432"\n— 🔒\n'},
        "cut": "characters",
    }
    thoughts = {"thinking": _THOUGHT, "signature": _SIGNATURE, "cut": {"every": 11}}
    return {
        "rules": [
            {
                # Claude Code tries six times or more; then it sends the refused text again with the next prompt.
                "contains": r"refuse this(?![\s\S]*Now go on)",
                "error": {"status": 400, "message": "A private key was typed in. Remove it, then ask again."},
            },
            {"tools": False, "contains": "harbour", "blocks": [{"text": "Harbour notes"}]},
        ],
        "turns": [
            {"blocks": [thoughts, {"text": _SAID[0], "cut": {"every": 4}}, read]},
            {"blocks": [write], "pings": 2},
            {"blocks": [{"text": _SAID[1], "cut": "characters"}]},
            {
                "blocks": [
                    {"redacted_thinking": _REDACTED},
                    thoughts,
                    {"tool": "Read", "input": {"file_path": f"{root}/notes.txt"}},
                    {"tool": "Read", "input": {"file_path": f"{root}/out.txt"}},
                ],
                "cut": {"random": 8, "most": 5},
            },
            {"blocks": [{"text": _SAID[2], "cut": "whole"}]},
            {"blocks": [{"text": _SAID[3], "cut": {"every": 3}}]},
        ],
    }


class Session:
    """One client's recording: a home, a project folder, and the tape of its exchanges."""

    def __init__(self, folder: Path, url: str, tape: list[Recorded], source: dict[str, Any]) -> None:
        """Make a project folder with the files above."""
        self.url, self.tape, self.source = url, tape, source
        self.home, self.project = folder / "home", folder / "project"
        for place in (self.home, self.project):
            place.mkdir(parents=True, exist_ok=True)
        for name, text in _FILES.items():
            (self.project / name).write_text(text)
        own = [
            *_PROMPTS,
            *_SAID,
            *_THOUGHT.split("\n"),
            "refuse this",
            "Now go on",
            *"".join(_FILES.values()).split("\n"),
        ]
        self.scrubber = Scrubber([text for text in own if len(text) > 3])

    def keep(self, wire: str, case: str, wanted: Callable[[Recorded], bool], which: int = -1, **facts: Any) -> None:
        """Save one of the exchanges that fit as a golden.

        Raises:
            ValueError: no exchange fits, or the golden would be too large.

        """
        fitting = [entry for entry in self.tape if wanted(entry)]
        if not fitting:
            raise ValueError(f"{case}: nothing on the tape fits: {[(e.method, e.path) for e in self.tape]}")
        request, response, meta = golden(fitting[which], self.scrubber, {**self.source, **facts})
        kind = next((value for key, value in meta["response_headers"] if key.lower() == "content-type"), "")
        suffixes = {"event-stream": "sse", "ndjson": "ndjson"}
        ending = next((suffix for name, suffix in suffixes.items() if name in kind), "json")
        target = GOLDENS / wire
        target.mkdir(parents=True, exist_ok=True)
        for suffix, data in (
            ("request.json", request),
            (f"response.{ending}", response),
            ("meta.json", json.dumps(meta, indent=1, ensure_ascii=False).encode() + b"\n"),
        ):
            if len(data) > _LIMIT:
                raise ValueError(f"{case}.{suffix}: {len(data)} bytes")
            if data:
                (target / f"{case}.{suffix}").write_bytes(data)
        print(f"{wire}/{case}: {len(request)} + {len(response)} bytes", flush=True)


def _posts(path: str, **tests: Callable[[dict[str, Any]], bool]) -> Callable[[Recorded], bool]:
    def fits(entry: Recorded) -> bool:
        if entry.method != "POST" or entry.path.partition("?")[0] != path:
            return False
        body = json.loads(entry.request)
        return all(test(body) for test in tests.values())

    return fits


def _answered(tape: list[Recorded]) -> bool:
    return any(b"message_stop" in entry.response and len(json.loads(entry.request)["tools"]) > 0 for entry in tape)


def _assistants(count: int) -> Callable[[dict[str, Any]], bool]:
    return lambda body: sum(m["role"] == "assistant" for m in body["messages"]) == count


@contextlib.contextmanager
def _session(client: str, upstream: str = "own mock") -> Iterator[Session]:
    packages = clients.CLIENTS[client].packages
    clients.install(client)
    # A path that is the same on every machine: split over deltas, no scrubber could replace it.
    folder = Path(tempfile.gettempdir()) / "poundlock-golden"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        script = _script(str(folder / "project"))
        other = aimock(folder / "aimock", _fixtures(folder)) if upstream == "aimock" else None
        with contextlib.ExitStack() as stack:
            if other is not None:
                url = stack.enter_context(other)
                upstream = clients.CLIENTS["aimock"].packages[0]
            else:
                url = stack.enter_context(provider(folder / "provider", script)).url
            forwarder, tape = stack.enter_context(recording(url))
            yield Session(folder, forwarder, tape, {"client": " ".join(packages), "upstream": upstream})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fixtures(folder: Path) -> list[dict[str, Any]]:
    """Return the conversation for aimock: a tool call, another, an answer, told apart by turn."""
    read = {"name": "Read", "arguments": json.dumps({"file_path": f"{folder}/project/settings.env"})}
    write = {"name": "Write", "arguments": json.dumps({"file_path": f"{folder}/project/out.txt", "content": "5432\n"})}
    return [
        {"match": {"turnIndex": 0}, "response": {"content": _SAID[0], "toolCalls": [read]}},
        {"match": {"turnIndex": 1}, "response": {"toolCalls": [write]}},
        {"match": {"turnIndex": 2}, "response": {"content": _SAID[1]}},
    ]


def record_claude_code() -> None:
    """Claude Code: a first turn, tool results, thinking, a refusal and what follows it, a token count."""
    tools = ("--allowedTools", "Read,Write,Bash")
    with _session("claude-code") as session:
        (session.project / "long.txt").write_text("".join(f"{n} {_FILES['notes.txt']}" for n in range(1600)))

        def go(prompt: str, *more: str) -> None:
            launch.claude_code(session.url, session.home, session.project, "-p", prompt, *tools, *more)

        go(_PROMPTS[0])
        go(_PROMPTS[1], "--continue")
        go("refuse this", "--continue")
        go("Now go on", "--continue")
        agent = "/v1/messages"
        session.keep("anthropic", "claude-code-first-turn", _posts(agent, turn=_assistants(0)), 0)
        session.keep("anthropic", "claude-code-tool-result", _posts(agent, turn=_assistants(1)), 0)
        session.keep("anthropic", "claude-code-tool-call-by-character", _posts(agent, turn=_assistants(2)), 0)
        session.keep("anthropic", "claude-code-thinking", _posts(agent, turn=_assistants(3)), 0)
        session.keep("anthropic", "claude-code-two-tool-results", _posts(agent, turn=_assistants(4)), 0)
        refused = [entry for entry in session.tape if entry.status == 400]
        note = f"{len(refused)} posts of this turn: the client takes one feature after another away and tries again"
        session.keep("anthropic", "claude-code-refused", lambda entry: entry.status == 400, 0, note=note)
        session.keep("anthropic", "claude-code-refused-last-try", lambda entry: entry.status == 400, -1, note=note)
        note = "the refused text comes again, in the same user message as the next prompt"
        session.keep(
            "anthropic", "claude-code-after-refusal", lambda entry: b"Now go on" in entry.request, 0, note=note
        )
    with _session("claude-code") as session:
        text = "".join(f"{n} {_FILES['notes.txt']}" for n in range(1700))
        (session.project / "notes.txt").write_text(text)
        call = {"tool": "Read", "input": {"file_path": str(session.project / "notes.txt")}}
        folder = session.project.parent / "provider"
        (folder / "script.json").write_text(
            json.dumps({"turns": [{"blocks": [call]}, {"blocks": [{"text": _SAID[2]}]}]})
        )
        launch.claude_code(session.url, session.home, session.project, "-p", _PROMPTS[1], *tools)
        note = "asked before the client shows the model a long file"
        session.keep("anthropic", "claude-code-count-tokens", _posts("/v1/messages/count_tokens"), 0, note=note)
    with _session("claude-code", "aimock") as session:
        launch.claude_code(session.url, session.home, session.project, "-p", _PROMPTS[0], *tools)
        session.keep("anthropic", "claude-code-aimock-first-turn", _posts("/v1/messages", turn=_assistants(0)), 0)
        session.keep("anthropic", "claude-code-aimock-tool-result", _posts("/v1/messages", turn=_assistants(1)), 0)


def record_terminal() -> None:
    """Record Claude Code at a terminal: the newer tells of its permissions, the older asks for a title."""
    for client, case, wanted in (
        ("claude-code", "claude-code-terminal", _posts("/v1/messages", turn=_assistants(0))),
        ("claude-code-2.1.197", "claude-code-2.1.197-title", lambda entry: b"<session>" in entry.request),
    ):
        with _session(client) as session:
            script = session.project.parent / "provider" / "script.json"
            script.write_text(json.dumps({"turns": [{"blocks": [{"text": _SAID[2], "cut": {"every": 4}}]}]}))
            terminal = Terminal(session.url, session.home, session.project, client)
            try:
                terminal.ask(_PROMPTS[2], partial(_answered, session.tape))
            finally:
                terminal.close()
            session.keep("anthropic", case, wanted, 0)


def record_claude_code_old() -> None:
    """Claude Code 2.1.197: other system blocks."""
    with _session("claude-code-2.1.197") as session:
        arguments = ("-p", _PROMPTS[0], "--allowedTools", "Read,Write,Bash")
        launch.claude_code(session.url, session.home, session.project, *arguments, version="claude-code-2.1.197")
        for count, case in enumerate(("first-turn", "tool-result")):
            session.keep("anthropic", f"claude-code-2.1.197-{case}", _posts("/v1/messages", turn=_assistants(count)), 0)


_TOOL_SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string", "description": "where"}, "content": {"type": "string"}},
    "required": ["path"],
}
_CALLS = [
    {"tool": "read_file", "input": {"path": "settings.env"}, "cut": {"every": 3}},
    {"tool": "write_file", "input": {"path": "out.txt", "content": "5432 — „q“\n\t\\"}, "cut": "characters"},
]


def picture() -> str:
    """Return a small PNG in base64, made here: eight by eight pixels of one grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\x00" + bytes([128]) * 8 for _ in range(8)))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")).decode()


def _anthropic_cases() -> dict[str, tuple[str, bool, dict[str, Any]]]:
    base: dict[str, Any] = {"model": "claude-sonnet-4-6", "max_tokens": 1000}
    asked = {"role": "user", "content": _PROMPTS[2]}
    tools = [
        {"name": name, "description": f"{name} a file", "input_schema": _TOOL_SCHEMA}
        for name in ("read_file", "write_file")
    ]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture()}}
    file = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": _FILES["notes.txt"]}}
    cached = {"type": "text", "text": _FILES["notes.txt"], "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    called = {
        "type": "tool_use",
        "id": "toolu_01A",
        "name": "read_file",
        "input": {"path": "settings.env", "n": 12345678901234567890},
    }
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_01A",
        "is_error": False,
        "content": [{"type": "text", "text": _FILES["settings.env"]}, image],
    }
    history = [
        asked,
        {"role": "assistant", "content": [called]},
        {"role": "user", "content": [result, {"type": "text", "text": _PROMPTS[1]}]},
    ]
    in_messages = [
        asked,
        {"role": "assistant", "content": _SAID[3]},
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": [file, cached]},
    ]
    return {
        "create": ("chat", False, {**base, "messages": [asked], "system": "Answer briefly."}),
        "stream": ("chat", True, {**base, "messages": [asked], "system": [cached]}),
        "tools": ("chat", False, {**base, "messages": history, "tools": tools, "tool_choice": {"type": "auto"}}),
        "tools-stream": ("chat", True, {**base, "messages": history, "tools": tools}),
        "image": (
            "chat",
            False,
            {**base, "messages": [{"role": "user", "content": [image, {"type": "text", "text": "?"}]}]},
        ),
        "system-in-messages": ("chat", True, {**base, "messages": in_messages, "metadata": {"user_id": "someone"}}),
        "count-tokens": ("count", False, {"model": base["model"], "messages": [asked], "tools": tools}),
        "models": ("models", False, {}),
    }


def _openai_cases() -> dict[str, tuple[str, bool, dict[str, Any]]]:
    base: dict[str, Any] = {"model": "gpt-5.2"}
    asked = {"role": "user", "content": _PROMPTS[2]}
    tools = [
        {"type": "function", "function": {"name": name, "description": f"{name} a file", "parameters": _TOOL_SCHEMA}}
        for name in ("read_file", "write_file")
    ]
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture()}", "detail": "low"}}
    arguments = json.dumps({"path": "settings.env", "note": 'a "quoted" — \\ 🔒'})
    called = {"id": "call_a", "type": "function", "function": {"name": "read_file", "arguments": arguments}}
    history = [
        {"role": "system", "content": "Answer briefly."},
        asked,
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_a", "content": _FILES["settings.env"]},
    ]
    seen = [{"role": "user", "content": [{"type": "text", "text": "?"}, image]}]
    developer = [
        {"role": "developer", "content": [{"type": "text", "text": "Answer briefly."}]},
        {**asked, "name": "dev"},
    ]
    return {
        "create": ("chat", False, {**base, "messages": [asked], "temperature": 0.5, "seed": 7}),
        "stream": ("chat", True, {**base, "messages": developer}),
        "tools": ("chat", False, {**base, "messages": history, "tools": tools, "parallel_tool_calls": True}),
        "tools-stream": ("chat", True, {**base, "messages": history, "tools": tools}),
        "vision": ("chat", False, {**base, "messages": seen}),
        "embeddings": ("embed", False, {"model": "text-embedding-3-small", "input": [_PROMPTS[2], "two"]}),
        "models": ("models", False, {}),
    }


def _responses_cases() -> dict[str, tuple[str, bool, dict[str, Any]]]:
    base: dict[str, Any] = {"model": "gpt-5.2"}
    tools = [
        {"type": "function", "name": name, "description": f"{name} a file", "parameters": _TOOL_SCHEMA}
        for name in ("read_file", "write_file")
    ]
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{picture()}", "detail": "low"}
    arguments = json.dumps({"path": "settings.env", "note": 'a "quoted" — \\ 🔒'})
    sealed = {"type": "reasoning", "id": "rs_a", "summary": [], "encrypted_content": _SIGNATURE}
    history = [
        {"role": "user", "content": _PROMPTS[2]},
        sealed,
        {"type": "function_call", "call_id": "call_a", "name": "read_file", "arguments": arguments},
        {"type": "function_call_output", "call_id": "call_a", "output": _FILES["settings.env"]},
    ]
    seen = [{"role": "user", "content": [{"type": "input_text", "text": "?"}, image]}]
    called = {**base, "input": history, "tools": tools, "include": ["reasoning.encrypted_content"], "store": False}
    return {
        "create": ("chat", False, {**base, "input": _PROMPTS[2], "temperature": 0.5}),
        "stream": ("chat", True, {**base, "input": _PROMPTS[2], "instructions": "Answer briefly."}),
        "tools": ("chat", False, called),
        "tools-stream": ("chat", True, called),
        "vision": ("chat", False, {**base, "input": seen}),
    }


def record_codex() -> None:
    """Record Codex: a first turn, the result of a command, reasoning, a second prompt with two results."""
    with _session("codex") as session:
        read = {"tool": "exec_command", "input": {"cmd": "cat settings.env"}, "cut": {"random": 3, "most": 9}}
        again = {"tool": "exec_command", "input": {"cmd": "cat notes.txt"}, "cut": "characters"}
        thought = {"thinking": _THOUGHT, "signature": _SIGNATURE, "cut": {"every": 11}}
        turns = [[thought, {"text": _SAID[0], "cut": {"every": 4}}, read], [{"text": _SAID[1], "cut": "characters"}]]
        turns += [[thought, again, read], [{"text": _SAID[2]}]]
        script = session.project.parent / "provider" / "script.json"
        script.write_text(json.dumps({"turns": [{"blocks": blocks} for blocks in turns]}))
        launch.codex(session.url, session.home, session.project, _PROMPTS[0])
        launch.codex(session.url, session.home, session.project, _PROMPTS[1], "resume", "--last")
        wanted = _posts("/v1/responses")
        for which, case in enumerate(("first-turn", "command-result", "second-prompt", "two-results")):
            session.keep("openai_responses", f"codex-{case}", wanted, which)


def record_sdks() -> None:
    """Record the SDKs of both vendors, in Python and Node, against our mock; the streams against aimock too."""
    clients.install("node22")
    for language in ("python", "node"):
        for vendor, wire, cases in (
            ("anthropic", "anthropic", _anthropic_cases()),
            ("openai", "openai_chat", _openai_cases()),
            ("responses", "openai_responses", _responses_cases()),
        ):
            for case, (call, stream, params) in cases.items():
                for upstream in ("own mock", "aimock") if case in {"stream", "create"} else ("own mock",):
                    with _session(f"sdks-{language}", upstream) as session:
                        script = session.project.parent / "provider" / "script.json"
                        blocks: list[dict[str, Any]] = [{"text": _SAID[1], "cut": {"every": 6}}]
                        if script.exists():
                            script.write_text(
                                json.dumps({"turns": [{"blocks": [*blocks, *(_CALLS if "tools" in case else [])]}]})
                            )
                        order = {
                            "sdk": vendor,
                            "base_url": session.url,
                            "stream": stream,
                            "call": call,
                            "params": params,
                        }
                        done = launch.sdk(language, session.home, order)
                        if done.code:
                            raise ValueError(f"{language} {vendor} {case}: {done.err[-600:]}")
                        name = f"sdk-{language}-{case}" + ("-aimock" if upstream == "aimock" else "")
                        session.keep(wire, name, lambda entry: entry.status < 400, 0)


def record_aider() -> None:
    """Record aider's chat over both wires: whole files in user text, an edit as a SEARCH/REPLACE block."""
    edit = "out.txt\n```\n<<<<<<< SEARCH\n=======\n5432 — „port“\n>>>>>>> REPLACE\n```\n"
    for speak, wire, path in (
        ("openai", "openai_chat", "/v1/chat/completions"),
        ("anthropic", "anthropic", "/v1/messages"),
    ):
        with _session("aider") as session:
            script = session.project.parent / "provider" / "script.json"
            script.write_text(
                json.dumps({"turns": [{"blocks": [{"text": f"{_SAID[1]}\n\n{edit}", "cut": {"random": 4}}]}]})
            )
            (session.project / "out.txt").write_text("")
            launch.aider(
                session.url, session.home, session.project, _PROMPTS[:1], "settings.env", "out.txt", speak=speak
            )
            session.keep(wire, "aider-chat", _posts(path), 0)


def record_llm() -> None:
    """Record llm: a prompt, then another in the same conversation; and one that is not streamed."""
    with _session("llm") as session:
        script = session.project.parent / "provider" / "script.json"
        script.write_text(json.dumps({"turns": [{"blocks": [{"text": _SAID[3], "cut": {"every": 2}}]}]}))
        launch.llm(session.url, session.home, session.project, "-m", "gated", "-s", "Answer briefly.", _PROMPTS[2])
        launch.llm(session.url, session.home, session.project, "-c", _PROMPTS[1])
        launch.llm(session.url, session.home, session.project, "-m", "gated", "--no-stream", _PROMPTS[0])
        session.keep("openai_chat", "llm-chat", _posts("/v1/chat/completions"), 0)
        session.keep("openai_chat", "llm-continued", _posts("/v1/chat/completions"), 1)
        session.keep("openai_chat", "llm-not-streamed", _posts("/v1/chat/completions"), 2)


_RECORDERS = {
    "claude-code": record_claude_code,
    "claude-code-2.1.197": record_claude_code_old,
    "terminal": record_terminal,
    "codex": record_codex,
    "sdks": record_sdks,
    "aider": record_aider,
    "llm": record_llm,
}

if __name__ == "__main__":
    if len(sys.argv) == 1:
        shutil.rmtree(GOLDENS / "anthropic", ignore_errors=True)
        shutil.rmtree(GOLDENS / "openai_chat", ignore_errors=True)
        shutil.rmtree(GOLDENS / "openai_responses", ignore_errors=True)
    for name in sys.argv[1:] or _RECORDERS:
        _RECORDERS[name]()
