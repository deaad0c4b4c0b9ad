"""Leases as SSH certificates: a real sshd lets them in for as long as they are good, and for what they are good for."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from poundlock.adapters.brokers.ssh import SshBroker
from poundlock.config import Level
from poundlock.core.errors import ConfigFault
from tests.adapters.brokers.leasing import done, lease

if TYPE_CHECKING:
    from collections.abc import Iterator

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
needs_sshd = pytest.mark.skipif(SSHD is None or shutil.which("ssh") is None, reason="no sshd or ssh on this machine")
ME = getpass.getuser()
LEVEL = Level(principals=("deployers",))


class Server(NamedTuple):
    """A running sshd that trusts one authority."""

    port: int
    key: str
    revoked: Path
    folder: Path


def pem(key: Ed25519PrivateKey) -> str:
    """Give a private key as OpenSSH has it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start an sshd on the loopback address that lets in who has a certificate for `deployers`."""
    folder = tmp_path_factory.mktemp("sshd")
    authority, host = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    (folder / "host").touch(0o600)
    (folder / "host").write_text(pem(host))
    (folder / "ca.pub").write_bytes(authority.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    (folder / "principals").write_text("deployers\n")
    broker = SshBroker(pem(authority), revoked=str(folder / "revoked"))
    done(broker.revoke(lease(0xFFFF)))  # an empty list would do; a missing one lets nobody in
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "PidFile": folder / "pid",
        "TrustedUserCAKeys": folder / "ca.pub",
        "AuthorizedPrincipalsFile": folder / "principals",
        "RevokedKeys": folder / "revoked",
        "AuthorizedKeysFile": "none",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",
        "UsePAM": "no",
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    assert SSHD is not None
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it shuts its unprivileged child in
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 10
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield Server(port, pem(authority), folder / "revoked", folder)
    finally:
        process.terminate()
        process.wait(10)


def login(server: Server, minted: Any, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Log in with what was minted, and run a command."""
    folder.mkdir(exist_ok=True)
    for name, text in minted.files.items():
        (folder / name).touch(0o600)
        (folder / name).write_text(text)
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "BatchMode=yes"]
    flags = [word for option in (*options, "IdentityAgent=none", "LogLevel=ERROR") for word in ("-o", option)]
    where = ["-F", "/dev/null", "-i", str(folder / "id_ed25519"), "-p", str(server.port), f"{ME}@127.0.0.1"]
    line = ["ssh", *flags, *where, *command]
    return subprocess.run(line, capture_output=True, text=True, timeout=20, check=False)


@needs_sshd
def test_a_certificate_lets_in_until_it_is_revoked(server: Server, tmp_path: Path) -> None:
    """A login before, none after, with the same certificate."""
    broker = SshBroker(server.key, revoked=str(server.revoked))
    minted = done(broker.mint(lease(1), LEVEL))
    before = login(server, minted, tmp_path / "a", "echo", "inside")
    assert (before.returncode, before.stdout) == (0, "inside\n"), before.stderr
    done(broker.revoke(lease(1)))
    after = login(server, minted, tmp_path / "a", "echo", "inside")
    assert (after.returncode, after.stdout) == (255, "")
    assert login(server, done(broker.mint(lease(2), LEVEL)), tmp_path / "b", "echo", "2").stdout == "2\n"


@needs_sshd
def test_a_certificate_is_good_for_what_it_says(server: Server, tmp_path: Path) -> None:
    """Not after its time, not for other accounts, not from elsewhere, and for its one command."""
    broker = SshBroker(server.key)
    for number, (level, seconds) in enumerate(
        (
            (LEVEL, -30),
            (Level(principals=("others",)), 600),
            (Level(principals=("deployers",), source="192.0.2.0/24"), 600),
        )
    ):
        minted = done(broker.mint(lease(16 + number, seconds=seconds), level))
        refused = login(server, minted, tmp_path / str(number), "true")
        assert (refused.returncode, "Permission denied" in refused.stderr) == (255, True), number
    forced = done(broker.mint(lease(32), Level(principals=("deployers",), command="echo only this")))
    assert login(server, forced, tmp_path / "forced", "cat", "/etc/passwd").stdout == "only this\n"


def test_what_is_no_key_is_refused() -> None:
    """In words that do not hold it."""
    text = "k" * 12
    with pytest.raises(ConfigFault, match="authority's key") as caught:
        SshBroker(text)
    assert text not in str(caught.value) + caught.value.advice


def test_the_private_key_is_in_no_repr(tmp_path: Path) -> None:
    """What was minted is shown without its files; the serial is that of the lease."""
    key = tmp_path / "ca"
    key.write_text(pem(Ed25519PrivateKey.generate()))
    minted = done(SshBroker(str(key)).mint(lease(3), LEVEL))
    assert (minted.serial, "PRIVATE" in repr(minted), sorted(minted.files)) == (
        "3",
        False,
        ["id_ed25519", "id_ed25519-cert.pub"],
    )
