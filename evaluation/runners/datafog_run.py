"""Runs datafog's regular expressions over a folder; prints path, kind and offsets as NDJSON."""

import json
import sys
import warnings
from pathlib import Path

import datafog

warnings.simplefilter("ignore")
for path in sorted(Path(sys.argv[1]).iterdir()):
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read()
    for found in datafog.scan(text).entities:
        row = {"path": path.name, "kind": found.type, "start": found.start, "end": found.end}
        print(json.dumps(row))
