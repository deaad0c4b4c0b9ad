"""Reads rule files and keeps what they compile to on disk. The only I/O of detection.

Must never load a compiled set that does not belong to exactly these rules, this version and this machine.
"""

from __future__ import annotations

import marshal
import os
import sys
from typing import TYPE_CHECKING

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from poundlock.core.detect.compilation import Compiled
    from poundlock.core.detect.engine import Detector
    from poundlock.core.detect.known import Known
    from poundlock.core.detect.names import Names
    from poundlock.core.detect.rules import Rule

# Paths are texts here, and most imports late: this is on the way of every command that detects.
DETECT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "core", "detect")  # noqa: PTH118, PTH120, PTH100
GENERATION = 2  # raised whenever what an older build kept must not be read


def cache_folder() -> str:
    """Give the folder for compiled sets: `POUNDLOCK_CACHE`, or the user's cache folder."""
    named = os.environ.get("POUNDLOCK_CACHE")
    if named:
        return named
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return f"{base}/poundlock"


def _tables(folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in sorted(os.listdir(folder)) if name.endswith(".toml")]  # noqa: PTH208


def rule_files(extra: Iterable[Path | str] = ()) -> list[str]:
    """Give the shipped rule files and the extra ones (files, or folders of `*.toml`), each in name order."""
    files = _tables(f"{DETECT}/rules")
    for path in map(str, extra):
        files.extend(_tables(path) if os.path.isdir(path) else [path])  # noqa: PTH112
    return files


def _content(files: Iterable[str]) -> list[tuple[str, bytes]]:
    out = []
    for path in files:
        name = path.rpartition("/")[2]
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                out.append((name, file.read()))
        except OSError as fault:
            raise ConfigFault(f"the file {name} can't be read: {fault.strerror}") from fault
    return out


def load_rules(extra: Iterable[Path | str] = ()) -> tuple[Rule, ...]:
    """Read and parse every rule. Raises: `ConfigFault` naming the file or rule and the problem."""
    return _parse(_content(rule_files(extra)))


def own_rules(files: Iterable[Path | str]) -> tuple[Rule, ...]:
    """Read and parse these rule files alone. Raises: `ConfigFault`."""
    return _parse(_content(rule_files(files)[len(rule_files()) :]))


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


def state(extra: Iterable[Path | str] = (), families: frozenset[str] | None = None) -> str:
    """Name all that a detector's findings depend on but names and registered values. Raises: `ConfigFault`."""
    return _key(_content(rule_files(extra)), families)


def _key(contents: list[tuple[str, bytes]], families: frozenset[str] | None) -> str:
    """Name a compiled set by all that it depends on: rules, our own code, this interpreter and this machine."""
    from _blake2 import blake2b  # noqa: PLC0415 (hashlib loads OpenSSL)

    state = blake2b(digest_size=16)
    machine = " ".join(os.uname()) if hasattr(os, "uname") else os.environ.get("PROCESSOR_IDENTIFIER", "")
    narrowed = ",".join(sorted(families)) if families else ""
    state.update(f"{GENERATION}\0{sys.version}\0{machine}\0{narrowed}\0".encode())
    for name in sorted(os.listdir(DETECT)):  # noqa: PTH208
        if name.endswith(".py"):
            with open(f"{DETECT}/{name}", "rb") as file:  # noqa: PTH123
                state.update(file.read())
    for name, data in contents:
        state.update(f"{name}\0{len(data)}\0".encode())
        state.update(data)
    return state.hexdigest()


# A kept set: the size of the tables in eight bytes, their checksum in sixteen, the tables (rules, triggers, purposes,
# digest; plain tuples, since `marshal` reads these in a twentieth of the time), and the database, which has a checksum
# of its own.
HEAD = 24
LARGEST = 1 << 26  # bytes of tables


def _checksum(data: bytes) -> bytes:
    from _blake2 import blake2b  # noqa: PLC0415 (see _key)

    return blake2b(data, digest_size=16).digest()


def pack(compiled: Compiled) -> bytes:
    """Give a compiled set as the bytes that `unpack` reads."""
    tables = marshal.dumps(
        (
            tuple(tuple(rule) for rule in compiled.rules),
            tuple(tuple(trigger) for trigger in compiled.triggers),
            compiled.purposes,
            compiled.digest,
        )
    )
    return len(tables).to_bytes(8) + _checksum(tables) + tables + compiled.database


