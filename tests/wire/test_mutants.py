"""Each promise of the codecs has a mutant: the code is broken on purpose, and its test must fail."""

from __future__ import annotations

import re

import msgspec
import pytest

from poundlock.core.errors import ClientFault
from poundlock.wire import body, events, framing
from poundlock.wire.anthropic import answer as messages
from poundlock.wire.anthropic import request as messages_request
from poundlock.wire.openai_chat import answer as chat
from poundlock.wire.openai_responses import answer as responses
from poundlock.wire.openai_responses import items as responses_items
from poundlock.wire.openai_responses import request as responses_request
from tests.wire import test_body, test_framing
from tests.wire.anthropic import test_answer as messages_tests
from tests.wire.anthropic import test_request as request_tests
from tests.wire.home import HARD
from tests.wire.openai_chat import test_answer as chat_tests
from tests.wire.openai_responses import test_answer as responses_tests
from tests.wire.openai_responses import test_request as responses_request_tests


def survives(test, *arguments):
    """Run a test; tell whether it passes."""
    try:
        test(*arguments)
    except (AssertionError, KeyError, IndexError, ValueError, pytest.fail.Exception):
        return False
    return True


def no_flush(self, index=None):
    """Forget what is held."""
    self._texts.clear()
    self._tools.clear()
    self._open()
    return b""


ORIGINAL_FLUSH = messages.AnswerCodec._flush


@pytest.mark.parametrize("case", ["no flush", "flush of all blocks at any stop"])
def test_mutant_flushing_before_a_block_stops(monkeypatch, case):
    """Forgetting to flush, or flushing another block's remainder, is seen."""
    mutants = {"no flush": no_flush, "flush of all blocks at any stop": lambda self, _index=None: ORIGINAL_FLUSH(self)}
    tests = {
        "no flush": messages_tests.test_trap_what_is_held_is_flushed_before_that_block_stops,
        "flush of all blocks at any stop": messages_tests.test_interleaved_blocks_do_not_disturb_each_other,
    }
    assert survives(tests[case])
    monkeypatch.setattr(messages.AnswerCodec, "_flush", mutants[case])
    assert not survives(tests[case])


def test_mutant_flushing_before_finish_reason(monkeypatch):
    """An OpenAI stream whose remainder comes only at the end."""
    test = chat_tests.test_trap_what_is_held_is_flushed_before_finish_reason
    assert survives(test)
    original = chat.AnswerCodec._choice

    def late(self, choice, path):
        original(self, msgspec.structs.replace(choice, finish_reason=None), path)

    monkeypatch.setattr(chat.AnswerCodec, "_choice", late)
    assert not survives(test)


@pytest.mark.parametrize("pattern", [rb"Q[Z]", rb"Q[zZ\\]", rb'Q["\\]'])
def test_mutant_unread_events_that_begin_a_surrogate(monkeypatch, pattern):
    """The quick way must not pass an event that ends with a Q, or holds one in lower case."""
    monkeypatch.setattr(events, "_SUSPECTS", (re.compile(pattern),))
    tests = [
        lambda: messages_tests.test_text_is_restored_however_it_is_cut("\n"),
        messages_tests.test_every_issued_surrogate_is_restored,
    ]
    assert not all(map(survives, tests))


def test_mutant_arguments_cut_within_an_escape(monkeypatch):
    """A run of events that ends within an escape may not be fed at once, or other cuts give other bytes."""
    test = messages_tests.test_arguments_cut_within_escapes_are_the_same_at_every_cut
    assert survives(test)
    monkeypatch.setattr(events, "_ENDS", ())
    assert not survives(test)


def test_mutant_the_quick_way_within_a_tool_call(monkeypatch):
    """Arguments are judged as a whole, so that each of their events must be read."""
    test = messages_tests.test_tool_arguments_are_restored_and_escaped_once
    assert survives(test)
    monkeypatch.setattr(messages.AnswerCodec, "marks", ())
    assert not survives(test)


def test_mutant_thinking_restored(monkeypatch):
    """A codec that takes thinking for text changes what must stay the same."""
    test = messages_tests.test_trap_thinking_passes_as_the_same_bytes
    assert survives(test)
    original = messages.AnswerCodec._delta

    def careless(self, raw, data, index, delta):
        if delta.type == "thinking_delta":
            delta = msgspec.structs.replace(delta, type="text_delta", text=delta.thinking)
        return original(self, raw, data, index, delta)

    monkeypatch.setattr(messages.AnswerCodec, "_delta", careless)
    assert not survives(test)


def test_mutant_a_line_end_torn_by_a_cut(monkeypatch):
    """A splitter that takes a CR at a chunk's end for a whole line end gives other events at other cuts."""
    test = test_framing.test_events_are_the_same_cut_in_two
    assert survives(test, test_framing.STREAMS["CRLF"])
    monkeypatch.setattr(framing, "_certain", len)
    assert not survives(test, test_framing.STREAMS["CRLF"])


