"""`./x test`: everything that must hold, in the order in which it is cheapest to learn of a fault.

`--long` adds the suites that need minutes (fuzzing, all real clients). Other arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
STEPS = (
    ("style", [str(BIN / "ruff"), "check", "."]),
    ("format", [str(BIN / "ruff"), "format", "--check", "."]),
    ("types", [str(BIN / "mypy")]),
    ("import rules", [str(BIN / "lint-imports")]),
)


def main(arguments: list[str]) -> int:
    """Run every step, also after one has failed, and give 1 when any has."""
    long = "--long" in arguments
    rest = [argument for argument in arguments if argument != "--long"]
    workers = os.environ.get("POUNDLOCK_TEST_WORKERS", str(os.cpu_count() or 2))
    pytest = [sys.executable, "-m", "pytest", "-n", workers, "--dist", "loadgroup"]
    pytest += [] if long else ["-m", "not long"]
    failed = []
    for name, command in (*STEPS, ("tests", [*pytest, *rest])):
        began = time.monotonic()
        sys.stdout.write(f"== {name}\n")
        sys.stdout.flush()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        sys.stdout.write(f"== {name}: {'ok' if code == 0 else 'FAILED'} in {time.monotonic() - began:.0f} s\n")
        if code:
            failed.append(name)
    if failed:
        sys.stdout.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
