"""One detector for all detection tests: compiled once."""

from __future__ import annotations

import pytest

from poundlock.adapters.rulefiles import load_rules
from poundlock.core.detect.compilation import Compiled, compile_rules
from poundlock.core.detect.engine import Detector


@pytest.fixture(scope="session")
def compiled() -> Compiled:
    """Compile the shipped rules."""
    return compile_rules(load_rules())


@pytest.fixture(scope="session")
def detector(compiled: Compiled) -> Detector:
    """Make a detector of the shipped rules."""
    return Detector(compiled)
