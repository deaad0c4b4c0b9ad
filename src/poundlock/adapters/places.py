"""Where Poundlock's files are: the configuration and the state folder.

INVARIANT: a configuration is never taken from the working directory. A repository could otherwise open the gate
(promise 12).
"""

from __future__ import annotations

import os
from pathlib import Path

from poundlock import config
from poundlock.core.errors import ConfigFault

CONFIG_VARIABLE = "POUNDLOCK_CONFIG"


def config_path(given: str | None = None) -> Path:
    """Give the configuration's path: the one given, else `$POUNDLOCK_CONFIG`, else the user's."""
    named = given or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "poundlock" / "poundlock.toml"


def read_settings(given: str | None = None) -> config.Settings:
    """Read the settings; all defaults where the user's file does not exist. Raises `ConfigFault`."""
    path = config_path(given)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if given or os.environ.get(CONFIG_VARIABLE):
            raise ConfigFault(
                f"There is no configuration at {path}.", advice="Make one with `poundlock init --config PATH`."
            ) from None
        return config.Settings()
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigFault(f"{path} can't be read: {type(fault).__name__}.") from fault
    return config.load(text, source=str(path))


def state_place(settings: config.Settings) -> Path:
    """Say where the state folder is or would be."""
    named = settings.state.directory
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "poundlock"


def state_folder(settings: config.Settings) -> Path:
    """Give the state folder, made with mode 0700 when it is missing. Raises `ConfigFault` when others may enter it."""
    folder = state_place(settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise ConfigFault(
            f"The state folder {folder} can't be made: {fault.strerror}.",
            advice="Set state.directory to another place.",
        ) from fault
    if folder.stat().st_mode & 0o077:
        raise ConfigFault(f"Others may enter the state folder {folder}.", advice=f"Type: chmod 700 {folder}")
    return folder


def database(folder: Path) -> Path:
    """Give the path of the database in the state folder."""
    return folder / "poundlock.db"


def credentials(folder: Path) -> Path:
    """Give the path of the file of credentials in the state folder."""
    return folder / "credentials.json"


def known(folder: Path) -> Path:
    """Give the path of the registered values in the state folder."""
    return folder / "known.sealed"


def mcp(folder: Path) -> Path:
    """Give the path of the register of MCP servers in the state folder."""
    return folder / "mcp.sealed"


def heads(settings: config.Settings, folder: Path) -> Path:
    """Give the second place for signed heads."""
    return Path(settings.audit.heads).expanduser() if settings.audit.heads else folder / "heads.jsonl"
