"""Each promise of the Ollama codec has a mutant: the code is broken on purpose, and its test must fail."""

from __future__ import annotations

import re

import pytest

from poundlock.core.stream import Homeward
from poundlock.wire.ollama import answer, request
from tests.wire.ollama import test_answer as answers
from tests.wire.ollama import test_request as requests
from tests.wire.test_mutants import survives


def test_mutant_done_that_does_not_wait(monkeypatch):
    """What is held would come after the end."""
    test = answers.test_trap_done_waits_for_what_is_held
    assert survives(test, answers.chat)
    original = answer._Answer._text
    monkeypatch.setattr(
        answer._Answer, "_text", lambda self, holder, name, *, ended: original(self, holder, name, ended=False)
    )
    assert not survives(test, answers.chat)
    assert not survives(test, answers.generated)


def test_mutant_every_function_is_a_file_tool(monkeypatch):
    """Values would go to remote tools."""
    test = answers.test_trap_arguments_are_trees_and_sinks_are_told_by_the_name
    assert survives(test)
    original = Homeward.restore_arguments
    monkeypatch.setattr(Homeward, "restore_arguments", lambda self, _tool, tree: original(self, "write_file", tree))
    assert not survives(test)


def test_mutant_thinking_restored(monkeypatch):
    """It must stay the same bytes."""
    line = answers.chat("", thinking=f"of {answers.MAIL.text} Q")
    test = answers.test_trap_thinking_and_context_pass_as_the_same_bytes
    assert survives(test, line)
    original = answer._Answer.take

    def careless(self, tree, *, whole=False):
        message = tree.get("message", {})
        if "thinking" in message:
            message["thinking"] = self._homeward.restore_text(message["thinking"])
            original(self, tree, whole=whole)
            return True
        return original(self, tree, whole=whole)

    monkeypatch.setattr(answer._Answer, "take", careless)
    assert not survives(test, line)


@pytest.mark.parametrize("pattern", [rb"Q[Z]", rb'[qQ][zZ"]', rb"Q[zZ\\]"])
def test_mutant_unread_lines_that_begin_a_surrogate(monkeypatch, pattern):
    """The quick way must not pass a line that ends with a Q, or holds one in lower case or escaped."""
    tests = [
        lambda: answers.test_text_is_restored_however_it_is_cut(answers.chat, "\n"),
        answers.test_an_escaped_or_lower_case_surrogate_is_read,
    ]
    assert all(map(survives, tests))
    monkeypatch.setattr(answer, "_SUSPECTS", re.compile(pattern))
    assert not all(map(survives, tests))


def test_mutant_a_torn_line_before_the_error(monkeypatch):
    """It would take the error in."""
    test = answers.test_trap_after_a_broken_stream_the_error_is_a_line
    assert survives(test, 28)
    monkeypatch.setattr(answer.LineAnswer, "broken", lambda self, error: self.finish() + error)
    assert not survives(test, 28)


def test_mutant_every_image_is_opaque(monkeypatch):
    """A credential would be smuggled as a picture."""
    case = {"messages": [{"role": "user", "content": "x", "images": ["smuggled"]}]}
    test = requests.test_nothing_is_smuggled_in_what_looks_structural
    assert survives(test, "chat", case)
    monkeypatch.setattr(request, "_PICTURES", ("",))
    assert not survives(test, "chat", case)