def unpack(place: str) -> Compiled | None:
    """Give the set kept at a path; None where there is none that is whole."""
    try:
        with open(place, "rb", buffering=0) as file:  # noqa: PTH123
            head = file.read(HEAD)
            tables = file.read(min(int.from_bytes(head[:8]), LARGEST))
            # INVARIANT: `marshal` reads only what has the checksum that we wrote.
            if _checksum(tables) != head[8:]:
                return None
            database = file.read()
    except OSError:
        return None
    from poundlock.core.detect.compilation import Compiled  # noqa: PLC0415
    from poundlock.core.detect.rules import Rule  # noqa: PLC0415
    from poundlock.core.detect.sources import Trigger  # noqa: PLC0415

    rules, triggers, purposes, digest = marshal.loads(tables)  # noqa: S302 (our own file; see above)
    return Compiled(tuple(map(Rule._make, rules)), tuple(map(Trigger._make, triggers)), purposes, database, digest)


def _write(place: str, data: bytes) -> None:
    """Put the set in its place in one step, readable by its owner only; give up quietly if that can't be."""
    import tempfile  # noqa: PLC0415

    folder = place.rpartition("/")[0]
    try:
        os.makedirs(folder, exist_ok=True, mode=0o700)  # noqa: PTH103
        handle, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, place)  # noqa: PTH105
    except OSError:
        return


def load_compiled(
    extra: Iterable[Path | str] = (), *, cache: Path | str | None = None, families: frozenset[str] | None = None
) -> Compiled:
    """Give the compiled rule set, from the cache if it holds exactly this one; with `families`, of their rules alone.

    Raises: `ConfigFault`. A cache that can't be read or written is done without.
    """
    from poundlock.core.detect.compilation import compile_rules  # noqa: PLC0415

    contents = _content(rule_files(extra))
    folder = cache_folder() if cache is None else cache
    place = f"{folder}/rules-{_key(contents, families)}"
    found = unpack(place)
    if found is not None:
        return found
    rules = _parse(contents)
    own = contents[len(rule_files()) :]
    if own:
        from poundlock.core.detect.lint import require  # noqa: PLC0415 (the shipped rules were proven by our tests)

        # INVARIANT: what is in the cache was proven before.
        require(_parse(own))
    compiled = compile_rules([rule for rule in rules if families is None or rule.family in families])
    _write(place, pack(compiled))
    return compiled


def load_detector(
    extra: Iterable[Path | str] = (),
    *,
    names: Iterable[Path | str] = (),
    hosts: Iterable[str] = (),
    cache: Path | str | None = None,
    families: frozenset[str] | None = None,
    known: Known | None = None,
) -> Detector:
    """Give a detector for the shipped rules, `extra` rule files, files of `names` (one a line) and internal `hosts`.

    `known` are the registered values.

    `families` may leave out other rules, for a command that asks for these alone: less to read, and sooner there.
    Raises: `ConfigFault`.
    """
    from poundlock.core.detect.engine import Detector  # noqa: PLC0415

    # The reader of names needs the rules for secrets, whatever else is asked for.
    narrowed = families if families and "secret" in families else None
    compiled = load_compiled(extra, cache=cache, families=narrowed)
    return Detector(compiled, names=_load_names(tuple(names), tuple(hosts), cache), known=known)


def _load_names(files: tuple[Path | str, ...], hosts: tuple[str, ...], cache: Path | str | None) -> Names | None:
    """Give the dictionary, compiled or from the cache; None where there are no names."""
    if not files and not hosts:
        return None
    import hashlib  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from poundlock.core.detect.names import Dictionary, Names, compile_names  # noqa: PLC0415

    entries: list[str] = []
    for name, data in _content(map(str, files)):
        try:
            lines = data.decode().splitlines()
        except UnicodeDecodeError as fault:
            raise ConfigFault(f"the file of names {name} is not UTF-8") from fault
        entries.extend(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    given = hashlib.sha256(msgspec.json.encode([_key([], None), entries, hosts])).hexdigest()
    place = f"{cache_folder() if cache is None else cache}/names-{given[:32]}"
    try:
        with open(place, "rb") as file:  # noqa: PTH123
            return Names(msgspec.msgpack.decode(file.read(), type=Dictionary))
    except (OSError, msgspec.MsgspecError):
        dictionary = compile_names(entries, hosts)
        _write(place, msgspec.msgpack.encode(dictionary))
        return Names(dictionary)
