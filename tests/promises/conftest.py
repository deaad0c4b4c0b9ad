"""Fixtures of the attacks: one sound gateway a module, and gateways with one thing broken."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.gateway.dialects import DIALECTS, Dialect
from tests.gateway.running import PLAIN, Gate, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Broken = Callable[..., contextlib.AbstractContextManager[Gate]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Run one gateway for a module."""
    with running(tmp_path_factory.mktemp("gate")) as gate:
        yield gate


@pytest.fixture
def gate(shared: Gate) -> Gate:
    """Give the module's gateway with its provider saying one word."""
    shared.mock.play(PLAIN)
    return shared


@pytest.fixture(params=DIALECTS, ids=[dialect.name for dialect in DIALECTS])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Give each provider's format in turn."""
    found: Dialect = request.param
    return found


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """Give a way to run a gateway with one thing broken, in which an attack must succeed."""

    @contextlib.contextmanager
    def run(mutant: str, settings: str = "", *, workers: int = 1) -> Iterator[Gate]:
        with running(tmp_path, settings, workers=workers, mutant=mutant) as gate:
            with pytest.raises(AssertionError) as caught:
                yield gate
            print(f"{mutant} was caught by: {caught.value}"[:400])

    return run
