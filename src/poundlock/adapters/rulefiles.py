"""Reads rule files and keeps what they compile to on disk. The only I/O of detection.

Must never load a compiled set that does not belong to exactly these rules, this version and this machine.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poundlock.core.detect.engine import Compiled, Detector
    from poundlock.core.detect.rules import Rule

SHIPPED = Path(__file__).resolve().parent.parent / "core" / "detect" / "rules"


def cache_folder() -> Path:
    """Give the folder for compiled sets: `POUNDLOCK_CACHE`, or the user's cache folder."""
    named = os.environ.get("POUNDLOCK_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "poundlock"


def rule_files(extra: Iterable[Path] = ()) -> list[Path]:
    """Give the shipped rule files and the extra ones (files or folders of `*.toml`), each in name order."""
    files = sorted(SHIPPED.glob("*.toml"))
    for path in extra:
        files.extend(sorted(path.glob("*.toml")) if path.is_dir() else [path])
    return files


def _content(files: Iterable[Path]) -> list[tuple[str, bytes]]:
    out = []
    for path in files:
        try:
            out.append((path.name, path.read_bytes()))
        except OSError as fault:
            raise ConfigFault(f"rule file {path.name} can't be read: {fault.strerror}") from fault
    return out


def load_rules(extra: Iterable[Path] = ()) -> tuple[Rule, ...]:
    """Read and parse every rule. Raises: `ConfigFault` naming the file or rule and the problem."""
    return _parse(_content(rule_files(extra)))


def _parse(contents: list[tuple[str, bytes]]) -> tuple[Rule, ...]:
    import tomllib  # noqa: PLC0415 (only where there is no cache)

    from poundlock.core.detect.rules import read_rules  # noqa: PLC0415

    tables = []
    for name, data in contents:
        try:
            tables.append((name, tomllib.loads(data.decode())))
        except (ValueError, UnicodeDecodeError) as fault:
            raise ConfigFault(f"rule file {name} is not valid TOML: {fault}") from fault
    return read_rules(tables)


def _key(contents: list[tuple[str, bytes]]) -> str:
    from poundlock.core.detect import engine  # noqa: PLC0415

    state = hashlib.sha256()
    for part in (
        engine.GENERATION,
        sys.version,
        platform.machine(),
        os.uname().nodename if hasattr(os, "uname") else "",
    ):
        state.update(f"{part}\0".encode())
    folder = Path(engine.__file__).parent
    for path in sorted(folder.glob("*.py")):
        state.update(path.read_bytes())
    for name, data in contents:
        state.update(f"{name}\0{len(data)}\0".encode())
        state.update(data)
    return state.hexdigest()[:32]


def _read(place: Path) -> Compiled | None:
    import msgspec  # noqa: PLC0415

    from poundlock.core.detect.engine import Compiled  # noqa: PLC0415

    try:
        return msgspec.msgpack.decode(place.read_bytes(), type=Compiled)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(place: Path, compiled: Compiled) -> None:
    """Put the set in its place in one step, readable by its owner only; give up quietly if that can't be."""
    import msgspec  # noqa: PLC0415

    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=place.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.msgpack.encode(compiled))
        Path(name).replace(place)
    except OSError:
        return


def load_compiled(extra: Iterable[Path] = (), *, cache: Path | None = None) -> Compiled:
    """Give the compiled rule set, from the cache if it holds exactly this one.

    Raises: `ConfigFault`. A cache that can't be read or written is done without.
    """
    from poundlock.core.detect.engine import compile_rules  # noqa: PLC0415

    extra = tuple(extra)
    contents = _content(rule_files(extra))
    folder = cache_folder() if cache is None else cache
    place = folder / f"rules-{_key(contents)}"
    found = _read(place)
    if found is not None:
        return found
    rules = _parse(contents)
    compiled = compile_rules(rules)
    _write(place, compiled)
    return compiled


def load_detector(extra: Iterable[Path] = (), *, cache: Path | None = None) -> Detector:
    """Give a detector for the shipped rules and `extra` rule files. Raises: `ConfigFault`."""
    from poundlock.core.detect.engine import Detector  # noqa: PLC0415

    return Detector(load_compiled(extra, cache=cache))
