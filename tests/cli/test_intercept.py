"""`poundlock run --intercept` and `poundlock intercept`, as a person types them, against a mock provider."""

import json
import os
import random
import signal
import socket
import string
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from poundlock import config
from poundlock.adapters.credentials import Credentials
from poundlock.cli.clients import known
from poundlock.cli.intercept import environment, services
from poundlock.cli.run import environment as run_environment
from poundlock.core.errors import ConfigFault
from tests.provider.running import provider

CLIENT = textwrap.dedent(
    """
    import json, os, sys, urllib.request
    from pathlib import Path

    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": sys.argv[1]}]}
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "own"}
    data = json.dumps(body).encode()
    told = {"base": os.environ.get("ANTHROPIC_BASE_URL"), "proxy": os.environ["HTTPS_PROXY"]}
    told["bundle"] = Path(os.environ["SSL_CERT_FILE"]).read_text().count("BEGIN CERT")
    told["own"] = Path(os.environ["NODE_EXTRA_CA_CERTS"]).read_text().count("BEGIN CERT")
    told["folder"] = str(Path(os.environ["NODE_EXTRA_CA_CERTS"]).parent)
    request = urllib.request.Request("https://api.anthropic.com/v1/messages", data, headers)
    with urllib.request.urlopen(request) as answer:
        told["answer"] = json.load(answer)["content"][0]["text"]
    open_ = "http://" + told["proxy"].rpartition("@")[2]
    stranger = urllib.request.build_opener(urllib.request.ProxyHandler({"https": open_}))
    try:
        stranger.open("https://api.anthropic.com/v1/messages", timeout=9)
    except OSError as error:
        told["stranger"] = str(error)
    print(json.dumps(told))
    sys.exit(7)
    """
)


def poundlock(home, *arguments, **more):
    """Run a command with a home of its own."""
    env = {name: os.environ[name] for name in ("PATH", "POUNDLOCK_CACHE")} | {"HOME": str(home), **more}
    command = [sys.executable, "-m", "poundlock", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=180)


@pytest.fixture
def place(tmp_path):
    """Give a mock provider, a configuration for it, and the client as a script."""
    with provider(tmp_path / "provider", {"turns": [{"blocks": [{"text": "fine"}]}]}) as mock:
        path = tmp_path / "poundlock.toml"
        path.write_text(f'[gateway]\nport = 0\n[providers.anthropic]\nupstream = "{mock.url}"\n')
        (tmp_path / "client.py").write_text(CLIENT)
        yield tmp_path, mock, path


def test_run_intercepts_a_program_that_knows_no_base_url(place):
    """The value does not reach the provider, a process without the credential does not get in, and nothing stays."""
    home, mock, path = place
    secret = "ghp_" + "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=36))
    client = [sys.executable, str(home / "client.py"), f"My key is password = {secret}"]
    done = poundlock(home, "run", "--intercept", "--config", str(path), "--", *client)
    assert done.returncode == 7, done
    told = json.loads(done.stdout)
    assert (told["base"], told["answer"]) == (None, "fine")
    assert "407" in told["stranger"]
    assert "disguised: 1 ×" in done.stderr
    (seen,) = mock.requests("/v1/messages")
    assert secret not in seen.body.decode()
    assert (seen.header("x-api-key"), seen.header("proxy-authorization")) == ("own", None)
    assert told["own"] == 1
    assert told["bundle"] >= 1
    assert not Path(told["folder"]).exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(told["proxy"]).port), 5).close()
    state = home / ".local/state/poundlock"
    assert (state / "authority.key").stat().st_mode & 0o777 == 0o600
    assert told["proxy"].partition("@")[0].rpartition(":")[2] not in (state / "authority.key").read_text("latin-1")


