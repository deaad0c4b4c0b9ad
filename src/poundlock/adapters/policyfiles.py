"""Where policies come from: the shipped pack, and files that the configuration names.

It must never leave a file out silently: what can't be read is a fault, and the old snapshot stays in force.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock.core.errors import ConfigFault
from poundlock.core.policy.decide import Policies
from poundlock.core.register import Register

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT = "default.cedar"
"""The shipped pack's name, in messages and in `sources`."""
CASES = "default.cases.toml"
"""The name of the shipped pack's cases."""


def schema() -> str:
    """Give the shipped schema's text."""
    return _shipped("core/policy/schema.cedarschema")


def sources(paths: Iterable[str | Path] = (), *, default: bool = True) -> dict[str, str]:
    """Read policy texts by file name: the shipped pack, then these files, and every `*.cedar` of these folders.

    Raises: `ConfigFault` naming the file that can't be read.
    """
    texts = {DEFAULT: _shipped("core/policy/default.cedar")} if default else {}
    for path in map(Path, paths):
        found = sorted(path.glob("*.cedar")) if path.is_dir() else [path]
        if not found:
            raise ConfigFault(f"{path} holds no *.cedar file.", advice="Name a policy file, or a folder with some.")
        texts.update({str(file): text(file) for file in found})
    return texts


def cases(paths: Iterable[str | Path] = (), *, default: bool = True) -> dict[str, str]:
    """Read the cases beside each policy file (`NAME.cedar` has `NAME.cases.toml`), where there are any.

    Raises: `ConfigFault` naming the file that can't be read.
    """
    texts = {CASES: _shipped("core/policy/default.cases.toml")} if default else {}
    for name in sources(paths, default=False):
        beside = Path(name).with_suffix(".cases.toml")
        if beside.exists():
            texts[str(beside)] = text(beside)
    return texts


def load(paths: Iterable[str | Path] = (), *, default: bool = True) -> Policies:
    """Read and compile the policies in force. Raises `ConfigFault`."""
    return Policies.compile(sources(paths, default=default), schema())


def register(paths: Iterable[str | Path] = ()) -> Register:
    """Read the shipped vendor register, with these files' rows in place of its own. Raises `ConfigFault`."""
    known = Register.load(_shipped("core/data/vendors.toml"), source="vendors.toml")
    for path in map(Path, paths):
        known = known.joined(Register.load(text(path), source=str(path)))
    return known


def text(path: Path) -> str:
    """Read one file as UTF-8. Raises `ConfigFault` naming it."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise ConfigFault(f"{path} can't be read: {why}.", advice="Check the path in poundlock.toml.") from None


def _shipped(path: str) -> str:
    return files("poundlock").joinpath(path).read_text(encoding="utf-8")
