"""The keys of issuers: where they may come from, how long they are kept, and what is no answer."""

import json

import pytest

from poundlock.adapters.issuers import LARGEST, Issuers
from poundlock.core.errors import ConfigFault, UpstreamFault
from tests.cli.issuer import issuer


@pytest.fixture
def provider():
    """Give a provider on this machine."""
    with issuer() as made:
        yield made


async def test_keys_are_found_by_the_issuers_metadata_and_kept(provider):
    """Asked for once; a key that is missing makes it ask again, but not at once."""
    issuers = Issuers()
    (key,) = (await issuers.keys(provider.url))["keys"]
    assert (key["kid"], key["kty"], "d" in key) == ("one", "RSA", False)
    for missing in (False, True, True):
        await issuers.keys(provider.url, missing=missing)
    assert [path for path, _ in provider.asked] == ["/.well-known/openid-configuration", "/keys"]


async def test_a_missing_key_is_asked_for_after_a_while(provider, monkeypatch):
    """When the time between two questions is over."""
    issuers = Issuers()
    await issuers.keys(provider.url)
    monkeypatch.setattr("poundlock.adapters.issuers.AGAIN", 0.0)
    await issuers.keys(provider.url, missing=True)
    assert [path for path, _ in provider.asked].count("/keys") == 2


async def test_keys_from_an_address_or_a_file(provider, tmp_path):
    """As the configuration says."""
    issuers = Issuers()
    assert (await issuers.keys("x", f"{provider.url}/keys"))["keys"][0]["kid"] == "one"
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps({"keys": [{"kid": "two"}]}))
    assert (await issuers.keys("", str(path)))["keys"] == [{"kid": "two"}]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": 5}'])
async def test_a_file_that_is_no_key_set(tmp_path, text):
    """A fault with words."""
    path = tmp_path / "bundle.json"
    path.write_text(text)
    with pytest.raises((ConfigFault, UpstreamFault)):
        await Issuers().keys("", str(path))
    with pytest.raises(ConfigFault):
        await Issuers().keys("", str(tmp_path / "none"))


@pytest.mark.parametrize(
    "url", ["http://login.example.com", "ftp://127.0.0.1/x", "http://127.0.0.1.evil.example", "file:///etc/passwd"]
)
async def test_no_keys_without_tls_from_elsewhere(url):
    """Only this machine may do without."""
    with pytest.raises((ConfigFault, UpstreamFault)) as fault:
        await Issuers().fetch(url)
    assert "https://" in fault.value.message


async def test_an_issuer_that_says_it_is_another(provider):
    """Its metadata names itself, or it is not believed."""
    made = provider.answer

    def lying(path, form):
        status, tree = made(path, form)
        return status, {**tree, "issuer": "https://elsewhere.example"}

    provider.answer = lying
    with pytest.raises(UpstreamFault) as fault:
        await Issuers().metadata(provider.url)
    assert "another one" in fault.value.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, {}), "answered 500"),
        ((404, {}), "answered 404"),
        ((302, {}), "answered 302"),
        ((200, []), "no JSON object"),
        ((200, {"x": "y" * LARGEST}), "answered 200"),
    ],
)
async def test_what_is_no_answer(provider, answer, said):
    """Errors, redirects, other trees, and more than anybody needs."""
    provider.answer = lambda _path, _form: answer
    with pytest.raises(UpstreamFault) as fault:
        await Issuers().fetch(f"{provider.url}/keys")
    assert said in fault.value.message


async def test_an_issuer_that_is_not_there():
    """A fault with words, within seconds."""
    with pytest.raises(UpstreamFault) as fault:
        await Issuers().fetch("http://127.0.0.1:9/keys")
    assert "can't be reached" in fault.value.message
