"""An SSH certificate for each lease (OpenSSH's PROTOCOL.certkeys): a key pair of its own, signed for a short time.

A certificate ends by its time. Before that, a revocation counts where the server reads the list of revoked serials
(`RevokedKeys`), which is kept in the file that the configuration names; open sessions are the server's to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import secrets
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    SSHCertificateBuilder,
    SSHCertificateType,
    load_pem_private_key,
    load_ssh_private_key,
)

from poundlock.core.errors import ConfigFault, UpstreamFault
from poundlock.core.leases import SECOND, Minted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poundlock.config import Level
    from poundlock.core.leases import Lease

EARLIER = 60
"""Seconds that a certificate is good before its time, for clocks that differ."""
COMMAND = 'ssh -F /dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -i "{id_ed25519}"'
"""For Git and the like; `-F /dev/null` keeps a configuration out that brings keys of its own."""


class SshBroker:
    """Certificates of the authority whose private key is `secret` (its text, or the path of its file).

    `revoked` is the key revocation list that servers read; without one a certificate ends by its time alone.
    """

    def __init__(self, secret: str, *, revoked: str = "") -> None:
        """Read the authority's key. Raises: `ConfigFault`."""
        self._authority = _key(secret)
        self._revoked = Path(revoked).expanduser() if revoked else None
        self._turn = asyncio.Lock()

    async def mint(self, lease: Lease, level: Level) -> Minted:
        """Make a key pair and sign it for the accounts of this level."""
        own = Ed25519PrivateKey.generate()
        builder = (
            SSHCertificateBuilder()
            .public_key(own.public_key())
            .serial(serial(lease))
            .type(SSHCertificateType.USER)
            .key_id(lease.handle.encode())
            .valid_principals([name.encode() for name in level.principals])
            .valid_after(lease.opened // SECOND - EARLIER)
            .valid_before(lease.expires // SECOND)
            .add_extension(b"permit-pty", b"")
        )
        if level.command:
            builder = builder.add_critical_option(b"force-command", level.command.encode())
        if level.source:
            builder = builder.add_critical_option(b"source-address", level.source.encode())
        files = {
            "id_ed25519": own.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
            "id_ed25519-cert.pub": builder.sign(self._authority).public_bytes().decode() + "\n",
        }
        return Minted(
            variables={"GIT_SSH_COMMAND": COMMAND, "POUNDLOCK_SSH_KEY": "{id_ed25519}"},
            files=files,
            serial=str(serial(lease)),
        )

    async def revoke(self, lease: Lease) -> None:
        """Add the certificate's serial to the list of revoked ones. Raises: `UpstreamFault`."""
        if self._revoked is None:
            return
        async with self._turn:
            if not await asyncio.to_thread(_listed, self._revoked, _public(self._authority), serial(lease)):
                raise UpstreamFault(
                    "The list of revoked SSH certificates could not be written.",
                    advice="Is ssh-keygen there, and the folder?",
                )

    async def close(self) -> None:
        """Do nothing."""


def serial(lease: Lease) -> int:
    """Give the number of a lease's certificate: that of the lease."""
    return int(lease.id, 16)


def _key(secret: str) -> Ed25519PrivateKey:
    """Read an Ed25519 key, as text or from a file. Raises: `ConfigFault`."""
    data = secret.encode()
    with contextlib.suppress(OSError, ValueError):
        if not secret.lstrip().startswith("-----"):
            data = Path(secret).expanduser().read_bytes()
    for load in (load_ssh_private_key, load_pem_private_key):
        with contextlib.suppress(ValueError, TypeError):
            key = load(data, password=None)
            if isinstance(key, Ed25519PrivateKey):
                return key
    raise ConfigFault("The authority's key can't be used.", advice="It must be an Ed25519 key without a passphrase.")


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"


def _listed(place: Path, authority: bytes, number: int) -> bool:
    """Add a serial of this authority to a revocation list, which is replaced as a whole; False when it can't be."""
    try:
        with tempfile.TemporaryDirectory(prefix="poundlock-") as folder, _alone(place):
            public, new, wanted = Path(folder) / "ca.pub", Path(folder) / "krl", Path(folder) / "serials"
            public.write_bytes(authority)
            wanted.write_text(f"serial: {number}\n", encoding="ascii")
            more = ["-u"] if place.exists() else []
            if more:
                new.write_bytes(place.read_bytes())
            command = ["ssh-keygen", "-q", "-k", *more, "-f", str(new), "-s", str(public), str(wanted)]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)  # noqa: S603 (our own arguments)
            if done.returncode:
                return False
            beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
            beside.write_bytes(new.read_bytes())
            beside.chmod(0o644)  # servers of other users read it, and it holds no secret
            beside.replace(place)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return True


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let one process at a time write the list."""
    with place.with_name(f".{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
