"""Settings: text in, one frozen value out, every fault named."""

import pytest

from poundlock import config
from poundlock.core.errors import ConfigFault


def test_an_empty_file_is_all_defaults():
    """Day one needs no editing."""
    assert config.load("") == config.Settings()


def test_known_providers_need_no_configuration():
    """The common ones are there; a configured one of the same name replaces its default."""
    settings = config.load('[providers.openai]\nupstream = "http://127.0.0.1:1"\n')
    assert settings.provider("anthropic").upstream == "https://api.anthropic.com"
    assert settings.provider("openai").upstream == "http://127.0.0.1:1"
    assert settings.provider("other") is None
    gemini, ollama = settings.provider("gemini"), settings.provider("ollama")
    assert (gemini.upstream, gemini.vendor) == ("https://generativelanguage.googleapis.com", "google")
    assert (gemini.local, gemini.format) == (False, "gemini")
    assert (ollama.upstream, ollama.local) == ("http://127.0.0.1:11434", True)


def test_a_provider_of_ones_own_is_local_only_if_it_says_so():
    """Another server of the name `ollama` may stand anywhere."""
    text = '[providers.ollama]\nupstream = "https://ollama.example.com"\nformat = "ollama"\n'
    assert config.load(text).provider("ollama").local is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = ", "not valid TOML"),
        ("misspelt = 1", "unknown field `misspelt`"),
        ('[gateway]\nport = "x"', "`$.gateway.port`"),
        ("[gateway]\nport = 70000", "`$.gateway.port`"),
        ('mode = "off"', "`$.mode`"),
        ('[providers."a b"]\nupstream = "https://x"', "letters, digits"),
        ('[providers.a]\nupstream = "x"', "providers.a.upstream"),
        ("[providers.a]\n", "upstream"),
    ],
)
def test_a_wrong_setting_is_named(text, said):
    """File, key and what was expected."""
    with pytest.raises(ConfigFault) as fault:
        config.load(text, source="here.toml")
    assert said in fault.value.message
    assert "here.toml" in fault.value.message


def test_every_setting_is_described():
    """The reference and `init --print` are made from this."""
    rows = config.describe()
    assert len(rows) > 20
    assert [name for name, _kind, _default, description in rows if not description] == []
    assert len({name for name, *_ in rows}) == len(rows)
