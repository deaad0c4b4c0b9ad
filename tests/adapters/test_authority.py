"""The proxy's private certificate authority: whose it is, what it may sign for, and how long."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from poundlock.adapters import authority
from poundlock.adapters.keys import Keys
from poundlock.core.errors import ConfigFault
from tests.adapters.logs import MASTER, mode

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("api.ai.example", "groq.example")


def load(folder: Path, names: tuple[str, ...] = NAMES, master: bytes = MASTER, **more: object) -> authority.Authority:
    """Load the authority of a folder."""
    return authority.load(folder, Keys(master), names, **more)  # type: ignore[arg-type]


def test_its_key_is_its_owners_alone_and_sealed(tmp_path: Path) -> None:
    """The file can be read by nobody else, and holds no key in clear; the second use finds the same authority."""
    first = load(tmp_path)
    assert mode(tmp_path / "authority.key") == 0o600
    held = (tmp_path / "authority.key").read_bytes()
    assert b"PRIVATE" not in held
    with pytest.raises(ValueError, match=r".*"):
        serialization.load_pem_private_key(held, None)
    assert load(tmp_path).pem == first.pem
    assert sorted(path.name for path in tmp_path.iterdir()) == ["authority.key", "authority.pem"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """With what to type."""
    load(tmp_path)
    (tmp_path / "authority.key").chmod(0o640)
    with pytest.raises(ConfigFault) as caught:
        load(tmp_path)
    assert "chmod 600" in caught.value.advice


def test_a_key_of_another_master_key_is_refused(tmp_path: Path) -> None:
    """It is not quietly replaced: somebody trusts the old one."""
    load(tmp_path)
    with pytest.raises(ConfigFault):
        load(tmp_path, master=bytes(32))


def test_it_says_what_it_may_sign_for(tmp_path: Path) -> None:
    """Its certificate is critical about its names, and makes no other authorities."""
    own = load(tmp_path)
    found = own.certificate.extensions
    names = found.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    assert [name.value for name in names.value.permitted_subtrees or []] == list(NAMES)
    assert found.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_it_is_made_anew_for_more_names_and_before_its_end(tmp_path: Path) -> None:
    """Fewer names keep it; another name, or less than two weeks left, makes another."""
    first = load(tmp_path)
    assert load(tmp_path, NAMES[:1]).pem == first.pem
    second = load(tmp_path, (*NAMES, "new.example"))
    assert second.pem != first.pem
    soon = datetime.now(UTC) + authority.LIFE - timedelta(days=13)
    assert load(tmp_path, NAMES, now=lambda: soon).pem != second.pem


def test_leaves_are_renewed(tmp_path: Path) -> None:
    """A proxy that runs for days gives certificates that hold."""
    at = [datetime.now(UTC)]
    own = load(tmp_path, NAMES, now=lambda: at[0])
    first = own.context(NAMES[0])
    assert own.context(NAMES[0]) is first
    at[0] += authority.LEAF_LIFE
    assert own.context(NAMES[0]) is not first
    assert not list(tmp_path.glob(".leaf-*"))


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as secure:
                secure.recv(1)
        except (ssl.SSLError, OSError):
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=host) as secure:
            secure.send(b"x")
    finally:
        ours.close()
        thread.join()


def test_a_client_trusts_it_for_its_names_and_for_no_other(tmp_path: Path) -> None:
    """Whoever stole its key could still not stand in for another host: the client itself refuses."""
    own = load(tmp_path)
    trust = ssl.create_default_context(cadata=own.pem.decode())
    _handshake(own.context(NAMES[0]), trust, NAMES[0])
    stolen = own._key
    now = datetime.now(UTC)
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(own.certificate.subject)
        .public_key(stolen.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=True)
        .sign(stolen, hashes.SHA256())
    )
    pem = tmp_path / "forged.pem"
    pem.write_bytes(
        forged.public_bytes(serialization.Encoding.PEM)
        + stolen.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        _handshake(server, trust, "bank.example")


def test_a_bundle_holds_what_was_trusted_and_ours(tmp_path: Path) -> None:
    """Tunnelled hosts are still checked by the tool itself."""
    before = tmp_path / "theirs.pem"
    before.write_bytes(b"THEIRS\n\n")
    assert authority.bundle(b"OURS\n", str(before)) == b"THEIRS\nOURS\n"
    assert authority.bundle(b"OURS\n").endswith(b"OURS\n")
    with pytest.raises(ConfigFault):
        authority.bundle(b"OURS\n", str(tmp_path / "none.pem"))
