"""`detect` and `rules`: their contracts on standard input and output."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

from poundlock.cli.main import main
from poundlock.core.detect.templates import expand

if TYPE_CHECKING:
    import pytest

AWS = expand("AKIA{A-Z2-7:16}", "d")


class Piped:
    """Standard input with bytes behind it."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def run(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], data: str, *arguments: str
) -> tuple[int, list[dict[str, object]]]:
    """Run a command on some input; give its exit code and its lines."""
    monkeypatch.setattr(sys, "stdin", Piped(data.encode()))
    code = main(list(arguments))
    return code, [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_findings_of_each_line_in_order(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """One answer a line, in order, with offsets in code points and without values; exit 1 says findings."""
    lines = [{"id": "é", "text": f"ü {AWS}"}, {"id": 2, "text": "nothing"}]
    code, answers = run(monkeypatch, capfdbinary, "\n".join(map(json.dumps, lines)), "detect")
    assert code == 1
    assert answers == [
        {
            "id": "é",
            "findings": [
                {
                    "rule": "secret.aws.access-key",
                    "family": "secret",
                    "kind": "secret.aws.access-key",
                    "start": 2,
                    "end": 22,
                    "confidence": 0.95,
                    "tier": "internal",
                }
            ],
        },
        {"id": 2, "findings": []},
    ]


def test_values_only_when_asked_for(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`--values` adds the value; `--family` narrows; a key in the line is a context."""
    line = json.dumps({"id": 1, "text": AWS})
    _, (answer,) = run(monkeypatch, capfdbinary, line, "detect", "--values")
    assert answer["findings"][0]["value"] == AWS  # type: ignore[index]
    code, (answer,) = run(monkeypatch, capfdbinary, line, "detect", "--family", "pii")
    assert (code, answer["findings"]) == (0, [])
    value = expand("{A-Za-z0-9:12}!7", "d")
    code, (answer,) = run(monkeypatch, capfdbinary, json.dumps({"text": value, "key": "password"}), "detect")
    assert (code, len(answer["findings"])) == (1, 1)  # type: ignore[arg-type]


def test_a_bad_line_is_a_fault_and_says_nothing_of_itself(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The lines around it are answered; exit 2."""
    data = f'{{"id":1,"text":"a"}}\n{AWS}\n{{"id":3,"text":"b"}}\n'
    code, answers = run(monkeypatch, capfdbinary, data, "detect")
    assert code == 2
    assert answers == [
        {"id": 1, "findings": []},
        {"line": 2, "error": 'not a JSON object with a "text"'},
        {"id": 3, "findings": []},
    ]


def test_rules_lists_sources(capfd: pytest.CaptureFixture[str]) -> None:
    """Each rule stands with its source; words narrow."""
    assert main(["rules", "github", "fine-grained"]) == 0
    out = capfd.readouterr().out
    assert out.startswith("secret.github.fine-grained-token  internal    https://github.blog/")
    assert out.endswith("1 rules\ndocs/reference/rules/secret.md\n")
