"""The request log of the mock provider: JSON lines, each synced to disk before its request is answered.

It must never buffer: whoever reads the file sees every request whose answer has begun. Nor may it decode anything:
the body is kept as it came, in base64.
"""

from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """An append-only log of requests and of how their answers ended."""

    def __init__(self, path: Path) -> None:
        """Open the log for appending; an earlier run's lines stay."""
        self._number = max((seen.number for seen in read(path)), default=0)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def request(self, method: str, target: str, headers: list[list[str]], body: bytes) -> int:
        """Write one request, durably, and return its number."""
        self._number += 1
        line = {
            "kind": "request",
            "number": self._number,
            "at": time.time(),
            "method": method,
            "path": target,
            "headers": headers,
            "body": base64.b64encode(body).decode(),
        }
        self._write(line)
        os.fsync(self._file)
        return self._number

    def answer(self, number: int, **facts: Any) -> None:
        """Write how the answer to a request went: status, bytes written, and its end."""
        self._write({"kind": "answer", "number": number, "at": time.time(), **facts})

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that the provider received, with how its answer ended (empty while it is under way)."""

    number: int
    at: float
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    answer: dict[str, Any]

    def header(self, name: str) -> str | None:
        """Return the first header of that name, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> dict[str, Any]:
        """Return the decoded body."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


def read(path: Path) -> list[Seen]:
    """Return every request in the log, in order of arrival; a last line that was cut off is left out."""
    requests: dict[int, dict[str, Any]] = {}
    answers: dict[int, dict[str, Any]] = {}
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        entry = json.loads(line)
        (requests if entry["kind"] == "request" else answers)[entry["number"]] = entry
    return [
        Seen(
            number=number,
            at=entry["at"],
            method=entry["method"],
            path=entry["path"],
            headers=tuple((key, value) for key, value in entry["headers"]),
            body=base64.b64decode(entry["body"]),
            answer=answers.get(number, {}),
        )
        for number, entry in requests.items()
    ]
