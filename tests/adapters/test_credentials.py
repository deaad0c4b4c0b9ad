"""Poundlock's own credentials in their file."""

import pytest

from poundlock.adapters.credentials import Credentials, digest
from poundlock.core.errors import ConfigFault
from poundlock.core.tools import claimed


@pytest.fixture
def file(tmp_path):
    """Give an empty file of credentials."""
    return Credentials(tmp_path / "state" / "credentials.json")


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


def test_a_credential_is_known_by_its_digest_until_it_ends(file):
    """So that a stream that is open under it can be ended, and who watches sees a change."""
    token = file.add(name="ci", human="ada")
    other = Credentials(file.path)
    before = other.stamp()
    assert other.holds(digest(token))
    file.remove("ci")
    assert not other.holds(digest(token))
    assert other.stamp() != before


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
