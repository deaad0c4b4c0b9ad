"""`poundlock serve`: the gateway's processes. A parent holds the socket and watches workers, which serve.

The parent reads no traffic. INVARIANT: a worker never outlives its parent, and a stop never takes longer than the
drain limit and a few seconds, whatever a client or a provider does.
"""

from __future__ import annotations

import http.client
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from poundlock.adapters import places
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

TARGET = "poundlock.web.worker:data_plane"
"""What gives a worker its application: `module:function`, called without arguments."""
BACKLOG = 2048
CONNECTIONS = 2048
"""Open connections a worker; further ones wait in the socket's queue."""
HEAD = 131_072
"""Largest request head in bytes (the server may take one read more), and the read buffer for bodies."""
HEAD_TIME = 30_000
"""Milliseconds for a request head to arrive; the server counts the idle time of a kept connection in."""
LAST = 5.0
"""Seconds that a worker has for its closing records when the time for draining is over."""
START = 60.0
"""Seconds in which a worker must begin to serve."""
_BROKEN_START = 78
"""The exit code of a worker that can't start (EX_CONFIG of sysexits.h)."""


class Plan(NamedTuple):
    """What `serve` does. `config` is the file that was named on the command line, for the workers to read."""

    host: str
    port: int
    workers: int
    drain: float
    config: str = ""
    ready_file: str = ""
    target: str = TARGET
    head_time: int = HEAD_TIME


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser("serve", help="run the gateway", description="Run the gateway until it is stopped.")
    parser.add_argument("--config", metavar="FILE", help="settings (default: $POUNDLOCK_CONFIG, else the user's own)")
    parser.add_argument("--host", help="address to listen on (default: gateway.host, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one (default: gateway.port, 8787)")
    parser.add_argument("--workers", type=int, help="worker processes (default: gateway.workers, 1)")
    parser.add_argument(
        "--ready-file", metavar="FILE", help='write {"url", "pid"} (JSON) here once the gateway really serves'
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it. Gives 0 after a stop that was asked for. Raises: `ConfigFault`."""
    settings = places.read_settings(args.config).gateway
    return serve(
        Plan(
            host=args.host if args.host is not None else settings.host,
            port=args.port if args.port is not None else settings.port,
            workers=max(1, args.workers if args.workers is not None else settings.workers),
            drain=float(settings.drain_seconds),
            config=str(Path(args.config).expanduser().absolute()) if args.config else "",
            ready_file=args.ready_file or "",
        )
    )


def serve(plan: Plan) -> int:
    """Bind, start the workers, watch them, and stop them. Raises: `ConfigFault` when the address can't be had."""
    listener = bind(plan.host, plan.port)
    _allow_connections()
    if plan.config:
        os.environ[places.CONFIG_VARIABLE] = plan.config
    os.register_at_fork(after_in_child=_default_signals)
    server = _Server(plan, listener)
    try:
        server.serve(target_loader=partial(_load, plan.target, os.getpid(), plan.drain), wrap_loader=False)
    except SystemExit as ended:
        # Ctrl-C in a terminal reaches the workers too; that one of them was faster than the parent is no failure.
        return 2 if ended.code and not server.interrupt_signal else 0
    finally:
        if plan.ready_file:
            Path(plan.ready_file).unlink(missing_ok=True)
    return 0


def bind(host: str, port: int) -> socket.socket:
    """Give a listening socket that nobody shares.

    The server would bind one a worker with SO_REUSEPORT: a second gateway could then take the same port unnoticed,
    and the connections that wait for a worker which dies would die with it. Raises: `ConfigFault`.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
    except OSError:
        raise ConfigFault(
            "The address to listen on can't be resolved.", advice="Use an IP address as gateway.host."
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what is accepted
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as fault:
        listener.close()
        raise ConfigFault(
            f"The gateway can't listen on port {port}: {os.strerror(fault.errno or 0).lower()}.",
            advice="Another gateway may be running. Choose another port with --port, or --port 0 for a free one.",
        ) from None
    listener.setblocking(False)
    return listener


class _Server(MPServer):
    """granian's parent process, with one socket for all workers, a limit for draining and a sign of being ready."""

    def __init__(self, plan: Plan, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__(
            plan.target,
            address=host,
            port=port,
            interface=Interfaces.ASGI,
            workers=plan.workers,
            # HTTP/2 brings its own ways to hold a server up, and nobody speaks it to a plain port.
            http=HTTPModes.http1,
            websockets=True,
            loop=_loop(),
            backlog=BACKLOG,
            backpressure=CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=plan.head_time, max_buffer_size=HEAD),
            # Its log would show tracebacks, and its access log paths.
            log_enabled=False,
            log_access=False,
            respawn_failed_workers=False,
            workers_kill_timeout=max(1, int(plan.drain + LAST)),
        )
        self.plan = plan
        self.listener: socket.socket | None = listener
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{port}"

    def _init_shared_socket(self) -> None:
        assert self.listener is not None  # noqa: S101 (called once, first)
        self.listener.set_inheritable(True)
        self._sso = self.listener
        self._ssp = None
        self._shd: Any = SocketHolder(*_holder(self.listener))

    def _drop_shared_socket(self) -> None:
        if self.listener is not None:
            self.listener.close()
            self.listener = self._sso = None

    def startup(self, spawn_target: Callable[..., None], target_loader: Callable[..., Any]) -> None:
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        threading.Thread(target=self._announce, daemon=True).start()

    def _announce(self) -> None:
        """Say that the gateway serves, once it does; from then on workers that fail are replaced."""
        host, port = self.bind_addr, self.bind_port
        until = time.monotonic() + START
        while not _serves(host, port):
            if self.interrupt_signal or self.interrupt_children:
                return
            if time.monotonic() > until:
                sys.stderr.write("poundlock serve: no worker began to serve.\n")
                self.interrupt_children.append(0)
                self.main_loop_interrupt.set()
                return
            time.sleep(0.02)
        self.respawn_failed_workers = True
        if self.plan.ready_file:
            write_ready(Path(self.plan.ready_file), self.url)
        sys.stderr.write(f"poundlock serve: listening on {self.url}\n")

    def signal_handler_interrupt(self, *args: object, **kwargs: object) -> None:
        """Stop; asked a second time, stop at once."""
        if self.interrupt_signal:
            self._tell(signal.SIGKILL)
        super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _respawn_workers(self, *args: Any, **kwargs: Any) -> None:
        """Replace workers. One that fails meanwhile must not wait for the next to fail."""
        super()._respawn_workers(*args, **kwargs)
        if self.interrupt_children:
            self.main_loop_interrupt.set()

    def _stop_workers(self) -> None:
        timer = threading.Timer(self.plan.drain, self._tell, (signal.SIGUSR2,))
        timer.daemon = True
        timer.start()
        try:
            super()._stop_workers()  # type: ignore[no-untyped-call]
        finally:
            timer.cancel()

    def _tell(self, number: signal.Signals) -> None:
        for worker in list(self.wrks):
            if (pid := worker.inner.pid) is not None and worker.inner.is_alive():
                os.kill(pid, number)


def write_ready(path: Path, url: str) -> None:
    """Write the sign of being ready, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(msgspec.json.encode({"url": url, "pid": os.getpid()}))
    part.replace(path)


def _load(target: str, parent: int, drain: float) -> Any:
    """Give the application, in the worker. The current folder is not on the path that it is looked up on."""
    threading.Thread(target=_follow, args=(parent, drain), daemon=True).start()
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)()
    except ConfigFault as fault:
        sys.stderr.write(f"poundlock serve: {fault.message} {fault.advice}\n")
        sys.stderr.flush()
        os._exit(_BROKEN_START)


def _default_signals() -> None:
    """Undo the parent's handlers in a new worker: a stop that comes before the server has set its own must end it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _follow(parent: int, drain: float) -> None:
    """Wait for the parent's end, then end this worker as a stop would."""
    try:
        handle = os.pidfd_open(parent)
    except (AttributeError, OSError):  # not Linux, or the parent is gone already
        while os.getppid() == parent:
            time.sleep(1)
    else:
        if os.getppid() == parent:
            select.select([handle], [], [])
    own = os.getpid()
    os.kill(own, signal.SIGTERM)
    time.sleep(drain)
    os.kill(own, signal.SIGUSR2)
    time.sleep(LAST)
    os._exit(1)


def _serves(host: str, port: int) -> bool:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
    connection = http.client.HTTPConnection(reachable, port, timeout=2)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost", "Connection": "close"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _holder(listener: socket.socket) -> tuple[int, ...]:
    """Give the arguments of granian's holder: on Linux and FreeBSD it also takes the length of the queue."""
    queue = (BACKLOG,) if sys.platform.startswith(("linux", "freebsd")) else ()
    return (listener.fileno(), False, *queue)


def _loop() -> Loops:
    try:
        import_module("uvloop")
    except ImportError:
        return Loops.asyncio
    return Loops.uvloop


def _allow_connections() -> None:
    """Raise the soft limit of open files: each exchange takes two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
