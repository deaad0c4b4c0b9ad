"""Leases as client certificates: a real TLS server lets in who has one, by its name, and for its time."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from poundlock.adapters.brokers.x509 import X509Broker
from poundlock.config import Level
from poundlock.core.errors import ConfigFault
from tests.adapters.brokers.leasing import TASK, done, lease

if TYPE_CHECKING:
    from pathlib import Path

LEVEL = Level(subject="orders-readers")


def authority(folder: Path, name: str = "ca") -> tuple[Path, Path]:
    """Make an authority, and give the files of its key and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} of the tests")])
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    places = folder / f"{name}.key", folder / f"{name}.pem"
    places[0].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    places[1].write_bytes(made.public_bytes(Encoding.PEM))
    return places


def handshake(folder: Path, places: tuple[Path, Path], files: dict[str, str]) -> Any:
    """Connect to a server that wants a certificate of this authority, and give what it sees of the client."""
    for name, text in files.items():
        (folder / name).write_text(text)
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(places[1]))
    inside.load_cert_chain(places[1], places[0])
    inside.verify_mode = ssl.CERT_REQUIRED
    seen: list[Any] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        try:
            with inside.wrap_socket(connection, server_side=True) as wrapped:
                seen.append(wrapped.getpeercert())
                wrapped.sendall(b"in")
        except ssl.SSLError as refused:
            seen.append(refused)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        outside = ssl.create_default_context(cafile=str(places[1]))
        outside.check_hostname = False
        outside.load_cert_chain(folder / "client.pem", folder / "client.key")
        try:
            with (
                socket.create_connection(listener.getsockname(), 10) as plain,
                outside.wrap_socket(plain) as connection,
            ):
                connection.recv(2)
        except (ssl.SSLError, ConnectionError):
            pass
        thread.join(10)
    return seen[0]


def test_a_server_sees_the_task(tmp_path: Path) -> None:
    """Its unit, its lease as the common name, and the task as a URI."""
    places = authority(tmp_path)
    broker = X509Broker(str(places[0]), str(places[1]))
    minted = done(broker.mint(lease(5), LEVEL))
    seen = handshake(tmp_path, places, dict(minted.files))
    assert seen["subject"] == (
        (("organizationalUnitName", "orders-readers"),),
        (("commonName", f"poundlock_{TASK}_000000000005"),),
    )
    assert seen["subjectAltName"] == (("URI", f"spiffe://poundlock/task/{TASK}/lease/000000000005"),)
    assert int(seen["serialNumber"], 16) == int(minted.serial, 16) == 0x1000000000005
    done(broker.revoke(lease(5)))


def test_after_its_time_it_lets_nobody_in(tmp_path: Path) -> None:
    """The server refuses the handshake."""
    places = authority(tmp_path)
    minted = done(X509Broker(places[0].read_text(), str(places[1])).mint(lease(6, seconds=-30), LEVEL))
    seen = handshake(tmp_path, places, dict(minted.files))
    assert isinstance(seen, ssl.SSLError)
    assert "expired" in str(seen)


def test_it_signs_for_nobody_else(tmp_path: Path) -> None:
    """It is no authority, and good for clients only."""
    places = authority(tmp_path)
    minted = done(X509Broker(str(places[0]), str(places[1])).mint(lease(7), LEVEL))
    made = x509.load_pem_x509_certificate(minted.files["client.pem"].encode())
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    uses = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [each.dotted_string for each in uses] == ["1.3.6.1.5.5.7.3.2"]


def test_a_key_of_another_authority_is_refused(tmp_path: Path) -> None:
    """So is what is no key at all."""
    one, other = authority(tmp_path), authority(tmp_path, "other")
    with pytest.raises(ConfigFault, match="not that of its certificate"):
        X509Broker(str(one[0]), str(other[1]))
    with pytest.raises(ConfigFault, match="can't be read"):
        X509Broker(str(tmp_path / "none"), str(one[1]))
