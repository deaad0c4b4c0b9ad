"""Signatures for AWS (SigV4) over what is sent, by botocore: an extra, `pip install 'poundlock[bedrock]'`.

The credentials are the gateway's own, found as AWS's tools find them: environment, shared files, the instance's role.
It never shows a credential, and never signs with the client's.
"""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Any

from poundlock.core.errors import UpstreamFault

if TYPE_CHECKING:
    from collections.abc import Sequence

_REGION = re.compile(r"https?://[a-z0-9-]+(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9])\.")
_SERVICE = "bedrock"
# What a signature is about; the rest of the headers may change on the way.
_SIGNED = frozenset({"content-type", "x-amzn-bedrock-trace", "x-amzn-bedrock-guardrailidentifier"})
_REPLACED = frozenset({"authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"})


class AwsSigner:
    """`Signer` for Amazon Bedrock. `region` is that of the credentials' configuration where the host tells none."""

    def __init__(self) -> None:
        """Find no credentials yet: few gateways need them."""
        self._session: Any = None

    async def sign(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> list[tuple[str, str]]:
        """Give the headers with the signature. Raises: `UpstreamFault` without botocore, credentials or a region."""
        # Credentials may have to be fetched or renewed over the network; the hash of a large body takes a moment.
        signed = await asyncio.to_thread(self._sign, method, url, headers, body)
        kept = [(name, value) for name, value in headers if name not in _REPLACED]
        return [*kept, *signed]

    def _sign(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> list[tuple[str, str]]:
        try:
            from botocore.auth import SigV4Auth  # noqa: PLC0415 (an extra, and slow to import)
            from botocore.awsrequest import AWSRequest  # noqa: PLC0415 (as above)
            from botocore.session import Session  # noqa: PLC0415 (as above)
        except ImportError:
            raise UpstreamFault(
                "The requests to this provider are to be signed for AWS, and botocore is not installed.",
                advice="Run `pip install 'poundlock[bedrock]'` where the gateway runs.",
                status=400,
            ) from None
        if self._session is None:
            self._session = Session()
        try:
            credentials = self._session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials is not None else None
            found = _REGION.match(url)
            named = os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
            region = found["region"] if found else named
        except Exception:  # noqa: BLE001 (botocore's words may hold what the files hold)
            frozen = region = None
        if frozen is None or not region:
            raise UpstreamFault(
                "The gateway has no AWS credentials, or no region, to sign with.",
                advice="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and AWS_REGION where it runs.",
                status=400,
            )
        spoken = {name: value for name, value in headers if name in _SIGNED}
        request = AWSRequest(method=method, url=url, data=body or b"", headers=spoken)
        SigV4Auth(frozen, _SERVICE, region).add_auth(request)
        names = ("authorization", "x-amz-date", "x-amz-security-token")
        return [(name, value) for name in names if (value := request.headers.get(name)) is not None]
