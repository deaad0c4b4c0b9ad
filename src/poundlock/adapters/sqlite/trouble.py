"""What can go wrong with the file, told as a fault that says what to do.

It never passes on SQLite's own text beyond the name of its error code: a statement's values stay out of messages.
"""

from __future__ import annotations

import errno
import os
import sqlite3

from poundlock.core.errors import Fault

_BY_NAME: tuple[tuple[str, str, str], ...] = (
    ("SQLITE_FULL", "the disk is full", "Free some space on the disk of the state folder; then just go on."),
    (
        "SQLITE_READONLY",
        "the audit log is read-only",
        "Make the state folder and its files writable for this user, then just go on.",
    ),
    ("SQLITE_BUSY", "the audit log is locked by another program", "End the program that holds the file open."),
    ("SQLITE_LOCKED", "the audit log is locked by another program", "End the program that holds the file open."),
    ("SQLITE_CORRUPT", "the audit log is damaged", "Type: poundlock audit verify. Then restore a copy, or begin anew."),
    (
        "SQLITE_NOTADB",
        "the audit log is not a database",
        "Type: poundlock audit verify. Then restore a copy, or begin anew.",
    ),
    ("SQLITE_CANTOPEN", "the audit log can't be opened", "Check that the state folder exists and is writable."),
    ("SQLITE_IOERR", "the disk failed to write the audit log", "Check the disk and the system's log."),
)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EROFS, errno.EACCES, errno.EPERM}


def refusal(cause: BaseException) -> Fault:
    """Give the fault (status 500) for what went wrong; a `Fault` is given as it is."""
    if isinstance(cause, Fault):
        return cause
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
        for prefix, what, advice in _BY_NAME:
            if name.startswith(prefix):
                return Fault(f"nothing was sent: {what} ({name})", advice=advice, status=500)
        return Fault(f"nothing was sent: the audit log failed ({name})", advice="Type: poundlock doctor", status=500)
    if isinstance(cause, OSError):
        number = cause.errno or 0
        if number in _FULL:
            return Fault(f"nothing was sent: {_BY_NAME[0][1]}", advice=_BY_NAME[0][2], status=500)
        if number in _DENIED:
            return Fault(f"nothing was sent: {_BY_NAME[1][1]}", advice=_BY_NAME[1][2], status=500)
        return Fault(
            f"nothing was sent: the state folder failed ({os.strerror(number)})",
            advice="Type: poundlock doctor",
            status=500,
        )
    return Fault(
        f"nothing was sent: the audit log failed ({type(cause).__name__})",
        advice="Poundlock tries again in a moment; if it goes on, start it again, and please report this.",
        status=500,
    )


def again(fault: Fault) -> Fault:
    """Give an equal fault: one instance raised to many waiters would gather all their frames."""
    return type(fault)(fault.message, advice=fault.advice, status=fault.status)
