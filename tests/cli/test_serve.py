"""The gateway's processes: starting, stopping, dying."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from poundlock.cli import serve
from poundlock.core.errors import ConfigFault
from tests.web.plane import alive, launch, running
from tests.web.test_data_plane import ask, opened, to_the_end


def started(plane):
    """Give the process ids of the workers that have started so far."""
    return [line["pid"] for line in plane.journal() if "started" in line]


def gone(pids, seconds):
    """Wait until none of these processes runs; give how long that took."""
    begun = time.monotonic()
    while any(map(alive, pids)):
        assert time.monotonic() - begun < seconds, "a process goes on"
        time.sleep(0.02)
    return time.monotonic() - begun


def test_start_and_stop():
    """The sign of being ready comes when requests are answered; a stop is clean and takes the sign away."""
    with running(workers=2) as plane:
        assert ask(plane)[0] == 200
        assert len(plane.workers()) == 2
        ready = plane.folder / "ready"
        assert json.loads(ready.read_text()) == {"url": plane.url, "pid": plane.process.pid}
        workers = plane.workers()
        assert plane.stop() == 0
        assert not ready.exists()
        assert not any(map(alive, workers))
        assert sum(line.get("ended") == "shutdown" for line in plane.journal()) == 2


def test_spawned_workers():
    """Workers that are spawned, not forked (as from Python 3.14 on, and on macOS), share the socket just so."""
    with running(workers=2, env={"PLANE_PROCESSES": "spawn"}) as plane:
        assert ask(plane)[0] == 200
        plane.until(lambda _: len(started(plane)) == 2)
        for worker in started(plane):
            os.kill(worker, signal.SIGKILL)
        plane.until(lambda _: len(started(plane)) == 4)
        assert ask(plane)[0] == 200
        assert plane.stop() == 0


def test_interrupt_from_the_terminal():
    """Ctrl-C reaches every process of the group at a time, and is a clean stop all the same."""
    with running() as plane:
        os.killpg(plane.process.pid, signal.SIGINT)
        assert plane.process.wait(5) == 0
        assert len(started(plane)) == 1


def test_stop_while_a_worker_starts():
    """A stop that meets a worker before it listens to signals ends it all the same."""
    with running(drain=20) as plane:
        os.kill(plane.workers()[0], signal.SIGKILL)
        time.sleep(0.01)
        begun = time.monotonic()
        assert plane.stop(seconds=30) == 0
        assert time.monotonic() - begun < 5


def test_second_signal_stops_at_once():
    """Asked a second time, the gateway waits for nobody."""
    with running(drain=20) as plane, opened(plane, "/stream") as client:
        client.recv(1000)
        begun = time.monotonic()
        plane.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        plane.process.send_signal(signal.SIGTERM)
        assert plane.process.wait(5) == 0
        assert time.monotonic() - begun < 2


def test_stop_lets_streams_end():
    """A stream that ends within the limit ends whole; new connections are refused meanwhile."""
    with running(drain=8) as plane, opened(plane, "/slow?1.5") as client:
        first = client.recv(1000)
        plane.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", plane.port))
        answer = first + to_the_end(client)
        assert answer.endswith(b"0\r\n\r\n")
        assert answer.count(b"data: ") == 10
        assert plane.process.wait(5) == 0
        assert [line["ended"] for line in plane.journal() if "ended" in line] == ["complete", "shutdown"]


def test_stop_ends_streams_at_the_limit():
    """A stream without end is ended at the limit, visibly; its handler hears of it, and the worker ends in order."""
    with running(drain=1) as plane, opened(plane, "/stream") as client:
        client.recv(1000)
        begun = time.monotonic()
        plane.process.send_signal(signal.SIGTERM)
        answer = to_the_end(client)
        assert not answer.endswith(b"0\r\n\r\n")
        assert plane.process.wait(5) == 0
        assert 0.9 < time.monotonic() - begun < 3
        assert [line["ended"] for line in plane.journal() if "ended" in line] == ["cancelled", "shutdown"]


def test_stop_is_not_held_up_by_a_reader_that_stopped():
    """A client that reads nothing can't keep the gateway from stopping."""
    with running(drain=1) as plane, opened(plane, "/stream?65536", receive=65536):
        time.sleep(0.5)
        begun = time.monotonic()
        assert plane.stop() == 0
        assert time.monotonic() - begun < 4


def test_worker_that_is_killed_is_replaced():
    """After `kill -9` of a worker the next request is answered; no connection is refused in between."""
    with running() as plane:
        (worker,) = plane.workers()
        os.kill(worker, signal.SIGKILL)
        begun = time.monotonic()
        while True:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                if ask(plane)[0] == 200:
                    break
            assert time.monotonic() - begun < 5
        assert time.monotonic() - begun < 3
        assert plane.workers() != [worker]
        assert len(started(plane)) == 2
        assert plane.stop() == 0


