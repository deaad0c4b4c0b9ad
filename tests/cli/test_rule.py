"""`rule`: a first file, its proof, why it finds or doesn't, and rules taken over from gitleaks."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest

from poundlock.cli import patterns
from poundlock.cli.main import main
from poundlock.core.detect import templates

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "POUNDLOCK_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def rules(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """Write the file that `rule new` prints."""
    assert main(["rule", "new", "secret.acme.badge", "--pattern", "acme_[a-z0-9]{24}(?:[a-z]{2})?"]) == 0
    path = tmp_path / "acme.toml"
    path.write_text(capfd.readouterr().out)
    return str(path)


def test_a_new_rule_proves_itself(rules: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What `new` prints passes `test`, as it stands."""
    assert main(["rule", "test", rules]) == 0
    assert capfd.readouterr().out.splitlines() == [
        "secret.acme.badge: 2 examples found, 2 counter-examples left alone",
        "1 rule, 0 problems",
    ]


def test_a_rule_that_does_not_hold_is_told(rules: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An example that is not found, with its number; exit 1."""
    text = (tmp_path / "acme.toml").read_text().replace('"«acme_', '"«other_', 1)
    (tmp_path / "acme.toml").write_text(text)
    assert main(["rule", "test", rules]) == 1
    assert "rule secret.acme.badge: example 1 is not matched with exactly its value" in capfd.readouterr().out


@pytest.mark.parametrize(("name", "pattern"), [("acme", "x{9}"), ("secret.a.b", "(")])
def test_what_can_be_no_rule(name: str, pattern: str) -> None:
    """A bad id or pattern is a fault at once."""
    assert main(["rule", "new", name, "--pattern", pattern]) == 2


VALUE = "acme_" + templates.expand("{a-z0-9:24}", "v")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"one\nx {VALUE} y", "found at line 2, characters 6 to 35, 90 %"),
        (
            "x acme_abcd1234efgh5678ijkl9012 y",
            "not found: line 1, characters 2 to 31: the value is evidently a placeholder",
        ),
        (f"zz{VALUE}", "not found: at line 1 the pattern fits, but within a longer word"),
        ("nothing", "not found: the pattern fits nowhere"),
    ],
)
def test_why_a_text_is_found_or_not(
    text: str, said: str, rules: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thing that stands in the way is named; never a value."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["rule", "explain", "secret.acme.badge", "-", "--rules", rules]) == int(said.startswith("not"))
    out = capfd.readouterr().out
    assert out.splitlines()[-1] == said
    assert VALUE not in out


def test_what_a_rule_looks_for(capfd: pytest.CaptureFixture[str]) -> None:
    """A shipped rule's facts without a text; a misspelt id has its neighbours."""
    assert main(["rule", "explain", "secret.aws.access-key"]) == 0
    out = capfd.readouterr().out
    assert out.startswith("rule        secret.aws.access-key\n")
    assert re.search(r"^source      https?://", out, re.MULTILINE)
    assert main(["rule", "explain", "secret.aws.acess-key"]) == 2
    assert "secret.aws.access-key" in capfd.readouterr().err


GITLEAKS = r"""
[[rules]]
id = "Acme Badge"
description = "A badge"
regex = '''(?i)acme[\w.-]{0,20}[\s'"]{0,3}(?:=|:)\s{0,5}['"]?([a-z0-9]{32})(?:['"\s;]|$)'''
entropy = 3
[[rules]]
id = "second"
regex = '''(one|two)-([A-F0-9]{20})'''
secretGroup = 2
[[rules]]
id = "wide"
regex = '''.*secret.*'''
[[rules]]
id = "paths"
path = "x"
"""


def test_rules_of_gitleaks_are_taken_over_proven_or_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What is printed passes the lint and finds; the rest is named with its reason."""
    (tmp_path / "g.toml").write_text(GITLEAKS)
    assert main(["rule", "import", str(tmp_path / "g.toml")]) == 1
    out, err = capfd.readouterr()
    assert "wide is not taken over: begins with a repeat of anything" in err
    assert "paths is not taken over: it has no id or no regex" in err
    assert err.endswith("2 rules taken over, 2 not.\n")
    taken = tmp_path / "taken.toml"
    taken.write_text(out)
    assert main(["rule", "test", str(taken)]) == 0
    text = tmp_path / "text"
    text.write_text("two-" + templates.expand("{A-F0-9:20}", "g"))
    capfd.readouterr()
    assert main(["scan", "--rules", str(taken), str(text)]) == 1
    assert f"{text}:1:5: secret.gitleaks.second" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("pattern", "group", "wanted"),
    [
        ("(?i)ab", 0, ("(?P<value>ab)", True)),
        ("a(?i)b(c(?i)d)e", 0, ("a(?i:b(?P<value>c(?i:d))e)", False)),
        (r"[[:alnum:]]{3}\z", 0, (r"(?P<value>[0-9A-Za-z]{3}\Z)", False)),
        (r"[(]\((?:x)(y)(?P<n>z)", 2, (r"[(]\((?:x)(y)(?P<value>z)", False)),
        (r"\x{41}[]a(](b)", 0, (r"A[]a(](?P<value>b)", False)),
    ],
)
def test_the_dialect_of_go(pattern: str, group: int, wanted: tuple[str, bool]) -> None:
    """Flags in the middle, classes by name, escapes by number, which group is meant."""
    assert patterns.translated(pattern, group) == wanted


@pytest.mark.parametrize(("pattern", "group"), [("(", 0), ("a(b)", 2), (r"\pL+", 0)])
def test_what_python_does_not_read(pattern: str, group: int) -> None:
    """Is told, not guessed."""
    with pytest.raises(patterns.Untranslatable):
        patterns.translated(pattern, group)


@pytest.mark.parametrize(
    "pattern",
    [
        r"ab[0-9]{4}-(?P<value>[a-f]{8,})",
        r"(?P<value>x(?:one|two)[^a-z\s]{3}\d{2,5}\w?)$",
        r"\bkey[=:]\s?[\"'](?P<value>[-_A-Za-z0-9]{10})[\"']",
    ],
)
def test_examples_match_their_pattern(pattern: str) -> None:
    """Each expansion is matched, with exactly the marked value."""
    for seed in "abc":
        text, (value,) = templates.example(patterns.example(pattern), seed)
        found = re.search(pattern, text, re.ASCII)
        assert found is not None
        assert found["value"] == value
