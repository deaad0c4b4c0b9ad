"""The name of a repository, from its Git configuration."""

import pytest

from poundlock.core.identity.repositories import named


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/northwind/orders.git", "github.com/northwind/orders"),
        ("https://github.com/northwind/orders", "github.com/northwind/orders"),
        ("https://ada:" + "hunter2" + "@git.corp.example:8443/a/b/c.git", "git.corp.example/a/b/c"),
        ("git@github.com:northwind/orders.git", "github.com/northwind/orders"),
        ("ssh://git@GitHub.com:22/northwind/orders.git", "github.com/northwind/orders"),
        ("/srv/git/orders.git", ""),
        ("../orders", ""),
        ("https://github.com/../x", ""),
        ("https://github.com/a b", ""),
        ("", ""),
    ],
)
def test_a_remote_gives_a_name_without_credentials(url, name):
    """Host and path, whatever the way there."""
    assert named(f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {url}\n\tfetch = x\n') == name


def test_origin_goes_first():
    """Else the first remote; other sections have no say."""
    text = '[remote "fork"]\n url = https://a.example/x/y\n[remote "origin"]\n url = https://b.example/x/y\n'
    assert named(text) == "b.example/x/y"
    assert named(text.replace("origin", "other")) == "a.example/x/y"
    assert named("[core]\n url = https://c.example/x/y\n") == ""