def test_mutant_names_are_not_searched(monkeypatch):
    """A secret as a member's name would be smuggled."""
    monkeypatch.setattr(body.Gatherer, "name", lambda *_arguments: None)
    assert not survives(test_body.test_nothing_is_left_when_every_segment_is_replaced)
    assert not survives(request_tests.test_nothing_is_smuggled_in_what_looks_structural, {"type": "x", "smuggled": 1})


def test_mutant_the_first_of_equal_names_is_inspected(monkeypatch):
    """A parser that inspects another member than the one that is sent."""
    original = body.decode

    def first(data):
        tree, notes = original(data)
        return {**tree, "a": "hidden"}, notes

    test = test_body.test_of_equal_keys_the_last_is_inspected_and_sent
    assert survives(test)
    monkeypatch.setattr(body, "decode", first)
    assert not survives(test)


def test_mutant_no_limit_of_nesting(monkeypatch):
    """Without the limit 257 levels are taken."""
    monkeypatch.setattr(body, "NESTING", 10_000)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_body.test_deeper_nesting_is_refused(257, b'{"a":')
    with pytest.raises(ClientFault):
        body.decode(test_body.nested(100_000))


def test_mutant_floats_are_rounded(monkeypatch):
    """A parser with floats of its own changes 1e400 and 1.50."""
    monkeypatch.setattr(body, "_decoder", msgspec.json.Decoder())
    assert not survives(test_body.test_numbers_keep_their_text, "1.50")


def test_mutant_everything_sealed_is_opaque(monkeypatch):
    """An opaque member in a block that has none would carry text past inspection."""
    case = {"type": "text", "text": "x", "signature": "smuggled"}
    assert survives(request_tests.test_nothing_is_smuggled_in_what_looks_structural, case)
    monkeypatch.setattr(messages_request, "_SEALED_MEMBERS", {"text": "signature"})
    assert not survives(request_tests.test_nothing_is_smuggled_in_what_looks_structural, case)


RESPONSES_TEXT = (
    responses_tests.message(f"{HARD.text} FAQ"),
    responses_tests.message(f"{HARD.value} FAQ"),
    "completed",
)


def test_mutant_a_remainder_only_in_the_whole_text(monkeypatch):
    """Clients that only read deltas would lose the end of a text that ends with a Q."""
    test = responses_tests.test_trap_one_text_is_restored_the_same_in_every_event
    assert survives(test, *RESPONSES_TEXT)

    def lost(self, place, _held):
        entry = self._awaiting.pop(place, None)
        if entry is not None:
            entry.waits = False

    monkeypatch.setattr(responses.AnswerCodec, "_settle", lost)
    assert not survives(test, *RESPONSES_TEXT)


@pytest.mark.parametrize("name", ["_whole", "_delta"])
def test_mutant_a_text_restored_in_some_events_only(monkeypatch, name):
    """The deltas and the whole text must say the same."""
    test = responses_tests.test_trap_one_text_is_restored_the_same_in_every_event
    mutants = {"_whole": lambda *_arguments: False, "_delta": lambda _self, raw, *_rest: raw}
    monkeypatch.setattr(responses.AnswerCodec, name, mutants[name])
    assert not survives(test, *RESPONSES_TEXT)


def test_mutant_an_event_that_overtakes(monkeypatch):
    """An event that goes on while one before it waits comes out of its order."""
    test = responses_tests.test_a_waiting_event_holds_up_what_follows_it
    assert survives(test)
    original = responses.AnswerCodec._passed

    def eager(self, entry):
        return original(self, entry) if entry.waits else entry.written()

    monkeypatch.setattr(responses.AnswerCodec, "_passed", eager)
    assert not survives(test)


def test_mutant_the_same_text_counted_in_each_event(monkeypatch):
    """A record would say that five values came home where it was one."""
    test = responses_tests.test_trap_each_surrogate_is_counted_and_scanned_once
    assert survives(test)
    monkeypatch.setattr(responses_items.Answer, "_home", lambda self, _place: self._first)
    assert not survives(test)


def test_mutant_every_namespace_is_local(monkeypatch):
    """A server's tool would get true values."""
    test = responses_tests.test_a_call_s_sink_is_its_tool
    assert survives(test)
    monkeypatch.setattr(responses_items, "_OWN_SPACES", ("",))
    assert not survives(test)


def test_mutant_sealed_members_everywhere(monkeypatch):
    """An encrypted member of a message would carry text past inspection."""
    case = {"type": "function_call", "encrypted_content": responses_request_tests.SEALED}
    test = responses_request_tests.test_nothing_is_smuggled_in_what_looks_sealed
    assert survives(test, case)
    monkeypatch.setitem(responses_request._SEALED, "function_call", "encrypted_content")
    assert not survives(test, case)


def test_mutant_only_the_tools_at_the_top_are_looked_at(monkeypatch):
    """A server that the provider would call, offered among the items."""
    case = {"input": [{"type": "additional_tools", "tools": [{"type": "mcp"}]}]}
    test = responses_request_tests.test_a_server_that_the_provider_would_call_is_told
    assert survives(test, case)
    monkeypatch.setattr(responses_request, "_offered", lambda tree: tree.get("tools", []))
    assert not survives(test, case)
