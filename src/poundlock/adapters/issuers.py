"""The keys of issuers that vouch for workloads and people: fetched over TLS, or read from a file, and kept for a while.

It never follows a token to an address: only the configuration says where keys are. A key that is not known is asked for
again at most every half minute, so that made-up key ids can't make it ask all the time.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from poundlock.core.errors import ConfigFault, UpstreamFault

KEPT = 600.0
"""Seconds that keys are kept."""
AGAIN = 30.0
"""Seconds before keys are asked for again because one is missing."""
LARGEST = 262_144
_TIME = aiohttp.ClientTimeout(total=10)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Issuers:
    """Where issuers keep their keys and doors."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = asyncio.Lock()

    async def keys(self, issuer: str, place: str = "", *, missing: bool = False) -> dict[str, Any]:
        """Give an issuer's JWK set: from `place` (an address or a file), else from where its metadata says.

        `missing`: a key was not in what this gave before. Raises: `UpstreamFault`, `ConfigFault`.
        """
        name = place or issuer
        async with self._lock:
            found = self._kept.get(name)
            age = time.monotonic() - found[0] if found else 0.0
            if found is not None and age < (AGAIN if missing else KEPT):
                return found[1]
            if place and not place.startswith(("https://", "http://")):
                tree = await asyncio.to_thread(_read, place)
            else:
                tree = await self.fetch(place or str((await self.metadata(issuer)).get("jwks_uri", "")))
            if not isinstance(tree.get("keys"), list):
                raise UpstreamFault("The issuer's keys are no key set.", advice="Check its jwks_uri.")
            self._kept[name] = (time.monotonic(), tree)
            return tree

    async def metadata(self, issuer: str) -> dict[str, Any]:
        """Give what an OpenID provider says of itself (OpenID Connect Discovery §4). Raises: `UpstreamFault`."""
        tree = await self.fetch(issuer.rstrip("/") + "/.well-known/openid-configuration")
        if tree.get("issuer") != issuer:
            raise UpstreamFault("The issuer says that it is another one.", advice="Write it as its own metadata does.")
        return tree

    async def fetch(self, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        """Give a JSON object from an address; with `form`, as the answer to it, errors of OAuth included.

        Raises: `UpstreamFault`, `ConfigFault` for an address without TLS that is not this machine's.
        """
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ConfigFault("An issuer is reached over https:// only.", advice="Check the address of the issuer.")
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIME, trust_env=True) as session,
                session.request(
                    "GET" if form is None else "POST", url, data=form, allow_redirects=False, raise_for_status=False
                ) as answer,
            ):
                data = await answer.content.read(LARGEST + 1)
                while len(data) <= LARGEST and (more := await answer.content.read(LARGEST)):
                    data += more
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise UpstreamFault("The issuer can't be reached.", advice="Check its address and the network.") from None
        if len(data) > LARGEST or (status != 200 and form is None) or status >= 500:
            raise UpstreamFault(f"The issuer answered {status}.", advice="Check its address.")
        try:
            tree = msgspec.json.decode(data)
        except msgspec.MsgspecError:
            raise UpstreamFault("The issuer's answer is no JSON.", advice="Check its address.") from None
        if not isinstance(tree, dict):
            raise UpstreamFault("The issuer's answer is no JSON object.", advice="Check its address.")
        return tree


def _read(path: str) -> dict[str, Any]:
    try:
        tree = msgspec.json.decode(Path(path).expanduser().read_bytes())
    except (OSError, msgspec.MsgspecError):
        raise ConfigFault("The file of an issuer's keys can't be read.", advice="It is a JWK set (JSON).") from None
    if not isinstance(tree, dict):
        raise ConfigFault("The file of an issuer's keys is no key set.", advice="It is a JWK set (JSON).")
    return tree
