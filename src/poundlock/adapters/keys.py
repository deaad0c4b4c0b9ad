"""The master key, where it is kept, and everything that is derived from it.

Master key → HKDF → a key that seals data keys, and the Ed25519 key that signs heads. Data key of a scope (random,
sealed) → HKDF → the scope's sealing, mint and fingerprint keys. Destroying the sealed data key shreds all three.
It never writes a key in clear except the one file that is the master key, and never shows one in a `repr` or message.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import stat
import sys
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from poundlock.core.errors import ConfigFault, Fault
from poundlock.core.model import ScopeKey, Surrogate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VARIABLE = "POUNDLOCK_MASTER_KEY"
SIZE = 32
_NONCE = 12  # bytes, random: NIST SP 800-38D allows 2^32 messages a key, and each scope has its own
_KEYRING_SERVICE = "poundlock"
_KEYRING_NAME = "master-key"


def _derive(key: bytes, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) to 32 bytes; the purpose keeps the keys of one source apart."""
    return HKDF(algorithm=SHA256(), length=SIZE, salt=None, info=f"poundlock {purpose} 1".encode()).derive(key)


class ScopeSealing:
    """The data key of one scope at work."""

    __slots__ = ("_cipher", "key")

    def __init__(self, scope: str, data_key: bytes) -> None:
        self.key = ScopeKey(scope=scope, mint=_derive(data_key, "mint"), fingerprint=_derive(data_key, "fingerprint"))
        self._cipher = AESGCM(_derive(data_key, "seal"))

    def seal(self, surrogate: Surrogate) -> bytes:
        """Seal the value with AES-256-GCM: nonce, then ciphertext and tag. Raises `Fault` for another scope's."""
        if surrogate.scope != self.key.scope:
            raise Fault("a surrogate of another scope can't be sealed here", status=500)
        nonce = os.urandom(_NONCE)
        bound = self._bound(surrogate.text, surrogate.kind, surrogate.fingerprint)
        return nonce + self._cipher.encrypt(nonce, surrogate.value.encode("utf-8", "surrogatepass"), bound)

    def unseal(self, text: str, kind: str, fingerprint: str, sealed: bytes) -> Surrogate:
        """Open a sealed value. Raises `Fault` (status 500) when a column was altered or moved to another row."""
        try:
            value = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._bound(text, kind, fingerprint))
        except (InvalidTag, ValueError):
            raise Fault(
                "a sealed value of the vault was altered and can't be opened",
                advice="Restore the state folder from a copy, or begin a new one.",
                status=500,
            ) from None
        return Surrogate(
            text=text,
            kind=kind,
            scope=self.key.scope,
            fingerprint=fingerprint,
            value=value.decode("utf-8", "surrogatepass"),
        )

    def _bound(self, text: str, kind: str, fingerprint: str) -> bytes:
        return msgspec.json.encode(("value 1", self.key.scope, text, kind, fingerprint))


class Keys:
    """Everything that the master key of 32 bytes gives. Raises `ConfigFault` for another size."""

    __slots__ = ("_cipher", "_kept", "_list", "_signer", "known", "public", "tokens")

    def __init__(self, master: bytes) -> None:
        if len(master) != SIZE:
            raise ConfigFault(
                f"the master key must have {SIZE} bytes, it has {len(master)}",
                advice="Type: head -c 32 /dev/urandom | base64",
            )
        self._cipher = AESGCM(_derive(master, "data keys"))
        self._signer = Ed25519PrivateKey.from_private_bytes(_derive(master, "audit signing"))
        self._list = AESGCM(_derive(master, "known list"))
        self._kept = AESGCM(_derive(master, "kept files"))
        self.known = _derive(master, "known values")
        self.tokens = _derive(master, "task tokens")
        self.public = self._signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def new_scope(self, scope: str) -> tuple[bytes, ScopeSealing]:
        """Make a random data key for `scope`: sealed for the store, and ready for use."""
        data_key, nonce = os.urandom(SIZE), os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, data_key, _bound_scope(scope)), ScopeSealing(scope, data_key)

    def open_scope(self, scope: str, sealed: bytes) -> ScopeSealing:
        """Open a sealed data key. Raises `Fault` (status 500) when it is of another master key, scope, or altered."""
        try:
            data_key = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound_scope(scope))
        except (InvalidTag, ValueError):
            raise Fault(
                "a scope's key can't be opened: it was sealed with another master key, or altered",
                advice=f"Bring back the master key that belongs to this state folder ({VARIABLE}, file or keyring).",
                status=500,
            ) from None
        return ScopeSealing(scope, data_key)

    def seal_known(self, data: bytes) -> bytes:
        """Seal the list of registered values with AES-256-GCM: nonce, then ciphertext and tag."""
        nonce = os.urandom(_NONCE)
        return nonce + self._list.encrypt(nonce, data, b"known list 1")

    def open_known(self, sealed: bytes) -> bytes:
        """Open the list of registered values. Raises `ConfigFault` when it is of another master key, or altered."""
        try:
            return self._list.decrypt(sealed[:_NONCE], sealed[_NONCE:], b"known list 1")
        except (InvalidTag, ValueError):
            raise ConfigFault(
                "the registered values can't be opened: they were sealed with another master key, or altered",
                advice=f"Bring back the master key ({VARIABLE}, file or keyring), or `poundlock protect` them again.",
            ) from None

    def seal_kept(self, tool: str, data: bytes) -> bytes:
        """Seal what a file of `tool` held before it was changed, with AES-256-GCM: nonce, then ciphertext and tag."""
        nonce = os.urandom(_NONCE)
        return nonce + self._kept.encrypt(nonce, data, msgspec.json.encode(("kept file 1", tool)))

    def open_kept(self, tool: str, sealed: bytes) -> bytes:
        """Open what `seal_kept` gave. Raises `ConfigFault` when it is of another master key or tool, or altered."""
        try:
            return self._kept.decrypt(sealed[:_NONCE], sealed[_NONCE:], msgspec.json.encode(("kept file 1", tool)))
        except (InvalidTag, ValueError):
            raise ConfigFault(
                "what a file held before can't be opened: it was sealed with another master key, or altered",
                advice=f"Bring back the master key ({VARIABLE}, file or keyring).",
            ) from None

    def sign(self, message: bytes) -> str:
        """Give the Ed25519 signature (RFC 8032) of the message, hex."""
        return self._signer.sign(message).hex()

    def check(self, key: str, message: bytes, signature: str) -> bool:
        """Say whether the signature is good and of our own key."""
        return key == self.public and check_signature(key, message, signature)


