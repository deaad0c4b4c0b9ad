"""`poundlock run`, `explain` and `demo`, as a person types them, against a mock provider."""

import json
import os
import random
import re
import string
import subprocess
import sys
import textwrap

import pytest

from tests.provider.running import provider

CLIENT = textwrap.dedent(
    """
    import json, os, sys, urllib.request
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": sys.argv[1]}]}
    request = urllib.request.Request(
        os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages",
        json.dumps(body).encode(),
        {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "own"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            print(answer.headers["x-poundlock-decision"], json.load(answer)["content"][0]["text"])
    except urllib.error.HTTPError as error:
        print(json.load(error)["error"]["message"])
    sys.exit(int(sys.argv[2]))
    """
)


def poundlock(home, *arguments, **more):
    """Run a command with a home of its own."""
    env = {name: os.environ[name] for name in ("PATH", "POUNDLOCK_CACHE")} | {"HOME": str(home), **more}
    return subprocess.run(
        [sys.executable, "-m", "poundlock", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def place(tmp_path):
    """Give a mock provider, a configuration for it, and the client as a script."""
    answer = {"turns": [{"blocks": [{"text": "fine"}]}]}
    with provider(tmp_path / "provider", answer) as mock:
        config = tmp_path / "poundlock.toml"
        config.write_text(f'[gateway]\nport = 0\n[providers.anthropic]\nupstream = "{mock.url}"\n')
        (tmp_path / "client.py").write_text(CLIENT)
        yield tmp_path, mock, config


def test_run_leads_a_tool_through_the_gateway(place):
    """The tool's exit code is passed, the value does not reach the provider, and a summary tells what was done."""
    home, mock, config = place
    token = "ghp_" + "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=36))
    client = [sys.executable, str(home / "client.py"), f"My key is password = {token}", "7"]
    done = poundlock(home, "run", "--config", str(config), "--", *client)
    assert done.returncode == 7, done
    assert "1 exchange\n" in done.stderr
    assert "disguised: 1 ×" in done.stderr
    (seen,) = mock.requests("/v1/messages")
    assert token not in seen.body.decode()
    assert "/t/" not in seen.path
    decision = done.stdout.split()[0]
    told = poundlock(home, "explain", decision, "--config", str(config))
    assert told.returncode == 0
    assert re.search(r"who +\S+ with python", told.stdout)
    assert "decision  sendDisguised" in told.stdout
    assert token not in told.stdout
    records = poundlock(home, "explain", "--json", decision, "--config", str(config)).stdout.splitlines()
    assert [json.loads(line)["kind"] for line in records] == ["exchange", "closing"]


def test_the_runs_credential_ends_with_it(place):
    """Its task has ended, and the credential is nowhere on the disk."""
    home, _mock, config = place
    show = "import os; print(os.environ['POUNDLOCK_TOKEN'])"
    token = poundlock(home, "run", "--config", str(config), "--", sys.executable, "-c", show).stdout.strip()
    assert token.startswith("pl_")
    (row,) = poundlock(home, "tasks", "--all", "--json", "--config", str(config)).stdout.splitlines()
    assert json.loads(row)["state"] == "The task was ended: the tool has ended."
    state = home / ".local/state/poundlock"
    assert [path.name for path in state.iterdir() if path.is_file() and token.encode() in path.read_bytes()] == []


def test_run_tells_what_was_stopped(place):
    """A private key is stopped, and the summary says how to learn why."""
    home, mock, config = place
    key = "-----{} PRIVATE KEY-----\n{}\n-----{} PRIVATE KEY-----".format("BEGIN", "MIIEvQ" + "q7Zt" * 15, "END")
    client = [sys.executable, str(home / "client.py"), key, "0"]
    done = poundlock(home, "run", "--config", str(config), "--", *client)
    assert "stopped: poundlock explain" in done.stderr
    assert "private key" in done.stdout
    assert mock.requests("/v1/messages") == []


def test_a_program_that_is_not_there_is_named(tmp_path):
    """Exit 2, in words."""
    done = poundlock(tmp_path, "run", "--", "no-such-program-here")
    assert (done.returncode, "no-such-program-here" in done.stderr) == (2, True)


def test_run_without_a_command_says_how(tmp_path):
    """Exit 2, with an example."""
    done = poundlock(tmp_path, "run")
    assert (done.returncode, "poundlock run -- claude" in done.stderr) == (2, True)


def test_explain_of_an_unknown_id(place):
    """Exit 2, and where to look."""
    home, _mock, config = place
    poundlock(home, "run", "--config", str(config), "--", "true")
    done = poundlock(home, "explain", "nope", "--config", str(config))
    assert (done.returncode, "audit show" in done.stderr) == (2, True)


def test_a_key_that_poundlock_holds_is_put_on_and_never_reaches_the_tool(place):
    """The tool gets the run's credential in place of the key; the provider gets the key."""
    home, mock, config = place
    config.write_text(config.read_text() + 'key_env = "HELD_KEY"\nformat = "anthropic"\n')
    show = "import os; print(os.environ.get('HELD_KEY'), os.environ['ANTHROPIC_API_KEY'][:3])"
    done = poundlock(home, "run", "--config", str(config), "--", sys.executable, "-c", show, HELD_KEY="the-held-key")
    assert done.stdout == "None pl_\n"
    client = [sys.executable, str(home / "client.py"), "hello", "0"]
    poundlock(home, "run", "--config", str(config), "--", *client, HELD_KEY="the-held-key")
    (seen,) = mock.requests("/v1/messages")
    assert dict(seen.headers)["x-api-key"] == "the-held-key"


def test_the_demo_holds(tmp_path):
    """The smoke test: every step of the demo did what it shows."""
    done = poundlock(tmp_path, "demo", "--json")
    report = json.loads(done.stdout)
    assert [name for name, step in report["steps"].items() if not step["held"]] == [], done.stdout
    assert done.returncode == 0


def test_doctor_finds_nothing_wrong_with_a_fresh_home(tmp_path):
    """Day one needs no mending."""
    done = poundlock(tmp_path, "doctor")
    assert done.returncode == 0, done.stdout
    assert "WRONG" not in done.stdout


def test_coverage_names_every_route():
    """The table is made from the routes themselves."""
    from poundlock.cli.doctor import coverage
    from poundlock.wire import registry

    table = coverage()
    assert all(route.path in table for wire in registry.WIRES for route in wire.routes)
    assert table.endswith("everything else: refused\n")