def test_all_workers_that_are_killed_are_replaced():
    """Workers that die at the same time are all replaced."""
    with running(workers=3) as plane:
        plane.until(lambda _: len(started(plane)) == 3)
        for worker in started(plane):
            os.kill(worker, signal.SIGKILL)
        plane.until(lambda _: len(started(plane)) == 6)
        assert ask(plane)[0] == 200


def test_other_worker_goes_on():
    """With two workers the other one serves while the first is replaced."""
    with running(workers=2) as plane:
        os.kill(plane.workers()[0], signal.SIGKILL)
        for _ in range(20):
            assert ask(plane)[0] == 200


def test_workers_end_with_their_parent():
    """After `kill -9` of the parent no worker goes on, and the port is free."""
    with running(workers=2, drain=1) as plane:
        workers = plane.workers()
        with opened(plane, "/stream") as client:
            client.recv(1000)
            os.kill(plane.process.pid, signal.SIGKILL)
            plane.process.wait(5)
            assert gone(workers, 5) < 4
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", plane.port))


def test_second_gateway_on_the_same_port():
    """The second one says so and ends; it doesn't take half of the traffic."""
    with running() as plane:
        folder = plane.folder / "second"
        folder.mkdir()
        second = launch(folder, [str(plane.port), "1", "1"])
        assert second.wait(10) == 2
        said = (folder / "err").read_text()
        assert said == f"The gateway can't listen on port {plane.port}: address already in use."
        assert ask(plane)[0] == 200


def test_worker_that_cannot_start():
    """When the settings are broken the gateway ends with 2, says why once, and is never ready."""
    with (
        pytest.raises(
            AssertionError, match=r"did not start: poundlock serve: The settings are broken\. Mend them\.\n$"
        ),
        running(env={"PLANE_BROKEN": "1"}),
    ):
        pytest.fail("it started")


def test_exit_code_of_a_start_that_fails(tmp_path):
    """The exit code of a start that fails is 2, soon."""
    process = launch(tmp_path, ["0", "1", "1"], {"PLANE_BROKEN": "1"})
    try:
        assert process.wait(10) == 2
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert not (tmp_path / "ready").exists()


def parsed(*arguments):
    """Parse a command line of `serve`."""
    root = argparse.ArgumentParser()
    serve.add_parser(root.add_subparsers())
    return root.parse_args(["serve", *arguments])


def test_plan(monkeypatch, tmp_path):
    """The command line goes before the settings file, which goes before the defaults."""
    plans = []
    monkeypatch.setattr(serve, "serve", lambda plan: plans.append(plan) or 0)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("POUNDLOCK_CONFIG", raising=False)
    file = tmp_path / "own.toml"
    file.write_text("[gateway]\nport = 9000\nworkers = 3\ndrain_seconds = 7\n")
    assert serve.run(parsed()) == 0
    assert serve.run(parsed("--config", str(file))) == 0
    assert serve.run(parsed("--config", str(file), "--port", "0", "--workers", "1", "--host", "::1")) == 0
    assert plans == [
        serve.Plan("127.0.0.1", 8787, 1, 30.0),
        serve.Plan("127.0.0.1", 9000, 3, 7.0, config=str(file)),
        serve.Plan("::1", 0, 1, 7.0, config=str(file)),
    ]


def test_settings_of_a_folder_are_not_read(monkeypatch, tmp_path):
    """A poundlock.toml in the current folder could come with a repository: it is not taken (promise 12)."""
    plans = []
    monkeypatch.setattr(serve, "serve", lambda plan: plans.append(plan) or 0)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("POUNDLOCK_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poundlock.toml").write_text('mode = "monitor"\n[gateway]\nport = 1\n')
    serve.run(parsed())
    assert plans[0].port == 8787
    assert plans[0].config == ""


def test_settings_that_cannot_be_read(tmp_path):
    """A settings file that is missing or wrong is a fault that says what to do."""
    with pytest.raises(ConfigFault, match="There is no configuration"):
        serve.run(parsed("--config", str(tmp_path / "missing.toml")))
    (tmp_path / "wrong.toml").write_text("gateway = 1")
    with pytest.raises(ConfigFault, match=r"wrong\.toml"):
        serve.run(parsed("--config", str(tmp_path / "wrong.toml")))


def test_bind_faults():
    """An address that can't be had is a fault that says what to do."""
    with pytest.raises(ConfigFault, match="can't be resolved"):
        serve.bind("nowhere.invalid", 0)
    with serve.bind("127.0.0.1", 0) as taken, pytest.raises(ConfigFault, match="address already in use"):
        serve.bind("127.0.0.1", taken.getsockname()[1])


def test_ready_file_is_whole(tmp_path):
    """The sign of being ready replaces an old one in one step, and leaves nothing beside it."""
    path = tmp_path / "ready"
    path.write_text("old")
    serve.write_ready(path, "http://127.0.0.1:1")
    assert json.loads(path.read_text()) == {"url": "http://127.0.0.1:1", "pid": os.getpid()}
    assert list(tmp_path.iterdir()) == [path]