def check_signature(key: str, message: bytes, signature: str) -> bool:
    """Say whether `signature` (hex) on `message` is of the Ed25519 public key `key` (hex). It trusts any key."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def load(path: Path, environ: Mapping[str, str], *, place: str = "file") -> Keys:
    """Load the master key: the environment variable goes first, else `place` ("file" at `path`, or "keyring").

    The file and the keyring entry are made on first use. Raises: `ConfigFault`.
    """
    text = environ.get(VARIABLE)
    if text is not None:
        return Keys(_decoded(text, f"the environment variable {VARIABLE}"))
    if place == "keyring":
        return Keys(_from_keyring())
    return Keys(_from_file(path))


def existing(path: Path, environ: Mapping[str, str], *, place: str = "file") -> Keys | None:
    """Load the master key only where there is one already: for commands that just read. Raises `ConfigFault`."""
    if VARIABLE not in environ and place == "file" and not path.exists():
        return None
    return load(path, environ, place=place)


def disable_core_dumps() -> None:
    """Keep this process's memory out of core dumps and, on Linux, out of reach of a debugger of the same user."""
    import resource  # noqa: PLC0415 (POSIX only, and not needed by commands that only read)

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 (see above)

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE, see prctl(2)


def _bound_scope(scope: str) -> bytes:
    return msgspec.json.encode(("scope 1", scope))


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigFault(
            f"{where} is not base64", advice="A master key is made by: head -c 32 /dev/urandom | base64"
        ) from None
    if len(key) != SIZE:
        raise ConfigFault(
            f"{where} holds {len(key)} bytes, a master key has {SIZE}",
            advice="A master key is made by: head -c 32 /dev/urandom | base64",
        )
    return key


def _from_file(path: Path) -> bytes:
    for _ in range(2):
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            _make_file(path)
            continue
        except OSError as fault:
            raise ConfigFault(f"the master key {path} can't be read: {fault.strerror}") from None
        with open(file, "rb") as stream:  # noqa: PTH123 (a descriptor, so that what is checked is what is read)
            state = os.fstat(file)
            if not stat.S_ISREG(state.st_mode):
                raise ConfigFault(f"the master key {path} is not a file")
            if state.st_mode & 0o077:
                raise ConfigFault(f"others can read the master key {path}", advice=f"Type: chmod 600 {path}")
            if state.st_uid not in {0, os.geteuid()}:
                raise ConfigFault(f"the master key {path} belongs to another user", advice=f"Type: ls -l {path}")
            return _decoded(stream.read(4096).decode("ascii", "replace"), f"the master key {path}")
    raise ConfigFault(f"the master key {path} can't be made")


def _make_file(path: Path) -> None:
    """Write a new key beside `path` and link it there, whole and synced: of two processes, one key wins."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(file, "wb") as stream:  # noqa: PTH123 (see above)
                stream.write(base64.b64encode(os.urandom(SIZE)) + b"\n")
                stream.flush()
                os.fsync(file)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as fault:
        raise ConfigFault(
            f"the master key {path} can't be made: {fault.strerror}",
            advice=f"Make the folder writable, or set {VARIABLE}.",
        ) from None


def _from_keyring() -> bytes:
    try:
        import keyring  # noqa: PLC0415 (an optional package)
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError:
        raise ConfigFault(
            "the master key is set to be kept in the keyring, but the package keyring is missing",
            advice="Type: pip install 'poundlock[keyring]'",
        ) from None
    try:
        text = keyring.get_password(_KEYRING_SERVICE, _KEYRING_NAME)
        if text is None:
            text = base64.b64encode(os.urandom(SIZE)).decode()
            keyring.set_password(_KEYRING_SERVICE, _KEYRING_NAME, text)
            text = keyring.get_password(_KEYRING_SERVICE, _KEYRING_NAME)
    except KeyringError as fault:
        raise ConfigFault(
            f"the keyring refused: {type(fault).__name__}", advice='Unlock it, or set state.master_key = "file".'
        ) from None
    return _decoded(text or "", "the keyring's entry")
