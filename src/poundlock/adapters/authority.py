"""The private certificate authority of the intercepting proxy: made on first use, for the hosts of AI services alone.

Its certificate says which names it may sign for (RFC 5280 §4.2.1.10), so a client that trusts it trusts it for no
other host. Its key lies sealed with the master key, in a file of its owner's alone; leaf keys exist in memory only.
It must never sign for a name outside its list.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poundlock.adapters.keys import Keys

LIFE = timedelta(days=365)
LEAF_LIFE = timedelta(days=3)
_SLACK = timedelta(days=14)
"""An authority with less than this left is made anew."""
_BACK = timedelta(hours=1)
"""How far a certificate begins in the past: a client's clock may be behind."""
_SEALED_FOR = "authority"


class Authority:
    """A certificate authority with its key, and the server contexts that it gives."""

    def __init__(
        self,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        folder: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep the pair; `folder` is the state folder, for what the TLS library can only read from a file."""
        self.certificate = certificate
        self._key = key
        self._folder = folder
        self._now = now
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, tuple[ssl.SSLContext, datetime]] = {}

    @property
    def pem(self) -> bytes:
        """The certificate, as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def context(self, host: str) -> ssl.SSLContext:
        """Give the server's TLS context for a host, with a certificate that was signed on the fly; HTTP/1.1 only.

        Raises: `ConfigFault` for a host that the authority may not sign for.
        """
        known = self._contexts.get(host)
        now = self._now()
        if known and now < known[1]:
            return known[0]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        leaf = self._sign(host, now)
        chain = leaf.public_bytes(serialization.Encoding.PEM) + _pem(self._leaf_key)
        # The library reads files only. The folder is the user's alone, and the file is gone at once.
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".leaf-") as file:
            file.write(chain)
            file.flush()
            context.load_cert_chain(file.name)
        self._contexts[host] = (context, now + LEAF_LIFE / 2)
        return context

    def _sign(self, host: str, now: datetime) -> x509.Certificate:
        if not covers(self.certificate, (host,)):
            raise ConfigFault("This host is none of those that the certificate authority may sign for.")
        return (
            _builder(x509.Name([]), self.certificate.subject, self._leaf_key.public_key(), now, LEAF_LIFE)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )


def load(
    folder: Path, keys: Keys, names: Iterable[str], now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Authority:
    """Give the authority of this state folder for these names; make one where there is none that will do.

    Raises: `ConfigFault` when its key can't be opened, or others can read it.
    """
    wanted = tuple(names)
    found = _read(folder, keys)
    if found is not None:
        certificate, key = found
        fresh = certificate.not_valid_after_utc - now() > _SLACK
        if fresh and covers(certificate, wanted):
            return Authority(certificate, key, folder, now)
    return _make(folder, keys, wanted, now)


def covers(certificate: x509.Certificate, names: Iterable[str]) -> bool:
    """Tell whether the authority may sign for all of these names."""
    try:
        permitted = certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    except x509.ExtensionNotFound:
        return False
    allowed = {name.value for name in permitted if isinstance(name, x509.DNSName)}
    return all(any(name == one or name.endswith(f".{one}") for one in allowed) for name in names)


def bundle(own: bytes, inherited: str | None = None) -> bytes:
    """Give the certificates that a tool is to trust: those it would trust anyway, and our own.

    `inherited` is a file that the surroundings name. Raises: `ConfigFault` when it can't be read.
    """
    paths = ssl.get_default_verify_paths()
    places = [inherited] if inherited else [paths.cafile, paths.openssl_cafile, *_USUAL]
    for place in filter(None, places):
        if Path(place).is_file():
            return Path(place).read_bytes().rstrip() + b"\n" + own
    if inherited:
        raise ConfigFault("The file of certificates that the environment names can't be read.")
    return own


_USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
"""Where Debian, Fedora, and macOS and Alpine keep the system's certificates in one file."""


def _read(folder: Path, keys: Keys) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    place = folder / "authority.key"
    try:
        if place.stat().st_mode & 0o077:
            raise ConfigFault(f"Others can read {place}.", advice=f"Type: chmod 600 {place}")
        key = serialization.load_pem_private_key(keys.open_kept(_SEALED_FOR, place.read_bytes()), None)
        certificate = x509.load_pem_x509_certificate((folder / "authority.pem").read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise ConfigFault(f"{place} can't be read.", advice="Delete it: another is made.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return certificate, key


def _make(folder: Path, keys: Keys, names: tuple[str, ...], now: Callable[[], datetime]) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Poundlock of this machine, AI services only")])
    constraints = x509.NameConstraints(permitted_subtrees=[x509.DNSName(one) for one in names], excluded_subtrees=None)
    certificate = (
        _builder(name, name, key.public_key(), now(), LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    # The certificate last: a pair that doesn't belong together is made anew.
    _write(folder / "authority.key", keys.seal_kept(_SEALED_FOR, _pem(key)))
    _write(folder / "authority.pem", certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(certificate, key, folder, now)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK)
        .not_valid_after(now + life)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
    part.replace(path)
