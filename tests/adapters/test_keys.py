"""The master key, where it comes from, and what is derived from it."""

from __future__ import annotations

import base64
import multiprocessing
import os
import subprocess
import sys
import types
from typing import TYPE_CHECKING

import pytest

from poundlock.adapters import keys
from poundlock.adapters.keys import VARIABLE, Keys
from poundlock.core.errors import ConfigFault, Fault
from tests.adapters.logs import MASTER, mode, surrogate

if TYPE_CHECKING:
    from pathlib import Path


def test_file_is_made_once(tmp_path: Path) -> None:
    """The first use makes a key of 32 bytes in a file only its owner can read; the second use finds the same."""
    path = tmp_path / "state" / "master.key"
    first = keys.load(path, {})
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert len(base64.b64decode(path.read_text())) == 32
    assert keys.load(path, {}).public == first.public
    assert [item.name for item in path.parent.iterdir()] == ["master.key"]


def _load(path: Path) -> str:
    return keys.load(path, {}).public


def test_file_is_made_once_by_many(tmp_path: Path) -> None:
    """Of processes that start together, one key wins, whole."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.map(_load, [tmp_path / "master.key"] * 6)
    assert len(set(found)) == 1


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o660])
def test_file_that_others_can_read(tmp_path: Path, bits: int) -> None:
    """A key that others can read or write is refused, and the message says what to type."""
    path = tmp_path / "master.key"
    keys.load(path, {})
    path.chmod(bits)
    with pytest.raises(ConfigFault, match="others can read") as caught:
        keys.load(path, {})
    assert caught.value.advice == f"Type: chmod 600 {path}"


def test_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that someone else put there is refused."""
    path = tmp_path / "master.key"
    keys.load(path, {})
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(keys.os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ConfigFault, match="another user"):
        keys.load(path, {})


@pytest.mark.parametrize("text", ["", "too short", base64.b64encode(b"x" * 31).decode(), "ä" * 44, "!" * 44])
def test_bad_key_is_not_shown(text: str) -> None:
    """A master key that can't be used is refused, and nothing of it is in the message."""
    with pytest.raises(ConfigFault, match=VARIABLE) as caught:
        keys.load(None, {VARIABLE: text})  # type: ignore[arg-type]
    assert not text or text not in str(caught.value) + caught.value.advice
    assert caught.value.__cause__ is None


def test_variable_goes_first(tmp_path: Path) -> None:
    """The environment's key is used, and no file is made."""
    text = base64.b64encode(MASTER).decode() + "\n"
    assert keys.load(tmp_path / "master.key", {VARIABLE: text}).public == Keys(MASTER).public
    assert list(tmp_path.iterdir()) == []


def test_existing_makes_nothing(tmp_path: Path) -> None:
    """A command that only reads doesn't make a key."""
    assert keys.existing(tmp_path / "master.key", {}) is None
    assert list(tmp_path.iterdir()) == []
    made = keys.load(tmp_path / "master.key", {})
    found = keys.existing(tmp_path / "master.key", {})
    assert found is not None
    assert found.public == made.public


def test_keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the keyring set, the key is made there once and found again."""
    kept: dict[tuple[str, str], str] = {}
    ring = types.ModuleType("keyring")
    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = RuntimeError  # type: ignore[attr-defined]
    ring.get_password = lambda service, name: kept.get((service, name))  # type: ignore[attr-defined]
    ring.set_password = lambda service, name, text: kept.__setitem__((service, name), text)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    first = keys.load(tmp_path / "k", {}, place="keyring")
    assert list(kept) == [("poundlock", "master-key")]
    assert keys.load(tmp_path / "k", {}, place="keyring").public == first.public
    assert list(tmp_path.iterdir()) == []


def test_keyring_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the package, the message says what to install; no file is made instead."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigFault, match="keyring is missing") as caught:
        keys.load(tmp_path / "k", {}, place="keyring")
    assert "pip install" in caught.value.advice
    assert list(tmp_path.iterdir()) == []


def test_sealed_value_is_bound_to_its_row() -> None:
    """A sealed value opens only with its own scope, text, kind and fingerprint, and never twice the same bytes."""
    sealed_key, sealing = Keys(MASTER).new_scope("ada")
    item = surrogate(1, value="canary \ud800 value")
    sealed = sealing.seal(item)
    assert sealing.unseal(item.text, item.kind, item.fingerprint, sealed) == item
    assert b"canary" not in sealed
    assert sealing.seal(item) != sealed
    again = Keys(MASTER).open_scope("ada", sealed_key)
    assert again.key == sealing.key
    assert again.unseal(item.text, item.kind, item.fingerprint, sealed) == item
    for row in [
        ("QZ_OTHER", item.kind, item.fingerprint, sealed),
        (item.text, "secret.other", item.fingerprint, sealed),
        (item.text, item.kind, "fp2", sealed),
        (item.text, item.kind, item.fingerprint, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (item.text, item.kind, item.fingerprint, b""),
    ]:
        with pytest.raises(Fault, match="altered") as caught:
            sealing.unseal(*row)
        assert caught.value.status == 500
    with pytest.raises(Fault, match="another scope"):
        sealing.seal(surrogate(1, scope="bob"))


def test_sealed_key_is_bound_to_scope_and_master() -> None:
    """A sealed data key opens only for its scope and with its master key."""
    sealed, _ = Keys(MASTER).new_scope("ada")
    for owner, scope in [(Keys(MASTER), "bob"), (Keys(b"\x01" * 32), "ada")]:
        with pytest.raises(Fault, match="another master key"):
            owner.open_scope(scope, sealed)


def test_keys_of_scopes_differ() -> None:
    """Mint and fingerprint keys differ from each other, from scope to scope, and are never shown."""
    ada, bob = Keys(MASTER).new_scope("ada")[1].key, Keys(MASTER).new_scope("bob")[1].key
    assert len({ada.mint, ada.fingerprint, bob.mint, bob.fingerprint}) == 4
    assert {len(ada.mint), len(ada.fingerprint)} == {32}
    assert repr(ada) == "ScopeKey(scope='ada')"


def test_signature() -> None:
    """Our own signature is good; another message, key or signature is not."""
    ours, other = Keys(MASTER), Keys(b"\x01" * 32)
    signature = ours.sign(b"message")
    assert ours.check(ours.public, b"message", signature)
    assert not ours.check(ours.public, b"messagf", signature)
    assert not ours.check(ours.public, b"message", other.sign(b"message"))
    assert not ours.check(other.public, b"message", other.sign(b"message"))
    assert keys.check_signature(other.public, b"message", other.sign(b"message"))
    assert not keys.check_signature("odd", b"message", "odd")


def test_nothing_in_repr() -> None:
    """No key shows in a `repr`."""
    assert MASTER.hex() not in repr(Keys(MASTER))
    assert not hasattr(Keys(MASTER), "__dict__")


def test_core_dumps_are_off() -> None:
    """After the call, the process may not dump core, and on Linux is not dumpable."""
    code = (
        "import resource, ctypes, sys\n"
        "from poundlock.adapters.keys import disable_core_dumps\n"
        "disable_core_dumps()\n"
        "dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == 'linux' else 0\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), dumpable)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(0, 0) 0\n"
