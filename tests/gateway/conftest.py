"""Asynchronous tests run in an event loop of their own, without a plugin."""

from tests.adapters.conftest import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
