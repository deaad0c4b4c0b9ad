"""Which hosts are AI services: exactly those of the table."""

from importlib import resources
from urllib.parse import urlsplit

import pytest

from poundlock.config import DEFAULT_PROVIDERS
from poundlock.core.errors import ConfigFault
from poundlock.core.services import Service, Services

TABLE = """
[[service]]
provider = "a"
hosts = ["api.a.example", "*.under.example"]

[[service]]
provider = "b"
hosts = ["b.example"]
prefix = "/api"
"""


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.a.example", "a"),
        ("API.A.Example.", "a"),
        ("one.under.example", "a"),
        ("two.one.under.example", "a"),
        ("under.example", None),
        ("xunder.example", None),
        ("a.example", None),
        ("api.a.example.org", None),
        ("x.api.a.example", None),
        ("b.example", "b"),
        ("", None),
        ("127.0.0.1", None),
    ],
)
def test_a_host_is_found_or_is_not_ours(host, provider):
    """A name counts as itself, and `*.` for what is under it."""
    found = Services.load(TABLE).find(host)
    assert (found.provider if found else None) == provider


@pytest.mark.parametrize(
    ("target", "path"),
    [("/api/v1/x?y", "/v1/x?y"), ("/api", ""), ("/api?x", "?x"), ("/apiv1", None), ("/v1", None), ("", None)],
)
def test_the_prefix_is_taken_off_whole(target, path):
    """Only as a whole part of the path."""
    assert Service(provider="b", hosts=("b.example",), prefix="/api").path(target) == path


def test_a_configured_provider_goes_before_the_table():
    """Its host is its own, the other hosts of the row stay."""
    services = Services.load(TABLE, [Service(provider="mine", hosts=("api.a.example",))])
    assert services.find("api.a.example").provider == "mine"
    assert services.find("x.under.example").provider == "a"
    assert services.names == ("api.a.example", "b.example", "under.example")


@pytest.mark.parametrize(
    "text",
    [
        '[[service]]\nprovider = "a"\nhosts = ["*"]',
        '[[service]]\nprovider = "a"\nhosts = ["localhost"]',
        '[[service]]\nprovider = "a"\nhosts = ["a.example", "a.example"]',
        '[[service]]\nprovider = "a"\nhosts = ["a.example"]\nprefix = "api"',
        '[[service]]\nprovider = "a"\nhost = ["a.example"]',
        "[[service",
    ],
)
def test_a_table_that_is_wrong_is_refused(text):
    """A host that would catch too much, twice the same, or what nobody knows."""
    with pytest.raises(ConfigFault):
        Services.load(text)


def test_a_built_in_provider_is_where_the_table_says():
    """A request that was made for one host never goes to another one of the same vendor."""
    shipped = Services.load((resources.files("poundlock.core") / "data" / "services.toml").read_text())
    for name, provider in DEFAULT_PROVIDERS.items():
        if provider.local:
            continue
        parts = urlsplit(provider.upstream)
        service = shipped.find(parts.hostname)
        assert (service.provider, service.hosts, service.prefix) == (name, (parts.hostname,), parts.path)


def test_the_shipped_table_holds():
    """It is read, knows the built-in providers' hosts, and leaves the rest of the net alone."""
    shipped = Services.load((resources.files("poundlock.core") / "data" / "services.toml").read_text())
    assert shipped.find("api.anthropic.com").provider == "anthropic"
    assert shipped.find("api.openai.com").provider == "openai"
    assert shipped.find("generativelanguage.googleapis.com").provider == "gemini"
    for host in ("github.com", "pypi.org", "registry.npmjs.org", "claude.ai", "auth.openai.com", "googleapis.com"):
        assert shipped.find(host) is None
