"""A streamed answer is scanned beside its way home: the same is counted, and nothing is held or changed for it."""

import pytest

from poundlock.core.errors import UpstreamFault
from poundlock.core.matches import Match
from poundlock.core.stream import Homeward, StreamScanner
from poundlock.wire import registry, scanning
from poundlock.wire.scanning import Scanned
from tests.wire.home import ISSUED, MAIL, carried, cut, everywhere, read, sse

MESSAGES = registry.resolve("POST", "/v1/messages", {})
WORD = "harbour"


def detect(text):
    """Find each place of a word."""
    found, at = [], text.find(WORD)
    while at >= 0:
        place = {"start": at, "end": at + len(WORD), "confidence": 1.0, "value": WORD}
        found.append(Match(rule_id="word", family="secret", kind="secret.word", tier="internal", **place))
        at = text.find(WORD, at + 1)
    return tuple(found)


def answer(*texts):
    """Write an answer of one text block."""
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts
    ]
    return sse(start, *deltas, {"type": "content_block_stop", "index": 0}, {"type": "message_stop"}, named=True)


def stream(issued):
    """Give a codec, its scanner and its way home."""
    wire, route = MESSAGES
    scanner = StreamScanner(detect)
    home = Homeward(issued, everywhere, scanner)
    return wire.stream(route, "text/event-stream", home), scanner, home


@pytest.mark.parametrize("issued", [{}, ISSUED], ids=["nothing issued", "issued"])
@pytest.mark.parametrize("size", [1, 7, 300, 100_000])
def test_a_word_is_counted_wherever_it_was_cut(issued, size):
    """In two events, and in an answer that is read in several pieces; what goes home is the answer."""
    data = answer("the har", "bour opens, ", *["at nine. "] * 900, f"a {WORD}")
    codec, scanner, home = stream(issued)
    assert carried(codec, cut(data, list(range(0, len(data), size)))) == data
    home.close()
    assert scanner.counts == {"word": 2}


def test_nothing_waits_for_the_scanner():
    """Each event goes on with the bytes that complete it, and none that is not whole."""
    data = answer("one ", "two ")
    codec, _, _ = stream({})
    events = [each + b"\n\n" for each in data.split(b"\n\n")[:-1]]
    for event in events:
        assert codec.feed(event[:-1]) == b""
        assert codec.feed(event[-1:]) == event
    assert codec.finish() == b""


def test_an_answer_that_was_given_up_is_counted():
    """A client that goes away ends the way home without the codec's end: its record counts what came until then."""
    codec, scanner, home = stream(ISSUED)
    codec.feed(answer(f"a {WORD}", " and"))
    assert scanner.counts == {}
    home.close()
    assert scanner.counts == {"word": 1}
    home.close()
    assert scanner.counts == {"word": 1}


def test_what_is_restored_is_not_what_is_scanned():
    """The scanner sees the answer as it came; the client gets the value."""
    codec, scanner, home = stream(ISSUED)
    out = carried(codec, [answer(f"{WORD} {MAIL.text[:9]}", MAIL.text[9:])])
    home.close()
    texts = [event["delta"]["text"] for event in read(out) if event["type"] == "content_block_delta"]
    assert "".join(texts) == f"{WORD} {MAIL.value}"
    assert scanner.counts == {"word": 1}


class Choking:
    """A reader that can't read on."""

    def __init__(self):
        self.fed = 0

    def feed(self, _chunk):
        """Fail."""
        self.fed += 1
        raise UpstreamFault("The provider sent an event that is too long.")


def test_a_reader_that_fails_ends_the_answer_once(monkeypatch):
    """An event without end is no reason to keep all of it: the fault is told, and nothing is read after it."""
    monkeypatch.setattr(scanning, "PIECE", 4)
    wire, route = MESSAGES
    home, reader = Homeward({}, everywhere), Choking()
    codec = Scanned(wire.stream(route, "text/event-stream", home), reader, home)
    with pytest.raises(UpstreamFault):
        codec.feed(b"data: {}\n\n")
    assert codec.feed(b"data: {}\n\n") == b"data: {}\n\n"
    home.close()
    assert reader.fed == 1
