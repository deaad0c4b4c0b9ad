"""The detector that `scan`, `detect` and `redact` use: the gateway's own rules, names, hosts and registered values.

INVARIANT: nothing of the working directory is read. Where the user has no configuration and nothing registered, this
costs two looks at the disk, since these commands run in a developer's inner loop.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poundlock.adapters.knownfile import KnownFile
    from poundlock.config import Settings
    from poundlock.core.detect.engine import Detector
    from poundlock.core.detect.known import Known

NAMED = frozenset(("identifier", "infrastructure"))
"""The families that a company's own names and hosts belong to."""


class Sources(NamedTuple):
    """What a detector is made of."""

    rules: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    state: str = ""
    config: str = ""


def sources(config: str | None, extra: Iterable[str] = ()) -> Sources:
    """Say what the configuration (the one given, else the user's) and the command line name. Raises: `ConfigFault`."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 (pathlib costs start-up)
    given = config or os.environ.get("POUNDLOCK_CONFIG")
    if not given and not os.path.exists(f"{base}/poundlock/poundlock.toml"):  # noqa: PTH110
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111
        return Sources(tuple(map(str, extra)), state=f"{state}/poundlock")
    from poundlock.adapters import places

    settings = places.read_settings(config)
    rules = settings.rules
    state = str(places.state_place(settings))
    return Sources((*rules.files, *map(str, extra)), rules.names, rules.hosts, state, config or "")


def load(found: Sources, families: frozenset[str] | None = None) -> Detector:
    """Give the detector; `families` may leave out what is not asked for. Raises: `ConfigFault`."""
    from poundlock.adapters.rulefiles import load_detector

    named = families is None or not NAMED.isdisjoint(families)
    return load_detector(
        found.rules,
        names=found.names if named else (),
        hosts=found.hosts if named else (),
        families=families,
        known=_known(found) if families is None or "secret" in families else None,
    )


def _known(found: Sources) -> Known | None:
    if not os.path.exists(f"{found.state}/known.sealed"):  # noqa: PTH110
        return None
    from poundlock.adapters import places

    return known_file(places.read_settings(found.config or None)).known()


def known_file(settings: Settings) -> KnownFile:
    """Give the file of registered values, without the rest of a gateway, which takes a while to load.

    Raises: `ConfigFault`.
    """
    from poundlock.adapters import keys, places
    from poundlock.adapters.knownfile import KnownFile

    folder = places.state_folder(settings)
    return KnownFile(
        places.known(folder), keys.load(folder / "master.key", os.environ, place=settings.state.master_key)
    )
