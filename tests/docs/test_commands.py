"""Each command that the pages show is run, with an empty home, and says what is shown."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from poundlock.web.fake_provider import FakeProvider
from tests.docs.pages import PAGES, ROOT, Block, Command, blocks, commands, name, pattern

RUN = [
    page for page in PAGES if any(block.kind == "console" and not block.not_run for block in blocks(page.read_text()))
]
SHIM = """#!/bin/sh
# The fake provider takes the place of the real one: no test may reach that.
settings="$HOME/.config/poundlock/poundlock.toml"
case ${1:-} in run|serve) mkdir -p "$HOME/.config/poundlock"; touch "$settings" ;; esac
if [ "${1:-}" != init ] && [ "${1:-}" != demo ] && [ -f "$settings" ] && ! grep -q '^\\[providers' "$settings"; then
    printf '\\n[gateway]\\nport = 0\\n[providers.anthropic]\\nupstream = "%s"\\n' "$TEST_UPSTREAM" >> "$settings"
fi
exec "$TEST_PYTHON" -m poundlock "$@"
"""


@pytest.fixture(scope="module")
def provider():
    """Run the fake provider in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    fake = FakeProvider()
    asyncio.run_coroutine_threadsafe(fake.start(), loop).result()
    yield fake
    asyncio.run_coroutine_threadsafe(fake.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Give one cache folder for all pages: rules are compiled once."""
    return tmp_path_factory.mktemp("cache")


def executable(path: Path, text: str) -> None:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def environment(folder: Path, cache: Path, upstream: str) -> dict[str, str]:
    """Give a home with nothing in it, `poundlock` and a stand-in for Claude Code on the path, and a ready-made venv."""
    tools = folder / "venv" / "bin"
    executable(tools / "poundlock", SHIM)
    executable(tools / "python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    executable(tools / "claude", f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/docs/claude.py" "$@"\n')
    sums = subprocess.run(
        ["sh", "-c", "cat pyproject.toml constraints.txt | cksum"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for kind in ("run", "dev"):
        (folder / "venv" / f"ready-{kind}").write_text(f"{kind} {sums.stdout.rstrip()}")
    (folder / "home").mkdir()
    return {
        "HOME": str(folder / "home"),
        "PATH": f"{tools}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
        "TMPDIR": str(folder),
        "POUNDLOCK_VENV": str(folder / "venv"),
        "XDG_CACHE_HOME": str(cache),
        "POUNDLOCK_CACHE": os.environ["POUNDLOCK_CACHE"],
        "TEST_PYTHON": sys.executable,
        "TEST_UPSTREAM": upstream,
        "PYTHONPATH": str(ROOT / "src"),
    }


def run(lines: list[Command], env: dict[str, str], cwd: Path) -> list[tuple[str, int]]:
    """Run commands one after another in one shell; give each one's output and exit code."""
    # A function goes before whatever a page puts on the path.
    script = 'poundlock() { "$POUNDLOCK_VENV/bin/poundlock" "$@"; }\n'
    script += "".join(f"{command.line}\nprintf '\\n@@%s@@\\n' $?\n" for command in lines)
    done = subprocess.run(
        ["bash"],
        input=script,
        env=env,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    parts = re.split(r"\n@@(\d+)@@\n", done.stdout)
    return [(parts[at], int(parts[at + 1])) for at in range(0, len(parts) - 1, 2)]


def check(lines: list[Command], outcomes: list[tuple[str, int]]) -> None:
    """Fail unless each command ended as the page says, and said what the page shows."""
    assert len(outcomes) == len(lines)
    for command, (output, code) in zip(lines, outcomes, strict=True):
        assert code == command.code, f"{command.line}: exit {code}\n{output}"
        assert pattern(command.shown).search(output), f"{command.line} does not say what is shown:\n{output}"


@pytest.mark.parametrize("page", RUN, ids=name)
def test_commands_of_a_page(page, provider, cache, tmp_path):
    """From the top of the page to its end, in one shell, with nothing at home."""
    lines = [
        command
        for block in blocks(page.read_text())
        if block.kind == "console" and not block.not_run
        for command in commands(block)
    ]
    assert lines
    own = page.name in {"README.md", "tutorial.md"}
    check(lines, run(lines, environment(tmp_path, cache, provider.url), ROOT if own else tmp_path))


def test_the_tutorial_keeps_its_word(provider, cache, tmp_path):
    """The provider of the tutorial saw no password, and the file that was written holds it."""
    seen = len(provider.received)
    lines = [
        command
        for block in blocks((ROOT / "docs" / "tutorial.md").read_text())
        if block.kind == "console" and not block.not_run
        for command in commands(block)
        if not command.line.startswith("./x")
    ]
    (last,) = run(
        [Command("\n".join([*(command.line for command in lines), "pwd"]), "", 0)],
        environment(tmp_path, cache, provider.url),
        ROOT,
    )
    folder = Path(last[0].strip().splitlines()[-1])
    password = (folder / "demo.env").read_text().strip().partition("=")[2]
    assert len(password) == 20
    assert f"={password}\n" in (folder / "copy.txt").read_text()
    bodies = [json.dumps(json.loads(body)) for body in provider.received[seen:]]
    assert bodies
    assert all(password not in body for body in bodies)
    assert any("DB_PASSWORD=QZ_" in body for body in bodies)


def test_every_console_block_is_run_or_says_why_not():
    """A block that is not run names its reason; README and tutorial leave out only what runs for long."""
    for page in PAGES:
        for block in blocks(page.read_text()):
            assert block.kind == "console" or not block.not_run, name(page)
    left = [
        block
        for page in ("README.md", "docs/tutorial.md")
        for block in blocks((ROOT / page).read_text())
        if block.not_run
    ]
    assert [commands(block)[0].line for block in left] == ["./x test", "poundlock serve"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$ false\n", "exit 1"),
        ("$ true    # exit 1\n", "exit 0"),
        ("$ echo two\none\n", "does not say"),
    ],
)
def test_the_check_can_fail(text, message, cache, tmp_path):
    """A wrong exit code and a wrong output are seen."""
    lines = commands(Block("console", text, ""))
    outcomes = run(lines, environment(tmp_path, cache, ""), tmp_path)
    with pytest.raises(AssertionError, match=message):
        check(lines, outcomes)


def test_what_ci_runs_is_what_the_readme_says():
    """`.ci/run` calls the README's test command and nothing else."""
    text = (ROOT / ".ci" / "run").read_text()
    assert [line for line in text.splitlines() if not line.startswith(("#", "set ", "cd "))] == ["exec ./x test"]
    assert "$ ./x test\n" in (ROOT / "README.md").read_text()
