"""What an entry of the register and a task grant: places, classes of data, calls."""

import pytest

from poundlock.core.model import Principal, Reach
from poundlock.core.policy.grants import calls, handles, reaches


def who(scopes=(), **reach):
    """Give a principal with this reach."""
    return Principal(human="ada", scopes=scopes, reach=Reach(**reach))


@pytest.mark.parametrize(
    ("principal", "destination", "repository", "yes"),
    [
        (who(), "openai", "", True),
        (who(destinations=("openai",)), "openai", "", True),
        (who(destinations=("openai",)), "openai-eu", "", False),
        (who(destinations=("",)), "openai", "", False),
        (who(repositories=("github.com/a/b",)), "openai", "github.com/a/b", True),
        (who(repositories=("github.com/a/b",)), "openai", "github.com/a/b2", False),
        (who(repositories=("github.com/a/*",)), "openai", "github.com/a/b", True),
        (who(repositories=("github.com/a/*",)), "openai", "github.com/ab/c", False),
        (who(repositories=("github.com/a/*",)), "openai", "", False),
        (who(("send",)), "openai", "", True),
        (who(("send:openai",)), "openai", "", True),
        (who(("send:openai",)), "anthropic", "", False),
        (who(("mcp",)), "openai", "", False),
    ],
)
def test_where_an_exchange_may_go(principal, destination, repository, yes):
    """Destination, repository and scope must all allow it; what is not known is not granted."""
    assert reaches(principal, destination, repository) is yes


@pytest.mark.parametrize(
    ("principal", "kind", "tier", "yes"),
    [
        (who(), "pii.email", "restricted", True),
        (who(classes=("pii",)), "pii.email", "restricted", True),
        (who(classes=("pii.email",)), "pii.email", "restricted", True),
        (who(classes=("pii.email",)), "pii.phone", "restricted", False),
        (who(classes=("pi",)), "pii.email", "restricted", False),
        (who(max_tier="internal"), "pii.email", "internal", True),
        (who(max_tier="internal"), "pii.email", "restricted", False),
        (who(max_tier="public"), "pii.email", "internal", False),
    ],
)
def test_what_may_be_handled(principal, kind, tier, yes):
    """By class, and up to a tier."""
    assert handles(principal, kind, "pii", tier) is yes


@pytest.mark.parametrize(
    ("principal", "tool", "server", "yes"),
    [
        (who(), "Bash", "", True),
        (who(tools=("Read",)), "Bash", "", False),
        (who(tools=("Bash",)), "Bash", "", True),
        (who(tools=("git",)), "commit", "git", True),
        (who(tools=("git/commit",)), "commit", "git", True),
        (who(tools=("git/commit",)), "push", "git", False),
        (who(tools=("",)), "Bash", "", False),
        (who(("send",)), "push", "git", False),
        (who(("send",)), "Bash", "", True),
        (who(("mcp:git",)), "push", "git", True),
        (who(("mcp:git:commit",)), "push", "git", False),
    ],
)
def test_what_may_be_called(principal, tool, server, yes):
    """By the tool's name, its server's, or both; a server's tools need the scope as well."""
    assert calls(principal, tool, server) is yes
