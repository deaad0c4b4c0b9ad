"""Promise 7: linear time and bounded memory. Each attack is large, endless, deep, slow, or gone."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway import canary
from tests.gateway.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.gateway.running import PLAIN, SURROGATE, Gate, until

if TYPE_CHECKING:
    from tests.promises.conftest import Broken

MEGABYTE = 1 << 20
ENDLESS: dict[str, Any] = {
    "rules": [{"anywhere": "without end", "blocks": [{"text": "x"}], "endless": {"how": "no_newline"}}],
    **PLAIN,
}
EVENTS: dict[str, Any] = {
    "rules": [
        {"anywhere": "without end", "blocks": [{"text": "y" * 900}], "endless": {"how": "events", "pause": 0.0}},
        {"anywhere": "slowly", "blocks": [{"text": "y" * 9}], "endless": {"how": "events", "pause": 0.05}},
    ],
    **PLAIN,
}


def test_10000_segments(gate: Gate, dialect: Dialect) -> None:
    """Ten thousand messages, every other one with a value of its own: all are disguised, in seconds."""
    # Too many to search every file for; this test looks itself.
    values = [f"anna.berg{number}@northwind-freight.eu" for number in range(5000)]
    said = [item for value in values for item in (f"Write to {value}.", "Done.")][:-1]
    begun = time.monotonic()
    answer = gate.ask(dialect, dialect.body(*said))
    took = time.monotonic() - begun
    assert answer.status == 200, answer.body
    assert took < 20
    sent = gate.newest()["messages"]
    assert len(sent) == 9999
    assert all(SURROGATE.search(message["content"]) for message in sent[::2])
    assert b"northwind" not in gate.mock.requests()[-1].body
    assert gate.record(answer.id)["sizes"]["segments"] >= 9999


def test_value_in_many_places(gate: Gate) -> None:
    """Cost is linear in the text: twice as many places cost about twice as much."""
    address = canary.email()
    spent = []
    for places in (4000, 16000):
        before = gate.cpu()
        answer = gate.ask(OPENAI, OPENAI.body(" ".join(f"{number}: {address}," for number in range(places))))
        assert answer.status == 200, answer.body
        spent.append(gate.cpu() - before)
    assert spent[1] < 4 * 2.5 * max(spent[0], 0.05), spent


DEPTHS = {
    "lists": ("[" * 100_000, "]" * 100_000),
    "objects": ('{"a":' * 100_000 + "1", "}" * 100_000),
    "never closed": ("[" * 100_000, ""),
}


@pytest.mark.parametrize("depth", DEPTHS)
def test_100000_levels(gate: Gate, dialect: Dialect, depth: str) -> None:
    """A hundred thousand levels of nesting are refused at once, anywhere in the body; the worker lives on."""
    workers = gate.workers()
    before = len(gate.mock.requests())
    nested = "".join(DEPTHS[depth])
    good = json.dumps(dialect.body("Hello."))
    for data in (good[:-1] + f', "x": {nested}}}', good.replace('"Hello."', nested), nested):
        begun = time.monotonic()
        answer = gate.ask(dialect, data.encode())
        assert answer.status == 400, data[:40]
        assert dialect.message(answer.body).startswith("Poundlock: ")
        assert time.monotonic() - begun < 3
    # JSON in a string is as deep as it likes: to us it is text.
    answer = gate.ask(dialect, dialect.body(f"{nested} {canary.access_key()}"))
    assert answer.status == 200
    assert SURROGATE.search(dialect.last(gate.newest()))
    assert gate.workers() == workers
    assert len(gate.mock.requests()) == before + 1


HOSTILE = {
    "quotes": '"' * 400_000,
    "backslashes": "\\" * 400_000,
    "dots": "a." * 200_000,
    "at signs": "a@" * 200_000,
    "base64": "QUtJ" * 100_000,
    "hex": "41" * 200_000,
    "percent": "%41" * 130_000,
    "begun surrogates": "QZ_" * 130_000,
    "surrogates never issued": "QZ_A_" * 80_000,
    "fences": "-----BEGIN " * 40_000,
    "assignments": "password=" * 44_000,
    "key prefixes": "AK" + "IA" * 200_000,
    "digits": "4" * 400_000,
    "spaces": "password =" + " " * 400_000,
    "urls": "https://a:" * 40_000,
    "braces": "{" * 400_000,
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_costs_no_more(gate: Gate, hostile: str) -> None:
    """400 kB of what a pattern may choke on take no more than some seconds of work."""
    before = gate.cpu()
    answer = gate.ask(ANTHROPIC, ANTHROPIC.body(HOSTILE[hostile]))
    assert answer.status in {200, 400}
    assert gate.cpu() - before < 4


def endless(gate: Gate) -> None:
    """Ask for an answer whose line never ends, and read all that comes."""
    gate.mock.play(ENDLESS)
    gate.ask(ANTHROPIC, ANTHROPIC.body("Hello."))
    before = gate.memory()
    worst = 0
    # Something is issued, so that the answer must be read event by event.
    with gate.open(ANTHROPIC, ANTHROPIC.body(f"{canary.access_key()} without end", stream=True)) as client:
        got = bytearray()
        end = time.monotonic() + 20
        while b"event: error" not in got[-4000:]:
            assert time.monotonic() < end, "the answer goes on without end"
            assert worst < 160 * MEGABYTE, "memory grows without end"
            client.settimeout(0.1)
            try:
                data = client.recv(1 << 20)
                assert data, "the answer broke off without a word"
                got += data
            except TimeoutError:
                pass
            worst = max(worst, gate.memory() - before)
    assert b"longer than" in got[-4000:]
    until(lambda: gate.mock.requests()[-1].answer.get("end") == "client gone")


def test_endless_line(gate: Gate) -> None:
    """An answer with no line end is ended with an error once an event is too long; memory stays bounded."""
    endless(gate)


def test_endless_line_mutant(broken: Broken) -> None:
    """A gateway that keeps an event however long it is, is caught."""
    with broken("keeps_any_event") as gate:
        endless(gate)


def leaves(gate: Gate, dialect: Dialect) -> None:
    """Go away in the middle of an answer: the call upstream must end."""
    gate.mock.play(EVENTS)
    with gate.open(dialect, dialect.body(f"{canary.access_key()} slowly", stream=True)) as client:
        got = b""
        while b"yyy" not in got:
            got += client.recv(65536)
        assert gate.mock.requests()[-1].answer == {}
    until(lambda: gate.mock.requests()[-1].answer.get("end") == "client gone", 5)
    decision = got.partition(b"x-poundlock-decision: ")[2].partition(b"\r\n")[0].decode()
    assert gate.record(decision, "closing")["ended"] == "client gone"


def test_client_that_leaves(gate: Gate, dialect: Dialect) -> None:
    """When the client goes away in mid-stream, the call upstream ends, and the closing record says so."""
    leaves(gate, dialect)


def test_client_that_leaves_mutant(broken: Broken) -> None:
    """A gateway that doesn't notice is caught."""
    with broken("stays_with_the_call") as gate:
        leaves(gate, ANTHROPIC)


