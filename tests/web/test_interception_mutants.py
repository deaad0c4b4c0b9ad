"""The tests of the intercepting proxy can fail: each way to break it is seen by the test that is there for it."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from poundlock.adapters import authority
from poundlock.core.services import Services
from poundlock.web import interception
from tests.adapters import test_authority as signs
from tests.web import plane
from tests.web import test_interception as tries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def gateway() -> Iterator[plane.Plane]:
    """Give a real data plane whose handler echoes."""
    with plane.running() as running:
        yield running


def everybody(patch: pytest.MonkeyPatch) -> None:
    """Take any credential."""
    own = interception.Interception.__init__

    def init(self: Any, **given: Any) -> None:
        own(self, **{**given, "known": lambda _: True})

    patch.setattr(interception.Interception, "__init__", init)


def blind(patch: pytest.MonkeyPatch) -> None:
    """Tunnel AI services."""
    patch.setattr(Services, "find", lambda *_: None)


def trusting(patch: pytest.MonkeyPatch) -> None:
    """Take the host that a request names for the one that was connected to."""
    patch.setattr(interception.Head, "all", lambda *_: ["api.ai.example"])


def lasting(patch: pytest.MonkeyPatch) -> None:
    """Leave the connection to the gateway open for more."""
    own = interception._written

    def written(method: str, target: str, headers: list[tuple[str, str]]) -> bytes:
        return own(method, target, [row for row in headers if row[0] != "connection"])

    patch.setattr(interception, "_written", written)


def careless(patch: pytest.MonkeyPatch) -> None:
    """Don't look whom a tunnelled client asks for."""

    async def opening(*_: Any) -> None:
        """Look at nothing."""

    patch.setattr(interception, "_opening", opening)


def chatty(patch: pytest.MonkeyPatch) -> None:
    """Pass on what was meant for the proxy."""
    patch.setattr(interception, "_CONNECTION", frozenset({"connection"}))


def unbounded(patch: pytest.MonkeyPatch) -> None:
    """Let the authority sign for whatever host."""
    patch.setattr(authority, "covers", lambda *_: True)


def _wrong(folder: Path, gateway: plane.Plane) -> None:
    tries.test_an_unknown_process_is_refused(folder, gateway, tries.connect("api.ai.example", token="pl_wrong"))


def _sought(folder: Path, gateway: plane.Plane) -> None:
    tries.test_an_ai_service_is_not_reached_by_its_address(folder, gateway, 10_000)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("mutant", "test"),
    [
        (everybody, _wrong),
        (blind, tries.test_an_ai_service_goes_to_the_gateway),
        (trusting, tries.test_a_request_for_another_host_than_the_connection_is_refused),
        (lasting, tries.test_one_connection_carries_one_request),
        (careless, _sought),
        (chatty, tries.test_plain_http),
        (unbounded, tries.test_the_authority_signs_for_no_other_host),
    ],
    ids=lambda value: value.__name__,
)
def test_a_broken_proxy_is_seen(
    tmp_path: Path,
    gateway: plane.Plane,
    monkeypatch: pytest.MonkeyPatch,
    mutant: Callable[[pytest.MonkeyPatch], None],
    test: Callable[[Path, plane.Plane], None],
) -> None:
    """The test passes as things are, and fails with the mutant."""
    test(tmp_path, gateway)
    mutant(monkeypatch)
    wait = asyncio.wait_for
    monkeypatch.setattr(asyncio, "wait_for", lambda waiting, _seconds: wait(waiting, 1))
    with pytest.raises((AssertionError, pytest.fail.Exception, OSError, EOFError, TimeoutError)):
        test(tmp_path, gateway)
    gc.collect()  # what a broken proxy left open is told of here, where nobody minds


def test_an_authority_without_bounds_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its names in the certificate, a stolen key would do: the test of that fails."""
    monkeypatch.setattr(authority.x509, "NameConstraints", lambda **_: authority.x509.OCSPNoCheck())
    monkeypatch.setattr(authority, "covers", lambda *_: True)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        signs.test_a_client_trusts_it_for_its_names_and_for_no_other(tmp_path)
