"""Fuzz the codecs with atheris: `python -m tests.fuzz SECONDS`. It must be the first to import what it follows."""

import sys

import atheris

with atheris.instrument_imports(include=["poundlock.wire", "poundlock.core.stream"]):
    from tests.fuzz import codecs

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
atheris.Setup([sys.argv[0], f"-max_total_time={SECONDS}", "-max_len=4096", "-timeout=10"], codecs.one)
atheris.Fuzz()
