"""A bundle: policies, their cases, rules and rows in one signed file, for machines that take them from elsewhere.

It must never give out a file of a bundle whose signature was not checked, nor a name that leads out of a folder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DOMAIN = b"poundlock policy bundle 1\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.(?:cedar|toml)")
_HEX = re.compile(r"[0-9a-f]+")


class Bundle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The files by name, when they were signed (nanoseconds since the epoch), by which Ed25519 key (hex), and how."""

    files: dict[str, str]
    at: int
    key: str
    signature: str = ""


def statement(bundle: Bundle) -> bytes:
    """Give the bytes that are signed: a first line of their own, so that the signature is good for nothing else."""
    row = {"at": bundle.at, "files": bundle.files, "key": bundle.key}
    return _DOMAIN + msgspec.json.encode(row, order="sorted")


def made(files: Mapping[str, str], at: int, key: str, sign: Callable[[bytes], str]) -> bytes:
    """Give a signed bundle as a file's bytes. Raises: `ConfigFault` for a name that can't be unpacked."""
    _check_names(files)
    bundle = Bundle(files=dict(files), at=at, key=key)
    signed = msgspec.structs.replace(bundle, signature=sign(statement(bundle)))
    return msgspec.json.format(msgspec.json.encode(signed, order="sorted")) + b"\n"


def opened(data: bytes, trusted: Callable[[str], bool], check: Callable[[str, bytes, str], bool]) -> Bundle:
    """Give a bundle whose signature is good and of a key that is trusted. Raises: `ConfigFault`."""
    try:
        bundle = msgspec.json.decode(data, type=Bundle)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigFault("This is no bundle.", advice="`poundlock policy bundle` makes one.") from None
    if not trusted(bundle.key):
        raise ConfigFault(
            "The bundle is signed with a key that was not named.",
            advice="Ask who made it for the fingerprint of their key, and give that with --key.",
        )
    if not _HEX.fullmatch(bundle.signature) or not check(bundle.key, statement(bundle), bundle.signature):
        raise ConfigFault("The bundle's signature is not good: it was altered.", advice="Get it again.")
    _check_names(bundle.files)
    return bundle


def _check_names(files: Mapping[str, str]) -> None:
    for name in files:
        if not _NAME.fullmatch(name):
            raise ConfigFault(
                "A bundle holds *.cedar and *.toml files with plain names only.", advice="Rename the file."
            )
