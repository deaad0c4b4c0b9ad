"""Which process of this machine holds the other end of a connection: user, executable, its hash, parents.

What it finds is a claim: any program of the user can run under any name, and the hash of an interpreter says nothing of
the script. It never reads a command's arguments or environment, which can hold anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import struct
import sys
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROC = Path("/proc")
PARENTS = 3
"""How many parents are named."""
REMEMBERED = 256
"""Of how many connections it is remembered who holds them."""
CALLERS = 16
"""How many processes that called before are looked at first."""
MOMENT = 5.0
"""Seconds for which a pair of ports is taken for the connection that had it."""
_LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
_LARGEST = 512 * 1024 * 1024
_HERE = {
    socket.AF_INET: (bytes([127, 0, 0, 1]),),
    socket.AF_INET6: (bytes(15) + b"\1", bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1])),
}
"""The loopback addresses as the kernel knows them, by family."""
_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_LISTENS = 10  # TCP_LISTEN


class LocalProcesses:
    """The processes of this machine, as `/proc` shows them; elsewhere nothing is found."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._known: OrderedDict[tuple[int, int], tuple[float, str]] = OrderedDict()
        self._callers: OrderedDict[int, None] = OrderedDict()
        self._hashes: dict[tuple[int, int, int, int], str] = {}

    async def holder(self, peer_port: int, own_port: int) -> str:
        """Say which process holds the other end of a loopback connection, or nothing: a claim, never a proof."""
        if sys.platform != "linux":
            return ""
        # The table of sockets costs more to read than all else that a request needs, and a connection is kept for
        # many requests: for a moment after each the two ports stand for it.
        now, ports = asyncio.get_running_loop().time(), (peer_port, own_port)
        at, said = self._known.get(ports, (0.0, ""))
        if not at or now - at > MOMENT:
            said = await asyncio.to_thread(self._look, peer_port, own_port)
        self._known[ports] = (now, said)
        self._known.move_to_end(ports)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return said

    def _look(self, peer_port: int, own_port: int) -> str:
        inode = self._inode(peer_port, own_port)
        return self._describe(inode) if inode else ""

    def _inode(self, peer_port: int, own_port: int) -> str:
        """Give the socket of this user whose own port is the peer's and whose peer is us, on the loopback address."""
        if self._proc == PROC and (found := _asked(peer_port, own_port)):
            return found
        ends = (f":{peer_port:04X}", f":{own_port:04X}")
        for table in ("tcp", "tcp6"):
            try:
                lines = (self._proc / "self" / "net" / table).read_text(encoding="ascii").splitlines()[1:]
            except OSError:
                continue
            for line in lines:
                fields = line.split()
                mine, other = fields[1], fields[2]
                if (
                    mine.endswith(ends[0])
                    and other.endswith(ends[1])
                    and mine.partition(":")[0] in _LOOPBACK
                    and int(fields[7]) == os.getuid()
                ):
                    return fields[9]
        return ""

    def _describe(self, inode: str) -> str:
        """Find the process that has the socket open, and describe it."""
        wanted = f"socket:[{inode}]"
        try:
            names = os.listdir(self._proc)  # noqa: PTH208 (names only)
        except OSError:
            return ""
        # Who called before calls again, most likely; then the youngest first.
        others = sorted((int(name) for name in names if name.isdecimal()), reverse=True)
        for number in (*reversed(self._callers), *others):
            found = wanted in _open_files(f"{self._proc}/{number}/fd")
            if found:
                self._callers[number] = None
                self._callers.move_to_end(number)
                if len(self._callers) > CALLERS:
                    self._callers.popitem(last=False)
                return self._process(self._proc / str(number))
        return ""

    def _process(self, folder: Path) -> str:
        executable = (folder / "exe").resolve()
        above: list[str] = []
        at = self._parent(folder)
        while at and len(above) < PARENTS:
            above.append(self._name(at))
            at = self._parent(self._proc / str(at)) if at > 1 else 0
        named = f"{executable.name} {self._hash(executable)}".strip()
        return named + "".join(f" < {name}" for name in above if name)

    def _parent(self, folder: Path | int) -> int:
        place = folder if isinstance(folder, Path) else self._proc / str(folder)
        try:
            return int((place / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return 0

    def _name(self, number: int) -> str:
        try:
            return Path(os.readlink(self._proc / str(number) / "exe")).name  # noqa: PTH115 (need not exist)
        except OSError:
            return ""

    def _hash(self, path: Path) -> str:
        """Give the beginning of a file's SHA-256, remembered for as long as the file is the same."""
        try:
            state = path.stat()
            key = (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)
            if key not in self._hashes:
                if state.st_size > _LARGEST:
                    return ""
                with path.open("rb") as file:
                    self._hashes[key] = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()[:16]
        except OSError:
            return ""
        return self._hashes[key]


def _open_files(folder: str) -> Iterator[str]:
    """Yield what a process has open, as far as it may be seen and is not just being closed."""
    try:
        entries = os.listdir(folder)  # noqa: PTH208 (names only)
    except OSError:
        return  # another user's, or just gone
    for entry in entries:
        with contextlib.suppress(OSError):
            yield os.readlink(f"{folder}/{entry}")  # noqa: PTH115 (no path)


def _asked(peer_port: int, own_port: int) -> str:
    """Ask the kernel for one socket, which takes microseconds, where its whole table takes milliseconds.

    Nothing where it has none of this user, or is too old to be asked. Source: Linux, sock_diag(7), `inet_diag_req_v2`
    and `inet_diag_msg`.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _DIAG) as kernel:
            kernel.settimeout(1.0)
            for family, places in _HERE.items():
                for place in places:
                    kernel.send(_question(family, place, peer_port, own_port))
                    answer = kernel.recv(8192)
                    if len(answer) < 88 or struct.unpack_from("=H", answer, 4)[0] != _BY_FAMILY:
                        continue
                    user, inode = struct.unpack_from("=II", answer, 80)
                    if user == os.getuid() and inode and answer[17] != _LISTENS:
                        return str(inode)
    except OSError:
        return ""
    return ""


def _question(family: int, place: bytes, peer_port: int, own_port: int) -> bytes:
    """Write the question for the connection between two ports of one address."""
    address = place.ljust(16, b"\0")
    ends = struct.pack(">HH", peer_port, own_port) + address + address + struct.pack("=III", 0, 2**32 - 1, 2**32 - 1)
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 2**32 - 1) + ends
    return struct.pack("=IHHII", 16 + len(body), _BY_FAMILY, 1, 1, 0) + body  # 1: NLM_F_REQUEST; a number of ours
