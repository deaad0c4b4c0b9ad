"""Run the mock provider: ``python -m tests.provider --port 0 --script FILE --log FILE [--ready-file FILE]``.

It prints its URL on the first line of its output, and ends with SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path

from tests.provider.server import Provider, listening


async def _serve(options: argparse.Namespace) -> None:
    provider = Provider(options.script, options.log)
    runner, url = await listening(provider, options.host, options.port)
    print(url, flush=True)
    if options.ready_file:
        part = options.ready_file.with_suffix(".part")
        part.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        part.replace(options.ready_file)
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await stopped.wait()
    await runner.cleanup()
    provider.journal.close()


def main() -> None:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.provider", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path)
    asyncio.run(_serve(parser.parse_args()))


main()
