"""A WebSocket client for tests, on the standard library alone: it shares no code with the gateway's own.

Source: RFC 6455. Client frames are masked; nothing is compressed.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from typing import Any

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    """The socket was closed; `code` is the other side's, 0 without one."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Refused(Exception):
    """The handshake was answered with HTTP."""

    def __init__(self, status: int, head: str, body: bytes) -> None:
        super().__init__(f"{status}: {body!r}")
        self.status = status
        self.head = head
        self.body = body


class Client:
    """One open WebSocket."""

    def __init__(self, port: int, path: str = "/v1/responses", headers: dict[str, str] | None = None) -> None:
        """Shake hands. Raises: `Refused`."""
        self._socket = socket.create_connection(("127.0.0.1", port), 20)
        key = base64.b64encode(os.urandom(16)).decode()
        head = {
            "host": f"127.0.0.1:{port}",
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-key": key,
            "sec-websocket-version": "13",
            "authorization": "Bearer test-key",
            **(headers or {}),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self._socket.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        self._read = self._socket.makefile("rb")
        status = int(self._read.readline().split()[1])
        lines = ""
        while (line := self._read.readline().decode("latin-1")) not in {"\r\n", ""}:
            lines += line.lower()
        self.head = lines
        if status != 101:
            length = next((int(line[15:]) for line in lines.splitlines() if line.startswith("content-length:")), -1)
            body = self._read.read(length) if length >= 0 else self._read.read()
            self.close()
            raise Refused(status, lines, body)

    def frame(self, kind: int, data: bytes) -> None:
        """Send one frame."""
        mask = os.urandom(4)
        size = len(data)
        if size < 126:
            length = struct.pack("!B", 0x80 | size)
        elif size < 1 << 16:
            length = struct.pack("!BH", 0x80 | 126, size)
        else:
            length = struct.pack("!BQ", 0x80 | 127, size)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self._socket.sendall(bytes([0x80 | kind]) + length + mask + masked)

    def say(self, **message: Any) -> None:
        """Send a message."""
        self.frame(TEXT, json.dumps(message, ensure_ascii=False).encode())

    def hear(self) -> dict[str, Any]:
        """Wait for a message. Raises: `Closed`."""
        while True:
            head = self._read.read(2)
            if len(head) < 2:
                raise Closed(0)
            kind, size = head[0] & 15, head[1] & 127
            if size == 126:
                (size,) = struct.unpack("!H", self._read.read(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._read.read(8))
            data = self._read.read(size)
            if kind == CLOSE:
                raise Closed(struct.unpack("!H", data[:2])[0] if data else 0)
            if kind == TEXT:
                message: dict[str, Any] = json.loads(data)
                return message

    def ask(self, **message: Any) -> list[dict[str, Any]]:
        """Send a `response.create`, and give the messages up to the one that ends its answer."""
        self.say(type="response.create", model="gpt-5.2", **message)
        out = [self.hear()]
        while out[-1]["type"] not in {"response.completed", "response.incomplete", "response.failed", "error"}:
            out.append(self.hear())
        return out

    def close(self) -> None:
        """Go away without a word."""
        self._read.close()
        self._socket.close()
