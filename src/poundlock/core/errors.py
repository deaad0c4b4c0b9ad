"""The three families of faults, each with a status hint.

Outcomes are values: hold and block are decisions, never exceptions. Whatever else is raised fails closed.
INVARIANT: a message never holds user text, only names, sizes and positions that we chose.
"""


class Fault(Exception):
    """Something that ends an exchange or a command, told in words that are safe to show."""

    status = 400

    def __init__(self, message: str, *, advice: str = "", status: int | None = None) -> None:
        """Keep `message` (what happened), `advice` (what to do next) and an HTTP status hint."""
        super().__init__(message)
        self.message = message
        self.advice = advice
        if status is not None:
            self.status = status


class ClientFault(Fault):
    """The client sent what can't be decoded, is not known, or is not allowed."""


class UpstreamFault(Fault):
    """The provider, or the way to it, failed or answered what can't be decoded."""

    status = 502


class ConfigFault(Fault):
    """A setting, rule, policy or register is wrong; the old snapshot stays in force."""

    status = 500
