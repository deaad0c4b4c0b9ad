"""Which process holds a connection: found by its socket, told as a claim."""

import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from poundlock.adapters import processes as module
from poundlock.adapters.processes import LocalProcesses

CALLER = textwrap.dedent(
    """
    import socket, sys, time
    made = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    print(made.getsockname()[1], flush=True)
    sys.stdin.read()
    """
)


@pytest.fixture
def listener():
    """Give a listening socket on the loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def caller(program, port):
    """Start a process that connects, and give it with its port."""
    started = subprocess.Popen(
        [str(program), "-c", CALLER, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return started, int(started.stdout.readline())


async def test_the_caller_is_named_by_its_executable_hash_and_parents(listener):
    """The interpreter, the beginning of its SHA-256, and who started it."""
    started, port = caller(sys.executable, listener.getsockname()[1])
    with started:
        said = await LocalProcesses().holder(port, listener.getsockname()[1])
        started.stdin.close()
    name = Path(sys.executable).resolve().name
    assert said.startswith(f"{name} sha256:"), said
    assert f"< {name}" in said


async def test_a_name_can_be_borrowed_but_not_the_hash(listener, tmp_path):
    """A program that calls itself another's name shows that name, beside a hash: that is why it is only a claim."""
    borrowed = tmp_path / "claude"
    shutil.copy2(Path(sys.executable).resolve(), borrowed)
    started = subprocess.Popen(
        [str(borrowed), "-c", CALLER, str(listener.getsockname()[1])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONHOME": sys.base_prefix},
    )
    with started:
        port = int(started.stdout.readline())
        said = await LocalProcesses().holder(port, listener.getsockname()[1])
        started.stdin.close()
    assert said.startswith("claude sha256:")


async def test_every_connection_of_a_process_is_found(listener):
    """Also of the one that looks, whose own files come and go meanwhile; and the same ports ask once for a while."""
    processes = LocalProcesses()
    looked = []
    real = processes._look
    processes._look = lambda *ports: looked.append(ports) or real(*ports)
    for _ in range(5):
        with socket.create_connection(listener.getsockname()) as made:
            for _ in range(3):
                said = await processes.holder(made.getsockname()[1], listener.getsockname()[1])
                assert said.startswith(Path(sys.executable).resolve().name)
    assert len(looked) == 5


async def test_a_connection_that_nobody_holds(listener):
    """Nothing, and no error."""
    assert await LocalProcesses().holder(1, listener.getsockname()[1]) == ""
    assert await LocalProcesses(Path("/nonexistent")).holder(1, 2) == ""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_the_kernel_names_the_socket_that_its_table_shows(address, monkeypatch):
    """Asked for one connection it gives the caller's end of it; where it can't be asked, its table is read."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    mapped = address.startswith("::ffff")
    place = ("::" if mapped else address, 0)
    with socket.create_server(place, family=family, dualstack_ipv6=mapped) as made, socket.socket(family) as caller:
        caller.connect((address, made.getsockname()[1]))
        ports = caller.getsockname()[1], made.getsockname()[1]
        inode = str(os.fstat(caller.fileno()).st_ino)
        assert module._asked(*ports) == inode
        assert module._asked(ports[1], 1) == ""  # a port that only listens
        monkeypatch.setattr(module, "_asked", lambda *_ports: "")
        assert LocalProcesses()._inode(*ports) == inode
