"""A tool's surroundings: what is taken out, and what stays."""

import pytest

from poundlock.core.identity.surroundings import GROUPS, PROVIDER_KEYS, scrubbed

PLAIN = {
    "PATH": "/usr/bin",
    "HOME": "/home/ada",
    "PWD": "/work",
    "OLDPWD": "/",
    "LANG": "C.UTF-8",
    "AWS_REGION": "eu-central-1",
    "TOKENIZERS_PARALLELISM": "false",
    "MAX_TOKENS": "5",
    "SSH_CONNECTION": "x",
    "KEYBOARD": "de",
    "SECRETARY": "eve",
}


def test_what_holds_no_credential_stays():
    """`PATH`, `HOME`, and names that only look a little like one."""
    found = scrubbed(PLAIN)
    assert found.taken == ()
    assert {name: found.env[name] for name in PLAIN} == PLAIN


@pytest.mark.parametrize("name", sorted({variable for names in GROUPS.values() for variable in names}))
def test_known_credentials_are_taken(name):
    """Each variable of each group, by its name alone."""
    found = scrubbed({**PLAIN, name: "x"})
    assert found.taken == (name,)
    assert found.env.get(name) in {None, "/dev/null"}


@pytest.mark.parametrize(
    "name",
    ["STRIPE_API_KEY", "MY_SERVICE_TOKEN", "DB_PASSWORD", "SENTRY_DSN", "app_secret", "X_SECRET_VALUE", "FOO_APIKEY"],
)
def test_what_looks_like_a_credential_is_taken(name):
    """Whoever named it."""
    assert scrubbed({**PLAIN, name: "x"}).taken == (name,)


@pytest.mark.parametrize("name", sorted(PROVIDER_KEYS))
def test_a_tool_keeps_the_key_to_its_own_model(name):
    """Or it could not speak to it."""
    assert scrubbed({name: "x"}).env[name] == "x"


def test_a_variable_can_be_kept_by_name():
    """Only that one."""
    found = scrubbed({"GITHUB_TOKEN": "a", "GH_TOKEN": "b", "DB_PASSWORD": "c"}, keep=["GITHUB_TOKEN", "DB_PASSWORD"])
    assert (found.taken, found.env["GITHUB_TOKEN"], found.env["DB_PASSWORD"]) == (("GH_TOKEN",), "a", "c")


def test_a_group_can_be_kept():
    """With the files that belong to it."""
    found = scrubbed({"AWS_ACCESS_KEY_ID": "a", "SSH_AUTH_SOCK": "s"}, keep=["aws"])
    assert found.taken == ("SSH_AUTH_SOCK",)
    assert found.env["AWS_ACCESS_KEY_ID"] == "a"
    assert "AWS_SHARED_CREDENTIALS_FILE" not in found.env
    assert "aws" not in found.groups


def test_programs_look_in_an_empty_place():
    """The files themselves stay where they are."""
    env = scrubbed({}, empty="/tmp/none").env  # noqa: S108 (a name only)
    assert env["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
    assert (env["CLOUDSDK_CONFIG"], env["GH_CONFIG_DIR"]) == ("/tmp/none", "/tmp/none")  # noqa: S108 (a name only)
    assert scrubbed({}, present=["aws"]).groups == ("aws",)
    assert scrubbed({}, present=[]).env == {}
