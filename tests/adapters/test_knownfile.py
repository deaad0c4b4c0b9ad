"""Registered values at rest: hashes under a seal."""

import pytest

from poundlock.adapters.keys import Keys
from poundlock.adapters.knownfile import KnownFile
from poundlock.core.detect.registration import Named
from poundlock.core.errors import ConfigFault

KEYS = Keys(bytes(range(32)))
ONE, TWO = "plum-and-Quince/72", "over the old lock 1815"


def test_values_are_found_and_nothing_of_them_is_on_the_disk(tmp_path):
    """Neither value, nor name, nor source can be read in the file, which only its owner may open."""
    file = KnownFile(tmp_path / "known", KEYS)
    assert file.known() is None
    assert file.add([Named("DB_PASSWORD", ONE), Named("NOTE", TWO)], source="/home/ada/.env", at=1) == (2, 0)
    data = (tmp_path / "known").read_bytes()
    for text in (ONE, TWO, "DB_PASSWORD", "/home/ada", "plum"):
        assert text.encode() not in data
    assert (tmp_path / "known").stat().st_mode & 0o777 == 0o600
    known = file.known()
    assert [hit.value for hit in known.find(f"a {ONE} b {TWO}.")] == [ONE, TWO]


def test_what_is_known_is_not_registered_twice(tmp_path):
    """The second time counts as known; as a canary it becomes one, and stays one."""
    file = KnownFile(tmp_path / "known", KEYS)
    file.add([Named("A", ONE)], source="s", at=1)
    assert file.add([Named("A", ONE), Named("B", TWO)], source="s", at=2) == (1, 1)
    assert file.add([Named("A", ONE)], source="s", at=3, canary=True) == (0, 1)
    assert file.add([Named("A", ONE)], source="s", at=4) == (0, 1)
    assert [(row.name, row.at, row.canary) for row in file.rows()] == [("A", 3, True), ("B", 2, False)]
    assert [hit.canary for hit in file.known().find(f"{ONE} {TWO}")] == [True, False]


def test_forgetting(tmp_path):
    """By what it is called, by the value itself, or by its source's replacement; an empty list leaves no file."""
    file = KnownFile(tmp_path / "known", KEYS)
    file.add([Named("A", ONE), Named("B", TWO)], source="s", at=1)
    assert file.forget_values([TWO, "x"]) == 1
    assert file.add([Named("C", "another Value 99")], source="s", at=2, replace=True) == (1, 0)
    assert [row.name for row in file.rows()] == ["C"]
    assert file.forget(lambda row: row.name == "C") == 1
    assert not (tmp_path / "known").exists()


def test_another_key_or_a_damaged_file_is_a_fault(tmp_path):
    """Hashes of another key would find nothing: better to say so."""
    file = KnownFile(tmp_path / "known", KEYS)
    file.add([Named("A", ONE)], source="s", at=1)
    with pytest.raises(ConfigFault, match="another master key"):
        KnownFile(tmp_path / "known", Keys(bytes(32))).rows()
    (tmp_path / "known").write_bytes(b"x")
    with pytest.raises(ConfigFault, match="damaged"):
        file.rows()
