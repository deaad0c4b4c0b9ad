"""Poundlock's own credentials, and who is calling."""

import asyncio

import pytest

from poundlock.adapters.credentials import Credentials, LocalIdentity, digest
from poundlock.core.errors import ConfigFault
from poundlock.core.tools import claimed


@pytest.fixture
def file(tmp_path):
    """Give an empty file of credentials."""
    return Credentials(tmp_path / "state" / "credentials.json")


def who(identity, token=None, agent="", peer="127.0.0.1"):
    """Ask who is calling."""
    return asyncio.run(identity.authenticate(token, {"user-agent": agent}, peer))


def test_a_token_is_known_by_its_digest_only(file):
    """The token is given once, and the file can't give it back."""
    token = file.add(name="ci", human="ada", tool="ci-job", task="t1")
    assert token not in file.path.read_text()
    assert digest(token) in file.path.read_text()
    assert file.find(token).human == "ada"
    assert file.find(token + "x") is None


def test_a_credential_ends_at_once_for_every_reader(file):
    """Another worker reads the change at its next request."""
    token = file.add(name="ci", human="ada")
    other = Credentials(file.path)
    assert other.find(token)
    assert file.remove("ci")
    assert other.find(token) is None


def test_a_new_credential_of_the_same_name_replaces_the_old_one(file):
    """There is one credential a name."""
    old = file.add(name="ci", human="ada")
    new = file.add(name="ci", human="ada")
    assert (file.find(old), file.find(new).name) == (None, "ci")


def test_a_damaged_file_refuses(file):
    """What can't be read lets nobody in, and says which file it is."""
    file.add(name="ci", human="ada")
    file.path.write_text("{")
    with pytest.raises(ConfigFault) as fault:
        Credentials(file.path).find("pl_x")
    assert "credentials.json" in fault.value.advice


def test_a_credential_names_the_person_and_the_tool(file):
    """A tool that was registered is not a claim; what the User-Agent says does not count then."""
    identity = LocalIdentity(file, human="ada", open_loopback=True)
    token = file.add(name="run", human="bob", tool="claude-code", task="t9")
    principal = who(identity, token, "curl/8")
    assert (principal.human, principal.tool, principal.tool_claimed, principal.task) == (
        "bob",
        "claude-code",
        False,
        "t9",
    )
    assert principal.authenticated == "credential"


def test_a_credential_without_a_tool_leaves_the_claim(file):
    """A person's own credential serves any tool; the tool is only claimed."""
    identity = LocalIdentity(file, human="ada", open_loopback=False)
    principal = who(identity, file.add(name="me", human="ada"), "claude-cli/2.1.329 (external, sdk-cli)")
    assert (principal.tool, principal.tool_claimed) == ("claude-code", True)


@pytest.mark.parametrize(
    ("open_loopback", "peer", "known"),
    [(True, "127.0.0.1", True), (True, "::1", True), (True, "10.0.0.9", False), (False, "127.0.0.1", False)],
)
def test_without_a_credential_only_the_own_machine_may_call(file, open_loopback, peer, known):
    """And only where the profile says so."""
    principal = who(LocalIdentity(file, human="ada", open_loopback=open_loopback), peer=peer)
    assert (principal is not None) == known
    if known:
        assert (principal.human, principal.authenticated, principal.tool_claimed) == ("ada", "loopback", True)


def test_a_wrong_credential_is_worse_than_none(file):
    """Who shows a credential that is not known is refused, from the own machine too."""
    assert who(LocalIdentity(file, human="ada", open_loopback=True), "pl_wrong") is None


@pytest.mark.parametrize(
    ("agent", "tool"),
    [
        ("claude-cli/2.1.329 (external, sdk-cli)", "claude-code"),
        ("codex_exec/0.169.0", "codex"),
        ("Anthropic/Python 2.11.0", "anthropic-sdk"),
        ("AsyncOpenAI/Python 3.52.0", "openai-sdk"),
        ("GeminiCLI-tui/0.61.0/gemini-2.5-flash (linux; x64; terminal)", "gemini-cli"),
        ("google-genai-sdk/3.4.0 gl-python/3.11.7", "google-genai-sdk"),
        ("ollama-python/0.6.3 (x86_64 linux) Python/3.11.7", "ollama-sdk"),
        ("something else", "unregistered"),
        ("", "unregistered"),
    ],
)
def test_tools_are_told_apart_by_what_they_claim(agent, tool):
    """By how the User-Agent begins."""
    assert claimed(agent) == tool
