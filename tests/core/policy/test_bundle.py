"""Signed bundles: made, opened, altered, of another key."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from poundlock.core.errors import ConfigFault
from poundlock.core.policy import bundle

FILES = {"team.cedar": "permit (principal, action, resource);", "team.cases.toml": ""}


def sign(message: bytes) -> str:
    """Stand in for a signature."""
    return hashlib.sha256(b"key" + message).hexdigest()


def check(key: str, message: bytes, signature: str) -> bool:
    """Check what `sign` gave."""
    return key == "aa" and sign(message) == signature


def opened(data: bytes) -> bundle.Bundle:
    """Open with the one trusted key."""
    return bundle.opened(data, lambda key: key == "aa", check)


def test_what_was_made_opens():
    """The files come back as they were, with the time."""
    found = opened(bundle.made(FILES, 7, "aa", sign))
    assert (found.files, found.at) == (FILES, 7)


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"team.cedar": "forbid (principal, action, resource);", "team.cases.toml": ""}},
        {"files": {"team.cedar": FILES["team.cedar"]}},
        {"at": 8},
        {"signature": ""},
        {"signature": "zz"},
    ],
)
def test_an_altered_one_does_not(change):
    """Another file, one less, another time, or no signature."""
    found = msgspec.json.decode(bundle.made(FILES, 7, "aa", sign), type=bundle.Bundle)
    with pytest.raises(ConfigFault, match="signature"):
        opened(msgspec.json.encode(msgspec.structs.replace(found, **change)))


def test_other_keys_and_other_files():
    """A key that was not named, a file that is no bundle, and names that lead elsewhere."""
    with pytest.raises(ConfigFault, match="not named"):
        opened(bundle.made(FILES, 7, "bb", sign))
    with pytest.raises(ConfigFault, match="no bundle"):
        opened(b"{}")
    for name in ("../team.cedar", "a/b.cedar", "team.sh", ".cedar"):
        with pytest.raises(ConfigFault, match="plain names"):
            bundle.made({name: ""}, 7, "aa", sign)
        forged = bundle.Bundle(files={name: ""}, at=7, key="aa")
        forged = msgspec.structs.replace(forged, signature=sign(bundle.statement(forged)))
        with pytest.raises(ConfigFault, match="plain names"):
            opened(msgspec.json.encode(forged))
