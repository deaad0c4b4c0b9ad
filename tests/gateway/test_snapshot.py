"""The snapshot in force: swapped whole, never for a bad one."""

import asyncio

from poundlock.core.errors import ConfigFault
from poundlock.core.model import Snapshot
from poundlock.gateway.snapshot import Snapshots


class Files:
    """What would be read from disk."""

    def __init__(self):
        self.version = 1
        self.bad = False
        self.loads = 0

    def load(self):
        """Give a snapshot, or the fault."""
        self.loads += 1
        if self.bad:
            raise ConfigFault("rule secret.x.y: it does not compile")
        return Snapshot(detector=None, policies=None, digest=f"d{self.version}")

    def stamp(self):
        """Give what changes with the files."""
        return (self.version, self.bad)


def test_a_change_is_swapped_in():
    """The next exchange takes the new one."""
    files = Files()
    snapshots = Snapshots(files.load, files.stamp)
    assert snapshots.current.digest == "d1"
    files.version = 2
    assert asyncio.run(snapshots.refresh())
    assert snapshots.current.digest == "d2"


def test_nothing_is_loaded_while_nothing_changes():
    """Looking costs a look."""
    files = Files()
    snapshots = Snapshots(files.load, files.stamp)
    assert not asyncio.run(snapshots.refresh())
    assert files.loads == 1


def test_a_bad_one_never_replaces_a_good_one():
    """The old snapshot stays in force, the fault is kept, and mending it works."""
    files = Files()
    snapshots = Snapshots(files.load, files.stamp)
    files.bad = True
    assert not asyncio.run(snapshots.refresh())
    assert snapshots.current.digest == "d1"
    assert "secret.x.y" in snapshots.fault.message
    files.bad, files.version = False, 3
    assert asyncio.run(snapshots.refresh())
    assert (snapshots.current.digest, snapshots.fault) == ("d3", None)