def test_the_proxy_by_itself_admits_known_credentials(place):
    """It says where it listens, and ends in order when it is asked to."""
    home, _mock, path = place
    ready = home / "ready.json"
    env = {name: os.environ[name] for name in ("PATH", "POUNDLOCK_CACHE")} | {"HOME": str(home)}
    command = [sys.executable, "-m", "poundlock", "intercept", "--port", "0", "--ready-file", str(ready)]
    process = subprocess.Popen([*command, "--config", str(path)], env=env, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < until:
            time.sleep(0.02)
        port = urlsplit(json.loads(ready.read_text())["url"]).port
        token = Credentials(home / ".local/state/poundlock/credentials.json").add(name="me", human="ada")
        answers = []
        for known in (token, "pl_nobody"):
            with socket.create_connection(("127.0.0.1", port), 10) as wire:
                head = f"CONNECT api.openai.com:443 HTTP/1.1\r\nProxy-Authorization: Bearer {known}\r\n\r\n"
                wire.sendall(head.encode())
                answers.append(wire.recv(64).split(b" ")[1])
        assert answers == [b"200", b"407"]
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert "listening on http://127.0.0.1:" in said
    assert not ready.exists()


def test_a_configured_provider_is_intercepted_at_its_own_host():
    """Its upstream's path is not sent twice; one on this machine is none of the proxy's."""
    settings = config.load(
        '[providers.mine]\nupstream = "https://llm.example.com/base/"\n'
        '[providers.anthropic]\nupstream = "https://proxy.example.com"\n'
        '[providers.near]\nupstream = "http://127.0.0.1:1"\n'
    )
    table = services(settings)
    mine = table.find("llm.example.com")
    assert (mine.provider, mine.path("/base/v1/x")) == ("mine", "/v1/x")
    assert table.find("proxy.example.com").provider == "anthropic"
    assert table.find("api.anthropic.com").provider == "anthropic"


def test_what_the_surroundings_trust_stays_trusted(tmp_path):
    """Certificates that the environment names are kept, ours come after; a proxy of theirs is taken the place of."""
    (tmp_path / "theirs.pem").write_text("THEIRS\n")
    inherited = {name: str(tmp_path / "theirs.pem") for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT")}
    inherited |= {"NO_PROXY": "intern.example", "HTTPS_PROXY": "http://corp.example:3128"}
    folder = tmp_path / "folder"
    folder.mkdir()
    given = environment(inherited, "http://127.0.0.1:9", "pl_x", folder, b"OURS\n")
    assert given["HTTPS_PROXY"] == given["http_proxy"] == "http://poundlock:pl_x@127.0.0.1:9"
    assert given["NO_PROXY"] == "127.0.0.1,localhost,::1"
    for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT"):
        assert Path(given[name]).read_text() == "THEIRS\nOURS\n"
    assert "GIT_SSL_CAINFO" not in given
    with pytest.raises(ConfigFault):
        environment({"SSL_CERT_FILE": "/none"}, "http://127.0.0.1:9", "pl_x", folder, b"OURS\n")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("", "/v1"),
        ("https://api.openai.com/v1", "/v1"),
        ("http://127.0.0.1:8787/t/pl_old/v1", "/v1"),
        ("http://127.0.0.1:8787/p/mine/v1", "/p/mine/v1"),
        ("http://127.0.0.1:8787/t/pl_old/p/mine/v1/", "/p/mine/v1/"),
        ("https://openrouter.ai/api/v1", "/p/openrouter/v1"),
        ("https://llm.example.com/v1/", "/p/mine/v1"),
    ],
)
def test_a_tool_that_is_led_to_another_provider_stays_with_it(value, wanted):
    """Its key must not go to the usual one."""
    settings = config.load('[providers.mine]\nupstream = "https://llm.example.com"\n')
    base = "http://127.0.0.1:8787/t/pl_x"
    given = run_environment({"OPENAI_BASE_URL": value}, base, "pl_x", settings)
    assert given["OPENAI_BASE_URL"] == base + wanted
    assert given["ANTHROPIC_BASE_URL"] == base


def test_a_provider_that_nobody_named_is_refused():
    """With what to write, and without the credential."""
    with pytest.raises(ConfigFault) as caught:
        run_environment(
            {"OPENAI_API_BASE": "https://x.example/v1"}, "http://127.0.0.1:1/t/pl_x", "pl_x", config.Settings()
        )
    assert "[providers.NAME]" in caught.value.advice
    assert "pl_x" not in caught.value.message + caught.value.advice


def test_tools_that_take_no_base_url_are_intercepted_by_themselves():
    """The table says which, and for which this is only what no variable leads."""
    through = {client.id: client.through for client in known()}
    assert {id_ for id_, way in through.items() if way == "intercept"} == {"cline", "continue"}
    assert {id_ for id_, way in through.items() if way == "both"} == {"aider", "llm", "opencode", "pi", "qwen-code"}


def test_a_provider_that_no_variable_leads_is_intercepted(place):
    """`run -- llm` leads llm's OpenAI by a variable; another provider of the same program meets the proxy."""
    home, _mock, path = place
    program = home / "llm"
    script = (
        "import os; print(os.environ['OPENAI_BASE_URL'][:17], os.environ['HTTPS_PROXY'][:20], os.environ['NO_PROXY'])"
    )
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o700)
    done = poundlock(home, "run", "--quiet", "--config", str(path), "--", str(program))
    assert done.stdout == "http://127.0.0.1: http://poundlock:pl_ 127.0.0.1,localhost,::1\n", done


def test_a_tool_that_lacks_what_it_needs_is_told(place):
    """Copilot CLI without a key of one's own would speak to a service that is not inspected."""
    home, _mock, path = place
    program = home / "copilot"
    program.write_text("#!/bin/sh\necho started\n")
    program.chmod(0o700)
    done = poundlock(home, "run", "--config", str(path), "--", str(program))
    assert (done.returncode, done.stdout) == (2, "")
    assert "COPILOT_PROVIDER_API_KEY" in done.stderr


def test_claude_code_gets_its_place_by_a_file(place):
    """Settings of a repository would go before the environment; the file is gone after the run."""
    home, _mock, path = place
    program = home / "claude"
    program.write_text('#!/bin/sh\necho "$1 $2"\ncat "$2"\n')
    program.chmod(0o700)
    done = poundlock(home, "run", "--quiet", "--config", str(path), "--", str(program), "-p", "hello")
    first, *rest = done.stdout.splitlines()
    flag, file = first.split()
    given = json.loads("".join(rest))["env"]
    assert flag == "--settings"
    assert not Path(file).exists()
    assert set(given) == {"ANTHROPIC_BASE_URL", "ANTHROPIC_BEDROCK_BASE_URL"}
    assert given["ANTHROPIC_BASE_URL"].partition("/t/")[2].startswith("pl_")
    assert "pl_" not in first
