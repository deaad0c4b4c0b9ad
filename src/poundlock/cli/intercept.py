"""`poundlock intercept`: run the intercepting proxy; `poundlock run --intercept` starts it for one command.

It must never touch what the machine trusts: whoever is to trust the proxy's certificates is told so by variables.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from poundlock.config import Settings
    from poundlock.core.services import Services

PORT = 8789
START_SECONDS = 75
TRUSTING = {
    "NODE_EXTRA_CA_CERTS": "own",
    "SSL_CERT_FILE": "all",
    "REQUESTS_CA_BUNDLE": "all",
    "CURL_CA_BUNDLE": "all",
    "AWS_CA_BUNDLE": "all",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "all",
    "DENO_CERT": "own",
}
"""Variables that name certificates to trust: ours beside the built-in ones (`own`), or instead of them (`all`)."""
INHERITED = (
    "PIP_CERT",
    "NIX_SSL_CERT_FILE",
    "HTTPLIB2_CA_CERTS",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "GIT_SSL_CAINFO",
)
"""More of them, which are extended only where the surroundings have set them."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command's parser."""
    parser = subparsers.add_parser(
        "intercept",
        help="run a proxy for tools that take no base URL",
        description="Run the intercepting proxy until it is stopped; `poundlock run --intercept` does it for you.",
    )
    parser.add_argument("--config", help="configuration file")
    parser.add_argument("--port", type=int, default=PORT, help="port to listen on; 0 takes a free one (%(default)s)")
    parser.add_argument("--gateway", metavar="URL", help="the gateway (default: where poundlock.toml has it)")
    parser.add_argument("--ready-file", metavar="FILE", help='write {"url", "pid"} (JSON) here once it serves')
    parser.add_argument(
        "--attached",
        action="store_true",
        help="admit only the credential whose SHA-256 (hex) is the first line of standard input; end when that ends",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it. Raises: `ConfigFault`."""
    from poundlock.adapters import keys

    keys.disable_core_dumps()
    settings = places.read_settings(args.config)
    gateway = args.gateway or f"http://{settings.gateway.host}:{settings.gateway.port}"
    ready = Path(args.ready_file) if args.ready_file else None
    try:
        return asyncio.run(_serve(settings, gateway, args.port, ready, attached=args.attached))
    finally:
        if ready:
            ready.unlink(missing_ok=True)


async def _serve(settings: Settings, gateway: str, port: int, ready: Path | None, *, attached: bool) -> int:
    from poundlock.adapters import authority, keys
    from poundlock.adapters.credentials import Credentials
    from poundlock.cli.serve import write_ready
    from poundlock.web.interception import HEAD, Interception, Parent

    folder = places.state_folder(settings)
    table = services(settings)
    master = keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
    place = urlsplit(gateway)
    credentials = Credentials(places.credentials(folder))
    only = sys.stdin.readline().strip() if attached else ""

    def known(token: str) -> bool:
        if attached:
            return hmac.compare_digest(hashlib.sha256(token.encode()).hexdigest(), only)
        return credentials.find(token) is not None

    interception = Interception(
        services=table,
        contexts=authority.load(folder, master, table.names),
        known=known,
        gateway=(place.hostname or "127.0.0.1", place.port or 80),
        parent=Parent.of(proxy_of(os.environ), os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""),
    )
    loop = asyncio.get_running_loop()
    # What asyncio has to say of a connection that broke could name hosts.
    loop.set_exception_handler(lambda _loop, _context: None)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if attached:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    try:
        server = await asyncio.start_server(interception, "127.0.0.1", port, limit=HEAD)
    except OSError as fault:
        raise ConfigFault(
            f"The proxy can't listen on port {port}: {os.strerror(fault.errno or 0).lower()}.",
            advice="Choose another port with --port, or --port 0 for a free one.",
        ) from None
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    if ready:
        write_ready(ready, url)
    sys.stderr.write(f"poundlock intercept: listening on {url}, certificate {folder / 'authority.pem'}\n")
    try:
        await stop.wait()
    finally:
        server.close()
    return 0


def services(settings: Settings) -> Services:
    """Give the hosts of AI services: those that are shipped, and the configured providers' own."""
    from poundlock.core.services import Service, Services

    text = (resources.files("poundlock.core") / "data" / "services.toml").read_text(encoding="utf-8")
    configured: dict[str, Service] = {}
    for name, provider in settings.providers.items():
        parts = urlsplit(provider.upstream)
        if parts.scheme == "https" and parts.hostname and "." in parts.hostname:
            prefix = parts.path.rstrip("/")
            configured.setdefault(parts.hostname, Service(provider=name, hosts=(parts.hostname,), prefix=prefix))
    return Services.load(text, configured.values())


def proxy_of(environ: Mapping[str, str]) -> str:
    """Give the proxy that the environment names for HTTPS, or nothing."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        if environ.get(name):
            return environ[name]
    return ""


class Proxy:
    """A running `poundlock intercept` for one command, and the certificates that it is to trust."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, url: str) -> None:
        """Hold a process that said it serves."""
        self.process = process
        self.folder = folder
        self.url = url

    @classmethod
    def start(cls, config: str | None, gateway: str, token: str) -> Proxy:
        """Start a proxy that admits only this credential. Raises: `ConfigFault` with its own words."""
        folder = Path(tempfile.mkdtemp(prefix="poundlock-proxy-"))
        ready = folder / "ready.json"
        command = ["intercept", "--attached", "--port", "0", "--ready-file", str(ready), "--gateway", gateway]
        command += ["--config", config] if config else []
        with (folder / "said").open("w+") as said:
            process = subprocess.Popen(  # noqa: S603 (our own interpreter, our own arguments)
                [sys.executable, "-m", "poundlock", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                text=True,
                start_new_session=True,
            )
            proxy = cls(process, folder, "")
            assert process.stdin is not None  # noqa: S101 (asked for above)
            with contextlib.suppress(OSError):
                process.stdin.write(hashlib.sha256(token.encode()).hexdigest() + "\n")
                process.stdin.flush()
            until = time.monotonic() + START_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > until:
                    said.seek(0)
                    words = said.read().strip()
                    proxy.stop()
                    raise ConfigFault(
                        f"The intercepting proxy did not start. It said: {words or 'nothing'}",
                        advice="Run `poundlock doctor`.",
                    )
                time.sleep(0.02)
        proxy.url = str(json.loads(ready.read_text())["url"])
        return proxy

    def environment(self, inherited: Mapping[str, str], token: str, certificate: bytes) -> dict[str, str]:
        """Give the variables that lead a command through the proxy."""
        return environment(inherited, self.url, token, self.folder, certificate)

    def stop(self) -> None:
        """End it, and take its files away."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def environment(inherited: Mapping[str, str], url: str, token: str, folder: Path, own: bytes) -> dict[str, str]:
    """Give the variables that lead a command through the proxy; certificates are written into `folder`.

    Raises: `ConfigFault` when a file of certificates that the surroundings name can't be read.
    """
    from poundlock.adapters import authority

    address = f"http://poundlock:{token}@{urlsplit(url).netloc}"
    out = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), address)
    # Node's own fetch heeds these variables only if it is told to (Node 22.21, 24).
    out["NODE_USE_ENV_PROXY"] = "1"
    # What the surroundings exempt goes through the proxy too, which reaches it directly.
    out["NO_PROXY"] = out["no_proxy"] = "127.0.0.1,localhost,::1"
    also = {name: "all" for name in INHERITED if inherited.get(name)}
    for name, kind in {**TRUSTING, **also}.items():
        before = inherited.get(name)
        data = authority.bundle(own, before) if kind == "all" or before else own
        place = folder / f"{name.lower()}.pem"
        place.write_bytes(data)
        out[name] = str(place)
    return out
