"""Policy files: the pack first, then what is named; what can't be read is a fault."""

from __future__ import annotations

import pytest

from poundlock.adapters import policyfiles
from poundlock.core.errors import ConfigFault

POLICY = '@id("{}") @reason("r") permit (principal, action == Action::"send", resource);'


def test_files_and_folders_join_the_pack(tmp_path):
    """A folder gives its `*.cedar` files in order; a case file beside a policy is found."""
    (tmp_path / "b.cedar").write_text(POLICY.format("b"))
    (tmp_path / "a.cedar").write_text(POLICY.format("a"))
    (tmp_path / "a.cases.toml").write_text("")
    (tmp_path / "notes.txt").write_text("no policy")
    assert [name.removeprefix(f"{tmp_path}/") for name in policyfiles.sources([tmp_path])] == [
        "default.cedar",
        "a.cedar",
        "b.cedar",
    ]
    assert list(policyfiles.sources([tmp_path / "b.cedar"], default=False)) == [str(tmp_path / "b.cedar")]
    assert list(policyfiles.cases([tmp_path], default=False)) == [str(tmp_path / "a.cases.toml")]
    ids = [policy.id for policy in policyfiles.load([tmp_path]).policies]
    assert ids[-2:] == ["a", "b"]
    assert "secret.disguised" in ids


def test_what_cannot_be_read_is_a_fault(tmp_path):
    """A missing file, an empty folder and a file that is not UTF-8 are named."""
    (tmp_path / "bad.cedar").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").mkdir()
    for path, said in (
        (tmp_path / "none.cedar", "No such file or directory"),
        (tmp_path / "bad.cedar", "it is not UTF-8"),
        (tmp_path / "empty", "holds no *.cedar file"),
    ):
        with pytest.raises(ConfigFault) as fault:
            policyfiles.sources([path])
        assert str(path) in fault.value.message
        assert said in fault.value.message
        assert fault.value.advice
