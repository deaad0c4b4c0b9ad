"""A client certificate (X.509) for each lease: a key pair of its own, signed for a short time.

A certificate ends by its time; whoever checks it can ask for no more, so that leases on it are to be short. Its name
is the task's, as a SPIFFE id, and the level's organisational unit, which is what a server lets in.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from poundlock.core.errors import ConfigFault
from poundlock.core.leases import SECOND, Minted

if TYPE_CHECKING:
    from poundlock.config import Level
    from poundlock.core.leases import Lease

EARLIER = timedelta(seconds=60)
"""How long a certificate is good before its time, for clocks that differ."""


class X509Broker:
    """Certificates of the authority with this private key (its text, or the path of its file) and certificate."""

    def __init__(self, secret: str, certificate: str) -> None:
        """Read both. Raises: `ConfigFault`."""
        try:
            text = secret if secret.lstrip().startswith("-----") else Path(secret).expanduser().read_text("utf-8")
            key = load_pem_private_key(text.encode(), password=None)
            self._chain = Path(certificate).expanduser().read_text("utf-8")
            self._issuer = x509.load_pem_x509_certificate(self._chain.encode())
        except (OSError, ValueError, TypeError):
            raise ConfigFault(
                "The authority's key or certificate can't be read.", advice="Both are PEM; the key has no passphrase."
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self._issuer.public_key():
            raise ConfigFault(
                "The authority's key is not that of its certificate.", advice="It must be an EC key (P-256 or larger)."
            )
        self._key = key

    async def mint(self, lease: Lease, level: Level) -> Minted:
        """Make a key pair and sign it."""
        own = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, lease.handle)]
        if level.subject:
            names.insert(0, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, level.subject))
        who = f"spiffe://poundlock/task/{lease.task}/lease/{lease.id}"
        end = datetime.fromtimestamp(lease.expires // SECOND, UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(self._issuer.subject)
            .public_key(own.public_key())
            .serial_number(serial(lease))
            .not_valid_before(datetime.fromtimestamp(lease.opened // SECOND, UTC) - EARLIER)
            .not_valid_after(min(end, self._issuer.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(who)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = {
            "client.key": own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "client.pem": made.public_bytes(Encoding.PEM).decode(),
            "ca.pem": self._chain,
        }
        variables = {
            "POUNDLOCK_CLIENT_KEY": "{client.key}",
            "POUNDLOCK_CLIENT_CERTIFICATE": "{client.pem}",
            "POUNDLOCK_CLIENT_CA": "{ca.pem}",
        }
        return Minted(variables=variables, files=files, serial=f"{serial(lease):x}")

    async def revoke(self, lease: Lease) -> None:
        """Do nothing: a certificate ends by its time."""

    async def close(self) -> None:
        """Do nothing."""


def serial(lease: Lease) -> int:
    """Give the number of a lease's certificate: that of the lease, made positive and never zero (RFC 5280 §4.1.2.2)."""
    return int(f"1{lease.id}", 16)