def stops_reading(gate: Gate) -> None:
    """Stop reading endless answers: memory must stay, others be served, and the provider be held up."""
    gate.mock.play(EVENTS)
    gate.ask(ANTHROPIC, ANTHROPIC.body("Hello."))
    before = gate.memory()
    readers = [
        gate.open(ANTHROPIC, ANTHROPIC.body(f"{canary.access_key()} without end", stream=True), receive=65536)
        for _ in range(3)
    ]
    try:
        for reader in readers:
            assert reader.recv(20)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            begun = time.monotonic()
            for dialect in DIALECTS:
                assert gate.ask(dialect, dialect.body("Hello.")).status == 200
            assert time.monotonic() - begun < 3
            assert gate.memory() - before < 48 * MEGABYTE, "memory grows without end"
            time.sleep(0.1)
    finally:
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            reader.close()
    until(lambda: sum(seen.answer.get("end") == "client gone" for seen in gate.mock.requests()[-200:]) >= 3)


def test_reader_that_stops(gate: Gate) -> None:
    """A reader that stops reading holds up its own stream only, in bounded memory."""
    stops_reading(gate)


def test_reader_that_stops_mutant(broken: Broken) -> None:
    """A gateway that keeps for a reader what it doesn't take is caught."""
    with broken("waits_for_no_reader") as gate:
        stops_reading(gate)


def test_50_megabytes(gate: Gate) -> None:
    """A body of 50 MB passes with the key at its end disguised; others are served meanwhile; memory stays bounded."""
    key = canary.access_key()
    line = "The lock keeper opens the upper gate when the chamber is full, and not before. "
    text = line * (50 * MEGABYTE // len(line)) + f"AWS_ACCESS_KEY_ID={key}"
    got: list[Any] = []
    begun = time.monotonic()
    thread = threading.Thread(target=lambda: got.append(gate.ask(ANTHROPIC, ANTHROPIC.body(text))))
    thread.start()
    slowest = 0.0
    while thread.is_alive():
        before = time.monotonic()
        assert gate.ask(OPENAI, OPENAI.body("Hello.")).status == 200
        slowest = max(slowest, time.monotonic() - before)
        time.sleep(0.05)
    thread.join()
    assert time.monotonic() - begun < 40
    assert slowest < 10
    assert got[0].status == 200, got[0].body
    large = max(gate.mock.requests(), key=lambda seen: len(seen.body))
    assert len(large.body) > 50 * 1000 * 1000
    assert SURROGATE.search(ANTHROPIC.last(large.json())[-60:])
    assert not canary.found(large.body[-200:], [key])
    until(lambda: gate.memory() < 900 * MEGABYTE)
