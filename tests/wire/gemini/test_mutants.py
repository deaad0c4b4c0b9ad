"""Each promise of the Gemini codec has a mutant: the code is broken on purpose, and its test must fail."""

from __future__ import annotations

import re

import pytest

from poundlock.core.stream import Homeward
from poundlock.wire import arrays, framing, registry
from poundlock.wire.gemini import Gemini, answer, request
from tests.wire import test_arrays
from tests.wire.gemini import test_answer as answers
from tests.wire.gemini import test_request as requests
from tests.wire.home import ISSUED
from tests.wire.test_mutants import survives


def test_mutant_a_finish_reason_that_does_not_wait(monkeypatch):
    """What is held would come after it, or never."""
    test = answers.test_trap_a_finish_reason_waits_for_what_is_held
    assert survives(test)
    monkeypatch.setattr(answer._Answer, "_end", lambda *_arguments: False)
    assert not survives(test)


def test_mutant_one_channel_for_all_candidates(monkeypatch):
    """One candidate's remainder would go into another's text."""
    original = answer._Answer.channel
    monkeypatch.setattr(answer._Answer, "channel", lambda self, _index: original(self, 0))
    assert not survives(answers.test_several_candidates_hold_back_each_for_itself)


def test_mutant_thoughts_restored(monkeypatch):
    """A codec that takes a thought for text changes what must stay the same."""
    test = answers.test_trap_thoughts_and_signatures_pass_as_the_same_bytes
    assert survives(test)
    original = answer._Answer._part

    def careless(self, part, index, given):
        if isinstance(part, dict):
            part.pop("thought", None)
        return original(self, part, index, given)

    monkeypatch.setattr(answer._Answer, "_part", careless)
    assert not survives(test)


def test_mutant_empty_responses_are_left_in(monkeypatch):
    """Gemini CLI would take one for a fault."""
    test = answers.test_trap_no_response_is_left_with_an_empty_text
    assert survives(test)
    monkeypatch.setattr(answer, "_is_empty", lambda _tree: False)
    assert not survives(test)


def test_mutant_every_function_is_a_file_tool(monkeypatch):
    """Values would go to remote tools."""
    test = answers.test_trap_arguments_are_trees_and_sinks_are_told_by_the_name
    assert survives(test)
    original = Homeward.restore_arguments
    monkeypatch.setattr(Homeward, "restore_arguments", lambda self, _tool, tree: original(self, "write_file", tree))
    assert not survives(test)


def test_mutant_an_array_that_ends_before_what_is_held(monkeypatch):
    """The remainder would be lost, or break the array."""
    test = answers.test_a_stream_without_a_finish_reason_loses_nothing
    assert survives(test)
    monkeypatch.setattr(answer.ArrayAnswer, "_held", lambda _self: b"")
    assert not survives(test)


def test_mutant_a_missing_comma(monkeypatch):
    """Items of our own would make the array unreadable."""
    monkeypatch.setattr(answer.ArrayAnswer, "_separated", lambda _self, item: item)
    assert not survives(answers.test_a_stream_without_a_finish_reason_loses_nothing)
    assert not survives(answers.test_trap_a_broken_array_is_still_an_array, 392)


@pytest.mark.parametrize("pattern", [rb"[{}]", rb'[{"]'])
def test_mutant_braces_in_strings_are_counted(monkeypatch, pattern):
    """Items would end within a text."""
    test = test_arrays.test_items_are_the_same_whole_and_byte_by_byte
    assert survives(test)
    monkeypatch.setattr(arrays, "_OUTSIDE", re.compile(pattern))
    assert not survives(test)


def test_mutant_an_error_as_an_event(monkeypatch):
    """Google's SDKs would not see that the stream broke."""
    test = answers.test_trap_an_error_after_a_broken_stream_is_no_event
    assert survives(test)
    monkeypatch.setattr(Gemini, "broken", lambda _self, _message: framing.event(b'{"error":{}}'))
    assert not survives(test)


def test_mutant_a_persons_signature_is_opaque(monkeypatch):
    """Text would be smuggled in a user's own part."""
    case = {"role": "user", "parts": [{"text": "x", "thoughtSignature": "smuggled"}]}
    test = requests.test_nothing_is_smuggled_in_what_looks_structural
    assert survives(test, case)
    original = request._Reader._signature
    monkeypatch.setattr(
        request._Reader,
        "_signature",
        lambda self, part, path, voice: original(self, part, path, voice._replace(role="assistant")),
    )
    assert not survives(test, case)


def test_mutant_one_spelling_only(monkeypatch):
    """snake_case would be read as something unknown."""
    assert survives(requests.test_every_text_is_in_its_role, requests.snaked(requests.CONVERSATION))
    monkeypatch.setattr(request, "_snake", lambda name: name)
    assert not survives(requests.test_every_text_is_in_its_role, requests.snaked(requests.CONVERSATION))


def test_mutant_the_paths_model_is_not_told(monkeypatch):
    """Policy would not know which model an exchange goes to."""
    case = ("POST", f"{requests.BASE}:generateContent", "generateContent", "inspect", "gemini-3-pro")
    assert survives(requests.test_routes, *case)

    def route(wire, method, path):
        return next((r for r in wire.routes if r.method in {method, "*"} and re.fullmatch(r.path, path)), None)

    monkeypatch.setattr(registry, "_route", route)
    monkeypatch.setattr(registry, "_routes", registry._routes.__wrapped__)  # and what was told before is forgotten
    assert not survives(requests.test_routes, *case)


def test_mutant_nothing_is_permitted(monkeypatch):
    """A value comes home because policy permits it, and for no other reason."""
    monkeypatch.setattr(answers, "homeward", lambda: Homeward(ISSUED, lambda _surrogate, _sink: False))
    assert not survives(answers.test_text_is_restored_however_it_is_cut, "\n")
