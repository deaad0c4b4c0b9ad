"""The AI tools that Poundlock knows by name, read from `clients.toml`: how each is led through the gateway.

It must never hold a rule for one tool that could be data.
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from poundlock.core.errors import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Mapping


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value at a path of keys; with `there`, only where the path's keys but the last are there already."""

    path: tuple[str, ...]
    value: str | bool | tuple[str, ...]
    there: bool = False
    when: str = ""
    unless: str = ""

    def counts(self) -> bool:
        """Tell whether the setting is to be made on this machine."""
        return (not self.when or Path(self.when).expanduser().exists()) and not (
            self.unless and Path(self.unless).expanduser().exists()
        )

    def at(self, words: dict[str, str]) -> Setting:
        """Give the setting with the words of its value filled in."""
        return msgspec.structs.replace(self, value=_filled(self.value, words))


class Write(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `init` writes into one file of a tool."""

    file: str
    kind: Literal["json", "toml", "env", "yaml", "continue", "shell"]
    set: tuple[Setting, ...]
    given: str = ""


class Needs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Variables of which a tool must have one, and what is so where it has none."""

    any: tuple[str, ...]
    why: str


class Client(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tool; see the head of `clients.toml` for its fields."""

    id: str
    title: str
    programs: tuple[str, ...]
    guide: str
    needs: Needs | None = None
    env: dict[str, str] = {}
    arguments: tuple[str, ...] = ()
    files: dict[str, str] = {}
    through: Literal["base", "intercept", "both"] = "base"
    init: tuple[Write, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client: tuple[Client, ...]


@functools.cache
def known() -> tuple[Client, ...]:
    """Give every tool, in the order of the file."""
    text = (resources.files("poundlock.cli") / "clients.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).client


def of_program(program: str) -> Client | None:
    """Give the tool whose executable has this name, or None."""
    name = Path(program).name
    return next((client for client in known() if name in client.programs), None)


def named(id: str) -> Client:  # noqa: A002 (the word of the table)
    """Give the tool of this id, or of a program of this name. Raises: `ConfigFault`."""
    for client in known():
        if id == client.id or id in client.programs:
            return client
    raise ConfigFault(
        f"Poundlock knows no tool {id!r}.",
        advice=f"It knows: {', '.join(client.id for client in known())}. `poundlock run -- COMMAND` runs any program.",
    )


def account(env: Mapping[str, str]) -> bool:
    """Tell whether Codex is logged in with a ChatGPT account; such a login is asked for at another path."""
    place = Path(env.get("CODEX_HOME") or Path(env.get("HOME") or Path.home()) / ".codex") / "auth.json"
    try:
        login = msgspec.json.decode(place.read_bytes())
    except (OSError, msgspec.DecodeError):
        return False
    return isinstance(login, dict) and bool(login.get("tokens")) and not login.get("OPENAI_API_KEY")


def words(base: str, *, copilot: str = "", account: bool = False) -> dict[str, str]:
    """Give what stands for the words in braces. `base` is the gateway's URL, with the credential if there is one.

    `copilot` is the kind of provider that Copilot CLI is set to; `account` is whether Codex has a ChatGPT account.
    """
    anthropic = copilot == "anthropic"
    return {
        "base": base,
        "openai": f"{base}/v1",
        "copilot": base if anthropic else f"{base}/v1",
        "codex": f"{base}/backend-api/codex" if account else f"{base}/v1",
    }


def filled(text: str, words: dict[str, str]) -> str:
    """Give the text with each known word in braces replaced; other braces stay."""
    for name, value in words.items():
        text = text.replace("{" + name + "}", value)
    return text


def _filled(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, str):
        return filled(value, words)
    return tuple(filled(item, words) for item in value) if isinstance(value, tuple) else value
