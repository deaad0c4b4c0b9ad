"""The reader of attached files: each in a process of its own with limits, a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import msgspec

from poundlock.adapters import documents
from poundlock.ports import ReadDocument

AT_ONCE = 2
IMAGES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")


class DocumentReader:
    """Tells what a file is, and gives its text."""

    def __init__(self, *, seconds: int) -> None:
        """Let each file take so many seconds."""
        self._seconds = seconds
        self._turns = asyncio.Semaphore(AT_ONCE)

    def sort(self, head: bytes) -> str:
        """Say what a file is by its first bytes: `image`, something that can be read, or nothing."""
        if head.startswith(IMAGES) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
            return "image"
        return documents.sort(head, "")

    async def read(self, data: bytes) -> ReadDocument:
        """Give a file's text, and why it could not be read, or not to its end. It never raises."""
        async with self._turns:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-m",
                    "poundlock.adapters.documents",
                    str(self._seconds),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={},
                )
            except OSError:
                return ReadDocument(fault="the reader of documents can't be started")
            try:
                out, _ = await asyncio.wait_for(process.communicate(data), self._seconds)
                return msgspec.json.decode(out, type=ReadDocument)
            except TimeoutError:
                return ReadDocument(fault="it takes too long to read")
            except (msgspec.MsgspecError, OSError):
                return ReadDocument(fault="it is damaged")
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
