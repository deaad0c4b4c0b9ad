"""Advice beside the answer: once for each kind and person a day."""

import msgspec

from poundlock.core import pipeline
from poundlock.core.model import Context, Document, Principal, Segment
from poundlock.gateway.advice import Advice, told
from tests.core.test_pipeline import DESTINATION, KEY, snapshot


def verdict(text: str, human: str = "ada") -> pipeline.Verdict:
    """Give the verdict on a typed text."""
    document = Document(provider="test", operation="chat", segments=(Segment(text=text),), conversation="c1")
    context = Context(principal=Principal(human=human, tool="t", tool_claimed=False), destination=DESTINATION)
    return pipeline.inspect(document, context, snapshot(), KEY, 1_000, id="id1")


def test_once_for_each_kind_and_person_a_day():
    """The second time nothing is said; another kind, person or day is told."""
    advice = Advice()
    first = advice.of(verdict("TOKEN-abcdef"), "2026-11-21")
    assert first.startswith("secret.aws.access-key: Keep it in an environment variable")
    assert first.isascii()
    assert advice.of(verdict("TOKEN-ghijkl"), "2026-11-21") == ""
    assert advice.of(verdict("MAIL-abcdef"), "2026-11-21").startswith("pii.email: ")
    assert advice.of(verdict("TOKEN-abcdef", "joan"), "2026-11-21")
    assert advice.of(verdict("TOKEN-abcdef"), "2026-11-22")


def test_nothing_to_say():
    """Clean text gets no advice."""
    assert Advice().of(verdict("Hello."), "2026-11-21") == ""


def test_orders_that_were_read_are_told():
    """The person hears, in a header, why something that was read gives orders. Mutant: the header left out."""
    read = msgspec.structs.replace(verdict("plain text"), orders=("it presses", "it is encoded"))
    assert ("x-poundlock-orders", "it presses; it is encoded") in told(read, "")
    assert not [name for name, _ in told(verdict("plain text"), "") if name == "x-poundlock-orders"]
