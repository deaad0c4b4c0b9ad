"""Core and wire are pure, beyond what the import rules see: builtins, and what really happens in an inspection."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "poundlock"
FILES = sorted([*(SOURCE / "core").rglob("*.py"), *(SOURCE / "wire").rglob("*.py")])
BANNED = frozenset({"open", "print", "input", "eval", "exec", "compile", "breakpoint", "__import__"})


def impurities(text: str) -> list[str]:
    """Give what a pure module must not hold: banned builtins, `global`, importlib, `sys.stdout` and its like."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Global):
            found.append(f"{node.lineno}: global")
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in BANNED:
            found.append(f"{node.lineno}: {node.id}")
        elif isinstance(node, ast.Import) and any(name.name in {"importlib", "builtins", "sys"} for name in node.names):
            found.append(f"{node.lineno}: {node.names[0].name}")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {"importlib", "builtins", "sys"}:
            found.append(f"{node.lineno}: {node.module}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_builtin_that_reaches_out(path):
    """No pure module opens, prints, asks, evaluates or keeps a global."""
    assert impurities(path.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "open('x')",
        "print('x')",
        "input()",
        "def f():\n    global x\n    x = 1",
        "f = open",
        "import importlib",
        "from sys import stdout",
        "eval('1')",
        "__import__('os')",
    ],
)
def test_impurities_are_seen(line):
    """The search finds each of them."""
    assert len(impurities(line)) == 1


SCRIPT = r"""
import base64, hashlib, json, sys
from poundlock import compose, config
from poundlock.core.conversation import Memo
from poundlock.core.model import Context, Destination, Principal, ScopeKey
from poundlock.core.pipeline import inspect
from poundlock.core.stream import Homeward
from poundlock.wire import registry

CALL = {"type": "tool_use", "id": "t", "name": "Read"}
KEY = ScopeKey(scope="ada", mint=b"m" * 32, fingerprint=b"f" * 32)
CONTEXT = Context(
    principal=Principal(human="ada"),
    destination=Destination(name="anthropic", vendor="anthropic", endpoint="https://example.test"),
)
INSIDE = base64.b64encode(b"".join(hashlib.sha512(bytes([n])).digest() for n in range(10))).decode()
snapshot = compose.snapshot(config.Settings())
headers = {"anthropic-version": "2023-06-01"}
wire, route = registry.resolve("POST", "/v1/messages", headers)
memo = Memo(1 << 20)


def once(number):
    token = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA2bC4d" + f"{number:02}"
    said = "key " + token + " for ada.lovelace" + str(number) + "@corp.example.com at 10.1.2." + str(number)
    fence = "-----{} RSA PRIVATE KEY-----"
    key = fence.format("BEGIN") + "\n" + INSIDE + "\n" + fence.format("END")
    blocks = [{"type": "tool_result", "tool_use_id": "t", "content": json.dumps({"file": key, "more": said})}]
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": said},
            {"role": "assistant", "content": [CALL | {"input": {"path": said}}]},
            {"role": "user", "content": blocks},
        ],
    }
    decoded = wire.decode_request(route, json.dumps(body).encode(), headers)
    verdict = inspect(decoded.document, CONTEXT, snapshot, KEY, 1, id="one", memo=memo)
    sent = decoded.encode(verdict.texts)
    assert token.encode() not in sent, "the token was sent"
    assert INSIDE.encode() not in sent, "the private key was sent"
    homeward = Homeward(verdict.issued, lambda surrogate, sink: not sink.network)
    assert token in homeward.restore_text(next(text for text in verdict.texts.values() if "GITHUB" in text))
    homeward.restore_arguments("Bash", {"command": "echo " + next(iter(verdict.issued))})
    WORK()


def pure():
    pass


def impure():
    with open("/dev/null"):
        pass


events = []
listening = False
BAD = ("open", "socket.", "sqlite3.", "subprocess.", "os.", "import", "shutil.", "tempfile.", "urllib.", "time.sleep")


def hook(name, args):
    if listening and name.startswith(BAD):
        events.append(name)


WORK = pure
once(1)  # what is imported or compiled at first use may open files
sys.addaudithook(hook)
listening = True
for number in range(2, 12):
    once(number)
listening = False
quiet = list(events)
WORK = impure
listening = True
once(12)
listening = False
print(json.dumps({"pure": quiet, "impure": events}))
"""


def test_an_inspection_touches_nothing(tmp_path):
    """After one warm-up, decoding, inspecting, encoding and restoring raise no audit event of the outside world.

    An inspection that opens a file raises one, so the hook does listen.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"pure": [], "impure": ["open"]}
