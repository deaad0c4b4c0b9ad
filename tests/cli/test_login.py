"""`poundlock login`: who works here, as an OpenID provider says (a real one on this machine)."""

import json

import pytest
from joserfc.jwk import RSAKey

from poundlock.adapters import places
from poundlock.cli.main import main
from tests.cli.issuer import issuer


@pytest.fixture
def provider():
    """Give a provider."""
    with issuer() as made:
        yield made


@pytest.fixture
def config(tmp_path, provider, monkeypatch):
    """Give a configuration for it, and a state folder."""
    monkeypatch.delenv(places.CONFIG_VARIABLE, raising=False)
    path = tmp_path / "poundlock.toml"
    people = f'[identity.people]\nissuer = "{provider.url}"\nclient_id = "poundlock-cli"\n'
    path.write_text(f'[state]\ndirectory = "{tmp_path / "state"}"\n{people}')
    return str(path)


def test_a_person_logs_in_with_a_code(provider, config, capsys, tmp_path):
    """The code is shown, asked for until the person has confirmed it, and only who and until when is kept."""
    provider.answers = [{"error": "authorization_pending"}] * 2
    assert main(["login", "--config", config]) == 0
    said = capsys.readouterr()
    assert "ABCD-EFGH" in said.err
    assert f"{provider.url}/activate" in said.err
    assert said.out == "logged in as ada@corp.example, for 12 hours\n"
    assert [path for path, _ in provider.asked].count("/token") == 3
    kept = json.loads((tmp_path / "state" / "login.json").read_text())
    assert sorted(kept) == ["at", "human", "issuer", "subject", "until"]
    assert (kept["human"], kept["until"] - kept["at"]) == ("ada@corp.example", 12 * 3_600_000_000_000)
    assert main(["login", "--status", "--config", config]) == 0
    assert capsys.readouterr().out == f"ada@corp.example, by {provider.url}\n"
    assert main(["login", "--out", "--config", config]) == 0
    assert main(["login", "--status", "--config", config]) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answers": [{"error": "access_denied"}]}, "It was denied."),
        ({"answers": [{"error": "expired_token"}]}, "The code has expired."),
        ({"answers": [{"id_token": 5}]}, "no ID token"),
        ({"said": {"email": "ada@corp.example", "nbf": 99_999_999_999}}, "not valid yet"),
        ({"said": {"sub": "0a1b"}}, "nothing of email"),
        ({"said": {"email": "ada@corp.example", "exp": 5}}, "expired"),
        ({"said": {"email": "ada@corp.example", "iss": "https://elsewhere.example"}}, "another issuer"),
        ({"said": {"email": "ada@corp.example", "email_verified": False}}, "did not verify"),
        ({"broken": "/device"}, "answered 500"),
        ({"broken": "/keys"}, "answered 500"),
    ],
)
def test_a_login_that_fails_says_why(provider, config, capsys, tmp_path, change, said):
    """And nobody is logged in then."""
    for name, value in change.items():
        setattr(provider, name, value)
    assert main(["login", "--config", config]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "state" / "login.json").exists()


def test_a_token_that_the_provider_did_not_sign(provider, config, capsys):
    """With another key under the same id."""
    provider.answer, answer = (
        lambda path, form: _forged(provider, answer, path, form),
        provider.answer,
    )
    assert main(["login", "--config", config]) == 2
    assert "signature is wrong" in capsys.readouterr().err


def _forged(provider, answer, path, form):
    if path != "/token":
        return answer(path, form)
    key, provider.key = provider.key, RSAKey.generate_key(2048)
    try:
        return answer(path, form)
    finally:
        provider.key = key


def test_nobody_works_without_a_login_where_people_log_in(config, capsys):
    """`run` says what to type."""
    assert main(["run", "--config", config, "--", "true"]) == 2
    assert "poundlock login" in capsys.readouterr().err


def test_without_a_provider_people_are_users_of_the_machine(tmp_path, capsys):
    """And `login` says what to set."""
    path = tmp_path / "p.toml"
    path.write_text(f'[state]\ndirectory = "{tmp_path / "state"}"\n')
    assert main(["login", "--config", str(path)]) == 2
    assert "identity.people.issuer" in capsys.readouterr().err
