"""Rule files and the cache of the compiled set."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from poundlock.adapters import rulefiles
from poundlock.core.detect.compilation import compile_rules
from poundlock.core.detect.templates import example
from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from pathlib import Path

RULE = """
[[rule]]
id = "secret.corp.token"
pattern = "corp_[a-z0-9]{20}"
source = "https://corp.test/docs"
examples = ["a «corp_{a-z0-9:20}»", "b=«corp_{a-z0-9:20}»"]
counter_examples = ["corp_{a-z0-9:4}", "corp"]
"""


def test_the_shipped_rules_load() -> None:
    """Hundreds of rules, in id order, each id once."""
    ids = [rule.id for rule in rulefiles.load_rules()]
    assert len(ids) > 400
    assert ids == sorted(set(ids))


def test_a_users_rule_joins_the_shipped_ones(tmp_path: Path) -> None:
    """A file and a folder of files are both read, and the rule finds."""
    (tmp_path / "corp.toml").write_text(RULE)
    detector = rulefiles.load_detector([tmp_path], cache=tmp_path / "cache")
    (match,) = detector.detect("x corp_" + "a1b2d" * 4)
    assert (match.kind, match.start, match.end) == ("secret.corp.token", 2, 27)


def test_a_compiled_set_is_kept_and_read_again(tmp_path: Path) -> None:
    """The second load gives an equal set from one file, which only its owner can read."""
    first = rulefiles.load_compiled(cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    before = kept.stat().st_mtime_ns
    assert rulefiles.load_compiled(cache=tmp_path) == first
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == [before]


def test_a_changed_rule_is_compiled_anew(tmp_path: Path) -> None:
    """A set is never read for rules that it was not made of."""
    file, cache = tmp_path / "corp.toml", tmp_path / "cache"
    file.write_text(RULE)
    first = rulefiles.load_compiled([file], cache=cache)
    file.write_text(RULE.replace("corp_[a-z0-9]{20}", "corp_[a-z0-9]{19,20}"))
    second = rulefiles.load_compiled([file], cache=cache)
    assert first.digest != second.digest
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_cache_is_done_without(tmp_path: Path) -> None:
    """What can't be read is compiled again, and put right."""
    first = rulefiles.load_compiled(cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"\x93nonsense")
    assert rulefiles.load_compiled(cache=tmp_path) == first
    assert kept.stat().st_size > 1000


def test_a_set_with_a_wrong_or_missing_byte_is_done_without(tmp_path: Path) -> None:
    """A kept set is read only if its size, checksum and tables are, byte by byte, what was written."""
    file, place = tmp_path / "corp.toml", tmp_path / "set"
    file.write_text(RULE)
    corp = [rule for rule in rulefiles.load_rules([file]) if rule.id == "secret.corp.token"]
    compiled = compile_rules(corp)
    data = rulefiles.pack(compiled)
    tables = len(data) - len(compiled.database)
    place.write_bytes(data)
    assert rulefiles.unpack(str(place)) == compiled
    for at in range(tables):
        place.write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
        assert rulefiles.unpack(str(place)) is None, at
        place.write_bytes(data[:at])
        assert rulefiles.unpack(str(place)) is None, at


def test_a_detector_of_one_family_finds_what_the_whole_one_finds_of_it() -> None:
    """Leaving out the rules of other families changes nothing of what is found of the family asked for."""
    secret = frozenset(("secret",))
    whole, narrowed = rulefiles.load_detector(), rulefiles.load_detector(families=secret)
    rules = rulefiles.load_rules()
    text = "\n".join(example(rule.examples[0], "seed")[0] for rule in rules if rule.examples)
    found = whole.detect(text, families=secret)
    assert len(found) > 500
    assert narrowed.detect(text, families=secret) == found
    assert narrowed.detect(text) == found
    assert {rule.family for rule in narrowed.rules} == secret
    people = frozenset(("pii",))
    assert rulefiles.load_detector(families=people).rules == whole.rules


def test_a_folder_that_can_not_be_written_is_done_without(tmp_path: Path) -> None:
    """Where there is no cache, the set is compiled and used."""
    (tmp_path / "file").write_text("")
    assert rulefiles.load_compiled(cache=tmp_path / "file" / "cache").rules


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[[rule]", "rule file bad.toml is not valid TOML"),
        ("x = 1", r"rule file bad.toml: must hold \[\[rule\]\] tables"),
        (RULE.replace("corp_[a-z0-9]{20}", "(a)\\\\1"), r"rule secret\.corp\.token: its pattern can't be used"),
        (RULE.replace("secret.corp.token", "secret.jwt"), r"rule secret\.jwt: stands twice"),
    ],
)
def test_a_bad_file_is_a_config_fault(tmp_path: Path, content: str, problem: str) -> None:
    """The fault names the file or the rule, and says what is wrong."""
    file = tmp_path / "bad.toml"
    file.write_text(content)
    with pytest.raises(ConfigFault, match=problem):
        rulefiles.load_detector([file], cache=tmp_path / "cache")


def test_a_missing_file_is_a_config_fault(tmp_path: Path) -> None:
    """A named file that is not there is said by its name alone."""
    with pytest.raises(ConfigFault, match=r"the file none\.toml can't be read"):
        rulefiles.load_rules([tmp_path / "none.toml"])


def test_a_users_rule_must_pass_the_lint(tmp_path: Path) -> None:
    """A rule whose example it does not match is refused when it is loaded."""
    file = tmp_path / "corp.toml"
    file.write_text(RULE.replace("«corp_{a-z0-9:20}»", "«corp-{a-z0-9:20}»"))
    with pytest.raises(ConfigFault, match=r"rule secret\.corp\.token: example 1 is not matched"):
        rulefiles.load_detector([file], cache=tmp_path / "cache")
